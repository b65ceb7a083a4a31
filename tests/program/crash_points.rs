//! The program is killed between any two effects: each resume takes effect at most once, each one that did is in the
//! ledger, each task reaches its right end, and its results are those of the service, once each.
//!
//! The program kills itself by SIGKILL at a crash point (`src/crash.rs`). It is then started again and runs until all
//! tasks have ended. Its ledger is compared with that of the stand-in.

use crate::support::program::{Daemon, growd, output, write_config};
use crate::support::{Bench, TIMEOUT};
use futures_util::StreamExt;
use futures_util::stream;
use growd::crash::Point;
use growd_simulator::{FailAt, Fault, On, Options, Rule, Scenario};
use std::time::{Duration, Instant};

/// The number of cases that run side by side.
const AT_ONCE: usize = 4;

/// The signal that makes the daemon reach a crash point.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Trigger {
    /// None: it reaches the point by itself.
    Nothing,
    /// SIGHUP.
    Reload,
    /// SIGTERM while a resume is in flight.
    Stop,
}

#[derive(Debug, Clone)]
struct Case {
    point: Point,
    time: u32,
    act: Trigger,
    /// The fault of every resume.
    resumes: Option<Fault>,
}

impl Case {
    fn all() -> Vec<Self> {
        Point::ALL.iter().copied().flat_map(Self::of).collect()
    }

    fn of(point: Point) -> Vec<Self> {
        let plain = Self {
            point,
            time: 1,
            act: Trigger::Nothing,
            resumes: None,
        };
        let at = |time, resumes| Self {
            time,
            resumes,
            ..plain.clone()
        };
        match point {
            // The points of a resume: with good answers, with lost ones, and at a later resume.
            Point::PollBegins
            | Point::PollAnswered
            | Point::PollStoring
            | Point::PollWritten
            | Point::PollCommitted
            | Point::IntentWritten
            | Point::IntentCommitted
            | Point::ResumeBegins
            | Point::ResumeAnswered
            | Point::AnswerWritten
            | Point::AnswerCommitted => vec![
                plain.clone(),
                at(3, None),
                at(2, Some(Fault::LostAfter)),
                at(2, Some(Fault::LostBefore)),
            ],
            // `crash_points_of_searches` has these.
            Point::CreateIntentWritten
            | Point::CreateIntentCommitted
            | Point::CreateBegins
            | Point::CreateAnswered
            | Point::CreateAnswerWritten
            | Point::CreateAnswerCommitted
            | Point::ListWritten
            | Point::ListCommitted
            // These are points of another command.
            | Point::AddWritten
            | Point::AddCommitted => Vec::new(),
            // The first page, and a later one: the end of a reading.
            Point::ResultsBegins
            | Point::ResultsAnswered
            | Point::ResultsWritten
            | Point::ResultsCommitted => vec![plain.clone(), at(2, None), at(7, None)],
            Point::ReloadRead | Point::ReloadAdopted => vec![Self {
                act: Trigger::Reload,
                ..plain
            }],
            Point::DrainBegins
            | Point::Drained
            | Point::CheckpointBegins
            | Point::CheckpointDone => {
                vec![Self {
                    act: Trigger::Stop,
                    resumes: Some(Fault::Delay { ms: 300 }),
                    ..plain
                }]
            }
            Point::Locked
            | Point::MigrationBegins
            | Point::MigrationCommitted
            | Point::Opened
            | Point::Started
            | Point::Scheduled
            | Point::PruneWritten
            | Point::PruneCommitted => vec![plain],
            // Early in the migration, and late in it.
            Point::MigrationUnderWay => vec![plain.clone(), at(150, None)],
        }
    }

    /// Whether there is no database yet at this point.
    fn precedes_the_database(&self) -> bool {
        matches!(
            self.point,
            Point::Locked
                | Point::MigrationBegins
                | Point::MigrationUnderWay
                | Point::MigrationCommitted
        )
    }
}

