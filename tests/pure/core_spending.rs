//! The sum of requested results with a service that breaks the assumptions of the spending rule: `done` too early,
//! `done` that goes back to `in_progress`, counters that rise afterwards, fewer results than requested, stale polls,
//! work that begins late, an outage after a lost answer. Virtual time, random cases.

use crate::cases::for_each;
use crate::driver::service_model::{CapCounts, Desired, Excess, Semantics, WhileRunning};
use crate::driver::{Driver, Fault, Scenario};
use growd::core::State;
use growd::core::paid_request::RequestState;
use growd::core::policy::Growth;
use growd::core::task::Wanted;
use proptest::prelude::*;
use std::time::Duration;

const SETTLE: Duration = Duration::from_mins(1);
const MAX_WASTE: i64 = 250;
const TARGET: i64 = 200;

/// The documented behaviour, which each test changes.
fn documented() -> Semantics {
    Semantics {
        desired: Desired::Rises,
        cap_counts: CapCounts::Results,
        cap_excess: Excess::Clamped,
        resume_while_running: WhileRunning::Added,
        cap: 10_000,
        visibility_delay: Duration::ZERO,
        work_delay: Duration::ZERO,
        answer_is_stale: false,
        pool: 5_000,
        exhausted_early: false,
        yield_percent: 100,
        run: Duration::from_secs(90),
        empty_runs: Vec::new(),
        failing_run: None,
        dropped: 0,
        swing: 0,
        initial_desired: 100,
        done_early: Duration::ZERO,
        reopens: None,
        stale: Duration::ZERO,
    }
}

fn scenario(semantics: Semantics) -> Scenario {
    Scenario {
        semantics,
        wanted: Wanted {
            target: TARGET,
            chunk: None,
            paused: false,
            budget: None,
            is_superseded: false,
        },
        growth: Growth {
            chunk: 250,
            task_cap: 10_000,
            max_stalled: 3,
            max_waste: MAX_WASTE,
            daily_limit: 0,
            monthly_limit: 0,
            reserve_credits: 0,
            exclude_cap: 1_000,
            settle: SETTLE,
        },
        poll_faults: Vec::new(),
        resume_faults: Vec::new(),
        actions: Vec::new(),
        outage: None,
        outage_fault: Fault::Unavailable,
        jitter: 0.5,
    }
}

/// The sum of requested results, with those of resumes whose outcome is unknown.
fn asked(end: &Driver) -> i64 {
    let asked = end.ledger.iter().filter(|row| {
        matches!(
            row.request.state,
            RequestState::Intended | RequestState::Accepted | RequestState::Lost
        )
    });
    asked.map(|row| row.request.requested).sum()
}

fn seconds(range: std::ops::RangeInclusive<u64>) -> impl Strategy<Value = Duration> {
    range.prop_map(Duration::from_secs)
}

/// A service that breaks any of the assumptions about `done`, counters and yields, in any combination.
fn misleading() -> impl Strategy<Value = Semantics> {
    let done = (
        prop_oneof![Just(Duration::ZERO), seconds(1..=3_600)],
        prop::option::of((seconds(0..=300), seconds(1..=900))),
        1_i64..=100,
        seconds(1..=3_600),
    );
    let delays = (
        prop_oneof![Just(Duration::ZERO), seconds(1..=3_600)],
        prop_oneof![Just(Duration::ZERO), seconds(1..=3_600)],
        any::<bool>(),
    );
    let rest = (
        prop_oneof![
            Just(Desired::Rises),
            Just(Desired::Set),
            Just(Desired::Stays)
        ],
        prop_oneof![
            Just(WhileRunning::Queued),
            Just(WhileRunning::Refused),
            Just(WhileRunning::Added)
        ],
        prop::collection::vec(0_usize..=12, 0..=3),
        10_i64..=150,
        20_i64..=3_000,
    );
    (done, delays, rest).prop_map(|(done, delays, rest)| Semantics {
        done_early: done.0,
        reopens: done.1,
        yield_percent: done.2,
        run: done.3,
        stale: delays.0,
        work_delay: delays.1,
        answer_is_stale: delays.2,
        desired: rest.0,
        resume_while_running: rest.1,
        empty_runs: rest.2,
        initial_desired: rest.3,
        pool: rest.4,
        ..documented()
    })
}

