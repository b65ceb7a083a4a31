//! An XLSX workbook with one worksheet.

use super::Format;
use super::cell::Cell;
use super::columns::Columns;
use crate::cli::output::print_message;
use crate::store::companies::Company;
use anyhow::bail;
use rust_xlsxwriter::{Format as Style, Workbook, Worksheet};
use std::borrow::Cow;
use std::io::Write;

/// The most rows of a worksheet, with the header.
const ROWS_MAX: u64 = 1_048_576;
/// The longest text of a cell, in units of UTF-16.
const TEXT_MAX: usize = 32_767;
/// The width of a column, in characters.
const WIDTH: f64 = 18.0;
const WIDE: f64 = 60.0;

/// Gathers the companies in memory, and writes the workbook at the end.
///
/// Texts are written as strings, which no spreadsheet evaluates: `'` is not needed. Websites are strings too, because a worksheet
/// can have 65,530 links at most.
pub struct Xlsx<'a> {
    out: &'a mut dyn Write,
    workbook: Workbook,
    columns: Columns,
    row: u32,
    /// The number of texts that were cut.
    cut: u64,
}

impl<'a> Xlsx<'a> {
    /// Begins a worksheet for this number of companies.
    ///
    /// # Errors
    ///
    /// An error with the remedy if a worksheet cannot have as many rows.
    pub fn new(out: &'a mut dyn Write, columns: Columns, companies: u64) -> anyhow::Result<Self> {
        if companies >= ROWS_MAX {
            bail!(
                "a worksheet has {ROWS_MAX} rows, and this would need one for the header and {companies} for companies: name \
                 fewer tasks, or use --format csv"
            );
        }
        let header = columns.header();
        let mut xlsx = Self {
            out,
            workbook: Workbook::new(),
            columns,
            row: 0,
            cut: 0,
        };
        let sheet = xlsx.workbook.add_worksheet();
        sheet.set_name("Companies")?;
        let bold = Style::new().set_bold();
        for (column, name) in (0..).zip(&header) {
            let is_wide = name == "company_description" || name.starts_with("why:");
            sheet.set_column_width(column, if is_wide { WIDE } else { WIDTH })?;
            sheet.write_string_with_format(0, column, cut(name).0, &bold)?;
        }
        sheet.set_freeze_panes(1, 0)?;
        let last_row = u32::try_from(companies)?;
        let last_column = u16::try_from(header.len() - 1)?;
        sheet.autofilter(0, 0, last_row, last_column)?;
        Ok(xlsx)
    }
}

impl Format for Xlsx<'_> {
    fn write(&mut self, company: &Company) -> anyhow::Result<()> {
        self.row += 1;
        let sheet = self.workbook.worksheet_from_index(0)?;
        for (column, cell) in (0..).zip(self.columns.cells(company)) {
            self.cut += u64::from(write_cell(sheet, self.row, column, &cell)?);
        }
        Ok(())
    }

    fn finish(&mut self) -> anyhow::Result<()> {
        let file = self.workbook.save_to_buffer()?;
        self.out.write_all(&file)?;
        self.out.flush()?;
        if self.cut > 0 {
            print_message(format_args!(
                "texts cut to {TEXT_MAX} characters, the most that a cell holds: {}. --format csv has them in full",
                self.cut
            ));
        }
        Ok(())
    }
}

/// Writes a cell; returns whether its text was cut.
fn write_cell(
    sheet: &mut Worksheet,
    row: u32,
    column: u16,
    cell: &Cell<'_>,
) -> anyhow::Result<bool> {
    let text = match cell {
        Cell::Empty => return Ok(false),
        Cell::Number(number) => match number.parse::<f64>() {
            Ok(number) if number.is_finite() => {
                sheet.write_number(row, column, number)?;
                return Ok(false);
            }
            // A worksheet holds no such number.
            Ok(_) | Err(_) => number,
        },
        Cell::Text(text) => text,
    };
    let (text, is_cut) = cut(text);
    sheet.write_string(row, column, text)?;
    Ok(is_cut)
}

/// Returns a text as a cell can hold it, and whether it was cut.
fn cut(text: &str) -> (Cow<'_, str>, bool) {
    // No text has more units of UTF-16 than bytes.
    if text.len() <= TEXT_MAX || text.encode_utf16().count() <= TEXT_MAX {
        return (text.into(), false);
    }
    let mut units = 0;
    let kept = text.chars().take_while(|c| {
        units += c.len_utf16();
        units < TEXT_MAX
    });
    (kept.chain(['…']).collect::<String>().into(), true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_to_what_a_cell_holds() {
        for (character, most) in [('a', 32_767), ('é', 32_767), ('😀', 16_383)] {
            let text = |length| std::iter::repeat_n(character, length).collect::<String>();
            let fits = text(most);
            assert_eq!(cut(&fits), (fits.as_str().into(), false), "{character}");
            let (shown, is_cut) = {
                let text = text(most + 1);
                let (shown, is_cut) = cut(&text);
                (shown.into_owned(), is_cut)
            };
            assert!(is_cut && shown.ends_with('…'), "{character}");
            let units = shown.encode_utf16().count();
            assert!((TEXT_MAX - 1..=TEXT_MAX).contains(&units), "{units}");
        }
    }

    #[test]
    fn more_rows_than_a_worksheet_has_are_refused_with_the_remedy() {
        let refused = |companies| {
            let mut out = Vec::new();
            let columns = Columns::new(Vec::new(), false);
            Xlsx::new(&mut out, columns, companies)
                .err()
                .map(|error| error.to_string())
        };
        assert_eq!(refused(ROWS_MAX - 1), None);
        let error = refused(ROWS_MAX).unwrap();
        assert!(error.contains("--format csv"), "{error}");
    }
}
