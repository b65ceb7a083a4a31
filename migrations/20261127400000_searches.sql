-- Searches that are larger than one task: a query and a total, grown over several tasks.

CREATE TABLE searches (
    search          TEXT    PRIMARY KEY NOT NULL
                    CONSTRAINT search_is_a_name CHECK (
                        length(CAST(search AS BLOB)) BETWEEN 1 AND 100
                        AND search NOT GLOB '*[^A-Za-z0-9._-]*'
                    ),
    query           TEXT    NOT NULL
                    CONSTRAINT query_is_not_blank CHECK (
                        trim(query, ' ' || char(9, 10, 13)) <> '' AND instr(query, char(0)) = 0
                    ),
    target          INTEGER NOT NULL
                    CONSTRAINT target_is_at_least_1 CHECK (target >= 1),
    -- JSON arrays; null: the service infers them. `search_problems` says what is wrong with them.
    criteria        TEXT,
    data_sources    TEXT,
    exclude_domains TEXT,
    chunk           INTEGER
                    CONSTRAINT chunk_is_1_to_250 CHECK (chunk BETWEEN 1 AND 250),
    budget          INTEGER
                    CONSTRAINT budget_is_at_least_1 CHECK (budget >= 1),
    paused          INTEGER NOT NULL DEFAULT 0
                    CONSTRAINT paused_is_0_or_1 CHECK (paused IN (0, 1)),
    note            TEXT,
    -- Add 1 to have a search that ended looked at again: what `growd search retry` does.
    retry           INTEGER NOT NULL DEFAULT 0
                    CONSTRAINT retry_is_a_count CHECK (retry >= 0),
    created_at      TEXT    NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    updated_at      TEXT    NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
) STRICT, WITHOUT ROWID;

