//! `entente export`: the list in other formats.

use std::io::{self, BufWriter, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::ValueEnum;
use entente_proto::wire::{ListRequest, ListedRow, Status, StatusRequest};
use serde::Serialize;
use tokio::time::timeout;
use tonic::Streaming;

use super::Global;
use super::client::{Deadline, Node};
use super::error::CliError;
use super::output::{Output, say};
use super::words::parser;
use crate::export::{self, Counts, Format, Heading};
use crate::files::Replacement;

/// How long the whole export may take unless `--timeout` says otherwise.
const EXPORT: Duration = Duration::from_secs(3_600);
/// Who may read a new file: targets are sensitive.
const MODE: u32 = 0o640;
/// Longest name of a zone, in bytes.
const ZONE_BYTES_MAX: usize = 200;

/// Write the list in another format: csv, jsonl, stix, misp, rpz, hosts
///
/// Prints what is listed and, but for rpz and hosts, what is disputed, marked so. csv and jsonl hold a line a referral, stix
/// a bundle with an indicator a referral: `import` reads them back whole. misp is one event. rpz (a response policy zone)
/// and hosts hold names to block: listed domains alone, and none whose blocking would take a held target offline.
/// Pending statements are in none, withdrawn referrals in stix alone, as `revoked`, so that whoever took them in takes them
/// out. The same list gives the same bytes at every unit. What is left out is counted on stderr.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  entente export --format stix --out list.json\n  \
                        entente export --format rpz --zone rpz.police.example --out /var/cache/bind/rpz.db\n  \
                        entente export --format csv --unit BE --text telegram > be.csv")]
pub(crate) struct Args {
    /// The format
    #[arg(long, value_enum)]
    format: FormatWord,
    /// Write to this file, which is replaced once everything is written, instead of stdout
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Only targets with this status; may be given more than once [default: listed and disputed; listed for rpz and hosts]
    #[arg(long, value_parser = parser::<Status>())]
    status: Vec<Status>,
    /// Only targets that this unit refers
    #[arg(long, value_name = "UNIT")]
    unit: Option<String>,
    /// Only targets that contain this text
    #[arg(long)]
    text: Option<String>,
    /// At most so many targets
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,
    /// Only targets that come after this one
    #[arg(long, value_name = "TARGET")]
    after: Option<String>,
    /// The name of the response policy zone [default: rpz. and the network's name]
    #[arg(long, value_name = "NAME")]
    zone: Option<String>,
    #[command(flatten)]
    deadline: Deadline,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum FormatWord {
    /// A line a referral, under a header
    Csv,
    /// A JSON object a referral, one a line
    Jsonl,
    /// A STIX 2.1 bundle
    Stix,
    /// A MISP event
    Misp,
    /// A response policy zone for BIND
    Rpz,
    /// A hosts file
    Hosts,
}

impl From<FormatWord> for Format {
    fn from(word: FormatWord) -> Self {
        match word {
            FormatWord::Csv => Self::Csv,
            FormatWord::Jsonl => Self::JsonLines,
            FormatWord::Stix => Self::Stix,
            FormatWord::Misp => Self::Misp,
            FormatWord::Rpz => Self::Rpz,
            FormatWord::Hosts => Self::Hosts,
        }
    }
}

/// What was written, for programs.
#[derive(Serialize)]
struct CountJson<'a> {
    file: &'a Path,
    targets: u64,
    records: u64,
    left_out: &'a std::collections::BTreeMap<&'static str, u64>,
}

pub(crate) async fn run(args: Args, global: &Global) -> Result<(), CliError> {
    let deadline = args.deadline.or(EXPORT);
    timeout(deadline, write(args, global, deadline))
        .await
        .unwrap_or_else(|_| Err(tonic::Status::deadline_exceeded("the export did not end in time").into()))
}

async fn write(args: Args, global: &Global, deadline: Duration) -> Result<(), CliError> {
    let format = Format::from(args.format);
    let status = statuses(format, &args.status)?;
    if args.zone.is_some() && format != Format::Rpz {
        return Err(CliError::Usage("--zone names a response policy zone: it goes with --format rpz".to_owned()));
    }
    let zone = args.zone.as_deref().map(zone_name).transpose()?;
    let node = Node::connect(global, args.deadline).await?;
    // Before the rows: what comes meanwhile is in the next export, under a higher serial.
    let told = node.client().status(node.request(StatusRequest {})).await?.into_inner();
    let request = ListRequest {
        status: status.iter().map(|status| *status as i32).collect(),
        unit: args.unit.unwrap_or_default(),
        after: args.after.unwrap_or_default(),
        limit: args.limit.unwrap_or_default(),
        text: args.text.unwrap_or_default(),
        withdrawn: format.revokes(),
        ..ListRequest::default()
    };
    let mut heading = Heading {
        units: told.logs.iter().map(|log| log.unit.clone()).collect(),
        entries: told.logs.iter().map(|log| log.certified).fold(0, u64::saturating_add),
        filter: filter(&request, &args.status),
        held_too: args.status.contains(&Status::Held),
        zone: zone.unwrap_or_else(|| format!("rpz.{}", told.network)),
        network: told.network,
        ..Heading::default()
    };
    if format.blocks() {
        let held = ListRequest { status: vec![Status::Held as i32], ..ListRequest::default() };
        let mut rows = list(&node, held, deadline).await?;
        while let Some(row) = rows.message().await? {
            heading.held.note(&row).map_err(|e| CliError::Refused(e.to_string()))?;
        }
    }
    let mut rows = list(&node, request, deadline).await?;
    let mut file = args.out.as_deref().map(replacement).transpose()?;
    let fault = |e: &io::Error| written(e, args.out.as_deref());
    let mut counts = Counts::default();
    {
        let out: Box<dyn Write + '_> = match &mut file {
            Some(file) => Box::new(BufWriter::new(file)),
            None => Box::new(BufWriter::new(io::stdout())),
        };
        let mut sheet = export::begin(format, &heading, out).map_err(|e| fault(&e))?;
        while let Some(row) = rows.message().await? {
            sheet.row(&row, &mut counts).map_err(|e| fault(&e))?;
        }
        sheet.end().map_err(|e| fault(&e))?;
    }
    if let Some(file) = file {
        file.put_in_place().map_err(|e| fault(&e))?;
    }
    tell(&counts, args.out.as_deref(), global)
}

