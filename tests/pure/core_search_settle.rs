//! How an unanswered create of a search is settled by the list.

use crate::search::builders::{asked, at, create, id, listed, part, search};
use growd::core::search::create::Create;
use growd::core::search::list_reading::WholeList;
use growd::core::search::settle::{DOUBTS_MAX, Likeness, ListedTask, Verdict, likeness, settle};
use jiff::SignedDuration;
use serde_json::{Value, json};
use std::time::Duration;

const SETTLE: Duration = Duration::from_mins(1);

/// Whether an entry is taken for the task of a create.
fn compare(body: &[(&str, Value)], skew: i64, change: impl Fn(&mut ListedTask)) -> Likeness {
    let mut sent = asked();
    for (field, value) in body {
        sent[*field] = value.clone();
    }
    let search = search(vec![
        part(1, &["a.example", "b.example", "c.example"]),
        part(2, &[]),
    ]);
    let mut task = listed("theirs");
    change(&mut task);
    likeness(
        &search,
        &create(sent, None),
        &task,
        SignedDuration::from_secs(skew),
    )
}

fn texts(list: &[&str]) -> Vec<String> {
    list.iter().map(|text| (*text).to_owned()).collect()
}

#[test]
fn the_query_and_the_size_are_the_same() {
    use Likeness::{Different, Same, Unclear};
    for (query, expected) in [
        (Some("makers of the thing"), Same),
        (Some("  makers of\tthe\n thing "), Same),
        (Some("Makers of the thing"), Different),
        (Some("makers of the things"), Different),
        (Some("makers of the"), Different),
        (Some(""), Different),
        (None, Unclear),
    ] {
        let likeness = compare(&[], 0, |task| task.query = query.map(str::to_owned));
        assert_eq!(likeness, expected, "{query:?}");
    }
    for (desired, expected) in [
        (Some(3), Same),
        (Some(4), Different),
        (Some(2), Different),
        (None, Unclear),
    ] {
        assert_eq!(
            compare(&[], 0, |task| task.desired = desired),
            expected,
            "{desired:?}"
        );
    }
    // What is different in anything is not unclear.
    let neither = compare(&[], 0, |task| (task.query, task.desired) = (None, Some(4)));
    assert_eq!(neither, Different);
    assert_eq!(
        compare(&[], 0, |task| (task.query, task.desired) = (None, None)),
        Unclear
    );
}

#[test]
fn it_was_created_an_hour_before_the_create_at_the_most_by_either_clock() {
    use Likeness::{Different, Same};
    for (created, skew, expected) in [
        (Some(0), 0, Same),
        (Some(90_000), 0, Same),
        (Some(-3_600), 0, Same),
        (Some(-3_601), 0, Different),
        // The service's clock is behind, or ahead.
        (Some(-7_200), -3_600, Same),
        (Some(-7_201), -3_600, Different),
        (Some(-3_600), 7_200, Same),
        (Some(-3_601), 7_200, Different),
        (None, 0, Same),
    ] {
        let likeness = compare(&[], skew, |task| task.created_at = created.map(at));
        assert_eq!(likeness, expected, "{created:?} {skew}");
    }
}

#[test]
fn the_criteria_are_the_same_in_any_order() {
    use Likeness::{Different, Same};
    let one = json!({"key": "size", "name": "Size", "criterion": "more than ten people"});
    let two = json!({"key": "fit", "name": "Fit", "criterion": "makes the thing"});
    let spaced = json!({"key": "fit ", "criterion": " makes  the thing", "id": 7});
    let other = json!({"key": "fit", "name": "Fit", "criterion": "sells the thing"});
    let ours = json!([one, two]);
    for (theirs, expected) in [
        (Some(vec![one.clone(), two.clone()]), Same),
        (Some(vec![two.clone(), one.clone()]), Same),
        (Some(vec![spaced, one.clone()]), Same),
        (Some(vec![one.clone(), other]), Different),
        (Some(vec![one.clone()]), Different),
        (
            Some(vec![
                one.clone(),
                two,
                json!({"key": "more", "criterion": "one more"}),
            ]),
            Different,
        ),
        // Not shown.
        (Some(Vec::new()), Same),
        (None, Same),
    ] {
        let likeness = compare(&[("criteria", ours.clone())], 0, |task| {
            task.criteria.clone_from(&theirs);
        });
        assert_eq!(likeness, expected, "{theirs:?}");
    }
    // The service has inferred them.
    assert_eq!(
        compare(&[], 0, |task| task.criteria = Some(vec![one.clone()])),
        Same
    );
}