/// The bound is what was missing at the first resume plus `growth.max_waste`, as long as answers arrive.
#[test]
fn a_misleading_service_is_asked_for_what_lacks_and_max_waste_at_most() {
    for_each(600, &misleading(), |semantics| {
        let end = Driver::run(&scenario(semantics))?;
        let Some(first) = end.ledger.first() else {
            return Ok(());
        };
        let lacking = TARGET - first.baseline_results;
        prop_assert!(end.state().is_end());
        prop_assert!(
            asked(&end) <= lacking + MAX_WASTE,
            "asked for {} where {lacking} lacked: {:#?}",
            asked(&end),
            end.ledger
        );
        Ok(())
    });
}

/// Of a service that says `done` early, or goes back to `in_progress`, growd requests only what is missing, as long as
/// a counter moves within each settling time.
#[test]
fn an_early_done_costs_nothing_while_the_counters_still_move() {
    let early = (
        1_u64..=50,
        seconds(100..=2_000),
        prop::option::of((seconds(0..=60), seconds(1..=300))),
    );
    for_each(300, &early, |(tenths, run, reopens)| {
        let mut semantics = documented();
        semantics.run = run;
        semantics.done_early = run.mul_f64(f64::from(u32::try_from(tenths).unwrap()) / 50.0);
        semantics.reopens = reopens;
        let end = Driver::run(&scenario(semantics))?;
        prop_assert_eq!(end.state(), State::Reached, "{:?}", end.task.progress);
        let lacking = TARGET - end.ledger[0].baseline_results;
        prop_assert_eq!(asked(&end), lacking, "{:#?}", end.ledger);
        // The first resume may come during the run that the creation started: growd has no earlier resume to wait for.
        let repeated = end
            .service
            .effects
            .iter()
            .skip(1)
            .any(|effect| effect.unfinished > 0);
        prop_assert!(!repeated, "{:?}", end.service.effects);
        Ok(())
    });
}

/// The waste is bounded, and the reason of the end shows both sums.
#[test]
fn a_service_that_brings_a_tenth_ends_as_stalled_with_both_sums() {
    let mut semantics = documented();
    semantics.yield_percent = 10;
    semantics.initial_desired = 10;
    let end = Driver::run(&scenario(semantics)).unwrap();
    let progress = &end.task.progress;
    assert_eq!(end.state(), State::Stalled);
    let wasted = progress.waste_requested - progress.waste_brought;
    let within = MAX_WASTE - MAX_WASTE / 10..=MAX_WASTE;
    assert!(within.contains(&wasted), "{wasted}: {:#?}", end.ledger);
    assert!(end.ledger.len() <= 4, "{:#?}", end.ledger);
    let reason = progress.reason.as_deref().unwrap();
    for sum in [progress.waste_requested, progress.waste_brought] {
        assert!(reason.contains(&sum.to_string()), "{reason}");
    }
}

/// Polls that are stale for many settling times after a resume whose own answer showed its effect, or a
/// `desired_num_results` that rises at once while the work begins much later: no second resume before ten settling
/// times.
#[test]
fn after_a_seen_effect_stale_polls_and_late_work_are_waited_out_for_ten_settling_times() {
    let late = prop_oneof![
        seconds(1..=590).prop_map(|stale| (stale, Duration::ZERO)),
        seconds(1..=590).prop_map(|later| (Duration::ZERO, later)),
    ];
    for_each(300, &late, |(stale, work_delay)| {
        let mut semantics = documented();
        semantics.stale = stale;
        semantics.work_delay = work_delay;
        let end = Driver::run(&scenario(semantics))?;
        prop_assert_eq!(end.state(), State::Reached);
        prop_assert_eq!(end.service.most_unfinished(), 0, "{:#?}", end.ledger);
        prop_assert_eq!(asked(&end), TARGET - 100, "{:#?}", end.ledger);
        Ok(())
    });
}

/// The answer to a resume is lost, polls fail for a while, and the first successful one still shows the old state. The
/// outage does not count: the polls before and after it cover less than a settling time.
#[test]
fn an_outage_after_a_lost_answer_does_not_pay_twice() {
    // 503s, or 404s of the service's own.
    let cases = (
        seconds(0..=20),
        seconds(60..=3_600),
        seconds(0..=20),
        prop_oneof![Just(Fault::Unavailable), Just(Fault::NotFound)],
    );
    for_each(300, &cases, |(begin, length, behind, fault)| {
        // The effect shows only after the outage.
        let mut scenario = scenario(documented());
        scenario.resume_faults = vec![Fault::LostAfter];
        // A lost answer takes the whole timeout; polls fail only after it.
        let first_polls = Duration::from_secs(30) + begin;
        scenario.outage = Some((first_polls, length));
        scenario.outage_fault = fault;
        scenario.semantics.visibility_delay = first_polls + length + behind;
        let end = Driver::run(&scenario)?;
        prop_assert_eq!(end.state(), State::Reached);
        prop_assert_eq!(end.service.most_unfinished(), 0, "{:#?}", end.ledger);
        prop_assert_eq!(end.ledger.len(), 1, "{:#?}", end.ledger);
        Ok(())
    });
}

