//! Virtual time: real time multiplied by a speed, plus jumps on request.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use crate::world::Now;

/// The number of changes that the clock remembers. Before the oldest of them, virtual time is as at that change.
const KEPT_CHANGES: usize = 10_000;

/// The clock. The modules below get a [`Now`].
#[derive(Debug, Clone)]
pub(crate) struct Clock {
    started: Instant,
    /// The time since the last change of the speed or the last jump.
    current: Stretch,
    /// The stretches before that, oldest first.
    earlier: VecDeque<Stretch>,
}

/// A time without jumps and without a change of the speed.
#[derive(Debug, Clone, Copy)]
struct Stretch {
    /// Its start, in real time since the start of the clock.
    real: Duration,
    /// The virtual time at its start.
    time: Duration,
    speed: f64,
}

impl Stretch {
    /// Returns the virtual time at a real time, which is not before the start.
    fn at(self, real: Duration) -> Duration {
        let since = real.saturating_sub(self.real).as_secs_f64() * self.speed;
        let since = Duration::try_from_secs_f64(since).unwrap_or(Duration::MAX / 2);
        self.time.saturating_add(since)
    }
}

impl Clock {
    /// Starts at virtual time 0.
    pub fn new(speed: f64) -> Self {
        Self {
            started: Instant::now(),
            current: Stretch {
                real: Duration::ZERO,
                time: Duration::ZERO,
                speed,
            },
            earlier: VecDeque::new(),
        }
    }

    /// The present moment.
    pub fn now(&self) -> Now {
        let real = self.started.elapsed();
        Now {
            time: self.current.at(real),
            real,
        }
    }

    /// Returns the moment that is `by` (real time) before `now`; at the earliest the start.
    pub fn before(&self, now: Now, by: Duration) -> Now {
        if by.is_zero() {
            return now;
        }
        let real = now.real.saturating_sub(by);
        let stretches = self.earlier.iter().chain([&self.current]).rev();
        let oldest = self.earlier.front().unwrap_or(&self.current);
        let stretch = stretches
            .copied()
            .find(|stretch| stretch.real <= real)
            .unwrap_or(*oldest);
        Now {
            time: stretch.at(real),
            real,
        }
    }

    /// Changes the speed from now on.
    pub fn set_speed(&mut self, speed: f64) {
        let Now { time, real } = self.now();
        self.begin(Stretch { real, time, speed });
    }

    /// Moves virtual time forward.
    pub fn advance(&mut self, by: Duration) {
        let Now { time, real } = self.now();
        self.begin(Stretch {
            real,
            time: time.saturating_add(by),
            speed: self.current.speed,
        });
    }

    fn begin(&mut self, stretch: Stretch) {
        if self.earlier.len() == KEPT_CHANGES {
            self.earlier.pop_front();
        }
        self.earlier.push_back(self.current);
        self.current = stretch;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_past_is_known_across_jumps_and_changes_of_the_speed() {
        let mut clock = Clock::new(0.0);
        let start = clock.now();
        clock.advance(Duration::from_mins(1));
        let jumped = clock.now();
        clock.set_speed(1e6);
        let moment = |real, time| Now { time, real };
        let second = Duration::from_secs(1);
        let minute = 60 * second;
        let later = |by| clock.before(moment(jumped.real + minute, minute), by);
        assert_eq!(later(minute), moment(jumped.real, minute));
        assert!(later(59 * second).time > 999_000 * second);
        assert_eq!(later(2 * minute).time, Duration::ZERO);
        assert_eq!(
            clock.before(start, minute),
            moment(Duration::ZERO, Duration::ZERO)
        );
        assert_eq!(clock.before(jumped, Duration::ZERO), jumped);
    }
}
