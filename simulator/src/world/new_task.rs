//! Creates a task from a scenario.

use std::time::Duration;

use rand::RngExt as _;

use crate::{
    options::{Exclusions, FailAt, MAX_CANDIDATES, Scenario, Semantics},
    random::{seeded_rng, uuid},
    world::{
        discovery::{DiscoveryOrder, Market, Unusual},
        match_rate::MatchRate,
        share::{percent, scaled},
        task::{START_DELAY, Status, Task},
        task_input::{self, TaskInput},
    },
};

/// The largest number of candidates of a task, unless the scenario sets it.
const DEFAULT_CANDIDATES: u32 = 10_000;

/// Returns task number `nth` of a world, created at the virtual time `now`.
///
/// `input` is what a client sent; without one the task has the scenario's query and nothing else.
///
/// # Errors
///
/// Names the invalid field of the scenario, its value and the allowed values.
pub(crate) fn task(
    (world_seed, nth): (u64, u64),
    now: Duration,
    scenario: &Scenario,
    input: Option<TaskInput>,
    semantics: &Semantics,
) -> Result<Task, String> {
    // Every task draws the same values in the same order, so that one option does not change the others.
    let mut rng = seeded_rng(world_seed, nth);
    let seed = rng.random();
    let id = uuid(&mut rng);
    let fit_rate = rng.random_range(0.3..0.8);
    let phase = rng.random();
    scenario.check()?;
    let match_rate = MatchRate::new(scenario.fit_rate.unwrap_or(fit_rate), phase);
    let free_results = scenario.results.unwrap_or(0);
    let needed = match_rate
        .candidates_for(free_results)
        .ok_or("results: a fit_rate of 0 never produces results")?;
    if needed > MAX_CANDIDATES {
        return Err(format!(
            "results: {free_results} results at this fit_rate need more than {MAX_CANDIDATES} candidates"
        ));
    }
    if let Some(pool) = scenario.pool.filter(|pool| *pool < needed) {
        return Err(format!(
            "pool: {pool} candidates are too few for {free_results} results; at least {needed} are needed"
        ));
    }
    let input = input
        .unwrap_or_else(|| {
            let query = scenario.query.as_deref();
            TaskInput::from_query(query.unwrap_or_else(|| task_input::random_query(seed)))
        })
        .inferred(world_seed);
    let unusual = Unusual {
        aliases: semantics.aliases_percent,
        without_website: semantics.without_website_percent,
    };
    let market = Market::of(world_seed, &input.query, unusual);
    let size = semantics.market.unwrap_or_else(|| match scenario.pool {
        Some(pool) => match_rate.matches_among(pool),
        None => market.default_size().max(free_results),
    });
    let excluded = match semantics.exclusions {
        Exclusions::Applied => input.exclude_domains.as_slice(),
        Exclusions::Ignored => &[],
    };
    let discovery = DiscoveryOrder::new(market, seed, size, excluded);
    if discovery.len() < free_results {
        return Err(format!(
            "results: {free_results} is more than the market has: {size} companies"
        ));
    }
    let exhausted_at = scenario.exhausted_at.unwrap_or(u32::MAX);
    if exhausted_at < free_results {
        return Err(format!(
            "exhausted_at: {exhausted_at} is less than the {free_results} results"
        ));
    }
    // Each match needs a company, so the pool ends before the first match without one.
    let max_pool = match_rate
        .candidates_for(discovery.len().min(exhausted_at).saturating_add(1))
        .map_or(u32::MAX, |beyond| beyond - 1);
    let pool = scenario.pool.unwrap_or(DEFAULT_CANDIDATES.max(needed));
    let desired = scenario.desired_num_results.or(scenario.results);
    let desired = desired.unwrap_or(100);
    let mut task = Task {
        id: scenario.id.clone().unwrap_or(id),
        seed,
        created: now,
        input,
        discovery,
        pool: pool.min(max_pool),
        match_rate,
        rate_per_minute: scenario.rate_per_minute.unwrap_or(100.0),
        backlog: scenario.backlog.unwrap_or(15),
        shape: scenario.shape,
        fail_at: scenario.fail_at.map(|at| match at {
            FailAt::Results(results) => results,
            FailAt::Fraction(share) => scaled(desired, share),
        }),
        desired,
        goal: percent(desired, semantics.yield_percent).min(semantics.cap),
        intake: 0,
        run: None,
        trailing: None,
        finished_runs: Vec::new(),
        work_starts: Vec::new(),
        failed: false,
        withdrawn: 0,
        polls: 0,
        queued: [].into(),
        stale: None,
        free_results,
    };
    if scenario.results.is_none() {
        task.start_run(now + START_DELAY, Status::Created, semantics);
    } else {
        task.intake = task.intake_for(needed);
        task.failed = task.fail_at.is_some_and(|limit| free_results >= limit);
        if !task.failed {
            task.start_trailing_work(now, semantics);
        }
    }
    Ok(task)
}
