//! Steps that depend on several answers: missing tasks, quiet tasks, refusals of the account or of one task, and
//! answers with `Retry-After`. Pure: no clock, no I/O.

use crate::pollers::account;
use growd::core::event::Event;
use growd::core::gate::{Admission, Gate, Kind, Request};
use growd::core::paid_request::{PaidRequest, RequestState};
use growd::core::policy::{Growth, Policy, Polling, Retry};
use growd::core::progress::Progress;
use growd::core::resume::Resume;
use growd::core::step::{self, PollAnswer, ResumeAnswer, Step};
use growd::core::task::{Task, Wanted};
use growd::core::{Failure, Observation, RetryAfter, State, Status, after};
use jiff::Timestamp;
use std::time::Duration;

const SETTLE: Duration = Duration::from_mins(1);
const DAY: Duration = Duration::from_hours(24);

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
            settle: SETTLE,
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
        probe_interval: Duration::from_mins(5),
        keeps_results: true,
    }
}

fn start() -> Timestamp {
    "2026-11-24T02:22:00Z".parse().unwrap()
}

fn at(seconds: u64) -> Timestamp {
    after(start(), Duration::from_secs(seconds))
}

fn task() -> Task {
    Task {
        id: "a-task".parse().unwrap(),
        wanted: Wanted {
            target: 100,
            chunk: None,
            paused: false,
            budget: None,
            is_superseded: false,
        },
        edited_at: Some(start()),
        progress: Progress::new(start()),
        resume: None,
        is_bounded: false,
        lost: 0,
    }
}

fn running(results: i64) -> Observation {
    Observation {
        status: Status::InProgress,
        is_exhausted: false,
        desired: 100,
        discovered: results,
        enriched: results,
        evaluated: results,
        results,
        query: None,
    }
}

fn not_found() -> Failure {
    Failure::NotFound {
        status: 404,
        detail: "no such task".to_owned(),
    }
}

fn unavailable(retry_after: Option<RetryAfter>) -> Failure {
    Failure::Unanswered {
        status: Some(503),
        detail: "503: busy".to_owned(),
        retry_after,
    }
}

/// Polls the task at a time, and stores the step.
fn poll(task: &mut Task, at: Timestamp, outcome: Result<Observation, Failure>) -> Step {
    let account = account(at);
    let poll = PollAnswer {
        started_at: at,
        answered_at: at,
        outcome,
    };
    let step =
        step::poll_answered(task, &poll, &policy(), &account, 0.5).expect("a legal transition");
    task.progress = step.progress.clone();
    step
}

fn kinds(step: &Step) -> Vec<&str> {
    step.events.iter().map(Event::kind).collect()
}

#[test]
fn a_task_is_missing_after_three_404s_in_a_row_over_a_settling_time() {
    let mut task = task();
    poll(&mut task, at(0), Ok(running(20)));
    // Three at once count as one passing fault.
    for second in [10, 11, 12] {
        poll(&mut task, at(second), Err(not_found()));
        assert_eq!(task.progress.state, State::Growing);
        let reason = task.progress.reason.as_deref().unwrap();
        assert!(reason.contains("no such task"), "{reason}");
        let next = task.progress.next_poll_at.unwrap();
        assert!(next <= at(second + 60), "{next}");
    }
    let step = poll(&mut task, at(70), Err(not_found()));
    assert_eq!(task.progress.state, State::Missing);
    assert_eq!(kinds(&step), ["state"]);
    // Once a day from then on, and it recovers by itself.
    assert_eq!(task.progress.next_poll_at, Some(after(at(70), DAY)));
    let step = poll(&mut task, at(80_000), Err(not_found()));
    assert_eq!(task.progress.next_poll_at, Some(after(at(80_000), DAY)));
    assert!(kinds(&step).is_empty());
    poll(&mut task, at(170_000), Ok(running(30)));
    assert_eq!(task.progress.state, State::Growing);
    assert_eq!(task.progress.absences, 0);
}

#[test]
fn anything_but_a_404_in_between_begins_the_count_anew() {
    for other in [Ok(running(20)), Err(unavailable(None))] {
        let mut task = task();
        poll(&mut task, at(0), Err(not_found()));
        poll(&mut task, at(40), Err(not_found()));
        poll(&mut task, at(80), other);
        poll(&mut task, at(120), Err(not_found()));
        poll(&mut task, at(130), Err(not_found()));
        assert_ne!(task.progress.state, State::Missing);
        poll(&mut task, at(180), Err(not_found()));
        assert_eq!(task.progress.state, State::Missing);
    }
}

