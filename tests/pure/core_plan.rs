//! The plan of requests: which pages of the list and which single tasks are asked for.

use crate::cases::{Checked, for_each};
use growd::core::event::Event;
use growd::core::plan::{PageRequest, PageShown, Plan, Setback, Shown, ToConfirm, Usability};
use growd::core::policy::Polling;
use growd::core::{TaskId, after};
use jiff::Timestamp;
use proptest::prelude::*;
use std::cell::Cell;
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

const MIN: Duration = Duration::from_secs(5);

fn polling(list_page: u32) -> Polling {
    Polling {
        min_interval: MIN,
        max_interval: Duration::from_mins(1),
        quiet_after: Duration::ZERO,
        list_page,
    }
}

fn at(seconds: f64) -> Timestamp {
    let start: Timestamp = "2026-11-24T02:22:00Z".parse().expect("a time");
    after(start, Duration::from_secs_f64(seconds))
}

fn id(n: usize) -> TaskId {
    format!("task-{n}").parse().expect("an id")
}

/// A list, read without delay.
struct Lab {
    plan: Plan,
    now: f64,
    gap: f64,
    /// The tasks of the list in its order; strangers are none.
    list: Vec<Option<usize>>,
    /// The service's largest page.
    clamp: usize,
    pages: Vec<PageRequest>,
}

impl Lab {
    /// A plan that knows `tasks` tasks, each wanted again `gap` seconds after it was seen.
    fn new(list_page: u32, tasks: usize, gap: f64, list: Vec<Option<usize>>) -> Self {
        let mut plan = Plan::new(&polling(list_page));
        for n in 0..tasks {
            plan.polled(&id(n), at(0.0), Some(true), Some(at(gap)));
        }
        Self {
            plan,
            now: 0.0,
            gap,
            list,
            clamp: usize::MAX,
            pages: Vec::new(),
        }
    }

    fn show(&self, request: &PageRequest) -> PageShown {
        let begin = usize::try_from(request.offset)
            .unwrap()
            .min(self.list.len());
        let limit = (request.limit as usize).min(self.clamp);
        let end = (begin + limit).min(self.list.len());
        let seen_at = at(self.now);
        let due = at(self.now + self.gap);
        let own = self.list[begin..end].iter().flatten();
        PageShown {
            started_at: seen_at,
            len: end - begin,
            tasks: own
                .map(|n| (id(*n), Shown::Watched { seen_at, due }))
                .collect(),
        }
    }

    /// Reads all pages that are worth it now.
    fn read(&mut self) -> usize {
        let before = self.pages.len();
        while let Some(request) = self.plan.next_page(at(self.now)) {
            let shown = self.show(&request);
            self.plan.read(&request, &shown, at(self.now));
            self.pages.push(request);
            assert!(self.pages.len() - before < 10_000, "it reads for ever");
        }
        let next = self.plan.next_due(at(self.now));
        assert!(
            next.is_none_or(|next| next > at(self.now)),
            "busy: {next:?}"
        );
        self.pages.len() - before
    }

    /// Polls a running task alone.
    fn poll(&mut self, n: usize) {
        let due = Some(at(self.now + self.gap));
        self.plan.polled(&id(n), at(self.now), Some(true), due);
    }

    /// Reads pages for so many seconds.
    fn run(&mut self, seconds: f64) -> usize {
        let before = self.pages.len();
        let end = self.now + seconds;
        while self.now < end {
            self.read();
            self.now += 0.5;
        }
        self.pages.len() - before
    }

    /// Returns how many of the first tasks have a page.
    fn found(&self, tasks: usize) -> usize {
        let debug = format!("{:?}", self.plan);
        let placed = debug.matches(": Watched { place: Page").count();
        assert!(placed <= tasks);
        placed
    }
}

fn strangers(n: usize) -> Vec<Option<usize>> {
    vec![None; n]
}

fn own(n: usize) -> Vec<Option<usize>> {
    (0..n).map(Some).collect()
}

