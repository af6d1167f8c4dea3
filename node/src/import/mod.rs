//! Reading import files: plain lines, CSV, JSON lines, STIX bundles and MISP events, as an iterator over what each line
//! or element asks for.
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
//! | [`json`] | a walk through JSON of any size |
//! | [`documents`] | STIX and MISP documents, an element at a time |
//! | `stix`, `pattern` | STIX objects and what their patterns name |
//! | [`sightings`] | STIX sightings, for who takes them as observations |
//! | `misp` | MISP attributes |
//! | `opening` | what a file is, and a place for what cannot be read twice |
//! | [`tlp`] | the Traffic Light Protocol in both |
//!
//! Limits: a line, or a CSV record over several lines, has at most [`LINE_BYTES_MAX`] bytes, an element of a document
//! [`json::VALUE_BYTES_MAX`]; memory is bounded by a few of these.

pub mod csv;
pub mod documents;
pub mod fields;
pub mod json;
pub mod jsonl;
pub mod lines;
mod misp;
mod opening;
mod pattern;
pub mod sightings;
mod stix;
pub mod tlp;

use std::io::{self, BufRead, BufReader, Cursor, Read, SeekFrom};

use serde_json::{Map, Value};

use self::csv::Csv;
use self::documents::{Documents, Seekable};
use self::fields::Fields;
use self::lines::Lines;
use self::opening::{document, head, packed, spooled};
use self::sightings::Seen;

/// Longest line, or CSV record, in bytes: four times the largest record, since a line writes it with escapes.
pub const LINE_BYTES_MAX: usize = 256 << 10;

/// How a file says its targets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A target a line.
    Lines,
    /// Comma, semicolon or tab separated values under a header that names a `target` column.
    Csv,
    /// A JSON object a line, with a `target`.
    JsonLines,
    /// STIX 2.1 objects, in a bundle or not.
    Stix,
    /// MISP events.
    Misp,
}

impl Format {
    const fn is_document(self) -> bool {
        matches!(self, Self::Stix | Self::Misp)
    }
}

/// How to read a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Options {
    /// As what; without it, as it looks.
    pub format: Option<Format>,
    /// Whether MISP attributes count whose `to_ids` is false.
    pub all: bool,
    /// Whether STIX sightings count, as observations of what their indicators name.
    pub sightings: bool,
}

impl From<Option<Format>> for Options {
    fn from(format: Option<Format>) -> Self {
        Self { format, ..Self::default() }
    }
}

/// Why a whole file cannot be read as what it is said to be.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// Reading failed.
    #[error("cannot read: {0}")]
    Read(#[from] io::Error),
    /// A file that holds others, or its text in another form.
    #[error("this is packed, as {0}: give what is in it")]
    Packed(&'static str),
    /// A CSV file without a column of targets.
    #[error(
        "the header names no column with targets: one of target, url, domain, indicator or value has to stand in it"
    )]
    NoTargetColumn,
    /// A JSON document that is neither STIX nor MISP, over several lines.
    #[error(
        "this is one JSON document and neither a STIX bundle nor a MISP event: write an object a line, for instance \
         with jq -c '.[]', or say with --format what it is"
    )]
    JsonDocument,
    /// A document that has to be read twice could not be put aside.
    #[error("cannot write a temporary file to read it twice: {0}; TMPDIR names a directory with room")]
    Spool(io::Error),
}

/// Why one line was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// A word that programs can compare, such as `line-too-long`.
    pub code: &'static str,
    /// What is wrong and what to do, in words.
    pub reason: String,
    /// What the line is about that its author took back, as it was written: the unit may refer it.
    pub taken_back: Option<String>,
}

impl Fault {
    pub(crate) fn new(code: &'static str, reason: impl Into<String>) -> Self {
        Self { code, reason: reason.into(), taken_back: None }
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
    /// That it was seen, instead of a referral of it.
    pub seen: Option<Seen>,
}

impl Item {
    /// A referral of a target.
    pub(crate) fn new(target: impl Into<String>, fields: Fields) -> Self {
        Self { target: target.into(), fields, seen: None }
    }
}

/// A line that is neither blank nor a comment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Its number in the file, from 1; of a CSV record over several lines, the first one's; of a document, the number of
    /// its elements up to this.
    pub number: u64,
    /// In a document, the element's path and id.
    pub path: Option<String>,
    /// What it asks for, or why it was not understood.
    pub content: Result<Item, Fault>,
}

impl Line {
    /// What to call it in messages: its line, or its path.
    #[must_use]
    pub fn place(&self) -> Place {
        Place { number: self.number, path: self.path.clone() }
    }
}

/// Where in a file something stands. As text: `line 5`, or `objects[3] indicator--...`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The number of its line, or of the document's elements up to it.
    pub number: u64,
    /// In a document, its path and id.
    pub path: Option<String>,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.path {
            Some(path) => f.write_str(path),
            None => write!(f, "line {}", self.number),
        }
    }
}

/// Lines that ask for nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Skipped {
    /// Blank lines.
    pub blank: u64,
    /// Lines that begin with `#`.
    pub comments: u64,
    /// STIX objects that describe no target, such as identities and relationships.
    pub others: u64,
}

enum Parser {
    Lines,
    Csv(Csv),
    JsonLines,
}

enum Body<'a> {
    Text(Lines<'a>, Parser),
    Document(Box<Documents<'a>>),
}

/// The lines of an import file. See the module's documentation.
pub struct Reader<'a> {
    body: Body<'a>,
    skipped: Skipped,
    notices: Vec<String>,
}

