//! What an entry of the list does to its task, whatever it says.

use crate::cases::for_each;
use crate::pollers::account;
use growd::core::paid_request::RequestState;
use growd::core::plan::{Reliance, Shown, ToConfirm};
use growd::core::policy::Policy;
use growd::core::progress::Progress;
use growd::core::queue::Queue;
use growd::core::resume::Resume;
use growd::core::step::listed::{Entry, listed};
use growd::core::step::{PollAnswer, poll_answered};
use growd::core::task::{Task, Wanted};
use growd::core::{Observation, State, Status, after};
use jiff::Timestamp;
use proptest::prelude::*;
use std::time::Duration;

fn at(seconds: u64) -> Timestamp {
    let start: Timestamp = "2026-11-24T02:22:00Z".parse().expect("a time");
    after(start, Duration::from_secs(seconds))
}

fn policy() -> Policy {
    growd::config::Settings::from_toml("a test", "")
        .expect("defaults")
        .policy
}

fn status() -> impl Strategy<Value = Status> {
    prop::sample::select(vec!["created", "in_progress", "done", "failed", "paused"])
        .prop_map(Status::parse)
}

fn observation() -> impl Strategy<Value = Observation> {
    let count = || prop_oneof![Just(0_i64), 0_i64..300, Just(i64::MAX)];
    (
        status(),
        any::<bool>(),
        [count(), count(), count(), count(), count()],
    )
        .prop_map(|(status, is_exhausted, counts)| Observation {
            status,
            is_exhausted,
            desired: counts[0],
            discovered: counts[1],
            enriched: counts[2],
            evaluated: counts[3],
            results: counts[4],
            query: None,
        })
}

fn time() -> impl Strategy<Value = Option<Timestamp>> {
    prop_oneof![1 => Just(None), 3 => (0_u64..2_000).prop_map(|seconds| Some(at(seconds)))]
}

fn resume() -> impl Strategy<Value = Resume> {
    let states = vec![
        RequestState::Intended,
        RequestState::Accepted,
        RequestState::Rejected,
        RequestState::Unsent,
        RequestState::Lost,
    ];
    let state = prop::sample::select(states);
    (state, observation(), 0_u64..2_000, any::<bool>()).prop_map(|(state, seen, sent, refusal)| {
        let mut resume = Resume::intended(3, 25, &seen, 10, at(sent));
        resume.request.state = state;
        resume.request.refusal = refusal;
        resume
    })
}

fn task() -> impl Strategy<Value = Task> {
    let progress = (
        prop::sample::select(State::ALL.to_vec()),
        prop::option::weighted(0.9, observation()),
        prop::sample::select(Queue::ALL.to_vec()),
        [time(), time(), time(), time(), time()],
        (0_i64..5, prop_oneof![4 => Just(0_i64), 1 => Just(2)]),
        prop_oneof![4 => Just(None), 1 => Just(Some("poll: 503".to_owned()))],
    );
    let wanted = (1_i64..300, prop::bool::weighted(0.1));
    (progress, wanted, prop::option::of(resume())).prop_map(|(progress, wanted, resume)| {
        let (state, seen, queue, times, (forgiven, failures), last_error) = progress;
        let [
            polled_at,
            polled_alone_at,
            next_poll_at,
            quiet_at,
            run_started_at,
        ] = times;
        Task {
            id: "a-task".parse().expect("an id"),
            wanted: Wanted {
                target: wanted.0,
                chunk: None,
                paused: wanted.1,
                budget: None,
                is_superseded: false,
            },
            edited_at: None,
            progress: Progress {
                state,
                seen,
                queue,
                polled_at,
                polled_alone_at,
                next_poll_at,
                quiet_at,
                run_started_at,
                forgiven,
                failures,
                last_error,
                best_results: 7,
                stalled: 1,
                waste_requested: 30,
                waste_brought: 20,
                ..Progress::new(at(0))
            },
            resume,
            is_bounded: false,
            lost: 0,
        }
    })
}

