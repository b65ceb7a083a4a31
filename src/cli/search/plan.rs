//! What a search can cost, and what keeps it from its target.

use crate::cli::output::count;
use crate::config::Settings;
use crate::core::spending::Limit;
use crate::store::StoreError;
use crate::store::ledger::asked_within;
use jiff::Timestamp;
use sqlx::sqlite::SqliteConnection;

/// The numbers that decide what a search can ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// Wanted number of different companies.
    pub target: i64,
    /// Companies that were found so far.
    pub results: i64,
    /// Results that were asked for so far.
    pub requested: i64,
    /// The most results that may be asked for in sum.
    pub budget: Option<i64>,
    /// Number of domains that the operator excludes.
    pub excluded: i64,
    /// `growth.task_cap`.
    pub task_cap: i64,
    /// `growth.exclude_cap`.
    pub exclude_cap: i64,
    /// For each limit, how many results it allows, if it is set, and what counts towards it, over all tasks.
    pub limits: [(Limit, Option<i64>, i64); 2],
    /// `results.keep`.
    pub keeps_results: bool,
}

impl Plan {
    /// Reads what was asked for, and takes the rest from the configuration.
    ///
    /// # Errors
    ///
    /// What SQLite says.
    pub async fn of(
        settings: &Settings,
        connection: Option<&mut SqliteConnection>,
        target: i64,
    ) -> Result<Self, StoreError> {
        let growth = settings.policy.growth;
        let mut limits = [Limit::Daily, Limit::Monthly].map(|limit| (limit, limit.of(&growth), 0));
        if let Some(connection) = connection {
            let now = Timestamp::now();
            for (limit, _, asked) in &mut limits {
                let used = asked_within(connection, *limit, limit.window(), now).await?;
                *asked = used.requested;
            }
        }
        Ok(Self {
            target,
            results: 0,
            requested: 0,
            budget: None,
            excluded: 0,
            task_cap: growth.task_cap,
            exclude_cap: growth.exclude_cap,
            limits,
            keeps_results: settings.results.keep,
        })
    }

    /// Returns the number of companies that the search lacks.
    fn lacks(&self) -> i64 {
        (self.target - self.results).max(0)
    }

    /// Returns what is left of the budget.
    fn budget_left(&self) -> Option<i64> {
        Some((self.budget? - self.requested).max(0))
    }

    /// Returns about how many companies one search can find: the last task excludes those of all earlier ones.
    fn reach(&self) -> i64 {
        (self.exclude_cap - self.excluded)
            .max(0)
            .saturating_add(self.task_cap)
    }

    /// Returns a line for each fact.
    pub fn lines(&self) -> Vec<String> {
        let lacks = self.lacks();
        let mut lines = Vec::new();
        lines.push(match self.budget_left() {
            _ if lacks == 0 => {
                "it asks for nothing: it has as many companies as wanted".to_owned()
            }
            None => format!(
                "it asks for at most {}, about one credit each, and for one more for each company that is found twice",
                count(lacks.unsigned_abs(), "result")
            ),
            Some(left) => format!(
                "it asks for at most {}, about one credit each: what is left of its budget",
                count(left.unsigned_abs(), "result")
            ),
        });
        let tasks = self
            .target
            .unsigned_abs()
            .div_ceil(self.task_cap.max(1).unsigned_abs());
        lines.push(format!(
            "it needs at least {}: one gives at most {} results (growth.task_cap)",
            count(tasks, "task"),
            self.task_cap
        ));
        for (limit, most, asked) in self.limits {
            let key = limit.key();
            match most {
                Some(most) => lines.push(format!(
                    "left of {key}: {} of {most}, for all tasks and searches",
                    (most - asked).max(0)
                )),
                None if limit == Limit::Daily => {
                    lines.push(format!("there is no limit for a day: {key} is 0"));
                }
                None => {}
            }
        }
        lines
    }

    /// Returns what keeps the search from its target.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if !self.keeps_results {
            warnings.push(
                "results.keep is false: the search waits until it is true, because growd counts the companies that it keeps"
                    .to_owned(),
            );
        }
        let lacks = self.lacks();
        if let Some(left) = self.budget_left().filter(|left| *left < lacks) {
            warnings.push(format!(
                "the budget does not suffice for the target: {left} results are left of it, and the search lacks {lacks}"
            ));
        }
        let reach = self.reach();
        if self.target > reach {
            warnings.push(format!(
                "the target {} may be out of reach: one search finds about {reach} companies at most, because a task excludes \
                 {} domains at most (growth.exclude_cap). It then ends as `capped`; split the query into several \
                 searches",
                self.target, self.exclude_cap
            ));
        }
        warnings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAN: Plan = Plan {
        target: 600,
        results: 0,
        requested: 0,
        budget: None,
        excluded: 0,
        task_cap: 250,
        exclude_cap: 1000,
        limits: [(Limit::Daily, None, 0), (Limit::Monthly, None, 0)],
        keeps_results: true,
    };

    #[test]
    fn the_lines_say_what_it_costs_at_most() {
        let lines = PLAN.lines();
        assert!(lines[0].contains("at most 600 results"), "{lines:?}");
        assert!(lines[0].contains("found twice"), "{lines:?}");
        assert!(lines[1].contains("at least 3 tasks"), "{lines:?}");
        assert!(lines[2].contains("no limit"), "{lines:?}");
        assert!(PLAN.warnings().is_empty());

        let grown = Plan {
            results: 590,
            limits: [
                (Limit::Daily, Some(500), 510),
                (Limit::Monthly, Some(900), 510),
            ],
            ..PLAN
        };
        let lines = grown.lines();
        assert!(lines[0].contains("at most 10 results"), "{lines:?}");
        assert!(lines[2].contains("0 of 500"), "{lines:?}");
        assert!(lines[3].contains("monthly_limit: 390 of 900"), "{lines:?}");

        let reached = Plan {
            results: 600,
            ..PLAN
        };
        assert!(reached.lines()[0].contains("nothing"));

        let one = Plan {
            target: 250,
            ..PLAN
        };
        assert!(
            one.lines()[1].contains("at least 1 task:"),
            "{:?}",
            one.lines()
        );
    }

    #[test]
    fn the_budget_bounds_the_cost() {
        let plan = Plan {
            budget: Some(700),
            requested: 60,
            results: 50,
            ..PLAN
        };
        assert!(
            plan.lines()[0].contains("at most 640 results"),
            "{:?}",
            plan.lines()
        );
        assert!(plan.warnings().is_empty());
        let plan = Plan {
            budget: Some(100),
            ..plan
        };
        assert!(
            plan.lines()[0].contains("at most 40 results"),
            "{:?}",
            plan.lines()
        );
        let warnings = plan.warnings();
        assert!(
            warnings[0].contains("40 results are left") && warnings[0].contains("lacks 550"),
            "{warnings:?}"
        );
    }

    #[test]
    fn a_target_that_exclusions_do_not_allow_causes_a_warning() {
        assert!(
            Plan {
                target: 1250,
                ..PLAN
            }
            .warnings()
            .is_empty()
        );
        let warnings = Plan {
            target: 1250,
            excluded: 1,
            ..PLAN
        }
        .warnings();
        assert!(warnings[0].contains("about 1249"), "{warnings:?}");
        let warnings = Plan {
            keeps_results: false,
            ..PLAN
        }
        .warnings();
        assert!(warnings[0].contains("results.keep"), "{warnings:?}");
    }
}
