//! The `growd` command: arguments in, exit status out.

use clap::Parser;
use growd::cli::{self, Cli, Exit, table};
use mimalloc::MiMalloc;
use std::process::ExitCode;

// Much is allocated on one thread and freed on another: requests here, the database there.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            table::tell(format_args!("growd: threads cannot be started: {error}"));
            return Exit::Failed.into();
        }
    };
    match runtime.block_on(cli::run(cli)) {
        Ok(exit) => exit.into(),
        Err(error) => {
            let exit = Exit::of(&error);
            if exit != Exit::Done {
                table::tell(format_args!("growd: {error:#}"));
            }
            exit.into()
        }
    }
}
