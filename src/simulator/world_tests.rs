//! What holds for every world, and what each switch of the semantics does.

use std::time::Duration;

use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::Value;

use super::{
    model::{Now, Refusal, World},
    scenario::{FailAt, Scenario, Shape},
    semantics::{CapCounts, CapExcess, Desired, Falls, Semantics, WhileRunning},
};

fn at(seconds: u64) -> Now {
    Now {
        time: Duration::from_secs(seconds),
        real: Duration::from_secs(seconds),
    }
}

const LONG: u64 = 1_000_000;

/// A world with one search, under the id `t`.
struct Lab {
    world: World,
    semantics: Semantics,
}

impl Lab {
    fn new(semantics: Semantics, scenario: Scenario) -> Self {
        let mut world = World::new(1, Timestamp::UNIX_EPOCH);
        world
            .add(at(0), &scenario.with_id("t"), None, &semantics)
            .unwrap();
        Self { world, semantics }
    }

    /// A search with 100 results, in which every candidate fits.
    fn done(semantics: Semantics) -> Self {
        let scenario = Scenario {
            pool: Some(1_000),
            fit_rate: Some(1.0),
            ..Scenario::done(100)
        };
        Self::new(semantics, scenario)
    }

    fn look(&mut self, seconds: u64) -> Value {
        self.world.look(at(seconds), "t", &self.semantics).unwrap()
    }

    fn results(&mut self, seconds: u64) -> u64 {
        number(&self.look(seconds), "num_results")
    }

    fn resume(&mut self, seconds: u64, new: u32) -> Result<Value, Refusal> {
        self.world
            .resume(at(seconds), "t", new, &self.semantics, None)
            .map(|resumed| resumed.task)
            .map_err(|(refusal, _)| refusal)
    }
}

