//! `entente charter`: founding a network by files that go from hand to hand.

use std::path::{Path, PathBuf};

use entente_proto::charter::{CharterError, UnitDescription, UnverifiedCharter};

use super::Global;
use super::error::CliError;
use super::output::Output;
use crate::clock::SystemClock;
use crate::files::{create_file, replace_file};
use crate::membership::{self, MembershipError, read_charter};

mod adopt;
mod show;
mod sign;
#[cfg(test)]
mod tests;

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
    /// Compose version 1 from the unit.toml of every unit
    New(NewArgs),
    /// Add this unit's signatures, in place: with the home directory of a stopped node, or a directory that holds charter.key
    /// alone
    Sign(SignArgs),
    /// Bring together signatures that were made on copies of one charter
    Merge(MergeArgs),
    /// Verify a charter that everyone has signed and take it up, with the home directory of a stopped node
    Adopt(AdoptArgs),
    /// Show who belongs, who has signed, and how many must cosign
    Show(ShowArgs),
}

/// `charter new`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct NewArgs {
    /// The charter to write; it must not exist
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// The unit.toml of every unit, in any order
    #[arg(required = true, value_name = "UNIT.TOML")]
    units: Vec<PathBuf>,
    /// How many of a log's other units must cosign it, if more than the formula asks for
    #[arg(long, value_name = "N")]
    quorum: Option<u32>,
}

/// `charter sign`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct SignArgs {
    /// The charter
    file: PathBuf,
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
    /// The charter
    file: PathBuf,
}

/// `charter show`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct ShowArgs {
    /// A charter, signed or not [default: the one that the home directory has taken up]
    file: Option<PathBuf>,
}

/// Does what was asked.
///
/// # Errors
/// [`CliError::Verification`] where a signature is wrong or missing, else [`CliError::Refused`].
pub(crate) fn run(args: &Args, global: &Global) -> Result<(), CliError> {
    match &args.command {
        CharterCommand::New(args) => new(args),
        CharterCommand::Sign(args) => sign::run(args, global.home()?, &SystemClock),
        CharterCommand::Merge(args) => merge(args),
        CharterCommand::Adopt(args) => adopt::run(args, global.home()?),
        CharterCommand::Show(args) => show::run(args, global),
    }
}

fn new(args: &NewArgs) -> Result<(), CliError> {
    let mut units = Vec::with_capacity(args.units.len());
    for path in &args.units {
        let described = UnitDescription::parse(&membership::read(path)?);
        units.push(described.map_err(|fault| MembershipError::Text { path: path.clone(), fault })?);
    }
    let charter = UnverifiedCharter::compose(&units, args.quorum).map_err(words)?;
    membership::members(charter.terms())?;
    create_file(&args.out, &charter.to_bytes(), 0o644).map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => CliError::Refused(format!(
            "{} exists already: a charter is never written over, for it may hold signatures; name another --out",
            args.out.display()
        )),
        _ => CliError::file(&args.out, "write", &error),
    })?;
    let mut out = Output::new(false);
    out.line(format_args!("wrote {}, digest {}", args.out.display(), charter.digest()))?;
    out.line("next  every unit compares the digest, reads it (entente charter show FILE) and signs it (entente charter sign FILE)")?;
    out.flush()
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
    let missing = charter.missing();
    if missing.is_empty() {
        return "everyone has signed: each unit takes it up with entente charter adopt FILE".into();
    }
    let names: Vec<&str> = missing.iter().map(|name| name.as_str()).collect();
    format!("still to sign: {}", names.join(", "))
}

fn words(fault: CharterError) -> CliError {
    let text = fault.to_string();
    fault_kind(&fault, text)
}

/// A signature that is wrong or missing is a matter of verification; everything else is a refusal.
fn fault_kind(fault: &CharterError, text: String) -> CliError {
    match fault {
        CharterError::BadSignature { .. } | CharterError::Unsigned(_) => CliError::Verification(text),
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
