-- Paused tasks are found, and counted, without a look at each task: the daemon's status line says how many there are.
CREATE INDEX tasks_paused ON tasks (task_id) WHERE paused;
