//! Whose files a command writes: run as root it acts as the database's owner, so that it leaves nothing behind that the
//! daemon cannot write; run by anybody else who may not write them it says what would.

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

/// Why a command does not write.
#[derive(Debug, thiserror::Error)]
pub enum OwnerError {
    /// Root may be kept from becoming somebody else, such as in a container.
    #[error(
        "{path} belongs to {owner}, and growd, run as root, cannot act as that user ({cause}): run it as that user, \
         such as with `sudo -u '{owner}' growd`"
    )]
    CannotBecome {
        /// The database, or the directory where it is to be.
        path: PathBuf,
        /// Its owner's name, or number.
        owner: String,
        /// Why not.
        cause: Errno,
    },
    /// Its place is somebody's who could put anything there, and it is somebody else's.
    #[error(
        "{path} belongs to {owner}, and the way to it is in the hands of another user, whose is {theirs}: root does not \
         write there. Give both to the user that growd runs as, with chown"
    )]
    Mixed {
        /// The database.
        path: PathBuf,
        /// Its owner's name, or number.
        owner: String,
        /// The first directory or link on the way that is not root's.
        theirs: PathBuf,
    },
    /// It is root's, whom growd need not be.
    #[error(
        "{path} belongs to root: give it to the user that growd runs as, with chown, or use `sudo growd`"
    )]
    Roots {
        /// The database, or the directory where it is to be.
        path: PathBuf,
    },
    /// It is somebody else's, and not for this user to write.
    #[error(
        "{path} belongs to {owner}, and only that user may write it: `sudo growd` with the same arguments works, and acts \
         as {owner}"
    )]
    NotOurs {
        /// The database, or the directory where it is to be.
        path: PathBuf,
        /// Its owner's name, or number.
        owner: String,
    },
}

/// Makes this process the database's owner where it is root's and the database is not, for good: nothing of root's is
/// kept, and what is made from then on is for the owner and to be read by the group. The owner is the first on the way
/// to the database who is not root; where there is no database yet, that is the one of its directory.
///
/// To be called before any of the database's files is touched, and after all has been read that only root may read.
///
/// # Errors
///
/// [`OwnerError`] where it may not write the database, and why.
pub fn act_as_owner(database: &Path) -> Result<(), OwnerError> {
    if !geteuid().is_root() {
        return refuse_others(database);
    }
    let Some((theirs, first)) = first_not_of_root(database) else {
        return Ok(());
    };
    let uid = Uid::from_raw(first.uid());
    // The group too is that of the file, where there is one.
    let gid = match database.metadata() {
        Ok(file) if file.uid() != first.uid() => {
            return Err(OwnerError::Mixed {
                path: database.to_owned(),
                owner: name(Uid::from_raw(file.uid())),
                theirs,
            });
        }
        Ok(file) => file.gid(),
        Err(_) => first.gid(),
    };
    become_user(uid, Gid::from_raw(gid)).map_err(|cause| OwnerError::CannotBecome {
        path: theirs,
        owner: name(uid),
        cause,
    })
}

/// Gives up all that is root's, for good.
fn become_user(uid: Uid, gid: Gid) -> nix::Result<()> {
    // The C library makes each thread do these. Groups first: afterwards nobody may.
    setgroups(&[])?;
    setgid(gid)?;
    setuid(uid)?;
    if (geteuid(), getegid()) != (uid, gid) || setuid(Uid::from_raw(0)).is_ok() {
        return Err(Errno::EPERM);
    }
    umask(Mode::S_IWGRP | Mode::S_IRWXO);
    Ok(())
}

/// The first directory, link or file on the way to the database that is not root's: its owner could have put anything
/// at the end of it. None where all is root's, or there is no way that can be gone.
fn first_not_of_root(database: &Path) -> Option<(PathBuf, Metadata)> {
    // As many links as Linux follows.
    const LINKS_MAX: u32 = 40;
    let whole = std::path::absolute(database).ok()?;
    let mut at = PathBuf::new();
    let mut rest = parts(&whole);
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
            // An absolute one begins with the root directory, which replaces all before it.
            rest.extend(parts(&next.read_link().ok()?));
        } else {
            at = next;
        }
    }
    None
}

/// The parts of a path, the last one first.
fn parts(path: &Path) -> Vec<OsString> {
    let parts = path.components().rev();
    parts.map(|part| part.as_os_str().to_owned()).collect()
}

/// Whoever is not root writes what the file system lets him write, or is told who may.
fn refuse_others(database: &Path) -> Result<(), OwnerError> {
    let file = real_path(database);
    let path = if file.exists() {
        file.clone()
    } else {
        directory(&file)
    };
    match path.metadata() {
        Ok(metadata) if metadata.uid() != geteuid().as_raw() && !may_write(&file) => {
            Err(match metadata.uid() {
                0 => OwnerError::Roots { path },
                uid => OwnerError::NotOurs {
                    path,
                    owner: name(Uid::from_raw(uid)),
                },
            })
        }
        // To open it says what is wrong, where something is.
        Ok(_) | Err(_) => Ok(()),
    }
}

fn directory(file: &Path) -> PathBuf {
    match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        Some(_) | None => PathBuf::from("."),
    }
}

/// May this user write this file and make others beside it?
fn may_write(file: &Path) -> bool {
    let may = |path: &Path, flags| {
        let asked = faccessat(AT_FDCWD, path, flags, AtFlags::AT_EACCESS);
        !matches!(asked, Err(Errno::EACCES | Errno::EPERM))
    };
    may(&directory(file), AccessFlags::W_OK | AccessFlags::X_OK) && may(file, AccessFlags::W_OK)
}

fn name(uid: Uid) -> String {
    match User::from_uid(uid) {
        Ok(Some(user)) => user.name,
        Ok(None) | Err(_) => format!("#{uid}"),
    }
}
