//! Tests of configurations: the settings that valid ones give, and the errors of invalid ones.

use super::*;

fn from(toml: &str) -> Result<Settings, ConfigError> {
    settings(Some((Path::new("x.toml"), toml)), HashMap::new())
}

fn from_both(toml: &str, variables: &[(&str, &str)]) -> Result<Settings, ConfigError> {
    let variables = variables
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    settings(Some((Path::new("x.toml"), toml)), variables)
}

fn rejection(toml: &str) -> String {
    from(toml).expect_err(toml).to_string()
}

#[test]
fn an_empty_config_gives_the_defaults() {
    let settings = Settings::default();
    assert_eq!(settings, from("").unwrap());
    assert_eq!(settings, from("[api]\n[growth]\n").unwrap());
    assert_eq!(settings.api.base_url.as_str(), "https://api.extruct.ai/");
    assert_eq!(settings.api.token_file, None);
    assert_eq!(settings.api.timeout, Duration::from_secs(30));
    assert_eq!(settings.api.connect_timeout, Duration::from_secs(10));
    assert_eq!(settings.database, Path::new("/var/lib/growd/growd.db"));
    let growth = settings.policy.growth;
    assert_eq!(
        (
            growth.chunk,
            growth.task_cap,
            growth.max_stalled,
            growth.daily_limit,
            growth.settle
        ),
        (250, 250, 2, 0, Duration::from_mins(1))
    );
    assert_eq!(growth.monthly_limit, 0);
    assert_eq!(growth.reserve_credits, 0);
    assert_eq!(growth.exclude_cap, 1_000);
    let polling = settings.policy.polling;
    assert_eq!(polling.min_interval, Duration::from_secs(5));
    assert_eq!(polling.max_interval, Duration::from_mins(1));
    assert_eq!(settings.limits.concurrency, 16);
    assert!((settings.limits.requests_per_second - 10.0).abs() < f64::EPSILON);
    assert_eq!(settings.policy.retry.initial, Duration::from_secs(2));
    assert_eq!(settings.policy.retry.max, Duration::from_mins(5));
    assert_eq!(settings.policy.probe_interval, Duration::from_mins(5));
    assert_eq!(settings.history_keep, Duration::from_hours(90 * 24));
    assert_eq!(settings.log.level, tracing::Level::INFO);
    assert_eq!(settings.log.format, LogFormat::Auto);
}

#[test]
fn the_environment_overrides_the_file_and_is_read_as_the_keys_type() {
    let settings = from_both(
        "growth.chunk = 10\nlimits.requests_per_second = 3\nlog.level = 'warn'",
        &[
            ("GROWD__GROWTH__CHUNK", "20"),
            ("GROWD__LIMITS__REQUESTS_PER_SECOND", "2.5"),
            ("GROWD__API__TIMEOUT", "50s"),
            ("growd__log__format", "json"),
        ],
    )
    .unwrap();
    assert_eq!(settings.policy.growth.chunk, 20);
    assert!((settings.limits.requests_per_second - 2.5).abs() < f64::EPSILON);
    assert_eq!(settings.api.timeout, Duration::from_secs(50));
    assert_eq!(settings.log.level, tracing::Level::WARN);
    assert_eq!(settings.log.format, LogFormat::Json);
}

#[test]
fn a_rate_can_be_written_as_an_integer() {
    let settings = from("limits.requests_per_second = 3").unwrap();
    assert!((settings.limits.requests_per_second - 3.0).abs() < f64::EPSILON);
}

