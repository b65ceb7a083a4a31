//! Polls and delays of the pace in virtual time; `--real` measures the daemon itself against the stand-in.
//!
//! `cargo bench --bench pace` prints the tables of `docs/performance.md`, the same numbers on every machine;
//! `cargo bench --bench pace -- --real` takes about four minutes, and its numbers depend a little on the machine
//! (`--real chunks` runs its second half). `--many` prints the tables of many searches alone.

mod chunks;
mod many;
mod oracle;
#[path = "../../tests/support/pollers.rs"]
mod pollers;
mod real;
mod rules;
#[path = "../../tests/support/runs.rs"]
mod runs;
mod standin;
#[path = "../../tests/support/mod.rs"]
mod support;
mod tables;

fn main() {
    if std::env::args().any(|argument| argument == "--real") {
        real::print();
        return;
    }
    if std::env::args().any(|argument| argument == "--many") {
        many::print();
        return;
    }
    tables::print();
    standin::print();
    oracle::print();
    chunks::print();
    many::print();
}
