//! Converts a small markup to roff, for the hand-written sections of the pages.
//!
//! `# ` begins a section, `## ` a subsection, `: ` a term with its explanation in the next lines, two spaces an example.
//! An empty line ends a paragraph. Text in backticks is bold.

use clap_mangen::roff::{Inline, Roff, bold, roman};

/// Renders a document without the preamble of [`Roff::render`].
pub fn body(roff: &Roff) -> String {
    let whole = roff.render();
    let opening = Roff::new().render();
    whole
        .strip_prefix(&opening)
        .expect("every document has the same preamble")
        .to_owned()
}

/// Appends a text in this markup to a document.
pub fn add(roff: &mut Roff, text: &str) {
    let mut paragraph: Vec<&str> = Vec::new();
    let mut example = false;
    // Directly after a heading or a term, a paragraph needs no `.PP`; after a heading mandoc warns about one.
    let mut fresh = true;
    for line in text.lines().chain([""]) {
        let code = line.strip_prefix("  ");
        let mark = line.starts_with('#') || line.starts_with(": ");
        if (line.is_empty() || mark || code.is_some()) && !paragraph.is_empty() {
            if !fresh {
                roff.control("PP", []);
            }
            roff.text(inlines(&paragraph.join(" ")));
            paragraph.clear();
            fresh = false;
        }
        if example && code.is_none() {
            roff.control("fi", []);
            roff.control("RE", []);
            example = false;
        }
        if let Some(code) = code {
            if !example {
                if !fresh {
                    roff.control("PP", []);
                }
                roff.control("RS", ["4"]);
                roff.control("nf", []);
                example = true;
                fresh = false;
            }
            roff.text([roman(code)]);
        } else if let Some(heading) = line.strip_prefix("## ") {
            roff.control("SS", [heading]);
            fresh = true;
        } else if let Some(heading) = line.strip_prefix("# ") {
            roff.control("SH", [heading]);
            fresh = true;
        } else if let Some(term) = line.strip_prefix(": ") {
            roff.control("TP", []);
            roff.text(inlines(term));
            fresh = true;
        } else if !line.is_empty() {
            paragraph.push(line);
        }
    }
}

fn inlines(text: &str) -> Vec<Inline> {
    text.split('`')
        .enumerate()
        .filter(|(_, part)| !part.is_empty())
        .map(|(place, part)| {
            if place % 2 == 1 {
                bold(part)
            } else {
                roman(part)
            }
        })
        .collect()
}

/// Returns the rows of the Markdown table that begins with `heading`.
pub fn table<'a>(document: &'a str, heading: &str) -> Vec<Vec<&'a str>> {
    let rows: Vec<Vec<&str>> = document
        .lines()
        .skip_while(|line| !line.starts_with(heading))
        .skip(2)
        .map_while(|line| line.strip_prefix("| ")?.strip_suffix('|'))
        .map(|line| line.split(" | ").map(str::trim).collect())
        .collect();
    assert!(!rows.is_empty(), "no table begins with {heading:?}");
    rows
}
