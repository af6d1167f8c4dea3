//! `entente audit verify`.

use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};

use entente_proto::audit::{self, Asked, Enough, Fault, Progress, Verified, VerifiedLog};
use entente_proto::charter::UnverifiedCharter;
use entente_proto::fork::ForkProof;
use entente_proto::hash::Hash;
use entente_proto::ids::{Size, UnitId};
use entente_proto::limits::{CHARTER_BYTES_MAX, FORK_PROOF_BYTES_MAX, NOTE_BYTES_MAX};
use entente_proto::note::VerifierKey;
use indicatif::{ProgressBar, ProgressStyle};
use serde::{Deserialize, Serialize};

use super::disk::{Directory, Threads};
use crate::cli::Global;
use crate::cli::error::CliError;
use crate::cli::output::{Output, say, table};
use crate::cli::words::{moment, parse_moment};
use crate::files::{read_bounded, replace_file};

/// Largest file of what was seen before: a checkpoint of each unit.
const STATE_BYTES_MAX: usize = 128 * NOTE_BYTES_MAX;

const EXAMPLES: &str = "Examples:
  entente audit verify export --charter charter.note
  entente audit verify export --since be.seen          (what was seen is kept in be.seen, and held against the next export)
  entente audit verify published --withheld            (of a publication that does not show what records say)
  entente audit verify export --witness witness.example/w1+c3b5a1f0+BA...     (fails unless that witness has cosigned all of it)
  entente audit verify export --witness witness.example/w1+c3b5a1f0+BA... --witnessed-since 2026-11-25

Without --charter the export is held against its own first charter: compare the digest that is printed with somebody you trust.
What does not hold may be the fault of this copy: audit fetch into the same directory brings anew what is damaged in it.";

/// Verify an export, without a node, a network or keys
///
/// Every charter, signature, cosignature, hash, payload and file is checked, and the list is computed. Exits 4 if anything
/// does not hold: the first fault is named to the entry, the others are counted.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The export
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    /// A charter of the network, from somebody you trust: the export must have this very text. May be given again
    #[arg(long, value_name = "FILE")]
    charter: Vec<PathBuf>,
    /// The oldest version that the newest charter of the export may be: a number, or a charter that it must have
    #[arg(long, value_name = "VERSION-or-FILE")]
    min_charter: Option<String>,
    /// What was seen at the last visit: every log must extend it. If all holds, what is seen now takes its place; where nothing
    /// is there yet, that is said, and it is created
    #[arg(long, value_name = "STATE")]
    since: Option<PathBuf>,
    /// Accept an export that withholds what records say, as publications do: all but that and the list is verified
    #[arg(long)]
    withheld: bool,
    /// A witness from outside whom you trust, by its public key: it must have cosigned the log of the unit whose node made
    /// the export, all of it as it is exported, unless one of the next two says what is enough. It vouches for no entry after
    /// the last that it saw. May be given again
    #[arg(long, value_name = "VKEY")]
    witness: Vec<VerifierKey>,
    /// Enough is that each witness cosigned the first so many entries; none has cosigned who saw an empty log
    #[arg(long, value_name = "ENTRIES", requires = "witness", value_parser = clap::value_parser!(u64).range(1..1 << 40))]
    witnessed_size: Option<u64>,
    /// Enough is that each witness cosigned the log as it was at this time or later, by the witness's clock: RFC 3339, or a day
    #[arg(long, value_name = "TIME", requires = "witness", value_parser = parse_moment)]
    witnessed_since: Option<u64>,
}

/// What whoever needs what records say can do where it is withheld.
pub(super) const NEEDS_ALL: &str = "take an export that holds it: entente audit export, or audit fetch from a node";
/// What whoever can do without it can do.
pub(super) const ENOUGH: &str = "if all else is enough, say so with --withheld";

/// What an auditor remembers of an export.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Seen {
    network: String,
    charters: Vec<SeenCharter>,
    /// The checkpoint of each unit's log, signed.
    checkpoints: BTreeMap<String, String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SeenCharter {
    version: u32,
    digest: String,
}

