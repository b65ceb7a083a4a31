//! What holds for every world, whatever its switches and whatever is asked of it.

use proptest::prelude::*;

use super::{LONG, TestWorld, names, number};
use crate::{
    options::scenario::{FailAt, Scenario, Shape},
    options::semantics::{CapCounts, CapExcess, Desired, Falls, Semantics, WhileRunning},
};

fn any_semantics() -> impl Strategy<Value = Semantics> {
    use proptest::sample::select;
    (
        select(&[Desired::Rises, Desired::Set, Desired::Stays][..]),
        1..400u32,
        select(&[CapCounts::Results, CapCounts::Desired][..]),
        select(&[CapExcess::Clamped, CapExcess::Refused][..]),
        select(
            &[
                WhileRunning::Queued,
                WhileRunning::Refused,
                WhileRunning::Added,
            ][..],
        ),
        select(&[Falls::Never, Falls::WhenDone, Falls::AtLooks][..]),
        0..5u32,
        any_assumptions(),
    )
        .prop_map(
            |(
                desired,
                cap,
                cap_counts,
                cap_excess,
                resume_while_running,
                falls,
                falls_by,
                rest,
            )| {
                Semantics {
                    desired,
                    cap,
                    cap_counts,
                    cap_excess,
                    resume_while_running,
                    falls,
                    falls_by,
                    ..rest
                }
            },
        )
}

/// What a client would like to assume of the service, and cannot: in half of the cases it can.
fn any_assumptions() -> impl Strategy<Value = Semantics> {
    let percent = || prop_oneof![Just(0), 0..=100u32];
    (
        percent(),
        percent(),
        percent(),
        percent(),
        0..300u32,
        0..300u32,
        0..50u32,
    )
        .prop_map(
            |(lacking, early, reopens, undelivered, after, delay, rises)| Semantics {
                yield_percent: 100 - lacking,
                early_done_percent: early,
                reopens_percent: reopens,
                reopens_after_s: after,
                work_delay_s: if delay < 150 { 0 } else { delay },
                rises_after_done: rises.saturating_sub(25),
                undelivered_percent: undelivered,
                ..Semantics::default()
            },
        )
}

fn any_scenario() -> impl Strategy<Value = Scenario> {
    use proptest::sample::select;
    let shapes = [
        Shape::Steady,
        Shape::FrontLoaded,
        Shape::BackLoaded,
        Shape::Stalling,
    ];
    (
        1..=250u32,
        proptest::option::of(0..2_000u32),
        proptest::option::of(0.0..=1.0f64),
        1.0..10_000f64,
        0..100u32,
        proptest::option::of(0..250u32),
        select(shapes.to_vec()),
    )
        .prop_map(
            |(desired, pool, fit_rate, rate, backlog, fail_at, shape)| Scenario {
                desired_num_results: Some(desired),
                pool,
                fit_rate,
                rate_per_minute: Some(rate),
                backlog: Some(backlog),
                fail_at: fail_at.map(FailAt::Results),
                shape,
                ..Scenario::default()
            },
        )
}

/// What is done to a search: wait so many seconds, then ask for more (or only look).
fn any_story() -> impl Strategy<Value = Vec<(u64, Option<u32>)>> {
    proptest::collection::vec((0..2_000u64, proptest::option::of(0..=250u32)), 1..30)
}

proptest! {
    #[test]
    fn the_counters_are_a_pipeline_that_never_passes_the_cap(
        semantics in any_semantics(), scenario in any_scenario(), story in any_story()
    ) {
        let cap = u64::from(semantics.cap);
        let falls = semantics.falls != Falls::Never;
        let mut lab = TestWorld::new(semantics, scenario);
        let mut now = 0;
        let mut before = lab.poll(now);
        for (wait, resume) in story {
            now += wait;
            if let Some(new) = resume {
                let _ = lab.resume(now, new);
            }
            let task = lab.poll(now);
            let names = [
                "num_results_discovered", "num_results_enriched", "num_results_evaluated",
                "num_results",
            ];
            let counts = names.map(|name| number(&task, name));
            prop_assert!(counts.is_sorted_by(|a, b| a >= b), "{task}");
            prop_assert!(counts[3] <= cap, "{task}");
            for (name, count) in names.iter().zip(counts) {
                let fell = count < number(&before, name);
                prop_assert!(!fell || (falls && *name == "num_results"), "{before} {task}");
            }
            prop_assert!(before["is_exhausted"] != true || task["is_exhausted"] == true);
            before = task;
        }
    }

    #[test]
    fn every_search_comes_to_an_end(
        semantics in any_semantics(), scenario in any_scenario(), story in any_story()
    ) {
        let mut lab = TestWorld::new(semantics, scenario.clone());
        let mut now = 0;
        for (wait, resume) in story {
            now += wait;
            if let Some(new) = resume {
                let _ = lab.resume(now, new);
            }
        }
        let task = lab.poll(now + LONG);
        let ended = task["status"] == "done" || task["status"] == "failed";
        prop_assert!(ended, "{task}");
        prop_assert!(scenario.fail_at.is_some() || task["status"] == "done", "{task}");
    }

    #[test]
    fn a_search_that_runs_dry_is_exhausted_no_later_than_done(scenario in any_scenario()) {
        let scenario = Scenario { fail_at: None, ..scenario };
        let mut lab = TestWorld::new(Semantics::default(), scenario);
        for second in (0..2_000).step_by(25).chain([LONG]) {
            let task = lab.poll(second);
            if task["status"] == "done" {
                let enough = task["num_results"] == task["desired_num_results"];
                prop_assert!(enough || task["is_exhausted"] == true, "{task}");
            }
        }
    }

    #[test]
    fn results_are_of_different_companies_and_stay_the_same_until_more_work_is_done(
        semantics in any_semantics(), scenario in any_scenario(), story in any_story()
    ) {
        let semantics = Semantics { falls: Falls::Never, ..semantics };
        let mut lab = TestWorld::new(semantics, scenario);
        let mut now = 0;
        let mut before: Vec<String> = Vec::new();
        for (wait, resume) in story.into_iter().take(3) {
            now += wait;
            if let Some(new) = resume {
                let _ = lab.resume(now, new);
            }
            let page = lab.page(now, 0, 1_000);
            prop_assert_eq!(&lab.page(now, 0, 5)["results"], &lab.page(now, 0, 5)["results"]);
            let names = names(&page);
            let different: std::collections::HashSet<_> = names.iter().collect();
            prop_assert_eq!(different.len(), names.len());
            let all = usize::try_from(number(&page, "num_results")).unwrap();
            let complete = names.len() == all || lab.semantics.undelivered_percent > 0;
            prop_assert!(complete && names.len() <= all);
            prop_assert!(before.iter().all(|name| different.contains(name)), "none is lost");
            before = names;
        }
    }

    #[test]
    fn how_often_one_looks_changes_nothing(
        semantics in any_semantics(), scenario in any_scenario(), story in any_story()
    ) {
        let semantics = Semantics { falls: Falls::Never, ..semantics };
        let mut often = TestWorld::new(semantics.clone(), scenario.clone());
        let mut rarely = TestWorld::new(semantics, scenario);
        let mut now = 0;
        for (wait, resume) in story {
            for second in [now + wait / 3, now + wait / 2] {
                often.poll(second);
            }
            now += wait;
            if let Some(new) = resume {
                prop_assert_eq!(often.resume(now, new), rarely.resume(now, new));
            }
        }
        prop_assert_eq!(often.poll(now), rarely.poll(now));
        prop_assert_eq!(often.world.ledger(), rarely.world.ledger());
    }
}
