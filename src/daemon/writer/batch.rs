//! One transaction of the writer: read the tasks that were heard of, judge each, store it all.

use crate::core::decide::{Account, fresh_for};
use crate::core::gate::{Admission, Gate, Kind, Request};
use crate::core::policy::Policy;
use crate::core::progress::Progress;
use crate::core::resume::Resume;
use crate::core::step::{self, Event, PollAnswer, ResumeAnswer, Step};
use crate::core::task::{Task, Wanted};
use crate::core::{Failure, TaskId, after, since};
use crate::crash;
use crate::store::{self, StoreError, daemon, history, ledger, load, progress, reschedule};
use jiff::Timestamp;
use serde_json::json;
use sqlx::sqlite::SqliteConnection;
use std::borrow::Cow;
use std::time::Duration;
use tokio::time::Instant;

/// A resume to send, now that it is written down. Once: sending it uses it up.
#[derive(Debug)]
pub struct ResumePermit {
    /// The ledger's row.
    pub resume_id: i64,
    /// `desired_new_results`, 1..=250.
    pub desired_new_results: i64,
    /// Not to be sent any later: an unanswered one is looked for from the time at which it was written down.
    pub send_before: Instant,
}

/// What one request brought.
#[derive(Debug)]
pub enum Answer {
    /// The answer to a look.
    Poll(PollAnswer),
    /// The answer to a resume.
    Resume(ResumeAnswer),
}

/// What one request of one task brought.
#[derive(Debug)]
pub struct Entry {
    /// The task.
    pub id: TaskId,
    /// What was heard of it.
    pub heard: Answer,
}

impl Entry {
    /// May it be that a resume comes of this?
    fn may_lead_to_resume(&self) -> bool {
        match &self.heard {
            Answer::Poll(poll) => poll.may_lead_to_resume(),
            Answer::Resume(_) => false,
        }
    }

    /// Shall it not wait for others?
    #[must_use]
    pub fn is_urgent(&self) -> bool {
        match &self.heard {
            Answer::Poll(poll) => !poll.can_wait(),
            Answer::Resume(_) => true,
        }
    }
}

/// What a batch is judged by.
pub struct BatchContext {
    /// The configuration.
    pub policy: Policy,
    /// The daemon is stopping: nothing new is begun.
    pub draining: bool,
    /// The time.
    pub now: Timestamp,
    /// The window of `growth.daily_limit`: a day, and more where the clock leapt ahead.
    pub day: Duration,
    /// A resume is not sent later than this after it was written down.
    pub send_within: Duration,
}

/// What the transaction did; to be believed once it is committed.
pub struct Written {
    /// For each entry, in their order, the resume to send.
    pub orders: Vec<Option<ResumePermit>>,
    /// What is worth telling.
    pub told: Vec<(Option<TaskId>, Event)>,
    /// The gate after it.
    pub gate: Gate,
}

/// Judges and stores a batch in the transaction that `connection` has begun. No task may be in it twice.
///
/// # Errors
///
/// What SQLite says; the transaction is then to be rolled back.
pub async fn write(
    connection: &mut SqliteConnection,
    entries: &[Entry],
    gate: &Gate,
    context: &BatchContext,
) -> Result<Written, StoreError> {
    let ids: Vec<&TaskId> = entries.iter().map(|entry| &entry.id).collect();
    let tasks = load::load(connection, &ids).await?;
    // Read only where it may matter: it is a sum over all that a day saw.
    let day = match context.policy.growth.daily_limit {
        0 => None,
        // As good as used up: nothing can be asked.
        limit if !entries.iter().any(Entry::may_lead_to_resume) => Some((limit, None)),
        _ => Some(ledger::asked_within(connection, context.day, context.now).await?),
    };
    let mut batch = Batch {
        connection,
        context,
        gate: gate.clone(),
        day,
    };
    let mut orders = Vec::with_capacity(entries.len());
    let mut taken: Vec<Taken<'_>> = Vec::with_capacity(entries.len());
    for (entry, task) in entries.iter().zip(&tasks) {
        let (id, task) = (&entry.id, task.as_ref());
        crash::panic_for(id.as_str());
        let mut take = |at, step| taken.push(Taken { id, task, at, step });
        let mut order = None;
        match &entry.heard {
            Answer::Poll(poll) => {
                batch.learn(Request::Poll, poll.outcome.as_ref().err(), poll.started_at);
                if let Some(task) = task {
                    let step;
                    (step, order) = batch.poll(task, poll).await?;
                    take(poll.answered_at, step);
                } else {
                    // Removed while it was looked at: there is nothing left to know.
                    progress::unschedule_orphan(batch.connection, id).await?;
                }
            }
            Answer::Resume(answer) => {
                let answer = batch.attributed(id, task, answer).await?;
                batch.learn(
                    Request::Resume,
                    answer.outcome.as_ref().err(),
                    answer.started_at,
                );
                if let Some(step) = batch.answer(id, task, &answer).await? {
                    take(answer.answered_at, step);
                }
            }
        }
        orders.push(order);
    }
    let Batch {
        connection,
        gate: after,
        ..
    } = batch;
    store(connection, &taken).await?;
    let mut told: Vec<(Option<TaskId>, Event)> = Vec::new();
    for Taken { id, step, .. } in taken {
        told.extend(
            step.events
                .into_iter()
                .map(|event| (Some(id.clone()), event)),
        );
    }
    let min_interval = context.policy.polling.min_interval;
    let event = store_gate(connection, gate, &after, min_interval, context.now).await?;
    told.extend(event.map(|event| (None, event)));
    Ok(Written {
        orders,
        told,
        gate: after,
    })
}

