//! Reading whole tasks, many with one statement.

use super::array::{self, array};
use super::ledger::Row;
use super::{StoreError, pace, time};
use crate::core::observation::Observation;
use crate::core::progress::Progress;
use crate::core::queue::Queue;
use crate::core::resume::Resume;
use crate::core::task::{Task, Wanted};
use crate::core::{State, Status, TaskId};
use serde_json::json;
use sqlx::AssertSqlSafe;
use sqlx::sqlite::SqliteConnection;
use std::sync::LazyLock;

array! {
    /// A task as its tables have it.
    struct Loaded {
        position: usize = "wanted.key",
        target: i64 = "t.target",
        chunk: Option<i64> = "t.chunk",
        paused: i64 = "t.paused",
        edited_at: Option<String> = "max(t.created_at, t.updated_at)",
        state: String = "p.state",
        reason: Option<String> = "p.reason",
        status: Option<String> = "p.status",
        is_exhausted: Option<i64> = "p.is_exhausted",
        desired: Option<i64> = "p.desired_num_results",
        discovered: Option<i64> = "p.num_results_discovered",
        enriched: Option<i64> = "p.num_results_enriched",
        evaluated: Option<i64> = "p.num_results_evaluated",
        results: Option<i64> = "p.num_results",
        query: Option<String> = "p.query",
        polls: i64 = "p.polls",
        failures: i64 = "p.failures",
        last_error: Option<String> = "p.last_error",
        polled_at: Option<String> = "p.polled_at",
        changed_at: Option<String> = "p.changed_at",
        next_poll_at: Option<String> = "p.next_poll_at",
        best_results: i64 = "p.best_results",
        stalled: i64 = "p.stalled",
        waste_requested: i64 = "p.waste_requested",
        waste_brought: i64 = "p.waste_brought",
        absences: i64 = "p.absences",
        absent_since: Option<String> = "p.absent_since",
        quiet_at: Option<String> = "p.quiet_at",
        forgiven: i64 = "p.forgiven",
        run_started_at: Option<String> = "p.run_started_at",
        run_results: i64 = "p.run_results",
        turn: String = "p.turn",
        lost: u32 = "
            -- Lost in a row, or rejected for no documented reason: after the last that was accepted, and not forgiven.
            CASE WHEN coalesce(r.state, 'accepted') = 'accepted' THEN 0 ELSE
                (SELECT count(*) FROM resumes AS l
                  WHERE l.task_id = t.task_id
                    AND (l.state = 'lost' OR (l.state = 'rejected' AND l.http_status NOT IN (400, 401, 402, 403, 422, 429)))
                    AND l.id > max(p.forgiven,
                                   coalesce((SELECT max(a.id) FROM resumes AS a
                                              WHERE a.task_id = t.task_id AND a.state = 'accepted'), 0)))
            END",
    }
}

pub(super) static LOAD: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT json_group_array(
                json_array({task}, p.pace, CASE WHEN r.id IS NOT NULL THEN {resume} END))
           FROM json_each(?) AS wanted
           JOIN tasks AS t ON t.task_id = wanted.value
           JOIN progress AS p ON p.task_id = t.task_id
           LEFT JOIN resumes AS r ON r.id = (SELECT max(id) FROM resumes WHERE task_id = t.task_id)",
        task = Loaded::SQL,
        resume = Row::SQL,
    )
});

/// Reads whole tasks, each with its newest resume, in the order of `ids`; none for those that are no longer there.
///
/// # Errors
///
/// What SQLite says, or [`StoreError::Value`] for what growd did not write.
pub async fn load(
    connection: &mut SqliteConnection,
    ids: &[&TaskId],
) -> Result<Vec<Option<Task>>, StoreError> {
    let texts: Vec<&str> = ids.iter().map(|id| id.as_str()).collect();
    let rows: Vec<u8> = sqlx::query_scalar(AssertSqlSafe(LOAD.as_str()))
        .bind(json!(texts).to_string())
        .fetch_one(connection)
        .await?;
    let rows: Vec<(Loaded, Option<String>, Option<Row>)> = array::read(&rows)?;
    let mut tasks = vec![None; ids.len()];
    for (loaded, pace, resume) in rows {
        let resume = resume.map(Row::resume).transpose()?;
        if let (Some(task), Some(id)) = (tasks.get_mut(loaded.position), ids.get(loaded.position)) {
            *task = Some(loaded.task((*id).clone(), pace.as_deref(), resume)?);
        }
    }
    Ok(tasks)
}

impl Loaded {
    fn task(
        mut self,
        id: TaskId,
        pace: Option<&str>,
        resume: Option<Resume>,
    ) -> Result<Task, StoreError> {
        // A schedule that somebody spoilt by hand is made anew: what is no time does as well as none.
        let time = |text: &Option<String>| text.as_deref().and_then(time::from_text);
        Ok(Task {
            id,
            wanted: Wanted {
                target: self.target,
                chunk: self.chunk,
                paused: self.paused != 0,
            },
            edited_at: time(&self.edited_at),
            resume,
            lost: self.lost,
            progress: Progress {
                state: State::parse(&self.state).ok_or_else(|| {
                    StoreError::Value(format!("progress.state is '{}'", self.state))
                })?,
                seen: self.seen(),
                polls: self.polls,
                failures: self.failures,
                polled_at: time(&self.polled_at),
                changed_at: time(&self.changed_at),
                next_poll_at: time(&self.next_poll_at),
                best_results: self.best_results,
                stalled: self.stalled,
                waste_requested: self.waste_requested,
                waste_brought: self.waste_brought,
                absences: self.absences,
                absent_since: time(&self.absent_since),
                quiet_at: time(&self.quiet_at),
                forgiven: self.forgiven,
                run_started_at: time(&self.run_started_at),
                run_results: self.run_results,
                pace: pace::from_column(pace),
                queue: queue(&self.turn),
                reason: self.reason,
                last_error: self.last_error,
            },
        })
    }

    /// The newest look, where there was one.
    fn seen(&mut self) -> Option<Observation> {
        Some(Observation {
            status: Status::parse(self.status.as_deref()?),
            is_exhausted: self.is_exhausted == Some(1),
            desired: self.desired.unwrap_or(0),
            discovered: self.discovered.unwrap_or(0),
            enriched: self.enriched.unwrap_or(0),
            evaluated: self.evaluated.unwrap_or(0),
            results: self.results.unwrap_or(0),
            query: self.query.take(),
        })
    }
}

fn queue(word: &str) -> Queue {
    // The schema knows no others.
    let known = Queue::ALL.into_iter().find(|queue| queue.as_str() == word);
    known.unwrap_or(Queue::Regular)
}
