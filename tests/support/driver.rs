//! The daemon in memory, against a model of the service, in virtual time; the property tests run it.
//!
//! The driver polls when a poll is due, stores the result of each step, records a resume, sends it, and stores the
//! answer. Scripts make requests fail, crash the process between any two of these, pause the task and raise its target.
//! The driver checks the invariants after each step; the tests check the final state.

#![allow(dead_code, reason = "each test file uses a part of it")]

#[path = "service_model.rs"]
pub mod service_model;

use growd::core::decide::FRESH;
use growd::core::gate::{Admission, Gate, Request};
use growd::core::paid_request::RequestState;
use growd::core::policy::{Growth, Policy, Polling, Retry};
use growd::core::progress::Progress;
use growd::core::resume::{RESUME_MAX, Resume};
use growd::core::spending::{Account, Allowance, Credits, Limit};
use growd::core::step::{self, PollAnswer, ResumeAnswer, Step};
use growd::core::task::{Task, Wanted};
use growd::core::{Failure, Observation, RetryAfter, State, Status, after, since};
use jiff::Timestamp;
use proptest::prelude::*;
use service_model::{Semantics, Service};
use std::collections::VecDeque;
use std::time::Duration;

const QUICK: Duration = Duration::from_millis(200);
const TIMEOUT: Duration = Duration::from_secs(30);
const DAY: Duration = Duration::from_hours(24);

/// The failure of one request.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Fault {
    /// None.
    Fine,
    /// Times out without having reached the service.
    LostBefore,
    /// Reaches the service; the answer is lost.
    LostAfter,
    /// 503, without effect.
    Unavailable,
    /// Reaches the service; the answer is not a task.
    NotUnderstood,
    /// Connection refused.
    NotConnected,
    Unauthorized,
    Payment,
    RateLimited(Option<u64>),
    /// 302.
    Redirected,
    /// Reaches the service and takes effect, but the answer is a 405.
    RejectedAfter,
    /// The process crashes before it sends the request.
    DiesBefore,
    /// The process crashes before it stores the answer.
    DiesAfter,
    /// 400, without a visible reason.
    Refused,
    /// 404.
    NotFound,
    /// A poll that is evaluated long after its answer, or a resume that expires before it is sent.
    TooLate,
}

impl Fault {
    /// Returns the failure of a request that does not reach the service.
    fn answer(&self) -> Option<Failure> {
        let detail = String::from("injected");
        Some(match self {
            Self::Fine
            | Self::TooLate
            | Self::LostAfter
            | Self::NotUnderstood
            | Self::RejectedAfter
            | Self::DiesBefore
            | Self::DiesAfter => return None,
            Self::LostBefore => unanswered(None),
            Self::Unavailable => unanswered(Some(503)),
            Self::NotConnected => Failure::NotConnected { detail },
            Self::Unauthorized => Failure::Unauthorized {
                status: 401,
                detail,
            },
            Self::Payment => Failure::PaymentRequired {
                status: 402,
                detail,
            },
            Self::RateLimited(seconds) => Failure::RateLimited {
                detail,
                retry_after: seconds.map(RetryAfter::Seconds),
            },
            Self::Redirected => Failure::Unexpected {
                status: 302,
                detail,
            },
            Self::Refused => Failure::Refused {
                status: 400,
                detail,
            },
            Self::NotFound => Failure::NotFound {
                status: 404,
                detail,
            },
        })
    }

    fn takes(&self) -> Duration {
        match self {
            Self::LostBefore | Self::LostAfter => TIMEOUT,
            _ => QUICK,
        }
    }
}

fn unanswered(status: Option<u16>) -> Failure {
    Failure::Unanswered {
        status,
        detail: "injected".to_owned(),
        retry_after: None,
    }
}

/// An action of the operator.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    Nothing,
    /// Pauses the task, and unpauses it after so many seconds.
    Pause(u64),
    /// Raises the target by this much.
    Raise(i64),
    /// Stops the daemon, and starts it again.
    Stop,
}

#[derive(Debug, Clone)]
pub struct Scenario {
    pub semantics: Semantics,
    pub wanted: Wanted,
    pub growth: Growth,
    /// The faults of polls, in order; later polls have none.
    pub poll_faults: Vec<Fault>,
    /// The same for resumes.
    pub resume_faults: Vec<Fault>,
    /// The operator's action before each poll, in order.
    pub actions: Vec<Action>,
    /// The start of an outage of polls, counted from the first resume, and its length.
    pub outage: Option<(Duration, Duration)>,
    /// The fault of each poll during the outage.
    pub outage_fault: Fault,
    pub jitter: f64,
}

