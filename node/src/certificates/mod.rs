//! The certificates that a node knows of: its own, taken up anew when its files change, and all of whose end it warns.
//!
//! Files are looked at twice a second, and at once on SIGHUP:
//!
//! | files | what a change does |
//! |---|---|
//! | `certs/node.pem`, `keys/node.pem` | the next handshake uses the new certificate; connections that stand are not touched |
//! | `deny` | connections of keys that it names are cut, and none of them comes in again |
//! | `certs/*.pem` | the unit's own people, for `status` and warnings |
//!
//! What cannot be used is told in the log and in `status`, and what was in force before stays in force.

mod deny;
mod expiry;
pub(crate) mod issued;
pub mod pair;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use entente_certs::identity::{Described, Identity};
use entente_certs::members::{RevokedBy, Root};
use entente_certs::tls::Credentials;
use entente_certs::verifier::{Admission, Admits, Refusal, Usage};
use entente_proto::hash::Hash;
use entente_proto::ids::{NetworkName, UnitId};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

pub use deny::denied;
pub use expiry::WARN_DAYS;
pub(crate) use expiry::warning;

use crate::admission::Admissions;
use crate::clock::Clock;
use crate::core::lock;
use crate::files::{Looks, read_bounded};
use crate::home::Home;
use crate::net::TlsTime;

/// Largest certificate file, in bytes.
const FILE_BYTES_MAX: usize = 1 << 20;
/// Most files of people that are looked at.
const FILES_MAX: usize = 1_000;
/// How often the log says again that a certificate is about to end.
const WARN_AGAIN_MS: u64 = 24 * 60 * 60 * 1_000;

/// The certificates that a node knows of.
pub struct Certificates {
    home: Home,
    network: NetworkName,
    unit: UnitId,
    credentials: Credentials,
    admissions: Arc<Admissions>,
    clock: Arc<dyn Clock>,
    seen: Mutex<Seen>,
}

impl std::fmt::Debug for Certificates {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Certificates({})", self.unit)
    }
}

/// What was seen of the files.
#[derive(Default)]
struct Seen {
    pair: Looked<(Looks, Looks)>,
    deny: Looked<Looks>,
    /// The certificates of people, and of the unit's own authority, by their files.
    issued: BTreeMap<PathBuf, (Looks, Result<Issued, String>)>,
    /// When the log last told of a certificate's end.
    warned_ms: BTreeMap<Hash, u64>,
}

/// What a file looked like when it was last read, and what was wrong with it.
#[derive(Default)]
struct Looked<L> {
    looks: L,
    fault: Option<String>,
}

/// A certificate in the home directory.
#[derive(Debug, Clone)]
struct Issued {
    holder: String,
    /// What renews it.
    remedy: String,
    spki: Hash,
    not_after_s: i64,
}

/// A certificate that the node knows of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// Whose it is, such as `BE node`, `BE authority` or `BE officer/anna`.
    pub holder: String,
    /// SHA-256 of its public key.
    pub spki: Hash,
    /// The last second, since 1970, at which it is valid.
    pub not_after_s: i64,
    /// By whom it is revoked, if it is.
    pub revoked: Option<RevokedBy>,
    /// What an operator should know of it, in words.
    pub warning: Option<String>,
}

