//! For any bytes, the reader neither panics nor accepts anything but a task: `id`, `status`, `desired_num_results` and
//! `num_results` decide about money.
//!
//! The bytes come from a corpus of named files and from mutations of valid tasks.

use crate::cases::for_each;
use growd::core::{Observation, Status};
use growd::extruct::read_task;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Value, json};
use std::path::Path;
use uuid::Uuid;

/// The id of the requested task, and of the tasks in the corpus.
const ID: &str = "0f6c1f0a-5d5e-4b0e-9a51-0d8f6a1f2c3b";

/// The required fields of a task.
const MONEY: [&str; 4] = ["id", "status", "desired_num_results", "num_results"];

const COUNTERS: [&str; 5] = [
    "desired_num_results",
    "num_results_discovered",
    "num_results_enriched",
    "num_results_evaluated",
    "num_results",
];

// --- the corpus ---

/// The files of a directory of the corpus, each with its name.
fn corpus(kind: &str) -> Vec<(String, Vec<u8>)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/corpus/wire")
        .join(kind);
    let mut files: Vec<_> = std::fs::read_dir(directory)
        .expect("the corpus is there")
        .map(|entry| {
            let path = entry.expect("an entry").path();
            let name = path.file_stem().expect("a name").to_string_lossy();
            (name.into_owned(), std::fs::read(&path).expect("a file"))
        })
        .collect();
    files.sort();
    files
}

fn accepted(name: &str) -> Observation {
    let path = format!("tests/corpus/wire/accepted/{name}.json");
    let body = std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).expect(name);
    read_task(&body, ID).expect(name)
}

#[test]
fn every_file_of_the_corpus_that_is_a_task_is_read() {
    let files = corpus("accepted");
    assert!(files.len() > 10, "{}", files.len());
    for (name, body) in files {
        match read_task(&body, ID) {
            Ok(seen) => assert_possible(&seen).unwrap_or_else(|why| panic!("{name}: {why}")),
            Err(error) => panic!("{name}: {error}"),
        }
        let other = read_task(&body, "another");
        assert!(other.is_err(), "{name}: read for another task");
    }
}

#[test]
fn every_file_of_the_corpus_that_is_no_task_is_refused_with_a_reason() {
    let files = corpus("refused");
    assert!(files.len() > 20, "{}", files.len());
    for (name, body) in files {
        match read_task(&body, ID) {
            Ok(seen) => panic!("{name}: {seen:?}"),
            Err(error) => assert!(!error.is_empty(), "{name}"),
        }
    }
}

#[test]
fn an_accepted_task_has_the_values_that_were_sent_and_printable_text() {
    let whole = accepted("a_whole_task");
    assert_eq!(whole.status, Status::InProgress);
    assert_eq!((whole.desired, whole.results), (100, 42));
    assert_eq!(
        (whole.discovered, whole.enriched, whole.evaluated),
        (140, 120, 110)
    );
    for same in ["a_whole_number_written_as_text", "the_id_in_braces"] {
        assert_eq!(accepted(same).results, 100);
    }
    let spaced = accepted("control_characters_in_a_text");
    assert_eq!(spaced.query.as_deref(), Some("two lines and more"));
    assert!(accepted("a_number_for_a_boolean").is_exhausted);
    let least = accepted("only_what_decides_about_money");
    assert_eq!(least.status, Status::Done);
    assert!(!least.is_exhausted && least.query.is_none());
    let commands = accepted("a_status_that_would_command_a_terminal");
    assert_eq!(commands.status, Status::Unknown(" [2Jdone ".to_owned()));
    let commands = accepted("a_query_that_would_command_a_terminal");
    assert_eq!(commands.query.as_deref(), Some(" ]0;title  and   and  31m"));
    let long = accepted("a_long_query").query.unwrap();
    assert_eq!(long.chars().count(), 2_000);
    let most = accepted("the_largest_number_there_is");
    assert_eq!((most.desired, most.results), (i64::MAX, i64::MAX));
}

// --- invariants of an accepted task ---

fn assert_possible(seen: &Observation) -> Result<(), String> {
    let counters = [
        seen.desired,
        seen.discovered,
        seen.enriched,
        seen.evaluated,
        seen.results,
    ];
    if counters.iter().any(|counter| *counter < 0) {
        return Err(format!("a negative counter: {seen:?}"));
    }
    let query = seen.query.as_deref().unwrap_or_default();
    let status = seen.status.as_str();
    if query.chars().count() > 2_000 || status.chars().count() > 64 {
        return Err(format!("a text without bounds: {seen:?}"));
    }
    if query.chars().chain(status.chars()).any(char::is_control) {
        return Err(format!("a text that commands a terminal: {seen:?}"));
    }
    Ok(())
}

