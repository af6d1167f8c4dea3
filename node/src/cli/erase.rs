//! `entente erase`: the payload of an own statement is to be deleted everywhere.

use entente_proto::ids::UnitId;
use entente_proto::wire::record::Body;
use entente_proto::wire::{Erase, EraseReason};

use super::Global;
use super::answers::{Entering, enter_own};
use super::error::CliError;
use super::words::parser;
use crate::import::{Fault, Item};

/// Erase own statements: what they said is deleted at every unit
///
/// The statement is taken back, too. Nodes stop to show and to serve it as soon as they hear of the erasure, and delete it
/// when that is certified. That there was a statement, when, and that it was erased and why stays: the log still verifies.
/// `entente show ID` tells which units have cosigned the erasure.
///
/// Bytes leave a node's disk within an hour, or at once with `entente scrub` there. What left the nodes before, backups,
/// exports and what was told to providers, is for the units to look after.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  entente erase BE/17 --reason court-order --wait certified\n  entente erase --from due.txt --reason retention"
)]
pub(crate) struct Args {
    /// Records of the own unit, such as BE/17; withdrawn ones, too
    #[arg(value_name = "ID", required_unless_present = "from")]
    ids: Vec<String>,
    /// Why; every unit reads it, and it can never be erased itself, so there is no room for a text
    #[arg(long, value_parser = parser::<EraseReason>())]
    reason: EraseReason,
    #[command(flatten)]
    entering: Entering,
}

pub(crate) async fn run(args: Args, global: &Global) -> Result<(), CliError> {
    enter_own(args.ids, |item, own| erasure(item, own, args.reason), &args.entering, global).await
}

/// An erasure names an index alone, so an id of another unit must not get as far as that.
fn erasure(item: &Item, own: &UnitId, reason: EraseReason) -> Result<Body, Fault> {
    let index = super::object::own_index(&item.target, own, |unit| {
        format!("it is a record of {unit}, and only {unit} can erase it: ask them to")
    })?;
    Ok(Body::Erase(Erase { index, reason: reason.into() }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::fields::Fields;

    #[test]
    fn only_own_records_can_be_erased() {
        let own: UnitId = "BE".parse().unwrap();
        let of = |id: &str| {
            let item = Item::new(id, Fields::default());
            erasure(&item, &own, EraseReason::CourtOrder)
        };
        assert_eq!(of("BE/17"), Ok(Body::Erase(Erase { index: 17, reason: 1 })));
        assert_eq!(of("FR/17").unwrap_err().code, "not-own");
        assert_eq!(of("17").unwrap_err().code, "record-id");
    }
}
