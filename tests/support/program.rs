//! The program as a child process, with an environment and a config of its own.

use super::{Bench, TIMEOUT};
use std::fmt::Write as _;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// `api.timeout` and `growth.settle` of [`write_config`].
const API_TIMEOUT: Duration = Duration::from_secs(2);
const SETTLE: Duration = Duration::from_secs(3);

/// Writes a config for `bench`; `more` overrides its keys. `growth.settle` has to be above `api.timeout`: where `more`
/// has only one of them, the other is adjusted.
pub fn write_config(bench: &Bench, more: &[(&str, &str)]) -> PathBuf {
    let url = format!("{:?}", bench.service.url());
    let token = format!("\"{}\"", bench.dir.path().join("token").display());
    let database = format!("\"{}\"", bench.settings.database.display());
    let mut keys = vec![
        ("api.base_url", url.as_str()),
        ("api.token_file", &token),
        ("api.timeout", r#""2s""#),
        ("database.path", &database),
        ("growth.settle", r#""3s""#),
        ("polling.min_interval", r#""10ms""#),
        ("polling.max_interval", r#""100ms""#),
        ("retry.initial", r#""10ms""#),
        ("retry.max", r#""200ms""#),
        ("gate.probe_interval", r#""100ms""#),
        ("limits.requests_per_second", "0"),
    ];
    for (key, value) in more {
        keys.retain(|(known, _)| known != key);
        keys.push((key, value));
    }
    let given = |name: &str| {
        let (_, value) = more.iter().find(|(key, _)| *key == name)?;
        humantime::parse_duration(value.trim_matches('"')).ok()
    };
    let fitting = match (given("api.timeout"), given("growth.settle")) {
        (Some(timeout), None) => Some(("growth.settle", timeout.max(SETTLE) + timeout / 4)),
        (None, Some(settle)) => Some(("api.timeout", API_TIMEOUT.min(settle * 3 / 4))),
        _ => None,
    };
    let fitting = fitting.map(|(key, span)| {
        (
            key,
            format!("{:?}", humantime::format_duration(span).to_string()),
        )
    });
    if let Some((key, value)) = &fitting {
        keys.retain(|(known, _)| known != key);
        keys.push((key, value));
    }
    let text = keys.iter().fold(String::new(), |mut text, (key, value)| {
        writeln!(text, "{key} = {value}").expect("writing to a string succeeds");
        text
    });
    let path = bench.dir.path().join("growd.toml");
    std::fs::write(&path, text).expect("a config file");
    path
}

/// Returns a command for the program, with an empty environment.
pub fn growd(bench: &Bench, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_growd"));
    command
        .args(arguments)
        .arg("--config")
        .arg(bench.dir.path().join("growd.toml"))
        .env_clear()
        .stdin(Stdio::null());
    command
}

/// Runs a command to its end.
pub fn output(bench: &Bench, arguments: &[&str]) -> Output {
    growd(bench, arguments).output().expect("it starts")
}

/// A running daemon; killed when dropped.
pub struct Daemon {
    pub child: Child,
    pub log: PathBuf,
}

impl Daemon {
    /// Starts `growd run`, with its log in a file.
    pub fn start(bench: &Bench) -> Self {
        Self::start_with(bench, &[])
    }

    /// Starts it with these environment variables.
    pub fn start_with(bench: &Bench, variables: &[(&str, &str)]) -> Self {
        let mut command = growd(bench, &["run"]);
        command.envs(variables.iter().copied());
        Self::spawn(bench, command)
    }

    /// Starts a daemon by this command.
    pub fn spawn(bench: &Bench, mut command: Command) -> Self {
        let log = bench.dir.path().join("growd.log");
        let file = std::fs::File::options()
            .create(true)
            .append(true)
            .open(&log)
            .expect("a log file");
        let child = command
            .stdout(file.try_clone().expect("a handle"))
            .stderr(file)
            .spawn()
            .expect("it starts");
        Self { child, log }
    }

    /// Sends a signal by name, such as `TERM`, once the program has its handler. A signal before that would kill it.
    pub fn signal(&self, name: &str) {
        let number = match name {
            "HUP" => Some(1),
            "INT" => Some(2),
            "TERM" => Some(15),
            _ => None,
        };
        let begin = Instant::now();
        while number.is_some_and(|number| !self.has_handler(number)) {
            assert!(begin.elapsed() < TIMEOUT, "{}", self.logged());
            std::thread::sleep(Duration::from_millis(2));
        }
        let sent = Command::new("kill")
            .args(["-s", name, &self.child.id().to_string()])
            .status()
            .expect("kill is there");
        assert!(sent.success());
    }

    /// Whether it has a handler for this signal, or has ended.
    fn has_handler(&self, number: u32) -> bool {
        let path = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(path).unwrap_or_default();
        let caught = status
            .lines()
            .find_map(|line| line.strip_prefix("SigCgt:"))
            .map(|mask| u64::from_str_radix(mask.trim(), 16).expect("a mask in hex"));
        let has_ended = status.contains("State:\tZ");
        has_ended || caught.is_none_or(|mask| mask & (1 << (number - 1)) != 0)
    }

    /// Waits until it ends. Returns the exit status, or none where a signal ended it.
    pub async fn ended(&mut self) -> Option<i32> {
        let begin = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("a child") {
                return status.code();
            }
            assert!(
                begin.elapsed() < TIMEOUT,
                "it does not end:\n{}",
                self.logged()
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Waits until SIGKILL ends it; `when` names the cause for the message of a failure.
    pub async fn killed(&mut self, when: &str) {
        let status = self.ended().await;
        let signal = self
            .child
            .try_wait()
            .expect("a child")
            .and_then(|status| status.signal());
        assert_eq!(
            (status, signal),
            (None, Some(9)),
            "{when}: it ended otherwise:\n{}",
            self.logged()
        );
    }

    /// Waits until the log contains this text.
    pub async fn logs(&self, text: &str) {
        let begin = Instant::now();
        while !self.logged().contains(text) {
            assert!(
                begin.elapsed() < TIMEOUT,
                "no {text:?} in:\n{}",
                self.logged()
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Returns all that it logged.
    pub fn logged(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // Ended already in most tests.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
