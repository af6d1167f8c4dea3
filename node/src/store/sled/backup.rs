//! A whole copy of the database in another directory, made while the node goes on.

use std::ops::ControlFlow;
use std::path::Path;

use super::base::io_error;
use super::current::{self, Generation};
use super::{SledStore, lock};
use crate::files::create_private_directory;
use crate::journal::disk;
use crate::store::StoreError;

impl SledStore {
    /// Copies what counts into a new directory of databases, as a scrub does, and leaves it there.
    pub(super) fn copy_into(&self, directory: &Path) -> Result<(), StoreError> {
        let _one = lock(&self.scrubbing);
        create_private_directory(directory).map_err(io_error(directory, "create"))?;
        let copied = self.begin_copy_at(directory, Generation::FIRST).and_then(|mut copy| {
            self.copy_nearly_all(&mut copy, &mut |_| ControlFlow::Continue(()))?;
            let _turn = lock(&self.turn);
            self.copy_the_end(&mut copy)
        });
        *lock(&self.since_copy) = None;
        copied.inspect_err(|error| self.note_bad_copy(error))?;
        current::write(directory, Generation::FIRST)?;
        disk::sync_parent(directory).map_err(io_error(directory, "sync"))
    }
}
