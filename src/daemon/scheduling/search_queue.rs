//! The searches that are due, and the one reading of the list that settles their open creates.

use crate::core::search::create::Create;
use crate::core::since;
use crate::store::{StoreError, search_progress};
use jiff::Timestamp;
use sqlx::sqlite::SqliteConnection;
use std::collections::{HashMap, HashSet};
use std::time::Duration;
use tokio::time::Instant;

/// The most searches whose next step is being taken at once, or that wait for the list.
const IN_FLIGHT_MAX: usize = 64;

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

    /// Returns a search that is due, and counts it as in flight; `None` too while 64 are in flight.
    ///
    /// # Errors
    ///
    /// What SQLite says.
    pub async fn take(
        &mut self,
        reader: &mut SqliteConnection,
        now: Timestamp,
    ) -> Result<Option<String>, StoreError> {
        if self.is_full() {
            return Ok(None);
        }
        let released = self.suspended.values().min();
        if self.is_outdated || released.is_some_and(|until| *until <= Instant::now()) {
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

    /// Whether no search may be taken until one has finished.
    fn is_full(&self) -> bool {
        self.in_flight.len() >= IN_FLIGHT_MAX
    }

    /// Returns when to take a search, or to read the list, again. `may_take` says whether a search that is due may be taken; until
    /// then none is a reason to wake up.
    pub fn wake(&self, now: Timestamp, may_take: bool) -> Option<Instant> {
        let may_take = may_take && !self.is_full();
        let next = self.next.as_ref().filter(|_| may_take);
        let next = next.map(|(_, at)| Instant::now() + since(now, *at));
        let list = self
            .list_rests_until
            .filter(|_| !self.want_list.is_empty() && !self.is_reading);
        let released = self.suspended.values().min().filter(|_| may_take).copied();
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

    /// The list was read for these searches. The next reading begins `rest` later at the earliest. Those in `failed` are left alone
    /// until `suspended`.
    pub fn list_finished(
        &mut self,
        searches: &[(String, Create)],
        failed: &[String],
        suspended: Instant,
        rest: Duration,
    ) {
        self.is_reading = false;
        self.list_rests_until = Some(Instant::now() + rest);
        for (name, _) in searches {
            let has_failed = failed.contains(name);
            self.finished(name, has_failed.then_some(suspended));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{self, Mode};
    use serde_json::Value;
    use tempfile::TempDir;
    use tokio::time::advance;

    const REST: Duration = Duration::from_mins(1);

    /// Returns a database in which these searches are due, and stops the clock of tokio.
    async fn due(names: &[&str]) -> (TempDir, SqliteConnection) {
        let dir = tempfile::tempdir().expect("a directory");
        let database = dir.path().join("growd.db");
        let mut connection = store::open(&database, Mode::Write).await.expect("opens");
        for name in names {
            sqlx::query("INSERT INTO searches (search, query, target) VALUES (?1, 'cafes', 5)")
                .bind(name)
                .execute(&mut connection)
                .await
                .expect("an insert");
        }
        sqlx::query("UPDATE search_progress SET next_at = '2020-01-01T00:00:00.000Z'")
            .execute(&mut connection)
            .await
            .expect("an update");
        tokio::time::pause();
        (dir, connection)
    }

    fn open_create() -> Create {
        Create::intended(1, 5, 1, Value::Null, Timestamp::UNIX_EPOCH)
    }

    fn is_past(at: Option<Instant>) -> bool {
        at.is_some_and(|at| at <= Instant::now())
    }

    #[tokio::test]
    async fn a_search_whose_suspension_is_over_is_taken_again() {
        let (_dir, mut reader) = due(&["one"]).await;
        let mut queue = SearchQueue::new();
        let mut take = async |queue: &mut SearchQueue| {
            let taken = queue.take(&mut reader, Timestamp::now()).await;
            taken.expect("reads")
        };
        assert_eq!(take(&mut queue).await.as_deref(), Some("one"));
        queue.finished("one", Some(Instant::now() + REST));
        assert_eq!(take(&mut queue).await, None);
        let wake = queue.wake(Timestamp::now(), true);
        assert_eq!(wake, Some(Instant::now() + REST));
        assert_eq!(queue.wake(Timestamp::now(), false), None);

        advance(REST).await;
        assert!(is_past(queue.wake(Timestamp::now(), true)));
        assert_eq!(take(&mut queue).await.as_deref(), Some("one"));
        assert_eq!(take(&mut queue).await, None);
        assert_eq!(queue.wake(Timestamp::now(), true), None);
    }

    #[tokio::test]
    async fn no_search_is_taken_while_the_most_are_in_flight() {
        let (_dir, mut reader) = due(&["one"]).await;
        let mut queue = SearchQueue::new();
        queue.next = Some(("one".to_owned(), Timestamp::UNIX_EPOCH));
        let now = Timestamp::now();
        assert!(is_past(queue.wake(now, true)));
        assert_eq!(queue.wake(now, false), None);
        queue.in_flight = (0..IN_FLIGHT_MAX).map(|n| format!("other-{n}")).collect();
        assert_eq!(queue.wake(now, true), None);
        assert_eq!(queue.take(&mut reader, now).await.expect("reads"), None);
        queue.finished("other-0", None);
        let taken = queue.take(&mut reader, now).await.expect("reads");
        assert_eq!(taken.as_deref(), Some("one"));
    }

    #[tokio::test]
    async fn only_a_search_for_which_the_list_is_not_stored_is_left_alone() {
        let (_dir, mut reader) = due(&["fine", "fails"]).await;
        let mut queue = SearchQueue::new();
        let now = Timestamp::now();
        for _ in 0..2 {
            let taken = queue.take(&mut reader, now).await.expect("reads");
            queue.wants_list(taken.expect("one is due"), open_create());
        }
        let searches = queue.take_list().expect("the list is wanted");
        assert_eq!(searches.len(), 2);
        let until = Instant::now() + REST;
        queue.list_finished(&searches, &["fails".to_owned()], until, REST);
        for expected in [Some("fine"), None] {
            let taken = queue.take(&mut reader, now).await.expect("reads");
            assert_eq!(taken.as_deref(), expected);
        }
        assert_eq!(queue.wake(now, true), Some(until));
    }
}
