//! Creates and readings of the list.

use super::driver::Driver;
use super::{CreateFault, Differs, ListFault};
use crate::cases::Checked;
use growd::core::gate::{Admission, Request};
use growd::core::paid_request::RequestState;
use growd::core::search::answered::{CreateAnswer, create_answered, list_failed, list_read};
use growd::core::search::create::Create;
use growd::core::search::list_reading::{ListReading, NextPage, WholeList};
use growd::core::search::settle::{Verdict, settle};
use growd::core::{Failure, RetryAfter, TaskId, after};
use jiff::Timestamp;
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::time::Duration;

const QUICK: Duration = Duration::from_millis(200);
const TIMEOUT: Duration = Duration::from_secs(30);

impl CreateFault {
    /// Returns what the daemon sees; `None`: the answer of the service.
    fn failure(self) -> Option<Failure> {
        let detail = || "injected".to_owned();
        let unanswered = |status, retry_after| Failure::Unanswered {
            status,
            detail: detail(),
            retry_after,
        };
        match self {
            Self::Fine | Self::Late(_) | Self::DiesBefore | Self::DiesAfter => None,
            Self::LostBefore | Self::LostAfter => Some(unanswered(None, None)),
            Self::NotUnderstood => Some(Failure::NotUnderstood {
                status: 200,
                detail: detail(),
                is_too_long: false,
            }),
            Self::Unavailable(seconds) => {
                Some(unanswered(Some(503), Some(RetryAfter::Seconds(seconds))))
            }
            Self::NotConnected => Some(Failure::NotConnected { detail: detail() }),
            Self::Refused(status) => Some(Failure::Refused {
                status,
                detail: detail(),
            }),
            Self::Payment => Some(Failure::PaymentRequired {
                status: 402,
                detail: detail(),
            }),
            Self::Forbidden => Some(Failure::Forbidden { detail: detail() }),
            Self::RateLimited(seconds) => Some(Failure::RateLimited {
                detail: detail(),
                retry_after: Some(RetryAfter::Seconds(seconds)),
            }),
            Self::Unexpected => Some(Failure::Unexpected {
                status: 405,
                detail: detail(),
            }),
        }
    }
}

impl Driver {
    pub(super) fn send(&mut self, create: &Create) {
        let fault = self.create_faults.pop_front().unwrap_or(CreateFault::Fine);
        let (started_at, body) = (self.now, &create.body);
        self.expected.push(self.service.exclusions(body, self.now));
        self.colleague(create);
        if fault == CreateFault::DiesBefore {
            return self.restart();
        }
        let failure = fault.failure();
        let arrives = failure.is_none()
            || matches!(fault, CreateFault::LostAfter | CreateFault::NotUnderstood);
        let task = arrives.then(|| {
            self.service
                .create(body, Some(create.request.id), started_at)
        });
        if let Some(Ok(task)) = &task {
            self.effects.push((create.part, task.clone()));
        }
        if fault == CreateFault::DiesAfter {
            return self.restart();
        }
        let outcome = match (failure, task) {
            (Some(failure), _) => Err(failure),
            (None, task) => task.expect("it arrived"),
        };
        let takes = match fault {
            CreateFault::LostBefore | CreateFault::LostAfter => TIMEOUT,
            CreateFault::Late(seconds) => Duration::from_secs(seconds),
            _ => QUICK,
        };
        let answered_at = after(started_at, takes);
        let answer = CreateAnswer {
            create_id: create.request.id,
            started_at,
            answered_at,
            http_status: match &outcome {
                Ok(_) => Some(200),
                Err(failure) => failure.status(),
            },
            outcome,
        };
        self.answers.push((answered_at, answer));
    }

    /// A colleague searches for the same.
    fn colleague(&mut self, create: &Create) {
        let Some(Some((differs, seconds))) = self.colleagues.pop_front() else {
            return;
        };
        let mut body = create.body.clone();
        let mut exclusions = self.expected.last().expect("of this create").clone();
        match differs {
            Differs::Nothing => {}
            Differs::Query => body["query"] = "makers of other things".into(),
            Differs::Desired => body["desired_num_results"] = (create.request.requested + 1).into(),
            Differs::Criteria => {
                body["criteria"] =
                    serde_json::json!([{"key": "other", "criterion": "another criterion"}]);
            }
            Differs::NoExclusions => exclusions.clear(),
            Differs::OtherExclusions => {
                exclusions = BTreeSet::from(["elsewhere.example".to_owned()]);
            }
        }
        let at = self.now + jiff::SignedDuration::from_secs(seconds);
        self.service.add(&body, exclusions, None, at);
    }

