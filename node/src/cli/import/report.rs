//! What became of each line: counts, the lines not taken, the progress bar.

use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::hash::{BuildHasher, RandomState};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use entente_proto::wire::submit_result::Result as Answer;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use super::source::{Opened, Summary};
use crate::cli::error::CliError;
use crate::cli::output::{Output, say};
use crate::cli::words::{plain, record_id};
use crate::import::{Fault, Place, Skipped};
use crate::unit::{DISPUTED, HELD};
use entente_proto::record::LOOKALIKE;

/// Most targets of a file that are remembered, so as to count those that come again: about 40 MB.
const SEEN_MAX: usize = 3_500_000;

/// The targets of a file so far, by a hash of 64 bits under a key of this run: enough to count, not to judge.
#[derive(Default)]
pub(super) struct Seen {
    hashes: HashSet<u64>,
    key: RandomState,
}

impl Seen {
    /// Whether the target came before; from now on it has. Beyond [`SEEN_MAX`] targets no new one is remembered.
    pub(super) fn before(&mut self, target: &str) -> bool {
        let hash = self.key.hash_one(target);
        match self.hashes.len() < SEEN_MAX {
            true => !self.hashes.insert(hash),
            false => self.hashes.contains(&hash),
        }
    }
}

/// The running account of an import.
pub(super) struct Report {
    taken: u64,
    warned: u64,
    known: u64,
    duplicates: u64,
    seen: Seen,
    /// Whether what is not taken is told elsewhere: a preview prints it itself.
    quiet: bool,
    refused: u64,
    by_reason: BTreeMap<String, u64>,
    /// The last line or element that was answered.
    last: Option<Place>,
    file: Option<(PathBuf, BufWriter<File>)>,
    bar: ProgressBar,
    read: Arc<AtomicU64>,
}

/// The final count.
#[derive(Serialize)]
struct CountJson<'a> {
    taken: u64,
    warned: u64,
    known: u64,
    duplicates: u64,
    refused: u64,
    by_reason: &'a BTreeMap<String, u64>,
    blank: u64,
    comments: u64,
    others: u64,
    seconds: f64,
    per_second: f64,
}

impl Report {
    /// With the lines not taken on stderr, or in `file`. The bar shows on a terminal only.
    pub(super) fn new(file: Option<&Path>, opened: &Opened, quiet: bool) -> Result<Self, CliError> {
        let (size, read) = (opened.size, opened.read_bytes());
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
        Ok(Self {
            taken: 0,
            warned: 0,
            known: 0,
            duplicates: 0,
            seen: Seen::default(),
            quiet,
            refused: 0,
            by_reason: BTreeMap::new(),
            last: None,
            file,
            bar,
            read,
        })
    }

    /// Says something beside the bar.
    pub(super) fn note(&self, words: &str) {
        self.bar.suspend(|| say(format_args!("note: {}", plain(words))));
    }

    /// What became of a line.
    pub(super) fn line(&mut self, place: &Place, answer: &Result<Answer, Fault>) -> Result<(), CliError> {
        match answer {
            Ok(Answer::Accepted(accepted)) => {
                let warns = |notice: &&String| [HELD, DISPUTED, LOOKALIKE].iter().any(|words| notice.contains(words));
                let warnings: Vec<String> = accepted.notices.iter().filter(warns).cloned().collect();
                self.take(place, &accepted.target, &warnings)
            }
            Ok(Answer::Known(known)) => {
                let id = known.id.as_ref().map(record_id).unwrap_or_default();
                self.know(place, &known.target, Some(&id)).map(|_| ())
            }
            Ok(Answer::Proposed(proposed)) => self.take(place, &proposed.target, &proposed.notices),
            Ok(Answer::Refused(refused)) => self.refuse(place, &refused.code, &refused.message),
            Err(fault) => self.refuse(place, fault.code, &fault.reason),
        }
    }

    /// It is taken, and somebody should know that a partner holds it or objects, or that it looks like another.
    pub(super) fn take(&mut self, place: &Place, target: &str, warnings: &[String]) -> Result<(), CliError> {
        self.seen.before(target);
        self.taken = self.taken.saturating_add(1);
        self.warned = self.warned.saturating_add(u64::from(!warnings.is_empty()));
        warnings.iter().try_for_each(|warning| self.write(place, "warning", warning))?;
        self.goes_on(place);
        Ok(())
    }

