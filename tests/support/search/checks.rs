//! What holds at each step of a search.

use super::driver::Driver;
use crate::cases::Checked;
use growd::core::resume::RESUME_MAX;
use growd::core::search::create::Create;
use growd::core::search::list_reading::WholeList;
use growd::core::search::step::{Asks, Step, next_step};
use growd::core::search::{EXCLUDED_TASKS_MAX, Search};
use growd::core::spending::Account;
use growd::core::{State, Status, TaskId};
use proptest::prelude::*;
use serde_json::Value;
use std::collections::BTreeSet;

/// Returns the texts of a field of a create's body.
pub fn texts(body: &Value, field: &str) -> Vec<String> {
    let texts = body[field].as_array().into_iter().flatten();
    texts.filter_map(Value::as_str).map(str::to_owned).collect()
}

impl Driver {
    /// Checks what is decided about a search.
    pub(super) fn check_step(
        &self,
        search: &Search,
        step: &Step,
        account: &Account<'_>,
    ) -> Checked {
        if search.wanted.paused {
            prop_assert_eq!((&step.intended, &step.part_target), (&None, &None));
            prop_assert_eq!((step.asks, step.progress.next_at), (Asks::Nothing, None));
            return Ok(());
        }
        if search.create.as_ref().is_some_and(Create::is_open) {
            prop_assert_eq!((&step.intended, step.asks), (&None, Asks::List));
        }
        if let Some((task, target)) = &step.part_target {
            let newest = search.newest().expect("a part");
            prop_assert_eq!(task, &newest.task, "the target of an earlier part is set");
            prop_assert!((1..=self.scenario.policy.growth.task_cap).contains(target));
            let most = newest.results_at_reading + search.missing();
            prop_assert!(*target <= most.max(1), "{} of {}", target, most);
        }
        if let Some(create) = &step.intended {
            self.check_create(search, create, account)?;
        } else {
            self.check_level_triggered(search, step, account)?;
        }
        let is_growing = matches!(step.progress.state, State::Growing | State::Pending);
        let is_waiting = search
            .parts
            .iter()
            .any(|part| !part.is_settled || !part.is_read);
        let is_due = step.progress.next_at.is_some() || step.part_target.is_some();
        prop_assert!(
            is_due || is_waiting || !is_growing,
            "nothing will happen: {:?}",
            step.progress
        );
        prop_assert!(
            is_growing || step.progress.next_at.is_none(),
            "an end is due: {:?}",
            step.progress
        );
        prop_assert!(
            step.progress
                .reason
                .as_ref()
                .is_some_and(|reason| !reason.is_empty())
        );
        Ok(())
    }

    /// A second decision at the same time finds nothing more to do.
    fn check_level_triggered(
        &self,
        search: &Search,
        step: &Step,
        account: &Account<'_>,
    ) -> Checked {
        let mut again = search.clone();
        again.progress = step.progress.clone();
        if let (Some((_, target)), Some(newest)) = (&step.part_target, again.parts.last_mut()) {
            newest.target = *target;
        }
        let second = next_step(&again, account, &self.scenario.policy);
        prop_assert_eq!(second.progress.state, step.progress.state);
        prop_assert_eq!((second.part_target, second.intended), (None, None));
        prop_assert_eq!(second.events, Vec::new());
        Ok(())
    }

