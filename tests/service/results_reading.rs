//! What is kept of the results of each task: all of them, once each, as the service has them.

use crate::support::{Bench, plenty};
use growd_simulator::{FailAt, Scenario};

#[tokio::test(flavor = "multi_thread")]
async fn every_result_of_every_task_is_kept_once() {
    let mut bench = Bench::new().await;
    bench.keep_results(100);
    bench.settings.policy.growth.chunk = 40;
    let grown = bench.grow(&plenty(), 230).await;
    let already = bench.grow(&plenty(), 10).await;
    let mut dry = plenty();
    dry.pool = Some(90);
    let exhausted = bench.grow(&dry, 200).await;
    let mut failing = plenty();
    failing.fail_at = Some(FailAt::Results(40));
    let failed = bench.grow(&failing, 100).await;
    let empty = bench.grow(&Scenario::exhausted(0), 100).await;
    bench.start();
    bench.until_all_ended().await;
    bench.until_all_read().await;
    for id in [&grown, &already, &exhausted, &failed, &empty] {
        bench.assert_kept(id).await;
    }
    assert_eq!(bench.kept(&grown).await.len(), 230);
    assert_eq!(bench.kept(&already).await.len(), 25);
    let gone: i64 = bench
        .value("SELECT count(*) FROM results WHERE gone_at IS NOT NULL")
        .await;
    assert_eq!(gone, 0);
    let errors: i64 = bench
        .value("SELECT count(*) FROM events WHERE kind = 'results_error'")
        .await;
    assert_eq!(errors, 0);
    bench.assert_ledgers_agree().await;
    bench.stop().await;
}
