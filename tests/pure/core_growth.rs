//! The rule against randomly drawn behaviours of the service, in virtual time.

use crate::cases::for_each;
use crate::driver::service_model::{CapCounts, Desired, Excess, Semantics, WhileRunning};
use crate::driver::{Action, Driver, Fault, Scenario};
use growd::core::paid_request::RequestState;
use growd::core::policy::Growth;
use growd::core::resume::Resume;
use growd::core::task::Wanted;
use growd::core::{State, Status};
use proptest::prelude::*;
use std::time::Duration;

const SETTLE: Duration = Duration::from_mins(1);

// --- scenarios ---

fn seconds(range: std::ops::RangeInclusive<u64>) -> impl Strategy<Value = Duration> {
    range.prop_map(Duration::from_secs)
}

/// Any service whose delays stay within the settling time.
fn semantics() -> impl Strategy<Value = Semantics> {
    let rules = (
        prop_oneof![
            Just(Desired::Rises),
            Just(Desired::Set),
            Just(Desired::Stays)
        ],
        prop_oneof![Just(CapCounts::Desired), Just(CapCounts::Results)],
        prop_oneof![Just(Excess::Clamped), Just(Excess::Refused)],
        prop_oneof![
            Just(WhileRunning::Queued),
            Just(WhileRunning::Refused),
            Just(WhileRunning::Added)
        ],
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
        let (desired, cap_counts, cap_excess, resume_while_running, cap) = rules;
        let (visibility_delay, work_delay, answer_is_stale) = lateness;
        let (pool, exhausted_early, yield_percent, run, empty_runs, failing_run) = runs;
        let (dropped, initial_desired) = counters;
        Semantics {
            desired,
            cap_counts,
            cap_excess,
            resume_while_running,
            cap,
            visibility_delay,
            work_delay,
            answer_is_stale,
            pool,
            exhausted_early,
            yield_percent,
            run,
            empty_runs,
            failing_run,
            dropped,
            swing: 0,
            initial_desired,
            done_early: Duration::ZERO,
            reopens: None,
            stale: Duration::ZERO,
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
        1 => Just(Fault::TooLate),
    ]
}

fn any_fault() -> impl Strategy<Value = Fault> {
    prop_oneof![
        80 => passing(),
        1 => Just(Fault::Refused),
        1 => Just(Fault::NotFound),
    ]
}

fn act() -> impl Strategy<Value = Action> {
    prop_oneof![
        12 => Just(Action::Nothing),
        1 => (1_u64..=200).prop_map(Action::Pause),
        1 => (1_i64..=60).prop_map(Action::Raise),
        1 => Just(Action::Stop),
    ]
}

fn scenario_of(
    semantics: impl Strategy<Value = Semantics>,
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
    (semantics, wanted, growth, script).prop_map(|(semantics, wanted, growth, script)| {
        let (poll_faults, resume_faults, actions, jitter) = script;
        let (chunk, max_stalled, daily_limit) = growth;
        Scenario {
            growth: Growth {
                chunk,
                task_cap: semantics.cap,
                max_stalled,
                max_waste: 250,
                daily_limit,
                monthly_limit: 0,
                reserve_credits: 0,
                exclude_cap: 1_000,
                settle: SETTLE,
            },
            wanted: Wanted {
                target: wanted.0,
                chunk: wanted.1,
                paused: false,
                budget: None,
                is_superseded: false,
            },
            semantics,
            poll_faults,
            resume_faults,
            actions,
            outage: None,
            outage_fault: Fault::Unavailable,
            jitter,
        }
    })
}

fn scenario() -> impl Strategy<Value = Scenario> {
    scenario_of(semantics(), any_fault().boxed())
}

// --- tests ---

/// The driver checks each resume against its poll (`done`, not exhausted, not paused, no other one open), and its
/// amount against the target, both chunks, the cap and the daily limit.
#[test]
fn a_resume_is_asked_only_from_a_done_task_and_never_for_too_much() {
    for_each(300, &scenario(), |scenario| {
        Driver::run(&scenario).map(|_| ())
    });
}

/// Whatever the service does, the growth ends by itself, in a state with a reason, and with no resume open.
#[test]
fn every_run_ends_in_a_state_of_the_table_with_no_resume_left_open() {
    for_each(300, &scenario(), |scenario| {
        let end = Driver::run(&scenario)?;
        prop_assert!(end.state().is_end());
        prop_assert_eq!(end.task.progress.next_poll_at, None);
        prop_assert_eq!(end.count(Resume::is_open), 0);
        let (seen, growth) = (end.task.progress.seen.as_ref(), &scenario.growth);
        let target = end.task.wanted.target;
        let holds = match (end.state(), seen) {
            (State::Missing, _) => true,
            (State::Pending | State::Growing, _) | (_, None) => false,
            (State::Reached, Some(seen)) => seen.results >= target,
            (State::Exhausted, Some(seen)) => seen.is_exhausted && seen.status == Status::Done,
            (State::Capped, Some(seen)) => seen.results >= growth.task_cap,
            (State::Failed, Some(seen)) => seen.status == Status::Failed,
            (State::Stalled, Some(_)) => {
                let none = end.count(|row| row.brought.is_some());
                let wasted = end.task.progress.waste_requested - end.task.progress.waste_brought;
                i64::try_from(none).expect("few") >= growth.max_stalled
                    || wasted > growth.max_waste - growth.max_waste / 10
            }
            (State::Refused, Some(_)) => end.ledger.last().is_some_and(|row| row.request.refusal),
        };
        prop_assert!(
            holds,
            "state {} does not hold: {:?}",
            end.state(),
            end.task.progress
        );
        Ok(())
    });
}

/// No passing fault keeps a task from its target if the pool and the cap are large enough, no run fails, runs that
/// bring nothing are too few in a row to stall, counters never fall, and late effects show within the settling time.
#[test]
fn the_target_is_reached_whenever_the_service_can_deliver_it() {
    let able = semantics().prop_map(|mut semantics| {
        semantics.pool = 2_000;
        semantics.cap = 100_000;
        semantics.failing_run = None;
        semantics.dropped = 0;
        // One at most; a task stalls after two.
        semantics.empty_runs.truncate(1);
        semantics
    });
    let scenarios = scenario_of(able, passing().boxed()).prop_map(|mut scenario| {
        scenario.growth.max_stalled = 2;
        // Another test covers a service that always brings a part of the requested results.
        scenario.growth.max_waste = 1_000_000;
        scenario
    });
    for_each(300, &scenarios, |scenario| {
        let end = Driver::run(&scenario)?;
        prop_assert_eq!(end.state(), State::Reached, "{:?}", end.task.progress);
        Ok(())
    });
}

/// No resume takes effect while an earlier one is running or has yet to start, whichever answers are lost and wherever
/// the process crashes, as long as late effects show within the settling time.
#[test]
fn no_resume_takes_effect_twice_while_what_is_late_shows_within_the_settling_time() {
    let scenarios = prop_oneof![scenario(), scenario_of(semantics(), passing().boxed())];
    for_each(500, &scenarios, |scenario| {
        let end = Driver::run(&scenario)?;
        prop_assert_eq!(end.service.most_unfinished(), 0, "{:?}", end.ledger);
        Ok(())
    });
}

/// A resume that does not exceed the best count ever seen counts towards stalling. So there are at most `max_stalled`
/// resumes for each result gained.
#[test]
fn counters_that_fall_and_rise_for_ever_do_not_make_it_ask_for_ever() {
    let swinging = (semantics(), 1_i64..=20).prop_map(|(mut semantics, swing)| {
        semantics.swing = swing;
        semantics.yield_percent = semantics.yield_percent.min(40);
        semantics.pool = semantics.pool.min(60);
        // The pool never runs out: only stalling ends the task.
        semantics.empty_runs = (2..200).collect();
        semantics
    });
    for_each(
        200,
        &scenario_of(swinging, any_fault().boxed()),
        |scenario| {
            let end = Driver::run(&scenario)?;
            let gained = end.task.progress.best_results;
            let accepted = end.count(|row| row.request.state == RequestState::Accepted);
            let most = scenario.growth.max_stalled * (gained + 1);
            prop_assert!(i64::try_from(accepted).expect("few") <= most);
            let others = end.ledger.len() - accepted;
            // Each new best count lifts a refusal, so that the task is asked once more.
            let lifted = usize::try_from(gained).expect("not negative");
            prop_assert!(
                others <= scenario.resume_faults.len() + 1 + lifted,
                "{:?}",
                end.ledger
            );
            let accepted = end
                .ledger
                .iter()
                .filter(|row| row.request.state == RequestState::Accepted);
            let sum: i64 = accepted.map(|row| row.request.requested).sum();
            prop_assert!(sum <= most * scenario.growth.chunk);
            Ok(())
        },
    );
}

/// An effect that shows only after the settling time may lead to a repetition. Each one is recorded in the ledger, as
/// `lost` or as accepted without any effect.
#[test]
fn each_repeated_resume_stands_in_the_ledger_as_lost_or_without_effect() {
    let late = (semantics(), seconds(61..=400)).prop_map(|(mut semantics, late)| {
        semantics.visibility_delay = late;
        semantics.dropped = 0;
        semantics
    });
    for_each(300, &scenario_of(late, any_fault().boxed()), |scenario| {
        let end = Driver::run(&scenario)?;
        let lost = end.count(|row| row.request.state == RequestState::Lost);
        let without_effect = end.count(|row| row.brought == Some(0));
        prop_assert!(
            end.service.most_unfinished() <= lost + without_effect,
            "{:?} {:?}",
            end.service.effects,
            end.ledger
        );
        Ok(())
    });
}
