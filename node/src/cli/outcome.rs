//! `entente outcome`: what a provider answered.

use entente_proto::wire::record::Body;
use entente_proto::wire::{Answer, Outcome};

use super::Global;
use super::answers::{Entering, Insists, enter_on};
use super::error::CliError;
use super::words::{parse_moment, parser};

/// Say what a provider answered to a referral that was sent to it
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  entente outcome BE/21 --answer removed\n  \
                        entente outcome BE/17 --answer declined --reason \"news reporting\"   (a referral that was sent once)")]
pub(crate) struct Args {
    /// Dispatches, such as BE/21, or referrals that were sent once
    #[arg(value_name = "ID", required_unless_present = "from")]
    ids: Vec<String>,
    /// The answer
    #[arg(long, value_parser = parser::<Answer>())]
    answer: Answer,
    /// When it was given, such as 2026-11-23T18:00:00Z [default: now]
    #[arg(long, value_name = "TIME", value_parser = parse_moment)]
    at: Option<u64>,
    /// The provider's reason; every unit reads it
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    #[command(flatten)]
    entering: Entering,
}

pub(crate) async fn run(args: Args, global: &Global) -> Result<(), CliError> {
    let outcome = Outcome {
        on: None,
        answer: args.answer as i32,
        at_ms: args.at.unwrap_or_default(),
        reason: args.reason.unwrap_or_default(),
    };
    let state = |on| Body::Outcome(Outcome { on: Some(on), ..outcome.clone() });
    enter_on(args.ids, state, &Insists::default(), &args.entering, global).await
}