impl Scenario {
    fn policy(&self) -> Policy {
        Policy {
            growth: self.growth,
            polling: Polling {
                min_interval: Duration::from_secs(5),
                max_interval: Duration::from_mins(1),
                quiet_after: Duration::from_hours(6),
                list_page: 0,
            },
            retry: Retry {
                initial: Duration::from_secs(2),
                max: Duration::from_mins(5),
            },
            probe_interval: Duration::from_mins(5),
            keeps_results: true,
        }
    }
}

/// The daemon, in memory.
pub struct Driver {
    pub now: Timestamp,
    pub service: Service,
    pub policy: Policy,
    pub jitter: f64,
    pub poll_faults: VecDeque<Fault>,
    pub resume_faults: VecDeque<Fault>,
    pub actions: VecDeque<Action>,
    pub outage: Option<(Duration, Duration)>,
    pub outage_fault: Fault,
    /// The content of the database.
    pub task: Task,
    pub ledger: Vec<Resume>,
    /// The state of the process.
    pub gate: Gate,
    pub draining: bool,
    pub unpause_at: Option<Timestamp>,
    /// The earliest time of the next poll; none after an action of the operator.
    pub earliest_poll: Option<Timestamp>,
    pub steps: usize,
}

pub type Checked = Result<(), TestCaseError>;

impl Driver {
    fn new(scenario: &Scenario) -> Self {
        let now: Timestamp = "2026-11-24T02:22:00Z".parse().expect("a time");
        Self {
            now,
            service: Service::new(scenario.semantics.clone(), now),
            policy: scenario.policy(),
            jitter: scenario.jitter,
            poll_faults: scenario.poll_faults.clone().into(),
            resume_faults: scenario.resume_faults.clone().into(),
            actions: scenario.actions.clone().into(),
            outage: scenario.outage,
            outage_fault: scenario.outage_fault,
            task: Task {
                id: "a-task".parse().expect("an id"),
                wanted: scenario.wanted,
                edited_at: Some(now),
                progress: Progress::new(now),
                resume: None,
                is_bounded: false,
                lost: 0,
            },
            ledger: Vec::new(),
            gate: Gate::open(now),
            draining: false,
            unpause_at: None,
            earliest_poll: None,
            steps: 0,
        }
    }

    /// Runs until the task is due no more.
    pub fn run(scenario: &Scenario) -> Result<Self, TestCaseError> {
        let mut driver = Self::new(scenario);
        loop {
            driver.steps += 1;
            prop_assert!(driver.steps < 20_000, "it never ends: {:?}", driver.task);
            driver.apply_action();
            if let Some(due) = driver.task.progress.next_poll_at {
                driver.now = driver.now.max(due);
                driver.poll()?;
            } else if let Some(at) = driver.unpause_at.take() {
                driver.now = driver.now.max(at);
                driver.task.wanted.paused = false;
                driver.wake();
            } else {
                return Ok(driver);
            }
        }
    }

    fn wake(&mut self) {
        self.task.progress.next_poll_at = Some(self.now);
        self.earliest_poll = None;
    }

    fn apply_action(&mut self) {
        match self.actions.pop_front().unwrap_or(Action::Nothing) {
            Action::Nothing => {}
            Action::Pause(seconds) => {
                self.task.wanted.paused = true;
                self.task.progress.next_poll_at = None;
                self.unpause_at = Some(after(self.now, Duration::from_secs(seconds)));
            }
            Action::Raise(by) => {
                self.task.wanted.target += by;
                self.task.progress.waste_requested = 0;
                self.task.progress.waste_brought = 0;
                if !self.task.wanted.paused {
                    self.wake();
                }
            }
            Action::Stop => self.draining = true,
        }
    }

    fn restart(&mut self) {
        self.now = after(self.now, Duration::from_secs(1));
        let gate = &self.gate;
        self.gate = Gate::restored(gate.kind, gate.reason.clone(), gate.until, self.now);
        self.draining = false;
        self.earliest_poll = None;
    }

    fn is_out(&self) -> bool {
        let first = self.ledger.first().map(|row| row.request.sent_at);
        let Some((first, (begin, length))) = first.zip(self.outage) else {
            return false;
        };
        (begin..begin + length).contains(&since(first, self.now))
    }

    fn admitted(&mut self, request: Request) -> bool {
        match self.gate.admits(request, self.now) {
            Admission::Free => true,
            Admission::Probe => {
                self.gate.probe_sent(self.now, &self.policy);
                true
            }
            Admission::Wait(_) => false,
        }
    }

