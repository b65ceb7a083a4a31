//! The moments at which the process can be made to die, for the tests that show that dying there is safe.
//!
//! Each is between two effects that a power cut could separate. Without the feature `crash-points`, which only the
//! tests have, and in every build without debug assertions, [`at`] does nothing: `cargo test --release` leaves a
//! `target/release/growd` behind that somebody may install. Otherwise `GROWD_CRASH_AT=NAME` kills the process by SIGKILL when it comes to that
//! moment for the first time, and `NAME:3` when it does for the third. `GROWD_STALL_AT=NAME` makes whoever comes there
//! stand still for good, as one who waits for what never comes.

/// One of these moments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Point {
    /// The daemon holds the lock; the database is not open yet.
    Locked,
    /// The schema is about to be created or migrated.
    MigrationBegins,
    /// Some way into the migration's transaction.
    MigrationUnderWay,
    /// The migration is committed.
    MigrationCommitted,
    /// The database is open; the row `daemon` says nothing of this process yet.
    Opened,
    /// The row `daemon` says that this process runs; nothing was looked at yet.
    Started,
    /// The schedule has found a due task, and is about to have it looked at.
    Scheduled,
    /// A task is about to be looked at.
    PollBegins,
    /// A look was answered; the writer knows nothing of it.
    PollAnswered,
    /// The transaction that stores looks has begun; nothing is judged yet.
    PollStoring,
    /// Looks are written, and whatever comes of them; not committed.
    PollWritten,
    /// The same, committed.
    PollCommitted,
    /// A resume is written down as `intended`, with the look it came of; not committed.
    IntentWritten,
    /// The same, committed: durable, but nobody was told to send it.
    IntentCommitted,
    /// The resume is about to be sent.
    ResumeBegins,
    /// The resume was answered; the writer knows nothing of it.
    ResumeAnswered,
    /// The answer to a resume is written; not committed.
    AnswerWritten,
    /// The same, committed.
    AnswerCommitted,
    /// A batch of old history is removed; not committed.
    PruneWritten,
    /// The same, committed.
    PruneCommitted,
    /// SIGHUP: config and token are read; nothing goes by them yet.
    ReloadRead,
    /// The writer goes by the new config; the schedule does not.
    ReloadAdopted,
    /// SIGTERM: nothing new is begun; requests are still under way.
    DrainBegins,
    /// Nothing is under way any more; the daemon's row still says that it runs.
    Drained,
    /// The daemon's row says that it has stopped; the log is not written back.
    CheckpointBegins,
    /// The log is written back; the database is not closed.
    CheckpointDone,
    /// `growd add` has written its rows; not committed.
    AddWritten,
    /// The same, committed; nothing was said of it.
    AddCommitted,
}

impl Point {
    /// Every moment, in the order in which a daemon comes to them.
    pub const ALL: [Self; 28] = [
        Self::Locked,
        Self::MigrationBegins,
        Self::MigrationUnderWay,
        Self::MigrationCommitted,
        Self::Opened,
        Self::Started,
        Self::Scheduled,
        Self::PollBegins,
        Self::PollAnswered,
        Self::PollStoring,
        Self::PollWritten,
        Self::PollCommitted,
        Self::IntentWritten,
        Self::IntentCommitted,
        Self::ResumeBegins,
        Self::ResumeAnswered,
        Self::AnswerWritten,
        Self::AnswerCommitted,
        Self::PruneWritten,
        Self::PruneCommitted,
        Self::ReloadRead,
        Self::ReloadAdopted,
        Self::DrainBegins,
        Self::Drained,
        Self::CheckpointBegins,
        Self::CheckpointDone,
        Self::AddWritten,
        Self::AddCommitted,
    ];

