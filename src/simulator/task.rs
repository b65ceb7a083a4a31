//! One simulated search as a function of virtual time: no timers, each look costs the same.

use std::{collections::VecDeque, time::Duration};

use serde::Serialize;
use serde_json::{Value, json};

use super::{
    companies,
    fit::Fit,
    scenario::{Scenario, Shape},
    semantics::{Desired, Falls, Semantics},
};

/// Time from the creation of a search to the start of its first run.
pub(super) const LEAD: Duration = Duration::from_secs(2);

/// What a search was created with and hands back unchanged.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Brief {
    pub query: String,
    pub auto_data_sources: bool,
    pub data_sources: Vec<String>,
    pub criteria: Value,
    pub exclude_domains: Vec<String>,
}

impl Brief {
    pub fn of(scenario: &Scenario, seed: u64) -> Self {
        let query = scenario
            .query
            .as_deref()
            .unwrap_or_else(|| companies::query(seed));
        Self {
            query: query.to_owned(),
            auto_data_sources: true,
            data_sources: vec!["web_search".to_owned()],
            criteria: json!([{
                "key": "matches_query",
                "name": "Matches the query",
                "criterion": format!("The company matches: {query}"),
            }]),
            exclude_domains: Vec::new(),
        }
    }
}

/// `status` as the service writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Status {
    Created,
    InProgress,
    Done,
    Failed,
}

/// What a look at a search shows, save for what never changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) struct View {
    pub status: Status,
    pub desired_num_results: u32,
    pub is_exhausted: bool,
    pub num_results_discovered: u32,
    pub num_results_enriched: u32,
    pub num_results_evaluated: u32,
    pub num_results: u32,
}

impl View {
    /// Whether the search is neither done nor failed.
    pub fn runs(&self) -> bool {
        matches!(self.status, Status::Created | Status::InProgress)
    }
}

/// One search.
///
/// All counters follow from one number, the `front`: how many candidates have entered the
/// pipeline, counted on past the pool's end until the last one has left it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Task {
    pub id: String,
    pub seed: u64,
    pub created: Duration,
    pub brief: Brief,
    pub pool: u32,
    pub fit: Fit,
    pub rate_per_minute: f64,
    pub backlog: u32,
    pub shape: Shape,
    /// Fails with this many results.
    pub fail_at: Option<u32>,
    pub desired: u32,
    /// Where the run stops: `desired`, unless the semantics or the cap say otherwise.
    pub goal: u32,
    pub front: u32,
    pub run: Option<Run>,
    /// The runs that are over.
    pub ended: Vec<Ended>,
    pub failed: bool,
    /// Results that were there once and are no more.
    pub withdrawn: u32,
    pub looks: u32,
    /// Grants that wait for the end of the run.
    pub queued: VecDeque<u32>,
    pub stale: Option<Stale>,
    /// Results that cost no credits: those it was put into the world with.
    pub free: u32,
}

/// A stretch of work from one front to a later one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Run {
    starts: Duration,
    length: Duration,
    from: u32,
    to: u32,
    fails: bool,
}

/// A run that is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ended {
    pub from: Duration,
    pub to: Duration,
    /// When a look first showed it.
    pub noticed: Option<Duration>,
}

/// What GETs show until the real time `until`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stale {
    pub until: Duration,
    pub view: View,
}

impl Task {
    /// Goes on to `time`: ends what is over and starts what was queued for it.
    pub fn settle(&mut self, time: Duration, semantics: &Semantics) {
        while let Some(run) = self.run.filter(|run| run.starts + run.length <= time) {
            self.run = None;
            self.ended.push(Ended {
                from: run.starts,
                to: run.starts + run.length,
                noticed: None,
            });
            self.front = run.to;
            self.failed = run.fails;
            if semantics.falls == Falls::WhenDone && !run.fails {
                self.withdraw(semantics.falls_by);
            }
            if self.failed {
                self.queued.clear();
            } else if let Some(granted) = self.queued.pop_front() {
                self.extend(granted, run.starts + run.length, semantics);
            }
        }
    }

