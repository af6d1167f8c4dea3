//! `entente charter`: founding a network, and agreeing on what it is to be next, by records or by files that go
//! from hand to hand.

use std::path::{Path, PathBuf};

use entente_proto::charter::{CharterError, SuccessionFault, UnverifiedCharter};

use super::Global;
use super::error::CliError;
use super::output::Output;
use crate::clock::SystemClock;
use crate::files::replace_file;
use crate::membership::{MembershipError, read_charter};

mod adopt;
mod base;
mod new;
mod proposals;
mod propose;
mod refound;
mod rotate;
mod running;
mod show;
mod sign;
#[cfg(test)]
mod tests;
mod verify;

/// Compose, sign, take up and look at the charter, which says who belongs to the network
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// What to do
    #[command(subcommand)]
    command: CharterCommand,
}

/// What to do with a charter.
#[derive(Debug, Clone, clap::Subcommand)]
pub(crate) enum CharterCommand {
    /// Compose version 1 from the unit.toml of every unit, or the next version from the present one
    New(new::Args),
    /// Compose a version 1 that founds the network anew, where no next version can come about: a split vote, lost keys, a unit that
    /// is gone
    Refound(refound::Args),
    /// Ask the running node from which base the log of a unit can go on with a new key, after a fork or a lost key
    Base(base::Args),
    /// Make keys that are to replace those in use, when a charter names them
    RotateKeys(rotate::Args),
    /// Tell all units of a charter that is to come, as a record
    Propose(propose::ProposeArgs),
    /// Tell all units, as a record, that this unit approves a charter that was proposed
    Approve(propose::ApproveArgs),
    /// Add this unit's signatures: to what a unit proposes, through the running node, which passes them on to all units; or to
    /// a file, through the running node, with the home directory of a stopped one, or with a directory that holds charter.key
    /// alone
    Sign(SignArgs),
    /// Write what a unit proposes into a file with all signatures so far, for those who sign elsewhere: a unit that joins, or
    /// a charter key on another machine
    Export(proposals::ExportArgs),
    /// Pass on to all units what was signed in a file elsewhere
    Collect(proposals::CollectArgs),
    /// Bring together signatures that were made on copies of one charter
    Merge(MergeArgs),
    /// Verify a charter that enough have signed and take it up: with the running node, which passes it on, or with the home
    /// directory of a stopped one
    Adopt(AdoptArgs),
    /// Verify all versions with nothing but their files
    Verify(verify::Args),
    /// Show who belongs, who has signed, and how many must cosign; and what units propose
    Show(ShowArgs),
}

/// `charter sign`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct SignArgs {
    /// A charter in a file; or what a unit proposes, by the id of its record, such as BE/17, or by the digest of its text
    #[arg(value_name = "FILE, ID or DIGEST")]
    what: PathBuf,
    /// For a later version, where the key is kept apart: a directory with the versions before it as 1.note, 2.note and so on
    #[arg(long, value_name = "DIR")]
    from: Option<PathBuf>,
    /// For a charter with a base, where the charter key is kept apart: this unit's node was given the charter to sign before,
    /// found its bases safe and cosigns the logs concerned no more under their old keys
    #[arg(long)]
    node_stopped: bool,
}

/// `charter merge`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct MergeArgs {
    /// Copies of one charter
    #[arg(required = true, num_args = 2.., value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Where all signatures go; one of the copies may be named
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// `charter adopt`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct AdoptArgs {
    /// The charter; a unit that joins names all versions in order
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

/// `charter show`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct ShowArgs {
    /// A charter in a file, signed or not; or what a unit proposes, by the id of its record or the digest of its text
    /// [default: the charter that the home directory has taken up, and what units propose]
    #[arg(value_name = "FILE, ID or DIGEST")]
    what: Option<PathBuf>,
    /// Tell only what it says otherwise than this one
    #[arg(long, value_name = "FILE")]
    against: Option<PathBuf>,
}

