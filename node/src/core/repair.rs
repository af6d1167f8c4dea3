//! What the node does about a stored entry that cannot be read back.
//!
//! ```text
//! a reader finds it -> store remembers -> engine asks partners -> store writes it again -> readers go on
//! ```
//! Readers wait for that: people's calls and streams here, the list's thread for the news. Where nobody can give it again, or
//! the database itself fails, all of it is rebuilt ([`Again::Rebuild`](super::Again::Rebuild)).

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use entente_proto::ids::UnitId;
use entente_proto::limits::BUNDLE_ENTRIES;
use entente_proto::sync::{Event, VerifiedRun};

use super::{Core, drive, erasure};
use crate::store::{Batch, Repair, StoreError};

/// How long a reader waits before it is told that something cannot be read.
const READER_WAIT: Duration = Duration::from_secs(15);
/// How often something is read once more: each time something else may turn out to be damaged.
const ATTEMPTS_MAX: usize = 16;
/// How often a thread that waits looks.
const PAUSE: Duration = Duration::from_millis(10);

/// Tells the engine of what was found since it was last told.
pub(super) fn tell_found(core: &Arc<Core>, told: &mut BTreeSet<(UnitId, u64)>) {
    let found: BTreeSet<(UnitId, u64)> = core.store.found_bad().into_iter().collect();
    for (unit, index) in found.difference(told) {
        tracing::error!(
            %unit, index,
            "a stored entry cannot be read as it was written: it is fetched again from partners. Look at the disk if this comes again"
        );
        core.tell(Event::Unreadable { unit: unit.clone(), index: *index }, None);
    }
    *told = found;
}

/// Writes again what was fetched again.
pub(super) fn write(core: &Arc<Core>, run: VerifiedRun) {
    let (unit, from, entries, _) = run.into_parts();
    let bundle = from.get() / BUNDLE_ENTRIES;
    let repair = Repair { unit: unit.clone(), bundle, entries };
    let core_then = core.clone();
    let done = move |result: Result<(), Arc<StoreError>>| {
        let whole = match result {
            Ok(()) => true,
            Err(error) if matches!(*error, StoreError::Corrupt { .. }) => {
                tracing::warn!(%error, "what a partner gave does not make a damaged entry whole: another one is asked");
                false
            }
            Err(error) => return drive::not_stored(&error),
        };
        if whole {
            tracing::info!(%unit, bundle, "what could not be read was fetched again from partners and is stored");
            core_then.list.readable();
            // What was erased meanwhile could not be deleted before.
            erasure::settle_all(&core_then);
            core_then.repaired.send_replace(());
        }
        core_then.tell(Event::Repaired { unit, bundle, whole }, None);
    };
    core.store_writer.submit(Batch { repairs: vec![repair], ..Batch::default() }, Box::new(done));
}

/// Nobody could give it again.
pub(super) fn give_up(core: &Arc<Core>, unit: &UnitId, index: u64) {
    let reason = format!("the stored entry {unit}/{index} is damaged, and no partner could give it again");
    core.tell(Event::Damaged { reason }, None);
}

impl Core {
    /// Waits until everything that was found damaged is fetched again. Nothing if it takes too long.
    async fn readable(&self) -> Option<()> {
        let mut repaired = self.repaired.subscribe();
        let whole = async {
            while !self.store.found_bad().is_empty() {
                // The sender lives as long as this.
                let _ = repaired.changed().await;
            }
        };
        tokio::time::timeout(READER_WAIT, whole).await.ok()
    }

    /// Reads; where something turns out to be damaged, once more when it was fetched again. `concerns` tells which errors
    /// may come of that.
    ///
    /// # Errors
    /// Those of the reading: its own, or that what is damaged was not fetched again in time.
    pub async fn reading<T, E>(
        &self,
        concerns: impl Fn(&E) -> bool,
        mut read: impl FnMut() -> Result<T, E>,
    ) -> Result<T, E> {
        for _ in 0..ATTEMPTS_MAX {
            // Counted before what was found is forgotten, so that nothing is missed between the two.
            let before = self.store.repairs();
            match read() {
                Err(error) if concerns(&error) => {
                    let bad = !self.store.found_bad().is_empty();
                    if bad && self.readable().await.is_none() || !bad && self.store.repairs() == before {
                        return Err(error);
                    }
                }
                done => return done,
            }
        }
        read()
    }

    /// As [`reading`](Self::reading), for a thread that may block, and whatever the error is.
    ///
    /// # Errors
    /// As [`reading`](Self::reading).
    pub fn reading_apart<T, E>(&self, mut read: impl FnMut() -> Result<T, E>) -> Result<T, E> {
        for _ in 0..ATTEMPTS_MAX {
            let before = self.store.repairs();
            let error = match read() {
                Err(error) => error,
                done => return done,
            };
            let (bad, begun) = (!self.store.found_bad().is_empty(), Instant::now());
            while !self.store.found_bad().is_empty() {
                if begun.elapsed() > READER_WAIT {
                    return Err(error);
                }
                std::thread::sleep(PAUSE);
            }
            if !bad && self.store.repairs() == before {
                return Err(error);
            }
        }
        read()
    }
}
