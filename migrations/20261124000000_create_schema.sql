-- The whole of growd's memory. People write `tasks`; all else is the daemon's.
--
-- Times are UTC text with milliseconds and a Z, so that comparing them as text compares them as times.

-- "growd" as four bytes: tells growd's files from other SQLite files.
PRAGMA application_id = 0x67726f77;

-- What is wanted: one row for each search to grow.
CREATE TABLE tasks (
    task_id    TEXT    PRIMARY KEY NOT NULL
               CONSTRAINT task_id_is_an_id CHECK (
                   length(CAST(task_id AS BLOB)) BETWEEN 1 AND 200
                   AND trim(task_id, ' ') <> ''
                   AND task_id NOT IN ('.', '..')
                   -- no control characters, NUL among them: they belong in no path of a URL
                   AND instr(task_id, char(0)) = 0
                   AND task_id NOT GLOB '*[' || char(1) || '-' || char(31) || char(127) || ']*'
               ),
    target     INTEGER NOT NULL
               CONSTRAINT target_is_at_least_1 CHECK (target >= 1),
    chunk      INTEGER
               CONSTRAINT chunk_is_1_to_250 CHECK (chunk BETWEEN 1 AND 250),
    paused     INTEGER NOT NULL DEFAULT 0
               CONSTRAINT paused_is_0_or_1 CHECK (paused IN (0, 1)),
    note       TEXT,
    -- Add 1 to have a task that ended looked at again: what `growd retry` does.
    retry      INTEGER NOT NULL DEFAULT 0
               CONSTRAINT retry_is_a_count CHECK (retry >= 0),
    created_at TEXT    NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    updated_at TEXT    NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
) STRICT, WITHOUT ROWID;

