//! Readings of results against polls and resumes, in virtual time: the order and the shares of `core::priority`, and the daemon's rate
//! limiter, in a loop like that of the scheduler.

use growd::core::gate::Request;
use growd::core::priority::{Load, Priority};
use growd::daemon::scheduling::RateLimiter;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

/// The tasks whose results are to be read: each takes so many pages, one after the other.
const READINGS: usize = 1_000;
const PAGES: usize = 3;

/// The tasks that are polled.
const POLLED: u32 = 40;

/// The time from a poll of a task to the next. It shares no factor with the other times, so that polls become due at any moment.
const INTERVAL: Duration = Duration::from_millis(7_919);

/// One poll in so many leads to a resume.
const RESUMED: usize = 5;

/// What a run does, and what it took.
struct Run {
    concurrency: usize,
    rate: f64,
    latency: Duration,
    readings: usize,
    /// The longest wait of a poll, from when it is due, without the slots that resumes took meanwhile: these go before polls anyway. That of
    /// a resume, from when it is known.
    poll_wait: Duration,
    resume_wait: Duration,
    pages: usize,
    peak_results: usize,
}

enum Ended {
    /// How long its resume waited, if there was one.
    Poll(Option<Duration>),
    /// The pages that are left of this reading.
    Results(usize),
}

impl Run {
    fn new(concurrency: usize, rate: f64, latency: u64, readings: usize) -> Self {
        Self {
            concurrency,
            rate,
            latency: Duration::from_millis(latency),
            readings,
            poll_wait: Duration::ZERO,
            resume_wait: Duration::ZERO,
            pages: 0,
            peak_results: 0,
        }
    }

    /// The time between two requests by the rate limit.
    fn spacing(&self) -> Duration {
        if self.rate > 0.0 {
            Duration::from_secs_f64(1.0 / self.rate)
        } else {
            Duration::ZERO
        }
    }

    /// Polls for `span`, and reads results meanwhile.
    async fn run(mut self, span: Duration) -> Self {
        let limiter = Arc::new(RateLimiter::new(self.rate));
        let begin = Instant::now();
        let mut due: VecDeque<Instant> = (0..POLLED)
            .map(|task| begin + INTERVAL * task / POLLED)
            .collect();
        let mut unread: VecDeque<usize> = std::iter::repeat_n(PAGES, self.readings).collect();
        let mut priority = Priority::default();
        let mut running = JoinSet::new();
        let resumed_at = Arc::new(Mutex::new(Vec::<Instant>::new()));
        let (mut results, mut polls) = (0, 0);
        while begin.elapsed() < span {
            let mut wake = begin + span;
            'next: while running.len() < self.concurrency {
                if let Some(slot) = limiter.next_free() {
                    wake = wake.min(slot);
                    break;
                }
                let now = Instant::now();
                let load = Load {
                    pages: 0,
                    results,
                    searches: 0,
                };
                for request in priority.order() {
                    let begins = match request {
                        Request::Poll => due.front().is_some_and(|at| *at <= now),
                        Request::Results => !unread.is_empty(),
                        Request::List | Request::Resume | Request::Create => false,
                    };
                    if !begins || !load.admits(request, self.concurrency, false) {
                        continue;
                    }
                    limiter.try_take().expect("a slot is free");
                    priority.begun(request);
                    let (latency, limiter) = (self.latency, limiter.clone());
                    if request == Request::Poll {
                        let at = due.pop_front().unwrap();
                        // Whatever the wait, so that two runs have the same polls to send.
                        due.push_back(at + INTERVAL);
                        let sent = resumed_at.lock().unwrap();
                        let before = sent.iter().rev().take_while(|sent| **sent >= at).count();
                        drop(sent);
                        let of_resumes = self.spacing() * u32::try_from(before).unwrap();
                        let waited = (now - at).saturating_sub(of_resumes);
                        self.poll_wait = self.poll_wait.max(waited);
                        polls += 1;
                        let resumes = polls % RESUMED == 0;
                        let resumed_at = resumed_at.clone();
                        running.spawn(async move {
                            sleep(latency).await;
                            if !resumes {
                                return Ended::Poll(None);
                            }
                            let known_at = Instant::now();
                            limiter.take().await.spend();
                            let waited = known_at.elapsed();
                            resumed_at.lock().unwrap().push(Instant::now());
                            sleep(latency).await;
                            Ended::Poll(Some(waited))
                        });
                    } else {
                        let left = unread.pop_front().unwrap() - 1;
                        results += 1;
                        self.peak_results = self.peak_results.max(results);
                        running.spawn(async move {
                            sleep(latency).await;
                            Ended::Results(left)
                        });
                    }
                    continue 'next;
                }
                wake = due.front().map_or(wake, |at| wake.min(*at));
                break;
            }
            let ended = tokio::select! {
                biased;
                Some(ended) = running.join_next() => ended.expect("no panic"),
                () = sleep_until(wake) => continue,
            };
            match ended {
                Ended::Poll(waited) => {
                    self.resume_wait = self.resume_wait.max(waited.unwrap_or_default());
                }
                Ended::Results(left) => {
                    results -= 1;
                    self.pages += 1;
                    if left > 0 {
                        unread.push_front(left);
                    }
                }
            }
        }
        self
    }
}

