//! The sum of requested results with a service that breaks the assumptions of the spending rule: `done` too early, `done`
//! that goes back to `in_progress`, counters that rise afterwards, fewer results than requested, stale polls, work that
//! begins late, an outage after a lost answer. Virtual time, random cases.

use crate::cases::for_each;
use crate::driver::service_model::{Busy, CapOn, TooMuch, Unknowns, Wish};
use crate::driver::{Driver, Fault, Scenario};
use growd::core::State;
use growd::core::policy::Growth;
use growd::core::resume::ResumeState;
use growd::core::task::Wanted;
use proptest::prelude::*;
use std::time::Duration;

const SETTLE: Duration = Duration::from_mins(1);
const MAX_WASTE: i64 = 250;
const TARGET: i64 = 200;

/// A service as documented; each test changes what it is about.
fn documented() -> Unknowns {
    Unknowns {
        wish: Wish::Rises,
        cap_on: CapOn::Results,
        too_much: TooMuch::Clamped,
        busy: Busy::Added,
        cap: 10_000,
        late: Duration::ZERO,
        begins_later: Duration::ZERO,
        answer_is_late: false,
        pool: 5_000,
        tells_early: false,
        percent: 100,
        run: Duration::from_secs(90),
        empty_runs: Vec::new(),
        failing_run: None,
        drop: 0,
        swing: 0,
        desired: 100,
        done_early: Duration::ZERO,
        lull: None,
        stale: Duration::ZERO,
    }
}

fn scenario(unknowns: Unknowns) -> Scenario {
    Scenario {
        unknowns,
        wanted: Wanted {
            target: TARGET,
            chunk: None,
            paused: false,
        },
        growth: Growth {
            chunk: 250,
            task_cap: 10_000,
            max_stalled: 3,
            max_waste: MAX_WASTE,
            daily_limit: 0,
            settle: SETTLE,
        },
        looks: Vec::new(),
        resumes: Vec::new(),
        acts: Vec::new(),
        outage: None,
        outage_fault: Fault::Unavailable,
        spread: 0.5,
    }
}

/// The sum of requested results, with those of resumes whose outcome is unknown.
fn asked(end: &Driver) -> i64 {
    let asked = end.ledger.iter().filter(|row| {
        matches!(
            row.state,
            ResumeState::Intended | ResumeState::Accepted | ResumeState::Lost
        )
    });
    asked.map(|row| row.requested).sum()
}

fn seconds(range: std::ops::RangeInclusive<u64>) -> impl Strategy<Value = Duration> {
    range.prop_map(Duration::from_secs)
}

/// A service that breaks any of the assumptions about `done`, counters and yields, in any combination.
fn misleading() -> impl Strategy<Value = Unknowns> {
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
        prop_oneof![Just(Wish::Rises), Just(Wish::IsSet), Just(Wish::Stays)],
        prop_oneof![Just(Busy::Queued), Just(Busy::Refused), Just(Busy::Added)],
        prop::collection::vec(0_usize..=12, 0..=3),
        10_i64..=150,
        20_i64..=3_000,
    );
    (done, delays, rest).prop_map(|(done, delays, rest)| Unknowns {
        done_early: done.0,
        lull: done.1,
        percent: done.2,
        run: done.3,
        stale: delays.0,
        begins_later: delays.1,
        answer_is_late: delays.2,
        wish: rest.0,
        busy: rest.1,
        empty_runs: rest.2,
        desired: rest.3,
        pool: rest.4,
        ..documented()
    })
}

