//! Searches: adds them, waits for their ends, and compares the ledger of creates with the service's.

use super::{Bench, TIMEOUT};
use growd_simulator::{CreateEntry, Options};
use serde_json::Value;
use std::time::{Duration, Instant};

/// The query of most tests.
pub const QUERY: &str = "vertical SaaS companies serving freight forwarding";

/// A row of `creates`.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct CreateRow {
    pub id: i64,
    pub search: String,
    pub part: i64,
    pub desired: i64,
    pub state: String,
    pub task_id: Option<String>,
    pub http_status: Option<u16>,
    pub detail: Option<String>,
    pub sent_at: String,
    pub resolved_at: Option<String>,
}

impl CreateRow {
    /// Returns when it was sent, in seconds.
    pub fn sent(&self) -> f64 {
        seconds(&self.sent_at)
    }

    /// Returns when it left `intended`, in seconds.
    pub fn resolved(&self) -> f64 {
        seconds(self.resolved_at.as_deref().expect("it is resolved"))
    }
}

/// Returns a time of the database in seconds.
pub fn seconds(text: &str) -> f64 {
    let at: jiff::Timestamp = text.parse().expect("a time");
    at.as_duration().as_secs_f64()
}

/// Starts a service a thousand times as fast as the real one, with plenty of companies for each query, and a daemon that keeps
/// results.
pub async fn searching(change: impl FnOnce(&mut Options)) -> Bench {
    let mut options = Options::default();
    options.settings.speed = 1_000.0;
    options.settings.semantics.market = Some(3_000);
    change(&mut options);
    let mut bench = Bench::with(options).await;
    bench.keep_results(100);
    bench
}

impl Bench {
    /// Adds a search.
    pub async fn search(&self, name: &str, query: &str, target: i64) {
        let mut connection = self.connection().await;
        sqlx::query("INSERT INTO searches (search, query, target) VALUES (?, ?, ?)")
            .bind(name)
            .bind(query)
            .bind(target)
            .execute(&mut connection)
            .await
            .expect("an insert");
    }

    /// Waits until every search has ended.
    pub async fn until_searches_end(&self) {
        self.until_searches_end_within(TIMEOUT).await;
    }

    /// Waits until every search has ended, at most so long.
    pub async fn until_searches_end_within(&self, most: Duration) {
        const ENDED: &str = "SELECT NOT EXISTS (
            SELECT 1 FROM search_progress WHERE state IN ('pending', 'growing'))";
        let begin = Instant::now();
        while !self.value::<bool>(ENDED).await {
            let in_time = begin.elapsed() < most;
            assert!(
                in_time,
                "searches do not end: {}",
                self.dump_searches().await
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until something holds at the service.
    pub async fn until_service(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        let begin = Instant::now();
        while !holds(self) {
            let in_time = begin.elapsed() < TIMEOUT;
            assert!(in_time, "never: {what}: {}", self.dump_searches().await);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Returns the searches, their creates and their parts, for the message of a failed assertion.
    pub async fn dump_searches(&self) -> String {
        let report: Option<String> = self
            .value(
                "SELECT group_concat(line, char(10)) FROM (
                    SELECT concat_ws(' ', search, state, results, parts, next_at, reason) AS line FROM search_progress
                    UNION ALL SELECT concat_ws(' ', 'create', id, search, part, state, http_status, task_id, detail) FROM creates)",
            )
            .await;
        format!("{}\n{}", report.unwrap_or_default(), self.dump().await)
    }

    /// Returns `state`, `reason` and the number of companies of a search.
    pub async fn search_state(&self, name: &str) -> (String, String, i64) {
        let mut connection = self.connection().await;
        sqlx::query_as(
            "SELECT state, coalesce(reason, ''), results FROM search_progress WHERE search = ?",
        )
        .bind(name)
        .fetch_one(&mut connection)
        .await
        .expect("a row")
    }

    /// Asserts that a search has reached its target.
    pub async fn assert_reached(&self, name: &str, when: &str) {
        let (state, reason, _) = self.search_state(name).await;
        let dump = self.dump_searches().await;
        assert_eq!(state, "reached", "{when}: {reason}\n{dump}");
    }

    /// Returns the ledger of creates, oldest first, without those that a busy machine was too slow to send.
    pub async fn creates(&self) -> Vec<CreateRow> {
        const SENT: &str = "SELECT * FROM creates
            WHERE detail IS NULL OR detail NOT LIKE '%storing it took too long%' ORDER BY id";
        sqlx::query_as(SENT)
            .fetch_all(&mut self.connection().await)
            .await
            .expect("creates")
    }

    /// Returns the states of all creates, oldest first.
    pub async fn create_states(&self) -> Vec<String> {
        let creates = self.creates().await.into_iter();
        creates.map(|create| create.state).collect()
    }

    /// Returns the details of a search's events of one kind, oldest first.
    pub async fn search_events(&self, name: &str, kind: &str) -> Vec<Value> {
        let details: Vec<String> = sqlx::query_scalar(
            "SELECT detail FROM events WHERE search = ? AND kind = ? ORDER BY id",
        )
        .bind(name)
        .bind(kind)
        .fetch_all(&mut self.connection().await)
        .await
        .expect("events");
        let read = |detail: &String| serde_json::from_str(detail).expect("JSON");
        details.iter().map(read).collect()
    }

    /// Returns the number of requests of one kind that the service received.
    pub fn received(&self, kind: &str) -> u64 {
        let requests = self.service.requests();
        requests.by_kind.get(kind).copied().unwrap_or_default()
    }

    /// Returns the creates of the daemon that took effect at the service.
    pub fn creates_in_effect(&self) -> Vec<CreateEntry> {
        let creates = self.service.creates().into_iter();
        creates
            .filter(|create| create.took_effect && !create.by_colleague)
            .collect()
    }

    /// Checks that each create that took effect is one accepted row of the ledger, and the reverse, and that none is open.
    pub async fn assert_creates_agree(&self) {
        let ledger: Option<String> = self
            .value("SELECT group_concat(task_id, ' ') FROM (SELECT task_id FROM creates WHERE state = 'accepted' ORDER BY task_id)")
            .await;
        let mut service: Vec<String> = self
            .creates_in_effect()
            .into_iter()
            .filter_map(|create| create.task_id)
            .collect();
        service.sort();
        let dump = self.dump_searches().await;
        assert_eq!(ledger.unwrap_or_default(), service.join(" "), "{dump}");
        let open: i64 = self
            .value("SELECT count(*) FROM creates WHERE state = 'intended'")
            .await;
        assert_eq!(open, 0, "{dump}");
        let twice: Option<String> = self
            .value(
                "SELECT group_concat(search || ' ' || part) FROM (
                    SELECT c.search, c.part FROM creates AS c JOIN tasks AS t ON t.task_id = c.task_id
                     WHERE c.state = 'accepted' AND t.search IS NOT NULL GROUP BY 1, 2 HAVING count(*) > 1)",
            )
            .await;
        assert_eq!(twice, None, "created twice: {dump}");
    }
}
