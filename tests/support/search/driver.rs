//! The daemon in memory, as far as a search concerns it.

use super::model::{Service, count};
use super::parts::PartRow;
use super::{Action, CreateFault, Differs, ListFault, ReadFault, Scenario};
use crate::cases::Checked;
use growd::core::gate::{Admission, Gate, Request};
use growd::core::paid_request::RequestState;
use growd::core::search::answered::CreateAnswer;
use growd::core::search::create::Create;
use growd::core::search::event::SearchEvent;
use growd::core::search::step::{Asks, Step, next_step};
use growd::core::search::{Part, Search, SearchProgress, Wanted};
use growd::core::spending::{Account, Allowance, Credits, Limit};
use growd::core::{State, TaskId, after, since};
use jiff::Timestamp;
use proptest::prelude::*;
use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

const DAY: Duration = Duration::from_hours(24);

/// The most steps of a run: polls, readings of results, answers, decisions.
pub const STEPS_MAX: usize = 4_000;

pub struct Driver {
    pub now: Timestamp,
    pub service: Service,
    pub scenario: Scenario,
    pub(super) create_faults: VecDeque<CreateFault>,
    pub(super) list_faults: VecDeque<ListFault>,
    pub(super) read_faults: VecDeque<ReadFault>,
    actions: VecDeque<Action>,
    pub(super) colleagues: VecDeque<Option<(Differs, i64)>>,
    /// The content of the database.
    pub wanted: Wanted,
    pub progress: SearchProgress,
    pub parts: Vec<PartRow>,
    pub creates: Vec<Create>,
    /// The state of the process: the gate, and the creates in flight with the time of their answers.
    pub(super) gate: Gate,
    pub(super) answers: Vec<(Timestamp, CreateAnswer)>,
    pub(super) unpause_at: Option<Timestamp>,
    /// The part and the task of each create that took effect.
    pub effects: Vec<(i64, TaskId)>,
    pub events: Vec<SearchEvent>,
    pub target_max: i64,
    pub steps: usize,
    /// Finished readings of the list, for each create.
    pub readings: Vec<usize>,
    /// The domains that the service excludes for each create.
    pub(super) expected: Vec<BTreeSet<String>>,
}

impl Driver {
    fn new(scenario: &Scenario) -> Self {
        let now: Timestamp = "2026-11-27T02:22:00Z".parse().expect("a time");
        let mut service = Service::new(scenario.semantics.clone());
        for (from, to, is_unreadable) in &scenario.strangers {
            let at = |second: i64| now + jiff::SignedDuration::from_secs(second);
            let body = serde_json::json!({"query": "another query", "desired_num_results": 10});
            service.add_stranger(&body, at(*from), to.map(at), *is_unreadable);
        }
        Self {
            now,
            service,
            create_faults: scenario.create_faults.clone().into(),
            list_faults: scenario.list_faults.clone().into(),
            read_faults: scenario.read_faults.clone().into(),
            actions: scenario.actions.clone().into(),
            colleagues: scenario.colleagues.clone().into(),
            wanted: scenario.wanted.clone(),
            progress: new_progress(now),
            parts: Vec::new(),
            creates: Vec::new(),
            gate: Gate::open(now),
            answers: Vec::new(),
            unpause_at: None,
            effects: Vec::new(),
            events: Vec::new(),
            target_max: scenario.wanted.target,
            steps: 0,
            readings: Vec::new(),
            expected: Vec::new(),
            scenario: scenario.clone(),
        }
    }

    /// Runs until nothing is due any more.
    pub fn run(scenario: &Scenario) -> Result<Self, TestCaseError> {
        let mut driver = Self::new(scenario);
        while driver.step()? {
            driver.steps += 1;
            prop_assert!(
                driver.steps < STEPS_MAX,
                "it never ends: {:?} {:?}",
                driver.progress,
                driver.creates
            );
        }
        Ok(driver)
    }

