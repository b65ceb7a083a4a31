//! Whether a paid request may be sent: limits, credits and budgets.

use crate::cases::for_each;
use crate::pollers::{account, start};
use growd::core::decide::{Decision, LedgerView, Next, Waste, decide};
use growd::core::gate::{Admission, Request};
use growd::core::policy::Growth;
use growd::core::spending::{
    Account, Allowance, Budget, CREDITS_INTERVAL, Credits, Limit, Used, Windows, may_spend,
};
use growd::core::task::Wanted;
use growd::core::{Observation, State, Status, after};
use jiff::Timestamp;
use proptest::prelude::*;
use std::time::Duration;

const HOUR: Duration = Duration::from_hours(1);

fn growth() -> Growth {
    Growth {
        chunk: 250,
        task_cap: 250,
        max_stalled: 2,
        max_waste: 250,
        daily_limit: 100,
        monthly_limit: 1_000,
        reserve_credits: 40,
        exclude_cap: 1_000,
        settle: Duration::from_mins(1),
    }
}

fn at(hours: u32) -> Timestamp {
    after(start(), HOUR * hours)
}

fn used(limit: Limit, requested: i64, frees_at: Timestamp) -> Used {
    Used {
        limit,
        requested,
        frees_at: Some(frees_at),
    }
}

/// Each reason hides those after it, for both kinds of paid requests.
#[test]
fn the_first_reason_to_wait_counts() {
    let growth = growth();
    let exhausted = Allowance::of(&[used(Limit::Daily, 100, at(7))], &growth);
    let short = Credits::Short {
        available: Some(39),
        ask_again_at: at(8),
    };
    let mut account = Account {
        draining: true,
        admission: Admission::Wait(at(6)),
        gate_reason: "no plan",
        allowance: exhausted,
        credits: short,
        ..account(start())
    };
    let mut held_until = Some(at(5));
    let expect = |account: &Account<'_>, held_until, words: &str, next: Next| {
        for request in [Request::Resume, Request::Create] {
            let wait = may_spend(request, held_until, account, &growth).unwrap_err();
            let begin = format!("a {} is due; ", request.as_str());
            assert!(wait.reason.starts_with(&begin), "{}", wait.reason);
            assert!(wait.reason.contains(words), "{}", wait.reason);
            assert_eq!(wait.next, next);
        }
    };
    expect(&account, held_until, "stopping", Next::Due);
    account.draining = false;
    expect(&account, held_until, "did not arrive", Next::At(at(5)));
    held_until = None;
    expect(&account, held_until, "no plan", Next::At(at(6)));
    account.admission = Admission::Probe;
    let words = "growth.daily_limit (100) is used up";
    expect(&account, held_until, words, Next::Limit(at(7)));
    account.allowance.left = Some(3);
    let words = "39 credits, below growth.reserve_credits (40)";
    expect(&account, held_until, words, Next::At(at(8)));
    account.credits = Credits::Short {
        available: None,
        ask_again_at: at(8),
    };
    expect(&account, held_until, "not known", Next::At(at(8)));
    account.credits = Credits::Unknown;
    expect(&account, held_until, "asking", Next::AskCredits);
    for credits in [Credits::Off, Credits::Enough] {
        account.credits = credits;
        let left = may_spend(Request::Create, None, &account, &growth);
        assert_eq!(left, Ok(Some(3)));
    }
    account.allowance = Allowance::UNLIMITED;
    assert_eq!(
        may_spend(Request::Create, None, &account, &growth),
        Ok(None)
    );
}

#[test]
fn no_limit_is_exceeded_and_of_two_that_are_used_up_the_later_one_is_waited_for() {
    let cases = (0_i64..=300, 0_i64..=300, 1_u32..=20, 21_u32..=700);
    for_each(300, &cases, |(of_day, of_month, first, second)| {
        let growth = Growth {
            monthly_limit: 200,
            ..growth()
        };
        let used = [
            used(Limit::Daily, of_day, at(first)),
            used(Limit::Monthly, of_month, at(second)),
        ];
        let Allowance {
            left,
            frees_at,
            limit,
        } = Allowance::of(&used, &growth);
        let expected = (100 - of_day).min(200 - of_month).max(0);
        prop_assert_eq!(left, Some(expected));
        if of_day >= 100 && of_month >= 200 {
            prop_assert_eq!((limit, frees_at), (Limit::Monthly, Some(at(second))));
        } else if expected == 0 {
            let by_day = of_day >= 100;
            prop_assert_eq!(limit == Limit::Daily, by_day);
        }
        let only_daily = Growth {
            monthly_limit: 0,
            ..growth
        };
        let left = Allowance::of(&used, &only_daily).left;
        prop_assert_eq!(left, Some((100 - of_day).max(0)));
        Ok(())
    });
    let none = Growth {
        daily_limit: 0,
        monthly_limit: 0,
        ..growth()
    };
    let used = [used(Limit::Daily, 100, at(1))];
    assert_eq!(Allowance::of(&used, &none), Allowance::UNLIMITED);
}

