//! The ready queue: due tasks that are read ahead from the database, in the order in which they are polled.

use crate::core::policy::Policy;
use crate::core::queue::{FairQueue, Queue};
use crate::core::spending::{Allowance, Windows};
use crate::core::{TaskId, after};
use crate::store::progress::{self, Due, DueTask, End};
use crate::store::{StoreError, ledger};
use jiff::Timestamp;
use sqlx::sqlite::SqliteConnection;
use std::collections::HashSet;
use std::time::Duration;

/// How many due tasks of a queue are read at once. An edit by the operator takes effect soon all the same: what was read is
/// forgotten within a second after another connection has written.
const PREFETCH: usize = 512;

/// The longest time without a read while nothing is due.
const QUIET_MAX: Duration = Duration::from_mins(1);

/// Due tasks that are known.
#[derive(Debug, Default)]
pub(super) struct ReadyQueue {
    queue: FairQueue<(Queue, DueTask)>,
    /// The tasks in `queue`. A task that was edited since it was read is in another queue of the database, and would be
    /// read a second time.
    queued: HashSet<TaskId>,
    /// The queues of the database that had more than was read of them.
    truncated: HashSet<Queue>,
    /// When the next task is due, if none is.
    pub next_due: Option<Timestamp>,
    /// Nothing has to be read before then, unless another connection writes.
    quiet_until: Option<Timestamp>,
}

/// Tasks that are not to be read.
pub(super) struct Excluded<'a> {
    /// Whether a task is one of them.
    pub contains: &'a (dyn Fn(&TaskId) -> bool + Sync),
    /// How many they are.
    pub count: usize,
    /// How many of those in flight waited for a limit.
    pub of_the_limit: usize,
    /// When some of them may be read again, if nothing else happens.
    pub until: Option<Timestamp>,
}

impl ReadyQueue {
    /// Takes the next task, or, for `probing`, the next task to try a closed gate with. Tasks that need no poll now are
    /// skipped.
    pub fn take(
        &mut self,
        probing: bool,
        mut needs_poll: impl FnMut(&DueTask) -> bool,
    ) -> Option<(Queue, TaskId)> {
        loop {
            let (queue, task) = if probing {
                self.queue.take_as_probe()?
            } else {
                self.queue.take()?
            };
            self.queued.remove(&task.id);
            if needs_poll(&task) {
                return Some((queue, task.id));
            }
        }
    }

    /// Returns whether no due task is known.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Forgets everything: it may not hold any more.
    pub fn clear(&mut self) {
        self.queue.clear();
        self.queued.clear();
        self.truncated.clear();
        self.expect_more();
    }

    /// Ends the time in which nothing has to be read: a task is no longer in flight, and may be due again.
    pub fn expect_more(&mut self) {
        self.next_due = None;
        self.quiet_until = None;
    }

    /// Returns whether a queue has run out of which there was more, or all of them have.
    pub fn needs_refill(&self, now: Timestamp) -> bool {
        if self.queue.is_empty() {
            return self.quiet_until.is_none_or(|until| until <= now);
        }
        self.truncated
            .iter()
            .any(|queue| self.queue.len(*queue) == 0)
    }

    /// Reads the queues that have run out. Returns ids, as their bytes, that cannot be asked for.
    pub async fn refill(
        &mut self,
        reader: &mut SqliteConnection,
        excluded: &Excluded<'_>,
        policy: &Policy,
        windows: Windows,
        now: Timestamp,
    ) -> Result<Vec<Vec<u8>>, StoreError> {
        let mut unusable = Vec::new();
        let all = self.queue.is_empty();
        let limit = PREFETCH + excluded.count;
        let mut frees_at = None;
        for &queue in Queue::ALL {
            let has_run_out = self.queue.len(queue) == 0;
            if !(has_run_out && (all || self.truncated.contains(&queue))) {
                continue;
            }
            let (due, limit) = match queue {
                Queue::Regular => {
                    let due = progress::due(reader, queue, End::Oldest, now, limit).await?;
                    (due, limit)
                }
                Queue::New => (new(reader, now, limit).await?, limit),
                Queue::Limit => {
                    let waiting = waiting_for_limit(reader, excluded, policy, windows, now).await?;
                    frees_at = waiting.frees_at;
                    (waiting.due, waiting.limit)
                }
            };
            let is_truncated = due.tasks.len() + due.unusable.len() >= limit && limit > 0;
            if is_truncated {
                self.truncated.insert(queue);
            } else {
                self.truncated.remove(&queue);
            }
            unusable.extend(due.unusable);
            for task in due.tasks {
                if !(excluded.contains)(&task.id) && self.queued.insert(task.id.clone()) {
                    self.queue.push(queue, (queue, task));
                }
            }
        }
        if self.queue.is_empty() {
            let due = progress::next_due(reader, now).await?;
            self.next_due = [due, frees_at, excluded.until].into_iter().flatten().min();
            // A limit frees by itself, without any write.
            let soon = after(now, QUIET_MAX);
            self.quiet_until = self.next_due.into_iter().chain([soon]).min();
        }
        Ok(unusable)
    }
}

