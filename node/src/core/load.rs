//! What journal and database hold is put together, held against each other, and handed to the engine.

use std::collections::BTreeMap;

use entente_proto::charter::CharterChain;
use entente_proto::cosignature::Cosignature;
use entente_proto::entry::Entry;
use entente_proto::fork::ForkProof;
use entente_proto::hash::Hash;
use entente_proto::ids::{Size, UnitId};
use entente_proto::limits::BUNDLE_ENTRIES;
use entente_proto::list::Gaps;
use entente_proto::record::RecordKind;
use entente_proto::sync::{Adoption, Engine, Owed, Restored, Setup, erased_by};
use entente_proto::wire;
use prost::Message as _;

use super::{Leaves, StartError, erasure};
use crate::journal::{self, JournalRecord};
use crate::store::{Append, Batch, Refused, Store, StoreError, StoredLog};

/// How many entries are put back or looked through at once.
const STRETCH: usize = 256;

/// Why a node whose own log forked signs nothing of it.
const OWN_FORK: &str = "this unit's log key has signed two checkpoints that contradict each other: a second machine signs with its \
                        keys, or somebody stole them. Nothing more is signed under that key";

/// A node's state, read and found to fit together.
pub struct Loaded {
    pub(super) engine: Engine,
    /// Why the journal does not know all that was signed, where it does not say so itself yet.
    pub(super) lost: Option<String>,
}

impl std::fmt::Debug for Loaded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Loaded")
    }
}

/// Reads what the database holds, and puts back what the journal has and it lost.
///
/// # Errors
/// [`StartError`]; after [`StartError::Damaged`] and most of [`StartError::Store`] the database is to be moved aside.
pub fn load(
    unit: &UnitId,
    charters: &CharterChain,
    store: &dyn Store,
    memory: &journal::Memory,
    instance: [u8; 16],
) -> Result<Loaded, StartError> {
    let (lost, mut owed) = match put_back(unit, charters, store, memory)? {
        PutBack::Whole => (None, None),
        PutBack::Lost(reason) => (Some(reason), None),
        PutBack::Owed(owed) => (None, Some(owed)),
    };
    let mut restored = BTreeMap::new();
    for other in charters.units() {
        let own = (other == *unit).then_some(());
        let mut log = read_log(&other, store, own, memory)?;
        if own.is_some() {
            log.owed = owed.take();
        }
        restored.insert(other, log);
    }
    let setup = setup(unit, charters, instance);
    let loss = memory.lost.clone().or_else(|| lost.clone());
    let engine = Engine::new(setup, restored, loss, &Leaves(store)).map_err(StartError::Damaged)?;
    Ok(Loaded { engine, lost })
}

impl Loaded {
    /// What the journal is to be told before anything else.
    pub(super) fn to_journal(&self) -> Vec<JournalRecord> {
        self.lost.iter().cloned().map(JournalRecord::Lost).collect()
    }
}

fn setup(unit: &UnitId, charters: &CharterChain, instance: [u8; 16]) -> Setup {
    Setup {
        network: charters.newest().network().clone(),
        unit: unit.clone(),
        charters: charters.clone(),
        instance,
        release: concat!("entente ", env!("CARGO_PKG_VERSION")).to_owned(),
    }
}

/// Whether a proof of a fork is about the log key that a unit has now.
fn forked_under(charters: &CharterChain, proof: &[u8]) -> bool {
    let proof = wire::ForkProof::decode(proof).ok();
    proof.is_some_and(|proof| ForkProof::verify(&proof, &[charters.newest()]).is_ok())
}

/// How journal and database meet in the own log.
enum PutBack {
    /// The database has what the journal knows.
    Whole,
    /// The journal does not know what the database has: it does not know what was signed.
    Lost(String),
    /// Between the two something is missing that only partners have.
    Owed(Owed),
}

