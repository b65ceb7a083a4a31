//! One simulated task as a function of virtual time. It has no timers, and each poll costs the same.

use std::{collections::VecDeque, time::Duration};

use serde::Serialize;

use crate::{
    options::{Desired, Falls, Semantics, Shape},
    world::{
        Now,
        discovery::DiscoveryOrder,
        match_rate::MatchRate,
        share::{percent, scaled},
        task_input::TaskInput,
    },
};

/// Time from the creation of a task to the start of its first run.
pub(crate) const START_DELAY: Duration = Duration::from_secs(2);

/// Longer than any test, and small enough for sums without overflow.
const FOREVER: Duration = Duration::from_secs(u32::MAX as u64);

/// The `status` of the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Status {
    Created,
    InProgress,
    Done,
    Failed,
}

/// The fields of a task that change, as a poll shows them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Snapshot {
    pub status: Status,
    pub desired_num_results: u32,
    pub is_exhausted: bool,
    pub num_results_discovered: u32,
    pub num_results_enriched: u32,
    pub num_results_evaluated: u32,
    pub num_results: u32,
}

impl Snapshot {
    /// Whether the task is neither done nor failed.
    pub fn is_running(&self) -> bool {
        matches!(self.status, Status::Created | Status::InProgress)
    }
}

/// One task.
///
/// All counters follow from the `intake`: the number of candidates that have entered the pipeline. It rises past the
/// pool's size until the last candidate has left the pipeline.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Task {
    pub id: String,
    pub seed: u64,
    pub created: Duration,
    pub input: TaskInput,
    pub discovery: DiscoveryOrder,
    pub pool: u32,
    pub match_rate: MatchRate,
    pub rate_per_minute: f64,
    pub backlog: u32,
    pub shape: Shape,
    /// The number of results at which the task fails.
    pub fail_at: Option<u32>,
    pub desired: u32,
    /// The number of results at which the run ends: `desired`, unless the semantics or the cap change it.
    pub goal: u32,
    pub intake: u32,
    pub run: Option<Run>,
    pub trailing: Option<TrailingWork>,
    pub finished_runs: Vec<FinishedRun>,
    /// The start of each stretch of work, and the intake at that time.
    pub work_starts: Vec<(Duration, u32)>,
    pub failed: bool,
    /// Results that were delivered and then lost.
    pub withdrawn: u32,
    pub polls: u32,
    /// Grants that start at the end of the run.
    pub queued: VecDeque<u32>,
    pub stale: Option<StaleSnapshot>,
    /// The initial results, which cost no credits.
    pub free_results: u32,
}

/// A stretch of work, from one intake to a higher one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Run {
    starts: Duration,
    length: Duration,
    from: u32,
    to: u32,
    fails: bool,
    /// The status until it starts.
    before: Status,
    /// Time from the start until the status is `done`; with `early_done_percent` this is before the end.
    done_after: Duration,
    /// The intake at the end of the second run, which starts by itself after this one.
    reopens_to: Option<u32>,
}

/// Work after the end of a run, while the status is `done`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TrailingWork {
    since: Duration,
    per_minute: u32,
    cap: u32,
}

/// A finished run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FinishedRun {
    pub from: Duration,
    pub to: Duration,
    /// When a poll of the task first showed the end.
    pub noticed: Option<Duration>,
    /// When a page of the list first showed the end.
    pub listed: Option<Duration>,
}

/// The snapshot that GETs show until the real time `until`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StaleSnapshot {
    pub until: Duration,
    pub snapshot: Snapshot,
}

