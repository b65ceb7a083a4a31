//! The program is killed between any two effects of a search: each create takes effect at most once, each one that did is in
//! the ledger, and each search reaches its right end.
//!
//! As in `crash_points`, the program kills itself by SIGKILL, is started again, and runs until all has ended.

use crate::support::Bench;
use crate::support::program::{Daemon, write_config};
use crate::support::searches::searching;
use futures_util::{StreamExt, stream};
use growd::crash::Point;
use growd_simulator::{Fault, On, Rule};

/// The number of cases that run side by side.
const AT_ONCE: usize = 4;

/// The points of a search. The other points are those of `crash_points`.
const POINTS: [Point; 8] = [
    Point::CreateIntentWritten,
    Point::CreateIntentCommitted,
    Point::CreateBegins,
    Point::CreateAnswered,
    Point::CreateAnswerWritten,
    Point::CreateAnswerCommitted,
    Point::ListWritten,
    Point::ListCommitted,
];

#[derive(Debug, Clone)]
struct Case {
    point: Point,
    time: u32,
    /// The fault of every create until the kill.
    creates: Option<Fault>,
}

impl Case {
    fn all() -> Vec<Self> {
        POINTS.into_iter().flat_map(Self::of).collect()
    }

    fn of(point: Point) -> Vec<Self> {
        let at = |time, creates| Self {
            point,
            time,
            creates,
        };
        let lost = [Fault::LostAfter, Fault::LostBefore];
        let [after, before] = lost.map(Some);
        match point {
            // Only an unanswered create has the list read. The second reading settles one that never arrived.
            Point::ListWritten | Point::ListCommitted => {
                vec![
                    at(1, after.clone()),
                    at(2, after),
                    at(1, before.clone()),
                    at(2, before),
                ]
            }
            // The first create, and one of a later part.
            _ => vec![
                at(1, None),
                at(2, None),
                at(3, None),
                at(1, after),
                at(1, before),
            ],
        }
    }
}

async fn bench() -> Bench {
    let bench = searching(|options| {
        options.settings.semantics.cap = 40;
        options.settings.semantics.market = Some(150);
    })
    .await;
    write_config(
        &bench,
        &[
            ("growth.settle", r#""1s""#),
            ("growth.task_cap", "40"),
            ("polling.list_page", "0"),
        ],
    );
    bench
}

async fn killed_and_restarted(case: Case) {
    let when = format!("{case:?}");
    let bench = bench().await;
    if let Some(fault) = &case.creates {
        bench
            .service
            .script(Rule::always(On::Create, fault.clone()));
    }
    bench.search("three-parts", "a query", 100).await;
    bench.search("all-there-is", "another query", 400).await;
    let crash_at = format!("{}:{}", case.point.name(), case.time);
    let mut daemon = Daemon::start_with(&bench, &[("GROWD_CRASH_AT", &crash_at)]);
    daemon.killed(&when).await;
    bench.service.clear_script();
    let mut daemon = Daemon::start(&bench);
    bench.until_searches_end().await;
    daemon.signal("TERM");
    assert_eq!(daemon.ended().await, Some(0), "{when}: {}", daemon.logged());
    bench.assert_creates_agree().await;
    bench.assert_ledgers_agree().await;
    bench.assert_reached("three-parts", &when).await;
    let (state, reason, results) = bench.search_state("all-there-is").await;
    let dump = bench.dump_searches().await;
    assert_eq!(state, "exhausted", "{when}: {reason}: {dump}");
    assert!(results >= 140, "{when}: {results}: {dump}");
    let parts: i64 = bench
        .value("SELECT count(*) FROM (SELECT 1 FROM tasks WHERE search IS NOT NULL GROUP BY search, part)")
        .await;
    assert_eq!(
        usize::try_from(parts).unwrap(),
        bench.creates_in_effect().len(),
        "{when}: each create that took effect is a part: {dump}"
    );
}

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(
    not(debug_assertions),
    ignore = "a build without debug assertions has no crash points"
)]
async fn killed_between_any_two_effects_of_a_search_it_creates_each_part_once() {
    let cases = Case::all();
    assert!(cases.len() > 35, "{}", cases.len());
    stream::iter(cases)
        .map(|case| tokio::spawn(killed_and_restarted(case)))
        .buffer_unordered(AT_ONCE)
        .for_each(|done| async { done.unwrap() })
        .await;
}

/// Kills the program while a create is with the service.
async fn killed_during_a_create(fault: Fault, took_effect: bool) {
    let when = format!("a create in flight, {fault:?}");
    let bench = bench().await;
    bench.service.script(Rule::once(On::Create, fault));
    bench.search("s", "a query", 100).await;
    let mut daemon = Daemon::start(&bench);
    bench
        .until_service(&when, |bench| {
            bench.received("create") == 1 && (!took_effect || !bench.creates_in_effect().is_empty())
        })
        .await;
    daemon.signal("KILL");
    daemon.killed(&when).await;
    bench.service.clear_script();
    let mut daemon = Daemon::start(&bench);
    bench.until_searches_end().await;
    daemon.signal("TERM");
    assert_eq!(daemon.ended().await, Some(0), "{when}: {}", daemon.logged());
    bench.assert_reached("s", &when).await;
    bench.assert_creates_agree().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_while_a_create_is_with_the_service_it_creates_the_part_once() {
    tokio::join!(
        // Received, and never takes effect.
        killed_during_a_create(Fault::Hang { ms: 60_000 }, false),
        // Took effect; the answer never arrives.
        killed_during_a_create(Fault::HangAfter { ms: 60_000 }, true),
        // Received, and takes effect while no daemon runs, or after the next one has started.
        killed_during_a_create(Fault::Late { ms: 400 }, false),
    );
}
