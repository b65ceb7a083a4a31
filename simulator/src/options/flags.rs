//! The stand-in's switches as flags of a command.

use std::{net::SocketAddr, str::FromStr};

use clap::Args;

use crate::{
    CapCounts, CapExcess, Chaos, Desired, Excess, Falls, Fault, ListOrder, ListShows, Odds, On,
    Options, RefusalBody, Scenario, Scores, Semantics, Settings, Shape, WhileRunning,
};

const FAULT_HELP: &str = "\
Let a share of requests meet this fault; can be repeated, as in --fault resume:lost_after=0.1

KIND is one of
  lost_before    closed with no answer, nothing happened
  lost_after     takes effect, then closed with no answer
  late           closed with no answer, takes effect 250 ms later
  reset          as lost_before, with a TCP reset
  reset_after    as lost_after, with a TCP reset
  hang           1 s of nothing, then as lost_before
  hang_after     takes effect, answered 1 s later
  delay          250 ms late
  not_json, empty, truncated, missing_fields, wrong_types, wrong_id
                 takes effect, the answer is spoilt
  quoted_numbers, float_numbers, numeric_flags, raw_controls, byte_order_mark
                 takes effect, the answer has \"25\" or 25.0 for 25, 0 for false, control
                 characters in texts, or a byte order mark before it
  huge           takes effect, the answer has 2 MiB
  slow_body      takes effect, the answer trickles in
  redirect       307, nothing happened
  503            any status from 300 to 599, nothing happened
  503_after      the same, but it takes effect
  page_403       any status, with a page of HTML as of a proxy, nothing happened
  403_plan_required, 402_payment_failed, 402_insufficient_credits
                 the status with this reason in detail.error, nothing happened
  colleague_first
                 goes well, but just before somebody else has asked for 25 more
  JSON           as POST /_simulator/script takes it, for all that has no name, such as
                 {\"kind\": \"status\", \"code\": 200, \"text\": \"oops\",
                 \"headers\": {\"Content-Type\": \"text/plain\"}}

ON is get, list, results, create, resume, user or any, which is the default.";

/// Flags for [`Options`].
#[derive(Debug, Clone, PartialEq, Args)]
pub struct Flags {
    /// Where to listen; port 0 takes any free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8799")]
    pub listen: SocketAddr,

    /// From which all that is left to chance follows
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,

    /// Simulated seconds in a real one; at 0 only POST /_simulator/advance moves time
    #[arg(long, value_name = "X", default_value_t = 1.0)]
    pub speed: f64,

    /// Start with this many searches that are done and can be resumed
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub tasks: usize,

    /// Results that each search of --tasks has at the start
    #[arg(long, value_name = "N", default_value_t = 25)]
    pub task_results: u32,

    /// Companies that fit each query in all [default: 300 to 1500, by the query]
    #[arg(long, value_name = "N")]
    pub market: Option<u32>,

    /// Candidates that each search has in all [default: what the companies of its query take]
    #[arg(long, value_name = "N")]
    pub pool: Option<u32>,

    /// Share of evaluated candidates that fit, 0 to 1 [default: 0.3 to 0.8, by the seed]
    #[arg(long, value_name = "P")]
    pub fit_rate: Option<f64>,

    /// Candidates discovered in a simulated minute [default: 100]
    #[arg(long, value_name = "N")]
    pub rate: Option<f64>,

    /// How the work of a run is spread over its time
    #[arg(long, value_enum, default_value_t)]
    pub shape: Shape,

    /// The one token to accept [default: any]
    #[arg(long, value_name = "TOKEN")]
    pub accepted_token: Option<String>,

    /// Credits of the account; a result costs one, and with none left more is refused with 402
    /// [default: plenty]
    #[arg(long, value_name = "N")]
    pub credits: Option<u64>,

    /// The most results one task can have
    #[arg(long, value_name = "N", default_value_t = 250)]
    pub cap: u32,

    /// What is held against the cap
    #[arg(long, value_enum, default_value_t)]
    pub cap_counts: CapCounts,

    /// What becomes of a resume that asks for more than the cap leaves
    #[arg(long, value_enum, default_value_t)]
    pub cap_excess: CapExcess,

    /// What a resume does to `desired_num_results`
    #[arg(long, value_enum, default_value_t)]
    pub desired: Desired,

    /// What becomes of a resume of a search that still runs
    #[arg(long, value_enum, default_value_t)]
    pub resume_while_running: WhileRunning,

    /// For how long (real time) GETs show a task as it was before a resume, such as 500ms
    #[arg(long, value_name = "DURATION", default_value = "0s")]
    pub visibility_delay: humantime::Duration,

    /// The answer to a resume shows the task as it was before
    #[arg(long)]
    pub stale_resume_answer: bool,

    /// Whether and when `num_results` falls
    #[arg(long, value_enum, default_value_t)]
    pub falling: Falls,

    /// By how much it falls each time
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub falling_by: u32,

    /// The form of `detail` in the 400 that refuses a resume
    #[arg(long, value_enum, default_value_t)]
    pub refusal_body: RefusalBody,

    /// How much of what is asked for a run brings, in percent
    #[arg(long = "yield", value_name = "PERCENT", default_value_t = 100)]
    pub yields: u32,

    /// The last part of a run's time in which its status says `done` already, in percent
    #[arg(long, value_name = "PERCENT", default_value_t = 0)]
    pub early_done: u32,

    /// Candidates that are still discovered in each simulated minute after a run is over
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub rises_after_done: u32,

    /// The last part of a run's work that waits for `done` to return to `in_progress`, in percent
    #[arg(long, value_name = "PERCENT", default_value_t = 0)]
    pub reopens: u32,

    /// With --reopens: how long (simulated time) the status says `done` until then
    #[arg(long, value_name = "DURATION", default_value = "60s")]
    pub reopens_after: humantime::Duration,

    /// How much later (simulated time) than the answer to a resume its work begins; until then
    /// only `desired_num_results` differs
    #[arg(long, value_name = "DURATION", default_value = "0s")]
    pub work_delay: humantime::Duration,

    /// Results that `num_results` counts and `/results` does not contain, in percent
    #[arg(long, value_name = "PERCENT", default_value_t = 0)]
    pub undelivered: u32,

    /// What becomes of domains to exclude beyond the 1000 that a task can have
    #[arg(long, value_enum, default_value_t = Excess::Clamped)]
    pub exclusions_excess: Excess,

    /// The form of each score of a result
    #[arg(long, value_enum, default_value_t)]
    pub scores: Scores,

    /// The largest `limit` of the list of tasks
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub list_limit: u32,

    /// The `limit` of the list where none is given
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub list_default_limit: u32,

    /// The largest `limit` of results
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub results_limit: u32,

    /// The `limit` of results where none is given
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub results_default_limit: u32,

    /// What becomes of a larger `limit`
    #[arg(long, value_enum, default_value_t = Excess::Refused)]
    pub limit_excess: Excess,

    /// The order of the list
    #[arg(long, value_enum, default_value_t)]
    pub list_order: ListOrder,

    /// What the list shows of a task
    #[arg(long, value_enum, default_value_t)]
    pub list_shows: ListShows,

    /// For how long (real time) the list stays as it was when it was last made, such as 5s
    #[arg(long, value_name = "DURATION", default_value = "0s")]
    pub list_delay: humantime::Duration,

    /// Let a share of requests meet a fault of any kind, 0 to 1
    #[arg(long, value_name = "P", default_value_t = 0.0)]
    pub chaos: f64,

    /// With --chaos: also 401, 402, 403 and 429, which stop a client for all its tasks
    #[arg(long)]
    pub chaos_account: bool,

    /// Let a share of requests meet this fault; can be repeated
    #[arg(
        long = "fault",
        value_name = "[ON:]KIND=PROBABILITY",
        long_help = FAULT_HELP
    )]
    pub faults: Vec<Odds>,
}

