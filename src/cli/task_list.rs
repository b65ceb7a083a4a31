//! Lists of tasks to add: one a line, or a CSV file.

use super::table;
use super::tasks::{Hosts, Named};
use crate::core::resume::RESUME_MAX;
use anyhow::{Context as _, bail};
use csv::{ByteRecord, ReaderBuilder};
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::rc::Rc;

/// The largest list that is read, in bytes.
const MAX_BYTES: u64 = 256 * 1024 * 1024;

const BOM: &str = "\u{feff}";

/// A task of a list, and what is wanted of it.
#[derive(Debug)]
pub struct Entry {
    /// Where it stands; none for an argument.
    pub place: Option<Place>,
    /// Which task.
    pub task: Named,
    /// What is wanted.
    pub values: Values,
}

/// A line of a list.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    line: usize,
    list: Rc<str>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {} of {}", self.line, self.list)
    }
}

/// Why a task, or a row that was to be one, can't be used.
#[derive(Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where it stands; none for an argument.
    pub place: Option<Place>,
    /// What is wrong.
    pub why: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Some(place) => write!(f, "{place}: {}", self.why),
            None => f.write_str(&self.why),
        }
    }
}

/// What is wanted of a task, as far as it is said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Values {
    /// Total number of results.
    pub target: Option<i64>,
    /// Largest resume.
    pub chunk: Option<i64>,
    /// Anything to remember.
    pub note: Option<String>,
}

/// Reads stdin: one task a line. Blank lines, and lines that begin with `#`, are skipped.
///
/// # Errors
///
/// Where stdin can't be read, or is no text.
pub fn from_stdin(hosts: &Hosts, values: &Values) -> anyhow::Result<Vec<Entry>> {
    let text = read(io::stdin().lock(), "stdin")?;
    let text = String::from_utf8(text).context("stdin is not UTF-8 text")?;
    let list: Rc<str> = "stdin".into();
    let lines = text.trim_start_matches(BOM).lines().enumerate();
    let entries = lines
        .map(|(index, line)| (index + 1, line.trim()))
        .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
        .map(|(number, line)| Entry {
            place: Some(Place {
                line: number,
                list: Rc::clone(&list),
            }),
            task: Named::new(hosts, line),
            values: values.clone(),
        });
    Ok(entries.collect())
}

/// Reads a CSV file, or stdin where it is `-`; `defaults` holds for cells that are empty or missing. Returns the tasks, and
/// what is wrong with the rows that are none.
///
/// # Errors
///
/// Where the file can't be read, or its header has no column `task_id`.
pub fn from_csv(
    path: &Path,
    hosts: &Hosts,
    defaults: &Values,
) -> anyhow::Result<(Vec<Entry>, Vec<Problem>)> {
    let name = if path == Path::new("-") {
        "stdin".to_owned()
    } else {
        path.display().to_string()
    };
    let bytes = if path == Path::new("-") {
        read(io::stdin().lock(), &name)?
    } else {
        read(File::open(path).with_context(|| name.clone())?, &name)?
    };
    rows(&bytes, &name, hosts, defaults)
}

fn rows(
    bytes: &[u8],
    name: &str,
    hosts: &Hosts,
    defaults: &Values,
) -> anyhow::Result<(Vec<Entry>, Vec<Problem>)> {
    let bytes = bytes.strip_prefix(BOM.as_bytes()).unwrap_or(bytes);
    // The first row is read as any other, so that its place is known too.
    let mut reader = ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .from_reader(bytes);
    let mut lines = Lines {
        bytes,
        at: 0,
        line: 1,
    };
    let list: Rc<str> = name.into();
    let mut header = None;
    let mut entries = Vec::new();
    let mut problems = Vec::new();
    let mut record = ByteRecord::new();
    let mut begin = 0;
    while reader
        .read_byte_record(&mut record)
        .with_context(|| name.to_owned())?
    {
        let end = usize::try_from(reader.position().byte()).unwrap_or(usize::MAX);
        let (line, raw) = lines.record(begin, end);
        begin = end;
        let place = Some(Place {
            line,
            list: Rc::clone(&list),
        });
        let Some(columns) = &header else {
            header = Some(Columns::of(&record, name)?);
            continue;
        };
        // Spreadsheets append rows of commas.
        if record.iter().all(|cell| cell.trim_ascii().is_empty()) {
            continue;
        }
        match columns.read(&record, raw, defaults) {
            Ok((task, values)) => entries.push(Entry {
                place,
                task: Named::new(hosts, &task),
                values,
            }),
            Err(why) => problems.push(Problem { place, why }),
        }
    }
    if header.is_none() {
        bail!(
            "{name} is empty: a first row that names the columns, task_id among them, is expected"
        );
    }
    Ok((entries, problems))
}

