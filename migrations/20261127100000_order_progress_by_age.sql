-- `progress` in the order in which its tasks were added, which is about that of the service's list. As a table in the order
-- of the ids, which are random, it had each task of a page of the list on another page of the file, and 100 tasks that were
-- seen again wrote 100 of these.
CREATE TEMP TABLE progress_before AS
SELECT progress.*
  FROM progress
  LEFT JOIN tasks USING (task_id)
 ORDER BY tasks.created_at, task_id;

DROP TABLE progress;

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
    run_results            INTEGER NOT NULL DEFAULT 0,
    -- What the next poll of the run needs of the previous one, as JSON.
    pace                   TEXT,
    -- Results asked for and brought by concluded resumes since the task was added, retried, or its target raised.
    waste_requested        INTEGER NOT NULL DEFAULT 0,
    waste_brought          INTEGER NOT NULL DEFAULT 0,
    -- Polls in a row that the service answered with 404, and when the first of them began.
    absences               INTEGER NOT NULL DEFAULT 0,
    absent_since           TEXT,
    -- Since when the task is reported as quiet.
    quiet_at               TEXT,
    queue                  TEXT    NOT NULL DEFAULT 'regular'
                           CONSTRAINT queue_is_known CHECK (queue IN ('new', 'limit', 'regular')),
    -- When the newest poll of this task alone was answered.
    polled_alone_at        TEXT,
    -- The number of results at the last complete reading, and when that was.
    results_read           INTEGER,
    results_read_at        TEXT,
    -- The counters that the task had then. Results are to be read while they differ from the counters that it has now.
    results_counters       TEXT,
    -- Not to be read before this time: the delay after an error.
    results_next_at        TEXT    NOT NULL DEFAULT '',
    results_failures       INTEGER NOT NULL DEFAULT 0,
    results_error          TEXT
) STRICT;

INSERT INTO progress SELECT * FROM progress_before ORDER BY rowid;
DROP TABLE progress_before;

CREATE INDEX progress_queue ON progress (queue, next_poll_at) WHERE next_poll_at IS NOT NULL;
CREATE INDEX progress_state ON progress (state, task_id);
CREATE INDEX progress_capped ON progress (num_results) WHERE state = 'capped';
CREATE INDEX progress_idle ON progress (state) WHERE next_poll_at IS NULL AND state IN ('pending', 'growing');
CREATE INDEX progress_quiet ON progress (quiet_at) WHERE quiet_at IS NOT NULL;
-- The tasks whose results are to be read.
CREATE INDEX progress_unread ON progress (results_next_at, task_id)
 WHERE status IN ('done', 'failed')
   AND results_counters IS NOT num_results || ' ' || num_results_evaluated || ' ' || num_results_enriched
                               || ' ' || num_results_discovered;
-- How many results were read of how many tasks, and when the newest.
CREATE INDEX progress_read ON progress (results_read_at, results_read) WHERE results_read_at IS NOT NULL;

-- These three are unchanged.
CREATE TRIGGER progress_removed AFTER DELETE ON progress
WHEN EXISTS (SELECT 1 FROM tasks WHERE task_id = OLD.task_id)
BEGIN
    INSERT INTO progress (task_id, forgiven, next_poll_at, queue)
    SELECT task_id, coalesce((SELECT max(id) FROM resumes WHERE resumes.task_id = tasks.task_id), 0),
           CASE WHEN paused THEN NULL ELSE strftime('%Y-%m-%dT%H:%M:%fZ', 'now') END, 'new'
      FROM tasks WHERE task_id = OLD.task_id;

    INSERT INTO events (task_id, kind) VALUES (OLD.task_id, 'restored');
END;

CREATE TRIGGER progress_added AFTER INSERT ON progress
WHEN NOT EXISTS (SELECT 1 FROM tasks WHERE task_id = NEW.task_id)
BEGIN
    UPDATE progress SET next_poll_at = NULL WHERE task_id = NEW.task_id;
END;

CREATE TRIGGER progress_stopped AFTER UPDATE OF status ON progress
WHEN NEW.status IN ('done', 'failed') AND OLD.status IS NOT NEW.status AND NEW.results_next_at <> ''
BEGIN
    UPDATE progress SET results_next_at = '' WHERE task_id = NEW.task_id;
END;