/// A step that one answer made a task take.
struct Taken<'a> {
    id: &'a TaskId,
    /// As it was before; none where it is gone.
    task: Option<&'a Task>,
    /// When the request was answered.
    at: Timestamp,
    step: Step,
}

/// A batch under way.
struct Batch<'a> {
    connection: &'a mut SqliteConnection,
    context: &'a BatchContext,
    gate: Gate,
    /// With a daily limit: what counts towards it, and when some of that comes free.
    day: Option<(i64, Option<Timestamp>)>,
}

impl Batch<'_> {
    fn learn(&mut self, request: Request, failure: Option<&Failure>, started_at: Timestamp) {
        let BatchContext { policy, now, .. } = self.context;
        self.gate
            .learn(request, failure, started_at, *now, policy, rand::random());
    }

    async fn poll(
        &mut self,
        task: &Task,
        poll: &PollAnswer,
    ) -> Result<(Step, Option<ResumePermit>), StoreError> {
        let BatchContext {
            policy,
            draining,
            now,
            send_within,
            ..
        } = self.context;
        // The clock may have gone back since: then the poll's age is unknown, and it shows no time to come.
        let age = since(poll.started_at, *now);
        let fresh = fresh_for(since(poll.started_at, poll.answered_at));
        // Another daemon may have looked since it began, which the lock prevents as long as it is there; what was asked
        // after that look this one may not show.
        let overtaken = task
            .progress
            .polled_at
            .is_some_and(|newest| poll.started_at < newest && newest <= *now);
        let stale = poll.answered_at > *now || age > fresh || overtaken;
        let clamped;
        let poll = if poll.started_at.max(poll.answered_at) <= *now {
            poll
        } else {
            clamped = PollAnswer {
                started_at: poll.started_at.min(*now),
                answered_at: poll.answered_at.min(*now),
                outcome: poll.outcome.clone(),
            };
            &clamped
        };
        let is_forbidden = task.resume.as_ref().is_some_and(Resume::is_forbidden);
        let resumes = if is_forbidden {
            let grace = policy.polling.min_interval;
            self.gate.admits_forbidden(*now, grace)
        } else {
            self.gate.admits(Request::Resume, *now)
        };
        let account = Account {
            resumes,
            gate_reason: self.gate.reason.as_deref().unwrap_or_default(),
            daily_left: self.day.map(|(asked, _)| policy.growth.daily_limit - asked),
            daily_frees_at: self.day.and_then(|(_, frees_at)| frees_at),
            reachable_since: self.gate.reachable_since,
            draining: *draining,
            stale,
        };
        let mut step = step::poll_answered(task, poll, policy, &account, rand::random());
        self.settle(&step).await?;
        let order = match (step.ask, &poll.outcome) {
            (Some(requested), Ok(seen)) => {
                let intent = ledger::Intent {
                    task_id: &task.id,
                    requested,
                    baseline_desired: seen.desired,
                    baseline_results: seen.results,
                    best_results: step.progress.best_results,
                    sent_at: *now,
                };
                let resume_id = ledger::intend(self.connection, &intent).await?;
                if resumes == Admission::Probe {
                    self.gate.probe_sent(*now, policy);
                }
                if let Some((asked, frees_at)) = &mut self.day {
                    *asked = asked.saturating_add(requested);
                    frees_at.get_or_insert(after(*now, ledger::DAY));
                }
                let previous = step.resume.as_ref().or(task.resume.as_ref());
                step.events.push(Event {
                    kind: "resume_intended",
                    detail: json!({
                        "resume": resume_id,
                        "requested": requested,
                        "baseline_results": seen.results,
                        "previous": previous.map(|resume| resume.state.as_str()),
                    }),
                });
                Some(ResumePermit {
                    resume_id,
                    desired_new_results: requested,
                    send_before: Instant::now() + fresh.saturating_sub(age).min(*send_within),
                })
            }
            (_, _) => None,
        };
        Ok((step, order))
    }

    /// The answer to a resume, as a refusal of its task where a 403 has turned out to concern no other: the same task was
    /// answered so before, and another one's resume was accepted in between.
    async fn attributed<'a>(
        &mut self,
        id: &TaskId,
        task: Option<&Task>,
        answer: &'a ResumeAnswer,
    ) -> Result<Cow<'a, ResumeAnswer>, StoreError> {
        let Err(Failure::Forbidden { detail }) = &answer.outcome else {
            return Ok(Cow::Borrowed(answer));
        };
        let forgiven = task.map_or(0, |task| task.progress.forgiven);
        let concerns_this =
            ledger::was_forbidden_alone(self.connection, id, answer.resume_id, forgiven).await?;
        Ok(if concerns_this {
            let outcome = Err(Failure::Refused {
                status: 403,
                detail: detail.clone(),
            });
            Cow::Owned(ResumeAnswer {
                outcome,
                ..answer.clone()
            })
        } else {
            Cow::Borrowed(answer)
        })
    }

    async fn answer(
        &mut self,
        id: &TaskId,
        task: Option<&Task>,
        answer: &ResumeAnswer,
    ) -> Result<Option<Step>, StoreError> {
        let Some(resume) = ledger::find(self.connection, answer.resume_id).await? else {
            return Ok(None);
        };
        let answer = &ResumeAnswer {
            started_at: answer.started_at.min(self.context.now),
            answered_at: answer.answered_at.min(self.context.now),
            ..answer.clone()
        };
        let judge = |task: &Task| {
            step::resume_answered(task, &resume, answer, &self.context.policy, rand::random())
        };
        let step = task.map_or_else(
            || of_the_ledger_only(judge(&removed_task(id, &resume, self.context.now))),
            judge,
        );
        self.settle(&step).await?;
        Ok(Some(step))
    }

    async fn settle(&mut self, step: &Step) -> Result<(), StoreError> {
        if let Some(resume) = &step.resume {
            ledger::update(self.connection, resume).await?;
        }
        Ok(())
    }
}

