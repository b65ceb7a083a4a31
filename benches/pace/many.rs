//! Many searches at once, in virtual time: the plan of requests, the steps and the pace as the daemon composes them, on a
//! model of the service's list.

use crate::pollers::{at, start};
use crate::runs::{Course, Draws, Kind, Watched};
use growd::core::decide::Account;
use growd::core::gate::Admission;
use growd::core::list::ListEntry;
use growd::core::plan::{PageRequest, PageShown, Plan, wanted_at};
use growd::core::policy::Policy;
use growd::core::progress::Progress;
use growd::core::queue::Queue;
use growd::core::step::listed::{Entry, listed};
use growd::core::step::{PollAnswer, poll_answered};
use growd::core::task::{Task, Wanted};
use growd::core::{Observation, Status, TaskId, since};
use std::collections::{BTreeSet, HashMap};

/// What follows a search that ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// Nothing: the searches begin together.
    Nothing,
    /// A new search; the old one stays in the list.
    NewTask,
    /// The next run of the same task, as after a resume.
    NextRun,
}

/// The order of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    Newest,
    Oldest,
    Random,
    Shuffled,
}

#[derive(Debug, Clone, Copy)]
pub struct World {
    pub searches: usize,
    pub then: Then,
    pub order: Order,
    /// Tasks of strangers for each own task at the beginning.
    pub strangers: f64,
    /// Searches to watch to their end.
    pub ends: usize,
    /// How far the list is behind, in seconds.
    pub lag: f64,
    pub per_second: f64,
}

pub const PLAIN: World = World {
    searches: 1,
    then: Then::NewTask,
    order: Order::Newest,
    strangers: 0.0,
    ends: 1_000,
    lag: 0.0,
    per_second: 10.0,
};

struct Search {
    task: Task,
    run: Course,
    began: f64,
    created: f64,
    /// Runs of this task that have ended.
    runs: u32,
}

#[derive(Debug, Clone, Default)]
pub struct Outcome {
    pub pages: u64,
    pub alone: u64,
    pub fixed: f64,
    pub delays: Vec<f64>,
    pub unseen: f64,
    pub seconds: f64,
}

impl Outcome {
    pub fn requests(&self) -> f64 {
        (self.pages + self.alone) as f64 / self.fixed
    }
    pub fn delay(&self) -> f64 {
        self.delays.iter().sum::<f64>() / self.delays.len() as f64 / 5.0
    }
    pub fn longest(&self) -> f64 {
        self.delays.iter().copied().fold(0.0, f64::max)
    }
}

struct Model<'a> {
    world: World,
    policy: &'a Policy,
    draws: Draws,
    kinds: Vec<Kind>,
    searches: HashMap<TaskId, Search>,
    /// All tasks of the list in the order of creation; strangers are none.
    list: Vec<(f64, Option<TaskId>)>,
    due: BTreeSet<(jiff::Timestamp, TaskId)>,
    plan: Plan,
    outcome: Outcome,
    next_id: u64,
    running: usize,
}

