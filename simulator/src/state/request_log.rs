//! The requests that came in: counts of all, details of the last ones, and how many at once.

use std::collections::{BTreeMap, VecDeque};

use jiff::Timestamp;
use serde::Serialize;

/// How many requests are kept in detail.
const KEPT_REQUESTS: usize = 1_000;

/// All that came in at the API; the control path is not counted.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct RequestLog {
    /// How many there were.
    pub total: u64,
    /// How many of each kind: `get`, `resume`, `create`, …
    pub by_kind: BTreeMap<String, u64>,
    /// How many were answered with each status; those that got none are not in here.
    pub by_status: BTreeMap<u16, u64>,
    /// How many met each fault, by its name.
    pub by_fault: BTreeMap<String, u64>,
    /// How many are being answered now.
    pub in_flight: u64,
    /// The most that were being answered at one time.
    pub peak_concurrency: u64,
    /// The last ones, oldest first.
    pub last: VecDeque<RequestEntry>,
}

/// One request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RequestEntry {
    /// Counts from 1.
    pub seq: u64,
    /// When, in real time.
    pub at: Timestamp,
    /// `get`, `resume`, …
    pub kind: String,
    /// `GET` or `POST`, as it came.
    pub method: String,
    /// Path and query, as they came.
    pub path: String,
    /// Whether it carried a token. The token itself is never kept.
    pub token: bool,
    /// The status it was answered with, if it was.
    pub status: Option<u16>,
    /// The fault it met, if any.
    pub fault: Option<String>,
}

impl RequestLog {
    /// Notes a request that came in, and returns its number.
    pub(crate) fn begin(&mut self, mut entry: RequestEntry) -> u64 {
        self.total += 1;
        *self.by_kind.entry(entry.kind.clone()).or_default() += 1;
        if let Some(fault) = &entry.fault {
            *self.by_fault.entry(fault.clone()).or_default() += 1;
        }
        self.in_flight += 1;
        self.peak_concurrency = self.peak_concurrency.max(self.in_flight);
        entry.seq = self.total;
        if self.last.len() == KEPT_REQUESTS {
            self.last.pop_front();
        }
        self.last.push_back(entry);
        self.total
    }

    /// Notes the answer of request number `seq`.
    pub(crate) fn answered(&mut self, seq: u64, status: u16) {
        *self.by_status.entry(status).or_default() += 1;
        let newest_first = self.last.iter_mut().rev();
        if let Some(entry) = newest_first.take_while(|e| e.seq >= seq).last() {
            entry.status = Some(status);
        }
    }

    /// Notes that a request is over, answered or not.
    pub(crate) fn end(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
    }
}