#[test]
fn without_the_list_every_due_task_is_polled_alone() {
    let mut lab = Lab::new(0, 10, 10.0, own(10));
    lab.now = 100.0;
    for n in 0..10 {
        assert!(lab.plan.polls_alone(&id(n), at(lab.now)));
    }
    assert_eq!(lab.read(), 0);
    assert_eq!(lab.plan.next_due(at(lab.now)), None);
}

#[test]
fn one_task_alone_is_never_watched_through_a_page() {
    let mut lab = Lab::new(100, 1, 10.0, own(1));
    assert_eq!(lab.run(1_000.0), 0);
    assert!(lab.plan.polls_alone(&id(0), at(lab.now)));
}

#[test]
fn a_page_is_read_at_the_gap_of_a_task_divided_by_the_root_of_their_number() {
    for (tasks, gap) in [(4_usize, 100.0), (25, 100.0), (100, 300.0)] {
        let mut lab = Lab::new(100, tasks, gap, own(tasks));
        lab.run(gap);
        let pages = lab.run(10.0 * gap);
        let expected = 10.0 * f64::from(u32::try_from(tasks).unwrap()).sqrt();
        let ratio = f64::from(u32::try_from(pages).unwrap()) / expected;
        assert!(
            (0.8..=1.2).contains(&ratio),
            "{tasks}: {pages} pages, expected {expected}"
        );
    }
}

#[test]
fn a_page_is_read_once_in_the_shortest_interval_however_urgent_it_is() {
    let mut lab = Lab::new(100, 100, 1.0, own(100));
    let pages = lab.run(100.0);
    assert!((19..=22).contains(&pages), "{pages}");
}

#[test]
fn tasks_that_are_absent_are_looked_for_again_after_ten_minutes() {
    let mut lab = Lab::new(10, 3, 10.0, strangers(35));
    let first = lab.run(60.0);
    assert!((1..=3).contains(&first), "{first}");
    for n in 0..3 {
        assert!(lab.plan.polls_alone(&id(n), at(lab.now)));
        lab.plan
            .polled(&id(n), at(lab.now), Some(true), Some(at(lab.now + 10.0)));
    }
    assert_eq!(lab.run(500.0), 0);
    lab.now = 700.0;
    for n in 0..3 {
        lab.plan
            .polled(&id(n), at(lab.now), Some(true), Some(at(lab.now + 10.0)));
    }
    lab.list = own(3);
    lab.run(30.0);
    assert_eq!(lab.found(3), 3);
}

#[test]
fn a_scan_reads_at_most_one_page_in_vain_for_each_task_and_ever_fewer() {
    let mut lab = Lab::new(10, 40, 10.0, strangers(100_000));
    let mut costs = Vec::new();
    for round in 0..5 {
        lab.now = f64::from(round) * 1_000.0 + 20.0;
        for n in 0..40 {
            lab.plan
                .polled(&id(n), at(lab.now), Some(true), Some(at(lab.now + 5.0)));
        }
        costs.push(lab.run(60.0));
    }
    assert!((1..=40).contains(&costs[0]), "{costs:?}");
    assert!(costs.windows(2).all(|pair| pair[1] <= pair[0]), "{costs:?}");
    assert!(costs[4] <= 5, "{costs:?}");
}

#[test]
fn new_tasks_behind_many_strangers_are_found_by_doubling() {
    let mut list = strangers(9_400);
    list.extend(own(50));
    let mut lab = Lab::new(100, 50, 10.0, list);
    let pages = lab.run(60.0);
    assert_eq!(lab.found(50), 50);
    assert!(pages < 40, "{pages}");
}

