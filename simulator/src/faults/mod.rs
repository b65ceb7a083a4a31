//! Faults: the kinds, the rules that select requests, and the plan that applies the rules.

pub(crate) mod fault;
pub(crate) mod plan;
pub(crate) mod rules;
