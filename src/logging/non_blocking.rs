//! The way to stderr that nobody has to wait for: lines are gathered, and a thread of its own writes them.
//!
//! Whoever waits for a pipe that nobody empties heeds no signal meanwhile, and stores nothing. So no line is waited
//! for; those that find no room any more are counted, and a line in their place says how many they were.

use std::io::{self, ErrorKind, Write};
use std::mem::take;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;
use tracing_subscriber::fmt::MakeWriter;

/// So many bytes may wait to be written, beside as many that are being written.
const WAITING_MAX: usize = 1024 * 1024;

/// A pipe takes so many bytes as a whole, or none: others who write to it do not come in between (pipe(7)).
const WHOLE: usize = 4096;

/// How long a place that is full, and was made not to be waited for, is left alone.
const BREATH: Duration = Duration::from_millis(50);

/// Takes lines. Cloning it is cheap, and a clone leads to the same place.
#[derive(Clone, Debug)]
pub(super) struct NonBlocking(Arc<Shared>);

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
    /// How many found no room after those that wait.
    lost: u64,
}

impl NonBlocking {
    /// Leads to a place, until the process ends; `tell` makes a line of how many are missing in its place.
    ///
    /// # Errors
    ///
    /// Where the system has no thread for it.
    pub fn to(
        place: impl Write + Send + 'static,
        tell: impl Fn(u64) -> String + Send + 'static,
    ) -> io::Result<Self> {
        Self::with_room(WAITING_MAX, place, tell)
    }

    fn with_room(
        max: usize,
        mut place: impl Write + Send + 'static,
        tell: impl Fn(u64) -> String + Send + 'static,
    ) -> io::Result<Self> {
        let non_blocking = Self(Arc::new(Shared {
            lines: Mutex::default(),
            changed: Condvar::new(),
            max,
        }));
        let source = non_blocking.clone();
        let run = move || {
            let mut unwritten = 0;
            loop {
                let (text, lost) = source.next();
                let mut write = |text: &[u8]| write_lines(&mut place, text);
                if unwritten > 0 && write(tell(unwritten).as_bytes()) == 0 {
                    unwritten = 0;
                }
                unwritten += write(&text);
                if lost > 0 && write(tell(lost).as_bytes()) > 0 {
                    unwritten += lost;
                }
            }
        };
        thread::Builder::new()
            .name("growd-log".to_owned())
            .spawn(run)?;
        Ok(non_blocking)
    }

    /// Says that what was there before is written, and waits for more; the number is that of the lines missing after it.
    fn next(&self) -> (Vec<u8>, u64) {
        let mut lines = self.lines();
        lines.is_writing = false;
        self.0.changed.notify_all();
        let waited = self
            .0
            .changed
            .wait_while(lines, |lines| lines.waiting.is_empty());
        let mut lines = waited.unwrap_or_else(PoisonError::into_inner);
        lines.is_writing = true;
        (take(&mut lines.waiting), take(&mut lines.lost))
    }

    /// Shared until all is written, but no longer than `patience`.
    pub fn flush(&self, retry: Duration) {
        let is_under_way = |lines: &mut Lines| lines.is_writing || !lines.waiting.is_empty();
        let lines = self.lines();
        // Whether it was in vain nobody could be told.
        drop(
            self.0
                .changed
                .wait_timeout_while(lines, retry, is_under_way),
        );
    }

    fn lines(&self) -> MutexGuard<'_, Lines> {
        let lines = self.0.lines.lock();
        lines.unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes lines, as many at once as a pipe takes as a whole. How many of them could not be written; none where the reader
/// is gone, for then there is nobody to miss them.
fn write_lines(place: &mut impl Write, text: &[u8]) -> u64 {
    let (mut rest, mut lost) = (text, 0);
    while !rest.is_empty() {
        let (now, later) = rest.split_at(whole_lines(rest));
        match write_all(place, now) {
            Err(error) if error.kind() != ErrorKind::BrokenPipe => lost += count(now),
            _ => {}
        }
        rest = later;
    }
    lost
}

/// The length of the lines that go together: one at least.
fn whole_lines(text: &[u8]) -> usize {
    let is_end = |byte: &u8| *byte == b'\n';
    let first = &text[..text.len().min(WHOLE)];
    let end = first.iter().rposition(is_end);
    let end = end.or_else(|| text.iter().position(is_end));
    end.map_or(text.len(), |end| end + 1)
}

fn count(lines: &[u8]) -> u64 {
    lines.iter().map(|byte| u64::from(*byte == b'\n')).sum()
}

/// [`Write::write_all`] for a place that may have been made not to be waited for by somebody who shares it.
fn write_all(place: &mut impl Write, mut text: &[u8]) -> io::Result<()> {
    while !text.is_empty() {
        match place.write(text) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(length) => text = &text[length..],
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(BREATH),
            Err(error) => return Err(error),
        }
    }
    place.flush()
}

