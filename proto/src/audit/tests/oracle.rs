//! An export against `signed_note` and `tlog_tiles`, ports of Go's `golang.org/x/mod/sumdb`: what they make of the files, with
//! nothing of ours in between.

use std::cell::RefCell;

use signed_note::{Note, StandardVerifier, VerifierList};
use tlog_tiles::{Error, Hash, Tile, TileHashReader, TileReader};

use super::world::{ENTRIES, InMemory, UNITS, World};

/// Tiles of a log, by the paths that `tlog_tiles` gives them.
struct Tiles<'a> {
    files: &'a InMemory,
    log: String,
    read: RefCell<Vec<String>>,
}

impl TileReader for Tiles<'_> {
    fn height(&self) -> u8 {
        8
    }

    fn read_tiles(&self, tiles: &[Tile]) -> Result<Vec<Vec<u8>>, Error> {
        let read = |tile: &Tile| {
            // C2SP drops the height, which is always 8.
            let path = format!("{}/{}", self.log, tile.path().replacen("tile/8/", "tile/", 1));
            self.read.borrow_mut().push(path.clone());
            self.files.0[&path].clone()
        };
        Ok(tiles.iter().map(read).collect())
    }

    fn save_tiles(&self, _tiles: &[Tile], _data: &[Vec<u8>]) {}
}

#[test]
fn checkpoint_cosignatures_and_tiles_verify_with_theirs() {
    let files = World::new().export();
    for unit in UNITS {
        let log = format!("logs/{unit}");
        let text = |name: &str| String::from_utf8(files.0[&format!("{log}/{name}")].clone()).unwrap();
        let key = StandardVerifier::new(text("log.vkey").trim_end()).unwrap();
        let note = Note::from_bytes(text("checkpoint").as_bytes()).unwrap();
        let (verified, others) = note.verify(&VerifierList::new(vec![Box::new(key)])).unwrap();
        assert_eq!((verified.len(), others.len()), (1, UNITS.len() - 1));
        let named: Vec<String> =
            text("witness.vkeys").lines().map(|line| line.split('+').next().unwrap().into()).collect();
        let signed: Vec<String> = others.iter().map(|line| line.name().to_owned()).collect();
        assert_eq!(signed, named);

        let checkpoint = tlog_tiles::Checkpoint::from_bytes(note.text()).unwrap();
        assert_eq!(checkpoint.size(), ENTRIES);
        let tiles = Tiles { files: &files, log: log.clone(), read: RefCell::default() };
        let reader = TileHashReader::new(ENTRIES, *checkpoint.hash(), &tiles);
        let leaves = leaves(&files, &log);
        assert_eq!(leaves.len() as u64, ENTRIES);
        // Their reader authenticates every tile against the root before it gives a hash.
        for (index, leaf) in (0..ENTRIES).zip(&leaves) {
            let proof = tlog_tiles::prove_record(ENTRIES, index, &reader).unwrap();
            let hash: Hash = tlog_tiles::record_hash(leaf);
            tlog_tiles::check_record(&proof, ENTRIES, *checkpoint.hash(), index, hash).unwrap();
        }
        assert!(tiles.read.borrow().iter().any(|path| path.contains("/tile/1/000.p/1")));
    }
}

fn leaves(files: &InMemory, log: &str) -> Vec<Vec<u8>> {
    let mut leaves = Vec::new();
    for bundle in ["000", "001.p/6"] {
        let mut rest = files.0[&format!("{log}/tile/entries/{bundle}")].as_slice();
        while let Some((length, after)) = rest.split_first_chunk::<2>() {
            let (leaf, after) = after.split_at(u16::from_be_bytes(*length).into());
            leaves.push(leaf.to_vec());
            rest = after;
        }
    }
    leaves
}
