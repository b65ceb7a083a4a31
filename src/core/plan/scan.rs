//! The search for tasks whose page is not known.
//!
//! A scan begins where tasks were last found and on the page after that, goes on beside pages that show some, and else outwards
//! by doubling until the list ends. It then halves the distance to the last page, where new tasks are if the oldest come first, and reads the pages
//! that are left from the front. It may read as many pages in vain as there are tasks to be found: so it costs at most what
//! polling each of them once costs. It ends because it reads each page once.

use jiff::Timestamp;
use std::collections::BTreeMap;

/// The most pages that a scan reads in vain.
const IN_VAIN_MAX: usize = 50;

/// How often the pages that may be read in vain are halved at most, after scans that found nothing. Some are left, because
/// the next tasks may be in the list.
const HALVINGS_MAX: u32 = 3;

/// A scan of the list.
#[derive(Debug, Default)]
pub(super) struct Scan {
    /// When it began; none while there is no scan.
    pub began_at: Option<Timestamp>,
    /// The page that was asked for.
    pub asked: Option<u32>,
    /// The next page was read just now. It is asked for again then.
    pub waits_until: Option<Timestamp>,
    /// The pages read so far, and how many tasks each has shown.
    read: BTreeMap<u32, usize>,
    /// The first page that is known to be beyond the end.
    end: Option<u32>,
    in_vain: usize,
    /// The most tasks that this scan looked for at once.
    wanted: usize,
    has_found: bool,
    /// The page on which tasks were last found, or may be.
    hint: u32,
    /// Scans in a row that found nothing.
    fruitless: u32,
}

/// What a scan does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// It reads this page.
    Page(u32),
    /// It waits: the page was read just now, and may show more then.
    Wait(Timestamp),
    /// It is over.
    Over,
}

/// Whether a page can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// It can.
    Free,
    /// Not before.
    From(Timestamp),
    /// It was asked for long ago, without an answer so far.
    Stuck,
}

impl Scan {
    /// Returns what a scan for `wanted` tasks does next.
    pub fn next(&mut self, wanted: usize, now: Timestamp, access: impl Fn(u32) -> Access) -> Next {
        self.began_at.get_or_insert(now);
        let halvings = self.fruitless.min(HALVINGS_MAX);
        self.wanted = self.wanted.max(wanted);
        if self.in_vain >= (self.wanted.min(IN_VAIN_MAX) >> halvings).max(1) {
            return Next::Over;
        }
        while let Some(page) = self.candidate() {
            match access(page) {
                Access::Free => {
                    self.asked = Some(page);
                    return Next::Page(page);
                }
                Access::From(at) => {
                    self.waits_until = Some(at);
                    return Next::Wait(at);
                }
                Access::Stuck => self.read.insert(page, 0),
            };
        }
        Next::Over
    }

    fn candidate(&self) -> Option<u32> {
        let is_open =
            |page: &u32| self.end.is_none_or(|end| *page < end) && !self.read.contains_key(page);
        let found = self.read.iter().filter(|(_, found)| **found > 0);
        let beside = found.flat_map(|(page, _)| [page.checked_add(1), page.checked_sub(1)]);
        // Where the list grows at its end, the page that tasks were last found on is full at some time.
        let known = [Some(self.hint), self.hint.checked_add(1), Some(0)];
        let mut first = known.into_iter().chain(beside).flatten();
        first
            .find(is_open)
            .or_else(|| self.outwards().filter(is_open))
            .or_else(|| (0..self.end?).find(is_open))
    }

    /// Returns the next page on the way to the end of the list.
    fn outwards(&self) -> Option<u32> {
        let Some(end) = self.end else {
            let last = self.read.keys().next_back().copied().unwrap_or(0);
            return Some(last.checked_mul(2)?.max(1));
        };
        let below = self.read.range(..end).next_back();
        let below = below.map_or(0, |(page, _)| *page);
        (end - below > 1).then(|| below + (end - below) / 2)
    }

    /// Notes what a page has shown, also one that was read for another reason: `found` tasks whose page was not known.
    pub fn read(&mut self, page: u32, found: usize, len: usize, is_last: bool) {
        if found > 0 {
            self.hint = page;
            self.has_found = true;
            self.fruitless = 0;
        }
        let was_asked = self.answered(page);
        if self.began_at.is_none() {
            return;
        }
        self.in_vain += usize::from(was_asked && found == 0);
        if len == 0 {
            self.end = Some(self.end.map_or(page, |end| end.min(page)));
            return;
        }
        self.read.insert(page, found);
        if is_last {
            self.end = Some(page.saturating_add(1));
        } else {
            self.end = self.end.filter(|end| *end > page);
        }
    }

    /// Notes that a request for a page has ended. Returns whether the scan had asked for it.
    pub fn answered(&mut self, page: u32) -> bool {
        self.waits_until = None;
        let was_asked = self.asked == Some(page);
        if was_asked {
            self.asked = None;
        }
        was_asked
    }

    /// Begins the next scan on this page: tasks may have moved there.
    pub fn suggest(&mut self, page: u32) {
        if self.began_at.is_none() {
            self.hint = page;
        }
    }

    /// Ends the scan without having found all tasks.
    pub fn give_up(&mut self) {
        let fruitless = if self.has_found {
            0
        } else {
            self.fruitless.saturating_add(1)
        };
        self.end();
        self.fruitless = fruitless;
    }

    /// Ends the scan; the next one begins anew.
    pub fn end(&mut self) {
        *self = Self {
            hint: self.hint,
            fruitless: self.fruitless,
            ..Self::default()
        };
    }
}
