//! What follows from an export that verifies: the list as it was, and one record by itself.

use std::collections::BTreeMap;

use crate::audit::bundle::{At, Raw, Wanted};
use crate::audit::log::{VerifiedLog, read_bundles};
use crate::audit::reread::Reread;
use crate::audit::{Files, Unreadable, Verified, Workers};
use crate::charter::CharterChain;
use crate::entry::{Entry, EntryError, EntryHeader};
use crate::hash::Hash;
use crate::ids::{RecordId, Size, UnitId};
use crate::limits::BUNDLE_ENTRIES;
use crate::list::{Counts, Fold, FoldError, Frontier, UnknownFoldVersion};
use crate::receipt::{ReceiptError, UnverifiedReceipt};
use crate::tree::{ReadError, inclusion_proof};
use crate::wire::Row;

/// Is shown records: id, header, and payload unless it was erased.
pub type Visit<'a> = dyn FnMut(&RecordId, &EntryHeader, Option<&[u8]>) + 'a;

/// A moment in the life of a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Moment {
    /// Everything whose header's time is not later, Unix milliseconds.
    Time(u64),
    /// So many entries of these logs, and none of others.
    Sizes(BTreeMap<UnitId, Size>),
}

/// The list as it was.
#[derive(Debug, Clone)]
pub struct Past {
    /// The version of the charter: the newest that any log had adopted.
    pub version: u32,
    /// What was folded.
    pub frontier: Frontier,
    /// The digest of the list that the export can show: that of the time itself if nothing below was erased since.
    pub digest: Hash,
    /// How many rows have each status.
    pub counts: Counts,
    /// How many records below were erased since: the list has them no more, whoever computes it.
    pub erased: u64,
}

