//! Searches: adds them, waits for their ends, and compares the ledger of creates with the service's.

use super::{Bench, TIMEOUT};
use growd_simulator::CreateEntry;
use std::time::{Duration, Instant};

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
        const ENDED: &str = "SELECT NOT EXISTS (
            SELECT 1 FROM search_progress WHERE state IN ('pending', 'growing'))";
        let begin = Instant::now();
        while !self.value::<bool>(ENDED).await {
            if begin.elapsed() > TIMEOUT {
                let report: Option<String> = self
                    .value("SELECT group_concat(search || ': ' || state || ': ' || coalesce(reason, ''), '; ') FROM search_progress")
                    .await;
                panic!("searches do not end: {}", report.unwrap_or_default());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
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

    /// Returns the creates of the daemon that took effect at the service.
    pub fn creates_in_effect(&self) -> Vec<CreateEntry> {
        let creates = self.service.creates().into_iter();
        creates
            .filter(|create| create.took_effect && !create.by_colleague)
            .collect()
    }

    /// Checks that each create that took effect is one accepted row of the ledger, and the reverse.
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
        assert_eq!(ledger.unwrap_or_default(), service.join(" "));
    }
}
