//! Commands that root runs on another user's database act as its owner, and leave no file of root's behind.
//!
//! These tests need root, as in CI; other users skip them.

use crate::support::program::{Daemon, output, write_config};
use crate::support::{Bench, mounts, plenty};
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, lchown, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// `nobody` and its group, as nearly every system has them.
const OWNER: (u32, u32) = (65_534, 65_534);

/// Another user; it needs no name.
const OTHER: u32 = 65_533;

/// Returns a bench whose database is in a directory of `OWNER`. Reports that the test is skipped, and returns none,
/// without root.
async fn bench(test: &str) -> Option<Bench> {
    let is_root = fs::metadata("/proc/self").unwrap().uid() == 0;
    if !is_root || !can_become_another() {
        mounts::skipped(test, "it needs root and the right to act as another user");
        return None;
    }
    let mut bench = Bench::new().await;
    fs::set_permissions(bench.dir.path(), Permissions::from_mode(0o755)).unwrap();
    let state = bench.dir.path().join("state");
    fs::create_dir(&state).unwrap();
    fs::set_permissions(&state, Permissions::from_mode(0o750)).unwrap();
    chown(&state, Some(OWNER.0), Some(OWNER.1)).unwrap();
    bench.settings.database = state.join("growd.db");
    let config = write_config(&bench, &[]);
    fs::set_permissions(config, Permissions::from_mode(0o644)).unwrap();
    Some(bench)
}