#[test]
fn a_list_without_an_end_is_not_read_for_ever() {
    let mut lab = Lab::new(10, 200, 10.0, Vec::new());
    lab.now = 20.0;
    let mut pages = 0;
    while let Some(request) = lab.plan.next_page(at(lab.now)) {
        let shown = PageShown {
            started_at: at(lab.now),
            len: 10,
            tasks: Vec::new(),
        };
        lab.plan.read(&request, &shown, at(lab.now));
        pages += 1;
        assert!(pages < 1_000);
    }
    assert!((20..=50).contains(&pages), "{pages}");
}

#[test]
fn all_pages_of_a_short_list_are_searched() {
    // Every other page has only strangers.
    let mut list = Vec::new();
    for page in 0..16 {
        list.extend((0..10).map(|n| (page % 4 == 1).then_some(page / 4 * 10 + n)));
    }
    let mut lab = Lab::new(10, 40, 20.0, list);
    lab.run(120.0);
    assert_eq!(lab.found(40), 40);
}

#[test]
fn an_empty_list_is_given_up() {
    let mut lab = Lab::new(100, 20, 10.0, Vec::new());
    let pages = lab.run(300.0);
    assert!((1..=2).contains(&pages), "{pages}");
}

#[test]
fn a_service_with_shorter_pages_is_noticed() {
    let mut lab = Lab::new(100, 90, 20.0, own(90));
    lab.clamp = 25;
    // The first page is short, and the next begins after tasks that no page shows.
    lab.list.extend(strangers(200));
    lab.run(200.0);
    let last = lab.pages.last().expect("pages are read");
    assert_eq!(last.limit, 25);
    for n in 0..90 {
        lab.plan
            .polled(&id(n), at(lab.now), Some(true), Some(at(lab.now + 20.0)));
    }
    lab.now += 600.0;
    for n in 0..90 {
        lab.plan
            .polled(&id(n), at(lab.now), Some(true), Some(at(lab.now + 20.0)));
    }
    lab.run(60.0);
    assert_eq!(lab.found(90), 90);
}

#[test]
fn a_list_that_grows_beyond_a_page_keeps_its_page_length() {
    let mut lab = Lab::new(100, 20, 20.0, own(20));
    lab.run(60.0);
    assert_eq!(lab.found(20), 20);
    let mut list: Vec<Option<usize>> = (20..130).map(Some).collect();
    list.extend(own(20));
    lab.list = list;
    for n in 20..130 {
        lab.plan
            .polled(&id(n), at(lab.now), Some(true), Some(at(lab.now + 20.0)));
    }
    lab.run(120.0);
    assert_eq!(lab.found(130), 130);
    assert!(lab.pages.iter().all(|page| page.limit == 100));
}

#[test]
fn tasks_that_move_from_page_to_page_are_not_lost() {
    let mut lab = Lab::new(10, 60, 60.0, own(60));
    lab.run(120.0);
    assert_eq!(lab.found(60), 60);
    for round in 0..20 {
        if round % 5 == 4 {
            lab.list.drain(..5);
        } else {
            lab.list.splice(0..0, strangers(3));
        }
        lab.run(60.0);
    }
    lab.run(60.0);
    let left = lab.list.iter().flatten().count();
    assert!(lab.found(60) + 2 >= left, "{} of {left}", lab.found(60));
}

#[test]
fn new_tasks_are_found_wherever_the_list_grows() {
    for at_the_end in [false, true] {
        let mut lab = Lab::new(10, 6, 20.0, own(6));
        lab.run(60.0);
        let (mut waits, mut misses) = (0, 0);
        for n in 6..200 {
            // The oldest task ends and stays in the list; a new one follows.
            let ended = lab.list.iter_mut().find(|task| **task == Some(n - 6));
            *ended.expect("in the list") = None;
            lab.plan.polled(&id(n - 6), at(lab.now), Some(false), None);
            let end = if at_the_end { lab.list.len() } else { 0 };
            lab.list.insert(end, Some(n));
            lab.plan
                .polled(&id(n), at(lab.now), Some(true), Some(at(lab.now + 20.0)));
            lab.run(20.0);
            waits += 6 - lab.found(6);
            misses += usize::from(lab.found(6) < 4);
        }
        // Where the next page begins, the first task on it waits for the second.
        assert!(waits < 60, "{at_the_end}: {waits}");
        assert!(misses <= 5, "{at_the_end}: {misses}");
    }
}

