//! The daemon in memory, against a model of the service, in virtual time: what the property tests run.
//!
//! It looks when a look is due, stores what the steps return, writes a resume down, sends it, and stores the answer.
//! Requests fail by a script, the process dies between any two of these, people pause tasks and raise targets. What
//! must hold after each step is checked in here; what must hold in the end is a test each.

#![allow(dead_code, reason = "each test file uses a part of it")]

#[path = "service_model.rs"]
pub mod service_model;

use growd::core::decide::{Account, FRESH};
use growd::core::gate::{Admission, Gate, Request};
use growd::core::policy::{Growth, Policy, Polling, Retry};
use growd::core::progress::Progress;
use growd::core::resume::{RESUME_MAX, Resume, ResumeState};
use growd::core::step::{self, PollAnswer, ResumeAnswer, Step};
use growd::core::task::{Task, Wanted};
use growd::core::{Failure, Observation, RetryAfter, State, Status, after, since};
use jiff::Timestamp;
use proptest::prelude::*;
use service_model::{Service, Unknowns};
use std::collections::VecDeque;
use std::time::Duration;

const QUICK: Duration = Duration::from_millis(200);
const TIMEOUT: Duration = Duration::from_secs(30);
const DAY: Duration = Duration::from_hours(24);

/// What goes wrong with one request.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Fault {
    /// Nothing.
    Fine,
    /// Times out without having reached the service.
    LostBefore,
    /// Reaches the service; the answer is lost.
    LostAfter,
    /// 503, and nothing done.
    Unavailable,
    /// Reaches the service; the answer is no task.
    NotUnderstood,
    /// Connection refused.
    NotConnected,
    Unauthorized,
    Payment,
    RateLimited(Option<u64>),
    /// 302.
    Redirected,
    /// Reaches the service, and takes effect; the answer is a 405 all the same.
    RejectedAfter,
    /// The process dies before it sends the request.
    DiesBefore,
    /// The process dies before it stores the answer.
    DiesAfter,
    /// 400, for no reason that can be seen.
    Refused,
    /// 404.
    NotFound,
    /// A look that is judged long after it was answered, or a resume whose time has passed before it was sent.
    TooLate,
}

impl Fault {
    /// The answer in place of the service's, where the request does not reach it.
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

/// What people do meanwhile.
#[derive(Debug, Clone, PartialEq)]
pub enum Act {
    Nothing,
    /// Paused, and unpaused after so many seconds.
    Pause(u64),
    /// A higher target.
    Raise(i64),
    /// The daemon is told to stop, and started again.
    Stop,
}

#[derive(Debug, Clone)]
pub struct Scenario {
    pub unknowns: Unknowns,
    pub wanted: Wanted,
    pub growth: Growth,
    /// What goes wrong with looks, in order; afterwards nothing does.
    pub looks: Vec<Fault>,
    /// The same for resumes.
    pub resumes: Vec<Fault>,
    /// What people do before each look, in order.
    pub acts: Vec<Act>,
    /// How long after the first resume polls begin to fail, and for how long.
    pub outage: Option<(Duration, Duration)>,
    /// In which way.
    pub outage_fault: Fault,
    pub spread: f64,
}

impl Scenario {
    fn policy(&self) -> Policy {
        Policy {
            growth: self.growth,
            polling: Polling {
                min_interval: Duration::from_secs(5),
                max_interval: Duration::from_mins(1),
                quiet_after: Duration::from_hours(6),
            },
            retry: Retry {
                initial: Duration::from_secs(2),
                max: Duration::from_mins(5),
            },
            probe_interval: Duration::from_mins(5),
        }
    }
}

/// The daemon, in memory.
pub struct Driver {
    pub now: Timestamp,
    pub service: Service,
    pub policy: Policy,
    pub spread: f64,
    pub looks: VecDeque<Fault>,
    pub resumes: VecDeque<Fault>,
    pub acts: VecDeque<Act>,
    pub outage: Option<(Duration, Duration)>,
    pub outage_fault: Fault,
    /// What the database holds.
    pub task: Task,
    pub ledger: Vec<Resume>,
    /// What the process holds, save for what it stores of it.
    pub gate: Gate,
    pub draining: bool,
    pub unpause_at: Option<Timestamp>,
    /// When the next look may be at the soonest; none where someone stepped in.
    pub soonest: Option<Timestamp>,
    pub steps: usize,
}

pub type Checked = Result<(), TestCaseError>;

impl Driver {
    fn new(scenario: &Scenario) -> Self {
        let now: Timestamp = "2026-11-24T02:22:00Z".parse().expect("a time");
        Self {
            now,
            service: Service::new(scenario.unknowns.clone(), now),
            policy: scenario.policy(),
            spread: scenario.spread,
            looks: scenario.looks.clone().into(),
            resumes: scenario.resumes.clone().into(),
            acts: scenario.acts.clone().into(),
            outage: scenario.outage,
            outage_fault: scenario.outage_fault,
            task: Task {
                id: "a-task".parse().expect("an id"),
                wanted: scenario.wanted,
                edited_at: Some(now),
                progress: Progress::new(now),
                resume: None,
                lost: 0,
            },
            ledger: Vec::new(),
            gate: Gate::open(now),
            draining: false,
            unpause_at: None,
            soonest: None,
            steps: 0,
        }
    }

