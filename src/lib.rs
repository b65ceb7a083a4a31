//! growd grows each Extruct Deep Search task to its target size.
//!
//! A Deep Search task stops at the size it was created with. growd is told the total that is wanted of each,
//! polls it until the service says `done`, asks for more with `POST …/resume`, and goes on until the target is
//! reached or the service has no more to give. All that it learns is in one SQLite file.
//!
//! It is a level-triggered controller: the table `tasks` says what is wanted, the service says what is, and one
//! pure rule, [`core::decide`], picks the next step from those two and the clock. Forgetting everything but the
//! database at any moment is always safe.
//!
//! # The map
//!
//! | module | owns | knows of |
//! | --- | --- | --- |
//! | [`core`] | the judgement: what to do next, and what a look proves; pure | nothing else |
//! | [`extruct`] | the service as a Rust API: one request, one classed answer | `core` |
//! | [`store`] | all SQL: tasks, progress, the ledger, history | `core` |
//! | [`daemon`] | the loop: due tasks into flight, what they learnt through the one writer | all of these |
//! | [`cli`] | a file for each command | `store`; all others for `run`, `check` and `demo` |
//! | [`config`], [`token`], [`logging`] | what the process is told, and where it tells | the nouns of `core` |
//! | [`growd_simulator`] (a crate of its own) | a stand-in for the service, for tests and for trying out | nothing else |
//! | [`crash`] | the moments at which the tests kill the program; nothing in a real build | |
//!
//! # One pass
//!
//! ```text
//!   store            daemon                extruct               core
//!   due tasks  -->   schedule  -->  GET /discovery_tasks/{id}
//!                    writer   <--         answer
//!   BEGIN IMMEDIATE    |  ------------------------------->  settle, decide, pace
//!   progress, samples  |  <-------------------------------  Step
//!   resumes: intended  |
//!   COMMIT (fsync)     |
//!                    cycle     -->  POST …/resume
//!                    writer   <--         answer
//!   resumes: accepted, rejected, unsent; or still intended, until a look settles it
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
