//! A pure model of the service as a search sees it: companies that all tasks share, the tasks that find them, and the list.
//! Time is a parameter. What looks random is a hash.

use super::CapCounts;
use super::checks::texts;
use growd::core::search::list_reading::ListedPage;
use growd::core::search::settle::ListedTask;
use growd::core::{Failure, Status, TaskId, after};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::Duration;

/// The service's own limit on the domains that a task excludes.
const EXCLUDED_DOMAINS_MAX: usize = 1_000;

/// The order of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    Newest,
    Oldest,
    /// Random, and always the same.
    Fixed,
    /// Random, and another one at each request.
    Shuffled,
}

/// The behaviour of the service.
#[derive(Debug, Clone)]
#[allow(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub struct Semantics {
    /// The number of the domain of each company. Several names can share one; `None`: the company has none.
    pub market: Vec<Option<usize>>,
    /// Whether a task finds what it was to exclude.
    pub ignores_exclusions: bool,
    pub cap: i64,
    pub cap_counts: CapCounts,
    /// Delivered results for each hundred requested.
    pub yield_percent: usize,
    /// The duration of a run.
    pub run: Duration,
    /// How long after its creation a task shows in the list; `None`: never.
    pub shows_after: Option<Duration>,
    pub order: Order,
    /// The most entries of one page.
    pub page_max: usize,
    pub shows_criteria: bool,
    pub shows_exclusions: bool,
    pub shows_created_at: bool,
    /// The service's clock minus growd's.
    pub skew: SignedDuration,
    /// Whether the answers show the service's clock.
    pub shows_clock: bool,
    /// The number of growd's task, from 0, that fails.
    pub failing: Option<usize>,
}

/// A task at the service.
#[derive(Debug, Clone)]
#[allow(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub struct ServiceTask {
    pub id: TaskId,
    /// What it was created with.
    pub body: Value,
    /// The domains that it excludes: those of the body, and those that the tasks named there had found.
    pub exclusions: BTreeSet<String>,
    /// The row of growd's ledger; `None`: it is of a colleague.
    pub create: Option<i64>,
    /// What it was asked for, in sum.
    pub asked: i64,
    pub is_exhausted: bool,
    /// Whether the service has forgotten it.
    pub is_gone: bool,
    /// Whether its entry of the list cannot be read.
    pub is_unreadable: bool,
    pub created_at: Timestamp,
    shows_at: Option<Timestamp>,
    removed_at: Option<Timestamp>,
    /// Each company of the market that it finds, and when.
    found: Vec<(usize, Timestamp)>,
    ends_at: Timestamp,
    /// Whether its runs end in `failed`.
    pub is_failed: bool,
}

/// A task as one poll shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    pub status: Status,
    pub results: i64,
    pub is_exhausted: bool,
}

#[derive(Debug, Clone)]
pub struct Service {
    semantics: Semantics,
    pub tasks: Vec<ServiceTask>,
    /// The domain of each company of the market.
    domains: Vec<Option<String>>,
    list_requests: u64,
}

