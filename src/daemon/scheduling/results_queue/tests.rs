//! The results queue without a database: failures, pauses, page sizes, and a new configuration.

use super::*;
use crate::core::policy::{Growth, Polling};

fn policy() -> Policy {
    let day = Duration::from_hours(24);
    Policy {
        growth: Growth {
            chunk: 250,
            task_cap: 250,
            max_stalled: 2,
            max_waste: 250,
            daily_limit: 0,
            monthly_limit: 0,
            reserve_credits: 0,
            exclude_cap: 1_000,
            settle: day,
        },
        polling: Polling {
            min_interval: day,
            max_interval: day,
            quiet_after: day,
            list_page: 0,
        },
        retry: Retry {
            initial: day,
            max: day,
        },
        probe_interval: day,
        keeps_results: true,
    }
}

fn queue() -> ResultsQueue {
    ResultsQueue::new(Results {
        keep: true,
        page: 100,
        live: Duration::ZERO,
    })
}

fn outcome(verdict: PageVerdict) -> PageOutcome {
    PageOutcome {
        reading: None,
        accepted_limit: None,
        verdict,
        is_account_accepted: false,
    }
}

fn finished(queue: &mut ResultsQueue, task: usize, outcome: PageOutcome) {
    let id = format!("t{task}").parse().expect("an id");
    queue.active.insert(TaskId::clone(&id));
    queue.finished(&id, Ok(outcome), &policy());
}

#[test]
fn one_task_that_fails_again_and_again_delays_no_other() {
    let mut queue = queue();
    for _ in 0..100 {
        finished(&mut queue, 0, outcome(PageVerdict::Failed));
    }
    assert!(!queue.is_paused());
    for task in 1..FAILED_MAX {
        finished(&mut queue, task, outcome(PageVerdict::Failed));
    }
    assert!(!queue.is_paused());
    finished(&mut queue, FAILED_MAX, outcome(PageVerdict::Failed));
    assert!(queue.is_paused());
}

#[test]
fn only_a_page_that_was_read_ends_the_failures() {
    let mut queue = queue();
    for task in 0..=FAILED_MAX {
        // A smaller page was asked for first.
        finished(&mut queue, task, outcome(PageVerdict::Open));
        finished(&mut queue, task, outcome(PageVerdict::Failed));
    }
    finished(&mut queue, 0, outcome(PageVerdict::Open));
    assert!(queue.is_paused());
    finished(&mut queue, 0, outcome(PageVerdict::Read));
    assert!(!queue.is_paused());
    finished(&mut queue, 0, outcome(PageVerdict::Failed));
    assert!(!queue.is_paused());
}

#[test]
fn a_page_from_before_a_new_configuration_changes_nothing_of_it() {
    let mut queue = queue();
    let small = || PageOutcome {
        accepted_limit: Some(25),
        ..outcome(PageVerdict::Read)
    };
    finished(&mut queue, 0, small());
    assert_eq!(queue.limit, 25);
    let id: TaskId = "t1".parse().expect("an id");
    queue.active.insert(id.clone());
    queue.reconfigure(Results {
        page: 50,
        ..queue.settings
    });
    // It is in flight: no second reading of it begins.
    assert!(queue.active.contains(&id));
    finished(&mut queue, 1, small());
    assert_eq!(queue.limit, 50);
    assert!(queue.active.is_empty() && queue.given_up.is_empty());
    finished(&mut queue, 1, small());
    assert_eq!(queue.limit, 25);
}

#[test]
fn a_429_pauses_all_readings_for_ever_longer_until_a_page_is_read() {
    let mut queue = queue();
    let asked = Duration::from_mins(10);
    finished(&mut queue, 0, outcome(PageVerdict::RateLimited(asked)));
    let pause = |queue: &ResultsQueue| queue.paused_until.unwrap() - Instant::now();
    assert!(pause(&queue) > Duration::from_mins(9));
    for _ in 0..4 {
        let asked = Duration::ZERO;
        finished(&mut queue, 0, outcome(PageVerdict::RateLimited(asked)));
    }
    assert!(pause(&queue) > Duration::from_mins(15));
    assert!(pause(&queue) < Duration::from_mins(17));
    finished(&mut queue, 0, outcome(PageVerdict::Read));
    assert!(!queue.is_paused());
}
