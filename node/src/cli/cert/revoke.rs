//! `entente cert revoke`: a `Revoke` record.

use std::collections::BTreeSet;
use std::path::PathBuf;

use entente_certs::identity::{Described, Role, moment, spki_sha256};
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
use super::{FILE_BYTES_MAX, holder, nobody, one_of, open};
use crate::certificates::issued;
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
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
/// A name ends every certificate of its holder that this home directory gave out and that is good still: those before a
/// `cert renew`, too. `--spki` ends a single one.
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
    let keys = keys(&args, &home, &config)?;
    let own = Described::of_pem(&file(&home.node_certificate())?, &config.network).ok().map(|node| node.spki);
    let calls = key_of(&home.holder_certificate(&caller(&home, &config, global)?))?;
    if keys.contains(&calls) {
        return Err(CliError::Refused(
            "that is the certificate with which this call is made, so the node would cut the call off: make it with another \
             officer's (entente cert issue --officer NAME, then --as NAME)"
                .into(),
        ));
    }
    let named = keys.iter().map(ToString::to_string).collect();
    let inputs = inputs(named, args.entering.from.as_deref(), Some(Format::Lines))?;
    let node = Node::connect(global, args.entering.deadline).await.map_err(|error| elsewhere(error, &keys, &home))?;
    if own.is_some_and(|own| keys.contains(&own)) {
        say(
            "this is the certificate that the node itself has: partners end its connections now, until it has another one \
             (entente cert renew node)",
        );
    }
    enter(node, inputs, |item| revocation(&item, &args.reason), &args.entering, global).await
}

/// The public keys that are named.
fn keys(args: &Args, home: &Home, config: &Config) -> Result<Vec<Hash>, CliError> {
    match (&args.holder, args.spki, &args.certificate) {
        (_, Some(key), _) => Ok(vec![key]),
        (Some(holder), ..) => keys_of(holder, home, config),
        (.., Some(path)) => Ok(vec![key_of(path)?]),
        (None, None, None) => Ok(Vec::new()),
    }
}

/// Those of every certificate of a holder that is good still, each told of.
fn keys_of(text: &str, home: &Home, config: &Config) -> Result<Vec<Hash>, CliError> {
    let given = issued::given(home, &config.network)
        .map_err(|why| CliError::Refused(format!("{why}. A single key is revoked with --spki")))?;
    let role = if text == "node" || text.contains('/') {
        holder(home, text)?
    } else {
        // Whoever has given the files away is known by what was given out.
        let known: BTreeSet<&Role> = given.iter().map(|given| &given.role).filter(|role| name(role) == text).collect();
        one_of(known.into_iter().cloned()).unwrap_or_else(|| Err(nobody(home, text)))?
    };
    let now_s = i64::try_from(SystemClock.now_ms() / 1_000).unwrap_or(i64::MAX);
    let (good, ended): (Vec<_>, Vec<_>) =
        given.into_iter().filter(|given| given.role == role).partition(|given| given.not_after_s >= now_s);
    if good.is_empty() {
        return Err(match ended.is_empty() {
            true => nobody(home, role),
            false => CliError::Refused(format!(
                "every certificate of {role} that this home directory gave out has expired, so there is nothing to revoke"
            )),
        });
    }
    for given in &good {
        say(format_args!("{role}: {}, good until {}", given.spki, moment(given.not_after_s)));
    }
    Ok(good.into_iter().map(|given| given.spki).collect())
}

fn name(role: &Role) -> &str {
    match role {
        Role::Node => "node",
        Role::Officer(name) | Role::Operator(name) | Role::Auditor(name) => name,
    }
}

fn revocation(item: &Item, reason: &str) -> Result<Body, Fault> {
    let fault = || Fault::new("spki", "write the SHA-256 of a public key in 64 lower-case hexadecimal digits");
    let key = Hash::from_hex(&item.target).ok_or_else(fault)?;
    Ok(Body::Revoke(Revoke { spki_sha256: key.0.to_vec(), reason: reason.to_owned() }))
}

/// What to do while no record can be made.
fn elsewhere(error: CliError, keys: &[Hash], home: &Home) -> CliError {
    let named: Vec<String> = keys.iter().map(ToString::to_string).collect();
    match error {
        CliError::Unreachable(why) => CliError::Unreachable(format!(
            "{why}. Nothing was revoked. Until it is, call the partners: each keeps the key out at once by a line in the file \
             `deny` of its node's home directory, as this node does by one in {}{}{}",
            home.deny().display(),
            if named.is_empty() { "" } else { ": " },
            named.join(", ")
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
