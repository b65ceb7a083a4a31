//! A table of searches.

use crate::cli::output::{self, clean, relative};
use crate::store::searches::overview::SearchOverview;
use comfy_table::{Cell, Table};
use jiff::Timestamp;

/// Creates the table of these searches.
pub fn of(searches: &[SearchOverview], now: Timestamp) -> Table {
    let mut table = output::table(&[
        "search",
        "state",
        "companies",
        "%",
        "tasks",
        "requested",
        "next",
        "why",
    ]);
    for row in searches {
        let next = row
            .next_at
            .as_deref()
            .map_or_else(|| "-".to_owned(), |at| relative(at, now));
        let cells = vec![
            Cell::new(clean(&row.search)),
            output::state(&row.state),
            output::number(format!("{}/{}", row.results, row.target)),
            output::number(row.percent),
            output::number(row.parts),
            output::number(row.requested),
            Cell::new(next),
            Cell::new(clean(row.reason.as_deref().unwrap_or_default())),
        ];
        output::add_row(&mut table, cells);
    }
    table
}
