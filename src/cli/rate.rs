//! How fast a task grows, from the newest looks at it, and when it is expected to be done.

use super::table::span;
use crate::core::since;
use jiff::Timestamp;
use std::collections::VecDeque;
use std::time::Duration;

/// The rate is that of so many looks: about half a minute.
const RATE_LOOKS: usize = 60;

/// The newest looks at a task: how fast it grows.
#[derive(Default)]
pub(super) struct Rate(VecDeque<(Timestamp, i64)>);

impl Rate {
    pub fn add(&mut self, now: Timestamp, results: i64) {
        self.0.push_back((now, results));
        if self.0.len() > RATE_LOOKS {
            self.0.pop_front();
        }
    }

    /// Rate and expected end for people, where there is progress to tell from.
    pub fn expected(&self, missing: i64) -> Option<String> {
        let ((from, before), (to, after)) = (self.0.front()?, self.0.back()?);
        let minutes = since(*from, *to).as_secs_f64() / 60.0;
        #[allow(
            clippy::cast_precision_loss,
            reason = "for people; counts are far below 2^52"
        )]
        let (gained, missing) = ((after - before) as f64, missing.max(0) as f64);
        if gained <= 0.0 || minutes <= 0.0 {
            return None;
        }
        let rate = gained / minutes;
        let rest = Duration::try_from_secs_f64(missing / rate * 60.0).ok()?;
        Some(format!("{rate:.0}/min, about {} to go", span(rest)))
    }
}
