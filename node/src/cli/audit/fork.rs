//! `entente audit fork`.

use std::collections::BTreeSet;
use std::io::Read as _;
use std::path::PathBuf;

use entente_proto::charter::{Charter, CharterChain};
use entente_proto::fork::{Branch, ForkProof};
use entente_proto::ids::UnitId;
use entente_proto::limits::{CHARTER_BYTES_MAX, FORK_PROOF_BYTES_MAX};
use entente_proto::wire::ForkRequest;
use serde::Serialize;

use crate::cli::Global;
use crate::cli::client::{Deadline, Node, misfit};
use crate::cli::error::CliError;
use crate::cli::inputs;
use crate::cli::output::Output;
use crate::cli::words::plain;
use crate::files::{read_bounded, replace_file};
use crate::home::Home;
use crate::membership::load_charters;

const EXAMPLES: &str = "Examples:
  entente audit fork BE > be.fork
  entente audit fork verify be.fork --charter charter.note

A log has forked when its key signed two checkpoints of which neither extends the other. The proof holds both, and the hashes
that show it; nobody needs to be trusted for it but the charter. Units whose cosignatures are under both are named.";

/// Hand out, or verify, the proof that a unit's log forked
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true, after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Option<ForkCommand>,
    /// The unit whose log forked
    #[arg(value_name = "UNIT", required = true)]
    unit: Option<UnitId>,
    /// Where to write the proof, whole or not at all [default: stdout]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    deadline: Deadline,
}

#[derive(Debug, clap::Subcommand)]
enum ForkCommand {
    Verify(VerifyArgs),
}

/// Verify a proof with the charter alone, without a node and without a network
///
/// Says what was signed, and who cosigned both branches. Exits 4 if it proves nothing.
#[derive(Debug, clap::Args)]
struct VerifyArgs {
    /// The proof; - for stdin
    #[arg(value_name = "FILE")]
    file: String,
    /// The charter of the network, from somebody you trust; of several versions, each in turn from the first on
    /// [default: those that the home directory has taken up]
    #[arg(long, value_name = "FILE")]
    charter: Vec<PathBuf>,
}

#[derive(Serialize)]
struct MadeJson {
    unit: String,
    out: Option<String>,
    /// The proof, where it goes to no file.
    content: Option<String>,
}

#[derive(Serialize)]
struct VerifiedJson {
    unit: String,
    forked: bool,
    smaller: CheckpointJson,
    larger: CheckpointJson,
    cosigned_both: BTreeSet<String>,
}

#[derive(Serialize)]
struct CheckpointJson {
    size: u64,
    root: String,
    cosigned_by: Vec<String>,
}

pub(super) async fn run(args: Args, global: &Global) -> Result<(), CliError> {
    match (args.command, args.unit) {
        (Some(ForkCommand::Verify(args)), _) => verify(&args, global),
        (None, Some(unit)) => make(&unit, args.out, args.deadline, global).await,
        (None, None) => Err(CliError::Usage("name the unit whose log forked".to_owned())),
    }
}

async fn make(unit: &UnitId, path: Option<PathBuf>, deadline: Deadline, global: &Global) -> Result<(), CliError> {
    let charters = charters(&[], global)?;
    let node = Node::connect(global, deadline).await?;
    let reply = node.client().fork(node.request(ForkRequest { unit: unit.to_string() })).await?.into_inner();
    // What goes out must verify with the charter that its reader has, whatever the node says.
    let proof = read(&reply.proof, &charters).map_err(|why| {
        CliError::Verification(format!(
            "the node's proof does not verify under the charter of the home directory: {why}"
        ))
    })?;
    if proof.unit() != unit {
        return Err(misfit("it is the proof about another unit's log"));
    }
    let mut out = Output::new(global.json);
    if let Some(path) = &path {
        replace_file(path, &reply.proof, 0o600).map_err(|e| CliError::file(path, "write", &e))?;
    }
    let content = String::from_utf8(reply.proof).map_err(|_| misfit("it is not text"))?;
    if out.is_json() {
        out.document(&MadeJson {
            unit: unit.to_string(),
            content: path.is_none().then_some(content),
            out: path.map(|path| path.display().to_string()),
        })?;
    } else if path.is_none() {
        out.line(content.strip_suffix('\n').unwrap_or(&content))?;
    }
    out.flush()
}

