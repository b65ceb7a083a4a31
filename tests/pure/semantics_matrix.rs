//! No resume is paid for twice, in any combination of undocumented behaviours of the service, in virtual time.
//!
//! Requests are lost before and after they take effect. Resumes show at once, within `growth.settle`, and later. This
//! is the exhaustive counterpart of `core_growth.rs`, which draws its cases.

use crate::driver::service_model::{CapCounts, Desired, Excess, Semantics, WhileRunning};
use crate::driver::{Driver, Fault, Scenario};
use growd::core::State;
use growd::core::paid_request::RequestState;
use growd::core::policy::Growth;
use growd::core::resume::Resume;
use growd::core::task::Wanted;
use std::time::Duration;

const SETTLE: Duration = Duration::from_mins(1);
const TARGET: i64 = 100;

/// Sixteen times the settling time.
const FAR: Duration = Duration::from_mins(16);

/// When a resume visibility in polls, and takes effect.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Visibility {
    AtOnce,
    WithinSettle,
    /// `desired_num_results` rises within the settling time; the work starts later, but still within.
    InTwoSteps,
    BeyondSettle,
    /// Many times the settling time later.
    FarBeyondSettle,
}

impl Visibility {
    fn delays(self) -> (Duration, Duration) {
        match self {
            Self::AtOnce => (Duration::ZERO, Duration::ZERO),
            Self::WithinSettle => (Duration::from_secs(40), Duration::ZERO),
            Self::InTwoSteps => (Duration::from_secs(20), Duration::from_secs(12)),
            Self::BeyondSettle => (Duration::from_secs(100), Duration::ZERO),
            Self::FarBeyondSettle => (FAR, Duration::ZERO),
        }
    }
}

/// What happens to the resumes and their answers.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Answers {
    Arrive,
    /// The first request is lost.
    FirstLostBefore,
    /// The first answer is lost.
    FirstLostAfter,
    /// Every second answer is lost.
    EachSecondLost,
    /// Every answer is lost.
    AllLost,
    /// The first answer cannot be read.
    FirstNotUnderstood,
    /// The process crashes before it sends the first request.
    DiesBeforeFirst,
    /// The process crashes before it stores the first answer.
    DiesAfterFirst,
}

impl Answers {
    fn script(self) -> Vec<Fault> {
        match self {
            Self::Arrive => vec![],
            Self::FirstLostBefore => vec![Fault::LostBefore],
            Self::FirstLostAfter => vec![Fault::LostAfter],
            Self::EachSecondLost => [Fault::Fine, Fault::LostAfter].repeat(20),
            Self::AllLost => [Fault::LostAfter].repeat(40),
            Self::FirstNotUnderstood => vec![Fault::NotUnderstood],
            Self::DiesBeforeFirst => vec![Fault::DiesBefore],
            Self::DiesAfterFirst => vec![Fault::DiesAfter],
        }
    }
}

/// What limits the task.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Limit {
    Plenty,
    /// The service's cap on the task is lower than the target, and growd is configured with it.
    CapKnown,
    /// The service's cap is lower than the one that growd is configured with.
    CapUnknown,
    /// The pool runs out.
    PoolEmpty,
}

#[derive(Debug, Clone, Copy)]
struct Case {
    desired: Desired,
    cap_counts: CapCounts,
    cap_excess: Excess,
    resume_while_running: WhileRunning,
    visibility: Visibility,
    answer_is_stale: bool,
    exhausted_early: bool,
    /// Results that are dropped when a run begins: `num_results` falls.
    dropped: i64,
    limit: Limit,
    answers: Answers,
}

