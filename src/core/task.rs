//! A task: what the user wants of it, and everything that a decision needs to know.

use super::progress::Progress;
use super::resume::Resume;
use super::task_id::TaskId;
use jiff::Timestamp;

/// What the user wants of a task: a row of `tasks`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// Total number of results wanted, at least 1.
    pub target: i64,
    /// Largest resume for this task, 1..=250; none: `growth.chunk`.
    pub chunk: Option<i64>,
    /// A paused task gets no request at all.
    pub paused: bool,
}

/// All that the rule needs to know of one task.
#[derive(Debug, Clone, PartialEq)]
pub struct Task {
    /// Its id.
    pub id: TaskId,
    /// What the user wants.
    pub wanted: Wanted,
    /// When a person last added or changed it; none where that is no time.
    pub edited_at: Option<Timestamp>,
    /// What was learnt.
    pub progress: Progress,
    /// Its newest resume, if there was one. Only the newest can be open.
    pub resume: Option<Resume>,
    /// How many resumes were taken for lost, or rejected for no documented reason, since one was last seen to arrive, or
    /// forgiven by `growd retry`.
    pub lost: u32,
}
