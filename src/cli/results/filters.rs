//! The values of `--since` and `--exclude-domains`.

use crate::cli::output::print_message;
use crate::core::domain::{is_website, registrable};
use crate::core::time::to_text;
use anyhow::{Context as _, bail};
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeSet;
use std::io::Read;
use std::path::Path;

/// The most characters of a wrong line that a message shows.
const SHOWN: usize = 80;

/// The name of the first column of a CSV file with domains.
const HEADER: &str = "domain";

/// The delimiters of CSV files: spreadsheets write semicolons where the comma is the decimal separator.
const DELIMITERS: [u8; 3] = [b',', b';', b'\t'];

/// The most lines that a message names.
const LINES_MAX: usize = 20;

/// Parses a time: RFC 3339, a date (its beginning in UTC), or how long ago. Returns it as the database writes times.
///
/// # Errors
///
/// A message that says what is accepted.
pub fn since(text: &str) -> Result<String, String> {
    parse_since(text, Timestamp::now())
        .map(to_text)
        .ok_or_else(|| {
            "give a time such as 2026-11-24T02:22:00Z, a date such as 2026-11-24 (UTC), or a span such as 24h or 7d".to_owned()
        })
}

fn parse_since(text: &str, now: Timestamp) -> Option<Timestamp> {
    if let Ok(at) = text
        .parse()
        .or_else(|_| format!("{text}T00:00:00Z").parse())
    {
        return Some(at);
    }
    let span = humantime::parse_duration(text).ok()?;
    now.checked_sub(SignedDuration::try_from(span).ok()?).ok()
}

/// Reads a list of domains, or stdin if `path` is `-`: a domain or URL a line, or a CSV file whose first column has the name
/// `domain`. Skips blank lines, and comments that begin with `#`. Returns the registrable domains. A warning on stderr names the
/// lines without one, such as pages of GitHub.
///
/// # Errors
///
/// An error with the lines that are neither domains nor URLs.
pub fn exclude_domains(path: &Path) -> anyhow::Result<Vec<String>> {
    if path == Path::new("-") {
        let mut bytes = Vec::new();
        std::io::stdin()
            .lock()
            .read_to_end(&mut bytes)
            .context("stdin cannot be read")?;
        return domains_of(&bytes, "stdin");
    }
    let name = path.display().to_string();
    let bytes = std::fs::read(path).with_context(|| format!("{name} cannot be read"))?;
    domains_of(&bytes, &name)
}

fn domains_of(bytes: &[u8], name: &str) -> anyhow::Result<Vec<String>> {
    let (domains, warning) = parse(bytes, name)?;
    if let Some(warning) = warning {
        print_message(warning);
    }
    Ok(domains)
}

/// Returns the domains, and a warning about lines that have none.
fn parse(bytes: &[u8], name: &str) -> anyhow::Result<(Vec<String>, Option<String>)> {
    let text = String::from_utf8_lossy(bytes);
    let text = text.trim_start_matches('\u{feff}');
    let entries = match delimiter(text) {
        Some(delimiter) => first_column(text, delimiter, name)?,
        None => (1..)
            .zip(text.lines())
            .map(|(number, line)| (number, without_comment(line).trim().to_owned()))
            .filter(|(_, entry)| !entry.is_empty())
            .collect(),
    };
    let mut domains = BTreeSet::new();
    let (mut without, mut wrong) = (Vec::new(), Vec::new());
    for (number, entry) in entries {
        match registrable(&entry) {
            Some(domain) => {
                domains.insert(domain);
            }
            None if entry.is_empty() || is_website(&entry) => without.push(number),
            None => wrong.push((number, entry)),
        }
    }
    if !wrong.is_empty() {
        let shown = wrong.iter().take(LINES_MAX).map(|(number, entry)| {
            let shown: String = entry.chars().take(SHOWN).collect();
            format!("line {number} of {name}: {shown:?} is neither a domain nor a URL")
        });
        let shown = shown.chain(more(wrong.len()).map(|more| format!("and {more} more lines")));
        bail!(
            "{}\nnothing was printed: give a company's domain such as example.com, or a URL on it, on each line",
            shown.collect::<Vec<_>>().join("\n")
        );
    }
    let warning = (!without.is_empty()).then(|| {
        let numbers = without.iter().take(LINES_MAX);
        let numbers = numbers.map(u64::to_string);
        let numbers = numbers.chain(more(without.len()).map(|more| format!("and {more} more")));
        format!(
            "{name}: these lines have no company's domain and leave out nothing, because they are empty, pages of a site such as LinkedIn, IP \
             addresses, or names without a public suffix: {}",
            numbers.collect::<Vec<_>>().join(", ")
        )
    });
    Ok((domains.into_iter().collect(), warning))
}

