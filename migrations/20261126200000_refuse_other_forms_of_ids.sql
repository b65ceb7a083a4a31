-- A new task id is a UUID in its canonical form (lower case, with hyphens), or 1 to 200 characters of
-- A-Z a-z 0-9 - . _ ~. The triggers refuse an INSERT of anything else. Rows from before stay, and can be changed.
--
-- These are triggers, for a CHECK would hold for the old rows too. Their error comes from json_extract, which quotes a
-- path that it cannot read: raise() takes an expression only since SQLite 3.47, and an older shell would refuse to read
-- the schema at all.

-- Finds an old row by its UUID, whatever form that is in. Every row with a canonical UUID is left out.
CREATE INDEX tasks_other_forms ON tasks (
    replace(replace(replace(replace(lower(trim(task_id)), 'urn:uuid:', ''), '{', ''), '}', ''), '-', '')
)
WHERE NOT (task_id GLOB '????????-????-????-????-????????????' AND task_id NOT GLOB '*[^-0-9a-f]*');

CREATE TRIGGER tasks_id_is_plain BEFORE INSERT ON tasks
WHEN typeof(NEW.task_id) = 'text'
 AND NOT (NEW.task_id GLOB '????????-????-????-????-????????????' AND NEW.task_id NOT GLOB '*[^-0-9a-f]*')
 -- An upsert of a row that exists brings no new id.
 AND NOT EXISTS (SELECT 1 FROM tasks WHERE task_id = NEW.task_id)
BEGIN
    SELECT json_extract('{}', 'task_id_is_an_id: write this UUID as ' || substr(digits, 1, 8) || '-'
               || substr(digits, 9, 4) || '-' || substr(digits, 13, 4) || '-' || substr(digits, 17, 4) || '-'
               || substr(digits, 21))
      FROM (SELECT replace(replace(replace(replace(lower(trim(NEW.task_id, ' ' || char(9, 10, 11, 12, 13, 160, 65279))),
                       'urn:uuid:', ''), '{', ''), '}', ''), '-', '') AS digits)
     WHERE length(digits) = 32 AND digits NOT GLOB '*[^0-9a-f]*';

    SELECT json_extract('{}', 'task_id_is_an_id: '
               || CASE WHEN unicode(rest) BETWEEN 33 AND 126 THEN substr(rest, 1, 1)
                       ELSE printf('U+%04X', unicode(rest)) END
               || ' does not belong in a task id; it consists of A-Z a-z 0-9 - . _ ~')
      -- What follows the leading characters that belong begins with the first that does not.
      FROM (SELECT ltrim(NEW.task_id, 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~') AS rest)
     WHERE rest <> '';
END;

-- An old row in another form stays the only one for its search. The index is nearly always empty: it is asked first.
CREATE TRIGGER tasks_id_is_new BEFORE INSERT ON tasks
WHEN NEW.task_id GLOB '????????-????-????-????-????????????' AND NEW.task_id NOT GLOB '*[^-0-9a-f]*'
 AND EXISTS (
         SELECT 1 FROM tasks
          WHERE replace(replace(replace(replace(lower(trim(task_id)), 'urn:uuid:', ''), '{', ''), '}', ''), '-', '')
                    = replace(NEW.task_id, '-', '')
            AND NOT (task_id GLOB '????????-????-????-????-????????????' AND task_id NOT GLOB '*[^-0-9a-f]*'))
 AND NOT EXISTS (SELECT 1 FROM tasks WHERE task_id = NEW.task_id)
BEGIN
    SELECT json_extract('{}', 'task_id_is_an_id: ' || NEW.task_id || ' is there already in another form of this UUID; '
               || 'growd add changes that row, growd show finds it');
END;
