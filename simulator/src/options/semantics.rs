//! One switch for each undocumented behaviour of the real service.

use std::{sync::LazyLock, time::Duration};

use clap::{ArgAction, Args, ValueEnum};
use serde::{Deserialize, Serialize};

/// The largest number of tasks of colleagues.
const MAX_STRANGERS: u32 = 1_000_000;

/// What the simulator does where the behaviour of the real service is not documented.
///
/// The doc comment of a field is also the help of its flag, and the default of the flag is that of the field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Args)]
#[serde(default, deny_unknown_fields)]
pub struct Semantics {
    /// The largest number of results of one task.
    #[arg(long, value_name = "N", default_value_t = 250)]
    pub cap: u32,
    /// Which number counts towards the cap.
    #[arg(long, value_enum, default_value_t)]
    pub cap_counts: CapCounts,
    /// What happens to a resume or create that asks for more than the cap allows. Clamped, a resume can grant 0.
    #[arg(long, value_enum, default_value_t = Excess::Clamped)]
    pub cap_excess: Excess,
    /// What a resume does to `desired_num_results`.
    #[arg(long, value_enum, default_value_t)]
    pub desired: Desired,
    /// What happens to a resume of a task that is running.
    #[arg(long, value_enum, default_value_t)]
    pub resume_while_running: WhileRunning,
    /// How long (real time) GETs show a task as it was before a resume, such as 500ms.
    #[arg(long = "visibility-delay", value_name = "DURATION", default_value = "0s", value_parser = milliseconds)]
    pub visibility_delay_ms: u64,
    /// Whether the response to a resume shows its effect, whatever the GETs show.
    #[arg(
        long = "stale-resume-answer",
        action = ArgAction::SetFalse,
        help = "The response to a resume shows the task as it was before"
    )]
    pub resume_answer_shows: bool,
    /// When `num_results` falls.
    #[arg(long = "falling", value_enum, default_value_t)]
    pub falls: Falls,
    /// How many results are lost at each fall.
    #[arg(long = "falling-by", value_name = "N", default_value_t = 1)]
    pub falls_by: u32,
    /// The form of `detail` in the 400 that refuses a resume.
    #[arg(long, value_enum, default_value_t)]
    pub refusal_body: RefusalBody,
    /// The share of the requested results that a run delivers, in percent; it does not exhaust the pool.
    #[arg(long = "yield", value_name = "PERCENT", default_value_t = 100)]
    pub yield_percent: u32,
    /// The last part of a run's time in which `status` is already `done` and counters still rise, in percent.
    #[arg(long = "early-done", value_name = "PERCENT", default_value_t = 0)]
    pub early_done_percent: u32,
    /// Candidates discovered per simulated minute after a run has ended; applies to runs that end from now on.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub rises_after_done: u32,
    /// The part of a run's work, in percent, that a second run does: it starts by itself and turns `done` back
    /// into `in_progress`.
    #[arg(long = "reopens", value_name = "PERCENT", default_value_t = 0)]
    pub reopens_percent: u32,
    /// With --reopens: how long (simulated time) `status` is `done` before the second run.
    #[arg(long = "reopens-after", value_name = "DURATION", default_value = "60s", value_parser = seconds)]
    pub reopens_after_s: u32,
    /// Time (simulated) from the response to a resume until its work starts; until then only
    /// `desired_num_results` changes.
    #[arg(long = "work-delay", value_name = "DURATION", default_value = "0s", value_parser = seconds)]
    pub work_delay_s: u32,
    /// Results that `num_results` counts but `/results` does not contain, in percent.
    #[arg(long = "undelivered", value_name = "PERCENT", default_value_t = 0)]
    pub undelivered_percent: u32,
    /// Whether creates are accepted, or refused with `plan_required`.
    #[arg(long, value_enum, default_value_t)]
    pub creates: Creates,
    /// How long (real time) the list lacks a task that a client created, and all later tasks, such as 5s.
    #[arg(long = "create-delay", value_name = "DURATION", default_value = "0s", value_parser = milliseconds)]
    pub create_delay_ms: u64,
    /// How long (real time) requests for a task that a client created are answered 404, such as 5s.
    #[arg(long = "create-get-delay", value_name = "DURATION", default_value = "0s", value_parser = milliseconds)]
    pub create_get_delay_ms: u64,
    /// The share of the tasks that clients create that fail part-way, in percent.
    #[arg(long = "create-fails", value_name = "PERCENT", default_value_t = 0)]
    pub create_fails_percent: u32,
    /// The share of the tasks that clients create that are exhausted part-way, in percent.
    #[arg(long = "create-exhausts", value_name = "PERCENT", default_value_t = 0)]
    pub create_exhausts_percent: u32,
    /// Companies that match each query, each alias included [default: 300 to 1500, by the query; with a pool: its
    /// matches].
    #[arg(long, value_name = "N")]
    pub market: Option<u32>,
    /// The share of a market, in percent, that is a company under a second name or with a second website; at most 50.
    /// Applies to tasks that are created from now on.
    #[arg(long = "aliases", value_name = "PERCENT", default_value_t = 0)]
    pub aliases_percent: u32,
    /// The share of companies without a website, in percent: exclusions do not apply to them. Applies to tasks that
    /// are created from now on.
    #[arg(long = "without-website", value_name = "PERCENT", default_value_t = 2)]
    pub without_website_percent: u32,
    /// Whether a task leaves out the companies that it excludes.
    #[arg(long, value_enum, default_value_t)]
    pub exclusions: Exclusions,
    /// What happens to domains to exclude beyond the 1000 that a task can have.
    #[arg(long, value_enum, default_value_t = Excess::Clamped)]
    pub exclusions_excess: Excess,
    /// The form of each score of a result.
    #[arg(long, value_enum, default_value_t)]
    pub scores: Scores,
    /// The largest `limit` of the list of tasks.
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub list_limit: u32,
    /// The default `limit` of the list of tasks; at most the largest.
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub list_default_limit: u32,
    /// The largest `limit` of results.
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub results_limit: u32,
    /// The default `limit` of results; at most the largest.
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub results_default_limit: u32,
    /// The order of results.
    #[arg(long, value_enum, default_value_t)]
    pub results_order: ResultsOrder,
    /// How old (real time) results always are, such as 5s: they show the task as it was.
    #[arg(long = "results-lag", value_name = "DURATION", default_value = "0s", value_parser = milliseconds)]
    pub results_lag_ms: u64,
    /// What happens to a larger `limit`.
    #[arg(long, value_enum, default_value_t = Excess::Refused)]
    pub limit_excess: Excess,
    /// What happens to a larger `limit` of the list of tasks [default: as --limit-excess].
    #[arg(long, value_enum)]
    pub list_excess: Option<Excess>,
    /// The order of the list.
    #[arg(long, value_enum, default_value_t)]
    pub list_order: ListOrder,
    /// What the list shows of a task.
    #[arg(long, value_enum, default_value_t)]
    pub list_shows: ListShows,
    /// How long (real time) the list is served from a cache, without new tasks, such as 5s.
    #[arg(long = "list-delay", value_name = "DURATION", default_value = "0s", value_parser = milliseconds)]
    pub list_delay_ms: u64,
    /// How old (real time) the list always is, such as 5s: it shows each task as it was, and no task that is younger.
    #[arg(long = "list-lag", value_name = "DURATION", default_value = "0s", value_parser = milliseconds)]
    pub list_lag_ms: u64,
    /// Tasks of colleagues that the list contains too, spread among the account's own. A GET of one is answered 404.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub strangers: u32,
}