/// Whether a JSON number or string has exactly this value.
fn has_value(value: &Value, number: i64) -> bool {
    let text = value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned);
    let number = number.to_string();
    let float = text.parse().map(|float: f64| float.to_string());
    text == number || float == Ok(number)
}

/// If the reader accepts the bytes, a general JSON reader finds an object with the same values of the required fields.
fn check(body: &[u8]) -> Result<(), TestCaseError> {
    let Ok(seen) = read_task(body, ID) else {
        return Ok(());
    };
    assert_possible(&seen).map_err(TestCaseError::fail)?;
    prop_assert!(read_task(body, "another").is_err());
    // The general reader limits nesting; the reader under test has no limit for values that it skips.
    if let Ok(value) = serde_json::from_slice::<Value>(body) {
        let id = value["id"].as_str().unwrap_or_default();
        prop_assert_eq!(Uuid::try_parse(id), Uuid::try_parse(ID));
        prop_assert!(value["status"].is_string());
        prop_assert!(has_value(&value["desired_num_results"], seen.desired));
        prop_assert!(has_value(&value["num_results"], seen.results));
    }
    Ok(())
}

// --- tasks and mutations ---

fn valid() -> impl Strategy<Value = Value> {
    let status = select(vec!["created", "in_progress", "done", "failed", "new"]);
    let counters = prop::array::uniform5(prop_oneof![0..1_000_i64, Just(i64::MAX)]);
    let query = prop::option::of(".{0,40}");
    (status, counters, any::<bool>(), query).prop_map(|(status, counters, exhausted, query)| {
        let mut task =
            json!({"id": ID, "status": status, "is_exhausted": exhausted, "query": query});
        for (name, counter) in COUNTERS.into_iter().zip(counters) {
            task[name] = json!(counter);
        }
        task
    })
}

/// A JSON text that is not a count.
fn no_count() -> impl Strategy<Value = String> {
    prop_oneof![
        (i64::MIN..0).prop_map(|number| number.to_string()),
        (1_u64..).prop_map(|more| (u128::from(more) + i64::MAX as u128).to_string()),
        "[1-9][0-9]{19,400}",
        "-[0-9]{1,3}\\.[0-9]{1,3}",
        "[0-9]{1,3}\\.[0-9]{0,2}[1-9]",
        "[1-9]e(-[1-9]|1[3-9]|[2-9][0-9]|[1-9][0-9]{2,3})",
        select(vec![
            "-0.0",
            "NaN",
            "-NaN",
            "Infinity",
            "-Infinity",
            "1e400",
            "-1e400",
            "0x10",
            "1_000",
            "+1",
            "01",
            ".5",
            "1.",
            "--1",
            "null",
            "true",
            "\"\"",
            "\"abc\"",
            "\"1.5\"",
            "\"-1\"",
            "\"+1\"",
            "\" 1\"",
            "\"01\"",
            "\"1,000\"",
            "\"0x10\"",
            "\"NaN\"",
            "\"1e400\"",
            "\"9223372036854775808\"",
            "\"\\\"1\\\"\"",
            "[1]",
            "{}",
            "",
        ])
        .prop_map(str::to_owned),
    ]
}

/// A JSON text that is not a string.
fn no_text() -> impl Strategy<Value = String> {
    let surrogate = (0xd800_u32..0xe000).prop_map(|half| format!("\"\\u{half:04x}\""));
    prop_oneof![
        surrogate,
        "\"\\\\ud83e\\\\u00[0-9a-f]{2}\"",
        select(vec![
            "7",
            "null",
            "{}",
            "[\"done\"]",
            "\"\\x41\"",
            "\"done",
            "'done'",
            "done"
        ])
        .prop_map(str::to_owned),
    ]
}

fn written(task: &Value, name: &str, text: &str) -> String {
    const MARK: &str = "the-mark-of-the-place";
    let mut task = task.clone();
    task[name] = json!(MARK);
    task.to_string().replace(&format!("\"{MARK}\""), text)
}

#[test]
fn a_valid_task_is_read_as_it_is() {
    for_each(300, &valid(), |task| {
        let seen = read_task(task.to_string().as_bytes(), ID).map_err(TestCaseError::fail)?;
        prop_assert_eq!(Some(seen.results), task["num_results"].as_i64());
        prop_assert_eq!(Some(seen.desired), task["desired_num_results"].as_i64());
        prop_assert_eq!(Some(seen.status.as_str()), task["status"].as_str());
        prop_assert_eq!(Some(seen.is_exhausted), task["is_exhausted"].as_bool());
        check(task.to_string().as_bytes())
    });
}

#[test]
fn arbitrary_bytes_are_no_task() {
    for_each(2_000, &vec(any::<u8>(), 0..300), |body| {
        prop_assert!(read_task(&body, ID).is_err());
        Ok(())
    });
}

