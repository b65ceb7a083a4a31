//! Failures of the database file: the program reports the problem and the remedy, ends or waits, changes no file of
//! another program, and sends no resume twice.

use crate::support::program::{Daemon, growd, output, write_config};
use crate::support::{Bench, TIMEOUT, duplicates, mounts, plenty};
use growd_simulator::{Fault, On, Rule};
use sqlx::Connection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use std::collections::BTreeMap;
use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

fn printed(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

fn run(mut command: Command) -> Output {
    command.output().expect("it starts")
}

/// Runs a command that must fail with this status; its output must contain all of `words`.
fn refused(bench: &Bench, arguments: &[&str], status: i32, words: &[&str]) {
    has_failed(&output(bench, arguments), arguments, status, words);
}

fn has_failed(output: &Output, arguments: &[&str], status: i32, words: &[&str]) {
    let said = printed(output);
    assert_eq!(output.status.code(), Some(status), "{arguments:?}: {said}");
    for word in words {
        assert!(said.contains(word), "{arguments:?}: no {word:?} in: {said}");
    }
}

/// Three tasks that need three resumes each. Answers to resumes are delayed, so that a test can act before one arrives.
async fn bench_at_work() -> Bench {
    let bench = Bench::new().await;
    three_searches(&bench).await;
    bench
}

async fn three_searches(bench: &Bench) {
    write_config(bench, &[]);
    bench
        .service
        .script(Rule::always(On::Resume, Fault::Delay { ms: 300 }));
    for _ in 0..3 {
        let id = bench.service.add_task(&plenty()).parse().unwrap();
        bench.want(&id, 85, Some(20)).await;
    }
}

/// Waits until this many resumes have taken effect at the service.
async fn until_took_effect(bench: &Bench, count: usize) {
    until(&format!("{count} resumes took effect"), || {
        effects(bench) >= count
    })
    .await;
}

fn effects(bench: &Bench) -> usize {
    effects_by_task(bench).values().sum()
}

/// Returns the number of resumes of each task that took effect.
fn effects_by_task(bench: &Bench) -> BTreeMap<String, usize> {
    let mut effects = BTreeMap::new();
    let ledger = bench.service.ledger();
    for entry in ledger.iter().filter(|entry| entry.took_effect) {
        *effects.entry(entry.task_id.clone()).or_default() += 1;
    }
    effects
}

/// Asserts that each task had at most one resume since `before`: the one that was permitted when writing began to fail.
fn assert_one_more_each(bench: &Bench, before: &BTreeMap<String, usize>) {
    for (task, effects) in effects_by_task(bench) {
        let most = before.get(&task).copied().unwrap_or_default() + 1;
        assert!(
            effects <= most,
            "{task}: {effects} resumes, {before:?} before"
        );
    }
}

async fn until(what: &str, holds: impl Fn() -> bool) {
    let begin = Instant::now();
    while !holds() {
        assert!(begin.elapsed() < TIMEOUT, "never: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Starts the program, waits until all tasks have ended, and checks that no resume took effect twice.
async fn continues(bench: &Bench) {
    let mut daemon = Daemon::start(bench);
    bench
        .until("SELECT count(*) = 3 FROM progress WHERE state = 'reached' AND next_poll_at IS NULL")
        .await;
    daemon.signal("TERM");
    assert_eq!(daemon.ended().await, Some(0), "{}", daemon.logged());
    let twice = duplicates(&bench.service);
    assert!(twice.is_empty(), "took effect twice: {twice:?}");
}

fn beside(database: &Path, suffix: &str) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Moves the write-ahead log into the database, removes it, and returns the database's bytes.
async fn checkpointed(bench: &Bench) -> Vec<u8> {
    let path = &bench.settings.database;
    let mut connection =
        SqliteConnection::connect_with(&SqliteConnectOptions::new().filename(path))
            .await
            .unwrap();
    let busy: i64 = sqlx::query_scalar("PRAGMA wal_checkpoint(TRUNCATE)")
        .fetch_one(&mut connection)
        .await
        .unwrap();
    assert_eq!(busy, 0);
    connection.close().await.unwrap();
    for suffix in ["-wal", "-shm"] {
        let _ = fs::remove_file(beside(path, suffix));
    }
    fs::read(path).unwrap()
}

/// Creates a database of another program.
async fn database_of_another(path: &Path) {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true);
    let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
    sqlx::raw_sql("CREATE TABLE theirs (x); INSERT INTO theirs VALUES ('kept')")
        .execute(&mut connection)
        .await
        .unwrap();
    connection.close().await.unwrap();
}

const ADD: [&str; 4] = ["add", "x", "--target", "5"];

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_no_database_of_growd_is_refused_and_not_changed() {
    let bench = Bench::new().await;
    write_config(&bench, &[]);
    let path = &bench.settings.database;
    let noise: Vec<u8> = (0..20_000_u32)
        .map(|i| i.wrapping_mul(2_654_435_761).to_le_bytes()[2])
        .collect();
    let mut damaged_header = b"SQLite format 3\0".to_vec();
    damaged_header.extend(&noise);
    database_of_another(path).await;
    let theirs = fs::read(path).unwrap();
    for (what, bytes) in [
        ("text", b"these are notes\n".repeat(300)),
        ("noise", noise),
        ("a good header", damaged_header),
        ("another's", theirs),
    ] {
        fs::write(path, &bytes).unwrap();
        for command in [
            &["run"][..],
            &ADD,
            &["status"],
            &["check", "--offline"],
            &["pause", "x"],
            &["backup", "/nonexistent/x"],
        ] {
            let outcome = output(&bench, command);
            let said = printed(&outcome);
            assert_eq!(
                outcome.status.code(),
                Some(78),
                "{what} {command:?}: {said}"
            );
            assert!(
                said.contains("is not a growd database") && said.contains("database.path"),
                "{what} {command:?}: {said}"
            );
            assert_eq!(fs::read(path).unwrap(), bytes, "{what} {command:?}");
            for suffix in ["-wal", "-shm", "-journal"] {
                assert!(!beside(path, suffix).exists(), "{what} {command:?}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_file_becomes_a_database_and_a_path_that_cannot_be_a_file_is_reported() {
    let bench = Bench::new().await;
    write_config(&bench, &[]);
    let path = &bench.settings.database;
    File::create(path).unwrap();
    assert!(output(&bench, &ADD).status.success());
    for suffix in ["", "-wal", "-shm"] {
        let _ = fs::remove_file(beside(path, suffix));
    }
    fs::create_dir(path).unwrap();
    for command in [&["run"][..], &ADD, &["status"], &["check", "--offline"]] {
        refused(&bench, command, 1, &["growd.db", "is a directory"]);
    }
    fs::remove_dir(path).unwrap();
    let nowhere = bench.dir.path().join("nowhere/growd.db");
    let nowhere = nowhere.to_str().unwrap();
    for command in [&["run"][..], &ADD, &["check", "--offline"]] {
        let arguments = [command, &["--database", nowhere]].concat();
        refused(&bench, &arguments, 1, &["nowhere", "directory"]);
    }
    let arguments = ["status", "--database", nowhere];
    refused(&bench, &arguments, 1, &["nowhere", "growd run"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_from_a_later_version_is_refused_and_stays_as_it_is() {
    let bench = Bench::new().await;
    write_config(&bench, &[]);
    bench
        .execute(
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
             VALUES (99991231235959, 'later', TRUE, x'00', 0)",
        )
        .await;
    let path = &bench.settings.database;
    let before = checkpointed(&bench).await;
    for command in [&["run"][..], &ADD, &["status"], &["check", "--offline"]] {
        refused(&bench, command, 78, &["99991231235959", "newer growd"]);
        assert_eq!(fs::read(path).unwrap(), before, "{command:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_truncated_database_is_called_damaged_and_kept() {
    let bench = bench_at_work().await;
    let path = &bench.settings.database;
    let whole = checkpointed(&bench).await;
    for length in [whole.len() / 2, 4096 + 100, 512, 50] {
        fs::write(path, &whole[..length]).unwrap();
        for command in [&["run"][..], &ADD, &["status"], &["check", "--offline"]] {
            refused(&bench, command, 1, &["is damaged", "restore a backup"]);
            assert_eq!(fs::read(path).unwrap(), &whole[..length], "{command:?}");
        }
    }
    fs::write(path, &whole).unwrap();
    continues(&bench).await;
    bench.assert_ledgers_agree().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_write_permission_it_reports_it_and_continues_once_it_has_it() {
    let bench = bench_at_work().await;
    let path = bench.settings.database.clone();
    let dir = bench.dir.path();
    if mounts::bound_by_modes(&growd(&bench, &["run"])).is_none() {
        mounts::skipped("read-only modes", "root cannot be held to them here");
        return;
    }
    let id: String = bench.value("SELECT min(task_id) FROM tasks").await;
    let held = |arguments: &[&str]| run(mounts::bound_by_modes(&growd(&bench, arguments)).unwrap());
    let lock = beside(&path, ".lock");
    for (what, on, mode) in [
        ("the file", path.as_path(), 0o444),
        ("the directory", dir, 0o555),
    ] {
        let _ = fs::remove_file(&lock);
        let usual = fs::metadata(on).unwrap().permissions();
        fs::set_permissions(on, Permissions::from_mode(mode)).unwrap();
        for command in [&["run"][..], &ADD, &["pause", &id]] {
            has_failed(&held(command), command, 1, &["growd needs to", "write"]);
        }
        let status = held(&["status"]);
        assert!(status.status.success(), "{what}: {}", printed(&status));
        fs::set_permissions(on, usual).unwrap();
    }
    let usual = fs::metadata(&path).unwrap().permissions();
    fs::set_permissions(&path, Permissions::from_mode(0o000)).unwrap();
    for command in [&["run"][..], &ADD, &["status"]] {
        has_failed(
            &held(command),
            command,
            1,
            &["growd needs to read and write"],
        );
    }
    fs::set_permissions(&path, usual).unwrap();
    continues(&bench).await;
    bench.assert_ledgers_agree().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_read_only_file_system_it_says_so_and_can_still_be_read() {
    if !mounts::in_own_namespace(
        "hostile_database::on_a_read_only_file_system_it_says_so_and_can_still_be_read",
    ) {
        return;
    }
    let bench = bench_at_work().await;
    let dir = bench.dir.path();
    let id: String = bench.value("SELECT min(task_id) FROM tasks").await;
    checkpointed(&bench).await;
    mounts::mount(&["--bind", dir.to_str().unwrap()], dir);
    mounts::mount(&["-o", "remount,ro,bind"], dir);
    for command in [&["run"][..], &ADD, &["pause", &id]] {
        refused(&bench, command, 1, &["growd needs to", "write"]);
    }
    let status = output(&bench, &["status"]);
    assert!(status.status.success(), "{}", printed(&status));
    mounts::mount(&["-o", "remount,rw,bind"], dir);
    continues(&bench).await;
    bench.assert_ledgers_agree().await;
}

/// A file that fills the disk, including space that is freed later.
struct Filler {
    file: PathBuf,
    stop: Arc<AtomicBool>,
    work: JoinHandle<()>,
}

impl Filler {
    fn start(file: PathBuf) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let mut to = File::create(&file).unwrap();
        let stopped = stop.clone();
        let work = std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                let full = std::io::copy(&mut std::io::repeat(0), &mut to);
                assert!(full.is_err());
                std::thread::sleep(Duration::from_millis(1));
            }
        });
        Self { file, stop, work }
    }

    fn remove(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.work.join().unwrap();
        fs::remove_file(self.file).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_full_disk_it_waits_begins_nothing_and_goes_on_when_there_is_room() {
    if !mounts::in_own_namespace(
        "hostile_database::on_a_full_disk_it_waits_begins_nothing_and_goes_on_when_there_is_room",
    ) {
        return;
    }
    let mut bench = Bench::new().await;
    let disk = mounts::disk(&mut bench, "2m");
    three_searches(&bench).await;
    let mut daemon = Daemon::start(&bench);
    until_took_effect(&bench, 1).await;
    let filler = Filler::start(disk.join("filler"));
    daemon.logs("make room on its disk").await;
    // `add` uses the space that growd's write-ahead log frees, until that is full too.
    let begin = Instant::now();
    for n in 0.. {
        assert!(begin.elapsed() < TIMEOUT, "{}", daemon.logged());
        let outcome = output(&bench, &["add", &format!("x{n}"), "--target", "5"]);
        if !outcome.status.success() {
            has_failed(&outcome, &ADD, 1, &["make room"]);
            break;
        }
    }
    let before = effects_by_task(&bench);
    // Enough time for each task to send two more resumes.
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_one_more_each(&bench, &before);
    filler.remove();
    daemon.logs("the database can be written again").await;
    bench
        .until("SELECT count(*) = 3 FROM progress WHERE state = 'reached' AND next_poll_at IS NULL")
        .await;
    daemon.signal("TERM");
    assert_eq!(daemon.ended().await, Some(0), "{}", daemon.logged());
    bench.assert_ledgers_agree().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn locked_for_longer_than_the_busy_timeout_it_waits_and_loses_nothing() {
    let bench = bench_at_work().await;
    let mut daemon = Daemon::start(&bench);
    until_took_effect(&bench, 1).await;
    let mut other = bench.connection().await;
    let lock = other.begin_with("BEGIN EXCLUSIVE").await.unwrap();
    let before = effects_by_task(&bench);
    daemon
        .logs("another process has been writing for a long time")
        .await;
    // Reading still works.
    let status = output(&bench, &["status"]);
    assert!(status.status.success(), "{}", printed(&status));
    assert_one_more_each(&bench, &before);
    lock.rollback().await.unwrap();
    daemon.logs("the database can be written again").await;
    bench.until_all_ended().await;
    daemon.signal("TERM");
    assert_eq!(daemon.ended().await, Some(0), "{}", daemon.logged());
    bench.assert_ledgers_agree().await;
}

/// Waits until the daemon ends by itself, with status 1 and these words.
async fn ends_with(daemon: &mut Daemon, words: &[&str]) {
    assert_eq!(daemon.ended().await, Some(1), "{}", daemon.logged());
    let logged = daemon.logged();
    for word in words {
        assert!(logged.contains(word), "no {word:?} in: {logged}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_replaced_while_it_runs_ends_it_and_the_old_one_holds_all_that_was_asked() {
    let bench = bench_at_work().await;
    let path = &bench.settings.database;
    let away = bench.dir.path().join("away.db");
    let other = bench.dir.path().join("other.db");
    database_of_another(&other).await;
    let theirs = fs::read(&other).unwrap();
    let mut daemon = Daemon::start(&bench);
    until_took_effect(&bench, 1).await;
    // The rename is atomic: the path always names a file.
    fs::hard_link(path, &away).unwrap();
    fs::rename(&other, path).unwrap();
    ends_with(
        &mut daemon,
        &["ERROR", "was replaced by another file", "growd.db", "Put"],
    )
    .await;
    assert_eq!(
        fs::read(path).unwrap(),
        theirs,
        "the new file is not touched"
    );
    fs::rename(&away, path).unwrap();
    let accepted: i64 = bench
        .value("SELECT count(*) FROM resumes WHERE state = 'accepted'")
        .await;
    assert_eq!(
        usize::try_from(accepted).unwrap(),
        effects(&bench),
        "what was under way was recorded before the end: {}",
        bench.dump().await
    );
    continues(&bench).await;
    bench.assert_ledgers_agree().await;
}

/// Removes the database, or its file with this suffix.
async fn removed(what: &str) {
    let bench = bench_at_work().await;
    let path = &bench.settings.database;
    let backup = bench.dir.path().join("backup.db");
    let copied = output(&bench, &["backup", backup.to_str().unwrap()]);
    assert!(copied.status.success(), "{}", printed(&copied));
    let mut daemon = Daemon::start(&bench);
    until_took_effect(&bench, 1).await;
    fs::remove_file(beside(path, what)).unwrap();
    ends_with(&mut daemon, &["was removed or moved away", "backup"]).await;
    if what.is_empty() {
        for suffix in ["-wal", "-shm"] {
            let _ = fs::remove_file(beside(path, suffix));
        }
        fs::rename(&backup, path).unwrap();
        continues(&bench).await;
    } else {
        // Only the log was removed; growd wrote its content to the file before it ended.
        continues(&bench).await;
        bench.assert_ledgers_agree().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_removed_while_it_runs_ends_it_and_a_backup_goes_on_without_paying_twice() {
    tokio::join!(removed(""), removed("-wal"));
}

/// Cuts the file to so many pages.
async fn cut_short(keep: u64) {
    let bench = bench_at_work().await;
    let path = &bench.settings.database;
    let backup = bench.dir.path().join("backup.db");
    let copied = output(&bench, &["backup", backup.to_str().unwrap()]);
    assert!(copied.status.success(), "{}", printed(&copied));
    let mut daemon = Daemon::start(&bench);
    until_took_effect(&bench, 1).await;
    File::options()
        .write(true)
        .open(path)
        .unwrap()
        .set_len(keep * 4096)
        .unwrap();
    ends_with(&mut daemon, &["backup"]).await;
    let logged = daemon.logged();
    // An empty file is noticed by its size or by a read, whichever comes first.
    let reported = logged.contains("is damaged") || (keep == 0 && logged.contains("was emptied"));
    assert!(reported, "{logged}");
    for suffix in ["-wal", "-shm"] {
        let _ = fs::remove_file(beside(path, suffix));
    }
    fs::rename(&backup, path).unwrap();
    continues(&bench).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_cut_short_while_it_runs_ends_it_and_a_backup_goes_on_without_paying_twice() {
    tokio::join!(cut_short(0), cut_short(3));
}
