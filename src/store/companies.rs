//! `results`, as the commands read it: the companies that were found, the most relevant first.

use super::{StoreError, Text, schema};
use crate::core::TaskId;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt, TryStreamExt};
use serde_json::json;
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use sqlx::{FromRow, Row as _};
use std::sync::LazyLock;

/// The results that a command is about. Those that are gone from the service are never among them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Filter {
    /// The tasks; `None`: all, removed ones too.
    pub tasks: Option<Vec<TaskId>>,
    /// One row for each company: the most relevant one.
    pub is_distinct: bool,
    /// The lowest relevance.
    pub min_relevance: Option<f64>,
    /// The earliest `first_seen_at`. With `is_distinct` it holds for the company, which was first seen with the first result
    /// of these tasks that is kept of it, also if that is gone or has a lower relevance.
    pub since: Option<String>,
    /// The domains that are left out.
    pub exclude_domains: Vec<String>,
}

impl Filter {
    /// Returns whether it leaves out results of its tasks.
    #[must_use]
    pub fn is_selective(&self) -> bool {
        self.min_relevance.is_some() || self.since.is_some() || !self.exclude_domains.is_empty()
    }

    /// The position of its statement in [`CHOOSE`].
    fn index(&self) -> usize {
        usize::from(self.tasks.is_some()) + 2 * usize::from(self.is_distinct)
    }

    fn tasks(&self) -> Option<String> {
        let tasks = self.tasks.as_ref()?;
        let ids: Vec<&str> = tasks.iter().map(TaskId::as_str).collect();
        Some(json!(ids).to_string())
    }

    fn exclude_domains(&self) -> Option<String> {
        (!self.exclude_domains.is_empty()).then(|| json!(self.exclude_domains).to_string())
    }
}

/// A row of the table `results`.
#[derive(Debug, Clone, Default, PartialEq)]
#[allow(
    missing_docs,
    reason = "the columns of the table, documented in docs/schema.md"
)]
pub struct Company {
    pub task_id: Text,
    pub result_id: Text,
    pub company_name: Option<Text>,
    pub company_website: Option<Text>,
    pub domain: Option<Text>,
    pub company_description: Option<Text>,
    pub relevance: Option<f64>,
    pub source: Option<Text>,
    pub founding_year: Option<i64>,
    pub employee_count: Option<Text>,
    pub hq_country: Option<Text>,
    pub hq_state_province: Option<Text>,
    pub hq_city: Option<Text>,
    pub scores: Option<Text>,
    pub first_seen_at: Text,
    /// Only read where all columns are.
    pub rest: Rest,
}

/// The columns that only some formats need.
#[derive(Debug, Clone, Default, PartialEq)]
#[allow(
    missing_docs,
    reason = "the columns of the table, documented in docs/schema.md"
)]
pub struct Rest {
    pub company_full_description: Option<Text>,
    pub company_profile_id: Option<Text>,
    pub created_at: Option<Text>,
    pub seen_at: Option<Text>,
    pub extra: Option<Text>,
}

/// By position: there can be a million rows, and a look-up by name costs more than the value.
impl FromRow<'_, SqliteRow> for Company {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            task_id: row.try_get(0)?,
            result_id: row.try_get(1)?,
            company_name: row.try_get(2)?,
            company_website: row.try_get(3)?,
            domain: row.try_get(4)?,
            company_description: row.try_get(5)?,
            // SQLite can hold an infinite number, which no format can.
            relevance: row.try_get::<Option<f64>, _>(6)?.filter(|n| n.is_finite()),
            source: row.try_get(7)?,
            founding_year: row.try_get(8)?,
            employee_count: row.try_get(9)?,
            hq_country: row.try_get(10)?,
            hq_state_province: row.try_get(11)?,
            hq_city: row.try_get(12)?,
            scores: row.try_get(13)?,
            first_seen_at: row.try_get(14)?,
            rest: Rest {
                company_full_description: row.try_get(15)?,
                company_profile_id: row.try_get(16)?,
                created_at: row.try_get(17)?,
                seen_at: row.try_get(18)?,
                extra: row.try_get(19)?,
            },
        })
    }
}

