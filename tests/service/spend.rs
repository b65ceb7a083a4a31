//! Spending is bounded and recorded: `growth.daily_limit` holds over all tasks, kills and restarts, and the ledger
//! matches the requests to the service.

use crate::support::Bench;
use crate::support::program::{Daemon, output, write_config};
use growd_simulator::{Fault, On, Options, Rule, Scenario, Semantics};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::time::Duration;

const LIMIT: i64 = 100;
const TASKS: usize = 12;

async fn bench() -> Bench {
    let mut options = Options::default();
    options.settings.speed = 1_000.0;
    let bench = Bench::with(options).await;
    for _ in 0..TASKS {
        let scenario = Scenario {
            pool: Some(5_000),
            fit_rate: Some(0.5),
            rate_per_minute: Some(6_000.0),
            ..Scenario::done(20)
        };
        let id = bench.service.add_task(&scenario).parse().unwrap();
        // The limit is no multiple of the chunk: the last resume of a day is smaller.
        bench.want(&id, 80, Some(7)).await;
    }
    bench
}

/// Returns the requested results of all resumes that took effect.
fn requested_with_effect(bench: &Bench) -> i64 {
    let ledger = bench.service.ledger();
    let effects = ledger.iter().filter(|entry| entry.took_effect);
    effects.map(|entry| i64::from(entry.requested)).sum()
}

async fn asked(bench: &Bench) -> i64 {
    bench
        .value(
            "SELECT coalesce(sum(requested), 0) FROM resumes
              WHERE state IN ('intended', 'accepted', 'lost') AND sent_at > strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-1 day')",
        )
        .await
}

