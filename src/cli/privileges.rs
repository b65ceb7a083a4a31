//! Drops root privileges to those of the database's owner, so that commands run as root create no file that the daemon
//! cannot write.

use crate::store::lock::real_path;
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags};
use nix::sys::stat::{Mode, umask};
use nix::unistd::{
    AccessFlags, Gid, Uid, User, faccessat, getegid, geteuid, setgid, setgroups, setuid,
};
use std::ffi::OsString;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Why a command must not write to the database.
#[derive(Debug, thiserror::Error)]
pub enum PrivilegeError {
    /// Root cannot switch to the owner, for instance because a container lacks the capability.
    #[error(
        "{path} belongs to {owner}, and growd, run as root, cannot act as that user ({cause}): run it as that user, \
         for instance with `sudo -u '{owner}' growd`"
    )]
    CannotSwitch {
        /// The database, or its directory if it does not exist.
        path: PathBuf,
        /// Name or number of its owner.
        owner: String,
        /// The error of the system.
        cause: Errno,
    },
    /// A user other than the owner controls a part of the path, and could replace the database.
    #[error(
        "{path} belongs to {owner}, but {component} on the path to it belongs to another user: growd, run as root, does \
         not write there. Give both to the user that growd runs as, with chown"
    )]
    UntrustedPath {
        /// The database.
        path: PathBuf,
        /// Name or number of its owner.
        owner: String,
        /// The first directory or link on the path that root does not own.
        component: PathBuf,
    },
    /// Root owns it, and this user is not root.
    #[error(
        "{path} belongs to root: give it to the user that growd runs as, with chown, or run `sudo growd`"
    )]
    OwnedByRoot {
        /// The database, or its directory if it does not exist.
        path: PathBuf,
    },
    /// Another user owns it, and this user may not write it.
    #[error(
        "{path} belongs to {owner}, and this user may not write it: run `sudo growd` with the same arguments, which acts as \
         {owner}"
    )]
    OwnedByOther {
        /// The database, or its directory if it does not exist.
        path: PathBuf,
        /// Name or number of its owner.
        owner: String,
    },
}

/// Switches a process of root to the database's owner, permanently; new files are writable by the owner and readable by
/// the group. The owner is the first user other than root on the path to the database. As another user, only checks
/// write permission.
///
/// Call it before any access to the database's files, and after reading everything that only root may read.
///
/// # Errors
///
/// [`PrivilegeError`] if this process must not write the database.
pub fn drop_to_owner(database: &Path) -> Result<(), PrivilegeError> {
    if !geteuid().is_root() {
        return check_writable(database);
    }
    let Some((component, first)) = first_not_owned_by_root(database) else {
        return Ok(());
    };
    let uid = Uid::from_raw(first.uid());
    // An existing database also determines the group.
    let gid = match database.metadata() {
        Ok(file) if file.uid() != first.uid() => {
            return Err(PrivilegeError::UntrustedPath {
                path: database.to_owned(),
                owner: name(Uid::from_raw(file.uid())),
                component,
            });
        }
        Ok(file) => file.gid(),
        Err(_) => first.gid(),
    };
    switch_user(uid, Gid::from_raw(gid)).map_err(|cause| PrivilegeError::CannotSwitch {
        path: component,
        owner: name(uid),
        cause,
    })
}

/// Switches user and group permanently, and drops the supplementary groups.
fn switch_user(uid: Uid, gid: Gid) -> nix::Result<()> {
    // The C library applies these to all threads. Groups come first: after setuid they cannot be changed.
    setgroups(&[])?;
    setgid(gid)?;
    setuid(uid)?;
    if (geteuid(), getegid()) != (uid, gid) || setuid(Uid::from_raw(0)).is_ok() {
        return Err(Errno::EPERM);
    }
    umask(Mode::S_IWGRP | Mode::S_IRWXO);
    Ok(())
}

/// Returns the first directory, link or file on the path to the database that root does not own: its owner controls
/// where the path leads. Returns `None` if root owns all of them, or the path cannot be resolved.
fn first_not_owned_by_root(database: &Path) -> Option<(PathBuf, Metadata)> {
    // The limit of Linux.
    const LINKS_MAX: u32 = 40;
    let whole = std::path::absolute(database).ok()?;
    let mut at = PathBuf::new();
    let mut rest = components(&whole);
    let mut links = 0;
    while let Some(part) = rest.pop() {
        if part == ".." {
            at.pop();
            continue;
        }
        let next = at.join(&part);
        let metadata = next.symlink_metadata().ok()?;
        if metadata.uid() != 0 {
            return Some((next, metadata));
        }
        if metadata.is_symlink() {
            links += 1;
            if links > LINKS_MAX {
                return None;
            }
            // An absolute target begins with `/`, which replaces `at` in the join above.
            rest.extend(components(&next.read_link().ok()?));
        } else {
            at = next;
        }
    }
    None
}

/// Returns the components of a path, the last one first.
fn components(path: &Path) -> Vec<OsString> {
    let components = path.components().rev();
    components
        .map(|component| component.as_os_str().to_owned())
        .collect()
}

/// Checks that this user, who is not root, may write the database.
fn check_writable(database: &Path) -> Result<(), PrivilegeError> {
    let file = real_path(database);
    let path = if file.exists() {
        file.clone()
    } else {
        directory(&file)
    };
    match path.metadata() {
        Ok(metadata) if metadata.uid() != geteuid().as_raw() && !may_write(&file) => {
            Err(match metadata.uid() {
                0 => PrivilegeError::OwnedByRoot { path },
                uid => PrivilegeError::OwnedByOther {
                    path,
                    owner: name(Uid::from_raw(uid)),
                },
            })
        }
        // Opening the database reports any other problem.
        Ok(_) | Err(_) => Ok(()),
    }
}

fn directory(file: &Path) -> PathBuf {
    match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        Some(_) | None => PathBuf::from("."),
    }
}

/// Returns whether this user may write this file and create files in its directory.
fn may_write(file: &Path) -> bool {
    let may = |path: &Path, flags| {
        let access = faccessat(AT_FDCWD, path, flags, AtFlags::AT_EACCESS);
        !matches!(access, Err(Errno::EACCES | Errno::EPERM))
    };
    may(&directory(file), AccessFlags::W_OK | AccessFlags::X_OK) && may(file, AccessFlags::W_OK)
}

fn name(uid: Uid) -> String {
    match User::from_uid(uid) {
        Ok(Some(user)) => user.name,
        Ok(None) | Err(_) => format!("#{uid}"),
    }
}