#[test]
fn four_fifths_of_a_limit_are_near_and_less_is_not() {
    for_each(
        300,
        &(1_i64..=10_000, 0_i64..=10_000),
        |(most, requested)| {
            let used = used(Limit::Daily, requested, at(1));
            prop_assert_eq!(used.is_near(most), requested * 5 >= most * 4);
            Ok(())
        },
    );
}

#[test]
fn a_window_is_longer_by_what_the_clock_leapt_ahead() {
    let windows = Windows::lengthened(|limit| match limit {
        Limit::Daily => HOUR,
        Limit::Monthly => HOUR * 5,
    });
    assert_eq!(windows.of(Limit::Daily), HOUR * 25);
    assert_eq!(windows.of(Limit::Monthly), HOUR * (30 * 24 + 5));
    for limit in [Limit::Daily, Limit::Monthly] {
        assert_eq!(Windows::NOMINAL.of(limit), limit.window());
    }
}

#[test]
fn an_answer_about_the_credits_holds_for_five_minutes() {
    let asked_at = start();
    let soon = after(asked_at, Duration::from_secs(299));
    let late = after(asked_at, CREDITS_INTERVAL);
    let early = after(asked_at, Duration::ZERO);
    let short = |available| Credits::Short {
        available,
        ask_again_at: late,
    };
    for (shown, is_asked, now, expected) in [
        (None, false, soon, Credits::Unknown),
        (Some(Some(40)), false, early, Credits::Enough),
        (Some(Some(40)), false, soon, Credits::Enough),
        (Some(Some(40)), false, late, Credits::Unknown),
        (Some(Some(39)), false, soon, short(Some(39))),
        (Some(Some(39)), false, late, Credits::Unknown),
        (Some(Some(-1)), false, soon, short(Some(-1))),
        // The service showed no number, or did not answer.
        (Some(None), false, soon, short(None)),
        (Some(None), false, late, Credits::Unknown),
        // Its answer is still to come.
        (Some(None), true, soon, Credits::Unknown),
    ] {
        let row = shown.map(|available| (available, asked_at));
        let credits = Credits::of(row, is_asked, &growth(), now);
        assert_eq!(credits, expected, "{shown:?} {is_asked} {now}");
        let off = Growth {
            reserve_credits: 0,
            ..growth()
        };
        assert_eq!(Credits::of(row, is_asked, &off, now), Credits::Off);
    }
    // The clock went back.
    let future = Some((Some(40), late));
    assert_eq!(
        Credits::of(future, false, &growth(), soon),
        Credits::Unknown
    );
}

fn decision(wanted: &Wanted, seen: &Observation) -> Decision {
    let ledger = LedgerView {
        open: None,
        refusal: None,
        recheck_at: None,
        stalled: 0,
        waste: Waste::default(),
        held_until: None,
        stale: false,
    };
    decide(wanted, seen, &ledger, &account(start()), &growth())
}

fn wanted() -> Wanted {
    Wanted {
        target: 200,
        chunk: Some(50),
        paused: false,
        budget: None,
        is_superseded: false,
    }
}

fn seen(results: i64) -> Observation {
    Observation {
        status: Status::Done,
        is_exhausted: false,
        desired: results,
        discovered: results,
        enriched: results,
        evaluated: results,
        results,
        query: None,
    }
}

#[test]
fn what_is_left_of_a_budget_bounds_a_resume_and_nothing_left_ends_the_task() {
    for (is_of_search, whose) in [(false, "task"), (true, "search")] {
        for (requested, expected) in [(0, 50), (70, 30), (99, 1)] {
            let budget = Budget {
                is_of_search,
                most: 100,
                requested,
            };
            let bounded = Wanted {
                budget: Some(budget),
                ..wanted()
            };
            let next = decision(&bounded, &seen(60)).next;
            assert_eq!(next, Next::Resume(expected));
        }
        for requested in [100, 130] {
            let budget = Budget {
                is_of_search,
                most: 100,
                requested,
            };
            let bounded = Wanted {
                budget: Some(budget),
                ..wanted()
            };
            let ended = decision(&bounded, &seen(60));
            assert_eq!((ended.state, ended.next), (State::Stalled, Next::Stop));
            let begin = format!("the {whose}'s budget of 100 is used up: {requested} results");
            assert!(ended.reason.starts_with(&begin), "{}", ended.reason);
            // A budget that is used up is no matter once the target is reached.
            let reached = decision(&bounded, &seen(200));
            assert_eq!((reached.state, reached.next), (State::Reached, Next::Stop));
        }
    }
}

#[test]
fn a_part_that_is_superseded_ends_where_it_would_be_resumed() {
    let superseded = Wanted {
        is_superseded: true,
        ..wanted()
    };
    let ended = decision(&superseded, &seen(60));
    assert_eq!((ended.state, ended.next), (State::Reached, Next::Stop));
    let words = "60 results; the search continues with a later part";
    assert_eq!(ended.reason, words);
    let at_work = Observation {
        status: Status::InProgress,
        ..seen(60)
    };
    let growing = decision(&superseded, &at_work);
    assert_eq!((growing.state, growing.next), (State::Growing, Next::Pace));
    let empty = Observation {
        is_exhausted: true,
        ..seen(60)
    };
    assert_eq!(decision(&superseded, &empty).state, State::Exhausted);
}