fn can_become_another() -> bool {
    as_user(OTHER, OTHER, "true")
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

fn as_user(uid: u32, gid: u32, program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new("setpriv");
    command
        .arg(format!("--reuid={uid}"))
        .arg(format!("--regid={gid}"))
        .arg("--clear-groups")
        .arg(program);
    command
}

/// Runs the program, from a path that every user can execute, as another user.
fn growd_as(bench: &Bench, uid: u32, gid: u32, arguments: &[&str]) -> Output {
    let program = bench.dir.path().join("growd");
    if !program.exists() {
        fs::copy(env!("CARGO_BIN_EXE_growd"), &program).unwrap();
    }
    as_user(uid, gid, program)
        .args(arguments)
        .arg("--config")
        .arg(bench.dir.path().join("growd.toml"))
        .output()
        .unwrap()
}

fn printed(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

fn succeeds(output: &Output) -> String {
    assert!(output.status.success(), "{}", printed(output));
    printed(output)
}

fn files(bench: &Bench) -> Vec<PathBuf> {
    let state = bench.settings.database.parent().unwrap();
    let entries = fs::read_dir(state).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}

/// Checks that all files beside the database belong to its owner, and that only the group can read them.
fn assert_all_owned(bench: &Bench, when: &str) {
    let files = files(bench);
    assert!(!files.is_empty(), "{when}");
    for file in files {
        let metadata = fs::metadata(&file).unwrap();
        let owner = (metadata.uid(), metadata.gid());
        assert_eq!(owner, OWNER, "{when}: {}", file.display());
        let mode = metadata.mode() & 0o777;
        assert_eq!(mode & 0o027, 0, "{when}: {} {mode:o}", file.display());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn writing_commands_of_root_act_as_the_owner_of_the_directory_and_of_the_database() {
    let Some(bench) = bench("writing commands of root").await else {
        return;
    };
    // Only root can read it: growd reads it before it becomes another user.
    let config = bench.dir.path().join("growd.toml");
    fs::set_permissions(config, Permissions::from_mode(0o600)).unwrap();
    for command in [
        &["add", "x", "--target", "5"][..],
        &["pause", "x"],
        &["unpause", "x"],
        &["retry", "x"],
        &["status"],
        &["show", "x"],
        &["check", "--offline"],
        &["remove", "x"],
    ] {
        succeeds(&output(&bench, command));
        assert_all_owned(&bench, command[0]);
    }
    let copy = bench.dir.path().join("copy.db");
    succeeds(&output(&bench, &["backup", copy.to_str().unwrap()]));
    assert_all_owned(&bench, "backup");
    assert_eq!(fs::metadata(copy).unwrap().uid(), 0, "a backup is root's");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_daemon_of_root_is_the_owners_in_all_its_threads_and_its_database_open_to_all_commands()
{
    let Some(bench) = bench("the daemon of root").await else {
        return;
    };
    let mut daemon = Daemon::start(&bench);
    daemon.logs("started").await;
    let id = bench.service.add_task(&plenty());
    succeeds(&output(&bench, &["add", &id, "--target", "60"]));
    let mut threads = 0;
    for thread in fs::read_dir(format!("/proc/{}/task", daemon.child.id())).unwrap() {
        let status = fs::read_to_string(thread.unwrap().path().join("status")).unwrap();
        let all = |id: u32| format!("\t{id}\t{id}\t{id}\t{id}\n");
        assert!(
            status.contains(&format!("Uid:{}", all(OWNER.0))),
            "{status}"
        );
        assert!(
            status.contains(&format!("Gid:{}", all(OWNER.1))),
            "{status}"
        );
        assert!(status.contains("Groups:\t \n"), "{status}");
        threads += 1;
    }
    assert!(threads > 1);
    bench
        .until("SELECT state = 'reached' AND next_poll_at IS NULL FROM progress")
        .await;
    succeeds(&output(&bench, &["status"]));
    assert_all_owned(&bench, "while it runs");
    daemon.signal("TERM");
    assert_eq!(daemon.ended().await, Some(0), "{}", daemon.logged());
    assert_all_owned(&bench, "after it");
    // The owner itself can use all of it.
    let id = ["pause", id.as_str()];
    succeeds(&growd_as(&bench, OWNER.0, OWNER.1, &id));
}

/// A link in place of the database, and one in place of its directory: of another user, and behind another link of
/// root.
#[tokio::test(flavor = "multi_thread")]
async fn a_link_of_another_users_is_followed_as_that_user() {
    let Some(mut bench) = bench("a link of another user's").await else {
        return;
    };
    let roots = bench.dir.path().join("roots");
    fs::create_dir(&roots).unwrap();
    let state = bench.settings.database.parent().unwrap().to_owned();
    let theirs = |to: &Path, link: &Path| {
        symlink(to, link).unwrap();
        lchown(link, Some(OWNER.0), Some(OWNER.1)).unwrap();
    };
    theirs(&roots.join("x.db"), &state.join("file.db"));
    theirs(&roots, &state.join("directory"));
    let behind = bench.dir.path().join("behind.db");
    symlink(state.join("file.db"), &behind).unwrap();
    for database in [
        state.join("file.db"),
        state.join("directory/x.db"),
        state.join("../state/directory/x.db"),
        behind,
    ] {
        bench.settings.database = database;
        write_config(&bench, &[]);
        let refused = output(&bench, &["add", "x", "--target", "5"]);
        assert_eq!(refused.status.code(), Some(1), "{}", printed(&refused));
        assert_eq!(fs::read_dir(&roots).unwrap().count(), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_of_roots_in_the_hands_of_another_is_refused_and_no_lock_is_followed() {
    let Some(bench) = bench("a database of root's in the hands of another").await else {
        return;
    };
    fs::write(&bench.settings.database, "").unwrap();
    let victim = bench.dir.path().join("victim");
    fs::write(&victim, "precious").unwrap();
    let mut lock = bench.settings.database.clone().into_os_string();
    lock.push(".lock");
    symlink(&victim, lock).unwrap();
    for command in [&["run"][..], &["add", "x", "--target", "5"]] {
        let refused = output(&bench, command);
        assert_eq!(refused.status.code(), Some(1), "{}", printed(&refused));
        assert!(printed(&refused).contains("chown"), "{}", printed(&refused));
    }
    // Even if everything were root's, growd would not follow a link as its lock.
    let directory = bench.settings.database.parent().unwrap();
    chown(directory, Some(0), Some(0)).unwrap();
    let refused = output(&bench, &["run"]);
    assert_eq!(refused.status.code(), Some(1), "{}", printed(&refused));
    assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_of_roots_own_stays_roots() {
    let Some(mut bench) = bench("a database of root's own").await else {
        return;
    };
    bench.settings.database = bench.dir.path().join("growd.db");
    write_config(&bench, &[]);
    succeeds(&output(&bench, &["add", "x", "--target", "5"]));
    assert_eq!(fs::metadata(&bench.settings.database).unwrap().uid(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn root_that_cannot_become_the_owner_says_so_and_changes_nothing() {
    let Some(bench) = bench("root that may not become another").await else {
        return;
    };
    let refused = Command::new("setpriv")
        .args(["--bounding-set=-setuid,-setgid", "--inh-caps=-all"])
        .arg(env!("CARGO_BIN_EXE_growd"))
        .args(["add", "x", "--target", "5", "--config"])
        .arg(bench.dir.path().join("growd.toml"))
        .output()
        .unwrap();
    let said = printed(&refused);
    assert_eq!(refused.status.code(), Some(1), "{said}");
    assert!(said.contains("cannot act as that user"), "{said}");
    assert!(files(&bench).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_member_reads_and_a_refused_write_names_the_owner() {
    let Some(bench) = bench("one of the group").await else {
        return;
    };
    succeeds(&output(&bench, &["add", "x", "--target", "5"]));
    let growd = |arguments: &[&str]| growd_as(&bench, OTHER, OWNER.1, arguments);
    for command in [
        &["add", "y", "--target", "5"][..],
        &["pause", "x"],
        &["unpause", "x"],
        &["retry", "x"],
        &["remove", "x"],
    ] {
        let refused = growd(command);
        let said = printed(&refused);
        assert_eq!(refused.status.code(), Some(1), "{said}");
        assert!(
            said.contains("belongs to") && said.contains("`sudo growd`"),
            "{said}"
        );
    }
    succeeds(&growd(&["status"]));
    assert_all_owned(&bench, "after the group's commands");
}

fn sqlite3(database: &Path, gid: u32) -> Output {
    as_user(OTHER, gid, "sqlite3")
        .arg(format!("file:{}?mode=ro", database.display()))
        .arg("SELECT count(*) FROM tasks")
        .output()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_the_group_reads_a_live_database_with_sqlite3_and_leaves_nothing_beside_a_stopped_one()
 {
    let Some(bench) = bench("one of the group with sqlite3").await else {
        return;
    };
    if Command::new("sqlite3").arg("--version").output().is_err() {
        mounts::skipped("one of the group with sqlite3", "there is no sqlite3");
        return;
    }
    let database = &bench.settings.database;
    succeeds(&output(&bench, &["add", "x", "--target", "5"]));
    let mut daemon = Daemon::start(&bench);
    daemon.logs("started").await;
    assert_eq!(succeeds(&sqlite3(database, OWNER.1)), "1\n");
    assert!(
        !sqlite3(database, OTHER).status.success(),
        "not the group's"
    );
    daemon.signal("TERM");
    assert_eq!(daemon.ended().await, Some(0), "{}", daemon.logged());
    let before = files(&bench);
    let stopped = sqlite3(database, OWNER.1);
    println!("sqlite3 on a stopped database: {}", printed(&stopped));
    assert_eq!(files(&bench), before);
    assert_all_owned(&bench, "after sqlite3");
}
