//! `entente import`: one referral for each line of a file.
//!
//! A thread reads and parses; several calls with a batch each are on their way to the node at once; answers are taken
//! in the order of the lines. Every line has its submission id before the first attempt and keeps it through every
//! further one, so a node that is killed and started again in the middle neither loses nor doubles a line. An import
//! that ended early may be given again: what the unit refers already is skipped. With `--dry-run` the same lines are
//! judged and nothing is entered.

mod preview;
mod report;
mod revoked;
mod source;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::ValueEnum;
use entente_proto::limits::SUBMISSIONS_MAX;
use entente_proto::wire::Submission;
use entente_proto::wire::submit_result::Result as Answer;
use futures_util::StreamExt;
use tokio_stream::wrappers::ReceiverStream;

use self::report::Report;
use self::source::{Batch, Opened, Summary};
use super::Global;
use super::client::{Deadline, Node};
use super::error::CliError;
use super::refer::ReferOptions;
use super::submit::Submitter;
use crate::import::fields::Fields;
use crate::import::{Fault, Format, Options, Place};

/// Calls on their way at once.
const CALLS: usize = 4;
/// How long one call may take unless `--timeout` says otherwise.
const CALL: Duration = Duration::from_secs(30);

/// Refer every target of a file: plain lines, CSV with a header, JSON lines, STIX bundles, MISP events
///
/// The options are defaults for what a line does not say itself. CSV columns and JSON keys: target (or url, domain,
/// indicator, value), category, basis, provider, description, language, source, accuracy, tlp, handling, campaign,
/// review-by, prefix, evidence, override-reason. STIX and MISP say targets, descriptions and TLP; neither has categories,
/// so --category is needed but for own exports. Revoked and deleted elements and attributes without to_ids are not taken;
/// where the unit itself refers what was revoked, it is told by which record.
/// Targets that the unit refers already are skipped; every line or element not taken is named with its number or path,
/// a code and the reason. Exits 0 if everything else is durable.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  entente import links.txt --category incites --campaign amaq\n  \
                        entente import event.json --category incites --dry-run\n  \
                        zcat export.csv.gz | entente import - --report faults.txt --json")]
pub(crate) struct Args {
    /// The file, or - for stdin
    #[arg(value_name = "FILE")]
    file: String,
    #[command(flatten)]
    says: ReferOptions,
    /// As what to read it, instead of looking
    #[arg(long, value_enum)]
    format: Option<FormatWord>,
    /// Take MISP attributes too whose to_ids is false
    #[arg(long)]
    all: bool,
    /// Take STIX sightings too, as observations: online when they were last seen, offline if their count is 0
    #[arg(long)]
    sightings: bool,
    /// Enter nothing: print for each line what would become of it, and what is known of its target
    #[arg(long)]
    dry_run: bool,
    /// Lines of one call to the node
    #[arg(long, value_name = "N", default_value_t = 500, value_parser = clap::value_parser!(u16).range(1..=SUBMISSIONS_MAX as i64))]
    batch: u16,
    /// Write the lines not taken to this file instead of stderr, those that the unit refers already among them
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// For how long to try again when the node goes away
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(0..=86_400))]
    retry_for: u64,
    /// How long one call to the node may take [default: 30]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    timeout: Option<u64>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum FormatWord {
    /// A target a line
    Lines,
    /// Values separated by commas, semicolons or tabs, under a header
    Csv,
    /// A JSON object a line
    Jsonl,
    /// STIX 2.1 objects, in a bundle or not
    Stix,
    /// MISP events
    Misp,
}

impl From<FormatWord> for Format {
    fn from(word: FormatWord) -> Self {
        match word {
            FormatWord::Lines => Self::Lines,
            FormatWord::Csv => Self::Csv,
            FormatWord::Jsonl => Self::JsonLines,
            FormatWord::Stix => Self::Stix,
            FormatWord::Misp => Self::Misp,
        }
    }
}

pub(crate) async fn run(args: Args, global: &Global) -> Result<(), CliError> {
    let begun = Instant::now();
    let defaults = args.says.fields();
    if args.report.as_deref().is_some_and(|report| same_file(report, Path::new(&args.file))) {
        return Err(CliError::Usage("--report would overwrite the file that is imported: name another one".to_owned()));
    }
    let options = Options { format: args.format.map(Format::from), all: args.all, sightings: args.sightings };
    let opened = source::open(&args.file, options)?;
    let deadline = Deadline { timeout: args.timeout };
    let node = Node::connect(global, deadline).await?;
    let mut report = Report::new(args.report.as_deref(), &opened, args.dry_run)?;
    opened.reader.notices().iter().for_each(|notice| report.note(notice));
    if args.dry_run {
        let summary = preview::feed(opened, defaults, &node, &mut report, global.json).await?;
        return report.end(&summary, begun.elapsed(), global.json);
    }
    let submitter = Submitter::new(node, deadline.or(CALL), Duration::from_secs(args.retry_for));

    let summary = feed(opened, defaults, usize::from(args.batch), &submitter, &mut report).await;
    match summary {
        Ok(summary) => report.end(&summary, begun.elapsed(), global.json),
        Err(error) => Err(report.broken_off(error)),
    }
}

fn same_file(one: &Path, other: &Path) -> bool {
    matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}

/// Brings a file's lines to the node and what became of them to the report.
async fn feed(
    opened: Opened,
    defaults: Fields,
    batch_lines: usize,
    submitter: &Submitter,
    report: &mut Report,
) -> Result<Summary, CliError> {
    let (batches, summary) = source::read(opened, defaults, batch_lines, CALLS);
    let mut answered =
        ReceiverStream::new(batches).map(|batch| async { answer(submitter, batch?).await }).buffered(CALLS);
    while let Some(lines) = answered.next().await {
        let mut lines = lines?;
        revoked::name_own(submitter.node(), lines.iter_mut().filter_map(|(_, answer)| answer.as_mut().err())).await?;
        lines.iter().try_for_each(|(place, answer)| report.line(place, answer))?;
    }
    Ok(summary.await.unwrap_or_default())
}

/// A batch's lines with what became of each.
async fn answer(submitter: &Submitter, batch: Batch) -> Result<Vec<(Place, Result<Answer, Fault>)>, CliError> {
    let submissions: Vec<Submission> = batch.iter().filter_map(|(_, line)| line.as_ref().ok()).cloned().collect();
    let answers = if submissions.is_empty() { Vec::new() } else { submitter.durable(&submissions).await? };
    let mut answers = answers.into_iter();
    Ok(batch
        .into_iter()
        .filter_map(|(place, line)| match line {
            Ok(_) => answers.next().map(|answer| (place, Ok(answer))),
            Err(fault) => Some((place, Err(fault))),
        })
        .collect())
}

#[cfg(test)]
mod tests;
