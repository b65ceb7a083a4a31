//! Reading a page of the service's list: each entry by itself, so that an unreadable one affects no other.

use super::error;
use super::wire::{WireTask, without_mark};
use crate::core::list::{ListEntry, ListPage};
use crate::core::{TaskId, task_id};
use serde_json::Deserializer;

/// The most entries of a page. A longer one would take seconds to read if none of its entries can be read.
pub(super) const ENTRIES_MAX: usize = 10_000;

/// Reads a page of the list from the body of an answer. An entry is read exactly as [`read_task`](super::read_task) reads a
/// task, and has the canonical form of its id. An unreadable entry is counted and left out.
///
/// # Errors
///
/// A description if the body is not a JSON array, or has over 10,000 entries.
pub fn read_list(body: &[u8]) -> Result<ListPage, String> {
    read_clean_list(body, |text| text)
}

/// Reads a page as [`read_list`] does, and applies `clean` to each text before it is cut to length.
///
/// # Errors
///
/// Those of [`read_list`].
pub(super) fn read_clean_list(
    body: &[u8],
    clean: impl Fn(String) -> String,
) -> Result<ListPage, String> {
    let (mut entries, mut len, mut first_error) = (Vec::new(), 0, None);
    let mut rest = elements(body)?;
    while let Some(text) = rest {
        if len == ENTRIES_MAX {
            return Err(format!("the list has over {ENTRIES_MAX} entries"));
        }
        let First { task, after } = first(text)?;
        match task.and_then(|task| entry(task, &clean)) {
            Ok(entry) => entries.push(entry),
            Err(error) => {
                first_error.get_or_insert(error);
            }
        }
        len += 1;
        rest = after;
    }
    if let Some(error) = first_error {
        let unreadable = len - entries.len();
        let error = error::clip(&clean(error));
        tracing::debug!("{unreadable} of {len} entries of the list cannot be read; first: {error}");
    }
    Ok(ListPage::new(entries, len))
}

/// Returns the text between the brackets of an array, or `None` if the array is empty.
fn elements(body: &[u8]) -> Result<Option<&[u8]>, &'static str> {
    match without_mark(body).trim_ascii() {
        [b'[', elements @ .., b']'] => {
            let is_empty = elements.trim_ascii().is_empty();
            Ok((!is_empty).then_some(elements))
        }
        [b'[', ..] => Err(CUT_SHORT),
        [b'{', ..] => Err("an object where a list was expected"),
        [] => Err("an empty body where a list was expected"),
        _ => Err("no JSON list"),
    }
}

const CUT_SHORT: &str = "the list is cut short";

/// The first of the elements of an array.
struct First<'a> {
    /// The task that it is, or why it is none.
    task: Result<WireTask, String>,
    /// The elements after its comma, if there is a comma.
    after: Option<&'a [u8]>,
}

/// Reads the first of the elements of an array.
///
/// # Errors
///
/// A description if the elements cannot be told apart.
fn first(text: &[u8]) -> Result<First<'_>, &'static str> {
    // Nearly every element is a task that strict JSON describes. It takes one pass.
    if let Some(b'{') = text.trim_ascii_start().first() {
        let mut tasks = Deserializer::from_slice(text).into_iter();
        if let Some(Ok(task)) = tasks.next() {
            let after = text[tasks.byte_offset()..].trim_ascii_start();
            if let [] | [b',', ..] = after {
                return Ok(First {
                    task: Ok(task),
                    after: after.strip_prefix(b","),
                });
            }
        }
    }
    let (element, after) = text.split_at(first_end(text)?);
    if element.trim_ascii().is_empty() {
        return Err("an entry of the list is missing");
    }
    Ok(First {
        task: WireTask::parse(element),
        after: after.strip_prefix(b","),
    })
}

