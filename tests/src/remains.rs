//! What nodes leave on their disks: their logs, and what they put their names to.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::{FileExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use entente_node::journal::{Journal, Memory};
use entente_node::store::{Options, SledStore, Store as _};
use entente_proto::entry::Entry;
use entente_proto::hash::Hash;
use entente_proto::ids::{Size, UnitId};
use entente_proto::tree::{MemoryTree, range};

use crate::network::{Network, Node};

/// A node put its name to this: so many entries of a unit's log have this root.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Word {
    /// Who said it.
    pub by: UnitId,
    /// Whose log.
    pub of: UnitId,
    /// How many entries.
    pub size: u64,
    /// Their root.
    pub root: Hash,
}

/// Replays a copy of a node's journal. The node may be running.
#[must_use]
pub fn journal(network: &Network, node: &Node) -> Memory {
    let copy = tempfile::tempdir_in(network.directory()).unwrap();
    let path = copy.path().join("journal");
    fs::copy(node.home.journal(), &path).unwrap();
    Journal::open(&path, network.name(), &node.unit).unwrap().1
}

/// What a node has put its name to last, for each log.
#[must_use]
pub fn words(network: &Network, node: &Node) -> Vec<Word> {
    let memory = journal(network, node);
    let by = &node.unit;
    let word = |of: &UnitId, size: Size, root| Word { by: by.clone(), of: of.clone(), size: size.get(), root };
    let own = memory.checkpoint.iter().map(|own| word(by, own.size, own.root));
    own.chain(memory.cosigned.values().map(|said| word(&said.unit, said.size, said.root))).collect()
}

/// The logs that a stopped node holds.
#[must_use]
pub fn logs(network: &Network, node: &Node) -> BTreeMap<UnitId, Vec<Entry>> {
    let options = Options::new(network.name().clone(), node.unit.clone());
    let store = SledStore::open(&node.home.data(), options).unwrap();
    let read = |unit: UnitId| {
        let size = usize::try_from(store.size(&unit).get()).unwrap();
        let entries = store.entries(&unit, 0, size, usize::MAX).unwrap();
        assert_eq!(entries.len(), size);
        (unit, entries)
    };
    store.units().into_iter().map(read).collect()
}

/// The words that the log which came about in the end contradicts.
#[must_use]
pub fn contradictions(words: &BTreeSet<Word>, logs: &BTreeMap<UnitId, Vec<Entry>>) -> Vec<Word> {
    let mut trees: BTreeMap<&UnitId, MemoryTree> = BTreeMap::new();
    for (unit, entries) in logs {
        trees.insert(unit, entries.iter().map(Entry::leaf_hash).collect());
    }
    let root = |word: &Word| {
        let tree = trees.get(&word.of)?;
        let size = Size::new(word.size).ok().filter(|size| *size <= tree.size())?;
        range(tree, Size::ZERO, size).ok()?.root().ok()
    };
    words.iter().filter(|word| root(word) != Some(word.root)).cloned().collect()
}

/// Lets rot what a stopped node has stored as an entry: one bit of the value that holds it is another one. What is below
/// notices nothing.
pub fn spoil_stored(node: &Node, of: &str, index: u64) {
    let db = sled::Config::new().path(database(node)).segment_size(512 << 10).open().unwrap();
    // As `node/src/store/key.rs` says: a block of entries, by the index of the first.
    let mut key = vec![b'e', u8::try_from(of.len()).unwrap()];
    key.extend(of.as_bytes());
    key.extend((index + 1).to_be_bytes());
    let (key, value) = db.get_lt(key).unwrap().unwrap();
    assert_eq!(key[..2 + of.len()], [&[b'e', u8::try_from(of.len()).unwrap()], of.as_bytes()].concat());
    let mut bytes = value.to_vec();
    let at = bytes.len() / 2;
    bytes[at] ^= 0x10;
    db.insert(key, bytes).unwrap();
    db.flush().unwrap();
}

/// Lets all of a node's database file rot, in its place. The node may be running: what it has in memory stays as it is.
pub fn spoil_file(node: &Node) {
    let path = database(node).join("db");
    let mut bytes = fs::read(&path).unwrap();
    bytes.iter_mut().step_by(64).for_each(|byte| *byte ^= 0x10);
    fs::File::options().write(true).open(&path).unwrap().write_all_at(&bytes, 0).unwrap();
}

/// The directory of the database that counts.
fn database(node: &Node) -> PathBuf {
    let entries = fs::read_dir(node.home.data()).unwrap().map(|entry| entry.unwrap());
    let mut found = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with("g-"));
    found.next().unwrap().path()
}

/// Copies a directory with all that is in it, permissions too.
pub fn copy_directory(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    let mode = fs::metadata(from).unwrap().mode();
    fs::set_permissions(to, fs::Permissions::from_mode(mode)).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let copy = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy_directory(&path, &copy);
        } else {
            fs::copy(&path, &copy).unwrap();
        }
    }
}

/// Puts a copy of a directory in the place of another.
pub fn put_back(copy: &Path, directory: &Path) {
    fs::remove_dir_all(directory).unwrap();
    copy_directory(copy, directory);
}

/// Turns one bit of a file.
pub fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    let byte = bytes.get_mut(at).expect("the file is long enough");
    *byte ^= 0x10;
    fs::write(path, bytes).unwrap();
}
