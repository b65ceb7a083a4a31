//! What each switch of the semantics does, and each option of a scenario.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use super::{LONG, TestWorld, at, number};
use crate::{
    options::scenario::{FailAt, Scenario},
    options::semantics::{CapCounts, CapExcess, Desired, Falls, Semantics, WhileRunning},
    world::{Refusal, World},
};

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
    let mut lab = TestWorld::new(Semantics::default(), scenario);
    assert_eq!(lab.poll(0)["status"], "created");
    assert_eq!(lab.poll(30)["status"], "in_progress");
    let task = lab.poll(LONG);
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
    let mut lab = TestWorld::new(Semantics::default(), scenario);
    let task = lab.poll(90);
    assert_eq!(task["status"], "in_progress");
    assert_eq!(task["is_exhausted"], true);
    assert_eq!(task["num_results"], 0);
    let task = lab.poll(1_000);
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
    let mut lab = TestWorld::new(Semantics::default(), scenario);
    let task = lab.poll(LONG);
    assert_eq!(task["status"], "failed");
    assert_eq!(task["num_results"], 40);
    lab.resume(LONG, 10).unwrap();
    assert_eq!(lab.poll(2 * LONG)["status"], "done");
}

#[test]
fn desired_rises_or_is_set_or_stays() {
    for (desired, shown) in [
        (Desired::Rises, 160),
        (Desired::Set, 130),
        (Desired::Stays, 130),
    ] {
        let mut lab = TestWorld::new(
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
    let mut lab = TestWorld::done(Semantics::default());
    lab.resume(0, 250).unwrap();
    assert_eq!(lab.results(LONG), 250);
    assert_eq!(lab.world.ledger()[0].granted, 150);
    let task = lab.resume(LONG, 10).unwrap();
    assert_eq!(task["status"], "done");
    assert_eq!(lab.world.ledger()[1].granted, 0);
}

#[test]
fn too_much_is_refused_where_that_is_the_rule() {
    let mut lab = TestWorld::done(Semantics {
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
        let mut lab = TestWorld::new(semantics, scenario);
        lab.resume(0, 250).unwrap();
        assert_eq!(lab.world.ledger()[0].granted, granted);
    }
}

#[test]
fn a_resume_of_a_running_search_is_added_or_queued_or_refused() {
    for (rule, desired) in [(WhileRunning::Added, 160), (WhileRunning::Queued, 130)] {
        let mut lab = TestWorld::done(Semantics {
            resume_while_running: rule,
            ..Semantics::default()
        });
        lab.resume(0, 30).unwrap();
        let task = lab.resume(1, 30).unwrap();
        assert_eq!(task["desired_num_results"], desired, "{rule:?}");
        assert_eq!(lab.results(LONG), 160, "{rule:?}");
        assert!(lab.world.ledger().iter().all(|entry| entry.took_effect));
    }
    let mut lab = TestWorld::done(Semantics {
        resume_while_running: WhileRunning::Refused,
        ..Semantics::default()
    });
    lab.resume(0, 30).unwrap();
    assert_eq!(lab.resume(1, 30), Err(Refusal::Running));
    assert_eq!(lab.results(LONG), 130);
}

#[test]
fn looks_show_the_old_task_until_the_delay_is_over() {
    let mut lab = TestWorld::done(Semantics {
        visibility_delay_ms: 5_000,
        ..Semantics::default()
    });
    assert_eq!(lab.resume(10, 30).unwrap()["status"], "in_progress");
    assert_eq!(lab.poll(14)["status"], "done");
    assert_eq!(lab.poll(14)["desired_num_results"], 100);
    assert_eq!(lab.poll(15)["desired_num_results"], 130);
}

#[test]
fn the_answer_of_a_resume_can_be_stale_as_well() {
    let mut lab = TestWorld::done(Semantics {
        resume_answer_shows: false,
        ..Semantics::default()
    });
    assert_eq!(lab.resume(0, 30).unwrap()["status"], "done");
    assert_eq!(lab.poll(0)["status"], "in_progress");
}

#[test]
fn results_fall_when_done_or_between_looks() {
    let falling = |falls| {
        let mut lab = TestWorld::done(Semantics {
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
    let mut lab = TestWorld::done(Semantics::default());
    assert_eq!(lab.resume(0, 0).unwrap()["status"], "done");
    assert_eq!(lab.results(LONG), 100);
    assert!(lab.world.ledger()[0].took_effect);
}

#[test]
fn results_cost_credits_and_without_any_nothing_is_granted() {
    let mut lab = TestWorld::done(Semantics::default());
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
    let mut lab = TestWorld::done(Semantics::default());
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
        .map(|company| company["company_name"].as_str().unwrap())
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
