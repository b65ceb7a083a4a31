//! The token appears in one header of the requests to the service and nowhere else, whatever the command, the failure,
//! or the echo of the service.

use crate::support::Bench;
use crate::support::program::{Daemon, growd, write_config};
use growd_simulator::{Fault, On, Options, Rule, Scenario};
use serde_json::json;
use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use wiremock::{Mock, MockServer, ResponseTemplate};

/// Its beginning and its end occur nowhere else.
const TOKEN: &str = "MARKED-Token-7f3a9.0123-cafe-EDNAMORK";

/// Parts of the token in lower case: none may occur anywhere, in any case.
const PARTS: [&str; 2] = ["bench_with_token-token-7", "cafe-ednamork"];

#[track_caller]
fn assert_clean(what: &str, bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes).to_ascii_lowercase();
    for part in PARTS {
        if let Some(at) = text.find(part) {
            let from = text[..at]
                .char_indices()
                .rev()
                .nth(200)
                .map_or(0, |(at, _)| at);
            panic!("{what} has the token: …{}", &text[from..at + part.len()]);
        }
    }
}

/// The source of the token.
#[derive(Debug, Clone, Copy)]
enum TokenSource {
    File,
    Variable,
    Credential,
}

/// A bench with a token, and the variables with which the program finds it.
struct TokenBench {
    bench: Bench,
    variables: Vec<(&'static str, PathBuf)>,
    /// The directory with the token's files, which the search skips.
    _secrets: tempfile::TempDir,
}

impl TokenBench {
    async fn new(kept: TokenSource, format: &str, more: &[(&str, &str)]) -> Self {
        let mut options = Options::default();
        options.settings.speed = 1_000.0;
        options.settings.accepted_token = Some(TOKEN.to_owned());
        let bench = Bench::with(options).await;
        fs::remove_file(bench.dir.path().join("token")).unwrap();
        let secrets = tempfile::tempdir().unwrap();
        let (file, credential) = (
            secrets.path().join("token"),
            secrets.path().join("extruct-api-token"),
        );
        let format = format!("{format:?}");
        let named = format!("\"{}\"", file.display());
        let mut keys = vec![
            ("log.level", r#""trace""#),
            ("log.format", format.as_str()),
            ("api.token_file", named.as_str()),
        ];
        keys.extend(more);
        write_config(&bench, &keys);
        let mut variables = vec![("http_proxy", PathBuf::from("http://127.0.0.1:9"))];
        match kept {
            TokenSource::File => fs::write(&file, TOKEN).unwrap(),
            TokenSource::Credential => {
                fs::write(&credential, TOKEN).unwrap();
                variables.push(("CREDENTIALS_DIRECTORY", secrets.path().to_owned()));
            }
            TokenSource::Variable => {
                let toml = bench.dir.path().join("growd.toml");
                let text = fs::read_to_string(&toml).unwrap();
                let kept: Vec<_> = text
                    .lines()
                    .filter(|line| !line.contains("token_file"))
                    .collect();
                fs::write(&toml, kept.join("\n")).unwrap();
                variables.push(("EXTRUCT_API_TOKEN", TOKEN.into()));
            }
        }
        Self {
            bench,
            variables,
            _secrets: secrets,
        }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = growd(&self.bench, arguments);
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs a command and checks its output.
    fn says(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments).output().unwrap();
        assert_clean(&format!("{arguments:?}"), &output.stdout);
        assert_clean(&format!("{arguments:?}"), &output.stderr);
        String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr)
    }

    fn daemon(&self) -> Daemon {
        let log = self.bench.dir.path().join("growd.log");
        let file = fs::File::options()
            .create(true)
            .append(true)
            .open(&log)
            .unwrap();
        let child = self
            .command(&["run"])
            .stdout(file.try_clone().unwrap())
            .stderr(file)
            .spawn()
            .unwrap();
        Daemon { child, log }
    }

