-- What is neither at its end nor due at any time: paused tasks, and what somebody took out of its queue by hand. The latter
-- are looked for at each start, without a look at all that are under way.
CREATE INDEX progress_idle ON progress (state) WHERE next_poll_at IS NULL AND state IN ('pending', 'growing');
