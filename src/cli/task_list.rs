//! Reads lists of tasks to add: one task per line, or a CSV file.

use super::output;
use super::tasks::{Hosts, TaskArgument};
use crate::core::resume::RESUME_MAX;
use anyhow::{Context as _, bail};
use csv::{ByteRecord, ReaderBuilder};
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::rc::Rc;

/// The largest accepted list, in bytes.
const MAX_BYTES: u64 = 256 * 1024 * 1024;

const BOM: &str = "\u{feff}";

/// A task to add.
#[derive(Debug)]
pub struct Entry {
    /// Line in the list; `None` for a command-line argument.
    pub location: Option<Location>,
    /// The task.
    pub task: TaskArgument,
    /// Target, chunk, budget and note.
    pub values: Values,
}

/// A line of a list.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Location {
    line: usize,
    list: Rc<str>,
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {} of {}", self.line, self.list)
    }
}

/// An unusable argument, line or row.
#[derive(Debug, PartialEq, Eq)]
pub struct Problem {
    /// Line in the list; `None` for a command-line argument.
    pub location: Option<Location>,
    /// What is wrong with it.
    pub reason: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.location {
            Some(location) => write!(f, "{location}: {}", self.reason),
            None => f.write_str(&self.reason),
        }
    }
}

/// The values of a task; `None` where not given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Values {
    /// Total number of results wanted.
    pub target: Option<i64>,
    /// Largest number of results per resume.
    pub chunk: Option<i64>,
    /// The most results that may be asked for in sum.
    pub budget: Option<i64>,
    /// Note of the operator.
    pub note: Option<String>,
}

/// Reads one task per line from stdin. Skips blank lines and lines that begin with `#`.
///
/// # Errors
///
/// Returns an error if stdin cannot be read or is not UTF-8.
pub fn from_stdin(hosts: &Hosts, values: &Values) -> anyhow::Result<Vec<Entry>> {
    let text = read(io::stdin().lock(), "stdin")?;
    let text = String::from_utf8(text).context("stdin is not UTF-8 text")?;
    let list: Rc<str> = "stdin".into();
    let lines = text.trim_start_matches(BOM).lines().enumerate();
    let entries = lines
        .map(|(index, line)| (index + 1, line.trim()))
        .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
        .map(|(number, line)| Entry {
            location: Some(Location {
                line: number,
                list: Rc::clone(&list),
            }),
            task: TaskArgument::new(hosts, line),
            values: values.clone(),
        });
    Ok(entries.collect())
}

/// Reads a CSV file, or stdin if `path` is `-`. `defaults` apply to empty cells and missing columns. Returns the tasks and
/// the unusable rows.
///
/// # Errors
///
/// Returns an error if the file cannot be read, or its header has no column `task_id`.
pub fn from_csv(
    path: &Path,
    hosts: &Hosts,
    defaults: &Values,
) -> anyhow::Result<(Vec<Entry>, Vec<Problem>)> {
    if path == Path::new("-") {
        let bytes = read(io::stdin().lock(), "stdin")?;
        return rows(&bytes, "stdin", hosts, defaults);
    }
    let name = path.display().to_string();
    let file = File::open(path).with_context(|| format!("{name} cannot be read"))?;
    rows(&read(file, &name)?, &name, hosts, defaults)
}

fn rows(
    bytes: &[u8],
    name: &str,
    hosts: &Hosts,
    defaults: &Values,
) -> anyhow::Result<(Vec<Entry>, Vec<Problem>)> {
    let bytes = bytes.strip_prefix(BOM.as_bytes()).unwrap_or(bytes);
    // The header is read as a record, so that `begin` and `end` cover it too.
    let mut reader = ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .from_reader(bytes);
    let mut lines = Lines {
        rest: bytes,
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
        .with_context(|| format!("{name} cannot be read"))?
    {
        let end = usize::try_from(reader.position().byte()).unwrap_or(usize::MAX);
        let (line, raw) = lines.take(end - begin);
        begin = end;
        let location = Some(Location {
            line,
            list: Rc::clone(&list),
        });
        let Some(columns) = &header else {
            header = Some(Columns::of(&record, name)?);
            continue;
        };
        // Spreadsheet programs append rows of empty cells.
        if record.iter().all(|cell| cell.trim_ascii().is_empty()) {
            continue;
        }
        match columns.read(&record, raw, defaults) {
            Ok((task, values)) => entries.push(Entry {
                location,
                task: TaskArgument::new(hosts, &task),
                values,
            }),
            Err(reason) => problems.push(Problem { location, reason }),
        }
    }
    if header.is_none() {
        bail!("{name} is empty: its first row must name the columns, including task_id");
    }
    Ok((entries, problems))
}

/// The text after the records that were read, and the number of its first line.
struct Lines<'a> {
    rest: &'a [u8],
    line: usize,
}