fn entry(seen: &Observation, started: u64, lag: u64) -> Entry<'_> {
    Entry {
        seen,
        started_at: at(started),
        answered_at: at(started + 1),
        reliance: Reliance {
            lag: Duration::from_secs(lag),
            alone_within: Duration::from_mins(10),
            still_within: Duration::from_mins(10),
        },
    }
}

#[test]
fn no_entry_spends_money_or_ends_anything_whatever_it_says() {
    let entries = (observation(), 0_u64..3_000, 0_u64..60);
    for_each(
        20_000,
        &(task(), entries),
        |(task, (seen, started, lag))| {
            let policy = policy();
            let before = &task.progress;
            let (step, shown) = listed(&task, &entry(&seen, started, lag), &policy);
            let Some(step) = step else {
                let has_news = matches!(shown, Shown::Watched { .. } | Shown::Confirm(_));
                prop_assert!(!has_news);
                return Ok(());
            };
            let now = &step.progress;
            prop_assert!(before.is_watched() && !task.wanted.paused);
            prop_assert_eq!((&step.resume, &step.intended), (&None, &None));
            prop_assert!(
                now.state == before.state || !now.state.is_end() && !before.state.is_end()
            );
            let kept = |progress: &Progress| {
                (
                    (progress.best_results, progress.stalled, progress.failures),
                    (progress.waste_requested, progress.waste_brought),
                    (progress.absences, progress.absent_since, progress.forgiven),
                    progress.polled_alone_at,
                    progress.last_error.clone(),
                )
            };
            prop_assert_eq!(kept(now), kept(before));
            // The task stays due, and not before the shortest interval after the last poll of its own.
            let next = now.next_poll_at.expect("still due");
            let alone = before
                .polled_alone_at
                .map(|at| after(at, policy.polling.min_interval));
            prop_assert!(alone.is_none_or(|soonest| next >= soonest));
            // It was not seen before what is known.
            let seen_at = at(started.saturating_sub(lag));
            let newest = before.polled_alone_at.max(before.run_started_at);
            prop_assert!(newest.is_none_or(|newest| at(started) >= newest && seen_at >= newest));
            let older = before
                .seen
                .as_ref()
                .is_some_and(|known| seen.results < known.results || seen.desired < known.desired);
            prop_assert!(!older);
            if let Shown::Confirm(what) = shown {
                let is_end = matches!(what, ToConfirm::End { .. });
                prop_assert_eq!(is_end, !seen.status.is_running());
                let has_reached = seen.results >= task.wanted.target;
                let was_known = before.state == State::Reached;
                prop_assert!(is_end || !has_reached || was_known || what == ToConfirm::State);
            }
            if let Shown::Watched { .. } = shown {
                prop_assert!(seen.status.is_running());
                let last = before
                    .polled_alone_at
                    .or(before.run_started_at)
                    .unwrap_or(seen_at);
                let bound = after(last, Duration::from_mins(10));
                prop_assert!(next <= bound.max(alone.unwrap_or(bound)));
            } else {
                prop_assert!(next <= at(started + 1).max(alone.unwrap_or(at(0))));
            }
            Ok(())
        },
    );
}

