//! The names of files in an export.

use crate::audit::bundle::{ENTRIES_BYTES_MAX, PAYLOAD_FILE_BYTES_MAX};
use crate::audit::tiles::TILE_BYTES_MAX;
use crate::ids::{Size, UnitId};
use crate::limits::{BUNDLE_ENTRIES, CHARTER_BYTES_MAX, FORK_PROOF_BYTES_MAX, NOTE_BYTES_MAX};
use crate::note::VerifierKey;

/// The file that names all others.
pub const MANIFEST: &str = "manifest";

/// Which of the files of a bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// Its leaves.
    Entries,
    /// Its openings and payloads.
    Payload,
    /// Its leaf hashes: a tile of level 0.
    Hashes,
}

impl Part {
    /// All three.
    pub const ALL: [Self; 3] = [Self::Entries, Self::Payload, Self::Hashes];
}

/// A version of the charter, where the network was founded anew so often before.
#[must_use]
pub fn charter(refounded: u32, version: u32) -> String {
    match refounded {
        0 => format!("charter/{version}.note"),
        _ => format!("charter/r{refounded}-{version}.note"),
    }
}

/// The most bytes that the file with this name may have; nothing if no export has a file of that name.
#[must_use]
pub fn bytes_max(path: &str) -> Option<usize> {
    if path.starts_with("charter/") {
        return Some(CHARTER_BYTES_MAX);
    }
    let (_, file) = path.strip_prefix("logs/")?.split_once('/')?;
    match file.split_once('/') {
        None => match file {
            "checkpoint" | "log.vkey" | "witness.vkeys" => Some(NOTE_BYTES_MAX),
            "fork" => Some(FORK_PROOF_BYTES_MAX),
            _ => None,
        },
        Some(("bridge" | "witnessed", _)) => Some(NOTE_BYTES_MAX),
        Some(("payload", _)) => Some(PAYLOAD_FILE_BYTES_MAX),
        Some(("tile", tile)) if tile.starts_with("entries/") => Some(ENTRIES_BYTES_MAX),
        Some(("tile", _)) => Some(TILE_BYTES_MAX),
        Some(_) => None,
    }
}

/// What the names of all files of a log begin with.
pub(super) fn log(unit: &UnitId) -> String {
    format!("logs/{unit}/")
}

/// The files of a log of this size that hold entries and hashes.
pub(super) fn log_files(unit: &UnitId, size: Size) -> impl Iterator<Item = String> {
    let parts = move |(number, width)| Part::ALL.map(|of| part(unit, of, number, width));
    let upper = upper_tiles(size).map(move |(level, number, width)| tile(unit, level, number, width));
    bundles(size).flat_map(parts).chain(upper)
}

/// The newest certified checkpoint of a log.
#[must_use]
pub fn checkpoint(unit: &UnitId) -> String {
    format!("logs/{unit}/checkpoint")
}

/// The key that signed it.
#[must_use]
pub fn log_key(unit: &UnitId) -> String {
    format!("logs/{unit}/log.vkey")
}

/// The keys that may cosign it.
#[must_use]
pub fn witness_keys(unit: &UnitId) -> String {
    format!("logs/{unit}/witness.vkeys")
}

/// A bridge.
#[must_use]
pub fn bridge(unit: &UnitId, size: Size) -> String {
    format!("logs/{unit}/bridge/{size}")
}

/// The proof that a log forked.
#[must_use]
pub fn fork(unit: &UnitId) -> String {
    format!("logs/{unit}/fork")
}

/// What the names of the files with witnesses' words begin with.
pub(super) fn witnessed_in(unit: &UnitId) -> String {
    format!("logs/{unit}/witnessed/")
}

/// A key's id as the name of a directory.
pub(super) fn key_id(key: &VerifierKey) -> String {
    format!("{:08x}", u32::from_be_bytes(key.id()))
}

/// The newest checkpoint that the witness whose key has this id cosigned, with its word.
pub(super) fn witnessed(unit: &UnitId, id: &str) -> String {
    format!("logs/{unit}/witnessed/{id}/checkpoint")
}

/// The witness's key.
pub(super) fn witnessed_key(unit: &UnitId, id: &str) -> String {
    format!("logs/{unit}/witnessed/{id}/vkey")
}