fn milliseconds(text: &str) -> Result<u64, String> {
    let duration = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    u64::try_from(duration.as_millis()).map_err(|_| "too long".to_owned())
}

fn seconds(text: &str) -> Result<u32, String> {
    let duration = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if duration.subsec_nanos() > 0 {
        return Err("must be whole seconds".to_owned());
    }
    u32::try_from(duration.as_secs()).map_err(|_| "too long".to_owned())
}

impl Default for Semantics {
    fn default() -> Self {
        static DEFAULT: LazyLock<Semantics> = LazyLock::new(super::without_flags);
        DEFAULT.clone()
    }
}

impl Semantics {
    /// Returns what happens to a `limit` of the list above the largest.
    pub(crate) fn excess_of_list(&self) -> Excess {
        self.list_excess.unwrap_or(self.limit_excess)
    }

    /// How old the list always is, in real time.
    pub(crate) fn list_lag(&self) -> Duration {
        Duration::from_millis(self.list_lag_ms)
    }

    /// How old results always are, in real time.
    pub(crate) fn results_lag(&self) -> Duration {
        Duration::from_millis(self.results_lag_ms)
    }

    /// How long the list lacks a created task, in real time.
    pub(crate) fn create_delay(&self) -> Duration {
        Duration::from_millis(self.create_delay_ms)
    }

