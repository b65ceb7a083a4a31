//! The resume of a task.

use std::time::Duration;

use serde_json::Value;

use crate::{
    options::{CapCounts, Excess, ListShows, Semantics, WhileRunning},
    world::{
        Now, World,
        ledger::LedgerEntry,
        task::{Snapshot, StaleSnapshot, Task},
    },
};

/// Why a resume was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    NotFound,
    NoCredits,
    Exhausted,
    OverCap { cap: u32, room: u32 },
    Running,
}

/// An accepted resume: its number in the ledger, and the task as the response shows it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Resumed {
    pub seq: u64,
    pub task: Value,
}

impl World {
    /// Resumes a task as another client of the same account.
    pub fn colleague_resumes(&mut self, now: Now, id: &str, new: u32, semantics: &Semantics) {
        let before = self.ledger.len();
        // The ledger records whether it was granted.
        let _ = self.resume(now, id, new, semantics, None);
        for entry in &mut self.ledger[before..] {
            entry.by_colleague = true;
        }
    }

    /// Requests `requested` more results and records the request in the ledger.
    ///
    /// An error carries the number of the ledger entry, if the task exists.
    pub fn resume(
        &mut self,
        now: Now,
        id: &str,
        requested: u32,
        semantics: &Semantics,
        credits: Option<u64>,
    ) -> Result<Resumed, (Refusal, Option<u64>)> {
        let found = self.find(now, id, semantics);
        let nth = found.ok_or((Refusal::NotFound, None))?;
        let no_credits = credits.is_some() && self.credits_left(now, semantics, credits) == 0;
        let before = self.advanced(now, nth, semantics).snapshot(now.time);
        let visible = self.tasks[nth].visible(now);
        let grant = if no_credits {
            Err(Refusal::NoCredits)
        } else {
            grant(&self.tasks[nth], before, requested, semantics)
        };
        let seq = self.ledger.len() as u64 + 1;
        self.ledger.push(LedgerEntry {
            seq,
            at: self.timestamp(now.time),
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
        self.before_change(nth, semantics);
        let task = &mut self.tasks[nth];
        if before.is_running() && semantics.resume_while_running == WhileRunning::Queued {
            task.queued.push_back(granted);
        } else {
            task.extend(granted, now.time, semantics);
        }
        if semantics.visibility_delay_ms > 0 {
            task.stale = Some(StaleSnapshot {
                until: now.real + Duration::from_millis(semantics.visibility_delay_ms),
                snapshot: visible,
            });
        }
        let snapshot = if semantics.resume_answer_shows {
            task.snapshot(now.time)
        } else {
            visible
        };
        self.record_change(now, nth, semantics);
        let task = self.render(nth, snapshot, ListShows::Task);
        Ok(Resumed { seq, task })
    }
}

/// Returns how many of the `requested` results a resume of the task is granted.
fn grant(
    task: &Task,
    now: Snapshot,
    requested: u32,
    semantics: &Semantics,
) -> Result<u32, Refusal> {
    if now.is_exhausted {
        return Err(Refusal::Exhausted);
    }
    if now.is_running() && semantics.resume_while_running == WhileRunning::Refused {
        return Err(Refusal::Running);
    }
    let counted = match semantics.cap_counts {
        CapCounts::Results => now.num_results,
        CapCounts::Desired => now.desired_num_results,
    };
    let cap = semantics.cap;
    let queued = task.queued.iter().sum();
    let room = cap.saturating_sub(counted).saturating_sub(queued);
    match semantics.cap_excess {
        Excess::Refused if requested > room => Err(Refusal::OverCap { cap, room }),
        _ => Ok(requested.min(room)),
    }
}