CREATE TABLE search_progress (
    search        TEXT    PRIMARY KEY NOT NULL,
    state         TEXT    NOT NULL DEFAULT 'pending'
                  CONSTRAINT search_state_is_known CHECK (state IN (
                      'pending', 'growing', 'reached', 'exhausted', 'capped',
                      'refused', 'stalled', 'failed', 'missing')),
    reason        TEXT,
    -- Different companies over all parts.
    results       INTEGER NOT NULL DEFAULT 0,
    parts         INTEGER NOT NULL DEFAULT 0,
    requested     INTEGER NOT NULL DEFAULT 0,
    next_at       TEXT,
    changed_at    TEXT,
    -- Creates up to this id belong to an earlier search of the same name.
    begun_after   INTEGER NOT NULL DEFAULT 0,
    -- Refusals and losses of creates up to this id no longer count: `retry` sets it.
    forgiven      INTEGER NOT NULL DEFAULT 0,
    -- Parts up to this number no longer end the search as stalled: `retry` sets it.
    forgiven_part INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

CREATE INDEX search_progress_due ON search_progress (next_at) WHERE next_at IS NOT NULL;

-- The ledger of creates: each task that was asked for, or was about to be. Never pruned.
CREATE TABLE creates (
    -- AUTOINCREMENT: an id is never given out a second time.
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    search       TEXT    NOT NULL,
    part         INTEGER NOT NULL
                 CONSTRAINT part_is_at_least_1 CHECK (part >= 1),
    desired      INTEGER NOT NULL
                 CONSTRAINT desired_is_1_to_250 CHECK (desired BETWEEN 1 AND 250),
    -- The request's body as it was sent.
    body         TEXT    NOT NULL
                 CONSTRAINT body_is_json CHECK (json_valid(body)),
    state        TEXT    NOT NULL
                 CONSTRAINT create_state_is_known CHECK (state IN (
                     'intended', 'accepted', 'rejected', 'unsent', 'lost')),
    task_id      TEXT,
    http_status  INTEGER,
    detail       TEXT,
    sent_at      TEXT    NOT NULL,
    resolved_at  TEXT,
    -- 1: the service refused it because of the search, which ends the search.
    refusal      INTEGER CONSTRAINT refusal_is_0_or_1 CHECK (refusal IN (0, 1)),
    -- When the first complete reading of the list that shows nothing of it was begun.
    absent_since TEXT,
    -- Readings of the list in a row whose pages did not join up, and that show nothing of it.
    doubts       INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE UNIQUE INDEX creates_one_intended ON creates (search) WHERE state = 'intended';
CREATE INDEX creates_by_search ON creates (search, id);
CREATE INDEX creates_by_time ON creates (sent_at, state, desired);
CREATE INDEX creates_by_task ON creates (task_id) WHERE task_id IS NOT NULL;

-- A task can be a part of a search, and can have a budget.
ALTER TABLE tasks ADD COLUMN search TEXT;
ALTER TABLE tasks ADD COLUMN part INTEGER
    CONSTRAINT part_is_at_least_1 CHECK (part >= 1)
    CONSTRAINT part_is_of_a_search CHECK ((part IS NULL) = (search IS NULL));
ALTER TABLE tasks ADD COLUMN budget INTEGER
    CONSTRAINT budget_is_at_least_1 CHECK (budget >= 1);

CREATE UNIQUE INDEX tasks_by_search ON tasks (search, part) WHERE search IS NOT NULL;

-- The search that an event concerns.
ALTER TABLE events ADD COLUMN search TEXT;
CREATE INDEX events_by_search ON events (search, id) WHERE search IS NOT NULL;

-- `available_credits` as GET /v1/user last showed it, and when it was asked. And when each limit was last reported as nearly
-- used up: a JSON object of key and time.
ALTER TABLE daemon ADD COLUMN credits INTEGER;
ALTER TABLE daemon ADD COLUMN credits_at TEXT;
ALTER TABLE daemon ADD COLUMN limits_near TEXT NOT NULL DEFAULT '{}'
    CONSTRAINT limits_near_is_json CHECK (json_valid(limits_near));

-- What is wrong with the JSON of a search; no row where nothing is. The triggers refuse a search that has a row here.
-- NOT MATERIALIZED: for one search, only the row of that search is read.
CREATE VIEW search_problems AS
WITH arrays AS NOT MATERIALIZED (
    SELECT search, 'criteria' AS name, criteria AS value FROM searches
     UNION ALL SELECT search, 'data_sources', data_sources FROM searches
     UNION ALL SELECT search, 'exclude_domains', exclude_domains FROM searches
), checked AS NOT MATERIALIZED (
    SELECT search, name, value,
           CASE WHEN NOT json_valid(value) THEN ' is not valid JSON'
                WHEN json_type(value) <> 'array' THEN ' must be a JSON array'
                WHEN json_array_length(value) = 0 THEN ' must not be empty; leave it null instead'
                WHEN json_array_length(value) > CASE name WHEN 'criteria' THEN 10 WHEN 'data_sources' THEN 20 ELSE 1000 END
                THEN ' has too many entries' END AS problem
      FROM arrays WHERE value IS NOT NULL
), entries AS NOT MATERIALIZED (
    SELECT checked.search, checked.name, entry.key + 1 AS nth, entry.type AS type, entry.value AS entry
      FROM checked, json_each(CASE WHEN problem IS NULL THEN checked.value ELSE '[]' END) AS entry
), fields AS NOT MATERIALIZED (
    SELECT entries.search, nth, field.key AS key, field.type AS type, field.value AS value
      FROM entries, json_each(CASE WHEN name = 'criteria' AND entries.type = 'object' THEN entry ELSE '{}' END) AS field
)
SELECT search, name || problem AS problem FROM checked WHERE problem IS NOT NULL
UNION ALL
SELECT search, name || ' entry ' || nth || CASE name
           WHEN 'criteria' THEN ' must be an object with key, name and criterion'
           ELSE ' must be a text that is not blank' END
  FROM entries
 WHERE CASE name WHEN 'criteria' THEN type <> 'object' ELSE type <> 'text' OR trim(entry, ' ' || char(9, 10, 13)) = '' END
UNION ALL
SELECT search, 'criteria entry ' || nth || ' has the unknown key ' || key || '; the keys are key, name and criterion'
  FROM fields WHERE key NOT IN ('key', 'name', 'criterion')
UNION ALL
SELECT entries.search, 'criteria entry ' || nth || ': ' || wanted.column1 || ' must be ' || wanted.column2
  FROM entries
  JOIN (VALUES ('key', '1 to 100 of A-Z a-z 0-9 _'), ('name', 'a text of 1 to 100 characters'),
               ('criterion', 'a text of 10 to 500 characters')) AS wanted
 WHERE entries.name = 'criteria' AND entries.type = 'object'
   AND NOT EXISTS (
       SELECT 1 FROM fields
        WHERE fields.search = entries.search AND fields.nth = entries.nth AND fields.key = wanted.column1
          AND fields.type = 'text'
          AND CASE wanted.column1
                  WHEN 'key' THEN length(fields.value) BETWEEN 1 AND 100 AND fields.value NOT GLOB '*[^A-Za-z0-9_]*'
                  WHEN 'name' THEN length(fields.value) BETWEEN 1 AND 100
                  ELSE length(fields.value) BETWEEN 10 AND 500 END
          AND trim(fields.value, ' ' || char(9, 10, 13)) <> '')
UNION ALL
SELECT search, 'criteria: the key ' || value || ' occurs more than once'
  FROM fields
 WHERE key = 'key'
   -- Not GROUP BY, for which every search is read.
   AND EXISTS (SELECT 1 FROM fields AS earlier
                WHERE earlier.search = fields.search AND earlier.nth < fields.nth AND earlier.key = 'key'
                  AND earlier.value = fields.value);

-- raise() takes an expression only since SQLite 3.47, so the problem is in the error of json_extract, which quotes it.
CREATE TRIGGER searches_added AFTER INSERT ON searches
BEGIN
    -- INSERT OR REPLACE fires no trigger for the row that it deletes, but leaves the tasks and the creates of that row.
    SELECT raise(ABORT, 'this search has begun and cannot be replaced: UPDATE it, or delete it first')
     WHERE EXISTS (SELECT 1 FROM tasks WHERE search = NEW.search)
        OR EXISTS (SELECT 1 FROM creates
                    WHERE search = NEW.search
                      AND id > (SELECT begun_after FROM search_progress WHERE search = NEW.search));

    SELECT json_extract('{}', problem) FROM search_problems WHERE search = NEW.search;

    INSERT INTO search_progress (search, begun_after, forgiven)
    SELECT NEW.search, newest, newest
      FROM (SELECT coalesce(max(id), 0) AS newest FROM creates WHERE search = NEW.search)
     WHERE NOT EXISTS (SELECT 1 FROM search_progress WHERE search = NEW.search);

    UPDATE search_progress
       SET next_at = CASE WHEN NEW.paused THEN NULL ELSE strftime('%Y-%m-%dT%H:%M:%fZ', 'now') END
     WHERE search = NEW.search;

    INSERT INTO events (search, kind, detail)
    VALUES (NEW.search, 'search_added', json_object('target', NEW.target, 'query', NEW.query));
END;

CREATE TRIGGER searches_renamed BEFORE UPDATE OF search ON searches
WHEN NEW.search IS NOT OLD.search
BEGIN
    SELECT raise(ABORT, 'search cannot be changed: delete the row and insert another');
END;

CREATE TRIGGER searches_begun BEFORE UPDATE OF query, criteria, data_sources, exclude_domains ON searches
WHEN (NEW.query IS NOT OLD.query OR NEW.criteria IS NOT OLD.criteria OR NEW.data_sources IS NOT OLD.data_sources
      OR NEW.exclude_domains IS NOT OLD.exclude_domains)
 AND (EXISTS (SELECT 1 FROM tasks WHERE search = NEW.search)
      OR EXISTS (SELECT 1 FROM creates
                  WHERE search = NEW.search
                    AND id > coalesce((SELECT begun_after FROM search_progress WHERE search = NEW.search), 0)))
BEGIN
    SELECT raise(ABORT, 'query, criteria, data_sources and exclude_domains cannot change once a task was asked for: start another search');
END;

CREATE TRIGGER searches_touched AFTER UPDATE OF query, target, criteria, data_sources, exclude_domains, chunk, budget, paused, note, retry ON searches
BEGIN
    UPDATE searches SET updated_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now') WHERE search = NEW.search;
END;

CREATE TRIGGER searches_checked AFTER UPDATE OF criteria, data_sources, exclude_domains ON searches
WHEN NEW.criteria IS NOT OLD.criteria OR NEW.data_sources IS NOT OLD.data_sources
  OR NEW.exclude_domains IS NOT OLD.exclude_domains
BEGIN
    SELECT json_extract('{}', problem) FROM search_problems WHERE search = NEW.search;
END;

CREATE TRIGGER searches_changed AFTER UPDATE OF query, target, criteria, data_sources, exclude_domains, chunk, budget, paused ON searches
WHEN NEW.query IS NOT OLD.query OR NEW.target IS NOT OLD.target OR NEW.criteria IS NOT OLD.criteria
  OR NEW.data_sources IS NOT OLD.data_sources OR NEW.exclude_domains IS NOT OLD.exclude_domains
  OR NEW.chunk IS NOT OLD.chunk OR NEW.budget IS NOT OLD.budget OR NEW.paused IS NOT OLD.paused
BEGIN
    UPDATE search_progress
       SET next_at = CASE WHEN NEW.paused THEN NULL ELSE strftime('%Y-%m-%dT%H:%M:%fZ', 'now') END
     WHERE search = NEW.search;

    UPDATE tasks SET paused = NEW.paused
     WHERE search = NEW.search AND NEW.paused IS NOT OLD.paused AND paused IS NOT NEW.paused;
    UPDATE tasks SET chunk = NEW.chunk
     WHERE search = NEW.search AND NEW.chunk IS NOT OLD.chunk;
    -- What is left of the budget bounds the next resume of the newest part.
    UPDATE progress SET next_poll_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now'), queue = 'new'
     WHERE NEW.budget IS NOT OLD.budget AND NOT NEW.paused AND state = 'stalled'
       AND task_id = (SELECT task_id FROM tasks WHERE search = NEW.search AND NOT paused ORDER BY part DESC LIMIT 1);

    INSERT INTO events (search, kind, detail)
    VALUES (
        NEW.search,
        CASE WHEN NEW.paused > OLD.paused THEN 'search_paused' WHEN NEW.paused < OLD.paused THEN 'search_unpaused'
             ELSE 'search_changed' END,
        json_object('target', NEW.target, 'chunk', NEW.chunk, 'budget', NEW.budget, 'paused', NEW.paused)
    );
END;

CREATE TRIGGER searches_retried AFTER UPDATE OF retry ON searches
WHEN NEW.retry > OLD.retry
BEGIN
    UPDATE tasks SET retry = retry + 1
     WHERE task_id = (SELECT task_id FROM tasks WHERE search = NEW.search ORDER BY part DESC LIMIT 1)
       AND EXISTS (SELECT 1 FROM search_progress
                    WHERE search = NEW.search AND state IN ('failed', 'missing', 'refused', 'stalled', 'capped'));

    UPDATE search_progress
       SET state = CASE WHEN parts = 0 THEN 'pending' ELSE 'growing' END, reason = 'retry was asked for',
           forgiven = coalesce((SELECT max(id) FROM creates WHERE search = NEW.search AND state <> 'intended'), 0),
           forgiven_part = coalesce((SELECT max(part) FROM tasks WHERE search = NEW.search), 0),
           changed_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now'),
           next_at = CASE WHEN NEW.paused THEN NULL ELSE strftime('%Y-%m-%dT%H:%M:%fZ', 'now') END
     WHERE search = NEW.search
       AND state IN ('failed', 'missing', 'refused', 'stalled', 'capped');

    INSERT INTO events (search, kind) VALUES (NEW.search, 'search_retried');
END;

-- Its tasks become ordinary tasks, paused. The ledger and the events stay.
CREATE TRIGGER searches_removed AFTER DELETE ON searches
BEGIN
    UPDATE tasks SET search = NULL, part = NULL, paused = 1 WHERE search = OLD.search;
    DELETE FROM search_progress WHERE search = OLD.search;
    INSERT INTO events (search, kind, detail)
    VALUES (OLD.search, 'search_removed', json_object('target', OLD.target));
END;

-- A search whose progress is deleted by hand begins anew from its parts and its ledger.
CREATE TRIGGER search_progress_removed AFTER DELETE ON search_progress
WHEN EXISTS (SELECT 1 FROM searches WHERE search = OLD.search)
BEGIN
    INSERT INTO search_progress (search, begun_after, next_at)
    SELECT search, OLD.begun_after, CASE WHEN paused THEN NULL ELSE strftime('%Y-%m-%dT%H:%M:%fZ', 'now') END
      FROM searches WHERE search = OLD.search;

    INSERT INTO events (search, kind) VALUES (OLD.search, 'search_restored');
END;

-- A row that is inserted by hand for no search is never due.
CREATE TRIGGER search_progress_added AFTER INSERT ON search_progress
WHEN NOT EXISTS (SELECT 1 FROM searches WHERE search = NEW.search)
BEGIN
    UPDATE search_progress SET next_at = NULL WHERE search = NEW.search;
END;

-- A part is of a search that exists, and stays one as long as the search exists: what it found is excluded by the next part.
CREATE TRIGGER tasks_part_of_a_search BEFORE INSERT ON tasks
WHEN NEW.search IS NOT NULL AND NOT EXISTS (SELECT 1 FROM searches WHERE search = NEW.search)
BEGIN
    SELECT raise(ABORT, 'there is no search of this name: insert it into searches first');
END;

CREATE TRIGGER tasks_part_changed BEFORE UPDATE OF search, part ON tasks
WHEN (NEW.search IS NOT OLD.search OR NEW.part IS NOT OLD.part)
BEGIN
    SELECT raise(ABORT, 'there is no search of this name: insert it into searches first')
     WHERE NEW.search IS NOT NULL AND NOT EXISTS (SELECT 1 FROM searches WHERE search = NEW.search);
    SELECT raise(ABORT, 'this task is a part of a search, and stays so until the search is removed')
     WHERE EXISTS (SELECT 1 FROM searches WHERE search = OLD.search);
END;

CREATE TRIGGER tasks_part_removed BEFORE DELETE ON tasks
WHEN OLD.search IS NOT NULL AND EXISTS (SELECT 1 FROM searches WHERE search = OLD.search)
BEGIN
    SELECT raise(ABORT, 'this task is a part of a search, whose later parts exclude what it found: remove the search first');
END;

-- Nothing is asked for a paused search: its parts are unpaused with it, and not one by one.
CREATE TRIGGER tasks_part_unpaused BEFORE UPDATE OF paused ON tasks
WHEN NEW.paused < OLD.paused AND EXISTS (SELECT 1 FROM searches WHERE search = NEW.search AND paused)
BEGIN
    SELECT raise(ABORT, 'this task is a part of a search that is paused: unpause the search');
END;

-- As before, and a part follows its search.
DROP TRIGGER tasks_added;
CREATE TRIGGER tasks_added AFTER INSERT ON tasks
BEGIN
    -- INSERT OR REPLACE would take a part that growd created out of its search, which would then pay for its companies again.
    SELECT raise(ABORT, 'this task was created as a part of a search, and stays so until the search is removed: UPDATE it')
      FROM creates AS c JOIN search_progress AS p ON p.search = c.search
     WHERE c.task_id = NEW.task_id AND c.state = 'accepted' AND c.id > p.begun_after
       AND c.search IS NOT NEW.search
       AND NOT EXISTS (SELECT 1 FROM tasks WHERE search = c.search AND part = c.part);

    INSERT INTO progress (task_id, forgiven)
    SELECT NEW.task_id, coalesce((SELECT max(id) FROM resumes WHERE task_id = NEW.task_id), 0)
     WHERE NOT EXISTS (SELECT 1 FROM progress WHERE task_id = NEW.task_id);

    UPDATE progress
       SET next_poll_at = CASE WHEN NEW.paused THEN NULL ELSE strftime('%Y-%m-%dT%H:%M:%fZ', 'now') END,
           queue = 'new', waste_requested = 0, waste_brought = 0
     WHERE task_id = NEW.task_id;

    INSERT INTO events (task_id, kind, detail)
    VALUES (NEW.task_id, 'added', json_object('target', NEW.target, 'chunk', NEW.chunk));

    UPDATE tasks
       SET paused = max(paused, (SELECT paused FROM searches WHERE search = NEW.search)),
           chunk = coalesce(chunk, (SELECT chunk FROM searches WHERE search = NEW.search))
     WHERE task_id = NEW.task_id AND NEW.search IS NOT NULL;
END;

CREATE TRIGGER tasks_part_joined AFTER UPDATE OF search ON tasks
WHEN NEW.search IS NOT NULL AND NEW.search IS NOT OLD.search
BEGIN
    UPDATE tasks
       SET paused = max(paused, (SELECT paused FROM searches WHERE search = NEW.search)),
           chunk = coalesce(chunk, (SELECT chunk FROM searches WHERE search = NEW.search))
     WHERE task_id = NEW.task_id;
END;

-- As before, and with the budget. growd itself raises the target of a part; that starts no new count of waste.
DROP TRIGGER tasks_touched;
CREATE TRIGGER tasks_touched AFTER UPDATE OF target, chunk, budget, paused, note, retry ON tasks
BEGIN
    UPDATE tasks SET updated_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now') WHERE task_id = NEW.task_id;
END;

DROP TRIGGER tasks_changed;
CREATE TRIGGER tasks_changed AFTER UPDATE OF target, chunk, budget, paused ON tasks
WHEN NEW.target IS NOT OLD.target OR NEW.chunk IS NOT OLD.chunk OR NEW.budget IS NOT OLD.budget
  OR NEW.paused IS NOT OLD.paused
BEGIN
    -- `paused` as it is now: another trigger may have paused a part that came into a paused search.
    UPDATE progress
       SET next_poll_at = CASE WHEN (SELECT paused FROM tasks WHERE task_id = NEW.task_id) THEN NULL
                               ELSE strftime('%Y-%m-%dT%H:%M:%fZ', 'now') END,
           queue = 'new',
           waste_requested = CASE WHEN NEW.target > OLD.target AND NEW.search IS NULL THEN 0 ELSE waste_requested END,
           waste_brought = CASE WHEN NEW.target > OLD.target AND NEW.search IS NULL THEN 0 ELSE waste_brought END
     WHERE task_id = NEW.task_id;

    INSERT INTO events (task_id, kind, detail)
    VALUES (
        NEW.task_id,
        CASE WHEN NEW.paused > OLD.paused THEN 'paused' WHEN NEW.paused < OLD.paused THEN 'unpaused' ELSE 'changed' END,
        json_object('target', NEW.target, 'chunk', NEW.chunk, 'paused', NEW.paused)
    );
END;

-- A search is due when something of a part changes that its next step can depend on.
CREATE TRIGGER progress_wakes_search AFTER UPDATE OF state, status, next_poll_at, results_read_at, results_error ON progress
WHEN (NEW.state IS NOT OLD.state OR NEW.status IS NOT OLD.status OR NEW.results_read_at IS NOT OLD.results_read_at
      OR NEW.results_error IS NOT OLD.results_error OR (NEW.next_poll_at IS NULL) <> (OLD.next_poll_at IS NULL))
 AND EXISTS (SELECT 1 FROM tasks WHERE task_id = NEW.task_id AND search IS NOT NULL)
BEGIN
    UPDATE search_progress SET next_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now')
     WHERE search = (SELECT search FROM tasks WHERE task_id = NEW.task_id)
       AND EXISTS (SELECT 1 FROM searches WHERE searches.search = search_progress.search AND NOT paused);
END;

CREATE TRIGGER tasks_wake_search AFTER UPDATE OF search, target ON tasks
WHEN NEW.search IS NOT NULL AND (NEW.search IS NOT OLD.search OR NEW.target IS NOT OLD.target)
BEGIN
    UPDATE search_progress SET next_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now')
     WHERE search = NEW.search
       AND EXISTS (SELECT 1 FROM searches WHERE searches.search = NEW.search AND NOT paused);
END;

CREATE TRIGGER resumes_wake_search AFTER INSERT ON resumes
WHEN EXISTS (SELECT 1 FROM tasks WHERE task_id = NEW.task_id AND search IS NOT NULL)
BEGIN
    UPDATE search_progress SET next_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now')
     WHERE search = (SELECT search FROM tasks WHERE task_id = NEW.task_id)
       AND EXISTS (SELECT 1 FROM searches WHERE searches.search = search_progress.search AND NOT paused);
END;

CREATE TRIGGER resumes_resolved_wake_search AFTER UPDATE OF state ON resumes
WHEN NEW.state IS NOT OLD.state
 AND EXISTS (SELECT 1 FROM tasks WHERE task_id = NEW.task_id AND search IS NOT NULL)
BEGIN
    UPDATE search_progress SET next_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now')
     WHERE search = (SELECT search FROM tasks WHERE task_id = NEW.task_id)
       AND EXISTS (SELECT 1 FROM searches WHERE searches.search = search_progress.search AND NOT paused);
END;

-- For people: one row for each task, as before, and its search.
DROP VIEW overview;
CREATE VIEW overview AS
SELECT t.task_id,
       t.note,
       CASE WHEN t.paused THEN 'paused' ELSE p.state END AS state,
       p.reason,
       t.target,
       p.num_results,
       CAST(min(100, 100 * coalesce(p.num_results, 0) / t.target) AS INTEGER) AS percent,
       p.status,
       p.is_exhausted,
       coalesce((SELECT sum(r.requested) FROM resumes r
                  WHERE r.task_id = t.task_id AND r.state = 'accepted'), 0) AS requested,
       p.polled_at,
       p.next_poll_at,
       p.last_error,
       t.search,
       t.part
  FROM tasks t
  JOIN progress p ON p.task_id = t.task_id;

-- For people: one row for each search.
CREATE VIEW search_overview AS
SELECT s.search,
       s.note,
       CASE WHEN s.paused THEN 'paused' ELSE p.state END AS state,
       p.reason,
       s.target,
       p.results,
       CAST(min(100, 100 * p.results / s.target) AS INTEGER) AS percent,
       p.parts,
       p.requested,
       s.budget,
       p.next_at,
       p.changed_at,
       s.query
  FROM searches s
  JOIN search_progress p ON p.search = s.search;