#[test]
fn a_running_task_without_any_change_is_reported_as_quiet_once_and_when_it_moves() {
    let not_understood = || Failure::NotUnderstood {
        status: 200,
        detail: "an HTML page".to_owned(),
    };
    let unknown = || Observation {
        status: Status::Unknown("cancelled".to_owned()),
        ..running(20)
    };
    for same in [Ok(running(20)), Ok(unknown()), Err(not_understood())] {
        let mut task = task();
        poll(&mut task, at(0), same.clone());
        let six_hours = 6 * 60 * 60;
        let step = poll(&mut task, at(six_hours - 10), same.clone());
        assert!(!kinds(&step).contains(&"quiet"), "{same:?}");
        let step = poll(&mut task, at(six_hours + 10), same.clone());
        assert!(kinds(&step).contains(&"quiet"), "{same:?}");
        assert!(task.progress.quiet_at.is_some());
        let step = poll(&mut task, at(six_hours + 70), same.clone());
        assert!(kinds(&step).is_empty(), "{same:?}: {:?}", step.events);
        assert!(task.progress.next_poll_at.is_some(), "polling goes on");
        let step = poll(&mut task, at(six_hours + 130), Ok(running(21)));
        assert!(kinds(&step).contains(&"moved"), "{same:?}");
        assert_eq!(task.progress.quiet_at, None);
    }
}

#[test]
fn a_missing_task_is_not_quiet() {
    let mut task = task();
    poll(&mut task, at(0), Ok(running(20)));
    poll(&mut task, at(7 * 60 * 60), Ok(running(20)));
    assert!(task.progress.quiet_at.is_some());
    for second in [30_000, 30_030, 30_070] {
        poll(&mut task, at(second), Err(not_found()));
    }
    assert_eq!(task.progress.state, State::Missing);
    assert_eq!(task.progress.quiet_at, None);
}

/// A shortfall that was seen before the clock went back by two hours is concluded within settling times, not hours.
#[test]
fn a_clock_that_went_back_does_not_hold_a_shortfall() {
    let mut task = task();
    let later = |seconds: u64| at(7_200 + seconds);
    let done = Observation {
        status: Status::Done,
        desired: 100,
        ..running(60)
    };
    task.progress.changed_at = Some(later(50));
    task.progress.seen = Some(done.clone());
    task.progress.best_results = 60;
    task.resume = Some(Resume {
        request: PaidRequest {
            state: RequestState::Accepted,
            resolved_at: Some(later(1)),
            ..resume().request
        },
        effect_at: Some(later(2)),
        shown_at: Some(later(2)),
        ..resume()
    });
    for second in [100, 130, 165] {
        let step = poll(&mut task, at(second), Ok(done.clone()));
        task.resume = step.resume.or(task.resume);
    }
    let brought = task.resume.unwrap().brought;
    assert_eq!(brought, Some(40));
}

#[test]
fn an_edit_restarts_the_quiet_time() {
    let mut task = task();
    poll(&mut task, at(0), Ok(running(20)));
    task.edited_at = Some(at(20_000));
    poll(&mut task, at(22_000), Ok(running(20)));
    assert_eq!(task.progress.quiet_at, None);
    poll(&mut task, at(42_000), Ok(running(20)));
    assert!(task.progress.quiet_at.is_some());
}

#[test]
fn a_503_with_a_retry_after_delays_the_next_poll_of_its_task_for_a_day_at_most() {
    for (seconds, waits) in [(1, 1..=5), (120, 120..=120), (u64::MAX, 86_400..=86_400)] {
        let mut task = task();
        let retry_after = Some(RetryAfter::Seconds(seconds));
        poll(&mut task, at(0), Err(unavailable(retry_after)));
        let next = task.progress.next_poll_at.unwrap();
        let waited = next.duration_since(at(0)).as_secs();
        assert!(waits.contains(&u64::try_from(waited).unwrap()), "{waited}");
    }
}

#[test]
fn a_poll_that_is_refused_concerns_the_task_only_where_the_account_is_accepted() {
    let forbidden = || Failure::Forbidden {
        detail: "not yours".to_owned(),
    };
    assert!(forbidden().is_ambiguous() && !not_found().is_ambiguous());
    let own = forbidden().explained_by(Ok(()));
    assert!(
        matches!(&own, Failure::NotFound { status: 403, detail } if detail.contains("not yours")),
        "{own:?}"
    );
    for refused in [
        forbidden(),
        Failure::Unauthorized {
            status: 401,
            detail: "no".to_owned(),
        },
    ] {
        let all = forbidden().explained_by::<()>(Err(refused));
        assert!(matches!(all, Failure::Unauthorized { status: 403, .. }));
    }
    let unclear = forbidden().explained_by::<()>(Err(unavailable(None)));
    assert!(matches!(unclear, Failure::Unanswered { .. }), "{unclear:?}");
    let busy = Failure::RateLimited {
        detail: "slow down".to_owned(),
        retry_after: None,
    };
    assert_eq!(forbidden().explained_by::<()>(Err(busy.clone())), busy);
}

