//! From an event to a line in the log: transitions at info, what asks for an operator at warn, and a storm of either
//! kind of trouble in few lines.

mod throttle;

use crate::core::TaskId;
use crate::core::step::Event;
use crate::logging::clean;
use serde_json::Value;
use std::collections::HashSet;
use throttle::Throttle;
use tokio::time::Instant;
use tracing::Level;
use tracing::field::display;

/// Tells what happened.
#[derive(Debug, Default)]
pub struct EventLog {
    throttle: Throttle,
}

/// A line to be.
#[derive(Debug, PartialEq)]
struct Line {
    level: Level,
    text: String,
    /// The kind of trouble that it belongs to, where it does.
    trouble: Option<String>,
}

impl EventLog {
    /// Tells the events of one transaction; `probing` where the gate was closed before it, and each resume is a probe.
    pub fn events(&mut self, told: &[(Option<TaskId>, Event)], probing: bool) {
        let of = |wanted: fn(&str) -> bool| -> HashSet<&TaskId> {
            let found = told.iter().filter(|(_, event)| wanted(event.kind));
            found.filter_map(|(id, _)| id.as_ref()).collect()
        };
        let asked = of(|kind| kind == "resume_intended");
        let resumes = of(|kind| kind.starts_with("resume_"));
        for (id, event) in told {
            let mut line = line(event);
            let is_in = |set: &HashSet<&TaskId>| id.as_ref().is_some_and(|id| set.contains(id));
            // One line for one thing: what follows from it is told at debug.
            let is_told = match event.kind {
                "state" => text(event, "to") == "growing" && is_in(&asked),
                "error" => text(event, "request") == "resume" && is_in(&resumes),
                _ => false,
            };
            if is_told {
                line = Line {
                    level: Level::DEBUG,
                    trouble: None,
                    ..line
                };
            }
            if id.is_some() {
                join_trouble(event, probing, &mut line);
            }
            self.tell(id.as_ref(), event, &line);
        }
    }

    /// Tells that the database refused something for good: an error, and in few lines where that happens all the time.
    pub fn refused(&mut self, task_id: Option<&TaskId>, text: &str) {
        let text = clean(text);
        if self
            .throttle
            .admits("refused", Level::ERROR, &text, Instant::now())
        {
            tracing::error!(task_id = task_id.map(display), "{text}");
        } else {
            tracing::debug!(task_id = task_id.map(display), "{text}");
        }
    }

    /// Tells that growd goes on without room on the disk, as long as the log's own suffices.
    pub fn disk_is_full(&mut self) {
        let text = "the disk is full, or not sound: growd goes on with the room that its own log gives back; make room on it";
        if self
            .throttle
            .admits("disk", Level::WARN, text, Instant::now())
        {
            tracing::warn!("{text}");
        }
    }

    /// Tells, from time to time, the number of the lines that were not told.
    pub fn sums(&mut self) {
        self.throttle.sums(Instant::now()).iter().for_each(sum);
    }

    /// Tells it for the last time.
    pub fn end(&mut self) {
        self.throttle.last_sums(Instant::now()).iter().for_each(sum);
    }

    fn tell(&mut self, id: Option<&TaskId>, event: &Event, line: &Line) {
        let text = match id {
            Some(id) => clean(&format!("{id}: {}", line.text)),
            None => clean(&line.text),
        };
        let level = match &line.trouble {
            Some(kind)
                if !self
                    .throttle
                    .admits(kind, line.level, &text, Instant::now()) =>
            {
                Level::DEBUG
            }
            _ => line.level,
        };
        let task_id = id.map(display);
        let resume = event.detail.get("resume").and_then(Value::as_i64);
        let event = event.kind;
        match level {
            Level::WARN => tracing::warn!(task_id, resume, event, "{text}"),
            Level::INFO => tracing::info!(task_id, resume, event, "{text}"),
            _ => tracing::debug!(task_id, resume, event, "{text}"),
        }
    }
}

/// Counts a resume that follows a failed one, or that probes a closed gate, as a part of that trouble.
fn join_trouble(event: &Event, probing: bool, line: &mut Line) {
    match event.kind {
        "resume_intended" if probing || follows_failure(event) => {
            line.trouble = Some("asked again".to_owned());
        }
        "state" if probing && line.trouble.is_none() && line.text.starts_with("growing") => {
            line.trouble = Some("waits for the account".to_owned());
        }
        _ => {}
    }
}

/// Whether the resume before this one did not arrive. The event itself says so: nothing has to be remembered for each task.
fn follows_failure(intended: &Event) -> bool {
    matches!(
        text(intended, "previous").as_str(),
        "lost" | "rejected" | "unsent"
    )
}

fn sum((level, text): &(Level, String)) {
    match *level {
        Level::ERROR => tracing::error!(event = "sum", "{text}"),
        Level::WARN => tracing::warn!(event = "sum", "{text}"),
        _ => tracing::info!(event = "sum", "{text}"),
    }
}

fn text(event: &Event, key: &str) -> String {
    match event.detail.get(key) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Null) | None => String::new(),
        Some(other) => other.to_string(),
    }
}

