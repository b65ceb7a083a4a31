//! A pure model of the service, with a switch for each thing that is not known about the real one.
//!
//! Time is a parameter, nothing is random: what a test draws beforehand decides everything.

use growd::core::resume::RESUME_MAX;
use growd::core::{Failure, Observation, Status, after, since};
use jiff::Timestamp;
use std::collections::VecDeque;
use std::time::Duration;

/// What a resume does to `desired_num_results`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// It rises by what was asked for.
    Rises,
    /// It is set to `num_results` plus what was asked for.
    IsSet,
    /// It stays.
    Stays,
}

/// What the service's cap counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CapOn {
    /// The wish that a resume would lead to.
    Desired,
    /// Results delivered, plus what is asked for.
    Results,
}

/// What becomes of a resume that asks for more than the cap allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TooMuch {
    /// It gets what is left.
    Clamped,
    /// 400.
    Refused,
}

/// What becomes of a resume while the task is at work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Busy {
    /// A run of its own, after the present one.
    Queued,
    /// 400.
    Refused,
    /// The present run goes on for longer.
    Added,
}

/// One way the service could be.
#[derive(Debug, Clone)]
pub struct Unknowns {
    /// What a resume does to the wish.
    pub wish: Wish,
    /// What the cap counts.
    pub cap_on: CapOn,
    /// What becomes of too much.
    pub too_much: TooMuch,
    /// What becomes of a resume in between.
    pub busy: Busy,
    /// The cap.
    pub cap: i64,
    /// How long a resume stays invisible to looks, and without effect.
    pub late: Duration,
    /// How much later than the wish the work becomes visible.
    pub begins_later: Duration,
    /// Does the answer to a resume still show the task as it was?
    pub answer_is_late: bool,
    /// Everything there is to find.
    pub pool: i64,
    /// Is `is_exhausted` told while the last results are still being evaluated?
    pub tells_early: bool,
    /// Results delivered for each hundred asked for.
    pub percent: i64,
    /// How long a run takes.
    pub run: Duration,
    /// Runs that bring nothing, by their number; 0 is the one that the creation began.
    pub empty_runs: Vec<usize>,
    /// The run that ends in `failed`.
    pub failing_run: Option<usize>,
    /// How many results are dropped whenever a run begins.
    pub drop: i64,
    /// How far `num_results` swings for ever, whatever happens.
    pub swing: i64,
    /// The wish at creation.
    pub desired: i64,
    /// How long before the end of a run `done` is said, while the counters still rise.
    pub done_early: Duration,
    /// When in a run, and for how long, `done` is said before it is `in_progress` again.
    pub lull: Option<(Duration, Duration)>,
    /// For how long after a resume polls show the task as it was before, though its own answer shows more.
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
struct Coming {
    n: i64,
    wished: bool,
    wish_at: Timestamp,
    begin_at: Timestamp,
}

/// A resume that the service took on; printed where a test fails.
#[allow(dead_code, reason = "read by people, in what Debug prints")]
#[derive(Debug, Clone, Copy)]
pub struct Taken {
    /// When.
    pub at: Timestamp,
    /// For how many.
    pub n: i64,
    /// How many earlier ones were not finished yet: those have the same baseline, so this one repeats them.
    pub unfinished: usize,
}

/// One task, as the service has it.
#[derive(Debug, Clone)]
pub struct Service {
    unknowns: Unknowns,
    born: Timestamp,
    now: Timestamp,
    status: Status,
    desired: i64,
    results: i64,
    left: i64,
    exhausted: bool,
    run: Option<Run>,
    runs: usize,
    queue: VecDeque<i64>,
    coming: VecDeque<Coming>,
    /// What stale polls show, and until when.
    stale: Option<(Observation, Timestamp)>,
    /// Every resume that took effect.
    pub taken: Vec<Taken>,
}

impl Service {
    /// A task that was just created.
    pub fn new(unknowns: Unknowns, now: Timestamp) -> Self {
        let mut service = Self {
            born: now,
            now,
            status: Status::Created,
            desired: unknowns.desired,
            results: 0,
            left: unknowns.pool,
            exhausted: false,
            run: None,
            runs: 0,
            queue: VecDeque::new(),
            coming: VecDeque::new(),
            stale: None,
            taken: Vec::new(),
            unknowns,
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
        let unfinished = running + self.coming.len() + self.queue.len();
        if unfinished > 0 && self.unknowns.busy == Busy::Refused {
            return Err(refused(400, "the task is in progress"));
        }
        let counted = match (self.unknowns.cap_on, self.unknowns.wish) {
            (CapOn::Desired, Wish::Rises) => self.desired,
            (CapOn::Desired, Wish::Stays) => self.desired - n,
            (CapOn::Desired, Wish::IsSet) | (CapOn::Results, _) => self.results,
        };
        let room = (self.unknowns.cap - counted).max(0);
        if n > room && self.unknowns.too_much == TooMuch::Refused {
            return Err(refused(400, "over the cap"));
        }
        let n = n.min(room);
        if !self.unknowns.stale.is_zero() {
            self.stale = Some((self.view(), after(now, self.unknowns.stale)));
        }
        self.taken.push(Taken {
            at: now,
            n,
            unfinished,
        });
        let wish_at = after(now, self.unknowns.late);
        self.coming.push_back(Coming {
            n,
            wished: false,
            wish_at,
            begin_at: after(wish_at, self.unknowns.begins_later),
        });
        if self.unknowns.answer_is_late {
            return Ok(self.view());
        }
        // The answer shows at once what looks show later.
        let mut shown = self.clone();
        for coming in &mut shown.coming {
            coming.wish_at = now;
            coming.begin_at = now;
        }
        shown.advance(now);
        self.advance(now);
        Ok(shown.view())
    }

    /// The most resumes that were ever unfinished when another one took effect; 0: never one twice.
    pub fn most_unfinished(&self) -> usize {
        let unfinished = self.taken.iter().map(|taken| taken.unfinished);
        unfinished.max().unwrap_or(0)
    }

    fn advance(&mut self, now: Timestamp) {
        loop {
            let ends = self.run.as_ref().map(|run| run.ends);
            let wish = self.coming.iter().find(|c| !c.wished).map(|c| c.wish_at);
            let begin = self.coming.front().map(|c| c.begin_at);
            let Some(next) = [ends, wish, begin].into_iter().flatten().min() else {
                break;
            };
            if next > now {
                break;
            }
            self.now = next;
            if wish == Some(next) {
                self.wish();
            } else if ends == Some(next) {
                self.end();
            } else if let Some(coming) = self.coming.pop_front() {
                self.begin(next, coming.n);
            }
        }
        self.now = now;
    }

    fn wish(&mut self) {
        let results = self.results;
        if let Some(coming) = self.coming.iter_mut().find(|coming| !coming.wished) {
            coming.wished = true;
            match self.unknowns.wish {
                Wish::Rises => self.desired += coming.n,
                Wish::IsSet => self.desired = results + coming.n,
                Wish::Stays => {}
            }
        }
    }

    fn begin(&mut self, at: Timestamp, n: i64) {
        let empty = self.unknowns.empty_runs.contains(&self.runs);
        let gain = if empty {
            0
        } else {
            ((n * self.unknowns.percent + 99) / 100).min(self.left)
        };
        match &mut self.run {
            Some(_) if self.unknowns.busy == Busy::Queued => {
                self.queue.push_back(n);
                return;
            }
            Some(run) => {
                run.gain += gain;
                run.members += 1;
                run.ends = after(run.ends, self.unknowns.run);
            }
            None if n == 0 => return,
            None => {
                let dropped = self.unknowns.drop.min(self.results);
                self.results -= dropped;
                self.run = Some(Run {
                    started: at,
                    ends: after(at, self.unknowns.run),
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
        self.left -= gain;
        self.exhausted |= self.left == 0 && self.unknowns.tells_early;
    }

    fn end(&mut self) {
        let Some(run) = self.run.take() else { return };
        self.results = run.from + run.gain;
        self.exhausted |= self.left == 0;
        self.status = if self.unknowns.failing_run == Some(self.runs - 1) {
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

    /// Is `done` said of a run that is not over?
    fn says_done(&self, run: &Run) -> bool {
        let early = since(self.now, run.ends) <= self.unknowns.done_early;
        let gone = since(run.started, self.now);
        let in_lull = self
            .unknowns
            .lull
            .is_some_and(|(begin, length)| (begin..begin + length).contains(&gone));
        (early && !self.unknowns.done_early.is_zero()) || in_lull
    }

    fn view(&self) -> Observation {
        let since_birth = self.now.duration_since(self.born).as_secs();
        let status = match &self.run {
            Some(_) if self.runs == 1 && since_birth < 2 => Status::Created,
            Some(run) if self.says_done(run) => Status::Done,
            Some(_) => Status::InProgress,
            None => self.status.clone(),
        };
        let true_results = self.run.as_ref().map_or(self.results, |run| {
            let total = run.ends.duration_since(run.started).as_millis().max(1);
            let gone = self.now.duration_since(run.started).as_millis();
            let gained = i128::from(run.gain) * gone / total;
            run.from + i64::try_from(gained).unwrap_or(run.gain).min(run.gain)
        });
        let swung = if (since_birth / 7) % 2 == 1 {
            self.unknowns.swing
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
