//! Limits, budgets and the reserve of credits, with the daemon at work.

use crate::support::{Bench, plenty};
use growd_simulator::{Fault, On, Rule};

async fn requested(bench: &Bench) -> i64 {
    bench
        .value("SELECT coalesce(sum(requested), 0) FROM resumes WHERE state IN ('intended', 'accepted', 'lost')")
        .await
}

/// Returns how often the service was asked for the account.
fn asked_for_account(bench: &Bench) -> u64 {
    let requests = bench.service.requests();
    requests.by_kind.get("user").copied().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn creates_count_towards_the_monthly_limit_which_is_reported_before_its_end_and_waited_for() {
    let mut bench = Bench::new().await;
    bench.settings.policy.growth.daily_limit = 1_000;
    bench.settings.policy.growth.monthly_limit = 50;
    bench
        .execute(
            "INSERT INTO creates (search, part, desired, body, state, sent_at)
             VALUES ('gone', 1, 20, '{}', 'accepted', strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-20 days'))",
        )
        .await;
    for _ in 0..4 {
        let id = bench.grow(&plenty(), 60).await;
        bench.want(&id, 60, Some(5)).await;
    }
    bench.start();
    bench
        .until(
            "SELECT count(*) = 4 FROM progress
              WHERE state = 'growing' AND queue = 'limit' AND reason LIKE '%growth.monthly_limit (50)%'
                AND next_poll_at > strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '+9 days')
                AND next_poll_at < strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '+11 days')",
        )
        .await;
    assert_eq!(requested(&bench).await, 30);
    let near: String = bench
        .value("SELECT group_concat(detail, ' ') FROM events WHERE kind = 'limit_near'")
        .await;
    assert_eq!(
        near,
        r#"{"limit":"growth.monthly_limit","used":40,"of":50}"#
    );
    // A month later the limit has room, and is reported again.
    for sql in [
        "UPDATE daemon SET limits_near = json_object('growth.monthly_limit', strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-25 hours'))",
        "UPDATE creates SET sent_at = '2020-01-01T00:00:00.000Z'",
    ] {
        bench.execute(sql).await;
    }
    bench
        .until("SELECT coalesce(sum(requested), 0) = 50 FROM resumes WHERE state = 'accepted'")
        .await;
    let near: i64 = bench
        .value("SELECT count(*) FROM events WHERE kind = 'limit_near'")
        .await;
    assert_eq!(near, 2);
    bench.stop().await;
    bench.assert_ledgers_agree().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_budget_that_is_used_up_ends_the_task_and_a_higher_one_goes_on() {
    let mut bench = Bench::new().await;
    let id = bench.grow(&plenty(), 200).await;
    bench
        .execute("UPDATE tasks SET chunk = 20, budget = 50")
        .await;
    bench.start();
    bench
        .until(
            "SELECT state = 'stalled' AND next_poll_at IS NULL
                AND reason LIKE 'the task''s budget of 50 is used up: 50 results were requested%' FROM progress",
        )
        .await;
    let chunks = "SELECT group_concat(requested) FROM (SELECT requested FROM resumes ORDER BY id)";
    assert_eq!(bench.value::<String>(chunks).await, "20,20,10");
    bench.execute("UPDATE tasks SET budget = 55").await;
    bench
        .until("SELECT state = 'stalled' AND reason LIKE '%budget of 55%' FROM progress")
        .await;
    assert_eq!(bench.value::<String>(chunks).await, "20,20,10,5");
    bench.execute("UPDATE tasks SET budget = NULL").await;
    bench.until_all_ended().await;
    assert_eq!(bench.state(&id).await, "reached");
    bench.stop().await;
    bench.assert_ledgers_agree().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_parts_of_a_search_share_its_budget_and_only_the_newest_is_resumed() {
    let mut bench = Bench::new().await;
    bench
        .execute("INSERT INTO searches (search, query, target, budget) VALUES ('one', 'a query', 600, 100)")
        .await;
    let mut connection = bench.connection().await;
    for part in 1..=2_i64 {
        let id = bench.service.add_task(&plenty());
        sqlx::query("INSERT INTO tasks (task_id, target, chunk, search, part) VALUES (?, 200, 30, 'one', ?)")
            .bind(id)
            .bind(part)
            .execute(&mut connection)
            .await
            .unwrap();
    }
    bench
        .execute(
            "INSERT INTO creates (search, part, desired, body, state, sent_at)
             VALUES ('one', 1, 25, '{}', 'accepted', strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))",
        )
        .await;
    bench.start();
    bench
        .until(
            "SELECT state = 'reached' AND reason LIKE '25 results; the search continues with a later part'
               FROM progress JOIN tasks USING (task_id) WHERE part = 1",
        )
        .await;
    bench
        .until(
            "SELECT state = 'stalled' AND reason LIKE 'the search''s budget of 100 is used up: 100 %'
               FROM progress JOIN tasks USING (task_id) WHERE part = 2",
        )
        .await;
    let of_first: i64 = bench
        .value("SELECT count(*) FROM resumes JOIN tasks USING (task_id) WHERE part = 1")
        .await;
    assert_eq!((of_first, requested(&bench).await), (0, 75));
    // The newest part goes on with a higher budget.
    bench.execute("UPDATE searches SET budget = 110").await;
    bench
        .until("SELECT count(*) = 1 FROM progress WHERE state = 'stalled' AND reason LIKE '%budget of 110%'")
        .await;
    assert_eq!(requested(&bench).await, 85);
    bench.stop().await;
    bench.assert_ledgers_agree().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn credits_are_asked_for_once_and_below_the_reserve_nothing_is_paid_for() {
    let mut bench = Bench::new().await;
    bench.settings.policy.growth.reserve_credits = 500;
    bench
        .service
        .settings(|settings| settings.credits = Some(499));
    for _ in 0..4 {
        bench.grow(&plenty(), 60).await;
    }
    bench.start();
    bench
        .until(
            "SELECT count(*) = 4 FROM progress
              WHERE state = 'growing' AND next_poll_at > strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '+3 minutes')
                AND reason LIKE '%499 credits%growth.reserve_credits (500)%'",
        )
        .await;
    assert_eq!((asked_for_account(&bench), requested(&bench).await), (1, 0));
    // A restart asks no sooner.
    bench.stop().await;
    bench
        .execute(
            "UPDATE progress SET next_poll_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now'), polls = 0",
        )
        .await;
    bench.start();
    bench
        .until("SELECT count(*) = 4 FROM progress WHERE polls > 0 AND next_poll_at > strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '+3 minutes')")
        .await;
    assert_eq!((asked_for_account(&bench), requested(&bench).await), (1, 0));
    // Five minutes later there are more.
    bench
        .service
        .settings(|settings| settings.credits = Some(10_000));
    for sql in [
        "UPDATE daemon SET credits_at = strftime('%Y-%m-%dT%H:%M:%fZ', credits_at, '-5 minutes')",
        "UPDATE progress SET next_poll_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now')",
    ] {
        bench.execute(sql).await;
    }
    bench.until_all_ended().await;
    let reached: i64 = bench
        .value("SELECT count(*) FROM progress WHERE state = 'reached'")
        .await;
    assert_eq!((reached, asked_for_account(&bench)), (4, 2));
    bench.stop().await;
    bench.assert_ledgers_agree().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn credits_that_the_service_does_not_show_are_waited_for_and_asked_for_only_where_it_matters()
{
    let mut bench = Bench::new().await;
    bench.settings.policy.growth.reserve_credits = 1;
    // No paid request is due.
    bench.grow(&plenty(), 25).await;
    bench.start();
    bench.until_all_ended().await;
    assert_eq!(asked_for_account(&bench), 0);
    bench.stop().await;
    // As a crash leaves it while the service is asked: the answer is lost, and it is not asked again at once.
    for sql in [
        "UPDATE daemon SET credits_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now')",
        "UPDATE tasks SET target = 60",
    ] {
        bench.execute(sql).await;
    }
    bench.start();
    let waits = "SELECT state = 'growing' AND reason LIKE '%credits are not known%'
                    AND next_poll_at > strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '+3 minutes') FROM progress";
    bench.until(waits).await;
    assert_eq!((asked_for_account(&bench), requested(&bench).await), (0, 0));
    // Five minutes later the service fails.
    bench
        .service
        .script(Rule::once(On::User, Fault::status(500)));
    for sql in [
        "UPDATE daemon SET credits_at = strftime('%Y-%m-%dT%H:%M:%fZ', credits_at, '-5 minutes')",
        "UPDATE progress SET reason = NULL, next_poll_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now')",
    ] {
        bench.execute(sql).await;
    }
    bench.until(waits).await;
    assert_eq!((asked_for_account(&bench), requested(&bench).await), (1, 0));
    bench.stop().await;
}
