-- What reading many tasks with one request needs: which observation a task had to itself, and how many requests all
-- take together.

-- When the newest poll of this task alone was answered. Null for rows from before: nothing is known of their last poll.
ALTER TABLE progress ADD COLUMN polled_alone_at TEXT;

-- Requests that growd has sent to the service since the database was created.
ALTER TABLE daemon ADD COLUMN requests INTEGER NOT NULL DEFAULT 0
    CONSTRAINT requests_is_count CHECK (requests >= 0);
