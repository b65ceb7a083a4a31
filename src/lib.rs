//! growd grows each Extruct Deep Search task to its target number of results.
//!
//! The service stops a task at the size it was created with. growd polls each task until it is `done`, asks for more
//! with `POST …/resume`, and repeats this until the target is reached or the service has no more results. One SQLite
//! file holds everything that it learns.
//!
//! growd is a level-triggered controller. The table `tasks` holds the wanted state, the service reports the actual
//! state, and one pure function, [`core::decide`], picks the next step from both, the ledger and the clock. A restart
//! at any moment is safe, because every decision depends on the database and the service only.
//!
//! `docs/architecture.md` explains the parts, what is durable when, and where to add what. `docs/guarantees.md` lists
//! the guarantees and their tests.
//!
//! # Modules
//!
//! | module | owns | uses |
//! | --- | --- | --- |
//! | [`core`] | decisions: what to do next, and what a poll proves; pure | nothing else |
//! | [`extruct`] | the HTTP client of the service: one request, one classified answer | `core` |
//! | [`store`] | all SQL: tasks, progress, the ledger, history | `core` |
//! | [`daemon`] | the running process: scheduler, requests, the only writer, supervision, event log | all of these |
//! | [`cli`] | the commands, one file each | `store`; all others for `run`, `check` and `demo` |
//! | [`config`], [`token`], [`logging`] | the configuration, the API token, and the log output | types of `core` |
//! | [`growd_simulator`] (a crate of its own) | a local stand-in for the service, for tests and trials | nothing else |
//! | [`crash`] | the points at which tests kill the program; none in a release build | |
//!
//! # One pass
//!
//! ```text
//!   store            daemon                extruct               core
//!   due tasks  -->   scheduler -->  GET /discovery_tasks/{id}
//!                    writer   <--         answer
//!   BEGIN IMMEDIATE    |  ------------------------------->  settle, decide, pace
//!   progress, samples  |  <-------------------------------  Step
//!   resumes: intended  |
//!   COMMIT (fsync)     |
//!                    reconcile -->  POST …/resume
//!                    writer   <--         answer
//!   resumes: accepted, rejected, unsent; or still intended, until a poll settles it
//! ```
//!
//! Start reading at [`core::decide`], then [`core::step`], then [`daemon::scheduling::reconcile`].

pub mod cli;
pub mod config;
pub mod core;
pub mod crash;
pub mod daemon;
pub mod extruct;
pub mod logging;
pub mod store;
pub mod token;
