//! growd grows each task to its target, or says why it cannot.

use crate::support::{Bench, plenty};
use futures_util::TryStreamExt;
use growd::core::gate::Gate;
use growd::core::gate::RETRY_AFTER_MAX;
use growd::daemon::writer::maintenance::{self, Maintenance};
use growd::store::overview;
use growd_simulator::{FailAt, Fault, On, Options, Rule};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn each_task_ends_in_the_state_that_says_why() {
    let mut bench = Bench::new().await;
    let reached = bench.grow(&plenty(), 60).await;
    let already = bench.grow(&plenty(), 10).await;
    let capped = bench.grow(&plenty(), 400).await;
    let mut dry = plenty();
    dry.pool = Some(90);
    let exhausted = bench.grow(&dry, 200).await;
    let mut failing = plenty();
    failing.fail_at = Some(FailAt::Results(40));
    let failed = bench.grow(&failing, 100).await;
    let missing = "no-such-task".parse().unwrap();
    bench.want(&missing, 5, None).await;

    bench.start();
    bench.until_all_ended().await;
    for (id, state) in [
        (&reached, "reached"),
        (&already, "reached"),
        (&capped, "capped"),
        (&exhausted, "exhausted"),
        (&failed, "failed"),
        (&missing, "missing"),
    ] {
        assert_eq!(bench.state(id).await, state, "{}", bench.dump().await);
    }
    let unexplained: i64 = bench
        .value("SELECT count(*) FROM progress WHERE reason IS NULL")
        .await;
    assert_eq!(unexplained, 0);
    bench.assert_ledgers_agree().await;
    bench.stop().await;
}

