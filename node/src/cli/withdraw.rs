//! `entente withdraw`: the unit takes back a statement of its own.

use entente_proto::ids::UnitId;
use entente_proto::wire::Withdraw;
use entente_proto::wire::record::Body;

use super::Global;
use super::answers::{Entering, enter_own};
use super::error::CliError;
use crate::import::{Fault, Item};

/// Take back own statements: a wrong referral, a hold that is over, an opinion
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: entente withdraw BE/17 --reason \"the page was a mirror of a newspaper\"")]
pub(crate) struct Args {
    /// Records of the own unit, such as BE/17
    #[arg(value_name = "ID", required_unless_present = "from")]
    ids: Vec<String>,
    /// Why; every unit reads it
    #[arg(long, value_name = "TEXT")]
    reason: String,
    #[command(flatten)]
    entering: Entering,
}

pub(crate) async fn run(args: Args, global: &Global) -> Result<(), CliError> {
    enter_own(args.ids, |item, own| withdrawal(item, own, &args.reason), &args.entering, global).await
}

/// A withdrawal names an index alone, so an id of another unit must not get as far as that.
fn withdrawal(item: &Item, own: &UnitId, reason: &str) -> Result<Body, Fault> {
    let index = super::object::own_index(&item.target, own, |unit| {
        format!("it is a record of {unit}, and only {unit} can take it back: `entente object` tells them")
    })?;
    Ok(Body::Withdraw(Withdraw { index, reason: reason.to_owned() }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::fields::Fields;

    #[test]
    fn only_own_records_can_be_withdrawn() {
        let own: UnitId = "BE".parse().unwrap();
        let of = |id: &str| withdrawal(&Item::new(id, Fields::default()), &own, "why");
        assert_eq!(of("BE/17"), Ok(Body::Withdraw(Withdraw { index: 17, reason: "why".to_owned() })));
        assert_eq!(of("FR/17").unwrap_err().code, "not-own");
        assert_eq!(of("17").unwrap_err().code, "record-id");
    }
}