/// Moves the ledger back by a day, as if a day had passed.
async fn a_day_later(bench: &Bench) {
    bench
        .execute("UPDATE resumes SET sent_at = strftime('%Y-%m-%dT%H:%M:%fZ', sent_at, '-1 day')")
        .await;
    // Makes all tasks due, since those that wait for the limit would be.
    bench
        .execute(
            "UPDATE progress SET next_poll_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now')
              WHERE next_poll_at IS NOT NULL",
        )
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_daily_limit_holds_over_kills_and_restarts_and_goes_on_a_day_later() {
    let bench = bench().await;
    write_config(
        &bench,
        &[
            ("growth.daily_limit", "100"),
            ("growth.settle", r#""500ms""#),
            ("api.timeout", r#""400ms""#),
        ],
    );
    let mut random = StdRng::seed_from_u64(11);
    for day in 1..=3_i64 {
        for _ in 0..4 {
            let mut daemon = Daemon::start(&bench);
            tokio::time::sleep(Duration::from_millis(random.random_range(30..300))).await;
            daemon.signal("KILL");
            daemon.killed("at a random moment").await;
            assert!(asked(&bench).await <= LIMIT, "{}", bench.dump().await);
        }
        let mut daemon = Daemon::start(&bench);
        bench
            .until(
                "SELECT (SELECT sum(requested) FROM resumes
                          WHERE state IN ('accepted', 'lost')
                            AND sent_at > strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-1 day')) = 100
                    AND NOT EXISTS (SELECT 1 FROM resumes WHERE state = 'intended')
                    AND NOT EXISTS (SELECT 1 FROM progress WHERE status = 'in_progress')",
            )
            .await;
        assert!(requested_with_effect(&bench) <= day * LIMIT);
        let status = output(&bench, &["status"]);
        let status = String::from_utf8(status.stdout).unwrap();
        let line = format!("requested in the last 24 h: {LIMIT} of {LIMIT}, 0 left");
        assert!(status.contains(&line), "{status}");
        let waits: i64 = bench
            .value("SELECT count(*) FROM progress WHERE state = 'growing' AND reason LIKE '%daily_limit%'")
            .await;
        assert!(waits > 0, "{}", bench.dump().await);
        daemon.signal("TERM");
        assert_eq!(daemon.ended().await, Some(0));
        a_day_later(&bench).await;
    }
    bench.assert_ledgers_agree().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_budget_holds_over_kills_and_restarts() {
    const BUDGET: i64 = 30;
    let bench = bench().await;
    bench.execute("UPDATE tasks SET budget = 30").await;
    write_config(
        &bench,
        &[
            ("growth.settle", r#""500ms""#),
            ("api.timeout", r#""400ms""#),
        ],
    );
    let most = "SELECT coalesce(max(asked), 0) FROM (SELECT sum(requested) AS asked FROM resumes
                 WHERE state IN ('intended', 'accepted', 'lost') GROUP BY task_id)";
    let mut random = StdRng::seed_from_u64(12);
    for _ in 0..6 {
        let mut daemon = Daemon::start(&bench);
        tokio::time::sleep(Duration::from_millis(random.random_range(30..300))).await;
        daemon.signal("KILL");
        daemon.killed("at a random moment").await;
        let most: i64 = bench.value(most).await;
        assert!(most <= BUDGET, "{}", bench.dump().await);
    }
    let mut daemon = Daemon::start(&bench);
    bench.until_all_ended().await;
    daemon.signal("TERM");
    assert_eq!(daemon.ended().await, Some(0));
    assert_eq!(bench.value::<i64>(most).await, BUDGET);
    let ended: i64 = bench
        .value("SELECT count(*) FROM progress WHERE state = 'stalled' AND reason LIKE '%budget of 30 is used up: 30 %'")
        .await;
    assert_eq!(
        usize::try_from(ended).unwrap(),
        TASKS,
        "{}",
        bench.dump().await
    );
    let id: String = bench
        .value("SELECT task_id FROM tasks ORDER BY task_id LIMIT 1")
        .await;
    let show = output(&bench, &["show", &id]);
    let show = String::from_utf8(show.stdout).unwrap();
    assert!(show.contains("budget     30 of 30 requested"), "{show}");
    let budgets = i64::try_from(TASKS).unwrap() * BUDGET;
    assert!(requested_with_effect(&bench) <= budgets);
    bench.assert_ledgers_agree().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sum_of_the_ledger_is_what_the_service_was_asked_for() {
    let bench = bench().await;
    write_config(&bench, &[("growth.settle", r#""800ms""#)]);
    // Whether or not the answers arrived.
    for (nth, fault) in [
        Fault::LostBefore,
        Fault::LostAfter,
        Fault::NotJson,
        Fault::Reset { takes_effect: true },
        Fault::status(503),
        Fault::status(409),
    ]
    .into_iter()
    .enumerate()
    {
        let skip = u32::try_from(nth).unwrap() * 7;
        bench
            .service
            .script(Rule::once(On::Resume, fault).after(skip));
    }
    let mut daemon = Daemon::start(&bench);
    bench.until_all_ended().await;
    daemon.signal("TERM");
    assert_eq!(daemon.ended().await, Some(0));
    let accepted: i64 = bench
        .value("SELECT sum(requested) FROM resumes WHERE state = 'accepted'")
        .await;
    assert_eq!(
        accepted,
        requested_with_effect(&bench),
        "{}",
        bench.dump().await
    );
    assert_eq!(accepted, i64::try_from(TASKS).unwrap() * 60);
    // Each request that the service received has a row, including refused and lost ones.
    let rows: i64 = bench
        .value("SELECT count(*) FROM resumes WHERE state <> 'unsent'")
        .await;
    let came_in = bench.service.requests().by_kind["resume"];
    assert_eq!(
        u64::try_from(rows).unwrap(),
        came_in,
        "{}",
        bench.dump().await
    );
    bench.assert_ledgers_agree().await;
}

/// The real program against a stand-in that misleads in one way each: growd requests what is missing, and at most
/// `growth.max_waste` more.
#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_misleads_is_asked_for_what_lacks_and_max_waste_at_most() {
    type Mislead = fn(&mut Semantics);
    const LACKING: i64 = 100;
    const MAX_WASTE: i64 = 50;
    // The semantics, the allowed excess over what is missing, and the final state.
    let cases: [(&str, Mislead, i64, &str); 6] = [
        ("done early", |s| s.early_done_percent = 70, 0, "reached"),
        (
            "done again at work",
            |s| s.reopens_percent = 50,
            0,
            "reached",
        ),
        ("work begins late", |s| s.work_delay_s = 100, 0, "reached"),
        (
            "counts what is not delivered",
            |s| s.undelivered_percent = 20,
            0,
            "reached",
        ),
        (
            "rises after done",
            |s| s.rises_after_done = 60,
            0,
            "reached",
        ),
        ("a tenth", |s| s.yield_percent = 10, MAX_WASTE, "stalled"),
    ];
    let case = async |(name, mislead, more, end): (&str, Mislead, i64, &str)| {
        let mut options = Options::default();
        options.settings.speed = 50.0;
        mislead(&mut options.settings.semantics);
        let bench = Bench::with(options).await;
        write_config(
            &bench,
            &[
                ("growth.settle", r#""3s""#),
                ("api.timeout", r#""2s""#),
                ("growth.max_waste", &MAX_WASTE.to_string()),
            ],
        );
        let scenario = Scenario {
            pool: Some(5_000),
            fit_rate: Some(0.5),
            rate_per_minute: Some(120.0),
            ..Scenario::done(20)
        };
        let id = bench.service.add_task(&scenario).parse().unwrap();
        bench.want(&id, 20 + LACKING, Some(50)).await;
        let mut daemon = Daemon::start(&bench);
        bench.until_all_ended().await;
        daemon.signal("TERM");
        assert_eq!(daemon.ended().await, Some(0));
        let dump = bench.dump().await;
        assert_eq!(bench.state(&id).await, end, "{name}: {dump}");
        let sum = asked(&bench).await;
        assert!(sum <= LACKING + more, "{name}: asked for {sum}: {dump}");
        bench.assert_ledgers_agree().await;
    };
    futures_util::future::join_all(cases.map(case)).await;
}
