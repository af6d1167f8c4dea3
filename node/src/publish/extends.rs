//! That what is to be published goes on from what is published.

use std::collections::{BTreeMap, BTreeSet};

use entente_proto::audit::charter_paths;
use entente_proto::charter::CharterChain;
use entente_proto::hash::Hash;
use entente_proto::ids::{Size, UnitId};
use entente_proto::limits::NOTE_BYTES_MAX;
use entente_proto::note::Note;

use super::round::RoundError;
use super::there::{There, checkpoint_of, units};
use crate::core::Core;
use crate::unit::audit::Log;

/// What is published of a log.
struct Before<'a> {
    size: Size,
    /// Its root and its note; nothing where the checkpoint itself was lost, and the names alone tell the size.
    head: Option<(Hash, &'a [u8])>,
}

/// Checks that every log and every charter goes on from what is there. Gives the logs that do not because a charter says so.
pub(super) fn check(
    core: &Core,
    charters: &CharterChain,
    logs: &[Log],
    there: &There,
) -> Result<BTreeSet<UnitId>, RoundError> {
    let ours: BTreeMap<String, Hash> =
        charter_paths(charters).map(|(path, charter)| (path, Hash::of(charter.note()))).collect();
    let named = there.manifest.files().keys().filter(|path| path.starts_with("charter/"));
    if let Some(path) = named.into_iter().find(|path| !ours.contains_key(*path)) {
        return Err(RoundError::Behind(format!(
            "{path} is published there, and this node does not hold it: give it that charter (entente charter adopt)"
        )));
    }
    let mut cut = BTreeSet::new();
    for unit in units(&there.manifest) {
        let before = before(there, &unit);
        let size = logs.iter().find(|log| log.unit == unit).map_or(Size::ZERO, Log::size);
        let same = |root| core.root_at(&unit, before.size) == Some(root);
        if size >= before.size && before.head.is_none_or(|(root, _)| same(root)) {
            continue;
        }
        if !is_cut(core, charters, &unit, &before) {
            return Err(RoundError::Behind(format!(
                "{} records of the log of {unit} are published there, and this node holds {size} that are certified, or others. \
                 It publishes again when it has caught up with its partners",
                before.size
            )));
        }
        cut.insert(unit);
    }
    Ok(cut)
}

fn before<'a>(there: &'a There, unit: &UnitId) -> Before<'a> {
    if let Some(note) = there.heads.get(unit)
        && let Some(head) = checkpoint_of(note)
    {
        return Before { size: head.size, head: Some((head.root, note)) };
    }
    Before { size: there.manifest.size(unit), head: None }
}

/// Whether a charter says from where the log goes on, the log does so, and what is published was not signed since.
fn is_cut(core: &Core, charters: &CharterChain, unit: &UnitId, before: &Before<'_>) -> bool {
    let Some(note) = before.head.and_then(|(_, note)| Note::parse(note, NOTE_BYTES_MAX).ok()) else { return false };
    let listed = charters.all().rev().filter_map(|charter| charter.unit(unit));
    let mut unsigned = listed.take_while(|listed| note.signature_of(&listed.log_key).is_none());
    unsigned.any(|listed| listed.base.is_some_and(|base| core.root_at(unit, base.size) == Some(base.root)))
}
