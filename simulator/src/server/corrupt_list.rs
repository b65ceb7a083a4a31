//! Wrong pages of the list of tasks.

use serde_json::{Value, json};

use crate::{
    faults::Fault,
    random::{HashRng, derive_seed},
};

const COUNTERS: [&str; 4] = [
    "num_results_discovered",
    "num_results_enriched",
    "num_results_evaluated",
    "num_results",
];

/// The number of results of a task that is complete.
const FULL: u64 = 250;

/// Changes a page as this fault says. A body that is no list stays as it is.
pub(crate) fn corrupt(fault: &Fault, body: &mut Value, seed: u64) {
    let Value::Array(entries) = body else {
        return;
    };
    match fault {
        Fault::ListAllDone => set_status(entries, "done"),
        Fault::ListAllRunning => set_status(entries, "in_progress"),
        Fault::ListAllFailed => set_status(entries, "failed"),
        Fault::ListFull => {
            set_status(entries, "done");
            for entry in &mut *entries {
                count(entry, |counter| counter.max(FULL));
                entry["num_results"] = json!(FULL);
                entry["desired_num_results"] = json!(FULL);
                entry["is_exhausted"] = json!(true);
            }
        }
        Fault::ListFallen => entries
            .iter_mut()
            .for_each(|entry| count(entry, |counter| counter / 2)),
        Fault::ListRisen => entries
            .iter_mut()
            .for_each(|entry| count(entry, |counter| counter * 2)),
        Fault::ListTwice => {
            let twice = std::mem::take(entries).into_iter().flat_map(|entry| {
                let mut second = entry.clone();
                count(&mut second, |counter| counter + 10);
                [entry, second]
            });
            *entries = twice.collect();
        }
        Fault::ListOthers => {
            for entry in entries {
                let id = entry["id"].as_str().unwrap_or_default();
                entry["id"] = json!(HashRng::new(derive_seed(0, id), 0).uuid());
            }
        }
        Fault::ListEmpty => entries.clear(),
        Fault::ListBadEntry if !entries.is_empty() => {
            let mut rng = HashRng::new(seed, 0);
            let nth = rng.below(entries.len());
            spoil(&mut entries[nth], &mut rng);
        }
        Fault::ListObject => *body = json!({ "items": entries }),
        _ => {}
    }
}

fn set_status(entries: &mut [Value], status: &str) {
    for entry in entries {
        entry["status"] = json!(status);
    }
}

/// Changes each counter.
pub(super) fn count(entry: &mut Value, change: impl Fn(u64) -> u64) {
    for name in COUNTERS {
        let counter = entry[name].as_u64().unwrap_or(0);
        entry[name] = json!(change(counter));
    }
}

/// Makes an entry unusable, in one of several ways.
fn spoil(entry: &mut Value, rng: &mut HashRng) {
    let whole = [
        json!(7),
        json!(null),
        json!("task"),
        json!([]),
        json!({}),
        json!(true),
    ];
    let fields = [
        ("id", None),
        ("id", Some(json!(null))),
        ("id", Some(json!(7))),
        ("status", None),
        ("status", Some(json!(7))),
        ("num_results", None),
        ("num_results", Some(json!("many"))),
        ("num_results", Some(json!(-1))),
        ("desired_num_results", Some(json!([]))),
    ];
    let choice = rng.below(whole.len() + fields.len());
    if let Some(value) = whole.get(choice) {
        *entry = value.clone();
        return;
    }
    let (name, value) = &fields[choice - whole.len()];
    match (value, entry.as_object_mut()) {
        (Some(value), _) => entry[*name] = value.clone(),
        (None, Some(fields)) => {
            fields.remove(*name);
        }
        (None, None) => {}
    }
}