#[test]
fn text_that_looks_like_json_is_no_task() {
    let like_json = "[\\[\\]{}\",:0-9eE+.tfn\\\\ -]{0,200}";
    for_each(1_000, &like_json, |text| {
        prop_assert!(read_task(text.as_bytes(), ID).is_err());
        Ok(())
    });
}

#[test]
fn a_task_with_some_bytes_changed_is_refused_or_still_one() {
    let changes = vec((any::<Index>(), any::<u8>()), 1..6);
    for_each(1_500, &(valid(), changes), |(task, changes)| {
        let mut body = task.to_string().into_bytes();
        for (place, byte) in changes {
            let place = place.index(body.len());
            body[place] ^= byte;
        }
        check(&body)
    });
}

#[test]
fn a_task_with_a_bit_flipped_anywhere_is_refused_or_still_one() {
    let task = json!({"id": ID, "status": "done", "desired_num_results": 100, "num_results": 42});
    let body = task.to_string().into_bytes();
    for place in 0..body.len() * 8 {
        let mut body = body.clone();
        body[place / 8] ^= 1 << (place % 8);
        check(&body).unwrap_or_else(|why| panic!("bit {place}: {why}"));
    }
}

#[test]
fn a_task_cut_short_anywhere_is_refused() {
    for_each(20, &valid(), |task| {
        let body = task.to_string().into_bytes();
        for end in 0..body.len() {
            prop_assert!(read_task(&body[..end], ID).is_err(), "{}", end);
        }
        Ok(())
    });
}

#[test]
fn a_task_with_pieces_moved_about_is_refused_or_still_one() {
    let pieces = (any::<Index>(), any::<Index>(), any::<Index>());
    for_each(1_000, &(valid(), pieces), |(task, (from, length, to))| {
        let mut body = task.to_string().into_bytes();
        let from = from.index(body.len());
        let length = length.index(body.len() - from);
        let piece = body[from..from + length].to_vec();
        let to = to.index(body.len());
        body.splice(to..to, piece);
        check(&body)
    });
}

#[test]
fn a_task_without_a_required_field_is_refused() {
    for_each(200, &(valid(), select(MONEY.to_vec())), |(task, name)| {
        let mut missing = task.clone();
        missing.as_object_mut().unwrap().remove(name);
        prop_assert!(read_task(missing.to_string().as_bytes(), ID).is_err());
        missing[name] = Value::Null;
        prop_assert!(read_task(missing.to_string().as_bytes(), ID).is_err());
        Ok(())
    });
}

#[test]
fn a_task_with_a_required_field_twice_is_refused() {
    let doubled = (valid(), select(MONEY.to_vec()), any::<bool>());
    for_each(200, &doubled, |(task, name, first)| {
        let text = task.to_string();
        let again = format!("{name:?}:{}", task[name]);
        let body = if first {
            format!("{{{again},{}", &text[1..])
        } else {
            format!("{},{again}}}", &text[..text.len() - 1])
        };
        prop_assert!(read_task(body.as_bytes(), ID).is_err(), "{}", body);
        Ok(())
    });
}

#[test]
fn a_counter_that_is_no_count_is_refused() {
    let money = vec!["desired_num_results", "num_results"];
    for_each(
        1_000,
        &(valid(), select(money), no_count()),
        |(task, name, text)| {
            let body = written(&task, name, &text);
            prop_assert!(read_task(body.as_bytes(), ID).is_err(), "{}", body);
            Ok(())
        },
    );
    // A `null` equals a missing field.
    for_each(
        500,
        &(valid(), select(COUNTERS.to_vec()), no_count()),
        |(task, name, text)| {
            let body = written(&task, name, &text);
            prop_assert!(
                text == "null" || read_task(body.as_bytes(), ID).is_err(),
                "{}",
                body
            );
            Ok(())
        },
    );
}

#[test]
fn an_id_or_a_status_that_is_no_text_is_refused() {
    for_each(
        500,
        &(valid(), select(vec!["id", "status"]), no_text()),
        |(task, name, text)| {
            let body = written(&task, name, &text);
            prop_assert!(read_task(body.as_bytes(), ID).is_err(), "{}", body);
            Ok(())
        },
    );
}

#[test]
fn a_count_in_another_form_is_the_same_count() {
    let form = select(vec!["N.0", "N.000", "\"N\"", "\"N.0\"", "Ne0", "0.NE9"]);
    let count = 0..1_000_000_000_i64;
    for_each(
        500,
        &(valid(), select(COUNTERS.to_vec()), count, form),
        |(task, name, count, form)| {
            let nine_digits = format!("{count:09}");
            let number = if form.starts_with("0.") {
                &nine_digits
            } else {
                &count.to_string()
            };
            let body = written(&task, name, &form.replace('N', number));
            let mut expected = task;
            expected[name] = json!(count);
            let expected = read_task(expected.to_string().as_bytes(), ID);
            prop_assert_eq!(read_task(body.as_bytes(), ID), expected, "{}", body);
            check(body.as_bytes())
        },
    );
}