#[test]
fn a_page_that_is_too_large_is_halved_down_to_ten_and_then_left_alone() {
    let mut lab = Lab::new(100, 20, 10.0, own(20));
    lab.now = 20.0;
    let mut limits = Vec::new();
    while let Some(request) = lab.plan.next_page(at(lab.now)) {
        limits.push(request.limit);
        lab.plan.failed(&request, Setback::TooLarge, at(lab.now));
        // A second answer to a page of the same length changes nothing.
        if request.limit > 10 {
            lab.plan.failed(&request, Setback::TooLarge, at(lab.now));
        }
    }
    assert_eq!(limits, [100, 50, 25, 12, 10]);
    lab.now += 599.0;
    assert_eq!(lab.plan.next_page(at(lab.now)), None);
    assert!((0..20).all(|n| lab.plan.polls_alone(&id(n), at(lab.now))));
    lab.now += 1.0;
    assert_eq!(
        lab.plan.next_page(at(lab.now)).map(|page| page.limit),
        Some(10)
    );
}

#[test]
fn an_unusable_list_is_left_alone_for_ten_minutes_though_an_older_page_still_arrives() {
    let mut lab = Lab::new(10, 40, 10.0, own(40));
    lab.run(40.0);
    lab.now += 20.0;
    let first = lab.plan.next_page(at(lab.now)).expect("a page");
    let second = lab.plan.next_page(at(lab.now)).expect("a page");
    let third = lab.plan.next_page(at(lab.now)).expect("a page");
    lab.plan.failed(&first, Setback::Unusable, at(lab.now));
    let shown = lab.show(&second);
    lab.plan.read(&second, &shown, at(lab.now));
    let until = lab.plan.failed(&third, Setback::Passing(None), at(lab.now));
    assert_eq!(until, Some(at(lab.now + 600.0)), "still unusable");
    assert_eq!(lab.plan.next_page(at(lab.now + 599.0)), None);
    assert!(
        lab.plan
            .next_due(at(lab.now))
            .is_none_or(|next| next >= at(lab.now + 600.0))
    );
    assert!(lab.plan.next_page(at(lab.now + 600.0)).is_some());
}

#[test]
fn only_a_page_asked_for_when_the_list_is_tried_again_makes_it_usable() {
    let mut usability = Usability::default();
    assert_eq!(usability.read(at(0.0)), None);
    let error = || "404".to_owned();
    let event = usability.failed(error(), at(600.0));
    let until = Some(at(600.0));
    assert_eq!(
        event,
        Some(Event::ListUnusable {
            error: error(),
            until
        })
    );
    // It was under way when the first one failed.
    assert_eq!(usability.read(at(1.0)), None);
    assert_eq!(usability.read(at(599.9)), None);
    assert_eq!(usability.failed(error(), at(1_200.0)), None);
    assert_eq!(usability.read(at(600.0)), None);
    assert_eq!(usability.read(at(1_200.0)), Some(Event::ListUsable {}));
    assert_eq!(usability.read(at(1_201.0)), None);
    // With another configuration.
    assert!(usability.failed(error(), at(2_000.0)).is_some());
    usability.tried_again(at(1_500.0));
    assert_eq!(usability.read(at(1_499.0)), None);
    assert_eq!(usability.read(at(1_500.0)), Some(Event::ListUsable {}));
}

#[test]
fn errors_that_may_pass_back_off() {
    let mut lab = Lab::new(100, 20, 10.0, own(20));
    let mut times = Vec::new();
    while times.len() < 6 {
        if let Some(request) = lab.plan.next_page(at(lab.now)) {
            times.push(lab.now);
            lab.plan
                .failed(&request, Setback::Passing(None), at(lab.now));
        }
        lab.now += 0.5;
    }
    let gaps: Vec<f64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(
        gaps.windows(2).all(|pair| pair[1] > 1.5 * pair[0]),
        "{gaps:?}"
    );
}

