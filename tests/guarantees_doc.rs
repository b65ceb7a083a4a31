//! Each test that docs/guarantees.md names is there.

use std::collections::BTreeSet;
use std::path::Path;

#[test]
fn each_test_that_shows_a_promise_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(root.join("docs/guarantees.md")).unwrap();
    let named: BTreeSet<(&str, &str)> = page
        .split('`')
        .filter_map(|code| code.split_once("::"))
        .collect();
    assert!(named.len() > 40, "{}", named.len());
    for (file, test) in named {
        let path = root.join("tests").join(file).with_extension("rs");
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        let is_there = text.contains(&format!("fn {test}("));
        assert!(is_there, "{file}::{test} is named, and is not in {path:?}");
    }
}
