//! Tests of the exchange with the service: the client, the stand-in, and what growd does with each answer.

#[path = "../support/cases.rs"]
mod cases;
#[path = "../support/mod.rs"]
mod support;

mod answer_table;
mod chaos;
mod client;
mod concurrency;
mod create_answers;
mod create_decoys;
mod create_settling;
mod growth;
mod hostile_service;
mod limits;
mod list_fuzz;
mod list_lies;
mod list_orders;
mod list_refused;
mod request_count;
mod results_client;
mod results_edits;
mod results_errors;
mod results_fuzz;
mod results_lies;
mod results_page;
mod results_priority;
mod results_reading;
mod search_edits;
mod search_growth;
mod search_hostile;
mod semantics_service;
mod simulator;
mod simulator_creates;
mod simulator_faults;
mod simulator_list;
mod simulator_result_faults;
mod simulator_results;
mod spend;
mod wire_fuzz;
