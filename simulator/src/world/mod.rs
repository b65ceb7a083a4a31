//! The world: all tasks, the account and the ledgers. It is pure and has no clock: every call takes `now`.

mod company;
mod create;
mod discovery;
pub(crate) mod domains;
mod ledger;
mod list;
mod match_rate;
mod new_task;
mod permutation;
mod results;
mod resume;
mod share;
mod task;
pub(crate) mod task_input;
#[cfg(test)]
mod tests;

use std::{borrow::Cow, collections::HashMap, time::Duration};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

pub use self::ledger::{CreateEntry, LedgerEntry, RunEntry};
pub(crate) use self::{
    create::{CreateRefusal, CreateRequest},
    ledger::Recorded,
    resume::Refusal,
};
use self::{
    list::List,
    task::{Snapshot, Status, Task},
    task_input::TaskInput,
};
use crate::{
    options::{Falls, ListShows, ResultsOrder, Scenario, Semantics},
    random::splitmix64,
};

/// Credits of an account for which the settings name no number.
const DEFAULT_CREDITS: u64 = 10_000;

/// A moment. Searches run in virtual time; delays of visibility are in real time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Now {
    pub time: Duration,
    pub real: Duration,
}

/// Everything that the service would store.
#[derive(Debug, Clone)]
pub(crate) struct World {
    seed: u64,
    epoch: Timestamp,
    tasks: Vec<Task>,
    by_id: HashMap<String, usize>,
    /// The resumes.
    ledger: Vec<LedgerEntry>,
    creates: Vec<CreateEntry>,
    list: List,
    /// The number of requests for results.
    results_requests: u64,
}

impl World {
    /// Returns an empty world, whose virtual time 0 is `epoch`.
    pub fn new(seed: u64, epoch: Timestamp) -> Self {
        Self {
            seed,
            epoch,
            tasks: Vec::new(),
            by_id: HashMap::new(),
            ledger: Vec::new(),
            creates: Vec::new(),
            list: List::default(),
            results_requests: 0,
        }
    }

    /// Adds a task and returns its id, or an error that names the invalid field of the scenario.
    pub fn add(
        &mut self,
        now: Now,
        scenario: &Scenario,
        input: Option<TaskInput>,
        semantics: &Semantics,
    ) -> Result<String, String> {
        let nth = self.tasks.len();
        let place = (self.seed, nth as u64);
        let task = new_task::task(place, now.time, scenario, input, semantics)?;
        let id = task.id.clone();
        if self.by_id.contains_key(&id) {
            return Err(format!("id: a task {id:?} already exists"));
        }
        self.by_id.insert(id.clone(), nth);
        self.tasks.push(task);
        self.record_added(now, nth, semantics);
        Ok(id)
    }

    /// The number of tasks.
    pub fn len(&self) -> usize {
        self.tasks.len()
    }

    /// All resumes that reached the world.
    pub fn ledger(&self) -> &[LedgerEntry] {
        &self.ledger
    }

    /// Returns all finished runs, ordered by task.
    pub fn runs(&mut self, now: Now, semantics: &Semantics) -> Vec<RunEntry> {
        for nth in 0..self.tasks.len() {
            self.advanced(now, nth, semantics);
        }
        let tasks = self.tasks.iter();
        let runs = tasks.flat_map(|task| task.finished_runs.iter().map(move |run| (task, run)));
        runs.map(|(task, run)| RunEntry {
            task_id: task.id.clone(),
            started_at: self.timestamp(run.from),
            ended_at: self.timestamp(run.to),
            noticed_at: run.noticed.map(|noticed| self.timestamp(noticed)),
            listed_at: run.listed.map(|listed| self.timestamp(listed)),
        })
        .collect()
    }

    /// All creates that reached the world.
    pub fn creates(&self) -> &[CreateEntry] {
        &self.creates
    }

    /// Records the status of the response to a request that a ledger has.
    pub fn record_status(&mut self, request: Recorded, status: u16) {
        let index = |seq: u64| usize::try_from(seq).unwrap_or(0).wrapping_sub(1);
        let answered = match request {
            Recorded::Resume(seq) => {
                let entry = self.ledger.get_mut(index(seq));
                entry.map(|entry| &mut entry.answered_status)
            }
            Recorded::Create(seq) => {
                let entry = self.creates.get_mut(index(seq));
                entry.map(|entry| &mut entry.answered_status)
            }
        };
        if let Some(answered) = answered {
            *answered = Some(status);
        }
    }

    /// Returns the task as a GET shows it.
    pub fn poll(&mut self, now: Now, id: &str, semantics: &Semantics) -> Option<Value> {
        let nth = self.find(now, id, semantics)?;
        let snapshot = self.polled(now, nth, semantics);
        Some(self.render(nth, snapshot, ListShows::Task))
    }

    /// Returns the task as a GET would show it that finds it, without the effects of a GET.
    pub fn inspect(&mut self, now: Now, id: &str, semantics: &Semantics) -> Option<Value> {
        let nth = *self.by_id.get(id)?;
        self.advanced(now, nth, semantics);
        Some(self.render(nth, self.tasks[nth].visible(now), ListShows::Task))
    }

