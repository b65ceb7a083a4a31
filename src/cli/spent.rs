//! What is used of the limits on spending, and the account's credits, as `growd status` shows them.

use super::output::relative;
use crate::core::policy::Growth;
use crate::core::spending::{Limit, Used};
use crate::core::time;
use crate::store::daemon::{self, SpendingRow};
use crate::store::{StoreError, ledger};
use jiff::Timestamp;
use serde_json::json;
use sqlx::sqlite::SqliteConnection;

/// What is used, and what there is.
pub(super) struct Spent {
    growth: Growth,
    /// For each limit, configured or not.
    used: Vec<Used>,
    row: SpendingRow,
}

impl Spent {
    pub async fn read(
        connection: &mut SqliteConnection,
        growth: &Growth,
        now: Timestamp,
    ) -> Result<Self, StoreError> {
        let mut used = Vec::new();
        for &limit in Limit::ALL {
            let window = limit.window();
            used.push(ledger::asked_within(&mut *connection, limit, window, now).await?);
        }
        Ok(Self {
            growth: *growth,
            used,
            row: daemon::read_spending(connection).await?,
        })
    }

    /// Returns the members of the JSON document, without the braces.
    pub fn json(&self) -> String {
        let of = |limit: Limit| {
            let used = self.used.iter().find(|used| used.limit == limit);
            used.map_or(0, |used| used.requested)
        };
        let (credits, credits_at) = match self.row.credits {
            Some((credits, at)) => (credits, Some(time::to_text(at))),
            None => (None, None),
        };
        let members = json!({
            "asked_24h": of(Limit::Daily), "daily_limit": self.growth.daily_limit,
            "asked_30d": of(Limit::Monthly), "monthly_limit": self.growth.monthly_limit,
            "credits": credits, "credits_at": credits_at, "reserve_credits": self.growth.reserve_credits,
        });
        let members = members.to_string();
        members[1..members.len() - 1].to_owned()
    }

    /// Returns the lines for people. A limit that is not configured has one only for the day.
    pub fn lines(&self, now: Timestamp) -> Vec<String> {
        let mut lines = Vec::new();
        for used in &self.used {
            let span = match used.limit {
                Limit::Daily => "24 h",
                Limit::Monthly => "30 days",
            };
            let requested = used.requested;
            match used.limit.of(&self.growth) {
                Some(most) => lines.push(format!(
                    "requested in the last {span}: {requested} of {most}, {} left",
                    (most - requested).max(0)
                )),
                None if used.limit == Limit::Daily => lines.push(format!(
                    "requested in the last {span}: {requested} (no limit)"
                )),
                None => {}
            }
        }
        if let Some((available, at)) = self.row.credits
            && self.growth.reserve_credits > 0
        {
            let available = available.map_or_else(|| "unknown".to_owned(), |n| n.to_string());
            lines.push(format!(
                "credits: {available}, asked {}; {} are reserved",
                relative(&time::to_text(at), now),
                self.growth.reserve_credits
            ));
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_limit_that_is_set_has_a_line_and_the_credits_have_one_with_a_reserve() {
        let now: Timestamp = "2026-11-24T12:00:00Z".parse().expect("a time");
        let mut growth = crate::config::Settings::default().policy.growth;
        let used = [(Limit::Daily, 30), (Limit::Monthly, 70)].map(|(limit, requested)| Used {
            limit,
            requested,
            frees_at: None,
        });
        let mut spent = Spent {
            growth,
            used: used.to_vec(),
            row: SpendingRow::default(),
        };
        spent.row.credits = Some((Some(99), now));
        assert_eq!(
            spent.lines(now),
            ["requested in the last 24 h: 30 (no limit)"]
        );
        growth.daily_limit = 100;
        growth.monthly_limit = 60;
        growth.reserve_credits = 50;
        spent.growth = growth;
        let lines = spent.lines(now);
        assert_eq!(
            lines[..2],
            [
                "requested in the last 24 h: 30 of 100, 70 left",
                "requested in the last 30 days: 70 of 60, 0 left"
            ]
        );
        assert!(lines[2].starts_with("credits: 99, asked "), "{lines:?}");
        assert!(lines[2].ends_with("; 50 are reserved"), "{lines:?}");
        spent.row.credits = Some((None, now));
        assert!(spent.lines(now)[2].starts_with("credits: unknown, "));
    }
}
