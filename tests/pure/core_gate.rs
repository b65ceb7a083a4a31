//! The account's gate, under any interleaving of requests and answers, in virtual time.

use crate::cases::{Checked, for_each};
use growd::core::failure::{Failure, RetryAfter};
use growd::core::gate::{Admission, Gate, Kind, RETRY_AFTER_MAX, Request, UNREACHABLE_AFTER};
use growd::core::policy::{Growth, Policy, Polling, Retry};
use growd::core::{after, since};
use jiff::Timestamp;
use proptest::prelude::*;
use std::time::Duration;

const PROBE: Duration = Duration::from_mins(5);

fn policy() -> Policy {
    Policy {
        growth: Growth {
            chunk: 250,
            task_cap: 250,
            max_stalled: 2,
            max_waste: 250,
            daily_limit: 0,
            monthly_limit: 0,
            reserve_credits: 0,
            exclude_cap: 1_000,
            settle: Duration::from_mins(1),
        },
        polling: Polling {
            min_interval: Duration::from_secs(5),
            max_interval: Duration::from_mins(1),
            quiet_after: Duration::from_hours(6),
            list_page: 0,
        },
        retry: Retry {
            initial: Duration::from_secs(2),
            max: Duration::from_mins(5),
        },
        probe_interval: PROBE,
        keeps_results: true,
    }
}

fn start() -> Timestamp {
    "2026-11-24T02:22:00Z".parse().expect("a time")
}

fn detail() -> String {
    "injected".to_owned()
}

fn unauthorized() -> Failure {
    Failure::Unauthorized {
        status: 401,
        detail: detail(),
    }
}

fn payment() -> Failure {
    Failure::PaymentRequired {
        status: 402,
        detail: detail(),
    }
}

fn forbidden() -> Failure {
    Failure::Forbidden { detail: detail() }
}

fn rate_limited(seconds: Option<u64>) -> Failure {
    Failure::RateLimited {
        detail: detail(),
        retry_after: seconds.map(RetryAfter::Seconds),
    }
}

fn not_connected() -> Failure {
    Failure::NotConnected { detail: detail() }
}

fn unanswered() -> Failure {
    Failure::Unanswered {
        status: Some(503),
        detail: detail(),
        retry_after: None,
    }
}

fn refused() -> Failure {
    Failure::Refused {
        status: 400,
        detail: detail(),
    }
}

#[derive(Debug, Clone)]
enum Op {
    /// Begin a request, if the gate admits it.
    Begin(Request),
    /// Answer one of the requests in flight.
    Answer(prop::sample::Index, Option<Failure>),
    /// Let this many seconds pass.
    Wait(u64),
}

fn answers() -> impl Strategy<Value = Option<Failure>> {
    prop_oneof![
        3 => Just(None),
        2 => Just(Some(unauthorized())),
        2 => Just(Some(payment())),
        2 => prop::option::of(0_u64..=200_000).prop_map(|s| Some(rate_limited(s))),
        3 => Just(Some(not_connected())),
        1 => Just(Some(unanswered())),
        1 => Just(Some(refused())),
    ]
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let request = prop_oneof![
        Just(Request::Poll),
        Just(Request::List),
        Just(Request::Results),
        Just(Request::Resume),
        Just(Request::Create)
    ];
    let op = prop_oneof![
        4 => request.prop_map(Op::Begin),
        4 => (any::<prop::sample::Index>(), answers()).prop_map(|(i, f)| Op::Answer(i, f)),
        1 => (0_u64..=20).prop_map(Op::Wait),
        1 => (200_u64..=400).prop_map(Op::Wait),
    ];
    prop::collection::vec(op, 0..=60)
}

