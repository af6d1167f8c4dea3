//! What units revoked, in a file of its own: a database that is lost and rebuilt must not let anybody back in meanwhile.

use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use entente_proto::hash::Hash;
use entente_proto::ids::UnitId;

use crate::files::{read_bounded, replace_file};

/// Longest file, in bytes: 700,000 revocations.
const BYTES_MAX: usize = 64 << 20;

/// The file `revoked`: a line `<unit> <SHA-256 of the public key>` each.
#[derive(Debug)]
pub struct Kept(PathBuf);

impl Kept {
    /// Reads the file, and adds what the database has beside it. A line that cannot be read, as a power loss leaves one, is
    /// dropped: the database or the partners have it.
    ///
    /// # Errors
    /// What the file system says.
    pub fn open(
        path: PathBuf,
        stored: impl IntoIterator<Item = (UnitId, Hash)>,
    ) -> io::Result<(Self, BTreeSet<(UnitId, Hash)>)> {
        let bytes = bytes(&path)?;
        let mut known = parse(&bytes);
        known.extend(stored);
        let whole: String = known.iter().map(|(unit, key)| format!("{unit} {key}\n")).collect();
        // One that is not there yet is made now, too: later lines are added to it.
        if whole.as_bytes() != bytes || !path.try_exists()? {
            replace_file(&path, whole.as_bytes(), 0o600)?;
        }
        Ok((Self(path), known))
    }

    /// What the file of a home directory says, whose node may be at work.
    ///
    /// # Errors
    /// What the file system says.
    pub fn read(path: &Path) -> io::Result<BTreeSet<(UnitId, Hash)>> {
        bytes(path).map(|bytes| parse(&bytes))
    }

    /// Adds keys, durably.
    ///
    /// # Errors
    /// What the file system says.
    pub fn add(&self, unit: &UnitId, keys: &[Hash]) -> io::Result<()> {
        let lines: String = keys.iter().map(|key| format!("{unit} {key}\n")).collect();
        let mut file = OpenOptions::new().append(true).open(&self.0)?;
        file.write_all(lines.as_bytes())?;
        file.sync_data()
    }
}

fn bytes(path: &Path) -> io::Result<Vec<u8>> {
    match read_bounded(path, BYTES_MAX) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        read => read,
    }
}

fn parse(bytes: &[u8]) -> BTreeSet<(UnitId, Hash)> {
    let line = |line: &str| {
        let (unit, key) = line.split_once(' ')?;
        Some((unit.parse().ok()?, Hash::from_hex(key)?))
    };
    String::from_utf8_lossy(bytes).lines().filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_revoked_is_known_without_the_database_and_a_torn_line_is_dropped() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("revoked");
        let (be, fr): (UnitId, UnitId) = ("BE".parse().unwrap(), "FR".parse().unwrap());
        let keys = [Hash::of(b"1"), Hash::of(b"2"), Hash::of(b"3")];
        let (kept, known) = Kept::open(path.clone(), [(be.clone(), keys[0])]).unwrap();
        assert_eq!(known.len(), 1);
        kept.add(&fr, &keys[1..]).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, &text[..text.len() - 5]).unwrap();
        let (_, known) = Kept::open(path.clone(), []).unwrap();
        assert!(known.contains(&(be, keys[0])) && known.len() == 2, "{known:?}");
        assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 2);
    }

    #[test]
    fn the_first_key_is_kept_where_no_file_was_before() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("revoked");
        let (kept, known) = Kept::open(path.clone(), []).unwrap();
        assert!(known.is_empty());
        let (be, key) = ("BE".parse::<UnitId>().unwrap(), Hash::of(b"1"));
        kept.add(&be, &[key]).unwrap();
        assert_eq!(Kept::read(&path).unwrap(), BTreeSet::from([(be, key)]));
    }
}
