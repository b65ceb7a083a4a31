-- Nothing looks for all open resumes any more; as an index of its own it cost two pages of the log for each resume.
DROP INDEX resumes_open;

-- As it was, but a task that is retried is quiet no longer.
DROP TRIGGER tasks_retried;
CREATE TRIGGER tasks_retried AFTER UPDATE OF retry ON tasks
WHEN NEW.retry > OLD.retry
BEGIN
    UPDATE progress
       SET state = 'pending', reason = 'retry was asked for', failures = 0, last_error = NULL, stalled = 0,
           forgiven = coalesce((SELECT max(id) FROM resumes WHERE task_id = NEW.task_id), 0),
           next_poll_at = CASE WHEN NEW.paused THEN NULL ELSE strftime('%Y-%m-%dT%H:%M:%fZ', 'now') END,
           turn = 'new', waste_requested = 0, waste_brought = 0, absences = 0, absent_since = NULL,
           quiet_at = NULL
     WHERE task_id = NEW.task_id
       AND state IN ('failed', 'missing', 'refused', 'stalled', 'capped');

    INSERT INTO events (task_id, kind) VALUES (NEW.task_id, 'retried');
END;
