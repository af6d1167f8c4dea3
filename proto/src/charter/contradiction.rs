//! Two texts of one version: at most one counts, and whoever signed both broke its word.

use std::collections::BTreeSet;

use super::chain::CharterChain;
use super::verify::UnverifiedCharter;
use crate::hash::Hash;
use crate::ids::UnitId;

/// What another text of a version that is held shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contradiction {
    /// The version.
    pub version: u32,
    /// The other text's digest.
    pub digest: Hash,
    /// The units whose charter keys signed both texts. An honest node signs one text for a version, ever.
    pub signed_both: BTreeSet<UnitId>,
    /// Whether the other text follows another charter than the one held does, as after a founding anew, since which the versions
    /// begin with 1 again; or is another attempt to found it anew. Whoever signed both broke no word.
    pub elsewhere: bool,
    /// Why the other text would not count even if it stood alone; nothing where enough have signed it.
    pub lacks: Option<String>,
}

impl CharterChain {
    /// Holds a charter against the version of it that is held: every signature that is told of was checked. Nothing if it is no
    /// other text of a version that is held.
    #[must_use]
    pub fn contradiction(&self, note: &[u8]) -> Option<Contradiction> {
        let other = UnverifiedCharter::parse(note).ok()?;
        let version = other.terms().version;
        // What follows a charter from before the network was founded anew says nothing about those since.
        let earlier = |digest: Hash| self.is_earlier(&digest).is_some();
        if earlier(other.digest()) || other.terms().previous.is_some_and(earlier) {
            return None;
        }
        let held = self.version(version).filter(|held| held.digest() != other.digest())?;
        let before = version.checked_sub(1).and_then(|before| self.up_to(before));
        // The charter keys of the version before vote for one that follows it.
        let read = |charter: UnverifiedCharter| match &before {
            Some(chain) => chain.draft(charter.clone()).unwrap_or(charter),
            None => charter,
        };
        let lacks = match &before {
            Some(chain) => chain.verify(other.clone()).err(),
            None => other.verify_first().err(),
        };
        let (held, other) = (read(UnverifiedCharter::parse(held.note()).ok()?), read(other));
        // One text is signed for a version of one founding. Where they follow different charters nobody here can tell whether
        // they are of one, so nobody is accused.
        let place =
            |charter: &UnverifiedCharter| (charter.terms().previous, charter.terms().continues, charter.attempt());
        let elsewhere = place(&held) != place(&other);
        let voters = before.as_ref().into_iter().flat_map(|chain| chain.newest().units().values());
        let signed_both = held.terms().units.values().chain(voters).filter(|unit| {
            let key = &unit.charter_key;
            !elsewhere && held.has_signed(key) && other.has_signed(key)
        });
        Some(Contradiction {
            version,
            digest: other.digest(),
            elsewhere,
            signed_both: signed_both.map(|unit| unit.id.clone()).collect(),
            lacks: lacks.map(|error| error.to_string()),
        })
    }
}