/// The gate, and what the test tracks of it.
struct World {
    now: Timestamp,
    gate: Gate,
    under_way: Vec<(Request, Timestamp)>,
    /// When the gate took its present kind.
    closed_at: Timestamp,
    /// When the last probe of this kind was admitted, or the gate closed.
    last_probe: Timestamp,
    /// The same for the last `payment_required`: another kind may come in between.
    last_payment_probe: Timestamp,
    /// The time that a 429 named, and when its request was begun.
    forbidden: Option<(Timestamp, Timestamp)>,
}

impl World {
    fn new() -> Self {
        let now = start();
        Self {
            now,
            gate: Gate::open(now),
            under_way: Vec::new(),
            closed_at: now,
            last_probe: now,
            last_payment_probe: now,
            forbidden: None,
        }
    }

    fn apply(&mut self, op: Op) -> Checked {
        // Time passes between any two operations.
        self.now = after(self.now, Duration::from_millis(10));
        match op {
            Op::Wait(seconds) => self.now = after(self.now, Duration::from_secs(seconds)),
            Op::Begin(request) => self.begin(request)?,
            Op::Answer(index, failure) if !self.under_way.is_empty() => {
                let (request, started_at) = self
                    .under_way
                    .swap_remove(index.index(self.under_way.len()));
                self.answer(request, failure.as_ref(), started_at)?;
            }
            Op::Answer(..) => {}
        }
        Ok(())
    }

    fn begin(&mut self, request: Request) -> Checked {
        let admission = self.gate.admits(request, self.now);
        let is_free = match (self.gate.kind, request) {
            (Kind::Open, _)
            | (Kind::PaymentRequired, Request::Poll | Request::List | Request::Results) => true,
            (_, _) => false,
        };
        prop_assert_eq!(admission == Admission::Free, is_free);
        if request == Request::Results && !is_free {
            // Results are never a probe.
            return Ok(());
        }
        if let Admission::Wait(until) = admission {
            prop_assert!(until > self.now);
            prop_assert!(since(self.now, until) <= RETRY_AFTER_MAX);
            return Ok(());
        }
        if let Some((until, _)) = self.forbidden {
            prop_assert!(self.now >= until, "begun before Retry-After was over");
        }
        if admission == Admission::Probe {
            let waited = since(self.last_probe, self.now);
            if matches!(self.gate.kind, Kind::Unauthorized | Kind::PaymentRequired) {
                prop_assert!(waited >= PROBE, "a probe after {:?}", waited);
            }
            self.last_probe = self.now;
            self.gate.probe_sent(self.now, &policy());
        }
        self.under_way.push((request, self.now));
        Ok(())
    }

    fn answer(
        &mut self,
        request: Request,
        failure: Option<&Failure>,
        started_at: Timestamp,
    ) -> Checked {
        let before = self.gate.kind;
        let is_refused = matches!(
            failure,
            Some(Failure::PaymentRequired { .. } | Failure::Forbidden { .. })
        );
        self.gate
            .learn(request, failure, started_at, self.now, &policy(), 0.5);
        let is_open = self.gate.kind == Kind::Open;
        prop_assert_eq!(self.gate.until.is_none(), is_open);
        if request == Request::Results && is_refused {
            prop_assert_eq!(self.gate.kind, before, "results hold up nothing else");
        }
        let holds_all = |kind| !matches!(kind, Kind::Open | Kind::PaymentRequired);
        if holds_all(before) && !holds_all(self.gate.kind) || before != Kind::Open && is_open {
            prop_assert!(started_at >= self.closed_at, "opened by an old answer");
            if let Some((_, limited_at)) = self.forbidden {
                prop_assert!(
                    started_at >= limited_at,
                    "opened by an older answer than the 429"
                );
            }
            self.forbidden = None;
        }
        let is_of_results = request == Request::Results && !holds_all(before);
        if is_of_results && matches!(failure, Some(Failure::RateLimited { .. })) {
            prop_assert_eq!(self.gate.kind, before, "results hold up nothing else");
        } else if let Some(Failure::RateLimited { retry_after, .. }) = failure {
            let seconds = match retry_after {
                Some(RetryAfter::Seconds(seconds)) => (*seconds).min(RETRY_AFTER_MAX.as_secs()),
                _ => 60,
            };
            let until = after(self.now, Duration::from_secs(seconds));
            let forbidden = (until, started_at);
            self.forbidden = Some(self.forbidden.map_or(forbidden, |held| held.max(forbidden)));
            prop_assert_eq!(self.gate.kind, Kind::RateLimited);
        }
        if before == Kind::PaymentRequired {
            self.last_payment_probe = self.last_probe;
        }
        if self.gate.kind != before {
            self.closed_at = self.now;
            self.last_probe = match (self.gate.kind, failure) {
                (_, Some(Failure::PaymentRequired { .. })) => self.now,
                (Kind::PaymentRequired, _) => self.last_payment_probe,
                (_, _) => self.now,
            };
        }
        Ok(())
    }
}

