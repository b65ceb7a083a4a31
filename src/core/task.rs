//! A task: what the operator wants of it, and everything that a decision needs.

use super::progress::Progress;
use super::resume::Resume;
use super::spending::Budget;
use super::task_id::TaskId;
use jiff::Timestamp;

/// What the operator wants of a task: a row of `tasks`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// Total number of results wanted, at least 1.
    pub target: i64,
    /// Largest resume for this task, 1..=250; `None` means `growth.chunk`.
    pub chunk: Option<i64>,
    /// Whether no request is sent for it.
    pub paused: bool,
    /// The tighter budget, the task's or that of its search; `None` means that there is none.
    pub budget: Option<Budget>,
    /// Whether it is a part of a search that goes on with a later part. It is never resumed again, because it would find
    /// what that part finds.
    pub is_superseded: bool,
}

/// Everything that a decision about a task needs.
#[derive(Debug, Clone, PartialEq)]
pub struct Task {
    /// Its id.
    pub id: TaskId,
    /// What the operator wants.
    pub wanted: Wanted,
    /// When the operator last added or changed it; `None` if the stored time is invalid.
    pub edited_at: Option<Timestamp>,
    /// Its row of `progress`.
    pub progress: Progress,
    /// Its newest resume, if any. Only the newest can be open.
    pub resume: Option<Resume>,
    /// Whether a budget or a later part of its search can bound its resumes. These are read where a resume may follow.
    pub is_bounded: bool,
    /// Resumes that were lost, or rejected for no documented reason, since one last arrived or since `growd retry`.
    pub lost: u32,
}