/// Why something cannot be told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PastError {
    /// The export does not hold, so nothing follows from it.
    #[error("the export does not verify, so nothing follows from it")]
    Unverified,
    /// A log that the export does not have, or not so far.
    #[error("the export has {have} certified records of {unit}, fewer than {asked}")]
    Beyond {
        /// Whose log.
        unit: UnitId,
        /// How many it has.
        have: Size,
        /// How many are asked for.
        asked: u64,
    },
    /// Read again, a file is another than before.
    #[error("a file has changed since it was verified: {0}")]
    Changed(String),
    /// The rules of the list at that time are not known.
    #[error(transparent)]
    Rules(#[from] UnknownFoldVersion),
    /// An entry cannot be folded.
    #[error(transparent)]
    Fold(#[from] FoldError),
    /// There is nothing to show.
    #[error(transparent)]
    Receipt(#[from] ReceiptError),
}

impl From<ReadError<Unreadable>> for PastError {
    fn from(error: ReadError<Unreadable>) -> Self {
        Self::Changed(error.to_string())
    }
}

impl From<EntryError> for PastError {
    fn from(error: EntryError) -> Self {
        Self::Changed(error.to_string())
    }
}

impl Verified {
    fn log(&self, unit: &UnitId, asked: u64) -> Result<&VerifiedLog, PastError> {
        let log = self.logs.iter().find(|log| log.unit == *unit);
        let have = log.map_or(Size::ZERO, |log| log.size);
        let beyond = PastError::Beyond { unit: unit.clone(), have, asked };
        log.filter(|log| log.size.get() >= asked).ok_or(beyond)
    }

    /// How many entries of each log a moment has.
    ///
    /// # Errors
    /// [`PastError`].
    pub fn sizes_at<F: Files>(&self, files: &F, moment: &Moment) -> Result<BTreeMap<UnitId, Size>, PastError> {
        let size = |log: &VerifiedLog| match moment {
            Moment::Time(time_ms) => size_at(files, log, *time_ms),
            Moment::Sizes(sizes) => Ok(sizes.get(&log.unit).copied().unwrap_or_default()),
        };
        if let Moment::Sizes(sizes) = moment {
            for (unit, size) in sizes {
                self.log(unit, size.get())?;
            }
        }
        self.logs.iter().map(|log| Ok((log.unit.clone(), size(log)?))).collect()
    }

    /// The list as every unit computed it at a moment, row by row.
    ///
    /// # Errors
    /// [`PastError`].
    pub fn list_at<F: Files, W: Workers>(
        &self,
        files: &F,
        workers: &W,
        moment: &Moment,
        row: &mut dyn FnMut(Row),
    ) -> Result<Past, PastError> {
        let charters = self.chain.as_ref().filter(|_| self.list.is_some()).ok_or(PastError::Unverified)?;
        let sizes = self.sizes_at(files, moment)?;
        let grown =
            self.logs.iter().filter_map(|log| Some((log, sizes.get(&log.unit).filter(|size| **size > Size::ZERO)?)));
        let place = |digest: Hash| charters.all().position(|charter| charter.digest() == digest);
        let newest = grown.clone().filter_map(|(log, size)| place(log.judge.charter(*size)?)).max().unwrap_or(0);
        let notes = charters.all().take(newest.saturating_add(1)).map(|charter| charter.note());
        let charters = CharterChain::read(notes).map_err(|error| PastError::Changed(error.to_string()))?;
        let mut fold = Fold::under(&charters)?;
        let (mut erased, mut fault) = (0_u64, None);
        for (log, size) in grown {
            read_bundles(files, workers, &log.unit, log.size, (*size, Wanted::Prepared), |at, bundle| {
                let missing = bundle.missing.iter().filter(|(index, _)| *index < size.get()).count();
                erased = erased.saturating_add(u64::try_from(missing).unwrap_or(u64::MAX));
                for (index, prepared) in (at.first()..size.get()).zip(bundle.prepared) {
                    fault = fault.take().or(fold.apply_prepared(&log.unit, index, prepared).err());
                }
            });
        }
        if let Some(fault) = fault {
            return Err(fault.into());
        }
        let of: BTreeMap<UnitId, Size> = self.logs.iter().map(|log| (log.unit.clone(), log.size)).collect();
        let payloads = Reread::new(files, &of);
        let mut logs = BTreeMap::new();
        for unit in charters.units() {
            let log = self.log(&unit, 0)?;
            let size = sizes.get(&unit).copied().unwrap_or_default();
            logs.insert(unit, (size, log.tree(files).root(size)?));
        }
        let frontier = Frontier { charter: charters.newest().digest(), logs };
        let changed = |error: &dyn std::fmt::Display| PastError::Changed(error.to_string());
        let digest = fold.digest(&frontier, &payloads).map_err(|error| changed(&error))?;
        for (target, _) in fold.targets(None) {
            if let Some(found) = fold.row(target, &payloads).map_err(|error| changed(&error))? {
                row(found);
            }
        }
        Ok(Past { version: charters.newest().version(), frontier, digest, counts: fold.counts(), erased })
    }

    /// One record, with the proof that it stands in its log.
    ///
    /// # Errors
    /// [`PastError`].
    pub fn receipt<F: Files>(&self, files: &F, id: &RecordId) -> Result<(Entry, UnverifiedReceipt), PastError> {
        let log = self.log(&id.unit, id.index.saturating_add(1))?;
        let head = log.checkpoint.as_ref().ok_or(PastError::Unverified)?;
        let entry = entry_of(files, log, id.index)?;
        let proof = inclusion_proof(&log.tree(files), id.index, log.size)?;
        let receipt = UnverifiedReceipt::compose(id.index, &entry, proof, head.note().to_vec())?;
        Ok((entry, receipt))
    }

    /// Every certified record in the order of the units' ids and of each log.
    ///
    /// # Errors
    /// [`PastError`].
    pub fn each_record<F: Files, W: Workers>(
        &self,
        files: &F,
        workers: &W,
        visit: &mut Visit<'_>,
    ) -> Result<(), PastError> {
        if self.list.is_none() {
            return Err(PastError::Unverified);
        }
        for log in &self.logs {
            read_bundles(files, workers, &log.unit, log.size, (log.size, Wanted::Payloads), |at, bundle| {
                for ((index, header), payload) in (at.first()..).zip(&bundle.headers).zip(&bundle.payloads) {
                    let id = RecordId { unit: log.unit.clone(), index };
                    visit(&id, header, payload.as_deref());
                }
            });
        }
        Ok(())
    }
}

/// An entry of a log that was verified.
fn entry_of<F: Files>(files: &F, log: &VerifiedLog, index: u64) -> Result<Entry, PastError> {
    let beyond = || PastError::Beyond { unit: log.unit.clone(), have: log.size, asked: index.saturating_add(1) };
    let at = At::of(&log.unit, index, log.size).ok_or_else(beyond)?;
    let raw = Raw::read(files, at).map_err(|fault| PastError::Changed(fault.to_string()))?;
    let (leaf, body) = raw.get(index.saturating_sub(at.first())).ok_or_else(beyond)?;
    Ok(Entry::new(leaf.clone(), body.cloned())?)
}

/// How many entries of a log are not later than a time. Times never go back: that was verified.
fn size_at<F: Files>(files: &F, log: &VerifiedLog, time_ms: u64) -> Result<Size, PastError> {
    let (mut low, mut high) = (0, log.size.get());
    // The last of whole bundles first, so that few files are read.
    while low < high {
        let middle = low.midpoint(high);
        let index = if high.saturating_sub(low) > BUNDLE_ENTRIES { middle & !0xff } else { middle };
        let index = index.max(low);
        if time_of(files, log, index)? <= time_ms { low = index.saturating_add(1) } else { high = index }
    }
    Size::new(low).map_err(|error| PastError::Changed(error.to_string()))
}

fn time_of<F: Files>(files: &F, log: &VerifiedLog, index: u64) -> Result<u64, PastError> {
    let entry = entry_of(files, log, index)?;
    Ok(EntryHeader::parse(entry.leaf())?.time_ms)
}
