//! `growd search list`: all searches.

use super::table;
use crate::cli::output::{self, print_message};
use crate::cli::tasks;
use crate::cli::{Context, Exit};
use crate::store::searches::overview;
use crate::store::{self, Mode};
use clap::Args;
use jiff::Timestamp;
use serde_json::json;
use std::io::{self, Write as _};

/// Show all searches
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  growd search list
  growd search list --state stalled
  growd search list --json | jq '.searches[].search'")]
pub(super) struct List {
    /// Print one JSON document
    #[arg(long)]
    json: bool,
    /// Only the searches in this state: pending, growing, reached, exhausted, capped, refused, stalled, failed, missing
    /// or paused
    #[arg(long, value_name = "STATE", value_parser = state)]
    state: Option<String>,
}

fn state(word: &str) -> Result<String, String> {
    tasks::state(word).map(|_| word.to_owned())
}

impl List {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let mut connection = store::open(context.database(), Mode::Read).await?;
        let searches = overview::rows(&mut connection, self.state.as_deref(), None).await?;
        let mut out = io::BufWriter::new(io::stdout().lock());
        if self.json {
            writeln!(out, "{}", json!({"searches": searches}))?;
        } else if searches.is_empty() {
            print_message(match self.state {
                Some(_) => "no search is in this state",
                None => {
                    "there are no searches yet: start one with `growd search add NAME --query TEXT --target N`"
                }
            });
        } else {
            output::write(&mut out, &table::of(&searches, Timestamp::now()))?;
        }
        out.flush()?;
        Ok(Exit::Done)
    }
}
