//! An export of four units, as a node would write it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use entente_proto::audit::{
    BundleFiles, LogNotes, MANIFEST, Manifest, Part, Payloads, charter_files, part, tile, upper_tile_bytes,
};
use entente_proto::charter::{CharterChain, UnitDescription, UnitDraft, UnverifiedCharter};
use entente_proto::checkpoint::{Checkpoint, CosignedCheckpoint, SignedCheckpoint};
use entente_proto::cosignature::Cosignature;
use entente_proto::entry::Entry;
use entente_proto::hash::Hash;
use entente_proto::ids::{NetworkName, Size, UnitId};
use entente_proto::note::{Algorithm, KeyName, MemorySigner, Signer as _};
use entente_proto::record::{self, RecordKind};
use entente_proto::sync::{Adoption, Judge};
use entente_proto::tree::{CompactRange, level1};
use entente_proto::wire::record::Body;
use entente_proto::wire::{Adopt, Record};

use super::Fault;
use super::records::{Payload, Referrals};

pub(crate) const UNITS: [&str; 4] = ["BE", "FR", "NL", "UK"];
const TIME_MS: u64 = 1_524_614_400_000;

/// What was written.
pub(crate) struct Export {
    /// Of all files.
    pub(crate) bytes: u64,
    /// Of each unit's log.
    pub(crate) roots: Vec<Hash>,
}

impl Export {
    /// Writes an export of so many records into a directory that is not there yet.
    pub(crate) fn write(directory: &Path, records: u64, payload: Payload) -> Result<Self, Fault> {
        let charters = charters()?;
        let mut files =
            Files { directory, manifest: Manifest::new(network()?, UNITS[0].parse()?, Payloads::All), bytes: 0 };
        for (path, bytes) in charter_files(&charters) {
            files.write(path, &bytes)?;
        }
        let (mut referrals, mut roots) = (Referrals::new(payload), Vec::new());
        for (number, id) in (0..).zip(UNITS) {
            let of = records / 4 + u64::from(number < records % 4);
            roots.push(write_log(&mut files, &charters, id, of, &mut referrals)?);
        }
        let note = files.manifest.sign(TIME_MS / 1_000, &key(UNITS[0], 2)?)?;
        fs::write(directory.join(MANIFEST), note)?;
        Ok(Self { bytes: files.bytes, roots })
    }
}

struct Files<'a> {
    directory: &'a Path,
    manifest: Manifest,
    bytes: u64,
}

impl Files<'_> {
    fn write(&mut self, path: String, bytes: &[u8]) -> Result<(), Fault> {
        let at = self.directory.join(&path);
        fs::create_dir_all(at.parent().ok_or("no parent")?)?;
        fs::write(at, bytes)?;
        self.bytes += bytes.len() as u64;
        self.manifest.add(path, Hash::of(bytes));
        Ok(())
    }
}

/// A log of the adoption of the charter and of referrals; gives its root.
fn write_log(
    files: &mut Files<'_>,
    charters: &CharterChain,
    id: &str,
    entries: u64,
    referrals: &mut Referrals,
) -> Result<Hash, Fault> {
    let (unit, size): (UnitId, _) = (id.parse()?, Size::new(entries)?);
    let mut judge = Judge::new(charters, &unit).ok_or("the charter does not list it")?;
    let (mut range, mut hashes, mut bundle) = (CompactRange::new(Size::ZERO), Vec::new(), Vec::new());
    for index in 0..entries {
        let (kind, payload) = if index == 0 { adopt(charters)? } else { referrals.next()? };
        let opening: [u8; 16] = Hash::of(&payload).0[..16].try_into()?;
        let entry = Entry::compose(kind.number(), TIME_MS + index, opening, payload)?;
        if let Some(adoption) = entry.payload().and_then(|bytes| Adoption::of(entry.header().kind, bytes)) {
            judge.found(index, Some(adoption));
        }
        range.push_leaf(entry.leaf_hash())?;
        bundle.push(entry);
        if bundle.len() == 256 || index + 1 == entries {
            hashes.extend(level1(&bundle.iter().map(Entry::leaf_hash).collect::<Vec<_>>()));
            let (made, width) = (BundleFiles::of(&bundle, Payloads::All), u16::try_from(bundle.len())?);
            for which in Part::ALL {
                files.write(part(&unit, which, index / 256, width), made.part(which))?;
            }
            bundle.clear();
        }
    }
    for (level, number, width, bytes) in upper_tile_bytes(size, hashes) {
        files.write(tile(&unit, level, number, width), &bytes)?;
    }
    let root = range.root()?;
    let note = cosigned(charters, &unit, size, root)?;
    let checkpoint = judge.sift(&note)?;
    let notes = LogNotes { checkpoint: Some(&checkpoint), bridge: None, fork: None };
    for (path, bytes) in notes.files(&unit, &judge)? {
        files.write(path, &bytes)?;
    }
    Ok(root)
}

