//! Payloads read again, of an export that was verified.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;

use crate::audit::Files;
use crate::audit::bundle::{At, Raw};
use crate::entry::EntryHeader;
use crate::ids::{Size, UnitId};
use crate::list::Payloads;

/// How many bundles are kept.
const BUNDLES_KEPT: usize = 64;

/// Reads payloads again: of rows about which more than one record speaks.
pub(super) struct Reread<'a, F> {
    files: &'a F,
    /// The sizes of the logs, by which their files are named.
    sizes: &'a BTreeMap<UnitId, Size>,
    kept: Mutex<VecDeque<(UnitId, u64, Raw)>>,
}

impl<'a, F> Reread<'a, F> {
    pub(super) const fn new(files: &'a F, sizes: &'a BTreeMap<UnitId, Size>) -> Self {
        Self { files, sizes, kept: Mutex::new(VecDeque::new()) }
    }
}

impl<F: Files> Payloads for Reread<'_, F> {
    type Error = String;

    fn payload(&self, unit: &UnitId, index: u64) -> Result<Option<(u64, Bytes)>, String> {
        let size = self.sizes.get(unit).copied().unwrap_or_default();
        let Some(at) = At::of(unit, index, size) else { return Ok(None) };
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if !kept.iter().any(|(of, number, _)| of == unit && *number == at.number) {
            let raw = Raw::read(self.files, at).map_err(|fault| fault.to_string())?;
            if kept.len() >= BUNDLES_KEPT {
                kept.pop_front();
            }
            kept.push_back((unit.clone(), at.number, raw));
        }
        let raw = kept.iter().find(|(of, number, _)| of == unit && *number == at.number).map(|(_, _, raw)| raw);
        let Some((leaf, body)) = raw.and_then(|raw| raw.get(index.saturating_sub(at.first()))) else { return Ok(None) };
        let header = EntryHeader::parse(leaf).map_err(|fault| fault.to_string())?;
        Ok(body.map(|body| (header.time_ms, body.payload.clone())))
    }
}
