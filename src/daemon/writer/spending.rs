//! What the limits and the credits leave to the paid requests of one transaction, and what these use of it.

use super::batch::BatchContext;
use crate::core::event::Event;
use crate::core::policy::Growth;
use crate::core::since;
use crate::core::spending::{Allowance, Credits, Limit, Used};
use crate::store::daemon::{self, SpendingRow};
use crate::store::{StoreError, history, ledger};
use jiff::Timestamp;
use sqlx::sqlite::SqliteConnection;

/// What is left to one transaction.
pub(super) struct Spending {
    growth: Growth,
    now: Timestamp,
    used: Vec<Used>,
    row: SpendingRow,
    /// A pass asks for the credits already.
    is_asked: bool,
}

impl Spending {
    /// Reads what counts towards the limits, and the credits. Reads nothing if neither is configured.
    pub async fn load(
        connection: &mut SqliteConnection,
        context: &BatchContext,
    ) -> Result<Self, StoreError> {
        let mut spending = Self::none(context);
        let BatchContext { windows, now, .. } = *context;
        spending.used = ledger::used(connection, &spending.growth, windows, now).await?;
        if !spending.used.is_empty() || spending.growth.reserve_credits > 0 {
            spending.row = daemon::read_spending(connection).await?;
        }
        Ok(spending)
    }

    /// Returns what a transaction has that sends no paid request.
    pub fn none(context: &BatchContext) -> Self {
        Self {
            growth: context.policy.growth,
            now: context.now,
            used: Vec::new(),
            row: SpendingRow::default(),
            is_asked: context.credits_asked,
        }
    }

    /// Returns what the tightest limit leaves.
    pub fn allowance(&self) -> Allowance {
        Allowance::of(&self.used, &self.growth)
    }

    /// Returns what the credits allow.
    pub fn credits(&self) -> Credits {
        Credits::of(self.row.credits, self.is_asked, &self.growth, self.now)
    }

    /// Counts a paid request that was written down. Records, and returns, which limits it brings near their end.
    pub async fn spend(
        &mut self,
        connection: &mut SqliteConnection,
        requested: i64,
    ) -> Result<Vec<Event>, StoreError> {
        let mut events = Vec::new();
        for used in &mut self.used {
            used.add(requested, self.now);
            let reported_at = self.row.reported_at(used.limit);
            let is_reported = reported_at
                .is_some_and(|at| at <= self.now && since(at, self.now) < Limit::Daily.window());
            if let Some(of) = used.limit.of(&self.growth)
                && used.is_near(of)
                && !is_reported
            {
                self.row.report(used.limit, self.now);
                events.push(Event::LimitNear {
                    limit: used.limit.key(),
                    used: used.requested,
                    of,
                });
            }
        }
        if !events.is_empty() {
            daemon::save_limits_near(connection, &self.row).await?;
            let rows: Vec<_> = events.iter().map(|event| (self.now, None, event)).collect();
            history::add_events(connection, &rows).await?;
        }
        Ok(events)
    }

    /// Notes that the service is asked for the credits now, and returns whether the caller is to do it: no other pass does.
    /// The time is on disk before the request is sent, so that a restart does not ask again.
    pub async fn begin_asking(
        &mut self,
        connection: &mut SqliteConnection,
    ) -> Result<bool, StoreError> {
        if self.is_asked {
            return Ok(false);
        }
        self.is_asked = true;
        self.row.credits = Some((None, self.now));
        daemon::save_credits(connection, None, Some(self.now)).await?;
        Ok(true)
    }
}
