-- What the pace remembers of the present run from one look to the next, so that a restart does not begin to learn anew.
--
-- One column of JSON and not a column for each number: they mean something only together, only to the rule that wrote
-- them, and every look writes all of them. Null while the service is not at work, and after an upgrade.
ALTER TABLE progress ADD COLUMN pace TEXT;