fn cosigned(charters: &CharterChain, unit: &UnitId, size: Size, root: Hash) -> Result<Vec<u8>, Fault> {
    let checkpoint = Checkpoint { origin: KeyName::log(&network()?, unit), size, root };
    let body = checkpoint.body();
    let mut cosigned = CosignedCheckpoint::new(SignedCheckpoint::sign(checkpoint, &key(unit.as_str(), 1)?)?);
    for partner in UNITS.into_iter().filter(|partner| *partner != unit.as_str()) {
        cosigned.add(partner.parse()?, Cosignature::sign(&body, TIME_MS / 1_000, &key(partner, 2)?)?);
    }
    let mirrors: BTreeMap<UnitId, _> = charters.newest().mirrors(unit);
    Ok(cosigned.to_note(&mirrors))
}

fn adopt(charters: &CharterChain) -> Result<(RecordKind, bytes::Bytes), Fault> {
    let body = Body::Adopt(Adopt { version: 1, digest: charters.newest().digest().0.to_vec() });
    Ok((RecordKind::of_body(&body), record::encode(&Record { submission: vec![7; 16], body: Some(body) })?))
}

fn network() -> Result<NetworkName, Fault> {
    Ok("takedown.example".parse()?)
}

/// The charter, log or mirror key of a unit.
fn key(id: &str, role: u8) -> Result<MemorySigner, Fault> {
    let (network, unit): (_, UnitId) = (network()?, id.parse()?);
    let (name, algorithm) = match role {
        0 => (KeyName::charter(&network, &unit), Algorithm::Ed25519),
        1 => (KeyName::log(&network, &unit), Algorithm::Ed25519),
        _ => (KeyName::mirror(&network, &unit), Algorithm::Cosignature),
    };
    Ok(MemorySigner::from_seed(name, algorithm, &Hash::of(format!("{id} {role}").as_bytes()).0)?)
}

fn charters() -> Result<CharterChain, Fault> {
    let describe = |(number, id): (u8, &str)| -> Result<UnitDescription, Fault> {
        let draft = UnitDraft {
            id: id.parse()?,
            name: format!("Unit {id}"),
            charter_key: key(id, 0)?.key().clone(),
            log_key: key(id, 1)?.key().clone(),
            mirror_key: key(id, 2)?.key().clone(),
            ca: vec![vec![0x30, 1, number]],
            addresses: Vec::new(),
        };
        Ok(UnitDescription::new(network()?, draft)?)
    };
    let units = (1..).zip(UNITS).map(describe).collect::<Result<Vec<_>, _>>()?;
    let mut charter = UnverifiedCharter::compose(&units, None)?;
    for id in UNITS {
        for role in 0..3 {
            charter.sign(&[&key(id, role)?], TIME_MS / 1_000)?;
        }
    }
    Ok(CharterChain::found(charter.verify_first()?)?)
}