/// Returns the delimiter of a CSV file whose first column has the name `domain`, as in a file that growd exported. A header without
/// other columns is one, too.
fn delimiter(text: &str) -> Option<u8> {
    let first = text
        .lines()
        .map(|line| without_comment(line).trim())
        .find(|line| !line.is_empty())?;
    let mut rest = first.bytes().skip_while(|byte| *byte == b'"');
    let is_domain = HEADER.bytes().all(|expected| {
        let found = rest.next();
        found.is_some_and(|found| found.eq_ignore_ascii_case(&expected))
    });
    let delimiter = rest.find(|byte| *byte != b'"').unwrap_or(b',');
    (is_domain && DELIMITERS.contains(&delimiter)).then_some(delimiter)
}

/// Returns the first cell of each row but the header, with its line.
fn first_column(text: &str, delimiter: u8, name: &str) -> anyhow::Result<Vec<(u64, String)>> {
    if !text.matches('"').count().is_multiple_of(2) {
        // All lines after it would be one cell, and their domains would not be left out.
        bail!(
            "{name}: a quotation mark is missing: there is an odd number of them in this CSV file; nothing was printed"
        );
    }
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(delimiter)
        .comment(Some(b'#'))
        .from_reader(text.as_bytes());
    let mut cells = Vec::new();
    for record in reader.records() {
        let record = record.with_context(|| format!("{name} cannot be read"))?;
        let line = record.position().map_or(0, |at| line(text, at));
        let cell = without_comment(record.get(0).unwrap_or_default()).trim();
        // A line of blanks is no row.
        let is_row = !cell.is_empty() || record.len() > 1;
        if is_row && !cell.eq_ignore_ascii_case(HEADER) {
            cells.push((line, cell.to_owned()));
        }
    }
    Ok(cells)
}

/// Returns the line on which the record at this position stands. The position is before the line break of the record before it
/// where that is CRLF, and before blank lines and comments.
fn line(text: &str, position: &csv::Position) -> u64 {
    let rest = usize::try_from(position.byte())
        .ok()
        .and_then(|at| text.get(at..));
    let is_skipped = |line: &&str| line.is_empty() || line.starts_with('#');
    let skipped = rest.unwrap_or_default().lines().take_while(is_skipped);
    position.line() + skipped.count() as u64
}

/// Returns how many of the lines a message does not name.
fn more(lines: usize) -> Option<usize> {
    lines.checked_sub(LINES_MAX).filter(|more| *more > 0)
}

