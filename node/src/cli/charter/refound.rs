//! `entente charter refound`: the way on where no next version of the charter can come about.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use entente_proto::charter::{Base, Charter, UnitDescription, UnitDraft, changes};
use entente_proto::hash::Hash;
use entente_proto::ids::{Size, UnitId};

use super::{base, new, words};
use crate::cli::Global;
use crate::cli::error::CliError;
use crate::cli::output::Output;
use crate::membership;

/// `charter refound`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// The charter to write; it must not exist
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// The home directory whose charter is continued. Its running node says how far it holds each log
    #[arg(long, value_name = "DIR")]
    from: PathBuf,
    /// The unit.toml of a unit that joins, or whose keys, CA, name or addresses are others now; all others stay as they are
    #[arg(value_name = "UNIT.TOML")]
    units: Vec<PathBuf>,
    /// A unit that is gone
    #[arg(long, value_name = "ID")]
    without: Vec<UnitId>,
    /// From where a unit's log goes on, if not from what the running node holds of it
    #[arg(long, value_name = "UNIT=SIZE:ROOT", value_parser = base::parse)]
    base: Vec<(UnitId, Option<Base>)>,
    /// How many of a log's other units must cosign it, if more than the formula asks for
    #[arg(long, value_name = "N")]
    quorum: Option<u32>,
    /// Which attempt this is, where an earlier text cannot come about since a unit that it lists cannot sign it, or does not. Whoever
    /// signs it takes none of the earlier ones up any more
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    attempt: u16,
}

pub(super) fn run(args: &Args, global: &Global) -> Result<(), CliError> {
    let charters = membership::load_charters_of(&args.from)?;
    let before = charters.newest();
    let units = units(args, before)?;
    let listed: BTreeSet<UnitId> = units.iter().map(|unit| unit.unit().id.clone()).collect();
    let named: BTreeMap<UnitId, Option<Base>> = args.base.iter().cloned().collect();
    // A unit that joins begins with an empty log.
    let fresh =
        |unit: &UnitId| before.unit(unit).is_none().then_some(Base { size: Size::ZERO, root: Hash::EMPTY_ROOT });
    let wanted: Vec<(UnitId, Option<Base>)> =
        listed.iter().map(|unit| (unit.clone(), named.get(unit).copied().flatten().or(fresh(unit)))).collect();
    let (bases, why) = new::bases(&wanted, &args.from, global)?;
    let charter = charters.compose_refounding(&units, &bases, args.quorum).map_err(words)?;
    let charter = if args.attempt > 1 { charter.as_attempt(args.attempt).map_err(words)? } else { charter };
    charters.check_refounding(&charter).map_err(words)?;
    membership::check_authorities(&charters, charter.terms())?;
    new::write_new(&args.out, &charter)?;
    let mut out = Output::new(false);
    out.line(format_args!("wrote {}, digest {}", args.out.display(), charter.digest()))?;
    changes(before.terms(), charter.terms()).iter().try_for_each(|change| out.line(format_args!("      {change}")))?;
    why.iter().try_for_each(|line| out.line(line))?;
    out.line(
        "next  soon, for a log that goes on meanwhile asks for another base: every unit compares the digest, reads it (entente charter \
         show FILE), and signs it with its running node (entente charter sign FILE). When all have, each takes it up (entente charter adopt \
         FILE): nodes do not pass it on. If one of them cannot sign it, have the next composed as a further attempt (--attempt), for nobody signs \
         two texts of one",
    )?;
    out.flush()
}

/// The units of the charter before, but for those that are gone, with what the files say otherwise.
fn units(args: &Args, before: &Charter) -> Result<Vec<UnitDescription>, CliError> {
    if let Some(absent) = args.without.iter().find(|unit| before.unit(unit).is_none()) {
        return Err(CliError::Refused(format!("the charter before lists no unit {absent}")));
    }
    let described = new::described(&args.units)?;
    let anew: BTreeSet<&UnitId> = described.iter().map(|unit| &unit.unit().id).collect();
    let stay = before.units().values().filter(|unit| !args.without.contains(&unit.id) && !anew.contains(&unit.id));
    let stay = stay.map(|unit| {
        let draft = UnitDraft {
            id: unit.id.clone(),
            name: unit.name.clone(),
            charter_key: unit.charter_key.clone(),
            log_key: unit.log_key.clone(),
            mirror_key: unit.mirror_key.clone(),
            ca: unit.ca.clone(),
            addresses: unit.addresses.clone(),
        };
        UnitDescription::new(before.network().clone(), draft).map_err(words)
    });
    let stay: Vec<UnitDescription> = stay.collect::<Result<_, _>>()?;
    Ok(stay.into_iter().chain(described).collect())
}
