//! One transaction of the writer: load the tasks, judge each answer, store the steps.

use super::listed::{ListedTask, PageAnswer};
use super::maintenance::store_gate;
use super::spending::Spending;
use crate::core::event::Event;
use crate::core::gate::{Admission, Gate, Request};
use crate::core::ledger::Transition;
use crate::core::plan::{Shown, wanted_at};
use crate::core::policy::Policy;
use crate::core::progress::Progress;
use crate::core::resume::Resume;
use crate::core::spending::{Account, Windows};
use crate::core::step::{self, PollAnswer, ResumeAnswer, Step};
use crate::core::task::Task;
use crate::core::{Failure, TaskId};
use crate::crash;
use crate::store::{self, StoreError, bounds, history, ledger, load, progress};
use jiff::Timestamp;
use sqlx::sqlite::SqliteConnection;
use std::time::Duration;
use tokio::time::Instant;

/// The permit to send one resume, given once its row is durable. Sending the resume uses it up.
#[derive(Debug)]
pub struct ResumePermit {
    /// The ledger's row.
    pub resume_id: i64,
    /// `desired_new_results`, 1..=250.
    pub desired_new_results: i64,
    /// The permit expires then. The settling time of an unanswered resume counts from when it was written down.
    pub send_before: Instant,
}

/// The answer to one request.
#[derive(Debug)]
pub enum Answer {
    /// To a poll.
    Poll(PollAnswer),
    /// To a resume.
    Resume(ResumeAnswer),
    /// An entry of a page of the list.
    Listed(ListedTask),
}

/// What became of one update.
#[derive(Debug)]
pub struct Stored {
    /// The permit for the resume that follows.
    pub permit: Option<ResumePermit>,
    /// The permit to ask for the account's credits, which is given to one pass at a time.
    pub asks_credits: bool,
    /// What the answer means for the plan of requests.
    pub shown: Shown,
}

/// What one request of one task brought.
#[derive(Debug)]
pub struct Update {
    /// The task.
    pub id: TaskId,
    /// The answer.
    pub answer: Answer,
}

impl Update {
    fn may_lead_to_resume(&self) -> bool {
        match &self.answer {
            Answer::Poll(poll) => poll.may_lead_to_resume(),
            Answer::Resume(_) | Answer::Listed(_) => false,
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
    /// The windows of the limits.
    pub windows: Windows,
    /// A pass asks for the account's credits just now.
    pub credits_asked: bool,
    /// A resume is sent within this time after it was written down, or not at all.
    pub send_within: Duration,
}

/// What a transaction did, once it is committed.
pub struct BatchOutcome {
    /// For each update, in their order, what became of it.
    pub stored: Vec<Stored>,
    /// What happened, in order.
    pub events: Vec<(Option<TaskId>, Event)>,
    /// The gate afterwards.
    pub gate: Gate,
}

/// Judges and stores a batch in the transaction that `connection` has begun. No task may be in it twice. `page` is the
/// answer that its entries of the list came with.
///
/// # Errors
///
/// What SQLite says, or an illegal transition of the ledger. The transaction is then to be rolled back.
pub async fn write(
    connection: &mut SqliteConnection,
    updates: &[Update],
    page: Option<&PageAnswer>,
    gate: &Gate,
    context: &BatchContext,
) -> Result<BatchOutcome, StoreError> {
    let ids: Vec<&TaskId> = updates.iter().map(|update| &update.id).collect();
    let tasks = load::load(connection, &ids).await?;
    let mut batch = Batch::begin(connection, updates, gate, context).await?;
    if let Some(page) = page {
        batch.learn(Request::List, page.failure.as_ref(), page.started_at);
    }
    let mut stored = Vec::with_capacity(updates.len());
    let mut applied = Vec::with_capacity(updates.len());
    for (Update { id, answer }, task) in updates.iter().zip(&tasks) {
        crash::panic_for(id.as_str());
        let (mut permit, mut asks_credits) = (None, false);
        let mut shown = Shown::Unwatched;
        let step = match (answer, task) {
            (Answer::Poll(poll), Some(task)) => {
                let step;
                (step, permit) = batch.poll(task, poll).await?;
                if step.1.asks_credits {
                    asks_credits = batch.spending.begin_asking(batch.connection).await?;
                }
                shown = watched(&step.1.progress, poll.started_at);
                Some(step)
            }
            (Answer::Poll(poll), None) => {
                batch.learn(Request::Poll, poll.outcome.as_ref().err(), poll.started_at);
                // The task was removed while it was polled.
                progress::unschedule_orphan(batch.connection, id).await?;
                None
            }
            (Answer::Resume(answer), task) => {
                let step = batch.resume(id, task.as_ref(), answer).await?;
                if let Some((at, step)) = &step {
                    shown = watched(&step.progress, *at);
                }
                step
            }
            (Answer::Listed(listed), Some(task)) => {
                let step;
                (step, shown) = listed.judge(task, &context.policy, context.now);
                step
            }
            (Answer::Listed(_), None) => None,
        };
        stored.push(Stored {
            permit,
            asks_credits,
            shown,
        });
        if let (Some(task), Some((at, step))) = (task, step) {
            applied.push(Applied { task, at, step });
        }
    }
    let Batch {
        connection,
        gate: gate_after,
        mut events,
        ..
    } = batch;
    save(connection, &applied).await?;
    for Applied { task, step, .. } in applied {
        let of_task = step.events.into_iter();
        events.extend(of_task.map(|event| (Some(task.id.clone()), event)));
    }
    let min_interval = context.policy.polling.min_interval;
    let event = store_gate(connection, gate, &gate_after, min_interval, context.now).await?;
    events.extend(event.map(|event| (None, event)));
    Ok(BatchOutcome {
        stored,
        events,
        gate: gate_after,
    })
}

/// A step, and the task that takes it.
struct Applied<'a> {
    task: &'a Task,
    /// When the request was answered.
    at: Timestamp,
    step: Step,
}

/// A batch in progress.
struct Batch<'a> {
    connection: &'a mut SqliteConnection,
    context: &'a BatchContext,
    gate: Gate,
    spending: Spending,
    next_resume_id: i64,
    /// Events that are recorded already.
    events: Vec<(Option<TaskId>, Event)>,
}

