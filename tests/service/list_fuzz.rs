//! Whatever happens to one entry of a page of the list, the other entries are read as before, or not at all. The bytes come
//! from the corpus of single tasks and from mutations.

use crate::cases::for_each;
use growd::core::list::ListEntry;
use growd::extruct::{read_list, read_task};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::json;
use std::path::Path;

fn task(id: &str, results: i64, query: &str) -> String {
    json!({
        "id": id,
        "status": "done",
        "query": query,
        "criteria": [{"key": "k", "criterion": query}],
        "desired_num_results": 50,
        "num_results": results,
    })
    .to_string()
}

/// A query with the characters that separate entries and strings.
const QUERY: &str = "[a-z{}\\[\\],:\"\\\\ é]{0,30}";

fn entries() -> impl Strategy<Value = Vec<String>> {
    vec((0..1_000_i64, QUERY), 1..6).prop_map(|of_tasks| {
        let of_tasks = of_tasks.into_iter().enumerate();
        of_tasks
            .map(|(index, (results, query))| task(&format!("task-{index}"), results, &query))
            .collect()
    })
}

fn page(entries: &[impl AsRef<[u8]>]) -> Vec<u8> {
    let entries: Vec<&[u8]> = entries.iter().map(AsRef::as_ref).collect();
    [b"[", &entries.join(&b", "[..])[..], b"]"].concat()
}

#[test]
fn each_entry_is_read_as_the_task_by_itself() {
    for_each(300, &entries(), |entries| {
        let page = read_list(&page(&entries)).map_err(TestCaseError::fail)?;
        prop_assert_eq!(
            (page.len, page.entries.len()),
            (entries.len(), entries.len())
        );
        for (entry, text) in page.entries.iter().zip(&entries) {
            let alone = read_task(text.as_bytes(), entry.id.as_str());
            prop_assert_eq!(alone.as_ref(), Ok(&entry.seen));
        }
        Ok(())
    });
}

#[test]
fn bytes_changed_in_one_entry_leave_the_others_as_they_are_or_unread() {
    let changes = vec((any::<Index>(), any::<u8>()), 1..6);
    let cases = (entries(), any::<Index>(), changes);
    for_each(1_000, &cases, |(entries, victim, changes)| {
        let before = read_list(&page(&entries)).map_err(TestCaseError::fail)?;
        let victim = victim.index(entries.len());
        let mut entries: Vec<Vec<u8>> = entries.into_iter().map(String::into_bytes).collect();
        let mut is_structural = false;
        for (place, byte) in changes {
            let entry = &mut entries[victim];
            let place = place.index(entry.len());
            is_structural |= [entry[place], byte]
                .iter()
                .any(|b| b"\"\\[]{},".contains(b));
            entry[place] = byte;
        }
        let Ok(after) = read_list(&page(&entries)) else {
            prop_assert!(is_structural, "an entry costs the page");
            return Ok(());
        };
        let others = |of: &[ListEntry]| -> Vec<ListEntry> {
            let id = &before.entries[victim].id;
            let others = of.iter().filter(|entry| entry.id != *id);
            others.cloned().collect()
        };
        let (kept, all) = (others(&after.entries), others(&before.entries));
        if is_structural {
            // The id of the changed entry can be a new one.
            let new = kept.iter().filter(|entry| !all.contains(entry)).count();
            prop_assert!(new <= 1, "{:?}", kept);
        } else {
            prop_assert_eq!(after.len, before.len);
            let lost = all.iter().filter(|entry| !kept.contains(entry)).count();
            // A changed id can be that of another entry; neither is then kept.
            let twice = before.len - after.entries.len();
            prop_assert!(lost == 0 || twice >= 2, "{:?}", kept);
        }
        Ok(())
    });
}

#[test]
fn arbitrary_bytes_in_place_of_an_entry_never_panic_and_add_no_task() {
    let json_like = "[\\[\\]{}\",:0-9eE+.tfn\\\\ -]{0,60}".prop_map(String::into_bytes);
    let bytes = prop_oneof![vec(any::<u8>(), 0..60), json_like];
    for_each(1_000, &(entries(), bytes), |(entries, bytes)| {
        let whole = read_list(&page(&entries)).map_err(TestCaseError::fail)?;
        let entries: Vec<&[u8]> = entries.iter().map(String::as_bytes).collect();
        let mixed = [&entries[..1], &[&bytes], &entries[1..]].concat();
        if let Ok(page) = read_list(&page(&mixed)) {
            let is_of_whole = |entry| whole.entries.contains(entry);
            prop_assert!(page.entries.iter().all(is_of_whole), "{:?}", page);
        }
        // Alone, they are no page or an empty one.
        let alone = read_list(&bytes).unwrap_or_default();
        prop_assert!(alone.entries.is_empty());
        Ok(())
    });
}

#[test]
fn each_file_of_the_corpus_as_an_entry_is_read_as_by_itself_and_affects_no_other() {
    let neighbours = [task("first", 1, "[\"]"), task("last", 2, "}")];
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/wire");
    let mut in_page = 0;
    for kind in ["accepted", "refused"] {
        for file in std::fs::read_dir(corpus.join(kind)).expect("the corpus") {
            let path = file.expect("a file").path();
            let name = path.file_stem().unwrap_or_default().to_string_lossy();
            let body = std::fs::read(&path).expect("a file");
            let [first, last] = neighbours.each_ref().map(String::as_bytes);
            let Ok(page) = read_list(&page(&[first, &body, last])) else {
                // Their brackets or strings do not end, or there is nothing.
                let cut = ["cut_off_half_way", "empty", "nesting_without_an_end"];
                let binary = ["compressed", "utf_16"];
                let is_known = cut.iter().chain(&binary).any(|known| **known == *name);
                assert!(is_known, "{name}");
                continue;
            };
            in_page += 1;
            assert_eq!(page.len, 3, "{name}");
            let [first, middle @ .., last] = &page.entries[..] else {
                panic!("{name}: {page:?}");
            };
            assert_eq!((first.seen.results, last.seen.results), (1, 2), "{name}");
            // A byte order mark belongs before the page only. A task other than the one asked for is an entry too.
            let is_entry =
                kind == "accepted" && name != "a_byte_order_mark" || name == "another_task";
            assert_eq!(middle.len(), usize::from(is_entry), "{name}");
            for entry in middle {
                let alone = read_task(&body, entry.id.as_str());
                assert_eq!(alone.as_ref(), Ok(&entry.seen), "{name}");
            }
        }
    }
    assert!(in_page > 50, "{in_page}");
}