#[tokio::test(flavor = "current_thread")]
async fn on_one_thread_as_the_program_has_it_searches_grow_and_a_stop_is_in_order() {
    let mut bench = Bench::new().await;
    for _ in 0..40 {
        bench.grow(&plenty(), 60).await;
    }
    bench.start();
    bench.until_all_ended().await;
    let reached: i64 = bench
        .value("SELECT count(*) FROM progress WHERE state = 'reached'")
        .await;
    assert_eq!(reached, 40);
    bench.assert_ledgers_agree().await;
    bench.stop().await;
    let stopped: i64 = bench
        .value("SELECT count(*) FROM events WHERE kind = 'stopped'")
        .await;
    assert_eq!(stopped, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_small_chunk_takes_several_resumes_and_never_asks_for_too_much() {
    let mut bench = Bench::new().await;
    let id = bench.service.add_task(&plenty()).parse().unwrap();
    bench.want(&id, 80, Some(20)).await;
    bench.start();
    bench.until_all_ended().await;
    assert_eq!(bench.state(&id).await, "reached");
    let asked: Vec<u32> = bench
        .service
        .ledger()
        .iter()
        .map(|entry| entry.requested)
        .collect();
    assert_eq!(asked.iter().sum::<u32>(), 55);
    assert!(asked.iter().all(|n| *n <= 20), "{asked:?}");
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_raised_target_a_pause_and_a_removal_take_effect_without_a_restart() {
    let mut bench = Bench::new().await;
    let id = bench.grow(&plenty(), 30).await;
    bench.start();
    bench.until_all_ended().await;
    bench.execute("UPDATE tasks SET target = 50").await;
    bench
        .until(
            "SELECT num_results >= 50 AND state = 'reached' AND next_poll_at IS NULL FROM progress",
        )
        .await;
    bench.execute("UPDATE tasks SET paused = 1").await;
    bench.execute("UPDATE tasks SET target = 90").await;
    bench
        .until("SELECT state = 'paused' AND next_poll_at IS NULL FROM overview")
        .await;
    bench.execute("UPDATE tasks SET paused = 0").await;
    bench
        .until("SELECT num_results >= 90 AND state = 'reached' FROM progress")
        .await;
    bench.execute("DELETE FROM tasks").await;
    bench.stop().await;
    let kept: i64 = bench.value("SELECT count(*) FROM resumes").await;
    assert_eq!(kept, 3);
    let recorded: i64 = bench
        .value("SELECT count(*) FROM events WHERE kind = 'removed'")
        .await;
    assert_eq!(recorded, 1, "{id}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_lost_after_the_resume_took_effect_is_not_paid_for_twice() {
    let mut bench = Bench::new().await;
    bench
        .service
        .script(Rule::once(On::Resume, Fault::LostAfter));
    let id = bench.grow(&plenty(), 60).await;
    bench.start();
    bench.until_all_ended().await;
    assert_eq!(bench.state(&id).await, "reached");
    bench.assert_ledgers_agree().await;
    assert_eq!(bench.service.ledger().len(), 1, "one resume did it");
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resume_that_never_arrived_is_asked_again_only_after_the_settling_time() {
    let mut bench = Bench::new().await;
    bench
        .service
        .script(Rule::once(On::Resume, Fault::LostBefore));
    let id = bench.grow(&plenty(), 60).await;
    bench.start();
    bench.until_all_ended().await;
    assert_eq!(bench.state(&id).await, "reached");
    bench.assert_ledgers_agree().await;
    let waited: f64 = bench
        .value(
            "SELECT (julianday(b.sent_at) - julianday(a.sent_at)) * 86400.0
               FROM resumes a JOIN resumes b ON b.id > a.id WHERE a.state = 'lost'",
        )
        .await;
    // julianday() keeps about a tenth of a millisecond.
    assert!(waited >= 0.499, "asked again after {waited} s");
    let previous: String = bench
        .value(
            "SELECT group_concat(coalesce(detail ->> 'previous', 'none'), ', ' ORDER BY id)
               FROM events WHERE kind = 'resume_intended'",
        )
        .await;
    assert_eq!(previous, "none, lost");
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resume_that_shows_late_gets_no_second_one() {
    let mut options = Options::default();
    options.settings.speed = 1_000.0;
    options.settings.semantics.visibility_delay_ms = 300;
    options.settings.semantics.resume_answer_shows = false;
    let mut bench = Bench::with(options).await;
    let id = bench.grow(&plenty(), 60).await;
    bench.start();
    bench.until_all_ended().await;
    assert_eq!(bench.state(&id).await, "reached");
    bench.assert_ledgers_agree().await;
    assert_eq!(bench.service.ledger().len(), 1);
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_and_a_start_at_any_moment_go_on_where_it_was() {
    let mut bench = Bench::new().await;
    let mut ids = Vec::new();
    for _ in 0..10 {
        let id = bench.service.add_task(&plenty()).parse().unwrap();
        bench.want(&id, 145, Some(15)).await;
        ids.push(id);
    }
    for round in 0..6 {
        bench.start();
        tokio::time::sleep(Duration::from_millis(40 + 30 * round)).await;
        if round % 2 == 0 {
            bench.stop().await;
        } else {
            bench.abort().await;
        }
    }
    bench.start();
    bench.until_all_ended().await;
    for id in &ids {
        assert_eq!(bench.state(id).await, "reached", "{}", bench.dump().await);
    }
    bench.assert_ledgers_agree().await;
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_daily_limit_holds_and_waiting_is_reported() {
    let mut bench = Bench::new().await;
    bench.settings.policy.growth.daily_limit = 50;
    for _ in 0..4 {
        bench.grow(&plenty(), 60).await;
    }
    bench.start();
    bench
        .until("SELECT count(*) = 4 FROM progress WHERE state = 'growing' AND reason LIKE '%daily_limit%' OR state = 'reached'")
        .await;
    let asked: u32 = bench
        .service
        .ledger()
        .iter()
        .map(|entry| entry.requested)
        .sum();
    assert_eq!(asked, 50);
    // A reload applies a higher limit at once; this one keeps the limit.
    bench
        .signal(growd::daemon::supervision::signals::Signal::Reload)
        .await;
    bench
        .until("SELECT count(*) = 1 FROM events WHERE kind = 'reloaded'")
        .await;
    bench.stop().await;
    assert_eq!(
        bench
            .service
            .ledger()
            .iter()
            .map(|entry| entry.requested)
            .sum::<u32>(),
        50
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gate_holds_everything_and_opens_by_itself() {
    for (code, times, gate) in [
        (401, 1, "unauthorized"),
        // The poll, and the request for the account.
        (403, 2, "unauthorized"),
        (429, 1, "rate_limited"),
    ] {
        let mut bench = Bench::new().await;
        bench
            .service
            .script(Rule::once(On::Any, Fault::status(code)).times(times));
        bench.grow(&plenty(), 40).await;
        bench.start();
        bench.until_all_ended().await;
        let recorded: String = bench
            .value("SELECT detail ->> 'to' FROM events WHERE kind = 'gate' ORDER BY id LIMIT 1")
            .await;
        assert_eq!(recorded, gate, "{code}");
        let now: String = bench.value("SELECT gate FROM daemon").await;
        assert_eq!(now, "open", "{code}");
        bench.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_credits_resumes_are_held_and_polls_go_on() {
    let mut bench = Bench::new().await;
    let body = serde_json::json!({"detail": {"error": "insufficient_credits"}});
    let refusal = Fault::Status {
        code: 402,
        headers: BTreeMap::new(),
        body: Some(body),
        text: None,
        takes_effect: false,
    };
    bench
        .service
        .script(Rule::once(On::Resume, refusal).times(3));
    for _ in 0..5 {
        bench.grow(&plenty(), 40).await;
    }
    bench.start();
    bench.until_all_ended().await;
    let recorded: i64 = bench
        .value(
            "SELECT count(*) FROM events WHERE kind = 'gate' AND detail ->> 'to' = 'payment_required'
                AND detail ->> 'reason' = 'insufficient_credits'",
        )
        .await;
    assert!(recorded >= 1);
    let reached: i64 = bench
        .value("SELECT count(*) FROM progress WHERE state = 'reached'")
        .await;
    assert_eq!(reached, 5, "{}", bench.dump().await);
    bench.assert_ledgers_agree().await;
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_ends_in_refused_with_the_services_words_and_retry_tries_again() {
    let mut bench = Bench::new().await;
    let refusal = Fault::Status {
        code: 400,
        headers: BTreeMap::new(),
        body: Some(serde_json::json!({"detail": "not today"})),
        text: None,
        takes_effect: false,
    };
    bench.service.script(Rule::once(On::Resume, refusal));
    bench.grow(&plenty(), 40).await;
    bench.start();
    bench
        .until("SELECT state = 'refused' AND reason = 'not today' FROM progress")
        .await;
    bench.execute("UPDATE tasks SET retry = retry + 1").await;
    bench.until("SELECT state = 'reached' FROM progress").await;
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn resumes_that_bring_nothing_end_in_stalled() {
    let mut bench = Bench::new().await;
    bench
        .service
        .settings(|settings| settings.semantics.cap = 25);
    let id = bench.grow(&plenty(), 40).await;
    bench.start();
    bench.until_all_ended().await;
    assert_eq!(bench.state(&id).await, "stalled", "{}", bench.dump().await);
    assert_eq!(bench.service.ledger().len(), 2);
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_daemons_never_share_a_database() {
    let mut bench = Bench::new().await;
    bench.start();
    bench.until("SELECT pid IS NOT NULL FROM daemon").await;
    let (_sender, signals) = tokio::sync::mpsc::channel(1);
    let token = growd::token::Token::find(&bench.settings.api).unwrap();
    let second = growd::daemon::serve(bench.settings.clone(), token, signals, || unreachable!());
    let error = second.await.expect_err("the lock is held");
    assert!(
        error.to_string().contains("another growd daemon"),
        "{error}"
    );
    bench.stop().await;
}

#[test]
fn a_retry_after_counts_for_a_day_at_most() {
    assert_eq!(RETRY_AFTER_MAX, Duration::from_hours(24));
}

#[tokio::test(flavor = "multi_thread")]
async fn text_that_is_not_utf8_stops_no_other_task() {
    let mut bench = Bench::new().await;
    bench
        .execute_as_before(
            "INSERT INTO tasks (task_id, target, note)
             VALUES (CAST(x'626164ff' AS TEXT), 10, NULL), ('odd-note', 10, CAST(x'fffe' AS TEXT))",
        )
        .await;
    let id = bench.grow(&plenty(), 60).await;
    bench.start();
    bench.until_all_ended().await;
    assert_eq!(bench.state(&id).await, "reached");
    let (state, reason): (String, String) = sqlx::query_as(
        "SELECT state, reason FROM progress WHERE CAST(task_id AS BLOB) = x'626164ff'",
    )
    .fetch_one(&mut bench.connection().await)
    .await
    .unwrap();
    assert_eq!(state, "missing");
    assert!(reason.contains("626164ff"), "{reason}");
    let mut connection = bench.connection().await;
    let rows: Vec<_> = overview::rows(&mut connection, None, overview::RowOrder::Added)
        .try_collect()
        .await
        .unwrap();
    assert_eq!(rows.len(), 3);
    drop(connection);
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gate_that_opens_wakes_no_task_before_its_shortest_interval() {
    let mut bench = Bench::new().await;
    bench.settings.policy.polling.min_interval = Duration::from_millis(800);
    bench.settings.policy.polling.max_interval = Duration::from_secs(5);
    // Each of its polls fails, and each opening of the gate would make it due.
    let failing = bench.grow(&plenty(), 60).await;
    bench
        .service
        .script(Rule::always(On::Get, Fault::status(503)).of_task(failing.as_str()));
    bench
        .service
        .script(Rule::once(On::Resume, Fault::status(429)).times(3));
    for _ in 0..3 {
        bench.grow(&plenty(), 60).await;
    }
    bench.start();
    bench
        .until("SELECT count(*) >= 3 FROM progress WHERE state = 'reached'")
        .await;
    bench.stop().await;
    let polls: Vec<_> = bench
        .service
        .requests()
        .last
        .into_iter()
        .filter(|request| request.kind == "get" && request.path.contains(failing.as_str()))
        .map(|request| request.at)
        .collect();
    assert!(polls.len() > 1, "{polls:?}");
    for pair in polls.windows(2) {
        let gap = pair[1].duration_since(pair[0]);
        assert!(gap.as_millis() >= 750, "{polls:?}");
    }
}

/// A task is removed while its resume is open, and added again later. growd polls for the effect, and does not take the
/// resume for lost before.
#[tokio::test(flavor = "multi_thread")]
async fn an_unanswered_resume_of_a_removed_task_is_settled_when_the_task_is_added_again() {
    let mut options = Options::default();
    // Polls show the effect only after the task is removed.
    options.settings.semantics.visibility_delay_ms = 1_500;
    let mut bench = Bench::with(options).await;
    bench.settings.policy.growth.settle = Duration::from_secs(6);
    bench
        .service
        .script(Rule::once(On::Resume, Fault::LostAfter));
    let id = bench.grow(&plenty(), 60).await;
    bench.start();
    bench
        .until("SELECT count(*) = 1 FROM resumes WHERE state = 'intended'")
        .await;
    bench.execute("DELETE FROM tasks").await;
    bench.stop().await;
    // The heartbeat of a later daemon.
    let mut connection = bench.connection().await;
    let now = Timestamp::now() + Duration::from_hours(5);
    let mut gate = Gate::open(now);
    let policy = bench.settings.policy;
    maintenance::perform(
        &mut connection,
        &Maintenance::Heartbeat,
        &mut gate,
        &policy,
        now,
    )
    .await
    .unwrap();
    drop(connection);
    let state: String = bench.value("SELECT state FROM resumes").await;
    assert_ne!(state, "lost");
    bench.want(&id, 60, None).await;
    bench.start();
    bench.until_all_ended().await;
    bench.stop().await;
    assert_eq!(bench.state(&id).await, "reached");
    assert_eq!(bench.service.ledger().len(), 1);
    let states: Vec<String> = sqlx::query_scalar("SELECT state FROM resumes")
        .fetch_all(&mut bench.connection().await)
        .await
        .unwrap();
    assert_eq!(states, ["accepted"]);
}

/// SQLite's table of the ids given out can be edited by hand, or be behind the rows of the ledger.
#[tokio::test(flavor = "multi_thread")]
async fn resumes_go_on_after_the_sequence_of_their_ids_was_deleted() {
    let mut bench = Bench::new().await;
    let id = bench.grow(&plenty(), 60).await;
    bench.start();
    bench.until_all_ended().await;
    bench.stop().await;
    bench
        .execute("DELETE FROM sqlite_sequence WHERE name = 'resumes'")
        .await;
    bench.execute("UPDATE tasks SET target = 80").await;
    bench.start();
    bench.until_all_ended().await;
    assert_eq!(bench.state(&id).await, "reached", "{}", bench.dump().await);
    bench.assert_ledgers_agree().await;
    bench.stop().await;
}

/// A row that is settled by hand while its request is in flight keeps that state. Its answer is noted at the task, and the
/// task goes on.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_to_a_resume_that_was_settled_by_hand_is_noted_and_changes_no_row() {
    let mut bench = Bench::new().await;
    bench
        .service
        .script(Rule::once(On::Resume, Fault::Delay { ms: 2_000 }));
    let id = bench.grow(&plenty(), 60).await;
    bench.start();
    bench
        .until("SELECT count(*) = 1 FROM resumes WHERE state = 'intended'")
        .await;
    bench
        .execute("UPDATE resumes SET state = 'accepted', detail = 'by hand', resolved_at = sent_at")
        .await;
    bench
        .until(
            "SELECT count(*) = 1 FROM events WHERE kind = 'not_stored'
                AND detail ->> 'error' = 'resume 1 is accepted in the ledger, and cannot become accepted'",
        )
        .await;
    bench.until_all_ended().await;
    assert_eq!(bench.state(&id).await, "reached", "{}", bench.dump().await);
    let kept: i64 = bench
        .value("SELECT count(*) FROM resumes WHERE state = 'accepted' AND detail = 'by hand'")
        .await;
    assert_eq!(kept, 1);
    bench.assert_ledgers_agree().await;
    bench.stop().await;
}
