//! What the list shows of a task again and again although polls of the task do not agree.
//!
//! A running task that the list shows at its target, for example, is polled alone at once. If the poll does not agree, the next page
//! shows the same again. So from the second time on, the entries of that task are left out for a while, and longer each time.

use super::FORGOTTEN_AFTER;
use crate::core::pace::retry_delay;
use crate::core::policy::Retry;
use crate::core::task_id::TaskId;
use crate::core::{after, since};
use jiff::Timestamp;
use std::collections::{HashMap, HashSet};
use std::time::Duration;

/// How long the entries of a task are left out.
const IGNORED: Retry = Retry {
    initial: Duration::from_mins(1),
    max: Duration::from_hours(1),
};

/// The claims of the list that polls have to confirm.
#[derive(Debug, Default)]
pub(super) struct Claims {
    tasks: HashMap<TaskId, Claim>,
}

#[derive(Debug, Clone, Copy)]
struct Claim {
    /// How often it was made beyond the first time.
    repeated: i64,
    /// The entries of the task are left out until then.
    until: Timestamp,
}

impl Claims {
    /// Notes a claim of a page that was asked for at `at`.
    pub fn made(&mut self, id: &TaskId, at: Timestamp) {
        if let Some(claim) = self.tasks.get_mut(id) {
            claim.repeated = claim.repeated.saturating_add(1);
            claim.until = after(at, retry_delay(claim.repeated, &IGNORED, 1.0));
        } else {
            let claim = Claim {
                repeated: 0,
                until: at,
            };
            self.tasks.insert(id.clone(), claim);
        }
    }

    /// Forgets what was claimed of a task: its run has ended.
    pub fn forget(&mut self, id: &TaskId) {
        self.tasks.remove(id);
    }

    /// Returns until when the entries of a task are left out, if they are.
    pub fn ignored_until(&self, id: &TaskId, now: Timestamp) -> Option<Timestamp> {
        let claim = self.tasks.get(id)?;
        Some(claim.until).filter(|until| *until > now)
    }

    /// Returns the tasks whose entries are left out.
    pub fn ignored(&self, now: Timestamp) -> HashSet<TaskId> {
        let ignored = self.tasks.iter().filter(|(_, claim)| claim.until > now);
        ignored.map(|(id, _)| id.clone()).collect()
    }

    /// Forgets claims that were not repeated for a while.
    pub fn sweep(&mut self, now: Timestamp) {
        self.tasks
            .retain(|_, claim| since(claim.until, now) < FORGOTTEN_AFTER);
    }
}
