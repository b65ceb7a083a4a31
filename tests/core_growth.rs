//! The rule against every service that there could be, in virtual time.
//!
//! A driver plays the daemon in memory: it looks when a look is due, stores what the steps return, writes a
//! resume down, sends it, and stores the answer. Requests fail by a script, the process dies between any two
//! of these, people pause tasks and raise targets. What must hold after each step is checked inside the
//! driver; what must hold in the end is a test each.

#[path = "support/service_model.rs"]
mod service_model;

use growd::core::decide::Account;
use growd::core::gate::{Admission, Gate, Request};
use growd::core::model::{
    Growth, Policy, Polling, Progress, RESUME_MAX, Resume, ResumeState, Retry, Task, Wanted,
};
use growd::core::step::{self, Answer, Look, Step};
use growd::core::{Failure, Observation, RetryAfter, State, Status, after, since};
use jiff::Timestamp;
use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, RngSeed, TestRunner};
use service_model::{Busy, CapOn, Service, TooMuch, Unknowns, Wish};
use std::collections::VecDeque;
use std::time::Duration;

const QUICK: Duration = Duration::from_millis(200);
const TIMEOUT: Duration = Duration::from_secs(30);
const DAY: Duration = Duration::from_hours(24);
const SETTLE: Duration = Duration::from_mins(1);

/// What goes wrong with one request.
#[derive(Debug, Clone, PartialEq)]
enum Fault {
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
    /// The process dies before it sends the request.
    DiesBefore,
    /// The process dies before it stores the answer.
    DiesAfter,
    /// 400, for no reason that can be seen.
    Refused,
    /// 404.
    NotFound,
}