    /// Checks the content and the name of every file, including database and log.
    fn assert_files_clean(&self) -> usize {
        let mut count = 0;
        for entry in fs::read_dir(self.bench.dir.path()).unwrap() {
            let path = entry.unwrap().path();
            assert_clean("a name", path.as_os_str().as_encoded_bytes());
            assert_clean(&path.display().to_string(), &fs::read(&path).unwrap());
            count += 1;
        }
        count
    }
}

/// Checks what other users of the machine can see of a process.
fn assert_process_clean(pid: u32) {
    for file in ["cmdline", "comm", "stat", "status", "maps"] {
        let path = format!("/proc/{pid}/{file}");
        assert_clean(&path, &fs::read(&path).unwrap());
    }
    for descriptor in fs::read_dir(format!("/proc/{pid}/fd")).unwrap().flatten() {
        // Some are closed by now.
        if let Ok(target) = fs::read_link(descriptor.path()) {
            let name = target.file_name().unwrap_or_default();
            assert_clean("an open file's name", name.as_encoded_bytes());
        }
    }
}

fn echo(code: u16, detail: serde_json::Value) -> Fault {
    let mut headers = BTreeMap::new();
    for name in ["Location", "Retry-After", "WWW-Authenticate", "X-Echo"] {
        headers.insert(name.to_owned(), format!("https://{TOKEN}.example/{TOKEN}"));
    }
    Fault::Status {
        code,
        headers,
        body: Some(detail),
        text: None,
        takes_effect: false,
    }
}

/// Answers with the token, in each place and in each form.
fn echoes() -> Vec<Fault> {
    let mut faults = Vec::new();
    for code in [400, 408, 409, 422, 500, 503] {
        faults.push(echo(
            code,
            json!({ "detail": format!("bad header: Bearer {TOKEN}") }),
        ));
    }
    for detail in [
        json!({ "detail": { "error": TOKEN } }),
        json!({ "detail": [{ "msg": TOKEN }, { TOKEN: TOKEN }] }),
        json!({ TOKEN: { "authorization": TOKEN.to_lowercase() } }),
        json!(format!("{TOKEN}{TOKEN} {}", TOKEN.to_uppercase())),
        json!([TOKEN]),
        // The token crosses the point where growd cuts a long text.
        json!({ "detail": format!("{}{TOKEN}", "x".repeat(480)) }),
        json!({ "detail": format!("{}{TOKEN}", "é".repeat(485)) }),
    ] {
        faults.push(echo(500, detail));
    }
    for location in [
        format!("https://{TOKEN}.example/"),
        format!("https://user:{TOKEN}@host.example/{TOKEN}?token={TOKEN}#{TOKEN}"),
        format!("/{TOKEN}"),
        TOKEN.to_owned(),
    ] {
        faults.push(Fault::Redirect {
            status: 307,
            location,
        });
    }
    faults
}

async fn runs_clean(kept: TokenSource, format: &'static str) {
    let bench_with_token = TokenBench::new(kept, format, &[]).await;
    let bench = &bench_with_token.bench;
    let mut scenario = Scenario::done(25);
    scenario.pool = Some(5_000);
    scenario.rate_per_minute = Some(6_000.0);
    scenario.query = Some(format!("{}who has {TOKEN}", "x".repeat(1_975)));
    let id = bench.grow(&scenario, 120).await;
    bench
        .grow(
            &Scenario {
                query: Some(TOKEN.to_owned()),
                ..scenario.clone()
            },
            60,
        )
        .await;
    for fault in echoes() {
        bench.service.script(Rule::once(On::Get, fault));
    }
    for code in [401, 402, 403, 429, 500] {
        let mut fault = echo(code, json!({ "detail": TOKEN }));
        if let Fault::Status { headers, .. } = &mut fault {
            headers.insert("Retry-After".to_owned(), "0".to_owned());
        }
        bench.service.script(Rule::once(On::Resume, fault));
    }
    let mut daemon = bench_with_token.daemon();
    bench
        .until("SELECT polls > 3 FROM progress ORDER BY polls LIMIT 1")
        .await;
    assert_process_clean(daemon.child.id());
    bench_with_token.says(&["status", "--json"]);
    bench_with_token.says(&["show", id.as_str()]);
    bench.until_all_ended().await;
    assert!(
        bench.service.pending_script().is_empty(),
        "{:?}",
        bench.service.pending_script()
    );
    // While the daemon runs, the write-ahead log exists too.
    assert!(bench_with_token.assert_files_clean() >= 5);
    daemon.signal("HUP");
    bench
        .until("SELECT count(*) = 1 FROM events WHERE kind = 'reloaded'")
        .await;
    let backup = bench.dir.path().join("backup.db");
    for command in [
        &["status"][..],
        &["status", "--json"],
        &["show", id.as_str()],
        &["show", id.as_str(), "--json"],
        &["watch"],
        &["check"],
        &["check", "--offline"],
        &["pause", id.as_str()],
        &["unpause", id.as_str()],
        &["retry", id.as_str()],
        &["add", "another", "--target", "5", "--note", "a note"],
        &["remove", "another"],
        &["backup", backup.to_str().unwrap()],
        &["show", "unknown"],
        &["run"],
        &["nonsense"],
        &["--help"],
    ] {
        bench_with_token.says(command);
    }
    for fault in echoes() {
        bench.service.script(Rule::once(On::User, fault));
        bench_with_token.says(&["check"]);
    }
    for code in [401, 402, 403, 404, 429] {
        bench
            .service
            .script(Rule::once(On::User, echo(code, json!({ "detail": TOKEN }))));
        bench_with_token.says(&["check"]);
    }
    assert_process_clean(daemon.child.id());
    daemon.signal("TERM");
    assert_eq!(daemon.ended().await, Some(0));
    let logged = daemon.logged();
    assert!(
        logged.contains("[redacted]") && logged.contains("DEBUG"),
        "{logged}"
    );
    assert!(bench_with_token.assert_files_clean() >= 4);
    let kept: i64 = bench
        .value("SELECT count(*) > 0 FROM progress WHERE query LIKE '%[redacted]%'")
        .await;
    assert_eq!(kept, 1, "{}", bench.dump().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_token_is_in_no_output_log_or_file_wherever_it_is_kept_and_however_it_is_echoed() {
    let (text, json) = ("text", "json");
    tokio::join!(
        runs_clean(TokenSource::File, text),
        runs_clean(TokenSource::Variable, json),
        runs_clean(TokenSource::Credential, text),
        runs_clean(TokenSource::File, json),
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn unexpected_text_of_the_service_is_kept_without_the_token_and_no_other_host_gets_it() {
    let elsewhere = MockServer::start().await;
    let service = MockServer::start().await;
    let task = |status: String, results: serde_json::Value| {
        json!({ "id": "t", "status": status, "query": TOKEN, "is_exhausted": false,
                "desired_num_results": 25, "num_results": results })
    };
    let answers = [
        ResponseTemplate::new(200).set_body_json(task(TOKEN.to_owned(), json!(1))),
        ResponseTemplate::new(200)
            .set_body_json(task(format!("{}{TOKEN}", "x".repeat(40)), json!(2))),
        ResponseTemplate::new(200).set_body_json(task("done".to_owned(), json!(TOKEN))),
        ResponseTemplate::new(200).set_body_json(json!({ "id": TOKEN, "status": "done" })),
        ResponseTemplate::new(200).set_body_string(format!("{TOKEN} is no JSON")),
        ResponseTemplate::new(302)
            .insert_header("Location", format!("{}/{TOKEN}", elsewhere.uri())),
        ResponseTemplate::new(307).insert_header("Location", elsewhere.uri()),
        ResponseTemplate::new(308).insert_header("Location", elsewhere.uri()),
        ResponseTemplate::new(200).set_body_json(task(
            "in_progress".to_owned(),
            json!("y".repeat(2_000) + TOKEN),
        )),
        ResponseTemplate::new(500).set_body_string("z".repeat(490) + TOKEN),
    ];
    let count = answers.len();
    for answer in answers {
        Mock::given(wiremock::matchers::path("/v1/discovery_tasks/t"))
            .respond_with(answer)
            .up_to_n_times(1)
            .mount(&service)
            .await;
    }
    Mock::given(wiremock::matchers::path("/v1/discovery_tasks/t"))
        .respond_with(ResponseTemplate::new(200).set_body_json(task("done".to_owned(), json!(25))))
        .mount(&service)
        .await;
    Mock::given(wiremock::matchers::path("/v1/user"))
        .respond_with(
            ResponseTemplate::new(200)
                .set_body_json(json!({ "email": TOKEN, "available_credits": 3 })),
        )
        .mount(&service)
        .await;
    let url = format!("{:?}", service.uri());
    let bench_with_token =
        TokenBench::new(TokenSource::File, "json", &[("api.base_url", &url)]).await;
    let mut bench_with_token = bench_with_token;
    for name in [
        "http_proxy",
        "HTTP_PROXY",
        "https_proxy",
        "ALL_PROXY",
        "all_proxy",
    ] {
        bench_with_token
            .variables
            .push((name, elsewhere.uri().into()));
    }
    let bench = &bench_with_token.bench;
    bench.want(&"t".parse().unwrap(), 25, None).await;
    let mut daemon = bench_with_token.daemon();
    bench.until_all_ended().await;
    let shown = bench_with_token.says(&["check"]);
    assert!(shown.contains("[redacted], 3 credits"), "{shown}");
    bench_with_token.says(&["show", "t"]);
    daemon.signal("TERM");
    assert_eq!(daemon.ended().await, Some(0), "{}", daemon.logged());
    bench_with_token.assert_files_clean();
    let longest: i64 = bench.value("SELECT max(length(detail)) FROM events").await;
    assert!(longest < 2_000, "an error is kept in {longest} characters");
    let asked = service.received_requests().await.unwrap();
    assert!(asked.len() > count);
    for request in asked {
        let header = request.headers.get("authorization").unwrap();
        assert_eq!(header.to_str().unwrap(), format!("Bearer {TOKEN}"));
        assert_clean("the path", request.url.as_str().as_bytes());
        assert_clean("the body", &request.body);
        let others = request
            .headers
            .iter()
            .filter(|(name, _)| *name != "authorization");
        for (name, value) in others {
            assert_clean(name.as_str(), value.as_bytes());
        }
    }
    assert!(elsewhere.received_requests().await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_in_the_wrong_place_is_refused_and_not_repeated() {
    let bench_with_token = TokenBench::new(TokenSource::Variable, "text", &[]).await;
    let file = bench_with_token.bench.dir.path().join("growd.toml");
    let commands = [&["run"][..], &["status"], &["check"]];
    for text in [
        format!("api.token = '{TOKEN}'"),
        format!("[api]\nkey_secret = '{TOKEN}'"),
        format!("[api]\ntoken_file = '{TOKEN}'"),
        format!("[api]\nbase_url = 'https://{TOKEN}@api.extruct.ai'"),
        format!("[api]\nbase_url = 'https://api.extruct.ai/?token={TOKEN}'"),
        format!("password = '{TOKEN}'"),
        format!("[api]\ntoken = '{TOKEN}\n"),
        TOKEN.to_owned(),
    ] {
        fs::write(&file, &text).unwrap();
        for command in commands {
            let said = bench_with_token.says(command);
            assert!(!said.is_empty(), "{text}");
        }
    }
    fs::write(&file, "").unwrap();
    for name in ["GROWD__API__TOKEN", "GROWD__TOKEN", "GROWD__API__PASSWORD"] {
        let output = bench_with_token
            .command(&["status"])
            .env(name, TOKEN)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(78), "{name}");
        assert_clean(name, &output.stderr);
    }
    for (name, value) in [
        ("EXTRUCT_API_TOKEN", format!("{TOKEN} {TOKEN}")),
        ("EXTRUCT_API_TOKEN", format!("{TOKEN}\u{e9}")),
    ] {
        let output = bench_with_token
            .command(&["run"])
            .env(name, value)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(77), "{name}");
        assert_clean(name, &output.stderr);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_that_need_no_token_do_not_print_one() {
    let bench_with_token = TokenBench::new(TokenSource::Variable, "text", &[]).await;
    for arguments in [&["simulate", "--listen", "127.0.0.1:0"][..], &["demo"]] {
        let mut command = bench_with_token.command(arguments);
        let mut child = command
            .env("TMPDIR", bench_with_token.bench.dir.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stderr = child.stderr.take().unwrap();
        let mut said = [0; 1];
        // Its first output shows that it has started.
        stderr.read_exact(&mut said).unwrap();
        assert_process_clean(child.id());
        Command::new("kill")
            .arg(child.id().to_string())
            .status()
            .unwrap();
        let mut rest = Vec::new();
        stderr.read_to_end(&mut rest).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_clean("stdout", &output.stdout);
        assert_clean("stderr", &rest);
        walk_clean(bench_with_token.bench.dir.path());
    }
}

fn walk_clean(dir: &Path) {
    for entry in fs::read_dir(dir).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            walk_clean(&path);
        } else if let Ok(bytes) = fs::read(&path) {
            assert_clean(&path.display().to_string(), &bytes);
        }
    }
}
