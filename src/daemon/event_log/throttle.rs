//! A bad hour in few lines: the first of a kind of trouble are told in full, and then, from time to time, their number.
//!
//! What goes untold here stands in the database all the same, as `events` and as each task's `last_error`.

use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::Instant;
use tracing::Level;

/// So many lines of a kind are told in full.
pub const FIRST: u32 = 5;

/// How often the number of the others is told, for as long as they come. A kind that did not come for so long is told
/// in full again.
pub const SPAN: Duration = Duration::from_mins(10);

/// The most kinds that are told apart; what comes beyond them counts as one.
const KINDS_MAX: usize = 64;

/// Counts the lines of each kind.
#[derive(Debug, Default)]
pub struct Throttle {
    kinds: BTreeMap<String, Count>,
}

#[derive(Debug)]
struct Count {
    since: Instant,
    told: u32,
    untold: u64,
    level: Level,
    newest: String,
}

impl Throttle {
    /// Is a line of this kind to be told in full?
    pub fn admits(&mut self, kind: &str, level: Level, line: &str, now: Instant) -> bool {
        let known = self.kinds.len() < KINDS_MAX || self.kinds.contains_key(kind);
        let kind = if known { kind } else { "other" };
        let count = self.kinds.entry(kind.to_owned()).or_insert_with(|| Count {
            since: now,
            told: 0,
            untold: 0,
            level,
            newest: String::new(),
        });
        if count.told < FIRST {
            count.told += 1;
            return true;
        }
        count.untold += 1;
        line.clone_into(&mut count.newest);
        false
    }

    /// What has to be told now of the lines that were not.
    pub fn sums(&mut self, now: Instant) -> Vec<(Level, String)> {
        self.sums_after(SPAN, now)
    }

    /// The same at the end, when nothing more comes.
    pub fn last_sums(&mut self, now: Instant) -> Vec<(Level, String)> {
        self.sums_after(Duration::ZERO, now)
    }

    fn sums_after(&mut self, span: Duration, now: Instant) -> Vec<(Level, String)> {
        let mut sums = Vec::new();
        self.kinds.retain(|_, count| {
            let past = now.saturating_duration_since(count.since);
            if past < span {
                return true;
            }
            if count.untold == 0 {
                // It is over; what comes later is news.
                return false;
            }
            let text = format!(
                "{} more like this in the last {}; the newest: {}",
                count.untold,
                length(past),
                count.newest
            );
            sums.push((count.level, text));
            count.since = now;
            count.untold = 0;
            true
        });
        sums
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
    async fn trouble_that_goes_on_is_told_in_full_at_first_and_then_as_a_number() {
        let mut throttle = Throttle::default();
        let mut told = 0;
        let mut sums = Vec::new();
        // An hour of a line a second.
        for second in 0..3600_u32 {
            let line = format!("line {second}");
            told += u32::from(throttle.admits("poll 500", Level::WARN, &line, Instant::now()));
            tokio::time::advance(Duration::from_secs(1)).await;
            sums.extend(throttle.sums(Instant::now()));
        }
        assert_eq!(told, FIRST);
        assert_eq!(sums.len(), 6, "{sums:?}");
        assert!(
            sums[0]
                .1
                .starts_with("595 more like this in the last 10 min"),
            "{sums:?}"
        );
        assert!(sums[5].1.ends_with("line 3599"), "{sums:?}");
        // Quiet for a while: news again, and nothing left to tell.
        tokio::time::advance(SPAN).await;
        assert!(throttle.sums(Instant::now()).is_empty());
        assert!(throttle.admits("poll 500", Level::WARN, "again", Instant::now()));
        assert!(throttle.last_sums(Instant::now()).is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn another_kind_of_trouble_is_told_in_full_whatever_else_goes_on() {
        let mut throttle = Throttle::default();
        let now = Instant::now();
        for _ in 0..1_000 {
            throttle.admits("poll 500", Level::WARN, "the usual", now);
        }
        assert!(throttle.admits("poll timeout", Level::WARN, "a new one", now));
        let sums = throttle.last_sums(now);
        assert_eq!(sums.len(), 1, "{sums:?}");
        assert!(sums[0].1.contains("995 more"), "{sums:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn however_many_kinds_there_are_it_stays_small() {
        let mut throttle = Throttle::default();
        let now = Instant::now();
        let told = (0..10_000)
            .filter(|n| throttle.admits(&format!("kind {n}"), Level::WARN, "", now))
            .count();
        assert!(told <= KINDS_MAX + FIRST as usize, "{told}");
    }
}
