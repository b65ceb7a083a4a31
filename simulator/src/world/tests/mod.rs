//! A world to try things on, for the tests of this module's children.

mod assumptions;
mod properties;
mod results;
mod switches;

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use crate::{
    options::scenario::Scenario,
    options::semantics::Semantics,
    world::{Now, Refusal, World},
};

fn at(seconds: u64) -> Now {
    Now {
        time: Duration::from_secs(seconds),
        real: Duration::from_secs(seconds),
    }
}

const LONG: u64 = 1_000_000;

/// A world with one search, under the id `t`.
struct TestWorld {
    world: World,
    semantics: Semantics,
}

impl TestWorld {
    fn new(semantics: Semantics, scenario: Scenario) -> Self {
        let mut world = World::new(1, Timestamp::UNIX_EPOCH);
        world
            .add(at(0), &scenario.with_id("t"), None, &semantics)
            .unwrap();
        Self { world, semantics }
    }

    /// A search with 100 results, in which every candidate fits.
    fn done(semantics: Semantics) -> Self {
        let scenario = Scenario {
            pool: Some(1_000),
            fit_rate: Some(1.0),
            ..Scenario::done(100)
        };
        Self::new(semantics, scenario)
    }

    fn poll(&mut self, seconds: u64) -> Value {
        self.world.poll(at(seconds), "t", &self.semantics).unwrap()
    }

    fn results(&mut self, seconds: u64) -> u64 {
        number(&self.poll(seconds), "num_results")
    }

    /// The task with a page of its results.
    fn page(&mut self, seconds: u64, offset: usize, limit: usize) -> Value {
        let page = (offset, limit);
        let task = self.world.results(at(seconds), "t", page, &self.semantics);
        task.unwrap()
    }

    fn resume(&mut self, seconds: u64, new: u32) -> Result<Value, Refusal> {
        self.world
            .resume(at(seconds), "t", new, &self.semantics, None)
            .map(|resumed| resumed.task)
            .map_err(|(refusal, _)| refusal)
    }
}

fn number(task: &Value, name: &str) -> u64 {
    task[name].as_u64().unwrap()
}

/// The names of the companies of a page, in its order.
fn names(page: &Value) -> Vec<String> {
    let rows = page["results"].as_array().unwrap().iter();
    rows.map(|row| row["company_name"].as_str().unwrap().to_owned())
        .collect()
}
