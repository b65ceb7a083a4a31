//! Invalid configuration, tokens and ids are refused with their place, the value and the remedy; unusual but valid ones
//! work.

use crate::support::program::{Daemon, growd, write_config};
use crate::support::proxy::{Proxy, Reply};
use crate::support::{Bench, mounts};
use growd::config::entries;
use growd_simulator::{Fault, On, Options, Rule, Scenario};
use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

/// Returns a command for the program with an empty environment.
fn plain(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_growd"));
    command.args(arguments).env_clear().stdin(Stdio::null());
    command
}

fn run(command: &mut Command) -> Output {
    command.output().expect("it starts")
}

fn printed(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[track_caller]
fn refused(output: &Output, status: i32, words: &[&str]) {
    let said = printed(output);
    assert_eq!(output.status.code(), Some(status), "{words:?}: {said}");
    for word in words {
        assert!(said.contains(word), "no {word:?} in: {said}");
    }
}

/// Invalid values of each key, as the text of a TOML string and of a variable.
fn impossible(key: &str) -> &'static [&'static str] {
    match key {
        "api.base_url" => &[
            "http://api.extruct.ai",
            "http://10.0.0.1",
            "http://127.0.0.1.example",
            "ftp://localhost",
            "api.extruct.ai",
            "https://api.extruct.ai/v1",
            "https://",
            "",
        ],
        "api.token_file" | "database.path" => &["", "   ", "~/x.db"],
        "api.timeout"
        | "api.connect_timeout"
        | "growth.settle"
        | "polling.min_interval"
        | "polling.max_interval"
        | "retry.initial"
        | "retry.max"
        | "gate.probe_interval" => &[
            "0s",
            "0ms",
            "5",
            "-5s",
            "soon",
            "367d",
            "99999999999999999999h",
            "",
        ],
        "history.keep" => &["0s", "90", "-1d", "3651d", "for ever", ""],
        "growth.chunk" => &["0", "-1", "251", "9223372036854775808"],
        "growth.task_cap" | "growth.max_stalled" => &["0", "-1", "9223372036854775808"],
        "growth.exclude_cap" => &["0", "-1", "100001", "9223372036854775808"],
        "polling.list_page" => &["-1", "1001", "9223372036854775808"],
        "results.keep" => &["1", "yes", "on", ""],
        "results.page" => &["0", "-1", "1001", "9223372036854775808"],
        "polling.quiet_after" | "results.live" => &["5", "-5s", "soon", "367d", "never", ""],
        "growth.daily_limit"
        | "growth.monthly_limit"
        | "growth.reserve_credits"
        | "growth.max_waste" => &["-1", "9223372036854775808"],
        "limits.concurrency" => &["0", "-1", "1025"],
        "limits.requests_per_second" => &["-1", "0.0001", "100001", "nan", "inf"],
        "log.level" => &["loud", " INFO", "", "info,sqlx=trace"],
        "log.format" => &["xml", "Text ", ""],
        other => panic!("a new key, {other}: say what it can't be"),
    }
}

/// A TOML value, and its form in a message.
fn wrong_types(default: Option<&str>) -> Vec<(&'static str, &'static str)> {
    let mut wrong = vec![
        ("[1, 2]", "a list"),
        ("{ a = 1 }", "a table"),
        ("{}", "a table"),
    ];
    let numbers = [("5", "5"), ("1.5", "1.5")];
    let texts = [("\"5\"", "\"5\""), ("\"many\"", "\"many\"")];
    match default {
        Some("true" | "false") => {
            wrong.extend(numbers);
            wrong.extend(texts);
            wrong.push(("\"true\"", "\"true\""));
        }
        Some(text) if !text.starts_with('"') => {
            wrong.push(("true", "true"));
            wrong.extend(texts);
        }
        _ => {
            wrong.push(("true", "true"));
            wrong.extend(numbers);
        }
    }
    wrong
}

fn variable(key: &str) -> String {
    format!("GROWD__{}", key.to_uppercase().replace('.', "__"))
}