    /// Runs until there is nothing more to do.
    pub fn run(scenario: &Scenario) -> Result<Self, TestCaseError> {
        let mut driver = Self::new(scenario);
        loop {
            driver.steps += 1;
            prop_assert!(driver.steps < 20_000, "it never ends: {:?}", driver.task);
            driver.act();
            if let Some(due) = driver.task.progress.next_poll_at {
                driver.now = driver.now.max(due);
                driver.cycle()?;
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
        self.soonest = None;
    }

    fn act(&mut self) {
        match self.acts.pop_front().unwrap_or(Act::Nothing) {
            Act::Nothing => {}
            Act::Pause(seconds) => {
                self.task.wanted.paused = true;
                self.task.progress.next_poll_at = None;
                self.unpause_at = Some(after(self.now, Duration::from_secs(seconds)));
            }
            Act::Raise(by) => {
                self.task.wanted.target += by;
                self.task.progress.waste_requested = 0;
                self.task.progress.waste_brought = 0;
                if !self.task.wanted.paused {
                    self.wake();
                }
            }
            Act::Stop => self.draining = true,
        }
    }

    fn dies(&mut self) {
        self.now = after(self.now, Duration::from_secs(1));
        let gate = &self.gate;
        self.gate = Gate::restored(gate.kind, gate.reason.clone(), gate.until, self.now);
        self.draining = false;
        self.soonest = None;
    }

    fn is_out(&self) -> bool {
        let first = self.ledger.first().map(|row| row.sent_at);
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
        let (now, policy, spread) = (self.now, self.policy, self.spread);
        self.gate
            .learn(request, failure, started_at, now, &policy, spread);
    }

    fn cycle(&mut self) -> Checked {
        if let Admission::Wait(until) = self.gate.admits(Request::Poll, self.now) {
            prop_assert!(until > self.now);
            self.now = until;
        }
        assert!(self.admitted(Request::Poll));
        if let Some(soonest) = self.soonest {
            prop_assert!(self.now >= soonest, "looked again too soon");
        }
        let fault = if self.is_out() {
            self.outage_fault
        } else {
            self.looks.pop_front().unwrap_or(Fault::Fine)
        };
        let started_at = self.now;
        let reached = (fault.answer().is_none() && fault != Fault::DiesBefore)
            .then(|| self.service.get(started_at));
        self.now = after(self.now, fault.takes());
        let outcome = match (&fault, reached) {
            (Fault::DiesBefore | Fault::DiesAfter, _) => {
                self.dies();
                return Ok(());
            }
            (_, reached) => outcome(&fault, reached.map(Ok)),
        };
        self.learn(Request::Poll, outcome.as_ref().err(), started_at);
        let daily_left = self.daily_left();
        let gate = self.gate.clone();
        let account = Account {
            resumes: gate.admits(Request::Resume, self.now),
            gate_reason: gate.reason.as_deref().unwrap_or("?"),
            daily_left,
            daily_frees_at: self.daily_frees_at(),
            reachable_since: gate.reachable_since,
            draining: self.draining,
            now: if fault == Fault::TooLate {
                after(self.now, FRESH * 2)
            } else {
                self.now
            },
            next_resume_id: i64::try_from(self.ledger.len()).expect("few") + 1,
        };
        let poll = PollAnswer {
            started_at,
            answered_at: self.now,
            outcome,
        };
        let step = step::poll_answered(&self.task, &poll, &self.policy, &account, self.spread)
            .expect("a legal transition");
        self.store(&step);
        self.soonest = Some(after(self.now, self.policy.polling.min_interval));
        self.check()?;
        if let Some(row) = step.intended {
            prop_assert!(fault != Fault::TooLate, "asked after a poll that was old");
            self.check_ask(row.requested, &poll, daily_left)?;
            self.resume(&row)?;
        }
        if self.draining {
            self.dies();
        }
        Ok(())
    }

    fn resume(&mut self, row: &Resume) -> Checked {
        let seen = self.task.progress.seen.clone().expect("seen");
        prop_assert_eq!(row.state, ResumeState::Intended);
        prop_assert_eq!(
            (row.baseline_desired, row.baseline_results),
            (seen.desired, seen.results)
        );
        prop_assert_eq!(row.best_results, self.task.progress.best_results);
        prop_assert_eq!(row.sent_at, self.now);
        self.ledger.push(row.clone());
        self.task.resume = Some(row.clone());
        self.check()?;

        let fault = self.resumes.pop_front().unwrap_or(Fault::Fine);
        if fault == Fault::DiesBefore {
            self.dies();
            return Ok(());
        }
        prop_assert!(self.admitted(Request::Resume));
        let started_at = self.now;
        let is_sent = fault.answer().is_none() && fault != Fault::TooLate;
        let reached = is_sent.then(|| {
            let arrives_at = after(started_at, QUICK / 2);
            self.service.resume(arrives_at, row.requested)
        });
        self.now = after(self.now, fault.takes());
        if fault == Fault::DiesAfter {
            self.dies();
            return Ok(());
        }
        // People may do something while the request is under way.
        self.act();
        let outcome = outcome(&fault, reached);
        self.learn(Request::Resume, outcome.as_ref().err(), started_at);
        let answer = ResumeAnswer {
            resume_id: row.id,
            started_at,
            answered_at: self.now,
            http_status: match &outcome {
                Ok(_) => Some(200),
                Err(failure) => failure.status(),
            },
            outcome,
        };
        let step = step::resume_answered(&self.task, row, &answer, &self.policy, self.spread)
            .expect("a legal transition");
        prop_assert_eq!(&step.intended, &None);
        self.store(&step);
        self.check()
    }

    fn store(&mut self, step: &Step) {
        self.task.progress = step.progress.clone();
        if let Some(row) = &step.resume {
            let stored = self.ledger.last_mut().expect("only a stored row changes");
            assert_eq!(stored.id, row.id);
            let unresolved = matches!(stored.state, ResumeState::Intended | ResumeState::Lost);
            assert_eq!(
                row.resolved_at != stored.resolved_at,
                unresolved && row.state != stored.state
            );
            *stored = row.clone();
            self.task.resume = Some(row.clone());
        }
        let since_arrival = self
            .ledger
            .iter()
            .rev()
            .take_while(|row| row.state != ResumeState::Accepted);
        let lost = since_arrival.filter(|row| {
            row.state == ResumeState::Lost
                || (row.state == ResumeState::Rejected && row.failed_by_chance())
        });
        self.task.lost = u32::try_from(lost.count()).expect("few");
    }

    /// What must hold of whatever is stored.
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
            prop_assert!(wait <= DAY, "not looked at for {:?}", wait);
        } else if !self.task.wanted.paused {
            prop_assert!(progress.state.is_end(), "stopped in {}", progress.state);
        }
        Ok(())
    }

    /// What must hold of a task that a resume is asked from, and of how much is asked.
    fn check_ask(&self, n: i64, poll: &PollAnswer, daily_left: Option<i64>) -> Checked {
        let Ok(seen) = &poll.outcome else {
            return Err(TestCaseError::fail("asked after a look that failed"));
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
                row.state,
                ResumeState::Intended | ResumeState::Accepted | ResumeState::Lost
            );
            counts && since(row.sent_at, self.now) < DAY
        })
    }

    fn daily_left(&self) -> Option<i64> {
        let limit = self.policy.growth.daily_limit;
        let used: i64 = self.counted_today().map(|row| row.requested).sum();
        (limit > 0).then_some(limit - used)
    }

    fn daily_frees_at(&self) -> Option<Timestamp> {
        let oldest = self.counted_today().map(|row| row.sent_at).min();
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
        (fault, None) => Err(fault.answer().expect("a request that got nowhere")),
    }
}