#[test]
fn nothing_is_left_of_tasks_that_ended_were_paused_or_removed() {
    let mut lab = Lab::new(10, 30, 20.0, own(30));
    lab.run(60.0);
    let debug = format!("{:?}", lab.plan);
    assert!(debug.contains("task-"), "{debug}");
    // Ten end, ten are shown at an end but never polled again, and ten are gone from the list and never polled again.
    for n in 0..10 {
        lab.plan.polled(&id(n), at(lab.now), Some(false), None);
    }
    lab.now += 30.0;
    while let Some(request) = lab.plan.next_page(at(lab.now)) {
        let tasks = (10..20).map(|n| (id(n), Shown::Confirm(ToConfirm::Work)));
        let shown = PageShown {
            started_at: at(lab.now),
            len: 10,
            tasks: tasks.collect(),
        };
        lab.plan.read(&request, &shown, at(lab.now));
    }
    lab.list = strangers(30);
    for _ in 0..40 {
        lab.now += 300.0;
        lab.read();
    }
    let debug = format!("{:?}", lab.plan);
    assert!(!debug.contains("task-"), "{debug}");
}

#[test]
fn no_task_is_compared_within_the_shortest_interval_after_its_last_poll() {
    let checks = Cell::new(0);
    let polls = prop::collection::vec((0_usize..4, 0_u16..16), 60..120);
    for_each(100, &(polls, 1.0..40.0), |(polls, gap)| {
        let mut lab = Lab::new(10, 4, gap, own(4));
        let mut polled = [0.0; 4];
        for (n, halves) in polls {
            for _ in 0..halves {
                lab.now += 0.5;
                lab.read();
                let Some(check) = lab.plan.next_check(at(lab.now)) else {
                    continue;
                };
                let n = (0..4).find(|n| id(*n) == check).expect("a known task");
                prop_assert!(
                    lab.now - polled[n] > 4.999,
                    "{n}: {} {}",
                    polled[n],
                    lab.now
                );
                checks.set(checks.get() + 1);
                lab.poll(n);
                polled[n] = lab.now;
            }
            // As a task that is due.
            lab.poll(n);
            polled[n] = lab.now;
        }
        Ok(())
    });
    assert!(checks.get() > 20, "{}", checks.get());
}

#[test]
fn what_polls_do_not_confirm_is_polled_ever_less_often() {
    let claims_made = Cell::new(0);
    let lies = prop::collection::vec(any::<bool>(), 10);
    for_each(12, &(lies, 10.0..60.0), |(lies, gap)| {
        let mut lab = Lab::new(10, 10, gap, own(10));
        let (mut due, mut polled) = ([gap; 10], [0.0_f64; 10]);
        let (mut claims, mut is_urgent) = ([0; 10], [false; 10]);
        while lab.now < 1_800.0 {
            lab.now += 0.5;
            while let Some(request) = lab.plan.next_page(at(lab.now)) {
                let mut shown = lab.show(&request);
                shown.tasks.retain(|(id, _)| !request.ignored.contains(id));
                for (task, what) in &mut shown.tasks {
                    let n = (0..10).find(|n| id(*n) == *task).expect("a known task");
                    due[n] = lab.now + gap;
                    if lies[n] {
                        *what = Shown::Confirm(ToConfirm::State);
                        due[n] = lab.now.max(polled[n] + 5.0);
                        is_urgent[n] = true;
                        claims[n] += 1;
                    }
                }
                lab.plan.read(&request, &shown, at(lab.now));
            }
            for n in 0..10 {
                let is_due = due[n] <= lab.now;
                if is_due && (is_urgent[n] || lab.plan.polls_alone(&id(n), at(lab.now))) {
                    lab.poll(n);
                    (polled[n], due[n]) = (lab.now, lab.now + gap);
                    is_urgent[n] = false;
                }
                // A task that the list lies of is polled as without the list.
                prop_assert!(!lies[n] || lab.now - polled[n] <= gap + 6.0, "{n}");
            }
        }
        // Twice, and then after 1, 2, 4, 8 and 16 minutes.
        prop_assert!(claims.iter().all(|claims| *claims <= 7), "{claims:?}");
        claims_made.set(claims_made.get() + claims.iter().sum::<i32>());
        Ok(())
    });
    assert!(claims_made.get() > 60, "{}", claims_made.get());
}