    /// Checks when the next part is created, how large, and what it excludes.
    fn check_create(&self, search: &Search, create: &Create, account: &Account<'_>) -> Checked {
        let growth = &self.scenario.policy.growth;
        let companies: BTreeSet<&str> = search
            .parts
            .iter()
            .flat_map(|part| &part.companies)
            .map(|found| found.key.as_str())
            .collect();
        let missing = search.wanted.target - super::model::count(companies.len());
        let n = create.request.requested;
        prop_assert!(
            (1..=missing.min(RESUME_MAX).min(growth.task_cap)).contains(&n),
            "{} of {}",
            n,
            missing
        );
        prop_assert!(n <= account.allowance.left.unwrap_or(n));
        prop_assert!(
            self.requested() + n <= search.wanted.budget.unwrap_or(i64::MAX),
            "over the budget"
        );

        if let Some(newest) = search.newest() {
            prop_assert_eq!(create.part, newest.number + 1);
            prop_assert!(
                newest.is_settled && newest.state.is_end(),
                "part {} is at work",
                newest.number
            );
            prop_assert!(newest.is_read, "part {} is not read", newest.number);
            let is_full = newest.results >= growth.task_cap
                || matches!(
                    newest.state,
                    State::Stalled | State::Refused | State::Capped
                );
            prop_assert!(
                is_full,
                "part {} can grow: {:?}",
                newest.number,
                newest.state
            );
        } else {
            prop_assert_eq!(create.part, 1);
        }

        let body = &create.body;
        prop_assert_eq!(&body["query"], &search.wanted.query);
        prop_assert_eq!(&body["desired_num_results"], n);
        prop_assert_eq!(
            &body["criteria"],
            &search.wanted.criteria.clone().unwrap_or(Value::Null)
        );
        // A part is named if the service has it as done; the domains of the others are.
        let is_named = |id: &TaskId| {
            self.service
                .get(id, self.now)
                .is_some_and(|seen| seen.status == Status::Done)
        };
        let (named, others): (Vec<_>, Vec<_>) =
            search.parts.iter().partition(|part| is_named(&part.task));
        let ids: Vec<String> = named.iter().map(|part| part.task.to_string()).collect();
        prop_assert_eq!(texts(body, "exclude_task_ids"), ids);
        let domains = others
            .iter()
            .flat_map(|part| &part.companies)
            .filter_map(|found| found.domain.clone());
        let expected: BTreeSet<String> = search
            .wanted
            .exclude_domains
            .iter()
            .cloned()
            .chain(domains)
            .collect();
        let shown = texts(body, "exclude_domains");
        prop_assert_eq!(shown.len(), expected.len(), "a domain stands there twice");
        prop_assert_eq!(shown.into_iter().collect::<BTreeSet<_>>(), expected);

        let excluded = self.service.exclusions(body, self.now);
        let known = search
            .parts
            .iter()
            .flat_map(|part| &part.companies)
            .filter_map(|found| found.domain.as_ref());
        let known: BTreeSet<&String> = known.collect();
        prop_assert!(known.iter().all(|domain| excluded.contains(*domain)));
        let all = known.len().max(search.wanted.exclude_domains.len());
        prop_assert!(super::model::count(all) <= growth.exclude_cap);
        prop_assert!(named.len() <= EXCLUDED_TASKS_MAX);
        Ok(())
    }

    /// Checks the task of the list that is taken for the one that a create made.
    pub(super) fn check_taken(&self, create: &Create, id: &TaskId, list: &WholeList) -> Checked {
        let task = self.service.task(id);
        if task.create == Some(create.request.id) {
            return Ok(());
        }
        let (ours, theirs) = (&create.body, &task.body);
        let semantics = &self.scenario.semantics;
        // One of growd's own that a colleague's was taken for counts as a colleague's.
        prop_assert_eq!(&ours["query"], &theirs["query"]);
        prop_assert_eq!(&ours["desired_num_results"], &theirs["desired_num_results"]);
        if semantics.shows_criteria && !ours["criteria"].is_null() {
            prop_assert_eq!(&ours["criteria"], &theirs["criteria"]);
        }
        let expected = &self.expected[self.creates.len() - 1];
        if semantics.shows_exclusions && texts(ours, "exclude_task_ids").is_empty() {
            prop_assert_eq!(expected, &task.exclusions);
        } else if semantics.shows_exclusions {
            prop_assert!(
                texts(ours, "exclude_domains")
                    .iter()
                    .all(|domain| task.exclusions.contains(domain))
            );
            let common = expected.intersection(&task.exclusions).count();
            prop_assert!(
                common * 2 >= expected.len(),
                "{:?} for {:?}",
                task.exclusions,
                expected
            );
        }
        // Where the time of creation shows, no older task can be the one.
        let own = self
            .service
            .tasks
            .iter()
            .find(|task| task.create == Some(create.request.id));
        let is_listed = |id: &TaskId| list.tasks.iter().any(|task| task.id == *id);
        if let Some(own) = own.filter(|own| semantics.shows_created_at && is_listed(&own.id)) {
            prop_assert!(task.created_at <= own.created_at, "the oldest is taken");
        }
        Ok(())
    }

    /// Checks that a resume stays within the budget and the daily limit.
    pub(super) fn check_resume(&self) -> Checked {
        prop_assert!(
            self.requested() <= self.wanted.budget.unwrap_or(i64::MAX),
            "over the budget"
        );
        Ok(())
    }
}