impl Model<'_> {
    fn add(&mut self, now: f64) {
        self.next_id += 1;
        let id: TaskId = format!("task-{}", self.next_id).parse().expect("an id");
        let kind = self.kinds[self.next_id as usize % self.kinds.len()];
        let run = kind.draw(&mut self.draws);
        let task = Task {
            id: id.clone(),
            wanted: Wanted {
                target: 100,
                chunk: None,
                paused: false,
            },
            edited_at: None,
            progress: Progress::new(at(now)),
            resume: None,
            lost: 0,
        };
        self.due.insert((at(now), id.clone()));
        self.list.push((now, Some(id.clone())));
        self.searches.insert(
            id,
            Search {
                task,
                run,
                began: now - 0.2,
                created: now,
                runs: 0,
            },
        );
        self.running += 1;
    }

    fn store(&mut self, id: &TaskId, progress: Progress) {
        let search = self.searches.get_mut(id).expect("known");
        if let Some(next) = search.task.progress.next_poll_at {
            self.due.remove(&(next, id.clone()));
        }
        search.task.progress = progress;
        if let Some(next) = search.task.progress.next_poll_at {
            self.due.insert((next, id.clone()));
        }
    }

    fn poll(&mut self, id: &TaskId, now: f64) {
        self.outcome.alone += 1;
        let policy = self.policy;
        let search = self.searches.get_mut(id).expect("known");
        let mut seen = search.run.seen(now - search.began);
        offset(&mut seen, search.runs);
        let last = search
            .task
            .progress
            .polled_at
            .map_or(search.created, |at| since(start(), at).as_secs_f64());
        self.outcome.unseen = self.outcome.unseen.max(now - last);
        let poll = PollAnswer {
            started_at: at(now),
            answered_at: at(now),
            outcome: Ok(seen.clone()),
        };
        let account = Account {
            resumes: Admission::Free,
            gate_reason: "",
            daily_left: None,
            daily_frees_at: None,
            reachable_since: start(),
            draining: false,
            now: at(now),
            next_resume_id: 1,
        };
        let step = poll_answered(&search.task, &poll, policy, &account, 0.5).expect("legal");
        let mut progress = step.progress;
        if seen.status == Status::Done {
            progress.next_poll_at = None;
            let ended = search.began + search.run.seconds();
            if ended > 600.0 || self.world.then == Then::Nothing {
                self.outcome.delays.push(now - ended);
                self.outcome.fixed += ((search.run.seconds() - 0.2) / 10.0).ceil().max(0.0) + 1.0;
            }
            match self.world.then {
                Then::NextRun => {
                    let kind = self.kinds[self.outcome.delays.len() % self.kinds.len()];
                    search.run = kind.draw(&mut self.draws);
                    search.began = now;
                    search.runs += 1;
                    let mut seen = search.run.seen(0.0);
                    offset(&mut seen, search.runs);
                    progress.seen = Some(seen);
                    progress.state = growd::core::State::Growing;
                    progress.run_started_at = Some(at(now));
                    progress.run_results = 100 * i64::from(search.runs);
                    progress.next_poll_at = Some(at(now + 5.0));
                    search.task.wanted.target = 100 * (i64::from(search.runs) + 1);
                }
                Then::NewTask => {
                    self.running -= 1;
                    self.add(now);
                }
                Then::Nothing => self.running -= 1,
            }
        }
        let due = wanted_at(&progress, at(now));
        self.plan
            .polled(id, at(now), Some(seen.status.is_running()), due);
        self.store(id, progress);
    }

    fn position(&self, nth: usize) -> usize {
        let count = self.list.len();
        match self.world.order {
            Order::Newest => count - 1 - nth,
            Order::Oldest => nth,
            Order::Random | Order::Shuffled => nth,
        }
    }

    fn read(&mut self, request: &PageRequest, now: f64) {
        self.outcome.pages += 1;
        let count = self.list.len();
        let range = (request.offset as usize).min(count)
            ..(request.offset as usize + request.limit as usize).min(count);
        let mut entries = Vec::new();
        let mut order: Vec<usize> = Vec::new();
        if matches!(self.world.order, Order::Random | Order::Shuffled) {
            order = (0..count).collect();
            let salt = if self.world.order == Order::Shuffled {
                self.outcome.pages
            } else {
                7
            };
            order.sort_by_cached_key(|nth| {
                Draws::new(*nth as u64 * 1_000_003 + salt * 77_777_777)
                    .uniform()
                    .to_bits()
            });
        }
        for nth in range.clone() {
            let nth = if order.is_empty() {
                self.position(nth)
            } else {
                order[nth]
            };
            if let Some(id) = &self.list[nth].1 {
                let search = self.searches.get_mut(id).expect("known");
                let mut seen = if search.task.progress.next_poll_at.is_none()
                    && self.world.then != Then::NextRun
                {
                    search.run.seen(1e9)
                } else {
                    search
                        .run
                        .seen((now - self.world.lag - search.began).max(0.0))
                };
                offset(&mut seen, search.runs);
                entries.push(ListEntry {
                    id: id.clone(),
                    seen,
                });
            }
        }
        let mut tasks = Vec::new();
        for ListEntry { id, seen } in entries {
            let entry = Entry {
                seen: &seen,
                started_at: at(now),
                answered_at: at(now),
                reliance: request.reliance,
            };
            let search = &self.searches[&id];
            let last = search
                .task
                .progress
                .polled_at
                .map_or(search.created, |at| since(start(), at).as_secs_f64());
            let (step, shown) = listed(&search.task, &entry, self.policy);
            if let Some(step) = step {
                self.outcome.unseen = self.outcome.unseen.max(now - last);
                self.store(&id, step.progress);
            }
            tasks.push((id, shown));
        }
        let shown = PageShown {
            started_at: at(now),
            len: range.len(),
            tasks,
        };
        self.plan.read(request, &shown, at(now));
    }
}

fn offset(seen: &mut Observation, runs: u32) {
    let before = 100 * i64::from(runs);
    for count in [
        &mut seen.desired,
        &mut seen.discovered,
        &mut seen.enriched,
        &mut seen.evaluated,
        &mut seen.results,
    ] {
        *count += before;
    }
}