/// Mixes two numbers to one that looks random.
pub fn mixed(one: u64, other: u64) -> u64 {
    let mut z = one.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ other.wrapping_add(0x632B_E59B_D9B4_E019);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

pub fn count(number: usize) -> i64 {
    i64::try_from(number).expect("few")
}

impl Service {
    pub fn new(semantics: Semantics) -> Self {
        let domain = |number: &Option<usize>| number.map(|number| format!("c{number}.example"));
        Self {
            domains: semantics.market.iter().map(domain).collect(),
            semantics,
            tasks: Vec::new(),
            list_requests: 0,
        }
    }

    /// Returns the domain of a company of the market.
    pub fn domain(&self, company: usize) -> Option<String> {
        self.domains[company].clone()
    }

    /// Returns what tells a company from others.
    pub fn key(&self, company: usize) -> String {
        self.domain(company).map_or_else(
            || format!("nCompany {company}"),
            |domain| format!("d{domain}"),
        )
    }

    pub fn task(&self, id: &TaskId) -> &ServiceTask {
        self.tasks
            .iter()
            .find(|task| task.id == *id)
            .expect("a task of the service")
    }

    pub fn task_mut(&mut self, id: &TaskId) -> &mut ServiceTask {
        self.tasks
            .iter_mut()
            .find(|task| task.id == *id)
            .expect("a task of the service")
    }

    /// Returns the companies that the results of a task show.
    pub fn shown(&self, id: &TaskId, now: Timestamp) -> Vec<usize> {
        let found = self.task(id).found.iter().filter(|(_, at)| *at <= now);
        found.map(|(company, _)| *company).collect()
    }

    /// `GET /v1/discovery_tasks/{id}`; `None`: 404.
    pub fn get(&self, id: &TaskId, now: Timestamp) -> Option<Seen> {
        let task = self.task(id);
        (!task.is_gone).then(|| Seen {
            status: status(task, now),
            results: count(self.shown(id, now).len()),
            is_exhausted: task.is_exhausted && now >= task.ends_at,
        })
    }

    /// Returns the domains that a task created now with this body excludes.
    pub fn exclusions(&self, body: &Value, now: Timestamp) -> BTreeSet<String> {
        let mut all: BTreeSet<String> = texts(body, "exclude_domains").into_iter().collect();
        for id in texts(body, "exclude_task_ids") {
            let id = id.parse().expect("an id");
            all.extend(
                self.shown(&id, now)
                    .into_iter()
                    .filter_map(|found| self.domain(found)),
            );
        }
        all
    }

    /// `POST /v1/discovery_tasks`. `create` is the row of growd's ledger; `None`: a colleague asks.
    pub fn create(
        &mut self,
        body: &Value,
        create: Option<i64>,
        now: Timestamp,
    ) -> Result<TaskId, Failure> {
        for id in texts(body, "exclude_task_ids") {
            let named = self.tasks.iter().find(|task| task.id.as_str() == id);
            if named.is_none_or(|task| task.is_gone || status(task, now) != Status::Done) {
                return Err(refused("exclude_task_ids names a task that is not done"));
            }
        }
        let exclusions = self.exclusions(body, now);
        if exclusions.len() > EXCLUDED_DOMAINS_MAX {
            return Err(refused("too many exclusions"));
        }
        Ok(self.add(body, exclusions, create, now))
    }

    /// Adds a task as it is.
    pub fn add(
        &mut self,
        body: &Value,
        exclusions: BTreeSet<String>,
        create: Option<i64>,
        now: Timestamp,
    ) -> TaskId {
        let desired = body["desired_num_results"].as_i64().expect("a number");
        let nth = self.tasks.len();
        let of_growd = self
            .tasks
            .iter()
            .filter(|task| task.create.is_some())
            .count();
        let id: TaskId = format!("task-{nth}").parse().expect("an id");
        self.tasks.push(ServiceTask {
            id: id.clone(),
            body: body.clone(),
            exclusions,
            create,
            asked: 0,
            is_exhausted: false,
            is_gone: false,
            is_unreadable: false,
            created_at: now,
            shows_at: match create {
                Some(_) => self.semantics.shows_after.map(|late| after(now, late)),
                None => Some(now),
            },
            removed_at: None,
            found: Vec::new(),
            ends_at: now,
            is_failed: create.is_some() && self.semantics.failing == Some(of_growd),
        });
        self.work(nth, desired, now);
        id
    }

    /// Adds a task of a colleague that exists from `from` to `to`.
    pub fn add_stranger(
        &mut self,
        body: &Value,
        from: Timestamp,
        to: Option<Timestamp>,
        is_unreadable: bool,
    ) {
        self.add(body, BTreeSet::new(), None, from);
        let task = self.tasks.last_mut().expect("a task");
        task.removed_at = to;
        task.is_unreadable = is_unreadable;
    }

    /// `POST /v1/discovery_tasks/{id}/resume`.
    pub fn resume(&mut self, id: &TaskId, n: i64, now: Timestamp) -> Result<(), Failure> {
        let nth = self
            .tasks
            .iter()
            .position(|task| task.id == *id)
            .expect("a task");
        let counted = match self.semantics.cap_counts {
            CapCounts::Desired => self.tasks[nth].asked,
            CapCounts::Results => count(self.shown(id, now).len()),
        };
        let allowed = self.semantics.cap - counted;
        if allowed < 1 || self.tasks[nth].is_exhausted || self.tasks[nth].is_failed {
            return Err(refused("the task cannot grow"));
        }
        self.work(nth, n.min(allowed), now);
        Ok(())
    }

    /// Drops the last results of a task.
    pub fn drop_results(&mut self, id: &TaskId, dropped: usize) {
        let found = &mut self.task_mut(id).found;
        found.truncate(found.len().saturating_sub(dropped));
    }

    /// Has the task search for `n` companies more.
    fn work(&mut self, nth: usize, n: i64, now: Timestamp) {
        let market = self.semantics.market.len();
        let task = &self.tasks[nth];
        let is_open = |company: &usize| {
            let domain = self.domains[*company].as_ref();
            let is_excluded = domain.is_some_and(|domain| task.exclusions.contains(domain));
            (!is_excluded || self.semantics.ignores_exclusions)
                && task.found.iter().all(|(found, _)| found != company)
        };
        let pool: Vec<usize> = (0..market)
            .map(|i| (i + nth * 7) % market)
            .filter(is_open)
            .collect();
        let n = usize::try_from(n).expect("not negative");
        let gain = (n * self.semantics.yield_percent)
            .div_ceil(100)
            .min(pool.len());
        let run = self.semantics.run;
        let part = |i: usize| u32::try_from(i).expect("few");
        let at = |i: usize| after(now, run * part(i + 1) / part(gain));
        let found = pool
            .iter()
            .take(gain)
            .enumerate()
            .map(|(i, company)| (*company, at(i)));
        let found: Vec<_> = found.collect();
        let task = &mut self.tasks[nth];
        task.found.extend(found);
        task.asked += count(n);
        task.is_exhausted |= gain == pool.len();
        task.ends_at = after(now, run);
    }

    /// Returns the service's clock minus growd's, if the answers show it.
    pub fn skew(&self) -> Option<SignedDuration> {
        self.semantics.shows_clock.then_some(self.semantics.skew)
    }

    /// `GET /v1/discovery_tasks`.
    pub fn list(&mut self, offset: usize, limit: usize, now: Timestamp) -> ListedPage {
        self.list_requests += 1;
        let is_there = |task: &&ServiceTask| {
            task.created_at <= now
                && task.shows_at.is_some_and(|at| at <= now)
                && task.removed_at.is_none_or(|at| now < at)
        };
        let mut tasks: Vec<(usize, &ServiceTask)> = self
            .tasks
            .iter()
            .enumerate()
            .filter(|(_, task)| is_there(task))
            .collect();
        let request = self.list_requests;
        tasks.sort_by_key(|(nth, task)| {
            let (nth, created) = (count(*nth), task.created_at.as_millisecond());
            let random = |by| mixed(by, nth.unsigned_abs()).cast_signed();
            match self.semantics.order {
                Order::Newest => (-created, -nth),
                Order::Oldest => (created, nth),
                Order::Fixed => (random(0), nth),
                Order::Shuffled => (random(request), nth),
            }
        });
        let page: Vec<&ServiceTask> = tasks
            .into_iter()
            .map(|(_, task)| task)
            .skip(offset)
            .take(limit.min(self.semantics.page_max))
            .collect();
        let readable = page.iter().filter(|task| !task.is_unreadable);
        ListedPage {
            len: page.len(),
            tasks: readable.map(|task| self.entry(task)).collect(),
        }
    }

    fn entry(&self, task: &ServiceTask) -> ListedTask {
        let semantics = &self.semantics;
        // The service infers the criteria that a create does not name.
        let criteria = || {
            let named = task.body["criteria"].as_array().cloned();
            named.unwrap_or_else(|| {
                vec![serde_json::json!({"key": "fit", "criterion": "inferred from the query"})]
            })
        };
        ListedTask {
            id: task.id.clone(),
            created_at: semantics
                .shows_created_at
                .then(|| task.created_at + semantics.skew),
            query: task.body["query"].as_str().map(str::to_owned),
            desired: task.body["desired_num_results"].as_i64(),
            criteria: semantics.shows_criteria.then(criteria),
            exclude_domains: semantics
                .shows_exclusions
                .then(|| task.exclusions.iter().cloned().collect()),
        }
    }
}

fn status(task: &ServiceTask, now: Timestamp) -> Status {
    match (now < task.ends_at, task.is_failed) {
        (true, _) => Status::InProgress,
        (false, true) => Status::Failed,
        (false, false) => Status::Done,
    }
}

fn refused(detail: &str) -> Failure {
    Failure::Refused {
        status: 400,
        detail: detail.to_owned(),
    }
}
