//! Nothing is paid twice, whatever the service is like: every combination of what is not known of it,
//! with answers lost before and after they took effect, and with resumes that show at once, within `growth.settle`,
//! and only after that.
//!
//! This is the exhaustive counterpart of `core_growth.rs`, which draws its cases: each value of each unknown meets
//! each value of every other, in virtual time.

use crate::driver::service_model::{Busy, CapOn, TooMuch, Unknowns, Wish};
use crate::driver::{Driver, Fault, Scenario};
use growd::core::State;
use growd::core::policy::Growth;
use growd::core::resume::{Resume, ResumeState};
use growd::core::task::Wanted;
use std::time::Duration;

const SETTLE: Duration = Duration::from_mins(1);
const TARGET: i64 = 100;

/// Sixteen times the settling time.
const FAR: Duration = Duration::from_mins(16);

/// When a resume shows in polls, and takes effect.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Shows {
    AtOnce,
    WithinSettle,
    /// The wish is raised within the settling time; the work begins later, but still within.
    InTwoSteps,
    BeyondSettle,
    /// Many times the settling time later.
    FarBeyondSettle,
}

impl Shows {
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

/// What becomes of the answers to the resumes.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Answers {
    Arrive,
    /// The first request is lost on its way there.
    FirstLostBefore,
    /// The first answer is lost on its way back.
    FirstLostAfter,
    /// Each second answer is lost on its way back.
    EachSecondLost,
    /// Every answer is lost on its way back.
    AllLost,
    /// The first answer can't be read.
    FirstNotUnderstood,
    /// The process dies before the first is sent.
    DiesBeforeFirst,
    /// The process dies before the first answer is stored.
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

/// What stands between the search and its target.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Room {
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
    wish: Wish,
    cap_on: CapOn,
    too_much: TooMuch,
    busy: Busy,
    shows: Shows,
    answer_is_late: bool,
    tells_early: bool,
    /// Results that are dropped when a run begins: `num_results` falls.
    drop: i64,
    room: Room,
    answers: Answers,
}