/// A task of each kind, its target, and its final state.
fn searches() -> [(Scenario, i64, &'static str); 4] {
    let plenty = Scenario {
        pool: Some(5_000),
        fit_rate: Some(0.5),
        rate_per_minute: Some(6_000.0),
        ..Scenario::done(20)
    };
    let few = Scenario {
        pool: Some(90),
        ..plenty.clone()
    };
    let failing = Scenario {
        fail_at: Some(FailAt::Results(45)),
        ..plenty.clone()
    };
    [
        (plenty.clone(), 80, "reached"),
        (few, 200, "exhausted"),
        (plenty, 400, "capped"),
        (failing, 100, "failed"),
    ]
}

async fn bench() -> Bench {
    let mut options = Options::default();
    options.settings.speed = 1_000.0;
    options.settings.semantics.cap = 100;
    let bench = Bench::with(options).await;
    write_config(
        &bench,
        &[
            ("growth.settle", r#""1s""#),
            ("growth.task_cap", "100"),
            ("history.keep", r#""1h""#),
            ("results.page", "20"),
        ],
    );
    bench
}

/// Adds the tasks to the service and the database; returns each id with its final state.
async fn begin(bench: &Bench) -> Vec<(String, &'static str)> {
    let mut begun = Vec::new();
    for (scenario, target, state) in searches() {
        let id = bench.service.add_task(&scenario);
        bench.want(&id.parse().unwrap(), target, Some(30)).await;
        begun.push((id, state));
    }
    begun
}

/// Starts the program again, waits until all tasks have ended, and compares them with the service.
async fn continues(bench: &Bench, begun: &[(String, &'static str)], when: &str) {
    bench.service.clear_script();
    let mut daemon = Daemon::start(bench);
    bench.until_all_ended().await;
    bench.until_all_read().await;
    daemon.signal("TERM");
    assert_eq!(daemon.ended().await, Some(0), "{when}: {}", daemon.logged());
    bench.assert_ledgers_agree().await;
    for (id, state) in begun {
        let ended = bench.state(&id.parse().unwrap()).await;
        assert_eq!(&ended, state, "{when}: {}", bench.dump().await);
        bench.assert_kept(&id.parse().unwrap()).await;
    }
}

async fn until(what: &str, holds: impl Fn() -> bool) {
    let begin = Instant::now();
    while !holds() {
        assert!(begin.elapsed() < TIMEOUT, "never: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn killed_and_restarted(case: Case) {
    let when = format!("{case:?}");
    let bench = bench().await;
    if let Some(fault) = &case.resumes {
        bench
            .service
            .script(Rule::always(On::Resume, fault.clone()));
    }
    let mut begun = Vec::new();
    if !case.precedes_the_database() {
        begun = begin(&bench).await;
        bench
            .execute(
                "INSERT INTO events (at, kind)
                 SELECT '2020-01-01T00:00:00.000Z', 'old' FROM json_each('[1,2,3]')",
            )
            .await;
    }
    let crash_at = format!("{}:{}", case.point.name(), case.time);
    let mut daemon = Daemon::start_with(&bench, &[("GROWD_CRASH_AT", &crash_at)]);
    match case.act {
        Trigger::Nothing => {}
        Trigger::Reload => {
            daemon.logs("started").await;
            daemon.signal("HUP");
        }
        Trigger::Stop => {
            bench
                .until("SELECT count(*) > 0 FROM resumes WHERE state = 'intended'")
                .await;
            daemon.signal("TERM");
        }
    }
    daemon.killed(&when).await;
    if case.precedes_the_database() {
        begun = begin(&bench).await;
    }
    continues(&bench, &begun, &when).await;
}

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(
    not(debug_assertions),
    ignore = "a build without debug assertions has no crash points"
)]
async fn killed_between_any_two_effects_it_pays_once_and_comes_to_the_right_ends() {
    let cases = Case::all();
    assert!(cases.len() > 55, "{}", cases.len());
    stream::iter(cases)
        .map(|case| tokio::spawn(killed_and_restarted(case)))
        .buffer_unordered(AT_ONCE)
        .for_each(|done| async { done.unwrap() })
        .await;
}

/// Kills the program between a resume and its answer: `fault` delays the answer, and the kill comes once `seen` is
/// true.
async fn killed_during_a_resume(fault: Fault, seen: fn(&Bench) -> bool) {
    let when = format!("a resume in flight, {fault:?}");
    let bench = bench().await;
    bench.service.script(Rule::always(On::Resume, fault));
    let begun = begin(&bench).await;
    let mut daemon = Daemon::start(&bench);
    until(&when, || seen(&bench)).await;
    daemon.signal("KILL");
    daemon.killed(&when).await;
    continues(&bench, &begun, &when).await;
}

fn resume_received(bench: &Bench) -> bool {
    bench.service.requests().by_kind.contains_key("resume")
}

fn resume_took_effect(bench: &Bench) -> bool {
    bench.service.ledger().iter().any(|entry| entry.took_effect)
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_while_a_resume_is_with_the_service_it_pays_once() {
    tokio::join!(
        // Received, and never takes effect.
        killed_during_a_resume(Fault::Hang { ms: 60_000 }, resume_received),
        // Took effect; the answer never arrives.
        killed_during_a_resume(Fault::HangAfter { ms: 60_000 }, resume_took_effect),
        // Received, and takes effect while no daemon runs, or after the next one has started.
        killed_during_a_resume(Fault::Late { ms: 400 }, resume_received),
    );
}

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(
    not(debug_assertions),
    ignore = "a build without debug assertions has no crash points"
)]
async fn killed_in_the_middle_of_it_add_has_added_all_or_nothing() {
    for (point, expected) in [(Point::AddWritten, 0), (Point::AddCommitted, 3)] {
        let bench = bench().await;
        let mut add = growd(&bench, &["add", "a", "b", "c", "--target", "9"]);
        let died = add.env("GROWD_CRASH_AT", point.name()).output().unwrap();
        assert_eq!(died.status.code(), None, "{point:?}: {died:?}");
        let added: i64 = bench.value("SELECT count(*) FROM tasks").await;
        assert_eq!(added, expected, "{point:?}");
        let again = output(&bench, &["add", "a", "b", "c", "--target", "9"]);
        assert!(again.status.success(), "{again:?}");
        let due: i64 = bench
            .value("SELECT count(*) FROM progress WHERE next_poll_at IS NOT NULL")
            .await;
        assert_eq!(due, 3, "{point:?}");
    }
}

#[cfg(not(debug_assertions))]
#[tokio::test(flavor = "multi_thread")]
async fn a_release_build_has_no_crash_points() {
    let bench = bench().await;
    let mut add = growd(&bench, &["add", "a", "--target", "9"]);
    add.env("GROWD_CRASH_AT", Point::AddWritten.name());
    let added = add.output().unwrap();
    assert!(added.status.success(), "{added:?}");
    let program = std::fs::read(env!("CARGO_BIN_EXE_growd")).unwrap();
    let name = b"GROWD_CRASH_AT";
    assert!(!program.windows(name.len()).any(|part| part == name));
}
