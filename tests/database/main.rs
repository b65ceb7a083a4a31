//! Tests of the database: its schema, its queries, values written by hand, and failures of its files and disks.

#[path = "../support/mod.rs"]
mod support;

mod bounds;
mod company_queries;
mod database_trouble;
mod hostile_database;
mod hostile_sql;
mod limit_sums;
mod log_size;
mod migrations;
mod pace_memory;
mod pages;
mod query_plans;
mod queues;
mod read_only;
mod results_store;
mod schema_doc;
mod searches;
mod second_daemon;
mod task_ids;
mod unreadable_values;
mod wakes;
