//! Edits of a search by SQL while it grows: they take effect, and nothing is created twice or lost.

use crate::support::Bench;
use crate::support::searches::{QUERY, searching};
use growd::daemon::supervision::signals::Signal;
use growd_simulator::{Fault, On, Rule};
use std::time::Duration;

/// How long a create is in flight.
const IN_FLIGHT: Fault = Fault::HangAfter { ms: 1_500 };

async fn bench() -> Bench {
    let mut bench = searching(|_| {}).await;
    bench.settings.policy.growth.settle = Duration::from_secs(2);
    bench.settings.api.timeout = Duration::from_secs(30);
    bench
}

/// Starts a search whose first create is in flight.
async fn with_create_in_flight(target: i64) -> Bench {
    let mut bench = bench().await;
    bench.service.script(Rule::once(On::Create, IN_FLIGHT));
    bench.search("s", QUERY, target).await;
    bench.start();
    bench
        .until_service("a create takes effect", |bench| {
            bench.creates_in_effect().len() == 1
        })
        .await;
    bench
}

const ANSWERED: &str = "SELECT count(*) = 1 FROM creates WHERE state = 'accepted'";

#[tokio::test(flavor = "multi_thread")]
async fn a_search_that_is_paused_while_its_create_is_in_flight_keeps_the_task_and_asks_nothing() {
    let mut bench = with_create_in_flight(40).await;
    bench.execute("UPDATE searches SET paused = 1").await;
    bench.until(ANSWERED).await;
    let parts: i64 = bench
        .value("SELECT count(*) FROM tasks WHERE search = 's' AND part = 1 AND paused")
        .await;
    assert_eq!(parts, 1);
    // A decision that is made after the answer is stored asks nothing either.
    bench
        .until("SELECT next_at IS NULL FROM search_progress")
        .await;
    let requests = bench.service.requests();
    assert_eq!(requests.total, 1, "{:?}", requests.by_kind);
    bench.execute("UPDATE searches SET paused = 0").await;
    bench.until_searches_end().await;
    bench.assert_reached("s", "unpaused").await;
    bench.assert_creates_agree().await;
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_that_is_removed_while_its_create_is_in_flight_leaves_a_paused_task() {
    let mut bench = with_create_in_flight(40).await;
    bench.execute("DELETE FROM searches").await;
    bench.until(ANSWERED).await;
    bench.assert_creates_agree().await;
    let (search, paused, note): (Option<String>, bool, String) =
        sqlx::query_as("SELECT search, paused, note FROM tasks")
            .fetch_one(&mut bench.connection().await)
            .await
            .unwrap();
    assert_eq!((search, paused), (None, true));
    assert!(note.contains("search s"), "{note}");
    assert_eq!(bench.received("get"), 0);
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_that_is_added_again_while_a_create_is_in_flight_is_another_one() {
    let mut bench = with_create_in_flight(40).await;
    bench.execute("DELETE FROM searches").await;
    bench.search("s", QUERY, 60).await;
    bench.until_searches_end().await;
    bench.assert_reached("s", "added again").await;
    bench.assert_creates_agree().await;
    assert_eq!(bench.create_states().await, ["accepted", "accepted"]);
    let creates = bench.creates().await;
    let (part, paused): (Option<i64>, bool) =
        sqlx::query_as("SELECT part, paused FROM tasks WHERE task_id = ?")
            .bind(&creates[0].task_id)
            .fetch_one(&mut bench.connection().await)
            .await
            .unwrap();
    assert_eq!((part, paused), (None, true), "the first is of no search");
    assert_eq!(creates[1].part, 1);
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unanswered_create_of_a_removed_search_is_settled_when_the_search_is_added_again() {
    for (fault, expected) in [(Fault::LostAfter, "accepted"), (Fault::LostBefore, "lost")] {
        let mut bench = bench().await;
        let list = Rule::always(On::List, Fault::named("500").unwrap());
        bench.service.script(Rule::once(On::Create, fault));
        bench.service.script(list);
        bench.search("s", QUERY, 40).await;
        bench.start();
        bench
            .until("SELECT count(*) = 1 FROM events WHERE kind = 'create_unanswered'")
            .await;
        bench.execute("DELETE FROM searches").await;
        bench.service.clear_script();
        bench.search("s", QUERY, 40).await;
        bench.until_searches_end().await;
        bench.assert_reached("s", expected).await;
        bench.assert_creates_agree().await;
        assert_eq!(bench.create_states().await, [expected, "accepted"]);
        let parts: i64 = bench.value("SELECT parts FROM search_progress").await;
        assert_eq!(parts, 1);
        bench.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_while_a_create_is_in_flight_creates_nothing_more() {
    let mut bench = with_create_in_flight(40).await;
    bench.execute("UPDATE searches SET retry = retry + 1").await;
    bench.until_searches_end().await;
    bench.assert_reached("s", "retried").await;
    bench.assert_creates_agree().await;
    assert_eq!(bench.create_states().await, ["accepted"]);
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_is_raised_or_lowered_while_a_create_is_in_flight_holds() {
    for (target, creates) in [(300, 2), (20, 1)] {
        let mut bench = with_create_in_flight(40).await;
        sqlx::query("UPDATE searches SET target = ?")
            .bind(target)
            .execute(&mut bench.connection().await)
            .await
            .unwrap();
        bench.until(ANSWERED).await;
        bench.until_searches_end().await;
        bench.assert_reached("s", "another target").await;
        bench.assert_creates_agree().await;
        let (_, _, results) = bench.search_state("s").await;
        assert!(results >= target, "{results}");
        assert_eq!(bench.creates_in_effect().len(), creates, "{target}");
        bench.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_is_lowered_below_what_was_found_stops_the_part_that_grows() {
    let mut bench = bench().await;
    // The second part brings half of what it is asked for, so that it would be resumed.
    bench.search("s", QUERY, 500).await;
    bench.start();
    bench
        .until("SELECT count(*) = 2 FROM creates WHERE state = 'accepted'")
        .await;
    bench
        .service
        .settings(|settings| settings.semantics.yield_percent = 40);
    bench.execute("UPDATE searches SET target = 200").await;
    bench.until_searches_end().await;
    bench.assert_reached("s", "lowered").await;
    bench.until_all_ended().await;
    let resumes: i64 = bench.value("SELECT count(*) FROM resumes").await;
    assert_eq!(resumes, 0, "{}", bench.dump_searches().await);
    bench.assert_creates_agree().await;
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_that_is_removed_while_a_part_grows_leaves_its_tasks_paused() {
    let mut bench = searching(|options| options.settings.speed = 20.0).await;
    bench.search("s", QUERY, 200).await;
    bench.start();
    bench
        .until("SELECT count(*) > 0 FROM progress WHERE status = 'in_progress'")
        .await;
    bench.execute("DELETE FROM searches").await;
    let left: i64 = bench
        .value("SELECT count(*) FROM tasks WHERE search IS NULL AND part IS NULL AND paused")
        .await;
    assert_eq!(left, 1);
    let due: i64 = bench
        .value("SELECT count(*) FROM progress WHERE next_poll_at IS NOT NULL")
        .await;
    assert_eq!(due, 0);
    // A poll that was in flight is stored, and leads to nothing.
    bench.service.advance(Duration::from_hours(1));
    bench.stop().await;
    bench.start();
    bench
        .until("SELECT count(*) > 1 FROM events WHERE kind = 'started'")
        .await;
    assert_eq!(bench.received("resume"), 0);
    assert_eq!(bench.received("create"), 1);
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_that_is_paused_while_results_are_read_goes_on_where_it_was() {
    let mut bench = bench().await;
    bench
        .service
        .script(Rule::once(On::Results, Fault::Delay { ms: 700 }));
    bench.search("s", QUERY, 300).await;
    bench.start();
    bench
        .until_service("results are asked for", |bench| {
            bench.received("results") > 0
        })
        .await;
    bench.execute("UPDATE searches SET paused = 1").await;
    bench
        .until("SELECT reason = 'paused' OR next_at IS NULL FROM search_progress")
        .await;
    assert_eq!(bench.received("create"), 1);
    bench.execute("UPDATE searches SET paused = 0").await;
    bench.until_searches_end().await;
    bench.assert_reached("s", "unpaused").await;
    bench.assert_creates_agree().await;
    assert_eq!(bench.creates_in_effect().len(), 2);
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_that_is_paused_holds_its_search_with_that_reason() {
    let mut bench = searching(|options| options.settings.speed = 20.0).await;
    bench.search("s", QUERY, 300).await;
    bench.start();
    bench
        .until("SELECT count(*) > 0 FROM progress WHERE status = 'in_progress'")
        .await;
    bench.execute("UPDATE tasks SET paused = 1").await;
    bench
        .until("SELECT state = 'growing' AND reason = 'part 1 is paused' FROM search_progress")
        .await;
    bench.service.settings(|settings| settings.speed = 1_000.0);
    bench.execute("UPDATE tasks SET paused = 0").await;
    bench.until_searches_end().await;
    bench.assert_reached("s", "unpaused").await;
    bench.assert_creates_agree().await;
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_results_a_search_waits_until_they_are_kept() {
    let mut bench = bench().await;
    bench.settings.results.keep = false;
    bench.settings.policy.keeps_results = false;
    bench.search("s", QUERY, 40).await;
    bench.start_with_reload(|settings| {
        settings.results.keep = true;
        settings.policy.keeps_results = true;
    });
    bench
        .until("SELECT state = 'pending' AND reason LIKE 'waiting: results.keep is off%' FROM search_progress")
        .await;
    assert_eq!(bench.received("create"), 0);
    bench.signal(Signal::Reload).await;
    bench.until_searches_end().await;
    bench.assert_reached("s", "results are kept").await;
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_whose_next_part_would_exclude_too_much_is_capped_until_the_cap_is_raised() {
    let mut bench = bench().await;
    bench.settings.policy.growth.exclude_cap = 100;
    bench.search("s", QUERY, 300).await;
    bench.start_with_reload(|settings| settings.policy.growth.exclude_cap = 1_000);
    bench
        .until("SELECT state = 'capped' FROM search_progress")
        .await;
    let (_, reason, _) = bench.search_state("s").await;
    assert!(reason.contains("growth.exclude_cap is 100"), "{reason}");
    assert_eq!(bench.received("create"), 1);
    bench.signal(Signal::Reload).await;
    bench
        .until("SELECT state = 'reached' FROM search_progress")
        .await;
    bench.assert_creates_agree().await;
    assert_eq!(bench.creates_in_effect().len(), 2);
    bench.stop().await;
}
