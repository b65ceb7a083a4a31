//! The stand-in's switches as flags of a command.

use std::{net::SocketAddr, str::FromStr};

use clap::Args;

use super::{
    CapCounts, CapExcess, Chaos, Desired, Falls, Fault, Odds, On, Options, RefusalBody, Scenario,
    Semantics, Settings, Shape, WhileRunning,
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
  huge           takes effect, the answer has 2 MiB
  slow_body      takes effect, the answer trickles in
  redirect       307, nothing happened
  503            any status from 400 to 599, nothing happened
  503_after      the same, but it takes effect

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

    /// Candidates that each search has in all [default: 300 to 1500, by the seed]
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
            visibility_delay_ms: u64::try_from(flags.visibility_delay.as_millis())
                .map_err(|_| "--visibility-delay: too long".to_owned())?,
            resume_answer_shows: !flags.stale_resume_answer,
            falls: flags.falling,
            falls_by: flags.falling_by,
            refusal_body: flags.refusal_body,
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

impl FromStr for Odds {
    type Err = String;

    /// Reads `[on:]kind=probability`.
    fn from_str(text: &str) -> Result<Self, String> {
        let (what, probability) = text
            .split_once('=')
            .ok_or("a probability is missing, as in lost_after=0.1")?;
        let (on, kind) = what.split_once(':').unwrap_or(("any", what));
        let probability = probability
            .parse()
            .ok()
            .filter(|probability| (0.0..=1.0).contains(probability))
            .ok_or_else(|| format!("{probability:?} is not a number from 0 to 1"))?;
        Ok(Self {
            on: on.parse()?,
            fault: kind.parse::<Fault>()?,
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
            "--chaos=0.1",
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
        assert_eq!(options.settings.odds.len(), 2);
        assert_eq!(options.settings.odds[0].on, On::Resume);
        assert_eq!(options.settings.odds[1].fault, Fault::status(503));
    }

    #[test]
    fn nonsense_is_refused_with_the_remedy() {
        for (flag, remedy) in [
            ("--fault=lost=0.1", "there are lost_before"),
            ("--fault=lost_after", "as in lost_after=0.1"),
            ("--fault=503=2", "from 0 to 1"),
            ("--fault=post:503=1", "resume"),
            ("--fault=200=1", "400 to 599"),
            ("--speed=-1", "speed: -1"),
            ("--chaos=1.5", "between 0 and 1"),
            ("--cap=0", "at least 1"),
        ] {
            let error = options(&[flag]).unwrap_err();
            assert!(error.contains(remedy), "{flag}: {error}");
        }
    }
}
