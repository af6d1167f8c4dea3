//! What makes a home directory a member: its own keys, the charter that names them, and which text it has signed.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use entente_certs::keyfile::KeyFileError;
use entente_certs::members::{Members, MembersError};
use entente_certs::signer::KeyFileSigner;
use entente_proto::charter::{Charter, CharterChain, CharterError, Terms, Unit, UnverifiedCharter};
use entente_proto::hash::Hash;
use entente_proto::ids::{NetworkName, UnitId};
use entente_proto::limits::CHARTER_BYTES_MAX;
use entente_proto::note::{Algorithm, KeyName, Signer, VerifierKey};

use crate::files::read_bounded;
use crate::home::Home;
use crate::signing::Signed;

/// A home directory and a charter do not go together.
#[derive(Debug, thiserror::Error)]
pub enum MembershipError {
    /// A key file.
    #[error(transparent)]
    KeyFile(#[from] KeyFileError),
    /// A file that cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What happened.
        source: io::Error,
    },
    /// A charter or unit description that does not hold.
    #[error("{}: {fault}", path.display())]
    Text {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        fault: CharterError,
    },
    /// A CA certificate in the charter that no certificate could be verified with.
    #[error(transparent)]
    Members(#[from] MembersError),
    /// There is no charter in the home directory.
    #[error("{} has no charter yet: found a network with `entente charter new`, `sign` and `adopt`", .0.display())]
    NoCharter(PathBuf),
    /// The charter is that of another network.
    #[error("the charter founds the network {found}, and this home directory belongs to {expected}")]
    OtherNetwork {
        /// The charter's network.
        found: NetworkName,
        /// The home directory's.
        expected: NetworkName,
    },
    /// The charter does not list the unit.
    #[error("the charter does not list the unit {0}, to which this home directory belongs")]
    NotListed(UnitId),
    /// The charter names another key than the home directory has.
    #[error(
        "the charter names {named} as the {role} key, and this home directory has {own}: whoever composed it had \
         another unit.toml; compose it anew from {}",
        description.display()
    )]
    OtherKey {
        /// `charter`, `log` or `mirror`.
        role: &'static str,
        /// The charter's key.
        named: String,
        /// The own key.
        own: String,
        /// The own `unit.toml`.
        description: PathBuf,
    },
    /// A witness key that is another key as well.
    #[error("{} holds the same key as one that the charter names: a witness has a key of its own; remove the file, and make one with `entente witness key --renew`", .0.display())]
    WitnessKey(PathBuf),
    /// The charter does not give the unit its own CA.
    #[error("the charter does not give {unit} the CA of this home directory ({}): compose it anew from {}", certificate.display(), description.display())]
    OtherCa {
        /// The unit.
        unit: UnitId,
        /// The own CA certificate.
        certificate: PathBuf,
        /// The own `unit.toml`.
        description: PathBuf,
    },
}

/// The keys of a home directory that sign. The charter key may be kept elsewhere.
pub struct OwnKeys {
    /// The first charter key, if it is here.
    pub charter: Option<KeyFileSigner>,
    /// The first log key.
    pub log: KeyFileSigner,
    /// The first mirror key.
    pub mirror: KeyFileSigner,
    /// Keys of all roles that were made since, to replace those before.
    renewed: Vec<KeyFileSigner>,
    /// The CA certificate: DER.
    ca: Vec<u8>,
    certificate: PathBuf,
    description: PathBuf,
}

