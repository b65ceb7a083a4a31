//! Faults: the kinds, the rules that select requests, and the plan that applies the rules.

mod fault;
mod kinds;
mod plan;
mod rules;

pub use self::{
    fault::Fault,
    rules::{Chaos, Odds, On, Rule},
};
pub(crate) use self::{fault::PAGE, plan::FaultPlan};