impl TryFrom<Flags> for Options {
    type Error = String;

    /// Says which flag's value makes no sense.
    fn try_from(flags: Flags) -> Result<Self, String> {
        let semantics = Semantics {
            desired: flags.desired,
            cap: flags.cap,
            cap_counts: flags.cap_counts,
            cap_excess: flags.cap_excess,
            resume_while_running: flags.resume_while_running,
            visibility_delay_ms: millis("visibility-delay", flags.visibility_delay)?,
            resume_answer_shows: !flags.stale_resume_answer,
            falls: flags.falling,
            falls_by: flags.falling_by,
            refusal_body: flags.refusal_body,
            yield_percent: flags.yields,
            early_done_percent: flags.early_done,
            rises_after_done: flags.rises_after_done,
            reopens_percent: flags.reopens,
            reopens_after_s: seconds("reopens-after", flags.reopens_after)?,
            work_delay_s: seconds("work-delay", flags.work_delay)?,
            undelivered_percent: flags.undelivered,
            market: flags.market,
            exclusions_excess: flags.exclusions_excess,
            scores: flags.scores,
            list_limit: flags.list_limit,
            list_default_limit: flags.list_default_limit,
            results_limit: flags.results_limit,
            results_default_limit: flags.results_default_limit,
            limit_excess: flags.limit_excess,
            list_order: flags.list_order,
            list_shows: flags.list_shows,
            list_delay_ms: millis("list-delay", flags.list_delay)?,
        };
        let created = Scenario {
            pool: flags.pool,
            fit_rate: flags.fit_rate,
            rate_per_minute: flags.rate,
            shape: flags.shape,
            ..Scenario::default()
        };
        let settings = Settings {
            speed: flags.speed,
            accepted_token: flags.accepted_token,
            credits: flags.credits,
            semantics,
            odds: flags.faults,
            chaos: Chaos {
                probability: flags.chaos,
                account: flags.chaos_account,
                kinds: None,
            },
        };
        settings.check()?;
        created.check()?;
        let ready = Scenario {
            results: Some(flags.task_results),
            ..created.clone()
        };
        Ok(Self {
            listen: flags.listen,
            seed: flags.seed,
            settings,
            tasks: vec![ready; flags.tasks],
            created,
        })
    }
}