impl<'a> Batch<'a> {
    async fn begin(
        connection: &'a mut SqliteConnection,
        updates: &[Update],
        gate: &Gate,
        context: &'a BatchContext,
    ) -> Result<Self, StoreError> {
        let next_resume_id = ledger::next_id(connection).await?;
        // Read only if it may matter: it is a sum over all that was asked within days.
        let spending = if updates.iter().any(Update::may_lead_to_resume) {
            Spending::load(connection, context).await?
        } else {
            Spending::none(context)
        };
        Ok(Self {
            connection,
            context,
            gate: gate.clone(),
            spending,
            next_resume_id,
            events: Vec::new(),
        })
    }

    fn learn(&mut self, request: Request, failure: Option<&Failure>, started_at: Timestamp) {
        let BatchContext { policy, now, .. } = self.context;
        self.gate
            .learn(request, failure, started_at, *now, policy, rand::random());
    }

    async fn poll(
        &mut self,
        task: &Task,
        poll: &PollAnswer,
    ) -> Result<((Timestamp, Step), Option<ResumePermit>), StoreError> {
        let BatchContext { policy, now, .. } = self.context;
        self.learn(Request::Poll, poll.outcome.as_ref().err(), poll.started_at);
        let admission = self.admission(task);
        let account = Account {
            admission,
            gate_reason: self.gate.reason.as_deref().unwrap_or_default(),
            allowance: self.spending.allowance(),
            credits: self.spending.credits(),
            reachable_since: self.gate.reachable_since,
            draining: self.context.draining,
            now: *now,
            next_id: self.next_resume_id,
        };
        let bounded = if task.is_bounded && poll.may_lead_to_resume() {
            let mut bounded = task.clone();
            // In this transaction: another part of the search may have been resumed in it.
            bounds::read(self.connection, &task.id, &mut bounded.wanted).await?;
            Some(bounded)
        } else {
            None
        };
        let task = bounded.as_ref().unwrap_or(task);
        let step = step::poll_answered(task, poll, policy, &account, rand::random())?;
        self.update_ledger(&step).await?;
        let permit = match &step.intended {
            Some(resume) => {
                if admission == Admission::Probe {
                    self.gate.probe_sent(*now, policy);
                }
                Some(self.intend(&task.id, resume, poll).await?)
            }
            None => None,
        };
        Ok(((poll.answered_at.min(*now), step), permit))
    }

    async fn resume(
        &mut self,
        id: &TaskId,
        task: Option<&Task>,
        answer: &ResumeAnswer,
    ) -> Result<Option<(Timestamp, Step)>, StoreError> {
        let answer = self.attributed(id, task, answer).await?;
        let at = answer.answered_at;
        self.learn(
            Request::Resume,
            answer.outcome.as_ref().err(),
            answer.started_at,
        );
        let Some(resume) = ledger::find(self.connection, answer.resume_id).await? else {
            let outcome = Transition::of_answer(&answer.outcome, answer.http_status);
            let (row, outcome) = (answer.resume_id, outcome.name());
            let error =
                format!("resume {row} was {outcome}, but its row was deleted from the ledger");
            self.note(id, error).await?;
            return Ok(None);
        };
        let Some(task) = task else {
            match step::removed_task_answered(&resume, &answer) {
                Ok((resume, event)) => {
                    ledger::update(self.connection, &resume).await?;
                    history::add_events(self.connection, &[(at, Some(id), &event)]).await?;
                    self.events.push((Some(id.clone()), event));
                }
                Err(illegal) => self.note(id, illegal.to_string()).await?,
            }
            return Ok(None);
        };
        let policy = &self.context.policy;
        match step::resume_answered(task, &resume, &answer, policy, rand::random()) {
            Ok(step) => {
                self.update_ledger(&step).await?;
                Ok(Some((at, step)))
            }
            Err(illegal) => {
                self.note(id, illegal.to_string()).await?;
                Ok(None)
            }
        }
    }

