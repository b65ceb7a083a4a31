//! `growd simulate`: runs the simulator of the service in the foreground.

use super::output::print_message;
use super::{Exit, interrupted};
use anyhow::Context as _;
use clap::Args;
use growd_simulator::{Flags, Options};
use std::io::{self, Write};

/// Run a local stand-in for the Extruct API, for trying things out
///
/// Its tasks run in simulated time. It accepts any token and costs nothing.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  growd simulate --tasks 5 --speed 60
  curl http://127.0.0.1:8799/_simulator        lists the endpoints that control it
  GROWD__API__BASE_URL=http://127.0.0.1:8799 EXTRUCT_API_TOKEN=any growd run --database ./try.db")]
pub struct Simulate {
    #[command(flatten)]
    flags: Box<Flags>,
}

impl Simulate {
    pub(super) async fn run(self) -> anyhow::Result<Exit> {
        let options = Options::try_from(*self.flags).map_err(super::exit::Usage)?;
        let listen = options.listen;
        let interrupted = interrupted()?;
        let simulator = growd_simulator::start(options).await.with_context(|| {
            format!("cannot listen on {listen}: choose another address with --listen")
        })?;
        writeln!(io::stdout(), "listening on {}", simulator.url())?;
        print_message(format_args!(
            "to use it, run growd with GROWD__API__BASE_URL={} and any EXTRUCT_API_TOKEN; stop it with Ctrl-C",
            simulator.url()
        ));
        interrupted.await;
        simulator.shutdown().await;
        Ok(Exit::Done)
    }
}
