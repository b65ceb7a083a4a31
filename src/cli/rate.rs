//! The growth rate of a task over its newest samples, and the time it still needs.

use super::output::duration;
use crate::core::since;
use jiff::Timestamp;
use std::collections::VecDeque;
use std::time::Duration;

/// Number of samples that the rate is computed from: about half a minute.
const WINDOW: usize = 60;

/// The newest samples of a task's results.
#[derive(Default)]
pub(super) struct GrowthRate(VecDeque<(Timestamp, i64)>);

impl GrowthRate {
    pub fn add(&mut self, now: Timestamp, results: i64) {
        self.0.push_back((now, results));
        if self.0.len() > WINDOW {
            self.0.pop_front();
        }
    }

    /// Returns the rate and the time until `missing` more results, if there was growth within the window.
    pub fn expected(&self, missing: i64) -> Option<String> {
        let ((from, before), (to, after)) = (self.0.front()?, self.0.back()?);
        let minutes = since(*from, *to).as_secs_f64() / 60.0;
        #[allow(
            clippy::cast_precision_loss,
            reason = "for display; counts are far below 2^52"
        )]
        let (gained, missing) = ((after - before) as f64, missing.max(0) as f64);
        if gained <= 0.0 || minutes <= 0.0 {
            return None;
        }
        let rate = gained / minutes;
        let left = Duration::try_from_secs_f64(missing / rate * 60.0).ok()?;
        Some(format!("{rate:.0}/min, about {} to go", duration(left)))
    }
}