    /// What the search truly is at `time`; call [`Task::settle`] first.
    pub fn view(&self, time: Duration) -> View {
        let front = self.front_at(time);
        let evaluated = self.evaluated(front);
        let discovered = front.min(self.pool);
        View {
            status: match self.run {
                Some(run) if time < run.starts => Status::Created,
                Some(_) => Status::InProgress,
                None if self.failed => Status::Failed,
                None => Status::Done,
            },
            desired_num_results: self.desired,
            is_exhausted: discovered == self.pool,
            num_results_discovered: discovered,
            num_results_enriched: front.saturating_sub(self.backlog).min(self.pool),
            num_results_evaluated: evaluated,
            num_results: self.fit.among(evaluated).saturating_sub(self.withdrawn),
        }
    }

    /// Takes `granted` more results into the run at `time`, or starts one for them.
    pub fn extend(&mut self, granted: u32, time: Duration, semantics: &Semantics) {
        if granted == 0 {
            return;
        }
        let results = self.view(time).num_results;
        match semantics.desired {
            Desired::Rises => {
                self.desired = self.desired.saturating_add(granted);
                self.goal = self.desired;
            }
            Desired::Set => {
                self.desired = results.saturating_add(granted);
                self.goal = self.desired;
            }
            Desired::Stays => {
                let base = if self.run.is_some() {
                    self.goal
                } else {
                    results
                };
                self.goal = base.saturating_add(granted);
            }
        }
        self.goal = self.goal.min(semantics.cap);
        if self.failed {
            self.failed = false;
            self.fail_at = None;
        }
        let starts = self.run.map_or(time, |run| run.starts.max(time));
        self.front = self.front_at(time);
        self.start(starts);
    }

    /// Starts a run from the present front to the goal, or to wherever the search fails.
    pub fn start(&mut self, starts: Duration) {
        let reaching = |results: u32| {
            let evaluated = self.fit.needed_for(results).unwrap_or(self.pool);
            evaluated.min(self.pool)
        };
        let mut stop = reaching(self.goal.saturating_add(self.withdrawn));
        let fails = self
            .fail_at
            .is_some_and(|limit| self.fit.among(stop) >= limit);
        if let (true, Some(limit)) = (fails, self.fail_at) {
            stop = stop.min(reaching(limit));
        }
        let to = self.front_after(stop).max(self.front);
        let minutes = f64::from(to - self.front) / self.rate_per_minute;
        self.run = Some(Run {
            starts,
            length: Duration::try_from_secs_f64(minutes * 60.0).unwrap_or(FOREVER),
            from: self.front,
            to,
            fails,
        });
    }

    /// Takes up to `by` results away.
    pub fn withdraw(&mut self, by: u32) {
        let fits = self.fit.among(self.evaluated(self.front));
        self.withdrawn = self.withdrawn.saturating_add(by).min(fits);
    }

    /// The front at which exactly `evaluated` candidates have left the pipeline.
    pub fn front_after(&self, evaluated: u32) -> u32 {
        evaluated + 2 * self.backlog
    }

    fn evaluated(&self, front: u32) -> u32 {
        front.saturating_sub(2 * self.backlog).min(self.pool)
    }

    fn front_at(&self, time: Duration) -> u32 {
        let Some(run) = self.run else {
            return self.front;
        };
        let elapsed = time.saturating_sub(run.starts);
        if elapsed >= run.length {
            return if time < run.starts { run.from } else { run.to };
        }
        let share = self.shape.share(elapsed.div_duration_f64(run.length));
        run.from + scaled(run.to - run.from, share)
    }
}

/// Longer than anything lasts here, and small enough to be added to without overflow.
const FOREVER: Duration = Duration::from_secs(u32::MAX as u64);

/// `amount` times a share of 0 to 1, rounded down.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a share of 0 to 1 of a u32 is a u32"
)]
pub(super) fn scaled(amount: u32, share: f64) -> u32 {
    (f64::from(amount) * share).floor() as u32
}
