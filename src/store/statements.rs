//! The statements of the daemon and the commands, so that a test can check the query plan of each.

use super::rows::ROWS;
use super::{
    bounds, companies, daemon, history, ledger, load, overview, progress, readings, reschedule,
    results, save, tasks, values,
};

/// Returns each statement with its name.
#[must_use]
#[allow(clippy::too_many_lines, reason = "a line or two for each statement")]
pub fn all() -> Vec<(&'static str, &'static str)> {
    let mut all = vec![
        ("progress::DUE_OLDEST", progress::DUE_OLDEST),
        ("progress::DUE_NEWEST", progress::DUE_NEWEST),
        ("progress::WAITING_FOR_LIMIT", progress::WAITING_FOR_LIMIT),
        ("progress::MARK_UNUSABLE", progress::MARK_UNUSABLE),
        ("progress::RECORD_NOT_STORED", progress::RECORD_NOT_STORED),
        ("progress::UNSCHEDULE_ORPHAN", progress::UNSCHEDULE_ORPHAN),
        ("progress::NEXT_DUE", progress::NEXT_DUE),
        ("load::TASKS", load::TASKS),
        ("load::NEWEST_RESUMES", load::NEWEST_RESUMES),
        ("reschedule::WAKE_GATED", reschedule::WAKE_GATED),
        ("reschedule::WAKE_CAPPED", reschedule::WAKE_CAPPED),
        ("reschedule::POLL_SOONER", reschedule::POLL_SOONER),
        ("reschedule::WAKE_UNSCHEDULED", reschedule::WAKE_UNSCHEDULED),
        (
            "reschedule::WAKE_SCHEDULED_TOO_LATE",
            reschedule::WAKE_SCHEDULED_TOO_LATE,
        ),
        ("reschedule::BOUND_LIMIT_WAIT", reschedule::BOUND_LIMIT_WAIT),
        ("ledger::NEXT_ID", ledger::NEXT_ID),
        ("ledger::INTEND", ledger::INTEND),
        ("ledger::UPDATE", ledger::UPDATE),
        ("ledger::FIND", ledger::FIND),
        ("ledger::ASKED_WITHIN", ledger::ASKED_WITHIN),
        ("ledger::FORBIDDEN_ALONE", ledger::FORBIDDEN_ALONE),
        ("ledger::RESTART_SETTLING", ledger::RESTART_SETTLING),
        ("save::UPDATE_STATE", save::UPDATE_STATE),
        ("history::ADD_SAMPLES", history::ADD_SAMPLES.sql(1)),
        ("history::ADD_SAMPLES, many", history::ADD_SAMPLES.sql(ROWS)),
        ("results::UNREAD", results::UNREAD),
        ("results::RUNNING", results::RUNNING),
        ("results::NEXT_UNREAD", results::NEXT_UNREAD),
        ("results::UPSERT", results::UPSERT.sql(1)),
        ("results::UPSERT, many", results::UPSERT.sql(ROWS)),
        ("results::MARK_GONE", results::MARK_GONE),
        ("results::COMPLETE", results::COMPLETE),
        ("results::ATTEMPTS", results::ATTEMPTS),
        ("results::POSTPONE", results::POSTPONE),
        (
            "results::READ_POSTPONED_TOO_LONG",
            results::READ_POSTPONED_TOO_LONG,
        ),
        ("history::ADD_EVENT", history::ADD_EVENT),
        ("history::PRUNE_SAMPLES", history::PRUNE_SAMPLES),
        ("history::PRUNE_EVENTS", history::PRUNE_EVENTS),
        ("daemon::READ", daemon::READ),
        ("daemon::STARTED", daemon::STARTED),
        ("daemon::HEARTBEAT", daemon::HEARTBEAT),
        ("daemon::STOPPED", daemon::STOPPED),
        ("daemon::ADD_REQUESTS", daemon::ADD_REQUESTS),
        ("daemon::SAVE_GATE", daemon::SAVE_GATE),
        ("daemon::READ_SPENDING", daemon::READ_SPENDING),
        ("daemon::SAVE_LIMITS_NEAR", daemon::SAVE_LIMITS_NEAR),
        ("daemon::SAVE_CREDITS", daemon::SAVE_CREDITS),
        ("bounds::READ", bounds::READ),
        ("tasks::UPSERT", tasks::UPSERT),
        ("tasks::COUNT_KNOWN", tasks::COUNT_KNOWN),
        ("tasks::KNOWN", tasks::KNOWN),
        ("tasks::OTHER_FORMS", tasks::OTHER_FORMS),
        ("tasks::SET_PAUSED_IN", tasks::SET_PAUSED_IN),
        ("tasks::UNPAUSE_ALL", tasks::UNPAUSE_ALL),
        ("tasks::COUNT_PAUSED_IN", tasks::COUNT_PAUSED_IN),
        ("tasks::RETRY_IN", tasks::RETRY_IN),
        ("tasks::EXISTS", tasks::EXISTS),
        ("tasks::IS_GROWING", tasks::IS_GROWING),
        ("tasks::SET_PAUSED", tasks::SET_PAUSED),
        ("tasks::RETRY", tasks::RETRY),
        ("tasks::REMOVE", tasks::REMOVE),
        ("overview::ROWS_ADDED", overview::ROWS_ADDED),
        ("overview::ROWS", overview::ROWS),
        ("overview::ROWS_PAUSED", overview::ROWS_PAUSED),
        ("overview::ROWS_IN", overview::ROWS_IN),
        ("overview::ROWS_FIRST", overview::ROWS_FIRST),
        ("overview::COUNTS", overview::COUNTS),
        ("overview::NAMED", overview::NAMED),
        ("overview::QUIET", overview::QUIET),
        ("overview::IS_OPEN", overview::IS_OPEN),
        ("overview::SHOW", overview::SHOW),
        ("companies::CREATE", companies::CREATE),
        ("companies::ROWS", companies::ROWS),
        ("companies::KEYS", companies::KEYS),
        ("companies::EXIST", companies::EXIST),
        ("companies::ANY", companies::ANY),
        ("companies::ANY_OF", companies::ANY_OF),
        ("companies::ANY_READ", companies::ANY_READ),
        ("companies::ANY_READ_OF", companies::ANY_READ_OF),
        ("companies::DELETE", companies::DELETE),
        ("readings::COUNTS", readings::COUNTS),
        ("readings::UNREADABLE", readings::UNREADABLE),
        ("readings::IS_UNREAD", readings::IS_UNREAD),
        ("readings::COMPANIES", readings::COMPANIES),
    ];
    all.extend(save::statements());
    all.extend(
        companies::CHOOSE
            .iter()
            .map(|sql| ("companies::CHOOSE", sql.as_str())),
    );
    all.extend(
        values::FIND
            .iter()
            .map(|sql| ("values::FIND", sql.as_str())),
    );
    let of_task = values::FIND_OF_TASK.iter().map(String::as_str);
    all.extend(of_task.map(|sql| ("values::FIND_OF_TASK", sql)));
    all
}
