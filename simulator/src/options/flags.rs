//! The options of the simulator as flags of a command.

use std::net::SocketAddr;

use clap::Args;

use crate::options::{Options, scenario::Scenario, settings::Settings};

/// Flags for [`Options`].
#[derive(Debug, Clone, PartialEq, Args)]
pub struct Flags {
    /// The address to listen on; port 0 selects a free port.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8799")]
    pub listen: SocketAddr,
    /// The seed of everything random.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Start with this many tasks that are done and can be resumed.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub tasks: usize,
    /// Initial results of each of the --tasks.
    #[arg(long, value_name = "N", default_value_t = 25)]
    pub task_results: u32,
    /// All tasks, those of --tasks and those that clients create.
    #[command(flatten)]
    pub created: Scenario,
    /// The settings that can change while the simulator runs.
    #[command(flatten)]
    pub settings: Settings,
}

impl TryFrom<Flags> for Options {
    type Error = String;

    /// Checks that each value is in its range; the error names the setting.
    fn try_from(flags: Flags) -> Result<Self, String> {
        flags.settings.check()?;
        flags.created.check()?;
        let done = Scenario {
            results: Some(flags.task_results),
            ..flags.created.clone()
        };
        Ok(Self {
            listen: flags.listen,
            seed: flags.seed,
            settings: flags.settings,
            tasks: vec![done; flags.tasks],
            created: flags.created,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        CapCounts, Creates, Desired, Excess, Exclusions, Falls, Fault, ListOrder, ListShows, On,
        RefusalBody, ResultsOrder, Scores, Semantics, WhileRunning,
    };
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

    /// The semantics of the flags in `flags_reach_the_options`.
    fn changed_semantics() -> Semantics {
        Semantics {
            cap: 40,
            cap_counts: CapCounts::Desired,
            cap_excess: Excess::Refused,
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
            creates: Creates::Forbidden,
            create_delay_ms: 3_000,
            create_get_delay_ms: 4_000,
            create_fails_percent: 60,
            create_exhausts_percent: 40,
            aliases_percent: 11,
            without_website_percent: 12,
            exclusions: Exclusions::Ignored,
            market: Some(700),
            exclusions_excess: Excess::Refused,
            scores: Scores::Number,
            list_limit: 30,
            list_default_limit: 10,
            results_limit: 200,
            results_default_limit: 25,
            results_order: ResultsOrder::Shuffled,
            results_lag_ms: 3_000,
            limit_excess: Excess::Clamped,
            list_order: ListOrder::Shuffled,
            list_shows: ListShows::Progress,
            list_delay_ms: 1_500,
            list_excess: Some(Excess::Refused),
            list_lag_ms: 2_000,
            strangers: 7,
        }
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
            "--creates=forbidden",
            "--create-delay=3s",
            "--create-get-delay=4s",
            "--create-fails=60",
            "--create-exhausts=40",
            "--aliases=11",
            "--without-website=12",
            "--exclusions=ignored",
            "--market=700",
            "--exclusions-excess=refused",
            "--scores=number",
            "--list-limit=30",
            "--list-default-limit=10",
            "--results-limit=200",
            "--results-default-limit=25",
            "--results-order=shuffled",
            "--results-lag=3s",
            "--limit-excess=clamped",
            "--list-order=shuffled",
            "--list-shows=progress",
            "--list-delay=1500ms",
            "--list-excess=refused",
            "--list-lag=2s",
            "--strangers=7",
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
        assert_eq!(*semantics, changed_semantics());
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
            ("--aliases=51", "more than 50"),
            ("--create-fails=101", "more than 100"),
            ("--create-exhausts=101", "more than 100"),
            ("--list-limit=0", "at least 1"),
            ("--strangers=1000001", "more than 1000000"),
            ("--fault=get:list_empty=0.1", "only for the list"),
            ("--fault=list:results_empty=0.1", "only for results"),
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