    /// Returns the task as a GET shows it, with a page (offset and limit) of its results.
    ///
    /// They are those at `past`: `results_lag_ms` ago, or now.
    pub fn results(
        &mut self,
        now: Now,
        past: Now,
        id: &str,
        (offset, limit): (usize, usize),
        semantics: &Semantics,
    ) -> Option<Value> {
        let nth = self.find(now, id, semantics)?;
        self.results_requests += 1;
        let (task, snapshot) = if semantics.results_lag().is_zero() {
            let snapshot = self.polled(now, nth, semantics);
            (Cow::Borrowed(&self.tasks[nth]), snapshot)
        } else {
            self.before_change(nth, semantics);
            self.observed(now, nth, semantics);
            let task = self.past_task(past, nth, semantics);
            let snapshot = task.visible(past);
            (Cow::Owned(task), snapshot)
        };
        let task = &*task;
        let mut response = self.render(nth, snapshot, ListShows::Task);
        let mut ranked = results::ranked(task, snapshot.num_results, semantics.undelivered_percent);
        if semantics.results_order == ResultsOrder::Shuffled {
            results::shuffle(&mut ranked, splitmix64(task.seed, self.results_requests));
        }
        let page = ranked.into_iter().skip(offset).take(limit).map(|result| {
            let found = self.timestamp(task.found_at(result));
            results::render(task, result, found, semantics.scores)
        });
        response["results"] = page.collect();
        Some(response)
    }

    /// Returns the domains of the websites in a task's delivered results; `None` unless the task exists and is done.
    pub fn result_domains(
        &mut self,
        now: Now,
        id: &str,
        semantics: &Semantics,
    ) -> Option<Vec<String>> {
        let nth = self.find(now, id, semantics)?;
        self.advanced(now, nth, semantics);
        let task = &self.tasks[nth];
        let snapshot = task.visible(now);
        (snapshot.status == Status::Done).then(|| {
            results::ranked(task, snapshot.num_results, semantics.undelivered_percent)
                .into_iter()
                .filter_map(|result| task.discovery.company(result).website_domain())
                .collect()
        })
    }

    /// Returns the credits left of `credits`, or of [`DEFAULT_CREDITS`]. Each result costs one.
    pub fn credits_left(&mut self, now: Now, semantics: &Semantics, credits: Option<u64>) -> u64 {
        let spent: u64 = (0..self.tasks.len())
            .map(|nth| {
                let task = self.advanced(now, nth, semantics);
                let delivered = task.snapshot(now.time).num_results + task.withdrawn;
                u64::from(delivered.saturating_sub(task.free_results))
            })
            .sum();
        credits.unwrap_or(DEFAULT_CREDITS).saturating_sub(spent)
    }

    /// Converts virtual time to a timestamp.
    pub fn timestamp(&self, time: Duration) -> Timestamp {
        self.timestamp_before(SignedDuration::try_from(time).unwrap_or(SignedDuration::MAX))
    }

    /// Converts virtual time to a timestamp; it can be before virtual time 0.
    fn timestamp_before(&self, time: SignedDuration) -> Timestamp {
        let limit = if time.is_negative() {
            Timestamp::MIN
        } else {
            Timestamp::MAX
        };
        self.epoch.checked_add(time).unwrap_or(limit)
    }

    /// Returns the index of the task that a request names, if it is found (yet).
    fn find(&self, now: Now, id: &str, semantics: &Semantics) -> Option<usize> {
        let nth = *self.by_id.get(id)?;
        self.list.is_found(nth, now, semantics).then_some(nth)
    }

    /// The task, advanced to `now`.
    fn advanced(&mut self, now: Now, nth: usize, semantics: &Semantics) -> &mut Task {
        let task = &mut self.tasks[nth];
        task.advance_to(now.time, semantics);
        task
    }

    /// Counts a poll of one task and returns what it shows; records when it first shows the end of a run.
    fn polled(&mut self, now: Now, nth: usize, semantics: &Semantics) -> Snapshot {
        let visible = self.observed(now, nth, semantics);
        let last = self.tasks[nth].finished_runs.last_mut();
        if let Some(run) = last.filter(|run| run.noticed.is_none() && !visible.is_running()) {
            run.noticed = Some(now.time);
        }
        visible
    }

    /// Counts an observation, which can make results fall, and returns what it shows.
    fn observed(&mut self, now: Now, nth: usize, semantics: &Semantics) -> Snapshot {
        let task = self.advanced(now, nth, semantics);
        if semantics.falls == Falls::AtLooks && task.snapshot(now.time).status == Status::Done {
            task.polls += 1;
            if task.polls.is_multiple_of(3) {
                self.before_change(nth, semantics);
                self.tasks[nth].withdraw(semantics.falls_by);
                self.record_change(now, nth, semantics);
            }
        }
        self.tasks[nth].visible(now)
    }

    fn render(&self, nth: usize, snapshot: Snapshot, shows: ListShows) -> Value {
        let task = &self.tasks[nth];
        let created = self.timestamp(task.created);
        render(&task.id, created, &task.input, snapshot, shows)
    }
}

/// Returns a task in the form of the service.
fn render(
    id: &str,
    created: Timestamp,
    input: &TaskInput,
    snapshot: Snapshot,
    shows: ListShows,
) -> Value {
    let mut task = json!({
        "id": id,
        "created_at": format!("{created:.6}"),
        "status": snapshot.status,
        "query": input.query,
        "desired_num_results": snapshot.desired_num_results,
        "is_exhausted": snapshot.is_exhausted,
        "num_results_discovered": snapshot.num_results_discovered,
        "num_results_enriched": snapshot.num_results_enriched,
        "num_results_evaluated": snapshot.num_results_evaluated,
        "num_results": snapshot.num_results,
        "table_id": null,
    });
    if shows == ListShows::Task {
        task["auto_data_sources"] = json!(input.auto_data_sources);
        // Conversions are cheaper than `json!`, which serializes each part: a page has 100 tasks.
        let texts = |texts: &[String]| texts.iter().map(String::as_str).collect::<Value>();
        task["data_sources"] = texts(&input.data_sources);
        task["criteria"] = Value::Array(input.criteria.clone());
        task["exclude_domains"] = texts(&input.exclude_domains);
    }
    task
}
