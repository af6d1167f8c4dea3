//! Reading import files: plain lines, CSV and JSON lines, as an iterator over whatever can be read line by line.
//!
//! Files come from elsewhere and are dirty. So a line that cannot be taken is named with its number, a code and a
//! reason, and the rest goes on; nothing here stops at bad input but a failing read. What a *target* may be is not
//! decided here but by the node: this module only says what each line asks for.
//!
//! | file | meaning |
//! |---|---|
//! | [`lines`] | physical lines: encodings, line ends, the bound on a line's length |
//! | [`fields`] | what a line may say beside its target |
//! | [`csv`] | a header and records |
//! | [`jsonl`] | a JSON object a line |
//!
//! Limits: a line, or a CSV record over several lines, has at most [`LINE_BYTES_MAX`] bytes; memory is bounded by a few of these.

pub mod csv;
pub mod fields;
pub mod jsonl;
pub mod lines;

use std::io::{self, BufRead};

use self::csv::Csv;
use self::fields::Fields;
use self::lines::Lines;

/// Longest line, or CSV record, in bytes.
pub const LINE_BYTES_MAX: usize = 64 << 10;

/// How a file says its targets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A target a line.
    Lines,
    /// Comma, semicolon or tab separated values under a header that names a `target` column.
    Csv,
    /// A JSON object a line, with a `target`.
    JsonLines,
}

/// Why a whole file cannot be read as what it is said to be.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// Reading failed.
    #[error("cannot read: {0}")]
    Read(#[from] io::Error),
    /// A CSV file without a column of targets.
    #[error(
        "the header names no column with targets: one of target, url, domain, indicator or value has to stand in it"
    )]
    NoTargetColumn,
    /// A JSON document over several lines.
    #[error("this is one JSON document over many lines: write an object a line, for instance with jq -c '.[]'")]
    JsonDocument,
}

/// Why one line was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// A word that programs can compare, such as `line-too-long`.
    pub code: &'static str,
    /// What is wrong and what to do, in words.
    pub reason: String,
}

impl Fault {
    pub(crate) fn new(code: &'static str, reason: impl Into<String>) -> Self {
        Self { code, reason: reason.into() }
    }

    fn control(c: char) -> Self {
        Self::new(
            "control-character",
            match c {
                '\0' => {
                    "a NUL byte stands in it: UTF-16 without a byte order mark? Convert the file to UTF-8".to_owned()
                }
                c => format!("the control character U+{:04X} stands in it: take it out", u32::from(c)),
            },
        )
    }
}

/// What a line asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// The target, as it was written.
    pub target: String,
    /// What else the line says.
    pub fields: Fields,
}

/// A line that is neither blank nor a comment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Its number in the file, from 1; of a CSV record over several lines, the first one's.
    pub number: u64,
    /// What it asks for, or why it was not understood.
    pub content: Result<Item, Fault>,
}

/// Lines that ask for nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Skipped {
    /// Blank lines.
    pub blank: u64,
    /// Lines that begin with `#`.
    pub comments: u64,
}

enum Parser {
    Lines,
    Csv(Csv),
    JsonLines,
}

/// The lines of an import file. See the module's documentation.
pub struct Reader<'a> {
    lines: Lines<'a>,
    parser: Parser,
    skipped: Skipped,
    notices: Vec<String>,
}

impl<'a> Reader<'a> {
    /// Begins to read, as `format` says or, without it, as the first line that is neither blank nor a comment looks: a
    /// JSON object, a CSV header with a target column, or else plain lines.
    ///
    /// # Errors
    /// [`ImportError`], where the file as a whole cannot be understood.
    pub fn new(input: impl BufRead + Send + 'a, format: Option<Format>) -> Result<Self, ImportError> {
        let mut lines = Lines::new(input)?;
        let mut skipped = Skipped::default();
        let first = loop {
            match lines.next_line()? {
                Some(line) if skipped.counts(line.text.as_deref().ok()) => {}
                other => break other,
            }
        };
        let text = first.as_ref().and_then(|line| line.text.as_deref().ok()).map(str::trim).unwrap_or_default();
        let mut notices = Vec::new();
        if matches!(text, "{" | "[" | "[{") && format != Some(Format::Lines) {
            return Err(ImportError::JsonDocument);
        }
        let parser = match format {
            Some(Format::Lines) => Parser::Lines,
            Some(Format::JsonLines) => Parser::JsonLines,
            Some(Format::Csv) => Parser::Csv(Csv::under(text).ok_or(ImportError::NoTargetColumn)?),
            None if text.starts_with('{') => Parser::JsonLines,
            None if is_header_without_target(text) => return Err(ImportError::NoTargetColumn),
            None => Csv::under(text).map_or(Parser::Lines, Parser::Csv),
        };
        if let Parser::Csv(csv) = &parser {
            notices.extend(csv.unread().map(|column| format!("the column {column:?} is not read")));
        } else if let Some(line) = first {
            lines.put_back([line]);
        }
        Ok(Self { lines, parser, skipped, notices })
    }

    /// As what the file is read.
    #[must_use]
    pub const fn format(&self) -> Format {
        match self.parser {
            Parser::Lines => Format::Lines,
            Parser::Csv(_) => Format::Csv,
            Parser::JsonLines => Format::JsonLines,
        }
    }

    /// The lines skipped so far.
    #[must_use]
    pub const fn skipped(&self) -> Skipped {
        self.skipped
    }

    /// What whoever imports should know about the file as a whole, in words.
    #[must_use]
    pub fn notices(&self) -> &[String] {
        &self.notices
    }

    fn read(&mut self) -> io::Result<Option<Line>> {
        loop {
            let Some(raw) = self.lines.next_line()? else { return Ok(None) };
            let number = raw.number;
            let content = match raw.text {
                Ok(text) if self.skipped.counts(Some(&text)) => continue,
                Ok(text) => match &self.parser {
                    Parser::Lines => plain(&text),
                    Parser::JsonLines => jsonl::item(&text),
                    Parser::Csv(csv) => csv.item(text, &mut self.lines)?,
                },
                Err(fault) => Err(fault),
            };
            return Ok(Some(Line { number, content }));
        }
    }
}

impl Iterator for Reader<'_> {
    type Item = io::Result<Line>;

    fn next(&mut self) -> Option<io::Result<Line>> {
        self.read().transpose()
    }
}

impl Skipped {
    /// Whether the line asks for nothing; then it is counted.
    fn counts(&mut self, text: Option<&str>) -> bool {
        match text.map(str::trim) {
            Some("") => self.blank = self.blank.saturating_add(1),
            Some(text) if text.starts_with('#') => self.comments = self.comments.saturating_add(1),
            _ => return false,
        }
        true
    }
}

/// A plain line: the target and nothing else.
fn plain(text: &str) -> Result<Item, Fault> {
    let target = text.trim();
    match target.chars().find(|c| c.is_control()) {
        Some(c) => Err(Fault::control(c)),
        None => Ok(Item { target: target.to_owned(), fields: Fields::default() }),
    }
}

#[cfg(test)]
mod tests;

/// Whether the first line is the head of a table that does not say which column holds the targets: several words, none of
/// which could be a target.
fn is_header_without_target(line: &str) -> bool {
    let words: Vec<&str> = line.split([',', ';', '\t']).map(str::trim).collect();
    let word = |word: &&str| !word.is_empty() && !word.contains(['.', ':', '/', '[']);
    words.len() > 1 && words.iter().all(word) && Csv::under(line).is_none()
}
