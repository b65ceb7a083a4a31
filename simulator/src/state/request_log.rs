//! The request log: counts of all requests, the most recent ones in detail, and the peak concurrency.

use std::collections::{BTreeMap, VecDeque};

use jiff::Timestamp;
use serde::Serialize;

use crate::endpoint::Endpoint;

/// The number of requests kept in detail.
const KEPT_REQUESTS: usize = 1_000;

/// The number of requests for pages that are kept, of each of the two kinds.
const KEPT_PAGES: usize = 10_000;

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
    pub lists: VecDeque<PageRequest>,
    /// The most recent requests for results, oldest first; at most 10,000.
    pub results: VecDeque<PageRequest>,
}

/// One request for a page of the list of tasks, or of the results of a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PageRequest {
    /// Its number among all requests, as in [`RequestEntry::seq`].
    pub seq: u64,
    /// When it was received, in real time.
    pub at: Timestamp,
    /// The task whose results are requested, as in the path; `None` in requests for the list.
    pub task: Option<String>,
    /// The requested offset; `None` if the request has none, or one that is no number.
    pub offset: Option<u64>,
    /// The requested limit, before it is clamped or refused; `None` if the request has none, or one that is no number.
    pub limit: Option<u64>,
    /// The status of the response, if there was one.
    pub status: Option<u16>,
}

impl PageRequest {
    /// Reads task, offset and limit from the path and query of a request.
    fn of(entry: &RequestEntry) -> Self {
        let (path, query) = entry.path.split_once('?').unwrap_or((&entry.path, ""));
        let task = path.strip_suffix("/results");
        let task = task.and_then(|path| path.rsplit_once('/'));
        let number = |wanted: &str| {
            let pairs = url::form_urlencoded::parse(query.as_bytes());
            let last = pairs.filter(|(name, _)| name == wanted).last();
            last.and_then(|(_, value)| value.parse().ok())
        };
        Self {
            seq: entry.seq,
            at: entry.at,
            task: task.map(|(_, task)| task.to_owned()),
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
        let pages = if entry.kind == Endpoint::List.name() {
            Some(&mut self.lists)
        } else if entry.kind == Endpoint::Results.name() {
            Some(&mut self.results)
        } else {
            None
        };
        if let Some(pages) = pages {
            if pages.len() == KEPT_PAGES {
                pages.pop_front();
            }
            pages.push_back(PageRequest::of(&entry));
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
        for pages in [&mut self.lists, &mut self.results] {
            if let Ok(index) = pages.binary_search_by_key(&seq, |request| request.seq) {
                pages[index].status = Some(status);
            }
        }
    }

    /// Records the end of a request, answered or not.
    pub(crate) fn end(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
    }
}
