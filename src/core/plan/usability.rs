//! Whether the list was reported as unusable: the events of the list.

use crate::core::event::Event;
use jiff::Timestamp;

/// Whether the list was reported as unusable, and which page shows that it can be used again.
#[derive(Debug, Default)]
pub struct Usability {
    /// It was reported. A page that is asked for at this time or later shows the opposite.
    unusable_until: Option<Timestamp>,
}

impl Usability {
    /// Notes that a page was read that was asked for at `started`. Returns the event to record: one that was asked for before the
    /// list is tried again says nothing of the list since.
    pub fn read(&mut self, started: Timestamp) -> Option<Event> {
        self.unusable_until.take_if(|until| *until <= started)?;
        Some(Event::ListUsable {})
    }

    /// Notes that the list is not used before `until`, because of an error. Returns the event to record: none if the list was
    /// unusable already.
    pub fn failed(&mut self, error: String, until: Timestamp) -> Option<Event> {
        let before = self.unusable_until.replace(until);
        let until = Some(until);
        before
            .is_none()
            .then_some(Event::ListUnusable { error, until })
    }

    /// Notes that the list is tried again at once.
    pub fn tried_again(&mut self, now: Timestamp) {
        self.unusable_until = self.unusable_until.map(|until| until.min(now));
    }
}
