-- `progress.turn` becomes `progress.queue`, and its word 'look' becomes 'regular'. SQLite cannot change a CHECK in place,
-- so this is a new column and not a renamed one.
ALTER TABLE progress ADD COLUMN queue TEXT NOT NULL DEFAULT 'regular'
    CONSTRAINT queue_is_known CHECK (queue IN ('new', 'limit', 'regular'));

-- The other tasks are in 'regular' by the default, without a write.
UPDATE progress SET queue = turn WHERE turn IN ('new', 'limit');

DROP INDEX progress_turn;
CREATE INDEX progress_queue ON progress (queue, next_poll_at) WHERE next_poll_at IS NOT NULL;

-- These four name `queue` in place of `turn`, and are otherwise unchanged.
DROP TRIGGER tasks_added;
CREATE TRIGGER tasks_added AFTER INSERT ON tasks
BEGIN
    INSERT INTO progress (task_id, forgiven)
    SELECT NEW.task_id, coalesce((SELECT max(id) FROM resumes WHERE task_id = NEW.task_id), 0)
     WHERE NOT EXISTS (SELECT 1 FROM progress WHERE task_id = NEW.task_id);

    UPDATE progress
       SET next_poll_at = CASE WHEN NEW.paused THEN NULL ELSE strftime('%Y-%m-%dT%H:%M:%fZ', 'now') END,
           queue = 'new', waste_requested = 0, waste_brought = 0
     WHERE task_id = NEW.task_id;

    INSERT INTO events (task_id, kind, detail)
    VALUES (NEW.task_id, 'added', json_object('target', NEW.target, 'chunk', NEW.chunk));
END;

DROP TRIGGER tasks_changed;
CREATE TRIGGER tasks_changed AFTER UPDATE OF target, chunk, paused ON tasks
WHEN NEW.target IS NOT OLD.target OR NEW.chunk IS NOT OLD.chunk OR NEW.paused IS NOT OLD.paused
BEGIN
    UPDATE progress
       SET next_poll_at = CASE WHEN NEW.paused THEN NULL ELSE strftime('%Y-%m-%dT%H:%M:%fZ', 'now') END,
           queue = 'new',
           waste_requested = CASE WHEN NEW.target > OLD.target THEN 0 ELSE waste_requested END,
           waste_brought = CASE WHEN NEW.target > OLD.target THEN 0 ELSE waste_brought END
     WHERE task_id = NEW.task_id;

    INSERT INTO events (task_id, kind, detail)
    VALUES (
        NEW.task_id,
        CASE WHEN NEW.paused > OLD.paused THEN 'paused' WHEN NEW.paused < OLD.paused THEN 'unpaused' ELSE 'changed' END,
        json_object('target', NEW.target, 'chunk', NEW.chunk, 'paused', NEW.paused)
    );
END;

DROP TRIGGER tasks_retried;
CREATE TRIGGER tasks_retried AFTER UPDATE OF retry ON tasks
WHEN NEW.retry > OLD.retry
BEGIN
    UPDATE progress
       SET state = 'pending', reason = 'retry was asked for', failures = 0, last_error = NULL, stalled = 0,
           forgiven = coalesce((SELECT max(id) FROM resumes WHERE task_id = NEW.task_id), 0),
           next_poll_at = CASE WHEN NEW.paused THEN NULL ELSE strftime('%Y-%m-%dT%H:%M:%fZ', 'now') END,
           queue = 'new', waste_requested = 0, waste_brought = 0, absences = 0, absent_since = NULL,
           quiet_at = NULL
     WHERE task_id = NEW.task_id
       AND state IN ('failed', 'missing', 'refused', 'stalled', 'capped');

    INSERT INTO events (task_id, kind) VALUES (NEW.task_id, 'retried');
END;

DROP TRIGGER progress_removed;
CREATE TRIGGER progress_removed AFTER DELETE ON progress
WHEN EXISTS (SELECT 1 FROM tasks WHERE task_id = OLD.task_id)
BEGIN
    INSERT INTO progress (task_id, forgiven, next_poll_at, queue)
    SELECT task_id, coalesce((SELECT max(id) FROM resumes WHERE resumes.task_id = tasks.task_id), 0),
           CASE WHEN paused THEN NULL ELSE strftime('%Y-%m-%dT%H:%M:%fZ', 'now') END, 'new'
      FROM tasks WHERE task_id = OLD.task_id;

    INSERT INTO events (task_id, kind) VALUES (OLD.task_id, 'restored');
END;

ALTER TABLE progress DROP COLUMN turn;
