//! The results of a task: which companies, in which order, with which scores.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{
    options::Scores,
    random::{HashRng, splitmix64},
    world::{company::Company, permutation::Permutation, task::Task},
};

/// Returns the numbers of the first `results` results of a task, most relevant first.
///
/// `undelivered` percent of them are left out.
pub(crate) fn ranked(task: &Task, results: u32, undelivered: u32) -> Vec<u32> {
    let first = task.withdrawn;
    let delivered = |nth: &u32| {
        undelivered == 0 || splitmix64(task.seed, u64::from(*nth)) % 100 >= u64::from(undelivered)
    };
    let mut ranked: Vec<(u32, u32)> = (first..first.saturating_add(results))
        .filter(delivered)
        .map(|nth| {
            (
                task.discovery.market.relevance(task.discovery.company(nth)),
                nth,
            )
        })
        .collect();
    // Results with the same relevance stay in the order of discovery.
    ranked.sort_unstable_by_key(|(relevance, nth)| (std::cmp::Reverse(*relevance), *nth));
    ranked.into_iter().map(|(_, nth)| nth).collect()
}

/// Puts results into a random order that follows from the key.
pub(crate) fn shuffle(ranked: &mut Vec<u32>, key: u64) {
    let len = ranked.len() as u64;
    let order = (0..len).map(|nth| Permutation { key, len }.at(nth));
    let place = |nth| usize::try_from(nth).expect("it is below the length");
    *ranked = order.map(|nth| ranked[place(nth)]).collect();
}

/// Returns result number `nth` of a task, as the service shows it.
pub(crate) fn render(task: &Task, nth: u32, found: Timestamp, scores: Scores) -> Value {
    let company = task.discovery.company(nth);
    let mut rng = HashRng::new(task.seed, company.key());
    let sources = &task.input.data_sources;
    let source = (!sources.is_empty()).then(|| rng.choose(sources));
    let mut result = company.profile();
    result["id"] = json!(rng.uuid());
    result["task_id"] = json!(task.id);
    let relevance = task.discovery.market.relevance(company);
    result["relevance"] = json!(f64::from(relevance) / 10.0);
    result["source"] = json!(source);
    result["created_at"] = json!(format!("{found:.6}"));
    result["scores"] = graded(task, &company, &mut rng, scores);
    result
}

/// Returns a grade for each criterion. At least three quarters are 4 or 5, because the company matches.
fn graded(task: &Task, company: &Company, rng: &mut HashRng, scores: Scores) -> Value {
    let keys: Vec<&str> = task.input.keys().collect();
    let poor = rng.below(keys.len() / 4 + 1);
    let grades = keys.iter().enumerate().map(|(nth, key)| {
        let grade = if nth < poor {
            1 + rng.below(3)
        } else {
            4 + rng.below(2)
        };
        let score = match scores {
            Scores::Number => json!(grade),
            Scores::Graded => json!({
                "grade": grade,
                "explanation": format!("{}, as its website says.", if grade > 3 { "Clearly so" } else { "In part" }),
                "sources": [format!("https://{}/about", company.domain())],
            }),
        };
        ((*key).to_owned(), score)
    });
    Value::Object(grades.collect())
}
