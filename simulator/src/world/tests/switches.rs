//! The effect of each switch of the semantics, and of each option of a scenario.

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use serde_json::Value;

use super::{Fixture, LONG, Refusal, World, at, changed, number};
use crate::options::{
    CapCounts, Desired, Excess, FailAt, Falls, Scenario, Semantics, WhileRunning,
};

/// A new task with a pool of 1,000 candidates and some changes.
fn scenario(change: impl FnOnce(&mut Scenario)) -> Scenario {
    let mut scenario = Scenario {
        pool: Some(1_000),
        ..Scenario::default()
    };
    change(&mut scenario);
    scenario
}

#[test]
fn the_same_seed_makes_the_same_world() {
    let semantics = Semantics::default();
    let list = |seed| {
        let mut world = World::new(seed, Timestamp::UNIX_EPOCH);
        for _ in 0..5 {
            world
                .add(at(0), &Scenario::default(), None, &semantics)
                .unwrap();
        }
        world.list(at(60), at(60), (0, 10), &semantics)
    };
    assert_eq!(list(7), list(7));
    assert_ne!(list(7), list(8));
}

#[test]
fn a_task_is_created_then_in_progress_then_done() {
    let scenario = scenario(|scenario| scenario.fit_rate = Some(0.5));
    let mut fixture = Fixture::new(Semantics::default(), scenario);
    assert_eq!(fixture.poll(0)["status"], "created");
    assert_eq!(fixture.poll(30)["status"], "in_progress");
    let task = fixture.poll(LONG);
    assert_eq!(task["status"], "done");
    assert_eq!(task["num_results"], 100);
    assert_eq!(task["is_exhausted"], false);
}

#[test]
fn an_exhausted_task_runs_until_its_backlog_is_empty() {
    let scenario = Scenario {
        pool: Some(100),
        fit_rate: Some(0.5),
        backlog: Some(100),
        ..Scenario::default()
    };
    let mut fixture = Fixture::new(Semantics::default(), scenario);
    let task = fixture.poll(90);
    assert_eq!(task["status"], "in_progress");
    assert_eq!(task["is_exhausted"], true);
    assert_eq!(task["num_results"], 0);
    let task = fixture.poll(1_000);
    assert_eq!(task["status"], "done");
    assert_eq!(number(&task, "num_results"), 50);
    assert_eq!(fixture.resume(1_000, 1), Err(Refusal::Exhausted));
}

#[test]
fn a_task_fails_at_its_limit_and_a_resume_continues_it() {
    let scenario = scenario(|scenario| scenario.fail_at = Some(FailAt::Fraction(0.4)));
    let mut fixture = Fixture::new(Semantics::default(), scenario);
    let task = fixture.poll(LONG);
    assert_eq!(task["status"], "failed");
    assert_eq!(task["num_results"], 40);
    fixture.resume(LONG, 10).unwrap();
    assert_eq!(fixture.poll(2 * LONG)["status"], "done");
}

#[test]
fn desired_rises_or_is_set_or_stays() {
    for (desired, shown) in [
        (Desired::Rises, 160),
        (Desired::Set, 130),
        (Desired::Stays, 130),
    ] {
        let scenario = scenario(|scenario| {
            scenario.fit_rate = Some(1.0);
            scenario.desired_num_results = Some(130);
            scenario.results = Some(100);
        });
        let mut fixture = Fixture::new(changed(|semantics| semantics.desired = desired), scenario);
        let task = fixture.resume(0, 30).unwrap();
        assert_eq!(task["desired_num_results"], shown, "{desired:?}");
        assert_eq!(task["status"], "in_progress");
        let results = if desired == Desired::Rises { 160 } else { 130 };
        assert_eq!(fixture.results(LONG), results, "{desired:?}");
    }
}

#[test]
fn a_resume_beyond_the_cap_is_clamped() {
    let mut fixture = Fixture::done(|_| {});
    fixture.resume(0, 250).unwrap();
    assert_eq!(fixture.results(LONG), 250);
    assert_eq!(fixture.world.ledger()[0].granted, 150);
    let task = fixture.resume(LONG, 10).unwrap();
    assert_eq!(task["status"], "done");
    assert_eq!(fixture.world.ledger()[1].granted, 0);
}

#[test]
fn a_resume_beyond_the_cap_can_be_refused() {
    let mut fixture = Fixture::done(|semantics| semantics.cap_excess = Excess::Refused);
    let refusal = Refusal::OverCap {
        cap: 250,
        room: 150,
    };
    assert_eq!(fixture.resume(0, 151), Err(refusal));
    assert!(!fixture.world.ledger()[0].took_effect);
    fixture.resume(0, 150).unwrap();
    assert_eq!(fixture.results(LONG), 250);
}

#[test]
fn the_cap_can_count_the_requested_results() {
    for (cap_counts, granted) in [(CapCounts::Results, 150), (CapCounts::Desired, 50)] {
        let scenario = Scenario {
            desired_num_results: Some(200),
            pool: Some(2_000),
            ..Scenario::done(100)
        };
        let semantics = changed(|semantics| semantics.cap_counts = cap_counts);
        let mut fixture = Fixture::new(semantics, scenario);
        fixture.resume(0, 250).unwrap();
        assert_eq!(fixture.world.ledger()[0].granted, granted);
    }
}