fn number(task: &Value, name: &str) -> u64 {
    task[name].as_u64().unwrap()
}

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
    )
        .prop_map(
            |(desired, cap, cap_counts, cap_excess, resume_while_running, falls, falls_by)| {
                Semantics {
                    desired,
                    cap,
                    cap_counts,
                    cap_excess,
                    resume_while_running,
                    falls,
                    falls_by,
                    ..Semantics::default()
                }
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
        let mut lab = Lab::new(semantics, scenario);
        let mut now = 0;
        let mut before = lab.look(now);
        for (wait, resume) in story {
            now += wait;
            if let Some(new) = resume {
                let _ = lab.resume(now, new);
            }
            let task = lab.look(now);
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
        let mut lab = Lab::new(semantics, scenario.clone());
        let mut now = 0;
        for (wait, resume) in story {
            now += wait;
            if let Some(new) = resume {
                let _ = lab.resume(now, new);
            }
        }
        let task = lab.look(now + LONG);
        let ended = task["status"] == "done" || task["status"] == "failed";
        prop_assert!(ended, "{task}");
        prop_assert!(scenario.fail_at.is_some() || task["status"] == "done", "{task}");
    }

    #[test]
    fn a_search_that_runs_dry_is_exhausted_no_later_than_done(scenario in any_scenario()) {
        let scenario = Scenario { fail_at: None, ..scenario };
        let mut lab = Lab::new(Semantics::default(), scenario);
        for second in (0..2_000).step_by(25).chain([LONG]) {
            let task = lab.look(second);
            if task["status"] == "done" {
                let enough = task["num_results"] == task["desired_num_results"];
                prop_assert!(enough || task["is_exhausted"] == true, "{task}");
            }
        }
    }

    #[test]
    fn how_often_one_looks_changes_nothing(
        semantics in any_semantics(), scenario in any_scenario(), story in any_story()
    ) {
        let semantics = Semantics { falls: Falls::Never, ..semantics };
        let mut often = Lab::new(semantics.clone(), scenario.clone());
        let mut rarely = Lab::new(semantics, scenario);
        let mut now = 0;
        for (wait, resume) in story {
            for second in [now + wait / 3, now + wait / 2] {
                often.look(second);
            }
            now += wait;
            if let Some(new) = resume {
                prop_assert_eq!(often.resume(now, new), rarely.resume(now, new));
            }
        }
        prop_assert_eq!(often.look(now), rarely.look(now));
        prop_assert_eq!(often.world.ledger(), rarely.world.ledger());
    }
}

#[test]
fn the_same_seed_makes_the_same_world() {
    let semantics = Semantics::default();
    let tell = |seed| {
        let mut world = World::new(seed, Timestamp::UNIX_EPOCH);
        for _ in 0..5 {
            world
                .add(at(0), &Scenario::default(), None, &semantics)
                .unwrap();
        }
        world.list(at(60), (0, 10), &semantics)
    };
    assert_eq!(tell(7), tell(7));
    assert_ne!(tell(7), tell(8));
}

#[test]
fn a_search_is_created_then_in_progress_then_done() {
    let scenario = Scenario {
        pool: Some(1_000),
        fit_rate: Some(0.5),
        ..Scenario::default()
    };
    let mut lab = Lab::new(Semantics::default(), scenario);
    assert_eq!(lab.look(0)["status"], "created");
    assert_eq!(lab.look(30)["status"], "in_progress");
    let task = lab.look(LONG);
    assert_eq!(task["status"], "done");
    assert_eq!(task["num_results"], 100);
    assert_eq!(task["is_exhausted"], false);
}

#[test]
fn an_exhausted_search_goes_on_for_a_while() {
    let scenario = Scenario {
        pool: Some(100),
        fit_rate: Some(0.5),
        backlog: Some(100),
        ..Scenario::default()
    };
    let mut lab = Lab::new(Semantics::default(), scenario);
    let task = lab.look(90);
    assert_eq!(task["status"], "in_progress");
    assert_eq!(task["is_exhausted"], true);
    assert_eq!(task["num_results"], 0);
    let task = lab.look(1_000);
    assert_eq!(task["status"], "done");
    assert_eq!(number(&task, "num_results"), 50);
    assert_eq!(lab.resume(1_000, 1), Err(Refusal::Exhausted));
}

#[test]
fn a_search_fails_where_it_is_told_to_and_a_resume_takes_it_past_that() {
    let scenario = Scenario {
        pool: Some(1_000),
        fail_at: Some(FailAt::Fraction(0.4)),
        ..Scenario::default()
    };
    let mut lab = Lab::new(Semantics::default(), scenario);
    let task = lab.look(LONG);
    assert_eq!(task["status"], "failed");
    assert_eq!(task["num_results"], 40);
    lab.resume(LONG, 10).unwrap();
    assert_eq!(lab.look(2 * LONG)["status"], "done");
}

#[test]
fn desired_rises_or_is_set_or_stays() {
    for (desired, shown) in [
        (Desired::Rises, 160),
        (Desired::Set, 130),
        (Desired::Stays, 130),
    ] {
        let mut lab = Lab::new(
            Semantics {
                desired,
                ..Semantics::default()
            },
            Scenario {
                pool: Some(1_000),
                fit_rate: Some(1.0),
                desired_num_results: Some(130),
                ..Scenario::done(100)
            },
        );
        let task = lab.resume(0, 30).unwrap();
        assert_eq!(task["desired_num_results"], shown, "{desired:?}");
        assert_eq!(task["status"], "in_progress");
        let most = if desired == Desired::Rises { 160 } else { 130 };
        assert_eq!(lab.results(LONG), most, "{desired:?}");
    }
}

#[test]
fn too_much_is_clamped_to_what_the_cap_leaves() {
    let mut lab = Lab::done(Semantics::default());
    lab.resume(0, 250).unwrap();
    assert_eq!(lab.results(LONG), 250);
    assert_eq!(lab.world.ledger()[0].granted, 150);
    let task = lab.resume(LONG, 10).unwrap();
    assert_eq!(task["status"], "done");
    assert_eq!(lab.world.ledger()[1].granted, 0);
}

#[test]
fn too_much_is_refused_where_that_is_the_rule() {
    let mut lab = Lab::done(Semantics {
        cap_excess: CapExcess::Refused,
        ..Semantics::default()
    });
    let refusal = Refusal::OverCap {
        cap: 250,
        room: 150,
    };
    assert_eq!(lab.resume(0, 151), Err(refusal));
    assert!(!lab.world.ledger()[0].took_effect);
    lab.resume(0, 150).unwrap();
    assert_eq!(lab.results(LONG), 250);
}

#[test]
fn the_cap_can_count_what_was_desired() {
    for (cap_counts, granted) in [(CapCounts::Results, 150), (CapCounts::Desired, 50)] {
        let semantics = Semantics {
            cap_counts,
            ..Semantics::default()
        };
        let scenario = Scenario {
            desired_num_results: Some(200),
            pool: Some(2_000),
            ..Scenario::done(100)
        };
        let mut lab = Lab::new(semantics, scenario);
        lab.resume(0, 250).unwrap();
        assert_eq!(lab.world.ledger()[0].granted, granted);
    }
}

#[test]
fn a_resume_of_a_running_search_is_added_or_queued_or_refused() {
    for (rule, desired) in [(WhileRunning::Added, 160), (WhileRunning::Queued, 130)] {
        let mut lab = Lab::done(Semantics {
            resume_while_running: rule,
            ..Semantics::default()
        });
        lab.resume(0, 30).unwrap();
        let task = lab.resume(1, 30).unwrap();
        assert_eq!(task["desired_num_results"], desired, "{rule:?}");
        assert_eq!(lab.results(LONG), 160, "{rule:?}");
        assert!(lab.world.ledger().iter().all(|entry| entry.took_effect));
    }
    let mut lab = Lab::done(Semantics {
        resume_while_running: WhileRunning::Refused,
        ..Semantics::default()
    });
    lab.resume(0, 30).unwrap();
    assert_eq!(lab.resume(1, 30), Err(Refusal::Running));
    assert_eq!(lab.results(LONG), 130);
}

#[test]
fn looks_show_the_old_task_until_the_delay_is_over() {
    let mut lab = Lab::done(Semantics {
        visibility_delay_ms: 5_000,
        ..Semantics::default()
    });
    assert_eq!(lab.resume(10, 30).unwrap()["status"], "in_progress");
    assert_eq!(lab.look(14)["status"], "done");
    assert_eq!(lab.look(14)["desired_num_results"], 100);
    assert_eq!(lab.look(15)["desired_num_results"], 130);
}

#[test]
fn the_answer_of_a_resume_can_be_stale_as_well() {
    let mut lab = Lab::done(Semantics {
        resume_answer_shows: false,
        ..Semantics::default()
    });
    assert_eq!(lab.resume(0, 30).unwrap()["status"], "done");
    assert_eq!(lab.look(0)["status"], "in_progress");
}

#[test]
fn results_fall_when_done_or_between_looks() {
    let falling = |falls| {
        let mut lab = Lab::done(Semantics {
            falls,
            falls_by: 4,
            ..Semantics::default()
        });
        lab.resume(0, 30).unwrap();
        lab
    };
    let mut lab = falling(Falls::WhenDone);
    let looks = [LONG, LONG + 1].map(|second| lab.results(second));
    assert_eq!(looks, [126, 126]);
    let mut lab = falling(Falls::AtLooks);
    let looks = [0, 1, 2, 3].map(|more| lab.results(LONG + more));
    assert_eq!(looks, [130, 130, 126, 126]);
}

#[test]
fn asking_for_nothing_is_accepted_and_does_nothing() {
    let mut lab = Lab::done(Semantics::default());
    assert_eq!(lab.resume(0, 0).unwrap()["status"], "done");
    assert_eq!(lab.results(LONG), 100);
    assert!(lab.world.ledger()[0].took_effect);
}

#[test]
fn results_cost_credits_and_without_any_nothing_is_granted() {
    let mut lab = Lab::done(Semantics::default());
    let semantics = lab.semantics.clone();
    lab.resume(0, 30).unwrap();
    let mut left = |second, credits| lab.world.credits_left(at(second), &semantics, credits);
    assert_eq!(left(0, Some(50)), 50, "what it started with was free");
    assert_eq!(left(LONG, Some(50)), 20);
    assert_eq!(left(LONG, Some(10)), 0);
    let refused = lab.world.resume(at(LONG), "t", 5, &semantics, Some(10));
    assert_eq!(refused.unwrap_err().0, Refusal::NoCredits);
}

#[test]
fn results_are_as_many_as_counted_best_first_and_of_different_companies() {
    let mut lab = Lab::done(Semantics::default());
    let semantics = lab.semantics.clone();
    let mut page =
        |page| lab.world.results(at(0), "t", page, &semantics).unwrap()["results"].clone();
    let all = page((0, 1_000));
    let all = all.as_array().unwrap();
    assert_eq!(all.len(), 100);
    let relevance = |company: &Value| company["relevance"].as_f64().unwrap();
    assert!(all.is_sorted_by(|a, b| relevance(a) >= relevance(b)));
    let domains: std::collections::HashSet<_> = all
        .iter()
        .map(|company| company["domain"].as_str().unwrap())
        .collect();
    assert_eq!(domains.len(), 100);
    assert_eq!(page((10, 5)).as_array().unwrap()[..], all[10..15]);
}

#[test]
fn a_scenario_that_makes_no_sense_is_refused() {
    let mut world = World::new(1, Timestamp::UNIX_EPOCH);
    for (scenario, field) in [
        (
            Scenario {
                fit_rate: Some(1.5),
                ..Scenario::default()
            },
            "fit_rate",
        ),
        (
            Scenario {
                rate_per_minute: Some(0.0),
                ..Scenario::default()
            },
            "rate_per_minute",
        ),
        (
            Scenario {
                pool: Some(10),
                ..Scenario::done(11)
            },
            "pool",
        ),
        (
            Scenario {
                fit_rate: Some(0.0),
                ..Scenario::done(1)
            },
            "results",
        ),
        (Scenario::default().with_id(""), "id"),
    ] {
        let refused = world.add(at(0), &scenario, None, &Semantics::default());
        assert!(refused.unwrap_err().starts_with(field), "{field}");
    }
}

#[test]
fn thousands_of_searches_are_cheap_to_look_at() {
    let semantics = Semantics::default();
    let mut world = World::new(1, Timestamp::UNIX_EPOCH);
    for _ in 0..5_000 {
        world
            .add(at(0), &Scenario::default(), None, &semantics)
            .unwrap();
    }
    let started = std::time::Instant::now();
    world.list(at(LONG), (0, 5_000), &semantics);
    assert!(started.elapsed() < Duration::from_secs(5));
}
