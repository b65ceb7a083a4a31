//! `growd check`: is all in order for the daemon to run, and what to do where it is not.

use super::Exit;
use super::attention;
use super::table::{clean, tell};
use crate::config::{self, Settings, Source};
use crate::core::Failure;
use crate::extruct::{Client, network};
use crate::store::{self, Lock, Mode, StoreError, daemon, schema, values};
use crate::token::{Token, TokenError};
use clap::Args;
use jiff::Timestamp;
use std::io::{self, Write};

/// The most values that growd cannot read that are listed.
const UNREADABLE_MAX: usize = 20;

/// Check config, database, token and service, and say what to do
///
/// Exit status 78: the config or the database's schema is not usable; 77: there is no token, or the service refuses
/// it; 69: the service cannot be reached; 1: the database is damaged, cannot be read, or holds values that cannot be read.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  growd check
  growd check --offline --config ./growd.toml")]
pub struct Check {
    /// Send nothing: leave the service alone
    #[arg(long)]
    offline: bool,
}

impl Check {
    pub(super) async fn run(self, source: Source) -> anyhow::Result<Exit> {
        let settings = match source.load() {
            Ok(settings) => settings,
            Err(error) => {
                fail("config", &error);
                return Ok(Exit::Unusable);
            }
        };
        match source.file() {
            Some(file) => ok("config", &format!("{} is valid", file.display())),
            None => ok(
                "config",
                "there is no file: the defaults, and the environment, are valid",
            ),
        }
        for warning in config::warnings() {
            warn("config", &warning);
        }
        let network = if self.offline { Exit::Done } else { network() };
        let database = database(&settings).await?;
        let (token, client) = match token(&settings, self.offline) {
            Found::Token(token) => (Exit::Done, Some(token)),
            Found::None(exit) => (exit, None),
        };
        let service = match client {
            Some(token) if !self.offline && network == Exit::Done => {
                service(&settings, token).await?
            }
            Some(_) | None => Exit::Done,
        };
        // The first thing to mend decides.
        let exit = [network, database, token, service]
            .into_iter()
            .find(|exit| *exit != Exit::Done)
            .unwrap_or(Exit::Done);
        Ok(exit)
    }
}

async fn database(settings: &Settings) -> anyhow::Result<Exit> {
    let path = settings.database.display();
    let mut connection = match store::open(&settings.database, Mode::Read).await {
        Ok(connection) => connection,
        Err(StoreError::Absent { .. }) => {
            let made = settings
                .database
                .parent()
                .is_some_and(std::path::Path::is_dir);
            if made {
                ok(
                    "database",
                    &format!("{path} is not there yet; it will be created"),
                );
                return Ok(Exit::Done);
            }
            let advice =
                format!("{path}: its directory does not exist; make it, or change database.path");
            fail("database", &advice);
            return Ok(Exit::Failed);
        }
        Err(error @ StoreError::NeedsMigration { .. }) => {
            warn("database", &error.to_string());
            return Ok(Exit::Done);
        }
        Err(error) => {
            fail("database", &error);
            return Ok(Exit::of_store(&error));
        }
    };
    let mut found = match schema::integrity(&mut connection).await {
        Ok(found) => found,
        Err(error) => vec![error.to_string()],
    };
    // Of a damaged database this may fail, which the integrity tells by then.
    let unreadable = values::unreadable(&mut connection, None, UNREADABLE_MAX)
        .await
        .unwrap_or_default();
    if !unreadable.is_empty() {
        // Each is named below, with what to do about it.
        found.retain(|line| !line.starts_with("CHECK constraint failed"));
    }
    if found.is_empty() {
        found = schema::differences(&mut connection).await?;
    }
    if !found.is_empty() {
        let advice = format!(
            "{path} is damaged ({}): stop the daemon, keep the file, and restore a backup",
            found.join("; ")
        );
        fail("database", &advice);
        return Ok(Exit::Failed);
    }
    if !unreadable.is_empty() {
        for value in &unreadable {
            fail("database", value);
        }
        if unreadable.len() == UNREADABLE_MAX {
            warn("database", "there may be more of them");
        }
        return Ok(Exit::Failed);
    }
    let holder = match Lock::is_held(&settings.database) {
        Some(true) => "a daemon is running on it",
        Some(false) => "no daemon is running on it",
        None => "whether a daemon is running on it is not for this user to know",
    };
    let version = schema::newest_version();
    ok(
        "database",
        &format!("{path} is sound (schema {version}); {holder}"),
    );
    let now = Timestamp::now();
    let row = daemon::read(&mut connection).await?;
    if let Some(gate) = attention::gate(&row, now) {
        warn("gate", &format!("the daemon holds requests: {}", gate.text));
    }
    Ok(Exit::Done)
}

