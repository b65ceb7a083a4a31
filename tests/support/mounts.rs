//! File systems of a test's own, and rights narrower than root's. Where this machine allows neither, the test is
//! skipped, and says so.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Set in the process that has mounts of its own.
const INSIDE: &str = "GROWD_TEST_OWN_MOUNTS";

/// Is this process one with mounts of its own? Where it is not, the test `name` is run once more in one that is, to
/// its end, and the caller has nothing left to do.
#[must_use]
pub fn are_our_own(name: &str) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    let Some(flags) = ["--mount", "--mount --map-root-user"]
        .into_iter()
        .find(|flags| works(Command::new("unshare").args(flags.split(' ')).arg("true")))
    else {
        skipped(name, "this machine allows no mounts of one's own");
        return false;
    };
    let again = Command::new("unshare")
        .args(flags.split(' '))
        .arg(std::env::current_exe().expect("a program"))
        .args(["--exact", name, "--nocapture", "--test-threads=1"])
        .env(INSIDE, "1")
        .output()
        .expect("unshare is there");
    let said = String::from_utf8_lossy(&again.stdout) + String::from_utf8_lossy(&again.stderr);
    assert!(again.status.success(), "{said}");
    assert!(
        said.contains("1 passed"),
        "no test is called {name}: {said}"
    );
    false
}

/// Runs `mount` with such arguments.
pub fn mount(arguments: &[&str], at: &Path) {
    let mounted = Command::new("mount")
        .args(arguments)
        .arg(at)
        .status()
        .expect("mount is there");
    assert!(mounted.success(), "mount {arguments:?} {}", at.display());
}

/// Puts the database of `bench` on a disk of this size, such as `900k`; returns where that is.
pub fn disk(bench: &mut super::Bench, size: &str) -> PathBuf {
    let disk = bench.dir.path().join("disk");
    std::fs::create_dir(&disk).expect("a directory");
    mount(
        &["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"],
        &disk,
    );
    bench.settings.database = disk.join("growd.db");
    disk
}

/// Puts a disk with a file system of its own, ext4, at `disk` beside the database of `bench`, and the database on it. False,
/// and a word about it, where this machine has none to give.
#[must_use]
pub fn real_disk(bench: &mut super::Bench) -> bool {
    let (image, disk) = (
        bench.dir.path().join("image"),
        bench.dir.path().join("disk"),
    );
    std::fs::create_dir(&disk).expect("a directory");
    let file = std::fs::File::create(&image).expect("a file");
    file.set_len(32 << 20).expect("a sparse file");
    let is_there = works(Command::new("mkfs.ext4").arg("-q").arg(&image))
        && works(
            Command::new("mount")
                .args(["-o", "loop"])
                .args([&image, &disk]),
        );
    if !is_there {
        skipped("a disk of ext4", "this machine has no loop devices for it");
    }
    bench.settings.database = disk.join("growd.db");
    is_there
}

/// The command with the rights that a file's mode leaves to its owner: root without the privilege to ignore modes.
///
/// None, and a word about it, where modes can't be made to count.
#[must_use]
pub fn held_to_modes(command: &Command) -> Option<Command> {
    let is_root = Command::new("id")
        .arg("-u")
        .output()
        .is_ok_and(|id| id.stdout == b"0\n");
    let mut held = if is_root {
        let flags = [
            "--bounding-set=-dac_override,-dac_read_search",
            "--inh-caps=-all",
        ];
        if !works(Command::new("setpriv").args(flags).arg("true")) {
            return None;
        }
        let mut held = Command::new("setpriv");
        held.args(flags).arg(command.get_program());
        held
    } else {
        Command::new(command.get_program())
    };
    held.args(command.get_args())
        .env_clear()
        .stdin(Stdio::null());
    Some(held)
}

/// Says that a test is skipped, past the harness that keeps what tests print.
pub fn skipped(name: &str, why: &str) {
    let _ = writeln!(std::io::stderr(), "\n!!! SKIPPED {name}: {why}\n");
}

fn works(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}
