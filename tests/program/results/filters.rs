//! Which companies are printed.

use super::{add, bench, column, ids, run};
use crate::support::program::{growd, write_config};
use serde_json::json;
use std::fs::{self, File};

#[tokio::test(flavor = "multi_thread")]
async fn tasks_are_named_by_id_or_link_and_removed_ones_too() {
    let bench = bench().await;
    add(&bench, "t", "a", &[("relevance", json!(1))]).await;
    add(&bench, "u", "b", &[("relevance", json!(2))]).await;
    add(&bench, "removed", "c", &[("relevance", json!(3))]).await;
    assert_eq!(ids(&bench, &[]), ["c", "b", "a"]);
    assert_eq!(ids(&bench, &["t"]), ["a"]);
    let link = "https://app.extruct.ai/tasks/u?x=y";
    assert_eq!(ids(&bench, &["t", link, "t"]), ["b", "a"]);
    assert_eq!(ids(&bench, &["removed", "t"]), ["c", "a"]);
    assert_eq!(ids(&bench, &["removed", "t", "--distinct"]), ["c", "a"]);
    let (out, err) = run(&bench, &["results", "t", "no-such-task", "other"], 1);
    assert!(out.is_empty(), "{out}");
    assert!(
        err.contains("no-such-task") && err.contains("other"),
        "{err}"
    );
    assert!(!err.contains("not in the database: t,"), "{err}");
    // A command that only reads changes nothing anyway.
    assert!(!err.contains("changed"), "{err}");
    let (_, err) = run(&bench, &["remove", "nope"], 1);
    assert!(
        err.starts_with("growd: nothing was changed: not in the database: nope."),
        "{err}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn distinct_keeps_the_most_relevant_row_of_each_company() {
    let bench = bench().await;
    for (task, id, domain, name, relevance) in [
        ("t", "a", Some("x.example"), "X", Some(10)),
        ("u", "b", Some("x.example"), "X Inc.", Some(90)),
        ("t", "c", Some("x.example"), "X", None),
        ("t", "d", None, "Y", Some(20)),
        ("u", "e", None, "Y", Some(30)),
        ("t", "f", Some("y.example"), "Y", Some(5)),
        // The name of one company is the domain of another.
        ("t", "g", None, "x.example", Some(4)),
        ("t", "h", Some("z.example"), "Z", None),
    ] {
        let fields = [
            ("domain", json!(domain)),
            ("company_name", json!(name)),
            ("relevance", json!(relevance)),
        ];
        add(&bench, task, id, &fields).await;
    }
    add(&bench, "t", "i", &[("relevance", json!(2))]).await;
    add(&bench, "t", "j", &[("relevance", json!(1))]).await;
    let distinct = ["b", "e", "f", "g", "i", "j", "h"];
    assert_eq!(ids(&bench, &["--distinct"]), distinct);
    assert_eq!(ids(&bench, &[]).len(), 10);
    // Only among the tasks that are named.
    assert_eq!(
        ids(&bench, &["t", "--distinct"]),
        ["d", "a", "f", "g", "i", "j", "h"]
    );
    let counted: Vec<(Option<String>, i64)> = sqlx::query_as("SELECT domain, tasks FROM companies")
        .fetch_all(&mut bench.connection().await)
        .await
        .unwrap();
    assert_eq!(counted.len(), distinct.len(), "as the view: {counted:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn relevance_is_a_lower_bound() {
    let bench = bench().await;
    for (id, relevance) in [("a", json!(80)), ("b", json!(79.9)), ("c", json!(null))] {
        add(&bench, "t", id, &[("relevance", relevance)]).await;
    }
    assert_eq!(ids(&bench, &["--min-relevance", "80"]), ["a"]);
    assert_eq!(ids(&bench, &["--min-relevance", "-1.5"]), ["a", "b"]);
    let (out, err) = run(&bench, &["results", "--min-relevance", "81"], 0);
    assert_eq!(out.lines().count(), 1, "the header: {out}");
    assert!(err.contains("the options leave out all"), "{err}");
}

#[tokio::test(flavor = "multi_thread")]
async fn since_is_a_time_or_a_span_and_with_distinct_that_of_the_company() {
    let bench = bench().await;
    let hour_ago = jiff::Timestamp::now() - jiff::SignedDuration::from_hours(1);
    let hour_ago = growd::store::time::to_text(hour_ago);
    for (task, id, at, domain) in [
        ("t", "old", "2026-01-01T00:00:00.000Z", "x.example"),
        ("t", "new", &*hour_ago, "y.example"),
        ("u", "again", &*hour_ago, "x.example"),
    ] {
        let fields = [("first_seen_at", json!(at)), ("domain", json!(domain))];
        add(&bench, task, id, &fields).await;
    }
    assert_eq!(ids(&bench, &["--since", "2h"]), ["new", "again"]);
    assert_eq!(ids(&bench, &["--since", "2h", "--distinct"]), ["new"]);
    assert_eq!(
        ids(&bench, &["u", "--since", "2h", "--distinct"]),
        ["again"]
    );
    assert!(ids(&bench, &["--since", "10m"]).is_empty());
    for all in ["2026-01-01", "2026-01-01T01:00:00+01:00"] {
        assert_eq!(ids(&bench, &["--since", all]).len(), 3, "{all}");
    }
    assert_eq!(ids(&bench, &["--since", "2026-01-01T00:00:01Z"]).len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_company_is_not_new_because_a_filter_leaves_out_its_first_result() {
    let bench = bench().await;
    let (old, new) = ("2026-01-01T00:00:00.000Z", "2026-02-01T00:00:00.000Z");
    for (task, id, domain, at, relevance, gone_at) in [
        ("t", "a", "gone.example", old, 90, Some(new)),
        ("t", "b", "gone.example", new, 89, None),
        ("t", "c", "low.example", old, 10, None),
        ("t", "d", "low.example", new, 88, None),
        ("u", "e", "both.example", old, 87, None),
        ("t", "f", "both.example", new, 86, None),
        ("t", "g", "new.example", new, 85, None),
        ("t", "h", "new.example", new, 95, Some(new)),
        ("u", "i", "new.example", new, 10, None),
    ] {
        let fields = [
            ("domain", json!(domain)),
            ("first_seen_at", json!(at)),
            ("relevance", json!(relevance)),
            ("gone_at", json!(gone_at)),
        ];
        add(&bench, task, id, &fields).await;
    }
    let since = ["--since", "2026-01-15", "--min-relevance", "80"];
    let distinct = [&since[..], &["--distinct"]].concat();
    assert_eq!(ids(&bench, &distinct), ["g"]);
    // Only the results of the named tasks count.
    assert_eq!(ids(&bench, &[&["t"], &distinct[..]].concat()), ["f", "g"]);
    assert_eq!(ids(&bench, &since), ["b", "d", "f", "g"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn listed_domains_are_left_out() {
    let bench = bench().await;
    for (id, domain) in [
        ("a", Some("example.com")),
        ("b", Some("example.org")),
        ("c", Some("example.co.uk")),
        ("d", None),
    ] {
        add(&bench, "t", id, &[("domain", json!(domain))]).await;
    }
    let list = bench.dir.path().join("customers");
    let text = "\u{feff}# customers\r\n\r\nhttps://www.Example.com/about#us\r\nshop.example.co.uk # since 2020\r\n";
    fs::write(&list, text).unwrap();
    let name = list.to_str().unwrap();
    assert_eq!(ids(&bench, &["--exclude-domains", name]), ["b", "d"]);
    assert_eq!(
        ids(&bench, &["--exclude-domains", name, "--distinct"]),
        ["b", "d"]
    );
    let output = growd(&bench, &["results", "--exclude-domains", "-"])
        .stdin(File::open(&list).unwrap())
        .output()
        .unwrap();
    let out = String::from_utf8(output.stdout).unwrap();
    assert_eq!(column(&out, "result_id"), ["b", "d"]);

    fs::write(&list, "example.com\ncom\n\nnot a domain\n").unwrap();
    let (out, err) = run(&bench, &["results", "--exclude-domains", name], 1);
    assert!(out.is_empty(), "{out}");
    for part in [
        &format!("line 2 of {name}: \"com\""),
        "line 4 of",
        "\"not a domain\"",
    ] {
        assert!(err.contains(part), "{err}");
    }
    // A page that is no company's domain is no error.
    fs::write(
        &list,
        "example.com\nhttps://www.linkedin.com/company/acme\n",
    )
    .unwrap();
    let (out, err) = run(&bench, &["results", "--exclude-domains", name], 0);
    assert_eq!(column(&out, "result_id"), ["b", "c", "d"]);
    assert!(err.contains(name) && err.ends_with(": 2\n"), "{err}");
    // An export is such a list.
    let export = bench.dir.path().join("export.csv");
    let export = export.to_str().unwrap();
    run(&bench, &["results", "--output", export], 0);
    assert_eq!(ids(&bench, &["--exclude-domains", export]), ["d"]);
    let (_, err) = run(&bench, &["results", "--exclude-domains", export], 0);
    let place = ids(&bench, &[]).iter().position(|id| id == "d").unwrap();
    // The first line is the header.
    assert!(err.ends_with(&format!(": {}\n", place + 2)), "{err}");
    let (_, err) = run(&bench, &["results", "--exclude-domains", "no-such-file"], 1);
    assert!(err.contains("no-such-file cannot be read"), "{err}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_companies_a_message_says_why() {
    let bench = bench().await;
    let why = |arguments: &[&str]| {
        let (out, err) = run(&bench, &[&["results"], arguments].concat(), 0);
        assert_eq!(out.lines().count(), 1, "the header: {out}");
        err
    };
    assert!(why(&[]).contains("no results were read yet"));
    assert!(why(&["t"]).contains("no results were read yet"));
    let (out, err) = run(&bench, &["results", "--format", "table"], 0);
    assert!(out.is_empty() && err.contains("no companies"), "{out}{err}");
    write_config(&bench, &[("results.keep", "false")]);
    assert!(why(&[]).contains("results.keep is false"));
    bench
        .execute("UPDATE progress SET results_read = 0, results_read_at = '2026-11-24T02:22:00.000Z' WHERE task_id = 't'")
        .await;
    assert!(why(&[]).contains("the service shows no results"));
    assert!(why(&["t"]).contains("the service shows no results"));
    assert!(why(&["u"]).contains("results.keep is false"));
    add(&bench, "t", "a", &[]).await;
    assert!(why(&["--since", "2100-01-01"]).contains("the options leave out all"));
    assert!(why(&["u"]).contains("results.keep is false"));
}

#[tokio::test(flavor = "multi_thread")]
async fn remove_keeps_the_results_unless_told_otherwise() {
    let bench = bench().await;
    for (task, id) in [("t", "a"), ("t", "b"), ("u", "c"), ("earlier", "d")] {
        add(&bench, task, id, &[]).await;
    }
    let (out, _) = run(&bench, &["remove", "t"], 0);
    assert_eq!(out, "t: removed\n");
    assert_eq!(ids(&bench, &["t"]).len(), 2);
    let (_, err) = run(&bench, &["remove", "earlier"], 1);
    assert!(err.contains("earlier"), "{err}");
    let (_, err) = run(&bench, &["remove", "--results", "u", "nothing"], 1);
    assert!(err.contains("nothing"), "{err}");
    assert_eq!(ids(&bench, &[]).len(), 4, "nothing was changed");
    let (out, _) = run(&bench, &["remove", "--results", "earlier", "u", "t"], 0);
    assert_eq!(
        out,
        "earlier: removed, with 1 result\nu: removed, with 1 result\nt: removed, with 2 results\n"
    );
    assert!(ids(&bench, &[]).is_empty());
    run(&bench, &["results", "t"], 1);
}
