//! The event log: makes a line of each event. Transitions are logged at info, what needs an operator at warn, and repeated
//! lines of one kind are throttled.

mod line;
mod search_line;
mod throttle;

use crate::core::TaskId;
use crate::core::event::Event;
use crate::core::gate::Request;
use crate::core::progress::State;
use crate::core::search::event::SearchEvent;
use crate::logging::clean;
use line::{Line, ThrottleKind, line, repetition};
use std::collections::HashSet;
use throttle::Throttle;
use tokio::time::Instant;
use tracing::Level;
use tracing::field::display;

/// Logs events.
#[derive(Debug, Default)]
pub struct EventLog {
    throttle: Throttle<ThrottleKind>,
}

impl EventLog {
    /// Logs the events of one transaction. `probing`: the gate was closed before it, and each resume is a probe.
    pub fn transaction(&mut self, events: &[(Option<TaskId>, Event)], probing: bool) {
        let of = |wanted: fn(&Event) -> bool| -> HashSet<&TaskId> {
            let found = events.iter().filter(|(_, event)| wanted(event));
            found.filter_map(|(id, _)| id.as_ref()).collect()
        };
        let intended = of(|event| matches!(event, Event::ResumeIntended { .. }));
        let resumed = of(|event| event.resume().is_some());
        for (id, event) in events {
            let mut line = line(event);
            let is_in = |set: &HashSet<&TaskId>| id.as_ref().is_some_and(|id| set.contains(id));
            // One line for one thing: what follows from it is logged at debug.
            let follows = match event {
                Event::State { to, .. } => *to == State::Growing && is_in(&intended),
                Event::Error { request, .. } => *request == Request::Resume && is_in(&resumed),
                _ => false,
            };
            if follows {
                line.level = Level::DEBUG;
                line.throttled_as = None;
            }
            if id.is_some() {
                line.throttled_as = repetition(event, probing).or(line.throttled_as);
            }
            self.log(id.as_ref(), event, &line);
        }
    }

    /// Logs one event.
    pub fn event(&mut self, id: Option<&TaskId>, event: &Event) {
        self.log(id, event, &line(event));
    }

    /// Logs the events of a search.
    pub fn of_search(&mut self, name: &str, events: &[SearchEvent]) {
        for event in events {
            let event = Event::Search(event.clone());
            let event = &event;
            let mut line = line(event);
            line.text = format!("search {name}: {}", line.text);
            self.log(None, event, &line);
        }
    }

    /// Logs that the database refused something for good: an error, throttled.
    pub fn refused(&mut self, task_id: Option<&TaskId>, text: &str) {
        let text = clean(text);
        if self.admits(ThrottleKind::Refused, Level::ERROR, &text) {
            tracing::error!(task_id = task_id.map(display), "{text}");
        } else {
            tracing::debug!(task_id = task_id.map(display), "{text}");
        }
    }

    /// Logs that the disk is full, but that a checkpoint of the write-ahead log made room.
    pub fn disk_is_full(&mut self) {
        let text = "the disk is full, or not sound: growd goes on with the room that its own log gives back; make room on it";
        if self.admits(ThrottleKind::DiskFull, Level::WARN, text) {
            tracing::warn!("{text}");
        }
    }

    /// Logs the summaries that are due: how many lines of each kind were throttled.
    pub fn summarize(&mut self) {
        let summaries = self.throttle.summaries(Instant::now());
        summaries.iter().for_each(log_summary);
    }

    /// Logs that for the last time.
    pub fn summarize_last(&mut self) {
        let summaries = self.throttle.last_summaries(Instant::now());
        summaries.iter().for_each(log_summary);
    }

    fn admits(&mut self, kind: ThrottleKind, level: Level, text: &str) -> bool {
        self.throttle.admits(kind, level, text, Instant::now())
    }

    fn log(&mut self, id: Option<&TaskId>, event: &Event, line: &Line) {
        let text = match id {
            Some(id) => clean(&format!("{id}: {}", line.text)),
            None => clean(&line.text),
        };
        let is_throttled = line
            .throttled_as
            .is_some_and(|kind| !self.admits(kind, line.level, &text));
        // For machines: the fields of an event of the daemon, such as the version at the start.
        let detail = id.is_none().then(|| event.detail());
        let (task_id, resume, event) = (id.map(display), event.resume(), event.kind());
        match line.level {
            Level::ERROR if !is_throttled => {
                tracing::error!(task_id, resume, event, detail, "{text}");
            }
            Level::WARN if !is_throttled => {
                tracing::warn!(task_id, resume, event, detail, "{text}");
            }
            Level::INFO if !is_throttled => {
                tracing::info!(task_id, resume, event, detail, "{text}");
            }
            _ => tracing::debug!(task_id, resume, event, detail, "{text}"),
        }
    }
}

fn log_summary((level, text): &(Level, String)) {
    match *level {
        Level::ERROR => tracing::error!(event = "sum", "{text}"),
        Level::WARN => tracing::warn!(event = "sum", "{text}"),
        _ => tracing::info!(event = "sum", "{text}"),
    }
}
