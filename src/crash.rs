//! Crash points: moments at which the tests kill the process, to show that a crash there is safe.
//!
//! Each lies between two effects that a power cut could separate. `GROWD_CRASH_AT=NAME` kills the process by SIGKILL when
//! it reaches that point for the first time, `NAME:3` when it does for the third. `GROWD_STALL_AT=NAME` blocks the thread
//! there for ever. Both need the feature `crash-points`, which only the tests enable, and debug assertions:
//! `cargo test --release` leaves a `target/release/growd` that may be installed.

use strum::{EnumString, IntoStaticStr, VariantArray};

/// A crash point, in the order in which a daemon reaches them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum Point {
    /// The daemon holds the lock; the database is not open.
    Locked,
    /// The schema is about to be created or migrated.
    MigrationBegins,
    /// A migration's transaction is open.
    MigrationUnderWay,
    /// The migration is committed.
    MigrationCommitted,
    /// The database is open; the row `daemon` does not describe this process yet.
    Opened,
    /// The row `daemon` describes this process; nothing is polled yet.
    Started,
    /// The scheduler has found a due task, and is about to start its poll.
    Scheduled,
    /// A poll is about to be sent.
    PollBegins,
    /// A poll was answered; the writer does not have the answer.
    PollAnswered,
    /// The transaction that stores polls has begun; none is judged.
    PollStoring,
    /// Polls and their consequences are written; not committed.
    PollWritten,
    /// The same, committed.
    PollCommitted,
    /// A resume is written as `intended`, with the poll that led to it; not committed.
    IntentWritten,
    /// The same, committed; the resume is not on its way.
    IntentCommitted,
    /// A resume is about to be sent.
    ResumeBegins,
    /// A resume was answered; the writer does not have the answer.
    ResumeAnswered,
    /// The answer to a resume is written; not committed.
    AnswerWritten,
    /// The same, committed.
    AnswerCommitted,
    /// A create is written as `intended`; not committed.
    CreateIntentWritten,
    /// The same, committed; the create is not on its way.
    CreateIntentCommitted,
    /// A create is about to be sent.
    CreateBegins,
    /// A create was answered; the writer does not have the answer.
    CreateAnswered,
    /// The answer to a create is written; not committed.
    CreateAnswerWritten,
    /// The same, committed.
    CreateAnswerCommitted,
    /// What a reading of the list says of an open create is written; not committed.
    ListWritten,
    /// The same, committed.
    ListCommitted,
    /// A page of results is about to be asked for.
    ResultsBegins,
    /// It was answered; the writer does not have the answer.
    ResultsAnswered,
    /// A page of results is written, and at the end of a reading what became of it; not committed.
    ResultsWritten,
    /// The same, committed.
    ResultsCommitted,
    /// A batch of old history is removed; not committed.
    PruneWritten,
    /// The same, committed.
    PruneCommitted,
    /// SIGHUP: config and token are read, and not in use.
    ReloadRead,
    /// The writer uses the new config; the scheduler does not.
    ReloadAdopted,
    /// SIGTERM: nothing new is begun; requests are in flight.
    DrainBegins,
    /// No request is in flight; the row `daemon` still says that the process runs.
    Drained,
    /// The row `daemon` says that the process has stopped; the write-ahead log is not written back.
    CheckpointBegins,
    /// The write-ahead log is written back; the database is not closed.
    CheckpointDone,
    /// `growd add` has written its rows; not committed.
    AddWritten,
    /// The same, committed; nothing is printed.
    AddCommitted,
}

impl Point {
    /// Every point.
    pub const ALL: &[Self] = Self::VARIANTS;

    /// Returns its name in `GROWD_CRASH_AT`.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// Kills the process, or blocks the thread, if the environment names this point.
#[cfg(all(feature = "crash-points", debug_assertions))]
pub fn at(point: Point) {
    if armed::CRASH.is_due(point) {
        armed::die();
    }
    if armed::STALL.is_due(point) {
        armed::stall();
    }
}

/// Does nothing in a build without crash points.
#[cfg(not(all(feature = "crash-points", debug_assertions)))]
#[inline]
pub fn at(_point: Point) {}

/// Panics if `GROWD_PANIC_FOR` is this task's id.
///
/// # Panics
///
/// As described.
#[cfg(all(feature = "crash-points", debug_assertions))]
pub fn panic_for(task_id: &str) {
    assert!(
        std::env::var("GROWD_PANIC_FOR").ok().as_deref() != Some(task_id),
        "a forced panic"
    );
}

/// Does nothing in a build without crash points.
#[cfg(not(all(feature = "crash-points", debug_assertions)))]
#[inline]
pub fn panic_for(_task_id: &str) {}

/// The environment variables that this module reads.
#[cfg(all(feature = "crash-points", debug_assertions))]
pub const VARIABLES: &[&str] = &["GROWD_CRASH_AT", "GROWD_STALL_AT", "GROWD_PANIC_FOR"];

/// The environment variables that this module reads: none in a build without crash points.
#[cfg(not(all(feature = "crash-points", debug_assertions)))]
pub const VARIABLES: &[&str] = &[];

#[cfg(all(feature = "crash-points", debug_assertions))]
mod armed {
    use super::Point;
    use nix::sys::signal::{Signal, kill};
    use nix::unistd::Pid;
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicU32, Ordering};

    /// The point that an environment variable names, and how many times it is still to be reached.
    pub struct Trigger(Option<(Point, AtomicU32)>);

    /// The point at which to die.
    pub static CRASH: LazyLock<Trigger> = LazyLock::new(|| Trigger::of("GROWD_CRASH_AT"));

    /// The point at which to block.
    pub static STALL: LazyLock<Trigger> = LazyLock::new(|| Trigger::of("GROWD_STALL_AT"));

    impl Trigger {
        fn of(variable: &str) -> Self {
            let Ok(text) = std::env::var(variable) else {
                return Self(None);
            };
            let (name, time) = match text.split_once(':') {
                Some((name, time)) => (name, time.parse().ok()),
                None => (text.as_str(), Some(1)),
            };
            let point = name.parse::<Point>().ok();
            match (point, time) {
                (Some(point), Some(time)) => Self(Some((point, AtomicU32::new(time)))),
                // Otherwise a test with a wrong name would pass without a crash.
                _ => panic!("{variable}={text}: there is no such point"),
            }
        }

        pub fn is_due(&self, point: Point) -> bool {
            self.0.as_ref().is_some_and(|(wanted, left)| {
                *wanted == point && left.fetch_sub(1, Ordering::Relaxed) == 1
            })
        }
    }

    pub fn die() -> ! {
        // SIGKILL cannot fail for the own process. If it does all the same, abort runs no cleanup either.
        let _ = kill(Pid::this(), Signal::SIGKILL);
        std::process::abort()
    }

    pub fn stall() -> ! {
        loop {
            std::thread::park();
        }
    }
}
