//! The `growd` command: arguments in, exit status out.

use clap::Parser;
use growd::cli::{self, Cli, Exit, output};
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = match cli.runtime() {
        Ok(runtime) => runtime,
        Err(error) => {
            output::print_message(format_args!(
                "growd: the async runtime cannot be started: {error}"
            ));
            return Exit::Failed.into();
        }
    };
    match runtime.block_on(cli::run(cli)) {
        Ok(exit) => exit.into(),
        Err(error) => {
            let exit = Exit::of(&error);
            if exit != Exit::Done {
                output::print_message(format_args!("growd: {error:#}"));
            }
            exit.into()
        }
    }
}
