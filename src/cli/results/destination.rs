//! Where the companies go: stdout, or a file that is there in full or not at all.

use anyhow::{Context as _, bail};
use std::fs::{File, Permissions};
use std::io::{self, BufWriter, ErrorKind, StdoutLock, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

/// The size of the buffer, in bytes.
const BUFFER: usize = 64 * 1024;

/// An open destination. A file that is not [kept](Self::keep) is deleted.
pub enum Destination {
    /// The command's output.
    Stdout(BufWriter<StdoutLock<'static>>),
    /// A temporary file beside the one that it will be.
    File(BufWriter<NamedTempFile>, Target),
}

/// A file to write.
#[derive(Debug, Clone)]
pub struct Target {
    path: PathBuf,
    /// Whether an existing file is replaced.
    force: bool,
    /// The mode of the file that is replaced.
    mode: Option<u32>,
}

impl Target {
    /// Checks that the file can be written, so that a wrong name is noticed at once.
    ///
    /// # Errors
    ///
    /// An error with the remedy if the file exists and is not to be replaced, is no regular file, or is a link to none.
    pub fn new(path: &Path, force: bool) -> anyhow::Result<Self> {
        let mut path = std::path::absolute(path)?;
        let mut mode = None;
        if path.symlink_metadata().is_ok() {
            if !force {
                bail!(exists(&path));
            }
            // A link stays, and the file that it leads to is replaced.
            path = path.canonicalize().with_context(|| {
                format!(
                    "{} is a link to a file that cannot be reached: remove the link, or name another file",
                    path.display()
                )
            })?;
            let file = path.metadata()?;
            if !file.is_file() {
                bail!(
                    "{} is not a regular file, and is not replaced: without --output the companies go to stdout",
                    path.display()
                );
            }
            mode = Some(file.permissions().mode() & 0o777);
        }
        Ok(Self { path, force, mode })
    }

    fn create(&self) -> anyhow::Result<NamedTempFile> {
        let directory = self.path.parent().unwrap_or(Path::new("/"));
        let file = tempfile::Builder::new()
            .prefix(".growd-results-")
            // As for any new file; the umask narrows it.
            .permissions(Permissions::from_mode(self.mode.unwrap_or(0o666)))
            .tempfile_in(directory)
            .map_err(|error| {
                anyhow::anyhow!(
                    "{} cannot be written: {error}; its directory must exist and be writable by this user",
                    self.path.display()
                )
            })?;
        if let Some(mode) = self.mode {
            // Without the umask.
            file.as_file()
                .set_permissions(Permissions::from_mode(mode))?;
        }
        Ok(file)
    }
}

impl Destination {
    /// Opens a file, or stdout.
    ///
    /// # Errors
    ///
    /// Returns an error if no file can be created beside the target.
    pub fn open(target: Option<Target>) -> anyhow::Result<Self> {
        Ok(match target {
            None => Self::Stdout(BufWriter::with_capacity(BUFFER, io::stdout().lock())),
            Some(target) => Self::File(BufWriter::with_capacity(BUFFER, target.create()?), target),
        })
    }

    /// Returns where to write.
    pub fn writer(&mut self) -> &mut dyn Write {
        match self {
            Self::Stdout(out) => out,
            Self::File(out, _) => out,
        }
    }

    /// Completes it: a file is durable, and gets its name. Returns the file.
    ///
    /// # Errors
    ///
    /// Returns an error if it cannot be written, or if the file exists by now and is not to be replaced. Nothing is left then.
    pub fn keep(self) -> anyhow::Result<Option<PathBuf>> {
        let (out, Target { path, force, .. }) = match self {
            Self::Stdout(mut out) => {
                out.flush()?;
                return Ok(None);
            }
            Self::File(out, target) => (out, target),
        };
        let file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.as_file().sync_all()?;
        let kept = if force {
            file.persist(&path)
        } else {
            file.persist_noclobber(&path)
        };
        match kept.map_err(|error| error.error) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::AlreadyExists => bail!(exists(&path)),
            Err(error) => bail!("{} cannot be written: {error}", path.display()),
        }
        if let Some(directory) = path.parent() {
            // Makes the name durable; some file systems do not support this.
            let _ = File::open(directory).and_then(|directory| directory.sync_all());
        }
        Ok(Some(path))
    }
}

fn exists(path: &Path) -> String {
    format!(
        "{} exists and is not overwritten: --force replaces it",
        path.display()
    )
}
