//! The searches that are due, and the one reading of the list that settles their open creates.

use crate::core::search::create::Create;
use crate::core::since;
use crate::store::{StoreError, search_progress};
use jiff::Timestamp;
use sqlx::sqlite::SqliteConnection;
use std::collections::{HashMap, HashSet};
use std::time::Duration;
use tokio::time::Instant;

/// How many searches are read ahead, besides those that are in flight or suspended.
const AHEAD: u32 = 16;

/// The searches that are due.
#[derive(Debug, Default)]
pub(super) struct SearchQueue {
    /// Whether what this daemon writes can make a search due.
    exists: bool,
    /// Whether what is known of the times may be out of date.
    is_outdated: bool,
    /// When the next search is due that is neither in flight nor suspended.
    next: Option<(String, Timestamp)>,
    /// The searches whose next step is being taken, or that wait for the list.
    in_flight: HashSet<String>,
    /// Searches that are left alone, and until when.
    suspended: HashMap<String, Instant>,
    /// The searches that wait for a reading of the list, each with its open create.
    want_list: Vec<(String, Create)>,
    is_reading: bool,
    /// The list is not read before this time.
    list_rests_until: Option<Instant>,
}

impl SearchQueue {
    /// Returns a queue that has read nothing yet.
    pub fn new() -> Self {
        Self {
            exists: true,
            is_outdated: true,
            ..Self::default()
        }
    }

    /// Something was written to the database; `is_by_others` if another process may have done so, and have added a search.
    pub fn expect_more(&mut self, is_by_others: bool) {
        self.exists |= is_by_others;
        self.is_outdated |= self.exists;
    }

    /// Returns the number of searches in flight.
    pub fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// Returns a search that is due, and counts it as in flight.
    ///
    /// # Errors
    ///
    /// What SQLite says.
    pub async fn take(
        &mut self,
        reader: &mut SqliteConnection,
        now: Timestamp,
    ) -> Result<Option<String>, StoreError> {
        if self.is_outdated {
            self.read(reader).await?;
        }
        let due = self.next.take_if(|(_, at)| *at <= now);
        let Some((name, _)) = due else {
            return Ok(None);
        };
        self.is_outdated = true;
        self.in_flight.insert(name.clone());
        Ok(Some(name))
    }

    async fn read(&mut self, reader: &mut SqliteConnection) -> Result<(), StoreError> {
        let released = Instant::now();
        self.suspended.retain(|_, until| *until > released);
        let passed_over = self.in_flight.len() + self.suspended.len();
        let limit = AHEAD.saturating_add(u32::try_from(passed_over).unwrap_or(u32::MAX));
        let due = search_progress::due(reader, limit).await?;
        // A search that waits for its newest part is due when that part changes.
        self.exists = !due.is_empty() || search_progress::any_grows(reader).await?;
        self.next = due
            .into_iter()
            .find(|(name, _)| !self.in_flight.contains(name) && !self.suspended.contains_key(name));
        self.is_outdated = false;
        Ok(())
    }

    /// Returns when to take a search, or to read the list, again.
    pub fn wake(&self, now: Timestamp) -> Option<Instant> {
        let next = self.next.as_ref();
        let next = next.map(|(_, at)| Instant::now() + since(now, *at));
        let list = self
            .list_rests_until
            .filter(|_| !self.want_list.is_empty() && !self.is_reading);
        let released = self.suspended.values().min().copied();
        [next, list, released].into_iter().flatten().min()
    }

    /// A search waits for a reading of the list. It stays in flight until then.
    pub fn wants_list(&mut self, name: String, create: Create) {
        self.want_list.push((name, create));
    }

    /// Returns the searches to read the list for, if it is to be read now.
    pub fn take_list(&mut self) -> Option<Vec<(String, Create)>> {
        let rests = self
            .list_rests_until
            .is_some_and(|until| until > Instant::now());
        if rests || self.is_reading || self.want_list.is_empty() {
            return None;
        }
        self.is_reading = true;
        Some(std::mem::take(&mut self.want_list))
    }

    /// The list was read for these searches. The next reading begins `rest` later at the earliest.
    pub fn list_finished(&mut self, searches: &[(String, Create)], rest: Duration) {
        self.is_reading = false;
        self.list_rests_until = Some(Instant::now() + rest);
        for (name, _) in searches {
            self.finished(name, None);
        }
    }

    /// A pass has ended. After an error the search is left alone until `suspended`.
    pub fn finished(&mut self, name: &str, suspended: Option<Instant>) {
        self.in_flight.remove(name);
        if let Some(until) = suspended {
            self.suspended.insert(name.to_owned(), until);
        }
        self.is_outdated = true;
    }
}
