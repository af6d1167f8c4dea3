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
    /// All versions before the network was founded anew, if it was.
    earlier: Vec<Arc<Charter>>,
    /// How often it was founded anew.
    refounded: u32,
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
        Ok(Self { earlier: Vec::new(), refounded: 0, first: Arc::new(first), later: Vec::new() })
    }

    /// Reads and verifies the notes of all versions, in order. Every signature line must be [accounted
    /// for](Charter::written_as), so that no bit of them can be altered unnoticed.
    ///
    /// # Errors
    /// What is wrong with the first that does not hold; [`CharterError::NoVersions`] for none.
    pub fn read<N: AsRef<[u8]>>(notes: impl IntoIterator<Item = N>) -> Result<Self, CharterError> {
        let mut notes = notes.into_iter();
        let first = notes.next().ok_or(CharterError::NoVersions)?;
        let mut chain = Self::found(UnverifiedCharter::parse(first.as_ref())?.verify_first()?)?;
        chain.newest().written_as(first.as_ref())?;
        for note in notes {
            chain.follow_written(note.as_ref())?;
        }
        Ok(chain)
    }

    /// As [`follow`](Self::follow), of a note in which every signature line must be accounted for.
    pub(super) fn follow_written(&mut self, note: &[u8]) -> Result<(), CharterError> {
        self.follow(UnverifiedCharter::parse(note)?)?;
        self.newest().written_as(note)
    }

    /// Verifies a charter as the one that comes behind the newest, and puts it there: the next version, or a version 1 that founds
    /// the network anew.
    ///
    /// # Errors
    /// As [`verify`](Self::verify) and [`refound`](Self::refound).
    pub fn follow(&mut self, charter: UnverifiedCharter) -> Result<(), CharterError> {
        if charter.terms().continues.is_some() {
            return self.refound(&charter);
        }
        let next = self.verify(charter)?;
        self.push(next)
    }

    /// Founds the network anew with a version 1 that continues the newest version here and that all units in it have signed.
    /// Whoever calls trusts it: it was brought by hand.
    ///
    /// # Errors
    /// What [`verify_first`](UnverifiedCharter::verify_first) refuses; [`CharterError::Succession`] with the rule that keeps it
    /// from continuing the newest version.
    pub fn refound(&mut self, charter: &UnverifiedCharter) -> Result<(), CharterError> {
        self.check_refounding(charter)?;
        let first = charter.verify_first()?;
        self.earlier.push(std::mem::replace(&mut self.first, Arc::new(first)));
        self.earlier.append(&mut self.later);
        self.refounded = self.refounded.saturating_add(1);
        Ok(())
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

    /// How often the network was founded anew.
    #[must_use]
    pub const fn refounded(&self) -> u32 {
        self.refounded
    }

    /// All versions, from the very first on, also those before the network was founded anew.
    pub fn all(&self) -> impl DoubleEndedIterator<Item = &Arc<Charter>> {
        self.earlier.iter().chain(self.versions())
    }

    /// Whether a version stands before the network was founded anew.
    #[must_use]
    pub fn is_earlier(&self, digest: &Hash) -> Option<()> {
        self.earlier.iter().any(|charter| charter.digest() == *digest).then_some(())
    }

    /// All versions since the network was founded, or founded anew, from the first on.
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
        let (earlier, first) = (self.earlier.clone(), self.first.clone());
        Some(Self { earlier, refounded: self.refounded, first, later: later.cloned().collect() })
    }

    /// The version with this digest.
    #[must_use]
    pub fn of_digest(&self, digest: &Hash) -> Option<&Arc<Charter>> {
        self.all().find(|charter| charter.digest() == *digest)
    }

    /// The version that brought a unit in.
    #[must_use]
    pub fn brought_in(&self, unit: &UnitId) -> Option<&Arc<Charter>> {
        self.all().find(|charter| charter.unit(unit).is_some())
    }

    /// The first version that does not list a unit which was in the one before; the first of all where it has not been in the network
    /// since that was founded anew.
    #[must_use]
    pub fn left(&self, unit: &UnitId) -> Option<u32> {
        let last = self.all().rev().find(|charter| charter.unit(unit).is_some())?;
        if self.is_earlier(&last.digest()).is_some() {
            return Some(self.first.version());
        }
        let next = last.version().checked_add(1)?;
        (next <= self.newest().version()).then_some(next)
    }

    /// Every unit that any version lists.
    #[must_use]
    pub fn units(&self) -> BTreeSet<UnitId> {
        self.all().flat_map(|charter| charter.units().keys().cloned()).collect()
    }
}
