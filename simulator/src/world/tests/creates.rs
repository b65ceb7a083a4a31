//! Creates of clients: the ledger, refusals, and what the switches do to the new tasks.

use std::{collections::HashSet, time::Duration};

use proptest::prelude::*;
use serde_json::Value;

use super::{Client, CreateRefusal, CreateRequest, LONG, Now, Refusal, at, number};
use crate::{
    options::{Creates, Excess, Scenario},
    world::{domains::MAX_EXCLUDED_DOMAINS, task_input::TaskInput},
};

fn request(desired: u32) -> CreateRequest {
    CreateRequest {
        desired,
        input: TaskInput::from_query("q"),
        exclude_task_ids: Vec::new(),
    }
}

fn id(task: &Value) -> String {
    task["id"].as_str().unwrap().to_owned()
}

proptest! {
    #[test]
    fn the_ledger_counts_each_effect_once(
        requests in proptest::collection::vec((1..400u32, 0..3usize, any::<bool>(), 0..300u64), 1..20),
        credits in proptest::option::of(0..500u64), refused in any::<bool>(),
    ) {
        let mut client = Client::new(400);
        if refused {
            client.semantics.cap_excess = Excess::Refused;
            client.semantics.exclusions_excess = Excess::Refused;
        }
        let mut now = 0;
        let mut ids: Vec<String> = Vec::new();
        let mut expected = Vec::new();
        for (desired, excluded, colleague, wait) in requests {
            now += wait;
            let mut request = request(desired);
            request.exclude_task_ids = ids.iter().rev().take(excluded).cloned().collect();
            let before = client.world.len();
            if colleague {
                let scenario = Scenario::default();
                let semantics = &client.semantics;
                client.world.colleague_creates(at(now), request.clone(), &scenario, semantics);
            } else if let Ok(task) = client.request(now, request.clone(), credits) {
                prop_assert_eq!(client.poll(now, &id(&task)), Some(task));
            }
            let entry = client.world.creates().last().unwrap().clone();
            prop_assert_eq!(client.world.len() - before, usize::from(entry.took_effect));
            prop_assert_eq!(entry.by_colleague, colleague);
            prop_assert_eq!(entry.desired, desired);
            prop_assert_eq!(&entry.exclude_task_ids, &request.exclude_task_ids);
            prop_assert_eq!(entry.took_effect, entry.task_id.is_some());
            ids.extend(entry.task_id.clone());
            expected.push(entry);
        }
        prop_assert_eq!(client.world.creates(), expected);
        let different: HashSet<&String> = ids.iter().collect();
        prop_assert_eq!(different.len(), client.world.len());
    }
}

impl Client {
    fn poll(&mut self, second: u64, id: &str) -> Option<Value> {
        self.poll_at(at(second), id)
    }

    fn poll_at(&mut self, now: Now, id: &str) -> Option<Value> {
        self.world.poll(now, id, &self.semantics)
    }

    fn listed(&mut self, second: u64) -> Vec<String> {
        let now = at(second);
        let list = self.world.list(now, now, (0, 1_000), &self.semantics);
        list.as_array().unwrap().iter().map(id).collect()
    }
}

#[test]
fn exclusions_of_domains_and_tasks_are_capped_together_or_refused() {
    let mut client = Client::new(2_000);
    let mut parts: Vec<String> = Vec::new();
    for part in 0..4 {
        let mut next = request(250);
        next.exclude_task_ids.clone_from(&parts);
        let task = client.request(part * LONG, next, None).unwrap();
        assert_eq!(
            task["exclude_domains"].as_array().unwrap().len(),
            250 * parts.len()
        );
        parts.push(id(&task));
    }
    let mut more = request(250);
    more.exclude_task_ids = parts;
    let full = client.request(4 * LONG, more.clone(), None).unwrap();
    let domains = full["exclude_domains"].as_array().unwrap();
    assert_eq!(domains.len(), MAX_EXCLUDED_DOMAINS);
    let different: HashSet<String> = domains.iter().map(Value::to_string).collect();
    assert_eq!(different.len(), MAX_EXCLUDED_DOMAINS);

    more.input.exclude_domains = vec!["one-more.example".to_owned()];
    let clamped = client.request(4 * LONG, more.clone(), None).unwrap();
    let clamped = clamped["exclude_domains"].as_array().unwrap();
    assert_eq!(
        (clamped.len(), &clamped[0]),
        (1_000, &"one-more.example".into())
    );
    client.semantics.exclusions_excess = Excess::Refused;
    let refused = client.request(4 * LONG, more, None);
    assert_eq!(refused, Err(CreateRefusal::TooManyExclusions));
}

#[test]
fn a_task_that_is_not_done_cannot_be_excluded() {
    let mut client = Client::new(100);
    client.semantics.create_fails_percent = 100;
    let failed = id(&client.request(0, request(50), None).unwrap());
    client.semantics.create_fails_percent = 0;
    let running = id(&client.request(LONG, request(50), None).unwrap());
    assert_eq!(client.poll(LONG, &failed).unwrap()["status"], "failed");
    for id in [failed, running, "none".to_owned()] {
        let mut next = request(10);
        next.exclude_task_ids = vec![id.clone()];
        let refused = client.request(LONG, next, None);
        assert_eq!(refused, Err(CreateRefusal::NotDone { id }));
    }
}