pub(super) const CREATE: &str =
    "CREATE TEMP TABLE IF NOT EXISTS chosen (place INTEGER PRIMARY KEY, id INTEGER NOT NULL)";

/// Chooses the rows of a filter, in their order. A statement for each kind of filter, by its index. Parameters: the tasks, the
/// lowest relevance, the earliest time, the domains to leave out.
///
/// Where no task is named, the indexes `results_by_company` and `results_gone` have all that they read. SQLite sorts rowids, not
/// rows, so that the sort stays small. Neither the sort nor the table `chosen` is kept in memory beyond the page cache: both go
/// to a temporary file.
pub(super) static CHOOSE: LazyLock<[String; 4]> = LazyLock::new(|| {
    [(false, false), (true, false), (false, true), (true, true)].map(|(of_tasks, is_distinct)| {
        let results = if of_tasks {
            "(SELECT DISTINCT value AS task_id FROM json_each(?1)) AS wanted
             CROSS JOIN results AS r ON r.task_id = wanted.task_id"
        } else {
            "results AS r"
        };
        let filter =
            "r.gone_at IS NULL
               AND (?2 IS NULL OR r.relevance >= ?2)
               AND (?4 IS NULL OR r.domain IS NULL OR r.domain NOT IN (SELECT value FROM json_each(?4)))";
        if is_distinct {
            let company = "coalesce('d' || r.domain, 'n' || r.company_name, 'r' || r.rowid)";
            // Each part reads one of the partial indexes, if no task is named.
            let earlier = ["IS NULL", "IS NOT NULL"].map(|is_gone| {
                format!("SELECT {company} FROM {results} WHERE r.gone_at {is_gone} AND r.first_seen_at < ?3")
            });
            let earlier = earlier.join(" UNION ALL ");
            // With max() as the only such aggregate, SQLite takes the rowid from the row that has the maximum.
            format!(
                "INSERT INTO chosen (id)
                 SELECT id FROM (SELECT r.rowid AS id, {company} AS company, max(r.relevance) AS relevance
                                   FROM {results} WHERE {filter} GROUP BY company)
                  WHERE ?3 IS NULL OR company NOT IN ({earlier})
                  ORDER BY relevance DESC, id"
            )
        } else {
            format!(
                "INSERT INTO chosen (id)
                 SELECT r.rowid FROM {results} WHERE {filter} AND (?3 IS NULL OR r.first_seen_at >= ?3)
                  ORDER BY r.relevance DESC, r.rowid"
            )
        }
    })
});

/// Begins a transaction for reading, and chooses the rows for [`keys`] and [`rows`] in it; returns their number.
///
/// # Errors
///
/// What SQLite says.
pub async fn choose(connection: &mut SqliteConnection, filter: &Filter) -> Result<u64, StoreError> {
    schema::allow_temporary_tables(connection).await?;
    schema::cache_inner_pages(connection).await?;
    super::begin_to_read(connection).await?;
    sqlx::query(CREATE).execute(&mut *connection).await?;
    let sql = CHOOSE[filter.index()].as_str();
    let chosen = sqlx::query(sql)
        .bind(filter.tasks())
        .bind(filter.min_relevance)
        .bind(filter.since.as_deref())
        .bind(filter.exclude_domains())
        .execute(&mut *connection)
        .await?
        .rows_affected();
    Ok(chosen)
}

pub(super) const ROWS: &str = "SELECT r.task_id, r.result_id, r.company_name, r.company_website, r.domain, r.company_description,
            r.relevance, r.source, r.founding_year, r.employee_count, r.hq_country, r.hq_state_province,
            r.hq_city, r.scores, r.first_seen_at,
            iif(?1, r.company_full_description, NULL), iif(?1, r.company_profile_id, NULL),
            iif(?1, r.created_at, NULL), iif(?1, r.seen_at, NULL), iif(?1, r.extra, NULL)
       FROM chosen CROSS JOIN results AS r ON r.rowid = chosen.id ORDER BY chosen.place";