impl Write for NonBlocking {
    /// Takes a whole line, or counts it.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut lines = self.lines();
        let waiting = lines.waiting.len();
        if lines.lost > 0 || waiting > 0 && waiting + line.len() > self.0.max {
            // Those after one that is lost are lost too, until the ones before it are on their way: one line tells of all.
            lines.lost += 1;
            return Ok(line.len());
        }
        lines.waiting.extend_from_slice(line);
        if waiting == 0 {
            self.0.changed.notify_all();
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for NonBlocking {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::fcntl::{FcntlArg, fcntl};
    use std::io::{PipeReader, PipeWriter, Read};

    /// Long enough for any machine.
    const LONG: Duration = Duration::from_mins(2);

    fn told(lost: u64) -> String {
        format!("{lost} lost\n")
    }

    /// A pipe that takes nothing before it is read, and how much it is full of.
    fn full() -> (PipeReader, PipeWriter, usize) {
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
    fn lines_come_out_whole_and_in_order() {
        let (mut reader, writer) = io::pipe().unwrap();
        let mut non_blocking = NonBlocking::to(writer, told).unwrap();
        let mut lines = String::new();
        for n in 0..1_000 {
            let line = format!("line {n}\n");
            non_blocking.write_all(line.as_bytes()).unwrap();
            lines += &line;
        }
        assert_eq!(read(&mut reader, lines.len()), lines);
        non_blocking.flush(LONG);
        assert!(!non_blocking.lines().is_writing);
    }

    #[test]
    fn nobody_waits_for_a_pipe_that_is_full_and_how_many_found_no_room_is_told_in_their_place() {
        let (mut reader, writer, size) = full();
        let mut non_blocking = NonBlocking::with_room(20, writer, told).unwrap();
        non_blocking.write_all(b"first\n").unwrap();
        // Its thread has taken that, and waits for the pipe.
        while !non_blocking.lines().is_writing {
            thread::yield_now();
        }
        for line in ["one\n", "two\n", "three\n", "four\n", "five\n", "6\n"] {
            non_blocking.write_all(line.as_bytes()).unwrap();
        }
        non_blocking.flush(Duration::from_millis(1));
        read(&mut reader, size);
        non_blocking.flush(LONG);
        non_blocking.write_all(b"last\n").unwrap();
        let expected = "first\none\ntwo\nthree\nfour\n2 lost\nlast\n";
        assert_eq!(read(&mut reader, expected.len()), expected);
    }

    #[test]
    fn a_line_longer_than_all_room_is_taken_where_none_waits() {
        let (mut reader, writer) = io::pipe().unwrap();
        let mut non_blocking = NonBlocking::with_room(4, writer, told).unwrap();
        non_blocking.write_all(b"a long one\n").unwrap();
        assert_eq!(read(&mut reader, 11), "a long one\n");
    }

    #[test]
    fn a_reader_that_is_gone_is_not_waited_for() {
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        let mut non_blocking = NonBlocking::to(writer, told).unwrap();
        non_blocking.write_all(b"to nobody\n").unwrap();
        non_blocking.flush(LONG);
        let lines = non_blocking.lines();
        assert!(lines.waiting.is_empty() && !lines.is_writing);
    }

    /// A place that fails with these in turn, and then takes all.
    struct Moody(Vec<ErrorKind>, PipeWriter);

    impl Write for Moody {
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
    fn what_cannot_be_written_is_told_with_the_next_line() {
        let (mut reader, writer) = io::pipe().unwrap();
        let place = Moody(vec![ErrorKind::StorageFull], writer);
        let mut non_blocking = NonBlocking::to(place, told).unwrap();
        non_blocking.write_all(b"one\n").unwrap();
        non_blocking.flush(LONG);
        non_blocking.write_all(b"two\n").unwrap();
        assert_eq!(read(&mut reader, 11), "1 lost\ntwo\n");
    }

    #[test]
    fn a_place_that_is_not_to_be_waited_for_is_tried_again() {
        let (mut reader, writer) = io::pipe().unwrap();
        let moods = vec![ErrorKind::WouldBlock, ErrorKind::Interrupted];
        let mut non_blocking = NonBlocking::to(Moody(moods, writer), told).unwrap();
        non_blocking.write_all(b"one\n").unwrap();
        assert_eq!(read(&mut reader, 4), "one\n");
    }

    #[test]
    fn lines_go_together_as_far_as_a_pipe_takes_them_as_a_whole() {
        let line = [&[b'x'; 99][..], b"\n"].concat();
        let text = line.repeat(50);
        assert_eq!(whole_lines(&text), 4_000);
        assert_eq!(whole_lines(&text[..1_000]), 1_000);
        let long = [&[b'x'; WHOLE][..], b"\n", &text].concat();
        assert_eq!(whole_lines(&long), WHOLE + 1, "a long one goes alone");
        assert_eq!(whole_lines(b"no end"), 6);
    }
}
