//! `growd check`: checks config, database, token and service, and names the remedies.

use super::Exit;
use super::attention;
use super::output::{clean, count, print_message};
use crate::config::{self, ConfigError, Settings, Source};
use crate::core::Failure;
use crate::extruct::{Client, network};
use crate::store::{self, Lock, Mode, StoreError, daemon, schema, values};
use crate::token::{Token, TokenError};
use clap::Args;
use jiff::Timestamp;
use std::io::{self, Write};

/// Largest number of unreadable values that are listed.
const UNREADABLE_MAX: usize = 20;

/// Check config, database, token and service, and name the remedies
///
/// Exit status 78: the config or the database's schema is not usable; 77: there is no token, or the service refuses
/// it; 69: the service cannot be reached; 1: the database is damaged, cannot be read, or holds unreadable values.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  growd check
  growd check --offline --config ./growd.toml")]
pub struct Check {
    /// Send no request to the service
    #[arg(long)]
    offline: bool,
}

impl Check {
    pub(super) async fn run(self, source: Source) -> anyhow::Result<Exit> {
        let settings = match source.load() {
            Ok(settings) => settings,
            Err(ConfigError::Invalid(problems)) => {
                // A line for each on stderr, and none of them twice.
                let number = count(problems.len() as u64, "problem");
                print_result("FAIL", "config", &format!("{number}; see stderr"));
                print_message(format_args!("growd: {}", ConfigError::Invalid(problems)));
                return Ok(Exit::Unusable);
            }
            Err(error) => {
                fail("config", &error);
                return Ok(Exit::Unusable);
            }
        };
        match source.file() {
            Some(file) => ok("config", &format!("{} is valid", file.display())),
            None => ok(
                "config",
                "there is no config file; the defaults and the environment are valid",
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
        // The first failure decides.
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
            let has_directory = settings
                .database
                .parent()
                .is_some_and(std::path::Path::is_dir);
            if has_directory {
                ok(
                    "database",
                    &format!("{path} does not exist yet; it will be created"),
                );
                return Ok(Exit::Done);
            }
            let advice = format!(
                "the directory of {path} does not exist: create it, or change database.path"
            );
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
    // An error here is one of a damaged database, which the integrity check has reported.
    let unreadable = values::unreadable(&mut connection, None, UNREADABLE_MAX)
        .await
        .unwrap_or_default();
    if !unreadable.is_empty() {
        // Each is reported below, with its remedy.
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
            warn("database", "there may be more unreadable values");
        }
        return Ok(Exit::Failed);
    }
    let holder = match Lock::is_held(&settings.database) {
        Some(true) => "a daemon is running on it",
        Some(false) => "no daemon is running on it",
        None => "this user cannot see whether a daemon is running on it",
    };
    let version = schema::newest_version();
    ok(
        "database",
        &format!("{path} is sound (schema {version}); {holder}"),
    );
    let now = Timestamp::now();
    let row = daemon::read(&mut connection).await?;
    if let Some(gate) = attention::gate(&row, now) {
        warn(
            "gate",
            &format!("the daemon holds back requests: {}", gate.text),
        );
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
            ok("token", &format!("found in {}", token.source()));
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
                .map_or_else(|| "an account without an e-mail address".to_owned(), short);
            let credits = user.available_credits.map_or_else(
                || "the number of credits is unknown".to_owned(),
                |credits| format!("{credits} credits left"),
            );
            ok("service", &format!("{url}: {who}, {credits}"));
            return Ok(Exit::Done);
        }
        Err(failure @ (Failure::Unauthorized { .. } | Failure::Forbidden { .. })) => (
            Exit::NoToken,
            format!(
                "{url} refuses the token ({failure}): create a new one in the account's settings"
            ),
        ),
        Err(failure @ (Failure::NotConnected { .. } | Failure::Unanswered { .. })) => (
            Exit::Unreachable,
            match client.proxy() {
                None => format!(
                    "{url} cannot be reached ({failure}): check the network and api.base_url"
                ),
                Some(proxy) => format!(
                    "{url} cannot be reached ({failure}): check the proxy {proxy} (set by HTTPS_PROXY or ALL_PROXY), \
                     the network, and api.base_url"
                ),
            },
        ),
        Err(failure @ Failure::PaymentRequired { .. }) => (
            Exit::Failed,
            format!("{url} requires payment ({failure}): check the account's billing"),
        ),
        Err(failure @ Failure::RateLimited { .. }) => (
            Exit::Failed,
            format!("{url} limits this account's rate ({failure}): try again later"),
        ),
        Err(failure) => (
            Exit::Failed,
            format!("{url} sent an unexpected answer ({failure}): check api.base_url"),
        ),
    };
    fail("service", &advice);
    Ok(exit)
}

/// Shortens a text of the service, and makes it safe for a terminal.
fn short(text: &str) -> String {
    const CHARS_MAX: usize = 100;
    clean(text).chars().take(CHARS_MAX).collect()
}

fn ok(subject: &str, text: &str) {
    print_result("ok", subject, text);
}

fn warn(subject: &str, text: &str) {
    print_result("warn", subject, text);
}

fn fail(subject: &str, text: &impl std::fmt::Display) {
    let text = text.to_string();
    print_result("FAIL", subject, text.lines().next().unwrap_or_default());
    print_message(format_args!("growd: {subject}: {text}"));
}

/// Prints a line of the result. Ignores a closed stdout, so that the exit status stays that of the check.
fn print_result(verdict: &str, subject: &str, text: &str) {
    let _ = writeln!(io::stdout(), "{verdict:<5} {subject:<9} {text}");
}
