//! docs/architecture.md names every module under src/, and no other.

use std::collections::BTreeSet;
use std::path::Path;

/// Returns the paths that the document's tree of modules names, such as `core/decide`.
fn named(document: &str) -> BTreeSet<String> {
    let (_, rest) = document.split_once("```modules\n").expect("the tree");
    let (tree, _) = rest.split_once("```").expect("the end of the tree");
    let mut folders: Vec<(usize, String)> = Vec::new();
    let mut paths = BTreeSet::new();
    for line in tree.lines() {
        let indent = line.len() - line.trim_start().len();
        folders.retain(|(of_folder, _)| *of_folder < indent);
        let parent = folders.last().map_or("", |(_, path)| path).to_owned();
        // Names come first, then a description after two spaces at least.
        let names = line.trim().split("  ").next().unwrap_or_default();
        for name in names.split(' ') {
            match name.strip_suffix('/') {
                Some("src") => folders.push((indent, String::new())),
                Some(folder) => folders.push((indent, format!("{parent}{folder}/"))),
                None => assert!(
                    paths.insert(format!("{parent}{name}")),
                    "{name} stands there twice"
                ),
            }
        }
    }
    paths
}

/// Returns the modules in a folder: its files without `.rs`, except `mod.rs`, which stands for the folder.
fn existing(folder: &Path, prefix: &str, paths: &mut BTreeSet<String>) {
    for entry in folder.read_dir().expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path
            .file_stem()
            .and_then(|name| name.to_str())
            .expect("a name");
        if path.is_dir() {
            existing(&path, &format!("{prefix}{name}/"), paths);
        } else if name != "mod" {
            paths.insert(format!("{prefix}{name}"));
        }
    }
}

#[test]
fn the_architecture_names_every_module_and_no_other() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let document =
        std::fs::read_to_string(root.join("docs/architecture.md")).expect("the document");
    let mut modules = BTreeSet::new();
    existing(&root.join("src"), "", &mut modules);
    let named = named(&document);
    let missing: Vec<_> = modules.difference(&named).collect();
    let gone: Vec<_> = named.difference(&modules).collect();
    assert!(
        missing.is_empty(),
        "not in docs/architecture.md: {missing:?}"
    );
    assert!(
        gone.is_empty(),
        "in docs/architecture.md, but not in src/: {gone:?}"
    );
}
