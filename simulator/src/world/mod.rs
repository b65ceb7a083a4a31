//! The world: all searches, the account and the ledger, under a clock that is handed in.

use std::{collections::HashMap, time::Duration};

use jiff::Timestamp;
use rand::RngExt as _;
use serde_json::{Value, json};

pub(crate) mod company;
pub(crate) mod discovery;
pub(crate) mod domains;
pub(crate) mod ledger;
pub(crate) mod match_rate;
pub(crate) mod results;
pub(crate) mod share;
pub(crate) mod task;
pub(crate) mod task_input;
#[cfg(test)]
mod tests;

use crate::{
    options::scenario::{FailAt, MOST_CANDIDATES, Scenario},
    options::semantics::{
        CapCounts, CapExcess, Falls, ListOrder, ListShows, Semantics, WhileRunning,
    },
    random::{dice, mix, uuid},
    world::discovery::{Market, Order},
    world::ledger::{LedgerEntry, RunEntry},
    world::match_rate::Fit,
    world::share::{percent, scaled},
    world::task::{Ended, LEAD, Stale, Status, Task, View},
    world::task_input::Brief,
};

/// How many candidates a search has at most where nothing else is set.
const USUAL_CANDIDATES: u32 = 10_000;

/// What `GET /v1/user` shows first where no other number was set.
pub(crate) const CREDITS: u64 = 10_000;

/// A moment: virtual time moves the searches, real time the visibility of resumes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Now {
    pub time: Duration,
    pub real: Duration,
}

/// Everything that the service would know.
#[derive(Debug, Clone)]
pub(crate) struct World {
    seed: u64,
    epoch: Timestamp,
    tasks: Vec<Task>,
    by_id: HashMap<String, usize>,
    ledger: Vec<LedgerEntry>,
    /// How often the list was asked for.
    lists: u64,
    listed: Option<Listed>,
}

/// The tasks as the list shows them for a while.
#[derive(Debug, Clone)]
struct Listed {
    /// When they were looked at, in real time.
    at: Duration,
    views: Vec<View>,
}

/// Why a resume was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    NotFound,
    NoCredits,
    Exhausted,
    OverCap { cap: u32, room: u32 },
    Running,
}

/// A resume that was taken: its number in the ledger and the task as its answer shows it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Resumed {
    pub seq: u64,
    pub task: Value,
}

impl World {
    /// An empty world, whose virtual time 0 is `epoch`.
    pub fn new(seed: u64, epoch: Timestamp) -> Self {
        Self {
            seed,
            epoch,
            tasks: Vec::new(),
            by_id: HashMap::new(),
            ledger: Vec::new(),
            lists: 0,
            listed: None,
        }
    }

