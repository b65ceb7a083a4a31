//! The request log: counts of all requests, the most recent ones in detail, and the peak concurrency.

use std::collections::{BTreeMap, VecDeque};

use jiff::Timestamp;
use serde::Serialize;

use crate::endpoint::Endpoint;

/// The number of requests kept in detail.
const KEPT_REQUESTS: usize = 1_000;

/// The number of requests for the list that are kept.
const KEPT_LISTS: usize = 10_000;

/// All requests to the API, without those to the control endpoints.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct RequestLog {
    /// The number of requests.
    pub total: u64,
    /// The number of each kind: `get`, `resume`, `create`, …
    pub by_kind: BTreeMap<String, u64>,
    /// The number of responses with each status. Requests without a response are not included.
    pub by_status: BTreeMap<u16, u64>,
    /// The number of requests that met each fault, by its name.
    pub by_fault: BTreeMap<String, u64>,
    /// The number of requests in progress.
    pub in_flight: u64,
    /// The largest `in_flight` so far.
    pub peak_concurrency: u64,
    /// The most recent requests, oldest first; at most 1,000.
    pub last: VecDeque<RequestEntry>,
    /// The most recent requests for the list of tasks, oldest first; at most 10,000.
    pub lists: VecDeque<ListRequest>,
}

/// One request for the list of tasks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ListRequest {
    /// Its number among all requests, as in [`RequestEntry::seq`].
    pub seq: u64,
    /// When it was received, in real time.
    pub at: Timestamp,
    /// The requested offset; `None` if the request has none, or one that is no number.
    pub offset: Option<u64>,
    /// The requested limit, before it is clamped or refused; `None` if the request has none, or one that is no number.
    pub limit: Option<u64>,
    /// The status of the response, if there was one.
    pub status: Option<u16>,
}

impl ListRequest {
    /// Reads offset and limit from the path and query of a request.
    fn of(entry: &RequestEntry) -> Self {
        let query = entry.path.split_once('?').map_or("", |(_, query)| query);
        let number = |wanted: &str| {
            let pairs = url::form_urlencoded::parse(query.as_bytes());
            let last = pairs.filter(|(name, _)| name == wanted).last();
            last.and_then(|(_, value)| value.parse().ok())
        };
        Self {
            seq: entry.seq,
            at: entry.at,
            offset: number("offset"),
            limit: number("limit"),
            status: None,
        }
    }
}

/// One request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RequestEntry {
    /// Its number, from 1.
    pub seq: u64,
    /// When it was received, in real time.
    pub at: Timestamp,
    /// `get`, `resume`, …
    pub kind: String,
    /// The HTTP method.
    pub method: String,
    /// Path and query, as received.
    pub path: String,
    /// Whether it had a token. The token itself is never stored.
    pub token: bool,
    /// The status of the response, if there was one.
    pub status: Option<u16>,
    /// The fault it met, if any.
    pub fault: Option<String>,
}

impl RequestLog {
    /// Adds a request and returns its number.
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
        if entry.kind == Endpoint::List.name() {
            if self.lists.len() == KEPT_LISTS {
                self.lists.pop_front();
            }
            self.lists.push_back(ListRequest::of(&entry));
        }
        self.last.push_back(entry);
        self.total
    }

    /// Records the status of the response to request number `seq`.
    pub(crate) fn answered(&mut self, seq: u64, status: u16) {
        *self.by_status.entry(status).or_default() += 1;
        if let Some(entry) = self.last.iter_mut().rev().find(|entry| entry.seq == seq) {
            entry.status = Some(status);
        }
        if let Ok(index) = self.lists.binary_search_by_key(&seq, |request| request.seq) {
            self.lists[index].status = Some(status);
        }
    }

    /// Records the end of a request, answered or not.
    pub(crate) fn end(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
    }
}
