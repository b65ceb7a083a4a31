//! The fair queue under a simulated clock: if more tasks are due than can be polled, none starves.

use growd::core::queue::{FairQueue, Queue};
use proptest::prelude::*;

/// A simulated task: when it is due next, in milliseconds, and whether the operator has just changed it.
#[derive(Debug, Clone)]
struct Task {
    due: u64,
    is_new: bool,
    /// Its longest wait for a poll after it was new, and while it was new.
    waited: u64,
    waited_new: u64,
    polls: u32,
}

/// Tasks that are polled one after another at a fixed rate, in the order of [`FairQueue`].
struct World {
    tasks: Vec<Task>,
    queue: FairQueue<usize>,
    now: u64,
    /// Milliseconds between two polls.
    spacing: u64,
    /// Milliseconds from a poll of a task until it is due again.
    interval: u64,
}

impl World {
    fn new(old: usize, spacing: u64, interval: u64) -> Self {
        let task = Task {
            due: 0,
            is_new: false,
            waited: 0,
            waited_new: 0,
            polls: 0,
        };
        Self {
            tasks: vec![task; old],
            queue: FairQueue::default(),
            now: 0,
            spacing,
            interval,
        }
    }

    fn add(&mut self, count: usize) {
        for _ in 0..count {
            self.tasks.push(Task {
                due: self.now,
                is_new: true,
                waited: 0,
                waited_new: 0,
                polls: 0,
            });
        }
    }

    /// Reads due tasks from the front of each class, as the scheduler does once a second and when it runs out.
    fn read(&mut self) {
        const AHEAD: usize = 64;
        self.queue.clear();
        for is_new in [true, false] {
            let mut due: Vec<usize> = (0..self.tasks.len())
                .filter(|n| self.tasks[*n].is_new == is_new && self.tasks[*n].due <= self.now)
                .collect();
            due.sort_by_key(|n| self.tasks[*n].due);
            if is_new && due.len() > AHEAD {
                // The oldest and the newest.
                due.drain(AHEAD / 2..due.len() - AHEAD / 2);
            }
            due.truncate(AHEAD);
            let queue = if is_new { Queue::New } else { Queue::Regular };
            for n in due {
                self.queue.push(queue, n);
            }
        }
    }

    fn run(&mut self, until: u64) {
        let mut read_at = None;
        while self.now < until {
            let stale = read_at.is_none_or(|at| self.now - at >= 1_000);
            let lacks = self.queue.len(Queue::New) == 0 || self.queue.len(Queue::Regular) == 0;
            if stale || lacks {
                self.read();
                read_at = Some(self.now);
            }
            if let Some(n) = self.queue.take() {
                let (now, interval) = (self.now, self.interval);
                let task = &mut self.tasks[n];
                let waited = now - task.due;
                let longest = if task.is_new {
                    &mut task.waited_new
                } else {
                    &mut task.waited
                };
                *longest = (*longest).max(waited);
                task.is_new = false;
                task.polls += 1;
                task.due = now + interval;
            }
            self.now += self.spacing;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn with_more_due_than_can_be_polled_no_task_starves_and_an_added_one_is_polled_within_a_second(
        old in 1_usize..300,
        bulk in 0_usize..3_000,
        spacing in 20_u64..=200,
    ) {
        let mut world = World::new(old, spacing, 1_000);
        world.run(20_000);
        world.add(bulk);
        world.run(30_000);
        // One more task, while the bulk still waits.
        world.add(1);
        let added = world.tasks.len() - 1;
        world.run(33_000);
        let one = &world.tasks[added];
        prop_assert!(one.polls >= 1);
        prop_assert!(one.waited_new <= 1_000 + 4 * spacing, "waited {} ms", one.waited_new);
        world.run(120_000);
        // Regular tasks get half of the polls, whatever else is due.
        let at_work = world.tasks.iter().filter(|task| task.polls > 0).count();
        let round = 2 * spacing * u64::try_from(at_work).unwrap() + 1_000 + 8 * spacing;
        for task in &world.tasks[..old] {
            prop_assert!(task.waited <= round, "waited {} ms, a round is {round}", task.waited);
        }
    }

    #[test]
    fn the_first_of_each_queue_is_among_the_next_four(
        sizes in (1_usize..20, 1_usize..20),
        taken in 0_usize..8,
    ) {
        let mut queue = FairQueue::default();
        for n in 0..sizes.0 + 8 {
            queue.push(Queue::New, (Queue::New, n));
        }
        for n in 0..sizes.1 + 8 {
            queue.push(Queue::Regular, (Queue::Regular, n));
        }
        for _ in 0..taken {
            queue.take();
        }
        let oldest = taken.div_ceil(4).saturating_sub(usize::from(taken % 4 != 0));
        let next: Vec<_> = (0..4).filter_map(|_| queue.take()).collect();
        prop_assert_eq!(next.iter().filter(|(queue, _)| *queue == Queue::Regular).count(), 2);
        prop_assert!(next.contains(&(Queue::New, oldest)), "{:?}: {:?}", oldest, next);
    }
}

#[test]
fn tasks_that_the_daily_limit_covers_go_first() {
    let mut queue = FairQueue::default();
    queue.push(Queue::Regular, "regular");
    queue.push(Queue::New, "new");
    queue.push(Queue::Limit, "limit");
    assert_eq!(queue.take(), Some("limit"));
    assert_eq!(queue.take(), Some("regular"));
    assert_eq!(queue.take(), Some("new"));
    assert_eq!(queue.take(), None);
}