    /// Adds a search; says what is wrong with the scenario if it makes no sense.
    pub fn add(
        &mut self,
        now: Now,
        scenario: &Scenario,
        brief: Option<Brief>,
        semantics: &Semantics,
    ) -> Result<String, String> {
        let nth = self.tasks.len();
        let mut dice = dice(self.seed, nth as u64);
        let seed = dice.random();
        let id = uuid(&mut dice);
        let fit = dice.random_range(0.3..0.8);
        let phase = dice.random();
        scenario.check()?;
        let id = scenario.id.clone().unwrap_or(id);
        if self.by_id.contains_key(&id) {
            return Err(format!("id: there is a task {id:?} already"));
        }
        let fit = Fit::new(scenario.fit_rate.unwrap_or(fit), phase);
        let free = scenario.results.unwrap_or(0);
        let needed = fit
            .needed_for(free)
            .ok_or("results: a fit_rate of 0 never gives any")?;
        if needed > MOST_CANDIDATES {
            return Err(format!(
                "results: {free} of them at this fit_rate take more than {MOST_CANDIDATES} candidates"
            ));
        }
        if let Some(pool) = scenario.pool.filter(|pool| *pool < needed) {
            return Err(format!(
                "pool: {pool} candidates cannot give {free} results, it takes {needed}"
            ));
        }
        let brief = brief
            .unwrap_or_else(|| {
                Brief::of(scenario.query.as_deref().unwrap_or(task_input::query(seed)))
            })
            .inferred(self.seed);
        let market = Market::of(self.seed, &brief.query);
        let size = semantics.market.unwrap_or_else(|| match scenario.pool {
            Some(pool) => fit.among(pool),
            None => market.usual_size().max(free),
        });
        let order = Order::new(market, seed, size, &brief.exclude_domains);
        if order.len() < free {
            return Err(format!(
                "results: {free} of them, but the market has {size} companies"
            ));
        }
        // No more candidates than there are companies for those that fit.
        let most = fit
            .needed_for(order.len().saturating_add(1))
            .map_or(u32::MAX, |beyond| beyond - 1);
        let pool = scenario
            .pool
            .unwrap_or(USUAL_CANDIDATES.max(needed))
            .min(most);
        let desired = scenario
            .desired_num_results
            .or(scenario.results)
            .unwrap_or(100);
        let mut task = Task {
            id: id.clone(),
            seed,
            created: now.time,
            brief,
            order,
            pool,
            fit,
            rate_per_minute: scenario.rate_per_minute.unwrap_or(100.0),
            backlog: scenario.backlog.unwrap_or(15),
            shape: scenario.shape,
            fail_at: scenario.fail_at.map(|at| match at {
                FailAt::Results(results) => results,
                FailAt::Fraction(share) => scaled(desired, share),
            }),
            desired,
            goal: percent(desired, semantics.yield_percent).min(semantics.cap),
            front: 0,
            run: None,
            afterwards: None,
            ended: Vec::new(),
            started: Vec::new(),
            failed: false,
            withdrawn: 0,
            looks: 0,
            queued: [].into(),
            stale: None,
            free,
        };
        if scenario.results.is_some() {
            task.front = task.front_after(needed);
            task.failed = task.fail_at.is_some_and(|limit| free >= limit);
            if !task.failed {
                task.rest_at(now.time, semantics);
            }
        } else {
            task.start(now.time + LEAD, Status::Created, semantics);
        }
        self.by_id.insert(id.clone(), nth);
        self.tasks.push(task);
        Ok(id)
    }

    /// How many searches there are.
    pub fn len(&self) -> usize {
        self.tasks.len()
    }

    /// All resumes that reached the world.
    pub fn ledger(&self) -> &[LedgerEntry] {
        &self.ledger
    }

    /// All runs that are over, in the order of their tasks.
    pub fn runs(&mut self, now: Now, semantics: &Semantics) -> Vec<RunEntry> {
        for nth in 0..self.tasks.len() {
            self.settled(now, nth, semantics);
        }
        let of = |task: &Task, run: &Ended| RunEntry {
            task_id: task.id.clone(),
            started_at: self.at(run.from),
            ended_at: self.at(run.to),
            noticed_at: run.noticed.map(|noticed| self.at(noticed)),
        };
        let tasks = self.tasks.iter();
        tasks
            .flat_map(|task| task.ended.iter().map(move |run| of(task, run)))
            .collect()
    }

    /// Notes which answer to resume number `seq` was sent.
    pub fn answered(&mut self, seq: u64, status: u16) {
        let entry = usize::try_from(seq)
            .ok()
            .and_then(|seq| self.ledger.get_mut(seq.checked_sub(1)?));
        if let Some(entry) = entry {
            entry.answered_status = Some(status);
        }
    }

    /// The task as a GET shows it.
    pub fn look(&mut self, now: Now, id: &str, semantics: &Semantics) -> Option<Value> {
        let nth = *self.by_id.get(id)?;
        let view = self.seen(now, nth, semantics);
        Some(self.render(nth, view))
    }

    /// The task as a GET would show it, without counting as one.
    pub fn peek(&mut self, now: Now, id: &str, semantics: &Semantics) -> Option<Value> {
        let nth = *self.by_id.get(id)?;
        self.settled(now, nth, semantics);
        Some(self.render(nth, self.shown(now, nth)))
    }

    /// The task as a GET shows it, with a page of its results.
    pub fn results(
        &mut self,
        now: Now,
        id: &str,
        page: (usize, usize),
        semantics: &Semantics,
    ) -> Option<Value> {
        let nth = *self.by_id.get(id)?;
        let view = self.seen(now, nth, semantics);
        let mut answer = self.render(nth, view);
        let task = &self.tasks[nth];
        let ranked = results::ranked(task, view.num_results, semantics.undelivered_percent);
        let results = ranked.into_iter().skip(page.0).take(page.1).map(|result| {
            let found = self.at(task.found_at(result));
            results::result(task, result, found, semantics.scores)
        });
        answer["results"] = results.collect();
        Some(answer)
    }

