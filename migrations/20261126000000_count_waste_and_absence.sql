-- What bounds the spending where the service brings less than was asked, and what tells a missing task from a passing 404.

-- Results asked for and brought by concluded resumes since the task was added, retried, or its target raised: the
-- difference is held against growth.max_waste.
ALTER TABLE progress ADD COLUMN waste_requested INTEGER NOT NULL DEFAULT 0;
ALTER TABLE progress ADD COLUMN waste_brought   INTEGER NOT NULL DEFAULT 0;
-- Polls in a row that the service answered with 404, and when the first of them began.
ALTER TABLE progress ADD COLUMN absences        INTEGER NOT NULL DEFAULT 0;
ALTER TABLE progress ADD COLUMN absent_since    TEXT;
-- Since when the task is reported as quiet: the service calls it running, and nothing has changed for polling.quiet_after.
ALTER TABLE progress ADD COLUMN quiet_at        TEXT;

CREATE INDEX progress_quiet ON progress (quiet_at) WHERE quiet_at IS NOT NULL;

-- When the resume's own answer or a poll first showed any effect of it. `shown_at` is when a poll first showed work.
ALTER TABLE resumes ADD COLUMN effect_at  TEXT;
-- The polls in a row that show the task done although the resume is open: when the first began, later by the time in which
-- the service could not be asked, and when the newest began.
ALTER TABLE resumes ADD COLUMN idle_since TEXT;
ALTER TABLE resumes ADD COLUMN idle_until TEXT;
-- 1: the service refused it for what the task is, which ends the growing; 0: a later poll has lifted that.
ALTER TABLE resumes ADD COLUMN refusal    INTEGER CHECK (refusal IN (0, 1));

UPDATE resumes SET refusal = 1 WHERE state = 'rejected' AND http_status IN (400, 422);
UPDATE resumes SET effect_at = shown_at WHERE shown_at IS NOT NULL;

-- A missing task is polled once a day now. Those that an earlier version gave up are spread over the first day.
UPDATE progress
   SET next_poll_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '+' || (abs(random()) % 86400) || ' seconds')
 WHERE state = 'missing' AND next_poll_at IS NULL
   AND EXISTS (SELECT 1 FROM tasks WHERE tasks.task_id = progress.task_id AND NOT paused)
   AND instr(coalesce(reason, ''), 'this id is no UTF-8 text') = 0;

-- These three are as they were, but for the counts.
DROP TRIGGER tasks_added;
CREATE TRIGGER tasks_added AFTER INSERT ON tasks
BEGIN
    INSERT INTO progress (task_id, forgiven)
    SELECT NEW.task_id, coalesce((SELECT max(id) FROM resumes WHERE task_id = NEW.task_id), 0)
     WHERE NOT EXISTS (SELECT 1 FROM progress WHERE task_id = NEW.task_id);

    UPDATE progress
       SET next_poll_at = CASE WHEN NEW.paused THEN NULL ELSE strftime('%Y-%m-%dT%H:%M:%fZ', 'now') END,
           turn = 'new', waste_requested = 0, waste_brought = 0
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
           turn = 'new',
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
           turn = 'new', waste_requested = 0, waste_brought = 0, absences = 0, absent_since = NULL
     WHERE task_id = NEW.task_id
       AND state IN ('failed', 'missing', 'refused', 'stalled', 'capped');

    INSERT INTO events (task_id, kind) VALUES (NEW.task_id, 'retried');
END;
