//! The list in any order, among the tasks of others, and with a page that is smaller than what growd asks for.

use crate::support::list::{Figures, Listed};
use futures_util::{StreamExt, stream};
use growd_simulator::{Excess, ListOrder};

/// The number of services that run side by side.
const AT_ONCE: usize = 4;

/// A list as the service has it.
#[derive(Debug, Clone, Copy)]
struct Case {
    list_page: u32,
    order: ListOrder,
    strangers: u32,
    limit: u32,
    excess: Excess,
}

/// Returns the numbers of requests, and the limits of the pages in their order.
async fn grows(case: Case) -> (Figures, Vec<u64>) {
    let mut listed = Listed::new(|semantics| {
        semantics.list_order = case.order;
        semantics.strangers = case.strangers;
        semantics.list_limit = case.limit;
        semantics.list_excess = Some(case.excess);
    })
    .await;
    listed.bench.settings.policy.polling.list_page = case.list_page;
    listed.bench.start();
    listed.until_all_ended().await;
    listed.bench.stop().await;
    listed.collect();
    listed.assert_all_reached(&format!("{case:?}")).await;
    let unusable: i64 = listed
        .bench
        .value("SELECT count(*) FROM events WHERE kind = 'list_unusable'")
        .await;
    let is_refused = case.limit < 10 && matches!(case.excess, Excess::Refused);
    assert_eq!(unusable, i64::from(is_refused), "{case:?}");
    let lists = listed.bench.service.requests().lists;
    let limits = lists.iter().filter_map(|list| list.limit).collect();
    (listed.figures().await, limits)
}

/// Where the list is of use, the requests are fewer than the times that they show a task; where it is not, pages are few. The numbers are
/// printed.
#[tokio::test(flavor = "multi_thread")]
async fn in_any_order_and_among_strangers_all_tasks_reach_their_target() {
    let plain = Case {
        list_page: 100,
        order: ListOrder::Newest,
        strangers: 0,
        limit: 100,
        excess: Excess::Refused,
    };
    let mut cases = vec![Case {
        list_page: 0,
        ..plain
    }];
    for order in [
        ListOrder::Newest,
        ListOrder::Oldest,
        ListOrder::Random,
        ListOrder::Shuffled,
    ] {
        let of_order = [0, 500].map(|strangers| Case {
            order,
            strangers,
            ..plain
        });
        cases.extend(of_order);
    }
    for excess in [Excess::Clamped, Excess::Refused] {
        let of_limit = [20, 5].map(|limit| Case {
            limit,
            excess,
            ..plain
        });
        cases.extend(of_limit);
    }
    let runs: Vec<_> = stream::iter(cases)
        .map(|case| tokio::spawn(async move { (case, grows(case).await) }))
        .buffer_unordered(AT_ONCE)
        .map(Result::unwrap)
        .collect()
        .await;
    for (case, (figures, limits)) in &runs {
        println!("{case:?}: {figures:?}");
        let Figures {
            polls,
            pages,
            shown,
            ..
        } = figures;
        if case.strangers == 0 && case.limit == 100 && case.list_page > 0 {
            assert!(polls + pages < *shown, "{case:?}: {figures:?}");
        }
        assert!(*pages <= polls / 4 + 10, "{case:?}: {figures:?}");
        if case.limit < 100 && matches!(case.excess, Excess::Refused) {
            let halved = [100, 50, 25, 12, 10];
            let asked = limits
                .iter()
                .zip(halved)
                .all(|(limit, half)| *limit == half || case.limit >= 12 && *limit == 12);
            assert!(asked, "{limits:?}");
            // At 5 it stops there.
            assert!(case.limit > 5 || limits.len() == halved.len(), "{limits:?}");
        }
    }
}
