//! `entente charter new`: the first version from descriptions, or the next one from the present and what changes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use entente_proto::charter::{Base, Changes, UnitDescription, UnverifiedCharter, changes};
use entente_proto::hash::Hash;
use entente_proto::ids::UnitId;

use super::{base, words};
use crate::cli::Global;
use crate::cli::error::CliError;
use crate::cli::output::Output;
use crate::files::create_file;
use crate::membership::{self, MembershipError};

/// `charter new`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// The charter to write; it must not exist
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// For version 1: the unit.toml of every unit, in any order
    #[arg(required_unless_present = "from", conflicts_with = "from", value_name = "UNIT.TOML")]
    units: Vec<PathBuf>,
    /// How many of a log's other units must cosign it, if more than the formula asks for; `formula` for what it asks for
    #[arg(long, value_name = "N")]
    quorum: Option<String>,
    /// Compose the version that follows the charter of this home directory, or of a directory with all its versions as
    /// 1.note, 2.note and so on
    #[arg(long, value_name = "DIR")]
    from: Option<PathBuf>,
    /// The unit.toml of a unit that joins
    #[arg(long, value_name = "UNIT.TOML", requires = "from")]
    add: Vec<PathBuf>,
    /// The unit.toml of a unit whose keys, CA, name or addresses are others now
    #[arg(long, value_name = "UNIT.TOML", requires = "from")]
    update: Vec<PathBuf>,
    /// A unit that leaves
    #[arg(long, value_name = "ID", requires = "from")]
    remove: Vec<UnitId>,
    /// Where a unit is reached from now on: all its addresses with commas between, none if it only dials
    #[arg(long, value_name = "ID=HOST:PORT", requires = "from", value_parser = addresses)]
    address: Vec<(UnitId, Vec<String>)>,
    /// From where the log of a unit goes on whose log key this version replaces, after a fork or a lost key: a unit alone for the
    /// base that the running node of --from advises
    #[arg(long, value_name = "UNIT[=SIZE:ROOT]", requires = "from", value_parser = base::parse)]
    base: Vec<(UnitId, Option<Base>)>,
    /// The SHA-256 of the public key (SPKI) of a certificate that is not accepted any more
    #[arg(long, value_name = "HEX", requires = "from", value_parser = key)]
    revoke: Vec<Hash>,
    /// The version of the rules by which the list is computed
    #[arg(long, value_name = "N", requires = "from")]
    fold: Option<u32>,
}

fn addresses(text: &str) -> Result<(UnitId, Vec<String>), String> {
    let (unit, list) = text.split_once('=').ok_or("write ID=HOST:PORT")?;
    let unit = unit.parse().map_err(|error| format!("{error}"))?;
    Ok((unit, list.split(',').filter(|address| !address.is_empty()).map(str::to_owned).collect()))
}

fn key(text: &str) -> Result<Hash, String> {
    Hash::from_hex(text).ok_or_else(|| "64 lower-case hexadecimal digits".to_owned())
}

pub(super) fn run(args: &Args, global: &Global) -> Result<(), CliError> {
    let quorum = match args.quorum.as_deref() {
        None => None,
        Some("formula") => Some(None),
        Some(number) => {
            Some(Some(number.parse().map_err(|_| CliError::Usage("--quorum takes a number or `formula`".into()))?))
        }
    };
    let (charter, told) = match &args.from {
        Some(from) => next(args, from, quorum, global)?,
        None => (first(&args.units, quorum.flatten())?, Vec::new()),
    };
    membership::members(charter.terms(), &BTreeSet::new())?;
    write_new(&args.out, &charter)?;
    let mut out = Output::new(false);
    out.line(format_args!("wrote {}, digest {}", args.out.display(), charter.digest()))?;
    told.into_iter().try_for_each(|line| out.line(line))?;
    out.line("next  every unit compares the digest, reads it (entente charter show FILE) and signs it (entente charter sign FILE)")?;
    out.flush()
}

/// Writes a charter that did not exist.
pub(super) fn write_new(path: &Path, charter: &UnverifiedCharter) -> Result<(), CliError> {
    create_file(path, &charter.to_bytes(), 0o644).map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => CliError::Refused(format!(
            "{} exists already: a charter is never written over, for it may hold signatures; name another --out",
            path.display()
        )),
        _ => CliError::file(path, "write", &error),
    })
}

fn first(units: &[PathBuf], quorum: Option<u32>) -> Result<UnverifiedCharter, CliError> {
    UnverifiedCharter::compose(&described(units)?, quorum).map_err(words)
}

fn next(
    args: &Args,
    from: &Path,
    quorum: Option<Option<u32>>,
    global: &Global,
) -> Result<(UnverifiedCharter, Vec<String>), CliError> {
    let charters = membership::load_charters_of(from)?;
    let (bases, why) = bases(&args.base, from, global)?;
    let wanted = Changes {
        add: described(&args.add)?,
        update: described(&args.update)?,
        remove: args.remove.clone(),
        addresses: args.address.iter().cloned().collect(),
        bases,
        quorum,
        fold: args.fold,
        revoke: args.revoke.iter().copied().collect(),
    };
    let charter = charters.compose_next(&wanted).map_err(words)?;
    membership::check_authorities(&charters, charter.terms())?;
    let told = changes(charters.newest().terms(), charter.terms());
    Ok((charter, told.iter().map(|change| format!("      {change}")).chain(why).collect()))
}

/// The bases that are named, or that the running node advises, and why those are safe.
pub(super) fn bases(
    named: &[(UnitId, Option<Base>)],
    from: &Path,
    global: &Global,
) -> Result<(BTreeMap<UnitId, Base>, Vec<String>), CliError> {
    let global = Global { home: Some(from.to_owned()), ..global.clone() };
    let (mut bases, mut why) = (BTreeMap::new(), Vec::new());
    for (unit, base) in named {
        let base = match base {
            Some(base) => *base,
            None => {
                let (base, advice) = base::ask(unit, &global)?;
                why.extend(base::reasons(unit, &advice).into_iter().map(|line| format!("      {line}")));
                base
            }
        };
        bases.insert(unit.clone(), base);
    }
    Ok((bases, why))
}

pub(super) fn described(paths: &[PathBuf]) -> Result<Vec<UnitDescription>, CliError> {
    let read = |path: &PathBuf| -> Result<UnitDescription, CliError> {
        let described = UnitDescription::parse(&membership::read(path)?);
        Ok(described.map_err(|fault| MembershipError::Text { path: path.clone(), fault })?)
    };
    paths.iter().map(read).collect()
}
