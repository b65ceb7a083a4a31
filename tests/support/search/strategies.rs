//! Randomly drawn scenarios of a search.

use super::model::{Order, Semantics};
use super::{Action, CreateFault, Differs, ListFault, ReadFault, Scenario};
use crate::driver::service_model::CapCounts;
use growd::core::policy::{Growth, Policy, Polling, Retry};
use growd::core::search::Wanted;
use jiff::SignedDuration;
use proptest::prelude::*;
use std::time::Duration;

const SETTLE: Duration = Duration::from_mins(1);

pub fn seconds(range: std::ops::RangeInclusive<u64>) -> impl Strategy<Value = Duration> {
    range.prop_map(Duration::from_secs)
}

/// Orders that two requests agree on.
pub fn order() -> impl Strategy<Value = Order> {
    prop_oneof![Just(Order::Newest), Just(Order::Oldest), Just(Order::Fixed)]
}

/// Companies with a domain; several names can share one.
pub fn market() -> impl Strategy<Value = Vec<Option<usize>>> {
    prop::collection::vec((0_usize..=200).prop_map(Some), 1..=180)
}

/// Any service whose list shows a new task within the settling time, in an order that stays.
pub fn semantics() -> impl Strategy<Value = Semantics> {
    let companies = (
        prop_oneof![
            market(),
            prop::collection::vec(prop::option::weighted(0.7, 0_usize..=200), 1..=180),
        ],
        prop::bool::weighted(0.2),
        8_i64..=40,
        prop_oneof![Just(CapCounts::Desired), Just(CapCounts::Results)],
        30_usize..=100,
        prop_oneof![1 => seconds(0..=1), 3 => seconds(2..=300)],
    );
    let list = (
        prop_oneof![Just(Duration::ZERO), seconds(1..=59)],
        order(),
        2_usize..=20,
        any::<[bool; 4]>(),
        -2_900_i64..=2_900,
        prop_oneof![9 => Just(None), 1 => (0_usize..=4).prop_map(Some)],
    );
    (companies, list).prop_map(|(companies, list)| {
        let (market, ignores_exclusions, cap, cap_counts, yield_percent, run) = companies;
        let (
            shows_after,
            order,
            page_max,
            [criteria, exclusions, created_at, clock],
            skew,
            failing,
        ) = list;
        Semantics {
            market,
            ignores_exclusions,
            cap,
            cap_counts,
            yield_percent,
            run,
            shows_after: Some(shows_after),
            order,
            page_max,
            shows_criteria: criteria,
            shows_exclusions: exclusions,
            shows_created_at: created_at,
            // An hour is allowed for where the answers do not show the service's clock.
            skew: SignedDuration::from_secs(if clock { skew * 5 } else { skew }),
            shows_clock: clock,
            failing,
        }
    })
}

/// Faults that pass.
pub fn passing() -> impl Strategy<Value = CreateFault> {
    prop_oneof![
        4 => Just(CreateFault::Fine),
        1 => Just(CreateFault::LostBefore),
        2 => Just(CreateFault::LostAfter),
        1 => (1_u64..=29).prop_map(CreateFault::Late),
        1 => Just(CreateFault::NotUnderstood),
        1 => (0_u64..=600).prop_map(CreateFault::Unavailable),
        1 => Just(CreateFault::NotConnected),
        1 => Just(CreateFault::Payment),
        1 => Just(CreateFault::Unexpected),
        1 => (0_u64..=600).prop_map(CreateFault::RateLimited),
        1 => Just(CreateFault::DiesBefore),
        1 => Just(CreateFault::DiesAfter),
    ]
}

pub fn any_fault() -> impl Strategy<Value = CreateFault> {
    prop_oneof![
        40 => passing(),
        1 => prop::sample::select(vec![400, 404, 422]).prop_map(CreateFault::Refused),
        1 => Just(CreateFault::Forbidden),
    ]
}

pub fn list_fault() -> impl Strategy<Value = ListFault> {
    prop_oneof![
        8 => Just(ListFault::Fine),
        1 => Just(ListFault::Unavailable),
        1 => Just(ListFault::NotConnected),
        1 => Just(ListFault::Dies),
    ]
}