impl Case {
    fn all() -> Vec<Self> {
        let mut all = Vec::new();
        for wish in [Wish::Rises, Wish::IsSet, Wish::Stays] {
            for cap_on in [CapOn::Desired, CapOn::Results] {
                for too_much in [TooMuch::Clamped, TooMuch::Refused] {
                    for busy in [Busy::Queued, Busy::Refused, Busy::Added] {
                        for shows in [
                            Shows::AtOnce,
                            Shows::WithinSettle,
                            Shows::InTwoSteps,
                            Shows::BeyondSettle,
                            Shows::FarBeyondSettle,
                        ] {
                            for (answer_is_late, tells_early) in
                                [(false, false), (false, true), (true, false), (true, true)]
                            {
                                for (drop, room) in [
                                    (0, Room::Plenty),
                                    (3, Room::Plenty),
                                    (0, Room::CapKnown),
                                    (0, Room::CapUnknown),
                                    (3, Room::CapUnknown),
                                    (0, Room::PoolEmpty),
                                    (3, Room::PoolEmpty),
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
                                            wish,
                                            cap_on,
                                            too_much,
                                            busy,
                                            shows,
                                            answer_is_late,
                                            tells_early,
                                            drop,
                                            room,
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
        let (late, begins_later) = self.shows.delays();
        let (cap, task_cap) = match self.room {
            Room::Plenty | Room::PoolEmpty => (10_000, 250),
            Room::CapKnown => (70, 70),
            Room::CapUnknown => (70, 250),
        };
        Scenario {
            unknowns: Unknowns {
                wish: self.wish,
                cap_on: self.cap_on,
                too_much: self.too_much,
                busy: self.busy,
                cap,
                late,
                begins_later,
                answer_is_late: self.answer_is_late,
                pool: if self.room == Room::PoolEmpty {
                    60
                } else {
                    5_000
                },
                tells_early: self.tells_early,
                percent: 100,
                run: Duration::from_secs(90),
                empty_runs: Vec::new(),
                failing_run: None,
                drop: self.drop,
                swing: 0,
                desired: 25,
                done_early: Duration::ZERO,
                lull: None,
                stale: Duration::ZERO,
            },
            wanted: Wanted {
                target: TARGET,
                chunk: Some(20),
                paused: false,
            },
            growth: Growth {
                chunk: 250,
                task_cap,
                max_stalled: 2,
                max_waste: 250,
                daily_limit: 0,
                settle: SETTLE,
            },
            looks: Vec::new(),
            resumes: self.answers.script(),
            acts: Vec::new(),
            outage: None,
            outage_fault: Fault::Unavailable,
            spread: 0.5,
        }
    }

    fn run(&self) -> Driver {
        Driver::run(&self.scenario()).unwrap_or_else(|error| panic!("{self:?}: {error}"))
    }

    fn expect(&self, holds: bool, what: &str, end: &Driver) {
        assert!(
            holds,
            "{what}\n{self:?}\n{:?}\nledger {:#?}\ntaken {:#?}",
            end.task.progress, end.ledger, end.service.taken
        );
    }
}

impl Shows {
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
fn what_shows_within_the_settling_time_is_paid_once_and_recorded_once() {
    let cases = for_all(
        |case| case.shows.is_in_time(),
        |case, end| {
            let repeated = end.service.most_unfinished();
            case.expect(repeated == 0, "a resume took effect twice", end);
            // One that was granted nothing leaves nothing to be seen: unanswered, it rightly counts as lost.
            let effects = end.service.taken.iter().filter(|taken| taken.n > 0).count();
            let accepted = end.count(|row| row.state == ResumeState::Accepted);
            let recorded = (effects..=end.service.taken.len()).contains(&accepted);
            case.expect(recorded, "the ledger and the service disagree", end);
            case.expect(end.count(Resume::is_open) == 0, "a loose end", end);
        },
    );
    assert_eq!(cases, 3 * 2 * 2 * 3 * 3 * 4 * 7 * 8);
}

#[test]
fn each_search_comes_to_the_end_that_its_service_allows() {
    for_all(
        |case| case.shows.is_in_time() && case.drop == 0,
        |case, end| {
            let state = end.state();
            let right = match case.room {
                Room::Plenty => state == State::Reached,
                Room::PoolEmpty => state == State::Exhausted,
                // A cap on a wish that never rises holds nothing back.
                Room::CapUnknown if (case.cap_on, case.wish) == (CapOn::Desired, Wish::Stays) => {
                    state == State::Reached
                }
                // Where the cap counts what was wished for, the service may say no, or grant nothing, below it.
                Room::CapKnown | Room::CapUnknown => {
                    matches!(state, State::Capped | State::Refused | State::Stalled)
                }
            };
            case.expect(right, "a wrong end", end);
        },
    );
}

/// A resume that takes effect after the settling time cannot be known. The promise: one repetition for each
/// resume that was taken for lost, or for one without effect, and its row says so.
#[test]
fn beyond_the_settling_time_each_late_resume_is_repeated_once_at_most_and_the_ledger_shows_it() {
    for_all(
        |case| case.shows == Shows::BeyondSettle,
        |case, end| {
            case.expect(
                end.service.most_unfinished() <= 1,
                "a resume was repeated more than once",
                end,
            );
            let repeated = end
                .service
                .taken
                .iter()
                .filter(|taken| taken.unfinished > 0)
                .count();
            let lost = end.count(|row| row.state == ResumeState::Lost);
            let without_effect = end.count(|row| row.brought == Some(0));
            case.expect(
                repeated <= lost + without_effect,
                "a repetition that the ledger does not show",
                end,
            );
            let accepted = end.count(|row| row.state == ResumeState::Accepted);
            case.expect(
                end.service.taken.len() <= accepted + lost,
                "an effect that no row accounts for",
                end,
            );
            case.expect(end.state().is_end(), "no end", end);
        },
    );
}

/// Where not one answer ever comes and each effect shows only much later, the wait between two requests doubles: there
/// are as many as fit into that time by doubling, and not one in each settling time.
#[test]
fn resumes_that_are_all_taken_for_lost_are_repeated_ever_more_rarely() {
    for_all(
        |case| case.shows == Shows::FarBeyondSettle,
        |case, end| {
            // The waits are of 1, 2, 4 and 8 settling times: five requests fit into sixteen, and the first may be at
            // work still when the sixth goes out. One in each settling time would be sixteen.
            case.expect(
                end.service.most_unfinished() <= 5,
                "repeated too often",
                end,
            );
            case.expect(end.state().is_end(), "no end", end);
        },
    );
}
