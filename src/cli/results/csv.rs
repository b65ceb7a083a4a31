//! CSV (RFC 4180), for spreadsheets and imports.

use super::Format;
use super::cell::{Cell, defused};
use super::columns::Columns;
use crate::store::companies::Company;
use csv::{ErrorKind, Terminator, Writer, WriterBuilder};
use std::borrow::Cow;
use std::io::Write;

/// Writes a row for each company.
pub struct Csv<'a> {
    writer: Writer<&'a mut dyn Write>,
    columns: Columns,
    /// Whether texts are written as they are.
    raw: bool,
}

impl<'a> Csv<'a> {
    /// Writes the header.
    ///
    /// # Errors
    ///
    /// The error of `out`.
    pub fn new(out: &'a mut dyn Write, columns: Columns, raw: bool) -> anyhow::Result<Self> {
        let mut csv = Self {
            writer: WriterBuilder::new()
                .terminator(Terminator::CRLF)
                .from_writer(out),
            columns,
            raw,
        };
        let header = csv.columns.header();
        let header: Vec<_> = header.iter().map(|name| csv.safe(name)).collect();
        csv.writer
            .write_record(header.iter().map(|name| name.as_bytes()))
            .map_err(cause)?;
        Ok(csv)
    }

    fn safe<'t>(&self, text: &'t str) -> Cow<'t, str> {
        if self.raw { text.into() } else { defused(text) }
    }
}

impl Format for Csv<'_> {
    fn write(&mut self, company: &Company) -> anyhow::Result<()> {
        for cell in self.columns.cells(company) {
            let field = match &cell {
                Cell::Empty => "".into(),
                Cell::Number(number) => Cow::from(&**number),
                Cell::Text(text) => self.safe(text),
            };
            self.writer.write_field(field.as_bytes()).map_err(cause)?;
        }
        self.writer.write_record(None::<&[u8]>).map_err(cause)
    }

    fn finish(&mut self) -> anyhow::Result<()> {
        Ok(self.writer.flush()?)
    }
}

/// Returns the error of the file or the pipe, which the CSV writer wraps.
fn cause(error: csv::Error) -> anyhow::Error {
    if !error.is_io_error() {
        return error.into();
    }
    match error.into_kind() {
        ErrorKind::Io(error) => error.into(),
        other => anyhow::anyhow!("{other:?}"),
    }
}
