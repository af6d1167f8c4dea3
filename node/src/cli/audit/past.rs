//! `entente audit list` and `entente audit record`: what follows from an export that verifies.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use entente_proto::audit::{Asked, Moment, PastError, Verified};
use entente_proto::ids::{RecordId, Size, UnitId};
use entente_proto::record;
use entente_proto::wire::{ListedRow, Pending, Row};

use super::disk::{Directory, Threads};
use super::verify::{NEEDS_ALL, conclude, present, verify};
use crate::cli::Global;
use crate::cli::error::CliError;
use crate::cli::json::{RowJson, StatementJson, status_word};
use crate::cli::output::{Output, say, table};
use crate::cli::summary::who;
use crate::cli::words::{moment, parse_moment, plain, record_ref};
use crate::files::replace_file;

/// How many rows of a table are lined up together.
const TABLE_ROWS: usize = 1_000;

/// Rebuild the list as every unit had it at a moment
///
/// The export is verified first. What was erased since is in no list any more, and is counted.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  entente audit list be-export --at 2026-04-25T06:00:00Z\n  entente audit list be-export --at BE=1042,FR=17"
)]
pub(crate) struct ListArgs {
    /// The export
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    /// A time, a day, or the sizes of the logs, as in BE=1042,FR=17 [default: all that is certified]
    #[arg(long, value_name = "TIME-or-FRONTIER", value_parser = parse_at)]
    at: Option<Moment>,
}

/// Prove one record: what it says, and that it stands in its log
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: entente audit record be-export BE/17 --receipt be-17.receipt")]
pub(crate) struct RecordArgs {
    /// The export
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    /// The record
    #[arg(value_name = "ID")]
    id: RecordId,
    /// Where to write a receipt of it, which anybody can verify with the charter alone
    #[arg(long, value_name = "FILE")]
    receipt: Option<PathBuf>,
}

fn parse_at(text: &str) -> Result<Moment, String> {
    if !text.contains('=') {
        return parse_moment(text).map(Moment::Time).map_err(|error| error.to_string());
    }
    let mut sizes: BTreeMap<UnitId, Size> = BTreeMap::new();
    for part in text.split(',') {
        let (unit, size) =
            part.split_once('=').ok_or_else(|| format!("{part:?} is no unit and size, as in BE=1042"))?;
        let unit: UnitId = unit.parse().map_err(|error| format!("{error}"))?;
        let number: u64 = size.parse().map_err(|_| format!("{size:?} is no size of a log"))?;
        let size = Size::new(number).map_err(|error| error.to_string())?;
        if sizes.insert(unit, size).is_some() {
            return Err(format!("{part:?} names a unit that was named before"));
        }
    }
    Ok(Moment::Sizes(sizes))
}

/// An export that verifies, or the first fault.
fn whole(directory: &Path) -> Result<Verified, CliError> {
    present(directory)?;
    let found = verify(directory, &Asked::default());
    conclude(directory, &found, NEEDS_ALL)?;
    Ok(found)
}

fn fault(error: PastError) -> CliError {
    match error {
        PastError::Beyond { .. } | PastError::Receipt(_) | PastError::Rules(_) => CliError::Refused(error.to_string()),
        error => CliError::Verification(error.to_string()),
    }
}

pub(super) fn list(args: &ListArgs, global: &Global) -> Result<(), CliError> {
    let found = whole(&args.directory)?;
    let now = || Moment::Sizes(found.logs.iter().map(|log| (log.unit.clone(), log.size)).collect());
    let at = args.at.clone().unwrap_or_else(now);
    let mut out = Output::new(global.json);
    let (mut rows, mut printed) = (Vec::new(), Ok(()));
    let past = found.list_at(&Directory(args.directory.clone()), &Threads::all(), &at, &mut |row| {
        if printed.is_err() {
            return;
        }
        printed = if out.is_json() {
            out.document(&RowJson::from(&ListedRow { row: Some(row), ..ListedRow::default() }))
        } else {
            rows.push(row);
            if rows.len() >= TABLE_ROWS { print(&mut rows, &mut out) } else { Ok(()) }
        };
    });
    let past = past.map_err(fault)?;
    printed?;
    print(&mut rows, &mut out)?;
    out.flush()?;
    let sizes: Vec<String> = past.frontier.logs.iter().map(|(unit, (size, _))| format!("{unit}={size}")).collect();
    say(format_args!(
        "{} targets under version {} of the charter at {}: list digest {}, frontier {}",
        past.counts.rows(),
        past.version,
        sizes.join(","),
        past.digest,
        past.frontier.digest()
    ));
    if past.erased > 0 {
        say(format_args!(
            "{} records up to there were erased since: what they said is in no list any more",
            past.erased
        ));
    }
    Ok(())
}

