//! A pure model of the service, with a switch for each undocumented behaviour of the real one.
//!
//! The names of the switches are those of the stand-in's `Semantics`. Time is a parameter, and nothing is random.

use growd::core::resume::RESUME_MAX;
use growd::core::{Failure, Observation, Status, after, since};
use jiff::Timestamp;
use std::collections::VecDeque;
use std::time::Duration;

/// What a resume does to `desired_num_results`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Desired {
    /// It rises by the requested number.
    Rises,
    /// It becomes `num_results` plus the requested number.
    Set,
    /// It does not change.
    Stays,
}

/// Which number counts towards the cap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CapCounts {
    /// `desired_num_results` after the resume.
    Desired,
    /// `num_results` plus the requested number.
    Results,
}

/// What happens to a resume that asks for more than the cap allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Excess {
    /// It gets what the cap allows.
    Clamped,
    /// 400.
    Refused,
}

/// What happens to a resume of a task that is running.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhileRunning {
    /// It starts when the current run ends.
    Queued,
    /// 400.
    Refused,
    /// It extends the current run.
    Added,
}

/// The behaviour of the service.
#[derive(Debug, Clone)]
pub struct Semantics {
    /// What a resume does to `desired_num_results`.
    pub desired: Desired,
    /// Which number counts towards the cap.
    pub cap_counts: CapCounts,
    /// What happens to a resume beyond the cap.
    pub cap_excess: Excess,
    /// What happens to a resume of a running task.
    pub resume_while_running: WhileRunning,
    /// The largest number of results of the task.
    pub cap: i64,
    /// Time from a resume until it takes effect and shows in polls.
    pub visibility_delay: Duration,
    /// Time from the change of `desired_num_results` until the work starts.
    pub work_delay: Duration,
    /// Whether the answer to a resume shows the task as it was before.
    pub answer_is_stale: bool,
    /// All results that can be found.
    pub pool: i64,
    /// Whether `is_exhausted` is true while the last results are still being evaluated.
    pub exhausted_early: bool,
    /// Delivered results for each hundred requested.
    pub yield_percent: i64,
    /// The duration of a run.
    pub run: Duration,
    /// The numbers of runs that bring nothing; the creation starts run 0.
    pub empty_runs: Vec<usize>,
    /// The number of the run that ends in `failed`.
    pub failing_run: Option<usize>,
    /// How many results are dropped when a run begins.
    pub dropped: i64,
    /// The amount by which `num_results` falls and rises again, forever.
    pub swing: i64,
    /// `desired_num_results` at creation.
    pub initial_desired: i64,
    /// The last part of a run in which `status` is already `done` and counters still rise.
    pub done_early: Duration,
    /// When in a run, and for how long, `status` is `done` before it is `in_progress` again.
    pub reopens: Option<(Duration, Duration)>,
    /// For how long after a resume polls show the task as it was before, though the resume's answer shows its effect.
    pub stale: Duration,
}

#[derive(Debug, Clone)]
struct Run {
    started: Timestamp,
    ends: Timestamp,
    from: i64,
    gain: i64,
    members: usize,
}

#[derive(Debug, Clone)]
struct Accepted {
    n: i64,
    desired_updated: bool,
    desired_at: Timestamp,
    work_at: Timestamp,
}

/// A resume that takes effect.
#[allow(dead_code, reason = "for the messages of failed assertions")]
#[derive(Debug, Clone, Copy)]
pub struct Effect {
    /// Time of the request.
    pub at: Timestamp,
    /// Granted number of results.
    pub n: i64,
    /// Number of earlier resumes that were not finished: they have the same baseline, so this one repeats them.
    pub unfinished: usize,
}

