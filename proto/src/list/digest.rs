//! The list digest and the frontier digest, as the head of [`list`](super) fixes them.

use std::collections::BTreeMap;

use ring::digest::{Context, SHA256};

use super::fold::{FOLD_VERSION, Fold};
use super::row::{Payloads, ReadError, row_hash};
use crate::hash::Hash;
use crate::ids::{Size, UnitId};
use crate::workers::{Alone, Workers};

/// The first bytes of what is digested.
const MAGIC: &[u8; 16] = b"entente list v1\n";
/// How much is gathered before it is hashed, in bytes.
const CHUNK_BYTES: usize = 16 << 10;
/// How many rows are brought together at once.
const CHUNK_ROWS: usize = 1_024;

/// What is folded: the charter, and each of its units' log up to a size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frontier {
    /// The charter's digest.
    pub charter: Hash,
    /// For every unit of the charter the size of its log and the root at that size.
    pub logs: BTreeMap<UnitId, (Size, Hash)>,
}

impl Frontier {
    /// The frontier digest under version 1 of the fold.
    #[must_use]
    pub fn digest(&self) -> Hash {
        let mut hasher = Hasher::new();
        self.feed(&mut hasher);
        hasher.finish()
    }

    fn feed(&self, hasher: &mut Hasher) {
        hasher.put(MAGIC);
        hasher.put(&FOLD_VERSION.to_be_bytes());
        hasher.put(self.charter.as_bytes());
        hasher.put(&u32::try_from(self.logs.len()).unwrap_or(u32::MAX).to_be_bytes());
        for (unit, (size, root)) in &self.logs {
            let id = unit.as_str().as_bytes();
            hasher.put(&u16::try_from(id.len()).unwrap_or(u16::MAX).to_be_bytes());
            hasher.put(id);
            hasher.put(&size.get().to_be_bytes());
            hasher.put(root.as_bytes());
        }
    }
}

/// Why there is no digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DigestError<E> {
    /// The frontier names other units or sizes than were folded.
    #[error("the frontier is not the one that was folded")]
    FrontierDiffers,
    /// A row could not be put together.
    #[error(transparent)]
    Read(#[from] ReadError<E>),
}

impl Fold {
    /// The list digest at this frontier, which must name exactly the units of the fold, with the sizes folded.
    ///
    /// It first hashes anew the rows that changed since the last digest, for which it reads their payloads, then makes
    /// one pass over all rows. Its result does not depend on when digests were asked for before.
    ///
    /// # Errors
    /// A [`DigestError`]; rows that were hashed stay so, the others wait for the next call.
    pub fn digest<P: Payloads>(&mut self, frontier: &Frontier, payloads: &P) -> Result<Hash, DigestError<P::Error>> {
        self.digest_by(frontier, payloads, &Alone)
    }

    /// As [`digest`](Self::digest), where others help to bring the rows into order and together.
    ///
    /// # Errors
    /// As there.
    pub fn digest_by<P: Payloads, W: Workers>(
        &mut self,
        frontier: &Frontier,
        payloads: &P,
        workers: &W,
    ) -> Result<Hash, DigestError<P::Error>> {
        let folded = frontier.logs.iter().map(|(unit, (size, _))| (unit, size.get()));
        let own = self.logs.iter().enumerate().map(|(number, log)| (&log.unit, self.size_of(number)));
        if !folded.eq(own) {
            return Err(DigestError::FrontierDiffers);
        }
        self.settle(payloads)?;
        let mut hasher = Hasher::new();
        frontier.feed(&mut hasher);
        hasher.put(&self.counts.rows().to_be_bytes());
        self.targets.sort(workers);
        let targets = &self.targets;
        let rows = |ids: &[u32]| {
            let mut bytes = Vec::with_capacity(CHUNK_BYTES);
            for entry in ids.iter().filter_map(|id| targets.get(*id)).filter(|entry| entry.status().is_some()) {
                let text = entry.target.as_str().as_bytes();
                bytes.extend_from_slice(&u32::try_from(text.len()).unwrap_or(u32::MAX).to_be_bytes());
                bytes.extend_from_slice(text);
                bytes.extend_from_slice(entry.hash.as_bytes());
            }
            bytes
        };
        workers.in_order(targets.sorted().chunks(CHUNK_ROWS), rows, |bytes| hasher.put(&bytes));
        Ok(hasher.finish())
    }

    /// Hashes anew at most so many of the rows that changed, so that a digest need not do it at one go. Gives how many
    /// are left. The digest is the same whether this is called or not.
    ///
    /// # Errors
    /// A row that could not be put together; it waits for the next call.
    pub fn settle_some<P: Payloads>(&mut self, most: usize, payloads: &P) -> Result<usize, ReadError<P::Error>> {
        for _ in 0..most {
            if self.settle_first(payloads)?.is_none() {
                break;
            }
        }
        Ok(self.targets.next_stale().map_or(0, |_| self.targets.stale()))
    }

    /// Hashes anew every row that changed.
    fn settle<P: Payloads>(&mut self, payloads: &P) -> Result<(), ReadError<P::Error>> {
        while self.settle_first(payloads)?.is_some() {}
        Ok(())
    }

    fn settle_first<P: Payloads>(&mut self, payloads: &P) -> Result<Option<()>, ReadError<P::Error>> {
        let Some(id) = self.targets.next_stale() else { return Ok(None) };
        match self.row_of(id, payloads)? {
            Some(row) => self.targets.set_hash(id, row_hash(&row)),
            None => self.targets.unlist(id),
        }
        Ok(Some(()))
    }
}

/// SHA-256 over many small pieces.
struct Hasher {
    context: Context,
    chunk: Vec<u8>,
}

impl Hasher {
    fn new() -> Self {
        Self { context: Context::new(&SHA256), chunk: Vec::with_capacity(CHUNK_BYTES) }
    }

    fn put(&mut self, bytes: &[u8]) {
        if self.chunk.len().saturating_add(bytes.len()) > CHUNK_BYTES {
            self.context.update(&self.chunk);
            self.chunk.clear();
        }
        self.chunk.extend_from_slice(bytes);
    }

    fn finish(mut self) -> Hash {
        self.context.update(&self.chunk);
        let mut out = [0; 32];
        out.copy_from_slice(self.context.finish().as_ref());
        Hash(out)
    }
}