#[test]
fn after_an_end_that_the_list_hid_the_other_tasks_are_compared_at_once() {
    let mut lab = Lab::new(10, 4, 10.0, own(4));
    let first = loop {
        lab.now += 0.5;
        lab.read();
        assert!(lab.now < 400.0, "no comparison");
        if let Some(check) = lab.plan.next_check(at(lab.now)) {
            break check;
        }
    };
    // Each poll shows an end, so each is followed by another comparison, until no task is left.
    let mut ended = vec![first.clone()];
    lab.plan.polled(&first, at(lab.now), Some(false), None);
    while let Some(check) = lab.plan.next_check(at(lab.now)) {
        lab.plan.polled(&check, at(lab.now), Some(false), None);
        ended.push(check);
    }
    ended.sort();
    assert_eq!(ended, (0..4).map(id).collect::<Vec<_>>());
}

#[test]
fn a_comparison_that_agrees_with_the_list_is_followed_by_none() {
    let mut lab = Lab::new(10, 4, 10.0, own(4));
    let mut checks = 0;
    while lab.now < 950.0 {
        lab.now += 0.5;
        lab.read();
        while let Some(check) = lab.plan.next_check(at(lab.now)) {
            let due = Some(at(lab.now + 10.0));
            lab.plan.polled(&check, at(lab.now), Some(true), due);
            checks += 1;
        }
    }
    assert_eq!(checks, 3, "one in five minutes");
}

impl Lab {
    /// Reads the page, which shows the end of a run of this age; a poll of the task does not. Returns the lag that is assumed then.
    fn refute(&mut self, n: usize, age: f64) -> Duration {
        loop {
            self.now += 0.5;
            if let Some(request) = self.plan.next_page(at(self.now)) {
                let mut shown = self.show(&request);
                let age = Duration::from_secs_f64(age);
                for (task, what) in &mut shown.tasks {
                    if *task == id(n) {
                        *what = Shown::Confirm(ToConfirm::End { age });
                    }
                }
                self.plan.read(&request, &shown, at(self.now));
                break;
            }
        }
        self.poll(n);
        self.lag()
    }

    fn lag(&mut self) -> Duration {
        loop {
            self.now += 0.5;
            if let Some(request) = self.plan.next_page(at(self.now)) {
                let shown = self.show(&request);
                self.plan.read(&request, &shown, at(self.now));
                return request.reliance.lag;
            }
        }
    }
}

#[test]
fn a_lag_follows_from_ends_that_polls_refute_but_not_from_one_task_again_and_again() {
    let mut lab = Lab::new(10, 4, 10.0, own(4));
    assert_eq!(lab.refute(0, 20.0), Duration::from_secs(40));
    assert_eq!(lab.refute(0, 100.0), Duration::from_secs(40));
    assert_eq!(lab.refute(1, 30.0), Duration::from_mins(1));
    // Without a new sign of it, it is forgotten.
    lab.run(4_000.0);
    assert_eq!(lab.lag(), Duration::ZERO);
}