fn millis(flag: &str, duration: humantime::Duration) -> Result<u64, String> {
    u64::try_from(duration.as_millis()).map_err(|_| format!("--{flag}: too long"))
}

fn seconds(flag: &str, duration: humantime::Duration) -> Result<u32, String> {
    if duration.subsec_nanos() > 0 {
        return Err(format!("--{flag}: whole seconds are wanted"));
    }
    u32::try_from(duration.as_secs()).map_err(|_| format!("--{flag}: too long"))
}

impl FromStr for Odds {
    type Err = String;

    /// Reads `[on:]kind=probability`; the kind may be a fault in JSON.
    fn from_str(text: &str) -> Result<Self, String> {
        let (what, probability) = text
            .rsplit_once('=')
            .ok_or("a probability is missing, as in lost_after=0.1")?;
        let (on, kind) = match what.split_once(':') {
            Some((on, kind)) if !on.starts_with('{') => (on, kind),
            _ => ("any", what),
        };
        let probability = probability
            .parse()
            .ok()
            .filter(|probability| (0.0..=1.0).contains(probability))
            .ok_or_else(|| format!("{probability:?} is not a number from 0 to 1"))?;
        Ok(Self {
            on: on.parse()?,
            fault: if kind.starts_with('{') {
                serde_json::from_str(kind).map_err(|error| error.to_string())?
            } else {
                kind.parse::<Fault>()?
            },
            probability,
        })
    }
}