/// Counts lines up to each record.
struct Lines<'a> {
    bytes: &'a [u8],
    at: usize,
    line: usize,
}

impl<'a> Lines<'a> {
    /// The line on which the record between two positions begins, and its bytes. The reader counts blank lines before a
    /// record as a part of it.
    fn record(&mut self, begin: usize, end: usize) -> (usize, &'a [u8]) {
        let raw = self.bytes.get(begin..end).unwrap_or_default();
        let blank = raw
            .iter()
            .take_while(|byte| matches!(byte, b'\r' | b'\n'))
            .count();
        let first = begin + blank;
        let passed = self.bytes.get(self.at..first).unwrap_or_default();
        self.line += count(passed, b'\n');
        self.at = first;
        (self.line, &raw[blank..])
    }
}

/// Which column is which.
struct Columns {
    task_id: usize,
    target: Option<usize>,
    chunk: Option<usize>,
    note: Option<usize>,
    count: usize,
}

impl Columns {
    fn of(header: &ByteRecord, name: &str) -> anyhow::Result<Self> {
        let names: Vec<String> = header
            .iter()
            .map(|cell| String::from_utf8_lossy(cell).trim().to_lowercase())
            .collect();
        let find = |wanted: &str| {
            let mut found = names.iter().enumerate().filter(|(_, name)| *name == wanted);
            let first = found.next().map(|(index, _)| index);
            match found.next() {
                Some(_) => bail!("{name} has more than one column {wanted}"),
                None => Ok(first),
            }
        };
        let Some(task_id) = find("task_id")? else {
            bail!(
                "{name} has no column task_id: its first row has to name the columns, separated by commas, and is {:?}",
                names.join(",").chars().take(200).collect::<String>()
            );
        };
        Ok(Self {
            task_id,
            target: find("target")?,
            chunk: find("chunk")?,
            note: find("note")?,
            count: names.len(),
        })
    }

    /// The task of a row, and what is wanted of it.
    fn read(
        &self,
        record: &ByteRecord,
        raw: &[u8],
        defaults: &Values,
    ) -> Result<(String, Values), String> {
        // A quotation mark that is not closed makes one cell of all that follows. Within a cell it stands for itself.
        let goes_on = raw.trim_ascii_end().contains(&b'\n') || !raw.ends_with(b"\n");
        if goes_on && count(raw, b'"') % 2 == 1 {
            return Err("a quotation mark is not closed; inside a cell in quotation marks it is written twice".to_owned());
        }
        if record.len() != self.count {
            return Err(format!(
                "it has {}, and the first row names {}; a cell with a comma in it needs quotation marks",
                table::count(record.len() as u64, "cell"),
                table::count(self.count as u64, "column")
            ));
        }
        let cell = |index: Option<usize>| {
            let bytes = index
                .and_then(|index| record.get(index))
                .unwrap_or_default();
            let text = std::str::from_utf8(bytes).map_err(|_| "it is not UTF-8 text".to_owned())?;
            Ok::<_, String>(Some(text.trim()).filter(|text| !text.is_empty()))
        };
        let task = cell(Some(self.task_id))?.ok_or("it has no task_id")?;
        let number = |column: &str, index, most, default| match cell(index)? {
            None => Ok(default),
            Some(text) => match text.parse::<i64>() {
                Ok(number) if (1..=most).contains(&number) => Ok(Some(number)),
                _ if most == i64::MAX => Err(format!(
                    "{column} is {text:?}: a whole number, 1 or more, is expected"
                )),
                _ => Err(format!(
                    "{column} is {text:?}: a whole number from 1 to {most} is expected"
                )),
            },
        };
        let values = Values {
            target: number("target", self.target, i64::MAX, defaults.target)?,
            chunk: number("chunk", self.chunk, RESUME_MAX, defaults.chunk)?,
            note: cell(self.note)?
                .map(str::to_owned)
                .or_else(|| defaults.note.clone()),
        };
        Ok((task.to_owned(), values))
    }
}

/// How often a byte is among others.
fn count(bytes: &[u8], wanted: u8) -> usize {
    bytes.iter().map(|byte| usize::from(*byte == wanted)).sum()
}

fn read(source: impl Read, name: &str) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    source
        .take(MAX_BYTES + 1)
        .read_to_end(&mut bytes)
        .with_context(|| name.to_owned())?;
    if bytes.len() as u64 > MAX_BYTES {
        bail!("{name} is larger than {MAX_BYTES} bytes: that is no list of tasks");
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
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
    fn each_row_that_cannot_be_used_is_told_with_its_line() {
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
    fn a_header_without_task_id_or_with_two_is_refused() {
        for (text, why) in [
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
            assert!(error.contains(why), "{text:?}: {error}");
        }
    }
}