/// Returns where the first of the elements of an array ends. Looks at strings and brackets only, so that the element can be
/// anything else than JSON.
///
/// # Errors
///
/// A description if a string or a bracket has no end, or an end has no beginning.
fn first_end(text: &[u8]) -> Result<usize, &'static str> {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for (at, byte) in text.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'"' => in_string = !in_string,
            b'\\' => escaped = in_string,
            _ if in_string => {}
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.checked_sub(1).ok_or("text follows the list")?,
            b',' if depth == 0 => return Ok(at),
            _ => {}
        }
    }
    if depth == 0 && !in_string {
        Ok(text.len())
    } else {
        Err(CUT_SHORT)
    }
}

fn entry(mut task: WireTask, clean: &impl Fn(String) -> String) -> Result<ListEntry, String> {
    let text = clean(std::mem::take(&mut task.id));
    let id: TaskId = text
        .parse()
        .map_err(|error| format!("its id is unusable: {error}"))?;
    // Parsing an id ignores white space around it; a poll does not.
    if !task_id::is_same(&text, id.as_str()) {
        return Err("white space surrounds its id".to_owned());
    }
    let seen = task.observation(clean)?;
    Ok(ListEntry { id, seen })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::Status;
    use crate::extruct::read_task;

    const ID: &str = "0f0f1c1e-1111-4222-8333-4444555566aa";

    fn task(id: &str) -> String {
        format!(r#"{{"id":"{id}","status":"done","desired_num_results":50,"num_results":7}}"#)
    }

    fn read(body: &str) -> ListPage {
        read_list(body.as_bytes()).expect(body)
    }

    fn ids(page: &ListPage) -> Vec<&str> {
        page.entries.iter().map(|entry| entry.id.as_str()).collect()
    }

    #[test]
    fn an_entry_is_read_as_the_task_by_itself() {
        for of_entry in [
            r#""status":"done","desired_num_results":50,"num_results":7,"new":{"x":[1,"]"]}"#,
            r#""status":"in_progress","desired_num_results":"50.0","num_results":7.0,"is_exhausted":1"#,
            r#""status":"paused","desired_num_results":1,"num_results":0,"num_results_enriched":null"#,
            r#""status":"\u0007new","desired_num_results":1,"num_results":0,"query":"a \"b\\\" [{\u001b"#,
        ] {
            let quote = if of_entry.ends_with("001b") { "\"" } else { "" };
            let entry = format!(r#"{{"id":"a",{of_entry}{quote}}}"#);
            let seen = read_task(entry.as_bytes(), "a").expect(&entry);
            for body in [
                format!("[{entry}]"),
                format!("\u{feff} \n[ {entry}\t,\r\n{} ] ", task("b")),
                format!("[{},7,{entry}]", task("b")),
            ] {
                let page = read(&body);
                let entry = page.entries.iter().find(|entry| entry.id.as_str() == "a");
                assert_eq!(entry.map(|entry| &entry.seen), Some(&seen), "{body}");
                assert_eq!(
                    page.len,
                    body.matches("\"id\"").count() + body.matches(",7,").count()
                );
            }
        }
        for empty in ["[]", " [\n] ", "\u{feff}[]"] {
            assert_eq!(read(empty), ListPage::default(), "{empty}");
        }
    }

    #[test]
    fn an_unreadable_entry_is_counted_and_affects_no_other() {
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        let whole = task("x");
        for bad in [
            "null",
            "7",
            "NaN",
            "\"a\"",
            "\"a,]\\\"\"",
            "[]",
            "{}",
            "<p>",
            "{]",
            &deep,
            &format!("[{whole}]"),
            &format!("{whole}{whole}"),
            &format!("\u{feff}{whole}"),
            &format!("\0{whole}"),
            &whole.replace("\"id\"", "\"ID\""),
            &whole.replace("\"x\"", "\"\""),
            &whole.replace("\"x\"", "7"),
            &whole.replace("\"x\"", "\" x\""),
            &whole.replace("\"x\"", "\"x/y\""),
            &whole.replace("\"x\"", "\"x\\u0000\""),
            &whole.replace("\"x\"", "\"\\ud800\""),
            &whole.replace("\"x\"", "\"\\x41\""),
            &whole.replace("\"x\"", &format!("{:?}", "x".repeat(201))),
            &whole.replace("\"x\"", &format!("\"x\",\"query\":{deep}")),
            &whole.replace('7', "-7"),
            &whole.replace('7', "7.5"),
            &whole.replace('7', "07"),
            &whole.replace('7', "NaN"),
            &whole.replace('7', "7,\"num_results\":7"),
            // In the order of the fields, which serde accepts for a struct.
            r#"["x","done",50,7,false,0,0,0,"query"]"#,
        ] {
            let body = format!("[{},{bad},{}]", task("a"), task("b"));
            let page = read(&body);
            let shown = &bad[..bad.len().min(100)];
            assert_eq!((ids(&page), page.len), (vec!["a", "b"], 3), "{shown}");
            let alone = read(&format!("[{bad}]"));
            assert_eq!((ids(&alone), alone.len), (vec![], 1), "{shown}");
        }
        let mut body = format!("[{},{},{}]", task("a"), task("x"), task("b")).into_bytes();
        let at = body.iter().position(|byte| *byte == b'x').unwrap();
        body[at] = 0xff;
        assert_eq!(ids(&read_list(&body).unwrap()), ["a", "b"]);
    }

    #[test]
    fn a_body_that_is_no_array_is_refused_with_a_short_reason() {
        let one = task("a");
        for (body, why) in [
            ("", "an empty body where a list was expected"),
            ("\u{feff} ", "an empty body where a list was expected"),
            (&one, "an object where a list was expected"),
            ("{\"detail\":[]}", "an object where a list was expected"),
            ("null", "no JSON list"),
            ("\"[]\"", "no JSON list"),
            ("<html>[]", "no JSON list"),
            ("]", "no JSON list"),
            ("[", CUT_SHORT),
            (&format!("[{one}"), CUT_SHORT),
            (&format!("[{one},{{\"criteria\":[]"), CUT_SHORT),
            (&format!("[{one},\"]"), CUT_SHORT),
            (&format!("[{one}],[{one}]"), "text follows the list"),
            (&format!("[{one}]]"), "text follows the list"),
            (&format!("[{one}}}]"), "text follows the list"),
            (&format!("[{one},]"), "an entry of the list is missing"),
            (&format!("[,{one}]"), "an entry of the list is missing"),
            ("[,]", "an entry of the list is missing"),
        ] {
            assert_eq!(read_list(body.as_bytes()), Err(why.to_owned()), "{body}");
        }
        let most = "0,".repeat(ENTRIES_MAX - 1);
        assert_eq!(read(&format!("[{most}0]")).len, ENTRIES_MAX);
        let over = read_list(format!("[{most}0,0]").as_bytes());
        assert_eq!(over, Err("the list has over 10000 entries".to_owned()));
        let whole = format!("[{one},7,{one}]");
        for end in 0..whole.len() {
            assert!(read_list(&whole.as_bytes()[..end]).is_err(), "{end}");
        }
    }

    #[test]
    fn ids_are_canonical_and_one_that_occurs_twice_is_left_out() {
        let upper = task(&ID.to_uppercase());
        assert_eq!(ids(&read(&format!("[{upper}]"))), [ID]);
        let digits = task(&ID.replace('-', ""));
        let page = read(&format!("[{upper},{},{digits}]", task("b")));
        assert_eq!((ids(&page), page.len), (vec!["b"], 3));
    }

    #[test]
    fn texts_are_cleaned_before_they_are_cut_and_so_are_ids() {
        let long = format!("{}TOKEN", "é".repeat(1_998));
        let entry = |id: &str| {
            let body = task(id).replace("done", "TOKEN");
            body.replace('}', &format!(",\"query\":{long:?}}}"))
        };
        let body = format!("[{},{}]", entry("a"), entry("TOKEN"));
        let redact = |text: String| text.replace("TOKEN", "[redacted]");
        let page = read_clean_list(body.as_bytes(), redact).unwrap();
        assert_eq!((ids(&page), page.len), (vec!["a"], 2));
        let seen = &page.entries[0].seen;
        assert_eq!(seen.status, Status::Unknown("[redacted]".to_owned()));
        assert!(seen.query.as_ref().unwrap().ends_with("é[r"), "{seen:?}");
    }
}
