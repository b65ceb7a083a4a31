//! `progress.pace`: the memory of the pace between two polls, as JSON.

use crate::core::pace::{MARKS, Mark, Memory};
use serde::{Deserialize, Serialize};

/// The JSON object. The numbers are `f32`: six digits are more than they are exact to.
#[derive(Serialize, Deserialize)]
struct Written {
    age: f32,
    results: f32,
    position: f32,
    rate: f32,
    recent_results: f32,
    recent_seconds: f32,
    evaluated: f32,
    came_at: f32,
    marks: Vec<[f32; 2]>,
}

/// Returns the column's value; none if a number cannot be written.
pub(super) fn to_text(memory: &Memory) -> Option<String> {
    #[allow(
        clippy::cast_possible_truncation,
        reason = "a number that is too large becomes infinite, and is refused when it is read"
    )]
    let short = |number: f64| number as f32;
    let used = memory.marks.iter().filter(|mark| mark.count > 0.0);
    serde_json::to_string(&Written {
        age: short(memory.age),
        results: short(memory.results),
        position: short(memory.position),
        rate: short(memory.rate),
        recent_results: short(memory.recent_results),
        recent_seconds: short(memory.recent_seconds),
        evaluated: short(memory.evaluated),
        came_at: short(memory.came_at),
        marks: used
            .map(|mark| [short(mark.age), short(mark.count)])
            .collect(),
    })
    .ok()
}

/// Reads the column. A value that is incomplete or impossible is none: the pace then starts anew, which costs a few
/// polls.
pub(super) fn from_column(text: Option<&str>) -> Option<Memory> {
    let written: Written = serde_json::from_str(text?).ok()?;
    let mut marks = [Mark::default(); MARKS];
    if written.marks.len() > MARKS {
        return None;
    }
    for (mark, [age, count]) in marks.iter_mut().zip(written.marks) {
        *mark = Mark {
            age: age.into(),
            count: count.into(),
        };
    }
    let memory = Memory {
        age: written.age.into(),
        results: written.results.into(),
        position: written.position.into(),
        rate: written.rate.into(),
        recent_results: written.recent_results.into(),
        recent_seconds: written.recent_seconds.into(),
        evaluated: written.evaluated.into(),
        came_at: written.came_at.into(),
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
    // The recent part is not larger than the run; rounding adds less than 1.
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
    fn a_memory_is_read_back_as_it_was_written() {
        let text = to_text(&memory()).unwrap();
        assert_eq!(from_column(Some(&text)), Some(memory()));
    }

    #[test]
    fn an_incomplete_or_impossible_value_is_none() {
        let text = to_text(&memory()).unwrap();
        for broken in [
            "",
            "null",
            "[]",
            "{}",
            &text[1..],
            &text.replace("rate", "rat"),
            &text.replace("8.5", "\"x\""),
            &text.replace("8.5", "-8.5"),
            &text.replace("[60.5", "[1,1],[1,1],[1,1],[1,1],[1,1],[1,1],[1,1],[60.5"),
            // Written by an earlier version.
            &text.replace("\"marks\"", "\"slips\""),
            &text.replace("230.5,", "-230.5,"),
            &text.replace("230.5,", "23050.0,"),
            &text.replace("17.75", "1e308"),
        ] {
            assert_eq!(from_column(Some(broken)), None, "{broken}");
        }
        assert_eq!(from_column(None), None);
    }
}
