//! What a directory holds before an export takes its place: whoever holds evidence must not lose it by fetching more.
//!
//! Nothing is replaced that is no export, or another unit's; nor one that shows more than what comes; nor a log by a smaller one or
//! another. And nobody but the node of the unit whose export it is gets as far as that: its manifest must be signed under
//! charters that follow those which are here, or which the auditor names.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use entente_proto::audit::{
    MANIFEST, Manifest, Offer, Payloads, bytes_max, chain, checkpoint, extends, offered_checkpoint,
};
use entente_proto::charter::CharterChain;
use entente_proto::checkpoint::Checkpoint;
use entente_proto::hash::Hash;
use entente_proto::ids::{Size, UnitId};
use entente_proto::limits::{CHARTER_BYTES_MAX, MANIFEST_BYTES_MAX, NOTE_BYTES_MAX};
use entente_proto::note::KeyName;

use super::disk::Directory;
use super::verify::trusted;
use crate::cli::error::CliError;
use crate::files::{read_plain, walk};

/// A directory, and the export in it.
pub(super) struct Held {
    directory: PathBuf,
    /// Nothing if it is not there, or empty.
    pub(super) manifest: Option<Manifest>,
    /// The charters that count here, by version and digest.
    pinned: Vec<(u32, Hash)>,
}

impl Held {
    /// Reads what the directory holds. Whoever calls names charters that he trusts.
    pub(super) fn read(directory: &Path, trusts: &[PathBuf]) -> Result<Self, CliError> {
        let mut pinned = trusts.iter().map(|path| trusted(path)).collect::<Result<Vec<_>, _>>()?;
        let directory = directory.to_owned();
        let manifest = manifest(&directory)?;
        if let Some(manifest) = &manifest {
            match charters(&directory, manifest) {
                Ok(chain) => pinned.push((chain.newest().version(), chain.newest().digest())),
                // What is damaged here is fetched anew, where somebody says under which charter.
                Err(_) if !pinned.is_empty() => {}
                Err(why) => {
                    return Err(CliError::Verification(format!(
                        "{}: the charters in it do not hold ({why}), so nobody can say whether what comes is its continuation: \
                         name a charter with --charter, or another directory",
                        directory.display()
                    )));
                }
            }
        }
        Ok(Self { directory, manifest, pinned })
    }

    /// Which charters what comes must have.
    pub(super) fn pinned(&self) -> &[(u32, Hash)] {
        &self.pinned
    }

    /// Refuses what may not take the place of what is here, whoever signed it.
    pub(super) fn admit(&self, offer: &Offer) -> Result<(), CliError> {
        let Some(here) = &self.manifest else { return Ok(()) };
        let directory = self.directory.display();
        if (here.network(), here.unit()) != (&offer.network, &offer.unit) {
            return Err(CliError::Refused(format!(
                "{directory} holds an export by the node of {}/{}, and this one is by that of {}/{}: name another directory",
                here.network(),
                here.unit(),
                offer.network,
                offer.unit
            )));
        }
        if here.payloads() == Payloads::All && offer.payloads == Payloads::Withheld {
            return Err(CliError::Refused(format!(
                "{directory} holds what records say, and this export withholds it: name another directory"
            )));
        }
        Ok(())
    }

    /// Refuses what lies ready to take the place of what is here, where a log is smaller or another in it.
    pub(super) fn outgrown(&self, incoming: &Path, charters: &CharterChain) -> Result<(), CliError> {
        let Some(here) = &self.manifest else { return Ok(()) };
        for unit in units(here) {
            let note = read_plain(&self.directory.join(checkpoint(&unit)), NOTE_BYTES_MAX).unwrap_or_default();
            // Where it is damaged here, the names of files tell the size at least.
            let before = match checkpoint_of(&note, charters, &unit) {
                Some(before) => (before.size, Some(before.root)),
                None => (here.size(&unit), None),
            };
            if before.0 == Size::ZERO {
                continue;
            }
            let note = read_plain(&incoming.join(checkpoint(&unit)), NOTE_BYTES_MAX).unwrap_or_default();
            let nothing =
                || Checkpoint { origin: KeyName::log(here.network(), &unit), size: Size::ZERO, root: Hash::EMPTY_ROOT };
            let now = checkpoint_of(&note, charters, &unit).unwrap_or_else(nothing);
            let files = Directory(incoming.to_owned());
            extends(&files, &unit, &now, before).map_err(|why| {
                let (directory, incoming) = (self.directory.display(), incoming.display());
                let flag = if here.payloads() == Payloads::Withheld { " --withheld" } else { "" };
                CliError::Verification(format!(
                    "the log of {unit} does not go on from what {directory} holds: {why}. {directory} stays as it is, and what \
                     came lies in {incoming}. Keep both: move {incoming} away, as the next call uses it, and hold them against \
                     each other with entente audit compare{flag}. Where a charter says why, fetch into another directory"
                ))
            })?;
        }
        Ok(())
    }
}

/// The manifest of the export in a directory; nothing if that is not there, or empty.
fn manifest(directory: &Path) -> Result<Option<Manifest>, CliError> {
    let unread = |error: &io::Error| CliError::file(directory, "read", error);
    let refused = |why: &dyn std::fmt::Display| {
        CliError::Refused(format!(
            "{} holds something that is no export ({why}): name a directory that is not there yet, or one that an export was made \
             into",
            directory.display()
        ))
    };
    match fs::symlink_metadata(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unread(&error)),
        Ok(data) if data.is_symlink() => return Err(refused(&"it is a link: name what it leads to")),
        Ok(_) => {}
    }
    if fs::read_dir(directory).map_err(|error| unread(&error))?.next().is_none() {
        return Ok(None);
    }
    let note = read_plain(&directory.join(MANIFEST), MANIFEST_BYTES_MAX)
        .map_err(|error| refused(&format!("manifest: {error}")))?;
    let (manifest, _) = Manifest::read(&note).map_err(|error| refused(&format!("its manifest is none: {error}")))?;
    let mut there = Vec::new();
    walk(directory, "", &mut there).map_err(|error| unread(&error))?;
    match there.iter().find(|path| !belongs(path)) {
        Some(path) => Err(refused(&format!("{path} belongs to none"))),
        None => Ok(Some(manifest)),
    }
}

/// Whether a file of this name may be one of an export: no other is ever removed.
pub(super) fn belongs(path: &str) -> bool {
    path == MANIFEST || bytes_max(path).is_some()
}

/// The charters of the export in a directory.
fn charters(directory: &Path, manifest: &Manifest) -> Result<CharterChain, String> {
    let named = manifest.files().keys().filter(|path| path.starts_with("charter/"));
    let read = |path: &String| {
        let bytes = read_plain(&directory.join(path), CHARTER_BYTES_MAX).map_err(|error| format!("{path}: {error}"))?;
        Ok((path.clone(), bytes))
    };
    let notes = named.map(read).collect::<Result<BTreeMap<_, _>, String>>()?;
    chain(&notes).map_err(|error| error.to_string())
}

fn checkpoint_of(note: &[u8], charters: &CharterChain, unit: &UnitId) -> Option<Checkpoint> {
    offered_checkpoint(note, charters, unit).ok()
}

/// The units whose logs a manifest names.
fn units(manifest: &Manifest) -> BTreeSet<UnitId> {
    let of = |path: &String| path.strip_prefix("logs/")?.split_once('/')?.0.parse().ok();
    manifest.files().keys().filter_map(of).collect()
}
