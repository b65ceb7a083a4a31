//! Virtual time: real time multiplied by a speed, plus jumps on request.

use std::time::{Duration, Instant};

use crate::world::Now;

/// The clock. The modules below get a [`Now`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    started: Instant,
    /// The last change of the speed, in real time.
    changed: Instant,
    /// The virtual time at that change, plus all jumps since.
    base: Duration,
    speed: f64,
}

impl Clock {
    /// Starts at virtual time 0.
    pub fn new(speed: f64) -> Self {
        let started = Instant::now();
        Self {
            started,
            changed: started,
            base: Duration::ZERO,
            speed,
        }
    }

    /// The present moment.
    pub fn now(&self) -> Now {
        let real = Instant::now();
        let since = (real - self.changed).as_secs_f64() * self.speed;
        let since = Duration::try_from_secs_f64(since).unwrap_or(Duration::MAX / 2);
        Now {
            time: self.base.saturating_add(since),
            real: real - self.started,
        }
    }

    /// Changes the speed from now on.
    pub fn set_speed(&mut self, speed: f64) {
        self.base = self.now().time;
        self.changed = Instant::now();
        self.speed = speed;
    }

    /// Moves virtual time forward.
    pub fn advance(&mut self, by: Duration) {
        self.base = self.base.saturating_add(by);
    }
}
