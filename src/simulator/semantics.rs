//! The switches for each thing that is not known about the real service.

use serde::{Deserialize, Serialize};

/// What the stand-in does where the real service's behaviour is not documented.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Semantics {
    /// What a resume does to `desired_num_results`.
    pub desired: Desired,
    /// The most results one task can have.
    pub cap: u32,
    /// What is held against the cap.
    pub cap_counts: CapCounts,
    /// What becomes of a resume that asks for more than the cap leaves.
    pub cap_excess: CapExcess,
    /// What becomes of a resume of a search that still runs.
    pub resume_while_running: WhileRunning,
    /// For how many milliseconds of real time GETs show the task as it was before a resume.
    pub visibility_delay_ms: u64,
    /// Whether the answer to a resume shows its effect, whatever the GETs show.
    pub resume_answer_shows: bool,
    /// Whether `num_results` can fall.
    pub falls: Falls,
    /// By how much it falls each time.
    pub falls_by: u32,
    /// The form of `detail` in the 400 that answers a refused resume.
    pub refusal_body: RefusalBody,
}

impl Default for Semantics {
    fn default() -> Self {
        Self {
            desired: Desired::default(),
            cap: 250,
            cap_counts: CapCounts::default(),
            cap_excess: CapExcess::default(),
            resume_while_running: WhileRunning::default(),
            visibility_delay_ms: 0,
            resume_answer_shows: true,
            falls: Falls::default(),
            falls_by: 1,
            refusal_body: RefusalBody::default(),
        }
    }
}

/// What a resume does to `desired_num_results`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Desired {
    /// It rises by what is granted.
    #[default]
    Rises,
    /// It becomes `num_results` plus what is granted.
    Set,
    /// It stays; the search grows all the same.
    Stays,
}

/// What is held against the cap.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum CapCounts {
    /// `num_results`: what was delivered.
    #[default]
    Results,
    /// `desired_num_results`: what was asked for.
    Desired,
}

/// What becomes of a resume that asks for more than the cap leaves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum CapExcess {
    /// It is accepted, and grants what is left, which can be nothing.
    #[default]
    Clamped,
    /// It is answered 400.
    Refused,
}

/// What becomes of a resume of a search that still runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum WhileRunning {
    /// It is accepted and starts when the run is over.
    Queued,
    /// It is answered 400.
    Refused,
    /// It makes the run that is under way longer.
    #[default]
    Added,
}

/// Whether and when `num_results` falls.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Falls {
    /// Never.
    #[default]
    Never,
    /// Each time a run is over.
    WhenDone,
    /// Now and then, between two looks at a task that is done: at every third look.
    AtLooks,
}

/// The form of `detail` in the 400 that answers a refused resume.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum RefusalBody {
    /// A sentence.
    #[default]
    String,
    /// An object with `error` and `message`.
    Object,
    /// A list of objects, as in a 422.
    List,
}
