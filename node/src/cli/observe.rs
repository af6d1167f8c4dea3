//! `entente observe`: a target was seen online, offline or moved.

use entente_proto::wire::record::Body;
use entente_proto::wire::{Availability, Observe};

use super::Global;
use super::answers::{Entering, enter_about};
use super::error::CliError;
use super::words::{parse_moment, parser};

/// Say that targets were seen online, offline or moved
///
/// The newest observation of all units is the target's availability. Nothing is fetched: this records what an officer, or
/// a tool of the unit, has seen.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  entente observe https://bad.example/x --seen offline\n  \
                        entente observe bad.example --seen moved --to worse.example\n  \
                        entente observe --from still-online.txt --seen online")]
pub(crate) struct Args {
    /// Targets, as one types them
    #[arg(value_name = "TARGET", required_unless_present = "from")]
    targets: Vec<String>,
    /// How they were seen
    #[arg(long, value_parser = parser::<Availability>())]
    seen: Availability,
    /// For a target that moved: its successor
    #[arg(long, value_name = "TARGET")]
    to: Option<String>,
    /// When they were seen, such as 2026-11-23T18:00:00Z [default: now]
    #[arg(long, value_name = "TIME", value_parser = parse_moment)]
    at: Option<u64>,
    #[command(flatten)]
    entering: Entering,
}

pub(crate) async fn run(args: Args, global: &Global) -> Result<(), CliError> {
    match (args.seen, &args.to) {
        (Availability::Moved, None) => {
            return Err(CliError::Usage("a target that moved has a successor: name it with --to TARGET".to_owned()));
        }
        (Availability::Moved, Some(_)) | (_, None) => {}
        (_, Some(_)) => return Err(CliError::Usage("--to goes with --seen moved".to_owned())),
    }
    let observe = Observe {
        target: String::new(),
        availability: args.seen as i32,
        successor: args.to.unwrap_or_default(),
        observed_ms: args.at.unwrap_or_default(),
    };
    let state = |target| Body::Observe(Observe { target, ..observe.clone() });
    enter_about(args.targets, state, &args.entering, global).await
}
