//! What tasks were like some time ago, for a list or results that lag behind.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use crate::world::task::Task;

/// The states of tasks after each change that a client caused. All other changes follow from these and the time.
#[derive(Debug, Clone, Default)]
pub(crate) struct History {
    states: HashMap<usize, VecDeque<State>>,
}

#[derive(Debug, Clone)]
struct State {
    /// Since when it holds, in real time.
    since: Duration,
    task: Task,
}

impl History {
    /// Stores a task that has no history yet as it is before its first change.
    pub fn begin(&mut self, nth: usize, task: &Task) {
        self.states.entry(nth).or_insert_with(|| {
            let since = Duration::ZERO;
            let task = task.clone();
            [State { since, task }].into()
        });
    }

    /// Stores a task after a change, and drops states that ended more than `lag` ago.
    pub fn record(&mut self, nth: usize, task: &Task, real: Duration, lag: Duration) {
        let states = self.states.entry(nth).or_default();
        states.push_back(State {
            since: real,
            task: task.clone(),
        });
        while states.get(1).is_some_and(|next| next.since + lag <= real) {
            states.pop_front();
        }
    }

    /// Drops everything.
    pub fn clear(&mut self) {
        self.states.clear();
    }

    /// Returns the state that held at a real time, as it was after the change before that time.
    pub fn at(&self, nth: usize, real: Duration) -> Option<&Task> {
        let states = self.states.get(&nth)?;
        let held = states.iter().rev().find(|state| state.since <= real);
        held.or_else(|| states.front()).map(|state| &state.task)
    }
}
