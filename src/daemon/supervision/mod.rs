//! The process: its database's health, systemd, signals, and the delay after a daemon that ended badly.

pub mod health;
pub mod restart_backoff;
pub mod signals;
pub mod systemd;