/// While the account is refused, at most one probe is sent in each interval. Polls continue while it has to pay.
/// Nothing is sent before the time of a 429. A request from before the gate closed never opens it.
#[test]
fn a_closed_gate_lets_through_only_what_its_kind_allows() {
    for_each(1_500, &ops(), |ops| {
        let mut world = World::new();
        ops.into_iter().try_for_each(|op| world.apply(op))
    });
}

/// The list is a poll of many tasks: the gate admits it, and learns from it, as from a poll.
#[test]
fn the_gate_makes_no_difference_between_a_poll_and_the_list() {
    for_each(500, &ops(), |ops| {
        let (mut polled, mut listed) = (World::new(), World::new());
        for op in ops {
            let listing = match op.clone() {
                Op::Begin(Request::Poll) => Op::Begin(Request::List),
                other => other,
            };
            polled.apply(op)?;
            listed.apply(listing)?;
            prop_assert_eq!(&polled.gate, &listed.gate);
        }
        Ok(())
    });
}

/// A later answer with another reason does not shorten the time that a 429 named.
#[test]
fn the_time_of_a_429_outlasts_the_answers_to_other_requests() {
    for (failure, probe) in [(unauthorized(), 301), (rate_limited(Some(5)), 65)] {
        let mut gate = Gate::open(start());
        learn(&mut gate, Some(&rate_limited(Some(60))), at(2), at(3));
        assert_eq!(gate.admits(Request::Poll, at(64)), Admission::Probe);
        gate.probe_sent(at(64), &policy());
        // The answer to a request from before the first 429.
        learn(&mut gate, Some(&rate_limited(Some(1_000))), at(1), at(65));
        learn(&mut gate, Some(&failure), at(64), at(66));
        let until = Admission::Wait(at(1_065));
        assert_eq!(gate.admits(Request::Poll, at(66 + probe)), until);
        gate.probe_now(at(67));
        assert_eq!(gate.admits(Request::Poll, at(67)), until);
        assert_eq!(gate.admits(Request::Poll, at(1_065)), Admission::Probe);
    }
}

/// A refusal of the results, and a 429 to them, concern the results only. A token that is refused concerns every request.
#[test]
fn only_what_concerns_every_request_closes_the_gate_by_an_answer_to_results() {
    for (failure, expected) in [
        (payment(), Kind::Open),
        (forbidden(), Kind::Open),
        (refused(), Kind::Open),
        (unanswered(), Kind::Open),
        (unauthorized(), Kind::Unauthorized),
        (rate_limited(None), Kind::Open),
    ] {
        let mut gate = Gate::open(start());
        let answer = Some(&failure);
        gate.learn(Request::Results, answer, at(1), at(2), &policy(), 0.0);
        assert_eq!(gate.kind, expected, "{failure:?}");
    }
    // That they can be read does not say that the account can pay.
    let mut gate = Gate::open(start());
    gate.learn(
        Request::Resume,
        Some(&payment()),
        at(1),
        at(2),
        &policy(),
        0.0,
    );
    let owing = gate.clone();
    for failure in [
        None,
        Some(payment()),
        Some(forbidden()),
        Some(refused()),
        Some(rate_limited(None)),
    ] {
        gate.learn(
            Request::Results,
            failure.as_ref(),
            at(3),
            at(4),
            &policy(),
            0.0,
        );
        assert_eq!(gate, owing, "{failure:?}");
    }
}