impl OwnKeys {
    /// Loads them.
    ///
    /// # Errors
    /// A file that is missing (the charter key alone may be), damaged, of another unit or too open.
    pub fn load(home: &Home, network: &NetworkName, unit: &UnitId) -> Result<Self, MembershipError> {
        let log = KeyFileSigner::load_as(&home.log_key(), &KeyName::log(network, unit), Algorithm::Ed25519)?;
        let mirror =
            KeyFileSigner::load_as(&home.mirror_key(), &KeyName::mirror(network, unit), Algorithm::Cosignature)?;
        let name = KeyName::charter(network, unit);
        let charter = match KeyFileSigner::load_as(&home.charter_key(), &name, Algorithm::Ed25519) {
            Ok(signer) => Some(signer),
            Err(KeyFileError::Missing(_)) => None,
            Err(error) => return Err(error.into()),
        };
        let mut renewed = Vec::new();
        for (role, name, algorithm) in [
            ("charter", name, Algorithm::Ed25519),
            ("log", KeyName::log(network, unit), Algorithm::Ed25519),
            ("mirror", KeyName::mirror(network, unit), Algorithm::Cosignature),
        ] {
            let first = home.keys().join(format!("{role}.key"));
            for path in home.key_files(role).into_iter().filter(|path| *path != first) {
                renewed.push(KeyFileSigner::load_as(&path, &name, algorithm)?);
            }
        }
        let description = home.unit_description();
        let certificate = home.ca_certificate();
        let ca = der_of_pem(&certificate)?;
        Ok(Self { charter, log, mirror, renewed, ca, certificate, description })
    }

    /// The keys that are here.
    #[must_use]
    pub fn signers(&self) -> Vec<&dyn Signer> {
        let charter = self.charter.iter().map(|key| key as &dyn Signer);
        let first = charter.chain([&self.log as &dyn Signer, &self.mirror]);
        first.chain(self.renewed.iter().map(|key| key as &dyn Signer)).collect()
    }

    /// The keys that are here, for a node.
    #[must_use]
    pub fn into_signers(self) -> Vec<Arc<dyn Signer>> {
        let all = self.charter.into_iter().chain([self.log, self.mirror]).chain(self.renewed);
        all.map(|key| Arc::new(key) as Arc<dyn Signer>).collect()
    }

    /// Checks that a charter names these very keys and this CA for this unit, and returns its entry.
    ///
    /// # Errors
    /// The first difference.
    pub fn check<'a>(
        &self,
        terms: &'a Terms,
        network: &NetworkName,
        unit: &UnitId,
    ) -> Result<&'a Unit, MembershipError> {
        if terms.network != *network {
            return Err(MembershipError::OtherNetwork { found: terms.network.clone(), expected: network.clone() });
        }
        let listed = terms.units.get(unit).ok_or_else(|| MembershipError::NotListed(unit.clone()))?;
        let keys: Vec<&VerifierKey> = self.signers().into_iter().map(Signer::key).collect();
        let roles = [("charter", &listed.charter_key), ("log", &listed.log_key), ("mirror", &listed.mirror_key)];
        for (role, named) in roles {
            let own = keys.iter().rev().find(|key| key.name() == named.name());
            // A charter key may be kept elsewhere.
            if let Some(own) = own
                && !keys.contains(&named)
            {
                let (named, own) = (named.to_string(), own.to_string());
                return Err(MembershipError::OtherKey { role, named, own, description: self.description.clone() });
            }
        }
        if !listed.ca.contains(&self.ca) {
            return Err(MembershipError::OtherCa {
                unit: unit.clone(),
                certificate: self.certificate.clone(),
                description: self.description.clone(),
            });
        }
        Ok(listed)
    }
}

/// The keys of a home directory that witness the logs of others, from the first made to the newest. None of them may be one
/// of the other keys: a cosignature by a mirror key says that the log is held.
///
/// # Errors
/// A file that is damaged, of another unit or too open; [`MembershipError::WitnessKey`].
pub fn witness_keys(
    home: &Home,
    network: &NetworkName,
    unit: &UnitId,
    own: &OwnKeys,
) -> Result<Vec<Arc<dyn Signer>>, MembershipError> {
    let name = KeyName::witness(network, unit);
    let mut keys: Vec<Arc<dyn Signer>> = Vec::new();
    for path in home.key_files("witness") {
        let signer = KeyFileSigner::load_as(&path, &name, Algorithm::Cosignature)?;
        if own.signers().iter().any(|other| other.key().public() == signer.key().public()) {
            return Err(MembershipError::WitnessKey(path));
        }
        keys.push(Arc::new(signer));
    }
    Ok(keys)
}

