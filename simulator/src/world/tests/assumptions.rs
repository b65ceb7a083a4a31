//! Assumptions of a client about the service: with the switch that breaks each of them, and without.

use super::{Fixture, LONG, Refusal, at, changed};
use crate::options::{Desired, Scenario, Semantics, WhileRunning};

impl Fixture {
    /// Asserts the status and the number of results at each of these seconds.
    fn assert_progress<const N: usize>(&mut self, expected: [(u64, &str, u64); N]) {
        for (second, status, results) in expected {
            let task = self.poll(second);
            assert_eq!(task["status"], status, "after {second} s");
            assert_eq!(task["num_results"], results, "after {second} s");
        }
    }
}

#[test]
fn the_status_can_be_done_while_the_counters_still_rise() {
    let mut honest = Fixture::done(|_| {});
    honest.resume(0, 100).unwrap();
    honest.assert_progress([
        (15, "in_progress", 125),
        (30, "in_progress", 150),
        (45, "in_progress", 175),
        (60, "done", 200),
    ]);
    let mut early = Fixture::done(|semantics| semantics.early_done_percent = 50);
    early.resume(0, 100).unwrap();
    early.assert_progress([
        (15, "in_progress", 125),
        (30, "done", 150),
        (45, "done", 175),
    ]);
    // A resume in that time adds to the results that are still to come.
    early.resume(45, 30).unwrap();
    early.assert_progress([(LONG, "done", 230)]);
}

#[test]
fn the_counters_can_rise_forever_after_a_run_has_ended() {
    let mut still = Fixture::done(|_| {});
    assert_eq!(still.results(LONG), 100);
    let mut rising = Fixture::done(|semantics| semantics.rises_after_done = 20);
    rising.assert_progress([(0, "done", 100), (60, "done", 120), (120, "done", 140)]);
    assert_eq!(rising.poll(120)["desired_num_results"], 100);
    // It starts again at the end of the next run, and ends at the cap.
    rising.resume(120, 50).unwrap();
    rising.assert_progress([(150, "done", 190), (210, "done", 210), (LONG, "done", 250)]);
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
    whole.assert_progress([(60, "done", 200), (100, "done", 200)]);
    let mut two_parts = Fixture::done(|semantics| {
        semantics.reopens_percent = 40;
        semantics.reopens_after_s = 60;
    });
    two_parts.resume(0, 100).unwrap();
    two_parts.assert_progress([
        (30, "in_progress", 150),
        (36, "done", 160),
        (95, "done", 160),
        (108, "in_progress", 180),
        (120, "done", 200),
        (LONG, "done", 200),
    ]);
    // A resume before the second run starts at once and includes it.
    let mut resumed = Fixture::done(|semantics| semantics.reopens_percent = 40);
    resumed.resume(0, 100).unwrap();
    resumed.assert_progress([(50, "done", 160)]);
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
    slow.assert_progress([
        (0, "done", 100),
        (89, "done", 100),
        (120, "in_progress", 150),
        (150, "done", 200),
    ]);
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