    /// Does what is due first; `false`: nothing is.
    fn step(&mut self) -> Result<bool, TestCaseError> {
        let is_held = !self.scenario.concurrent && !self.answers.is_empty();
        let decide_at = self.progress.next_at.filter(|_| !is_held);
        let answer_at = self.answers.iter().map(|(at, _)| *at).min();
        let poll = self
            .parts
            .iter()
            .enumerate()
            .filter_map(|(i, row)| Some((row.next_poll_at?, i)))
            .min();
        let read = self
            .parts
            .iter()
            .enumerate()
            .filter_map(|(i, row)| Some((row.read_at?, i)))
            .min();
        let times = [
            answer_at,
            poll.map(|(at, _)| at),
            read.map(|(at, _)| at),
            self.unpause_at,
            decide_at,
        ];
        let Some(at) = times.into_iter().flatten().min() else {
            return Ok(false);
        };
        self.now = self.now.max(at);
        if answer_at == Some(at) {
            self.answer()?;
        } else if let Some((_, i)) = poll.filter(|(due, _)| *due == at) {
            self.poll(i)?;
        } else if let Some((_, i)) = read.filter(|(due, _)| *due == at) {
            self.read(i);
        } else if self.unpause_at == Some(at) {
            self.unpause();
        } else {
            let action = self.actions.pop_front().unwrap_or(Action::Nothing);
            if action == Action::Nothing {
                self.decide()?;
            } else {
                self.act(action);
            }
        }
        Ok(true)
    }

    // --- the operator ---

    pub(super) fn wake(&mut self) {
        if !self.wanted.paused {
            self.progress.next_at = Some(self.now);
        }
    }

    fn act(&mut self, action: Action) {
        let newest = self.parts.len().checked_sub(1);
        let has_earlier = newest.is_some_and(|newest| newest > 0);
        match action {
            Action::Pause(seconds) => {
                self.wanted.paused = true;
                self.progress.next_at = None;
                self.unpause_at = Some(after(self.now, Duration::from_secs(seconds)));
                for row in &mut self.parts {
                    row.part.paused = true;
                    row.next_poll_at = None;
                    row.read_at = None;
                }
            }
            Action::Target(target) => {
                self.wanted.target = target;
                self.target_max = self.target_max.max(target);
            }
            Action::EarlierFails if has_earlier => {
                let id = self.parts[0].part.task.clone();
                self.service.task_mut(&id).is_failed = true;
                self.poll_soon(0);
            }
            Action::EarlierGone if has_earlier => {
                let id = self.parts[0].part.task.clone();
                self.service.task_mut(&id).is_gone = true;
                self.poll_soon(0);
            }
            Action::EarlierRetried if has_earlier => {
                self.parts[0].empty = 0;
                self.parts[0].is_refused = false;
                self.poll_soon(0);
            }
            Action::Drops(dropped) => {
                if let Some(newest) = newest {
                    let id = self.parts[newest].part.task.clone();
                    self.service.drop_results(&id, dropped);
                    self.poll_soon(newest);
                }
            }
            Action::Gone => {
                if let Some(newest) = newest {
                    let id = self.parts[newest].part.task.clone();
                    self.service.task_mut(&id).is_gone = true;
                    self.poll_soon(newest);
                }
            }
            Action::Nothing
            | Action::EarlierFails
            | Action::EarlierGone
            | Action::EarlierRetried => {}
        }
    }

    /// Has a part polled before anything else is decided.
    pub(super) fn poll_soon(&mut self, i: usize) {
        let row = &mut self.parts[i];
        row.next_poll_at = (!row.part.paused).then_some(self.now);
        row.part.is_settled = row.next_poll_at.is_none();
        self.wake();
    }

    fn unpause(&mut self) {
        self.unpause_at = None;
        self.wanted.paused = false;
        for i in 0..self.parts.len() {
            self.parts[i].part.paused = false;
            self.poll_soon(i);
        }
        self.wake();
    }

    /// Starts the process again: what was in memory is gone.
    pub(super) fn restart(&mut self) {
        self.now = after(self.now, Duration::from_secs(1));
        self.gate = Gate::restored(
            self.gate.kind,
            self.gate.reason.clone(),
            self.gate.until,
            self.now,
        );
        self.answers.clear();
        if !matches!(self.progress.state, State::Reached | State::Exhausted) {
            self.wake();
        }
    }

    // --- the search ---

    pub fn search(&self) -> Search {
        let parts: Vec<Part> = self.parts.iter().map(|row| row.part.clone()).collect();
        let since_arrival = self
            .creates
            .iter()
            .rev()
            .take_while(|row| row.request.state != RequestState::Accepted);
        let failed = since_arrival.filter(|row| {
            row.request.state == RequestState::Lost || row.request.failed_by_chance()
        });
        Search {
            name: "a-search".to_owned(),
            wanted: self.wanted.clone(),
            progress: self.progress.clone(),
            parts,
            create: self.creates.last().cloned(),
            failures: u32::try_from(failed.count()).expect("few"),
            requested: self.requested(),
        }
    }