/// Once the service accepts the account again, the gate opens with the next probe, which comes within the longest wait.
#[test]
fn after_any_sequence_of_answers_a_success_opens_the_gate() {
    for_each(1_000, &ops(), |ops| {
        let mut world = World::new();
        for op in ops {
            world.apply(op)?;
        }
        world.under_way.clear();
        if let Some(until) = world.gate.until {
            world.now = world.now.max(until);
        }
        let request = Request::Resume;
        prop_assert!(!matches!(
            world.gate.admits(request, world.now),
            Admission::Wait(_)
        ));
        world.begin(request)?;
        world.answer(request, None, world.now)?;
        prop_assert_eq!(world.gate.kind, Kind::Open);
        Ok(())
    });
}

fn learn(gate: &mut Gate, failure: Option<&Failure>, started_at: Timestamp, now: Timestamp) {
    gate.learn(Request::Poll, failure, started_at, now, &policy(), 0.0);
}

fn at(seconds: i64) -> Timestamp {
    let seconds = Duration::from_secs(u64::try_from(seconds).expect("not before the start"));
    after(start(), seconds)
}

/// Four in a row do not close it, nor does any number with an answer in between.
#[test]
fn the_fifth_failed_connection_in_a_row_closes_the_gate() {
    let mut gate = Gate::open(at(0));
    for round in 0..3 {
        for _ in 1..UNREACHABLE_AFTER {
            learn(&mut gate, Some(&not_connected()), at(round), at(round));
            assert_eq!(gate.kind, Kind::Open);
        }
        learn(&mut gate, Some(&unanswered()), at(round), at(round));
    }
    for n in 1..=UNREACHABLE_AFTER {
        assert_eq!(gate.kind, Kind::Open, "before failure {n}");
        learn(&mut gate, Some(&not_connected()), at(4), at(4));
    }
    assert_eq!(gate.kind, Kind::Unreachable);
}

/// Sixteen requests in flight that fail together count once: the first probe follows after `retry.initial`, not after
/// `retry.max`.
#[test]
fn connections_that_fail_together_do_not_lengthen_the_wait() {
    let mut gate = Gate::open(at(0));
    for _ in 0..16 {
        learn(&mut gate, Some(&not_connected()), at(1), at(2));
    }
    assert_eq!(gate.kind, Kind::Unreachable);
    assert_eq!(gate.until, Some(at(3)), "half of 2 s, as jitter is 0");

    let mut now = at(3);
    let mut waits = Vec::new();
    for _ in 0..12 {
        assert_eq!(gate.admits(Request::Poll, now), Admission::Probe);
        gate.probe_sent(now, &policy());
        assert!(matches!(
            gate.admits(Request::Poll, now),
            Admission::Wait(_)
        ));
        learn(&mut gate, Some(&not_connected()), now, now);
        let until = gate.until.expect("closed");
        waits.push(since(now, until).as_secs());
        now = until;
    }
    assert_eq!(waits[..4], [2, 4, 8, 16]);
    assert_eq!(waits[11], 150, "half of retry.max");
}

