-- Readings in a row that are not trusted, a JSON object; null: the newest one is. And an index of the running tasks: with
-- `results.live` the results of each of them are read, in whatever state it is.

ALTER TABLE progress ADD COLUMN results_doubts TEXT;

CREATE INDEX progress_running ON progress (task_id) WHERE status NOT IN ('done', 'failed');