/// One of the files of a bundle.
#[must_use]
pub fn part(unit: &UnitId, part: Part, number: u64, width: u16) -> String {
    match part {
        Part::Entries => format!("logs/{unit}/tile/entries/{}", place(number, width)),
        Part::Payload => format!("logs/{unit}/payload/{}", place(number, width)),
        Part::Hashes => tile(unit, 0, number, width),
    }
}

/// A tile of hashes.
#[must_use]
pub fn tile(unit: &UnitId, level: u32, number: u64, width: u16) -> String {
    format!("logs/{unit}/tile/{level}/{}", place(number, width))
}

fn place(number: u64, width: u16) -> String {
    let mut name = format!("{:03}", number.wrapping_rem(1_000));
    let mut rest = number.wrapping_div(1_000);
    while rest > 0 {
        name = format!("x{:03}/{name}", rest.wrapping_rem(1_000));
        rest = rest.wrapping_div(1_000);
    }
    if u64::from(width) < BUNDLE_ENTRIES { format!("{name}.p/{width}") } else { name }
}

/// The bundles of a log of so many entries, the last perhaps not full: number and width.
pub fn bundles(size: Size) -> impl Iterator<Item = (u64, u16)> {
    full_and_rest(size.get())
}

/// The tiles above the leaf hashes of a log of so many entries: level, number, width.
pub fn upper_tiles(size: Size) -> impl Iterator<Item = (u32, u64, u16)> {
    let levels = (1..).map_while(move |level: u32| {
        let hashes = size.get().checked_shr(level.saturating_mul(8)).unwrap_or(0);
        (hashes > 0).then_some((level, hashes))
    });
    levels.flat_map(|(level, hashes)| full_and_rest(hashes).map(move |(number, width)| (level, number, width)))
}

fn full_and_rest(count: u64) -> impl Iterator<Item = (u64, u16)> {
    let rest = u16::try_from(count & 0xff).unwrap_or_default();
    let full = count >> 8;
    // 256 is what a full one has.
    (0..full).map(|number| (number, 256)).chain((rest > 0).then_some((full, rest)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_in_groups_of_three() {
        for (number, width, written) in [
            (0, 256, "000"),
            (7, 12, "007.p/12"),
            (999, 256, "999"),
            (1_000, 256, "x001/000"),
            (1_234_067, 256, "x001/x234/067"),
            (1_234_067, 255, "x001/x234/067.p/255"),
        ] {
            assert_eq!(place(number, width), written);
        }
    }

    #[test]
    fn every_file_of_an_export_has_a_bound_and_no_other_has() {
        let (unit, size) = ("BE".parse().unwrap(), Size::new(256 * 256 + 300).unwrap());
        let notes = [checkpoint(&unit), log_key(&unit), witness_keys(&unit), fork(&unit), bridge(&unit, size)];
        let witnessed = [witnessed(&unit, "00c0ffee"), witnessed_key(&unit, "00c0ffee")];
        for path in log_files(&unit, size).chain(notes).chain(witnessed).chain([charter(0, 7), charter(2, 1)]) {
            assert!(bytes_max(&path).is_some(), "{path}");
        }
        assert_eq!(bytes_max(&part(&unit, Part::Hashes, 0, 256)), Some(256 * 32));
        for path in [MANIFEST, "logs", "logs/BE", "logs/BE/other", "logs/BE/tiles/0/000", "keys/log.key"] {
            assert_eq!(bytes_max(path), None, "{path}");
        }
    }

    #[test]
    fn a_log_has_the_tiles_that_its_size_asks_for() {
        let size = Size::new(256 * 256 * 2 + 256 * 3 + 5).unwrap();
        assert_eq!(bundles(size).count(), 516);
        assert_eq!(bundles(size).last(), Some((515, 5)));
        let upper: Vec<_> = upper_tiles(size).collect();
        assert_eq!(upper, [(1, 0, 256), (1, 1, 256), (1, 2, 3), (2, 0, 2)]);
        assert_eq!(bundles(Size::ZERO).count() + upper_tiles(Size::ZERO).count(), 0);
        assert_eq!(upper_tiles(Size::new(255).unwrap()).count(), 0);
    }
}
