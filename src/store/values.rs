//! Values that growd cannot read. Only operators write such values: growd and its triggers do not.

use super::{StoreError, time};
use crate::core::TaskId;
use crate::core::gate::Kind as Gate;
use crate::core::paid_request::RequestState;
use crate::core::progress::State;
use futures_util::TryStreamExt as _;
use sqlx::sqlite::SqliteConnection;
use sqlx::{AssertSqlSafe, Row as _};
use std::fmt;
use std::sync::LazyLock;

/// A value that growd cannot read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// `table.column`.
    column: String,
    /// The row, as a condition in SQL.
    row: String,
    /// The value, as a literal in SQL.
    value: String,
    /// What is wrong with it.
    fault: &'static str,
    /// The statement that corrects it, so that nothing is paid for twice because of it.
    remedy: String,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            column,
            row,
            value,
            fault,
            remedy,
        } = self;
        write!(
            f,
            "{column} where {row} is {value}, which {fault}; correct it, for example with: {remedy}"
        )
    }
}

/// The kind of values of a column.
#[derive(Clone, Copy)]
enum Kind {
    /// A task id in UTF-8.
    Id,
    /// Text in UTF-8.
    Text,
    /// A time, or null.
    Time,
    /// A whole number from 0 to this one, or null.
    Count(i64),
    /// A word that the function knows. The list of words in SQL keeps most rows from being read.
    Word(&'static str, fn(&str) -> bool),
}

struct Column {
    name: &'static str,
    kind: Kind,
    /// The SQL expression that the remedy sets it to.
    remedy: &'static str,
}

struct Table {
    name: &'static str,
    /// The key column.
    key: &'static str,
    /// The column with the task's id, if there is one.
    task: Option<&'static str>,
    columns: &'static [Column],
}

/// The present, in SQL.
const NOW: &str = "strftime('%Y-%m-%dT%H:%M:%fZ', 'now')";

const REQUEST_STATES: &str = "'intended', 'accepted', 'rejected', 'unsent', 'lost'";
const STATES: &str = "'pending', 'growing', 'reached', 'exhausted', 'capped', 'refused', 'stalled', 'failed', 'missing'";
const GATES: &str = "'open', 'unauthorized', 'payment_required', 'rate_limited', 'unreachable'";

const fn column(name: &'static str, kind: Kind, remedy: &'static str) -> Column {
    Column { name, kind, remedy }
}

const fn time(name: &'static str, remedy: &'static str) -> Column {
    column(name, Kind::Time, remedy)
}

const fn count(name: &'static str) -> Column {
    column(name, Kind::Count(i64::MAX), "0")
}

const TABLES: [Table; 4] = [
    Table {
        name: "tasks",
        key: "task_id",
        task: Some("task_id"),
        columns: &[column("task_id", Kind::Id, "")],
    },
    Table {
        name: "resumes",
        key: "id",
        task: Some("task_id"),
        columns: &[
            column("task_id", Kind::Id, "the right id"),
            // The newest resume is then looked for like any unanswered one; only the newest may be open.
            column(
                "state",
                Kind::Word(REQUEST_STATES, |word| RequestState::parse(word).is_some()),
                "iif(id = (SELECT max(id) FROM resumes AS r WHERE r.task_id = resumes.task_id), 'intended', 'lost')",
            ),
            column("http_status", Kind::Count(u16::MAX as i64), "NULL"),
            // The settling time restarts, and the daily limit counts the resume.
            time("sent_at", NOW),
            time("resolved_at", NOW),
            time("shown_at", NOW),
            time("effect_at", NOW),
            time("idle_since", "NULL"),
            time("idle_until", "NULL"),
        ],
    },
    Table {
        name: "progress",
        key: "task_id",
        task: Some("task_id"),
        columns: &[
            column(
                "state",
                Kind::Word(STATES, |word| State::parse(word).is_some()),
                "'pending'",
            ),
            count("desired_num_results"),
            count("num_results_discovered"),
            count("num_results_enriched"),
            count("num_results_evaluated"),
            count("num_results"),
            count("polls"),
            count("failures"),
            count("best_results"),
            count("stalled"),
            count("forgiven"),
            count("run_results"),
            count("waste_requested"),
            count("waste_brought"),
            count("absences"),
            time("absent_since", "NULL"),
            time("quiet_at", "NULL"),
            time("polled_at", NOW),
            time("polled_alone_at", NOW),
            time("changed_at", NOW),
            time("next_poll_at", NOW),
            time("run_started_at", "NULL"),
        ],
    },
    Table {
        name: "daemon",
        key: "id",
        task: None,
        columns: &[
            column("version", Kind::Text, "NULL"),
            time("started_at", NOW),
            time("heartbeat_at", NOW),
            column(
                "gate",
                Kind::Word(GATES, |word| Gate::parse(word).is_some()),
                "'open'",
            ),
            column("gate_reason", Kind::Text, "NULL"),
            time("gate_until", "NULL"),
            count("requests"),
        ],
    },
];

impl Kind {
    /// Returns a condition that holds for each wrong value, and for few others; [`fault`](Self::fault) decides.
    fn is_suspect(self, column: &str) -> String {
        match self {
            Self::Id | Self::Text => format!("{column} GLOB '*[^ -~]*'"),
            Self::Time => format!("strftime('%Y-%m-%dT%H:%M:%fZ', {column}) IS NOT {column}"),
            Self::Count(most) => format!("{column} NOT BETWEEN 0 AND {most}"),
            Self::Word(words, _) => format!("{column} NOT IN ({words})"),
        }
    }

