//! `progress.pace`: what the pace remembers of a run from one look to the next, as JSON.

use crate::core::pace::{MARKS, Mark, Memory};
use serde::{Deserialize, Serialize};

/// What is written. Six digits are more than any of it is exact to, and so few are quickly written and read, which is
/// done with each look.
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

/// The column's value; none where there is a number that cannot be written.
pub(super) fn to_text(memory: &Memory) -> Option<String> {
    #[allow(
        clippy::cast_possible_truncation,
        reason = "what is too large is infinite then, and cannot be read back"
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

/// Reads it back. What is not whole, or cannot be, is none at all: the pace then begins anew, which costs a few looks.
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
        let text = to_text(&memory()).unwrap();
        assert_eq!(from_column(Some(&text)), Some(memory()));
    }

    #[test]
    fn what_is_not_whole_is_none_at_all() {
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
            // As an earlier version wrote it.
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
