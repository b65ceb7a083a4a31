//! Private file systems, and rights narrower than root's. Where the machine allows neither, the test reports that it is
//! skipped.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Set in the process that runs in a mount namespace of its own.
const INSIDE: &str = "GROWD_TEST_OWN_MOUNTS";

/// Whether this process has a mount namespace of its own. If not, runs the test `name` (`module::test`) in a process
/// that has one, and the caller returns.
#[must_use]
pub fn in_own_namespace(name: &str) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    let Some(flags) = ["--mount", "--mount --map-root-user"]
        .into_iter()
        .find(|flags| works(Command::new("unshare").args(flags.split(' ')).arg("true")))
    else {
        skipped(name, "this machine allows no mount namespace");
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
    assert!(said.contains("1 passed"), "there is no test {name}: {said}");
    false
}

/// Runs `mount` with these arguments.
pub fn mount(arguments: &[&str], at: &Path) {
    let mounted = Command::new("mount")
        .args(arguments)
        .arg(at)
        .status()
        .expect("mount is there");
    assert!(mounted.success(), "mount {arguments:?} {}", at.display());
}

/// Puts the database of `bench` on a tmpfs of this size, such as `900k`; returns its directory.
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

/// Puts the database of `bench` on an ext4 file system of its own. Returns false, and reports it, where the machine has
/// no loop devices.
#[must_use]
pub fn ext4_disk(bench: &mut super::Bench) -> bool {
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

/// Returns the command bound by file modes: for root, without the capabilities that bypass them.
///
/// None where those cannot be dropped.
#[must_use]
pub fn bound_by_modes(command: &Command) -> Option<Command> {
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

/// Reports that a test is skipped, on stderr, which the harness does not capture.
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