#[test]
fn an_unknown_key_is_rejected_with_the_nearest_one() {
    let text = rejection("[growth]\nchunck = 5");
    for part in ["x.toml", "growth.chunck", "5", "growth.chunk?"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let text = from_both("", &[("GROWD__GROWTH__CHUNKS", "7")])
        .unwrap_err()
        .to_string();
    for part in ["GROWD__GROWTH__CHUNKS", "7", "growth.chunk?"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(rejection("[growths]").contains("growths"));
    assert!(rejection("api = 5").contains("api"));
    assert!(rejection("'api.x[0]' = 5").contains("api"));
}

#[test]
fn an_invalid_value_is_rejected_with_the_key_the_value_and_the_accepted_values() {
    for (toml, parts) in [
        ("growth.chunk = 0", vec!["growth.chunk", "0", "1 to 250"]),
        ("growth.chunk = 251", vec!["251", "1 to 250"]),
        ("growth.chunk = '250'", vec!["\"250\"", "whole number"]),
        ("growth.chunk = 1.5", vec!["1.5", "whole number"]),
        ("growth.task_cap = 0", vec!["growth.task_cap", "1 or more"]),
        (
            "growth.max_stalled = 0",
            vec!["growth.max_stalled", "1 or more"],
        ),
        ("growth.daily_limit = -1", vec!["-1", "0 or more"]),
        (
            "growth.settle = '0s'",
            vec!["growth.settle", "0s", "duration"],
        ),
        ("api.timeout = 30", vec!["api.timeout", "30", "duration"]),
        ("api.timeout = 'soon'", vec!["soon", "\"5s\""]),
        ("api.timeout = []", vec!["a list"]),
        ("[api.timeout]\nx = 1", vec!["api.timeout", "a table"]),
        ("history.keep = '99999d'", vec!["99999d", "3650d"]),
        ("limits.concurrency = 0", vec!["1 to 1024"]),
        ("limits.concurrency = 1025", vec!["1 to 1024"]),
        ("limits.requests_per_second = -1", vec!["-1", "or 0"]),
        ("limits.requests_per_second = nan", vec!["NaN"]),
        ("limits.requests_per_second = inf", vec!["inf"]),
        ("log.level = 'loud'", vec!["loud", "\"debug\""]),
        ("log.level = true", vec!["true"]),
        ("log.format = 'xml'", vec!["xml", "\"journald\""]),
        (
            "database.path = ''",
            vec!["database.path", "path of a file"],
        ),
        (
            "api.base_url = 'http://api.extruct.ai'",
            vec!["http://api.extruct.ai", "https://", "127.0.0.1"],
        ),
        (
            "polling.min_interval = '2m'",
            vec!["polling.min_interval", "2m", "polling.max_interval", "60s"],
        ),
        (
            "retry = { initial = '2m', max = '1m' }",
            vec!["retry.initial", "2m", "retry.max", "1m"],
        ),
    ] {
        let text = rejection(toml);
        for part in parts.iter().chain(&["x.toml"]) {
            assert!(text.contains(part), "{toml}: {part}: {text}");
        }
    }
}

#[test]
fn the_origin_of_a_value_that_conflicts_with_a_default_is_where_it_was_set() {
    let text = rejection("polling.max_interval = '1s'");
    assert!(text.contains("x.toml"), "{text}");
    assert!(text.contains("5s by default"), "{text}");
}

#[test]
fn all_problems_are_reported_at_once() {
    let text = rejection("growth.chunk = 0\nlog.level = 'x'\nlogg.x = 1");
    for part in ["growth.chunk", "log.level", "logg.x"] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn a_token_in_the_config_is_rejected_and_never_shown() {
    for toml in [
        "api.token = 'S3CRET'",
        "token = 'S3CRET'",
        "[api.token]\nvalue = 'S3CRET'",
        "api.api_key = 'S3CRET'",
        "api.token = ['S3CRET']",
        "api.token = S3CRET",
        "api.token = 'S3CRET\n",
        "api.token = 'S3CRET' S3CRET",
        "api.base_url = 'https://S3CRET:S3CRET@host'",
        "api.base_url = 'https://host?token=S3CRET'",
    ] {
        let error = from(toml).unwrap_err();
        assert!(!error.to_string().contains("S3CRET"), "{error}");
        assert!(!format!("{error:?}").contains("S3CRET"), "{error:?}");
    }
    let text = rejection("api.token = 'S3CRET'");
    assert!(text.contains("api.token_file") && text.contains("EXTRUCT_API_TOKEN"));
    let error = from_both("", &[("GROWD__API__TOKEN", "S3CRET")]).unwrap_err();
    assert!(!format!("{error:?} {error}").contains("S3CRET"));
    assert!(error.to_string().contains("GROWD__API__TOKEN"));
}

#[test]
fn invalid_toml_is_reported_with_its_file_and_line() {
    let text = rejection("[api]\ntimeout = \n");
    assert!(text.contains("x.toml") && text.contains("line 2"), "{text}");
    let text = rejection("[api]\ntimeout = '5s'\ntimeout = '5s'\n");
    assert!(text.contains("line 3"), "{text}");
}

#[test]
fn a_settle_time_that_is_not_above_the_timeout_is_rejected() {
    for (toml, values) in [
        ("growth.settle = '30s'", ["\"30s\"", "30s by default"]),
        ("growth.settle = '1s'", ["\"1s\"", "30s by default"]),
        ("api.timeout = '60s'", ["60s by default", "\"60s\""]),
        (
            "api.timeout = '5s'\ngrowth.settle = '5s'",
            ["growth.settle (\"5s\")", "api.timeout (\"5s\")"],
        ),
    ] {
        let text = rejection(toml);
        let parts = [
            "x.toml",
            "growth.settle",
            "api.timeout",
            "raise growth.settle or lower",
        ];
        for part in parts.iter().chain(&values) {
            assert!(text.contains(part), "{toml}: {part}: {text}");
        }
    }
    let text = from_both("", &[("GROWD__API__TIMEOUT", "2m")])
        .unwrap_err()
        .to_string();
    assert!(text.contains("GROWD__API__TIMEOUT"), "{text}");
    assert!(from("growth.settle = '30001ms'").is_ok());
    assert!(from("growth.settle = '2s'\napi.timeout = '1999ms'").is_ok());
    // A value that is invalid by itself is reported once.
    let text = rejection("growth.settle = '0s'");
    assert!(!text.contains("api.timeout"), "{text}");
}

#[test]
fn words_are_read_in_any_case() {
    let settings = from("log.level = 'INFO'\nlog.format = 'Json'").unwrap();
    assert_eq!(settings.log.level, tracing::Level::INFO);
    assert_eq!(settings.log.format, LogFormat::Json);
}

#[test]
fn a_version_in_the_base_url_and_a_tilde_in_a_path_are_rejected_with_the_remedy() {
    for (toml, parts) in [
        (
            "api.base_url = 'https://api.extruct.ai/v1'",
            ["/v1\"", "without /v1"],
        ),
        ("database.path = '~/x.db'", ["database.path", "written out"]),
        (
            "api.token_file = '~me/token'",
            ["api.token_file", "written out"],
        ),
    ] {
        let text = rejection(toml);
        for part in parts {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
    assert!(from("database.path = './~x.db'").is_ok());
}

#[test]
fn a_reload_rejects_a_file_that_has_become_empty() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("growd.toml");
    let source = Source {
        config: Some(path.clone()),
        database: None,
    };
    let write = |text: &str| std::fs::write(&path, text).unwrap();
    write("growth.daily_limit = 5");
    let mut had_text = source.has_text();
    assert!(had_text);
    for nothing in ["", " \n\t\n"] {
        write(nothing);
        let error = source.load_again(&mut had_text).unwrap_err().to_string();
        assert!(
            error.contains(&*path.to_string_lossy()) && error.contains("empty"),
            "{error}"
        );
        assert!(
            source.load().is_ok(),
            "an empty file is accepted at startup"
        );
    }
    write("# nothing\n");
    assert!(source.load_again(&mut had_text).is_ok());
    // A file that was empty at startup may stay empty.
    write("");
    let mut had_text = source.has_text();
    assert!(source.load_again(&mut had_text).is_ok());
    write("growth.chunk = 5");
    assert!(source.load_again(&mut had_text).is_ok());
    assert!(had_text);
}

#[test]
fn an_endless_file_is_rejected_after_its_maximum_size() {
    let source = Source {
        config: Some("/dev/zero".into()),
        database: None,
    };
    let error = source.load().unwrap_err().to_string();
    assert!(
        error.contains("/dev/zero") && error.contains("larger than"),
        "{error}"
    );
}

#[test]
fn the_sample_file_has_every_key_at_its_default_with_its_why_and_nothing_else() {
    let text = include_str!("../../config/growd.toml");
    assert_eq!(from(text).unwrap(), Settings::default());
    let mut section = "";
    let mut found = Vec::new();
    for line in text.lines() {
        // A key without a default stands in a comment.
        let line = line.strip_prefix("#").unwrap_or(line);
        if let Some(name) = line.strip_prefix('[') {
            section = name.trim_end_matches(']');
        } else if !line.starts_with(' ')
            && let Some((key, value)) = line.split_once(" = ")
        {
            found.push((format!("{section}.{key}"), value));
        }
    }
    let entries = entries();
    let names: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
    let known: Vec<&str> = entries.iter().map(|entry| entry.name).collect();
    assert_eq!(names, known);
    let prose = text.replace("\n# ", " ").to_lowercase();
    for (entry, (name, value)) in entries.iter().zip(&found) {
        if let Some(default) = &entry.default {
            assert_eq!(value, default, "{name}");
        }
        assert!(
            prose.contains(&entry.why.to_lowercase()),
            "{name}: {}",
            entry.why
        );
    }
}