fn verify(args: &VerifyArgs, global: &Global) -> Result<(), CliError> {
    let charters = charters(&args.charter, global)?;
    let name = plain(if args.file == "-" { "stdin" } else { &args.file });
    let fault = |why: String| CliError::Verification(format!("{name} is no proof of a fork: {why}"));
    let proof = bounded(&args.file).and_then(|bytes| read(&bytes, &charters)).map_err(fault)?;
    let mut out = Output::new(global.json);
    if out.is_json() {
        out.document(&VerifiedJson {
            unit: proof.unit().to_string(),
            forked: true,
            smaller: proof.smaller().into(),
            larger: proof.larger().into(),
            cosigned_both: proof.cosigned_both().iter().map(ToString::to_string).collect(),
        })?;
    } else {
        print(&proof, &mut out)?;
    }
    out.flush()
}

fn print(proof: &ForkProof, out: &mut Output) -> Result<(), CliError> {
    out.line(format_args!(
        "The log of {} has FORKED: its key signed two checkpoints, and neither extends the other.",
        proof.unit()
    ))?;
    for head in [proof.smaller(), proof.larger()] {
        let CheckpointJson { size, root, cosigned_by } = head.into();
        let by = if cosigned_by.is_empty() { "nobody known".to_owned() } else { cosigned_by.join(", ") };
        out.line(format_args!("  {size} entries, root {root}, cosigned by {by}"))?;
    }
    let both: Vec<_> = proof.cosigned_both().iter().map(ToString::to_string).collect();
    match both.as_slice() {
        [] => out.line("No unit is known to have cosigned both."),
        both => {
            out.line(format_args!("Cosigned BOTH: {}. No honest node that has its journal does that.", both.join(", ")))
        }
    }
}

fn bounded(file: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let limit = (FORK_PROOF_BYTES_MAX as u64).saturating_add(1);
    let opened = inputs::open(file).map_err(|e| e.to_string())?;
    opened.take(limit).read_to_end(&mut bytes).map_err(|e| format!("it cannot be read: {e}"))?;
    Ok(bytes)
}

fn read(bytes: &[u8], charters: &CharterChain) -> Result<ForkProof, String> {
    let charters: Vec<&Charter> = charters.all().map(AsRef::as_ref).collect();
    ForkProof::verify_text(bytes, &charters).map_err(|fault| fault.to_string())
}

/// The charters, verified. Whatever keeps them from being used ends with exit code 4.
fn charters(files: &[PathBuf], global: &Global) -> Result<CharterChain, CliError> {
    let fault = |why: &dyn std::fmt::Display| CliError::Verification(format!("the charter cannot be used: {why}"));
    if files.is_empty() {
        let home = global.home.as_ref().ok_or_else(|| {
            CliError::Usage(
                "name the charter of the network with --charter FILE: without it nobody can say whose signature counts"
                    .to_owned(),
            )
        })?;
        let home = Home::open(home).map_err(|e| CliError::Refused(e.to_string()))?;
        return load_charters(&home).map_err(|e| fault(&e));
    }
    let mut notes = Vec::new();
    for path in files {
        notes.push(read_bounded(path, CHARTER_BYTES_MAX).map_err(|e| fault(&format_args!("{}: {e}", path.display())))?);
    }
    CharterChain::read(notes).map_err(|e| fault(&e))
}

impl From<&Branch> for CheckpointJson {
    fn from(head: &Branch) -> Self {
        let checkpoint = head.checkpoint();
        Self {
            size: checkpoint.size.get(),
            root: checkpoint.root.to_string(),
            cosigned_by: head.cosigners().iter().map(ToString::to_string).collect(),
        }
    }
}
