//! `entente custody`: an item of evidence goes from one unit to another, each side saying so.

use std::path::PathBuf;

use clap::Subcommand;
use entente_proto::wire::record::Body;
use entente_proto::wire::{Custody, CustodyStep};

use super::Global;
use super::answers::{Entering, enter};
use super::client::Node;
use super::error::CliError;
use super::evidence::digest;
use super::inputs::inputs;
use super::words::{parse_moment, record_ref};
use crate::import::Format;

/// Hand items of evidence over between units
///
/// The unit that gives and the unit that takes each say so; `entente show ID` of the item tells the chain.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  entente custody give BE/31 --unit FR --text \"sealed bag 7\"\n  \
                        entente custody take BE/31 --unit BE --file disk1.img   (at FR)")]
pub(crate) struct Args {
    #[command(subcommand)]
    step: Step,
}

#[derive(Debug, Subcommand)]
enum Step {
    /// Give items to another unit
    #[command(after_help = "Example: entente custody give BE/31 --unit FR --text \"sealed bag 7\"")]
    Give(Handover),
    /// Take items over from another unit
    #[command(after_help = "Example: entente custody take BE/31 --unit BE --file disk1.img")]
    Take(Handover),
}

#[derive(Debug, clap::Args)]
struct Handover {
    /// Evidence, such as BE/31
    #[arg(value_name = "ID", required_unless_present = "from")]
    ids: Vec<String>,
    /// The other unit
    #[arg(long, value_name = "UNIT")]
    unit: String,
    /// The item itself, to be hashed now [default: the hash that the evidence names]
    #[arg(long, value_name = "FILE", conflicts_with = "from")]
    file: Option<PathBuf>,
    /// When, such as 2026-11-23T18:00:00Z [default: now]
    #[arg(long, value_name = "TIME", value_parser = parse_moment)]
    at: Option<u64>,
    /// A remark; every unit reads it. Where the hash of --file is another, it says what is wrong with the item
    #[arg(long)]
    text: Option<String>,
    #[command(flatten)]
    entering: Entering,
}

pub(crate) async fn run(args: Args, global: &Global) -> Result<(), CliError> {
    let (step, args) = match args.step {
        Step::Give(args) => (CustodyStep::Give, args),
        Step::Take(args) => (CustodyStep::Take, args),
    };
    let sha256 = match &args.file {
        Some(path) => digest(path).map_err(|e| CliError::file(path, "read", &e))?.0,
        None => Vec::new(),
    };
    let inputs = inputs(args.ids, args.entering.from.as_deref(), Some(Format::Lines))?;
    let custody = Custody {
        item: None,
        step: step as i32,
        other: args.unit,
        at_ms: args.at.unwrap_or_default(),
        sha256,
        text: args.text.unwrap_or_default(),
    };
    let node = Node::connect(global, args.entering.deadline).await?;
    let state = |item: crate::import::Item| {
        let item = Some(record_ref(&super::object::id(&item.target)?));
        Ok(Body::Custody(Custody { item, ..custody.clone() }))
    };
    enter(node, inputs, state, &args.entering, global).await
}
