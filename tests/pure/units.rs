//! What the units say has to fit the program, and the instances' unit that of the service.

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
fn an_instance_is_the_service_but_for_its_names() {
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
fn a_restart_is_prevented_for_what_it_would_not_mend_and_nothing_else() {
    let prevented: BTreeSet<u8> = value(&unit("growd.service"), "RestartPreventExitStatus")
        .split(' ')
        .map(|status| status.parse().expect("a number"))
        .collect();
    let hopeless = [Exit::Usage, Exit::NoToken, Exit::Unusable];
    assert_eq!(prevented, hopeless.map(|exit| exit as u8).into());
}

#[test]
fn what_counts_failures_outlives_a_restart() {
    let service = unit("growd.service");
    assert_eq!(value(&service, "RuntimeDirectoryPreserve"), "restart");
    assert_eq!(value(&service, "StartLimitIntervalSec"), "0");
}
