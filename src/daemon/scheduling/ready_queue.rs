//! What is due, read ahead from the database, and whose turn it is.

use crate::core::policy::Policy;
use crate::core::queue::{FairQueue, Queue};
use crate::core::{TaskId, after};
use crate::store::progress::{self, End};
use crate::store::{StoreError, ledger};
use jiff::Timestamp;
use sqlx::sqlite::SqliteConnection;
use std::collections::HashSet;
use std::time::Duration;

/// How many due tasks of a queue are read at once. What a person changes is felt soon all the same: what was read is
/// forgotten whenever somebody has written, a second later at the most.
const AHEAD: usize = 512;

/// The longest that nothing is read where nothing is due.
const QUIET_MAX: Duration = Duration::from_mins(1);

/// What is known of the queues.
#[derive(Debug, Default)]
pub(super) struct ReadyQueue {
    queue: FairQueue<(Queue, TaskId)>,
    /// The tasks in `turns`. A task that was edited since it was read is in another queue of the database, and would be
    /// read a second time.
    queued: HashSet<TaskId>,
    /// The queues that had more than was read of them.
    cut: HashSet<Queue>,
    /// When the next one is due, where none is.
    pub next_due: Option<Timestamp>,
    /// Nothing has to be read before then, unless somebody writes.
    quiet_until: Option<Timestamp>,
}

/// What is in the way, as the schedule has it.
pub(super) struct Taken<'a> {
    /// Is a task in flight, or left alone for a while?
    pub is_out: &'a (dyn Fn(&TaskId) -> bool + Sync),
    /// How many those are.
    pub count: usize,
    /// How many of those in flight waited for the daily limit.
    pub of_the_limit: usize,
}

/// What was found that is none that can be asked for.
pub(super) type Unusable = Vec<Vec<u8>>;

impl ReadyQueue {
    /// Takes the task whose turn it is, or, for `probing`, the task to try a closed gate with. Tasks that are out are
    /// skipped.
    pub fn take(
        &mut self,
        probing: bool,
        is_out: impl Fn(&TaskId) -> bool,
    ) -> Option<(Queue, TaskId)> {
        loop {
            let (queue, id) = if probing {
                self.queue.take_as_probe()?
            } else {
                self.queue.take()?
            };
            self.queued.remove(&id);
            if !is_out(&id) {
                return Some((queue, id));
            }
        }
    }

    /// Is nothing known that is due?
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Somebody has written: what was read may not hold any more.
    pub fn forget(&mut self) {
        self.queue.clear();
        self.queued.clear();
        self.cut.clear();
        self.landed();
    }

    /// A task is no longer in flight: it may be due again, and was left out of what was read.
    pub fn landed(&mut self) {
        self.next_due = None;
        self.quiet_until = None;
    }

    /// Has a queue run out of which there was more, or all of them?
    pub fn is_to_be_read(&self, now: Timestamp) -> bool {
        if self.queue.is_empty() {
            return self.quiet_until.is_none_or(|until| until <= now);
        }
        self.cut.iter().any(|queue| self.queue.len(*queue) == 0)
    }

    /// Reads the queues that have run out.
    pub async fn read(
        &mut self,
        reader: &mut SqliteConnection,
        taken: &Taken<'_>,
        policy: &Policy,
        day: Duration,
        now: Timestamp,
    ) -> Result<Unusable, StoreError> {
        let mut unusable = Vec::new();
        let all = self.queue.is_empty();
        let limit = AHEAD + taken.count;
        let mut frees_at = None;
        for queue in Queue::ALL {
            let has_run_out = self.queue.len(queue) == 0;
            if !(has_run_out && (all || self.cut.contains(&queue))) {
                continue;
            }
            let (read, of) = match queue {
                Queue::Regular => {
                    let due = progress::due(reader, queue, End::Oldest, now, limit).await?;
                    (due, limit)
                }
                Queue::New => (new(reader, now, limit).await?, limit),
                Queue::Limit => {
                    let (read, of, until) = held(reader, taken, policy, day, now).await?;
                    frees_at = until;
                    (read, of)
                }
            };
            let is_cut = read.tasks.len() + read.unusable.len() >= of && of > 0;
            if is_cut {
                self.cut.insert(queue);
            } else {
                self.cut.remove(&queue);
            }
            unusable.extend(read.unusable);
            for id in read.tasks {
                if !(taken.is_out)(&id) && self.queued.insert(id.clone()) {
                    self.queue.push(queue, (queue, id));
                }
            }
        }
        if self.queue.is_empty() {
            let due = progress::next_due(reader, now).await?;
            self.next_due = due.into_iter().chain(frees_at).min();
            // Not for ever: the limit, too, frees by itself.
            let soon = after(now, QUIET_MAX);
            self.quiet_until = Some(self.next_due.map_or(soon, |at| at.min(soon)));
        }
        Ok(unusable)
    }
}