pub(super) fn run(args: &Args, global: &Global) -> Result<(), CliError> {
    let seen = args.since.as_deref().map(load).transpose()?.flatten();
    let asked = asked(args, seen.as_ref())?;
    present(&args.directory)?;
    if let (Some(state), None) = (&args.since, &seen) {
        say(format_args!(
            "note: there is no {} yet, so nothing was seen before that this export could contradict. It is created if all holds",
            state.display()
        ));
    }
    let found = verify(&args.directory, &asked);
    let mut out = Output::new(global.json);
    if out.is_json() {
        let mut document = document(&found);
        if let Some(document) = document.as_object_mut() {
            document.insert("charter_given".to_owned(), (!asked.trusted.is_empty()).into());
            document.insert("seen_before".to_owned(), args.since.as_ref().map(|_| seen.is_some()).into());
        }
        out.document(&document)?;
    } else {
        print(&found, &mut out)?;
        if asked.trusted.is_empty()
            && let Some(own) = found.charters.first()
        {
            out.line(format_args!(
                "note: no --charter was given, so the export's own was taken: whoever made it may have made that up, too. Compare \
                 the digest of version {}, {}, with somebody you trust",
                own.version, own.digest
            ))?;
        }
    }
    out.flush()?;
    if let (Some(state), [_, ..]) = (&args.since, found.forks.as_slice()) {
        keep_proofs(state, &found)?;
    }
    conclude(&args.directory, &found, ENOUGH)?;
    args.since.as_deref().map_or(Ok(()), |state| store(state, &found))
}

/// That there is anything at all.
pub(super) fn present(directory: &Path) -> Result<(), CliError> {
    match std::fs::metadata(directory) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(CliError::Refused(format!(
            "there is no export {}: entente audit export or audit fetch makes one",
            directory.display()
        ))),
        _ => Ok(()),
    }
}

/// Verifies with all cores, with a bar on a terminal.
pub(super) fn verify(directory: &Path, asked: &Asked) -> Verified {
    let bar = bar("verifying");
    let found =
        audit::verify(&Directory(directory.to_owned()), &Threads::all(), asked, &mut |Progress { entries, of }| {
            bar.set_length(of);
            bar.set_position(entries);
        });
    bar.finish_and_clear();
    found
}

/// A bar on stderr that counts entries; nothing where stderr is no terminal.
pub(super) fn bar(doing: &'static str) -> ProgressBar {
    let bar = if std::io::stderr().is_terminal() { ProgressBar::new(0) } else { ProgressBar::hidden() };
    if let Ok(style) = ProgressStyle::with_template("{msg} {wide_bar} {human_pos}/{human_len} records  {eta} left") {
        bar.set_style(style);
    }
    bar.set_message(doing);
    bar
}

/// As one that counts so many files.
pub(super) fn files_of(bar: ProgressBar, files: usize) -> ProgressBar {
    if let Ok(style) = ProgressStyle::with_template("{msg} {wide_bar} {human_pos}/{human_len} files  {eta} left") {
        bar.set_style(style);
    }
    bar.set_length(u64::try_from(files).unwrap_or(u64::MAX));
    bar
}

/// The end of a command that verified: well, or with the first fault and the number of the others; and where all there is
/// is that payloads are withheld, with what to do.
pub(super) fn conclude(directory: &Path, found: &Verified, where_withheld: &str) -> Result<(), CliError> {
    let Some(first) = found.faults.first() else { return Ok(()) };
    let more = match found.faults.count().saturating_sub(1) {
        0 if matches!(first, Fault::Withheld(_)) => format!("; {where_withheld}"),
        0 => String::new(),
        1 => " (and 1 fault more)".to_owned(),
        more => format!(" (and {more} faults more)"),
    };
    Err(CliError::Verification(format!("{} does not verify: {first}{more}", directory.display())))
}

fn asked(args: &Args, seen: Option<&Seen>) -> Result<Asked, CliError> {
    let enough = Enough {
        size: args.witnessed_size.and_then(|size| Size::new(size).ok()),
        since_s: args.witnessed_since.map(|since_ms| since_ms.div_ceil(1_000)),
    };
    let mut asked = Asked { withheld: args.withheld, witnesses: args.witness.clone(), enough, ..Asked::default() };
    for path in &args.charter {
        asked.trusted.push(trusted(path)?);
    }
    match args.min_charter.as_deref().map(|text| (text, text.parse::<u32>())) {
        None => {}
        Some((_, Ok(version))) => asked.least = Some(version),
        Some((path, Err(_))) => {
            let pinned = trusted(Path::new(path))?;
            asked.least = Some(pinned.0);
            asked.trusted.push(pinned);
        }
    }
    let Some(seen) = seen else { return Ok(asked) };
    let fault = |what: &str| CliError::Verification(format!("what was seen before cannot be used: {what}"));
    for charter in &seen.charters {
        let digest = Hash::from_hex(&charter.digest).ok_or_else(|| fault("a digest of a charter is none"))?;
        asked.trusted.push((charter.version, digest));
    }
    for (unit, note) in &seen.checkpoints {
        let unit: UnitId = unit.parse().map_err(|error| fault(&format!("{error}")))?;
        asked.before.insert(unit, note.clone().into_bytes());
    }
    Ok(asked)
}

