//! The daemon against the stand-in over HTTP, with each undocumented behaviour of the service.
//!
//! `semantics_matrix.rs` tests every combination in virtual time. This test takes every `STRIDE`th combination through
//! sockets, the client and the database; with `GROWD_MATRIX=all`, all of them.

use crate::support::Bench;
use futures_util::StreamExt;
use futures_util::stream;
use growd_simulator::{
    CapCounts, Desired, Excess, Falls, Fault, On, Options, RefusalBody, Rule, Scenario, Semantics,
    WhileRunning,
};
use std::time::Duration;

/// The number of services that run side by side.
const AT_ONCE: usize = 16;

/// One of this many combinations is tested. It has no common divisor with the numbers of values.
const STRIDE: usize = 17;

const START: u32 = 20;
const TARGET: u32 = 60;
const CHUNK: u32 = 20;
const SETTLE: Duration = Duration::from_millis(1_500);

/// How long polls are stale after a resume, in milliseconds.
const AT_ONCE_SEEN: u64 = 0;
const SEEN_WITHIN_SETTLE: u64 = 400;
const SEEN_BEYOND_SETTLE: u64 = 4_000;

/// The fault of a task's first resume.
fn answers() -> Vec<Option<Fault>> {
    vec![
        None,
        Some(Fault::LostBefore),
        Some(Fault::LostAfter),
        Some(Fault::Late { ms: 300 }),
        Some(Fault::Reset { takes_effect: true }),
        Some(Fault::NotJson),
        Fault::named("504_after"),
    ]
}

fn combinations() -> Vec<Semantics> {
    let mut all = Vec::new();
    for visibility_delay_ms in [AT_ONCE_SEEN, SEEN_WITHIN_SETTLE, SEEN_BEYOND_SETTLE] {
        for desired in [Desired::Rises, Desired::Set, Desired::Stays] {
            for cap_counts in [CapCounts::Results, CapCounts::Desired] {
                for cap_excess in [Excess::Clamped, Excess::Refused] {
                    for resume_while_running in [
                        WhileRunning::Queued,
                        WhileRunning::Refused,
                        WhileRunning::Added,
                    ] {
                        for resume_answer_shows in [true, false] {
                            for refusal_body in
                                [RefusalBody::String, RefusalBody::Object, RefusalBody::List]
                            {
                                all.push(Semantics {
                                    desired,
                                    cap_counts,
                                    cap_excess,
                                    resume_while_running,
                                    visibility_delay_ms,
                                    resume_answer_shows,
                                    refusal_body,
                                    falls: Falls::Never,
                                    ..Semantics::default()
                                });
                            }
                        }
                    }
                }
            }
        }
    }
    match std::env::var("GROWD_MATRIX").as_deref() {
        Ok("all") => all,
        _ => all.into_iter().step_by(STRIDE).collect(),
    }
}

async fn grows_to_its_target(semantics: Semantics) {
    let mut options = Options::default();
    options.settings.speed = 1_000.0;
    options.settings.semantics = semantics.clone();
    let mut bench = Bench::with(options).await;
    bench.settings.policy.growth.settle = SETTLE;
    for fault in answers() {
        let scenario = Scenario {
            pool: Some(5_000),
            fit_rate: Some(0.5),
            rate_per_minute: Some(6_000.0),
            ..Scenario::done(START)
        };
        let id = bench.service.add_task(&scenario);
        if let Some(fault) = fault {
            let rule = Rule::once(On::Resume, fault).of_task(&id);
            bench.service.script(rule);
        }
        let id = id.parse().unwrap();
        bench.want(&id, TARGET.into(), Some(CHUNK.into())).await;
    }
    bench.start();
    bench.until_all_ended().await;
    bench.stop().await;

    let beyond = semantics.visibility_delay_ms == SEEN_BEYOND_SETTLE;
    if !beyond {
        bench.assert_ledgers_agree().await;
    }
    let rows: Vec<(String, String, i64, i64)> = sqlx::query_as(
        "SELECT p.task_id, p.state,
                (SELECT count(*) FROM resumes r WHERE r.task_id = p.task_id AND r.state = 'lost'),
                (SELECT count(*) FROM resumes r WHERE r.task_id = p.task_id AND r.brought = 0)
           FROM progress p",
    )
    .fetch_all(&mut bench.connection().await)
    .await
    .unwrap();
    for (id, state, lost, without_effect) in rows {
        let granted: u32 = bench
            .service
            .ledger()
            .iter()
            .filter(|entry| entry.task_id == id)
            .map(|entry| entry.granted)
            .sum();
        // Beyond the settling time a resume may be repeated, once for each row that is lost or brought 0.
        let repeated = if beyond { lost + without_effect } else { 0 };
        let most = i64::from(TARGET - START) + repeated * i64::from(CHUNK);
        let seen = format!("{semantics:?}\n{}", bench.dump().await);
        assert!(i64::from(granted) <= most, "{granted} were granted\n{seen}");
        let ended = state == "reached" || (beyond && state == "stalled");
        assert!(ended, "{state}\n{seen}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn with_any_semantics_of_the_service_each_new_result_is_requested_once() {
    stream::iter(combinations())
        .map(|semantics| tokio::spawn(grows_to_its_target(semantics)))
        .buffer_unordered(AT_ONCE)
        .for_each(|done| async { done.unwrap() })
        .await;
}
