-- The companies that each task found, and what was read of them.

-- One row for each result of each task. It stays when the task is removed, and when the service shows it no more.
CREATE TABLE results (
    task_id                  TEXT NOT NULL,
    result_id                TEXT NOT NULL,
    company_name             TEXT,
    company_website          TEXT,
    -- The registrable domain of company_website.
    domain                   TEXT,
    company_description      TEXT,
    company_full_description TEXT,
    relevance                REAL,
    source                   TEXT,
    founding_year            INTEGER,
    employee_count           TEXT,
    hq_country               TEXT,
    hq_state_province        TEXT,
    hq_city                  TEXT,
    company_profile_id       TEXT,
    -- Without IS NULL, `PRAGMA quick_check` of SQLite before 3.42 reports each row with a null: json_valid(NULL) was 0.
    scores                   TEXT CONSTRAINT scores_is_json CHECK (scores IS NULL OR json_valid(scores)),
    created_at               TEXT,
    -- Fields that this version does not know, or of an undocumented type.
    extra                    TEXT CONSTRAINT extra_is_json CHECK (extra IS NULL OR json_valid(extra)),
    first_seen_at            TEXT NOT NULL,
    seen_at                  TEXT NOT NULL,
    -- When a complete reading no longer contained it.
    gone_at                  TEXT,
    PRIMARY KEY (task_id, result_id)
) STRICT;

-- What the view `companies` reads: a thirtieth of the table. Without gone_at it would not be all of it.
CREATE INDEX results_by_company ON results (domain, company_name, task_id, relevance, first_seen_at, company_website,
                                            hq_country, employee_count, founding_year, gone_at)
 WHERE gone_at IS NULL;

-- The number of rows at the last complete reading, and when that was.
ALTER TABLE progress ADD COLUMN results_read INTEGER;
ALTER TABLE progress ADD COLUMN results_read_at TEXT;
-- The counters that the task had then. Results are to be read while they differ from the counters that it has now.
ALTER TABLE progress ADD COLUMN results_counters TEXT;
-- Not to be read before this time: the delay after an error.
ALTER TABLE progress ADD COLUMN results_next_at TEXT NOT NULL DEFAULT '';
ALTER TABLE progress ADD COLUMN results_failures INTEGER NOT NULL DEFAULT 0;
ALTER TABLE progress ADD COLUMN results_error TEXT;

-- The tasks whose results are to be read.
CREATE INDEX progress_unread ON progress (results_next_at, task_id)
 WHERE status IN ('done', 'failed')
   AND results_counters IS NOT num_results || ' ' || num_results_evaluated || ' ' || num_results_enriched
                               || ' ' || num_results_discovered;

-- How many results were read of how many tasks, and when the newest.
CREATE INDEX progress_read ON progress (results_read_at, results_read) WHERE results_read_at IS NOT NULL;

-- A task that stops is due at once, whatever a reading while it was at work came to.
CREATE TRIGGER progress_stopped AFTER UPDATE OF status ON progress
WHEN NEW.status IN ('done', 'failed') AND OLD.status IS NOT NEW.status AND NEW.results_next_at <> ''
BEGIN
    UPDATE progress SET results_next_at = '' WHERE task_id = NEW.task_id;
END;

-- One row for each company over all tasks: for each domain, for each name where there is no domain. A result with neither
-- has a row of its own.
CREATE VIEW companies AS
WITH found AS NOT MATERIALIZED (
    SELECT *, coalesce('d' || domain, 'n' || company_name, 'r' || rowid) AS company
      FROM results WHERE gone_at IS NULL
)
-- With max() as the only such aggregate, SQLite takes the other columns from the row that has the maximum.
SELECT best.domain, best.company_name, best.company_website, best.hq_country, best.employee_count, best.founding_year,
       best.relevance, counted.tasks, counted.first_seen_at
  FROM (SELECT company, domain, company_name, company_website, hq_country, employee_count, founding_year,
               max(relevance) AS relevance
          FROM found GROUP BY company) AS best
  JOIN (SELECT company, count(DISTINCT task_id) AS tasks, min(first_seen_at) AS first_seen_at
          FROM found GROUP BY company) AS counted USING (company);
