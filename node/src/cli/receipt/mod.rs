//! `entente receipt`: one record shown alone, to whoever has the charter and no node.
//!
//! | file | what it is |
//! |---|---|
//! | `make` | `entente receipt ID`: the node's receipt, as text or as a page |
//! | `verify` | `entente receipt verify FILE...`: offline, or with what the node knows beside it |
//! | `since` | what was said of a record since: from later receipts, or from the node |
//! | `told` | a record in plain words, for both |
//! | `page` | the page, and how a receipt is read back from it |

mod make;
mod page;
mod since;
#[cfg(test)]
mod tests;
mod told;
mod verify;

use std::sync::Arc;

use entente_proto::charter::{Charter, CharterChain};
use entente_proto::receipt::{ReceiptError, UnverifiedReceipt, VerifiedReceipt};

pub(super) use verify::charters;

use super::Global;
use super::error::CliError;

const EXAMPLES: &str = "Examples:
  entente receipt BE/17 > be-17.receipt
  entente receipt BE/17 --format html --out be-17.html    (a page for the provider)
  entente receipt verify be-17.receipt --charter charter.note
  entente receipt verify be-17.html --charter charter.note
  entente receipt verify be-17.receipt --charter charter.note --newer be-21.receipt

A receipt holds the whole record: whoever gets it reads all that the record says.";

/// Prove to others who said what: the receipt of a certified record of any unit
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true, after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Option<ReceiptCommand>,
    #[command(flatten)]
    make: make::MakeArgs,
}

/// What else to do with receipts.
#[derive(Debug, clap::Subcommand)]
enum ReceiptCommand {
    Verify(verify::VerifyArgs),
}

pub(crate) async fn run(args: Args, global: &Global) -> Result<(), CliError> {
    match args.command {
        None => make::run(args.make, global).await,
        Some(ReceiptCommand::Verify(args)) => verify::run(args, global).await,
    }
}

/// Verifies a receipt under whichever version of the charter its checkpoint was certified by, and gives that version. A log
/// may be in an older one than the newest, and a receipt of earlier days stays what it was.
pub(super) fn verify_under(
    charters: &CharterChain,
    bytes: &[u8],
) -> Result<(VerifiedReceipt, Arc<Charter>), ReceiptError> {
    let receipt = UnverifiedReceipt::parse(bytes)?;
    let mut best = receipt.verify(charters.newest()).map(|read| (read, charters.newest().clone()));
    for charter in charters.all().rev().skip(1) {
        if matches!(&best, Ok((read, _)) if read.certified().is_ok()) {
            break;
        }
        if let Ok(read) = receipt.verify(charter)
            && (best.is_err() || read.certified().is_ok())
        {
            best = Ok((read, charter.clone()));
        }
    }
    best
}