impl Certificates {
    /// Loads the node's own certificate, which must be of this very unit's node, and looks at the others.
    ///
    /// # Errors
    /// In words: which file cannot be used, and why.
    pub fn open(
        home: Home,
        (network, unit): (NetworkName, UnitId),
        admissions: Arc<Admissions>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, String> {
        let seen = Seen {
            pair: Looked { looks: pair::looks(&home.node_certificate(), &home.node_key()), fault: None },
            deny: Looked { looks: Looks::of(&home.deny()), fault: None },
            ..Seen::default()
        };
        let credentials = load(&home, &network, &unit)?;
        let certificates = Self { home, network, unit, credentials, admissions, clock, seen: Mutex::new(seen) };
        certificates.look(false);
        Ok(certificates)
    }

    /// The node's own certificate; what is taken up later is in it too.
    #[must_use]
    pub fn credentials(&self) -> Credentials {
        self.credentials.clone()
    }

    /// Looks at the files and takes up what changed, or everything once more. May block for a moment.
    pub fn look(&self, everything: bool) {
        let mut seen = lock(&self.seen);
        if everything {
            (seen.pair.looks, seen.deny.looks) = Default::default();
            seen.issued.clear();
        }
        self.look_at_pair(&mut seen.pair);
        self.look_at_deny(&mut seen.deny);
        self.look_at_issued(&mut seen.issued);
        let known = self.all(&seen);
        self.warn(&known, &mut seen.warned_ms);
    }

    fn look_at_pair(&self, seen: &mut Looked<(Looks, Looks)>) {
        let (certificate, key) = (self.home.node_certificate(), self.home.node_key());
        let looks = pair::looks(&certificate, &key);
        // What could not be used may be good by now: its time has come, or a charter gives the unit its authority.
        if looks == seen.looks && seen.fault.is_none() {
            return;
        }
        let loaded = load(&self.home, &self.network, &self.unit).and_then(|new| {
            self.judge(&new).map_err(|refusal| format!("{}: {refusal}", certificate.display()))?;
            Ok(new)
        });
        if pair::looks(&certificate, &key) != looks {
            // They are just being written: the next look sees them whole.
            return;
        }
        seen.looks = looks;
        match loaded {
            Ok(new) => {
                seen.fault = None;
                if new.chain() != self.credentials.chain() {
                    self.credentials.replace(&new);
                    tracing::info!(certificate = %certificate.display(), "took up the node's new certificate");
                }
            }
            Err(why) => {
                let fault = format!("{why}. The certificate before stays in force");
                if seen.fault.as_ref() != Some(&fault) {
                    tracing::error!("{fault}");
                }
                seen.fault = Some(fault);
            }
        }
    }

    /// Whether partners will accept it, as far as this node can tell.
    fn judge(&self, credentials: &Credentials) -> Result<(), Refusal> {
        let own = Admits::Only(Identity::node(self.unit.clone()));
        let (admission, now) = (Admission::new(self.admissions.members(), own), TlsTime(self.clock.clone()).now());
        for usage in [Usage::Server, Usage::Client] {
            admission.verify(&credentials.chain(), usage, now)?;
        }
        Ok(())
    }

    fn look_at_deny(&self, seen: &mut Looked<Looks>) {
        let path = self.home.deny();
        let looks = Looks::of(&path);
        if looks == seen.looks {
            return;
        }
        let read = denied(&path);
        if Looks::of(&path) != looks {
            return;
        }
        seen.looks = looks;
        seen.fault = match read {
            Ok(denied) => {
                tracing::info!(keys = denied.len(), "took up the deny list");
                self.admissions.deny(denied);
                None
            }
            Err(why) => {
                let fault = format!("{why}. The deny list before stays in force");
                tracing::error!("{fault}");
                Some(fault)
            }
        };
    }

    fn look_at_issued(&self, seen: &mut BTreeMap<PathBuf, (Looks, Result<Issued, String>)>) {
        let found = issued_files(&self.home);
        seen.retain(|path, _| found.contains(path));
        for path in found {
            let looks = Looks::of(&path);
            if seen.get(&path).is_some_and(|(before, _)| *before == looks) {
                continue;
            }
            let issued = self.issued(&path).map_err(|why| format!("{}: {why}", path.display()));
            seen.insert(path, (looks, issued));
        }
    }

    fn issued(&self, path: &Path) -> Result<Issued, String> {
        let pem = read_bounded(path, FILE_BYTES_MAX).map_err(|error| error.to_string())?;
        if path == self.home.ca_certificate() {
            let der = CertificateDer::from_pem_slice(&pem).map_err(|_| "it is not a certificate in PEM".to_owned())?;
            let root = Root::parse(&der).map_err(|error| error.to_string())?;
            let remedy = "entente cert renew --ca".to_owned();
            let (spki, not_after_s) = (*root.spki(), root.not_after_s());
            return Ok(Issued { holder: format!("{} authority", self.unit), remedy, spki, not_after_s });
        }
        let described = Described::of_pem(&pem, &self.network).map_err(|error| error.to_string())?;
        let remedy = format!("entente cert renew {}", described.identity.role);
        let (spki, not_after_s) = (described.spki, described.not_after_s);
        Ok(Issued { holder: described.identity.to_string(), remedy, spki, not_after_s })
    }

    /// Every certificate that the node knows of, its own, its unit's, and those of partners on connections that stand; and
    /// what is wrong with the files, in words. The unit's are looked at once more, which may block for a moment.
    #[must_use]
    pub fn known(&self) -> (Vec<Known>, Vec<String>) {
        let mut seen = lock(&self.seen);
        self.look_at_issued(&mut seen.issued);
        let issued = seen.issued.values().filter_map(|(_, issued)| issued.as_ref().err());
        let faults = seen.pair.fault.iter().chain(&seen.deny.fault).chain(issued).cloned().collect();
        (self.all(&seen), faults)
    }

    fn all(&self, seen: &Seen) -> Vec<Known> {
        let mut all: Vec<Known> = self.own().into_iter().collect();
        let issued = seen.issued.values().filter_map(|(_, issued)| issued.as_ref().ok());
        all.extend(issued.map(|issued| {
            self.one(&self.unit, issued.holder.clone(), issued.spki, issued.not_after_s, &issued.remedy)
        }));
        let mut partners = BTreeSet::new();
        for peer in self.admissions.connections().peers() {
            let (unit, spki) = (&peer.identity().unit, peer.holder.spki);
            if *unit != self.unit && partners.insert(spki) {
                let remedy = format!("tell the operators of {unit}");
                all.push(self.one(unit, peer.identity().to_string(), spki, peer.holder.not_after_s, &remedy));
            }
        }
        all
    }

    fn own(&self) -> Option<Known> {
        // A certificate that was taken up can be read.
        let (spki, not_after_s) = (self.credentials.spki().ok()?, self.credentials.not_after_s().ok()?);
        let holder = Identity::node(self.unit.clone()).to_string();
        let mut own = self.one(&self.unit, holder, spki, not_after_s, "entente cert renew node");
        if let Err(refusal) = self.judge(&self.credentials) {
            own.warning = Some(format!("partners do not accept this node: {refusal} (entente cert renew node)"));
        }
        Some(own)
    }

    fn one(&self, unit: &UnitId, holder: String, spki: Hash, not_after_s: i64, remedy: &str) -> Known {
        let revoked = self.admissions.members().current().revoked_by(unit, &spki);
        // Nobody renews what was revoked.
        let warning = if revoked.is_some() { None } else { warning(&holder, self.clock.now_ms(), not_after_s, remedy) };
        Known { holder, spki, not_after_s, revoked, warning }
    }

    fn warn(&self, known: &[Known], warned_ms: &mut BTreeMap<Hash, u64>) {
        let now_ms = self.clock.now_ms();
        warned_ms.retain(|_, at| now_ms.saturating_sub(*at) < WARN_AGAIN_MS);
        for known in known {
            if let (Some(warning), false) = (&known.warning, warned_ms.contains_key(&known.spki)) {
                tracing::warn!(holder = known.holder, "{warning}");
                warned_ms.insert(known.spki, now_ms);
            }
        }
    }
}

/// The certificates of people and of the unit's own authority.
fn issued_files(home: &Home) -> BTreeSet<PathBuf> {
    // A directory that cannot be listed has nothing that could be told of; the node does not need it.
    let entries = std::fs::read_dir(home.certificates()).into_iter().flatten().filter_map(Result::ok);
    let is = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let person = ["officer-", "operator-", "auditor-"].iter().any(|role| name.starts_with(role));
        (person && name.ends_with(".pem")) || *path == home.ca_certificate()
    };
    entries.map(|entry| entry.path()).filter(is).take(FILES_MAX).collect()
}

/// The node's own certificate as its files have it, which must be of this very unit's node.
fn load(home: &Home, network: &NetworkName, unit: &UnitId) -> Result<Credentials, String> {
    let path = home.node_certificate();
    let credentials = pair::load(&path, &home.node_key())?;
    let identity = credentials.identity(network).map_err(|error| format!("{}: {error}", path.display()))?;
    if identity != Identity::node(unit.clone()) {
        return Err(format!("{} is the certificate of {identity}, not of this unit's node", path.display()));
    }
    Ok(credentials)
}
