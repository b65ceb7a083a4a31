//! `growd backup`: a consistent copy of the live database, which is there in full or not at all.

use super::{Context, Exit, interrupted};
use crate::store::{self, Mode, schema};
use anyhow::{Context as _, bail};
use clap::Args;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Write a consistent copy of the database, while it is in use
///
/// To restore one, stop the daemon, move the database and its -wal and -shm files away, and put the copy in place.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  growd backup /var/backups/growd-$(date +%F).db")]
pub struct Backup {
    /// The file to write; it must not exist
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// The copy while it is being written; removed when dropped.
struct Partial(PathBuf);

impl Drop for Partial {
    fn drop(&mut self) {
        // Best effort: there is nobody to tell, and it does no harm.
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
                .with_context(|| format!("the copy to {} failed, and was removed", file.display()))?,
            () = interrupted => bail!("interrupted; there is no backup"),
        }
        File::open(&partial.0)?.sync_all()?;
        put_in_place(&partial.0, &file)?;
        drop(partial);
        let size = fs::metadata(&file)?.len();
        writeln!(io::stdout(), "{} ({size} bytes)", file.display())?;
        Ok(Exit::Done)
    }
}

/// Makes the empty file that the copy goes to: its rights are narrow before anything is in it.
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
                "{} cannot be written: {error}; the backup needs a directory that exists and that this user may write in",
                path.display()
            )
        })?;
    Ok(Partial(path))
}

/// Gives the finished copy its name, unless that is taken: a rename would overwrite.
fn put_in_place(partial: &Path, file: &Path) -> anyhow::Result<()> {
    match fs::hard_link(partial, file) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::AlreadyExists => bail!(exists(file)),
        // Not every file system has hard links: take the name with an empty file, and replace that.
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
        // The name is durable once the directory is; not every file system lets one say so.
        let _ = File::open(directory).and_then(|directory| directory.sync_all());
    }
    Ok(())
}

fn exists(file: &Path) -> String {
    format!(
        "{} exists, and is not overwritten: give the backup another name, or move that file away",
        file.display()
    )
}