/// Reads the new tasks: both ends of their queue, if it is long.
async fn new(
    reader: &mut SqliteConnection,
    now: Timestamp,
    limit: usize,
) -> Result<Due, StoreError> {
    let mut due = progress::due(reader, Queue::New, End::Oldest, now, limit).await?;
    if due.tasks.len() + due.unusable.len() >= limit {
        let newest = progress::due(reader, Queue::New, End::Newest, now, limit).await?;
        let known: HashSet<TaskId> = due.tasks.iter().map(|task| task.id.clone()).collect();
        let others = (newest.tasks.into_iter()).filter(|task| !known.contains(&task.id));
        due.tasks
            .extend(others.collect::<Vec<_>>().into_iter().rev());
    }
    Ok(due)
}

/// Tasks that wait for a limit, as many as it has room for.
#[derive(Default)]
struct WaitingForLimit {
    due: Due,
    /// The most that it has room for.
    limit: usize,
    /// When it has room again, if it has none.
    frees_at: Option<Timestamp>,
}

async fn waiting_for_limit(
    reader: &mut SqliteConnection,
    excluded: &Excluded<'_>,
    policy: &Policy,
    windows: Windows,
    now: Timestamp,
) -> Result<WaitingForLimit, StoreError> {
    let growth = &policy.growth;
    // The sum over the ledger is not needed while no task waits.
    let waiting = progress::waiting_for_limit(reader, Timestamp::MAX, now, 1).await?;
    if waiting.is_empty() {
        return Ok(WaitingForLimit::default());
    }
    let used = ledger::used(reader, growth, windows, now).await?;
    let allowance = Allowance::of(&used, growth);
    let room = allowance.left.unwrap_or(i64::MAX);
    if room <= 0 {
        return Ok(WaitingForLimit {
            frees_at: allowance.frees_at,
            ..WaitingForLimit::default()
        });
    }
    let served = room.saturating_add(growth.chunk - 1) / growth.chunk.max(1);
    let served = usize::try_from(served).unwrap_or(PREFETCH).min(PREFETCH);
    let limit = served.saturating_sub(excluded.of_the_limit);
    let min_interval = policy.polling.min_interval;
    let polled_before = now.checked_sub(min_interval).unwrap_or(Timestamp::MIN);
    let found =
        progress::waiting_for_limit(reader, polled_before, now, limit + excluded.count).await?;
    Ok(WaitingForLimit {
        due: found.at_most(limit, excluded.contains),
        limit,
        // If all were polled just now: once that is long enough ago.
        frees_at: Some(after(now, min_interval)),
    })
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
            budget: None,
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
            let excluded = Excluded {
                contains: &|_| false,
                count: 0,
                of_the_limit: 0,
                until: None,
            };
            let now = after(Timestamp::now(), Duration::from_secs(1));
            ready
                .refill(&mut connection, &excluded, &policy, Windows::NOMINAL, now)
                .await
                .expect("reads");
            sqlx::query("UPDATE progress SET queue = 'new'")
                .execute(&mut connection)
                .await
                .expect("as after an edit");
        };
        read(&mut ready).await;
        // As where the queue of the new tasks had more than was read of it.
        ready.truncated.insert(Queue::New);
        read(&mut ready).await;
        assert_eq!(ready.take(false, |_| true), Some((Queue::Regular, id)));
        assert_eq!(ready.take(false, |_| true), None);
        // Once taken it may be read again.
        read(&mut ready).await;
        assert!(!ready.is_empty());
    }

    #[test]
    fn a_task_that_is_in_flight_is_skipped() {
        for probing in [false, true] {
            let mut ready = ReadyQueue::default();
            let ids = ["in-flight", "free"].map(|id| id.parse::<TaskId>().expect("an id"));
            for id in ids.clone() {
                let is_watched = false;
                let task = DueTask { id, is_watched };
                ready.queue.push(Queue::Regular, (Queue::Regular, task));
            }
            let needs_poll = |task: &DueTask| task.id != ids[0];
            let taken = ready.take(probing, needs_poll);
            assert_eq!(taken, Some((Queue::Regular, ids[1].clone())));
            assert_eq!(ready.take(probing, needs_poll), None);
        }
    }
}