/// One task at the service.
#[derive(Debug, Clone)]
pub struct Service {
    semantics: Semantics,
    created_at: Timestamp,
    now: Timestamp,
    status: Status,
    desired: i64,
    results: i64,
    remaining: i64,
    exhausted: bool,
    run: Option<Run>,
    runs: usize,
    queue: VecDeque<i64>,
    accepted: VecDeque<Accepted>,
    /// The content of stale polls, and their end.
    stale: Option<(Observation, Timestamp)>,
    /// Every resume that took effect.
    pub effects: Vec<Effect>,
}

impl Service {
    /// Creates a task.
    pub fn new(semantics: Semantics, now: Timestamp) -> Self {
        let mut service = Self {
            created_at: now,
            now,
            status: Status::Created,
            desired: semantics.initial_desired,
            results: 0,
            remaining: semantics.pool,
            exhausted: false,
            run: None,
            runs: 0,
            queue: VecDeque::new(),
            accepted: VecDeque::new(),
            stale: None,
            effects: Vec::new(),
            semantics,
        };
        service.begin(now, service.desired);
        service
    }

    /// `GET /v1/discovery_tasks/{id}`.
    pub fn get(&mut self, now: Timestamp) -> Observation {
        self.advance(now);
        match &self.stale {
            Some((before, until)) if now < *until => before.clone(),
            _ => self.view(),
        }
    }

    /// `POST /v1/discovery_tasks/{id}/resume`.
    pub fn resume(&mut self, now: Timestamp, n: i64) -> Result<Observation, Failure> {
        self.advance(now);
        if !(0..=RESUME_MAX).contains(&n) {
            return Err(refused(422, "desired_new_results"));
        }
        if self.exhausted {
            return Err(refused(400, "the task is exhausted"));
        }
        if self.status == Status::Failed {
            return Err(refused(400, "the task has failed"));
        }
        let running = self.run.as_ref().map_or(0, |run| run.members);
        let unfinished = running + self.accepted.len() + self.queue.len();
        if unfinished > 0 && self.semantics.resume_while_running == WhileRunning::Refused {
            return Err(refused(400, "the task is in progress"));
        }
        let counted = match (self.semantics.cap_counts, self.semantics.desired) {
            (CapCounts::Desired, Desired::Rises) => self.desired,
            (CapCounts::Desired, Desired::Stays) => self.desired - n,
            (CapCounts::Desired, Desired::Set) | (CapCounts::Results, _) => self.results,
        };
        let allowed = (self.semantics.cap - counted).max(0);
        if n > allowed && self.semantics.cap_excess == Excess::Refused {
            return Err(refused(400, "over the cap"));
        }
        let n = n.min(allowed);
        if !self.semantics.stale.is_zero() {
            self.stale = Some((self.view(), after(now, self.semantics.stale)));
        }
        self.effects.push(Effect {
            at: now,
            n,
            unfinished,
        });
        let desired_at = after(now, self.semantics.visibility_delay);
        self.accepted.push_back(Accepted {
            n,
            desired_updated: false,
            desired_at,
            work_at: after(desired_at, self.semantics.work_delay),
        });
        if self.semantics.answer_is_stale {
            return Ok(self.view());
        }
        // The answer shows at once what polls show later.
        let mut shown = self.clone();
        for accepted in &mut shown.accepted {
            accepted.desired_at = now;
            accepted.work_at = now;
        }
        shown.advance(now);
        self.advance(now);
        Ok(shown.view())
    }

    /// Returns the largest number of resumes that were unfinished when another one took effect. 0: none was repeated.
    pub fn most_unfinished(&self) -> usize {
        let unfinished = self.effects.iter().map(|effect| effect.unfinished);
        unfinished.max().unwrap_or(0)
    }

    fn advance(&mut self, now: Timestamp) {
        loop {
            let ends = self.run.as_ref().map(|run| run.ends);
            let desired = self
                .accepted
                .iter()
                .find(|c| !c.desired_updated)
                .map(|c| c.desired_at);
            let begin = self.accepted.front().map(|c| c.work_at);
            let Some(next) = [ends, desired, begin].into_iter().flatten().min() else {
                break;
            };
            if next > now {
                break;
            }
            self.now = next;
            if desired == Some(next) {
                self.update_desired();
            } else if ends == Some(next) {
                self.end();
            } else if let Some(accepted) = self.accepted.pop_front() {
                self.begin(next, accepted.n);
            }
        }
        self.now = now;
    }

