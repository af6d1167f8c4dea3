//! When an epoch is over, and how long it is kept then.

use std::io;
use std::path::{Path, PathBuf};

use entente_proto::entry::Entry;
use entente_proto::ids::{NetworkName, UnitId};

use super::file::Epoch;
use super::{AccessError, path};
use crate::journal::disk;

/// Longest file of an epoch, in bytes, that is gone on with: all of it is read at the next start.
const EPOCH_BYTES_MAX: u64 = 16 << 20;
/// How many days an epoch lasts at most, where old ones are deleted.
const EPOCH_DAYS_MAX: u64 = 30;
const MS_A_DAY: u64 = 86_400_000;

/// How long epochs are, and how long they are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keeping {
    /// Longest file of an epoch that is gone on with, in bytes.
    pub epoch_bytes_max: u64,
    /// How many days after its end an epoch is deleted; 0 for never.
    pub days: u32,
}

impl Keeping {
    /// Epochs of the usual length, that are kept for so many days, or for 0 for ever.
    #[must_use]
    pub const fn days(days: u32) -> Self {
        Self { epoch_bytes_max: EPOCH_BYTES_MAX, days }
    }
}

/// The epochs of one access log.
#[derive(Debug, Clone)]
pub(super) struct Epochs {
    pub(super) directory: PathBuf,
    pub(super) network: NetworkName,
    pub(super) unit: UnitId,
    pub(super) keeping: Keeping,
}

impl Epochs {
    /// Whether the next epoch is to begin.
    pub(super) fn is_over(&self, epoch: &Epoch, now_ms: u64) -> bool {
        let Some(first_ms) = epoch.first_ms() else { return false };
        let age_ms = now_ms.saturating_sub(first_ms);
        let old = self.keeping.days > 0 && age_ms >= EPOCH_DAYS_MAX.saturating_mul(MS_A_DAY);
        old || epoch.length() >= self.keeping.epoch_bytes_max
    }

    /// Begins the one after another, perhaps with a first entry.
    pub(super) fn next(&self, before: u64, now_ms: u64, first: Option<&Entry>) -> io::Result<Epoch> {
        let number = before.saturating_add(1).max(now_ms / 1_000);
        Epoch::create(&self.directory, number, (&self.network, &self.unit), first)
    }

    /// Deletes the files up to this epoch.
    pub(super) fn delete(&self, up_to: u64) -> Result<(), AccessError> {
        let fail = |path: &Path| {
            let path = path.to_owned();
            move |source| AccessError::Io { what: "delete", path, source }
        };
        for epoch in super::epochs(&self.directory)?.into_iter().filter(|epoch| *epoch <= up_to) {
            let path = path(&self.directory, epoch);
            std::fs::remove_file(&path).map_err(fail(&path))?;
        }
        disk::sync_directory(&self.directory).map_err(fail(&self.directory))
    }
}
