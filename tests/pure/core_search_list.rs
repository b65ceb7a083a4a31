//! The list of tasks, read page by page to find the task of an unanswered create.

use crate::search::builders::{asked, at, create, listed};
use growd::core::search::list_reading::{ListReading, ListedPage, NextPage};
use growd::core::search::settle::ListedTask;
use jiff::SignedDuration;

/// Reads these pages; a letter is a task, `?` an entry that cannot be read. Returns the offsets that were asked for, the tasks
/// that were found, and whether the reading is complete.
fn read(pages: &[&str]) -> (Vec<usize>, String, bool) {
    let mut reading = ListReading::begin([&create(asked(), None)], at(0));
    let mut offsets = vec![0];
    for (nth, text) in pages.iter().enumerate() {
        let tasks = text.chars().filter(|letter| *letter != '?');
        let page = ListedPage {
            len: text.len(),
            tasks: tasks.map(|letter| listed(&letter.to_string())).collect(),
        };
        match reading.add(page, None) {
            NextPage::At(offset) => offsets.push(offset),
            NextPage::End => {
                assert_eq!(nth + 1, pages.len(), "{pages:?} ended too early");
                let whole = reading.finish();
                let found = whole.tasks.iter().map(|task| task.id.to_string()).collect();
                return (offsets, found, whole.is_complete);
            }
        }
    }
    panic!("{pages:?}: not at its end, but at {offsets:?}");
}

#[test]
fn pages_that_join_up_are_a_complete_reading() {
    let table: &[(&[&str], &[usize], &str, bool)] = &[
        // An empty list.
        (&[""], &[0], "", true),
        // One task; one page; pages of three, of the list's last one too.
        (&["A", ""], &[0, 1], "A", true),
        (&["ABC", "C"], &[0, 2], "ABC", true),
        (&["ABC", "CDE", "E"], &[0, 2, 4], "ABCDE", true),
        (&["ABC", "CD", "D"], &[0, 2, 3], "ABCD", true),
        // Pages become shorter: the service cuts them.
        (&["ABC", "CD", "DE", "E"], &[0, 2, 3, 4], "ABCDE", true),
        // A task is added at the front.
        (&["ABC", "BCD", "D"], &[0, 2, 4], "ABCD", false),
        // A task of the first page is removed: D would not be seen in pages without an overlap.
        (&["ABC", "DE", "E"], &[0, 2, 3], "ABCDE", false),
        (&["ABC", "D", ""], &[0, 2, 3], "ABCD", false),
        (&["ABC", ""], &[0, 2], "ABC", false),
        // A task is added between the pages, behind what was read.
        (&["ABC", "CXD", "D"], &[0, 2, 4], "ABCXD", true),
        // Tasks change places, so that one comes twice.
        (&["ABC", "CAD", "D"], &[0, 2, 4], "ABCD", true),
        // Pages of one task cannot show that they join up.
        (&["A", "B", ""], &[0, 1, 2], "AB", false),
        (&["A", "A"], &[0, 1], "A", true),
        // Entries that cannot be read.
        (&["A?C", "C"], &[0, 2], "AC", false),
        (&["AB?", "?", ""], &[0, 2, 3], "AB", false),
        (&["?", ""], &[0, 1], "", false),
    ];
    for (pages, offsets, found, is_complete) in table {
        let read = read(pages);
        assert_eq!(
            (read.0.as_slice(), read.1.as_str(), read.2),
            (*offsets, *found, *is_complete),
            "{pages:?}"
        );
    }
}

#[test]
fn a_reading_keeps_the_tasks_with_the_query_of_an_open_create_or_without_one() {
    let mut reading = ListReading::begin([&create(asked(), None)], at(7));
    let of = |name: &str, query: Option<&str>| ListedTask {
        query: query.map(str::to_owned),
        ..listed(name)
    };
    let tasks = vec![
        of("A", Some(" makers of the  thing\n")),
        of("B", Some("makers")),
        of("C", None),
        of("D", Some("")),
    ];
    let next = reading.add(
        ListedPage { len: 4, tasks },
        Some(SignedDuration::from_secs(5)),
    );
    assert_eq!(next, NextPage::At(3));
    let last = ListedPage {
        len: 1,
        tasks: vec![of("D", Some(""))],
    };
    assert_eq!(reading.add(last, None), NextPage::End);
    let whole = reading.finish();
    let found: Vec<&str> = whole.tasks.iter().map(|task| task.id.as_str()).collect();
    assert_eq!(found, ["A", "C"]);
    assert_eq!(
        (whole.began_at, whole.is_complete, whole.skew),
        (at(7), true, SignedDuration::from_secs(5))
    );
}