#[test]
fn the_list_and_polls_can_lack_a_new_task_for_a_while() {
    let mut client = Client::new(100);
    let old = client.create(0, "q", 10, Vec::new());
    client.semantics.create_delay_ms = 5_000;
    client.semantics.create_get_delay_ms = 3_000;
    let new = id(&client.request(100, request(10), None).unwrap());
    assert_eq!(client.poll(102, &new), None);
    let early = (at(102), client.semantics.clone());
    let page = client
        .world
        .results(early.0, early.0, &new, (0, 10), &early.1);
    assert_eq!(page, None);
    let resumed = client.world.resume(early.0, &new, 5, &early.1, None);
    assert_eq!(resumed, Err((Refusal::NotFound, None)));
    assert!(client.poll(103, &new).is_some());
    assert_eq!(client.listed(104), [old.as_str()]);
    assert_eq!(client.listed(105), [new.as_str(), old.as_str()]);
    // The delays are in real time, and add to the age of the list.
    client.semantics.list_lag_ms = 2_000;
    assert_eq!(client.listed(106), [old.as_str()]);
    assert_eq!(client.listed(107).len(), 2);
    let hours_later = Now {
        time: Duration::from_hours(9),
        ..at(102)
    };
    assert_eq!(client.poll_at(hours_later, &new), None);
}

#[test]
fn created_tasks_can_fail_or_be_exhausted_at_a_rate_by_their_number() {
    let ends = |fails, exhausts| {
        let mut client = Client::new(1_000);
        client.semantics.create_fails_percent = fails;
        client.semantics.create_exhausts_percent = exhausts;
        let create = |_| {
            let created = id(&client.request(0, request(50), None).unwrap());
            let task = client.poll(LONG, &created).unwrap();
            let results = number(&task, "num_results");
            let failed = task["status"] == "failed";
            let exhausted = task["is_exhausted"] == true;
            if failed || exhausted {
                assert!(
                    (10..=40).contains(&results) && results.is_multiple_of(10),
                    "{task}"
                );
            } else {
                assert_eq!(results, 50);
            }
            (failed, exhausted)
        };
        (0..300).map(create).collect::<Vec<_>>()
    };
    let count = |ends: &[(bool, bool)], end| ends.iter().filter(|one| **one == end).count();
    let (failed, exhausted) = ((true, false), (false, true));
    assert_eq!(count(&ends(0, 0), (false, false)), 300);
    assert_eq!(count(&ends(100, 0), failed), 300);
    assert_eq!(count(&ends(0, 100), exhausted), 300);
    let mixed = ends(20, 30);
    assert!((30..90).contains(&count(&mixed, failed)));
    assert!((60..120).contains(&count(&mixed, exhausted)));
    assert_eq!(mixed, ends(20, 30), "by the seed");
}

#[test]
fn a_scenario_can_say_with_how_many_results_a_task_is_exhausted() {
    let mut client = Client::new(1_000);
    let scenario = |results| Scenario {
        exhausted_at: Some(30),
        // Otherwise a task with 20 results has discovered all candidates.
        backlog: Some(0),
        ..Scenario::done(results)
    };
    let semantics = &client.semantics;
    let world = &mut client.world;
    let task = world.add(at(0), &scenario(20), None, semantics).unwrap();
    world.resume(at(0), &task, 100, semantics, None).unwrap();
    let refused = world.add(at(0), &scenario(31), None, semantics);
    assert!(refused.unwrap_err().contains("exhausted_at"));
    let task = client.poll(LONG, &task).unwrap();
    assert_eq!(
        (&task["num_results"], &task["is_exhausted"]),
        (&30.into(), &true.into())
    );
}

#[test]
fn a_create_beyond_the_cap_is_clamped_or_refused() {
    let mut client = Client::new(500);
    client.semantics.cap = 40;
    let task = client.request(0, request(100), None).unwrap();
    assert_eq!(task["desired_num_results"], 40);
    assert_eq!(client.poll(LONG, &id(&task)).unwrap()["num_results"], 40);
    assert_eq!(client.world.creates()[0].desired, 100, "as requested");
    client.semantics.cap_excess = Excess::Refused;
    let refused = client.request(0, request(41), None);
    assert_eq!(refused, Err(CreateRefusal::OverCap { cap: 40 }));
    client.request(0, request(40), None).unwrap();
}

#[test]
fn a_plan_without_creates_still_has_polls_and_resumes() {
    let mut client = Client::new(500);
    let task = id(&client.request(0, request(10), None).unwrap());
    for creates in [Creates::PaymentRequired, Creates::Forbidden] {
        client.semantics.creates = creates;
        let refused = client.request(LONG, request(10), None);
        assert_eq!(refused, Err(CreateRefusal::Plan));
    }
    assert_eq!(client.poll(LONG, &task).unwrap()["status"], "done");
    let semantics = &client.semantics;
    client
        .world
        .resume(at(LONG), &task, 5, semantics, None)
        .unwrap();
    assert_eq!(client.world.len(), 1);
}

#[test]
fn results_of_created_tasks_cost_credits_until_creates_are_refused() {
    let mut client = Client::new(500);
    let credits = Some(120);
    let left = |client: &mut Client, now| {
        let semantics = &client.semantics;
        client.world.credits_left(at(now), semantics, credits)
    };
    client.request(0, request(50), credits).unwrap();
    assert_eq!(left(&mut client, 0), 120, "nothing is delivered yet");
    assert_eq!(left(&mut client, LONG), 70);
    client.request(LONG, request(70), credits).unwrap();
    assert_eq!(left(&mut client, 2 * LONG), 0);
    let refused = client.request(2 * LONG, request(1), credits);
    assert_eq!(refused, Err(CreateRefusal::NoCredits));
}
