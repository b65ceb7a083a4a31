//! `progress.pace`: what the pace remembers of a run from one look to the next, as JSON.

use crate::core::pace::Memory;
use serde::Deserialize;

/// The column's value. Six significant digits are far more than any of it is exact to; in this form they are written and
/// read a good deal faster than as a tree of JSON, and that is done with each look.
pub(super) fn to_text(memory: &Memory) -> String {
    let Memory {
        age,
        results,
        position,
        rate,
        recent_results,
        recent_seconds,
        came_at,
        end,
        slips: [one, other],
    } = memory;
    format!(
        "{{\"age\":{age:.5e},\"results\":{results:.5e},\"position\":{position:.5e},\"rate\":{rate:.5e},\
         \"recent_results\":{recent_results:.5e},\"recent_seconds\":{recent_seconds:.5e},\"came_at\":{came_at:.5e},\"end\":{end:.5e},\
         \"slips\":[{one:.5e},{other:.5e}]}}"
    )
}

/// The same, read back.
#[derive(Deserialize)]
struct Written {
    age: f64,
    results: f64,
    position: f64,
    rate: f64,
    recent_results: f64,
    recent_seconds: f64,
    came_at: f64,
    end: f64,
    slips: [f64; 2],
}

/// Reads it back. What is not whole, or cannot be, is none at all: the pace then begins anew, which costs a few looks.
pub(super) fn from_column(text: Option<&str>) -> Option<Memory> {
    let written: Written = serde_json::from_str(text?).ok()?;
    let memory = Memory {
        age: written.age,
        results: written.results,
        position: written.position,
        rate: written.rate,
        recent_results: written.recent_results,
        recent_seconds: written.recent_seconds,
        came_at: written.came_at,
        end: written.end,
        slips: written.slips,
    };
    let numbers = [
        memory.age,
        memory.results,
        memory.position,
        memory.rate,
        memory.recent_results,
        memory.recent_seconds,
        memory.came_at,
        memory.end,
        memory.slips[0],
        memory.slips[1],
    ];
    let usable = |number: &f64| number.is_finite() && *number >= 0.0;
    // The recent past is a part of the run; 1 is more than rounding makes of it.
    let is_part =
        memory.recent_results <= memory.results + 1.0 && memory.recent_seconds <= memory.age + 1.0;
    (numbers.iter().all(usable) && is_part).then_some(memory)
}

#[cfg(test)]
mod tests {
    use super::{from_column, to_text};
    use crate::core::pace::Memory;

    fn memory() -> Memory {
        Memory {
            age: 1234.5,
            results: 61.0,
            position: 61.25,
            rate: 0.078_125,
            recent_results: 17.75,
            recent_seconds: 230.5,
            came_at: 1230.5,
            end: 1725.5,
            slips: [0.25, 0.0],
        }
    }

    #[test]
    fn what_was_written_is_read_back() {
        let text = to_text(&memory());
        assert_eq!(from_column(Some(&text)), Some(memory()));
    }

    #[test]
    fn what_is_not_whole_is_none_at_all() {
        let text = to_text(&memory());
        for broken in [
            "",
            "null",
            "[]",
            "{}",
            &text[1..],
            &text.replace("rate", "rat"),
            &text.replace("2.50000e-1", "\"x\""),
            &text.replace("2.30500e2", "-2.30500e2"),
            &text.replace("2.30500e2", "2.30500e4"),
            &text.replace("1.77500e1", "1e308"),
        ] {
            assert_eq!(from_column(Some(broken)), None, "{broken}");
        }
        assert_eq!(from_column(None), None);
    }
}