/// Of a task that was removed while its resume was under way nothing is kept but what the ledger says.
fn of_the_ledger_only(mut step: Step) -> Step {
    step.sample = false;
    step.events
        .retain(|event| event.kind.starts_with("resume_"));
    step
}

async fn store(connection: &mut SqliteConnection, taken: &[Taken<'_>]) -> Result<(), StoreError> {
    let rows: Vec<_> = taken
        .iter()
        .map(|taken| store::ProgressChange {
            id: taken.id,
            state_before: taken.task.map(|task| task.progress.state),
            after: &taken.step.progress,
        })
        .collect();
    store::save(connection, &rows).await?;
    let samples: Vec<_> = taken
        .iter()
        .filter(|taken| taken.step.sample)
        .filter_map(|taken| Some((taken.id, taken.at, taken.step.progress.seen.as_ref()?)))
        .collect();
    history::add_samples(connection, &samples).await?;
    let events: Vec<_> = taken
        .iter()
        .flat_map(|taken| {
            let events = taken.step.events.iter();
            events.map(|event| (taken.at, Some(taken.id), event))
        })
        .collect();
    history::add_events(connection, &events).await
}

/// Stands for a task that was removed while its resume was under way.
fn removed_task(id: &TaskId, resume: &Resume, now: Timestamp) -> Task {
    Task {
        id: id.clone(),
        wanted: Wanted {
            target: 1,
            chunk: None,
            paused: true,
        },
        progress: Progress::new(now),
        edited_at: None,
        resume: Some(resume.clone()),
        lost: 0,
    }
}

/// Writes the gate where it changed, and wakes what waited for it where it opened.
///
/// # Errors
///
/// What SQLite says.
pub async fn store_gate(
    connection: &mut SqliteConnection,
    before: &Gate,
    after: &Gate,
    min_interval: Duration,
    now: Timestamp,
) -> Result<Option<Event>, StoreError> {
    if (before.kind, before.until, &before.reason) == (after.kind, after.until, &after.reason) {
        return Ok(None);
    }
    daemon::save_gate(connection, after).await?;
    if before.kind == after.kind {
        return Ok(None);
    }
    if after.until.is_none() {
        let backing_off = before.kind == Kind::Unreachable;
        reschedule::wake_gated(connection, backing_off, min_interval, now).await?;
    }
    let event = Event {
        kind: "gate",
        detail: json!({
            "from": before.kind.as_str(),
            "to": after.kind.as_str(),
            "reason": after.reason,
            "until": after.until.map(store::time::to_text),
        }),
    };
    history::add_events(connection, &[(now, None, &event)]).await?;
    Ok(Some(event))
}
