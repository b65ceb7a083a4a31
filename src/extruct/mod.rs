//! The Extruct Deep Search service as a Rust API.
//!
//! # Guarantees
//!
//! A request is sent at most once: no redirect is followed and nothing is resent. A paid request opens a new
//! connection. The token goes to the configured host and nowhere else, and appears in no error. An answer is read up
//! to 1 MiB (a page of the list or of results: 16 MiB) and for as long as `api.timeout`, whatever the service sends.
//!
//! # Assumptions
//!
//! Those of docs.extruct.ai: task ids are one segment of the path, errors are `{"detail": …}`. A 402, 403, 404 or 410
//! (and a 422 to a poll) with another body comes from a proxy, and says nothing about the task or the account.

mod client;
mod creates;
mod error;
mod input;
mod list;
pub mod network;
mod redaction;
mod results;
mod retry_after;
mod transport;
mod wire;

pub use client::{Client, ClientError, TaskAnswer};
pub use input::{TaskInput, read_input};
pub use list::read_list;
pub use results::read_results;
pub use wire::{User, read_task};