#[tokio::test(start_paused = true)]
async fn a_thousand_readings_delay_no_poll_and_no_resume_by_more_than_one_request() {
    for (concurrency, rate, latency, is_full) in [
        (16, 10.0, 300, false),
        (16, 10.0, 2_000, true),
        (8, 0.0, 300, false),
        (1, 0.0, 37, true),
        (1, 10.0, 37, true),
    ] {
        let span = Duration::from_mins(30);
        let alone = Run::new(concurrency, rate, latency, 0).run(span).await;
        let read = Run::new(concurrency, rate, latency, READINGS)
            .run(span)
            .await;
        let case = format!("{concurrency} at a time, {rate} a second, {latency} ms");
        assert_eq!(read.pages, READINGS * PAGES, "{case}");
        let peak = read.peak_results;
        assert!(peak <= (concurrency / 4).max(1), "{case}: {peak}");
        // One request's time: the spacing of the rate limit, or, if all requests in flight are used, the duration of one.
        let spacing = read.spacing();
        let request = if is_full {
            spacing.max(read.latency)
        } else {
            spacing
        };
        for (what, alone, read) in [
            ("polls", alone.poll_wait, read.poll_wait),
            ("resumes", alone.resume_wait, read.resume_wait),
        ] {
            // A poll can be sent up to half a spacing early, and a resume cannot. Timers are as fine as a millisecond.
            let most = alone + request + spacing / 2 + Duration::from_millis(2);
            assert!(
                read <= most,
                "{case}: {what} wait {read:?}, alone {alone:?}"
            );
        }
    }
}

#[test]
fn polls_and_pages_take_turns_and_results_come_last() {
    let mut priority = Priority::default();
    for round in 0..4 {
        let [first, second, last] = priority.order();
        assert_eq!(last, Request::Results);
        let expected = [Request::List, Request::Poll];
        assert_eq!(first, expected[round % 2]);
        assert_eq!(second, expected[(round + 1) % 2]);
        // Results in between change nothing.
        priority.begun(Request::Results);
        assert_eq!(priority.order()[0], first);
        priority.begun(first);
    }
    // If the first kind has nothing to be asked for, the second goes, and the first is tried again.
    let first = priority.order()[0];
    priority.begun(priority.order()[1]);
    assert_eq!(priority.order()[0], first);
}

#[test]
fn pages_and_searches_have_a_quarter_of_the_requests_each_and_pages_of_the_list_are_no_probes() {
    for (concurrency, share) in [(1, 1), (3, 1), (7, 1), (8, 2), (16, 4), (64, 16)] {
        for in_flight in 0..=share {
            let load = Load {
                pages: in_flight,
                results: in_flight,
                searches: in_flight,
            };
            for probing in [false, true] {
                let admits = |request| load.admits(request, concurrency, probing);
                assert!(admits(Request::Poll) && admits(Request::Resume));
                assert_eq!(admits(Request::Results), in_flight < share);
                assert_eq!(admits(Request::Create), in_flight < share);
                assert_eq!(admits(Request::List), in_flight < share && !probing);
            }
        }
    }
}