-- What is: the newest look at each task, and where its growing stands.
CREATE TABLE progress (
    task_id                TEXT    PRIMARY KEY NOT NULL,
    state                  TEXT    NOT NULL DEFAULT 'pending'
                           CONSTRAINT state_is_known CHECK (state IN (
                               'pending', 'growing', 'reached', 'exhausted', 'capped',
                               'refused', 'stalled', 'failed', 'missing')),
    reason                 TEXT,
    status                 TEXT,
    is_exhausted           INTEGER CHECK (is_exhausted IN (0, 1)),
    desired_num_results    INTEGER,
    num_results_discovered INTEGER,
    num_results_enriched   INTEGER,
    num_results_evaluated  INTEGER,
    num_results            INTEGER,
    query                  TEXT,
    polls                  INTEGER NOT NULL DEFAULT 0,
    failures               INTEGER NOT NULL DEFAULT 0,
    last_error             TEXT,
    polled_at              TEXT,
    changed_at             TEXT,
    next_poll_at           TEXT,
    -- The highest num_results ever seen: progress is measured against it, not against a counter that fell.
    best_results           INTEGER NOT NULL DEFAULT 0,
    -- Accepted resumes in a row that brought nothing.
    stalled                INTEGER NOT NULL DEFAULT 0,
    -- Refusals in `resumes` up to this id no longer end the task.
    forgiven               INTEGER NOT NULL DEFAULT 0,
    -- The present run of the service: since when, and num_results at its start.
    run_started_at         TEXT,
    run_results            INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

-- The queue of what is due.
CREATE INDEX progress_due ON progress (next_poll_at) WHERE next_poll_at IS NOT NULL;
CREATE INDEX progress_state ON progress (state);

-- The ledger: each resume that was asked, or was about to be. Never pruned.
CREATE TABLE resumes (
    -- AUTOINCREMENT: an id is never given out a second time.
    id               INTEGER PRIMARY KEY AUTOINCREMENT,
    task_id          TEXT    NOT NULL,
    requested        INTEGER NOT NULL
                     CONSTRAINT requested_is_1_to_250 CHECK (requested BETWEEN 1 AND 250),
    baseline_desired INTEGER NOT NULL,
    baseline_results INTEGER NOT NULL,
    state            TEXT    NOT NULL
                     CONSTRAINT resume_state_is_known CHECK (state IN (
                         'intended', 'accepted', 'rejected', 'unsent', 'lost')),
    http_status      INTEGER,
    detail           TEXT,
    sent_at          TEXT    NOT NULL,
    resolved_at      TEXT,
    -- The highest num_results seen of the task before this resume.
    best_results     INTEGER NOT NULL DEFAULT 0,
    -- When a look first showed the service at work on it, or what it brought.
    shown_at         TEXT,
    -- How many results it brought; null until that is known.
    brought          INTEGER
) STRICT;

-- Two resumes of one task can't be under way, not even by hand.
CREATE UNIQUE INDEX resumes_one_intended ON resumes (task_id) WHERE state = 'intended';
CREATE INDEX resumes_by_task ON resumes (task_id, id);
CREATE INDEX resumes_by_time ON resumes (sent_at);

-- The counters' history: a row each time one of them changed.
CREATE TABLE samples (
    task_id                TEXT    NOT NULL,
    at                     TEXT    NOT NULL,
    desired_num_results    INTEGER NOT NULL,
    num_results_discovered INTEGER NOT NULL,
    num_results_enriched   INTEGER NOT NULL,
    num_results_evaluated  INTEGER NOT NULL,
    num_results            INTEGER NOT NULL
) STRICT;

CREATE INDEX samples_by_task ON samples (task_id, at);
CREATE INDEX samples_by_time ON samples (at);

-- Everything worth telling.
CREATE TABLE events (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    at      TEXT    NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    task_id TEXT,
    kind    TEXT    NOT NULL,
    detail  TEXT    NOT NULL DEFAULT '{}' CHECK (json_valid(detail))
) STRICT;

CREATE INDEX events_by_task ON events (task_id, id);
CREATE INDEX events_by_time ON events (at);

-- The daemon and the account's gate: one row.
CREATE TABLE daemon (
    id           INTEGER PRIMARY KEY CHECK (id = 1),
    version      TEXT,
    -- Null while no daemon runs.
    pid          INTEGER,
    started_at   TEXT,
    heartbeat_at TEXT,
    gate         TEXT    NOT NULL DEFAULT 'open'
                 CHECK (gate IN ('open', 'unauthorized', 'payment_required', 'rate_limited', 'unreachable')),
    gate_reason  TEXT,
    gate_until   TEXT
) STRICT;

INSERT INTO daemon (id) VALUES (1);

-- One INSERT INTO tasks is all it takes: the triggers make the rest.
--
-- They say WHERE NOT EXISTS in place of ON CONFLICT, for an INSERT OR REPLACE by hand would override that and
-- replace the row of progress too.
CREATE TRIGGER tasks_added AFTER INSERT ON tasks
BEGIN
    INSERT INTO progress (task_id, forgiven)
    SELECT NEW.task_id, coalesce((SELECT max(id) FROM resumes WHERE task_id = NEW.task_id), 0)
     WHERE NOT EXISTS (SELECT 1 FROM progress WHERE task_id = NEW.task_id);

    UPDATE progress
       SET next_poll_at = CASE WHEN NEW.paused THEN NULL ELSE strftime('%Y-%m-%dT%H:%M:%fZ', 'now') END
     WHERE task_id = NEW.task_id;

    INSERT INTO events (task_id, kind, detail)
    VALUES (NEW.task_id, 'added', json_object('target', NEW.target, 'chunk', NEW.chunk));
END;

CREATE TRIGGER tasks_renamed BEFORE UPDATE OF task_id ON tasks
WHEN NEW.task_id IS NOT OLD.task_id
BEGIN
    SELECT raise(ABORT, 'task_id cannot be changed: delete the row and insert another');
END;

CREATE TRIGGER tasks_touched AFTER UPDATE OF target, chunk, paused, note, retry ON tasks
BEGIN
    UPDATE tasks SET updated_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now') WHERE task_id = NEW.task_id;
END;

CREATE TRIGGER tasks_changed AFTER UPDATE OF target, chunk, paused ON tasks
WHEN NEW.target IS NOT OLD.target OR NEW.chunk IS NOT OLD.chunk OR NEW.paused IS NOT OLD.paused
BEGIN
    UPDATE progress
       SET next_poll_at = CASE WHEN NEW.paused THEN NULL ELSE strftime('%Y-%m-%dT%H:%M:%fZ', 'now') END
     WHERE task_id = NEW.task_id;

    INSERT INTO events (task_id, kind, detail)
    VALUES (
        NEW.task_id,
        CASE WHEN NEW.paused > OLD.paused THEN 'paused' WHEN NEW.paused < OLD.paused THEN 'unpaused' ELSE 'changed' END,
        json_object('target', NEW.target, 'chunk', NEW.chunk, 'paused', NEW.paused)
    );
END;

CREATE TRIGGER tasks_retried AFTER UPDATE OF retry ON tasks
WHEN NEW.retry > OLD.retry
BEGIN
    UPDATE progress
       SET state = 'pending', reason = 'retry was asked for', failures = 0, last_error = NULL, stalled = 0,
           forgiven = coalesce((SELECT max(id) FROM resumes WHERE task_id = NEW.task_id), 0),
           next_poll_at = CASE WHEN NEW.paused THEN NULL ELSE strftime('%Y-%m-%dT%H:%M:%fZ', 'now') END
     WHERE task_id = NEW.task_id
       AND state IN ('failed', 'missing', 'refused', 'stalled', 'capped');

    INSERT INTO events (task_id, kind) VALUES (NEW.task_id, 'retried');
END;

-- The ledger and the events stay.
CREATE TRIGGER tasks_removed AFTER DELETE ON tasks
BEGIN
    DELETE FROM progress WHERE task_id = OLD.task_id;
    DELETE FROM samples WHERE task_id = OLD.task_id;
    INSERT INTO events (task_id, kind, detail)
    VALUES (OLD.task_id, 'removed', json_object('target', OLD.target));
END;

-- For people: a row a task.
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
       p.last_error
  FROM tasks t
  JOIN progress p ON p.task_id = t.task_id;