#[test]
fn a_page_asked_for_before_a_poll_neither_proves_nor_refutes_anything_by_its_answer() {
    let mut lab = Lab::new(10, 4, 10.0, own(4));
    let request = loop {
        lab.now += 0.5;
        if let Some(request) = lab.plan.next_page(at(lab.now)) {
            break request;
        }
    };
    let mut shown = lab.show(&request);
    lab.now += 1.0;
    lab.poll(0);
    let age = Duration::from_mins(1);
    shown.tasks[0].1 = Shown::Confirm(ToConfirm::End { age });
    lab.plan.read(&request, &shown, at(lab.now));
    lab.now += 6.0;
    lab.poll(0);
    assert_eq!(lab.lag(), Duration::ZERO);
}

#[test]
fn errors_in_a_row_that_may_pass_are_reported_from_the_fourth_on() {
    let mut lab = Lab::new(10, 4, 10.0, own(4));
    let mut reported = Vec::new();
    for _ in 0..4 {
        let request = loop {
            lab.now += 0.5;
            if let Some(request) = lab.plan.next_page(at(lab.now)) {
                break request;
            }
        };
        let setback = Setback::Passing(None);
        let until = lab.plan.failed(&request, setback, at(lab.now));
        reported.push(until.is_some());
    }
    assert_eq!(reported, [false, false, false, true]);
}

#[test]
fn a_task_whose_page_is_not_known_waits_for_a_second_at_most() {
    let mut plan = Plan::new(&polling(100));
    // For one task alone no page is read.
    assert!(plan.polls_alone(&id(0), at(0.0)));
    assert!(!plan.polls_alone(&id(1), at(0.0)));
    assert!(plan.next_page(at(0.0)).is_some());
    for (seconds, waits) in [(0.9, true), (1.1, false)] {
        assert_eq!(plan.polls_alone(&id(1), at(seconds)), !waits);
        assert_eq!(plan.awaits_page(&id(1), at(seconds)), waits);
    }
}

#[test]
fn new_intervals_keep_what_is_known_of_the_list() {
    let mut lab = Lab::new(10, 4, 10.0, own(4));
    lab.run(60.0);
    let slower = Polling {
        min_interval: Duration::from_secs(30),
        ..polling(10)
    };
    lab.plan.reconfigure(&slower, &polling(10));
    assert_eq!(lab.found(4), 4);
    let pages = lab.run(100.0);
    assert!((3..=4).contains(&pages), "{pages}");
    lab.plan.reconfigure(&polling(20), &slower);
    assert_eq!(lab.found(4), 0);
}

// --- random histories ---

#[derive(Debug, Clone)]
enum Move {
    /// Time passes, in tenths of a second.
    Wait(u16),
    /// The oldest page under way is answered with these tasks, and so many entries.
    Answer(Vec<(u8, u8)>, u8),
    /// It fails.
    Fail(u8),
    /// A task is polled alone: seen again after so many seconds; 0: it ended.
    Poll(u8, u8),
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let one = prop_oneof![
        6 => (0_u16..80).prop_map(Move::Wait),
        6 => (prop::collection::vec((0_u8..20, 0_u8..10), 0..12), 0_u8..16)
            .prop_map(|(tasks, len)| Move::Answer(tasks, len)),
        1 => (0_u8..6).prop_map(Move::Fail),
        2 => (0_u8..20, 0_u8..60).prop_map(|(task, gap)| Move::Poll(task, gap)),
    ];
    prop::collection::vec(one, 1..120)
}

/// A daemon that asks for every page that is worth it, and polls a task once it need not wait.
struct Daemon {
    plan: Plan,
    now: f64,
    due: HashMap<usize, f64>,
    asked: Vec<(PageRequest, f64)>,
    last: BTreeMap<(u32, u32), f64>,
}

impl Daemon {
    fn poll(&mut self, n: usize, gap: f64) {
        let due = (gap > 0.0).then(|| at(self.now + gap));
        self.plan
            .polled(&id(n), at(self.now), Some(due.is_some()), due);
        self.due.remove(&n);
        if due.is_some() {
            self.due.insert(n, self.now + gap);
        }
    }

