//! A local simulator of the Extruct Deep Search API, used by `growd simulate`, `growd demo` and the tests.
//!
//! Tasks run in virtual time, and a seed determines everything random. [`Semantics`] has one switch for each
//! undocumented behaviour of the real service, and [`Fault`] one kind for each way in which a request can fail.
//!
//! # Guarantees
//!
//! The same seed and the same requests at the same virtual times give the same responses. The
//! [ledger](Simulator::ledger) holds every resume that reached the world, answered or not, and
//! [another one](Simulator::creates) every create.
//!
//! # Caveats
//!
//! The public documentation is the only source: the default page sizes and the texts of errors are guesses. There is one
//! account: every task can be read, resumed and excluded.
//!
//! # Map
//!
//! Each module uses only those below it.
//!
//! - `simulator`: start, and the handle of a running simulator.
//! - `server/`: sockets and HTTP. It applies the faults, and serves the control endpoints under `/_simulator`.
//! - `api/`: the endpoints of the service as a function of state and request, without I/O.
//! - `state/`: the shared state: clock, settings, world, fault plan and request log.
//! - `world/`: the tasks, the account and the ledgers, pure and without a clock.
//! - `options/`: scenario, semantics, settings, and their command line flags.
//! - `faults/`: the kinds of faults, and the plan that selects the fault of a request.
//! - `endpoint`, `random`: the endpoints and their paths; seeded random numbers.

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
    faults::{Chaos, Fault, Odds, On, Rule},
    options::{
        CapCounts, Creates, Desired, Excess, Exclusions, FailAt, Falls, Flags, ListOrder,
        ListShows, Options, RefusalBody, ResultsOrder, Scenario, Scores, Semantics, Settings,
        Shape, WhileRunning,
    },
    simulator::{Simulator, start},
    state::{PageRequest, RequestEntry, RequestLog},
    world::{CreateEntry, LedgerEntry, RunEntry},
};