#[test]
fn a_403_to_a_resume_holds_resumes_only_and_the_next_probe_is_another_tasks() {
    let mut gate = Gate::open(at(0));
    let forbidden = Failure::Forbidden {
        detail: "not in your plan".to_owned(),
    };
    gate.learn(
        Request::Resume,
        Some(&forbidden),
        at(1),
        at(1),
        &policy(),
        0.5,
    );
    assert_eq!(gate.kind, Kind::PaymentRequired);
    assert_eq!(gate.reason.as_deref(), Some("not in your plan"));
    assert_eq!(gate.admits(Request::Poll, at(2)), Admission::Free);
    let until = gate.until.unwrap();
    let grace = Duration::from_secs(5);
    assert_eq!(gate.admits(Request::Resume, until), Admission::Probe);
    let later = after(until, grace);
    assert_eq!(gate.admits_forbidden(until, grace), Admission::Wait(later));
    // If no other task was polled by then, the same one is the probe.
    assert_eq!(gate.admits_forbidden(later, grace), Admission::Probe);
    // A successful poll says nothing about the payment.
    gate.learn(Request::Poll, None, at(3), at(3), &policy(), 0.5);
    assert_eq!(gate.kind, Kind::PaymentRequired);
}

#[test]
fn a_401_to_a_token_that_was_replaced_since_says_nothing_about_the_account() {
    let superseded = Failure::Superseded {
        status: 401,
        detail: "invalid token".to_owned(),
    };
    for request in [Request::Poll, Request::Resume] {
        let mut gate = Gate::open(at(0));
        gate.learn(request, Some(&superseded), at(1), at(2), &policy(), 0.5);
        assert_eq!(gate.kind, Kind::Open);
    }
    let mut task = task();
    poll(&mut task, at(0), Err(superseded));
    // This is not a failure of the task: it is due again after `min_interval`.
    assert_eq!(task.progress.failures, 0);
    assert_eq!(task.progress.next_poll_at, Some(at(5)));
}

fn resume() -> Resume {
    Resume {
        request: PaidRequest::intended(1, 80, at(0)),
        baseline_desired: 20,
        baseline_results: 20,
        best_results: 20,
        effect_at: None,
        shown_at: None,
        idle: None,
        brought: None,
    }
}

fn answered(outcome: Result<Observation, Failure>) -> (Task, Step) {
    let mut task = task();
    task.resume = Some(resume());
    let answer = ResumeAnswer {
        resume_id: 1,
        started_at: at(0),
        answered_at: at(1),
        http_status: outcome.as_ref().err().and_then(Failure::status),
        outcome,
    };
    let step = step::resume_answered(&task, &resume(), &answer, &policy(), 0.5)
        .expect("a legal transition");
    (task, step)
}

#[test]
fn a_404_to_a_resume_is_rejected_and_ends_nothing_before_polls_confirm_it() {
    let (_, step) = answered(Err(not_found()));
    assert_eq!(step.resume.unwrap().request.state, RequestState::Rejected);
    assert_eq!(step.progress.state, State::Growing);
    assert!(step.progress.next_poll_at.is_some());
}

#[test]
fn a_refused_task_is_polled_once_more_since_the_polls_before_may_have_been_stale() {
    let refused = Failure::Refused {
        status: 400,
        detail: "still running".to_owned(),
    };
    let (mut task, step) = answered(Err(refused));
    task.resume = step.resume;
    task.progress = step.progress;
    let done = Observation {
        status: Status::Done,
        ..running(20)
    };
    poll(&mut task, at(6), Ok(done.clone()));
    assert_eq!(task.progress.state, State::Refused);
    assert_eq!(task.progress.next_poll_at, Some(at(61)));
    // More results than at the refusal lift it, as a running task does.
    let mut other = task.clone();
    poll(&mut task, at(61), Ok(done));
    assert_eq!(
        (task.progress.state, task.progress.next_poll_at),
        (State::Refused, None)
    );
    let step = poll(&mut other, at(61), Ok(running(20)));
    assert!(kinds(&step).contains(&"refusal_lifted"));
    assert_eq!(other.progress.state, State::Growing);
}
