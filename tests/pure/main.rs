//! Tests without a service or a database: the rules of `core` in virtual time, and files that are compared with the
//! code.

#[path = "../support/cases.rs"]
mod cases;
#[path = "../support/driver.rs"]
mod driver;
#[path = "../support/pollers.rs"]
mod pollers;
#[path = "../../benches/pace/rules.rs"]
#[allow(dead_code, reason = "the bench uses more of it")]
mod rules;
#[path = "../support/runs.rs"]
mod runs;
#[path = "../../benches/pace/standin.rs"]
#[allow(dead_code, reason = "the bench uses more of it")]
mod standin;

mod architecture_doc;
mod core_domain;
mod core_gate;
mod core_growth;
mod core_limits;
mod core_list;
mod core_pace;
mod core_plan;
mod core_priority;
mod core_queue;
mod core_reading;
mod core_spending;
mod core_step;
mod guarantees_doc;
mod semantics_matrix;
mod units;