    fn learn(&mut self, request: Request, failure: Option<&Failure>, started_at: Timestamp) {
        let (now, policy, jitter) = (self.now, self.policy, self.jitter);
        self.gate
            .learn(request, failure, started_at, now, &policy, jitter);
    }

    fn poll(&mut self) -> Checked {
        if let Admission::Wait(until) = self.gate.admits(Request::Poll, self.now) {
            prop_assert!(until > self.now);
            self.now = until;
        }
        assert!(self.admitted(Request::Poll));
        if let Some(earliest_poll) = self.earliest_poll {
            prop_assert!(self.now >= earliest_poll, "polled too early");
        }
        let fault = if self.is_out() {
            self.outage_fault
        } else {
            self.poll_faults.pop_front().unwrap_or(Fault::Fine)
        };
        let started_at = self.now;
        let reached = (fault.answer().is_none() && fault != Fault::DiesBefore)
            .then(|| self.service.get(started_at));
        self.now = after(self.now, fault.takes());
        let outcome = match (&fault, reached) {
            (Fault::DiesBefore | Fault::DiesAfter, _) => {
                self.restart();
                return Ok(());
            }
            (_, reached) => outcome(&fault, reached.map(Ok)),
        };
        self.learn(Request::Poll, outcome.as_ref().err(), started_at);
        let daily_left = self.daily_left();
        let gate = self.gate.clone();
        let account = Account {
            admission: gate.admits(Request::Resume, self.now),
            gate_reason: gate.reason.as_deref().unwrap_or("?"),
            allowance: Allowance {
                left: daily_left,
                frees_at: self.daily_frees_at(),
                limit: Limit::Daily,
            },
            credits: Credits::Off,
            reachable_since: gate.reachable_since,
            draining: self.draining,
            now: if fault == Fault::TooLate {
                after(self.now, FRESH * 2)
            } else {
                self.now
            },
            next_id: i64::try_from(self.ledger.len()).expect("few") + 1,
        };
        let poll = PollAnswer {
            started_at,
            answered_at: self.now,
            outcome,
        };
        let step = step::poll_answered(&self.task, &poll, &self.policy, &account, self.jitter)
            .expect("a legal transition");
        self.store(&step);
        self.earliest_poll = Some(after(self.now, self.policy.polling.min_interval));
        self.check()?;
        if let Some(row) = step.intended {
            prop_assert!(fault != Fault::TooLate, "asked after an old poll");
            self.check_ask(row.request.requested, &poll, daily_left)?;
            self.resume(&row)?;
        }
        if self.draining {
            self.restart();
        }
        Ok(())
    }

    fn resume(&mut self, row: &Resume) -> Checked {
        let seen = self.task.progress.seen.clone().expect("seen");
        prop_assert_eq!(row.request.state, RequestState::Intended);
        prop_assert_eq!(
            (row.baseline_desired, row.baseline_results),
            (seen.desired, seen.results)
        );
        prop_assert_eq!(row.best_results, self.task.progress.best_results);
        prop_assert_eq!(row.request.sent_at, self.now);
        self.ledger.push(row.clone());
        self.task.resume = Some(row.clone());
        self.check()?;

        let fault = self.resume_faults.pop_front().unwrap_or(Fault::Fine);
        if fault == Fault::DiesBefore {
            self.restart();
            return Ok(());
        }
        prop_assert!(self.admitted(Request::Resume));
        let started_at = self.now;
        let is_sent = fault.answer().is_none() && fault != Fault::TooLate;
        let reached = is_sent.then(|| {
            let arrives_at = after(started_at, QUICK / 2);
            self.service.resume(arrives_at, row.request.requested)
        });
        self.now = after(self.now, fault.takes());
        if fault == Fault::DiesAfter {
            self.restart();
            return Ok(());
        }
        // The operator may act while the request is in flight.
        self.apply_action();
        let outcome = outcome(&fault, reached);
        self.learn(Request::Resume, outcome.as_ref().err(), started_at);
        let answer = ResumeAnswer {
            resume_id: row.request.id,
            started_at,
            answered_at: self.now,
            http_status: match &outcome {
                Ok(_) => Some(200),
                Err(failure) => failure.status(),
            },
            outcome,
        };
        let step = step::resume_answered(&self.task, row, &answer, &self.policy, self.jitter)
            .expect("a legal transition");
        prop_assert_eq!(&step.intended, &None);
        self.store(&step);
        self.check()
    }

