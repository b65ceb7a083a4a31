//! Properties of every world, with any semantics and any requests.

use clap::ValueEnum;
use proptest::{option::of, prelude::*, sample::select};

use super::{Fixture, LONG, names, number};
use crate::options::{FailAt, Falls, Scenario, Semantics};

fn any_variant<T: ValueEnum + std::fmt::Debug + 'static>() -> impl Strategy<Value = T> {
    select(T::value_variants())
}

fn any_semantics() -> impl Strategy<Value = Semantics> {
    (
        (any_variant(), any_variant(), any_variant()),
        (any_variant(), any_variant()),
        1..400u32,
        0..5u32,
        any_assumptions(),
    )
        .prop_map(
            |((desired, cap_counts, cap_excess), (while_running, falls), cap, falls_by, rest)| {
                Semantics {
                    desired,
                    cap,
                    cap_counts,
                    cap_excess,
                    resume_while_running: while_running,
                    falls,
                    falls_by,
                    ..rest
                }
            },
        )
}

/// Semantics that break assumptions of a client, each in half of the cases.
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
    (
        1..=250u32,
        of(0..2_000u32),
        of(0.0..=1.0f64),
        1.0..10_000f64,
        0..100u32,
        of(0..250u32),
        any_variant(),
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

/// The requests of a client: wait this many seconds, then resume (or only poll).
fn any_requests() -> impl Strategy<Value = Vec<(u64, Option<u32>)>> {
    proptest::collection::vec((0..2_000u64, of(0..=250u32)), 1..30)
}

proptest! {
    #[test]
    fn the_counters_are_a_pipeline_that_never_exceeds_the_cap(
        semantics in any_semantics(), scenario in any_scenario(), requests in any_requests()
    ) {
        let cap = u64::from(semantics.cap);
        let falls = semantics.falls != Falls::Never;
        let mut fixture = Fixture::new(semantics, scenario);
        let mut now = 0;
        let mut before = fixture.poll(now);
        for (wait, resume) in requests {
            now += wait;
            if let Some(new) = resume {
                let _ = fixture.resume(now, new);
            }
            let task = fixture.poll(now);
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
    fn every_task_ends(
        semantics in any_semantics(), scenario in any_scenario(), requests in any_requests()
    ) {
        let mut fixture = Fixture::new(semantics, scenario.clone());
        let mut now = 0;
        for (wait, resume) in requests {
            now += wait;
            if let Some(new) = resume {
                let _ = fixture.resume(now, new);
            }
        }
        let task = fixture.poll(now + LONG);
        let ended = task["status"] == "done" || task["status"] == "failed";
        prop_assert!(ended, "{task}");
        prop_assert!(scenario.fail_at.is_some() || task["status"] == "done", "{task}");
    }

    #[test]
    fn a_task_without_candidates_is_exhausted_no_later_than_done(scenario in any_scenario()) {
        let scenario = Scenario { fail_at: None, ..scenario };
        let mut fixture = Fixture::new(Semantics::default(), scenario);
        for second in (0..2_000).step_by(25).chain([LONG]) {
            let task = fixture.poll(second);
            if task["status"] == "done" {
                let enough = task["num_results"] == task["desired_num_results"];
                prop_assert!(enough || task["is_exhausted"] == true, "{task}");
            }
        }
    }

    #[test]
    fn results_are_of_different_companies_and_stay_the_same_until_more_work_is_done(
        semantics in any_semantics(), scenario in any_scenario(), requests in any_requests()
    ) {
        let semantics = Semantics { falls: Falls::Never, ..semantics };
        let mut fixture = Fixture::new(semantics, scenario);
        let mut now = 0;
        let mut before: Vec<String> = Vec::new();
        for (wait, resume) in requests.into_iter().take(3) {
            now += wait;
            if let Some(new) = resume {
                let _ = fixture.resume(now, new);
            }
            let page = fixture.page(now, 0, 1_000);
            prop_assert_eq!(&fixture.page(now, 0, 5)["results"], &fixture.page(now, 0, 5)["results"]);
            let names = names(&page);
            let different: std::collections::HashSet<_> = names.iter().collect();
            prop_assert_eq!(different.len(), names.len());
            let all = usize::try_from(number(&page, "num_results")).unwrap();
            let complete = names.len() == all || fixture.semantics.undelivered_percent > 0;
            prop_assert!(complete && names.len() <= all);
            prop_assert!(before.iter().all(|name| different.contains(name)), "none is lost");
            before = names;
        }
    }

    #[test]
    fn the_number_of_polls_changes_nothing(
        semantics in any_semantics(), scenario in any_scenario(), requests in any_requests()
    ) {
        let semantics = Semantics { falls: Falls::Never, ..semantics };
        let mut often = Fixture::new(semantics.clone(), scenario.clone());
        let mut rarely = Fixture::new(semantics, scenario);
        let mut now = 0;
        for (wait, resume) in requests {
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