    fn update_desired(&mut self) {
        let results = self.results;
        if let Some(accepted) = self
            .accepted
            .iter_mut()
            .find(|accepted| !accepted.desired_updated)
        {
            accepted.desired_updated = true;
            match self.semantics.desired {
                Desired::Rises => self.desired += accepted.n,
                Desired::Set => self.desired = results + accepted.n,
                Desired::Stays => {}
            }
        }
    }

    fn begin(&mut self, at: Timestamp, n: i64) {
        let empty = self.semantics.empty_runs.contains(&self.runs);
        let gain = if empty {
            0
        } else {
            ((n * self.semantics.yield_percent + 99) / 100).min(self.remaining)
        };
        match &mut self.run {
            Some(_) if self.semantics.resume_while_running == WhileRunning::Queued => {
                self.queue.push_back(n);
                return;
            }
            Some(run) => {
                run.gain += gain;
                run.members += 1;
                run.ends = after(run.ends, self.semantics.run);
            }
            None if n == 0 => return,
            None => {
                let dropped = self.semantics.dropped.min(self.results);
                self.results -= dropped;
                self.run = Some(Run {
                    started: at,
                    ends: after(at, self.semantics.run),
                    from: self.results,
                    gain,
                    members: 1,
                });
                if self.runs > 0 {
                    self.status = Status::InProgress;
                }
            }
        }
        self.runs += 1;
        self.remaining -= gain;
        self.exhausted |= self.remaining == 0 && self.semantics.exhausted_early;
    }

    fn end(&mut self) {
        let Some(run) = self.run.take() else { return };
        self.results = run.from + run.gain;
        self.exhausted |= self.remaining == 0;
        self.status = if self.semantics.failing_run == Some(self.runs - 1) {
            Status::Failed
        } else {
            Status::Done
        };
        if self.status == Status::Done
            && let Some(n) = self.queue.pop_front()
        {
            self.begin(self.now, n);
        }
    }

    /// Whether `status` is `done` during this run.
    fn shows_done(&self, run: &Run) -> bool {
        let early = since(self.now, run.ends) <= self.semantics.done_early;
        let gone = since(run.started, self.now);
        let in_gap = self
            .semantics
            .reopens
            .is_some_and(|(begin, length)| (begin..begin + length).contains(&gone));
        (early && !self.semantics.done_early.is_zero()) || in_gap
    }

    fn view(&self) -> Observation {
        let age = self.now.duration_since(self.created_at).as_secs();
        let status = match &self.run {
            Some(_) if self.runs == 1 && age < 2 => Status::Created,
            Some(run) if self.shows_done(run) => Status::Done,
            Some(_) => Status::InProgress,
            None => self.status.clone(),
        };
        let true_results = self.run.as_ref().map_or(self.results, |run| {
            let total = run.ends.duration_since(run.started).as_millis().max(1);
            let gone = self.now.duration_since(run.started).as_millis();
            let gained = i128::from(run.gain) * gone / total;
            run.from + i64::try_from(gained).unwrap_or(run.gain).min(run.gain)
        });
        let swung = if (age / 7) % 2 == 1 {
            self.semantics.swing
        } else {
            0
        };
        let results = (true_results - swung).max(0);
        Observation {
            status,
            is_exhausted: self.exhausted,
            desired: self.desired,
            discovered: results * 4,
            enriched: results * 3,
            evaluated: results * 2,
            results,
            query: None,
        }
    }
}

fn refused(status: u16, detail: &str) -> Failure {
    Failure::Refused {
        status,
        detail: detail.to_owned(),
    }
}
