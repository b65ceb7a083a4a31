//! Tasks that grow while the daemon reads pages of the list, and what the service was asked for meanwhile.

use super::{Bench, TIMEOUT};
use growd::core::TaskId;
use growd_simulator::{Options, RequestEntry, Scenario, Semantics};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// The number of tasks.
pub const TASKS: usize = 30;

/// Their results at first, and their target.
pub const FIRST: u32 = 20;
pub const TARGET: i64 = 40;

/// The shortest time between two polls of a task, and between two reads of a page.
pub const MIN_INTERVAL: Duration = Duration::from_millis(200);

/// Tasks of a service whose runs take some seconds, so that polls and pages see them at work.
pub struct Listed {
    pub bench: Bench,
    pub ids: Vec<TaskId>,
    /// Each request that the service has received, by its number.
    pub requests: BTreeMap<u64, RequestEntry>,
}

/// Requests of each kind.
#[derive(Debug, Clone, Copy)]
pub struct Figures {
    /// Polls of single tasks.
    pub polls: usize,
    /// Pages of the list.
    pub pages: usize,
    pub resumes: usize,
    /// How many times a poll or a page showed a task.
    pub shown: usize,
}

impl Listed {
    /// Starts a service with [`TASKS`] tasks. Half of them grow to the target by one resume, the others by two.
    pub async fn new(change: impl FnOnce(&mut Semantics)) -> Self {
        let mut options = Options::default();
        options.settings.speed = 100.0;
        change(&mut options.settings.semantics);
        let mut bench = Bench::with(options).await;
        let policy = &mut bench.settings.policy;
        policy.polling.list_page = 100;
        policy.polling.min_interval = MIN_INTERVAL;
        policy.polling.max_interval = Duration::from_secs(1);
        policy.growth.settle = Duration::from_secs(5);
        let mut ids = Vec::new();
        for nth in 0..TASKS {
            let id = bench.service.add_task(&scenario(nth));
            let id = id.parse().expect("an id");
            bench.want(&id, TARGET, chunk(nth)).await;
            ids.push(id);
        }
        Self {
            bench,
            ids,
            requests: BTreeMap::new(),
        }
    }

    /// Keeps what the service has received. It forgets all but its last requests.
    pub fn collect(&mut self) {
        let log = self.bench.service.requests();
        let entries = log.last.into_iter().map(|entry| (entry.seq, entry));
        self.requests.extend(entries);
        assert_eq!(self.requests.len() as u64, log.total, "some were forgotten");
    }

