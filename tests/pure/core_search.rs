//! The rule for searches against randomly drawn behaviours of the service, in virtual time.

use crate::cases::for_each;
use crate::driver::service_model::CapCounts;
use crate::search::driver::Driver;
use crate::search::model::{Order, count};
use crate::search::strategies::{
    action, any_fault, market, passing, scenario, scenario_of, seconds, semantics,
};
use crate::search::{Action, CreateFault, Differs};
use growd::core::paid_request::RequestState;
use growd::core::search::EXCLUDED_TASKS_MAX;
use growd::core::search::settle::DOUBTS_MAX;
use growd::core::{State, Status};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// Returns how many tasks each part was paid for.
fn tasks_of_parts(end: &Driver) -> BTreeMap<i64, usize> {
    let mut tasks = BTreeMap::new();
    for (part, _) in &end.effects {
        *tasks.entry(*part).or_default() += 1;
    }
    tasks
}

/// Returns the different companies that the parts show at the end, and the sum of their results.
fn found(end: &Driver) -> (i64, i64) {
    let shown: Vec<Vec<usize>> = end
        .parts
        .iter()
        .map(|row| end.service.shown(&row.part.task, end.now))
        .collect();
    let keys: BTreeSet<String> = shown
        .iter()
        .flatten()
        .map(|found| end.service.key(*found))
        .collect();
    (count(keys.len()), count(shown.iter().map(Vec::len).sum()))
}

/// The driver checks each create against the parts: the newest has ended, cannot grow and is read, no create is open, nothing
/// is paused, and the amount is within the target, the cap, the budget and the daily limit.
#[test]
fn a_part_is_created_only_when_the_newest_is_full_and_read_and_never_too_large() {
    for_each(150, &scenario(), |scenario| {
        Driver::run(&scenario).map(|_| ())
    });
}

/// No part is paid for twice, whichever answers are lost and wherever the process crashes, as long as the list shows a task
/// within the settling time.
#[test]
fn no_create_takes_effect_twice_while_the_list_shows_it_within_the_settling_time() {
    let scenarios = scenario_of(semantics(), passing(), action());
    for_each(150, &scenarios, |scenario| {
        let end = Driver::run(&scenario)?;
        for (part, tasks) in tasks_of_parts(&end) {
            prop_assert_eq!(tasks, 1, "part {}: {:?}", part, end.creates);
        }
        Ok(())
    });
}

/// A task that the list shows too late, or never, may be created again. Each repetition is in the ledger as lost.
#[test]
fn each_repeated_create_stands_in_the_ledger_as_lost() {
    let late = prop_oneof![seconds(61..=400).prop_map(Some), Just(None)];
    let semantics = (semantics(), late).prop_map(|(mut semantics, late)| {
        semantics.shows_after = late;
        semantics
    });
    for_each(
        150,
        &scenario_of(semantics, any_fault(), action()),
        |scenario| {
            let end = Driver::run(&scenario)?;
            for (part, tasks) in tasks_of_parts(&end) {
                let lost = end
                    .creates
                    .iter()
                    .filter(|row| row.part == part && row.request.state == RequestState::Lost);
                prop_assert!(
                    tasks <= 1 + lost.count(),
                    "part {}: {:?}",
                    part,
                    end.creates
                );
            }
            Ok(())
        },
    );
}

/// An answer that comes after its create was taken for lost is not refused: its task is a part, though another was created
/// meanwhile.
#[test]
fn a_task_whose_answer_comes_after_its_create_was_lost_becomes_a_part() {
    let never = semantics().prop_map(|mut semantics| {
        semantics.shows_after = None;
        semantics
    });
    let late = prop_oneof![
        (61_u64..=400).prop_map(CreateFault::Late),
        Just(CreateFault::Fine)
    ];
    let acts = scenario_of(never, late, action());
    for_each(100, &acts, |mut scenario| {
        scenario.concurrent = true;
        // A colleague's task can be taken for it before it is answered.
        scenario.colleagues.clear();
        // A crash forgets the answers that are still to come.
        scenario.list_faults.clear();
        let end = Driver::run(&scenario)?;
        for (_, task) in &end.effects {
            let is_part = end.parts.iter().any(|row| row.part.task == *task);
            prop_assert!(is_part, "{}: {:?}", task, end.creates);
        }
        Ok(())
    });
}