impl<'a> Reader<'a> {
    /// Begins to read, as `options` say or, without a format, as the file looks: a STIX or MISP document by the first
    /// keys in it; else by the first line that is neither blank nor a comment: a JSON object, a CSV header with a target
    /// column, or else plain lines.
    ///
    /// # Errors
    /// [`ImportError`], where the file as a whole cannot be understood.
    pub fn new(input: impl BufRead + Send + 'a, options: impl Into<Options>) -> Result<Self, ImportError> {
        let options = options.into();
        let mut input = lines::decoded(input)?;
        let head = head(&mut input, options)?;
        not_packed(&head)?;
        let whole = Cursor::new(head.clone()).chain(input);
        match document(&head, options) {
            Some(format) => Ok(Self::of_document(Box::new(spooled(whole)?), 0, format, options)),
            None => Self::of_text(Lines::new(whole), options.format),
        }
    }

    /// As [`new`](Self::new), of what can be gone back in: nothing has to be put aside.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn of_file(mut file: impl Seekable + 'a, options: impl Into<Options>) -> Result<Self, ImportError> {
        let options = options.into();
        let head = head(&mut file, options)?;
        not_packed(&head)?;
        let mark = if head.starts_with(&[0xef, 0xbb, 0xbf]) { 3_u16 } else { 0 };
        let text = head.get(usize::from(mark)..).unwrap_or_default();
        let utf_16 = head.starts_with(&[0xff, 0xfe]) || head.starts_with(&[0xfe, 0xff]);
        match document(text, options).filter(|_| !utf_16) {
            Some(format) => {
                file.seek(SeekFrom::Start(mark.into()))?;
                Ok(Self::of_document(Box::new(file), mark.into(), format, options))
            }
            None => {
                file.rewind()?;
                Self::new(BufReader::with_capacity(64 << 10, file), options)
            }
        }
    }

    fn of_document(input: Box<dyn Seekable + 'a>, at: u64, format: Format, options: Options) -> Self {
        let document = Documents::new(input, at, format, options);
        Self { body: Body::Document(Box::new(document)), skipped: Skipped::default(), notices: Vec::new() }
    }

    fn of_text(mut lines: Lines<'a>, format: Option<Format>) -> Result<Self, ImportError> {
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
            _ if text.starts_with('{') => Parser::JsonLines,
            _ if is_header_without_target(text) => return Err(ImportError::NoTargetColumn),
            _ => Csv::under(text).map_or(Parser::Lines, Parser::Csv),
        };
        if let Parser::Csv(csv) = &parser {
            notices.extend(csv.unread().map(|column| format!("the column {column:?} is not read")));
        } else if let Some(line) = first {
            lines.put_back([line]);
        }
        Ok(Self { body: Body::Text(lines, parser), skipped, notices })
    }

    /// As what the file is read.
    #[must_use]
    pub const fn format(&self) -> Format {
        match &self.body {
            Body::Text(_, Parser::Lines) => Format::Lines,
            Body::Text(_, Parser::Csv(_)) => Format::Csv,
            Body::Text(_, Parser::JsonLines) => Format::JsonLines,
            Body::Document(documents) => documents.format(),
        }
    }

    /// What was skipped so far.
    #[must_use]
    pub const fn skipped(&self) -> Skipped {
        let others = match &self.body {
            Body::Document(documents) => documents.others(),
            Body::Text(..) => 0,
        };
        Skipped { others, ..self.skipped }
    }

    /// What whoever imports should know about the file as a whole, in words.
    #[must_use]
    pub fn notices(&self) -> &[String] {
        &self.notices
    }

    fn read(&mut self) -> io::Result<Option<Line>> {
        let (lines, parser) = match &mut self.body {
            Body::Text(lines, parser) => (lines, parser),
            Body::Document(documents) => return documents.read(),
        };
        loop {
            let Some(raw) = lines.next_line()? else { return Ok(None) };
            let number = raw.number;
            let content = match raw.text {
                Ok(text) if self.skipped.counts(Some(&text)) => continue,
                Ok(text) => match parser {
                    Parser::Lines => plain(&text),
                    Parser::JsonLines => jsonl::item(&text),
                    Parser::Csv(csv) => csv.item(text, lines)?,
                },
                Err(fault) => Err(fault),
            };
            return Ok(Some(Line { number, path: None, content }));
        }
    }
}

fn not_packed(head: &[u8]) -> Result<(), ImportError> {
    packed(head).map_or(Ok(()), |form| Err(ImportError::Packed(form)))
}

/// A JSON object.
fn parsed(raw: &[u8]) -> Result<Map<String, Value>, Fault> {
    let fault = |why: &dyn std::fmt::Display| Fault::new("json", format!("it is not a JSON object: {why}"));
    let text = std::str::from_utf8(raw).map_err(|e| Fault::new("not-utf8", format!("it is not UTF-8: {e}")))?;
    serde_json::from_str(text).map_err(|e| fault(&e))
}

/// A web address of another program as a target: with its type, so that it is never read as anything else.
fn typed_url(value: &str) -> String {
    let value = value.trim();
    match value.get(..4) {
        // Addresses that were made harmless are understood without a type only.
        Some(head) if head.eq_ignore_ascii_case("hxxp") => value.to_owned(),
        _ => format!("url:{value}"),
    }
}

/// A text of another program: its tabs as spaces, its line ends as ours.
fn prose(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n").replace('\t', " ")
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
        None => Ok(Item::new(target, Fields::default())),
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
