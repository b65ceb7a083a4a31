//! A non-blocking writer to stderr: lines are buffered, and a thread writes them.
//!
//! A daemon that waits for a full pipe handles no signal and stores nothing. So writing a line never waits: a line that
//! does not fit into the buffer is dropped and counted, and a line in its place reports how many were dropped.
//!
//! `tracing-appender` does not replace this. It bounds its buffer in lines and not in bytes, counts dropped lines but does
//! not report where they are missing, loses the rest of a line on `WouldBlock`, and waits at most 1.1 s at the end.

use std::io::{self, ErrorKind, Write};
use std::mem::take;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// Delay before a pipe that is full, and in non-blocking mode, is tried again.
const RETRY_DELAY: Duration = Duration::from_millis(50);

/// Accepts lines for the thread. Clones share one buffer.
#[derive(Clone, Debug)]
pub(super) struct NonBlocking(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    buffer: Mutex<Buffer>,
    changed: Condvar,
    capacity: usize,
}

#[derive(Debug, Default)]
struct Buffer {
    lines: Vec<u8>,
    /// Whether the thread is writing lines that it has taken.
    is_writing: bool,
    /// Number of lines dropped after those in `lines`.
    dropped: u64,
}

impl NonBlocking {
    /// Starts the thread, which writes to `sink` until the process ends. The buffer holds `capacity` bytes, beside the
    /// lines that the thread is writing. `report` makes a line from the number of lines that are missing in its place.
    ///
    /// # Errors
    ///
    /// Returns an error if the system provides no thread.
    pub fn new(
        capacity: usize,
        mut sink: impl Write + Send + 'static,
        report: impl Fn(u64) -> String + Send + 'static,
    ) -> io::Result<Self> {
        let writer = Self(Arc::new(Shared {
            buffer: Mutex::default(),
            changed: Condvar::new(),
            capacity,
        }));
        let source = writer.clone();
        let run = move || {
            let mut unreported = 0;
            loop {
                let (lines, dropped) = source.next();
                let mut write = |lines: &[u8]| write_lines(&mut sink, lines);
                if unreported > 0 && write(report(unreported).as_bytes()) == 0 {
                    unreported = 0;
                }
                unreported += write(&lines);
                if dropped > 0 && write(report(dropped).as_bytes()) > 0 {
                    unreported += dropped;
                }
            }
        };
        thread::Builder::new()
            .name("growd-log".to_owned())
            .spawn(run)?;
        Ok(writer)
    }

    /// Marks the previous lines as written and waits for more. Returns them, and the number of lines dropped after them.
    fn next(&self) -> (Vec<u8>, u64) {
        let mut buffer = self.buffer();
        buffer.is_writing = false;
        self.0.changed.notify_all();
        let is_empty = |buffer: &mut Buffer| buffer.lines.is_empty();
        let waited = self.0.changed.wait_while(buffer, is_empty);
        let mut buffer = waited.unwrap_or_else(PoisonError::into_inner);
        buffer.is_writing = true;
        (take(&mut buffer.lines), take(&mut buffer.dropped))
    }

    /// Waits until all lines are written, at most for `timeout`.
    pub fn flush(&self, timeout: Duration) {
        let is_pending = |buffer: &mut Buffer| buffer.is_writing || !buffer.lines.is_empty();
        let buffer = self.buffer();
        // A timeout cannot be reported: the log itself is blocked.
        drop(
            self.0
                .changed
                .wait_timeout_while(buffer, timeout, is_pending),
        );
    }