/// The bound is what was missing at the first resume plus `growth.max_waste`, as long as answers arrive.
#[test]
fn a_misleading_service_is_asked_for_what_lacks_and_max_waste_at_most() {
    for_each(600, &misleading(), |unknowns| {
        let end = Driver::run(&scenario(unknowns))?;
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

/// Of a service that says `done` early, or goes back to `in_progress`, growd requests only what is missing, as long as a
/// counter moves within each settling time.
#[test]
fn an_early_done_costs_nothing_while_the_counters_still_move() {
    let early = (
        1_u64..=50,
        seconds(100..=2_000),
        prop::option::of((seconds(0..=60), seconds(1..=300))),
    );
    for_each(300, &early, |(tenths, run, lull)| {
        let mut unknowns = documented();
        unknowns.run = run;
        unknowns.done_early = run.mul_f64(f64::from(u32::try_from(tenths).unwrap()) / 50.0);
        unknowns.lull = lull;
        let end = Driver::run(&scenario(unknowns))?;
        prop_assert_eq!(end.state(), State::Reached, "{:?}", end.task.progress);
        let lacking = TARGET - end.ledger[0].baseline_results;
        prop_assert_eq!(asked(&end), lacking, "{:#?}", end.ledger);
        // The first resume may come while the run of the creation is at work: growd has asked for nothing before it, and a
        // resume is concluded by what it brought.
        let repeated = end
            .service
            .taken
            .iter()
            .skip(1)
            .any(|taken| taken.unfinished > 0);
        prop_assert!(!repeated, "{:?}", end.service.taken);
        Ok(())
    });
}

/// The waste is bounded, and the reason of the end shows both sums.
#[test]
fn a_service_that_brings_a_tenth_ends_as_stalled_with_both_sums() {
    let mut unknowns = documented();
    unknowns.percent = 10;
    unknowns.desired = 10;
    let end = Driver::run(&scenario(unknowns)).unwrap();
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
/// `desired_num_results` that rises at once while the work begins much later: no second resume before ten settling times.
#[test]
fn after_a_seen_effect_stale_polls_and_late_work_are_waited_out_for_ten_settling_times() {
    let late = prop_oneof![
        seconds(1..=590).prop_map(|stale| (stale, Duration::ZERO)),
        seconds(1..=590).prop_map(|later| (Duration::ZERO, later)),
    ];
    for_each(300, &late, |(stale, begins_later)| {
        let mut unknowns = documented();
        unknowns.stale = stale;
        unknowns.begins_later = begins_later;
        let end = Driver::run(&scenario(unknowns))?;
        prop_assert_eq!(end.state(), State::Reached);
        prop_assert_eq!(end.service.most_unfinished(), 0, "{:#?}", end.ledger);
        prop_assert_eq!(asked(&end), TARGET - 100, "{:#?}", end.ledger);
        Ok(())
    });
}

/// The answer to a resume is lost, polls fail for a while, and the first successful one still shows the old state. The outage
/// does not count: the polls before and after it cover less than a settling time.
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
        // It shows nothing for the whole outage, and for a while after it.
        let mut scenario = scenario(documented());
        scenario.resumes = vec![Fault::LostAfter];
        // A lost answer takes the whole timeout; polls fail from some time after that on.
        let first_polls = Duration::from_secs(30) + begin;
        scenario.outage = Some((first_polls, length));
        scenario.outage_fault = fault;
        scenario.unknowns.late = first_polls + length + behind;
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
    scenario.resumes = vec![Fault::LostBefore];
    let end = Driver::run(&scenario).unwrap();
    assert_eq!(end.state(), State::Reached);
    let [lost, second] = end.ledger.as_slice() else {
        panic!("{:#?}", end.ledger);
    };
    assert_eq!(lost.state, ResumeState::Lost);
    let waited = second.sent_at.duration_since(lost.sent_at).unsigned_abs();
    // The answer was waited for during its whole timeout of 30 s, and only then the first poll began.
    assert!(waited >= SETTLE + Duration::from_secs(30), "{waited:?}");
    assert!(waited <= SETTLE * 3, "{waited:?}");
}

/// This covers a 400 for a task that a colleague has resumed meanwhile.
#[test]
fn a_refusal_is_lifted_by_a_poll_that_shows_the_task_at_work_or_with_more_results() {
    let mut unknowns = documented();
    // The run of the creation is said to be done long before it is, so that the first resume meets a task at work.
    unknowns.run = Duration::from_mins(5);
    unknowns.done_early = Duration::from_mins(5);
    unknowns.busy = Busy::Refused;
    let end = Driver::run(&scenario(unknowns)).unwrap();
    assert_eq!(end.state(), State::Reached, "{:?}", end.task.progress);
    let rejected = end.count(|row| row.state == ResumeState::Rejected);
    assert!(rejected >= 1, "{:#?}", end.ledger);
    assert!(end.ledger.iter().all(|row| !row.refusal));
}

/// With `growth.settle` just above `api.timeout`: a commit that takes its time lets the request leave 10 s after `sent_at`, and
/// the service acts on it at the end of the timeout, 40 s after `sent_at`. The settling time counts from the first poll after
/// the request was given up, and not from `sent_at`.
#[test]
fn a_request_that_leaves_late_is_not_lost_while_it_can_still_be_under_way() {
    let mut unknowns = documented();
    unknowns.late = Duration::from_secs(40);
    let mut scenario = scenario(unknowns);
    scenario.growth.settle = Duration::from_secs(31);
    scenario.resumes = vec![Fault::LostAfter];
    let end = Driver::run(&scenario).unwrap();
    assert_eq!(end.state(), State::Reached);
    assert_eq!(end.ledger.len(), 1, "{:#?}", end.ledger);
    assert_eq!(end.service.most_unfinished(), 0);
}

/// A proxy answers each resume with 405, but the resume takes effect, which shows six seconds later. The next resume waits
/// longer each time, and a poll shows the effect before it.
#[test]
fn a_resume_that_is_rejected_for_no_documented_reason_is_not_repeated_before_polls_could_show_it() {
    let mut unknowns = documented();
    unknowns.late = Duration::from_secs(6);
    let mut scenario = scenario(unknowns);
    scenario.resumes = vec![Fault::RejectedAfter; 20];
    let end = Driver::run(&scenario).unwrap();
    assert_eq!(end.state(), State::Reached);
    assert_eq!(end.service.most_unfinished(), 0, "{:#?}", end.ledger);
    assert_eq!(end.service.taken.len(), 1, "{:#?}", end.ledger);
}

/// The same without any effect: the wait grows to an hour.
#[test]
fn resumes_that_are_rejected_for_no_documented_reason_become_ever_rarer() {
    let mut scenario = scenario(documented());
    scenario.resumes = vec![Fault::Redirected; 10];
    let end = Driver::run(&scenario).unwrap();
    assert_eq!(end.state(), State::Reached);
    let sent: Vec<_> = end.ledger.iter().map(|row| row.sent_at).collect();
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