#[test]
fn a_byte_order_mark_and_0_and_1_for_a_boolean_change_nothing() {
    for_each(200, &valid(), |task| {
        let expected = read_task(task.to_string().as_bytes(), ID);
        let number = if task["is_exhausted"] == true {
            "1"
        } else {
            "0"
        };
        let body = format!("\u{feff}{}", written(&task, "is_exhausted", number));
        prop_assert_eq!(read_task(body.as_bytes(), ID), expected, "{}", body);
        Ok(())
    });
    for_each(
        200,
        &(valid(), "[2-9]|1[0-9]|-[0-9]|\"[a-z]*\""),
        |(task, text)| {
            let body = written(&task, "is_exhausted", &text);
            prop_assert!(read_task(body.as_bytes(), ID).is_err(), "{}", body);
            Ok(())
        },
    );
}

#[test]
fn a_control_character_anywhere_changes_no_count() {
    let control = 0..0x20_u8;
    for_each(
        1_500,
        &(valid(), any::<Index>(), control),
        |(task, place, control)| {
            let mut body = task.to_string().into_bytes();
            let whole = read_task(&body, ID).map_err(TestCaseError::fail)?;
            body.insert(place.index(body.len() + 1), control);
            check(&body)?;
            if let Ok(seen) = read_task(&body, ID) {
                prop_assert_eq!((seen.desired, seen.results), (whole.desired, whole.results));
            }
            Ok(())
        },
    );
    // Inside a string it is read as a space.
    for_each(
        200,
        &(valid(), vec(0..0x20_u8, 1..20)),
        |(task, controls)| {
            let controls: String = controls.into_iter().map(char::from).collect();
            let body = written(&task, "query", &format!("\"{controls}\""));
            let seen = read_task(body.as_bytes(), ID).map_err(TestCaseError::fail)?;
            prop_assert_eq!(seen.query, Some(" ".repeat(controls.len())));
            Ok(())
        },
    );
}

#[test]
fn an_id_is_the_one_that_was_asked_for() {
    let other = prop_oneof![
        ".{0,40}",
        Just(format!("{ID} ")),
        Just(format!("\u{0}{ID}")),
        Just(format!("{{{ID}")),
        Just(ID.replacen('0', "1", 1)),
        Just(ID.replacen('-', "_", 1)),
        Just(ID[..35].to_owned()),
    ];
    for_each(500, &(valid(), other), |(mut task, other)| {
        prop_assume!(other != ID);
        task["id"] = json!(other);
        prop_assert!(read_task(task.to_string().as_bytes(), ID).is_err());
        Ok(())
    });
}

#[test]
fn an_id_that_is_a_uuid_is_the_same_in_each_of_its_forms() {
    let form = select(vec!["H", "S", "{H}", "urn:uuid:H"]);
    let ids = (any::<u128>(), any::<u128>());
    for_each(
        500,
        &(valid(), ids, form, any::<bool>()),
        |(mut task, (one, other), form, upper)| {
            let (one, other) = (Uuid::from_u128(one), Uuid::from_u128(other));
            let written = |id: Uuid| {
                let form = form.replace('H', &id.hyphenated().to_string());
                let form = form.replace('S', &id.simple().to_string());
                if upper { form.to_uppercase() } else { form }
            };
            task["id"] = json!(written(one));
            let body = task.to_string();
            prop_assert!(
                read_task(body.as_bytes(), &one.to_string()).is_ok(),
                "{}",
                body
            );
            prop_assert!(one == other || read_task(body.as_bytes(), &other.to_string()).is_err());
            Ok(())
        },
    );
}

#[test]
fn nesting_of_any_depth_does_no_harm() {
    for depth in [1, 100, 127, 128, 129, 1_000, 100_000] {
        for (open, close) in [("[", "]"), ("{\"x\":", "}"), ("[{\"x\":[", "]}]")] {
            let nested = format!("{}1{}", open.repeat(depth), close.repeat(depth));
            let whole =
                json!({"id": ID, "status": "done", "desired_num_results": 1, "num_results": 1});
            // In an unknown field any depth is accepted; in a known one the type is wrong.
            check(written(&whole, "new", &nested).as_bytes()).unwrap();
            for name in MONEY.into_iter().chain(["query", "is_exhausted"]) {
                let body = written(&whole, name, &nested);
                assert!(read_task(body.as_bytes(), ID).is_err(), "{name} {depth}");
            }
            assert!(read_task(nested.as_bytes(), ID).is_err());
            assert!(read_task(open.repeat(depth).as_bytes(), ID).is_err());
        }
    }
}