    /// Returns what is wrong with a value, if anything.
    fn fault(self, value: &[u8]) -> Option<&'static str> {
        let text = std::str::from_utf8(value).ok();
        let number = || text.and_then(|text| text.parse::<i64>().ok());
        match self {
            Self::Id | Self::Text => text.is_none().then_some("is not UTF-8"),
            Self::Time => text
                .and_then(time::from_text)
                .is_none()
                .then_some("is not a time such as 2026-11-24T02:22:00.123Z"),
            Self::Count(most) => number()
                .is_none_or(|number| !(0..=most).contains(&number))
                .then_some("is out of range"),
            Self::Word(_, is_known) => text
                .is_none_or(|text| !is_known(text))
                .then_some("is not one of the known words"),
        }
    }
}

impl Table {
    /// Returns the statement that finds the suspect rows; with `of_task` only those of the task `?1`.
    fn sql(&self, of_task: bool) -> String {
        let values: Vec<String> = self
            .columns
            .iter()
            .map(|column| format!("CAST({} AS BLOB)", column.name))
            .collect();
        let suspects: Vec<String> = self
            .columns
            .iter()
            .map(|column| column.kind.is_suspect(column.name))
            .collect();
        let (table, key) = (self.name, self.key);
        let (values, suspects) = (values.join(", "), suspects.join(" OR "));
        let task = self.task.filter(|_| of_task);
        let task = task.map_or_else(String::new, |task| format!("{task} = ?1 AND "));
        format!("SELECT CAST({key} AS BLOB), {values} FROM {table} WHERE {task}({suspects})")
    }

    fn unreadable(
        &self,
        column: &Column,
        key: &[u8],
        value: &[u8],
        fault: &'static str,
    ) -> Unreadable {
        let row = match std::str::from_utf8(key) {
            Ok(number) if self.key == "id" => format!("id = {number}"),
            Ok(text) => format!("{} = {}", self.key, literal(text.as_bytes())),
            Err(_) => format!("CAST({} AS BLOB) = {}", self.key, literal(key)),
        };
        let name = self.name;
        let remedy = match column.kind {
            // The trigger removes the rows that belong to it.
            Kind::Id if self.name == "tasks" => format!("DELETE FROM {name} WHERE {row}"),
            Kind::Count(_) | Kind::Time | Kind::Text | Kind::Word(..) | Kind::Id => {
                format!(
                    "UPDATE {name} SET {} = {} WHERE {row}",
                    column.name, column.remedy
                )
            }
        };
        let value = match column.kind {
            Kind::Count(_) => String::from_utf8_lossy(value).into_owned(),
            Kind::Id | Kind::Text | Kind::Time | Kind::Word(..) => literal(value),
        };
        Unreadable {
            column: format!("{name}.{}", column.name),
            row,
            value,
            fault,
            remedy,
        }
    }
}

/// Returns text as a literal in SQL; in hexadecimal if a terminal or the log could not show it.
fn literal(value: &[u8]) -> String {
    match std::str::from_utf8(value) {
        Ok(text) if !text.contains(char::is_control) => format!("'{}'", text.replace('\'', "''")),
        _ => format!("x'{}'", hex(value)),
    }
}

/// Formats bytes in hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"))
}

/// The statements for all rows, and for those of one task.
pub(super) static FIND: LazyLock<Vec<String>> =
    LazyLock::new(|| TABLES.iter().map(|table| table.sql(false)).collect());
pub(super) static FIND_OF_TASK: LazyLock<Vec<String>> =
    LazyLock::new(|| TABLES.iter().map(|table| table.sql(true)).collect());

/// Finds the values that growd cannot read, of one task or of the whole database; at most `limit`.
///
/// # Errors
///
/// What SQLite says.
pub async fn unreadable(
    connection: &mut SqliteConnection,
    task: Option<&TaskId>,
    limit: usize,
) -> Result<Vec<Unreadable>, StoreError> {
    let mut found = Vec::new();
    let statements = if task.is_some() { &FIND_OF_TASK } else { &FIND };
    for (table, sql) in TABLES.iter().zip(statements.iter()) {
        if task.is_some() && table.task.is_none() {
            continue;
        }
        let mut rows = sqlx::query(AssertSqlSafe(sql.as_str()))
            .bind(task.map(TaskId::as_str))
            .fetch(&mut *connection);
        while let Some(row) = rows.try_next().await? {
            let key: Vec<u8> = row.try_get(0)?;
            for (n, column) in table.columns.iter().enumerate() {
                let value: Option<Vec<u8>> = row.try_get(n + 1)?;
                let Some(value) = value else {
                    continue;
                };
                if let Some(fault) = column.kind.fault(&value) {
                    found.push(table.unreadable(column, &key, &value, fault));
                }
                if found.len() == limit {
                    return Ok(found);
                }
            }
        }
    }
    Ok(found)
}

/// Names the values that caused an error at a task; returns the error itself if it finds none.
pub async fn explain(
    connection: &mut SqliteConnection,
    id: &TaskId,
    error: StoreError,
) -> StoreError {
    /// A line of the log has room for so many.
    const FEW: usize = 3;
    if !matches!(error, StoreError::Value(_)) {
        return error;
    }
    match unreadable(connection, Some(id), FEW).await {
        Ok(found) if !found.is_empty() => {
            let found: Vec<String> = found.iter().map(ToString::to_string).collect();
            StoreError::Value(found.join(". "))
        }
        Ok(_) | Err(_) => error,
    }
}