    /// The domains of the companies that a search shows; `None` unless it exists and is done.
    pub fn domains(&mut self, now: Now, id: &str, semantics: &Semantics) -> Option<Vec<String>> {
        let nth = *self.by_id.get(id)?;
        self.settled(now, nth, semantics);
        let view = self.shown(now, nth);
        let task = &self.tasks[nth];
        (view.status == Status::Done).then(|| {
            results::ranked(task, view.num_results, semantics.undelivered_percent)
                .into_iter()
                .map(|result| task.order.company(result).domain())
                .collect()
        })
    }

    /// A page of all tasks.
    pub fn list(&mut self, now: Now, page: (usize, usize), semantics: &Semantics) -> Value {
        self.lists += 1;
        let held = Duration::from_millis(semantics.list_delay_ms);
        if held.is_zero() {
            self.listed = None;
        } else if self
            .listed
            .as_ref()
            .is_none_or(|listed| now.real >= listed.at + held)
        {
            let views = (0..self.tasks.len()).map(|nth| self.seen(now, nth, semantics));
            let views = views.collect();
            self.listed = Some(Listed {
                at: now.real,
                views,
            });
        }
        let listed = self.listed.take();
        let count = listed
            .as_ref()
            .map_or(self.tasks.len(), |listed| listed.views.len());
        let mut nths: Vec<usize> = (0..count).collect();
        match semantics.list_order {
            ListOrder::Oldest => {}
            ListOrder::Newest => nths.reverse(),
            ListOrder::Random => nths.sort_by_key(|nth| mix(self.seed, *nth as u64)),
            ListOrder::Shuffled => {
                let seed = mix(self.seed, self.lists);
                nths.sort_by_key(|nth| mix(seed, *nth as u64));
            }
        }
        let nths = nths.into_iter().skip(page.0).take(page.1);
        let tasks = nths.map(|nth| {
            let view = match &listed {
                Some(listed) => listed.views[nth],
                None => self.seen(now, nth, semantics),
            };
            let mut task = self.render(nth, view);
            if let (ListShows::Progress, Some(fields)) =
                (semantics.list_shows, task.as_object_mut())
            {
                for name in [
                    "auto_data_sources",
                    "data_sources",
                    "criteria",
                    "exclude_domains",
                ] {
                    fields.remove(name);
                }
            }
            task
        });
        let page = tasks.collect();
        self.listed = listed;
        Value::Array(page)
    }

    /// Lets somebody else ask for `new` more results.
    pub fn colleague_resumes(&mut self, now: Now, id: &str, new: u32, semantics: &Semantics) {
        let before = self.ledger.len();
        // Whether it is granted makes no difference to anybody here.
        let _ = self.resume(now, id, new, semantics, None);
        for entry in &mut self.ledger[before..] {
            entry.by_colleague = true;
        }
    }

    /// Asks for `requested` more results and writes that into the ledger.
    pub fn resume(
        &mut self,
        now: Now,
        id: &str,
        requested: u32,
        semantics: &Semantics,
        credits: Option<u64>,
    ) -> Result<Resumed, (Refusal, Option<u64>)> {
        let nth = *self.by_id.get(id).ok_or((Refusal::NotFound, None))?;
        let broke = credits.is_some_and(|_| self.credits_left(now, semantics, credits) == 0);
        let before = self.settled(now, nth, semantics).view(now.time);
        let shown = self.shown(now, nth);
        let grant = if broke {
            Err(Refusal::NoCredits)
        } else {
            self.tasks[nth].grant(before, requested, semantics)
        };
        let seq = self.ledger.len() as u64 + 1;
        self.ledger.push(LedgerEntry {
            seq,
            at: self.at(now.time),
            task_id: id.to_owned(),
            requested,
            granted: grant.unwrap_or(0),
            baseline_desired: before.desired_num_results,
            baseline_results: before.num_results,
            answered_status: None,
            took_effect: grant.is_ok(),
            by_colleague: false,
        });
        let granted = grant.map_err(|refusal| (refusal, Some(seq)))?;
        let task = &mut self.tasks[nth];
        if before.runs() && semantics.resume_while_running == WhileRunning::Queued {
            task.queued.push_back(granted);
        } else {
            task.extend(granted, now.time, semantics);
        }
        if semantics.visibility_delay_ms > 0 {
            task.stale = Some(Stale {
                until: now.real + Duration::from_millis(semantics.visibility_delay_ms),
                view: shown,
            });
        }
        let view = if semantics.resume_answer_shows {
            task.view(now.time)
        } else {
            shown
        };
        Ok(Resumed {
            seq,
            task: self.render(nth, view),
        })
    }