    fn store(&mut self, step: &Step) {
        self.task.progress = step.progress.clone();
        if let Some(row) = &step.resume {
            let stored = self.ledger.last_mut().expect("only a stored row changes");
            assert_eq!(stored.request.id, row.request.id);
            let unresolved = matches!(
                stored.request.state,
                RequestState::Intended | RequestState::Lost
            );
            assert_eq!(
                row.request.resolved_at != stored.request.resolved_at,
                unresolved && row.request.state != stored.request.state
            );
            *stored = row.clone();
            self.task.resume = Some(row.clone());
        }
        let since_arrival = self
            .ledger
            .iter()
            .rev()
            .take_while(|row| row.request.state != RequestState::Accepted);
        let lost = since_arrival.filter(|row| {
            row.request.state == RequestState::Lost
                || (row.request.state == RequestState::Rejected && row.request.failed_by_chance())
        });
        self.task.lost = u32::try_from(lost.count()).expect("few");
    }

    /// Checks the invariants of the stored state.
    fn check(&self) -> Checked {
        let open = self.ledger.iter().filter(|row| row.is_open());
        for row in open {
            prop_assert_eq!(Some(row), self.ledger.last(), "an older one is still open");
        }
        let progress = &self.task.progress;
        if self.task.wanted.paused {
            prop_assert_eq!(progress.next_poll_at, None, "a paused task is due");
        }
        if let Some(at) = progress.next_poll_at {
            let wait = since(self.now, at);
            prop_assert!(wait <= DAY, "not polled for {:?}", wait);
        } else if !self.task.wanted.paused {
            prop_assert!(progress.state.is_end(), "stopped in {}", progress.state);
        }
        Ok(())
    }

    /// Checks the poll that led to a resume, and the requested number.
    fn check_ask(&self, n: i64, poll: &PollAnswer, daily_left: Option<i64>) -> Checked {
        let Ok(seen) = &poll.outcome else {
            return Err(TestCaseError::fail("asked after a failed poll"));
        };
        let wanted = &self.task.wanted;
        let growth = &self.policy.growth;
        prop_assert_eq!(&seen.status, &Status::Done);
        prop_assert!(!seen.is_exhausted);
        prop_assert!(!wanted.paused);
        prop_assert!(!self.draining);
        prop_assert!(self.ledger.iter().all(|row| !row.is_open()));
        prop_assert!((1..=RESUME_MAX).contains(&n));
        prop_assert!(n <= wanted.target - seen.results);
        prop_assert!(n <= wanted.chunk.unwrap_or(RESUME_MAX));
        prop_assert!(n <= growth.chunk);
        prop_assert!(n <= growth.task_cap - seen.results);
        prop_assert!(n <= daily_left.unwrap_or(n));
        Ok(())
    }

    fn counted_today(&self) -> impl Iterator<Item = &Resume> {
        self.ledger.iter().filter(|row| {
            let counts = matches!(
                row.request.state,
                RequestState::Intended | RequestState::Accepted | RequestState::Lost
            );
            counts && since(row.request.sent_at, self.now) < DAY
        })
    }

    fn daily_left(&self) -> Option<i64> {
        let limit = self.policy.growth.daily_limit;
        let used: i64 = self.counted_today().map(|row| row.request.requested).sum();
        (limit > 0).then_some(limit - used)
    }

    fn daily_frees_at(&self) -> Option<Timestamp> {
        let oldest = self.counted_today().map(|row| row.request.sent_at).min();
        oldest.map(|at| after(at, DAY))
    }

    pub fn count(&self, wanted: impl Fn(&Resume) -> bool) -> usize {
        self.ledger.iter().filter(|row| wanted(row)).count()
    }

    pub fn state(&self) -> State {
        self.task.progress.state
    }
}

fn outcome(
    fault: &Fault,
    reached: Option<Result<Observation, Failure>>,
) -> Result<Observation, Failure> {
    match (fault, reached) {
        (Fault::NotUnderstood, Some(Ok(_))) => Err(Failure::NotUnderstood {
            status: 200,
            detail: "injected".to_owned(),
        }),
        (Fault::LostAfter, Some(_)) => Err(unanswered(None)),
        (Fault::RejectedAfter, Some(_)) => Err(Failure::Unexpected {
            status: 405,
            detail: "injected".to_owned(),
        }),
        (_, Some(outcome)) => outcome,
        (Fault::TooLate, None) => Err(Failure::Withheld {
            detail: "injected".to_owned(),
        }),
        (fault, None) => Err(fault
            .answer()
            .expect("a request that did not reach the service")),
    }
}