/// The newest charter that a home directory has taken up, verified anew with all versions before it.
///
/// # Errors
/// [`MembershipError::NoCharter`]; a file that cannot be read or does not hold.
pub fn load_charter(home: &Home) -> Result<Charter, MembershipError> {
    Ok(load_charters(home)?.newest().as_ref().clone())
}

/// All versions of the charter that a home directory has taken up, each verified under those before it.
///
/// # Errors
/// [`MembershipError::NoCharter`]; a file that cannot be read or does not hold.
pub fn load_charters(home: &Home) -> Result<CharterChain, MembershipError> {
    load_charters_in(&home.charters(), Lines::Any)?
        .ok_or_else(|| MembershipError::NoCharter(home.directory().to_owned()))
}

/// As [`load_charters`], of a home directory or of any directory that holds them as `1.note`, `2.note` and so on.
///
/// # Errors
/// As there.
pub fn load_charters_of(directory: &Path) -> Result<CharterChain, MembershipError> {
    load_charters_at(directory, Lines::Any)
}

/// Which signature lines a charter's file may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lines {
    /// Those that count, and others, which are ignored.
    Any,
    /// Those that count.
    AccountedFor,
}

impl Lines {
    /// Checks those of a charter that was found to count.
    fn check(self, charter: &Charter, path: &Path) -> Result<(), MembershipError> {
        if self == Self::Any {
            return Ok(());
        }
        charter.written_as(&read(path)?).map_err(|fault| MembershipError::Text { path: path.to_owned(), fault })
    }
}

fn load_charters_at(directory: &Path, lines: Lines) -> Result<CharterChain, MembershipError> {
    let charters = match load_charters_in(&Home::at(directory).charters(), lines)? {
        Some(charters) => Some(charters),
        None => load_charters_in(directory, lines)?,
    };
    charters.ok_or_else(|| MembershipError::NoCharter(directory.to_owned()))
}

fn load_charters_in(directory: &Path, lines: Lines) -> Result<Option<CharterChain>, MembershipError> {
    let is_there =
        |path: &PathBuf| path.try_exists().map_err(|source| MembershipError::Io { path: path.clone(), source });
    let path = directory.join("1.note");
    if !is_there(&path)? {
        return Ok(None);
    }
    let at = |path: &Path| {
        let path = path.to_owned();
        move |fault| MembershipError::Text { path, fault }
    };
    let first = read_charter(&path)?.verify_first().map_err(at(&path))?;
    let mut charters = CharterChain::found(first).map_err(at(&path))?;
    lines.check(charters.newest(), &path)?;
    let home = |refounded: u32, version: u32| match refounded {
        0 => directory.join(format!("{version}.note")),
        _ => directory.join(format!("r{refounded}-{version}.note")),
    };
    loop {
        let (refounded, newest) = (charters.refounded(), charters.newest().version());
        let next = [home(refounded, newest.saturating_add(1)), home(refounded.saturating_add(1), 1)];
        let mut found = false;
        for path in next {
            if !found && is_there(&path)? {
                charters.follow(read_charter(&path)?).map_err(at(&path))?;
                lines.check(charters.newest(), &path)?;
                found = true;
            }
        }
        if !found {
            return Ok(Some(charters));
        }
    }
}

