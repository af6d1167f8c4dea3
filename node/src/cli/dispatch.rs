//! `entente dispatch`: a referral was sent to a provider.

use entente_proto::wire::Dispatch;
use entente_proto::wire::record::Body;

use super::Global;
use super::answers::{Entering, Insists, enter_on};
use super::error::CliError;
use super::words::parse_moment;

/// Say that referrals were sent to a provider
///
/// Any unit's referral may be sent by any unit; every unit sees by whom and when.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: entente dispatch BE/17 FR/3 --provider \"Example Hosting\" --channel abuse@hosting.example"
)]
pub(crate) struct Args {
    /// Referrals, such as BE/17
    #[arg(value_name = "ID", required_unless_present = "from")]
    ids: Vec<String>,
    /// To whom [default: the provider that the referral names]
    #[arg(long)]
    provider: Option<String>,
    /// By which channel: a form, an e-mail address, PERCI
    #[arg(long)]
    channel: Option<String>,
    /// When, such as 2026-11-23T18:00:00Z [default: now]
    #[arg(long, value_name = "TIME", value_parser = parse_moment)]
    at: Option<u64>,
    /// Say so though a unit asks to leave the target online, and why; every unit reads the reason
    #[arg(long, value_name = "REASON")]
    despite_hold: Option<String>,
    #[command(flatten)]
    entering: Entering,
}

pub(crate) async fn run(args: Args, global: &Global) -> Result<(), CliError> {
    let dispatch = Dispatch {
        on: None,
        provider: args.provider.unwrap_or_default(),
        channel: args.channel.unwrap_or_default(),
        at_ms: args.at.unwrap_or_default(),
        override_reason: String::new(),
    };
    let insists = Insists { despite_hold: args.despite_hold.unwrap_or_default(), ..Insists::default() };
    let state = |on| Body::Dispatch(Dispatch { on: Some(on), ..dispatch.clone() });
    enter_on(args.ids, state, &insists, &args.entering, global).await
}
