//! `entente object` and `entente support`: what the unit thinks of another unit's referral.

use entente_proto::ids::{RecordId, UnitId};
use entente_proto::wire::record::Body;
use entente_proto::wire::{Ground, Opinion, Stance};

use super::Global;
use super::answers::{Entering, Insists, enter_on};
use super::error::CliError;
use super::words::parser;
use crate::import::Fault;

/// Object to referrals of other units
///
/// While the objection stands, the target is disputed on every unit's list.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: entente object FR/9 --ground protected-expression --text \"a newspaper's report\"")]
pub(crate) struct ObjectArgs {
    /// Referrals, such as FR/9
    #[arg(value_name = "ID", required_unless_present = "from")]
    ids: Vec<String>,
    /// Why
    #[arg(long, value_parser = parser::<Ground>())]
    ground: Ground,
    /// Why, in words; every unit reads it
    #[arg(long)]
    text: Option<String>,
    #[command(flatten)]
    entering: Entering,
}

/// Support referrals of other units
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: entente support FR/9 --text \"seen here too\"")]
pub(crate) struct SupportArgs {
    /// Referrals, such as FR/9
    #[arg(value_name = "ID", required_unless_present = "from")]
    ids: Vec<String>,
    /// A remark; every unit reads it
    #[arg(long)]
    text: Option<String>,
    #[command(flatten)]
    entering: Entering,
}

pub(crate) async fn object(args: ObjectArgs, global: &Global) -> Result<(), CliError> {
    let opinion = Opinion {
        on: None,
        stance: Stance::Object as i32,
        ground: args.ground as i32,
        text: args.text.unwrap_or_default(),
    };
    opine(args.ids, &opinion, &args.entering, global).await
}

pub(crate) async fn support(args: SupportArgs, global: &Global) -> Result<(), CliError> {
    let opinion = Opinion {
        on: None,
        stance: Stance::Support as i32,
        ground: Ground::Unspecified as i32,
        text: args.text.unwrap_or_default(),
    };
    opine(args.ids, &opinion, &args.entering, global).await
}

async fn opine(ids: Vec<String>, opinion: &Opinion, entering: &Entering, global: &Global) -> Result<(), CliError> {
    let state = |on| Body::Opinion(Opinion { on: Some(on), ..opinion.clone() });
    enter_on(ids, state, &Insists::default(), entering, global).await
}

/// Reads a record id.
pub(crate) fn id(text: &str) -> Result<RecordId, Fault> {
    text.trim().parse().map_err(|e: entente_proto::ids::IdError| Fault::new("record-id", e.to_string()))
}

/// Reads the id of a record of the own unit; gives its index. Statements that name an index alone must not be made of an id
/// of another unit: `tell` says of that unit what to do instead.
pub(crate) fn own_index(text: &str, own: &UnitId, tell: impl FnOnce(&UnitId) -> String) -> Result<u64, Fault> {
    let id = id(text)?;
    if id.unit == *own { Ok(id.index) } else { Err(Fault::new("not-own", tell(&id.unit))) }
}
