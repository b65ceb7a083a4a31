//! A search in memory, against a model of the service, in virtual time; the property tests run it.
//!
//! The [driver](driver::Driver) decides when the search is due, stores each step, sends a create once its row is stored, reads
//! the list page by page, polls the parts and reads their results. Scripts make requests fail, crash the process, and act as
//! operators and colleagues. Each step is [checked](checks); the tests check the end.

pub mod builders;
pub mod checks;
pub mod driver;
pub mod model;
pub mod parts;
pub mod requests;
pub mod strategies;

use crate::driver::service_model::CapCounts;
use growd::core::policy::Policy;
use growd::core::search::Wanted;
use model::Semantics;
use std::time::Duration;

/// The failure of one create.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CreateFault {
    /// None.
    Fine,
    /// Times out without having reached the service.
    LostBefore,
    /// Reaches the service; the answer is lost.
    LostAfter,
    /// Is answered after so many seconds.
    Late(u64),
    /// Reaches the service; the answer is not a task.
    NotUnderstood,
    /// 503 without effect, with `Retry-After`.
    Unavailable(u64),
    NotConnected,
    /// 400, 404 or 422.
    Refused(u16),
    Payment,
    Forbidden,
    RateLimited(u64),
    /// 405, without effect.
    Unexpected,
    /// The process crashes before it sends the request.
    DiesBefore,
    /// The process crashes before it stores the answer.
    DiesAfter,
}

/// The failure of one request for a page of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListFault {
    Fine,
    Unavailable,
    NotConnected,
    /// The process crashes.
    Dies,
}

/// One attempt to read the results of a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadFault {
    Fine,
    /// Ends after half of them.
    Half,
    Error,
}

/// A task that a colleague creates for the same query when growd asks for one: what differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Differs {
    Nothing,
    Query,
    Desired,
    Criteria,
    /// It excludes nothing.
    NoExclusions,
    /// It excludes another domain.
    OtherExclusions,
}

/// An action of the operator, or of the service, before a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    Nothing,
    /// Pauses the search, and unpauses it after so many seconds.
    Pause(u64),
    /// Sets the target.
    Target(i64),
    /// The first part fails, if it is not the newest.
    EarlierFails,
    /// The service forgets the first part, if it is not the newest.
    EarlierGone,
    /// The operator retries the first part, if it is not the newest.
    EarlierRetried,
    /// The newest part loses so many results.
    Drops(usize),
    /// The service forgets the newest part.
    Gone,
}

#[derive(Debug, Clone)]
pub struct Scenario {
    pub semantics: Semantics,
    pub wanted: Wanted,
    pub policy: Policy,
    /// The faults of creates, in order; later ones have none. The same for the other scripts.
    pub create_faults: Vec<CreateFault>,
    pub list_faults: Vec<ListFault>,
    pub read_faults: Vec<ReadFault>,
    pub actions: Vec<Action>,
    /// For each create: what a colleague's task differs in, and how many seconds later than the create it is made.
    pub colleagues: Vec<Option<(Differs, i64)>>,
    /// Other tasks: the second of their creation, when they are removed, and whether the entry can be read.
    pub strangers: Vec<(i64, Option<i64>, bool)>,
    /// The entries of a page of the list that growd asks for.
    pub page: usize,
    pub read_delay: Duration,
    /// Whether results are read while a part is at work.
    pub live: bool,
    /// Whether the search is decided while a create is in flight.
    pub concurrent: bool,
}