/// Removes a comment. `#` inside a URL begins none.
fn without_comment(line: &str) -> &str {
    let begins = |(at, _): &(usize, &str)| {
        line[..*at]
            .chars()
            .next_back()
            .is_none_or(char::is_whitespace)
    };
    match line.match_indices('#').find(begins) {
        Some((at, _)) => &line[..at],
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn since_is_a_time_a_date_or_a_span() {
        let now: Timestamp = "2026-11-24T12:00:00Z".parse().unwrap();
        for (text, expected) in [
            ("2026-11-20T01:02:03Z", Some("2026-11-20T01:02:03.000Z")),
            (
                "2026-11-20T01:02:03+01:00",
                Some("2026-11-20T00:02:03.000Z"),
            ),
            ("2026-11-20", Some("2026-11-20T00:00:00.000Z")),
            ("24h", Some("2026-11-23T12:00:00.000Z")),
            ("1d 30m", Some("2026-11-23T11:30:00.000Z")),
            ("2026-11-20T01:02:03", None),
            ("2026-13-01", None),
            ("99999999999d", None),
            ("-1h", None),
            ("yesterday", None),
            ("24", None),
            ("", None),
        ] {
            let parsed = parse_since(text, now).map(to_text);
            assert_eq!(parsed.as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn a_list_of_domains_may_have_comments_blank_lines_and_line_ends_of_any_kind() {
        let list = "\u{feff}example.com\r\n\r\n# customers\n  https://www.Example.org/a#b \nb.example.net # a partner\n\
                    example.com\n#x.example.com";
        let expected = ["example.com", "example.net", "example.org"].map(str::to_owned);
        assert_eq!(
            parse(list.as_bytes(), "list").unwrap(),
            (expected.into(), None)
        );
        assert_eq!(parse(b"", "list").unwrap(), (Vec::new(), None));
    }

    #[test]
    fn a_list_may_be_a_csv_file_with_the_column_domain_first() {
        let domains = |text: &str| parse(text.as_bytes(), "list").unwrap().0;
        for text in [
            "domain\nexample.com\nexample.org\n",
            "# customers\n\nDomain\r\nhttps://www.example.com\r\n\r\nexample.org # since 2020\r\n",
            "\u{feff}\"domain\",\"note\"\r\n\"example.com\",\"a\r\nb.net\r\nc.net\"\r\nexample.org,\r\n",
            "domain;note\nexample.com;1,5\nexample.org\n",
            "domain\tnote\nexample.com\tx\n#example.net\tx\n  \nexample.org\n",
        ] {
            assert_eq!(domains(text), ["example.com", "example.org"], "{text:?}");
        }
        // Lists without a header.
        assert_eq!(domains("domain.com\nexample.com\n").len(), 2);
        assert_eq!(domains("domain.com").len(), 1);
        assert!(parse(b"domains\nexample.com\n", "list").is_err());

        let (_, warning) = parse(
            b"# x\n\ndomain,name\r\n\r\n# y\r\n,A\r\na.com,B\r\n,C\r\n",
            "list",
        )
        .unwrap();
        assert!(warning.unwrap().ends_with(": 6, 8"));
        let (_, warning) = parse(b"domain,name\n,A\nexample.com,B\n,\"C\nD\"\n", "list").unwrap();
        assert!(warning.unwrap().ends_with(": 2, 4"));
        let error = parse(b"domain,name\na.com,\"A\nb.com,B\n", "list").unwrap_err();
        assert!(error.to_string().contains("quotation mark"), "{error}");
        let error = parse(b"domain,name\na.com,\"A\nB\"\nwhat?,B\n", "list").unwrap_err();
        assert!(error.to_string().contains("line 4 of list"), "{error}");
    }

    #[test]
    fn a_warning_names_the_lines_without_a_domain_of_a_company() {
        let list = b"example.com\nhttps://www.linkedin.com/company/acme\n\n127.0.0.1\ngithub.io";
        let (domains, warning) = parse(list, "my list").unwrap();
        assert_eq!(domains, ["example.com"]);
        let warning = warning.unwrap();
        assert!(
            warning.starts_with("my list: these lines") && warning.ends_with(": 2, 4, 5"),
            "{warning}"
        );
        let (_, warning) = parse("x.com/acme\n".repeat(30).as_bytes(), "list").unwrap();
        assert!(warning.unwrap().ends_with(", 19, 20, and 10 more"));
    }

    #[test]
    fn lines_that_are_neither_domains_nor_urls_are_an_error() {
        let error = parse(b"example.com\ncom\n\nx.com/acme\n\xff\n", "my list").unwrap_err();
        let error = error.to_string();
        for part in ["line 2 of my list: \"com\"", "line 5 of my list"] {
            assert!(error.contains(part), "{error}");
        }
        assert_eq!(error.lines().count(), 3, "{error}");
        let error = parse("what?\n".repeat(30).as_bytes(), "list").unwrap_err();
        let error = error.to_string();
        assert!(error.contains("and 10 more lines\n"), "{error}");
        assert_eq!(error.lines().count(), 22, "{error}");
    }
}
