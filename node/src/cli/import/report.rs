//! What became of each line: counts, the lines not taken, the progress bar.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use entente_proto::wire::submit_result::Result as Answer;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use super::source::Summary;
use crate::cli::error::CliError;
use crate::cli::output::{Output, say};
use crate::cli::words::{plain, record_id};
use crate::import::Fault;

/// The running account of an import.
pub(super) struct Report {
    taken: u64,
    known: u64,
    refused: u64,
    by_reason: BTreeMap<String, u64>,
    last_line: u64,
    file: Option<(PathBuf, BufWriter<File>)>,
    bar: ProgressBar,
    read: Arc<AtomicU64>,
}

/// The final count.
#[derive(Serialize)]
struct CountJson<'a> {
    taken: u64,
    known: u64,
    refused: u64,
    by_reason: &'a BTreeMap<String, u64>,
    blank: u64,
    comments: u64,
    seconds: f64,
    per_second: f64,
}

impl Report {
    /// With the lines not taken on stderr, or in `file`. The bar shows on a terminal only.
    pub(super) fn new(file: Option<&Path>, size: Option<u64>, read: Arc<AtomicU64>) -> Result<Self, CliError> {
        let file = match file {
            None => None,
            Some(path) => {
                let file = File::create(path).map_err(|e| CliError::file(path, "create", &e))?;
                Some((path.to_owned(), BufWriter::new(file)))
            }
        };
        let bar = size.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
        let template = match size {
            Some(_) => "{wide_bar} {percent:>3} %  {msg}  {eta} left",
            None => "{spinner} {bytes} read  {msg}",
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(200));
        Ok(Self { taken: 0, known: 0, refused: 0, by_reason: BTreeMap::new(), last_line: 0, file, bar, read })
    }

    /// Says something beside the bar.
    pub(super) fn note(&self, words: &str) {
        self.bar.suspend(|| say(format_args!("note: {}", plain(words))));
    }

    /// What became of a line.
    pub(super) fn line(&mut self, number: u64, answer: &Result<Answer, Fault>) -> Result<(), CliError> {
        self.last_line = self.last_line.max(number);
        match answer {
            Ok(Answer::Accepted(_) | Answer::Proposed(_)) => self.taken = self.taken.saturating_add(1),
            Ok(Answer::Known(known)) => {
                self.known = self.known.saturating_add(1);
                if self.file.is_some() {
                    let id = known.id.as_ref().map(record_id).unwrap_or_default();
                    self.write(number, "known", &format!("{} is referred already, by {id}", known.target))?;
                }
            }
            Ok(Answer::Refused(refused)) => self.refuse(number, &refused.code, &refused.message)?,
            Err(fault) => self.refuse(number, fault.code, &fault.reason)?,
        }
        self.bar.set_position(self.read.load(Ordering::Relaxed));
        self.bar.set_message(format!("{} taken, {} refused", self.taken, self.refused));
        Ok(())
    }

    fn refuse(&mut self, number: u64, code: &str, reason: &str) -> Result<(), CliError> {
        self.refused = self.refused.saturating_add(1);
        let count = self.by_reason.entry(plain(code)).or_default();
        *count = count.saturating_add(1);
        self.write(number, code, reason)
    }

    fn write(&mut self, number: u64, code: &str, reason: &str) -> Result<(), CliError> {
        let words = format!("line {number}: {}: {}", plain(code), plain(reason));
        match &mut self.file {
            Some((path, file)) => writeln!(file, "{words}").map_err(|e| CliError::file(path, "write", &e)),
            None => {
                self.bar.suspend(|| say(words));
                Ok(())
            }
        }
    }

    /// Lines taken, referred before, and refused.
    #[cfg(test)]
    pub(super) const fn counts(&self) -> (u64, u64, u64) {
        (self.taken, self.known, self.refused)
    }

    /// The import did not come to its end: what to do.
    pub(super) fn broken_off(mut self, error: CliError) -> CliError {
        self.bar.finish_and_clear();
        if let Some((_, file)) = &mut self.file {
            let _ = file.flush();
        }
        let said = format!(
            "{error}\nThe import ended early: {} taken, {} referred before, {} refused up to line {}. Give the same \
             command again: what was taken is skipped then.",
            self.taken, self.known, self.refused, self.last_line
        );
        match error {
            CliError::Unreachable(_) => CliError::Unreachable(said),
            CliError::Verification(_) => CliError::Verification(said),
            _ => CliError::Refused(said),
        }
    }

    /// The final count, in words on stderr or as JSON on stdout.
    pub(super) fn end(mut self, summary: &Summary, took: Duration, json: bool) -> Result<(), CliError> {
        self.bar.finish_and_clear();
        if let Some((path, file)) = &mut self.file {
            file.flush().map_err(|e| CliError::file(path, "write", &e))?;
        }
        let seconds = took.as_secs_f64();
        let lines = self.taken.saturating_add(self.known).saturating_add(self.refused);
        let per_second = if seconds > 0.0 { lines as f64 / seconds } else { 0.0 };
        if json {
            let mut out = Output::new(true);
            out.document(&CountJson {
                taken: self.taken,
                known: self.known,
                refused: self.refused,
                by_reason: &self.by_reason,
                blank: summary.skipped.blank,
                comments: summary.skipped.comments,
                seconds,
                per_second,
            })?;
            out.flush()?;
            return self.outcome(lines);
        }
        say(format_args!(
            "{} taken, {} referred before, {} refused; {} blank lines, {} comments; {seconds:.1} s, {per_second:.0} lines/s",
            self.taken, self.known, self.refused, summary.skipped.blank, summary.skipped.comments
        ));
        for (code, count) in &self.by_reason {
            say(format_args!("  {count} {code}"));
        }
        if let Some((path, _)) = self.file.as_ref().filter(|_| lines > self.taken) {
            say(format_args!("the lines not taken are in {}", path.display()));
        }
        self.outcome(lines)
    }

    /// An import of which nothing could be taken was refused as a whole.
    fn outcome(&self, lines: u64) -> Result<(), CliError> {
        match self.refused {
            refused if refused > 0 && refused == lines => {
                Err(CliError::Refused(format!("none of {lines} lines could be taken")))
            }
            _ => Ok(()),
        }
    }
}
