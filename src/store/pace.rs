//! `progress.pace`: what the pace remembers of a run from one look to the next, as JSON.

use crate::core::pace::Memory;
use serde_json::{Value, json};

/// The column's value.
pub(super) fn to_json(memory: &Memory) -> Value {
    json!({
        "age": short(memory.age),
        "results": memory.results,
        "position": short(memory.position),
        "rate": short(memory.rate),
        "recent_results": short(memory.recent_results),
        "recent_seconds": short(memory.recent_seconds),
        "end": short(memory.end),
        "slips": memory.slips.map(short),
    })
}

/// Reads it back. What is not whole is none at all: the pace then begins anew, which costs a few looks.
pub(super) fn from_column(text: Option<&str>) -> Option<Memory> {
    let value: Value = serde_json::from_str(text?).ok()?;
    let number = |name: &str| value.get(name)?.as_f64();
    let slip = |index: usize| value.get("slips")?.get(index)?.as_f64();
    Some(Memory {
        age: number("age")?,
        results: number("results")?,
        position: number("position")?,
        rate: number("rate")?,
        recent_results: number("recent_results")?,
        recent_seconds: number("recent_seconds")?,
        end: number("end")?,
        slips: [slip(0)?, slip(1)?],
    })
}

/// Six significant digits are far more than any of it is exact to.
fn short(number: f64) -> f64 {
    format!("{number:.5e}").parse().unwrap_or(number)
}

#[cfg(test)]
mod tests {
    use super::{from_column, to_json};
    use crate::core::pace::Memory;

    fn memory() -> Memory {
        Memory {
            age: 1234.5,
            results: 61.0,
            position: 61.25,
            rate: 0.078_125,
            recent_results: 17.75,
            recent_seconds: 230.5,
            end: 1725.5,
            slips: [0.25, 0.0],
        }
    }

    #[test]
    fn what_was_written_is_read_back() {
        let text = to_json(&memory()).to_string();
        assert_eq!(from_column(Some(&text)), Some(memory()));
    }

    #[test]
    fn what_is_not_whole_is_none_at_all() {
        let text = to_json(&memory()).to_string();
        for broken in [
            "",
            "null",
            "[]",
            "{}",
            &text[1..],
            &text.replace("rate", "rat"),
            &text.replace("0.25", "\"x\""),
        ] {
            assert_eq!(from_column(Some(broken)), None, "{broken}");
        }
        assert_eq!(from_column(None), None);
    }
}
