//! The files of a node's charters: one for each version, and what came that does not count.

use std::io;
use std::sync::Arc;

use entente_proto::hash::Hash;
use entente_proto::ids::{NetworkName, UnitId};
use entente_proto::limits::{CHARTER_BYTES_MAX, UNITS_MAX};
use entente_proto::note::Signer;

use crate::core::Charters;
use crate::files::{create_file, create_private_directory, read_bounded, replace_file};
use crate::home::Home;
use crate::membership::OwnKeys;

/// How many files of evidence are kept: whoever sends nonsense fills no disk.
const EVIDENCE_MAX: usize = 100;
/// And how many more of what shows of a unit for the first time that it broke its word.
const NAMING_MAX: usize = UNITS_MAX;

/// The charters of a home directory.
#[derive(Debug)]
pub struct CharterFiles {
    home: Home,
    network: NetworkName,
    unit: UnitId,
}

impl CharterFiles {
    /// Those of this home directory, which belongs to this unit.
    #[must_use]
    pub const fn new(home: Home, network: NetworkName, unit: UnitId) -> Self {
        Self { home, network, unit }
    }
}

impl Charters for CharterFiles {
    fn store(&self, refounded: u32, version: u32, note: &[u8]) -> Result<(), String> {
        let path = self.home.charter_since(refounded, version);
        replace_file(&path, note, 0o600).map_err(|error| format!("{}: {error}", path.display()))
    }

    fn keep_evidence(&self, note: &[u8], names: bool) -> Result<String, String> {
        let directory = self.home.charter_evidence();
        let words = |error: io::Error| format!("{}: {error}", directory.display());
        match create_private_directory(&directory) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(words(error)),
            _ => {}
        }
        let path = directory.join(format!("{}.note", Hash::of(note)));
        let room = if names { EVIDENCE_MAX.saturating_add(NAMING_MAX) } else { EVIDENCE_MAX };
        if std::fs::read_dir(&directory).map_err(words)?.count() >= room {
            return Err(format!("{} holds {room} files already", directory.display()));
        }
        match create_file(&path, note, 0o600) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(words(error)),
            _ => Ok(path.display().to_string()),
        }
    }

    fn evidence(&self) -> Vec<(String, Vec<u8>)> {
        let entries = std::fs::read_dir(self.home.charter_evidence()).into_iter().flatten().filter_map(Result::ok);
        let mut paths: Vec<_> = entries.map(|entry| entry.path()).collect();
        paths.sort();
        let read = |path: std::path::PathBuf| {
            let note = read_bounded(&path, CHARTER_BYTES_MAX).ok()?;
            Some((path.display().to_string(), note))
        };
        // One that cannot be read is evidence of nothing.
        paths.into_iter().take(EVIDENCE_MAX.saturating_add(NAMING_MAX)).filter_map(read).collect()
    }

    fn signers(&self) -> Result<Vec<Arc<dyn Signer>>, String> {
        let keys = OwnKeys::load(&self.home, &self.network, &self.unit).map_err(|error| error.to_string())?;
        Ok(keys.into_signers())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evidence_is_kept_once_and_not_without_end() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::at(dir.path());
        create_private_directory(&home.charters()).unwrap();
        let files = CharterFiles::new(home.clone(), "takedown.example".parse().unwrap(), "BE".parse().unwrap());
        for number in 0..EVIDENCE_MAX + 5 {
            let kept = files.keep_evidence(number.to_string().as_bytes(), false);
            assert_eq!(kept.is_ok(), number < EVIDENCE_MAX);
        }
        assert_eq!(std::fs::read_dir(home.charter_evidence()).unwrap().count(), EVIDENCE_MAX);
        // What names a unit for the first time finds its room all the same, and that ends too.
        for number in 0..NAMING_MAX + 5 {
            let kept = files.keep_evidence(format!("signed twice {number}").as_bytes(), true);
            assert_eq!(kept.is_ok(), number < NAMING_MAX);
        }
        assert_eq!(files.evidence().len(), EVIDENCE_MAX + NAMING_MAX);
        files.store(0, 2, b"two").unwrap();
        files.store(1, 2, b"anew").unwrap();
        assert_eq!(std::fs::read(home.charter(2)).unwrap(), b"two");
    }
}