    /// Credits left of `credits` (or of a generous account): each result costs one.
    pub fn credits_left(&mut self, now: Now, semantics: &Semantics, credits: Option<u64>) -> u64 {
        let spent: u64 = (0..self.tasks.len())
            .map(|nth| {
                let task = self.settled(now, nth, semantics);
                let delivered = task.view(now.time).num_results + task.withdrawn;
                u64::from(delivered.saturating_sub(task.free))
            })
            .sum();
        credits.unwrap_or(CREDITS).saturating_sub(spent)
    }

    /// Virtual time as a timestamp.
    pub fn at(&self, time: Duration) -> Timestamp {
        jiff::SignedDuration::try_from(time)
            .ok()
            .and_then(|time| self.epoch.checked_add(time).ok())
            .unwrap_or(Timestamp::MAX)
    }

    fn settled(&mut self, now: Now, nth: usize, semantics: &Semantics) -> &mut Task {
        let task = &mut self.tasks[nth];
        task.settle(now.time, semantics);
        task
    }

    /// A look from outside: what is shown, which can itself make results fall.
    fn seen(&mut self, now: Now, nth: usize, semantics: &Semantics) -> View {
        let task = self.settled(now, nth, semantics);
        if semantics.falls == Falls::AtLooks && task.view(now.time).status == Status::Done {
            task.looks += 1;
            if task.looks.is_multiple_of(3) {
                task.withdraw(semantics.falls_by);
            }
        }
        let shown = self.shown(now, nth);
        let last = self.tasks[nth].ended.last_mut();
        if let Some(run) = last.filter(|run| run.noticed.is_none() && !shown.runs()) {
            run.noticed = Some(now.time);
        }
        shown
    }

    fn shown(&self, now: Now, nth: usize) -> View {
        let task = &self.tasks[nth];
        task.stale
            .filter(|stale| now.real < stale.until)
            .map_or_else(|| task.view(now.time), |stale| stale.view)
    }

    fn render(&self, nth: usize, view: View) -> Value {
        let task = &self.tasks[nth];
        json!({
            "id": task.id,
            "created_at": format!("{:.6}", self.at(task.created)),
            "status": view.status,
            "query": task.brief.query,
            "desired_num_results": view.desired_num_results,
            "is_exhausted": view.is_exhausted,
            "num_results_discovered": view.num_results_discovered,
            "num_results_enriched": view.num_results_enriched,
            "num_results_evaluated": view.num_results_evaluated,
            "num_results": view.num_results,
            "table_id": null,
            "auto_data_sources": task.brief.auto_data_sources,
            "data_sources": task.brief.data_sources,
            "criteria": task.brief.criteria,
            "exclude_domains": task.brief.exclude_domains,
        })
    }
}

impl Task {
    /// What a resume for `requested` is granted now.
    fn grant(&self, now: View, requested: u32, semantics: &Semantics) -> Result<u32, Refusal> {
        if now.is_exhausted {
            return Err(Refusal::Exhausted);
        }
        if now.runs() && semantics.resume_while_running == WhileRunning::Refused {
            return Err(Refusal::Running);
        }
        let counted = match semantics.cap_counts {
            CapCounts::Results => now.num_results,
            CapCounts::Desired => now.desired_num_results,
        };
        let room = semantics
            .cap
            .saturating_sub(counted)
            .saturating_sub(self.queued.iter().sum());
        match semantics.cap_excess {
            CapExcess::Refused if requested > room => Err(Refusal::OverCap {
                cap: semantics.cap,
                room,
            }),
            _ => Ok(requested.min(room)),
        }
    }
}