/// Puts own entries that the journal has and the database lost back into the database, as far as they join on.
fn put_back(
    unit: &UnitId,
    charters: &CharterChain,
    store: &dyn Store,
    memory: &journal::Memory,
) -> Result<PutBack, StartError> {
    let log = store.log(unit)?;
    if log.fork.as_deref().is_some_and(|proof| forked_under(charters, proof)) {
        // What the journal has may be the branch that was not certified: it stays there, as evidence.
        return Ok(match memory.lost {
            Some(_) => PutBack::Whole,
            None => PutBack::Lost(OWN_FORK.into()),
        });
    }
    let held = log.size.get();
    let journalled = memory.own_size();
    if held > journalled {
        return Ok(match memory.lost {
            // Known already.
            Some(_) => PutBack::Whole,
            None => PutBack::Lost(format!(
                "the journal knows {journalled} own entries, the database {held}: the journal is older than the database (a restored file?)"
            )),
        });
    }
    let first = journalled.saturating_sub(memory.entries.len() as u64);
    if held < first {
        tracing::warn!(held, first, "the database lost own entries, which are fetched back from partners");
        return Ok(PutBack::Owed(Owed {
            first: Size::new(first).map_err(|e| StartError::Damaged(e.to_string()))?,
            entries: memory.entries.iter().map(|own| own.entry.clone()).collect(),
            signed: memory.signed,
        }));
    }
    let skip = usize::try_from(held - first).unwrap_or(usize::MAX);
    let lost: Vec<_> = memory.entries.iter().skip(skip).collect();
    let mut tail = log.tail_leaves;
    let mut from = held;
    for stretch in lost.chunks(STRETCH) {
        let entries: Vec<Entry> = stretch.iter().map(|own| own.entry.clone()).collect();
        let submissions = stretch.iter().filter_map(|own| Some((own.submission?, own.index))).collect();
        let mut level1 = Vec::new();
        for (index, entry) in (from..).zip(&entries) {
            tail.push(entry.leaf_hash());
            if tail.len() as u64 == BUNDLE_ENTRIES {
                let hash = entente_proto::tree::level1(&tail).map_err(|e| StartError::Damaged(e.to_string()))?;
                level1.push((index / BUNDLE_ENTRIES, hash));
                tail.clear();
            }
        }
        let end = from + entries.len() as u64;
        let announced = erasure::announced(unit, from, &entries);
        let size = Size::new(from).map_err(|e| StartError::Damaged(e.to_string()))?;
        let append = Append { unit: unit.clone(), from: size, entries, level1 };
        store.commit_one(&Batch { appends: vec![append], announced, submissions, ..Batch::default() })?;
        from = end;
    }
    if !lost.is_empty() {
        tracing::info!(count = lost.len(), "own entries put back into the database from the journal");
    }
    Ok(PutBack::Whole)
}

/// What the engine is told of a log.
pub(super) fn read_log(
    unit: &UnitId,
    store: &dyn Store,
    own: Option<()>,
    memory: &journal::Memory,
) -> Result<Restored, StartError> {
    let log = store.log(unit)?;
    // Up to what this node cosigned the times were in order.
    let cosigned = memory.cosigned.get(unit).map_or(0, |cosigned| cosigned.size.get());
    let ordered = if own.is_some() { log.size.get() } else { cosigned.min(log.size.get()) };
    let (last_time_ms, time_goes_back) = read_times(unit, store, ordered.saturating_sub(1), log.size.get())?;
    let (gaps, missing) = find_gaps(unit, store, &log)?;
    let mut restored = Restored {
        level1: log.level1,
        tail: log.tail_leaves,
        last_time_ms,
        time_goes_back,
        gaps,
        missing,
        adopts: read_adopts(unit, store)?,
        bridge: log.bridge.map(|note| note.to_vec()),
        certified: log.certified.map(|note| note.to_vec()),
        newest: log.newest.map(|note| note.to_vec()).into_iter().collect(),
        fork: log.fork.map(|proof| proof.to_vec()),
        cosigned: None,
        bound: memory.bounds.get(unit).copied(),
        owed: None,
        stopped: memory.stopped.get(unit).cloned().unwrap_or_default(),
        rekeyed: own.is_some() && memory.rekeyed,
    };
    if own.is_some() {
        restored.newest.extend(memory.checkpoint.as_ref().map(|checkpoint| checkpoint.note.to_vec()));
        restored.bound = memory.signed.filter(|_| memory.checkpoint.is_none());
    } else if let Some(cosigned) = memory.cosigned.get(unit) {
        let cosignature = Cosignature { time: cosigned.time, signature: cosigned.signature };
        restored.cosigned = Some((cosigned.size, cosigned.root, cosignature));
    }
    Ok(restored)
}