/// A charter that the auditor has: whatever keeps it from being used ends with exit code 4, and where there is none, with 1.
pub(super) fn trusted(path: &Path) -> Result<(u32, Hash), CliError> {
    let fault =
        |why: String| CliError::Verification(format!("{} cannot be used as the charter: {why}", path.display()));
    let bytes = read_bounded(path, CHARTER_BYTES_MAX).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => CliError::Refused(format!(
            "there is no {}: name the charter of the network, a file from somebody you trust",
            path.display()
        )),
        _ => fault(error.to_string()),
    })?;
    let charter = UnverifiedCharter::parse(&bytes).map_err(|error| fault(error.to_string()))?;
    Ok((charter.terms().version, charter.digest()))
}

fn load(path: &Path) -> Result<Option<Seen>, CliError> {
    let fault = |why: String| {
        CliError::Verification(format!(
            "{} is not what an earlier audit verify --since kept ({why}): name that file, or one that is not there yet to begin anew",
            path.display()
        ))
    };
    match read_bounded(path, STATE_BYTES_MAX) {
        Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|error| fault(error.to_string())),
        // The first visit.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(fault(error.to_string())),
    }
}

fn store(path: &Path, found: &Verified) -> Result<(), CliError> {
    let note = |log: &VerifiedLog| {
        let note = log.checkpoint.as_ref()?.note().to_vec();
        Some((log.unit.to_string(), String::from_utf8(note).ok()?))
    };
    let seen = Seen {
        network: found.network.clone().unwrap_or_default(),
        charters: found
            .charters
            .iter()
            .map(|charter| SeenCharter { version: charter.version, digest: charter.digest.to_string() })
            .collect(),
        checkpoints: found.logs.iter().filter_map(note).collect(),
    };
    let bytes = serde_json::to_vec_pretty(&seen).map_err(|e| CliError::Refused(format!("cannot write JSON: {e}")))?;
    replace_file(path, &bytes, 0o600).map_err(|e| CliError::file(path, "write", &e))
}

/// Keeps the proofs beside what was seen: with them everybody can be convinced.
fn keep_proofs(state: &Path, found: &Verified) -> Result<(), CliError> {
    for proof in &found.forks {
        let mut name = state.as_os_str().to_owned();
        name.push(format!(".{}.fork", proof.unit()));
        let path = PathBuf::from(name);
        let bytes = proof.to_text();
        if read_bounded(&path, FORK_PROOF_BYTES_MAX).ok().as_deref() != Some(&bytes) {
            replace_file(&path, &bytes, 0o600).map_err(|e| CliError::file(&path, "write", &e))?;
            say(format_args!("{}: the proof that the log of {} forked", path.display(), proof.unit()));
        }
    }
    Ok(())
}

fn print(found: &Verified, out: &mut Output) -> Result<(), CliError> {
    if let Some(network) = &found.network {
        out.line(format_args!("network {network}"))?;
    }
    if let Some((unit, time)) = &found.exporter {
        out.line(format_args!("exported by {unit} at {}", moment(time.saturating_mul(1_000))))?;
    }
    for charter in &found.charters {
        let signed = charter.signed.map_or_else(|| "undated".to_owned(), |(first, last)| span(first, last));
        let units = charter.units.len();
        out.line(format_args!("charter {}: {signed}, {units} units, digest {}", charter.version, charter.digest))?;
    }
    if !found.logs.is_empty() {
        let head = ["UNIT", "RECORDS", "ERASED", "SET ASIDE", "FIRST", "LAST", "CHARTER", "COSIGNED BY", "FAULTS"];
        let mut rows = table(head);
        found.logs.iter().for_each(|log| {
            rows.add_row(row(log));
        });
        out.line("")?;
        out.table(&rows)?;
        out.line("")?;
        for log in &found.logs {
            for witness in &log.witnesses {
                out.line(format_args!(
                    "witness {} saw {} of {} records of {} at {}",
                    witness.key,
                    witness.size,
                    log.size,
                    log.unit,
                    moment(witness.time.saturating_mul(1_000))
                ))?;
            }
        }
    }
    if let Some(list) = &found.list {
        let counts = list.counts;
        out.line(format_args!(
            "list: {} listed, {} held, {} disputed, {} cleared, digest {}",
            counts.listed, counts.held, counts.disputed, counts.cleared, list.digest
        ))?;
        out.line(format_args!("frontier {}", list.frontier.digest()))?;
    }
    for fork in &found.forks {
        let (smaller, larger) = (fork.smaller().checkpoint(), fork.larger().checkpoint());
        out.line(format_args!(
            "FORK of {}: {} entries with root {}, and {} with root {}",
            fork.unit(),
            smaller.size,
            smaller.root,
            larger.size,
            larger.root
        ))?;
    }
    if let Some(withheld) = found.withheld {
        out.line(format_args!(
            "WITHHELD: what {withheld} records say is not in this export, so neither that nor the list could be verified"
        ))?;
    }
    match (found.faults.count(), found.withheld) {
        (0, None) => out.line("everything holds"),
        (0, Some(_)) => out.line("everything else holds"),
        _ => Ok(()),
    }
}

