//! The daemon's part and the service's: due tasks and their steps, and the list.

use super::{Order, Outcome, Then, World, at, seconds};
use crate::pollers::account;
use crate::runs::{Course, DESIRED, Draws, Kind, Watched};
use growd::core::plan::{PageRequest, PageShown, Plan, wanted_at};
use growd::core::policy::Policy;
use growd::core::progress::Progress;
use growd::core::queue::Queue;
use growd::core::step::listed::{Entry, listed};
use growd::core::step::{PollAnswer, poll_answered};
use growd::core::task::{Task, Wanted};
use growd::core::{Observation, State, TaskId};
use jiff::Timestamp;
use std::collections::{BTreeSet, HashMap};

/// The shortest time, in seconds, after which a task that awaits a page is looked at again.
const HELD: f64 = 0.05;

struct Search {
    task: Task,
    run: Course,
    began: f64,
    created: f64,
    /// Runs of this task that have ended.
    runs: i64,
    is_over: bool,
    /// Its place in `Model::due`.
    due: Option<Timestamp>,
}

impl Search {
    /// Returns what the service shows of it at `time`.
    fn seen(&mut self, time: f64) -> Observation {
        let mut seen = self.run.seen((time - self.began).max(0.0));
        for count in [
            &mut seen.desired,
            &mut seen.discovered,
            &mut seen.enriched,
            &mut seen.evaluated,
            &mut seen.results,
        ] {
            *count += DESIRED * self.runs;
        }
        seen
    }

    fn unseen(&self, now: f64) -> f64 {
        let seen = self.task.progress.polled_at;
        now - seen.map_or(self.created, seconds)
    }
}

pub struct Model<'a> {
    world: World,
    policy: &'a Policy,
    kind: Kind,
    draws: Draws,
    searches: HashMap<TaskId, Search>,
    /// All tasks in the order of the list, the oldest first; strangers are none.
    list: Vec<Option<TaskId>>,
    due: BTreeSet<(Timestamp, TaskId)>,
    /// Tasks of which the list shows what a poll has to confirm.
    urgent: BTreeSet<(Timestamp, TaskId)>,
    plan: Plan,
    outcome: Outcome,
    counted_from: f64,
    running: usize,
    added: usize,
}

impl<'a> Model<'a> {
    #[allow(clippy::cast_precision_loss, reason = "a small number")]
    pub fn new(world: World, kind: Kind, policy: &'a Policy, seed: u64) -> Self {
        let mut model = Self {
            world,
            policy,
            kind,
            draws: Draws::new(seed),
            searches: HashMap::new(),
            list: Vec::new(),
            due: BTreeSet::new(),
            urgent: BTreeSet::new(),
            plan: Plan::new(&policy.polling),
            outcome: Outcome::default(),
            counted_from: 0.0,
            running: 0,
            added: 0,
        };
        for nth in 0..world.searches {
            for _ in 0..world.strangers {
                model.enlist(None);
            }
            model.add(0.2 + world.spread * nth as f64 / world.searches as f64);
        }
        model
    }

    pub fn is_over(&self) -> bool {
        self.outcome.delays.len() >= self.world.ends || self.running == 0
    }

    /// Counts from now on.
    pub fn forget(&mut self, now: f64) {
        self.outcome = Outcome::default();
        self.counted_from = now;
    }

    pub fn outcome(mut self, now: f64) -> Outcome {
        self.outcome.seconds = now - self.counted_from;
        self.outcome
    }

    fn any(&mut self, count: usize) -> usize {
        let last = u32::try_from(count.saturating_sub(1)).expect("few");
        self.draws.count(0, last) as usize
    }

    fn enlist(&mut self, task: Option<TaskId>) {
        let end = self.list.len();
        let place = match self.world.order {
            Order::Random => self.any(end + 1),
            _ => end,
        };
        self.list.insert(place, task);
    }

    fn draw(&mut self) -> Course {
        let seconds = self.draws.duration() * self.world.times;
        self.kind.course(&mut self.draws, seconds, DESIRED)
    }

    fn add(&mut self, created: f64) {
        self.added += 1;
        let id: TaskId = format!("task-{}", self.added).parse().expect("an id");
        let task = Task {
            id: id.clone(),
            wanted: Wanted {
                target: DESIRED,
                chunk: None,
                paused: false,
                budget: None,
                is_superseded: false,
            },
            edited_at: None,
            progress: Progress::new(at(created)),
            resume: None,
            is_bounded: false,
            lost: 0,
        };
        let search = Search {
            task,
            run: self.draw(),
            began: created - 0.2,
            created,
            runs: 0,
            is_over: false,
            due: Some(at(created)),
        };
        self.due.insert((at(created), id.clone()));
        self.enlist(Some(id.clone()));
        self.searches.insert(id, search);
        self.running += 1;
    }

    fn reschedule(&mut self, id: &TaskId, due: Option<Timestamp>) {
        let search = self.searches.get_mut(id).expect("a known task");
        if let Some(before) = search.due {
            self.due.remove(&(before, id.clone()));
        }
        search.due = due;
        self.due.extend(due.map(|due| (due, id.clone())));
    }

    fn store(&mut self, id: &TaskId, progress: Progress) {
        self.reschedule(id, progress.next_poll_at);
        let before = self.searches[id].task.progress.next_poll_at;
        if let Some(before) = before {
            self.urgent.remove(&(before, id.clone()));
        }
        if progress.queue == Queue::New && progress.seen.is_some() {
            self.urgent
                .extend(progress.next_poll_at.map(|due| (due, id.clone())));
        }
        self.searches
            .get_mut(id)
            .expect("a known task")
            .task
            .progress = progress;
    }

