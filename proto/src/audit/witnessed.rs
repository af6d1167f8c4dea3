//! The words of [witnesses](crate::witness) from outside on a log.
//!
//! The author's node asks them, so its own log has them, in its own exports. A witness holds nothing, so its word may stand
//! at a smaller size than the newest checkpoint: that the log extends it is what is checked here.

use std::collections::BTreeSet;

use crate::audit::log::{Register, VerifiedLog};
use crate::audit::{Fault, Files, layout};
use crate::charter::CharterChain;
use crate::hash::Hash;
use crate::ids::{Size, UnitId};
use crate::limits::NOTE_BYTES_MAX;
use crate::note::{Algorithm, VerifierKey};
use crate::witness::WitnessedCheckpoint;

/// What a witness from outside says of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedWitness {
    /// The witness. Whether it can be trusted, only the auditor can say.
    pub key: VerifierKey,
    /// Up to which size it saw one history.
    pub size: Size,
    /// As of when, Unix seconds by its clock.
    pub time: u64,
}

/// The files with the words of witnesses on a unit's log: path and bytes.
pub fn witnessed_files(unit: &UnitId, words: &[WitnessedCheckpoint]) -> impl Iterator<Item = (String, Vec<u8>)> {
    words.iter().flat_map(move |word| {
        let id = layout::key_id(word.witness());
        let key = format!("{}\n", word.witness()).into_bytes();
        [(layout::witnessed(unit, &id), word.to_note()), (layout::witnessed_key(unit, &id), key)]
    })
}

/// Whether any charter gives this key, under whatever name, to a unit: it is no witness's from outside then. A cosignature
/// does not name its signer, so one by a key of the network could be passed off as a witness's.
#[must_use]
pub fn is_of_network(charters: &CharterChain, key: &VerifierKey) -> bool {
    let units = charters.all().flat_map(|charter| charter.terms().units.values());
    let mut keys = units.flat_map(|unit| [&unit.charter_key, &unit.log_key, &unit.mirror_key]);
    keys.any(|of_network| of_network.public() == key.public())
}

/// The key ids in the names of a log's files of this kind.
pub(super) fn ids<'a>(paths: impl Iterator<Item = &'a String>, unit: &UnitId) -> BTreeSet<String> {
    let before = layout::witnessed_in(unit);
    let of = |path: &String| {
        let (id, _) = path.strip_prefix(before.as_str())?.split_once('/')?;
        let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        (id.len() == 8 && id.bytes().all(hex)).then(|| id.to_owned())
    };
    paths.filter_map(of).collect()
}

/// Verifies them, of a log that was read.
pub(super) fn verify<F: Files>(
    files: &F,
    charters: &CharterChain,
    log: &VerifiedLog,
    ids: &BTreeSet<String>,
    register: &mut impl Register,
) -> Vec<VerifiedWitness> {
    let mut found = Vec::new();
    for id in ids {
        let paths = [layout::witnessed_key(&log.unit, id), layout::witnessed(&log.unit, id)];
        let [key, note] = paths.map(|path| read(files, path, register));
        if let (Some((path, key)), Some(note)) = (key, note) {
            match witness_key(&key, id, charters) {
                Ok(key) => found.extend(word(files, log, key, note, register)),
                Err(why) => register.fault(Fault::WitnessKey { path, why }),
            }
        }
    }
    found
}

fn read<F: Files>(files: &F, path: String, register: &mut impl Register) -> Option<(String, Vec<u8>)> {
    match files.read(&path, NOTE_BYTES_MAX) {
        Ok(bytes) => {
            register.digest(&path, Hash::of(&bytes));
            Some((path, bytes))
        }
        Err(why) => {
            register.fault(Fault::Unreadable { path, why });
            None
        }
    }
}

/// The witness's key, if that is one.
fn witness_key(bytes: &[u8], id: &str, charters: &CharterChain) -> Result<VerifierKey, &'static str> {
    let text = std::str::from_utf8(bytes).ok().and_then(|text| text.strip_suffix('\n'));
    let key: Option<VerifierKey> = text.and_then(|text| text.parse().ok());
    let key = key.ok_or("it is not one line with a public key")?;
    if key.algorithm() != Algorithm::Cosignature {
        return Err("its key makes no cosignatures");
    }
    if layout::key_id(&key) != id {
        return Err("its key has another id than the directory");
    }
    if is_of_network(charters, &key) {
        return Err("its key is one of a unit of the network, and no witness from outside");
    }
    Ok(key)
}

fn word<F: Files>(
    files: &F,
    log: &VerifiedLog,
    key: VerifierKey,
    (path, bytes): (String, Vec<u8>),
    register: &mut impl Register,
) -> Option<VerifiedWitness> {
    let (size, read) = match log.witnessed(&bytes, &key) {
        Ok(read) => (read.checkpoint().size, read),
        Err(fault) => {
            register.fault(Fault::Witnessed { path, fault: Box::new(fault) });
            return None;
        }
    };
    if size > log.size {
        register.fault(Fault::WitnessedBeyond { path, size, has: log.size });
        return None;
    }
    if log.tree(files).root(size) != Ok(read.checkpoint().root) {
        register.fault(Fault::Root { path, unit: log.unit.clone(), size });
        return None;
    }
    Some(VerifiedWitness { key, size, time: read.time() })
}