pub fn simulate(world: World, kinds: &[Kind], policy: &Policy, seed: u64) -> Outcome {
    let mut model = Model {
        world,
        policy,
        draws: Draws::new(seed),
        kinds: kinds.to_vec(),
        searches: HashMap::new(),
        list: Vec::new(),
        due: BTreeSet::new(),
        plan: Plan::new(&policy.polling),
        outcome: Outcome::default(),
        next_id: 0,
        running: 0,
    };
    let mut owed = 0.0;
    for _ in 0..world.searches {
        owed += world.strangers;
        while owed >= 1.0 {
            model.list.push((0.0, None));
            owed -= 1.0;
        }
        model.add(0.2);
    }
    let (mut now, mut slot) = (0.2, 0.0_f64);
    let mut pages_first = false;
    let (mut counted, mut since_pages, mut since_alone, mut since_at) = (false, 0, 0, 0.0);
    loop {
        if !counted && (world.then == Then::Nothing || now > 600.0) {
            counted = true;
            (since_pages, since_alone, since_at) = (model.outcome.pages, model.outcome.alone, now);
            if world.then == Then::Nothing {
                (since_pages, since_alone) = (0, 0);
            }
            model.outcome.unseen = 0.0;
        }
        if model.outcome.delays.len() >= world.ends
            || (world.then == Then::Nothing && model.running == 0)
        {
            break;
        }
        let mut blocked = None;
        loop {
            if now + 1e-9 < slot {
                blocked = Some(slot);
                break;
            }
            pages_first = !pages_first;
            let mut done = false;
            for page in [pages_first, !pages_first] {
                if page {
                    if let Some(request) = model.plan.next_page(at(now)) {
                        model.read(&request, now);
                        done = true;
                    }
                } else {
                    let due: Vec<TaskId> = model
                        .due
                        .iter()
                        .take_while(|(due, _)| *due <= at(now))
                        .map(|(_, id)| id.clone())
                        .collect();
                    let mut pick = model.plan.next_check();
                    if pick
                        .as_ref()
                        .is_some_and(|id| !model.searches[id].task.progress.is_watched())
                    {
                        pick = None;
                    }
                    for id in due {
                        let progress = &model.searches[&id].task.progress;
                        if progress.queue == Queue::New && progress.seen.is_some() {
                            pick = Some(id);
                            break;
                        }
                        if !progress.is_watched() || model.plan.polls_alone(&id, at(now)) {
                            pick = pick.or(Some(id));
                        }
                    }
                    if let Some(id) = pick {
                        model.poll(&id, now);
                        done = true;
                    }
                }
                if done {
                    break;
                }
            }
            if !done {
                break;
            }
            slot = slot.max(now) + 1.0 / world.per_second;
        }
        let next_due = model
            .due
            .iter()
            .map(|(due, _)| since(start(), *due).as_secs_f64())
            .find(|due| *due > now);
        let next_page = model
            .plan
            .next_due(at(now))
            .map(|due| since(start(), due).as_secs_f64());
        let next = [blocked, next_due, next_page]
            .into_iter()
            .flatten()
            .fold(f64::INFINITY, f64::min);
        if next == f64::INFINITY {
            break;
        }
        now = if next <= now { now + 0.05 } else { next + 1e-6 };
    }
    let mut outcome = model.outcome;
    outcome.pages -= since_pages;
    outcome.alone -= since_alone;
    outcome.seconds = now - since_at;
    outcome
}

pub fn print() {
    let policy = policy();
    let all: Vec<Kind> = Kind::FOUR
        .into_iter()
        .chain(Kind::VARIED)
        .chain(Kind::HARD)
        .collect();
    let filter = std::env::args().skip_while(|a| a != "--only").nth(1);
    for (name, then) in [
        ("new task", Then::NewTask),
        ("next run", Then::NextRun),
        ("together", Then::Nothing),
    ] {
        for searches in [1, 2, 3, 5, 10, 30, 100, 1000] {
            if let Some(only) = &filter
                && *only != format!("{name} {searches}")
                && *only != name
            {
                continue;
            }
            println!("\n{name} {searches}");
            let pick: Vec<Kind> = if std::env::var("PICK").is_ok() {
                vec![
                    Kind::Steady,
                    Kind::AnyFrontLoaded,
                    Kind::Short,
                    Kind::Cubic,
                    Kind::Steps,
                ]
            } else {
                all.clone()
            };
            for kind in &pick {
                let world = World {
                    searches,
                    then,
                    ends: if searches < 1000 {
                        1_000.max(searches * 5)
                    } else {
                        5000
                    },
                    ..PLAIN
                };
                let o = simulate(world, &[*kind], &policy, 2_026);
                println!(
                    "| {} | {:.3} | {:.2} | pages {:.2}/s alone {:.2}/s | {:.0} ",
                    kind.name(),
                    o.requests(),
                    o.delay(),
                    o.pages as f64 / o.seconds,
                    o.alone as f64 / o.seconds,
                    o.longest()
                );
            }
        }
    }
}

pub fn policy() -> Policy {
    growd::config::Settings::from_toml("a bench", "growth.task_cap = 1000000")
        .expect("defaults")
        .policy
}
