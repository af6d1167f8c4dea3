//! `entente charter propose` and `approve`: records by which units see that they agree, before anyone signs.

use std::path::{Path, PathBuf};

use entente_proto::charter::{UnverifiedCharter, changes};
use entente_proto::hash::Hash;
use entente_proto::limits::PROPOSAL_BYTES_MAX;
use entente_proto::wire::record::Body;
use entente_proto::wire::{Approve, Propose};

use super::proposals::{self, Named, named};
use super::refused;
use crate::cli::Global;
use crate::cli::answers::{Entering, enter};
use crate::cli::client::Node;
use crate::cli::error::CliError;
use crate::cli::inputs::inputs;
use crate::cli::output::say;
use crate::home::Home;
use crate::import::{Fault, Format};
use crate::membership::{load_charters, read_charter};

/// `charter propose`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct ProposeArgs {
    /// The next version, signed or not
    file: PathBuf,
    #[command(flatten)]
    entering: Entering,
}

/// `charter approve`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct ApproveArgs {
    /// A proposal: the id of its record, such as BE/17, or the digest of its text; or the next version in a file
    #[arg(value_name = "ID, DIGEST or FILE")]
    what: PathBuf,
    #[command(flatten)]
    entering: Entering,
}

pub(super) fn propose(args: &ProposeArgs, global: &Global) -> Result<(), CliError> {
    let charter = following(&args.file, global)?;
    let text = charter.text().as_bytes();
    let text = if text.len() <= PROPOSAL_BYTES_MAX { text.to_vec() } else { Vec::new() };
    let digest = charter.digest();
    record(global, &args.entering, digest, Body::Propose(Propose { text, digest: digest.0.to_vec() }))
}

pub(super) fn approve(args: &ApproveArgs, global: &Global) -> Result<(), CliError> {
    let digest = match named(&args.what) {
        Named::File(file) => following(&file, global)?.digest(),
        Named::Proposal(what) => {
            let proposal = proposals::one(global, &what)?;
            proposals::tell_changes(&proposal);
            proposals::charter_of(&proposal)?.digest()
        }
    };
    record(global, &args.entering, digest, Body::Approve(Approve { digest: digest.0.to_vec(), signatures: Vec::new() }))
}

/// The charter, which must be able to follow that of the home directory; tells what would change.
fn following(file: &Path, global: &Global) -> Result<UnverifiedCharter, CliError> {
    let charters = load_charters(&Home::open(global.home()?).map_err(refused)?)?;
    let charter = charters.draft(read_charter(file)?).map_err(super::words)?;
    for change in changes(charters.newest().terms(), charter.terms()) {
        say(change.to_string());
    }
    Ok(charter)
}

fn record(global: &Global, entering: &Entering, digest: Hash, body: Body) -> Result<(), CliError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(refused)?;
    runtime.block_on(async {
        let inputs = inputs(vec![digest.to_string()], None, Some(Format::Lines))?;
        let node = Node::connect(global, entering.deadline).await?;
        enter(node, inputs, |_| Ok::<_, Fault>(body.clone()), entering, global).await
    })
}
