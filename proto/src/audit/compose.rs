//! The files of an export that are not cut into bundles.

use std::sync::Arc;

use crate::audit::layout;
use crate::charter::{Charter, CharterChain};
use crate::fork::ForkProof;
use crate::ids::{Size, UnitId};
use crate::sync::{Judge, JudgeError, Judged};

/// Every version of the charter, from the very first on, with the path of its file.
pub fn charter_paths(charters: &CharterChain) -> impl Iterator<Item = (String, &Arc<Charter>)> {
    let mut refounded = 0_u32;
    charters.all().map(move |charter| {
        refounded = refounded.saturating_add(u32::from(charter.terms().continues.is_some()));
        (layout::charter(refounded, charter.version()), charter)
    })
}

/// Every version of the charter: path and bytes.
pub fn charter_files(charters: &CharterChain) -> impl Iterator<Item = (String, Vec<u8>)> {
    charter_paths(charters).map(|(path, charter)| (path, charter.note().to_vec()))
}

/// What a node holds of a log besides its entries.
#[derive(Debug, Clone, Copy)]
pub struct LogNotes<'a> {
    /// The newest certified checkpoint, [sifted](Judge::sift).
    pub checkpoint: Option<&'a Judged>,
    /// The newest certified bridge, sifted.
    pub bridge: Option<&'a Judged>,
    /// The proof that it forked.
    pub fork: Option<&'a ForkProof>,
}

impl LogNotes<'_> {
    /// The small files of a log: path and bytes.
    ///
    /// # Errors
    /// [`JudgeError::Unknown`].
    pub fn files(&self, unit: &UnitId, judge: &Judge) -> Result<Vec<(String, Vec<u8>)>, JudgeError> {
        let size = self.checkpoint.map_or(Size::ZERO, |checkpoint| checkpoint.checkpoint().size);
        let (key, witnesses) = judge.keys(size)?;
        let lines: String = witnesses.iter().map(|key| format!("{key}\n")).collect();
        let mut files = vec![
            (layout::log_key(unit), format!("{key}\n").into_bytes()),
            (layout::witness_keys(unit), lines.into_bytes()),
        ];
        files.extend(self.checkpoint.map(|head| (layout::checkpoint(unit), head.note().to_vec())));
        files.extend(self.bridge.map(|head| (layout::bridge(unit, head.checkpoint().size), head.note().to_vec())));
        files.extend(self.fork.map(|proof| (layout::fork(unit), proof.to_text())));
        Ok(files)
    }
}
