//! `entente audit export` and `entente audit fetch`: who is called, and with whose certificate, or what is read.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use entente_certs::identity::{Described, Identity, Role};
use entente_certs::members::SharedMembers;
use entente_certs::tls::client_config;
use entente_proto::charter::CharterChain;
use entente_proto::limits::CHARTER_BYTES_MAX;

use super::bring::bring;
use super::held::Held;
use super::published;
use crate::certificates::pair;
use crate::cli::Global;
use crate::cli::client::{Deadline, Node, dial_fault};
use crate::cli::error::CliError;
use crate::clock::SystemClock;
use crate::files::read_bounded;
use crate::membership;
use crate::net::{TlsTime, connect};

/// Most bytes that one call brings, unless it is told otherwise: of a hundred times the records that there are today.
const BYTES_MAX: u64 = 16 << 30;
/// Largest certificate file.
const CERTIFICATE_BYTES_MAX: usize = 64 << 10;

/// Write all that this node holds and that is certified into a directory that anybody can verify
///
/// Into a directory that holds an export already only what is new goes; full tiles are never written again, and what was
/// erased since goes. The directory always holds one whole export, also where the command is broken off. It is never one of
/// another unit, nor one in which a log is smaller than it was, or another: that ends with 4, and what is there stays.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: entente audit export be-export --home be && entente audit verify be-export")]
pub(crate) struct ExportArgs {
    /// The directory: it is created
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    /// A charter of the network, from somebody you trust: the export must have this very text. Needed once where the network was
    /// founded anew since DIR was written. May be given again
    #[arg(long, value_name = "FILE")]
    charter: Vec<PathBuf>,
    /// Most bytes to write
    #[arg(long, value_name = "BYTES", default_value_t = BYTES_MAX)]
    max_bytes: u64,
}

/// Fetch an export from a unit's node, with an auditor's certificate, or from where one is published
///
/// As `audit export`, by somebody who has no home directory of the unit. What is published needs no certificate: a directory,
/// a web server or S3-compatible storage (credentials, AWS_ENDPOINT, AWS_REGION and AWS_ALLOW_HTTP from the environment).
///
/// Nothing enters unless the unit's node has signed the manifest that names it, under charters that go on from --charter, and from
/// those that DIR holds; whether all of it holds, entente audit verify says. As with `audit export`, a log in DIR never becomes
/// smaller, or another. What is damaged in DIR is brought anew, and what a call that broke off has brought is used by the next.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  entente audit fetch be-export --from be.takedown.example:7543 --certificate dpa.pem --key dpa.key --charter charter.note
  entente audit fetch be-export --from https://audit.takedown.example/be --charter charter.note
  entente audit fetch be-export --from s3://bucket/be
  entente audit fetch be-export --from /srv/entente")]
pub(crate) struct FetchArgs {
    /// The directory: it is created
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    /// Where the unit's people reach its node, `api` in its node.toml; or where its export is published
    #[arg(long, value_name = "HOST:PORT-or-PLACE")]
    from: String,
    /// The certificate that the unit issued [default: that of --as in the home directory]
    #[arg(long, value_name = "FILE", requires_all = ["key", "charter"])]
    certificate: Option<PathBuf>,
    /// Its key
    #[arg(long, value_name = "FILE", requires = "certificate")]
    key: Option<PathBuf>,
    /// A charter of the network, from somebody you trust: what is fetched must have this very text. With --certificate, the
    /// charter under which the node is called: of several versions, each in turn from the first on
    #[arg(long, value_name = "FILE")]
    charter: Vec<PathBuf>,
    /// Most bytes to write
    #[arg(long, value_name = "BYTES", default_value_t = BYTES_MAX)]
    max_bytes: u64,
}

pub(super) async fn export(args: ExportArgs, global: &Global) -> Result<(), CliError> {
    let held = Held::read(&args.directory, &args.charter)?;
    let node = Node::connect(global, Deadline { timeout: None }).await?;
    bring(&node, &args.directory, &held, args.max_bytes).await?.tell(global.json)
}

pub(super) async fn fetch(args: FetchArgs, global: &Global) -> Result<(), CliError> {
    let place = published::place(&args.from)?;
    let held = Held::read(&args.directory, &args.charter)?;
    if let Some(place) = place {
        if args.certificate.is_some() {
            return Err(CliError::Usage("what is published needs no certificate: leave --certificate out".to_owned()));
        }
        return published::fetch(&place, &args.directory, &held, args.max_bytes).await?.tell(global.json);
    }
    let node = match (&args.certificate, &args.key) {
        (Some(certificate), Some(key)) => dial(&args, certificate, key, global).await?,
        _ => Node::connect_to(global, Deadline { timeout: None }, Some(&args.from)).await?,
    };
    bring(&node, &args.directory, &held, args.max_bytes).await?.tell(global.json)
}

/// To the node of the unit that issued the certificate, and nobody else.
async fn dial(args: &FetchArgs, certificate: &Path, key: &Path, global: &Global) -> Result<Node, CliError> {
    let fault = |why: &dyn std::fmt::Display| CliError::Verification(format!("the charter cannot be used: {why}"));
    let mut notes = Vec::new();
    for path in &args.charter {
        notes.push(read_bounded(path, CHARTER_BYTES_MAX).map_err(|e| fault(&format_args!("{}: {e}", path.display())))?);
    }
    let charters = CharterChain::read(notes).map_err(|e| fault(&e))?;
    let pem = read_bounded(certificate, CERTIFICATE_BYTES_MAX).map_err(|e| CliError::file(certificate, "read", &e))?;
    let described = Described::of_pem(&pem, charters.newest().network());
    let described = described.map_err(|e| CliError::Refused(format!("{}: {e}", certificate.display())))?;
    let credentials = pair::load(certificate, key).map_err(CliError::Refused)?;
    let members = membership::members(charters.newest().terms(), &Default::default()).map_err(|e| fault(&e))?;
    let expected = Identity { unit: described.identity.unit.clone(), role: Role::Node };
    let time = Arc::new(TlsTime(Arc::new(SystemClock)));
    let tls = client_config(&credentials, SharedMembers::new(members), expected, time);
    let tls = tls.map_err(|error| CliError::Refused(format!("TLS: {error}")))?;
    let channel = connect(&args.from, tls).await.map_err(|error| dial_fault(&error))?;
    Ok(Node::dialled(channel, described.identity.unit, global))
}
