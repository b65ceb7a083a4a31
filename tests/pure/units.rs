//! The systemd units match the program, and the unit of the instances matches that of the service.

use growd::cli::Exit;
use std::collections::BTreeSet;
use std::fs;

fn unit(name: &str) -> Vec<String> {
    let path = format!("{}/systemd/{name}", env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(path).expect("a unit");
    let lines = text.lines().map(str::trim).map(str::to_owned);
    lines
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .collect()
}

fn value(unit: &[String], key: &str) -> String {
    let key = format!("{key}=");
    let mut values = unit.iter().filter_map(|line| line.strip_prefix(&key));
    values.next().expect("such a line").to_owned()
}

#[test]
fn the_unit_of_the_instances_equals_that_of_the_service_but_for_names() {
    let named = [
        "Description",
        "ConditionPathExists",
        "ConditionPathExistsGlob",
        "ExecStart",
        "RuntimeDirectory",
        "StateDirectory",
        "LoadCredential",
    ];
    let unnamed = |name| -> Vec<String> {
        let lines = unit(name).into_iter();
        lines
            .filter(|line| !named.contains(&line.split('=').next().expect("a key")))
            .collect()
    };
    assert_eq!(unnamed("growd@.service"), unnamed("growd.service"));
    let instance = unit("growd@.service");
    for key in named {
        let its_own = |line: &&String| line.starts_with(key) && line.contains('%');
        assert!(
            instance.iter().any(|line| its_own(&line)),
            "{key} is the same for all"
        );
    }
}

#[test]
fn restarts_are_prevented_only_after_errors_that_a_restart_cannot_fix() {
    let prevented: BTreeSet<u8> = value(&unit("growd.service"), "RestartPreventExitStatus")
        .split(' ')
        .map(|status| status.parse().expect("a number"))
        .collect();
    let hopeless = [Exit::Usage, Exit::NoToken, Exit::Unusable];
    assert_eq!(prevented, hopeless.map(|exit| exit as u8).into());
}

#[test]
fn the_directory_of_the_failure_count_survives_a_restart() {
    let service = unit("growd.service");
    assert_eq!(value(&service, "RuntimeDirectoryPreserve"), "restart");
    assert_eq!(value(&service, "StartLimitIntervalSec"), "0");
}
