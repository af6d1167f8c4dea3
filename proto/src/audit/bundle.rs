//! The three files of a bundle: up to 256 entries of a log.

use bytes::{BufMut as _, Bytes};

use crate::audit::payloads::is_open;
use crate::audit::tiles::{TILE_BYTES_MAX, tile_hashes};
use crate::audit::{Fault, Files, Part, Payloads, layout, tile_bytes};
use crate::entry::{Body, Entry, EntryError, EntryHeader};
use crate::hash::Hash;
use crate::ids::{RecordId, Size, UnitId};
use crate::limits::{BUNDLE_ENTRIES, LEAF_BYTES_MAX, OPENING_BYTES, PAYLOAD_BYTES_MAX};
use crate::list::Prepared;
use crate::record::RecordKind;
use crate::sync::{Adoption, erased_by};
use crate::tree::level1;

/// Longest file of leaves, in bytes.
pub(super) const ENTRIES_BYTES_MAX: usize = 256 * (2 + LEAF_BYTES_MAX);
/// Longest file of payloads, in bytes.
pub(super) const PAYLOAD_FILE_BYTES_MAX: usize = 256 * (4 + OPENING_BYTES + PAYLOAD_BYTES_MAX);

/// The bytes of a bundle's files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BundleFiles {
    /// Leaves.
    pub entries: Vec<u8>,
    /// Openings and payloads.
    pub payload: Vec<u8>,
    /// Leaf hashes.
    pub hashes: Vec<u8>,
}

impl BundleFiles {
    /// Of these entries.
    #[must_use]
    pub fn of(entries: &[Entry], payloads: Payloads) -> Self {
        let mut files = Self { entries: Vec::new(), payload: Vec::new(), hashes: Vec::new() };
        for entry in entries {
            // Both lengths were checked when the entry was made.
            files.entries.put_u16(u16::try_from(entry.leaf().len()).unwrap_or(u16::MAX));
            files.entries.put_slice(entry.leaf());
            match entry.body().filter(|_| payloads.shows(entry)) {
                None => files.payload.put_u32(0),
                Some(body) => {
                    let length = body.payload.len().saturating_add(OPENING_BYTES);
                    files.payload.put_u32(u32::try_from(length).unwrap_or(u32::MAX));
                    files.payload.put_slice(&body.opening);
                    files.payload.put_slice(&body.payload);
                }
            }
        }
        files.hashes = tile_bytes(&entries.iter().map(Entry::leaf_hash).collect::<Vec<_>>());
        files
    }

    /// The bytes of one of them.
    #[must_use]
    pub fn part(&self, part: Part) -> &[u8] {
        match part {
            Part::Entries => &self.entries,
            Part::Payload => &self.payload,
            Part::Hashes => &self.hashes,
        }
    }
}

/// A bundle as it was read and checked by itself.
#[derive(Debug, Default)]
pub(super) struct Bundle {
    /// What its leaves say, from the first on, as far as every entry is sound.
    pub(super) headers: Vec<EntryHeader>,
    pub(super) prepared: Vec<Prepared>,
    /// The payloads of the same entries, where they were asked for.
    pub(super) payloads: Vec<Option<Bytes>>,
    /// Its leaf hashes: those of its leaves, or where these cannot be read those of its tile.
    pub(super) leaf_hashes: Vec<Hash>,
    /// The hash over all of them, if it is full.
    pub(super) level1: Option<Hash>,
    pub(super) faults: Vec<Fault>,
    /// SHA-256 of the files that could be read.
    pub(super) digests: Vec<(String, Hash)>,
    pub(super) missing: Vec<(u64, RecordKind)>,
    pub(super) adopts: Vec<(u64, Option<Adoption>)>,
    /// Those whose payloads are here and would not be where payloads are withheld; ascending.
    pub(super) shown: Vec<u64>,
    /// The record that is to be erased, and what erases it.
    pub(super) erases: Vec<(u64, u64)>,
}

/// Where a bundle stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct At<'a> {
    pub(super) unit: &'a UnitId,
    pub(super) number: u64,
    pub(super) width: u16,
}

impl<'a> At<'a> {
    /// The bundle that holds an entry, in a log of this size.
    pub(super) fn of(unit: &'a UnitId, index: u64, size: Size) -> Option<Self> {
        (index < size.get()).then_some(())?;
        let number = index.checked_shr(8)?;
        let width = u16::try_from(size.get().saturating_sub(number.saturating_mul(BUNDLE_ENTRIES)).min(BUNDLE_ENTRIES));
        Some(Self { unit, number, width: width.ok()? })
    }

