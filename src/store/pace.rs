//! `progress.pace`: what the pace remembers of a run from one look to the next, as JSON.

use crate::core::pace::{MARKS, Mark, Memory};
use serde::Deserialize;
use std::fmt::Write as _;

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
        evaluated,
        came_at,
        marks,
    } = memory;
    let mut text = format!(
        "{{\"age\":{age:.5e},\"results\":{results:.5e},\"position\":{position:.5e},\"rate\":{rate:.5e},\
         \"recent_results\":{recent_results:.5e},\"recent_seconds\":{recent_seconds:.5e},\
         \"evaluated\":{evaluated:.5e},\"came_at\":{came_at:.5e},\"marks\":["
    );
    let used = marks.iter().filter(|mark| mark.count > 0.0);
    for (nth, Mark { age, count }) in used.enumerate() {
        let comma = if nth > 0 { "," } else { "" };
        // Writing to a text does not fail.
        let _ = write!(text, "{comma}[{age:.5e},{count:.5e}]");
    }
    text.push_str("]}");
    text
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
    evaluated: f64,
    came_at: f64,
    marks: Vec<[f64; 2]>,
}

/// Reads it back. What is not whole, or cannot be, is none at all: the pace then begins anew, which costs a few looks.
pub(super) fn from_column(text: Option<&str>) -> Option<Memory> {
    let written: Written = serde_json::from_str(text?).ok()?;
    let mut marks = [Mark::default(); MARKS];
    if written.marks.len() > MARKS {
        return None;
    }
    for (mark, [age, count]) in marks.iter_mut().zip(written.marks) {
        *mark = Mark { age, count };
    }
    let memory = Memory {
        age: written.age,
        results: written.results,
        position: written.position,
        rate: written.rate,
        recent_results: written.recent_results,
        recent_seconds: written.recent_seconds,
        evaluated: written.evaluated,
        came_at: written.came_at,
        marks,
    };
    let numbers = [
        memory.age,
        memory.results,
        memory.position,
        memory.rate,
        memory.recent_results,
        memory.recent_seconds,
        memory.evaluated,
        memory.came_at,
    ];
    let points = marks.iter().flat_map(|mark| [&mark.age, &mark.count]);
    let usable = |number: &f64| number.is_finite() && *number >= 0.0;
    // The recent past is a part of the run; 1 is more than rounding makes of it.
    let is_part =
        memory.recent_results <= memory.results + 1.0 && memory.recent_seconds <= memory.age + 1.0;
    (numbers.iter().chain(points).all(usable) && is_part).then_some(memory)
}

#[cfg(test)]
mod tests {
    use super::{from_column, to_text};
    use crate::core::pace::{MARKS, Mark, Memory};

    fn memory() -> Memory {
        let mut marks = [Mark::default(); MARKS];
        marks[0] = Mark {
            age: 60.5,
            count: 8.5,
        };
        marks[1] = Mark {
            age: 300.25,
            count: 33.5,
        };
        Memory {
            age: 1234.5,
            results: 61.0,
            position: 61.25,
            rate: 0.078_125,
            recent_results: 17.75,
            recent_seconds: 230.5,
            evaluated: 92.0,
            came_at: 1230.5,
            marks,
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
            &text.replace("8.50000e0", "\"x\""),
            &text.replace("8.50000e0", "-8.50000e0"),
            &text.replace(
                "[6.05000e1",
                "[1,1],[1,1],[1,1],[1,1],[1,1],[1,1],[1,1],[6.05000e1",
            ),
            // As an earlier version wrote it.
            &text.replace("\"marks\"", "\"slips\""),
            &text.replace("2.30500e2", "-2.30500e2"),
            &text.replace("2.30500e2", "2.30500e4"),
            &text.replace("1.77500e1", "1e308"),
        ] {
            assert_eq!(from_column(Some(broken)), None, "{broken}");
        }
        assert_eq!(from_column(None), None);
    }
}
