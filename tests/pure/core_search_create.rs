//! When the next part of a search is created, how large it is, and what it excludes: tables.

use crate::search::builders::{
    Row, asked, at, check_rows, create, id, part, rejected, search, unsent,
};
use growd::core::gate::Admission;
use growd::core::ledger::Transition;
use growd::core::search::Company;
use growd::core::search::create::Create;
use growd::core::search::exclusions::Exclusions;
use growd::core::spending::{Allowance, Credits, Limit};
use growd::core::{State, Status};
use serde_json::json;

#[test]
#[allow(clippy::too_many_lines, reason = "a table")]
fn each_limit_of_a_create_has_its_reason_and_its_next_step() {
    let rows: Vec<Row> = vec![
        (
            "nothing yet",
            |s, _, _| s.parts.clear(),
            State::Growing,
            "0 of 10 companies: asked for part 1 of 3",
            "create 3",
            None,
        ),
        (
            "full",
            |_, _, _| {},
            State::Growing,
            "5 of 10 companies: asked for part 3 of 3",
            "create 3",
            None,
        ),
        (
            "less is missing",
            |s, _, _| s.wanted.target = 6,
            State::Growing,
            "asked for part 3 of 1",
            "create 1",
            None,
        ),
        (
            "a budget",
            |s, _, _| s.wanted.budget = Some(s.requested + 2),
            State::Growing,
            "part 3 of 2",
            "create 2",
            None,
        ),
        (
            "a daily limit",
            |_, a, _| a.allowance.left = Some(1),
            State::Growing,
            "part 3 of 1",
            "create 1",
            None,
        ),
        (
            "the budget is used up",
            |s, _, _| s.wanted.budget = Some(s.requested),
            State::Stalled,
            "its budget (6) is used up by 6 requested results",
            "change",
            None,
        ),
        (
            "the budget is used up below the cap",
            |s, _, p| (p.growth.task_cap, s.wanted.budget) = (20, Some(5)),
            State::Stalled,
            "is used up",
            "change",
            None,
        ),
        (
            "too many domains",
            |_, _, p| p.growth.exclude_cap = 4,
            State::Capped,
            "exclude 5 domains; growth.exclude_cap is 4",
            "change",
            None,
        ),
        (
            "refused",
            |s, _, _| s.create = Some(create(asked(), Some(&rejected(422)))),
            State::Refused,
            "the service refused part 2: 422: no",
            "change",
            None,
        ),
        (
            "refused, and forgiven",
            |s, _, _| {
                (s.create, s.progress.forgiven) = (Some(create(asked(), Some(&rejected(422)))), 1);
            },
            State::Growing,
            "asked for part 3",
            "create 3",
            None,
        ),
        (
            "refused, and reached",
            |s, _, _| {
                (s.create, s.wanted.target) = (Some(create(asked(), Some(&rejected(422)))), 5);
            },
            State::Reached,
            "5 of 5",
            "change",
            None,
        ),
        (
            "a task of another search",
            |s, _, _| {
                s.create = Some(Create {
                    task: Some(id("other")),
                    ..create(asked(), Some(&Transition::Proven))
                });
            },
            State::Refused,
            "with task other, which is not a part",
            "change",
            None,
        ),
        (
            "the gate",
            |_, a, _| (a.admission, a.gate_reason) = (Admission::Wait(at(130)), "pay"),
            State::Growing,
            "the account is refused: pay",
            "130",
            None,
        ),
        (
            "the limit",
            |_, a, _| {
                a.allowance = Allowance {
                    left: Some(0),
                    frees_at: Some(at(140)),
                    limit: Limit::Daily,
                };
            },
            State::Growing,
            "growth.daily_limit",
            "140",
            None,
        ),
        (
            "credits unknown",
            |_, a, _| a.credits = Credits::Unknown,
            State::Growing,
            "asking for the account's credits",
            "credits",
            None,
        ),
        (
            "credits short",
            |_, a, _| {
                a.credits = Credits::Short {
                    available: Some(1),
                    ask_again_at: at(150),
                };
            },
            State::Growing,
            "the account has 1 credits",
            "150",
            None,
        ),
        (
            "stopping",
            |_, a, _| a.draining = true,
            State::Growing,
            "the daemon is stopping",
            "100",
            None,
        ),
        (
            "lost once",
            |s, a, _| {
                (s.create, s.failures, a.now) =
                    (Some(create(asked(), Some(&Transition::Lost))), 1, at(59));
            },
            State::Growing,
            "waiting longer each time",
            "60",
            None,
        ),
        (
            "lost twice",
            |s, _, _| (s.create, s.failures) = (Some(create(asked(), Some(&Transition::Lost))), 2),
            State::Growing,
            "waiting longer each time",
            "120",
            None,
        ),
        (
            "lost twice, long ago",
            |s, a, _| {
                (s.create, s.failures, a.now) =
                    (Some(create(asked(), Some(&Transition::Lost))), 2, at(120));
            },
            State::Growing,
            "asked for part 3",
            "create 3",
            None,
        ),
        (
            "not sent",
            |s, a, _| {
                (s.create, s.failures, a.now) = (Some(create(asked(), Some(&unsent()))), 3, at(51));
            },
            State::Growing,
            "waiting longer each time",
            "58",
            None,
        ),
    ];
    check_rows(rows);
}

