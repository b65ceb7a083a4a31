//! A list that lies, in each possible way: it costs no money, ends nothing and loses nothing.

use crate::support::list::{Figures, Listed};
use futures_util::{StreamExt, stream};
use growd_simulator::{Fault, On, Rule, Semantics};

/// The number of services that run side by side.
const AT_ONCE: usize = 4;

/// A way to lie: a fault of each page, or semantics of the service.
#[derive(Clone, Copy)]
enum Lie {
    None,
    NoList,
    Fault(&'static str),
    Semantics(&'static str, fn(&mut Semantics)),
}

impl Lie {
    fn name(self) -> &'static str {
        match self {
            Self::None => "a right list",
            Self::NoList => "no list",
            Self::Fault(name) | Self::Semantics(name, _) => name,
        }
    }
}

async fn grows(lie: Lie) -> (&'static str, Figures) {
    let change = match lie {
        Lie::Semantics(_, change) => change,
        _ => |_: &mut Semantics| {},
    };
    let mut listed = Listed::new(change).await;
    match lie {
        Lie::NoList => listed.bench.settings.policy.polling.list_page = 0,
        Lie::Fault(name) => {
            let fault = Fault::named(name).unwrap();
            listed.bench.service.script(Rule::always(On::List, fault));
        }
        Lie::None | Lie::Semantics(..) => {}
    }
    listed.bench.start();
    if let Lie::Fault("list_all_running") = lie {
        listed.until_all_ended_as_if_minutes_passed().await;
    } else {
        listed.until_all_ended().await;
    }
    listed.bench.stop().await;
    listed.collect();
    listed.assert_all_reached(lie.name()).await;
    (lie.name(), listed.figures().await)
}

/// The tasks are paid for as without a list, by as many requests of the same sizes; no resume is taken for lost, and no
/// task enters an end by what the list shows. The requests of each run are printed.
#[tokio::test(flavor = "multi_thread")]
async fn whatever_the_list_shows_each_task_is_paid_for_as_without_it() {
    let lies = [
        Lie::NoList,
        Lie::None,
        Lie::Fault("list_all_done"),
        Lie::Fault("list_all_failed"),
        Lie::Fault("list_all_running"),
        Lie::Fault("list_full"),
        Lie::Fault("list_fallen"),
        Lie::Fault("list_risen"),
        Lie::Fault("list_twice"),
        Lie::Fault("list_others"),
        Lie::Fault("list_empty"),
        Lie::Fault("list_bad_entry"),
        Lie::Fault("list_object"),
        Lie::Semantics("lag of 1 s", |s| s.list_lag_ms = 1_000),
        Lie::Semantics("cached for 1 s", |s| s.list_delay_ms = 1_000),
    ];
    stream::iter(lies)
        .map(|lie| tokio::spawn(grows(lie)))
        .buffer_unordered(AT_ONCE)
        .for_each(async |run| {
            let (name, figures) = run.unwrap();
            println!("{name}: {figures:?}");
            let Figures { polls, pages, .. } = figures;
            assert!(pages <= polls / 4 + 10, "{name}: {figures:?}");
            assert_eq!(pages == 0, name == "no list", "{name}: {figures:?}");
        })
        .await;
}