/// All versions of a charter, from the first on, in files of any name: each verified under those before it. Or one directory,
/// as for [`load_charters_of`]. For whoever verifies what others gave it: no signature line may stand there that does not count.
///
/// # Errors
/// As [`load_charters`].
pub fn read_charters(files: &[PathBuf]) -> Result<CharterChain, MembershipError> {
    let at = |path: &Path| {
        let path = path.to_owned();
        move |fault| MembershipError::Text { path, fault }
    };
    let (first, later) = match files {
        [directory] if directory.is_dir() => return load_charters_at(directory, Lines::AccountedFor),
        [first, later @ ..] => (first, later),
        [] => return Err(MembershipError::NoCharter(PathBuf::new())),
    };
    let founded = read_charter(first)?.verify_first().map_err(at(first))?;
    let mut charters = CharterChain::found(founded).map_err(at(first))?;
    Lines::AccountedFor.check(charters.newest(), first)?;
    for path in later {
        charters.follow(read_charter(path)?).map_err(at(path))?;
        Lines::AccountedFor.check(charters.newest(), path)?;
    }
    Ok(charters)
}

/// Checks that a node with these keys may run under these charters: that the newest names them, or for a unit that left the
/// last one that lists it.
///
/// # Errors
/// As [`OwnKeys::check`].
pub fn check_member(
    keys: &OwnKeys,
    charters: &CharterChain,
    network: &NetworkName,
    unit: &UnitId,
) -> Result<(), MembershipError> {
    let last = charters.all().rev().find(|charter| charter.unit(unit).is_some());
    keys.check(last.unwrap_or(charters.newest()).terms(), network, unit).map(|_| ())
}

/// A charter in a file, as far as it is signed.
///
/// # Errors
/// A file that cannot be read or does not hold.
pub fn read_charter(path: &Path) -> Result<UnverifiedCharter, MembershipError> {
    UnverifiedCharter::parse(&read(path)?).map_err(|fault| MembershipError::Text { path: path.to_owned(), fault })
}

/// Who may connect under a charter, but for the public keys that the node itself denies. The protocol does not look into the
/// CA certificates; this does, so it is asked before anything is signed.
///
/// # Errors
/// A CA certificate that is none, or whose key stands with two units.
pub fn members(terms: &Terms, denied: &BTreeSet<Hash>) -> Result<Members, MembershipError> {
    Ok(members_of(std::slice::from_ref(terms), denied)?)
}

/// Checks the CA certificates of a next version beside those of all versions before it, some of which stay admitted for a
/// while: so that a charter which everybody signs can be used by everybody's listeners.
///
/// # Errors
/// As [`members`], also across the versions.
pub fn check_authorities(charters: &CharterChain, next: &Terms) -> Result<(), MembershipError> {
    let all = charters.all().map(|charter| charter.terms().clone());
    let all: Vec<Terms> = all.chain(std::iter::once(next.clone())).collect();
    members_of(&all, &BTreeSet::new())?;
    Ok(())
}

/// As [`members`], where several charters are in force at once: the units of each are members, and what any of them revokes
/// is revoked.
///
/// # Errors
/// As [`members`], also across the charters, and [`MembersError::NoCharter`].
pub fn members_of(terms: &[Terms], denied: &BTreeSet<Hash>) -> Result<Members, MembersError> {
    let Some(network) = terms.first().map(|terms| terms.network.clone()) else { return Err(MembersError::NoCharter) };
    let units = terms.iter().flat_map(|terms| terms.units.values()).map(|unit| (unit.id.clone(), unit.ca.as_slice()));
    let revoked = terms.iter().flat_map(|terms| &terms.revoked).copied().collect();
    Ok(Members::new(network, units, revoked)?.denying(denied.clone()))
}

/// A file of at most the size of a charter.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, MembershipError> {
    read_bounded(path, CHARTER_BYTES_MAX).map_err(|source| MembershipError::Io { path: path.to_owned(), source })
}

/// The first certificate of a file: DER.
pub(crate) fn der_of_pem(path: &Path) -> Result<Vec<u8>, MembershipError> {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject;
    let bytes = read(path)?;
    let certificate = CertificateDer::from_pem_slice(&bytes).map_err(|_| MembershipError::Io {
        path: path.to_owned(),
        source: io::Error::new(io::ErrorKind::InvalidData, "it is not a PEM certificate; restore it from a backup"),
    })?;
    Ok(certificate.to_vec())
}