#[test]
fn each_key_refuses_each_wrong_type_and_value_wherever_it_is_given() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("growd.toml");
    let name = file.to_str().unwrap();
    let mut tried = 0;
    for entry in entries() {
        let is_text = entry
            .default
            .as_ref()
            .is_none_or(|text| text.starts_with('"'));
        let mut in_file = wrong_types(entry.default.as_deref())
            .into_iter()
            .map(|(toml, shown)| (toml.to_owned(), shown.to_owned()))
            .collect::<Vec<_>>();
        for value in impossible(entry.name) {
            if is_text {
                in_file.push((format!("{value:?}"), format!("{value:?}")));
            } else if value.parse::<f64>().is_ok() && !value.starts_with("92233") {
                in_file.push((
                    (*value).to_owned(),
                    value.to_lowercase().replace("nan", "NaN"),
                ));
            }
            let given = variable(entry.name);
            let outcome = run(plain(&["status"]).env(&given, value));
            let shown = format!("{value:?}");
            refused(&outcome, 78, &[&given, entry.name, &shown, &entry.allowed]);
            tried += 1;
        }
        for (toml, shown) in in_file {
            fs::write(&file, format!("{} = {toml}\n", entry.name)).unwrap();
            let outcome = run(&mut plain(&["status", "--config", name]));
            let words = [name, entry.name, &shown, &entry.allowed];
            refused(&outcome, 78, &words);
            // A missing part is the default, and the message says so.
            if let Some(default) = &entry.default {
                refused(&outcome, 78, &[default.trim_matches('"')]);
            }
            tried += 1;
        }
    }
    assert!(tried > 200, "{tried}");
}

#[test]
fn each_misspelt_key_is_refused_and_the_right_one_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("growd.toml");
    let name = file.to_str().unwrap();
    for entry in entries() {
        let (section, key) = entry.name.split_once('.').unwrap();
        let value = entry.default.clone().unwrap_or_else(|| "\"x\"".to_owned());
        let middle = key.len() / 2;
        let misspelt = [
            // A missing letter, an extra one, two swapped; in capitals; without a section.
            format!("{section}.{}{}", &key[..middle], &key[middle + 1..]),
            format!("{section}.{key}s"),
            format!("{section}.{}", key.to_uppercase()),
            key.to_owned(),
            format!("{section}s.{key}"),
        ];
        for wrong in misspelt {
            fs::write(&file, format!("{wrong} = {value}\n")).unwrap();
            let outcome = run(&mut plain(&["check", "--offline", "--config", name]));
            refused(&outcome, 78, &[name, &wrong, entry.name]);
            if !wrong.to_lowercase().contains("token") {
                refused(&outcome, 78, &[value.trim_matches('"')]);
            }
        }
        let wrong = format!("{section}.{key}x");
        let given = variable(&wrong);
        let outcome = run(plain(&["status"]).env(&given, "7"));
        refused(&outcome, 78, &[&given, &wrong, entry.name]);
    }
}

#[test]
fn all_errors_are_reported_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("growd.toml");
    fs::write(
        &file,
        "growth.chunk = 0\nlog.level = 'loud'\nlgo.format = 'text'\n[polling]\nmin_interval = '2m'\nmax_interval = '1m'\n",
    )
    .unwrap();
    let outcome = run(plain(&["run", "--config", file.to_str().unwrap()])
        .env("GROWD__LIMITS__CONCURRENCY", "none"));
    let words = [
        "growth.chunk",
        "log.level",
        "lgo.format",
        "polling.min_interval",
        "polling.max_interval",
        "GROWD__LIMITS__CONCURRENCY",
    ];
    refused(&outcome, 78, &words);
}

#[test]
fn invalid_toml_is_refused_with_its_line_and_without_quoting_it() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("growd.toml");
    let name = file.to_str().unwrap();
    for (text, line) in [
        ("# fine\n[growth]\nchunk = = 5 # S3CRET\n", "line 3"),
        ("[growth\n", "line 1"),
        ("[log]\nlevel = 'info\n", "line 2"),
        ("growth.chunk = 5\ngrowth.chunk = 6\n", "line 2"),
        ("\n\n\nS3CRET\n", "line 4"),
    ] {
        fs::write(&file, text).unwrap();
        for command in ["status", "run", "check"] {
            let outcome = run(&mut plain(&[command, "--config", name]));
            refused(&outcome, 78, &[name, "TOML", line]);
            assert!(
                !printed(&outcome).contains("S3CRET"),
                "{}",
                printed(&outcome)
            );
        }
    }
}