#[test]
fn a_resume_of_a_running_task_is_added_or_queued_or_refused() {
    for (rule, desired) in [(WhileRunning::Added, 160), (WhileRunning::Queued, 130)] {
        let mut fixture = Fixture::done(|semantics| semantics.resume_while_running = rule);
        fixture.resume(0, 30).unwrap();
        let task = fixture.resume(1, 30).unwrap();
        assert_eq!(task["desired_num_results"], desired, "{rule:?}");
        assert_eq!(fixture.results(LONG), 160, "{rule:?}");
        let mut ledger = fixture.world.ledger().iter();
        assert!(ledger.all(|entry| entry.took_effect));
    }
    let refused = WhileRunning::Refused;
    let mut fixture = Fixture::done(|semantics| semantics.resume_while_running = refused);
    fixture.resume(0, 30).unwrap();
    assert_eq!(fixture.resume(1, 30), Err(Refusal::Running));
    assert_eq!(fixture.results(LONG), 130);
}

#[test]
fn polls_show_the_old_task_until_the_visibility_delay_ends() {
    let mut fixture = Fixture::done(|semantics| semantics.visibility_delay_ms = 5_000);
    assert_eq!(fixture.resume(10, 30).unwrap()["status"], "in_progress");
    assert_eq!(fixture.poll(14)["status"], "done");
    assert_eq!(fixture.poll(14)["desired_num_results"], 100);
    assert_eq!(fixture.poll(15)["desired_num_results"], 130);
}

#[test]
fn the_response_to_a_resume_can_be_stale() {
    let mut fixture = Fixture::done(|semantics| semantics.resume_answer_shows = false);
    assert_eq!(fixture.resume(0, 30).unwrap()["status"], "done");
    assert_eq!(fixture.poll(0)["status"], "in_progress");
}

#[test]
fn results_fall_when_done_or_at_polls() {
    let falling = |falls| {
        let mut fixture = Fixture::done(|semantics| {
            semantics.falls = falls;
            semantics.falls_by = 4;
        });
        fixture.resume(0, 30).unwrap();
        fixture
    };
    let mut fixture = falling(Falls::WhenDone);
    let polls = [LONG, LONG + 1].map(|second| fixture.results(second));
    assert_eq!(polls, [126, 126]);
    let mut fixture = falling(Falls::AtLooks);
    let polls = [0, 1, 2, 3].map(|more| fixture.results(LONG + more));
    assert_eq!(polls, [130, 130, 126, 126]);
}

#[test]
fn a_resume_of_zero_is_accepted_and_does_nothing() {
    let mut fixture = Fixture::done(|_| {});
    assert_eq!(fixture.resume(0, 0).unwrap()["status"], "done");
    assert_eq!(fixture.results(LONG), 100);
    assert!(fixture.world.ledger()[0].took_effect);
}

#[test]
fn results_cost_credits_and_without_credits_resumes_are_refused() {
    let mut fixture = Fixture::done(|_| {});
    let semantics = fixture.semantics.clone();
    fixture.resume(0, 30).unwrap();
    let world = &mut fixture.world;
    let mut left = |second, credits| world.credits_left(at(second), &semantics, credits);
    assert_eq!(left(0, Some(50)), 50, "the initial results are free");
    assert_eq!(left(LONG, Some(50)), 20);
    assert_eq!(left(LONG, Some(10)), 0);
    let refused = world.resume(at(LONG), "t", 5, &semantics, Some(10));
    assert_eq!(refused.unwrap_err().0, Refusal::NoCredits);
}

#[test]
fn results_are_as_many_as_counted_best_first_and_of_different_companies() {
    let mut fixture = Fixture::done(|_| {});
    let all = fixture.page(0, 0, 1_000)["results"].clone();
    let all = all.as_array().unwrap();
    assert_eq!(all.len(), 100);
    let relevance = |company: &Value| company["relevance"].as_f64().unwrap();
    assert!(all.is_sorted_by(|a, b| relevance(a) >= relevance(b)));
    let names: HashSet<_> = all
        .iter()
        .map(|company| company["company_name"].as_str().unwrap())
        .collect();
    assert_eq!(names.len(), 100);
    let page = fixture.page(0, 10, 5)["results"].clone();
    assert_eq!(page.as_array().unwrap()[..], all[10..15]);
}

#[test]
fn an_invalid_scenario_is_refused() {
    let mut world = World::new(1, Timestamp::UNIX_EPOCH);
    for (scenario, field) in [
        (scenario(|s| s.fit_rate = Some(1.5)), "fit_rate"),
        (
            scenario(|s| s.rate_per_minute = Some(0.0)),
            "rate_per_minute",
        ),
        (
            scenario(|s| (s.pool, s.results) = (Some(10), Some(11))),
            "pool",
        ),
        (
            scenario(|s| (s.fit_rate, s.results) = (Some(0.0), Some(1))),
            "results",
        ),
        (Scenario::default().with_id(""), "id"),
    ] {
        let refused = world.add(at(0), &scenario, None, &Semantics::default());
        assert!(refused.unwrap_err().starts_with(field), "{field}");
    }
}

#[test]
fn polls_of_thousands_of_tasks_are_fast() {
    let semantics = Semantics::default();
    let mut world = World::new(1, Timestamp::UNIX_EPOCH);
    for _ in 0..5_000 {
        world
            .add(at(0), &Scenario::default(), None, &semantics)
            .unwrap();
    }
    let started = Instant::now();
    world.list(at(LONG), at(LONG), (0, 5_000), &semantics);
    assert!(started.elapsed() < Duration::from_secs(5));
}
