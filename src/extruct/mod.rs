//! The Extruct Deep Search service as a Rust API.
//!
//! # Guarantees
//!
//! A request is sent at most once: no redirect is followed and nothing is resent. The token goes to the
//! configured host and nowhere else, and appears in no error. An answer is read up to 1 MiB and for as long
//! as `api.timeout`, whatever the service sends.
//!
//! # Assumptions
//!
//! Those of docs.extruct.ai: task ids are one segment of the path, errors are `{"detail": …}`.

mod client;
mod error;
pub mod network;
mod transport;
mod wire;

pub use client::{Answered, Client, ClientError};
pub use wire::{User, read_task};