/// What a log says of charters.
fn read_adopts(unit: &UnitId, store: &dyn Store) -> Result<Vec<(u64, Option<Adoption>)>, StoreError> {
    let mut adopts = Vec::new();
    for index in store.adopts(unit)? {
        let entry = store.entry(unit, index)?;
        let entry = entry.ok_or_else(|| StoreError::Refused(Refused::NoEntry { unit: unit.clone(), index }))?;
        match entry.payload() {
            Some(payload) => adopts.extend(Adoption::of(entry.header().kind, payload).map(|what| (index, Some(what)))),
            None => adopts.push((index, None)),
        }
    }
    Ok(adopts)
}

/// The latest time of the entries from `from` on, and the first whose time is earlier than one before it.
pub(super) fn read_times(
    unit: &UnitId,
    store: &dyn Store,
    from: u64,
    size: u64,
) -> Result<(u64, Option<u64>), StoreError> {
    let (mut latest, mut back, mut at) = (0, None, from);
    while at < size {
        let entries = store.entries(unit, at, STRETCH, usize::MAX)?;
        if entries.is_empty() {
            return Err(StoreError::Refused(Refused::NoEntry { unit: unit.clone(), index: at }));
        }
        for entry in entries {
            let time_ms = entry.header().time_ms;
            if time_ms < latest {
                back.get_or_insert(at);
            }
            (latest, at) = (latest.max(time_ms), at + 1);
        }
    }
    Ok((latest, back))
}

/// Which missing payloads no erasure below explains. Only a log that misses some of which the store does not know the
/// erasure is looked through.
pub(super) fn find_gaps(
    unit: &UnitId,
    store: &dyn Store,
    log: &StoredLog,
) -> Result<(Gaps, BTreeMap<u64, Hash>), StartError> {
    let (mut gaps, mut hashes) = (Gaps::default(), BTreeMap::new());
    if log.gaps.len() == log.erased.len() {
        // Nothing else can be erased.
        for (index, _) in &log.erased {
            gaps.note_missing(*index, RecordKind::Refer).map_err(|e| StartError::Damaged(e.to_string()))?;
        }
        for (index, by) in &log.erased {
            gaps.note_erase(*index, *by).map_err(|e| StartError::Damaged(e.to_string()))?;
        }
        return Ok((gaps, hashes));
    }
    let mut at = 0;
    while at < log.size.get() {
        // What is withheld is not missing.
        let entries = store.entries_to_fold(unit, at, STRETCH, usize::MAX)?;
        if entries.is_empty() {
            return Err(StoreError::Refused(Refused::NoEntry { unit: unit.clone(), index: at }).into());
        }
        for entry in entries {
            match entry.payload() {
                None => {
                    let kind = RecordKind::of_number(entry.header().kind);
                    gaps.note_missing(at, kind).map_err(|e| StartError::Damaged(e.to_string()))?;
                    hashes.insert(at, entry.leaf_hash());
                }
                Some(payload) if entry.header().kind == RecordKind::Erase.number() => {
                    if let Some(erased) = erased_by(entry.header().kind, payload) {
                        gaps.note_erase(erased, at).map_err(|e| StartError::Damaged(e.to_string()))?;
                    }
                }
                Some(_) => {}
            }
            at += 1;
        }
    }
    // Nobody wants the payload of what is erased any more.
    hashes.retain(|index, _| gaps.is_missing(*index));
    Ok((gaps, hashes))
}
