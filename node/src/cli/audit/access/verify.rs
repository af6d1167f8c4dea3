//! `entente audit access verify`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use entente_proto::access::{Head, Verified, Verifier};
use entente_proto::charter::CharterChain;
use entente_proto::hash::Hash;
use entente_proto::ids::RecordId;
use entente_proto::wire::AccessHead;
use entente_proto::wire::record::Body;
use serde::Serialize;

use super::files::{Entries, Fault, Files};
use crate::cli::Global;
use crate::cli::error::CliError;
use crate::cli::output::Output;
use crate::cli::receipt::{charters, verify_under};
use crate::files::read_bounded;

/// Longest receipt of a record that fixes an access log, in bytes.
const RECEIPT_BYTES_MAX: usize = 256 << 10;

/// Verify an export of the access log with the charter alone, without a node and without a network
///
/// Says up to which entry records that partners cosigned fix the log: no line before that was dropped, changed or added.
/// Exits 4 if anything does not verify.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The export
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    /// The charter of the network, from somebody you trust: all its versions in order, the option given for each, or a
    /// directory that holds them as 1.note, 2.note and so on [default: those of the home directory]
    #[arg(long, value_name = "FILE or DIR")]
    charter: Vec<PathBuf>,
}

#[derive(Serialize)]
struct EpochJson {
    epoch: u64,
    entries: u64,
    root: String,
    /// How many of the entries certified records fix.
    covered: u64,
    heads: u64,
    faults: u64,
    first_fault: Option<String>,
}

/// The records that fix an access log, by epoch, and what is wrong with others.
#[derive(Default)]
pub(super) struct Heads {
    pub(super) by_epoch: BTreeMap<u64, Vec<Head>>,
    pub(super) faults: Vec<String>,
}

pub(super) fn run(args: &Args, global: &Global) -> Result<(), CliError> {
    let charters = charters(&args.charter, global)?;
    let files = Files::new(&args.directory);
    let mut heads = read_heads(&files, &charters)?;
    let epochs = files.epochs()?;
    if epochs.is_empty() && heads.by_epoch.is_empty() && heads.faults.is_empty() {
        let words =
            format!("{} holds no access log: entente audit access export DIR writes one", files.directory().display());
        return Err(CliError::Verification(words));
    }
    let mut out = Output::new(global.json);
    let mut faults = std::mem::take(&mut heads.faults);
    for epoch in epochs {
        let verified = verify_epoch(&files, epoch, heads.by_epoch.remove(&epoch).unwrap_or_default());
        faults.extend(verified.first.as_ref().map(|fault| format!("epoch {epoch}: {fault}")));
        print(&mut out, epoch, &verified)?;
    }
    for (epoch, heads) in heads.by_epoch {
        for Head { record, size, .. } in heads {
            faults.push(format!(
                "{record} fixes {size} entries of epoch {epoch}, and there is no file of it: lines are missing"
            ));
        }
    }
    out.flush()?;
    match faults.as_slice() {
        [] => Ok(()),
        [first, rest @ ..] => {
            let more = if rest.is_empty() { String::new() } else { format!("; {} more", rest.len()) };
            Err(CliError::Verification(format!("{first}{more}")))
        }
    }
}

fn print(out: &mut Output, epoch: u64, verified: &Verified) -> Result<(), CliError> {
    let first_fault = verified.first.as_ref().map(ToString::to_string);
    if out.is_json() {
        return out.document(&EpochJson {
            epoch,
            entries: verified.size,
            root: verified.root.to_string(),
            covered: verified.covered,
            heads: verified.heads,
            faults: verified.faults,
            first_fault,
        });
    }
    let open = verified.size.saturating_sub(verified.covered);
    out.line(format_args!(
        "epoch {epoch}: {} entries, the first {} fixed by {} certified records, {open} since; {}",
        verified.size,
        verified.covered,
        verified.heads,
        match first_fault {
            None => "no fault".to_owned(),
            Some(first) => format!("{} FAULTS, the first: {first}", verified.faults),
        }
    ))
}

pub(super) fn verify_epoch(files: &Files, epoch: u64, heads: Vec<Head>) -> Verified {
    let mut verifier = Verifier::new(heads);
    match Entries::open(&files.entries(epoch)) {
        Ok(entries) => {
            for entry in entries {
                match entry {
                    Ok(entry) => _ = verifier.take(&entry),
                    Err(Fault::Entry(error)) => verifier.damaged(error),
                    Err(Fault::Io(_)) => verifier.damaged(entente_proto::entry::EntryError::Run(0)),
                }
            }
        }
        Err(_) => verifier.damaged(entente_proto::entry::EntryError::Run(0)),
    }
    verifier.end()
}

pub(super) fn read_heads(files: &Files, charters: &CharterChain) -> Result<Heads, CliError> {
    let mut heads = Heads::default();
    let mut unit = None;
    for index in files.heads()? {
        let path = files.head(index);
        let head = read_bounded(&path, RECEIPT_BYTES_MAX)
            .map_err(|error| error.to_string())
            .and_then(|bytes| head_of(&bytes, index, charters));
        match head {
            Ok((epoch, head)) if unit.get_or_insert_with(|| head.record.unit.clone()) == &head.record.unit => {
                heads.by_epoch.entry(epoch).or_default().push(head);
            }
            Ok((_, head)) => {
                heads.faults.push(format!("{} is a record of another unit than those before", head.record))
            }
            Err(why) => heads.faults.push(format!("{}: {why}", path.display())),
        }
    }
    Ok(heads)
}

/// What a receipt fixes: verified, certified, and of the record that its name says.
fn head_of(bytes: &[u8], index: u64, charters: &CharterChain) -> Result<(u64, Head), String> {
    let (receipt, _) = verify_under(charters, bytes).map_err(|error| error.to_string())?;
    receipt.certified().map_err(|error| format!("it is not certified: {error}"))?;
    let record: RecordId = receipt.id().clone();
    if record.index != index {
        return Err(format!("it is the receipt of {record}"));
    }
    match receipt.statement().body() {
        Body::AccessHead(AccessHead { epoch, size, root }) => {
            let root = Hash::from_slice(root).ok_or("its root is none")?;
            Ok((*epoch, Head { record, size: *size, root }))
        }
        _ => Err(format!("{record} says nothing of an access log")),
    }
}
