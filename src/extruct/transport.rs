//! Classifies requests without a complete answer, and names the proxy and a lack of file descriptors.

use super::error::from_transport;
use crate::core::Failure;
use std::error::Error;
use std::fs::File;
use std::io;

/// `EMFILE` and `ENFILE`: the process or the system has no file descriptor left.
const OUT_OF_DESCRIPTORS: [i32; 2] = [24, 23];

/// Classifies a request without a complete answer that was sent through `proxy`.
pub(super) fn failure(error: reqwest::Error, proxy: Option<&str>) -> Failure {
    if error.is_connect() && is_out_of_descriptors(&error) {
        return Failure::Withheld {
            detail: "growd has run out of file descriptors: raise LimitNOFILE= of its unit, or `ulimit -n`, or lower \
                     limits.concurrency"
                .to_owned(),
        };
    }
    match (from_transport(error), proxy) {
        (Failure::NotConnected { detail }, Some(proxy)) => Failure::NotConnected {
            detail: format!("{detail} (through the proxy {proxy})"),
        },
        (failure, _) => failure,
    }
}

fn is_out_of_descriptors(error: &reqwest::Error) -> bool {
    let is_one = |error: &io::Error| {
        error
            .raw_os_error()
            .is_some_and(|code| OUT_OF_DESCRIPTORS.contains(&code))
    };
    let mut source = error.source();
    while let Some(cause) = source {
        if cause.downcast_ref::<io::Error>().is_some_and(is_one) {
            return true;
        }
        source = cause.source();
    }
    // The resolver reports a lack of descriptors as a name that was not found.
    File::open("/dev/null").is_err_and(|error| is_one(&error))
}