pub fn read_fault() -> impl Strategy<Value = ReadFault> {
    prop_oneof![4 => Just(ReadFault::Fine), 1 => Just(ReadFault::Half), 1 => Just(ReadFault::Error)]
}

pub fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        30 => Just(Action::Nothing),
        2 => (1_u64..=200).prop_map(Action::Pause),
        2 => (1_i64..=120).prop_map(Action::Target),
        1 => Just(Action::EarlierFails),
        1 => Just(Action::EarlierGone),
        3 => Just(Action::EarlierRetried),
        2 => (1_usize..=5).prop_map(Action::Drops),
    ]
}

pub fn colleague() -> impl Strategy<Value = Option<(Differs, i64)>> {
    let differs = prop::sample::select(vec![
        Differs::Nothing,
        Differs::Query,
        Differs::Desired,
        Differs::Criteria,
        Differs::NoExclusions,
        Differs::OtherExclusions,
    ]);
    prop::option::of((differs, -600_i64..=90))
}

pub fn stranger() -> impl Strategy<Value = (i64, Option<i64>, bool)> {
    (
        -3_000_i64..=3_000,
        prop::option::of(0_i64..=4_000),
        prop::bool::weighted(0.02),
    )
}

pub fn scenario_of(
    semantics: impl Strategy<Value = Semantics>,
    create_fault: impl Strategy<Value = CreateFault>,
    action: impl Strategy<Value = Action>,
) -> impl Strategy<Value = Scenario> {
    let criterion = serde_json::json!([{"key": "fit", "criterion": "makes the thing itself"}]);
    let wanted = (
        1_i64..=120,
        prop::option::of(Just(criterion)),
        prop::collection::btree_set("d[0-9]\\.example", 0..=3),
        prop::option::of(5_i64..=250),
        prop_oneof![3 => Just(None), 1 => (1_i64..=150).prop_map(Some)],
    );
    let limits = (
        prop_oneof![3 => Just(0_i64), 1 => 20_i64..=100],
        prop_oneof![3 => Just(1_000_i64), 1 => 5_i64..=100],
    );
    let script = (
        prop::collection::vec(create_fault, 0..=8),
        prop::collection::vec(list_fault(), 0..=12),
        prop::collection::vec(read_fault(), 0..=6),
        prop::collection::vec(action, 0..=40),
        prop::collection::vec(colleague(), 0..=6),
        prop::collection::vec(stranger(), 0..=30),
    );
    let rest = (1_usize..=50, seconds(0..=90), any::<[bool; 2]>());
    (semantics, wanted, limits, script, rest).prop_map(
        |(semantics, wanted, limits, script, rest)| {
            let (target, criteria, exclude_domains, chunk, budget) = wanted;
            let (create_faults, list_faults, read_faults, actions, colleagues, strangers) = script;
            let (page, read_delay, [live, concurrent]) = rest;
            Scenario {
                policy: policy(semantics.cap, limits.0, limits.1),
                semantics,
                wanted: Wanted {
                    query: "makers of the thing".to_owned(),
                    target,
                    criteria,
                    data_sources: None,
                    exclude_domains: exclude_domains.into_iter().collect(),
                    chunk,
                    budget,
                    paused: false,
                },
                create_faults,
                list_faults,
                read_faults,
                actions,
                colleagues,
                strangers,
                // A page of one entry cannot begin with the last of the page before.
                page: page + 1,
                read_delay,
                live,
                concurrent,
            }
        },
    )
}

pub fn policy(task_cap: i64, daily_limit: i64, exclude_cap: i64) -> Policy {
    Policy {
        growth: Growth {
            chunk: 250,
            task_cap,
            max_stalled: 2,
            max_waste: 250,
            daily_limit,
            monthly_limit: 0,
            reserve_credits: 0,
            exclude_cap,
            settle: SETTLE,
        },
        polling: Polling {
            min_interval: Duration::from_secs(5),
            max_interval: Duration::from_mins(1),
            quiet_after: Duration::from_hours(6),
            list_page: 100,
        },
        retry: Retry {
            initial: Duration::from_secs(2),
            max: Duration::from_mins(5),
        },
        probe_interval: Duration::from_mins(5),
        keeps_results: true,
    }
}

pub fn scenario() -> impl Strategy<Value = Scenario> {
    scenario_of(semantics(), any_fault(), action())
}