/// The new ones: both ends of their queue, where it is long.
async fn new(
    reader: &mut SqliteConnection,
    now: Timestamp,
    limit: usize,
) -> Result<progress::Due, StoreError> {
    let mut due = progress::due(reader, Queue::New, End::Oldest, now, limit).await?;
    if due.tasks.len() + due.unusable.len() >= limit {
        let newest = progress::due(reader, Queue::New, End::Newest, now, limit).await?;
        let known: HashSet<TaskId> = due.tasks.iter().cloned().collect();
        let others = newest.tasks.into_iter().filter(|id| !known.contains(id));
        due.tasks
            .extend(others.collect::<Vec<_>>().into_iter().rev());
    }
    Ok(due)
}

/// As many of those that wait for the daily limit as it has room for; how many that are at the most; and where it has
/// none, when it will.
async fn held(
    reader: &mut SqliteConnection,
    taken: &Taken<'_>,
    policy: &Policy,
    day: Duration,
    now: Timestamp,
) -> Result<(progress::Due, usize, Option<Timestamp>), StoreError> {
    let growth = &policy.growth;
    let none = progress::Due::default();
    // Nothing is asked of the ledger where nobody waits.
    if progress::waiting_for_limit(reader, Timestamp::MAX, now, 1)
        .await?
        .is_empty()
    {
        return Ok((none, 0, None));
    }
    let (asked, frees_at) = ledger::asked_within(reader, day, now).await?;
    let room = match growth.daily_limit {
        0 => i64::MAX,
        limit => limit.saturating_sub(asked),
    };
    if room <= 0 {
        return Ok((none, 0, frees_at));
    }
    let serves = room.saturating_add(growth.chunk - 1) / growth.chunk.max(1);
    let serves = usize::try_from(serves).unwrap_or(AHEAD).min(AHEAD);
    let serves = serves.saturating_sub(taken.of_the_limit);
    let min_interval = policy.polling.min_interval;
    let polled_before = now.checked_sub(min_interval).unwrap_or(Timestamp::MIN);
    let found =
        progress::waiting_for_limit(reader, polled_before, now, serves + taken.count).await?;
    // Where all have just been looked at: once that is long enough ago.
    let again = after(now, min_interval);
    Ok((found.at_most(serves, taken.is_out), serves, Some(again)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Settings;
    use crate::store::tasks::{NewTask, upsert};
    use crate::store::{self, Mode};

    #[tokio::test]
    async fn a_task_that_is_edited_after_it_was_read_is_taken_once() {
        let dir = tempfile::tempdir().expect("a directory");
        let database = dir.path().join("growd.db");
        let mut connection = store::open(&database, Mode::Write).await.expect("opens");
        let policy = Settings::from_toml("a test", "").expect("defaults").policy;
        let new = NewTask {
            target: 5,
            chunk: None,
            note: None,
        };
        let id: TaskId = "edited".parse().expect("an id");
        upsert(&mut connection, &id, &new).await.expect("an upsert");
        sqlx::query("UPDATE progress SET queue = 'regular'")
            .execute(&mut connection)
            .await
            .expect("as after a poll");

        let mut ready = ReadyQueue::default();
        let mut read = async |ready: &mut ReadyQueue| {
            let taken = Taken {
                is_out: &|_| false,
                count: 0,
                of_the_limit: 0,
            };
            let now = after(Timestamp::now(), Duration::from_secs(1));
            ready
                .read(&mut connection, &taken, &policy, ledger::DAY, now)
                .await
                .expect("reads");
            sqlx::query("UPDATE progress SET queue = 'new'")
                .execute(&mut connection)
                .await
                .expect("as after an edit");
        };
        read(&mut ready).await;
        // As where the queue of the new tasks had more than was read of it.
        ready.cut.insert(Queue::New);
        read(&mut ready).await;
        assert_eq!(ready.take(false, |_| false), Some((Queue::Regular, id)));
        assert_eq!(ready.take(false, |_| false), None);
        // Once taken it may be read again.
        read(&mut ready).await;
        assert!(!ready.is_empty());
    }

    #[test]
    fn a_task_that_is_out_is_skipped() {
        for probing in [false, true] {
            let mut ready = ReadyQueue::default();
            let ids = ["in-flight", "free"].map(|id| id.parse::<TaskId>().expect("an id"));
            for id in ids.clone() {
                ready.queue.push(Queue::Regular, (Queue::Regular, id));
            }
            let is_out = |id: &TaskId| *id == ids[0];
            let taken = ready.take(probing, is_out);
            assert_eq!(taken, Some((Queue::Regular, ids[1].clone())));
            assert_eq!(ready.take(probing, is_out), None);
        }
    }
}