    /// Returns what was asked for, or may have been.
    pub fn requested(&self) -> i64 {
        self.asked().map(|(_, n)| n).sum()
    }

    fn asked(&self) -> impl Iterator<Item = (Timestamp, i64)> {
        let creates = self
            .creates
            .iter()
            .filter(|row| !row.request.had_no_effect());
        let creates = creates.map(|row| (row.request.sent_at, row.request.requested));
        creates.chain(
            self.parts
                .iter()
                .flat_map(|row| row.resumes.iter().copied()),
        )
    }

    pub(super) fn allowance(&self) -> Allowance {
        let limit = self.scenario.policy.growth.daily_limit;
        let today = || self.asked().filter(|(at, _)| since(*at, self.now) < DAY);
        let used: i64 = today().map(|(_, n)| n).sum();
        Allowance {
            left: (limit > 0).then_some((limit - used).max(0)),
            frees_at: today().map(|(at, _)| after(at, DAY)).min(),
            limit: Limit::Daily,
        }
    }

    fn account<'a>(&self, gate: &'a Gate) -> Account<'a> {
        let is_forbidden = self
            .creates
            .last()
            .is_some_and(|row| row.request.is_forbidden());
        let grace = self.scenario.policy.polling.min_interval;
        Account {
            admission: if is_forbidden {
                gate.admits_forbidden(self.now, grace)
            } else {
                gate.admits(Request::Create, self.now)
            },
            gate_reason: gate.reason.as_deref().unwrap_or("?"),
            allowance: self.allowance(),
            credits: Credits::Off,
            reachable_since: gate.reachable_since,
            draining: false,
            now: self.now,
            next_id: count(self.creates.len()) + 1,
        }
    }

    fn decide(&mut self) -> Checked {
        let search = self.search();
        let gate = self.gate.clone();
        let account = self.account(&gate);
        let step = next_step(&search, &account, &self.scenario.policy);
        self.check_step(&search, &step, &account)?;
        if step.intended.is_some() && account.admission == Admission::Probe {
            self.gate.probe_sent(self.now, &self.scenario.policy);
        }
        self.store(&step)?;
        if let Some(create) = &step.intended {
            self.send(create);
        } else if step.asks == Asks::List {
            self.read_list()?;
        }
        Ok(())
    }

    pub(super) fn store(&mut self, step: &Step) -> Checked {
        if let Some(row) = &step.create {
            let stored = self
                .creates
                .iter_mut()
                .find(|stored| stored.request.id == row.request.id);
            *stored.expect("only a stored row changes") = row.clone();
        }
        if let Some(row) = &step.intended {
            prop_assert!(
                self.creates.iter().all(|row| !row.is_open()),
                "two creates are open"
            );
            prop_assert_eq!(row.request.state, RequestState::Intended);
            self.creates.push(row.clone());
            self.readings.push(0);
        }
        if let Some((task, target)) = &step.part_target {
            let i = self
                .parts
                .iter()
                .position(|row| row.part.task == *task)
                .expect("a part");
            self.parts[i].part.target = *target;
            self.poll_soon(i);
        }
        if let Some(new) = &step.part {
            let is_taken = self
                .parts
                .iter()
                .any(|row| row.part.number == new.part || row.part.task == new.task);
            prop_assert!(!is_taken, "part {} is there already", new.part);
            self.parts.push(PartRow::new(
                new.task.clone(),
                new.part,
                new.target,
                self.wanted.paused,
                self.now,
            ));
            self.parts.sort_by_key(|row| row.part.number);
        }
        self.progress = step.progress.clone();
        self.events.extend(step.events.iter().cloned());
        Ok(())
    }
}

/// Returns the progress of a search that was just added.
pub fn new_progress(now: Timestamp) -> SearchProgress {
    SearchProgress {
        state: State::Pending,
        reason: None,
        results: 0,
        parts: 0,
        requested: 0,
        next_at: Some(now),
        changed_at: None,
        begun_after: 0,
        forgiven: 0,
        forgiven_part: 0,
    }
}