    fn buffer(&self) -> MutexGuard<'_, Buffer> {
        self.0.buffer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Write for NonBlocking {
    /// Buffers a line, or drops and counts it.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut buffer = self.buffer();
        let used = buffer.lines.len();
        // After a dropped line, all lines are dropped until the thread takes the buffer: then one report counts them all.
        if buffer.dropped > 0 || used > 0 && used + line.len() > self.0.capacity {
            buffer.dropped += 1;
        } else {
            buffer.lines.extend_from_slice(line);
            if used == 0 {
                self.0.changed.notify_all();
            }
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes lines and returns the number of those that failed. A line of up to 4096 bytes is one atomic write to a pipe
/// (pipe(7)), so that lines of other processes do not mix with it. A closed pipe counts as success: no reader misses them.
fn write_lines(sink: &mut impl Write, lines: &[u8]) -> u64 {
    let mut failed = 0;
    for line in lines.split_inclusive(|byte| *byte == b'\n') {
        match write_all(sink, line) {
            Err(error) if error.kind() != ErrorKind::BrokenPipe => failed += 1,
            _ => {}
        }
    }
    failed
}

/// [`Write::write_all`] that retries on `WouldBlock`: a process that shares stderr may have set it to non-blocking mode.
fn write_all(sink: &mut impl Write, mut line: &[u8]) -> io::Result<()> {
    while !line.is_empty() {
        match sink.write(line) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(length) => line = &line[length..],
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(RETRY_DELAY),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::fcntl::{FcntlArg, fcntl};
    use std::io::{PipeReader, PipeWriter, Read};

    const CAPACITY: usize = 1024 * 1024;

    /// Enough for a slow machine.
    const LONG: Duration = Duration::from_mins(2);

    fn report(dropped: u64) -> String {
        format!("{dropped} lost\n")
    }

    /// A full pipe, and the number of bytes in it.
    fn full_pipe() -> (PipeReader, PipeWriter, usize) {
        let (reader, mut writer) = io::pipe().unwrap();
        let size = fcntl(&writer, FcntlArg::F_GETPIPE_SZ).unwrap();
        let size = usize::try_from(size).unwrap();
        writer.write_all(&vec![b'.'; size]).unwrap();
        (reader, writer, size)
    }

    fn read(reader: &mut PipeReader, length: usize) -> String {
        let mut text = vec![0; length];
        reader.read_exact(&mut text).unwrap();
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn lines_are_written_whole_and_in_order() {
        let (mut reader, writer) = io::pipe().unwrap();
        let mut log = NonBlocking::new(CAPACITY, writer, report).unwrap();
        let mut lines = String::new();
        for n in 0..1_000 {
            let line = format!("line {n}\n");
            log.write_all(line.as_bytes()).unwrap();
            lines += &line;
        }
        assert_eq!(read(&mut reader, lines.len()), lines);
        log.flush(LONG);
        assert!(!log.buffer().is_writing);
    }

    #[test]
    fn a_full_pipe_blocks_no_writer_and_dropped_lines_are_counted_in_their_place() {
        let (mut reader, writer, size) = full_pipe();
        let mut log = NonBlocking::new(20, writer, report).unwrap();
        log.write_all(b"first\n").unwrap();
        // Until the thread has taken that line, and waits for the pipe.
        while !log.buffer().is_writing {
            thread::yield_now();
        }
        for line in ["one\n", "two\n", "three\n", "four\n", "five\n", "6\n"] {
            log.write_all(line.as_bytes()).unwrap();
        }
        log.flush(Duration::from_millis(1));
        read(&mut reader, size);
        log.flush(LONG);
        log.write_all(b"last\n").unwrap();
        let expected = "first\none\ntwo\nthree\nfour\n2 lost\nlast\n";
        assert_eq!(read(&mut reader, expected.len()), expected);
    }

    #[test]
    fn an_empty_buffer_accepts_a_line_above_its_capacity() {
        let (mut reader, writer) = io::pipe().unwrap();
        let mut log = NonBlocking::new(4, writer, report).unwrap();
        log.write_all(b"a long one\n").unwrap();
        assert_eq!(read(&mut reader, 11), "a long one\n");
    }

    #[test]
    fn a_closed_pipe_blocks_nothing() {
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        let mut log = NonBlocking::new(CAPACITY, writer, report).unwrap();
        log.write_all(b"unread\n").unwrap();
        log.flush(LONG);
        let buffer = log.buffer();
        assert!(buffer.lines.is_empty() && !buffer.is_writing);
    }

    /// Fails with these errors, the last one first, and then writes byte by byte.
    struct Failing(Vec<ErrorKind>, PipeWriter);

    impl Write for Failing {
        fn write(&mut self, text: &[u8]) -> io::Result<usize> {
            match self.0.pop() {
                Some(kind) => Err(kind.into()),
                None => self.1.write(&text[..1]),
            }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_that_could_not_be_written_are_counted_before_the_next_line() {
        let (mut reader, writer) = io::pipe().unwrap();
        let sink = Failing(vec![ErrorKind::StorageFull], writer);
        let mut log = NonBlocking::new(CAPACITY, sink, report).unwrap();
        log.write_all(b"one\n").unwrap();
        log.flush(LONG);
        log.write_all(b"two\n").unwrap();
        assert_eq!(read(&mut reader, 11), "1 lost\ntwo\n");
    }

    #[test]
    fn a_write_that_would_block_or_was_interrupted_is_retried() {
        let (mut reader, writer) = io::pipe().unwrap();
        let errors = vec![ErrorKind::WouldBlock, ErrorKind::Interrupted];
        let mut log = NonBlocking::new(CAPACITY, Failing(errors, writer), report).unwrap();
        log.write_all(b"one\n").unwrap();
        assert_eq!(read(&mut reader, 4), "one\n");
    }
}
