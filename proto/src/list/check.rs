//! Looking a target up: whether it, or something that covers it, is on the list.

use std::collections::{BTreeMap, BTreeSet};

use super::Status;
use super::fold::Fold;
use super::slot::Base;
use crate::record::target::TargetType;
use crate::record::{RecordKind, Target, parents};

/// Bits in which two PDQ hashes may differ for their images to be taken for the same, as its authors recommend (PDQ,
/// Facebook 2019: 31 of 256).
pub const LIKENESS: u32 = 31;

/// How a listed target covers the one that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// It is the one.
    Itself,
    /// A referral of it means what continues its address, too.
    Prefix,
    /// It is a domain or network above.
    Above,
    /// It is an image that differs in so many bits.
    Like(u32),
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The listed target.
    pub target: Target,
    /// Its status.
    pub status: Status,
    /// How it covers the one that was asked for.
    pub way: Way,
}

/// What is needed to look up by more than the text, for the few rows that it concerns.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// Addresses of which a referral meant what continues them, too, when it was folded: whether one still does is
    /// asked then.
    prefixes: BTreeSet<Target>,
    /// Rows that are networks.
    networks: u64,
    /// Rows that are images.
    images: BTreeMap<u32, [u64; 4]>,
}

impl Index {
    pub(super) fn add(&mut self, target: &Target, id: u32) {
        match target.parts() {
            (TargetType::Ip, value) if value.contains('/') => self.networks = self.networks.saturating_add(1),
            (TargetType::Image, value) => _ = self.images.insert(id, bits(value)),
            _ => {}
        }
    }

    pub(super) fn remove(&mut self, target: &Target, id: u32) {
        match target.parts() {
            (TargetType::Ip, value) if value.contains('/') => self.networks = self.networks.saturating_sub(1),
            (TargetType::Image, _) => _ = self.images.remove(&id),
            _ => {}
        }
        self.prefixes.remove(target);
    }

    pub(super) fn add_prefix(&mut self, target: &Target) {
        self.prefixes.insert(target.clone());
    }
}

/// The 256 bits of a PDQ hash, `pdq:` and 64 hexadecimal digits.
fn bits(value: &str) -> [u64; 4] {
    let mut bits = [0; 4];
    let digits = value.rsplit(':').next().unwrap_or_default();
    for (word, digits) in bits.iter_mut().zip(digits.as_bytes().chunks(16)) {
        *word =
            std::str::from_utf8(digits).ok().and_then(|text| u64::from_str_radix(text, 16).ok()).unwrap_or_default();
    }
    bits
}

impl Fold {
    /// What the list says of a target: of itself, or of what covers it.
    ///
    /// A hold goes before everything, wherever it stands; then what is said of the target itself; then the nearest that
    /// covers it and is not cleared: of an address the longest prefix, then what stands [above](parents); of an image
    /// the one that differs least, in at most `likeness` bits. What `shown` says no to is passed over.
    pub fn check(&self, target: &Target, likeness: u32, shown: impl Fn(&Target) -> bool) -> Option<Found> {
        let found = |target: &Target, way| {
            let status = self.status(target).filter(|_| shown(target))?;
            Some(Found { status, target: target.clone(), way })
        };
        let own = found(target, Way::Itself);
        let held = |found: &Found| found.status == Status::Held;
        if own.as_ref().is_some_and(held) {
            return own;
        }
        let mut nearest = None;
        let mut look = |covering: Option<Found>| match covering {
            Some(found) if held(&found) => Some(found),
            Some(found) if found.status != Status::Cleared => {
                nearest.get_or_insert(found);
                None
            }
            _ => None,
        };
        for prefix in self.prefixes_of(target) {
            if let Some(held) = look(found(prefix, Way::Prefix)) {
                return Some(held);
            }
        }
        let only_addresses = |above: &Target| self.index.networks > 0 || !above.as_str().contains('/');
        for above in parents(target).filter(only_addresses) {
            if let Some(held) = look(found(&above, Way::Above)) {
                return Some(held);
            }
        }
        for (bits, like) in self.images_like(target, likeness) {
            if let Some(held) = look(found(like, Way::Like(bits))) {
                return Some(held);
            }
        }
        own.or(nearest)
    }

    /// The addresses that a url continues and of which a standing referral says that what continues them is meant too,
    /// longest first.
    fn prefixes_of<'a>(&'a self, target: &'a Target) -> impl Iterator<Item = &'a Target> {
        let mut rest = (!self.index.prefixes.is_empty()).then(|| target.as_str());
        let next = move || {
            loop {
                let text = rest?;
                // The greatest that is not greater; if it is no prefix, none longer than what both share can be one.
                let below = self
                    .index
                    .prefixes
                    .range::<str, _>((std::ops::Bound::Unbounded, std::ops::Bound::Included(text)))
                    .next_back()?;
                if text.starts_with(below.as_str()) {
                    rest = text.get(..below.as_str().len().saturating_sub(1));
                    return Some(below);
                }
                let shared = text.bytes().zip(below.as_str().bytes()).take_while(|(a, b)| a == b).count();
                rest = text.get(..shared);
            }
        };
        let means = |prefix: &&Target| {
            let chain = self.targets.find(prefix.as_str()).into_iter().flat_map(|id| self.chain_of(id));
            let mut slots = chain.filter_map(|key| self.slot(key));
            slots.any(|slot| slot.kind() == RecordKind::Refer && slot.base == Base::Prefix && slot.stands())
        };
        std::iter::from_fn(next).filter(move |prefix| prefix.as_str() != target.as_str()).filter(means)
    }

    /// The images that differ from an image in at most so many bits, nearest first; itself excepted.
    fn images_like(&self, target: &Target, most: u32) -> Vec<(u32, &Target)> {
        let (TargetType::Image, value) = target.parts() else { return Vec::new() };
        let own = bits(value);
        let differ = |other: &[u64; 4]| own.iter().zip(other).map(|(a, b)| (a ^ b).count_ones()).sum::<u32>();
        let near = self.index.images.iter().map(|(id, bits)| (differ(bits), *id)).filter(|(bits, _)| *bits <= most);
        let named = near.filter_map(|(bits, id)| Some((bits, &self.targets.get(id)?.target)));
        let mut found: Vec<_> = named.filter(|(_, like)| *like != target).collect();
        found.sort_unstable();
        found
    }
}
