//! `entente receipt ID`.

use std::path::PathBuf;
use std::sync::Arc;

use clap::ValueEnum;
use entente_proto::charter::{Charter, CharterChain};
use entente_proto::receipt::VerifiedReceipt;
use entente_proto::wire::record::Body;
use entente_proto::wire::{ReceiptReply, ReceiptRequest, RecordRef, Tlp};
use serde::Serialize;

use super::page::{self, Page};
use super::since::{self, What};
use super::verify_under;
use crate::cli::Global;
use crate::cli::client::{Deadline, Node, misfit};
use crate::cli::error::CliError;
use crate::cli::object;
use crate::cli::output::{Output, say};
use crate::cli::words::{plain, record_ref};
use crate::clock::{Clock as _, SystemClock};
use crate::files::replace_file;
use crate::home::Home;
use crate::membership::load_charters;

/// How a receipt is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// As a C2SP tlog-proof, for programs
    Text,
    /// As one page for people, with the text inside
    Html,
}

impl Format {
    const fn word(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Html => "html",
        }
    }
}

#[derive(Debug, clap::Args)]
pub(crate) struct MakeArgs {
    /// A record of any unit, such as BE/17; it must be certified
    #[arg(value_name = "ID", required = true)]
    id: Option<String>,
    /// Where to write it, whole or not at all [default: stdout]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// How to write it
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
    #[command(flatten)]
    deadline: Deadline,
}

/// What `--json` prints.
#[derive(Serialize)]
struct MadeJson {
    id: String,
    format: &'static str,
    out: Option<String>,
    /// The receipt or the page, where it goes to no file.
    content: Option<String>,
    #[serde(flatten)]
    since: since::SinceJson,
    /// How many further opinions the node knows.
    left_out: u64,
}

pub(super) async fn run(args: MakeArgs, global: &Global) -> Result<(), CliError> {
    let id = object::id(args.id.as_deref().unwrap_or_default()).map_err(|fault| CliError::Usage(fault.reason))?;
    let home = Home::open(global.home()?).map_err(|e| CliError::Refused(e.to_string()))?;
    let charters = load_charters(&home)?;
    let node = Node::connect(global, args.deadline).await?;
    let reply = fetch(&node, record_ref(&id)).await?;
    let (receipt, charter) = verified(&reply.receipt, &charters)?;
    if *receipt.id() != id {
        return Err(misfit("it is the receipt of another record"));
    }
    let since = since::told(&reply.since);
    let content = match args.format {
        Format::Text => reply.receipt,
        Format::Html => {
            let later = later(&node, &charters, &since).await?;
            let page = Page {
                receipt: (&receipt, &reply.receipt),
                later: &later,
                since: &since,
                charter: &charter,
                told_by: node.unit(),
                now_ms: SystemClock.now_ms(),
            };
            page::write(&page).into_bytes()
        }
    };
    warn(&receipt, if args.format == Format::Text { &since } else { &[] });
    let mut out = Output::new(global.json);
    if let Some(path) = &args.out {
        replace_file(path, &content, 0o600).map_err(|e| CliError::file(path, "write", &e))?;
    }
    let content = String::from_utf8(content).map_err(|_| misfit("it is not text"))?;
    if out.is_json() {
        out.document(&MadeJson {
            id: id.to_string(),
            format: args.format.word(),
            content: args.out.is_none().then_some(content),
            out: args.out.as_ref().map(|path| path.display().to_string()),
            since: since::SinceJson::from(since.as_slice()),
            left_out: reply.left_out,
        })?;
    } else if args.out.is_none() {
        out.line(content.strip_suffix('\n').unwrap_or(&content))?;
    }
    out.flush()
}

async fn fetch(node: &Node, id: RecordRef) -> Result<ReceiptReply, CliError> {
    let request = node.request(ReceiptRequest { id: Some(id), since_alone: false });
    Ok(node.client().receipt(request).await?.into_inner())
}

/// What goes out must verify with the charter that its reader has, whatever the node says.
fn verified(bytes: &[u8], charters: &CharterChain) -> Result<(VerifiedReceipt, Arc<Charter>), CliError> {
    let read = verify_under(charters, bytes);
    let read = read.map_err(|e| CliError::Verification(format!("the node's receipt does not verify: {e}")))?;
    read.0.certified().map_err(|e| CliError::Verification(format!("the node's receipt does not verify: {e}")))?;
    Ok(read)
}

/// The receipts of what was said since and stands, so that the page can prove it too.
async fn later(node: &Node, charters: &CharterChain, since: &[since::Said]) -> Result<Vec<Vec<u8>>, CliError> {
    let mut receipts = Vec::new();
    for said in since.iter().filter(|said| said.certified && !said.taken_back).take(page::LATER_MAX) {
        let reply = fetch(node, record_ref(&said.id)).await?;
        verified(&reply.receipt, charters)?;
        receipts.push(reply.receipt);
    }
    Ok(receipts)
}

/// What whoever hands it out should know: what was said since, unless that goes with it; and how it may be handled.
fn warn(receipt: &VerifiedReceipt, since: &[since::Said]) {
    for said in since.iter().filter(|said| !said.taken_back) {
        if matches!(said.what, What::Withdrawn(_) | What::Objection { .. }) {
            say(format_args!(
                "entente: note: {} {}; hand out `entente receipt {}` too",
                receipt.id(),
                said.words(),
                said.id
            ));
        }
    }
    let Body::Refer(refer) = receipt.statement().body() else { return };
    if !refer.override_reason.is_empty() {
        say(format_args!(
            "entente: note: the receipt of {} also tells why it was made although something spoke against it: {}",
            receipt.id(),
            plain(&refer.override_reason)
        ));
    }
    let tlp = refer.handling.as_ref().map_or(0, |handling| handling.tlp);
    if tlp == i32::from(Tlp::Red) || tlp == i32::from(Tlp::AmberStrict) {
        say(format_args!(
            "entente: note: {} may not leave the organisation of those it was written for ({}), and its receipt tells all of it",
            receipt.id(),
            super::told::tlp(tlp)
        ));
    }
}
