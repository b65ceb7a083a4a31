//! The settings that can change while the simulator runs.

use std::sync::LazyLock;

use clap::Args;
use serde::{Deserialize, Serialize};

use crate::{
    faults::{Chaos, Fault, Odds},
    options::semantics::Semantics,
};

/// The long help of `--fault`.
const FAULT_HELP: &str = "\
Make a share of the requests meet this fault; can be repeated, as in --fault resume:lost_after=0.1

KIND is one of
  lost_before    no effect; the connection is closed without a response
  lost_after     takes effect; the connection is closed without a response
  late           closed without a response; takes effect 250 ms later
  reset          as lost_before, with a TCP reset
  reset_after    as lost_after, with a TCP reset
  hang           as lost_before, after 1 s
  hang_after     takes effect; answered after 1 s
  delay          takes effect and is answered, both 250 ms late
  not_json, empty, truncated, missing_fields, wrong_types, wrong_id
                 takes effect; the response is corrupted
  quoted_numbers, float_numbers, numeric_flags, raw_controls, byte_order_mark
                 takes effect; the response has \"25\" or 25.0 for 25, 0 for false,
                 unescaped control characters in strings, or a byte order mark
  huge           takes effect; the response has 2 MiB
  slow_body      takes effect; the response is sent byte by byte
  redirect       no effect; answered 307
  503            no effect; any status from 300 to 599
  503_after      takes effect; any status from 300 to 599
  page_403       no effect; any status, with an HTML page as from a proxy
  403_plan_required, 402_payment_failed, 402_insufficient_credits
                 no effect; the status with this reason in detail.error
  colleague_first
                 takes effect, after another client has requested 25 results, or created
                 the same task
  list_all_done, list_all_running, list_all_failed, list_full, list_fallen, list_risen,
  list_twice, list_others, list_empty, list_bad_entry, list_object
                 for the list only; the page is wrong: each task is done, running, failed,
                 or complete; counters are halved or doubled; each task is listed twice,
                 or has another id; no task is listed; one entry is unusable; the page is
                 inside an object
  results_empty, results_fallen, results_risen, results_twice, results_others,
  results_bad_row, results_odd_fields, results_long_text
                 for results only; the page is wrong: it has no rows; counters are halved,
                 as is the number of rows, or doubled; an id is there twice; every second
                 row is of another task; one row is unusable; each row has a value of
                 another type; the texts of one row are very long
  JSON           as for POST /_simulator/script, for every other fault, such as
                 {\"kind\": \"status\", \"code\": 200, \"text\": \"oops\",
                 \"headers\": {\"Content-Type\": \"text/plain\"}}

ON is get, list, results, create, resume, user or any (the default).";

/// The settings that `PATCH /_simulator/settings` and [`crate::Simulator::settings`] change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Args)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Simulated seconds per real second; at 0 only POST /_simulator/advance moves time.
    #[arg(long, value_name = "X", default_value_t = 1.0)]
    pub speed: f64,
    /// The only token that is accepted [default: any].
    #[arg(long, value_name = "TOKEN")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accepted_token: Option<String>,
    /// Credits of the account; a result costs one, and without credits, creates and resumes are answered 402
    /// [default: 10000, never refused].
    #[arg(long, value_name = "N")]
    pub credits: Option<u64>,
    /// The undocumented behaviour of the service.
    #[command(flatten)]
    pub semantics: Semantics,
    /// Faults that requests meet at random, each with its own probability.
    #[arg(
        long = "fault",
        value_name = "[ON:]KIND=PROBABILITY",
        help = "Make a share of the requests meet this fault; can be repeated",
        long_help = FAULT_HELP
    )]
    pub odds: Vec<Odds>,
    /// Faults of all kinds that requests meet at random.
    #[command(flatten)]
    pub chaos: Chaos,
}

impl Default for Settings {
    fn default() -> Self {
        static DEFAULT: LazyLock<Settings> = LazyLock::new(super::without_flags);
        DEFAULT.clone()
    }
}

impl Settings {
    /// Checks that each value is in its range.
    ///
    /// # Errors
    ///
    /// Names the invalid field, its value and the allowed values.
    pub fn check(&self) -> Result<(), String> {
        if !self.speed.is_finite() || self.speed < 0.0 {
            return Err(format!(
                "speed: {} is not a number of at least 0",
                self.speed
            ));
        }
        self.semantics.check()?;
        if self.accepted_token.as_deref() == Some("") {
            return Err("accepted_token: must not be empty; null accepts any token".to_owned());
        }
        let odds = self.odds.iter().map(|odds| ("odds", odds.probability));
        let chaos = ("chaos", self.chaos.probability);
        for (name, probability) in odds.chain([chaos]) {
            if !(0.0..=1.0).contains(&probability) {
                return Err(format!(
                    "{name}.probability: {probability} is not between 0 and 1"
                ));
            }
        }
        self.odds.iter().try_for_each(Odds::check)?;
        let chaos = self.chaos.kinds.iter().flatten();
        chaos.into_iter().try_for_each(Fault::check)
    }
}
