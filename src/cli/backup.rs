//! `growd backup`: a consistent copy of the live database, complete or absent.

use super::{Context, Exit, interrupted};
use crate::store::{self, Mode, schema};
use anyhow::{Context as _, bail};
use clap::Args;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Write a consistent copy of the database while it is in use
///
/// To restore a backup, stop the daemon, move the database and its -wal and -shm files away, and put the backup in their
/// place.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  growd backup /var/backups/growd-$(date +%F).db")]
pub struct Backup {
    /// The file to write; it must not exist
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// An unfinished copy; deleted when dropped.
struct Partial(PathBuf);

impl Drop for Partial {
    fn drop(&mut self) {
        // Best effort: a leftover file does no harm.
        let _ = fs::remove_file(&self.0);
    }
}

impl Backup {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let file = std::path::absolute(&self.file)?;
        if file.symlink_metadata().is_ok() {
            bail!(exists(&file));
        }
        let interrupted = interrupted()?;
        let mut connection = store::open(context.database(), Mode::Read).await?;
        let partial = begin(&file)?;
        let Some(partial_name) = partial.0.to_str() else {
            bail!(
                "{} is not UTF-8: give the backup another name",
                file.display()
            );
        };
        tokio::select! {
            outcome = schema::copy_to(&mut connection, partial_name) => outcome
                .with_context(|| format!("the copy to {} failed and was deleted", file.display()))?,
            () = interrupted => bail!("interrupted: no backup was written"),
        }
        File::open(&partial.0)?.sync_all()?;
        put_in_place(&partial.0, &file)?;
        drop(partial);
        let size = fs::metadata(&file)?.len();
        writeln!(io::stdout(), "{} ({size} bytes)", file.display())?;
        Ok(Exit::Done)
    }
}

/// Creates the empty file for the copy, so that its mode is narrow before it holds data.
fn begin(file: &Path) -> anyhow::Result<Partial> {
    let mut name = file.as_os_str().to_owned();
    name.push(format!(".{}.partial", std::process::id()));
    let path = PathBuf::from(name);
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o640)
        .open(&path)
        .map_err(|error| {
            anyhow::anyhow!(
                "{} cannot be created: {error}; the directory must exist and be writable by this user",
                path.display()
            )
        })?;
    Ok(Partial(path))
}

/// Gives the finished copy its name unless a file has it; a rename would overwrite that file.
fn put_in_place(partial: &Path, file: &Path) -> anyhow::Result<()> {
    match fs::hard_link(partial, file) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::AlreadyExists => bail!(exists(file)),
        // Some file systems have no hard links: reserve the name with an empty file, then replace that.
        Err(_) => {
            match OpenOptions::new().write(true).create_new(true).open(file) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::AlreadyExists => bail!(exists(file)),
                Err(error) => bail!("{} cannot be written: {error}", file.display()),
            }
            fs::rename(partial, file)?;
        }
    }
    if let Some(directory) = file.parent() {
        // Makes the name durable; some file systems do not support this.
        let _ = File::open(directory).and_then(|directory| directory.sync_all());
    }
    Ok(())
}

fn exists(file: &Path) -> String {
    format!(
        "{} exists and is not overwritten: give the backup another name, or move that file away",
        file.display()
    )
}
