//! The way to stderr that nobody has to wait for: lines are gathered, and a thread of its own writes them.
//!
//! Whoever waits for a pipe that nobody empties heeds no signal meanwhile, and stores nothing. So no line is waited
//! for; those that find no room any more are counted, and the log says how many they were once there is room again.

use std::io::{self, Write};
use std::mem::take;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;
use tracing_subscriber::fmt::MakeWriter;

/// So many bytes may wait to be written, beside as many that are being written.
const WAITING_MAX: usize = 1024 * 1024;

/// Takes lines. Cloning it is cheap, and a clone leads to the same place.
#[derive(Clone, Debug)]
pub(super) struct Outlet(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    lines: Mutex<Lines>,
    changed: Condvar,
    max: usize,
}

#[derive(Debug, Default)]
struct Lines {
    waiting: Vec<u8>,
    /// Some that waited are being written.
    is_writing: bool,
    /// How many found no room, and were not told of yet.
    lost: u64,
}

impl Outlet {
    /// Leads to a place, until the process ends.
    ///
    /// # Errors
    ///
    /// Where the system has no thread for it.
    pub fn to(place: impl Write + Send + 'static) -> io::Result<Self> {
        Self::with_room(WAITING_MAX, place)
    }

    fn with_room(max: usize, mut place: impl Write + Send + 'static) -> io::Result<Self> {
        let outlet = Self(Arc::new(Shared {
            lines: Mutex::default(),
            changed: Condvar::new(),
            max,
        }));
        let source = outlet.clone();
        let run = move || loop {
            let text = source.next();
            // Where the reader is gone there is nobody to tell.
            let _ = place.write_all(&text).and_then(|()| place.flush());
        };
        thread::Builder::new()
            .name("growd-log".to_owned())
            .spawn(run)?;
        Ok(outlet)
    }

    /// Says that what was there before is written, and waits for more.
    fn next(&self) -> Vec<u8> {
        let mut lines = self.lines();
        lines.is_writing = false;
        self.0.changed.notify_all();
        let waited = self
            .0
            .changed
            .wait_while(lines, |lines| lines.waiting.is_empty());
        let mut lines = waited.unwrap_or_else(PoisonError::into_inner);
        lines.is_writing = true;
        take(&mut lines.waiting)
    }

    /// Waits until all is written, but no longer than `patience`.
    pub fn flush(&self, patience: Duration) {
        let is_under_way = |lines: &mut Lines| lines.is_writing || !lines.waiting.is_empty();
        let lines = self.lines();
        // Whether it was in vain nobody could be told.
        drop(
            self.0
                .changed
                .wait_timeout_while(lines, patience, is_under_way),
        );
    }

    /// How many lines were lost since it was asked last; none as long as there is hardly room to say so.
    pub fn take_lost(&self) -> u64 {
        let mut lines = self.lines();
        if lines.waiting.len() > self.0.max / 2 {
            return 0;
        }
        take(&mut lines.lost)
    }

    fn lines(&self) -> MutexGuard<'_, Lines> {
        let lines = self.0.lines.lock();
        lines.unwrap_or_else(PoisonError::into_inner)
    }
}

impl Write for Outlet {
    /// Takes a whole line, or counts it.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut lines = self.lines();
        if lines.waiting.len() + line.len() > self.0.max {
            lines.lost += 1;
        } else {
            lines.waiting.extend_from_slice(line);
            self.0.changed.notify_all();
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Outlet {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{PipeReader, Read};

    /// Long enough for any machine.
    const LONG: Duration = Duration::from_mins(2);

    /// A pipe that takes nothing before it is read, and what it is full of.
    fn full() -> (PipeReader, io::PipeWriter, usize) {
        let (reader, mut writer) = io::pipe().unwrap();
        let size = nix::fcntl::fcntl(&writer, nix::fcntl::FcntlArg::F_GETPIPE_SZ).unwrap();
        let size = usize::try_from(size).unwrap();
        writer.write_all(&vec![b'.'; size]).unwrap();
        (reader, writer, size)
    }

    #[test]
    fn lines_come_out_whole_and_in_order() {
        let (mut reader, writer) = io::pipe().unwrap();
        let mut outlet = Outlet::to(writer).unwrap();
        let mut lines = String::new();
        for n in 0..1_000 {
            let line = format!("line {n}\n");
            outlet.write_all(line.as_bytes()).unwrap();
            lines += &line;
        }
        let mut read = vec![0; lines.len()];
        reader.read_exact(&mut read).unwrap();
        assert_eq!(String::from_utf8(read).unwrap(), lines);
        outlet.flush(LONG);
        assert!(!outlet.lines().is_writing);
        assert_eq!(outlet.take_lost(), 0);
    }

    #[test]
    fn nobody_waits_for_a_pipe_that_is_full_and_what_finds_no_room_is_counted() {
        let (mut reader, writer, size) = full();
        let mut outlet = Outlet::with_room(20, writer).unwrap();
        outlet.write_all(b"first\n").unwrap();
        // Its thread has taken that, and waits for the pipe.
        while !outlet.lines().is_writing {
            thread::yield_now();
        }
        for line in ["one\n", "two\n", "three\n", "four\n", "five\n", "six\n"] {
            outlet.write_all(line.as_bytes()).unwrap();
        }
        outlet.flush(Duration::from_millis(1));
        assert_eq!(outlet.take_lost(), 0, "there is no room to say so");
        let mut read = vec![0; size];
        reader.read_exact(&mut read).unwrap();
        outlet.flush(LONG);
        assert_eq!(outlet.take_lost(), 2);
        assert_eq!(outlet.take_lost(), 0, "once is enough");
        let mut read = [0; 25];
        reader.read_exact(&mut read).unwrap();
        assert_eq!(&read, b"first\none\ntwo\nthree\nfour\n");
    }

    #[test]
    fn a_reader_that_is_gone_is_not_waited_for() {
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        let mut outlet = Outlet::to(writer).unwrap();
        outlet.write_all(b"to nobody\n").unwrap();
        outlet.flush(LONG);
        let lines = outlet.lines();
        assert!(lines.waiting.is_empty() && !lines.is_writing);
    }
}
