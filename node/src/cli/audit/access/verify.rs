//! `entente audit access verify`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use entente_proto::access::{Ends, FixedBy, Head, Verified, Verifier};
use entente_proto::charter::CharterChain;
use entente_proto::hash::Hash;
use entente_proto::ids::RecordId;
use entente_proto::wire::access::Body as Entry;
use entente_proto::wire::record::Body;
use entente_proto::wire::{AccessHead, Began, Deleted};
use serde::Serialize;

use super::files::{Entries, Fault, Files};
use crate::cli::Global;
use crate::cli::error::CliError;
use crate::cli::output::Output;
use crate::cli::receipt::{charters, verify_under};
use crate::cli::words::moment;
use crate::files::read_bounded;

/// Longest receipt of a record that fixes an access log, in bytes.
const RECEIPT_BYTES_MAX: usize = 256 << 10;

/// Verify an export of the access log with the charter alone, without a node and without a network
///
/// Says up to which entry records that partners cosigned fix the log: no line before that was dropped, changed or added. An
/// epoch that ended is fixed by the next. What was deleted because it was kept long enough is told, where the times of the
/// records bear that out; what is missing otherwise is a fault. Exits 4 if anything does not verify.
///
/// The number of days is what the node was told to keep (access.keep_days). What it has to be says --keep-days.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The export
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    /// The charter of the network, from somebody you trust: all its versions in order, the option given for each, or a
    /// directory that holds them as 1.note, 2.note and so on [default: those of the home directory]
    #[arg(long, value_name = "FILE or DIR")]
    charter: Vec<PathBuf>,
    /// For how many days at least the unit has to keep each epoch after its end: a deletion by a rule of fewer is a fault
    #[arg(long, value_name = "DAYS", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=36_500))]
    keep_days: u32,
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

#[derive(Serialize)]
struct DeletedJson {
    deleted_up_to: u64,
    keep_days: u32,
    by: String,
    at: String,
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
    let found = verify_all(&files, &epochs, &mut heads.by_epoch, args.keep_days);
    for (epoch, one) in &found.epochs {
        faults.extend(one.verified.first.as_ref().map(|fault| format!("epoch {epoch}: {fault}")));
        print(&mut out, *epoch, &one.verified)?;
    }
    if let Some(rule) = &found.deleted {
        tell_deleted(&mut out, rule)?;
    }
    faults.extend(found.undue.iter().cloned());
    faults.extend(found.missing(heads.by_epoch));
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

/// Tells of the deletion that the newest epoch tells of.
fn tell_deleted(out: &mut Output, rule: &Rule) -> Result<(), CliError> {
    let Rule { up_to, days, by: (epoch, index), time_ms } = rule;
    if out.is_json() {
        return out.document(&DeletedJson {
            deleted_up_to: *up_to,
            keep_days: *days,
            by: format!("{epoch}/{index}"),
            at: moment(*time_ms),
        });
    }
    out.line(format_args!(
        "epochs up to {up_to}: deleted at {}, each more than {days} days after its end (entry {index} of epoch {epoch})",
        moment(*time_ms)
    ))
}

/// An epoch, and what it says of others.
#[derive(Debug)]
pub(super) struct Epoch {
    pub(super) verified: Verified,
    /// What the epoch before is fixed to.
    began: Option<Began>,
    /// The deletions that it tells of, each with its index and its time.
    deleted: Vec<(Deleted, u64, u64)>,
}

/// A deletion by the rule of the unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rule {
    /// The newest epoch that was deleted.
    pub(super) up_to: u64,
    /// How many days each was kept.
    pub(super) days: u32,
    /// The epoch and the index of the entry that says so.
    by: (u64, u64),
    time_ms: u64,
}

/// All epochs that are there.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) epochs: BTreeMap<u64, Epoch>,
    /// The deletion of the newest of those that were due, as far as an entry tells of it that is fixed.
    pub(super) deleted: Option<Rule>,
    /// What is said to have been deleted by the rule and was not due, in words.
    pub(super) undue: Vec<String>,
}

