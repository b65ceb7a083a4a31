//! Restart backoff: a daemon that fails again and again waits longer before each start.
//!
//! systemd restarts it after a short, constant `RestartSec=`. Its own backoff (`RestartSteps=`) is missing in systemd 252.
//! The failures are counted in the unit's runtime directory, which has to outlive a restart
//! (`RuntimeDirectoryPreserve=restart`), and is removed by a stop.

use super::signals::Signal;
use super::systemd;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use tokio::sync::mpsc;
use tokio::time::timeout;

/// The file in the runtime directory that counts the failures.
const FILE: &str = "failures";

/// The file that names the database because of which the last daemon ended.
const LOST: &str = "lost";

/// Failures in a row after which only systemd's own `RestartSec=` applies.
const WITHOUT_DELAY: u32 = 3;

/// The delay after the next failure. It doubles with each that follows.
const FIRST: Duration = Duration::from_secs(4);

/// The longest delay.
const LONGEST: Duration = Duration::from_mins(5);

/// A daemon that ran for this long has started well: its end counts as a first failure.
const STEADY: Duration = Duration::from_mins(2);

/// How long a start may take after the delay, for migrating the database.
const STARTING: Duration = Duration::from_mins(5);

/// How the wait before a start ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waited {
    /// There was no delay.
    No,
    /// The delay is over. The configuration may have changed meanwhile.
    Yes,
    /// A signal to stop came.
    Stopped,
}

/// The count of failures in a row of this unit.
#[derive(Debug)]
pub struct RestartBackoff {
    /// None without a runtime directory: then systemd does not restart the daemon.
    file: Option<PathBuf>,
    failures: u32,
}

impl RestartBackoff {
    /// Reads the count of the unit that this process belongs to.
    #[must_use]
    pub fn of_this_unit() -> Self {
        let directories = std::env::var_os("RUNTIME_DIRECTORY").unwrap_or_default();
        // systemd lists all runtime directories of the unit, in order.
        match std::env::split_paths(&directories).next() {
            Some(directory) if directory.is_absolute() => {
                Self::in_directory(&directory, SystemTime::now())
            }
            Some(_) | None => Self {
                file: None,
                failures: 0,
            },
        }
    }

    fn in_directory(directory: &Path, now: SystemTime) -> Self {
        let file = directory.join(FILE);
        Self {
            failures: failures(&file, now).unwrap_or(0),
            file: Some(file),
        }
    }

    /// Waits if the daemons before this one failed, and counts this one as another failure until it
    /// [ends well](Self::ended_well). A reload ends the wait.
    pub async fn wait(&self, signals: &mut mpsc::Receiver<Signal>) -> Waited {
        let delay = self.delay();
        let mut waited = Waited::No;
        if !delay.is_zero() {
            let (failures, seconds) = (self.failures, delay.as_secs());
            tracing::warn!(
                "ended badly {failures} times in a row: waiting {seconds} s before the next try"
            );
            systemd::starting(delay + STARTING);
            systemd::status(&format!(
                "ended badly {failures} times in a row, the next try is in {seconds} s"
            ));
            waited = match timeout(delay, signals.recv()).await {
                Err(_) | Ok(Some(Signal::Reload)) => Waited::Yes,
                Ok(Some(Signal::Stop) | None) => Waited::Stopped,
            };
        }
        if waited == Waited::Stopped {
            self.forget();
        } else if let Err(error) = self.begun() {
            tracing::warn!(
                "restarts will not be delayed: the runtime directory cannot be written: {error}"
            );
        }
        waited
    }

    /// Returns how long to wait before the start.
    fn delay(&self) -> Duration {
        match self.failures.checked_sub(WITHOUT_DELAY + 1) {
            None => Duration::ZERO,
            Some(more) => FIRST.saturating_mul(1 << more.min(16)).min(LONGEST),
        }
    }

    fn begun(&self) -> io::Result<()> {
        match &self.file {
            Some(file) => fs::write(file, format!("{}\n", self.failures.saturating_add(1))),
            None => Ok(()),
        }
    }

