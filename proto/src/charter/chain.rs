//! All versions of a network's charter, each verified under the one before.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::error::{CharterError, SuccessionFault};
use super::verify::{Charter, UnverifiedCharter};
use crate::hash::Hash;
use crate::ids::UnitId;

/// The charter from its first version to the newest that is known. There is always a first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CharterChain {
    first: Arc<Charter>,
    later: Vec<Arc<Charter>>,
}

impl CharterChain {
    /// Begins with a version 1 that [counts](UnverifiedCharter::verify_first) and that whoever calls trusts: it was brought
    /// by hand.
    ///
    /// # Errors
    /// [`CharterError::NotFirst`] for a later version.
    pub fn found(first: Charter) -> Result<Self, CharterError> {
        if first.version() != 1 {
            return Err(CharterError::NotFirst(first.version()));
        }
        Ok(Self { first: Arc::new(first), later: Vec::new() })
    }

    /// Reads and verifies the notes of all versions, in order.
    ///
    /// # Errors
    /// What is wrong with the first that does not hold; [`CharterError::NoVersions`] for none.
    pub fn read<N: AsRef<[u8]>>(notes: impl IntoIterator<Item = N>) -> Result<Self, CharterError> {
        let mut notes = notes.into_iter();
        let first = notes.next().ok_or(CharterError::NoVersions)?;
        let mut chain = Self::found(UnverifiedCharter::parse(first.as_ref())?.verify_first()?)?;
        for note in notes {
            let next = chain.verify(UnverifiedCharter::parse(note.as_ref())?)?;
            chain.push(next)?;
        }
        Ok(chain)
    }

    /// Puts a [verified](Self::verify) version behind the newest.
    ///
    /// # Errors
    /// [`CharterError::Succession`] if it was verified under other versions than these.
    pub fn push(&mut self, next: Charter) -> Result<(), CharterError> {
        let newest = self.newest();
        // The digest of the version before stands for all that went before it.
        if next.terms().previous != Some(newest.digest()) {
            let found = next.terms().previous.map(|digest| digest.to_string()).unwrap_or_default();
            let fault = SuccessionFault::Previous { found, expected: newest.digest().to_string() };
            return Err(CharterError::Succession { after: newest.version(), fault });
        }
        self.later.push(Arc::new(next));
        Ok(())
    }

    /// The newest version.
    #[must_use]
    pub fn newest(&self) -> &Arc<Charter> {
        self.later.last().unwrap_or(&self.first)
    }

    /// All versions, from the first on.
    pub fn versions(&self) -> impl DoubleEndedIterator<Item = &Arc<Charter>> {
        std::iter::once(&self.first).chain(&self.later)
    }

    /// One version.
    #[must_use]
    pub fn version(&self, version: u32) -> Option<&Arc<Charter>> {
        self.versions().find(|charter| charter.version() == version)
    }

    /// The versions up to this one; nothing if it is not there.
    #[must_use]
    pub fn up_to(&self, version: u32) -> Option<Self> {
        self.version(version)?;
        let later = self.later.iter().filter(|charter| charter.version() <= version);
        Some(Self { first: self.first.clone(), later: later.cloned().collect() })
    }

    /// The version with this digest.
    #[must_use]
    pub fn of_digest(&self, digest: &Hash) -> Option<&Arc<Charter>> {
        self.versions().find(|charter| charter.digest() == *digest)
    }

    /// The version that brought a unit in.
    #[must_use]
    pub fn brought_in(&self, unit: &UnitId) -> Option<&Arc<Charter>> {
        self.versions().find(|charter| charter.unit(unit).is_some())
    }

    /// The first version that does not list a unit which was in the one before.
    #[must_use]
    pub fn left(&self, unit: &UnitId) -> Option<u32> {
        let last = self.versions().rev().find(|charter| charter.unit(unit).is_some())?;
        let next = last.version().checked_add(1)?;
        (next <= self.newest().version()).then_some(next)
    }

    /// Every unit that any version lists.
    #[must_use]
    pub fn units(&self) -> BTreeSet<UnitId> {
        self.versions().flat_map(|charter| charter.units().keys().cloned()).collect()
    }
}
