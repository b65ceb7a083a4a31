//! The writer: the only task that writes to the database while the daemon runs.
//!
//! | file | owns |
//! | --- | --- |
//! | `handle` | how others ask the writer |
//! | `message` | what they ask |
//! | `task` | the loop: batches, retries, errors |
//! | `batch` | one transaction: load, judge, store |
//! | `listed` | a page of the list, and what its entries do to their tasks |
//! | `spending` | what the limits and the credits leave to the paid requests of a transaction |
//! | `results` | the same for a page of results |
//! | `search` | the same for a step of a search |
//! | `creates` | the answer to a create, and what the list says of one |
//! | `maintenance` | heartbeat, pruning, a new config, a clock that changed |
//! | `retry` | waiting while the database is locked or the disk is full |
//! | `clock` | leaps of the system clock |
//! | `wal_monitor` | the size of the write-ahead log |

pub mod batch;
pub mod clock;
mod creates;
mod handle;
mod listed;
pub mod maintenance;
mod message;
mod request_count;
mod results;
mod retry;
mod search;
mod spending;
mod task;
mod wal_monitor;

pub use batch::ResumePermit;
pub use handle::{StartedWriter, WriteError, Writer};
pub use listed::PageAnswer;
pub use maintenance::Maintenance;
pub use results::{ReadingOutcome, ResultsAnswer};
pub use search::{CreatePermit, Decided, SearchUpdate};
