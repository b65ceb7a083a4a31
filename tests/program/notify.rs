//! Messages to systemd's notify socket: ready, reloading, stopping, the status line, and watchdog messages, which stop
//! if the writer or the scheduler stalls.

use crate::support::program::{Daemon, output, write_config};
use crate::support::{Bench, TIMEOUT};
use growd_simulator::Scenario;
use std::io::ErrorKind;
use std::os::unix::net::UnixDatagram;
use std::time::{Duration, Instant};

/// The socket to which systemd's notifications go.
struct NotifySocket {
    socket: UnixDatagram,
    path: String,
}

impl NotifySocket {
    fn of(bench: &Bench) -> Self {
        let path = bench.dir.path().join("notify");
        let socket = UnixDatagram::bind(&path).expect("a socket");
        socket.set_read_timeout(Some(TIMEOUT)).expect("a timeout");
        let path = path.to_str().expect("a path in UTF-8").to_owned();
        Self { socket, path }
    }

    fn receive(&self) -> String {
        let mut bytes = [0; 4096];
        loop {
            match self.socket.recv(&mut bytes) {
                Ok(size) => return String::from_utf8_lossy(&bytes[..size]).into_owned(),
                // A signal ends a `recv` with a timeout, even if its handler has SA_RESTART.
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => panic!("no message in time: {error}"),
            }
        }
    }

    /// Waits for a message that begins so.
    fn wait_for(&self, beginning: &str) -> String {
        loop {
            let message = self.receive();
            if message.starts_with(beginning) {
                return message;
            }
        }
    }

    fn start(&self, bench: &Bench, variables: &[(&str, &str)]) -> Daemon {
        let mut all = vec![("NOTIFY_SOCKET", self.path.as_str())];
        all.extend(variables);
        Daemon::start_with(bench, &all)
    }
}

async fn bench() -> Bench {
    let bench = Bench::new().await;
    write_config(&bench, &[("api.timeout", r#""5s""#)]);
    bench
}

#[tokio::test(flavor = "multi_thread")]
async fn systemd_is_notified_of_the_start_of_a_reload_and_of_the_stop() {
    let bench = bench().await;
    let socket = NotifySocket::of(&bench);
    let mut daemon = socket.start(&bench, &[]);
    assert_eq!(socket.receive(), "READY=1\n", "the first message");
    assert_eq!(
        socket.wait_for("STATUS="),
        "STATUS=no tasks, nothing is due, gate open\n"
    );

    daemon.signal("HUP");
    let reloading = socket.wait_for("RELOADING=1\n");
    assert!(reloading.contains("MONOTONIC_USEC="), "{reloading}");
    socket.wait_for("READY=1\n");
    assert!(!socket.wait_for("STATUS=").contains("reload failed"));

    daemon.signal("TERM");
    // The request's timeout, 5 s here, and 30 s for the rest of the shutdown.
    assert_eq!(
        socket.wait_for("STOPPING=1\n"),
        "STOPPING=1\nEXTEND_TIMEOUT_USEC=35000000\n"
    );
    assert_eq!(daemon.ended().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn systemd_is_notified_of_a_failed_reload_in_the_status() {
    let bench = bench().await;
    let socket = NotifySocket::of(&bench);
    let mut daemon = socket.start(&bench, &[]);
    socket.wait_for("STATUS=");
    let toml = bench.dir.path().join("growd.toml");
    std::fs::write(&toml, "growth.chunk = 0").expect("an invalid config");
    daemon.signal("HUP");
    socket.wait_for("RELOADING=1\n");
    socket.wait_for("READY=1\n");
    let status = socket.wait_for("STATUS=");
    assert!(status.contains("the last reload failed"), "{status}");
    daemon.signal("TERM");
    assert_eq!(daemon.ended().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_status_says_how_many_tasks_are_in_which_state() {
    let bench = bench().await;
    let mut ids = Vec::new();
    for target in ["5", "5", "100"] {
        let id = bench.service.add_task(&Scenario::done(10));
        let added = output(&bench, &["add", &id, "--target", target]);
        assert!(added.status.success());
        ids.push(id);
    }
    assert!(output(&bench, &["pause", &ids[2]]).status.success());
    let socket = NotifySocket::of(&bench);
    let _daemon = socket.start(&bench, &[]);
    let begin = Instant::now();
    loop {
        let status = socket.wait_for("STATUS=");
        if status.starts_with("STATUS=1 paused, 2 reached, nothing is due, gate open") {
            break;
        }
        assert!(begin.elapsed() < TIMEOUT, "{status}");
    }
}

async fn the_watchdog_is_not_fed_once_stalled(stall: &str) {
    let bench = bench().await;
    let id = bench.service.add_task(&Scenario::done(10));
    let socket = NotifySocket::of(&bench);
    let limit = Duration::from_secs(2);
    let micros = limit.as_micros().to_string();
    let _daemon = socket.start(
        &bench,
        &[("WATCHDOG_USEC", &micros), ("GROWD_STALL_AT", stall)],
    );
    // The daemon stalls only when a task is due.
    for _ in 0..3 {
        socket.wait_for("WATCHDOG=1\n");
    }
    let added = output(&bench, &["add", &id, "--target", "5"]);
    assert!(added.status.success());
    socket
        .socket
        .set_read_timeout(Some(limit / 4))
        .expect("a timeout");
    let begin = Instant::now();
    let mut fed = begin;
    while fed.elapsed() < limit * 2 {
        let mut bytes = [0; 4096];
        if socket.socket.recv(&mut bytes).is_ok() && bytes.starts_with(b"WATCHDOG") {
            fed = Instant::now();
        }
        assert!(begin.elapsed() < TIMEOUT, "it is still fed");
    }
}

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(
    not(debug_assertions),
    ignore = "a build without debug assertions has no stall points"
)]
async fn the_watchdog_is_not_fed_once_the_writer_stalls() {
    the_watchdog_is_not_fed_once_stalled("poll_storing").await;
}

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(
    not(debug_assertions),
    ignore = "a build without debug assertions has no stall points"
)]
async fn the_watchdog_is_not_fed_once_the_scheduler_stalls() {
    the_watchdog_is_not_fed_once_stalled("scheduled").await;
}
