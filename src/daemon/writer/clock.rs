//! Leaps of the system clock. Times in the database are the clock's, so whatever is counted from them has to know.

use crate::core::spending::Limit;
use std::time::{Duration, SystemTime};
use tokio::time::Instant;

/// A difference between the clock and the time that has passed: more than this is a leap, less is a delay.
const LEAP: Duration = Duration::from_secs(2);

/// How long a leap ahead is remembered. Nothing is counted over a longer time.
const REMEMBERED: Duration = Limit::Monthly.window();

/// Leaps ahead within this time are remembered as one, so that a clock that leaps all the time takes up little memory.
const MERGED: Duration = Duration::from_mins(1);

/// What the clock did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leap {
    /// It advanced by this much more than the time that passed.
    Ahead(Duration),
    /// It advanced by this much less.
    Back(Duration),
}

/// Compares the clock with the time that passes.
#[derive(Debug)]
pub struct Clock {
    wall: SystemTime,
    passed: Instant,
    ahead: Vec<(Instant, Duration)>,
}

impl Clock {
    /// Starts the comparison.
    #[must_use]
    pub fn start() -> Self {
        Self {
            wall: SystemTime::now(),
            passed: Instant::now(),
            ahead: Vec::new(),
        }
    }

    /// Returns the leap since the last call, if there was one.
    pub fn leap(&mut self) -> Option<Leap> {
        self.observe(SystemTime::now(), Instant::now())
    }

    fn observe(&mut self, wall: SystemTime, passed: Instant) -> Option<Leap> {
        let expected = self.wall + (passed - self.passed);
        let leap = match wall.duration_since(expected) {
            Ok(ahead) if ahead > LEAP => Some(Leap::Ahead(ahead)),
            Err(behind) if behind.duration() > LEAP => Some(Leap::Back(behind.duration())),
            Ok(_) | Err(_) => None,
        };
        if let Some(Leap::Ahead(by)) = leap {
            match self.ahead.last_mut() {
                Some((first, sum)) if passed.duration_since(*first) < MERGED => {
                    *sum = sum.saturating_add(by);
                }
                _ => self.ahead.push((passed, by)),
            }
        }
        self.ahead
            .retain(|(at, _)| passed.duration_since(*at) < REMEMBERED);
        self.wall = wall;
        self.passed = passed;
        leap
    }

    /// Returns by how much the clock leapt ahead within the last `span`. What is counted from a time before that seems older
    /// by as much.
    #[must_use]
    pub fn ahead_within(&self, span: Duration) -> Duration {
        let recent = self
            .ahead
            .iter()
            .filter(|(at, _)| self.passed.duration_since(*at) < span);
        recent.fold(Duration::ZERO, |sum, (_, by)| sum.saturating_add(*by))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const MINUTE: Duration = Duration::from_mins(1);
    const HOUR: Duration = Duration::from_hours(1);

    #[test]
    fn leaps_add_up_for_as_long_as_anything_is_counted_over_them() {
        let mut clock = Clock::start();
        let (wall, passed) = (clock.wall, clock.passed);
        assert_eq!(clock.observe(wall + SECOND, passed + SECOND), None);
        let (wall, passed) = (wall + HOUR + 2 * SECOND, passed + 2 * SECOND);
        let leap = clock.observe(wall, passed);
        assert!(
            matches!(leap, Some(Leap::Ahead(by)) if by == HOUR),
            "{leap:?}"
        );
        let leap = clock.observe(wall + 5 * SECOND, passed + SECOND);
        assert!(matches!(leap, Some(Leap::Ahead(_))), "{leap:?}");
        assert_eq!(clock.ahead_within(MINUTE), HOUR + 4 * SECOND);
        let leap = clock.observe(wall, passed + 2 * SECOND);
        assert!(matches!(leap, Some(Leap::Back(_))), "{leap:?}");
        assert_eq!(
            clock.observe(wall + MINUTE, passed + MINUTE + 2 * SECOND),
            None
        );
        assert_eq!(clock.ahead_within(MINUTE), Duration::ZERO);
        assert_eq!(clock.ahead_within(HOUR), HOUR + 4 * SECOND);
    }
}
