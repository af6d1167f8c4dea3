//! Separated values under a header (RFC 4180, with commas, semicolons or tabs).
//!
//! A value in quotes may hold line ends, so a record may go over several lines. A quote that nobody closes must not
//! swallow the rest of the file: where no end comes within [`LINE_BYTES_MAX`] bytes, the first line alone is at fault and
//! the following ones are read as lines of their own.

use std::borrow::Cow;
use std::io;

use super::fields::{Column, Fields, Said};
use super::lines::Lines;
use super::{Fault, Item, LINE_BYTES_MAX};

/// The columns by which an own export says where a line comes from.
pub const ORIGIN: [&str; 4] = ["status", "unit", "id", "time"];

/// How to read the records under a header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Csv {
    delimiter: u8,
    /// Each column's name and what it means to us.
    columns: Vec<(String, Option<Column>)>,
    /// The index of the column of targets.
    target: usize,
}

impl Csv {
    /// Reads a header; `None` if it names no column of targets.
    #[must_use]
    pub fn under(header: &str) -> Option<Self> {
        b",;\t".iter().find_map(|delimiter| {
            let names = split(header, *delimiter).ok()?;
            let columns: Vec<_> = names
                .into_iter()
                .map(|name| {
                    let column = Column::named(&name);
                    (name, column)
                })
                .collect();
            let target = columns
                .iter()
                .enumerate()
                .filter_map(|(at, (_, column))| match column {
                    Some(Column::Target(rank)) => Some((*rank, at)),
                    _ => None,
                })
                .min()?
                .1;
            Some(Self { delimiter: *delimiter, columns, target })
        })
    }

    /// The names of the columns that mean nothing to us, those of an own export excepted, which say where a line comes
    /// from.
    pub fn unread(&self) -> impl Iterator<Item = &str> {
        let own = ORIGIN.iter().all(|name| self.columns.iter().any(|(column, _)| column == name));
        let unread = |at: usize, column: &Option<Column>| match column {
            None => true,
            Some(Column::Target(_)) => at != self.target,
            Some(_) => false,
        };
        self.columns
            .iter()
            .enumerate()
            .filter(move |(at, (_, column))| unread(*at, column))
            .map(|(_, (name, _))| name.as_str())
            .filter(move |name| !own || !ORIGIN.contains(name))
    }

    /// The record that begins with `first`; further lines of it are taken from `lines`.
    ///
    /// # Errors
    /// Those of the input; the record's own faults stand inside.
    pub fn item(&self, first: String, lines: &mut Lines<'_>) -> io::Result<Result<Item, Fault>> {
        Ok(match self.record(first, lines)? {
            Ok(record) => self.read(&record),
            Err(fault) => Err(fault),
        })
    }

    fn record(&self, first: String, lines: &mut Lines<'_>) -> io::Result<Result<String, Fault>> {
        let mut quotes = Quotes::new(self.delimiter);
        let mut open = quotes.open_after(&first);
        let mut record = first;
        let mut taken = Vec::new();
        while open {
            let Some(next) = lines.next_line()? else { break };
            let fits = next.text.as_ref().ok().filter(|text| record.len().saturating_add(text.len()) < LINE_BYTES_MAX);
            if let Some(text) = fits {
                record.push('\n');
                record.push_str(text);
                open = quotes.open_after(text);
                taken.push(next);
            } else {
                taken.push(next);
                break;
            }
        }
        if open {
            lines.put_back(taken);
            return Ok(Err(Fault::new("unclosed-quote", "a quote in it is never closed: close or double it")));
        }
        Ok(Ok(record))
    }

    fn read(&self, record: &str) -> Result<Item, Fault> {
        let values = split(record, self.delimiter)?;
        if values.len() > self.columns.len() {
            return Err(Fault::new(
                "columns",
                format!(
                    "it has {} values, the header {}: put values that contain the separator in quotes",
                    values.len(),
                    self.columns.len()
                ),
            ));
        }
        let mut fields = Fields::default();
        for (value, (_, column)) in values.iter().zip(&self.columns) {
            if let Some(column) = column {
                fields.set(*column, cell(value))?;
            }
        }
        match values.get(self.target).map(|target| cell(target).text().trim()) {
            None | Some("") => Err(Fault::new("no-target", "it has no target")),
            Some(target) => Ok(Item::new(target, fields)),
        }
    }
}

/// A cell as it was meant. An apostrophe before what a spreadsheet would read as a formula, or before a text with white
/// space at an end, was put there on export ([`armour`]) and is taken off; then the white space is meant too.
fn cell(value: &str) -> Said<'_> {
    match value.strip_prefix('\'').filter(|rest| needs_armour(rest)) {
        Some(meant) => Said::exact(meant),
        None => Said::typed(value),
    }
}

/// A cell as a spreadsheet may open it: with an apostrophe where it would else be read as a formula, or trimmed. A cell
/// that looks armoured already gets one more, so that every cell comes back as it was.
#[must_use]
pub fn armour(value: &str) -> Cow<'_, str> {
    if needs_armour(value) { Cow::Owned(format!("'{value}")) } else { Cow::Borrowed(value) }
}

/// Whether a spreadsheet would compute it (OWASP, CSV injection) or a reader trim it, apostrophes before it aside.
fn needs_armour(value: &str) -> bool {
    let bare = value.trim_start_matches('\'');
    bare.starts_with(['=', '+', '-', '@', '\t', '\r']) || bare.trim().len() < bare.len()
}

fn split(record: &str, delimiter: u8) -> Result<Vec<String>, Fault> {
    let mut reader = ::csv::ReaderBuilder::new()
        .has_headers(false)
        .delimiter(delimiter)
        .buffer_capacity(record.len().max(1))
        .from_reader(record.as_bytes());
    let mut values = ::csv::StringRecord::new();
    match reader.read_record(&mut values) {
        Ok(_) => Ok(values.iter().map(str::to_owned).collect()),
        Err(e) => Err(Fault::new("csv", format!("it is not CSV: {e}"))),
    }
}

/// Follows the quotes of a record line by line, as RFC 4180 section 2 has them: one opens at the beginning of a value
/// only, and is doubled inside.
struct Quotes {
    delimiter: u8,
    inside: bool,
}

impl Quotes {
    const fn new(delimiter: u8) -> Self {
        Self { delimiter, inside: false }
    }

    /// Whether a quote is open at the end of the line.
    fn open_after(&mut self, line: &str) -> bool {
        let mut start = !self.inside;
        let mut bytes = line.bytes().peekable();
        while let Some(byte) = bytes.next() {
            if self.inside {
                if byte == b'"' && bytes.next_if_eq(&b'"').is_none() {
                    self.inside = false;
                }
                start = false;
            } else {
                self.inside = byte == b'"' && start;
                start = byte == self.delimiter;
            }
        }
        self.inside
    }
}
