//! Killed between any two effects, the program goes on as if nothing had happened: each resume takes effect at most
//! once, each that did is in the ledger, and each search comes to its right end.
//!
//! The real program is built with moments to die at (`src/crash.rs`) and dies there by SIGKILL. Then it is started
//! again, runs until all searches have ended, and its ledger is held against the service's own.

use crate::support::program::{Daemon, growd, output, write_config};
use crate::support::{Bench, TIMEOUT};
use futures_util::StreamExt;
use futures_util::stream;
use growd::crash::Point;
use growd_simulator::{FailAt, Fault, On, Options, Rule, Scenario};
use std::time::{Duration, Instant};

/// How many cases run side by side.
const AT_ONCE: usize = 4;

/// What is done to a daemon so that it comes to a moment.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Do {
    /// Nothing: it comes there by itself.
    Nothing,
    /// SIGHUP.
    Reload,
    /// SIGTERM while a resume is under way.
    Stop,
}

#[derive(Debug, Clone)]
struct Case {
    point: Point,
    time: u32,
    act: Do,
    /// What becomes of the resumes' answers, over and over.
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
            act: Do::Nothing,
            resumes: None,
        };
        let at = |time, resumes| Self {
            time,
            resumes,
            ..plain.clone()
        };
        match point {
            // The way to a resume and back: dying at it with good answers, with lost ones, and later on.
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
            Point::ReloadRead | Point::ReloadAdopted => vec![Self {
                act: Do::Reload,
                ..plain
            }],
            Point::DrainBegins
            | Point::Drained
            | Point::CheckpointBegins
            | Point::CheckpointDone => {
                vec![Self {
                    act: Do::Stop,
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
            // These are moments of another command.
            Point::AddWritten | Point::AddCommitted => Vec::new(),
        }
    }

    /// Is this a moment at which there is no database yet?
    fn is_of_a_new_database(&self) -> bool {
        matches!(
            self.point,
            Point::Locked
                | Point::MigrationBegins
                | Point::MigrationUnderWay
                | Point::MigrationCommitted
        )
    }
}

/// A search of each kind, and the state that it ends in.
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
        ],
    );
    bench
}

/// Puts the searches into the service and the database; returns each id with the state it ends in.
async fn begin(bench: &Bench) -> Vec<(String, &'static str)> {
    let mut begun = Vec::new();
    for (scenario, target, state) in searches() {
        let id = bench.service.add_task(&scenario);
        bench.want(&id.parse().unwrap(), target, Some(30)).await;
        begun.push((id, state));
    }
    begun
}

/// Starts the program once more, and holds its end against what the service knows.
async fn goes_on(bench: &Bench, begun: &[(String, &'static str)], when: &str) {
    bench.service.clear_script();
    let mut daemon = Daemon::start(bench);
    bench.until_all_ended().await;
    daemon.signal("TERM");
    assert_eq!(daemon.ended().await, Some(0), "{when}: {}", daemon.logged());
    bench.assert_ledgers_agree().await;
    for (id, state) in begun {
        let ended = bench.state(&id.parse().unwrap()).await;
        assert_eq!(&ended, state, "{when}: {}", bench.dump().await);
    }
}

async fn until(what: &str, holds: impl Fn() -> bool) {
    let begin = Instant::now();
    while !holds() {
        assert!(begin.elapsed() < TIMEOUT, "never: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn dies_and_goes_on(case: Case) {
    let when = format!("{case:?}");
    let bench = bench().await;
    if let Some(fault) = &case.resumes {
        bench
            .service
            .script(Rule::always(On::Resume, fault.clone()));
    }
    let mut begun = Vec::new();
    if !case.is_of_a_new_database() {
        begun = begin(&bench).await;
        bench
            .execute(
                "INSERT INTO events (at, kind)
                 SELECT '2020-01-01T00:00:00.000Z', 'old' FROM json_each('[1,2,3]')",
            )
            .await;
    }
    let fuse = format!("{}:{}", case.point.name(), case.time);
    let mut daemon = Daemon::start_with(&bench, &[("GROWD_CRASH_AT", &fuse)]);
    match case.act {
        Do::Nothing => {}
        Do::Reload => {
            daemon.logs("started").await;
            daemon.signal("HUP");
        }
        Do::Stop => {
            bench
                .until("SELECT count(*) > 0 FROM resumes WHERE state = 'intended'")
                .await;
            daemon.signal("TERM");
        }
    }
    daemon.killed(&when).await;
    if case.is_of_a_new_database() {
        begun = begin(&bench).await;
    }
    goes_on(&bench, &begun, &when).await;
}

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(
    not(debug_assertions),
    ignore = "a build without debug assertions has no moments to die at"
)]
async fn killed_between_any_two_effects_it_pays_once_and_comes_to_the_right_ends() {
    let cases = Case::all();
    assert!(cases.len() > 55, "{}", cases.len());
    stream::iter(cases)
        .map(|case| tokio::spawn(dies_and_goes_on(case)))
        .buffer_unordered(AT_ONCE)
        .for_each(|done| async { done.unwrap() })
        .await;
}

/// The moments in which the request is out and no answer is in, seen from the service's side: `fault` keeps the
/// answer back, and the process is killed once `seen` says that the request got so far.
async fn dies_with_a_resume_under_way(fault: Fault, seen: fn(&Bench) -> bool) {
    let when = format!("a resume under way, {fault:?}");
    let bench = bench().await;
    bench.service.script(Rule::always(On::Resume, fault));
    let begun = begin(&bench).await;
    let mut daemon = Daemon::start(&bench);
    until(&when, || seen(&bench)).await;
    daemon.signal("KILL");
    daemon.killed(&when).await;
    goes_on(&bench, &begun, &when).await;
}

fn resume_came_in(bench: &Bench) -> bool {
    bench.service.requests().by_kind.contains_key("resume")
}

fn resume_took_effect(bench: &Bench) -> bool {
    bench.service.ledger().iter().any(|entry| entry.took_effect)
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_while_a_resume_is_with_the_service_it_pays_once() {
    tokio::join!(
        // It came in, and will never take effect.
        dies_with_a_resume_under_way(Fault::Hang { ms: 60_000 }, resume_came_in),
        // It took effect; the answer is on its way for ever.
        dies_with_a_resume_under_way(Fault::HangAfter { ms: 60_000 }, resume_took_effect),
        // It came in, and takes effect while no daemon runs, or while the next one has already begun.
        dies_with_a_resume_under_way(Fault::Late { ms: 400 }, resume_came_in),
    );
}

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(
    not(debug_assertions),
    ignore = "a build without debug assertions has no moments to die at"
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
