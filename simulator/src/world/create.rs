//! The creation of a task by a client of the service.

use serde_json::Value;

use crate::{
    options::{Creates, Excess, FailAt, Scenario, Semantics},
    random::{HashRng, derive_seed},
    world::{
        Now, World, domains,
        ledger::{CreateEntry, Recorded},
        share::scaled,
        task_input::TaskInput,
    },
};

/// What a client asks for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct CreateRequest {
    /// The requested `desired_num_results`.
    pub desired: u32,
    pub input: TaskInput,
    pub exclude_task_ids: Vec<String>,
}

/// Why a create was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum CreateRefusal {
    /// The plan of the account does not allow it.
    Plan,
    NoCredits,
    OverCap {
        cap: u32,
    },
    /// A task in `exclude_task_ids` is not done, or does not exist.
    NotDone {
        id: String,
    },
    TooManyExclusions,
    /// The scenario of the simulator is invalid.
    Scenario,
}

impl World {
    /// Creates a task and records the request in the ledger. `scenario` is that of all tasks that clients create.
    pub fn create(
        &mut self,
        now: Now,
        request: CreateRequest,
        scenario: &Scenario,
        semantics: &Semantics,
        credits: Option<u64>,
    ) -> (Recorded, Result<Value, CreateRefusal>) {
        let index = self.creates.len();
        let seq = index as u64 + 1;
        self.creates.push(CreateEntry {
            seq,
            at: self.timestamp(now.time),
            task_id: None,
            query: request.input.query.clone(),
            desired: request.desired,
            exclude_domains: request.input.exclude_domains.len(),
            exclude_task_ids: request.exclude_task_ids.clone(),
            answered_status: None,
            took_effect: false,
            by_colleague: false,
        });
        let created = self.add_requested(now, request, scenario, semantics, credits);
        if let Ok(id) = &created {
            let entry = &mut self.creates[index];
            entry.task_id = Some(id.clone());
            entry.took_effect = true;
        }
        let task = created.and_then(|id| {
            let task = self.inspect(now, &id, semantics);
            task.ok_or(CreateRefusal::Scenario)
        });
        (Recorded::Create(seq), task)
    }

    /// Creates a task as another client of the same account.
    pub fn colleague_creates(
        &mut self,
        now: Now,
        request: CreateRequest,
        scenario: &Scenario,
        semantics: &Semantics,
    ) {
        let before = self.creates.len();
        // The ledger records whether it was accepted.
        let _ = self.create(now, request, scenario, semantics, None);
        for entry in &mut self.creates[before..] {
            entry.by_colleague = true;
        }
    }

    /// Adds the requested task and returns its id.
    fn add_requested(
        &mut self,
        now: Now,
        request: CreateRequest,
        scenario: &Scenario,
        semantics: &Semantics,
        credits: Option<u64>,
    ) -> Result<String, CreateRefusal> {
        if semantics.creates != Creates::Accepted {
            return Err(CreateRefusal::Plan);
        }
        if credits.is_some() && self.credits_left(now, semantics, credits) == 0 {
            return Err(CreateRefusal::NoCredits);
        }
        let cap = semantics.cap;
        if request.desired > cap && semantics.cap_excess == Excess::Refused {
            return Err(CreateRefusal::OverCap { cap });
        }
        let desired = request.desired.min(cap);
        let mut input = request.input;
        for id in &request.exclude_task_ids {
            let domains = self.result_domains(now, id, semantics);
            let domains = domains.ok_or_else(|| CreateRefusal::NotDone { id: id.clone() })?;
            let all = domains::exclude(&mut input.exclude_domains, domains);
            if !all && semantics.exclusions_excess == Excess::Refused {
                return Err(CreateRefusal::TooManyExclusions);
            }
        }
        let number = self.list.created_count();
        let scenario = with_end(scenario, (self.seed, number as u64), desired, semantics);
        let nth = self.tasks.len();
        let added = self.add(now, &scenario, Some(input), semantics);
        let id = added.map_err(|_| CreateRefusal::Scenario)?;
        self.list.record_created(nth);
        Ok(id)
    }
}

/// Returns the scenario of create number `number` (from 0) in a world: whether the task fails, is exhausted, or neither.
fn with_end(
    scenario: &Scenario,
    (world, number): (u64, u64),
    desired: u32,
    semantics: &Semantics,
) -> Scenario {
    let mut scenario = Scenario {
        desired_num_results: Some(desired),
        ..scenario.clone()
    };
    let mut rng = HashRng::new(derive_seed(world, "create"), number);
    let fails = semantics.create_fails_percent as usize;
    let exhausts = semantics.create_exhausts_percent as usize;
    let draw = rng.below(100);
    let share = *rng.choose(&[0.2, 0.4, 0.6, 0.8]);
    if draw < fails {
        scenario.fail_at = Some(FailAt::Fraction(share));
    } else if draw < fails + exhausts {
        scenario.exhausted_at = Some(scaled(desired, share));
    }
    scenario
}
