//! Whose files a command writes: run as root it acts as the database's owner, so that it leaves nothing behind that the
//! daemon cannot write; run by anybody else who may not write them it says what would.

use crate::store::lock::real_path;
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags};
use nix::sys::stat::{Mode, umask};
use nix::unistd::{
    AccessFlags, Gid, Uid, User, faccessat, getegid, geteuid, setgid, setgroups, setuid,
};
use std::fs::Metadata;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Why a command does not write.
#[derive(Debug, thiserror::Error)]
pub enum OwnerError {
    /// Root may be kept from becoming somebody else, such as in a container.
    #[error(
        "{path} belongs to {owner}, and growd, run as root, cannot act as that user ({cause}): run it as that user, \
         such as with `sudo -u {owner} growd`"
    )]
    CannotBecome {
        /// The database, or the directory where it is to be.
        path: PathBuf,
        /// Its owner's name, or number.
        owner: String,
        /// Why not.
        cause: Errno,
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
/// kept, and what is made from then on is for the owner and to be read by the group. Where there is no database yet,
/// the owner is that of the directory in which it will be.
///
/// To be called before any of the database's files is touched, and after all has been read that only root may read.
///
/// # Errors
///
/// [`OwnerError`] where it may not write the database, and why.
pub fn act_as_owner(database: &Path) -> Result<(), OwnerError> {
    let Some((path, metadata)) = owned(database) else {
        // Nothing is there, or not to be seen; to open it says which.
        return Ok(());
    };
    let (uid, gid) = (Uid::from_raw(metadata.uid()), Gid::from_raw(metadata.gid()));
    if geteuid() == uid {
        return Ok(());
    }
    if !geteuid().is_root() {
        return if may_write(database) {
            Ok(())
        } else {
            let owner = name(uid);
            Err(OwnerError::NotOurs { path, owner })
        };
    }
    // The C library makes each thread do these. Groups first: afterwards nobody may.
    setgroups(&[])
        .and_then(|()| setgid(gid))
        .and_then(|()| setuid(uid))
        .map_err(|cause| OwnerError::CannotBecome {
            path,
            owner: name(uid),
            cause,
        })?;
    debug_assert_eq!((geteuid(), getegid()), (uid, gid));
    umask(Mode::S_IWGRP | Mode::S_IRWXO);
    Ok(())
}

/// What decides whose the database is: its file, or the directory in which that will be.
fn owned(database: &Path) -> Option<(PathBuf, Metadata)> {
    // Where a link leads is up to the one who made it: root follows it as that user only.
    if let Ok(link) = database.symlink_metadata()
        && link.is_symlink()
        && link.uid() != 0
    {
        return Some((database.to_owned(), link));
    }
    let file = real_path(database);
    match file.metadata() {
        Ok(metadata) => Some((file, metadata)),
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::NotFound | ErrorKind::PermissionDenied
            ) =>
        {
            let directory = directory(&file);
            let metadata = directory.metadata().ok()?;
            Some((directory, metadata))
        }
        Err(_) => None,
    }
}

fn directory(file: &Path) -> PathBuf {
    match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        Some(_) | None => PathBuf::from("."),
    }
}

/// May this user write the database and make files beside it?
fn may_write(database: &Path) -> bool {
    let file = real_path(database);
    let may = |path: &Path, flags| {
        let asked = faccessat(AT_FDCWD, path, flags, AtFlags::AT_EACCESS);
        !matches!(asked, Err(Errno::EACCES | Errno::EPERM))
    };
    may(&directory(&file), AccessFlags::W_OK | AccessFlags::X_OK) && may(&file, AccessFlags::W_OK)
}

fn name(uid: Uid) -> String {
    match User::from_uid(uid) {
        Ok(Some(user)) => user.name,
        Ok(None) | Err(_) => format!("#{uid}"),
    }
}