    /// Polls the task whose turn it is, if there is one.
    pub fn polls(&mut self, now: f64) -> bool {
        let Some(id) = self.pick(now) else {
            return false;
        };
        self.poll(&id, now);
        true
    }

    #[allow(clippy::cast_precision_loss, reason = "a small number")]
    fn pick(&mut self, now: f64) -> Option<TaskId> {
        if let Some((_, id)) = self.urgent.first().filter(|(due, _)| *due <= at(now)) {
            return Some(id.clone());
        }
        let check = self.plan.next_check(at(now));
        if let Some(id) = check.filter(|id| self.searches[id].task.progress.is_watched()) {
            return Some(id);
        }
        let held = HELD.max(self.world.searches as f64 / 10_000.0);
        while let Some((due, id)) = self.due.first().cloned() {
            if due > at(now) {
                break;
            }
            if !self.searches[&id].task.progress.is_watched() || self.plan.polls_alone(&id, at(now))
            {
                return Some(id);
            }
            self.reschedule(&id, Some(at(now + held)));
        }
        None
    }

    fn poll(&mut self, id: &TaskId, now: f64) {
        self.outcome.alone += 1.0;
        let search = self.searches.get_mut(id).expect("a known task");
        self.outcome.unseen = self.outcome.unseen.max(search.unseen(now));
        let seen = search.seen(now);
        let is_running = seen.status.is_running();
        let poll = PollAnswer {
            started_at: at(now),
            answered_at: at(now),
            outcome: Ok(seen),
        };
        let step = poll_answered(&search.task, &poll, self.policy, &account(at(now)), 0.5)
            .expect("a step");
        let mut progress = step.progress;
        if !is_running {
            progress.next_poll_at = None;
            let seconds = search.run.seconds();
            self.outcome.delays.push(now - search.began - seconds);
            self.outcome.fixed += ((seconds - 0.2) / 10.0).ceil().max(0.0) + 1.0;
            match self.world.then {
                Then::NextRun => self.next_run(id, &mut progress, now),
                then => {
                    search.is_over = true;
                    self.running -= 1;
                    if then == Then::NewTask {
                        self.add(now);
                    }
                }
            }
        }
        let due = wanted_at(&progress, at(now));
        self.plan.polled(id, at(now), Some(is_running), due);
        self.store(id, progress);
    }

    fn next_run(&mut self, id: &TaskId, progress: &mut Progress, now: f64) {
        let run = self.draw();
        let search = self.searches.get_mut(id).expect("a known task");
        search.run = run;
        search.began = now;
        search.runs += 1;
        search.task.wanted.target = DESIRED * (search.runs + 1);
        progress.seen = Some(search.seen(now));
        progress.state = State::Growing;
        progress.run_started_at = Some(at(now));
        progress.run_results = DESIRED * search.runs;
        progress.next_poll_at = Some(at(now) + self.policy.polling.min_interval);
    }

    /// Returns the task at a place of the list.
    fn listed(&mut self, place: usize) -> Option<TaskId> {
        let last = self.list.len() - 1;
        match self.world.order {
            Order::Newest => self.list[last - place].clone(),
            Order::Oldest | Order::Random => self.list[place].clone(),
            Order::Shuffled => {
                let any = place + self.any(last - place + 1);
                self.list.swap(place, any);
                self.list[place].clone()
            }
        }
    }

    /// Reads the page that is worth it, if there is one.
    pub fn reads_page(&mut self, now: f64) -> bool {
        let Some(request) = self.plan.next_page(at(now)) else {
            return false;
        };
        self.read(&request, now);
        true
    }

    fn read(&mut self, request: &PageRequest, now: f64) {
        self.outcome.pages += 1.0;
        let count = self.list.len();
        let first = usize::try_from(request.offset).expect("few").min(count);
        let end = (first + request.limit as usize).min(count);
        if self.world.order == Order::Shuffled {
            // The pages before this one are other tasks each time.
            for place in 0..end {
                self.listed(place);
            }
        }
        let mut tasks = Vec::new();
        for place in first..end {
            let Some(id) = self.listed(place) else {
                continue;
            };
            let search = self.searches.get_mut(&id).expect("a known task");
            if search.created > now || request.ignored.contains(&id) {
                continue;
            }
            let shown_at = if search.is_over {
                f64::INFINITY
            } else {
                now - self.world.lag
            };
            let entry = Entry {
                seen: &search.seen(shown_at),
                started_at: at(now),
                answered_at: at(now),
                reliance: request.reliance,
            };
            let (step, shown) = listed(&search.task, &entry, self.policy);
            if let Some(step) = step {
                self.outcome.unseen = self.outcome.unseen.max(search.unseen(now));
                self.store(&id, step.progress);
            }
            tasks.push((id, shown));
        }
        let shown = PageShown {
            started_at: at(now),
            len: end - first,
            tasks,
        };
        self.plan.read(request, &shown, at(now));
    }

    /// Returns when something may be due next.
    pub fn next_due(&self, now: f64) -> f64 {
        let due = self.due.first().map(|(due, _)| seconds(*due));
        let page = self.plan.next_due(at(now)).map(seconds);
        let next = [due, page].into_iter().flatten();
        next.fold(f64::INFINITY, f64::min)
    }
}
