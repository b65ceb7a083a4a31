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
    /// How much of what is asked for a run brings, in percent. The pool is not exhausted by that.
    pub yield_percent: u32,
    /// For how much of a run's time, in percent and at its end, `status` says `done` while the
    /// counters still rise.
    pub early_done_percent: u32,
    /// How many more candidates enter the pipeline in a minute of virtual time after a run is
    /// over, while `status` says `done`. Holds for runs that end from now on.
    pub rises_after_done: u32,
    /// How much of a run's work, in percent, is left for a second run, which begins by itself:
    /// `done` returns to `in_progress`.
    pub reopens_percent: u32,
    /// For how many seconds of virtual time `status` says `done` before that.
    pub reopens_after_s: u32,
    /// How much later than its answer the work of a resume begins, in seconds of virtual time.
    /// Until then `status` stays what it was; `desired_num_results` changes at once.
    pub work_delay_s: u32,
    /// How many results, in percent, `num_results` includes that `/results` does not contain.
    pub undelivered_percent: u32,
    /// How many companies fit each query in all; 300 to 1,500 by the query where it is not set.
    ///
    /// A search that was given its number of candidates has as many as fit among those.
    pub market: Option<u32>,
    /// What becomes of domains to exclude beyond the 1,000 that one search can have.
    pub exclusions_excess: Excess,
    /// The form of each score of a result.
    pub scores: Scores,
    /// The largest `limit` of the list of tasks.
    pub list_limit: u32,
    /// The `limit` of the list where none is given; at most the largest.
    pub list_default_limit: u32,
    /// The largest `limit` of results.
    pub results_limit: u32,
    /// The `limit` of results where none is given; at most the largest.
    pub results_default_limit: u32,
    /// What becomes of a larger `limit`.
    pub limit_excess: Excess,
    /// The order of the list.
    pub list_order: ListOrder,
    /// What the list shows of a task.
    pub list_shows: ListShows,
    /// For how many milliseconds of real time the list stays as it was when it was last made. New
    /// tasks are missing from it that long.
    pub list_delay_ms: u64,
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
            yield_percent: 100,
            early_done_percent: 0,
            rises_after_done: 0,
            reopens_percent: 0,
            reopens_after_s: 60,
            work_delay_s: 0,
            undelivered_percent: 0,
            market: None,
            exclusions_excess: Excess::Clamped,
            scores: Scores::default(),
            list_limit: 100,
            list_default_limit: 20,
            results_limit: 100,
            results_default_limit: 50,
            limit_excess: Excess::Refused,
            list_order: ListOrder::default(),
            list_shows: ListShows::default(),
            list_delay_ms: 0,
        }
    }
}

impl Semantics {
    /// Says which value makes no sense.
    pub(crate) fn check(&self) -> Result<(), String> {
        for (name, number) in [
            ("cap", self.cap),
            ("list_limit", self.list_limit),
            ("list_default_limit", self.list_default_limit),
            ("results_limit", self.results_limit),
            ("results_default_limit", self.results_default_limit),
        ] {
            if number == 0 {
                return Err(format!("semantics.{name}: must be at least 1"));
            }
        }
        for (name, percent) in [
            ("yield_percent", self.yield_percent),
            ("early_done_percent", self.early_done_percent),
            ("reopens_percent", self.reopens_percent),
            ("undelivered_percent", self.undelivered_percent),
        ] {
            if percent > 100 {
                return Err(format!("semantics.{name}: {percent} is more than 100"));
            }
        }
        Ok(())
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

/// What becomes of a number or a list that is larger than the service allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Excess {
    /// What is allowed is taken, the rest is left out.
    Clamped,
    /// The request is refused: 422, or 400 where it takes more than a look at the body to know.
    Refused,
}

/// The form of each score of a result.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Scores {
    /// An object with `grade`, `explanation` and `sources`.
    #[default]
    Graded,
    /// The grade alone, a number.
    Number,
}

/// The order of the list of tasks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum ListOrder {
    /// The newest task first.
    #[default]
    Newest,
    /// The oldest task first.
    Oldest,
    /// An order that has nothing to do with the tasks; a new one can stand anywhere in it.
    Random,
    /// Another order at each request.
    Shuffled,
}

/// What the list shows of a task.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum ListShows {
    /// The task as a GET shows it.
    #[default]
    Task,
    /// The same without criteria, data sources and exclusions.
    Progress,
}
