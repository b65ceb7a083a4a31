//! Searches, parts, creates and entries of the list, for tables of cases.

use super::driver::new_progress;
use super::strategies::policy;
use growd::core::gate::Admission;
use growd::core::ledger::Transition;
use growd::core::policy::Policy;
use growd::core::search::create::Create;
use growd::core::search::decide::{Next, decide};
use growd::core::search::settle::ListedTask;
use growd::core::search::{Company, Part, Search, Wanted};
use growd::core::spending::{Account, Allowance, Credits};
use growd::core::{Failure, State, Status, TaskId};
use jiff::Timestamp;
use serde_json::{Value, json};

pub fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).expect("a time")
}

pub fn id(text: &str) -> TaskId {
    text.parse().expect("an id")
}

pub fn company(domain: &str) -> Company {
    Company {
        key: format!("d{domain}"),
        domain: Some(domain.to_owned()),
    }
}

/// A part that has reached its target with these companies, and was read.
pub fn part(number: i64, domains: &[&str]) -> Part {
    let results = i64::try_from(domains.len()).expect("few");
    Part {
        task: id(&format!("task-{number}")),
        number,
        target: results,
        paused: false,
        state: State::Reached,
        reason: Some("as polled".to_owned()),
        status: Some(Status::Done),
        is_settled: true,
        results,
        results_at_reading: results,
        is_read: true,
        results_error: None,
        companies: domains.iter().map(|domain| company(domain)).collect(),
    }
}

/// A search for ten companies; a task has three at most.
pub fn search(parts: Vec<Part>) -> Search {
    Search {
        name: "a-search".to_owned(),
        wanted: Wanted {
            query: "makers of the thing".to_owned(),
            target: 10,
            criteria: None,
            data_sources: None,
            exclude_domains: Vec::new(),
            chunk: None,
            budget: None,
            paused: false,
        },
        progress: new_progress(at(0)),
        requested: parts.iter().map(|part| part.results).sum(),
        parts,
        create: None,
        failures: 0,
    }
}

pub fn three_at_most() -> Policy {
    policy(3, 0, 1_000)
}

pub fn account() -> Account<'static> {
    Account {
        admission: Admission::Free,
        gate_reason: "",
        allowance: Allowance::UNLIMITED,
        credits: Credits::Off,
        reachable_since: Timestamp::MIN,
        draining: false,
        now: at(100),
        next_id: 1,
    }
}

/// A create of part 2 that was sent at 0, and the row after this.
pub fn create(body: Value, transition: Option<&Transition>) -> Create {
    let create = Create::intended(
        1,
        body["desired_num_results"].as_i64().expect("a number"),
        2,
        body,
        at(0),
    );
    transition.map_or(create.clone(), |transition| {
        create
            .apply(transition, None, at(50))
            .expect("a transition")
            .0
    })
}

pub fn asked() -> Value {
    json!({"query": "makers of the thing", "desired_num_results": 3})
}

pub fn listed(id_text: &str) -> ListedTask {
    ListedTask {
        id: id(id_text),
        created_at: Some(at(0)),
        query: Some("makers of the thing".to_owned()),
        desired: Some(3),
        criteria: None,
        exclude_domains: None,
    }
}

pub fn rejected(status: u16) -> Transition {
    Transition::Rejected(Failure::Refused {
        status,
        detail: "no".to_owned(),
    })
}

pub fn unsent() -> Transition {
    Transition::Unsent(Failure::NotConnected {
        detail: "no".to_owned(),
    })
}

/// A case of the table: its name, what it changes, the state, a part of the reason, the next step, the part's new target.
pub type Row = (
    &'static str,
    fn(&mut Search, &mut Account<'_>, &mut Policy),
    State,
    &'static str,
    &'static str,
    Option<i64>,
);

/// Checks each case with two parts of three results: five different companies of ten.
pub fn check_rows(rows: Vec<Row>) {
    for (name, change, state, reason, next, part_target) in rows {
        let mut search = search(vec![
            part(1, &["a.example", "b.example", "c.example"]),
            part(2, &["d.example", "e.example"]),
        ]);
        // The second part delivered a company twice.
        (
            search.parts[1].results,
            search.parts[1].results_at_reading,
            search.parts[1].target,
        ) = (3, 3, 3);
        search.requested = 6;
        let (mut account, mut policy) = (account(), three_at_most());
        change(&mut search, &mut account, &mut policy);
        let decision = decide(&search, &account, &policy);
        let step = match &decision.next {
            Next::Create(desired, _) => format!("create {desired}"),
            Next::ReadList => "list".to_owned(),
            Next::AskCredits => "credits".to_owned(),
            Next::At(time) => (time.as_second() - at(0).as_second()).to_string(),
            Next::Change => "change".to_owned(),
        };
        assert_eq!(
            (decision.state, step.as_str(), decision.part_target),
            (state, next, part_target),
            "{name}: {decision:?}"
        );
        assert!(
            decision.reason.contains(reason),
            "{name}: {}",
            decision.reason
        );
    }
}