#[test]
fn a_config_that_cannot_be_read_is_refused_with_its_path_and_who_named_it() {
    let dir = tempfile::tempdir().unwrap();
    let directory = dir.path().to_str().unwrap();
    let missing = dir.path().join("missing.toml");
    let missing = missing.to_str().unwrap();
    let binary = dir.path().join("binary.toml");
    fs::write(&binary, [0xff, 0xfe, 0x00]).unwrap();
    let binary = binary.to_str().unwrap();
    for command in ["status", "run", "check"] {
        for (path, why) in [
            (directory, "directory"),
            (missing, "does not exist"),
            (binary, "UTF-8"),
        ] {
            let outcome = run(&mut plain(&[command, "--config", path]));
            refused(&outcome, 78, &[path, why]);
            let outcome = run(plain(&[command]).env("GROWD_CONFIG", path));
            refused(&outcome, 78, &[path, why]);
        }
        let outcome = run(&mut plain(&[command, "--config", missing]));
        refused(&outcome, 78, &["--config"]);
        let outcome = run(plain(&[command]).env("GROWD_CONFIG", missing));
        refused(&outcome, 78, &["$GROWD_CONFIG"]);
    }
    let closed = dir.path().join("closed.toml");
    fs::write(&closed, "").unwrap();
    fs::set_permissions(&closed, Permissions::from_mode(0o000)).unwrap();
    let closed = closed.to_str().unwrap();
    match mounts::bound_by_modes(&plain(&["status", "--config", closed])) {
        Some(mut held) => refused(&run(&mut held), 78, &[closed, "may read"]),
        None => mounts::skipped("an unreadable config", "root cannot be held to modes here"),
    }
}

#[test]
fn config_on_the_command_line_goes_before_the_variable_and_database_before_both() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str| {
        let path = dir.path().join(name);
        let text = format!(
            "database.path = \"{}/of-{name}.db\"\n",
            dir.path().display()
        );
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (flag, named) = (write("flag"), write("variable"));
    let output_of = |command: &mut Command| printed(&run(command));
    let both = output_of(plain(&["status", "--config", &flag]).env("GROWD_CONFIG", &named));
    assert!(both.contains("of-flag.db"), "{both}");
    let one = output_of(plain(&["status"]).env("GROWD_CONFIG", &named));
    assert!(one.contains("of-variable.db"), "{one}");
    let empty = output_of(plain(&["status", "--config", &flag]).env("GROWD_CONFIG", ""));
    assert!(empty.contains("of-flag.db"), "{empty}");
    let key = output_of(
        plain(&["status", "--config", &flag])
            .env("GROWD__DATABASE__PATH", "/nonexistent/of-key.db"),
    );
    assert!(key.contains("of-key.db"), "{key}");
    let database = output_of(
        plain(&[
            "status",
            "--config",
            &flag,
            "--database",
            "/nonexistent/of-flag-database.db",
        ])
        .env("GROWD__DATABASE__PATH", "/nonexistent/of-key.db"),
    );
    assert!(database.contains("of-flag-database.db"), "{database}");
    // A broken file that is named is an error: growd does not fall back to another one.
    fs::write(&named, "nonsense").unwrap();
    assert!(
        output_of(plain(&["status", "--config", &flag]).env("GROWD_CONFIG", &named))
            .contains("of-flag")
    );
    refused(
        &run(plain(&["status"]).env("GROWD_CONFIG", &named)),
        78,
        &[&named],
    );
}

const MARK: &str = "MARKED-TOKEN-51c0";

