//! The states of a search, a table: what is true of its parts, and what is decided.

use crate::search::builders::{
    Row, account, asked, at, check_rows, company, create, part, search, three_at_most,
};
use growd::core::policy::Policy;
use growd::core::search::decide::{Next, decide};
use growd::core::{State, Status};

#[test]
#[allow(clippy::too_many_lines, reason = "a table")]
fn each_state_of_a_search_has_its_reason_and_its_next_step() {
    let rows: Vec<Row> = vec![
        (
            "reached",
            |s, _, _| s.wanted.target = 5,
            State::Reached,
            "5 of 5 companies",
            "change",
            None,
        ),
        (
            "the target was lowered",
            |s, _, _| (s.wanted.target, s.parts[1].target) = (4, 9),
            State::Reached,
            "5 of 4",
            "change",
            Some(2),
        ),
        (
            "an open create",
            |s, _, _| s.create = Some(create(asked(), None)),
            State::Growing,
            "without an answer",
            "list",
            None,
        ),
        (
            "an open create of a search that has all",
            |s, _, _| (s.create, s.wanted.target) = (Some(create(asked(), None)), 1),
            State::Growing,
            "without an answer",
            "list",
            None,
        ),
        (
            "paused",
            |s, _, _| {
                (s.wanted.paused, s.create, s.progress.state) =
                    (true, Some(create(asked(), None)), State::Stalled);
            },
            State::Stalled,
            "paused",
            "change",
            None,
        ),
        (
            "a paused part",
            |s, _, _| s.parts[1].paused = true,
            State::Growing,
            "part 2 is paused",
            "change",
            None,
        ),
        (
            "at work",
            |s, _, _| (s.parts[1].status, s.parts[1].target) = (Some(Status::InProgress), 2),
            State::Growing,
            "part 2: as polled",
            "change",
            Some(3),
        ),
        (
            "at work on what it was asked for",
            |s, _, p| {
                (p.growth.task_cap, s.parts[1].results) = (20, 5);
                s.parts[1].status = Some(Status::InProgress);
            },
            State::Growing,
            "part 2: as polled",
            "change",
            Some(8),
        ),
        (
            "never polled",
            |s, _, _| s.parts[1].status = None,
            State::Growing,
            "part 2: as polled",
            "change",
            None,
        ),
        (
            "not certain",
            |s, _, _| s.parts[1].is_settled = false,
            State::Growing,
            "part 2: as polled",
            "change",
            None,
        ),
        (
            "unread",
            |s, _, _| s.parts[1].is_read = false,
            State::Growing,
            "the results of part 2 are being read",
            "change",
            None,
        ),
        (
            "unreadable",
            |s, _, _| {
                (s.parts[1].is_read, s.parts[1].results_error) = (false, Some("503".to_owned()));
            },
            State::Growing,
            "part 2 are to be read: 503",
            "change",
            None,
        ),
        (
            "below the cap",
            |s, _, p| (p.growth.task_cap, s.parts[1].results) = (20, 3),
            State::Growing,
            "part 2 grows on",
            "change",
            Some(8),
        ),
        (
            "stalled below the cap",
            |s, _, p| (p.growth.task_cap, s.parts[1].state) = (20, State::Stalled),
            State::Growing,
            "asked for part 3 of 5",
            "create 5",
            None,
        ),
        (
            "refused below the cap",
            |s, _, p| (p.growth.task_cap, s.parts[1].state) = (20, State::Refused),
            State::Growing,
            "asked for part 3 of 5",
            "create 5",
            None,
        ),
        (
            "exhausted",
            |s, _, _| s.parts[1].state = State::Exhausted,
            State::Exhausted,
            "the service has no more, says part 2",
            "change",
            None,
        ),
        (
            "exhausted and unread",
            |s, _, _| (s.parts[1].state, s.parts[1].is_read) = (State::Exhausted, false),
            State::Growing,
            "being read",
            "change",
            None,
        ),
        (
            "failed",
            |s, _, _| (s.parts[1].state, s.parts[1].status) = (State::Failed, Some(Status::Failed)),
            State::Failed,
            "part 2 failed: as polled",
            "change",
            None,
        ),
        (
            "failed at its target",
            |s, _, _| s.parts[1].status = Some(Status::Failed),
            State::Failed,
            "part 2 failed",
            "change",
            None,
        ),
        (
            "missing",
            |s, _, _| s.parts[1].state = State::Missing,
            State::Missing,
            "part 2 is missing: as polled",
            "change",
            None,
        ),
        (
            "barren",
            |s, _, _| s.parts[1].companies = vec![company("a.example")],
            State::Stalled,
            "part 2 brought no company that the search did not have",
            "change",
            None,
        ),
        (
            "barren, and forgiven",
            |s, _, _| {
                (s.parts[1].companies, s.progress.forgiven_part) = (vec![company("a.example")], 2);
            },
            State::Growing,
            "asked for part 3",
            "create 3",
            None,
        ),
        (
            "barren before, and forgiven",
            |s, _, _| {
                (s.parts[1].companies, s.progress.forgiven_part) = (vec![company("a.example")], 1);
            },
            State::Stalled,
            "brought no company",
            "change",
            None,
        ),
    ];
    check_rows(rows);
}

#[test]
fn without_kept_results_a_search_waits() {
    for (parts, state) in [
        (vec![], State::Pending),
        (vec![part(1, &["a.example"])], State::Growing),
    ] {
        let policy = Policy {
            keeps_results: false,
            ..three_at_most()
        };
        let decision = decide(&search(parts), &account(), &policy);
        assert_eq!((decision.state, decision.next), (state, Next::At(at(160))));
        assert!(decision.reason.contains("results.keep is off"));
    }
}
