//! `entente hold`: the unit asks the others to leave a target online.

use entente_proto::wire::Hold;
use entente_proto::wire::record::Body;

use super::Global;
use super::answers::{Entering, enter_about};
use super::error::CliError;
use super::words::parse_moment;

/// Ask all units to leave targets online, because this one investigates
///
/// A hold is over when it is withdrawn (entente withdraw ID).
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: entente hold news.example --until 2026-12-31 --contact \"desk 4, +32 2 555 0100\"")]
pub(crate) struct Args {
    /// Domains or addresses, as one types them
    #[arg(value_name = "TARGET", required_unless_present = "from")]
    targets: Vec<String>,
    /// Until when, such as 2026-12-31 or 2026-12-31T18:00:00Z
    #[arg(long, value_name = "TIME", value_parser = parse_moment)]
    until: Option<u64>,
    /// Whom partners may ask
    #[arg(long, value_name = "TEXT")]
    contact: Option<String>,
    /// Why, as far as it can be said; every unit reads it
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    #[command(flatten)]
    entering: Entering,
}

pub(crate) async fn run(args: Args, global: &Global) -> Result<(), CliError> {
    let hold = Hold {
        target: String::new(),
        until_ms: args.until.unwrap_or_default(),
        contact: args.contact.unwrap_or_default(),
        reason: args.reason.unwrap_or_default(),
    };
    let state = |target| Body::Hold(Hold { target, ..hold.clone() });
    enter_about(args.targets, state, &args.entering, global).await
}