fn print(rows: &mut Vec<Row>, out: &mut Output) -> Result<(), CliError> {
    if rows.is_empty() {
        return Ok(());
    }
    let mut lines = table(["STATUS", "TARGET", "BY"]);
    for row in rows.drain(..) {
        let who = plain(&who(&ListedRow { row: Some(row.clone()), ..ListedRow::default() }));
        lines.add_row([status_word(&row).to_owned(), plain(&row.target), who]);
    }
    out.table(&lines)
}

pub(super) fn record(args: &RecordArgs, global: &Global) -> Result<(), CliError> {
    let found = whole(&args.directory)?;
    let id = &args.id;
    let files = Directory(args.directory.clone());
    let (entry, receipt) = match found.receipt(&files, id) {
        Ok(made) => made,
        Err(PastError::Receipt(entente_proto::receipt::ReceiptError::NoPayload)) => {
            return Err(CliError::Refused(format!(
                "{id} was erased: its place in the log is proven by the export, and what it said is gone"
            )));
        }
        Err(error) => return Err(fault(error)),
    };
    let log = found.logs.iter().find(|log| log.unit == id.unit);
    let head = log.and_then(|log| log.checkpoint.as_ref());
    let cosigned: Vec<String> =
        head.map(|head| head.cosigners().iter().map(ToString::to_string).collect()).unwrap_or_default();
    let size = log.map_or(0, |log| log.size.get());
    let payload = entry.payload().cloned().unwrap_or_default();
    let statement = record::parse(entry.header().kind, &payload);
    if let Some(path) = &args.receipt {
        replace_file(path, &receipt.to_bytes(), 0o600).map_err(|e| CliError::file(path, "write", &e))?;
    }
    let said = statement.as_ref().ok().map(|statement| {
        let record = Some(statement.clone().into_record());
        StatementJson::from(&Pending { id: Some(record_ref(id)), time_ms: entry.header().time_ms, record })
    });
    let mut out = Output::new(global.json);
    if out.is_json() {
        out.document(&serde_json::json!({
            "id": id.to_string(),
            "kind": record::RecordKind::of_number(entry.header().kind).to_string(),
            "time": moment(entry.header().time_ms),
            "leaf_hash": entry.leaf_hash().to_string(),
            "size": size,
            "root": log.map(|log| log.root.to_string()),
            "cosigned_by": cosigned,
            "certified": head.is_some(),
            "statement": said.as_ref().map(serde_json::to_value).and_then(Result::ok),
            "set_aside": statement.as_ref().err().map(ToString::to_string),
            "receipt": args.receipt.as_ref().map(|path| path.display().to_string()),
        }))?;
        return out.flush();
    }
    let kind = record::RecordKind::of_number(entry.header().kind);
    out.line(format_args!("{id}: {kind}, {}", moment(entry.header().time_ms)))?;
    match &statement {
        Ok(_) => {
            let text = said.as_ref().and_then(|said| serde_json::to_string_pretty(said).ok()).unwrap_or_default();
            text.lines().try_for_each(|line| out.line(format_args!("  {}", plain(line))))?;
        }
        Err(aside) => out.line(format_args!("  it counts for nobody: {aside}"))?,
    }
    out.line(format_args!(
        "leaf {} stands under the checkpoint of {size} records that {} signed, cosigned by {}",
        entry.leaf_hash(),
        id.unit,
        cosigned.join(", ")
    ))?;
    out.flush()
}
