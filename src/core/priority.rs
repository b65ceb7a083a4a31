//! Which kind of request goes next when several are due, and how many of each kind may be in flight.
//!
//! # Guarantees
//!
//! Results are asked for only if neither a poll nor a page of the list is to be asked for, and leave three quarters of the requests
//! in flight to others. So a poll waits for results until the next slot of the rate limit, or, where they are all that may be in
//! flight, until one request for results has ended.

use super::gate::Request;

/// Pages, pages of results, and passes for searches take at most one in so many of the requests in flight each: each costs as much
/// of this machine as many polls.
const SHARE: usize = 4;

/// The order of the kinds of requests.
#[derive(Debug, Clone, Copy, Default)]
pub struct Priority {
    /// The newest request was for a page of the list: polls go first now.
    page_was_last: bool,
}

impl Priority {
    /// Returns the kinds, the most urgent first. Polls and pages of the list take turns where both are due. Paid requests are not among
    /// them: they are sent as soon as the rate limit has a slot.
    #[must_use]
    pub fn order(self) -> [Request; 3] {
        if self.page_was_last {
            [Request::Poll, Request::List, Request::Results]
        } else {
            [Request::List, Request::Poll, Request::Results]
        }
    }

    /// Notes that a request was begun.
    pub fn begun(&mut self, request: Request) {
        match request {
            Request::List => self.page_was_last = true,
            Request::Poll => self.page_was_last = false,
            // They change nothing between the other two.
            Request::Results | Request::Resume | Request::Create => {}
        }
    }
}

/// The requests in flight that are bounded by their kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Load {
    /// Pages of the list.
    pub pages: usize,
    /// Pages of results.
    pub results: usize,
    /// Passes for searches, each of which may send a create.
    pub searches: usize,
}

impl Load {
    /// Whether one more request of this kind may be begun. `concurrency` is `limits.concurrency`. With `probing` it is a probe of a
    /// closed gate, which is never a page of the list.
    #[must_use]
    pub fn admits(self, request: Request, concurrency: usize, probing: bool) -> bool {
        let share = (concurrency / SHARE).max(1);
        match request {
            Request::Poll | Request::Resume => true,
            Request::Create => self.searches < share,
            Request::List => !probing && self.pages < share,
            Request::Results => self.results < share,
        }
    }
}
