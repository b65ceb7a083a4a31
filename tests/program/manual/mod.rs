//! Checks that the manual pages and completions in the repository are up to date.
//!
//! `GROWD_WRITE_MANUAL=1 cargo test --test program manual` regenerates them.

mod commands;
mod completions;
mod config;
mod prose;

use jiff::fmt::rfc2822;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

const WRITE: &str = "GROWD_WRITE_MANUAL";
const CHANGELOG: &str = include_str!("../../../packaging/changelog");

/// The date of the package's last release, so that the date of the pages changes only with a release.
fn date() -> String {
    let trailer = CHANGELOG
        .lines()
        .find(|line| line.starts_with(" -- "))
        .unwrap();
    let (_, date) = trailer.split_once("  ").unwrap();
    let date = rfc2822::parse(date).unwrap();
    date.strftime("%Y-%m-%d").to_string()
}

/// Returns the path and text of each generated file.
fn generated() -> BTreeMap<String, String> {
    let date = date();
    let pages = commands::pages(&date)
        .into_iter()
        .chain([config::page(&date)])
        .map(|(name, text)| (format!("man/{name}"), text));
    let completions = completions::scripts()
        .into_iter()
        .map(|(name, text)| (format!("completions/{name}"), text));
    pages.chain(completions).collect()
}

/// Returns the path and text of each file in the directories of generated files.
fn committed(root: &Path) -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    for directory in ["man", "completions"] {
        fs::create_dir_all(root.join(directory)).unwrap();
        for entry in fs::read_dir(root.join(directory)).unwrap() {
            let entry = entry.unwrap();
            let name = format!("{directory}/{}", entry.file_name().to_str().unwrap());
            files.insert(name, fs::read_to_string(entry.path()).unwrap());
        }
    }
    files
}

#[test]
fn the_pages_and_completions_in_the_repository_are_up_to_date() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (generated, mut committed) = (generated(), committed(root));
    if std::env::var_os(WRITE).is_some() {
        for name in committed.keys() {
            if !generated.contains_key(name) {
                fs::remove_file(root.join(name)).unwrap();
            }
        }
        for (name, text) in &generated {
            fs::write(root.join(name), text).unwrap();
        }
        committed = self::committed(root);
    }
    let names = generated.keys().chain(committed.keys());
    let mut stale: Vec<&str> = names
        .filter(|name| generated.get(*name) != committed.get(*name))
        .map(String::as_str)
        .collect();
    stale.dedup();
    assert!(
        stale.is_empty(),
        "out of date: {}; regenerate with `{WRITE}=1 cargo test --test program manual`",
        stale.join(", ")
    );
}

#[test]
fn the_page_of_the_config_has_every_key_with_its_default_and_explanation() {
    // Without the escapes of roff.
    let page = config::page(&date())
        .1
        .replace("\\fB", "")
        .replace("\\fR", "")
        .replace("\\-", "-")
        .replace("\\*(Aq", "'")
        .to_lowercase();
    let entries = growd::config::entries();
    assert_eq!(config::keys().len(), entries.len());
    for entry in entries {
        let (section, key) = entry.name.split_once('.').unwrap();
        let (_, section) = page.split_once(&format!("[{section}]")).unwrap();
        let (_, item) = section
            .split_once(&format!(".tp\n{key}\n"))
            .unwrap_or_else(|| panic!("{} is not in the page", entry.name));
        let item = item.lines().next().unwrap();
        assert!(item.contains(&entry.why.to_lowercase()), "{item}");
        assert!(item.contains(&entry.allowed.to_lowercase()), "{item}");
        let default = entry.default.map_or("no default".to_owned(), |value| {
            format!("the default is {}.", value.to_lowercase())
        });
        assert!(item.contains(&default), "{item}");
    }
}

#[test]
fn every_command_has_a_page_that_the_programs_page_names() {
    let pages: BTreeMap<String, String> = commands::pages(&date()).into_iter().collect();
    let growd = &pages["growd.1"];
    for name in pages.keys().filter(|name| *name != "growd.1") {
        let reference = format!(
            "\\fB{}\\fR(1)",
            name.trim_end_matches(".1").replace('-', "\\-")
        );
        assert!(growd.contains(&reference), "{reference}");
    }
    for section in [
        "\"EXIT STATUS\"",
        "ENVIRONMENT",
        "FILES",
        "EXAMPLES",
        "\"SEE ALSO\"",
        "COMMANDS",
    ] {
        assert!(growd.contains(&format!("\n.SH {section}\n")), "{section}");
    }
}

#[test]
fn the_packages_changelog_begins_with_this_version() {
    let first = format!("growd ({}-1) ", env!("CARGO_PKG_VERSION"));
    assert!(
        CHANGELOG.starts_with(&first),
        "packaging/changelog does not begin with {first:?}"
    );
}