impl<'a> Lines<'a> {
    /// Returns the line on which the next record begins, and its bytes. `length` counts the blank lines before the record
    /// too, as the position of the CSV reader does.
    fn take(&mut self, length: usize) -> (usize, &'a [u8]) {
        let (record, rest) = self.rest.split_at(length.min(self.rest.len()));
        let is_break = |byte: &&u8| matches!(byte, b'\r' | b'\n');
        let (blank, record) = record.split_at(record.iter().take_while(is_break).count());
        let line = self.line + count(blank, b'\n');
        (self.rest, self.line) = (rest, line + count(record, b'\n'));
        (line, record)
    }
}

/// The position of each column.
struct Columns {
    task_id: usize,
    target: Option<usize>,
    chunk: Option<usize>,
    budget: Option<usize>,
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
                "{name} has no column task_id: its first row must name the columns, separated by commas, and is {:?}",
                names.join(",").chars().take(200).collect::<String>()
            );
        };
        Ok(Self {
            task_id,
            target: find("target")?,
            chunk: find("chunk")?,
            budget: find("budget")?,
            note: find("note")?,
            count: names.len(),
        })
    }

    /// Returns the task of a row and its values, or what is wrong with the row.
    fn read(
        &self,
        record: &ByteRecord,
        raw: &[u8],
        defaults: &Values,
    ) -> Result<(String, Values), String> {
        // The reader takes an unclosed quotation mark as the start of a cell that ends with the file. Inside an unquoted
        // cell a quotation mark is an ordinary character.
        let is_multiline = raw.trim_ascii_end().contains(&b'\n') || !raw.ends_with(b"\n");
        if is_multiline && count(raw, b'"') % 2 == 1 {
            return Err("a quotation mark is not closed; inside a quoted cell, write a quotation mark twice".to_owned());
        }
        if record.len() != self.count {
            return Err(format!(
                "it has {}, but the first row names {}; a cell that contains a comma needs quotation marks",
                output::count(record.len() as u64, "cell"),
                output::count(self.count as u64, "column")
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
        let number = |column: &str, index, max, default| match cell(index)? {
            None => Ok(default),
            Some(text) => match text.parse::<i64>() {
                Ok(number) if (1..=max).contains(&number) => Ok(Some(number)),
                _ => {
                    let bound = match max {
                        i64::MAX => String::new(),
                        max => format!(" and at most {max}"),
                    };
                    Err(format!(
                        "{column} is {text:?}: it must be a whole number, at least 1{bound}"
                    ))
                }
            },
        };
        let values = Values {
            target: number("target", self.target, i64::MAX, defaults.target)?,
            chunk: number("chunk", self.chunk, RESUME_MAX, defaults.chunk)?,
            budget: number("budget", self.budget, i64::MAX, defaults.budget)?,
            note: cell(self.note)?
                .map(str::to_owned)
                .or_else(|| defaults.note.clone()),
        };
        Ok((task.to_owned(), values))
    }
}

/// Counts the occurrences of a byte.
fn count(bytes: &[u8], wanted: u8) -> usize {
    bytes.iter().map(|byte| usize::from(*byte == wanted)).sum()
}

fn read(source: impl Read, name: &str) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    source
        .take(MAX_BYTES + 1)
        .read_to_end(&mut bytes)
        .with_context(|| format!("{name} cannot be read"))?;
    if bytes.len() as u64 > MAX_BYTES {
        bail!("{name} is larger than {MAX_BYTES} bytes, the maximum: split it");
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests;
