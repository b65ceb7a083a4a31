//! Tests of the world. This file has their fixtures.

mod assumptions;
mod companies;
mod creates;
mod list;
mod properties;
mod result_pages;
mod results;
mod switches;

use std::{collections::HashSet, time::Duration};

use jiff::Timestamp;
use serde_json::Value;

use super::{CreateRefusal, CreateRequest, Now, Refusal, World, task_input::TaskInput};
use crate::options::{Scenario, Semantics};

fn at(seconds: u64) -> Now {
    Now {
        time: Duration::from_secs(seconds),
        real: Duration::from_secs(seconds),
    }
}

const LONG: u64 = 1_000_000;

/// A world with one task, whose id is `t`.
struct Fixture {
    world: World,
    semantics: Semantics,
}

impl Fixture {
    fn new(semantics: Semantics, scenario: Scenario) -> Self {
        let mut world = World::new(1, Timestamp::UNIX_EPOCH);
        world
            .add(at(0), &scenario.with_id("t"), None, &semantics)
            .unwrap();
        Self { world, semantics }
    }

    /// A task that is done with 100 results, and whose every candidate matches. 100 more take a minute.
    fn done(change: impl FnOnce(&mut Semantics)) -> Self {
        let scenario = Scenario {
            pool: Some(1_000),
            fit_rate: Some(1.0),
            ..Scenario::done(100)
        };
        Self::new(changed(change), scenario)
    }

    fn poll(&mut self, seconds: u64) -> Value {
        self.world.poll(at(seconds), "t", &self.semantics).unwrap()
    }

    fn results(&mut self, seconds: u64) -> u64 {
        number(&self.poll(seconds), "num_results")
    }

    fn page(&mut self, seconds: u64, offset: usize, limit: usize) -> Value {
        let page = (offset, limit);
        let task = self
            .world
            .results(at(seconds), at(seconds), "t", page, &self.semantics);
        task.unwrap()
    }

    fn resume(&mut self, seconds: u64, new: u32) -> Result<Value, Refusal> {
        self.world
            .resume(at(seconds), "t", new, &self.semantics, None)
            .map(|resumed| resumed.task)
            .map_err(|(refusal, _)| refusal)
    }
}

/// The default semantics with some changes.
fn changed(change: impl FnOnce(&mut Semantics)) -> Semantics {
    let mut semantics = Semantics::default();
    change(&mut semantics);
    semantics
}

fn number(task: &Value, name: &str) -> u64 {
    task[name].as_u64().unwrap()
}

/// The names of the companies on a page, in order.
fn names(page: &Value) -> Vec<String> {
    let rows = page["results"].as_array().unwrap().iter();
    rows.map(|row| row["company_name"].as_str().unwrap().to_owned())
        .collect()
}

/// A client that creates tasks in a world.
#[derive(Clone)]
struct Client {
    world: World,
    semantics: Semantics,
}

impl Client {
    fn new(market: u32) -> Self {
        Self {
            world: World::new(1, Timestamp::UNIX_EPOCH),
            semantics: changed(|semantics| {
                semantics.market = Some(market);
                semantics.without_website_percent = 0;
            }),
        }
    }

    /// Creates a task and returns its id.
    fn create(&mut self, second: u64, query: &str, desired: u32, excluded: Vec<String>) -> String {
        let scenario = Scenario {
            desired_num_results: Some(desired),
            ..Scenario::default()
        };
        let input = TaskInput {
            exclude_domains: excluded,
            ..TaskInput::from_query(query)
        };
        self.world
            .add(at(second), &scenario, Some(input), &self.semantics)
            .unwrap()
    }

    /// Sends a create and returns the new task, or why it was refused.
    fn request(
        &mut self,
        second: u64,
        request: CreateRequest,
        credits: Option<u64>,
    ) -> Result<Value, CreateRefusal> {
        let semantics = &self.semantics;
        let scenario = Scenario::default();
        let created = self
            .world
            .create(at(second), request, &scenario, semantics, credits);
        created.1
    }

    fn page(&mut self, second: u64, id: &str) -> Value {
        let page = (0, 1_000);
        self.world
            .results(at(second), at(second), id, page, &self.semantics)
            .unwrap()
    }

    fn found(&mut self, second: u64, id: &str) -> HashSet<String> {
        names(&self.page(second, id)).into_iter().collect()
    }

    fn domains(&mut self, second: u64, id: &str) -> Option<Vec<String>> {
        self.world.result_domains(at(second), id, &self.semantics)
    }
}
