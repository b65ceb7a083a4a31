//! Assumptions of a client about the service: with the switch that breaks each of them, and without.

use super::{Fixture, LONG, Refusal, at, changed, number};
use crate::options::{Desired, Scenario, Semantics, WhileRunning};

/// Returns status and results at each of these seconds.
fn seen<const N: usize>(fixture: &mut Fixture, seconds: [u64; N]) -> [(String, u64); N] {
    seconds.map(|second| {
        let task = fixture.poll(second);
        let status = task["status"].as_str().unwrap().to_owned();
        (status, number(&task, "num_results"))
    })
}

fn expected<const N: usize>(pairs: [(&str, u64); N]) -> [(String, u64); N] {
    pairs.map(|(status, results)| (status.to_owned(), results))
}

#[test]
fn the_status_can_be_done_while_the_counters_still_rise() {
    let mut honest = Fixture::done(|_| {});
    honest.resume(0, 100).unwrap();
    assert_eq!(
        seen(&mut honest, [15, 30, 45, 60]),
        expected([
            ("in_progress", 125),
            ("in_progress", 150),
            ("in_progress", 175),
            ("done", 200)
        ])
    );
    let mut early = Fixture::done(|semantics| semantics.early_done_percent = 50);
    early.resume(0, 100).unwrap();
    assert_eq!(
        seen(&mut early, [15, 30, 45]),
        expected([("in_progress", 125), ("done", 150), ("done", 175)])
    );
    // A resume in that time adds to the results that are still to come.
    early.resume(45, 30).unwrap();
    assert_eq!(seen(&mut early, [LONG]), expected([("done", 230)]));
}

#[test]
fn the_counters_can_rise_forever_after_a_run_has_ended() {
    let mut still = Fixture::done(|_| {});
    assert_eq!(still.results(LONG), 100);
    let mut rising = Fixture::done(|semantics| semantics.rises_after_done = 20);
    assert_eq!(
        seen(&mut rising, [0, 60, 120]),
        expected([("done", 100), ("done", 120), ("done", 140)])
    );
    assert_eq!(rising.poll(120)["desired_num_results"], 100);
    // It starts again at the end of the next run.
    rising.resume(120, 50).unwrap();
    assert_eq!(
        seen(&mut rising, [150, 210, LONG]),
        expected([("done", 190), ("done", 210), ("done", 250)]),
        "up to the cap"
    );
}

#[test]
fn a_run_can_deliver_a_share_of_the_requested_results() {
    for desired in [Desired::Rises, Desired::Set, Desired::Stays] {
        let mut full = Fixture::done(|semantics| semantics.desired = desired);
        full.resume(0, 100).unwrap();
        assert_eq!(full.results(LONG), 200, "{desired:?}");
        let mut tenth = Fixture::done(|semantics| {
            semantics.desired = desired;
            semantics.yield_percent = 10;
        });
        tenth.resume(0, 100).unwrap();
        let task = tenth.poll(LONG);
        assert_eq!(task["num_results"], 110, "{desired:?}");
        assert_eq!(task["is_exhausted"], false);
        tenth.resume(LONG, 100).unwrap();
        assert_eq!(tenth.results(2 * LONG), 120, "{desired:?}");
    }
    let semantics = changed(|semantics| semantics.yield_percent = 10);
    let mut created = Fixture::new(semantics, Scenario::default());
    assert_eq!(created.results(LONG), 10, "also the run of the creation");
}

#[test]
fn done_can_return_to_in_progress_by_itself() {
    let mut whole = Fixture::done(|_| {});
    whole.resume(0, 100).unwrap();
    assert_eq!(
        seen(&mut whole, [60, 100]),
        expected([("done", 200), ("done", 200)])
    );
    let mut two_parts = Fixture::done(|semantics| {
        semantics.reopens_percent = 40;
        semantics.reopens_after_s = 60;
    });
    two_parts.resume(0, 100).unwrap();
    assert_eq!(
        seen(&mut two_parts, [30, 36, 95, 108, 120, LONG]),
        expected([
            ("in_progress", 150),
            ("done", 160),
            ("done", 160),
            ("in_progress", 180),
            ("done", 200),
            ("done", 200)
        ])
    );
    // A resume before the second run starts at once and includes it.
    let mut resumed = Fixture::done(|semantics| semantics.reopens_percent = 40);
    resumed.resume(0, 100).unwrap();
    assert_eq!(seen(&mut resumed, [50]), expected([("done", 160)]));
    resumed.resume(50, 10).unwrap();
    assert_eq!(resumed.poll(51)["status"], "in_progress");
    assert_eq!(resumed.results(LONG), 210);
}

#[test]
fn the_work_of_a_resume_can_start_long_after_its_response() {
    let mut prompt = Fixture::done(|_| {});
    assert_eq!(prompt.resume(0, 100).unwrap()["status"], "in_progress");
    let mut slow = Fixture::done(|semantics| semantics.work_delay_s = 90);
    let task = slow.resume(0, 100).unwrap();
    assert_eq!(task["status"], "done");
    assert_eq!(task["desired_num_results"], 200);
    assert_eq!(
        seen(&mut slow, [0, 89, 120, 150]),
        expected([
            ("done", 100),
            ("done", 100),
            ("in_progress", 150),
            ("done", 200)
        ])
    );
    // Two resumes within that time start together.
    let mut twice = Fixture::done(|semantics| semantics.work_delay_s = 90);
    twice.resume(0, 10).unwrap();
    twice.resume(60, 20).unwrap();
    assert_eq!(twice.poll(89)["status"], "done");
    assert_eq!(twice.poll(91)["status"], "in_progress");
    assert_eq!(twice.results(LONG), 130);
}

#[test]
fn some_results_can_be_counted_and_never_delivered() {
    let rows = |fixture: &mut Fixture| {
        fixture.page(0, 0, 1_000)["results"]
            .as_array()
            .unwrap()
            .len()
    };
    let mut all = Fixture::done(|_| {});
    assert_eq!(rows(&mut all), 100);
    let mut some = Fixture::done(|semantics| semantics.undelivered_percent = 20);
    let delivered = rows(&mut some);
    assert!((70..90).contains(&delivered), "{delivered}");
    assert_eq!(some.page(0, 0, 1_000), some.page(0, 0, 1_000));
    assert_eq!(some.results(0), 100);
    let mut none = Fixture::done(|semantics| semantics.undelivered_percent = 100);
    assert_eq!(rows(&mut none), 0);
}

#[test]
fn another_client_can_resume_first() {
    let refused = |semantics: &mut Semantics| {
        semantics.resume_while_running = WhileRunning::Refused;
    };
    let mut alone = Fixture::done(refused);
    alone.resume(0, 50).unwrap();
    let mut second = Fixture::done(refused);
    let semantics = second.semantics.clone();
    second.world.colleague_resumes(at(0), "t", 100, &semantics);
    assert_eq!(second.resume(0, 50), Err(Refusal::Running));
    assert_eq!(
        second.results(LONG),
        200,
        "the service delivers nevertheless"
    );
    let by_colleague = second.world.ledger().iter();
    let by_colleague: Vec<bool> = by_colleague.map(|entry| entry.by_colleague).collect();
    assert_eq!(by_colleague, [true, false]);
}
