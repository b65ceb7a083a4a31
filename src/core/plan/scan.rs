//! The search for tasks whose page is not known.
//!
//! A scan begins where tasks were last found, goes on beside pages that show some, and else outwards by doubling until the list
//! ends. It may read as many pages in vain as there are tasks to be found: so it costs at most what polling each of
//! them once costs.

use std::collections::BTreeMap;

/// The most pages that a scan reads in vain.
const IN_VAIN_MAX: usize = 50;

/// A scan of the list.
#[derive(Debug, Default)]
pub(super) struct Scan {
    /// The pages read so far, and how many tasks each has shown.
    read: BTreeMap<u32, usize>,
    /// The first page that is known to be beyond the end.
    end: Option<u32>,
    in_vain: usize,
    /// The page on which tasks were last found.
    hint: u32,
}

impl Scan {
    /// Returns the page to read next in search of `wanted` tasks, without those that `is_recent`; none if the scan is over.
    pub fn next(&mut self, wanted: usize, is_recent: impl Fn(u32) -> bool) -> Option<u32> {
        if self.in_vain >= wanted.min(IN_VAIN_MAX) && !self.read.is_empty() {
            return None;
        }
        let is_open = |page: &u32| {
            self.end.is_none_or(|end| *page < end)
                && !self.read.contains_key(page)
                && !is_recent(*page)
        };
        let found = self.read.iter().filter(|(_, found)| **found > 0);
        let beside = found.flat_map(|(page, _)| [page + 1, page.saturating_sub(1)]);
        let first = [self.hint, 0].into_iter().chain(beside).find(is_open);
        first.or_else(|| self.outwards().filter(is_open))
    }

    /// Returns the next page on the way to the end of the list.
    fn outwards(&self) -> Option<u32> {
        let last = self.read.keys().next_back().copied().unwrap_or(0);
        match self.end {
            None => Some((last * 2).max(1)),
            Some(end) => {
                let below = self
                    .read
                    .range(..end)
                    .next_back()
                    .map_or(0, |(page, _)| *page);
                (end - below > 1).then(|| below + (end - below) / 2)
            }
        }
    }

    /// Notes what a page has shown.
    pub fn read(&mut self, page: u32, found: usize, len: usize, is_last: bool) {
        if found > 0 {
            self.hint = page;
        } else {
            self.in_vain += 1;
        }
        if len == 0 {
            self.end = Some(self.end.map_or(page, |end| end.min(page)));
        } else {
            self.read.insert(page, found);
            if is_last {
                self.end = Some(page + 1);
            }
        }
    }

    /// Ends the scan; the next one begins anew.
    pub fn end(&mut self) {
        let hint = self.hint;
        *self = Self {
            hint,
            ..Self::default()
        };
    }
}