/// After a probe with a 429, the wait is that of the 429, not the probe interval.
#[test]
fn each_429_closes_the_gate_for_its_time_within_bounds() {
    let mut gate = Gate::open(at(0));
    learn(&mut gate, Some(&rate_limited(Some(10))), at(0), at(0));
    assert_eq!(gate.until, Some(at(10)));
    gate.probe_sent(at(10), &policy());
    learn(&mut gate, Some(&rate_limited(Some(10))), at(10), at(11));
    assert_eq!(gate.until, Some(at(21)));

    // An older request's 429 lengthens the wait, and never shortens it.
    learn(&mut gate, Some(&rate_limited(Some(1))), at(0), at(12));
    assert_eq!(gate.until, Some(at(21)));
    learn(&mut gate, Some(&rate_limited(Some(60))), at(0), at(12));
    assert_eq!(gate.until, Some(at(72)));

    let day = i64::try_from(RETRY_AFTER_MAX.as_secs()).expect("small");
    let dated = |at| Failure::RateLimited {
        detail: detail(),
        retry_after: Some(RetryAfter::At(at)),
    };
    for (failure, wait) in [
        (rate_limited(Some(0)), 1),
        (rate_limited(Some(u64::MAX)), day),
        (dated(at(130)), 30),
        (dated(at(99)), 1),
        (dated(Timestamp::MAX), day),
        (rate_limited(None), 60),
    ] {
        let mut gate = Gate::open(at(0));
        learn(&mut gate, Some(&failure), at(100), at(100));
        assert_eq!(gate.until, Some(at(100 + wait)), "{failure:?}");
    }
}

/// Without `Retry-After` the wait starts at a minute, whatever closed the gate before, and doubles up to an hour.
#[test]
fn a_429_without_a_time_backs_off_from_a_minute() {
    let mut gate = Gate::open(at(0));
    for _ in 0..12 {
        learn(&mut gate, Some(&not_connected()), at(1), at(1));
    }
    let mut now = at(2);
    let mut waits = Vec::new();
    for _ in 0..8 {
        gate.probe_sent(now, &policy());
        learn(&mut gate, Some(&rate_limited(None)), now, now);
        let until = gate.until.expect("closed");
        waits.push(since(now, until).as_secs());
        now = until;
    }
    assert_eq!(waits, [60, 120, 240, 480, 960, 1920, 3600, 3600]);
}

/// Requests in flight when a 429 closes the gate fail in other ways: none of these shortens the wait or admits polls
/// again.
#[test]
fn late_failures_do_not_loosen_a_gate() {
    for late in [payment(), unauthorized(), not_connected()] {
        let mut gate = Gate::open(at(0));
        learn(&mut gate, Some(&rate_limited(Some(3_600))), at(1), at(2));
        for _ in 0..UNREACHABLE_AFTER {
            gate.learn(Request::Resume, Some(&late), at(1), at(3), &policy(), 0.0);
        }
        assert_eq!(gate.kind, Kind::RateLimited, "{late:?}");
        assert_eq!(gate.until, Some(at(3_602)), "{late:?}");
    }
    let mut gate = Gate::open(at(0));
    learn(&mut gate, Some(&unauthorized()), at(1), at(2));
    gate.learn(
        Request::Resume,
        Some(&payment()),
        at(1),
        at(3),
        &policy(),
        0.0,
    );
    assert_eq!(gate.kind, Kind::Unauthorized);
    // A failure that blocks more counts, however old it is.
    let mut gate = Gate::open(at(0));
    gate.learn(
        Request::Resume,
        Some(&payment()),
        at(1),
        at(2),
        &policy(),
        0.0,
    );
    learn(&mut gate, Some(&unauthorized()), at(1), at(3));
    assert_eq!(gate.kind, Kind::Unauthorized);
}