/// Whatever the service does, the search ends by itself, in a state of the table with its reason, and with no create open.
/// A create is settled after so many readings of the list.
#[test]
fn every_run_ends_in_a_state_of_the_table_with_no_create_left_open() {
    let gone = prop_oneof![20 => action(), 1 => Just(Action::Gone)];
    for_each(
        200,
        &scenario_of(semantics(), any_fault(), gone),
        |scenario| {
            let end = Driver::run(&scenario)?;
            check_end(&end)
        },
    );
}

/// The same for a list in a new order at each request, whose pages never join up.
#[test]
fn a_create_is_settled_even_if_the_pages_of_the_list_never_join_up() {
    let shuffled = semantics().prop_map(|mut semantics| {
        semantics.order = Order::Shuffled;
        semantics
    });
    for_each(
        100,
        &scenario_of(shuffled, passing(), action()),
        |mut scenario| {
            // Enough that pages join up by chance only once in a while.
            scenario
                .strangers
                .extend((0..60).map(|i| (-i, None, false)));
            let end = Driver::run(&scenario)?;
            for (part, tasks) in tasks_of_parts(&end) {
                prop_assert_eq!(tasks, 1, "part {}: {:?}", part, end.creates);
            }
            check_end(&end)
        },
    );
}

fn check_end(end: &Driver) -> Result<(), TestCaseError> {
    // Readings at growing intervals until the settling time is over; those whose pages do not join up; and the last one.
    let most = 10 + usize::try_from(DOUBTS_MAX).expect("few") + 1;
    for (row, readings) in end.creates.iter().zip(&end.readings) {
        prop_assert!(!row.is_open());
        prop_assert!(*readings <= most, "{} readings: {:?}", readings, row);
    }
    let search = end.search();
    let newest = end.parts.last().map(|row| &row.part);
    let seen = newest.and_then(|part| end.service.get(&part.task, end.now));
    let companies = search.companies();
    let earlier: BTreeSet<&str> = search
        .parts
        .iter()
        .rev()
        .skip(1)
        .flat_map(|part| &part.companies)
        .map(|found| found.key.as_str())
        .collect();
    let is_barren = newest.is_some_and(|part| {
        part.companies
            .iter()
            .all(|found| earlier.contains(found.key.as_str()))
    });
    let domains: BTreeSet<&String> = search
        .parts
        .iter()
        .flat_map(|part| &part.companies)
        .filter_map(|found| found.domain.as_ref())
        .chain(&search.wanted.exclude_domains)
        .collect();
    let state = end.progress.state;
    let holds = match state {
        State::Reached => companies >= search.wanted.target,
        State::Exhausted => {
            seen.is_some_and(|seen| seen.is_exhausted && seen.status == Status::Done)
        }
        State::Capped => {
            count(domains.len()) > end.scenario.policy.growth.exclude_cap
                || end.parts.len() > EXCLUDED_TASKS_MAX
        }
        State::Stalled => is_barren || search.budget_left() == Some(0),
        State::Refused => end.creates.last().is_some_and(|row| row.request.refusal),
        State::Failed => seen.is_some_and(|seen| seen.status == Status::Failed),
        State::Missing => seen.is_none(),
        State::Pending | State::Growing => false,
    };
    prop_assert!(holds, "state {} does not hold: {:?}", state, end.progress);
    prop_assert!(state == State::Reached || companies < search.wanted.target);
    prop_assert_eq!(end.progress.results, companies);
    prop_assert_eq!(end.progress.parts, count(end.parts.len()));
    prop_assert_eq!(end.progress.requested, end.requested());
    Ok(())
}

