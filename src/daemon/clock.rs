//! Notices when the clock leaps: what is counted from a time before that is then not what it seems.

use std::time::{Duration, SystemTime};
use tokio::time::Instant;

/// A difference between the clock and the time that has passed which is a leap, and no delay.
const LEAP: Duration = Duration::from_secs(2);

/// By how much the clock leapt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leap {
    /// Ahead: less time has passed than it shows.
    Ahead(Duration),
    /// Back: what was put off until a time is further away than it should be.
    Back(Duration),
}

/// The clock as it was looked at last.
#[derive(Debug)]
pub struct Clock {
    wall: SystemTime,
    passed: Instant,
}

impl Clock {
    /// The clock now.
    pub fn new() -> Self {
        Self {
            wall: SystemTime::now(),
            passed: Instant::now(),
        }
    }

    /// Looks at it again: has it leapt since?
    pub fn leap(&mut self) -> Option<Leap> {
        let now = Self::new();
        let expected = self.wall + (now.passed - self.passed);
        let leap = match now.wall.duration_since(expected) {
            Ok(ahead) if ahead > LEAP => {
                tracing::warn!(seconds = ahead.as_secs(), "the clock leapt ahead");
                Some(Leap::Ahead(ahead))
            }
            Err(behind) if behind.duration() > LEAP => {
                tracing::warn!(seconds = behind.duration().as_secs(), "the clock went back");
                Some(Leap::Back(behind.duration()))
            }
            Ok(_) | Err(_) => None,
        };
        *self = now;
        leap
    }
}