#[test]
fn a_resume_that_never_arrived_is_lost_after_two_polls_a_settling_time_apart() {
    let mut scenario = scenario(documented());
    scenario.resume_faults = vec![Fault::LostBefore];
    let end = Driver::run(&scenario).unwrap();
    assert_eq!(end.state(), State::Reached);
    let [lost, second] = end.ledger.as_slice() else {
        panic!("{:#?}", end.ledger);
    };
    assert_eq!(lost.request.state, RequestState::Lost);
    let waited = second
        .request
        .sent_at
        .duration_since(lost.request.sent_at)
        .unsigned_abs();
    // The first poll began after the request's timeout of 30 s.
    assert!(waited >= SETTLE + Duration::from_secs(30), "{waited:?}");
    assert!(waited <= SETTLE * 3, "{waited:?}");
}

/// This covers a 400 for a task that another client has resumed.
#[test]
fn a_refusal_is_lifted_by_a_poll_that_shows_the_task_at_work_or_with_more_results() {
    let mut semantics = documented();
    // `done` comes before the end of the first run, so the first resume meets a running task.
    semantics.run = Duration::from_mins(5);
    semantics.done_early = Duration::from_mins(5);
    semantics.resume_while_running = WhileRunning::Refused;
    let end = Driver::run(&scenario(semantics)).unwrap();
    assert_eq!(end.state(), State::Reached, "{:?}", end.task.progress);
    let rejected = end.count(|row| row.request.state == RequestState::Rejected);
    assert!(rejected >= 1, "{:#?}", end.ledger);
    assert!(end.ledger.iter().all(|row| !row.request.refusal));
}

/// With `growth.settle` just above `api.timeout`: a commit that takes its time lets the request leave 10 s after
/// `sent_at`, and the service actions on it at the end of the timeout, 40 s after `sent_at`. The settling time counts
/// from the first poll after the request was given up, and not from `sent_at`.
#[test]
fn a_request_that_leaves_late_is_not_lost_while_it_can_still_be_under_way() {
    let mut semantics = documented();
    semantics.visibility_delay = Duration::from_secs(40);
    let mut scenario = scenario(semantics);
    scenario.growth.settle = Duration::from_secs(31);
    scenario.resume_faults = vec![Fault::LostAfter];
    let end = Driver::run(&scenario).unwrap();
    assert_eq!(end.state(), State::Reached);
    assert_eq!(end.ledger.len(), 1, "{:#?}", end.ledger);
    assert_eq!(end.service.most_unfinished(), 0);
}

/// A proxy answers each resume with 405, but the resume takes effect, which shows six seconds later. The next resume
/// waits longer each time, and a poll shows the effect before it.
#[test]
fn a_resume_that_is_rejected_for_no_documented_reason_is_not_repeated_before_polls_could_show_it() {
    let mut semantics = documented();
    semantics.visibility_delay = Duration::from_secs(6);
    let mut scenario = scenario(semantics);
    scenario.resume_faults = vec![Fault::RejectedAfter; 20];
    let end = Driver::run(&scenario).unwrap();
    assert_eq!(end.state(), State::Reached);
    assert_eq!(end.service.most_unfinished(), 0, "{:#?}", end.ledger);
    assert_eq!(end.service.effects.len(), 1, "{:#?}", end.ledger);
}

/// The same without any effect: the wait grows to an hour.
#[test]
fn resumes_that_are_rejected_for_no_documented_reason_become_ever_rarer() {
    let mut scenario = scenario(documented());
    scenario.resume_faults = vec![Fault::Redirected; 10];
    let end = Driver::run(&scenario).unwrap();
    assert_eq!(end.state(), State::Reached);
    let sent: Vec<_> = end.ledger.iter().map(|row| row.request.sent_at).collect();
    let gaps: Vec<u64> = sent
        .windows(2)
        .map(|pair| pair[1].duration_since(pair[0]).unsigned_abs().as_secs())
        .collect();
    assert_eq!(gaps.len(), 10);
    for (nth, gap) in gaps.iter().enumerate() {
        let least = (60 << nth).min(3_600);
        assert!(*gap >= least, "{nth}: {gap} s of {least}");
    }
}