fn span(first: u64, last: u64) -> String {
    let [first, last] = [first, last].map(|seconds| moment(seconds.saturating_mul(1_000)));
    if first == last { format!("signed {first}") } else { format!("signed {first} to {last}") }
}

fn row(log: &VerifiedLog) -> Vec<String> {
    let [first, last] = match log.times_ms {
        Some((first, last)) => [moment(first), moment(last)],
        None => ["-".to_owned(), "-".to_owned()],
    };
    let (charter, cosigned) = match &log.checkpoint {
        Some(head) => (head.version().to_string(), names(head.cosigners())),
        None => ("-".to_owned(), "-".to_owned()),
    };
    let forked = if log.forked { format!("{} FORKED", log.faults) } else { log.faults.to_string() };
    let (size, erased, aside) = (log.size.to_string(), log.erased.to_string(), log.set_aside.to_string());
    vec![log.unit.to_string(), size, erased, aside, first, last, charter, cosigned, forked]
}

fn names<'a>(units: impl IntoIterator<Item = &'a UnitId>) -> String {
    units.into_iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

fn document(found: &Verified) -> serde_json::Value {
    let time = |seconds: u64| moment(seconds.saturating_mul(1_000));
    serde_json::json!({
        "verified": found.faults.count() == 0,
        "network": found.network,
        "exporter": found.exporter.as_ref().map(|(unit, _)| unit.to_string()),
        "exported": found.exporter.as_ref().map(|(_, seconds)| time(*seconds)),
        "charters": found.charters.iter().map(|charter| serde_json::json!({
            "file": charter.path,
            "version": charter.version,
            "digest": charter.digest.to_string(),
            "units": charter.units.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "signed": charter.signed.map(|(first, last)| [time(first), time(last)]),
        })).collect::<Vec<_>>(),
        "logs": found.logs.iter().map(log_document).collect::<Vec<_>>(),
        "withheld": found.withheld,
        "list": found.list.as_ref().map(|list| serde_json::json!({
            "digest": list.digest.to_string(),
            "frontier": list.frontier.digest().to_string(),
            "listed": list.counts.listed,
            "held": list.counts.held,
            "disputed": list.counts.disputed,
            "cleared": list.counts.cleared,
        })),
        "forks": found.forks.iter().map(fork_document).collect::<Vec<_>>(),
        "faults": {
            "count": found.faults.count(),
            "first": found.faults.first().map(Fault::to_string),
            "kept": found.faults.kept().iter().map(Fault::to_string).collect::<Vec<_>>(),
        },
    })
}

fn log_document(log: &VerifiedLog) -> serde_json::Value {
    let head = log.checkpoint.as_ref();
    serde_json::json!({
        "unit": log.unit.to_string(),
        "size": log.size.get(),
        "root": log.root.to_string(),
        "certified": head.is_some(),
        "charter": head.map(|head| head.version()),
        "cosigned_by": head.map(|head| head.cosigners().iter().map(ToString::to_string).collect::<Vec<_>>()),
        "bridges": log.bridges.iter().map(|size| size.get()).collect::<Vec<_>>(),
        "first": log.times_ms.map(|(first, _)| moment(first)),
        "last": log.times_ms.map(|(_, last)| moment(last)),
        "witnesses": log.witnesses.iter().map(|witness| serde_json::json!({
            "name": witness.key.name().to_string(),
            "vkey": witness.key.to_string(),
            "size": witness.size.get(),
            "time": moment(witness.time.saturating_mul(1_000)),
        })).collect::<Vec<_>>(),
        "erased": log.erased,
        "withheld": log.withheld,
        "set_aside": log.set_aside,
        "forked": log.forked,
        "faults": log.faults,
    })
}

fn fork_document(fork: &ForkProof) -> serde_json::Value {
    let side = |checkpoint: &entente_proto::checkpoint::Checkpoint| serde_json::json!({ "size": checkpoint.size.get(), "root": checkpoint.root.to_string() });
    serde_json::json!({
        "unit": fork.unit().to_string(),
        "smaller": side(fork.smaller().checkpoint()),
        "larger": side(fork.larger().checkpoint()),
        "cosigned_both": fork.cosigned_both().iter().map(ToString::to_string).collect::<Vec<_>>(),
    })
}
