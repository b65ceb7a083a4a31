//! `progress.pace`: the memory of the pace between two polls, as JSON.

use crate::core::pace::Memory;
use serde::{Deserialize, Serialize};

/// The JSON object. Six digits exceed the accuracy of the values, and are quick to write and read, which happens with each
/// poll. Fields that earlier versions wrote as well are ignored; `jumps` is one that they did not write.
#[derive(Serialize, Deserialize)]
struct Written {
    age: f32,
    results: f32,
    #[serde(rename = "came_at")]
    progressed_at: f32,
    #[serde(default)]
    jumps: bool,
}

/// Returns the column's value; none if a number cannot be written.
pub(super) fn to_text(memory: &Memory) -> Option<String> {
    #[allow(
        clippy::cast_possible_truncation,
        reason = "a number that is too large becomes infinite, and is refused when it is read"
    )]
    let short = |number: f64| number as f32;
    serde_json::to_string(&Written {
        age: short(memory.age),
        results: short(memory.results),
        progressed_at: short(memory.progressed_at),
        jumps: memory.jumps,
    })
    .ok()
}

/// Reads the column's value; `None` if it is incomplete or invalid. The pace then starts anew, which costs a few polls.
pub(super) fn from_column(text: Option<&str>) -> Option<Memory> {
    let written: Written = serde_json::from_str(text?).ok()?;
    let memory = Memory {
        age: written.age.into(),
        results: written.results.into(),
        progressed_at: written.progressed_at.into(),
        jumps: written.jumps,
    };
    let numbers = [memory.age, memory.results, memory.progressed_at];
    let is_usable = |number: &f64| number.is_finite() && *number >= 0.0;
    // 1 allows for rounding.
    let is_past = memory.progressed_at <= memory.age + 1.0;
    (numbers.iter().all(is_usable) && is_past).then_some(memory)
}

#[cfg(test)]
mod tests {
    use super::{from_column, to_text};
    use crate::core::pace::Memory;

    const MEMORY: Memory = Memory {
        age: 1234.5,
        results: 61.0,
        progressed_at: 1230.5,
        jumps: true,
    };

    #[test]
    fn what_was_written_is_read_back() {
        let text = to_text(&MEMORY).unwrap();
        assert_eq!(from_column(Some(&text)), Some(MEMORY));
    }

    #[test]
    fn what_an_earlier_version_wrote_is_read() {
        let text = r#"{"age":1234.5,"results":61.0,"position":61.25,"rate":0.078125,"recent_results":17.75,
            "recent_seconds":230.5,"evaluated":92.0,"came_at":1230.5,"marks":[[60.5,8.5],[300.25,33.5]]}"#;
        let without = Memory {
            jumps: false,
            ..MEMORY
        };
        assert_eq!(from_column(Some(text)), Some(without));
    }

    #[test]
    fn an_incomplete_or_invalid_value_is_not_used() {
        let text = to_text(&MEMORY).unwrap();
        for broken in [
            "",
            "null",
            "[]",
            "{}",
            &text[1..],
            &text.replace("\"results\"", "\"result\""),
            &text.replace("61.0", "\"x\""),
            &text.replace("61.0", "-61.0"),
            &text.replace("\"came_at\"", "\"slips\""),
            &text.replace("1230.5", "-1230.5"),
            &text.replace("1230.5", "12300.5"),
            &text.replace("61.0", "1e308"),
            &text.replace("true", "1"),
        ] {
            assert_eq!(from_column(Some(broken)), None, "{broken}");
        }
        assert_eq!(from_column(None), None);
    }
}