    fn path(&self, part: Part) -> String {
        layout::part(self.unit, part, self.number, self.width)
    }

    pub(super) fn first(&self) -> u64 {
        self.number.saturating_mul(BUNDLE_ENTRIES)
    }
}

/// What of a bundle is wanted once it is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    /// All that the fold takes.
    Prepared,
    /// The payloads.
    Payloads,
}

impl Bundle {
    /// Reads a bundle's files and checks them against each other. Whether its leaves are those that the author signed shows in
    /// the root.
    pub(super) fn read<F: Files>(files: &F, at: At<'_>, wanted: Wanted) -> Self {
        let mut bundle = Self::default();
        let mut file = |part, bytes_max| {
            let path = at.path(part);
            match files.read(&path, bytes_max) {
                Ok(bytes) => {
                    bundle.digests.push((path, Hash::of(&bytes)));
                    Some(Bytes::from(bytes))
                }
                Err(why) => {
                    bundle.faults.push(Fault::Unreadable { path, why });
                    None
                }
            }
        };
        let leaves = file(Part::Entries, ENTRIES_BYTES_MAX);
        let payloads = file(Part::Payload, PAYLOAD_FILE_BYTES_MAX);
        let tile = file(Part::Hashes, TILE_BYTES_MAX);
        let hashed = tile.and_then(|tile| bundle.hashes_of(at, &tile));
        let parts = |bytes: &Option<Bytes>| bytes.clone().unwrap_or_default();
        let (leaf_bytes, body_bytes) = (parts(&leaves), parts(&payloads));
        let leaves = leaves.and_then(|_| bundle.unless_cut(leaves_of(at, &leaf_bytes)));
        let bodies = payloads.and_then(|_| bundle.unless_cut(bodies_of(at, &body_bytes)));
        if let Some(leaves) = leaves {
            bundle.leaf_hashes = leaves.iter().map(|leaf| Hash::leaf(leaf)).collect();
            bundle.compare(at, hashed.as_deref());
            if let Some(bodies) = bodies {
                bundle.take(at, &leaves, &bodies, (wanted == Wanted::Payloads).then_some(&body_bytes));
            }
        } else {
            bundle.leaf_hashes = hashed.unwrap_or_default();
        }
        bundle.level1 = level1(&bundle.leaf_hashes).ok();
        bundle
    }

    fn hashes_of(&mut self, at: At<'_>, tile: &[u8]) -> Option<Vec<Hash>> {
        let hashes = tile_hashes(tile, at.width);
        if hashes.is_none() {
            let expected = usize::from(at.width).saturating_mul(32);
            self.faults.push(Fault::TileLength { path: at.path(Part::Hashes), bytes: tile.len(), expected });
        }
        hashes
    }

    fn unless_cut<T>(&mut self, read: Result<T, Fault>) -> Option<T> {
        read.map_err(|fault| self.faults.push(fault)).ok()
    }

    /// Holds the leaves against the tile.
    fn compare(&mut self, at: At<'_>, hashed: Option<&[Hash]>) {
        let Some(hashed) = hashed else { return };
        for ((index, found), hashed) in (at.first()..).zip(&self.leaf_hashes).zip(hashed) {
            if found != hashed {
                let id = RecordId { unit: at.unit.clone(), index };
                self.faults.push(Fault::Leaf { id, path: at.path(Part::Hashes) });
            }
        }
    }

    /// Takes the entries, each checked by itself. Where their payloads are wanted, they are parts of this file.
    fn take(&mut self, at: At<'_>, leaves: &[&[u8]], bodies: &[Option<InFile<'_>>], wanted: Option<&Bytes>) {
        let mut whole = true;
        for ((index, leaf), body) in (at.first()..).zip(leaves).zip(bodies) {
            match checked(leaf, body.as_ref()) {
                Ok(header) => self.take_one(at.unit, index, header, body.map(|body| body.payload), (whole, wanted)),
                Err(fault) => {
                    whole = false;
                    self.faults.push(entry_fault(at.unit, index, fault));
                }
            }
        }
    }

    /// Behind one that is not sound nothing is folded, but what the log says of itself is still of use.
    fn take_one(
        &mut self,
        unit: &UnitId,
        index: u64,
        header: EntryHeader,
        payload: Option<&[u8]>,
        (folds, wanted): (bool, Option<&Bytes>),
    ) {
        let kind = RecordKind::of_number(header.kind);
        match payload {
            None => self.missing.push((index, kind)),
            Some(payload) => {
                self.erases.extend(erased_by(header.kind, payload).map(|erased| (erased, index)));
                self.shown.extend((!is_open(header.kind, payload)).then_some(index));
            }
        }
        if kind == RecordKind::Adopt {
            match payload.map(|payload| Adoption::of(header.kind, payload)) {
                // One that says nothing changes nothing.
                Some(None) => {}
                said => self.adopts.push((index, said.flatten())),
            }
        }
        if !folds {
            return;
        }
        self.headers.push(header);
        match wanted {
            Some(file) => self.payloads.push(payload.map(|payload| file.slice_ref(payload))),
            None => self.prepared.push(Prepared::new(unit, index, header.kind, header.time_ms, payload)),
        }
    }
}