/// Verifies all epochs, the newest first: each says of the one before where it ended. Each has to be kept for so many days.
pub(super) fn verify_all(files: &Files, epochs: &[u64], heads: &mut BTreeMap<u64, Vec<Head>>, keep_days: u32) -> Found {
    let mut ends = Ends::default();
    heads.iter().for_each(|(epoch, heads)| heads.iter().for_each(|head| ends.fixed(*epoch, head.time_ms)));
    let mut found = Found { epochs: BTreeMap::new(), deleted: None, undue: Vec::new() };
    for epoch in epochs.iter().rev() {
        let fixing = heads.remove(epoch).unwrap_or_default();
        let fixed: Vec<(u64, u64)> = fixing.iter().map(|head| (head.size, head.time_ms)).collect();
        // When an entry was first fixed. What no record fixes yet may be said by anybody who can write to the file.
        let fixed_ms = |index| fixed.iter().filter(|(size, _)| *size > index).map(|(_, time_ms)| *time_ms).min();
        let one = verify_epoch(files, *epoch, fixing);
        for (said, index, time_ms) in one.deleted.iter().filter(|(_, index, _)| *index < one.verified.covered) {
            match due(said, *time_ms, fixed_ms(*index), &ends, keep_days) {
                Ok(()) if found.deleted.as_ref().is_none_or(|rule| rule.up_to < said.epoch) => {
                    let by = (*epoch, *index);
                    found.deleted = Some(Rule { up_to: said.epoch, days: said.days, by, time_ms: *time_ms });
                }
                Ok(()) => {}
                Err(why) => found.undue.push(format!(
                    "entry {index} of epoch {epoch} says that the epochs up to {} were deleted because they were kept for {} days, \
                     and that is not so: {why}",
                    said.epoch, said.days
                )),
            }
        }
        if let Some(Began { epoch: before, size, root }) = one.began.as_ref().filter(|_| one.verified.covered > 0)
            && let (Some(root), Some(time_ms)) = (Hash::from_slice(root), fixed_ms(0))
        {
            heads.entry(*before).or_default().push(Head { by: FixedBy::Epoch(*epoch), size: *size, root, time_ms });
        }
        found.epochs.insert(*epoch, one);
    }
    found
}

/// Whether what an entry says was deleted had been kept long enough: by the rule that it names, which is no shorter than the
/// unit's.
fn due(said: &Deleted, time_ms: u64, fixed_ms: Option<u64>, ends: &Ends, keep_days: u32) -> Result<(), String> {
    let fixed_ms = fixed_ms.ok_or("no record fixes it")?;
    ends.judge(said, time_ms, fixed_ms).map_err(|why| why.to_string())?;
    if said.days < keep_days {
        return Err(format!("the unit keeps them for {keep_days} days"));
    }
    Ok(())
}

impl Found {
    /// What these heads fix and is not there, unless it was deleted by the rule.
    pub(super) fn missing(&self, heads: BTreeMap<u64, Vec<Head>>) -> Vec<String> {
        let deleted = |epoch: u64| self.deleted.as_ref().is_some_and(|rule| epoch <= rule.up_to);
        let heads = heads.into_iter().filter(|(epoch, _)| !deleted(*epoch));
        let words = |epoch: u64, Head { by, size, .. }: Head| {
            format!("{by} fixes {size} entries of epoch {epoch}, and there is no file of it: lines are missing")
        };
        heads.flat_map(|(epoch, heads)| heads.into_iter().map(move |head| words(epoch, head))).collect()
    }
}

pub(super) fn verify_epoch(files: &Files, epoch: u64, heads: Vec<Head>) -> Epoch {
    let mut verifier = Verifier::new(heads);
    let (mut began, mut deleted) = (None, Vec::new());
    match Entries::open(&files.entries(epoch)) {
        Ok(entries) => {
            for (index, entry) in (0_u64..).zip(entries) {
                match entry {
                    Ok(entry) => match verifier.take(&entry) {
                        Some(Entry::Began(said)) if index == 0 => began = Some(said),
                        Some(Entry::Deleted(said)) => deleted.push((said, index, entry.header().time_ms)),
                        _ => {}
                    },
                    Err(Fault::Entry(error)) => verifier.damaged(error),
                    Err(Fault::Io(_)) => verifier.damaged(entente_proto::entry::EntryError::Run(0)),
                }
            }
        }
        Err(_) => verifier.damaged(entente_proto::entry::EntryError::Run(0)),
    }
    Epoch { verified: verifier.end(), began, deleted }
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
            Ok((epoch, record, head)) if unit.get_or_insert_with(|| record.unit.clone()) == &record.unit => {
                heads.by_epoch.entry(epoch).or_default().push(head);
            }
            Ok((_, record, _)) => heads.faults.push(format!("{record} is a record of another unit than those before")),
            Err(why) => heads.faults.push(format!("{}: {why}", path.display())),
        }
    }
    Ok(heads)
}

/// What a receipt fixes: verified, certified, and of the record that its name says.
fn head_of(bytes: &[u8], index: u64, charters: &CharterChain) -> Result<(u64, RecordId, Head), String> {
    let (receipt, _) = verify_under(charters, bytes).map_err(|error| error.to_string())?;
    receipt.certified().map_err(|error| format!("it is not certified: {error}"))?;
    let record: RecordId = receipt.id().clone();
    if record.index != index {
        return Err(format!("it is the receipt of {record}"));
    }
    match receipt.statement().body() {
        Body::AccessHead(AccessHead { epoch, size, root }) => {
            let root = Hash::from_slice(root).ok_or("its root is none")?;
            let time_ms = receipt.header().time_ms;
            Ok((*epoch, record.clone(), Head { by: FixedBy::Record(record), size: *size, root, time_ms }))
        }
        _ => Err(format!("{record} says nothing of an access log")),
    }
}