    /// Waits until a query returns 1.
    pub async fn until(&mut self, sql: &'static str) {
        let begin = Instant::now();
        let mut connection = self.bench.connection().await;
        while sqlx::query_scalar::<_, i64>(sql)
            .fetch_one(&mut connection)
            .await
            .expect(sql)
            != 1
        {
            let in_time = begin.elapsed() < TIMEOUT;
            assert!(in_time, "never true: {sql}\n{}", self.bench.dump().await);
            self.collect();
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        self.collect();
    }

    /// Waits until every task has ended.
    pub async fn until_all_ended(&mut self) {
        self.until(
            "SELECT NOT EXISTS (SELECT 1 FROM progress WHERE state IN ('pending', 'growing') OR next_poll_at IS NOT NULL)",
        )
        .await;
    }

    /// Waits until every task has ended, and pretends that each was polled alone long ago: growd does so every 10 minutes,
    /// whatever the list shows.
    pub async fn until_all_ended_as_if_minutes_passed(&mut self) {
        let begin = Instant::now();
        let at_work =
            "SELECT EXISTS (SELECT 1 FROM progress WHERE state IN ('pending', 'growing'))";
        while self.bench.value::<i64>(at_work).await == 1 {
            assert!(begin.elapsed() < TIMEOUT, "{}", self.bench.dump().await);
            self.collect();
            self.bench
                .execute(
                    "UPDATE progress SET polled_alone_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-10 minutes')
                      WHERE state IN ('pending', 'growing') AND status = 'in_progress'
                        AND coalesce(polled_alone_at, '') < strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-0.5 seconds')",
                )
                .await;
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    }

    /// Returns the number of requests of a kind.
    pub fn count(&self, kind: &str) -> usize {
        let of_kind = self.requests.values().filter(|entry| entry.kind == kind);
        of_kind.count()
    }

    /// Returns the paid requests, as task and results asked for, in the order of the tasks.
    pub fn paid(&self) -> Vec<(String, u32)> {
        let ledger = self.bench.service.ledger().into_iter();
        let mut paid: Vec<_> = ledger
            .map(|entry| (entry.task_id, entry.requested))
            .collect();
        paid.sort();
        paid
    }

    /// Returns the number of tasks that entered an end by anything else than a poll of their own.
    pub async fn wrong_ends(&self) -> i64 {
        self.bench
            .value(
                "SELECT count(*) FROM progress p
                  WHERE state NOT IN ('pending', 'growing')
                    AND (SELECT group_concat(at) FROM events e
                          WHERE e.task_id = p.task_id AND kind = 'state'
                            AND detail ->> 'to' NOT IN ('pending', 'growing')) IS NOT polled_alone_at",
            )
            .await
    }

    /// Asserts that nothing was paid for in vain, and that each task reached its target by polls of its own.
    pub async fn assert_all_reached(&self, case: &str) {
        let dump = self.bench.dump().await;
        let reached: i64 = self
            .bench
            .value("SELECT count(*) FROM progress WHERE state = 'reached' AND num_results = 40")
            .await;
        assert_eq!(usize::try_from(reached).unwrap(), TASKS, "{case}: {dump}");
        let others: i64 = self
            .bench
            .value("SELECT count(*) FROM resumes WHERE state <> 'accepted'")
            .await;
        assert_eq!(others, 0, "{case}: {dump}");
        assert_eq!(self.wrong_ends().await, 0, "{case}: {dump}");
        let mut expected: Vec<_> = self
            .ids
            .iter()
            .enumerate()
            .flat_map(|(nth, id)| {
                let asked: &[u32] = if chunk(nth).is_some() {
                    &[10, 10]
                } else {
                    &[20]
                };
                asked.iter().map(|asked| (id.as_str().to_owned(), *asked))
            })
            .collect();
        expected.sort();
        assert_eq!(self.paid(), expected, "{case}: {dump}");
        self.bench.assert_ledgers_agree().await;
        self.assert_paced(case);
        let counted: i64 = self.bench.value("SELECT requests FROM daemon").await;
        assert_eq!(
            usize::try_from(counted).unwrap(),
            self.requests.len(),
            "{case}"
        );
    }

    /// Asserts that no task was polled, and no page read, more than once in [`MIN_INTERVAL`].
    pub fn assert_paced(&self, case: &str) {
        let (mut polls, mut pages) = (BTreeMap::new(), BTreeMap::new());
        for entry in self.requests.values() {
            let times: &mut Vec<_> = match entry.kind.as_str() {
                "get" => polls.entry(&entry.path).or_default(),
                "list" => pages.entry(&entry.path).or_default(),
                _ => continue,
            };
            times.push(entry.at);
        }
        let least = MIN_INTERVAL.saturating_sub(Duration::from_millis(2));
        for (path, times) in polls {
            for pair in times.windows(2) {
                let gap = pair[0].duration_until(pair[1]).unsigned_abs();
                assert!(gap >= least, "{case}: {path} after {gap:?}");
            }
        }
        // A page counts from when it was asked for, which is some time before the service receives that.
        for (path, times) in pages {
            let all = times[0]
                .duration_until(times[times.len() - 1])
                .unsigned_abs();
            let most = all.as_millis() / MIN_INTERVAL.as_millis() + 2;
            let reads = times.len();
            assert!(
                reads as u128 <= most,
                "{case}: {path} {reads} times in {all:?}"
            );
        }
    }

    /// Returns the number of polls, of pages, and of times that either showed a task.
    pub async fn figures(&self) -> Figures {
        let shown: i64 = self.bench.value("SELECT sum(polls) FROM progress").await;
        Figures {
            polls: self.count("get"),
            pages: self.count("list"),
            resumes: self.count("resume"),
            shown: usize::try_from(shown).unwrap(),
        }
    }
}

fn chunk(nth: usize) -> Option<i64> {
    nth.is_multiple_of(2).then_some(10)
}

/// A task whose runs of 10 results take 1 to 2 s.
fn scenario(nth: usize) -> Scenario {
    let rates = [8.0, 12.0, 16.0];
    Scenario {
        pool: Some(5_000),
        fit_rate: Some(0.5),
        rate_per_minute: Some(rates[nth % rates.len()]),
        ..Scenario::done(FIRST)
    }
}
