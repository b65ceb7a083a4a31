//! The stand-in: a local server that plays the Extruct Deep Search API.
//!
//! It is what `growd simulate` and `growd demo` run, and what the tests run against. Searches grow
//! in virtual time, everything about them follows from a seed, each thing that is not known about
//! the real service is a switch ([`Semantics`]), and each way in which a request can go wrong can
//! be had on request ([`Fault`]).
//!
//! # Guarantees
//!
//! The same seed and the same requests at the same virtual times give the same answers. The
//! [ledger](Simulator::ledger) holds every resume that reached the world, answered or not.
//!
//! # Caveats
//!
//! It is made from the public documentation alone: the default page sizes and the wording of errors
//! are guesses. It has one account: every task in it can be read, resumed and excluded.
//!
//! # Map
//!
//! - The world, pure and without a clock: `model` (all searches), `task` (one of them), `brief`
//!   (what it was created with), `fit` (how many candidates fit), `market` (which companies they
//!   are, and in which order), `companies` (what is known about a company), `dice` (seeded chance).
//! - What can be set: `scenario`, `semantics`, `settings`, `flags`.
//! - What goes wrong: `faults` (the kinds), `chance` (when), `deliver` (doing it), `line` (the
//!   sockets it is done to).
//! - The service: `api` (endpoints), `fields` and `answer` (as `FastAPI` has them), `control`,
//!   `server`, `state`, `clock`, `log`, `ledger`.

mod api;
mod endpoint;
mod faults;
mod options;
mod random;
mod server;
mod simulator;
mod state;
mod world;

pub use self::{
    faults::{
        fault::Fault,
        rules::{Chaos, Odds, On, Rule},
    },
    options::{
        Options,
        flags::Flags,
        scenario::{FailAt, Scenario, Shape},
        semantics::{
            CapCounts, CapExcess, Desired, Excess, Falls, ListOrder, ListShows, RefusalBody,
            Scores, Semantics, WhileRunning,
        },
        settings::Settings,
    },
    simulator::{Simulator, start},
    state::request_log::{RequestEntry, RequestLog},
    world::ledger::{LedgerEntry, RunEntry},
};
