use super::*;
use crate::config::Settings;

type Read = (Vec<(String, Values)>, Vec<String>);

fn read_rows(text: &str) -> anyhow::Result<Read> {
    let defaults = Values {
        target: Some(7),
        ..Values::default()
    };
    let hosts = Hosts::of(&Settings::default());
    let (entries, problems) = rows(text.as_bytes(), "x.csv", &hosts, &defaults)?;
    let entries = entries
        .into_iter()
        .map(|entry| (entry.task.text, entry.values));
    let problems = problems.iter().map(Problem::to_string);
    Ok((entries.collect(), problems.collect()))
}

fn values(target: i64, chunk: Option<i64>, note: Option<&str>) -> Values {
    Values {
        target: Some(target),
        chunk,
        budget: None,
        note: note.map(str::to_owned),
    }
}

#[test]
fn columns_are_found_by_name_in_any_order_and_others_are_ignored() {
    let text = "\u{feff}name,Target , task_id,note,chunk\r\n\
                x,60,a,\"n, \"\"1\"\"\nand more\",9\r\n\r\n,,b,,\r\n";
    let (entries, problems) = read_rows(text).unwrap();
    assert_eq!(
        entries,
        [
            (
                "a".to_owned(),
                values(60, Some(9), Some("n, \"1\"\nand more"))
            ),
            ("b".to_owned(), values(7, None, None)),
        ]
    );
    assert!(problems.is_empty(), "{problems:?}");
}

#[test]
fn each_unusable_row_is_reported_with_its_line() {
    let text = "task_id,target,chunk,note\n\
                a,0,,\n\
                \n\
                b,many,,\n\
                c,5,251,\"two\nlines\"\n\
                ,5,,\n\
                d,5,,,\n\
                e,5\n\
                f,5,,ok\n\
                g,1.5,,\n\
                h,5,,\"open\n\
                i,5,,\n";
    let (entries, problems) = read_rows(text).unwrap();
    assert_eq!(entries.len(), 1);
    let expected = [
        "line 2 of x.csv: target is \"0\"",
        "line 4 of x.csv: target is \"many\"",
        "line 5 of x.csv: chunk is \"251\"",
        "line 7 of x.csv: it has no task_id",
        "line 8 of x.csv: it has 5 cells",
        "line 9 of x.csv: it has 2 cells",
        "line 11 of x.csv: target is \"1.5\"",
        "line 12 of x.csv: a quotation mark",
    ];
    assert_eq!(problems.len(), expected.len(), "{problems:#?}");
    for (problem, expected) in problems.iter().zip(expected) {
        assert!(problem.starts_with(expected), "{problem}");
    }
}

#[test]
fn a_header_without_task_id_or_with_two_is_rejected() {
    for (text, reason) in [
        ("", "is empty"),
        ("\n\n", "is empty"),
        ("a,b\n", "no column task_id"),
        ("task_id;target\na;5\n", "separated by commas"),
        (
            "0f0f1c1e-1111-4222-8333-444455556666,5\n",
            "no column task_id",
        ),
        (
            "task_id,target,task_id\na,5,b\n",
            "more than one column task_id",
        ),
    ] {
        let error = read_rows(text).unwrap_err().to_string();
        assert!(error.contains(reason), "{text:?}: {error}");
    }
}