    fn act(&mut self) -> Checked {
        while let Some(request) = self.plan.next_page(at(self.now)) {
            let key = (request.limit, request.page);
            let under_way = self
                .asked
                .iter()
                .any(|(asked, _)| (asked.limit, asked.page) == key);
            prop_assert!(!under_way, "asked twice at once: {request:?}");
            let last = self.last.insert(key, self.now);
            let is_soon = last.is_some_and(|last| self.now - last < 4.999);
            prop_assert!(!is_soon, "asked twice: {request:?} {last:?} {}", self.now);
            self.asked.push((request, self.now));
            prop_assert!(self.asked.len() < 1_000, "it asks for ever");
        }
        let next = self.plan.next_due(at(self.now));
        prop_assert!(
            next.is_none_or(|next| next > at(self.now)),
            "busy: {next:?}"
        );
        let mut due: Vec<usize> = self.due.keys().copied().collect();
        due.sort_unstable();
        for n in due {
            if self.due[&n] > self.now {
                continue;
            }
            if self.plan.polls_alone(&id(n), at(self.now)) {
                self.poll(n, 7.0);
            } else {
                let held = self.now - self.due[&n];
                // The clock of this test moves by tenths of a second.
                prop_assert!(
                    held < 5.15,
                    "task {n} is held back for {held} s: {:?}",
                    self.plan
                );
            }
        }
        Ok(())
    }

    fn take(&mut self, one: &Move) -> Checked {
        match one {
            Move::Wait(tenths) => {
                for _ in 0..*tenths {
                    self.now += 0.1;
                    self.act()?;
                }
            }
            Move::Answer(tasks, len) if !self.asked.is_empty() => {
                let (request, begun) = self.asked.remove(0);
                let mut shown = BTreeMap::new();
                for (n, kind) in tasks {
                    let n = usize::from(*n);
                    let Some(due) = self.due.get_mut(&n) else {
                        continue;
                    };
                    let what = match kind {
                        0..=4 => {
                            // A late answer cannot have kept anything waiting before it came.
                            *due = (begun + 11.0).max(self.now);
                            let (seen_at, due) = (at(begun), at(begun + 11.0));
                            Shown::Watched { seen_at, due }
                        }
                        5 => {
                            *due = self.now;
                            Shown::Confirm(ToConfirm::End { age: MIN })
                        }
                        6 => Shown::Older {
                            than: Some(at(begun)),
                        },
                        7 => Shown::Overtaken,
                        _ => {
                            // The daemon asks the plan for watched tasks only, so a new wait begins here.
                            *due = self.now;
                            Shown::Unwatched
                        }
                    };
                    shown.insert(id(n), what);
                }
                let shown = PageShown {
                    started_at: at(begun),
                    len: usize::from(*len).max(shown.len()),
                    tasks: shown.into_iter().collect(),
                };
                self.plan.read(&request, &shown, at(self.now));
            }
            Move::Fail(kind) if !self.asked.is_empty() => {
                let (request, _) = self.asked.remove(0);
                let setback = match kind {
                    0 => Setback::TooLarge,
                    1 => Setback::Unusable,
                    2..=3 => Setback::Passing(None),
                    _ => Setback::None,
                };
                self.plan.failed(&request, setback, at(self.now));
            }
            Move::Answer(..) | Move::Fail(_) => {}
            Move::Poll(n, gap) => self.poll(usize::from(*n), f64::from(*gap)),
        }
        self.act()
    }
}

#[test]
fn no_page_is_asked_for_twice_and_no_task_is_held_back_whatever_the_list_does() {
    for_each(400, &(moves(), 0_usize..20), |(moves, tasks)| {
        let mut daemon = Daemon {
            plan: Plan::new(&polling(12)),
            now: 0.0,
            due: (0..tasks).map(|n| (n, 0.0)).collect(),
            asked: Vec::new(),
            last: BTreeMap::new(),
        };
        for one in &moves {
            daemon.take(one)?;
        }
        Ok(())
    });
}
