//! Each test that docs/guarantees.md names exists.

use std::collections::BTreeSet;
use std::path::Path;

/// Returns the source of the test module `name`, from the folder under tests/ that has it.
fn source(tests: &Path, name: &str) -> Option<String> {
    let folders = std::fs::read_dir(tests).unwrap();
    let mut files = folders.map(|folder| folder.unwrap().path().join(name).with_extension("rs"));
    let file = files.find(|file| file.is_file())?;
    Some(std::fs::read_to_string(file).unwrap())
}

#[test]
fn each_test_that_the_guarantees_name_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(root.join("docs/guarantees.md")).unwrap();
    let named: BTreeSet<(&str, &str)> = page
        .split('`')
        .filter_map(|code| code.split_once("::"))
        .collect();
    assert!(named.len() > 40, "{}", named.len());
    for (file, test) in named {
        let text = source(&root.join("tests"), file).unwrap_or_default();
        let is_there = text.contains(&format!("fn {test}("));
        assert!(
            is_there,
            "{file}::{test} is named, and no folder under tests/ has it"
        );
    }
}