/// Does what was asked.
///
/// # Errors
/// [`CliError::Verification`] where a signature is wrong or missing, else [`CliError::Refused`].
pub(crate) fn run(args: &Args, global: &Global) -> Result<(), CliError> {
    match &args.command {
        CharterCommand::New(args) => new::run(args, global),
        CharterCommand::Base(args) => base::run(args, global),
        CharterCommand::Refound(args) => refound::run(args, global),
        CharterCommand::RotateKeys(args) => rotate::run(args, global),
        CharterCommand::Propose(args) => propose::propose(args, global),
        CharterCommand::Approve(args) => propose::approve(args, global),
        CharterCommand::Sign(args) => sign::run(args, global, &SystemClock),
        CharterCommand::Export(args) => proposals::export(args, global),
        CharterCommand::Collect(args) => proposals::collect(args, global),
        CharterCommand::Merge(args) => merge(args),
        CharterCommand::Adopt(args) => adopt::run(args, global),
        CharterCommand::Verify(args) => verify::run(args, global),
        CharterCommand::Show(args) => show::run(args, global),
    }
}

fn merge(args: &MergeArgs) -> Result<(), CliError> {
    let mut paths = args.files.iter();
    let first = paths.next().ok_or_else(|| CliError::Usage("name at least two copies".into()))?;
    let mut all = read_charter(first)?;
    for path in paths {
        merge_file(&mut all, path)?;
    }
    // A charter at --out gives its signatures too; anything else there is not ours to write over.
    if args.out.try_exists().map_err(|e| CliError::file(&args.out, "look for", &e))? {
        merge_file(&mut all, &args.out)?;
    }
    replace_file(&args.out, &all.to_bytes(), 0o644).map_err(|e| CliError::file(&args.out, "write", &e))?;
    let mut out = Output::new(false);
    out.line(format_args!("wrote {}, digest {}", args.out.display(), all.digest()))?;
    out.line(still_missing(&all))?;
    out.flush()
}

fn merge_file(all: &mut UnverifiedCharter, path: &Path) -> Result<(), CliError> {
    let other = read_charter(path)?;
    all.merge(&other).map_err(|fault| MembershipError::Text { path: path.to_owned(), fault })?;
    Ok(())
}

/// What is missing, in words.
fn still_missing(charter: &UnverifiedCharter) -> String {
    let mut open: Vec<String> = charter.missing().iter().map(ToString::to_string).collect();
    match charter.votes() {
        Some(votes) if !votes.suffice() => {
            let lacking = votes.needed.saturating_sub(votes.given.len());
            let units: Vec<&str> = votes.open.iter().map(|unit| unit.as_str()).collect();
            open.push(format!("{lacking} of the units before, of {}, with their charter keys", units.join(", ")));
        }
        Some(_) => {}
        None if charter.terms().version > 1 => {
            let before = charter.terms().version.saturating_sub(1);
            open.push(format!("of the units of version {before} more than two thirds (who has is seen beside that version: --from or --home)"));
        }
        None => {}
    }
    if !open.is_empty() {
        return format!("still to sign: {}", open.join("; "));
    }
    if charter.terms().version > 1 {
        return "enough have signed: take it up with entente charter adopt FILE; a running node passes it on".into();
    }
    "everyone has signed: each unit takes it up with entente charter adopt FILE".into()
}

fn words(fault: CharterError) -> CliError {
    let text = fault.to_string();
    fault_kind(&fault, text)
}

/// A signature that is wrong, missing or one too many is a matter of verification; everything else is a refusal.
fn fault_kind(fault: &CharterError, text: String) -> CliError {
    match fault {
        CharterError::BadSignature { .. }
        | CharterError::Unsigned(_)
        | CharterError::Stray(_)
        | CharterError::Order
        | CharterError::Succession { fault: SuccessionFault::Unsigned(_) | SuccessionFault::Votes { .. }, .. } => {
            CliError::Verification(text)
        }
        _ => CliError::Refused(text),
    }
}

impl From<MembershipError> for CliError {
    fn from(error: MembershipError) -> Self {
        let text = error.to_string();
        match &error {
            MembershipError::Text { fault, .. } => fault_kind(fault, text),
            _ => Self::Refused(text),
        }
    }
}

fn refused(error: impl std::fmt::Display) -> CliError {
    CliError::Refused(error.to_string())
}
