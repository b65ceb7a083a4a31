//! `growd search`, and what the other commands say of searches.

use crate::support::program::{Daemon, growd, output, write_config};
use crate::support::{Bench, plenty};
use serde_json::{Value, json};
use wiremock::matchers::{header, method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

const QUERY: &str = "vertical SaaS companies serving freight forwarding";
const CRITERIA: &str =
    r#"[{"key": "saas", "name": "SaaS", "criterion": "sells software by subscription"}]"#;

async fn bench() -> Bench {
    let bench = Bench::new().await;
    write_config(&bench, &[]);
    bench
}

/// Runs a command that must exit with `status`; returns its stdout and stderr.
fn run(bench: &Bench, arguments: &[&str], status: i32) -> (String, String) {
    let output = output(bench, arguments);
    let out = String::from_utf8(output.stdout).unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    let ended = output.status.code();
    assert_eq!(ended, Some(status), "{arguments:?}\n{out}\n{err}");
    (out, err)
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// Writes a file beside the config; returns its path.
fn file(bench: &Bench, name: &str, text: &str) -> String {
    let path = bench.dir.path().join(name);
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

/// Two searches, of which `freight` has two parts, with companies, a create without an outcome, and a reason.
const GROWN: &str = "
    INSERT INTO searches (search, query, target) VALUES ('freight', 'q', 600), ('bakeries', 'q', 5);
    INSERT INTO tasks (task_id, target, search, part) VALUES ('one', 250, 'freight', 1), ('two', 250, 'freight', 2);
    INSERT INTO tasks (task_id, target) VALUES ('other', 10);
    UPDATE progress SET state = 'capped', status = 'done', num_results = 250, next_poll_at = NULL WHERE task_id = 'one';
    INSERT INTO results (task_id, result_id, company_name, relevance, first_seen_at, seen_at)
    VALUES ('one', 'r1', 'Alpha', 90, '2026-11-24T02:22:00.123Z', '2026-11-24T02:22:00.123Z'),
           ('two', 'r2', 'Beta', 95, '2026-11-24T02:22:00.123Z', '2026-11-24T02:22:00.123Z'),
           ('other', 'r3', 'Gamma', 80, '2026-11-24T02:22:00.123Z', '2026-11-24T02:22:00.123Z');
    INSERT INTO creates (search, part, desired, body, state, task_id, sent_at)
    VALUES ('freight', 2, 250, '{}', 'accepted', 'two', '2026-11-24T02:22:00.123Z'),
           ('freight', 3, 100, '{}', 'intended', NULL, '2026-11-24T02:22:00.123Z');
    UPDATE search_progress SET state = 'stalled', reason = 'nothing new', results = 310, parts = 2, requested = 350,
                               next_at = NULL WHERE search = 'freight';";

async fn grown() -> Bench {
    let bench = bench().await;
    sqlx::raw_sql(GROWN)
        .execute(&mut bench.connection().await)
        .await
        .unwrap();
    bench
}

#[tokio::test(flavor = "multi_thread")]
async fn add_starts_a_search_and_says_what_it_costs_at_most() {
    let bench = bench().await;
    let criteria = file(&bench, "criteria.json", CRITERIA);
    let domains = file(
        &bench,
        "domains.txt",
        "b.example\nhttps://www.a.example/x # a customer\nb.example\n",
    );
    let add = [
        "search",
        "add",
        "freight",
        "--query",
        QUERY,
        "--target",
        "600",
        "--criteria",
        &criteria,
        "--source",
        "maps",
        "linkedin",
        "--exclude-domains",
        &domains,
        "--budget",
        "700",
        "--chunk",
        "50",
        "--note",
        "n",
    ];
    let (out, err) = run(&bench, &[&add[..], &["--dry-run"]].concat(), 0);
    assert!(out.contains("at most 700 results"), "{out}");
    assert!(out.contains("at least 3 tasks"), "{out}");
    assert!(err.contains("nothing was changed"), "{err}");
    assert!(
        !bench.settings.database.exists(),
        "a dry run creates nothing"
    );

    let (out, err) = run(&bench, &add, 0);
    assert_eq!(out, "added freight (target 600)\n");
    assert!(err.contains("at most 700 results"), "{err}");
    assert!(err.contains("no daemon runs"), "{err}");
    let row: Value = json(&bench.value::<String>(
        "SELECT json_array(query, target, json(criteria), json(data_sources), json(exclude_domains), chunk, budget, note)
           FROM searches",
    ).await);
    let criteria: Value = json(CRITERIA);
    let expected = json!([
        QUERY,
        600,
        criteria,
        ["maps", "linkedin"],
        ["a.example", "b.example"],
        50,
        700,
        "n"
    ]);
    assert_eq!(row, expected);

    let (out, _) = run(&bench, &add, 0);
    assert_eq!(out, "unchanged freight (target 600)\n");
    let (out, err) = run(
        &bench,
        &[
            "search", "add", "freight", "--target", "900", "--budget", "20",
        ],
        0,
    );
    assert_eq!(out, "changed freight (target 900)\n");
    assert!(err.contains("does not suffice"), "{err}");
    assert_eq!(
        bench.value::<i64>("SELECT chunk FROM searches").await,
        50,
        "it keeps its value"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_query_can_be_read_from_stdin_and_changes_only_until_a_task_was_asked_for() {
    let bench = bench().await;
    let input = file(&bench, "query.txt", &format!("\u{feff}{QUERY}\n"));
    let mut add = growd(
        &bench,
        &[
            "search", "add", "freight", "--query", "-", "--target", "600",
        ],
    );
    add.stdin(std::fs::File::open(input).unwrap());
    assert!(add.output().unwrap().status.success());
    assert_eq!(
        bench.value::<String>("SELECT query FROM searches").await,
        QUERY
    );

    let other = [
        "search",
        "add",
        "freight",
        "--query",
        "another one",
        "--target",
        "600",
    ];
    let (out, _) = run(&bench, &other, 0);
    assert_eq!(out, "changed freight (target 600)\n");
    bench
        .execute(
            "INSERT INTO creates (search, part, desired, body, state, sent_at)
             VALUES ('freight', 1, 250, '{}', 'intended', '2026-11-24T02:22:00.123Z')",
        )
        .await;
    run(&bench, &other, 0);
    let criteria = file(&bench, "criteria.json", CRITERIA);
    for changed in [
        &["--query", QUERY][..],
        &["--criteria", &criteria],
        &["--source", "maps"],
    ] {
        let arguments = [&["search", "add", "freight", "--target", "700"], changed].concat();
        let (_, err) = run(&bench, &arguments, 1);
        assert!(err.contains("start another search"), "{err}");
        assert!(err.contains("another one"), "it names the query: {err}");
        let (_, err) = run(&bench, &[&arguments[..], &["--dry-run"]].concat(), 1);
        assert!(err.contains("start another search"), "{err}");
    }
    assert_eq!(bench.value::<i64>("SELECT target FROM searches").await, 600);
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_arguments_and_files_are_refused_and_start_nothing() {
    let bench = bench().await;
    let add = [
        "search", "add", "freight", "--query", QUERY, "--target", "600",
    ];
    for more in [
        &["--target", "600"][..],
        &["--chunk", "251"],
        &["--budget", "0"],
        &["--source", ""],
        &["--query", " "],
        &["--criteria", "-", "--exclude-domains", "-"],
    ] {
        let arguments = [&add[..], more].concat();
        let is_repeated = more[0] == "--target" || more[0] == "--query";
        let arguments = if is_repeated {
            [&["search", "add", "freight"], more].concat()
        } else {
            arguments
        };
        let (out, err) = run(&bench, &arguments, 2);
        assert!(out.is_empty() && !err.is_empty(), "{arguments:?}: {out}");
    }
    let (_, err) = run(
        &bench,
        &["search", "add", "a b", "--query", QUERY, "--target", "6"],
        2,
    );
    assert!(err.contains("' '"), "{err}");
    for (text, named) in [
        ("{", "is not a JSON array"),
        ("[7]", "entry 1 must be an object"),
        (
            r#"[{"key": "a", "name": "n", "criterion": "short"}]"#,
            "entry 1: criterion must be",
        ),
    ] {
        let criteria = file(&bench, "criteria.json", text);
        let (_, err) = run(&bench, &[&add[..], &["--criteria", &criteria]].concat(), 1);
        assert!(
            err.contains(named) && err.contains("criteria.json"),
            "{err}"
        );
    }
    let many: Vec<String> = (0..1001).map(|n| format!("x{n}.example")).collect();
    let domains = file(&bench, "domains.txt", &many.join("\n"));
    let (_, err) = run(
        &bench,
        &[&add[..], &["--exclude-domains", &domains]].concat(),
        1,
    );
    assert!(err.contains("1001 domains"), "{err}");
    assert!(!bench.settings.database.exists(), "nothing was made of it");

    let (_, err) = run(&bench, &[&add[..], &["--source", "tea_leaves"]].concat(), 0);
    assert!(err.contains("\"tea_leaves\""), "{err}");
    let (_, err) = run(&bench, &["search", "add", "fright", "--target", "600"], 2);
    assert!(err.contains("--query"), "{err}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_out_of_reach_and_results_that_are_not_kept_cause_warnings() {
    let bench = bench().await;
    write_config(
        &bench,
        &[("results.keep", "false"), ("growth.daily_limit", "100")],
    );
    let add = [
        "search", "add", "freight", "--query", QUERY, "--target", "1251",
    ];
    let (_, err) = run(&bench, &add, 0);
    for part in ["out of reach", "results.keep is false", "100 of 100"] {
        assert!(err.contains(part), "{part}: {err}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn searches_are_listed_and_shown() {
    let bench = grown().await;
    let (out, _) = run(&bench, &["search", "list"], 0);
    assert!(out.contains("freight") && out.contains("310/600"), "{out}");
    let (out, _) = run(&bench, &["search", "list", "--json"], 0);
    let names = |text: &str| -> Vec<Value> {
        let list = json(text);
        let searches = list["searches"].as_array().unwrap();
        searches.iter().map(|row| row["search"].clone()).collect()
    };
    assert_eq!(names(&out), ["bakeries", "freight"]);
    let (out, _) = run(
        &bench,
        &["search", "list", "--json", "--state", "stalled"],
        0,
    );
    assert_eq!(names(&out), ["freight"]);

    let (out, err) = run(&bench, &["search", "show", "freight"], 0);
    for part in [
        "310 of 600 (51 %) from 2 tasks",
        "nothing new",
        "capped",
        "intended",
        "search_added",
    ] {
        assert!(out.contains(part), "{part}: {out}");
    }
    assert!(err.contains("growd results --search freight"), "{err}");
    let (out, _) = run(&bench, &["search", "show", "freight", "--json"], 0);
    let shown = json(&out);
    assert_eq!(shown["tasks"][0]["task_id"], "one");
    assert_eq!(shown["tasks"][1]["part"], 2);
    assert_eq!(shown["creates"][1]["state"], "intended");
    assert_eq!(shown["results"], 310);
    assert_eq!(shown["criteria"], Value::Null);

    let (_, err) = run(&bench, &["search", "show", "frieght"], 1);
    assert!(err.contains("did you mean freight?"), "{err}");
}

#[tokio::test(flavor = "multi_thread")]
async fn searches_are_paused_retried_and_removed_with_their_tasks() {
    let bench = grown().await;
    let paused = "SELECT group_concat(paused, '') FROM (SELECT paused FROM tasks ORDER BY task_id)";
    let (_, err) = run(&bench, &["search", "pause", "freight", "frieght"], 1);
    assert!(
        err.contains("did you mean freight?") && err.contains("nothing was changed"),
        "{err}"
    );
    assert_eq!(bench.value::<String>(paused).await, "000");
    let (out, _) = run(&bench, &["search", "pause", "freight"], 0);
    assert_eq!(out, "freight: paused\n");
    // `one`, `other`, `two`.
    assert_eq!(bench.value::<String>(paused).await, "101");
    let (out, _) = run(&bench, &["search", "pause", "freight"], 0);
    assert_eq!(out, "freight: already paused\n");

    // Its tasks stay paused until it is unpaused.
    let (_, err) = run(&bench, &["unpause", "one"], 1);
    assert!(err.contains("growd search unpause freight"), "{err}");
    let (out, _) = run(&bench, &["unpause", "--state", "paused"], 0);
    assert_eq!(out, "0 tasks: unpaused\n");
    let (out, _) = run(&bench, &["unpause", "--state", "capped"], 0);
    assert_eq!(out, "0 tasks: unpaused\n");
    assert_eq!(bench.value::<String>(paused).await, "101");
    let (out, _) = run(&bench, &["search", "unpause", "--state", "paused"], 0);
    assert_eq!(out, "freight: unpaused\n");
    assert_eq!(bench.value::<String>(paused).await, "000");
    run(&bench, &["pause", "one"], 0);
    run(&bench, &["unpause", "one"], 0);

    let (out, err) = run(&bench, &["search", "retry", "freight", "bakeries"], 0);
    assert_eq!(out, "freight: was stalled, goes on\n");
    assert!(err.contains("bakeries is pending"), "{err}");
    let state = "SELECT state FROM search_progress WHERE search = 'freight'";
    assert_eq!(bench.value::<String>(state).await, "growing");
    let (_, err) = run(&bench, &["search", "retry", "--state", "reached"], 2);
    assert!(err.contains("stalled"), "{err}");

    let (_, err) = run(&bench, &["remove", "other", "one"], 1);
    assert!(err.contains("growd search remove freight"), "{err}");
    assert_eq!(bench.value::<i64>("SELECT count(*) FROM tasks").await, 3);
    let (out, err) = run(&bench, &["search", "remove", "freight", "bakeries"], 0);
    assert_eq!(
        out,
        "freight: removed; its 2 tasks stay, paused\nbakeries: removed; it had no tasks\n"
    );
    assert!(err.contains("look for it in the app"), "{err}");
    assert_eq!(bench.value::<String>(paused).await, "101");
    run(&bench, &["remove", "one"], 0);
    run(&bench, &["search", "show", "freight"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_companies_of_a_search_are_those_of_its_tasks() {
    let bench = grown().await;
    let ids = |options: &[&str]| -> Vec<String> {
        let (out, _) = run(
            &bench,
            &[&["results", "--format", "jsonl"], options].concat(),
            0,
        );
        let rows = out
            .lines()
            .map(|line| json(line)["result_id"].as_str().unwrap().to_owned());
        rows.collect()
    };
    assert_eq!(ids(&["--search", "freight"]), ["r2", "r1"]);
    assert_eq!(ids(&["other", "--search", "freight"]), ["r2", "r1", "r3"]);
    assert_eq!(
        ids(&["one", "--search", "freight", "bakeries"]),
        ["r2", "r1"]
    );
    // A search without tasks has no companies, and not those of all.
    assert!(ids(&["--search", "bakeries"]).is_empty());
    assert_eq!(ids(&[]).len(), 3);
    let (out, err) = run(&bench, &["results", "--search", "bakery"], 1);
    assert!(
        out.is_empty() && err.contains("did you mean bakeries?"),
        "{err}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn status_and_show_name_searches_and_what_needs_attention() {
    let bench = grown().await;
    let (out, _) = run(&bench, &["status"], 0);
    for part in [
        "searches: 1 pending, 1 stalled",
        "the search freight is stalled with 310 of 600 companies (nothing new)",
        "asked for part 3 of the search freight",
        "freight/2",
        "310/600",
    ] {
        assert!(out.contains(part), "{part}: {out}");
    }
    let (out, _) = run(&bench, &["status", "--json"], 0);
    let status = json(&out);
    let kinds: Vec<&Value> = status["attention"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["kind"])
        .collect();
    assert_eq!(kinds, ["search", "create"]);
    assert_eq!(status["searches"][1]["results"], 310);
    assert_eq!(status["search_counts"], json!({"pending": 1, "stalled": 1}));
    let two = status["tasks"]
        .as_array()
        .unwrap()
        .iter()
        .find(|task| task["task_id"] == "two")
        .unwrap();
    assert_eq!(
        (&two["search"], &two["part"]),
        (&json!("freight"), &json!(2))
    );
    let (out, _) = run(&bench, &["show", "two"], 0);
    assert!(out.contains("search     freight, part 2"), "{out}");

    // Without searches there is neither a column nor a line.
    bench.execute("DELETE FROM searches").await;
    bench.execute("UPDATE creates SET state = 'lost'").await;
    let (out, _) = run(&bench, &["status"], 0);
    assert!(!out.to_lowercase().contains("search"), "{out}");
}

#[tokio::test(flavor = "multi_thread")]
async fn watch_shows_searches_and_ends_when_they_have_ended() {
    let bench = grown().await;
    let watch = growd(&bench, &["watch"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    bench
        .execute(
            "UPDATE search_progress SET state = 'reached', results = 5 WHERE search = 'bakeries'",
        )
        .await;
    bench.execute("UPDATE tasks SET paused = 1").await;
    let output = watch.wait_with_output().unwrap();
    let out = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{out}");
    for part in [
        "search bakeries reached 5/5",
        "search freight stalled 310/600 nothing new",
        "one paused 250/250 (freight/1)",
        "2 searches and 3 tasks have ended",
    ] {
        assert!(out.contains(part), "{part}: {out}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_gets_its_target_from_its_search() {
    let bench = grown().await;
    let (_, err) = run(&bench, &["add", "other", "two", "--target", "90"], 1);
    assert!(err.contains("two is part 2 of the search freight"), "{err}");
    let target = "SELECT sum(target) FROM tasks";
    assert_eq!(bench.value::<i64>(target).await, 510, "nothing was changed");
    run(&bench, &["add", "two", "--target", "250", "--note", "n"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn add_says_what_tasks_cost_at_most_and_takes_a_budget() {
    let bench = bench().await;
    let (_, err) = run(&bench, &["add", "a", "b", "--target", "300"], 0);
    assert!(
        err.contains("at most 500 results"),
        "the cap of a task is 250: {err}"
    );
    bench
        .execute("UPDATE progress SET num_results = 240 WHERE task_id = 'a'")
        .await;
    let (_, err) = run(
        &bench,
        &["add", "a", "b", "--target", "250", "--budget", "30"],
        0,
    );
    assert!(err.contains("at most 40 results"), "{err}");
    let csv = file(&bench, "list.csv", "task_id,budget\na,5\nc,\n");
    let (_, err) = run(
        &bench,
        &["add", "--csv", &csv, "--target", "250", "--budget", "7"],
        0,
    );
    assert!(err.contains("at most 12 results"), "{err}");
    let budgets = "SELECT group_concat(budget) FROM (SELECT budget FROM tasks ORDER BY task_id)";
    assert_eq!(bench.value::<String>(budgets).await, "5,30,7");
    bench
        .execute("UPDATE progress SET num_results = 250 WHERE task_id = 'a'")
        .await;
    let (_, err) = run(&bench, &["add", "a", "--target", "250"], 0);
    assert!(err.contains("no more results"), "{err}");
}

/// A service that shows one task.
async fn service_with(task: &Value) -> MockServer {
    let service = MockServer::start().await;
    Mock::given(method("GET"))
        .and(path("/v1/discovery_tasks/abc"))
        .and(header("cache-control", "no-cache"))
        .respond_with(ResponseTemplate::new(200).set_body_json(task))
        .mount(&service)
        .await;
    let unknown = ResponseTemplate::new(404).set_body_json(json!({"detail": "Not found"}));
    Mock::given(method("GET"))
        .respond_with(unknown)
        .mount(&service)
        .await;
    service
}

#[tokio::test(flavor = "multi_thread")]
async fn adopt_makes_a_task_the_first_part_of_a_search_that_asks_for_the_same() {
    let bench = bench().await;
    let mut criteria = json(CRITERIA);
    criteria[0]["weight"] = json!(2);
    let mut task = json!({
        "id": "abc", "status": "done", "query": QUERY, "desired_num_results": 50, "num_results": 50,
        "criteria": criteria, "auto_data_sources": false, "data_sources": ["maps"],
        "exclude_domains": ["b.example", "a.example"]
    });
    let service = service_with(&task).await;
    let url = format!("{:?}", service.uri());
    write_config(&bench, &[("api.base_url", &url)]);
    let adopt = |name, id, status| {
        let arguments = [
            "search", "adopt", name, id, "--target", "600", "--chunk", "40", "--budget", "900",
        ];
        run(&bench, &arguments, status)
    };
    let (out, err) = adopt("freight", "abc", 0);
    assert_eq!(out, "added freight (target 600), abc is its part 1\n");
    assert!(err.contains(QUERY), "{err}");
    let row: Value = json(&bench.value::<String>(
        "SELECT json_array(s.query, s.target, json(s.criteria), json(s.data_sources), json(s.exclude_domains), s.chunk,
                           s.budget, t.search, t.part, t.target, t.chunk, t.paused)
           FROM searches s, tasks t",
    ).await);
    let expected = json!([
        QUERY,
        600,
        json(CRITERIA),
        ["maps"],
        ["a.example", "b.example"],
        40,
        900,
        "freight",
        1,
        250,
        40,
        0
    ]);
    assert_eq!(row, expected);

    let (_, err) = adopt("other", "abc", 1);
    assert!(err.contains("part 1 of the search freight"), "{err}");
    let (_, err) = adopt("freight", "def", 1);
    assert!(err.contains("there is a search freight already"), "{err}");
    let (_, err) = adopt("other", "def", 1);
    assert!(err.contains("the service knows no task def"), "{err}");
    assert_eq!(bench.value::<i64>("SELECT count(*) FROM searches").await, 1);

    // A task that is known and paused makes a search that is paused.
    bench.execute("DELETE FROM searches").await;
    task["auto_data_sources"] = json!(true);
    task["criteria"] = json!(null);
    task["exclude_domains"] = json!([]);
    let service = service_with(&task).await;
    let url = format!("{:?}", service.uri());
    write_config(&bench, &[("api.base_url", &url)]);
    let (_, err) = run(
        &bench,
        &["search", "adopt", "again", "abc", "--target", "60"],
        0,
    );
    assert!(err.contains("growd search unpause again"), "{err}");
    let row: Value = json(&bench.value::<String>(
        "SELECT json_array(s.criteria, s.data_sources, s.exclude_domains, s.paused, t.search, t.target, t.paused)
           FROM searches s, tasks t",
    ).await);
    assert_eq!(row, json!([null, null, null, 1, "again", 60, 1]));
}

#[tokio::test(flavor = "multi_thread")]
async fn adopt_refuses_a_task_whose_search_cannot_be_repeated() {
    let bench = bench().await;
    let token = std::fs::read_to_string(bench.dir.path().join("token")).unwrap();
    for (more, named) in [
        (json!({"query": null}), "no query"),
        (json!({"query": token.trim()}), "the token"),
        (
            json!({"criteria": [{"key": "a", "name": "n", "criterion": "short"}]}),
            "entry 1: criterion",
        ),
        (json!({"criteria": "all"}), "criteria"),
    ] {
        let mut task = json!({"id": "abc", "status": "done", "query": QUERY});
        task.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        let service = service_with(&task).await;
        let url = format!("{:?}", service.uri());
        write_config(&bench, &[("api.base_url", &url)]);
        let (out, err) = run(
            &bench,
            &["search", "adopt", "freight", "abc", "--target", "60"],
            1,
        );
        assert!(out.is_empty() && err.contains(named), "{named}: {err}");
        assert!(!err.contains(token.trim()), "{err}");
    }
    assert_eq!(bench.value::<i64>("SELECT count(*) FROM searches").await, 0);
    assert_eq!(bench.value::<i64>("SELECT count(*) FROM tasks").await, 0);

    std::fs::remove_file(bench.dir.path().join("token")).unwrap();
    run(
        &bench,
        &["search", "adopt", "freight", "abc", "--target", "60"],
        77,
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_is_adopted_while_the_daemon_runs() {
    let bench = bench().await;
    let id = bench.service.add_task(&plenty());
    run(&bench, &["add", &id, "--target", "20"], 0);
    let mut daemon = Daemon::start(&bench);
    bench
        .until("SELECT EXISTS (SELECT 1 FROM progress WHERE state = 'reached')")
        .await;
    let (out, _) = run(
        &bench,
        &["search", "adopt", "freight", &id, "--target", "20"],
        0,
    );
    assert!(out.contains("part 1"), "{out}");
    daemon.signal("TERM");
    assert_eq!(daemon.ended().await, Some(0));
    let (out, _) = run(&bench, &["search", "show", "freight", "--json"], 0);
    assert_eq!(json(&out)["tasks"][0]["state"], "reached");
}
