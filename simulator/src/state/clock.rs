//! Virtual time: real time times a speed, and steps forward on request.

use std::time::{Duration, Instant};

use crate::world::Now;

/// The only clock of the stand-in; everything below it is handed a [`Now`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    started: Instant,
    /// When the speed last changed, and what the virtual time was then.
    mark: Instant,
    base: Duration,
    speed: f64,
}

impl Clock {
    /// Starts at virtual time 0.
    pub fn new(speed: f64) -> Self {
        let started = Instant::now();
        Self {
            started,
            mark: started,
            base: Duration::ZERO,
            speed,
        }
    }

    /// The present moment.
    pub fn now(&self) -> Now {
        let real = Instant::now();
        let since = (real - self.mark).as_secs_f64() * self.speed;
        Now {
            time: self
                .base
                .saturating_add(Duration::try_from_secs_f64(since).unwrap_or(Duration::MAX / 2)),
            real: real - self.started,
        }
    }

    /// Goes on at another speed from here.
    pub fn set_speed(&mut self, speed: f64) {
        self.base = self.now().time;
        self.mark = Instant::now();
        self.speed = speed;
    }

    /// Jumps forward.
    pub fn advance(&mut self, by: Duration) {
        self.base = self.base.saturating_add(by);
    }
}
