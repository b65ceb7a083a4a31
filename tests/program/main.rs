//! Tests of the binary as an operator runs it: commands, configuration, signals, logs, and kills at any moment.

#[path = "../support/mod.rs"]
mod support;

mod clock;
mod commands;
mod crash_points;
mod crash_points_of_searches;
mod hostile_config;
mod kept_results;
mod kill;
mod logs;
mod manual;
mod many_tasks;
mod notify;
mod owner;
mod program;
mod results;
mod search_time;
mod searches;
mod secrets;
mod watch_width;