#[test]
fn done_parts_are_named_and_the_domains_of_the_others() {
    let mut wanted = search(vec![
        part(1, &["a.example", "b.example"]),
        part(2, &["c.example", "d.example"]),
        part(3, &["e.example"]),
        part(4, &["f.example", "a.example"]),
    ]);
    wanted.wanted.exclude_domains = vec![
        "https://www.X.example/about".to_owned(),
        "x.example".to_owned(),
        " Printer.local ".to_owned(),
        "d.example".to_owned(),
    ];
    wanted.wanted.criteria = Some(json!([{"key": "fit"}]));
    wanted.wanted.data_sources = Some(json!(["maps"]));
    wanted.parts[1].status = Some(Status::Failed);
    wanted.parts[2].state = State::Missing;
    wanted.parts[3].companies.push(Company {
        key: "nSome name".to_owned(),
        domain: None,
    });
    let exclusions = Exclusions::of(&wanted);
    assert_eq!(exclusions.tasks, [id("task-1"), id("task-4")]);
    assert_eq!(
        exclusions.domains,
        [
            "x.example",
            "printer.local",
            "d.example",
            "c.example",
            "e.example"
        ]
    );
    assert_eq!(exclusions.count, 8);
    let body = exclusions.body(&wanted, 7);
    assert_eq!(
        body,
        json!({
            "query": "makers of the thing", "desired_num_results": 7, "criteria": [{"key": "fit"}],
            "auto_data_sources": false, "data_sources": ["maps"],
            "exclude_domains": ["x.example", "printer.local", "d.example", "c.example", "e.example"],
            "exclude_task_ids": ["task-1", "task-4"],
        })
    );
    // What is not set is left to the service.
    let first = search(Vec::new());
    let body = Exclusions::of(&first).body(&first, 3);
    assert_eq!(body, asked());
}

#[test]
fn too_many_exclusions_are_told() {
    let few = Exclusions::of(&search(vec![part(1, &["a.example", "b.example"])]));
    assert_eq!(few.excess(2), None);
    assert!(few.excess(1).is_some_and(|why| why.contains("2 domains")));
    let parts = |number| {
        (1..=number)
            .map(|number| part(number, &["a.example"]))
            .collect()
    };
    assert_eq!(Exclusions::of(&search(parts(100))).excess(1_000), None);
    let many = Exclusions::of(&search(parts(101))).excess(1_000);
    assert!(many.is_some_and(|why| why.contains("101 tasks; the service allows 100")));
}