    /// Its name in `GROWD_CRASH_AT`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Locked => "locked",
            Self::MigrationBegins => "migration_begins",
            Self::MigrationUnderWay => "migration_under_way",
            Self::MigrationCommitted => "migration_committed",
            Self::Opened => "opened",
            Self::Started => "started",
            Self::Scheduled => "scheduled",
            Self::PollBegins => "poll_begins",
            Self::PollAnswered => "poll_answered",
            Self::PollStoring => "poll_storing",
            Self::PollWritten => "poll_written",
            Self::PollCommitted => "poll_committed",
            Self::IntentWritten => "intent_written",
            Self::IntentCommitted => "intent_committed",
            Self::ResumeBegins => "resume_begins",
            Self::ResumeAnswered => "resume_answered",
            Self::AnswerWritten => "answer_written",
            Self::AnswerCommitted => "answer_committed",
            Self::PruneWritten => "prune_written",
            Self::PruneCommitted => "prune_committed",
            Self::ReloadRead => "reload_read",
            Self::ReloadAdopted => "reload_adopted",
            Self::DrainBegins => "drain_begins",
            Self::Drained => "drained",
            Self::CheckpointBegins => "checkpoint_begins",
            Self::CheckpointDone => "checkpoint_done",
            Self::AddWritten => "add_written",
            Self::AddCommitted => "add_committed",
        }
    }
}

/// Dies here, or stands still, where the tests want that.
#[cfg(all(feature = "crash-points", debug_assertions))]
pub fn at(point: Point) {
    if armed::CRASH.is_due(point) {
        armed::die();
    }
    if armed::STALL.is_due(point) {
        armed::stall();
    }
}

/// Does nothing: this program was built without the feature `crash-points`, or without debug assertions.
#[cfg(not(all(feature = "crash-points", debug_assertions)))]
#[inline]
pub fn at(_point: Point) {}

/// Panics here where the tests want that of this task: `GROWD_PANIC_FOR=ID`.
///
/// # Panics
///
/// That is all that it is for.
#[cfg(all(feature = "crash-points", debug_assertions))]
pub fn panic_for(task_id: &str) {
    assert!(
        std::env::var("GROWD_PANIC_FOR").ok().as_deref() != Some(task_id),
        "a forced panic"
    );
}

/// Does nothing: this program was built without the feature `crash-points`.
#[cfg(not(all(feature = "crash-points", debug_assertions)))]
#[inline]
pub fn panic_for(_task_id: &str) {}

/// The variables that name one of these moments, in a build that has them.
#[cfg(all(feature = "crash-points", debug_assertions))]
pub const VARIABLES: &[&str] = &["GROWD_CRASH_AT", "GROWD_STALL_AT", "GROWD_PANIC_FOR"];

/// The variables that name one of these moments: none, for this build has none.
#[cfg(not(all(feature = "crash-points", debug_assertions)))]
pub const VARIABLES: &[&str] = &[];

#[cfg(all(feature = "crash-points", debug_assertions))]
mod armed {
    use super::Point;
    use nix::sys::signal::{Signal, kill};
    use nix::unistd::Pid;
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicU32, Ordering};

    /// At which moment, and the how manyth time.
    pub struct Fuse(Option<(Point, AtomicU32)>);

    /// Where to die.
    pub static CRASH: LazyLock<Fuse> = LazyLock::new(|| Fuse::of("GROWD_CRASH_AT"));

    /// Where to stand still.
    pub static STALL: LazyLock<Fuse> = LazyLock::new(|| Fuse::of("GROWD_STALL_AT"));

    impl Fuse {
        fn of(variable: &str) -> Self {
            let Ok(text) = std::env::var(variable) else {
                return Self(None);
            };
            let (name, time) = match text.split_once(':') {
                Some((name, time)) => (name, time.parse().ok()),
                None => (text.as_str(), Some(1)),
            };
            let point = Point::ALL.into_iter().find(|point| point.name() == name);
            match (point, time) {
                (Some(point), Some(time)) => Self(Some((point, AtomicU32::new(time)))),
                // A test that names no moment would show nothing.
                _ => panic!("{variable}={text}: there is no such moment"),
            }
        }

        pub fn is_due(&self, point: Point) -> bool {
            self.0.as_ref().is_some_and(|(wanted, left)| {
                *wanted == point && left.fetch_sub(1, Ordering::Relaxed) == 1
            })
        }
    }

    pub fn die() -> ! {
        // SIGKILL can't fail for one's own process; should it all the same, abort leaves as little behind.
        let _ = kill(Pid::this(), Signal::SIGKILL);
        std::process::abort()
    }

    pub fn stall() -> ! {
        loop {
            std::thread::park();
        }
    }
}