    /// How long requests for a created task are answered 404, in real time.
    pub(crate) fn create_get_delay(&self) -> Duration {
        Duration::from_millis(self.create_get_delay_ms)
    }

    /// The age of the oldest state that a request can show.
    pub(crate) fn longest_lag(&self) -> Duration {
        self.list_lag().max(self.results_lag())
    }

    /// Checks that each value is in its range; the error names the field.
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
        if self.strangers > MAX_STRANGERS {
            let strangers = self.strangers;
            return Err(format!(
                "semantics.strangers: {strangers} is more than {MAX_STRANGERS}"
            ));
        }
        let (fails, exhausts) = (self.create_fails_percent, self.create_exhausts_percent);
        for (name, percent, max) in [
            ("yield_percent", self.yield_percent, 100),
            ("early_done_percent", self.early_done_percent, 100),
            ("reopens_percent", self.reopens_percent, 100),
            ("undelivered_percent", self.undelivered_percent, 100),
            ("create_fails_percent", fails, 100),
            // No task fails and is exhausted.
            ("create_exhausts_percent", exhausts, 100 - fails.min(100)),
            ("aliases_percent", self.aliases_percent, 50),
            ("without_website_percent", self.without_website_percent, 100),
        ] {
            if percent > max {
                return Err(format!("semantics.{name}: {percent} is more than {max}"));
            }
        }
        Ok(())
    }
}

/// What a resume does to `desired_num_results`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Desired {
    /// It rises by what is granted.
    #[default]
    Rises,
    /// It becomes `num_results` plus what is granted.
    Set,
    /// It does not change; the task grows nevertheless.
    Stays,
}

/// Which number counts towards the cap.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum CapCounts {
    /// `num_results`: the delivered results.
    #[default]
    Results,
    /// `desired_num_results`: the requested results.
    Desired,
}

/// What happens to a resume of a task that is running.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum WhileRunning {
    /// It is accepted and starts when the current run ends.
    Queued,
    /// It is answered 400.
    Refused,
    /// It extends the current run.
    #[default]
    Added,
}

/// When `num_results` falls.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Falls {
    /// Never.
    #[default]
    Never,
    /// At the end of each run.
    WhenDone,
    /// At every third poll of a task that is done.
    AtLooks,
}

/// The form of `detail` in the 400 that refuses a resume.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
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

/// Whether creates are accepted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Creates {
    /// They are.
    #[default]
    Accepted,
    /// They are answered 402.
    PaymentRequired,
    /// They are answered 403.
    Forbidden,
}

/// Whether a task leaves out the companies that it excludes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Exclusions {
    /// It does.
    #[default]
    Applied,
    /// It finds them again, and shows its exclusions nevertheless.
    Ignored,
}

/// What happens to a number or a list that is larger than the service allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Excess {
    /// It is reduced to what is allowed.
    Clamped,
    /// The request is refused: with 422, or with 400 if the body alone does not show the excess.
    Refused,
}

/// The form of each score of a result.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Scores {
    /// An object with `grade`, `explanation` and `sources`.
    #[default]
    Graded,
    /// The grade alone, a number.
    Number,
}

/// The order of results.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum ResultsOrder {
    /// The most relevant first.
    #[default]
    Relevance,
    /// A new random order at each request.
    Shuffled,
}

/// The order of the list of tasks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum ListOrder {
    /// The newest task first.
    #[default]
    Newest,
    /// The oldest task first.
    Oldest,
    /// A fixed random order; a new task can appear anywhere in it.
    Random,
    /// A new random order at each request.
    Shuffled,
}

/// What the list shows of a task.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum ListShows {
    /// The task as a GET shows it.
    #[default]
    Task,
    /// The task without criteria, data sources and exclusions.
    Progress,
}
