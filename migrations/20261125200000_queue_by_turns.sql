-- What a million tasks need: queues that are read from their front, and nothing that looks at every row.

-- In which queue a task waits for its look. One queue would not do: a hundred thousand tasks added at once stood before
-- all that are at work, and what waits for growth.daily_limit would be looked at whether the limit has room or not.
ALTER TABLE progress ADD COLUMN turn TEXT NOT NULL DEFAULT 'look'
    CONSTRAINT turn_is_known CHECK (turn IN ('new', 'limit', 'look'));

DROP INDEX progress_due;
CREATE INDEX progress_turn ON progress (turn, next_poll_at) WHERE next_poll_at IS NOT NULL;

-- A raised growth.task_cap wakes these, which may be most of all tasks.
CREATE INDEX progress_capped ON progress (num_results) WHERE state = 'capped';

-- The sum of a day is read from the index alone.
DROP INDEX resumes_by_time;
CREATE INDEX resumes_by_time ON resumes (sent_at, state, requested);
-- The open ones are few, and looked for with each heartbeat.
CREATE INDEX resumes_open ON resumes (sent_at) WHERE state = 'intended';

-- These three are as they were, but for `turn`.
DROP TRIGGER tasks_added;
CREATE TRIGGER tasks_added AFTER INSERT ON tasks
BEGIN
    INSERT INTO progress (task_id, forgiven)
    SELECT NEW.task_id, coalesce((SELECT max(id) FROM resumes WHERE task_id = NEW.task_id), 0)
     WHERE NOT EXISTS (SELECT 1 FROM progress WHERE task_id = NEW.task_id);

    UPDATE progress
       SET next_poll_at = CASE WHEN NEW.paused THEN NULL ELSE strftime('%Y-%m-%dT%H:%M:%fZ', 'now') END,
           turn = 'new'
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
           turn = 'new'
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
           turn = 'new'
     WHERE task_id = NEW.task_id
       AND state IN ('failed', 'missing', 'refused', 'stalled', 'capped');

    INSERT INTO events (task_id, kind) VALUES (NEW.task_id, 'retried');
END;

-- A task whose progress somebody deletes begins anew. Made here, where it happens, it need not be looked for. By the
-- time at which tasks_removed deletes progress the task is gone, and stays so.
CREATE TRIGGER progress_removed AFTER DELETE ON progress
WHEN EXISTS (SELECT 1 FROM tasks WHERE task_id = OLD.task_id)
BEGIN
    INSERT INTO progress (task_id, forgiven, next_poll_at, turn)
    SELECT task_id, coalesce((SELECT max(id) FROM resumes WHERE resumes.task_id = tasks.task_id), 0),
           CASE WHEN paused THEN NULL ELSE strftime('%Y-%m-%dT%H:%M:%fZ', 'now') END, 'new'
      FROM tasks WHERE task_id = OLD.task_id;

    INSERT INTO events (task_id, kind) VALUES (OLD.task_id, 'restored');
END;

-- The same for what was deleted before there was that trigger.
INSERT INTO progress (task_id, next_poll_at, turn)
SELECT task_id, CASE WHEN paused THEN NULL ELSE strftime('%Y-%m-%dT%H:%M:%fZ', 'now') END, 'new'
  FROM tasks
 WHERE NOT EXISTS (SELECT 1 FROM progress WHERE progress.task_id = tasks.task_id);

-- A row that somebody inserts for no task is in no queue: what is due is read without a look at each task.
CREATE TRIGGER progress_added AFTER INSERT ON progress
WHEN NOT EXISTS (SELECT 1 FROM tasks WHERE task_id = NEW.task_id)
BEGIN
    UPDATE progress SET next_poll_at = NULL WHERE task_id = NEW.task_id;
END;

UPDATE progress SET next_poll_at = NULL
 WHERE next_poll_at IS NOT NULL
   AND NOT EXISTS (SELECT 1 FROM tasks WHERE tasks.task_id = progress.task_id);