#[test]
fn an_entry_of_a_running_task_does_what_a_poll_at_that_moment_does() {
    let counts = (0_i64..100, 0_i64..100, 1_u64..500);
    for_each(2_000, &counts, |(first, more, gap)| {
        let policy = policy();
        let account = account(at(10_000));
        let seen = |results: i64| Observation {
            status: Status::InProgress,
            is_exhausted: false,
            desired: 250,
            discovered: 2 * results,
            enriched: results,
            evaluated: results,
            results,
            query: None,
        };
        let poll = |task: &Task, results, when| {
            let poll = PollAnswer {
                started_at: at(when),
                answered_at: at(when),
                outcome: Ok(seen(results)),
            };
            poll_answered(task, &poll, &policy, &account, 0.5).expect("legal")
        };
        let mut task = Task {
            id: "a-task".parse().expect("an id"),
            wanted: Wanted {
                target: 250,
                chunk: None,
                paused: false,
                budget: None,
                is_superseded: false,
            },
            edited_at: None,
            progress: Progress::new(at(0)),
            resume: None,
            is_bounded: false,
            lost: 0,
        };
        task.progress = poll(&task, first, 10).progress;
        let now = 10 + gap;
        let polled = poll(&task, first + more, now);
        let shown = seen(first + more);
        let entry = Entry {
            answered_at: at(now),
            ..entry(&shown, now, 0)
        };
        let (step, _) = listed(&task, &entry, &policy);
        let step = step.expect("news");
        prop_assert_eq!(step.sample, polled.sample);
        prop_assert_eq!(&step.events, &polled.events);
        let expected = Progress {
            best_results: first,
            polled_alone_at: Some(at(10)),
            next_poll_at: polled.progress.next_poll_at.min(Some(at(610))),
            ..polled.progress
        };
        prop_assert_eq!(step.progress, expected);
        Ok(())
    });
}

#[test]
fn a_task_that_the_list_shows_complete_quiet_or_without_change_for_long_is_polled_alone() {
    let seen = |results: i64| Observation {
        status: Status::InProgress,
        is_exhausted: false,
        desired: 200,
        discovered: results,
        enriched: results,
        evaluated: results,
        results,
        query: None,
    };
    let mut task = Task {
        id: "a-task".parse().expect("an id"),
        wanted: Wanted {
            target: 500,
            chunk: None,
            paused: false,
            budget: None,
            is_superseded: false,
        },
        edited_at: None,
        progress: Progress::new(at(0)),
        resume: None,
        is_bounded: false,
        lost: 0,
    };
    let poll = PollAnswer {
        started_at: at(10),
        answered_at: at(10),
        outcome: Ok(seen(5)),
    };
    let polled = poll_answered(&task, &poll, &policy(), &account(at(10)), 0.5);
    task.progress = polled.expect("legal").progress;
    let shown = |results: i64, when: u64, quiet_after: u64| {
        let mut policy = policy();
        policy.polling.quiet_after = Duration::from_secs(quiet_after);
        let seen = seen(results);
        let mut entry = entry(&seen, when, 0);
        entry.reliance.alone_within = Duration::from_hours(6);
        let (step, shown) = listed(&task, &entry, &policy);
        let step = step.expect("news");
        assert!(step.progress.quiet_at.is_none());
        assert!(step.events.iter().all(|event| event.kind() != "quiet"));
        shown
    };
    let is_watched = |shown| matches!(shown, Shown::Watched { .. });
    assert!(is_watched(shown(5, 600, 0)));
    assert_eq!(shown(5, 620, 0), Shown::Confirm(ToConfirm::Work));
    assert!(is_watched(shown(6, 620, 0)), "it has moved");
    assert!(is_watched(shown(200, 20, 0)), "its end may be seen yet");
    assert!(is_watched(shown(5, 60, 60)));
    let mut complete = task.clone();
    complete.progress.seen = Some(seen(200));
    complete.progress.polled_alone_at = Some(at(15));
    complete.progress.changed_at = Some(at(20));
    complete.progress.run_started_at = Some(at(10));
    let complete_at = |task: &Task, when: u64| {
        let seen = seen(200);
        listed(task, &entry(&seen, when, 0), &policy()).1
    };
    assert!(is_watched(complete_at(&complete, 78)));
    assert_eq!(complete_at(&complete, 81), Shown::Confirm(ToConfirm::Work));
    complete.progress.polled_alone_at = Some(at(82));
    assert!(
        is_watched(complete_at(&complete, 200)),
        "a poll has confirmed it"
    );
    assert_eq!(shown(5, 80, 60), Shown::Confirm(ToConfirm::Work));
}
