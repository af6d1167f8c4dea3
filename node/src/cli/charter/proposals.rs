//! `entente charter export`, `collect`, and the proposals that `approve`, `sign` and `show` name by their records.

use std::path::{Path, PathBuf};

use entente_proto::charter::UnverifiedCharter;
use entente_proto::hash::Hash;
use entente_proto::ids::RecordId;
use entente_proto::wire;
use entente_proto::wire::charter_request::What;
use serde::Serialize;

use super::{merge_file, running, still_missing, words};
use crate::cli::Global;
use crate::cli::error::CliError;
use crate::cli::output::{Output, say};
use crate::cli::words::{Hex, plain};
use crate::files::replace_file;
use crate::membership::{self, read_charter};

/// `charter export`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct ExportArgs {
    /// A proposal: the id of its record, such as BE/17, or the digest of its text
    #[arg(value_name = "ID or DIGEST")]
    proposal: String,
    /// Where it goes; signatures in a copy that is there already stay
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// `charter collect`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct CollectArgs {
    /// Copies of a proposed charter, with signatures that were made elsewhere
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

/// What a person names: a file, or what a unit proposes.
pub(super) enum Named {
    File(PathBuf),
    Proposal(String),
}

/// A file that is there is meant before a record of that name.
pub(super) fn named(what: &Path) -> Named {
    match what.to_str() {
        Some(id) if !what.exists() && (id.parse::<RecordId>().is_ok() || Hash::from_hex(id).is_some()) => {
            Named::Proposal(id.to_owned())
        }
        _ => Named::File(what.to_owned()),
    }
}

/// One proposal, with its text.
pub(super) fn one(global: &Global, what: &str) -> Result<wire::CharterProposal, CliError> {
    let reply = running::proposals(global, what)?;
    reply.proposals.into_iter().next().ok_or_else(|| CliError::Refused(format!("the node knows no proposal {what}")))
}

/// The charter of a proposal, as far as it is signed.
pub(super) fn charter_of(proposal: &wire::CharterProposal) -> Result<UnverifiedCharter, CliError> {
    if proposal.note.is_empty() {
        return Err(CliError::Refused(plain(&proposal.fault)));
    }
    UnverifiedCharter::parse(&proposal.note).map_err(words)
}

/// Tells on stderr what a proposal would change, before it is signed or approved.
pub(super) fn tell_changes(proposal: &wire::CharterProposal) {
    proposal.changes.iter().for_each(|change| say(plain(change)));
}

pub(super) fn export(args: &ExportArgs, global: &Global) -> Result<(), CliError> {
    let mut charter = charter_of(&one(global, &args.proposal)?)?;
    if args.out.try_exists().map_err(|e| CliError::file(&args.out, "look for", &e))? {
        merge_file(&mut charter, &args.out)?;
    }
    replace_file(&args.out, &charter.to_bytes(), 0o644).map_err(|e| CliError::file(&args.out, "write", &e))?;
    let mut out = Output::new(false);
    out.line(format_args!("wrote {}, digest {}", args.out.display(), charter.digest()))?;
    out.line(format_args!(
        "next  entente charter sign {0}, where the keys are; then entente charter collect {0}",
        args.out.display()
    ))?;
    out.flush()
}

pub(super) fn collect(args: &CollectArgs, global: &Global) -> Result<(), CliError> {
    let mut out = Output::new(global.json);
    for path in &args.files {
        // Judged here too, so that a fault names the file.
        let _charter = read_charter(path)?;
        let request = wire::CharterRequest { what: Some(What::Collect(membership::read(path)?)) };
        let reply = running::ask(global, request)?;
        if reply.signed.is_empty() {
            out.line(format_args!("{} has no signature that the records do not have", path.display()))?;
        } else {
            out.line(format_args!("{} brings the signatures of {}", path.display(), reply.signed.join(", ")))?;
        }
        tell_records(&mut out, &reply)?;
    }
    out.flush()
}

/// How the signatures get to the other units.
pub(super) fn tell_records(out: &mut Output, reply: &wire::CharterReply) -> Result<(), CliError> {
    for id in &reply.records {
        out.line(format_args!("{}/{} brings them to the other units", plain(&id.unit), id.index))?;
    }
    if reply.waiting > 0 {
        out.line(
            "they wait in the outbox until this node signs its log again, and then go to the other units by themselves",
        )?;
    }
    Ok(())
}

