//! `entente cert revoke`: a `Revoke` record.

use std::path::PathBuf;

use entente_certs::identity::{Described, spki_sha256};
use entente_proto::hash::Hash;
use entente_proto::wire::Revoke;
use entente_proto::wire::record::Body;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::super::Global;
use super::super::answers::{Entering, enter};
use super::super::client::{Node, caller};
use super::super::error::CliError;
use super::super::inputs::inputs;
use super::super::output::say;
use super::{FILE_BYTES_MAX, holder, open};
use crate::files::read_bounded;
use crate::home::Home;
use crate::import::{Fault, Format, Item};

/// Revoke certificates of this unit, everywhere and for good
///
/// A record names the public key. As soon as it reaches a node, certified or not, that node ends the connections of that key
/// and takes no new ones. It is never undone, and speaks for this unit's certificates alone.
///
/// While the node does not sign (entente status) the record waits, as every statement does. To keep a key out at once, at this
/// node alone, write it into the file `deny` of the home directory.
///
/// For a person's or the node's certificate in the home directory a name is enough. After `cert renew` the one before is
/// named by its public key.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  entente cert revoke second --reason \"left the unit\"\n  \
                  entente cert revoke --spki 2f1e...90ab --reason \"laptop stolen\"")]
pub(crate) struct Args {
    /// `node`, or a person: NAME, or officer/NAME, operator/NAME, auditor/NAME
    #[arg(value_name = "HOLDER", required_unless_present_any = ["spki", "certificate", "from"])]
    holder: Option<String>,
    /// The SHA-256 of the certificate's public key (SPKI), in hexadecimal digits
    #[arg(long, value_name = "HEX", conflicts_with_all = ["holder", "certificate"], value_parser = key)]
    spki: Option<Hash>,
    /// The certificate, in a file
    #[arg(long, value_name = "FILE", conflicts_with = "holder")]
    certificate: Option<PathBuf>,
    /// Why; every unit reads it
    #[arg(long, value_name = "TEXT")]
    reason: String,
    #[command(flatten)]
    entering: Entering,
}

pub(crate) async fn run(args: Args, global: &Global) -> Result<(), CliError> {
    let (home, config) = open(global)?;
    let key = match (&args.holder, args.spki, &args.certificate) {
        (_, Some(key), _) => Some(key),
        (Some(text), ..) => Some(key_of(&home.holder_certificate(&holder(&home, text)?))?),
        (.., Some(path)) => Some(key_of(path)?),
        (None, None, None) => None,
    };
    let own = Described::of_pem(&file(&home.node_certificate())?, &config.network).ok().map(|node| node.spki);
    let calls = key_of(&home.holder_certificate(&caller(&home, &config, global)?))?;
    if key == Some(calls) {
        return Err(CliError::Refused(
            "that is the certificate with which this call is made, so the node would cut the call off: make it with another \
             officer's (entente cert issue --officer NAME, then --as NAME)"
                .into(),
        ));
    }
    let keys = key.iter().map(ToString::to_string).collect();
    let inputs = inputs(keys, args.entering.from.as_deref(), Some(Format::Lines))?;
    let node = Node::connect(global, args.entering.deadline).await.map_err(|error| elsewhere(error, key, &home))?;
    if key.is_some() && key == own {
        say(
            "this is the certificate that the node itself has: partners end its connections now, until it has another one \
             (entente cert renew node)",
        );
    }
    enter(node, inputs, |item| revocation(&item, &args.reason), &args.entering, global).await
}

fn revocation(item: &Item, reason: &str) -> Result<Body, Fault> {
    let fault = || Fault::new("spki", "write the SHA-256 of a public key in 64 lower-case hexadecimal digits");
    let key = Hash::from_hex(&item.target).ok_or_else(fault)?;
    Ok(Body::Revoke(Revoke { spki_sha256: key.0.to_vec(), reason: reason.to_owned() }))
}

/// What to do while no record can be made.
fn elsewhere(error: CliError, key: Option<Hash>, home: &Home) -> CliError {
    match error {
        CliError::Unreachable(why) => CliError::Unreachable(format!(
            "{why}. Nothing was revoked. Until it is, call the partners: each keeps the key out at once by a line in the file \
             `deny` of its node's home directory, as this node does by one in {}{}",
            home.deny().display(),
            key.map(|key| format!(": {key}")).unwrap_or_default()
        )),
        error => error,
    }
}

fn key_of(path: &std::path::Path) -> Result<Hash, CliError> {
    let bytes = file(path)?;
    // Either form: what was found on a stolen machine may be in any.
    let der = CertificateDer::from_pem_slice(&bytes).map_or(bytes, |der| der.to_vec());
    spki_sha256(&der).map_err(|error| CliError::Refused(format!("{}: {error}", path.display())))
}

fn file(path: &std::path::Path) -> Result<Vec<u8>, CliError> {
    read_bounded(path, FILE_BYTES_MAX).map_err(|e| CliError::file(path, "read", &e))
}

fn key(text: &str) -> Result<Hash, String> {
    Hash::from_hex(&text.to_ascii_lowercase()).ok_or_else(|| "write 64 hexadecimal digits".into())
}