impl Case {
    fn all() -> Vec<Self> {
        let mut all = Vec::new();
        for desired in [Desired::Rises, Desired::Set, Desired::Stays] {
            for cap_counts in [CapCounts::Desired, CapCounts::Results] {
                for cap_excess in [Excess::Clamped, Excess::Refused] {
                    for resume_while_running in [
                        WhileRunning::Queued,
                        WhileRunning::Refused,
                        WhileRunning::Added,
                    ] {
                        for visibility in [
                            Visibility::AtOnce,
                            Visibility::WithinSettle,
                            Visibility::InTwoSteps,
                            Visibility::BeyondSettle,
                            Visibility::FarBeyondSettle,
                        ] {
                            for (answer_is_stale, exhausted_early) in
                                [(false, false), (false, true), (true, false), (true, true)]
                            {
                                for (dropped, limit) in [
                                    (0, Limit::Plenty),
                                    (3, Limit::Plenty),
                                    (0, Limit::CapKnown),
                                    (0, Limit::CapUnknown),
                                    (3, Limit::CapUnknown),
                                    (0, Limit::PoolEmpty),
                                    (3, Limit::PoolEmpty),
                                ] {
                                    for answers in [
                                        Answers::Arrive,
                                        Answers::FirstLostBefore,
                                        Answers::FirstLostAfter,
                                        Answers::EachSecondLost,
                                        Answers::AllLost,
                                        Answers::FirstNotUnderstood,
                                        Answers::DiesBeforeFirst,
                                        Answers::DiesAfterFirst,
                                    ] {
                                        all.push(Self {
                                            desired,
                                            cap_counts,
                                            cap_excess,
                                            resume_while_running,
                                            visibility,
                                            answer_is_stale,
                                            exhausted_early,
                                            dropped,
                                            limit,
                                            answers,
                                        });
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
        all
    }

    fn scenario(&self) -> Scenario {
        let (visibility_delay, work_delay) = self.visibility.delays();
        let (cap, task_cap) = match self.limit {
            Limit::Plenty | Limit::PoolEmpty => (10_000, 250),
            Limit::CapKnown => (70, 70),
            Limit::CapUnknown => (70, 250),
        };
        Scenario {
            semantics: Semantics {
                desired: self.desired,
                cap_counts: self.cap_counts,
                cap_excess: self.cap_excess,
                resume_while_running: self.resume_while_running,
                cap,
                visibility_delay,
                work_delay,
                answer_is_stale: self.answer_is_stale,
                pool: if self.limit == Limit::PoolEmpty {
                    60
                } else {
                    5_000
                },
                exhausted_early: self.exhausted_early,
                yield_percent: 100,
                run: Duration::from_secs(90),
                empty_runs: Vec::new(),
                failing_run: None,
                dropped: self.dropped,
                swing: 0,
                initial_desired: 25,
                done_early: Duration::ZERO,
                reopens: None,
                stale: Duration::ZERO,
            },
            wanted: Wanted {
                target: TARGET,
                chunk: Some(20),
                paused: false,
                budget: None,
                is_superseded: false,
            },
            growth: Growth {
                chunk: 250,
                task_cap,
                max_stalled: 2,
                max_waste: 250,
                daily_limit: 0,
                monthly_limit: 0,
                reserve_credits: 0,
                exclude_cap: 1_000,
                settle: SETTLE,
            },
            poll_faults: Vec::new(),
            resume_faults: self.answers.script(),
            actions: Vec::new(),
            outage: None,
            outage_fault: Fault::Unavailable,
            jitter: 0.5,
        }
    }

    fn run(&self) -> Driver {
        Driver::run(&self.scenario()).unwrap_or_else(|error| panic!("{self:?}: {error}"))
    }

    fn expect(&self, holds: bool, what: &str, end: &Driver) {
        assert!(
            holds,
            "{what}\n{self:?}\n{:?}\nledger {:#?}\neffects {:#?}",
            end.task.progress, end.ledger, end.service.effects
        );
    }
}

impl Visibility {
    fn is_in_time(self) -> bool {
        !matches!(self, Self::BeyondSettle | Self::FarBeyondSettle)
    }
}

fn for_all(which: impl Fn(&Case) -> bool, test: impl Fn(&Case, &Driver)) -> usize {
    let cases: Vec<_> = Case::all().into_iter().filter(which).collect();
    for case in &cases {
        test(case, &case.run());
    }
    cases.len()
}

#[test]
fn an_effect_that_shows_within_the_settling_time_is_paid_once_and_recorded_once() {
    let cases = for_all(
        |case| case.visibility.is_in_time(),
        |case, end| {
            let repeated = end.service.most_unfinished();
            case.expect(repeated == 0, "a resume took effect twice", end);
            // A resume that was granted nothing has no visible effect: unanswered, it counts as lost.
            let effects = end
                .service
                .effects
                .iter()
                .filter(|effect| effect.n > 0)
                .count();
            let accepted = end.count(|row| row.request.state == RequestState::Accepted);
            let recorded = (effects..=end.service.effects.len()).contains(&accepted);
            case.expect(recorded, "the ledger and the service disagree", end);
            case.expect(end.count(Resume::is_open) == 0, "an open resume", end);
        },
    );
    assert_eq!(cases, 3 * 2 * 2 * 3 * 3 * 4 * 7 * 8);
}

#[test]
fn each_task_ends_in_a_state_that_its_service_allows() {
    for_all(
        |case| case.visibility.is_in_time() && case.dropped == 0,
        |case, end| {
            let state = end.state();
            let right = match case.limit {
                Limit::Plenty => state == State::Reached,
                Limit::PoolEmpty => state == State::Exhausted,
                // A cap on a number that never rises has no effect.
                Limit::CapUnknown
                    if (case.cap_counts, case.desired) == (CapCounts::Desired, Desired::Stays) =>
                {
                    state == State::Reached
                }
                // A cap on `desired_num_results` may refuse a resume, or grant nothing, below the cap.
                Limit::CapKnown | Limit::CapUnknown => {
                    matches!(state, State::Capped | State::Refused | State::Stalled)
                }
            };
            case.expect(right, "a wrong end", end);
        },
    );
}

/// growd cannot see a resume that takes effect after the settling time. It repeats each one at most once, and the row
/// of the earlier one is `lost` or brought 0.
#[test]
fn beyond_the_settling_time_each_late_resume_is_repeated_once_at_most_and_the_ledger_shows_it() {
    for_all(
        |case| case.visibility == Visibility::BeyondSettle,
        |case, end| {
            case.expect(
                end.service.most_unfinished() <= 1,
                "a resume was repeated more than once",
                end,
            );
            let repeated = end
                .service
                .effects
                .iter()
                .filter(|effect| effect.unfinished > 0)
                .count();
            let lost = end.count(|row| row.request.state == RequestState::Lost);
            let without_effect = end.count(|row| row.brought == Some(0));
            case.expect(
                repeated <= lost + without_effect,
                "a repetition that the ledger does not show",
                end,
            );
            let accepted = end.count(|row| row.request.state == RequestState::Accepted);
            case.expect(
                end.service.effects.len() <= accepted + lost,
                "an effect that no row accounts for",
                end,
            );
            case.expect(end.state().is_end(), "no end", end);
        },
    );
}

/// If no answer arrives and each effect shows much later, the wait between two requests doubles.
#[test]
fn resumes_that_are_all_taken_for_lost_are_repeated_ever_more_rarely() {
    for_all(
        |case| case.visibility == Visibility::FarBeyondSettle,
        |case, end| {
            // The waits are 1, 2, 4 and 8 settling times: five requests fit into sixteen, and the first may still be
            // running when the sixth is sent. Without doubling it would be sixteen.
            case.expect(
                end.service.most_unfinished() <= 5,
                "repeated too often",
                end,
            );
            case.expect(end.state().is_end(), "no end", end);
        },
    );
}
