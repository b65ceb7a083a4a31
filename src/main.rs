//! The `growd` command.
fn main() {}