/// Signs a proposal with the running node.
pub(super) fn sign(global: &Global, what: &str) -> Result<(), CliError> {
    let proposal = one(global, what)?;
    tell_changes(&proposal);
    // By the digest: what was shown is what is signed.
    let digest = Hex(&proposal.digest).to_string();
    let reply = running::ask(global, wire::CharterRequest { what: Some(What::SignProposal(digest)) })?;
    let mut out = Output::new(false);
    let name = plain(what);
    if reply.signed.is_empty() {
        out.line(format_args!("{name} has all the signatures that are due from here"))?;
    } else {
        out.line(format_args!("{name} is signed by {}", reply.signed.join(", ")))?;
    }
    let now = running::proposals(global, what).ok().and_then(|reply| reply.proposals.into_iter().next());
    tell_records(&mut out, &reply)?;
    let charter = UnverifiedCharter::parse(&reply.note).map_err(words)?;
    match now {
        Some(now) => state(&now).into_iter().try_for_each(|line| out.line(line))?,
        None => out.line(still_missing(&charter))?,
    }
    let elsewhere: Vec<&String> = proposal.due.iter().filter(|due| !reply.signed.contains(due)).collect();
    if !elsewhere.is_empty() {
        let names: Vec<&str> = elsewhere.iter().map(|name| name.as_str()).collect();
        out.line(format_args!(
            "{} is not in this node's home directory: entente charter export {name} --out FILE, sign the file where the key is, \
             then entente charter collect FILE",
            names.join(", ")
        ))?;
    }
    out.flush()
}

/// How a proposal stands, in lines.
fn state(proposal: &wire::CharterProposal) -> Vec<String> {
    if !proposal.fault.is_empty() {
        return vec![format!("cannot be taken up: {}", plain(&proposal.fault))];
    }
    let list = |names: &[String]| if names.is_empty() { "nobody".to_owned() } else { plain(&names.join(", ")) };
    let mut lines = vec![format!(
        "signed by {} ({} of {} must); not by {}",
        list(&proposal.signed),
        proposal.needed,
        proposal.signed.len().saturating_add(proposal.open.len()),
        list(&proposal.open)
    )];
    if !proposal.missing.is_empty() {
        lines.push(format!("new keys that have not signed: {}", list(&proposal.missing)));
    }
    if !proposal.elsewhere.is_empty() {
        lines.push(format!("{} signed another text of this version", list(&proposal.elsewhere)));
    }
    if proposal.hopeless {
        lines.push("too many have signed another text: this one cannot get its signatures any more".into());
    }
    if !proposal.due.is_empty() {
        lines.push(format!("due from this unit: {}", list(&proposal.due)));
    }
    lines
}

fn ids(ids: &[wire::RecordRef]) -> Vec<String> {
    ids.iter().map(|id| plain(&format!("{}/{}", id.unit, id.index))).collect()
}

/// Prints proposals for people.
pub(super) fn print(out: &mut Output, reply: &wire::ProposalsReply) -> Result<(), CliError> {
    for proposal in &reply.proposals {
        out.line("")?;
        let by = ids(&proposal.proposed);
        let by = if by.is_empty() { "a text".to_owned() } else { by.join(", ") };
        let version = if proposal.version == 0 { String::new() } else { format!(" version {}", proposal.version) };
        out.line(format_args!("{by} proposes{version}, digest {}", Hex(&proposal.digest)))?;
        proposal.changes.iter().try_for_each(|change| out.line(format_args!("  {}", plain(change))))?;
        let approved = ids(&proposal.approved);
        let approved = if approved.is_empty() { "nobody yet".to_owned() } else { approved.join(", ") };
        out.line(format_args!("  approved by {approved}"))?;
        state(proposal).into_iter().try_for_each(|line| out.line(format_args!("  {line}")))?;
    }
    if reply.left_out > 0 {
        out.line(format_args!("and {} more: name one by its id or digest", reply.left_out))?;
    }
    Ok(())
}

/// A proposal for programs.
#[derive(Serialize)]
pub(super) struct Shown {
    digest: String,
    version: Option<u64>,
    proposed: Vec<String>,
    approved: Vec<String>,
    changes: Vec<String>,
    signed: Vec<String>,
    needed: u64,
    open: Vec<String>,
    missing: Vec<String>,
    elsewhere: Vec<String>,
    hopeless: bool,
    due: Vec<String>,
    fault: Option<String>,
}

impl From<&wire::CharterProposal> for Shown {
    fn from(proposal: &wire::CharterProposal) -> Self {
        Self {
            digest: Hex(&proposal.digest).to_string(),
            version: Some(proposal.version).filter(|version| *version > 0),
            proposed: ids(&proposal.proposed),
            approved: ids(&proposal.approved),
            changes: proposal.changes.clone(),
            signed: proposal.signed.clone(),
            needed: proposal.needed,
            open: proposal.open.clone(),
            missing: proposal.missing.clone(),
            elsewhere: proposal.elsewhere.clone(),
            hopeless: proposal.hopeless,
            due: proposal.due.clone(),
            fault: Some(proposal.fault.clone()).filter(|fault| !fault.is_empty()),
        }
    }
}