/// Returns the chosen rows, the most relevant first. `all` also reads the columns of [`Rest`].
pub fn rows(
    connection: &mut SqliteConnection,
    all: bool,
) -> BoxStream<'_, Result<Company, StoreError>> {
    sqlx::query_as(ROWS)
        .bind(all)
        .fetch(connection)
        .map_err(StoreError::from)
        .boxed()
}

// `IN` reads the rows in the order of the table, which is faster than in that of the relevance.
pub(super) const KEYS: &str = "SELECT DISTINCT score.key
       FROM results AS r CROSS JOIN json_each(r.scores) AS score
      WHERE r.rowid IN (SELECT id FROM chosen) AND typeof(score.key) = 'text' LIMIT ?1 + 1";

/// Returns the keys of the criteria in the scores of the chosen rows, sorted; `None` if there are more than `max`.
///
/// # Errors
///
/// What SQLite says.
pub async fn keys(
    connection: &mut SqliteConnection,
    max: usize,
) -> Result<Option<Vec<String>>, StoreError> {
    let keys: Vec<Text> = sqlx::query_scalar(KEYS)
        .bind(i64::try_from(max).unwrap_or(i64::MAX - 1))
        .fetch_all(connection)
        .await?;
    if keys.len() > max {
        return Ok(None);
    }
    let mut keys: Vec<String> = keys.into_iter().map(String::from).collect();
    keys.sort_unstable();
    keys.dedup();
    Ok(Some(keys))
}

pub(super) const EXIST: &str = "SELECT EXISTS (SELECT 1 FROM results WHERE task_id = ?)";

/// Returns whether results of this task are kept, also of a removed one.
///
/// # Errors
///
/// What SQLite says.
pub async fn exist(connection: &mut SqliteConnection, id: &TaskId) -> Result<bool, StoreError> {
    Ok(sqlx::query_scalar(EXIST)
        .bind(id.as_str())
        .fetch_one(connection)
        .await?)
}

pub(super) const ANY: &str = "SELECT EXISTS (SELECT 1 FROM results WHERE gone_at IS NULL)";
pub(super) const ANY_OF: &str = "SELECT EXISTS (SELECT 1 FROM json_each(?1) AS wanted
     CROSS JOIN results AS r ON r.task_id = wanted.value WHERE r.gone_at IS NULL)";

/// Returns whether there are results of these tasks (of all, if none are named), whatever a filter leaves out.
///
/// # Errors
///
/// What SQLite says.
pub async fn any(connection: &mut SqliteConnection, filter: &Filter) -> Result<bool, StoreError> {
    either(connection, filter, ANY, ANY_OF).await
}

pub(super) const ANY_READ: &str =
    "SELECT EXISTS (SELECT 1 FROM progress WHERE results_read_at IS NOT NULL)";
pub(super) const ANY_READ_OF: &str = "SELECT EXISTS (SELECT 1 FROM json_each(?1) AS wanted
     CROSS JOIN progress AS p ON p.task_id = wanted.value WHERE p.results_read_at IS NOT NULL)";

/// Returns whether the results of any of these tasks were read.
///
/// # Errors
///
/// What SQLite says.
pub async fn any_read(
    connection: &mut SqliteConnection,
    filter: &Filter,
) -> Result<bool, StoreError> {
    either(connection, filter, ANY_READ, ANY_READ_OF).await
}

async fn either(
    connection: &mut SqliteConnection,
    filter: &Filter,
    of_all: &'static str,
    of_tasks: &'static str,
) -> Result<bool, StoreError> {
    let tasks = filter.tasks();
    let sql = if tasks.is_some() { of_tasks } else { of_all };
    Ok(sqlx::query_scalar(sql)
        .bind(tasks)
        .fetch_one(connection)
        .await?)
}

pub(super) const DELETE: &str = "DELETE FROM results WHERE task_id = ?";

/// Deletes the results of a task; returns their number.
///
/// # Errors
///
/// What SQLite says.
pub async fn delete(connection: &mut SqliteConnection, id: &TaskId) -> Result<u64, StoreError> {
    Ok(sqlx::query(DELETE)
        .bind(id.as_str())
        .execute(connection)
        .await?
        .rows_affected())
}