fn network() -> Exit {
    match network::check() {
        Ok(()) => Exit::Done,
        Err(error) => {
            fail("network", &error);
            Exit::Unusable
        }
    }
}

enum Found {
    Token(Token),
    None(Exit),
}

fn token(settings: &Settings, offline: bool) -> Found {
    match Token::find(&settings.api) {
        Ok(token) => {
            ok("token", &format!("found in {}", token.place()));
            for warning in token.warnings() {
                warn("token", warning);
            }
            Found::Token(token)
        }
        Err(error @ TokenError::Missing) if offline => {
            warn("token", &error.to_string());
            Found::None(Exit::Done)
        }
        Err(error) => {
            fail("token", &error);
            Found::None(Exit::NoToken)
        }
    }
}

async fn service(settings: &Settings, token: Token) -> anyhow::Result<Exit> {
    let url = &settings.api.base_url;
    let client = Client::new(&settings.api, token)?;
    let (exit, advice) = match client.user().await {
        Ok(user) => {
            let who = user
                .email
                .as_deref()
                .map_or_else(|| "an account without an address".to_owned(), short);
            let credits = user.available_credits.map_or_else(
                || "it does not say how many credits are left".to_owned(),
                |credits| format!("{credits} credits left"),
            );
            ok("service", &format!("{url}: {who}, {credits}"));
            return Ok(Exit::Done);
        }
        Err(failure @ (Failure::Unauthorized { .. } | Failure::Forbidden { .. })) => (
            Exit::NoToken,
            format!(
                "{url} refuses the token ({failure}): get a new one from the account's settings"
            ),
        ),
        Err(failure @ (Failure::NotConnected { .. } | Failure::Unanswered { .. })) => (
            Exit::Unreachable,
            match client.proxy() {
                None => format!(
                    "{url} cannot be reached ({failure}): check the network, and api.base_url"
                ),
                Some(proxy) => format!(
                    "{url} cannot be reached ({failure}): check the proxy {proxy}, which the environment names (HTTPS_PROXY or \
                     ALL_PROXY), the network, and api.base_url"
                ),
            },
        ),
        Err(failure @ Failure::PaymentRequired { .. }) => (
            Exit::Failed,
            format!("{url} wants to be paid first ({failure}): see the account's billing"),
        ),
        Err(failure @ Failure::RateLimited { .. }) => (
            Exit::Failed,
            format!("{url} limits this account just now ({failure}): try again later"),
        ),
        Err(failure) => (
            Exit::Failed,
            format!("{url} answers what was not expected ({failure}): check api.base_url"),
        ),
    };
    fail("service", &advice);
    Ok(exit)
}

/// The service's own words, short and fit for a terminal.
fn short(text: &str) -> String {
    const MOST: usize = 100;
    clean(text).chars().take(MOST).collect()
}

fn ok(what: &str, text: &str) {
    say("ok", what, text);
}

fn warn(what: &str, text: &str) {
    say("warn", what, text);
}

fn fail(what: &str, text: &impl std::fmt::Display) {
    let text = text.to_string();
    say("FAIL", what, text.lines().next().unwrap_or_default());
    tell(format_args!("growd: {what}: {text}"));
}

/// A line of the result. Nobody being there to read it makes nothing of what was found any better or worse.
fn say(verdict: &str, what: &str, text: &str) {
    let _ = writeln!(io::stdout(), "{verdict:<5} {what:<9} {text}");
}