/// What an event is called in the log.
fn line(event: &Event) -> Line {
    let of = |key| text(event, key);
    let resume = of("resume");
    let debug = |text| Line {
        level: Level::DEBUG,
        text,
        trouble: None,
    };
    let info = |text| Line {
        level: Level::INFO,
        ..debug(text)
    };
    let warn = |text, kind: &str| Line {
        level: Level::WARN,
        text,
        trouble: Some(kind.to_owned()),
    };
    match event.kind {
        "state" => {
            let (to, reason) = (of("to"), of("reason"));
            let text = format!("{to}: {reason}");
            match to.as_str() {
                "refused" | "stalled" | "failed" | "missing" => warn(text, &to),
                // That a search is at work is no news: a thousand that were added would say it a thousand times.
                "growing" if of("from") == "pending" => debug(text),
                _ => info(text),
            }
        }
        "resume_intended" => info(format!(
            "asking for {} more, at {} (resume {resume})",
            of("requested"),
            of("baseline_results")
        )),
        "resume_accepted" => debug(format!("resume {resume} arrived")),
        "resume_done" => info(format!(
            "{} asked for, {} came (resume {resume})",
            of("requested"),
            of("brought")
        )),
        "resume_rejected" => {
            let status = of("http_status");
            let text = format!("resume {resume} was rejected: {status}: {}", of("detail"));
            match status.as_str() {
                // The account's: the gate tells it, once.
                "401" | "402" | "403" | "429" => debug(text),
                _ => warn(text, &format!("resume {status}")),
            }
        }
        "resume_unsent" => warn(
            format!("resume {resume} was not sent: {}", of("detail")),
            event.kind,
        ),
        "resume_unanswered" => warn(
            format!(
                "resume {resume} was not answered ({}): looking whether it arrived",
                of("error")
            ),
            &format!("resume {}", class(&of("error"))),
        ),
        "resume_lost" => warn(
            format!("resume {resume} never arrived: it may be asked again"),
            event.kind,
        ),
        "quiet" => warn(
            format!(
                "nothing has changed since {}, and the service says {:?}; polling goes on",
                of("unchanged_since"),
                of("shows")
            ),
            event.kind,
        ),
        "moved" => info(format!(
            "no longer quiet: the service says {:?}",
            of("status")
        )),
        "unknown_status" => warn(
            format!("unknown status {:?}, taken as still running", of("status")),
            event.kind,
        ),
        "error" => {
            let (request, error) = (of("request"), of("error"));
            let kind = format!("{request} {}", class(&error));
            warn(format!("{request} failed: {error}"), &kind)
        }
        "recovered" => Line {
            trouble: Some(event.kind.to_owned()),
            ..info(format!("recovered after {} failures", of("failures")))
        },
        "gate" if of("to") == "open" => Line {
            trouble: Some("gate open".to_owned()),
            ..info("gate open: requests go on".to_owned())
        },
        "gate" => {
            let to = of("to");
            let text = format!(
                "gate {to}: {}; the next try is at {}",
                of("reason"),
                of("until")
            );
            warn(text, &format!("gate {to}"))
        }
        other => info(format!("{other} {}", event.detail)),
    }
}

/// What an error is an error of: its words up to the first colon, such as the status code.
fn class(error: &str) -> &str {
    error.split(':').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn event(kind: &'static str, detail: Value) -> Event {
        Event { kind, detail }
    }

    #[test]
    fn trouble_is_told_apart_by_what_it_is_and_not_by_the_services_words() {
        let of = |error: &str| {
            let detail = json!({"request": "poll", "error": error});
            line(&event("error", detail)).trouble
        };
        assert_eq!(of("500: request 1 failed"), of("500: request 2 failed"));
        assert_ne!(of("500: x"), of("502: x"));
        assert_ne!(of("500: x"), of("timeout"));
    }

    #[test]
    fn what_the_gate_tells_is_not_told_of_each_resume() {
        for (status, level) in [(402, Level::DEBUG), (429, Level::DEBUG), (400, Level::WARN)] {
            let detail = json!({"resume": 1, "http_status": status, "detail": "x"});
            assert_eq!(line(&event("resume_rejected", detail)).level, level);
        }
    }

    #[test]
    fn a_transition_is_no_trouble_and_always_told() {
        let reached = line(&event("state", json!({"to": "reached", "reason": "r"})));
        assert_eq!((reached.level, reached.trouble), (Level::INFO, None));
        let at_work = json!({"from": "pending", "to": "growing", "reason": "r"});
        assert_eq!(line(&event("state", at_work)).level, Level::DEBUG);
        let asked = line(&event(
            "resume_intended",
            json!({"resume": 7, "requested": 20, "baseline_results": 25}),
        ));
        assert_eq!((asked.level, asked.trouble), (Level::INFO, None));
        assert_eq!(asked.text, "asking for 20 more, at 25 (resume 7)");
    }

    #[test]
    fn being_asked_again_after_trouble_belongs_to_the_trouble() {
        let told = |previous: Option<&str>, probing| {
            let event = event(
                "resume_intended",
                json!({"resume": 2, "previous": previous}),
            );
            let mut line = line(&event);
            join_trouble(&event, probing, &mut line);
            line.trouble
        };
        assert_eq!(told(None, false), None);
        assert_eq!(told(Some("accepted"), false), None);
        let again = Some("asked again".to_owned());
        for previous in ["lost", "rejected", "unsent"] {
            assert_eq!(told(Some(previous), false), again);
        }
        assert_eq!(told(Some("accepted"), true), again);
    }
}
