//! All kinds of faults, with their names.

use crate::faults::fault::Fault;

/// Returns each kind except statuses, with its name and typical values.
pub(super) fn kinds() -> [(&'static str, Fault); 42] {
    use Fault::{
        ByteOrderMark, ColleagueFirst, Delay, Empty, FloatNumbers, Hang, HangAfter, Huge, Late,
        ListAllDone, ListAllFailed, ListAllRunning, ListBadEntry, ListEmpty, ListFallen, ListFull,
        ListObject, ListOthers, ListRisen, ListTwice, LostAfter, LostBefore, MissingFields,
        NotJson, NumericFlags, QuotedNumbers, RawControls, Redirect, Reset, ResultsBadRow,
        ResultsEmpty, ResultsFallen, ResultsLongText, ResultsOddFields, ResultsOthers,
        ResultsRisen, ResultsTwice, SlowBody, Truncated, WrongId, WrongTypes,
    };
    let reset = |takes_effect| Reset { takes_effect };
    let location = "/v1/moved".to_owned();
    // A seed selects from this list by position, so a new kind goes to its end.
    [
        ("lost_before", LostBefore),
        ("lost_after", LostAfter),
        ("reset", reset(false)),
        ("reset_after", reset(true)),
        ("hang", Hang { ms: 1_000 }),
        ("hang_after", HangAfter { ms: 1_000 }),
        ("delay", Delay { ms: 250 }),
        ("late", Late { ms: 250 }),
        ("not_json", NotJson),
        ("truncated", Truncated),
        ("missing_fields", MissingFields),
        ("wrong_types", WrongTypes),
        ("huge", Huge { bytes: 2 << 20 }),
        ("slow_body", SlowBody { ms_per_byte: 2 }),
        (
            "redirect",
            Redirect {
                status: 307,
                location,
            },
        ),
        ("wrong_id", WrongId),
        ("empty", Empty),
        ("quoted_numbers", QuotedNumbers),
        ("float_numbers", FloatNumbers),
        ("numeric_flags", NumericFlags),
        ("raw_controls", RawControls),
        ("byte_order_mark", ByteOrderMark),
        ("colleague_first", ColleagueFirst { new: 25 }),
        ("list_all_done", ListAllDone),
        ("list_all_running", ListAllRunning),
        ("list_all_failed", ListAllFailed),
        ("list_full", ListFull),
        ("list_fallen", ListFallen),
        ("list_risen", ListRisen),
        ("list_twice", ListTwice),
        ("list_others", ListOthers),
        ("list_empty", ListEmpty),
        ("list_bad_entry", ListBadEntry),
        ("list_object", ListObject),
        ("results_empty", ResultsEmpty),
        ("results_fallen", ResultsFallen),
        ("results_risen", ResultsRisen),
        ("results_twice", ResultsTwice),
        ("results_others", ResultsOthers),
        ("results_bad_row", ResultsBadRow),
        ("results_odd_fields", ResultsOddFields),
        ("results_long_text", ResultsLongText),
    ]
}

impl Fault {
    /// Returns the faults of the network and of an overloaded server.
    pub(crate) fn of_a_bad_network() -> Vec<Self> {
        let kinds = kinds().into_iter().map(|(_, fault)| fault);
        let kinds = kinds.filter(|fault| {
            !matches!(fault, Self::ColleagueFirst { .. })
                && !fault.is_of_list()
                && !fault.is_of_results()
        });
        let statuses = ["408", "500", "503", "502", "504_after"];
        kinds
            .chain(statuses.into_iter().filter_map(Self::named))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_a_name_that_selects_it() {
        for (name, fault) in kinds() {
            assert_eq!(fault.name(), name);
            assert_eq!(Fault::named(name), Some(fault));
        }
    }

    #[test]
    fn a_bad_network_neither_resumes_tasks_nor_changes_pages() {
        let network = Fault::of_a_bad_network();
        assert_eq!(network.len(), 22 + 5);
        assert!(!network.iter().any(Fault::is_of_list));
        assert!(!network.iter().any(Fault::is_of_results));
    }
}
