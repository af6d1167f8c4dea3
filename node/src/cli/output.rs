//! What goes to stdout and stderr. A reader that has gone ends the command quietly; it never makes it panic.

use std::io::{self, BufWriter, Write};

use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;

use super::error::CliError;

/// Stdout, buffered.
pub(crate) struct Output {
    to: Box<dyn Write>,
    json: bool,
}

impl Output {
    /// Stdout, for people or, with `json`, for programs.
    pub(crate) fn new(json: bool) -> Self {
        Self { to: Box::new(BufWriter::new(io::stdout())), json }
    }

    /// Whether programs read it.
    pub(crate) const fn is_json(&self) -> bool {
        self.json
    }

    /// One line of text.
    pub(crate) fn line(&mut self, text: impl std::fmt::Display) -> Result<(), CliError> {
        writeln!(self.to, "{text}").map_err(fault)
    }

    /// One JSON document on one line.
    pub(crate) fn document(&mut self, value: &impl Serialize) -> Result<(), CliError> {
        let text = serde_json::to_string(value).map_err(|e| CliError::Refused(format!("cannot write JSON: {e}")))?;
        self.line(text)
    }

    /// A table without its empty lines' trailing spaces.
    pub(crate) fn table(&mut self, table: &Table) -> Result<(), CliError> {
        table.lines().try_for_each(|line| self.line(line.trim_end()))
    }

    /// Hands everything over.
    pub(crate) fn flush(&mut self) -> Result<(), CliError> {
        self.to.flush().map_err(fault)
    }
}

fn fault(error: io::Error) -> CliError {
    match error.kind() {
        io::ErrorKind::BrokenPipe => CliError::ClosedPipe,
        _ => CliError::Refused(format!("cannot write to stdout: {error}")),
    }
}

/// A plain, narrow table with a head: no lines, two spaces between columns, nothing wrapped.
pub(crate) fn table<const N: usize>(head: [&str; N]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled).set_header(head);
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table
}

/// Says something on stderr; whoever closed it does not want to know.
pub(crate) fn say(words: impl std::fmt::Display) {
    let _ = writeln!(io::stderr(), "{words}");
}
