//! Log throttling: the first lines of a kind are logged in full, and then, from time to time, their number.
//!
//! What is throttled stands in the database all the same, as `events` and as each task's `last_error`.

use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::Instant;
use tracing::Level;

/// Lines of each kind that are logged in full before throttling starts.
pub const FIRST: u32 = 5;

/// How often the number of the others is logged. A kind that did not come for this long is logged in full again.
pub const SPAN: Duration = Duration::from_mins(10);

/// The most kinds that are counted apart. The kinds beyond them share one count.
const KINDS_MAX: usize = 64;

/// Counts the lines of each kind.
#[derive(Debug)]
pub struct Throttle<K> {
    /// None: the kinds beyond [`KINDS_MAX`].
    kinds: BTreeMap<Option<K>, Count>,
}

impl<K> Default for Throttle<K> {
    fn default() -> Self {
        Self {
            kinds: BTreeMap::new(),
        }
    }
}

#[derive(Debug)]
struct Count {
    since: Instant,
    logged: u32,
    suppressed: u64,
    level: Level,
    newest: String,
}

impl<K: Ord> Throttle<K> {
    /// Returns whether to log a line of this kind in full, and counts it.
    pub fn admits(&mut self, kind: K, level: Level, line: &str, now: Instant) -> bool {
        let kind = Some(kind);
        let is_known = self.kinds.len() < KINDS_MAX || self.kinds.contains_key(&kind);
        let kind = kind.filter(|_| is_known);
        let count = self.kinds.entry(kind).or_insert_with(|| Count {
            since: now,
            logged: 0,
            suppressed: 0,
            level,
            newest: String::new(),
        });
        if count.logged < FIRST {
            count.logged += 1;
            return true;
        }
        count.suppressed += 1;
        line.clone_into(&mut count.newest);
        false
    }

    /// Returns the summaries that are due, with their levels.
    pub fn summaries(&mut self, now: Instant) -> Vec<(Level, String)> {
        self.summaries_after(SPAN, now)
    }

    /// Returns the last summaries, when no more lines come.
    pub fn last_summaries(&mut self, now: Instant) -> Vec<(Level, String)> {
        self.summaries_after(Duration::ZERO, now)
    }

    fn summaries_after(&mut self, span: Duration, now: Instant) -> Vec<(Level, String)> {
        let mut summaries = Vec::new();
        self.kinds.retain(|_, count| {
            let past = now.saturating_duration_since(count.since);
            if past < span {
                return true;
            }
            if count.suppressed == 0 {
                // The trouble is over; what comes later is logged in full.
                return false;
            }
            let text = format!(
                "{} more like this in the last {}; the newest: {}",
                count.suppressed,
                length(past),
                count.newest
            );
            summaries.push((count.level, text));
            count.since = now;
            count.suppressed = 0;
            true
        });
        summaries
    }
}

fn length(span: Duration) -> String {
    match span.as_secs() {
        seconds @ 0..=119 => format!("{seconds} s"),
        seconds => format!("{} min", seconds / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn trouble_that_goes_on_is_logged_in_full_at_first_and_then_as_a_number() {
        let mut throttle = Throttle::default();
        let mut logged = 0;
        let mut summaries = Vec::new();
        // An hour of a line a second.
        for second in 0..3600_u32 {
            let line = format!("line {second}");
            logged += u32::from(throttle.admits("poll 500", Level::WARN, &line, Instant::now()));
            tokio::time::advance(Duration::from_secs(1)).await;
            summaries.extend(throttle.summaries(Instant::now()));
        }
        assert_eq!(logged, FIRST);
        assert_eq!(summaries.len(), 6, "{summaries:?}");
        assert!(
            summaries[0]
                .1
                .starts_with("595 more like this in the last 10 min"),
            "{summaries:?}"
        );
        assert!(summaries[5].1.ends_with("line 3599"), "{summaries:?}");
        // After a pause the kind is logged in full again, and nothing is left to summarize.
        tokio::time::advance(SPAN).await;
        assert!(throttle.summaries(Instant::now()).is_empty());
        assert!(throttle.admits("poll 500", Level::WARN, "again", Instant::now()));
        assert!(throttle.last_summaries(Instant::now()).is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn another_kind_of_trouble_is_logged_in_full_whatever_else_goes_on() {
        let mut throttle = Throttle::default();
        let now = Instant::now();
        for _ in 0..1_000 {
            throttle.admits("poll 500", Level::WARN, "the usual", now);
        }
        assert!(throttle.admits("poll timeout", Level::WARN, "a new one", now));
        let summaries = throttle.last_summaries(now);
        assert_eq!(summaries.len(), 1, "{summaries:?}");
        assert!(summaries[0].1.contains("995 more"), "{summaries:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn its_size_is_bounded_however_many_kinds_there_are() {
        let mut throttle = Throttle::default();
        let now = Instant::now();
        let logged = (0..10_000)
            .filter(|kind| throttle.admits(*kind, Level::WARN, "", now))
            .count();
        assert!(logged <= KINDS_MAX + FIRST as usize, "{logged}");
    }
}
