//! Files on their way to a place: many at once where each takes its time, and never more than memory has room for.

use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::{Place, PlaceError};

/// What may be on its way, in KiB, and what a file counts at least: 16 files, or the two largest.
const ROOM_KIB: u32 = 34 << 10;
const LEAST_KIB: u32 = ROOM_KIB / 16;

/// Files on their way.
pub(super) struct Uploads {
    place: Arc<Place>,
    handle: Handle,
    room: Arc<Semaphore>,
    calls: JoinSet<Result<(), PlaceError>>,
}

impl Uploads {
    pub(super) fn new(place: Arc<Place>, handle: Handle) -> Self {
        let room = Arc::new(Semaphore::new(usize::try_from(ROOM_KIB).unwrap_or(usize::MAX)));
        Self { place, handle, room, calls: JoinSet::new() }
    }

    /// Sends a file on its way, as soon as there is room; `of` is the name under which it is read at last. What is told may be
    /// the fault of one before.
    pub(super) fn put(&mut self, path: String, of: String, bytes: Vec<u8>) -> Result<(), PlaceError> {
        if self.place.blocks() {
            return self.handle.block_on(self.place.write(&path, &of, bytes));
        }
        let kib = u32::try_from(bytes.len() >> 10).unwrap_or(u32::MAX).clamp(LEAST_KIB, ROOM_KIB);
        // Nobody closes it.
        let permit = self.handle.block_on(self.room.clone().acquire_many_owned(kib)).ok();
        let place = self.place.clone();
        let call = async move {
            let _permit = permit;
            place.write(&path, &of, bytes).await
        };
        self.calls.spawn_on(call, &self.handle);
        while let Some(done) = self.calls.try_join_next() {
            judge(done)?;
        }
        Ok(())
    }

    /// Waits until all are there.
    pub(super) fn finish(&mut self) -> Result<(), PlaceError> {
        while let Some(done) = self.handle.block_on(self.calls.join_next()) {
            judge(done)?;
        }
        Ok(())
    }
}

fn judge(done: Result<Result<(), PlaceError>, tokio::task::JoinError>) -> Result<(), PlaceError> {
    done.unwrap_or_else(|error| Err(PlaceError::Other(format!("a file was not written: {error}"))))
}