    /// Records that this daemon ends because of its database. If the file is gone by the next start, that start does not
    /// create an empty one, which would look like a daemon with nothing to do.
    pub fn lost(&self, database: &Path) {
        if let Some(file) = &self.file {
            // If this fails, a restart creates an empty one, as a first start does.
            let _ = fs::write(file.with_file_name(LOST), database.as_os_str().as_bytes());
        }
    }

    /// Returns whether a daemon before this one ended because of the database at this path, and was not stopped since.
    #[must_use]
    pub fn has_lost(&self, database: &Path) -> bool {
        let noted = |file: &PathBuf| fs::read(file.with_file_name(LOST)).ok();
        self.failures > 0
            && self.file.as_ref().and_then(noted).as_deref()
                == Some(database.as_os_str().as_bytes())
    }

    /// Clears the count: this daemon ended in order.
    pub fn ended_well(self) {
        self.forget();
    }

    fn forget(&self) {
        if let Some(file) = &self.file {
            for file in [file, &file.with_file_name(LOST)] {
                // Fails if it could not be written either.
                let _ = fs::remove_file(file);
            }
        }
    }
}

/// Returns the count that the last daemon left; 1 if that daemon had started well.
fn failures(file: &Path, now: SystemTime) -> Option<u32> {
    let begun_at = fs::metadata(file).ok()?.modified().ok()?;
    let ran = now.duration_since(begun_at).unwrap_or_default();
    let count: u32 = fs::read_to_string(file).ok()?.trim().parse().ok()?;
    Some(if ran < STEADY { count } else { 1 })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delays(directory: &Path, ran: Duration, starts: usize) -> Vec<u64> {
        let start = |_| {
            let restart_backoff = RestartBackoff::in_directory(directory, SystemTime::now() + ran);
            restart_backoff.begun().expect("a temporary directory");
            restart_backoff.delay().as_secs()
        };
        (0..starts).map(start).collect()
    }

    #[test]
    fn the_delay_grows_with_each_failure_in_a_row_to_five_minutes() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let delays = delays(directory.path(), Duration::from_secs(3), 13);
        assert_eq!(delays, [0, 0, 0, 0, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
    }

    #[test]
    fn a_daemon_that_ran_for_long_or_ended_well_begins_the_count_anew() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path();
        assert_eq!(delays(path, Duration::ZERO, 6), [0, 0, 0, 0, 4, 8]);
        assert_eq!(delays(path, STEADY, 1), [0]);
        assert_eq!(delays(path, Duration::ZERO, 4), [0, 0, 4, 8]);
        RestartBackoff::in_directory(path, SystemTime::now()).ended_well();
        assert_eq!(delays(path, Duration::ZERO, 2), [0, 0]);
    }

    #[test]
    fn the_database_that_a_daemon_ended_for_is_known_and_no_other() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let start = || RestartBackoff::in_directory(directory.path(), SystemTime::now());
        let (ours, other) = (Path::new("/x/growd.db"), Path::new("/y/growd.db"));
        start().begun().expect("a temporary directory");
        assert!(!start().has_lost(ours), "it ended for something else");
        start().lost(ours);
        assert!(start().has_lost(ours));
        assert!(!start().has_lost(other));
        start().ended_well();
        assert!(!start().has_lost(ours));
    }

    #[test]
    fn a_damaged_file_and_a_clock_that_went_back_do_not_delay_a_start_for_ever() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        fs::write(directory.path().join(FILE), "-1 or so").expect("a file");
        assert_eq!(delays(directory.path(), Duration::ZERO, 1), [0]);
        fs::write(directory.path().join(FILE), u32::MAX.to_string()).expect("a file");
        let before = SystemTime::now() - Duration::from_hours(1);
        let restart_backoff = RestartBackoff::in_directory(directory.path(), before);
        assert_eq!(restart_backoff.delay(), LONGEST);
        restart_backoff.begun().expect("it counts no further");
    }
}