fn write(path: &Path, bytes: &[u8], mode: u32) {
    fs::write(path, bytes).unwrap();
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invalid_token_is_refused_with_its_place_and_never_repeated() {
    let bench = Bench::new().await;
    write_config(&bench, &[]);
    let file = bench.dir.path().join("token");
    let place = file.to_str().unwrap();
    let long = MARK.repeat(300);
    for (bytes, why) in [
        (&b""[..], "empty"),
        (b"\n\n", "empty"),
        (b"\x7fELF\x00\x01\xff\xfe", "not text"),
        (b"MARKED-TOKEN-51c0\x00", "control"),
        (b"MARKED-TOKEN-51c0\nsecond line\n", "line breaks"),
        (b"Bearer MARKED-TOKEN-51c0", "spaces"),
        ("MARKED-TOKEN-51c0-é".as_bytes(), "ASCII"),
        (b"\"MARKED-TOKEN-51c0\"\n", "quotation marks"),
        (b"'MARKED-TOKEN-51c0'", "quotation marks"),
        (long.as_bytes(), "longer than 4096 bytes"),
    ] {
        write(&file, bytes, 0o600);
        for command in [&["run"][..], &["check"], &["check", "--offline"]] {
            let outcome = run(&mut growd(&bench, command));
            refused(&outcome, 77, &[place, why, "put the token there"]);
            assert!(
                !printed(&outcome).contains("MARKED"),
                "{}",
                printed(&outcome)
            );
        }
    }
    fs::remove_file(&file).unwrap();
    refused(
        &run(&mut growd(&bench, &["run"])),
        77,
        &[place, "must exist"],
    );
    fs::create_dir(&file).unwrap();
    refused(
        &run(&mut growd(&bench, &["run"])),
        77,
        &[place, "directory"],
    );
    fs::remove_dir(&file).unwrap();
    write(&file, MARK.as_bytes(), 0o000);
    match mounts::bound_by_modes(&growd(&bench, &["run"])) {
        Some(mut held) => refused(&run(&mut held), 77, &[place, "readable by this user"]),
        None => mounts::skipped("an unreadable token", "root cannot be held to modes here"),
    }
    assert_eq!(bench.service.requests().total, 0, "nothing was sent");
}

/// Whether `check` reaches the service with the token that it accepts.
fn accepted(command: &mut Command) -> bool {
    let outcome = run(command);
    match outcome.status.code() {
        Some(0) => true,
        Some(77) => false,
        _ => panic!("{}", printed(&outcome)),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_credential_goes_before_the_file_and_the_file_before_the_variable() {
    let mut options = Options::default();
    options.settings.speed = 1_000.0;
    let bench = Bench::with(options).await;
    write_config(&bench, &[]);
    // `check` needs a database to succeed.
    bench.connection().await;
    let file = bench.dir.path().join("token");
    let credentials = tempfile::tempdir().unwrap();
    let credential = credentials.path().join("extruct-api-token");
    let accepts = |token: &str| {
        let token = Some(token.to_owned());
        bench
            .service
            .settings(|settings| settings.accepted_token = token);
    };
    let check = || {
        let mut check = growd(&bench, &["check"]);
        check
            .env("CREDENTIALS_DIRECTORY", credentials.path())
            .env("EXTRUCT_API_TOKEN", "of-the-variable");
        check
    };
    // A final line break is not part of the token.
    write(&file, b"of-the-file\r\n", 0o600);
    write(&credential, b"of-the-credential\n", 0o400);
    accepts("of-the-credential");
    assert!(accepted(&mut check()));
    fs::remove_file(&credential).unwrap();
    assert!(!accepted(&mut check()), "the file's is another");
    accepts("of-the-file");
    assert!(accepted(&mut check()));
    write_config(&bench, &[("api.token_file", "\"/nonexistent/token\"")]);
    // A file that is named must be usable.
    assert!(!accepted(&mut check()));
    let toml = bench.dir.path().join("growd.toml");
    let without = fs::read_to_string(&toml).unwrap();
    let without: Vec<&str> = without
        .lines()
        .filter(|line| !line.contains("token_file"))
        .collect();
    fs::write(&toml, without.join("\n")).unwrap();
    accepts("of-the-variable");
    assert!(accepted(&mut check()));
    let outcome = run(check().env_remove("EXTRUCT_API_TOKEN"));
    refused(
        &outcome,
        77,
        &["api.token_file", "EXTRUCT_API_TOKEN", "LoadCredential"],
    );
    let outcome = run(check().env("EXTRUCT_API_TOKEN", "two words"));
    refused(&outcome, 77, &["EXTRUCT_API_TOKEN"]);
    write(&credential, b"", 0o400);
    // The same holds for an empty credential.
    refused(&run(&mut check()), 77, &["extruct-api-token", "empty"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_everyone_can_read_is_used_and_warned_of() {
    let bench = Bench::new().await;
    write_config(&bench, &[]);
    bench.connection().await;
    let file = bench.dir.path().join("token");
    for (mode, warned) in [(0o644, true), (0o602, true), (0o640, false), (0o600, false)] {
        write(&file, b"a-token-for-tests\n", mode);
        let checked = run(&mut growd(&bench, &["check"]));
        assert!(checked.status.success(), "{}", printed(&checked));
        assert_eq!(
            printed(&checked).contains("chmod o-rwx"),
            warned,
            "{mode:o}"
        );
    }
    write(&file, b"a-token-for-tests\n", 0o644);
    let mut daemon = Daemon::start(&bench);
    daemon.logs("started").await;
    daemon.signal("TERM");
    assert_eq!(daemon.ended().await, Some(0));
    assert!(
        daemon.logged().contains("chmod o-rwx"),
        "{}",
        daemon.logged()
    );
}

/// Unusual but valid ids.
const ODD: [&str; 5] = ["...", "-x", "--target", "~", "._~-"];

/// Ids that an earlier version accepted, and that new tasks cannot have.
const OLD: [&str; 21] = [
    "%",
    "%2e%2e",
    "%2E",
    "%00",
    "%0a",
    "..%2f..",
    "🦀",
    "né",
    "a+b&c=d;e",
    "'",
    "\"",
    "a\u{202e}b",
    "{id}",
    "a/b",
    "../../user",
    "a b",
    "a?b",
    "a#b",
    "a\\b",
    "/",
    "https://app.extruct.ai/tasks/x",
];

#[tokio::test(flavor = "multi_thread")]
async fn an_odd_task_id_reaches_the_service_as_one_segment_of_the_path() {
    let bench = Bench::new().await;
    // Pages of the list would push requests out of the stand-in's log.
    write_config(
        &bench,
        &[("polling.list_page", "0"), ("results.keep", "false")],
    );
    let all: BTreeSet<&str> = ODD.into_iter().chain(OLD).collect();
    for id in &all {
        let mut scenario = Scenario::done(25).with_id(*id);
        scenario.pool = Some(5_000);
        scenario.rate_per_minute = Some(6_000.0);
        bench.service.add_task(&scenario);
    }
    let arguments = [&["add", "--target", "30", "--"][..], &ODD].concat();
    // --config must come before the ids.
    let config = bench.dir.path().join("growd.toml");
    let arguments = [&["--config", config.to_str().unwrap()][..], &arguments].concat();
    let added = run(&mut plain(&arguments));
    assert!(added.status.success(), "{}", printed(&added));
    let old = OLD
        .map(|id| format!("('{}', 30)", id.replace('\'', "''")))
        .join(", ");
    bench
        .execute_as_before(&format!("INSERT INTO tasks (task_id, target) VALUES {old}"))
        .await;
    let mut daemon = Daemon::start(&bench);
    bench.until_all_ended().await;
    let states: Vec<(String, String)> = sqlx::query_as("SELECT task_id, state FROM progress")
        .fetch_all(&mut bench.connection().await)
        .await
        .unwrap();
    assert_eq!(states.len(), all.len());
    for (id, state) in states {
        assert_eq!(state, "reached", "{id:?}");
    }
    daemon.signal("TERM");
    assert_eq!(daemon.ended().await, Some(0));
    let mut seen = BTreeSet::new();
    for request in bench.service.requests().last {
        if request.path == "/v1/discovery_tasks" {
            // A page of the list.
            continue;
        }
        let rest = request
            .path
            .strip_prefix("/v1/discovery_tasks/")
            .expect("a path of tasks");
        let segment = rest.strip_suffix("/resume").unwrap_or(rest);
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._~%".contains(c);
        assert!(segment.chars().all(is_plain), "{}", request.path);
        let id = percent_encoding::percent_decode_str(segment)
            .decode_utf8()
            .unwrap();
        seen.insert(id.into_owned());
    }
    assert_eq!(
        seen.iter().map(String::as_str).collect::<BTreeSet<_>>(),
        all
    );
    for id in OLD {
        let shown = run(&mut growd(&bench, &["show", id]));
        assert!(shown.status.success(), "{id:?}: {}", printed(&shown));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_id_that_cannot_be_is_refused_on_the_command_line_and_in_sql() {
    let bench = Bench::new().await;
    write_config(&bench, &[]);
    let long = "x".repeat(10_000);
    let crabs = "🦀".repeat(51);
    let bad = [
        "",
        " ",
        "   ",
        ".",
        "..",
        "a\nb",
        "\n",
        "a\tb",
        "a\u{1b}[31mb",
        "a\u{7f}b",
        &long,
        &crabs,
    ];
    for id in bad {
        let outcome = run(&mut growd(&bench, &["add", id, "--target", "5"]));
        let text = printed(&outcome);
        assert_eq!(outcome.status.code(), Some(2), "{id:?}: {text}");
        assert!(
            text.len() < 30_000 && !text.contains('\u{1b}'),
            "{id:?}: {text:?}"
        );
        let inserted = sqlx::query("INSERT INTO tasks (task_id, target) VALUES (?, 5)")
            .bind(id)
            .execute(&mut bench.connection().await)
            .await;
        let refusal = inserted.expect_err(id).to_string();
        assert!(refusal.contains("task_id_is_an_id"), "{id:?}: {refusal}");
    }
    for only_here in [
        "a/b",
        "a b",
        "../../user",
        "https://app.extruct.ai/tasks/..",
        "https://app.extruct.ai/tasks/%2e%2e",
        "https://app.extruct.ai/tasks/a%00b",
        "https://app.extruct.ai/tasks/a%0Ab",
        "https://app.extruct.ai/",
        "https://evil.example/tasks/a",
        "a,",
        "\"a\"",
        "a\u{200b}",
    ] {
        let outcome = run(&mut growd(&bench, &["add", only_here, "--target", "5"]));
        assert_eq!(
            outcome.status.code(),
            Some(2),
            "{only_here}: {}",
            printed(&outcome)
        );
    }
    // An id that begins with a hyphen is read as a flag, and the message says so.
    refused(
        &run(&mut growd(&bench, &["add", "-x", "--target", "5"])),
        2,
        &["-x"],
    );
    // An argument cannot contain NUL; a list can.
    for line in ["a\0b", "\0", ".."] {
        let mut command = growd(&bench, &["add", "-", "--target", "5"]);
        let list = bench.dir.path().join("list");
        fs::write(&list, format!("fine\n{line}\n")).unwrap();
        let outcome = run(command.stdin(fs::File::open(&list).unwrap()));
        refused(&outcome, 2, &["line 2"]);
    }
    let tasks: i64 = bench.value("SELECT count(*) FROM tasks").await;
    assert_eq!(tasks, 0, "all of them or none");
}

#[test]
fn a_variable_that_growd_does_not_know_is_warned_of() {
    let warned = |name: &str| {
        let outcome = run(plain(&["status", "--database", "/nonexistent/x.db"]).env(name, "5"));
        printed(&outcome)
    };
    let said = warned("GROWD_GROWTH_CHUNK");
    assert!(said.contains("GROWD_GROWTH_CHUNK is unknown"), "{said}");
    assert!(said.contains("GROWD__GROWTH__CHUNK"), "{said}");
    assert!(!warned("GROWD__GROWTH__CHUNK").contains("GROWD"));
    let mut check = plain(&["check", "--offline", "--database", "/nonexistent/x.db"]);
    let said = self::printed(&run(check.env("GROWD_GROWTH_CHUNK", "5")));
    assert!(
        said.contains("warn  config") && said.contains("GROWD__GROWTH__CHUNK"),
        "{said}"
    );
}

#[test]
fn a_config_without_an_end_is_refused() {
    let outcome = run(&mut plain(&["status", "--config", "/dev/zero"]));
    refused(&outcome, 78, &["/dev/zero", "larger than"]);
}

#[test]
fn a_tilde_that_no_shell_expanded_is_refused_on_the_command_line() {
    for flag in ["--database=~/x.db", "--config=~/growd.toml"] {
        refused(
            &run(&mut plain(&["status", flag])),
            2,
            &["~", "write the path out"],
        );
    }
}

/// An address that is reachable only through a proxy.
const BEYOND: (&str, &str) = ("api.base_url", r#""https://growd.invalid""#);

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_or_certificate_that_cannot_be_used_is_an_error_at_the_start_that_names_it() {
    let bench = Bench::new().await;
    for base in [None, Some(BEYOND)] {
        write_config(&bench, base.as_slice());
        for (name, value) in [
            ("HTTPS_PROXY", "not a url"),
            ("https_proxy", "not a url"),
            ("HTTP_PROXY", "ftp://proxy.example"),
            ("ALL_PROXY", "socks5://me:S3CRET@proxy.example"),
            ("SSL_CERT_FILE", "/nonexistent/roots.pem"),
            ("SSL_CERT_DIR", "/nonexistent"),
        ] {
            for command in ["run", "check"] {
                let outcome = run(growd(&bench, &[command]).env(name, value));
                refused(&outcome, 78, &[name]);
                assert!(
                    !printed(&outcome).contains("S3CRET"),
                    "{}",
                    printed(&outcome)
                );
            }
            // These two do not contact the service.
            for command in [&["check", "--offline"][..], &["add", "a", "--target", "5"]] {
                let outcome = run(growd(&bench, command).env(name, value));
                assert!(outcome.status.success(), "{name}: {}", printed(&outcome));
            }
        }
    }
    assert_eq!(bench.service.requests().total, 0, "nothing was sent");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_refuses_is_named() {
    let bench = Bench::new().await;
    write_config(&bench, &[BEYOND]);
    let proxy = Proxy::to(bench.service.addr(), |_| {
        let answer = b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n";
        Reply::Bytes(answer.to_vec())
    });
    let host = proxy
        .url()
        .trim_matches('"')
        .trim_start_matches("http://")
        .to_owned();
    // The proxy first refuses connections, then requests.
    for open in [false, true] {
        if open {
            proxy.listen();
        }
        for name in ["HTTPS_PROXY", "ALL_PROXY"] {
            let proxy = format!("http://me:S3CRET@{host}");
            let mut check = growd(&bench, &["check"]);
            let outcome = run(check.env(name, proxy));
            let named = format!("through the proxy http://{host}");
            refused(&outcome, 69, &[&named, "check the proxy"]);
            assert!(
                !printed(&outcome).contains("S3CRET"),
                "{}",
                printed(&outcome)
            );
            // The message does not name a proxy that does not apply.
            let outcome = run(check.env("NO_PROXY", "growd.invalid"));
            refused(&outcome, 69, &["cannot be reached"]);
            assert!(!printed(&outcome).contains(&host), "{}", printed(&outcome));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_file_descriptors_the_network_is_not_blamed() {
    let bench = Bench::new().await;
    write_config(&bench, &[("limits.concurrency", "200")]);
    bench
        .service
        .script(Rule::always(On::Get, Fault::Delay { ms: 1_000 }));
    for _ in 0..60 {
        bench.grow(&Scenario::done(25), 25).await;
    }
    let run = growd(&bench, &["run"]);
    let mut limited = Command::new("sh");
    limited
        .args(["-c", "ulimit -n 40; exec \"$0\" \"$@\""])
        .arg(run.get_program())
        .args(run.get_args())
        .env_clear();
    let mut daemon = Daemon::spawn(&bench, limited);
    bench
        .until(
            "SELECT count(*) > 0 FROM events WHERE kind = 'error'
                AND detail LIKE '%file descriptors%LimitNOFILE%ulimit -n%'",
        )
        .await;
    bench.service.clear_script();
    bench.until_all_ended().await;
    let gates: i64 = bench
        .value("SELECT count(*) FROM events WHERE kind = 'gate'")
        .await;
    assert_eq!(gates, 0, "{}", daemon.logged());
    daemon.signal("TERM");
    assert_eq!(daemon.ended().await, Some(0), "{}", daemon.logged());
}

#[test]
fn the_helpers_environment_is_empty() {
    let dir: TempDir = tempfile::tempdir().unwrap();
    let file = dir.path().join("growd.toml");
    fs::write(&file, "log.level = 'loud'").unwrap();
    // A variable overrides the file, so an inherited one would hide the file's error.
    refused(
        &run(&mut plain(&["status", "--config", file.to_str().unwrap()])),
        78,
        &["loud"],
    );
}