impl FromStr for On {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        serde_json::from_value(name.into()).map_err(|_| {
            format!(
                "no requests are named {name:?}; there are get, list, results, create, resume, \
                 user and any"
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Command {
        #[command(flatten)]
        flags: Flags,
    }

    fn options(flags: &[&str]) -> Result<Options, String> {
        let arguments = std::iter::once(&"simulate").chain(flags);
        let command = Command::try_parse_from(arguments).map_err(|error| error.to_string())?;
        command.flags.try_into()
    }

    #[test]
    fn no_flags_give_the_defaults_but_for_a_known_port() {
        let expected = Options {
            listen: "127.0.0.1:8799".parse().unwrap(),
            ..Options::default()
        };
        assert_eq!(options(&[]).unwrap(), expected);
    }

    #[test]
    fn flags_reach_the_options() {
        let options = options(&[
            "--tasks=3",
            "--task-results=10",
            "--pool=90",
            "--shape=back-loaded",
            "--cap=40",
            "--cap-counts=desired",
            "--cap-excess=refused",
            "--desired=set",
            "--resume-while-running=queued",
            "--visibility-delay=250ms",
            "--stale-resume-answer",
            "--falling=at-looks",
            "--fault=resume:lost_after=0.25",
            "--fault=503=1",
            r#"--fault=get:{"kind":"status","code":200,"text":"a=b: c"}=0.5"#,
            r#"--fault={"kind":"colleague_first","new":7}=1"#,
            "--fault=resume:403_plan_required=1",
            "--chaos=0.1",
            "--yield=10",
            "--early-done=20",
            "--rises-after-done=30",
            "--reopens=40",
            "--reopens-after=2m",
            "--work-delay=90s",
            "--undelivered=5",
            "--market=700",
            "--exclusions-excess=refused",
            "--scores=number",
            "--list-limit=30",
            "--list-default-limit=10",
            "--results-limit=200",
            "--results-default-limit=25",
            "--limit-excess=clamped",
            "--list-order=shuffled",
            "--list-shows=progress",
            "--list-delay=1500ms",
        ])
        .unwrap();
        assert_eq!(options.tasks.len(), 3);
        assert_eq!(options.tasks[0].results, Some(10));
        assert_eq!(options.created.pool, Some(90));
        let semantics = &options.settings.semantics;
        assert_eq!(semantics.cap, 40);
        assert_eq!(semantics.cap_counts, CapCounts::Desired);
        assert_eq!(semantics.desired, Desired::Set);
        assert_eq!(semantics.visibility_delay_ms, 250);
        assert!(!semantics.resume_answer_shows);
        let expected = Semantics {
            cap: 40,
            cap_counts: CapCounts::Desired,
            cap_excess: CapExcess::Refused,
            desired: Desired::Set,
            resume_while_running: WhileRunning::Queued,
            visibility_delay_ms: 250,
            resume_answer_shows: false,
            falls: Falls::AtLooks,
            falls_by: 1,
            refusal_body: RefusalBody::String,
            yield_percent: 10,
            early_done_percent: 20,
            rises_after_done: 30,
            reopens_percent: 40,
            reopens_after_s: 120,
            work_delay_s: 90,
            undelivered_percent: 5,
            market: Some(700),
            exclusions_excess: Excess::Refused,
            scores: Scores::Number,
            list_limit: 30,
            list_default_limit: 10,
            results_limit: 200,
            results_default_limit: 25,
            limit_excess: Excess::Clamped,
            list_order: ListOrder::Shuffled,
            list_shows: ListShows::Progress,
            list_delay_ms: 1_500,
        };
        assert_eq!(*semantics, expected);
        let odds = &options.settings.odds;
        assert_eq!(odds.len(), 5);
        assert_eq!(odds[0].on, On::Resume);
        assert_eq!(odds[1].fault, Fault::status(503));
        assert_eq!(odds[2].on, On::Get);
        assert!(
            matches!(&odds[2].fault, Fault::Status { text: Some(text), .. } if text == "a=b: c")
        );
        assert_eq!(odds[3].fault, Fault::ColleagueFirst { new: 7 });
        assert_eq!(odds[4].fault.name(), "403_plan_required");
    }

    #[test]
    fn nonsense_is_refused_with_the_remedy() {
        for (flag, remedy) in [
            ("--fault=lost=0.1", "there are lost_before"),
            ("--fault=lost_after", "as in lost_after=0.1"),
            ("--fault=503=2", "from 0 to 1"),
            ("--fault=post:503=1", "resume"),
            ("--fault=200=1", "300 to 599"),
            (
                r#"--fault={"kind":"status","code":200}=1"#,
                "only with a body",
            ),
            ("--fault=403_no_reason=1", "plan_required"),
            ("--yield=101", "more than 100"),
            ("--list-limit=0", "at least 1"),
            ("--work-delay=1500ms", "whole seconds"),
            ("--speed=-1", "speed: -1"),
            ("--chaos=1.5", "between 0 and 1"),
            ("--cap=0", "at least 1"),
        ] {
            let error = options(&[flag]).unwrap_err();
            assert!(error.contains(remedy), "{flag}: {error}");
        }
    }
}