/// Opening and payload, where they stand in a file.
#[derive(Debug, Clone, Copy)]
struct InFile<'a> {
    opening: &'a [u8; OPENING_BYTES],
    payload: &'a [u8],
}

fn checked(leaf: &[u8], body: Option<&InFile<'_>>) -> Result<EntryHeader, EntryError> {
    let header = EntryHeader::parse(leaf)?;
    if let Some(InFile { opening, payload }) = body {
        header.check(opening, payload)?;
    }
    Ok(header)
}

fn leaves_of<'a>(at: At<'_>, bytes: &'a [u8]) -> Result<Vec<&'a [u8]>, Fault> {
    sequence(at, Part::Entries, bytes, |bytes| {
        let (length, rest) = bytes.split_first_chunk()?;
        rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))
    })
}

fn bodies_of<'a>(at: At<'_>, bytes: &'a [u8]) -> Result<Vec<Option<InFile<'a>>>, Fault> {
    sequence(at, Part::Payload, bytes, |bytes| {
        let (length, rest) = bytes.split_first_chunk()?;
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        if length == 0 {
            return Some((None, rest));
        }
        let (body, rest) = rest.split_at_checked(length)?;
        let (opening, payload) = body.split_first_chunk()?;
        Some((Some(InFile { opening, payload }), rest))
    })
}

/// As many elements as the bundle is wide, and nothing after them. `next` takes one off the beginning.
fn sequence<'a, T>(
    at: At<'_>,
    part: Part,
    mut bytes: &'a [u8],
    next: impl Fn(&'a [u8]) -> Option<(T, &'a [u8])>,
) -> Result<Vec<T>, Fault> {
    let mut all = Vec::with_capacity(at.width.into());
    for index in (at.first()..).take(at.width.into()) {
        let cut = || Fault::Cut { id: RecordId { unit: at.unit.clone(), index }, path: at.path(part) };
        let (element, rest) = next(bytes).ok_or_else(cut)?;
        all.push(element);
        bytes = rest;
    }
    if bytes.is_empty() { Ok(all) } else { Err(Fault::Trailing(at.path(part))) }
}

fn entry_fault(unit: &UnitId, index: u64, fault: EntryError) -> Fault {
    Fault::Entry { id: RecordId { unit: unit.clone(), index }, fault }
}

/// A bundle that was verified before, read again: its leaves, openings and payloads.
#[derive(Debug)]
pub(super) struct Raw {
    leaves: Vec<Bytes>,
    bodies: Vec<Option<Body>>,
}

impl Raw {
    pub(super) fn read<F: Files>(files: &F, at: At<'_>) -> Result<Self, Fault> {
        let read = |part, bytes_max| {
            let path = at.path(part);
            files.read(&path, bytes_max).map(Bytes::from).map_err(|why| Fault::Unreadable { path, why })
        };
        let (leaves, bodies) = (read(Part::Entries, ENTRIES_BYTES_MAX)?, read(Part::Payload, PAYLOAD_FILE_BYTES_MAX)?);
        let body = |body: InFile<'_>| Body { opening: *body.opening, payload: bodies.slice_ref(body.payload) };
        Ok(Self {
            leaves: leaves_of(at, &leaves)?.into_iter().map(|leaf| leaves.slice_ref(leaf)).collect(),
            bodies: bodies_of(at, &bodies)?.into_iter().map(|found| found.map(body)).collect(),
        })
    }

    pub(super) fn get(&self, place: u64) -> Option<(&Bytes, Option<&Body>)> {
        let place = usize::try_from(place).ok()?;
        Some((self.leaves.get(place)?, self.bodies.get(place)?.as_ref()))
    }
}