/// A 402 to a poll concerns the whole account; one to a resume does not stop polls. A probe that is rejected because of
/// its task says nothing about the payment.
#[test]
fn a_402_closes_the_gate_for_polls_only_if_a_poll_met_it() {
    let mut gate = Gate::open(at(0));
    learn(&mut gate, Some(&payment()), at(1), at(1));
    assert_eq!(gate.kind, Kind::Unauthorized);

    let mut gate = Gate::open(at(0));
    let resume = Request::Resume;
    gate.learn(resume, Some(&payment()), at(1), at(1), &policy(), 0.0);
    assert_eq!(gate.kind, Kind::PaymentRequired);
    assert_eq!(gate.reason.as_deref(), Some("injected"));
    assert_eq!(gate.admits(Request::Poll, at(2)), Admission::Free);
    learn(&mut gate, None, at(2), at(3));
    assert_eq!(gate.admits(resume, at(3)), Admission::Wait(at(301)));
    assert_eq!(gate.admits(resume, at(301)), Admission::Probe);
    gate.probe_sent(at(301), &policy());
    gate.learn(resume, Some(&refused()), at(301), at(302), &policy(), 0.0);
    assert_eq!(gate.admits(resume, at(302)), Admission::Wait(at(601)));
    gate.probe_sent(at(601), &policy());
    gate.learn(resume, None, at(601), at(602), &policy(), 0.0);
    assert_eq!(gate.kind, Kind::Open);
}

/// After a start, what the operator may have repaired is probed at once; the time of a 429 is kept, within bounds.
/// A payment that is due is not forgotten while the service is unreachable or limits the rate.
#[test]
fn a_402_outlasts_the_other_reasons_that_close_the_gate() {
    let mut gate = Gate::open(start());
    let mut answer = |request, failure: Option<Failure>, seconds| {
        let now = at(seconds);
        gate.learn(request, failure.as_ref(), now, now, &policy(), 0.5);
        gate.clone()
    };
    let until = answer(Request::Resume, Some(payment()), 0).until;
    let limited = answer(Request::Poll, Some(rate_limited(Some(30))), 1);
    assert_eq!(limited.kind, Kind::RateLimited);
    let owing = answer(Request::Poll, None, 40);
    assert_eq!((owing.kind, owing.until), (Kind::PaymentRequired, until));
    assert_eq!(owing.reason, Some(detail()));
    assert_eq!(answer(Request::Resume, None, 400).kind, Kind::Open);
}

#[test]
fn a_restored_gate_keeps_the_time_of_a_429_and_else_probes_at_once() {
    for kind in [Kind::Unauthorized, Kind::PaymentRequired, Kind::Unreachable] {
        let mut gate = Gate::restored(kind, None, Some(at(900)), at(10));
        assert_eq!(gate.admits(Request::Resume, at(10)), Admission::Probe);
        gate.probe_sent(at(10), &policy());
        gate.learn(Request::Resume, None, at(10), at(11), &policy(), 0.0);
        assert_eq!(gate.kind, Kind::Open, "{kind:?}");
    }
    let gate = Gate::restored(Kind::RateLimited, None, Some(at(900)), at(10));
    assert_eq!(gate.until, Some(at(900)));
    let gate = Gate::restored(Kind::RateLimited, None, Some(Timestamp::MAX), at(10));
    assert_eq!(gate.until, Some(after(at(10), RETRY_AFTER_MAX)));
    let gate = Gate::restored(Kind::Open, None, Some(at(900)), at(10));
    assert_eq!(gate, Gate::open(at(10)));
}

/// After a reload the next probe is due at once, unless the service named a time.
#[test]
fn a_reload_makes_the_next_probe_due() {
    let mut gate = Gate::open(at(0));
    learn(&mut gate, Some(&unauthorized()), at(1), at(1));
    gate.probe_now(at(5));
    assert_eq!(gate.admits(Request::Poll, at(5)), Admission::Probe);
    let mut gate = Gate::open(at(0));
    learn(&mut gate, Some(&rate_limited(Some(60))), at(1), at(1));
    gate.probe_now(at(5));
    assert_eq!(gate.admits(Request::Poll, at(5)), Admission::Wait(at(61)));
}

#[test]
fn each_kind_of_gate_parses_from_its_name() {
    for kind in [
        Kind::Open,
        Kind::Unauthorized,
        Kind::PaymentRequired,
        Kind::RateLimited,
        Kind::Unreachable,
    ] {
        assert_eq!(Kind::parse(kind.as_str()), Some(kind));
    }
    assert_eq!(Kind::parse("ajar"), None);
}
