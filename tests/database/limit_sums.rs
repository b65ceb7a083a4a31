//! What counts towards the limits on spending.

use crate::support::Bench;
use growd::core::after;
use growd::core::policy::Growth;
use growd::core::spending::{Limit, Windows};
use growd::store::ledger;
use jiff::Timestamp;
use std::time::Duration;

const DAY: Duration = Duration::from_hours(24);

#[tokio::test]
async fn resumes_and_creates_that_may_have_been_sent_count_for_a_day_and_for_thirty() {
    let bench = Bench::new().await;
    let mut connection = bench.connection().await;
    let sql = "
        INSERT INTO creates (search, part, desired, body, state, sent_at) VALUES
            ('s', 1, 1, '{}', 'accepted', '2026-11-24T00:00:00.000Z'),
            ('t', 1, 2, '{}', 'intended', '2026-11-24T00:00:00.000Z'),
            ('u', 1, 4, '{}', 'lost', '2026-11-01T00:00:00.000Z'),
            ('v', 1, 100, '{}', 'rejected', '2026-11-24T00:00:00.000Z'),
            ('w', 1, 100, '{}', 'unsent', '2026-11-24T00:00:00.000Z'),
            ('x', 1, 100, '{}', 'accepted', '2026-10-25T11:00:00.000Z');
        INSERT INTO resumes (task_id, requested, baseline_desired, baseline_results, best_results, state, sent_at) VALUES
            ('a', 8, 0, 0, 0, 'accepted', '2026-11-23T18:00:00.000Z'),
            ('b', 16, 0, 0, 0, 'intended', '2026-11-24T00:00:00.000Z'),
            ('c', 32, 0, 0, 0, 'lost', '2026-10-26T00:00:00.000Z'),
            ('d', 100, 0, 0, 0, 'rejected', '2026-11-24T00:00:00.000Z'),
            ('e', 100, 0, 0, 0, 'unsent', '2026-11-24T00:00:00.000Z'),
            ('f', 100, 0, 0, 0, 'accepted', '2026-10-25T11:00:00.000Z');";
    sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
    let now: Timestamp = "2026-11-24T12:00:00Z".parse().unwrap();
    let growth = Growth {
        daily_limit: 1,
        monthly_limit: 1,
        ..bench.settings.policy.growth
    };
    let used = ledger::used(&mut connection, &growth, Windows::NOMINAL, now).await;
    let [daily, monthly] = used.unwrap()[..] else {
        panic!("one for each limit");
    };
    assert_eq!((daily.limit, daily.requested), (Limit::Daily, 27));
    let oldest: Timestamp = "2026-11-23T18:00:00Z".parse().unwrap();
    assert_eq!(daily.frees_at, Some(after(oldest, DAY)));
    assert_eq!((monthly.limit, monthly.requested), (Limit::Monthly, 63));
    let oldest: Timestamp = "2026-10-26T00:00:00Z".parse().unwrap();
    assert_eq!(monthly.frees_at, Some(after(oldest, DAY * 30)));
    // After a leap of the clock by two days, what seems that much older still counts.
    let windows = Windows::lengthened(|_| DAY * 2);
    let used = ledger::used(&mut connection, &growth, windows, now).await;
    let requested: Vec<i64> = used.unwrap().iter().map(|used| used.requested).collect();
    assert_eq!(requested, [27, 263]);
    let neither = Growth {
        daily_limit: 0,
        monthly_limit: 0,
        ..growth
    };
    let used = ledger::used(&mut connection, &neither, Windows::NOMINAL, now).await;
    assert_eq!(used.unwrap(), []);
}