impl Task {
    /// Advances to `time`: ends runs and starts queued ones.
    pub fn advance_to(&mut self, time: Duration, semantics: &Semantics) {
        while let Some(run) = self.run.filter(|run| run.starts + run.length <= time) {
            self.run = None;
            let end = run.starts + run.length;
            self.finished_runs.push(FinishedRun {
                from: run.starts,
                to: end,
                noticed: None,
                listed: None,
            });
            self.intake = run.to;
            if let Some(rest) = run.reopens_to {
                let starts = end + Duration::from_secs(semantics.reopens_after_s.into());
                self.work_starts.push((starts, self.intake));
                self.run = Some(self.run_to(rest, starts, Status::Done, run.fails, semantics));
                continue;
            }
            self.failed = run.fails;
            if self.failed {
                self.queued.clear();
                continue;
            }
            if semantics.falls == Falls::WhenDone {
                self.withdraw(semantics.falls_by);
            }
            self.start_trailing_work(end, semantics);
            if let Some(granted) = self.queued.pop_front() {
                self.extend(granted, end, semantics);
            }
        }
    }

    /// Starts the work that continues without a run, if the semantics have any.
    pub fn start_trailing_work(&mut self, since: Duration, semantics: &Semantics) {
        self.trailing = (semantics.rises_after_done > 0).then_some(TrailingWork {
            since,
            per_minute: semantics.rises_after_done,
            cap: semantics.cap,
        });
    }

    /// Returns the true state at `time`. Call [`Task::advance_to`] first.
    pub fn snapshot(&self, time: Duration) -> Snapshot {
        let intake = self.intake_at(time);
        let evaluated = self.evaluated(intake);
        let discovered = intake.min(self.pool);
        Snapshot {
            status: match self.run {
                Some(run) if time < run.starts => run.before,
                Some(run) if time >= run.starts + run.done_after => Status::Done,
                Some(_) => Status::InProgress,
                None if self.failed => Status::Failed,
                None => Status::Done,
            },
            desired_num_results: self.desired,
            is_exhausted: discovered == self.pool,
            num_results_discovered: discovered,
            num_results_enriched: intake.saturating_sub(self.backlog).min(self.pool),
            num_results_evaluated: evaluated,
            num_results: self
                .match_rate
                .matches_among(evaluated)
                .saturating_sub(self.withdrawn),
        }
    }

    /// What GETs show: the true state, or the one before a resume while `visibility_delay_ms` lasts.
    pub fn visible(&self, now: Now) -> Snapshot {
        self.stale
            .filter(|stale| now.real < stale.until)
            .map_or_else(|| self.snapshot(now.time), |stale| stale.snapshot)
    }

    /// Adds `granted` results to the current run, or starts a run for them.
    pub fn extend(&mut self, granted: u32, time: Duration, semantics: &Semantics) {
        if granted == 0 {
            return;
        }
        let results = self.snapshot(time).num_results;
        let base = match self.run {
            Some(_) if semantics.desired != Desired::Set => self.goal,
            _ => results,
        };
        self.goal = base.saturating_add(percent(granted, semantics.yield_percent));
        match semantics.desired {
            Desired::Rises => {
                self.desired = self.desired.saturating_add(granted);
                if semantics.yield_percent == 100 {
                    self.goal = self.goal.max(self.desired);
                }
            }
            Desired::Set => self.desired = results.saturating_add(granted),
            Desired::Stays => {}
        }
        self.goal = self.goal.min(semantics.cap);
        let begins = time + Duration::from_secs(semantics.work_delay_s.into());
        let (starts, before) = match self.run {
            None if self.failed => (begins, Status::Failed),
            None => (begins, Status::Done),
            Some(run) if run.starts <= time => (time, Status::InProgress),
            Some(run) if run.before == Status::Created => (run.starts, run.before),
            Some(run) => (run.starts.min(begins), run.before),
        };
        if self.failed {
            self.failed = false;
            self.fail_at = None;
        }
        self.intake = self.intake_at(time);
        self.start_run(starts, before, semantics);
    }