/// No passing fault keeps a search from its target, if the market has enough companies with a domain, the exclusions fit, and
/// no task fails.
#[test]
fn the_target_is_reached_whenever_the_market_and_the_exclusions_allow() {
    let able = (semantics(), market()).prop_map(|(mut semantics, market)| {
        semantics.market = market;
        semantics.ignores_exclusions = false;
        semantics.failing = None;
        semantics
    });
    for_each(
        200,
        &scenario_of(able, passing(), Just(Action::Nothing)),
        |mut scenario| {
            let market: BTreeSet<_> = scenario.semantics.market.iter().flatten().collect();
            scenario.wanted.target = scenario.wanted.target.min(count(market.len()));
            scenario.wanted.exclude_domains.clear();
            scenario.wanted.budget = None;
            scenario.policy.growth.exclude_cap = 1_000;
            // What a colleague's task found can be what the search has already.
            scenario.colleagues.clear();
            let end = Driver::run(&scenario)?;
            prop_assert_eq!(end.progress.state, State::Reached, "{:?}", end.progress);
            Ok(())
        },
    );
}

/// In sum growd asks for the target, for each result that was not a new company, and for what was asked for and did not come;
/// never for more than the budget, which the driver checks at each request.
#[test]
fn what_is_asked_for_is_the_target_and_what_duplicates_and_shortfalls_cost() {
    for_each(150, &scenario(), |scenario| {
        let end = Driver::run(&scenario)?;
        let (companies, results) = found(&end);
        let duplicates = results - companies;
        let not_brought = end.requested() - results;
        let most = end.target_max + duplicates + not_brought;
        prop_assert!(
            end.requested() <= most,
            "{} of {}: {:?}",
            end.requested(),
            most,
            end.creates
        );
        prop_assert!(end.requested() <= scenario.wanted.budget.unwrap_or(i64::MAX));
        Ok(())
    });
}

/// Even if the operator retries an earlier part: the driver refuses each resume of a part that is not the newest.
#[test]
fn earlier_parts_never_grow_again() {
    let retried = prop_oneof![1 => Just(Action::Nothing), 1 => Just(Action::EarlierRetried)];
    let short = semantics().prop_map(|mut semantics| {
        semantics.yield_percent = semantics.yield_percent.min(50);
        semantics.cap_counts = CapCounts::Desired;
        semantics
    });
    for_each(150, &scenario_of(short, passing(), retried), |scenario| {
        let end = Driver::run(&scenario)?;
        for row in end.parts.iter().rev().skip(1) {
            prop_assert!(
                row.part.target <= row.part.results.max(1),
                "part {}",
                row.part.number
            );
        }
        Ok(())
    });
}

/// Where the list shows criteria and exclusions, and a colleague's task differs in one of these, in the query or in the size,
/// each part is a task that growd created. The driver compares each task that is taken for growd's, also where it is not.
#[test]
fn a_colleagues_task_that_differs_is_never_taken_for_a_part() {
    let differs = prop::sample::select(vec![
        Differs::Query,
        Differs::Desired,
        Differs::Criteria,
        Differs::OtherExclusions,
    ]);
    let colleagues = prop::collection::vec((differs, -600_i64..=60).prop_map(Some), 6);
    let lost = prop_oneof![2 => Just(CreateFault::LostAfter), 1 => Just(CreateFault::LostBefore), 1 => Just(CreateFault::DiesAfter)];
    let shown = (semantics(), market()).prop_map(|(mut semantics, market)| {
        // Tasks that found no company with a domain exclude none.
        semantics.market = market;
        (semantics.shows_criteria, semantics.shows_exclusions) = (true, true);
        semantics
    });
    let scenarios = (scenario_of(shown, lost, action()), colleagues);
    for_each(150, &scenarios, |(mut scenario, colleagues)| {
        scenario.colleagues = colleagues;
        let criteria = serde_json::json!([{"key": "fit", "criterion": "makes the thing itself"}]);
        scenario.wanted.criteria = Some(criteria);
        let end = Driver::run(&scenario)?;
        for row in &end.parts {
            prop_assert!(
                end.service.task(&row.part.task).create.is_some(),
                "part {}",
                row.part.number
            );
        }
        Ok(())
    });
}
