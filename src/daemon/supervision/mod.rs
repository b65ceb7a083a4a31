//! Supervision of the process: health of the database, systemd, signals, and the restart backoff.

pub mod health;
pub mod restart_backoff;
pub mod signals;
pub mod systemd;
