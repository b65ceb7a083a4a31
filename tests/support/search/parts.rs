//! The parts of a search in memory. They grow by a simple form of the rule for tasks.

use super::ReadFault;
use super::driver::Driver;
use super::model::Seen;
use crate::cases::Checked;
use growd::core::resume::RESUME_MAX;
use growd::core::search::{Company, Part};
use growd::core::{State, Status, TaskId, after};
use jiff::Timestamp;
use proptest::prelude::*;
use std::time::Duration;

const QUICK: Duration = Duration::from_millis(200);
const POLL_EVERY: Duration = Duration::from_secs(20);

/// A part as the database has it.
pub struct PartRow {
    pub part: Part,
    pub next_poll_at: Option<Timestamp>,
    pub read_at: Option<Timestamp>,
    /// Its resumes: when, and how much.
    pub resumes: Vec<(Timestamp, i64)>,
    /// What the counters were when it was last read.
    pub(super) read_counters: Option<(Status, i64)>,
    pub(super) baseline: i64,
    pub(super) is_asked: bool,
    pub(super) empty: u32,
    pub(super) is_refused: bool,
}

impl PartRow {
    pub(super) fn new(
        task: TaskId,
        number: i64,
        target: i64,
        paused: bool,
        now: Timestamp,
    ) -> Self {
        Self {
            part: Part {
                task,
                number,
                target,
                paused,
                state: State::Pending,
                reason: None,
                status: None,
                is_settled: paused,
                results: 0,
                results_at_reading: 0,
                is_read: false,
                results_error: None,
                companies: Vec::new(),
            },
            next_poll_at: (!paused).then_some(now),
            read_at: None,
            resumes: Vec::new(),
            read_counters: None,
            baseline: 0,
            is_asked: false,
            empty: 0,
            is_refused: false,
        }
    }
}

impl Driver {
    // --- the parts ---

    pub(super) fn poll(&mut self, i: usize) -> Checked {
        let id = self.parts[i].part.task.clone();
        let seen = self.service.get(&id, self.now);
        let row = &mut self.parts[i];
        let key = |part: &Part| (part.state, part.status.clone(), part.is_settled);
        let before = key(&row.part);
        row.next_poll_at = None;
        match seen {
            None => row.part.state = State::Missing,
            Some(seen) => self.observe(i, &seen)?,
        }
        let row = &mut self.parts[i];
        row.part.is_settled = row.next_poll_at.is_none();
        row.part.reason = Some(format!(
            "{} of {} results",
            row.part.results, row.part.target
        ));
        let counters = (
            row.part.status.clone().unwrap_or(Status::Created),
            row.part.results,
        );
        row.part.is_read = row.read_counters.as_ref() == Some(&counters);
        let is_due = (row.part.is_settled || self.scenario.live)
            && !row.part.is_read
            && row.part.state != State::Missing;
        if is_due && row.read_at.is_none() {
            row.read_at = Some(after(self.now, self.scenario.read_delay));
        }
        if key(&self.parts[i].part) != before {
            self.wake();
        }
        Ok(())
    }

    fn observe(&mut self, i: usize, seen: &Seen) -> Checked {
        let growth = self.scenario.policy.growth;
        let now = self.now;
        let row = &mut self.parts[i];
        let part = &mut row.part;
        part.status = Some(seen.status.clone());
        part.results = seen.results;
        if seen.status.is_running() {
            part.state = if seen.results >= part.target {
                State::Reached
            } else {
                State::Growing
            };
            row.next_poll_at = Some(after(now, POLL_EVERY));
            return Ok(());
        }
        if std::mem::take(&mut row.is_asked) {
            row.empty = if seen.results > row.baseline {
                0
            } else {
                row.empty + 1
            };
        }
        part.state = if seen.results >= part.target {
            State::Reached
        } else if seen.status == Status::Failed {
            State::Failed
        } else if seen.is_exhausted {
            State::Exhausted
        } else if seen.results >= growth.task_cap {
            State::Capped
        } else if row.is_refused {
            State::Refused
        } else if row.empty >= 2 {
            State::Stalled
        } else {
            return self.resume(i);
        };
        Ok(())
    }

    /// Resumes a part by the rule for tasks; what is left of the search's budget bounds it.
    fn resume(&mut self, i: usize) -> Checked {
        let growth = self.scenario.policy.growth;
        let budget_left = self.search().budget_left().unwrap_or(RESUME_MAX);
        let allowance = self.allowance();
        let newest = self.parts.len() - 1;
        let row = &mut self.parts[i];
        let part = &mut row.part;
        if budget_left < 1 {
            part.state = State::Stalled;
            return Ok(());
        }
        if allowance.left == Some(0) {
            part.state = State::Growing;
            row.next_poll_at = allowance.frees_at;
            return Ok(());
        }
        let n = (part.target - part.results)
            .min(self.wanted.chunk.unwrap_or(growth.chunk))
            .min(growth.task_cap - part.results)
            .min(budget_left)
            .min(allowance.left.unwrap_or(RESUME_MAX));
        prop_assert_eq!(
            i,
            newest,
            "part {} grows, which is not the newest",
            part.number
        );
        prop_assert!(!self.wanted.paused);
        part.state = State::Growing;
        let id = part.task.clone();
        row.baseline = part.results;
        let row = &mut self.parts[i];
        if self.service.resume(&id, n, self.now).is_ok() {
            row.is_asked = true;
            row.resumes.push((self.now, n));
            row.next_poll_at = Some(after(self.now, QUICK));
        } else {
            row.is_refused = true;
            row.next_poll_at = Some(after(self.now, POLL_EVERY));
        }
        self.check_resume()?;
        Ok(())
    }

    pub(super) fn read(&mut self, i: usize) {
        let fault = self.read_faults.pop_front().unwrap_or(ReadFault::Fine);
        let id = self.parts[i].part.task.clone();
        let shown = self.service.shown(&id, self.now);
        let companies = shown.iter().map(|found| Company {
            key: self.service.key(*found),
            domain: self.service.domain(*found),
        });
        let companies: Vec<Company> = companies.collect();
        let row = &mut self.parts[i];
        row.read_at = None;
        match fault {
            ReadFault::Fine => {
                row.part.companies = companies;
                row.part.results_at_reading = row.part.results;
                row.part.is_read = true;
                row.part.results_error = None;
                row.read_counters = row
                    .part
                    .status
                    .clone()
                    .map(|status| (status, row.part.results));
                self.wake();
            }
            ReadFault::Half => {
                let half = companies.len() / 2;
                let new = companies.into_iter().take(half);
                let new: Vec<_> = new
                    .filter(|company| !row.part.companies.contains(company))
                    .collect();
                row.part.companies.extend(new);
                row.read_at = Some(after(self.now, POLL_EVERY));
            }
            ReadFault::Error => {
                row.part.results_error = Some("500: injected".to_owned());
                row.read_at = Some(after(self.now, POLL_EVERY));
                self.wake();
            }
        }
    }
}
