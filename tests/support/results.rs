//! Tasks whose results the daemon reads, and comparison of what it keeps with what the service has.

use super::{Bench, TIMEOUT};
use growd::core::TaskId;
use growd::extruct::Client;
use growd::token::Token;
use sqlx::AssertSqlSafe;
use std::collections::BTreeMap;
use std::time::Instant;

/// The results of a task: the name of each company by the id of the result.
pub type Found = BTreeMap<String, String>;

/// A condition in SQL: no stopped task has results that were not read.
pub const ALL_READ: &str = "NOT EXISTS (SELECT 1 FROM progress JOIN tasks USING (task_id)
      WHERE NOT paused AND state <> 'missing' AND (status IS NULL OR status NOT IN ('done', 'failed') OR results_counters IS NOT
            concat_ws(' ', num_results, num_results_evaluated, num_results_enriched, num_results_discovered)))";

impl Bench {
    /// Turns the reading of results on, with pages of this size.
    pub fn keep_results(&mut self, page: u32) {
        self.settings.results.keep = true;
        self.settings.policy.keeps_results = true;
        self.settings.results.page = page;
    }

    /// Waits until the results of every task were read as they are now.
    pub async fn until_all_read(&self) {
        let sql = format!("SELECT {ALL_READ}");
        let begin = Instant::now();
        let mut connection = self.connection().await;
        loop {
            let holds: i64 = sqlx::query_scalar(AssertSqlSafe(sql.clone()))
                .fetch_one(&mut connection)
                .await
                .expect("a condition");
            if holds == 1 {
                return;
            }
            let rows: Vec<String> = sqlx::query_scalar(
                "SELECT concat_ws(' ', task_id, state, status, num_results, results_counters, results_next_at, results_failures,
                                  results_error) FROM progress",
            )
            .fetch_all(&mut connection)
            .await
            .expect("rows");
            assert!(begin.elapsed() < TIMEOUT, "never read: {rows:#?}");
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }

    /// Returns the results of a task that are kept, without those that are gone.
    pub async fn kept(&self, id: &TaskId) -> Found {
        let rows: Vec<(String, String)> = sqlx::query_as(
            "SELECT result_id, company_name FROM results WHERE task_id = ? AND gone_at IS NULL",
        )
        .bind(id.as_str())
        .fetch_all(&mut self.connection().await)
        .await
        .expect("results");
        rows.into_iter().collect()
    }

    /// Returns the results of a task that the service has.
    pub async fn found(&self, id: &TaskId) -> Found {
        let token = Token::find(&self.settings.api).expect("a token");
        let client = Client::new(&self.settings.api, token).expect("a client");
        let mut found = Found::new();
        let mut offset = 0;
        loop {
            let page = client.results(id, offset, 100).await.expect("a page");
            if page.len == 0 {
                return found;
            }
            offset += page.len as u64;
            for row in page.rows {
                let name = row.company_name.expect("a name");
                assert_eq!(found.insert(row.result_id, name), None, "twice");
            }
        }
    }

    /// Asserts that the results of a task that are kept are those that the service has.
    pub async fn assert_kept(&self, id: &TaskId) {
        let (kept, found) = (self.kept(id).await, self.found(id).await);
        assert!(
            kept == found,
            "{id}: {} kept of {}",
            kept.len(),
            found.len()
        );
        let read: i64 = sqlx::query_scalar("SELECT results_read FROM progress WHERE task_id = ?")
            .bind(id.as_str())
            .fetch_one(&mut self.connection().await)
            .await
            .expect("a number");
        assert_eq!(usize::try_from(read).expect("a count"), kept.len(), "{id}");
    }

    /// Returns the number of requests for results that the service has received.
    pub fn result_requests(&self) -> u64 {
        let requests = self.service.requests();
        requests.by_kind.get("results").copied().unwrap_or_default()
    }
}