    /// Notes at a task why the answer to its resume is not in the ledger: the row was settled or deleted meanwhile, by hand or
    /// by another daemon. What the answer says of the account counts.
    async fn note(&mut self, id: &TaskId, error: String) -> Result<(), StoreError> {
        progress::record_not_stored(self.connection, id, &error, self.context.now).await?;
        self.events
            .push((Some(id.clone()), Event::NotStored { error }));
        Ok(())
    }

    async fn update_ledger(&mut self, step: &Step) -> Result<(), StoreError> {
        match &step.resume {
            Some(resume) => ledger::update(self.connection, resume).await,
            None => Ok(()),
        }
    }

    /// Returns whether the gate lets a resume of this task through.
    fn admission(&self, task: &Task) -> Admission {
        let BatchContext { policy, now, .. } = self.context;
        if task
            .resume
            .as_ref()
            .is_some_and(|resume| resume.request.is_forbidden())
        {
            self.gate
                .admits_forbidden(*now, policy.polling.min_interval)
        } else {
            self.gate.admits(Request::Resume, *now)
        }
    }

    /// Writes down a resume, and gives the permit to send it.
    async fn intend(
        &mut self,
        id: &TaskId,
        resume: &Resume,
        poll: &PollAnswer,
    ) -> Result<ResumePermit, StoreError> {
        let BatchContext {
            now, send_within, ..
        } = self.context;
        ledger::intend(self.connection, id, resume).await?;
        self.next_resume_id += 1;
        let events = self
            .spending
            .spend(self.connection, resume.request.requested)
            .await?;
        self.events
            .extend(events.into_iter().map(|event| (None, event)));
        let left = poll.fresh_left(*now).unwrap_or_default();
        Ok(ResumePermit {
            resume_id: resume.request.id,
            desired_new_results: resume.request.requested,
            send_before: Instant::now() + left.min(*send_within),
        })
    }

    /// Returns the answer to a resume with no time after now, and as a refusal of its task if a 403 has turned out to
    /// concern no other: the same task was answered so before, and another one's resume was accepted in between.
    async fn attributed(
        &mut self,
        id: &TaskId,
        task: Option<&Task>,
        answer: &ResumeAnswer,
    ) -> Result<ResumeAnswer, StoreError> {
        let mut answer = answer.clone();
        answer.started_at = answer.started_at.min(self.context.now);
        answer.answered_at = answer.answered_at.min(self.context.now);
        if let Err(Failure::Forbidden { detail }) = &answer.outcome {
            let forgiven = task.map_or(0, |task| task.progress.forgiven);
            let resume_id = answer.resume_id;
            if ledger::was_forbidden_alone(self.connection, id, resume_id, forgiven).await? {
                answer.outcome = Err(Failure::Refused {
                    status: 403,
                    detail: detail.clone(),
                });
            }
        }
        Ok(answer)
    }
}

/// Returns what a task that was polled alone, or resumed, means for the plan of requests.
fn watched(progress: &Progress, seen_at: Timestamp) -> Shown {
    match wanted_at(progress, seen_at) {
        Some(due) => Shown::Watched { seen_at, due },
        None => Shown::Unwatched,
    }
}

async fn save(
    connection: &mut SqliteConnection,
    applied: &[Applied<'_>],
) -> Result<(), StoreError> {
    let rows: Vec<_> = applied
        .iter()
        .map(|applied| store::ProgressChange {
            id: &applied.task.id,
            before: &applied.task.progress,
            after: &applied.step.progress,
        })
        .collect();
    store::save(connection, &rows).await?;
    let samples: Vec<_> = applied
        .iter()
        .filter(|applied| applied.step.sample)
        .filter_map(|applied| {
            let seen = applied.step.progress.seen.as_ref()?;
            Some((&applied.task.id, applied.at, seen))
        })
        .collect();
    history::add_samples(connection, &samples).await?;
    let events: Vec<_> = applied
        .iter()
        .flat_map(|applied| {
            let events = applied.step.events.iter();
            events.map(|event| (applied.at, Some(&applied.task.id), event))
        })
        .collect();
    history::add_events(connection, &events).await
}