async fn list(node: &Node, request: ListRequest, deadline: Duration) -> Result<Streaming<ListedRow>, CliError> {
    Ok(node.client().list(node.request_within(request, deadline)).await?.into_inner())
}

/// The statuses to ask for.
fn statuses(format: Format, asked: &[Status]) -> Result<Vec<Status>, CliError> {
    match asked {
        [] if format.blocks() => Ok(vec![Status::Listed]),
        [] if format.revokes() => Ok(vec![Status::Listed, Status::Disputed, Status::Cleared, Status::Held]),
        [] => Ok(vec![Status::Listed, Status::Disputed]),
        asked if format.blocks() && asked.iter().any(|status| matches!(status, Status::Held | Status::Cleared)) => {
            Err(CliError::Usage(
                "what is held has to stay online, and nothing stands against what is cleared: neither goes into a list of \
                 names to block"
                    .to_owned(),
            ))
        }
        asked => Ok(asked.to_vec()),
    }
}

/// Which rows were asked for, in words; empty where nothing was.
fn filter(request: &ListRequest, status: &[Status]) -> String {
    let mut words: Vec<String> = status.iter().map(|status| format!("status={}", *status as i32)).collect();
    words.sort_unstable();
    words.dedup();
    let given = |word: &str, value: &str| (!value.is_empty()).then(|| format!("{word}={value}"));
    words.extend(given("unit", &request.unit));
    words.extend(given("text", &request.text));
    words.extend(given("after", &request.after));
    words.extend((request.limit > 0).then(|| format!("limit={}", request.limit)));
    words.join(" ")
}

/// A name that can stand in a zone file as it is.
fn zone_name(typed: &str) -> Result<String, CliError> {
    let name = typed.strip_suffix('.').unwrap_or(typed).to_ascii_lowercase();
    let label = |label: &str| {
        (1..=63).contains(&label.len()) && label.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
    };
    if name.len() > ZONE_BYTES_MAX || !name.split('.').all(label) {
        return Err(CliError::Usage(format!(
            "{typed:?} is not the name of a zone: letters, digits, hyphens and underscores with dots between, at most \
             {ZONE_BYTES_MAX} bytes"
        )));
    }
    Ok(name)
}

/// A file beside the one that is asked for, as readable as that one is. A link stays one.
fn replacement(path: &Path) -> Result<Replacement, CliError> {
    let fault = |e: io::Error| CliError::file(path, "write beside", &e);
    let Ok(before) = std::fs::metadata(path) else { return Replacement::beside(path, MODE).map_err(fault) };
    if !before.is_file() {
        return Err(CliError::Usage(format!(
            "{} is not a file: leave --out out, and the list goes to stdout",
            path.display()
        )));
    }
    let file = Replacement::beside(&path.canonicalize().map_err(fault)?, MODE).map_err(fault)?;
    file.set_mode(before.permissions().mode() & 0o777).map_err(fault)?;
    Ok(file)
}

fn written(error: &io::Error, out: Option<&Path>) -> CliError {
    match out {
        Some(path) => CliError::file(path, "write", error),
        None if error.kind() == io::ErrorKind::BrokenPipe => CliError::ClosedPipe,
        None => CliError::Refused(format!("cannot write to stdout: {error}")),
    }
}

fn tell(counts: &Counts, out: Option<&Path>, global: &Global) -> Result<(), CliError> {
    if let (true, Some(file)) = (global.json, out) {
        let mut output = Output::new(true);
        let Counts { targets, records, left_out } = counts;
        output.document(&CountJson { file, targets: *targets, records: *records, left_out })?;
        return output.flush();
    }
    say(format_args!("{} targets, {} records", counts.targets, counts.records));
    for (reason, count) in &counts.left_out {
        say(format_args!("  {count} left out: {reason}"));
    }
    Ok(())
}
