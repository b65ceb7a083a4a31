//! What the answer to a create, or a reading of the list, does to a search.

use crate::search::builders::{asked, at, create, id, part, search, three_at_most};
use growd::core::ledger::Transition;
use growd::core::search::Search;
use growd::core::search::answered::{CreateAnswer, create_answered, list_failed, list_read};
use growd::core::search::create::Create;
use growd::core::search::settle::Verdict;
use growd::core::{Failure, RetryAfter, State, TaskId};
use jiff::Timestamp;

fn open(since: Option<i64>, doubts: i64) -> Verdict {
    Verdict::Open {
        absent_since: since.map(at),
        doubts,
    }
}

fn answer(task: &str) -> CreateAnswer {
    CreateAnswer {
        create_id: 1,
        started_at: at(0),
        answered_at: at(90),
        http_status: Some(200),
        outcome: Ok(id(task)),
    }
}

/// A part that is added: its task, its number and its target.
type AddedPart = (TaskId, i64, i64);

/// Returns the part, its number and its target that an answer leads to, and the target of the part before.
fn answered(
    search: &Search,
    create: &Create,
    task: &str,
) -> (Option<AddedPart>, Option<(TaskId, i64)>) {
    let step =
        create_answered(search, create, &answer(task), &three_at_most()).expect("a transition");
    assert_eq!(
        (step.progress.state, step.progress.next_at),
        (State::Growing, Some(at(90)))
    );
    let part = step.part.map(|part| (part.task, part.part, part.target));
    (part, step.part_target)
}

#[test]
fn the_task_of_a_create_becomes_the_next_part_and_the_one_before_has_its_target() {
    let mut search = search(vec![part(1, &["a.example", "b.example"])]);
    search.progress.state = State::Growing;
    let sent = create(asked(), None);
    assert_eq!(
        answered(&search, &sent, "new"),
        (Some((id("new"), 2, 3)), None)
    );
    // The part before stalled below its target: it must not go on when it is polled again.
    search.parts[0].target = 3;
    let lowered = Some((id("task-1"), 2));
    assert_eq!(
        answered(&search, &sent, "new"),
        (Some((id("new"), 2, 3)), lowered)
    );
    search.parts[0].results = 0;
    assert_eq!(answered(&search, &sent, "new").1, Some((id("task-1"), 1)));
}

#[test]
fn a_task_that_arrives_after_its_create_was_lost_is_a_part_all_the_same() {
    let mut search = search(vec![part(1, &["a.example"]), part(2, &["b.example"])]);
    search.progress.state = State::Growing;
    let lost = create(asked(), Some(&Transition::Lost));
    assert_eq!(
        answered(&search, &lost, "late"),
        (Some((id("late"), 3, 3)), None)
    );
    // The list has shown it already, and it was taken for the task of the next create.
    assert_eq!(answered(&search, &lost, "task-2"), (None, None));
    // An answer that is known is refused.
    let known = create(asked(), Some(&Transition::Proven));
    assert!(create_answered(&search, &known, &answer("late"), &three_at_most()).is_err());
}

#[test]
fn an_open_create_is_looked_for_at_growing_intervals_and_at_its_deadline() {
    let search = search(Vec::new());
    let sent = create(asked(), None);
    let next = |now: i64, since: Option<i64>| -> Timestamp {
        let step = list_read(&search, &sent, &open(since, 2), &three_at_most(), at(now))
            .expect("it is open");
        let row = step.create.expect("a row");
        assert_eq!((row.absent_since, row.doubts), (since.map(at), 2));
        step.progress.next_at.expect("it is due")
    };
    assert_eq!(next(1, None), at(6));
    assert_eq!(next(20, Some(1)), at(30));
    assert_eq!(next(50, Some(1)), at(61));
    assert_eq!(next(60, Some(1)), at(65));
    assert_eq!(next(600, Some(590)), at(650));
}

#[test]
fn a_list_that_cannot_be_read_is_asked_for_again_ever_more_rarely() {
    let search = search(Vec::new());
    let sent = create(asked(), None);
    let detail = || "no route".to_owned();
    let after = |failure: Failure, now: i64| {
        let step = list_failed(&search, &sent, &failure, &three_at_most(), at(now));
        assert_eq!((step.progress.state, step.create), (State::Growing, None));
        let reason = step.progress.reason.expect("a reason");
        assert!(
            reason.contains("part 2 was asked for") && reason.contains("no route"),
            "{reason}"
        );
        step.progress.next_at.expect("it is due")
    };
    let next = |now| after(Failure::NotConnected { detail: detail() }, now);
    assert_eq!(next(1), at(6));
    assert_eq!(next(40), at(60));
    assert_eq!(next(1_000), at(1_060));
    // A refusal of the list may concern one request only, and a paid task may wait in it.
    for failure in [
        Failure::Refused {
            status: 400,
            detail: detail(),
        },
        Failure::NotFound {
            status: 404,
            detail: detail(),
        },
    ] {
        assert_eq!(after(failure, 1), at(6));
    }
    // `Retry-After` can only make it later.
    for (seconds, expected) in [
        (None, 6),
        (Some(2), 6),
        (Some(90), 91),
        (Some(u64::MAX), 86_401),
    ] {
        let retry_after = seconds.map(RetryAfter::Seconds);
        let limited = Failure::RateLimited {
            detail: detail(),
            retry_after,
        };
        assert_eq!(after(limited, 1), at(expected));
        let unavailable = Failure::Unanswered {
            status: Some(503),
            detail: detail(),
            retry_after,
        };
        assert_eq!(after(unavailable, 1), at(expected));
    }
}
