//! Searches that need the operator's attention.

use crate::cli::attention::Attention;
use crate::cli::output::{clean, relative};
use crate::store::searches::overview::{self, OpenCreate, SearchOverview};
use crate::store::{StoreError, time};
use jiff::{SignedDuration, Timestamp};
use sqlx::sqlite::SqliteConnection;

/// Age from which on an operator is to know of a create that has no outcome.
const OPEN_TOO_LONG: SignedDuration = SignedDuration::from_mins(10);

/// The searches that need attention, and the creates without an outcome.
#[derive(Debug, Default)]
pub struct Searches {
    stopped: Vec<SearchOverview>,
    open: Vec<OpenCreate>,
}

impl Searches {
    /// Reads at most `limit` of each.
    ///
    /// # Errors
    ///
    /// What SQLite reports.
    pub async fn read(
        connection: &mut SqliteConnection,
        now: Timestamp,
        limit: u32,
    ) -> Result<Self, StoreError> {
        let before = now.checked_sub(OPEN_TOO_LONG).unwrap_or(Timestamp::MIN);
        Ok(Self {
            stopped: overview::stopped(connection, limit).await?,
            open: overview::open_creates(connection, &time::to_text(before), limit).await?,
        })
    }

    /// Lists the conditions, at most `most` of each kind.
    pub fn list(&self, now: Timestamp, most: usize) -> Vec<Attention> {
        let stopped = self.stopped.iter().take(most).map(is_stopped);
        let open = self.open.iter().take(most);
        let more = (self.stopped.len() > most).then(|| Attention {
            kind: "search",
            text: "more searches have ended short of their target: see `growd search list`"
                .to_owned(),
        });
        stopped
            .chain(more)
            .chain(open.map(|create| is_open(create, now)))
            .collect()
    }
}

fn is_stopped(row: &SearchOverview) -> Attention {
    let search = clean(&row.search);
    let reason = row
        .reason
        .as_deref()
        .map_or_else(String::new, |reason| format!(" ({})", clean(reason)));
    let remedy = match &*row.state {
        "capped" => "start another search with a narrower query".to_owned(),
        "refused" => {
            format!("start another search, or try again with `growd search retry {search}`")
        }
        _ => format!(
            "`growd search show {search}` has the details, `growd search retry {search}` tries again"
        ),
    };
    Attention {
        kind: "search",
        text: format!(
            "the search {search} is {} with {} of {} companies{reason}: {remedy}",
            clean(&row.state),
            row.results,
            row.target
        ),
    }
}

fn is_open(create: &OpenCreate, now: Timestamp) -> Attention {
    Attention {
        kind: "create",
        text: format!(
            "growd asked for part {} of the search {} {}, and does not know yet whether the service created it: growd looks for it in \
             the list of tasks, and creates no other one for this search",
            create.part,
            clean(&create.search),
            relative(&create.sent_at, now)
        ),
    }
}