    /// It would be taken, as an observation.
    pub(super) fn observe(&mut self, place: &Place) {
        self.taken = self.taken.saturating_add(1);
        self.goes_on(place);
    }

    /// The unit refers it already, by the record `id`, or by an earlier line; whether by an earlier line.
    pub(super) fn know(&mut self, place: &Place, target: &str, id: Option<&str>) -> Result<bool, CliError> {
        self.known = self.known.saturating_add(1);
        let duplicate = self.seen.before(target);
        self.duplicates = self.duplicates.saturating_add(u64::from(duplicate));
        if self.file.is_some() {
            let by = id.unwrap_or("an earlier line");
            self.write(
                place,
                if duplicate { "duplicate" } else { "known" },
                &format!("{target} is referred already, by {by}"),
            )?;
        }
        self.goes_on(place);
        Ok(duplicate)
    }

    /// Whether the target came before in this file.
    pub(super) fn seen(&self, target: &str) -> bool {
        self.seen.hashes.contains(&self.seen.key.hash_one(target))
    }

    /// It is not taken.
    pub(super) fn refuse(&mut self, place: &Place, code: &str, reason: &str) -> Result<(), CliError> {
        self.refused = self.refused.saturating_add(1);
        let count = self.by_reason.entry(plain(code)).or_default();
        *count = count.saturating_add(1);
        self.write(place, code, reason)?;
        self.goes_on(place);
        Ok(())
    }

    fn goes_on(&mut self, place: &Place) {
        self.last = Some(place.clone());
        self.bar.set_position(self.read.load(Ordering::Relaxed));
        self.bar.set_message(format!("{} taken, {} refused", self.taken, self.refused));
    }

    fn write(&mut self, place: &Place, code: &str, reason: &str) -> Result<(), CliError> {
        let words = format!("{}: {}: {}", plain(&place.to_string()), plain(code), plain(reason));
        match &mut self.file {
            Some((path, file)) => writeln!(file, "{words}").map_err(|e| CliError::file(path, "write", &e)),
            None if self.quiet => Ok(()),
            None => {
                self.bar.suspend(|| say(words));
                Ok(())
            }
        }
    }

    /// Prints beside the bar.
    pub(super) fn beside<T>(&self, print: impl FnOnce() -> T) -> T {
        self.bar.suspend(print)
    }

    /// How many came twice in the file.
    #[cfg(test)]
    pub(super) const fn duplicates(&self) -> u64 {
        self.duplicates
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
        let last = self.last.as_ref().map_or_else(|| "the beginning".to_owned(), |place| plain(&place.to_string()));
        let said = format!(
            "{error}\nThe import ended early: {} taken, {} referred before, {} refused up to {last}. Give the same \
             command again: what was taken is skipped then.",
            self.taken, self.known, self.refused
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
                warned: self.warned,
                known: self.known,
                duplicates: self.duplicates,
                refused: self.refused,
                by_reason: &self.by_reason,
                blank: summary.skipped.blank,
                comments: summary.skipped.comments,
                others: summary.skipped.others,
                seconds,
                per_second,
            })?;
            out.flush()?;
            return self.outcome(lines);
        }
        let taken = if self.quiet { "would be taken" } else { "taken" };
        let duplicates = match self.duplicates {
            0 => String::new(),
            count => format!(" ({count} of them earlier in the file)"),
        };
        let Skipped { blank, comments, others } = summary.skipped;
        let passed = [(blank, "blank lines"), (comments, "comments"), (others, "objects that describe no target")];
        let passed: String =
            passed.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("; {count} {what}")).collect();
        say(format_args!(
            "{} {taken}, {} referred before{duplicates}, {} refused{passed}; {seconds:.1} s, {per_second:.0} lines/s",
            self.taken, self.known, self.refused
        ));
        if self.warned > 0 {
            say(format_args!(
                "  {} of those taken came with a warning: they are held or disputed, or look like others (`entente show`)",
                self.warned
            ));
        }
        for (code, count) in &self.by_reason {
            say(format_args!("  {count} {code}"));
        }
        if let Some((path, _)) = self.file.as_ref().filter(|_| lines > self.taken || self.warned > 0) {
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
