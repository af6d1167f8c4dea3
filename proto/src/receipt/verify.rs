//! From what a receipt says to what is known to be so: the only place that makes a [`VerifiedReceipt`].

use super::{ReceiptError, UnverifiedReceipt};
use crate::charter::{Charter, Unit};
use crate::checkpoint::{Checkpoint, CheckpointError, CosignedCheckpoint};
use crate::entry::{Entry, EntryHeader};
use crate::ids::RecordId;
use crate::limits::NOTE_BYTES_MAX;
use crate::note::{Note, NoteError};
use crate::quorum::Quorum;
use crate::record::{self, Statement};
use crate::tree::verify_inclusion;

/// A record that a unit of the charter has in its log, as a checkpoint signed by that unit shows.
#[derive(Debug, Clone, PartialEq)]
pub struct VerifiedReceipt {
    id: RecordId,
    entry: Entry,
    statement: Statement,
    checkpoint: CosignedCheckpoint,
    quorum: Quorum,
}

impl UnverifiedReceipt {
    /// Verifies everything that the head of [this module](super) names. Whether the checkpoint has its quorum is not
    /// among it: ask [`VerifiedReceipt::certified`].
    ///
    /// # Errors
    /// [`ReceiptError`]: the first thing that does not hold.
    pub fn verify(&self, charter: &Charter) -> Result<VerifiedReceipt, ReceiptError> {
        let note = Note::parse(&self.checkpoint, NOTE_BYTES_MAX).map_err(CheckpointError::from)?;
        let unit = author(&note, charter)?;
        let checkpoint = self.signed_by(&note, unit, charter)?;
        let entry = Entry::new(self.leaf.clone(), Some(self.body.clone()))?;
        let said = checkpoint.checkpoint();
        verify_inclusion(&entry.leaf_hash(), self.index, said.size, &said.root, &self.proof)
            .map_err(|fault| ReceiptError::NotInLog { index: self.index, fault })?;
        let statement = record::parse(entry.header().kind, &self.body.payload)?;
        let id = RecordId { unit: unit.id.clone(), index: self.index };
        Ok(VerifiedReceipt { id, entry, statement, checkpoint, quorum: charter.quorum() })
    }

    fn signed_by(&self, note: &Note, unit: &Unit, charter: &Charter) -> Result<CosignedCheckpoint, ReceiptError> {
        let mirrors = charter.mirrors(&unit.id);
        let known = |line: &crate::note::NoteSignature| {
            line.is_by(&unit.log_key) || mirrors.values().any(|mirror| line.is_by(mirror))
        };
        // The author's first: whose log it is matters more than who else put a name under it.
        note.signature_of(&unit.log_key)
            .ok_or_else(|| CheckpointError::Note(NoteError::Unsigned(unit.log_key.name().clone())))?;
        if let Some(stranger) = note.signatures().iter().find(|line| !known(line)) {
            return Err(ReceiptError::UnknownSigner(stranger.name.clone()));
        }
        let checkpoint = CosignedCheckpoint::read(&self.checkpoint, &unit.log_key, &mirrors)?;
        if checkpoint.to_note(&mirrors) != self.checkpoint {
            return Err(ReceiptError::SignatureOrder);
        }
        Ok(checkpoint)
    }
}

/// The unit whose log the checkpoint says it is of.
fn author<'a>(note: &Note, charter: &'a Charter) -> Result<&'a Unit, ReceiptError> {
    let origin = Checkpoint::parse_body(note.text())?.origin;
    let of = |unit: &&Unit| *unit.log_key.name() == origin;
    charter.units().values().find(of).ok_or(ReceiptError::UnknownLog(origin))
}

impl VerifiedReceipt {
    /// The record: who says it, and where in its log.
    #[must_use]
    pub const fn id(&self) -> &RecordId {
        &self.id
    }

    /// What the leaf says: kind and time.
    #[must_use]
    pub const fn header(&self) -> &EntryHeader {
        self.entry.header()
    }

    /// The whole entry.
    #[must_use]
    pub const fn entry(&self) -> &Entry {
        &self.entry
    }

    /// What the record says.
    #[must_use]
    pub const fn statement(&self) -> &Statement {
        &self.statement
    }

    /// The checkpoint, with the cosignatures of the unit's partners.
    #[must_use]
    pub const fn checkpoint(&self) -> &CosignedCheckpoint {
        &self.checkpoint
    }

    /// How many cosignatures the charter asks for.
    #[must_use]
    pub const fn quorum(&self) -> &Quorum {
        &self.quorum
    }

    /// Whether enough partners have cosigned.
    ///
    /// # Errors
    /// [`CheckpointError::NotCertified`].
    pub fn certified(&self) -> Result<(), CheckpointError> {
        self.checkpoint.certified(&self.quorum)
    }
}