    /// Starts a run to the goal, or to the point of failure. Until `starts` the status is `before`.
    pub fn start_run(&mut self, starts: Duration, before: Status, semantics: &Semantics) {
        let mut stop = self.candidates_for(self.goal.saturating_add(self.withdrawn));
        let reached = |limit: &u32| self.match_rate.matches_among(stop) >= *limit;
        let failure = self.fail_at.filter(reached);
        if let Some(limit) = failure {
            stop = stop.min(self.candidates_for(limit));
        }
        let fails = failure.is_some();
        let to = self.intake_for(stop).max(self.intake);
        let rest = percent(to - self.intake, semantics.reopens_percent);
        let mut run = self.run_to(to - rest, starts, before, fails && rest == 0, semantics);
        run.fails = fails;
        run.reopens_to = (rest > 0).then_some(to);
        self.trailing = None;
        self.work_starts.push((starts, self.intake));
        self.run = Some(run);
    }

    /// Returns when result number `nth` (from 0) was found; exact if the work is steady.
    pub fn found_at(&self, nth: u32) -> Duration {
        let intake = self.intake_for(self.candidates_for(nth.saturating_add(1)));
        let earlier = self
            .work_starts
            .iter()
            .rev()
            .find(|(_, from)| *from < intake);
        let Some((starts, from)) = earlier.filter(|_| nth >= self.free_results) else {
            return self.created;
        };
        *starts + self.work_time(intake - from)
    }

    /// Returns a run from the current intake to a higher one.
    fn run_to(
        &self,
        to: u32,
        starts: Duration,
        before: Status,
        fails: bool,
        semantics: &Semantics,
    ) -> Run {
        let length = self.work_time(to - self.intake);
        // A run that fails never shows `done`.
        let early = if fails {
            0
        } else {
            semantics.early_done_percent
        };
        Run {
            starts,
            length,
            from: self.intake,
            to,
            fails,
            before,
            done_after: length * (100 - early) / 100,
            reopens_to: None,
        }
    }

    /// Returns the time to discover this many candidates.
    fn work_time(&self, candidates: u32) -> Duration {
        let minutes = f64::from(candidates) / self.rate_per_minute;
        Duration::try_from_secs_f64(minutes * 60.0).unwrap_or(FOREVER)
    }

    /// Returns how many candidates must be evaluated for this many results.
    fn candidates_for(&self, results: u32) -> u32 {
        let evaluated = self.match_rate.candidates_for(results).unwrap_or(self.pool);
        evaluated.min(self.pool)
    }

    /// Removes up to `by` results.
    pub fn withdraw(&mut self, by: u32) {
        let matches = self.match_rate.matches_among(self.evaluated(self.intake));
        self.withdrawn = self.withdrawn.saturating_add(by).min(matches);
    }

    /// Returns the intake at which exactly `evaluated` candidates have left the pipeline.
    pub fn intake_for(&self, evaluated: u32) -> u32 {
        evaluated + 2 * self.backlog
    }

    fn evaluated(&self, intake: u32) -> u32 {
        intake.saturating_sub(2 * self.backlog).min(self.pool)
    }

    fn intake_at(&self, time: Duration) -> u32 {
        let Some(run) = self.run else {
            return self.trailing_intake(time);
        };
        let elapsed = time.saturating_sub(run.starts);
        if elapsed >= run.length {
            return if time < run.starts { run.from } else { run.to };
        }
        let share = self.shape.share(elapsed.div_duration_f64(run.length));
        run.from + scaled(run.to - run.from, share)
    }

    /// Returns the intake while there is no run.
    fn trailing_intake(&self, time: Duration) -> u32 {
        let Some(work) = self.trailing else {
            return self.intake;
        };
        let since = time.saturating_sub(work.since).as_millis();
        let more = since.saturating_mul(work.per_minute.into()) / 60_000;
        let more = u32::try_from(more).unwrap_or(u32::MAX);
        let evaluated = self.candidates_for(work.cap.saturating_add(self.withdrawn));
        let max = self.intake_for(evaluated).max(self.intake);
        self.intake.saturating_add(more).min(max)
    }
}