impl Fault {
    /// The answer in place of the service's, where the request does not reach it.
    fn answer(&self) -> Option<Failure> {
        let detail = String::from("injected");
        Some(match self {
            Self::Fine
            | Self::LostAfter
            | Self::NotUnderstood
            | Self::DiesBefore
            | Self::DiesAfter => return None,
            Self::LostBefore => unanswered(None),
            Self::Unavailable => unanswered(Some(503)),
            Self::NotConnected => Failure::NotConnected { detail },
            Self::Unauthorized => Failure::Unauthorized {
                status: 401,
                detail,
            },
            Self::Payment => Failure::PaymentRequired { detail },
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
            Self::NotFound => Failure::NotFound { detail },
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
    }
}

/// What people do meanwhile.
#[derive(Debug, Clone, PartialEq)]
enum Act {
    Nothing,
    /// Paused, and unpaused after so many seconds.
    Pause(u64),
    /// A higher target.
    Raise(i64),
    /// The daemon is told to stop, and started again.
    Stop,
}

#[derive(Debug, Clone)]
struct Scenario {
    unknowns: Unknowns,
    wanted: Wanted,
    growth: Growth,
    /// What goes wrong with looks, in order; afterwards nothing does.
    looks: Vec<Fault>,
    /// The same for resumes.
    resumes: Vec<Fault>,
    /// What people do before each look, in order.
    acts: Vec<Act>,
    spread: f64,
}

impl Scenario {
    fn policy(&self) -> Policy {
        Policy {
            growth: self.growth,
            polling: Polling {
                min_interval: Duration::from_secs(5),
                max_interval: Duration::from_mins(1),
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
struct Driver {
    now: Timestamp,
    service: Service,
    policy: Policy,
    spread: f64,
    looks: VecDeque<Fault>,
    resumes: VecDeque<Fault>,
    acts: VecDeque<Act>,
    /// What the database holds.
    task: Task,
    ledger: Vec<Resume>,
    /// What the process holds, save for what it stores of it.
    gate: Gate,
    draining: bool,
    unpause_at: Option<Timestamp>,
    /// When the next look may be at the soonest; none where someone stepped in.
    soonest: Option<Timestamp>,
    steps: usize,
}

type Checked = Result<(), TestCaseError>;

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
            task: Task {
                id: "a-task".parse().expect("an id"),
                wanted: scenario.wanted,
                progress: Progress::new(now),
                resume: None,
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
    fn run(scenario: &Scenario) -> Result<Self, TestCaseError> {
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
        if let Admission::Wait(until) = self.gate.admits(Request::Look, self.now) {
            prop_assert!(until > self.now);
            self.now = until;
        }
        assert!(self.admitted(Request::Look));
        if let Some(soonest) = self.soonest {
            prop_assert!(self.now >= soonest, "looked again too soon");
        }
        let fault = self.looks.pop_front().unwrap_or(Fault::Fine);
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
        self.learn(Request::Look, outcome.as_ref().err(), started_at);
        let daily_left = self.daily_left();
        let gate = self.gate.clone();
        let account = Account {
            resumes: gate.admits(Request::Resume, self.now),
            gate_reason: gate.reason.as_deref().unwrap_or("?"),
            daily_left,
            daily_frees_at: self.daily_frees_at(),
            draining: self.draining,
        };
        let look = Look {
            started_at,
            answered_at: self.now,
            outcome,
        };
        let step = step::look(&self.task, &look, &self.policy, &account, self.spread);
        self.store(&step);
        self.soonest = Some(after(self.now, self.policy.polling.min_interval));
        self.check()?;
        if let Some(n) = step.ask {
            self.check_ask(n, &look, daily_left)?;
            self.resume(n)?;
        }
        if self.draining {
            self.dies();
        }
        Ok(())
    }

    fn resume(&mut self, n: i64) -> Checked {
        let seen = self.task.progress.seen.clone().expect("seen");
        let row = Resume {
            id: i64::try_from(self.ledger.len()).expect("few") + 1,
            requested: n,
            baseline_desired: seen.desired,
            baseline_results: seen.results,
            best_results: self.task.progress.best_results,
            state: ResumeState::Intended,
            http_status: None,
            detail: None,
            sent_at: self.now,
            shown_at: None,
            brought: None,
        };
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
        let reached = fault.answer().is_none().then(|| {
            let arrives_at = after(started_at, QUICK / 2);
            self.service.resume(arrives_at, n)
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
        let answer = Answer {
            resume_id: row.id,
            started_at,
            answered_at: self.now,
            http_status: match &outcome {
                Ok(_) => Some(200),
                Err(failure) => failure.status(),
            },
            outcome,
        };
        let step = step::answer(&self.task, &row, &answer, &self.policy, self.spread);
        prop_assert_eq!(step.ask, None);
        self.store(&step);
        self.check()
    }

    fn store(&mut self, step: &Step) {
        self.task.progress = step.progress.clone();
        if let Some(row) = &step.resume {
            let stored = self.ledger.last_mut().expect("only a stored row changes");
            assert_eq!(stored.id, row.id);
            assert_eq!(
                step.resolved,
                stored.state == ResumeState::Intended && row.state != ResumeState::Intended
            );
            *stored = row.clone();
            self.task.resume = Some(row.clone());
        }
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
    fn check_ask(&self, n: i64, look: &Look, daily_left: Option<i64>) -> Checked {
        let Ok(seen) = &look.outcome else {
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

    fn count(&self, wanted: impl Fn(&Resume) -> bool) -> usize {
        self.ledger.iter().filter(|row| wanted(row)).count()
    }

    fn state(&self) -> State {
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
        (_, Some(outcome)) => outcome,
        (fault, None) => Err(fault.answer().expect("a request that got nowhere")),
    }
}

// --- what is drawn ---

fn seconds(range: std::ops::RangeInclusive<u64>) -> impl Strategy<Value = Duration> {
    range.prop_map(Duration::from_secs)
}

/// Any service whose delays stay within the settling time.
fn unknowns() -> impl Strategy<Value = Unknowns> {
    let rules = (
        prop_oneof![Just(Wish::Rises), Just(Wish::IsSet), Just(Wish::Stays)],
        prop_oneof![Just(CapOn::Desired), Just(CapOn::Results)],
        prop_oneof![Just(TooMuch::Clamped), Just(TooMuch::Refused)],
        prop_oneof![Just(Busy::Queued), Just(Busy::Refused), Just(Busy::Added)],
        50_i64..=600,
    );
    let lateness = (
        prop_oneof![Just(Duration::ZERO), seconds(1..=45)],
        prop_oneof![2 => Just(Duration::ZERO), 1 => seconds(1..=13)],
        any::<bool>(),
    );
    let runs = (
        20_i64..=800,
        any::<bool>(),
        30_i64..=100,
        prop_oneof![1 => seconds(0..=3), 3 => seconds(4..=900)],
        prop::collection::vec(0_usize..=12, 0..=3),
        prop_oneof![9 => Just(None), 1 => (0_usize..=4).prop_map(Some)],
    );
    let counters = (prop_oneof![2 => Just(0_i64), 1 => 1_i64..=5], 10_i64..=50);
    (rules, lateness, runs, counters).prop_map(|(rules, lateness, runs, counters)| {
        let (wish, cap_on, too_much, busy, cap) = rules;
        let (late, begins_later, answer_is_late) = lateness;
        let (pool, tells_early, percent, run, empty_runs, failing_run) = runs;
        let (drop, desired) = counters;
        Unknowns {
            wish,
            cap_on,
            too_much,
            busy,
            cap,
            late,
            begins_later,
            answer_is_late,
            pool,
            tells_early,
            percent,
            run,
            empty_runs,
            failing_run,
            drop,
            swing: 0,
            desired,
        }
    })
}

/// Faults that pass: a task that meets them can still be grown.
fn passing() -> impl Strategy<Value = Fault> {
    prop_oneof![
        4 => Just(Fault::Fine),
        1 => Just(Fault::LostBefore),
        1 => Just(Fault::LostAfter),
        1 => Just(Fault::Unavailable),
        1 => Just(Fault::NotUnderstood),
        1 => Just(Fault::NotConnected),
        1 => Just(Fault::Unauthorized),
        1 => Just(Fault::Payment),
        1 => prop::option::of(0_u64..=600).prop_map(Fault::RateLimited),
        1 => Just(Fault::Redirected),
        1 => Just(Fault::DiesBefore),
        1 => Just(Fault::DiesAfter),
    ]
}

fn any_fault() -> impl Strategy<Value = Fault> {
    prop_oneof![
        80 => passing(),
        1 => Just(Fault::Refused),
        1 => Just(Fault::NotFound),
    ]
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        12 => Just(Act::Nothing),
        1 => (1_u64..=200).prop_map(Act::Pause),
        1 => (1_i64..=60).prop_map(Act::Raise),
        1 => Just(Act::Stop),
    ]
}

fn scenario_of(
    unknowns: impl Strategy<Value = Unknowns>,
    fault: impl Strategy<Value = Fault> + Clone,
) -> impl Strategy<Value = Scenario> {
    let wanted = (1_i64..=500, prop::option::of(20_i64..=250));
    let growth = (
        20_i64..=250,
        1_i64..=3,
        prop_oneof![3 => Just(0_i64), 1 => 50_i64..=400],
    );
    let script = (
        prop::collection::vec(fault.clone(), 0..=30),
        prop::collection::vec(fault, 0..=8),
        prop::collection::vec(act(), 0..=30),
        0.0..1.0,
    );
    (unknowns, wanted, growth, script).prop_map(|(unknowns, wanted, growth, script)| {
        let (looks, resumes, acts, spread) = script;
        let (chunk, max_stalled, daily_limit) = growth;
        Scenario {
            growth: Growth {
                chunk,
                task_cap: unknowns.cap,
                max_stalled,
                daily_limit,
                settle: SETTLE,
            },
            wanted: Wanted {
                target: wanted.0,
                chunk: wanted.1,
                paused: false,
            },
            unknowns,
            looks,
            resumes,
            acts,
            spread,
        }
    })
}

fn scenario() -> impl Strategy<Value = Scenario> {
    scenario_of(unknowns(), any_fault().boxed())
}

/// The same cases on every machine and in every run.
fn for_each<S: Strategy>(cases: u32, strategy: &S, test: impl Fn(S::Value) -> Checked) {
    let config = ProptestConfig {
        cases,
        failure_persistence: None,
        rng_algorithm: RngAlgorithm::ChaCha,
        rng_seed: RngSeed::Fixed(20_261_124),
        ..ProptestConfig::default()
    };
    if let Err(error) = TestRunner::new(config).run(strategy, test) {
        panic!("{error}");
    }
}

// --- what must hold ---

/// The driver checks each ask against the look it came from: `done`, not exhausted, not paused, nothing open;
/// and its amount against the target, both chunks, the cap and the daily limit.
#[test]
fn a_resume_is_asked_only_from_a_done_task_and_never_for_too_much() {
    for_each(300, &scenario(), |scenario| {
        Driver::run(&scenario).map(|_| ())
    });
}

/// Whatever the service does, the growing ends by itself, in a state that says why, and the ledger has no
/// loose ends then.
#[test]
fn every_run_ends_in_a_state_of_the_table_with_no_resume_left_open() {
    for_each(300, &scenario(), |scenario| {
        let end = Driver::run(&scenario)?;
        prop_assert!(end.state().is_end());
        prop_assert_eq!(end.task.progress.next_poll_at, None);
        prop_assert_eq!(end.count(Resume::is_open), 0);
        let (seen, growth) = (end.task.progress.seen.as_ref(), &scenario.growth);
        let target = end.task.wanted.target;
        let is_true = match (end.state(), seen) {
            (State::Missing, _) => true,
            (State::Pending | State::Growing, _) | (_, None) => false,
            (State::Reached, Some(seen)) => seen.results >= target,
            (State::Exhausted, Some(seen)) => seen.is_exhausted && seen.status == Status::Done,
            (State::Capped, Some(seen)) => seen.results >= growth.task_cap,
            (State::Failed, Some(seen)) => seen.status == Status::Failed,
            (State::Stalled, Some(_)) => {
                let none = end.count(|row| row.brought.is_some());
                i64::try_from(none).expect("few") >= growth.max_stalled
            }
            (State::Refused, Some(_)) => end.ledger.last().is_some_and(Resume::is_refusal),
        };
        prop_assert!(
            is_true,
            "{} is not so: {:?}",
            end.state(),
            end.task.progress
        );
        Ok(())
    });
}

/// Where nothing stands in the way for good, nothing that passes keeps a task from its target: the pool is
/// large enough, the cap is not in the way, no run fails, the runs that bring nothing are fewer in a row than
/// it takes to stall, the counters never fall, and whatever is late shows within the settling time.
#[test]
fn the_target_is_reached_whenever_the_service_can_deliver_it() {
    let able = unknowns().prop_map(|mut unknowns| {
        unknowns.pool = 2_000;
        unknowns.cap = 100_000;
        unknowns.failing_run = None;
        unknowns.drop = 0;
        // One at most, of which it takes two to stall.
        unknowns.empty_runs.truncate(1);
        unknowns
    });
    let scenarios = scenario_of(able, passing().boxed()).prop_map(|mut scenario| {
        scenario.growth.max_stalled = 2;
        scenario
    });
    for_each(300, &scenarios, |scenario| {
        let end = Driver::run(&scenario)?;
        prop_assert_eq!(end.state(), State::Reached, "{:?}", end.task.progress);
        Ok(())
    });
}

/// The money: no resume takes effect while an earlier one is at work or yet to begin, however answers are
/// lost and wherever the process dies, as long as what is late shows within the settling time.
#[test]
fn no_resume_takes_effect_twice_while_what_is_late_shows_within_the_settling_time() {
    let scenarios = prop_oneof![scenario(), scenario_of(unknowns(), passing().boxed())];
    for_each(500, &scenarios, |scenario| {
        let end = Driver::run(&scenario)?;
        prop_assert_eq!(end.service.most_unfinished(), 0, "{:?}", end.ledger);
        Ok(())
    });
}

/// Counters that swing for ever are no progress: a resume has to beat the best count ever seen, or counts
/// towards stalling. So there are at most `max_stalled` of them for each result gained.
#[test]
fn counters_that_fall_and_rise_for_ever_do_not_make_it_ask_for_ever() {
    let swinging = (unknowns(), 1_i64..=20).prop_map(|(mut unknowns, swing)| {
        unknowns.swing = swing;
        unknowns.percent = unknowns.percent.min(40);
        unknowns.pool = unknowns.pool.min(60);
        // The pool never looks empty: nothing but the stalling ends it.
        unknowns.empty_runs = (2..200).collect();
        unknowns
    });
    for_each(
        200,
        &scenario_of(swinging, any_fault().boxed()),
        |scenario| {
            let end = Driver::run(&scenario)?;
            let gained = end.task.progress.best_results;
            let accepted = end.count(|row| row.state == ResumeState::Accepted);
            let most = scenario.growth.max_stalled * (gained + 1);
            prop_assert!(i64::try_from(accepted).expect("few") <= most);
            let others = end.ledger.len() - accepted;
            prop_assert!(others <= scenario.resumes.len() + 1, "{:?}", end.ledger);
            let accepted = end
                .ledger
                .iter()
                .filter(|row| row.state == ResumeState::Accepted);
            let sum: i64 = accepted.map(|row| row.requested).sum();
            prop_assert!(sum <= most * scenario.growth.chunk);
            Ok(())
        },
    );
}

/// Beyond the settling time nothing can be known, so the task may be asked again; but each repetition is paid
/// for by a row of the ledger that says so: `lost`, or accepted and yet without any effect.
#[test]
fn each_repeated_resume_stands_in_the_ledger_as_lost_or_without_effect() {
    let late = (unknowns(), seconds(61..=400)).prop_map(|(mut unknowns, late)| {
        unknowns.late = late;
        unknowns.drop = 0;
        unknowns
    });
    for_each(300, &scenario_of(late, any_fault().boxed()), |scenario| {
        let end = Driver::run(&scenario)?;
        let lost = end.count(|row| row.state == ResumeState::Lost);
        let without_effect = end.count(|row| row.brought == Some(0));
        prop_assert!(
            end.service.most_unfinished() <= lost + without_effect,
            "{:?} {:?}",
            end.service.taken,
            end.ledger
        );
        Ok(())
    });
}