/// The record, in a directory that holds a charter key and no journal, of which text was signed for which version: a line
/// `<number> <digest>` each, with the number of its [place](crate::signing::Place).
#[derive(Debug)]
pub struct SignedVersions {
    path: PathBuf,
    versions: Signed,
}

/// The record of signed versions cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SignedVersionsError {
    /// The file system's words.
    #[error("cannot use {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What happened.
        source: io::Error,
    },
    /// It is not what was written.
    #[error("line {line} of {} is not a version and a digest: the file is damaged; restore it from a backup, for without it this key could sign two texts for one version", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// Another text was signed for this version.
    #[error(
        "this key has signed another text for version {version} already (digest {before}): one text a version, ever"
    )]
    Other {
        /// The version.
        version: u64,
        /// The digest of the text that was signed.
        before: Hash,
    },
}

impl SignedVersions {
    /// Reads the record; an absent one is empty.
    ///
    /// # Errors
    /// [`SignedVersionsError::Io`], [`SignedVersionsError::Damaged`].
    pub fn load(path: PathBuf) -> Result<Self, SignedVersionsError> {
        let bytes = match read_bounded(&path, CHARTER_BYTES_MAX) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(source) => return Err(SignedVersionsError::Io { path, source }),
        };
        let mut versions = BTreeMap::new();
        for (index, line) in bytes.split_inclusive(|byte| *byte == b'\n').enumerate() {
            let parsed = std::str::from_utf8(line).ok().and_then(|line| {
                let (version, digest) = line.strip_suffix('\n')?.split_once(' ')?;
                Some((version.parse().ok()?, Hash::from_hex(digest)?))
            });
            match parsed {
                Some((version, digest)) if !versions.contains_key(&version) => _ = versions.insert(version, digest),
                _ => return Err(SignedVersionsError::Damaged { path, line: index + 1 }),
            }
        }
        Ok(Self { path, versions })
    }

    /// What was signed.
    #[must_use]
    pub const fn signed(&self) -> &Signed {
        &self.versions
    }

    /// Notes that this text is signed for this version; durable when it returns. The same text again is fine.
    ///
    /// # Errors
    /// [`SignedVersionsError::Other`]; what the file system says.
    pub fn note(&mut self, version: u64, digest: Hash) -> Result<(), SignedVersionsError> {
        match self.versions.get(&version) {
            Some(before) if *before == digest => return Ok(()),
            Some(before) => return Err(SignedVersionsError::Other { version, before: *before }),
            None => {}
        }
        self.versions.insert(version, digest);
        let text: String = self.versions.iter().map(|(version, digest)| format!("{version} {digest}\n")).collect();
        crate::files::replace_file(&self.path, text.as_bytes(), 0o600)
            .map_err(|source| SignedVersionsError::Io { path: self.path.clone(), source })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_signs_one_text_a_version_across_restarts() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("signed");
        let (one, other) = (Hash::of(b"one"), Hash::of(b"other"));
        let mut record = SignedVersions::load(path.clone()).unwrap();
        record.note(1, one).unwrap();
        record.note(1, one).unwrap();
        let mut record = SignedVersions::load(path).unwrap();
        assert!(
            matches!(record.note(1, other), Err(SignedVersionsError::Other { version: 1, before }) if before == one)
        );
        record.note(2, other).unwrap();
    }

    #[test]
    fn a_damaged_record_of_signed_versions_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("signed");
        let line = format!("1 {}\n", Hash::of(b"x"));
        for bad in ["1\n", "x y\n", &line.replace("1 ", "1  "), line.trim_end(), &line.repeat(2), "\n"] {
            std::fs::write(&path, bad).unwrap();
            assert!(matches!(SignedVersions::load(path.clone()), Err(SignedVersionsError::Damaged { .. })), "{bad:?}");
        }
    }
}