/// The domains and the tasks that a create excludes, and what the list shows.
type ExclusionsRow<'a> = (
    &'a [&'a str],
    &'a [&'a str],
    Option<&'a [&'a str]>,
    Likeness,
);

#[test]
#[allow(clippy::too_many_lines, reason = "a table")]
fn the_exclusions_are_the_same() {
    use Likeness::{Different, Same};
    let many: Vec<String> = (0..1_000).map(|i| format!("m{i}.example")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let table: &[ExclusionsRow<'_>] = &[
        (&[], &[], None, Same),
        (&[], &[], Some(&[]), Same),
        (&[], &[], Some(&["x.example"]), Different),
        (&["x.example"], &[], Some(&["https://www.X.example/"]), Same),
        (
            &["x.example", "y.example"],
            &[],
            Some(&["y.example", "x.example"]),
            Same,
        ),
        (
            &["x.example", "y.example"],
            &[],
            Some(&["x.example"]),
            Different,
        ),
        (
            &["x.example"],
            &[],
            Some(&["x.example", "y.example"]),
            Different,
        ),
        (&["x.example"], &[], Some(&[]), Different),
        // The service may read a domain where growd reads none, and the other way round.
        (
            &["x.example", "linkedin.com/company/y"],
            &[],
            Some(&["linkedin.com", "x.example"]),
            Same,
        ),
        (
            &["x.example", "linkedin.com/company/y"],
            &[],
            Some(&["x.example"]),
            Same,
        ),
        (
            &["x.example", "linkedin.com/company/y"],
            &[],
            Some(&["x.example", "y.example", "z.example"]),
            Different,
        ),
        // Part 1 found a, b and c; part 2 found nothing with a domain.
        (
            &[],
            &["task-1"],
            Some(&["a.example", "b.example", "c.example"]),
            Same,
        ),
        (
            &[],
            &["task-1"],
            Some(&["a.example", "b.example", "d.example"]),
            Same,
        ),
        (
            &[],
            &["task-1"],
            Some(&["a.example", "d.example"]),
            Different,
        ),
        (&[], &["task-1"], Some(&[]), Different),
        (&[], &["task-1"], Some(&["elsewhere.example"]), Different),
        (&[], &["task-2"], Some(&[]), Same),
        (
            &[],
            &["task-1", "task-2"],
            Some(&["b.example", "c.example"]),
            Same,
        ),
        (
            &["x.example"],
            &["task-1"],
            Some(&["a.example", "b.example", "c.example"]),
            Different,
        ),
        (
            &["x.example"],
            &["task-1"],
            Some(&["a.example", "b.example", "c.example", "x.example"]),
            Same,
        ),
        (&["x.example"], &["task-1"], Some(&["x.example"]), Different),
        // Cut by the service.
        (&[], &["task-1"], Some(&many), Same),
        (&["x.example"], &[], Some(&many), Same),
        (&[], &[], Some(&many), Different),
    ];
    for (domains, tasks, shown, expected) in table {
        let body = [
            ("exclude_domains", json!(domains)),
            ("exclude_task_ids", json!(tasks)),
        ];
        let likeness = compare(&body, 0, |task| task.exclude_domains = shown.map(texts));
        assert_eq!(
            likeness,
            *expected,
            "{domains:?} {tasks:?} {:?}",
            shown.map(<[_]>::len)
        );
    }
}

// --- verdicts ---

fn list(began: i64, is_complete: bool, tasks: Vec<ListedTask>) -> WholeList {
    WholeList {
        began_at: at(began),
        is_complete,
        tasks,
        skew: SignedDuration::ZERO,
    }
}

fn open(since: Option<i64>, doubts: i64) -> Verdict {
    Verdict::Open {
        absent_since: since.map(at),
        doubts,
    }
}

/// Settles a create that was sent at 0, by a list without its task.
fn judged(
    absent_since: Option<i64>,
    doubts: i64,
    began: i64,
    is_complete: bool,
    reachable_since: i64,
) -> Verdict {
    let create = Create {
        absent_since: absent_since.map(at),
        doubts,
        ..create(asked(), None)
    };
    let search = search(Vec::new());
    let other = ListedTask {
        desired: Some(9),
        ..listed("other")
    };
    settle(
        &search,
        &create,
        &list(began, is_complete, vec![other]),
        |_| false,
        at(reachable_since),
        SETTLE,
    )
}

#[test]
fn a_create_is_lost_after_two_complete_readings_a_settling_time_apart() {
    for (case, expected) in [
        // What was remembered, when the reading began, whether it is complete, and when the service was last out of reach.
        ((None, 0, 1, true, -9), open(Some(1), 0)),
        ((None, 0, 500, true, -9), open(Some(500), 0)),
        ((Some(1), 0, 60, true, -9), open(Some(1), 0)),
        ((Some(1), 0, 61, true, -9), Verdict::Lost),
        // Begun before it was sent.
        ((None, 3, 0, true, -9), open(None, 3)),
        // Not before the settling time after it was sent.
        ((Some(-100), 0, 59, true, -200), open(Some(-100), 0)),
        ((Some(-100), 0, 60, true, -200), Verdict::Lost),
        // An outage in between.
        ((Some(1), 0, 100, true, 50), open(Some(100), 0)),
        ((Some(50), 0, 110, true, 50), Verdict::Lost),
        // The clock went back.
        ((Some(90), 0, 80, true, -9), open(Some(80), 0)),
        // Pages that do not join up prove nothing, until they have not done so often in a row.
        ((Some(1), 0, 61, false, -9), open(Some(1), 1)),
        (
            (Some(1), DOUBTS_MAX - 2, 61, false, -9),
            open(Some(1), DOUBTS_MAX - 1),
        ),
        ((Some(1), DOUBTS_MAX - 1, 61, false, -9), Verdict::Lost),
        (
            (None, DOUBTS_MAX - 1, 61, false, -9),
            open(Some(61), DOUBTS_MAX),
        ),
        ((Some(61), DOUBTS_MAX, 121, false, -9), Verdict::Lost),
        ((Some(1), DOUBTS_MAX - 1, 30, true, -9), open(Some(1), 0)),
    ] {
        let (absent_since, doubts, began, is_complete, reachable_since) = case;
        let verdict = judged(absent_since, doubts, began, is_complete, reachable_since);
        assert_eq!(verdict, expected, "{case:?}");
    }
}

#[test]
fn the_oldest_task_that_growd_does_not_know_is_the_one() {
    let of = |name: &str, created: Option<i64>| ListedTask {
        created_at: created.map(at),
        ..listed(name)
    };
    let found = |tasks: Vec<ListedTask>, is_complete| {
        let known = id("known");
        let list = list(61, is_complete, tasks);
        settle(
            &search(Vec::new()),
            &create(asked(), None),
            &list,
            |task| *task == known,
            at(-9),
            SETTLE,
        )
    };
    let arrived = |name: &str, candidates| Verdict::Arrived {
        task: id(name),
        candidates,
    };
    let tasks = || {
        vec![
            of("b", Some(7)),
            of("known", Some(1)),
            of("a", Some(7)),
            of("c", Some(9)),
            of("d", None),
        ]
    };
    assert_eq!(found(tasks(), true), arrived("a", 4));
    let reversed = tasks().into_iter().rev().collect();
    assert_eq!(found(reversed, false), arrived("a", 4));
    assert_eq!(found(vec![of("known", Some(1))], true), open(Some(61), 0));
    // One that does not show its query can be the task: nothing is proven.
    let unclear = || ListedTask {
        query: None,
        ..of("u", Some(3))
    };
    assert_eq!(found(vec![unclear()], true), open(None, 0));
    assert_eq!(
        found(vec![unclear(), of("c", Some(9))], true),
        arrived("c", 1)
    );
    assert_eq!(
        found(
            vec![ListedTask {
                id: id("known"),
                ..unclear()
            }],
            true
        ),
        open(Some(61), 0)
    );
}