    fn learn(&mut self, request: Request, failure: Option<&Failure>, started_at: Timestamp) {
        let (now, policy) = (self.now, self.scenario.policy);
        self.gate
            .learn(request, failure, started_at, now, &policy, 0.5);
    }

    /// Stores the answer that is due.
    pub(super) fn answer(&mut self) -> Checked {
        let first = self
            .answers
            .iter()
            .enumerate()
            .min_by_key(|(_, (at, _))| *at)
            .map(|(i, _)| i);
        let (_, answer) = self.answers.remove(first.expect("an answer"));
        self.learn(
            Request::Create,
            answer.outcome.as_ref().err(),
            answer.started_at,
        );
        let row = self
            .creates
            .iter()
            .find(|row| row.request.id == answer.create_id)
            .expect("a row")
            .clone();
        let answered = create_answered(&self.search(), &row, &answer, &self.scenario.policy);
        if let Ok(step) = answered {
            prop_assert_eq!(&step.intended, &None);
            self.store(&step)?;
        } else {
            // The list has shown it meanwhile.
            prop_assert_eq!(row.request.state, RequestState::Accepted);
        }
        Ok(())
    }

    /// Reads the list, and settles the open create by it.
    pub(super) fn read_list(&mut self) -> Checked {
        prop_assert!(!self.wanted.paused, "the list is read for a paused search");
        if let Admission::Wait(until) = self.gate.admits(Request::List, self.now) {
            self.progress.next_at = Some(until);
            return Ok(());
        }
        let list = match self.whole_list() {
            Ok(list) => list,
            // The process crashed.
            Err(None) => return Ok(()),
            Err(Some(failure)) => {
                let search = self.search();
                let create = search.create.as_ref().expect("an open create");
                let step = list_failed(&search, create, &failure, &self.scenario.policy, self.now);
                return self.store(&step);
            }
        };
        while self.answers.iter().any(|(at, _)| *at <= self.now) {
            self.answer()?;
        }
        let search = self.search();
        let Some(create) = search.create.clone().filter(Create::is_open) else {
            return Ok(());
        };
        let is_known = |task: &TaskId| {
            self.parts.iter().any(|row| row.part.task == *task)
                || self
                    .creates
                    .iter()
                    .any(|row| row.task.as_ref() == Some(task))
        };
        let settle_after = self.scenario.policy.growth.settle;
        let verdict = settle(
            &search,
            &create,
            &list,
            is_known,
            self.gate.reachable_since,
            settle_after,
        );
        self.readings[self.creates.len() - 1] += 1;
        if let Verdict::Arrived { task, .. } = &verdict {
            self.check_taken(&create, task, &list)?;
        }
        let step = list_read(&search, &create, &verdict, &self.scenario.policy, self.now)
            .expect("it is open");
        self.store(&step)
    }

    /// Reads the list page by page.
    fn whole_list(&mut self) -> Result<WholeList, Option<Failure>> {
        let mut reading = ListReading::begin(self.creates.last(), self.now);
        let mut offset = 0;
        loop {
            let fault = self.list_faults.pop_front().unwrap_or(ListFault::Fine);
            let started_at = self.now;
            let page = self.service.list(offset, self.scenario.page, started_at);
            self.now = after(self.now, QUICK);
            let detail = || "injected".to_owned();
            let failure = match fault {
                ListFault::Fine => None,
                ListFault::Dies => {
                    self.restart();
                    return Err(None);
                }
                ListFault::NotConnected => Some(Failure::NotConnected { detail: detail() }),
                ListFault::Unavailable => Some(Failure::Unanswered {
                    status: Some(500),
                    detail: detail(),
                    retry_after: None,
                }),
            };
            self.learn(Request::List, failure.as_ref(), started_at);
            if failure.is_some() {
                return Err(failure);
            }
            match reading.add(page, self.service.skew()) {
                NextPage::At(next) => offset = next,
                NextPage::End => return Ok(reading.finish()),
            }
        }
    }
}
