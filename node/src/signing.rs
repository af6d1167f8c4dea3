//! Which texts of charters a unit may sign: one for each place in the network's history, ever.
//!
//! A journal, or beside a charter key that is kept apart a file, remembers a number and a digest for each text that was signed.
//! The number tells the place:
//!
//! | bits | what |
//! |---|---|
//! | 0-31 | the version |
//! | 32-47 | how often the network was founded anew before, since each time the versions begin with 1 again; 65,535 where that is not known |
//! | 48-63 | which [attempt](entente_proto::charter) to found it anew, less one |

use std::collections::BTreeMap;

use entente_proto::charter::{Charter, CharterChain, UnverifiedCharter};
use entente_proto::hash::Hash;

/// How far the attempt that is signed may lie beyond the last one that was: whoever composes a text cannot use all numbers up.
const ATTEMPTS_AHEAD_MAX: u16 = 16;
/// How often the network was founded anew is not known.
const UNKNOWN: u16 = u16::MAX;

/// The place of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    attempt: u16,
    refounded: u16,
    version: u32,
}

/// What a journal remembers of texts that were signed.
pub type Signed = BTreeMap<u64, Hash>;

impl Place {
    /// That of a charter which is to follow these; without them it is known of the very first version alone.
    #[must_use]
    pub fn of(charter: &UnverifiedCharter, held: Option<&CharterChain>) -> Self {
        let terms = charter.terms();
        let anew = u32::from(terms.continues.is_some());
        let refounded = match held {
            Some(held) => held.refounded().saturating_add(anew),
            None if terms.version == 1 && anew == 0 => 0,
            None => UNKNOWN.into(),
        };
        Self::since(refounded, charter.attempt(), terms.version)
    }

    /// That of one of these charters.
    #[must_use]
    pub fn taken(refounded: u32, charter: &Charter) -> Self {
        let attempt = UnverifiedCharter::parse(charter.note()).map_or(1, |charter| charter.attempt());
        Self::since(refounded, attempt, charter.version())
    }

    fn since(refounded: u32, attempt: u16, version: u32) -> Self {
        // Who has founded a network anew so often knows as little any more.
        Self { attempt, refounded: u16::try_from(refounded).unwrap_or(UNKNOWN), version }
    }

    /// Under which number it is remembered.
    #[must_use]
    pub const fn number(self) -> u64 {
        let (attempt, refounded) = (self.attempt.saturating_sub(1) as u64, self.refounded as u64);
        attempt << 48 | refounded << 32 | self.version as u64
    }

    const fn of_number(number: u64) -> Self {
        let attempt = ((number >> 48) as u16).saturating_add(1);
        Self { attempt, refounded: (number >> 32) as u16, version: number as u32 }
    }

    /// Whether this text may be signed, or taken up, after those that were signed.
    ///
    /// # Errors
    /// In words: another text was signed, and what can be done.
    pub fn check(self, digest: Hash, signed: &Signed, held: Option<&CharterChain>) -> Result<(), String> {
        let others = signed.iter().map(|(number, digest)| (Self::of_number(*number), *digest));
        // What is held is known to have its place elsewhere, whatever was known when it was signed.
        let elsewhere = |place: Self, other: Hash| {
            place.refounded == UNKNOWN && held.is_some_and(|held| held.of_digest(&other).is_some())
        };
        let alike = |place: Self| {
            place.version == self.version
                && (place.refounded == self.refounded || place.refounded == UNKNOWN || self.refounded == UNKNOWN)
        };
        let alike = others.filter(|(place, other)| *other != digest && alike(*place) && !elsewhere(*place, *other));
        let alike: Vec<(Self, Hash)> = alike.collect();
        let Some((last, later)) = alike.iter().max_by_key(|(place, _)| place.attempt) else {
            return self.not_far_beyond(0);
        };
        if last.attempt > self.attempt {
            return Err(format!(
                "this unit has signed a later attempt to found the network anew, {} (digest {later}): after that it neither signs nor takes \
                 up attempt {}",
                last.attempt, self.attempt
            ));
        }
        match alike.iter().find(|(place, _)| place.attempt == self.attempt) {
            Some((place, other)) => Err(self.refusal(*place, *other)),
            None => self.not_far_beyond(last.attempt),
        }
    }

    fn not_far_beyond(self, last: u16) -> Result<(), String> {
        if self.attempt > last.saturating_add(ATTEMPTS_AHEAD_MAX) {
            return Err(format!(
                "this is attempt {} to found the network anew, and the last that this unit signed is {last}: have it composed with a \
                 number at most {ATTEMPTS_AHEAD_MAX} larger",
                self.attempt
            ));
        }
        Ok(())
    }

    fn refusal(self, before: Self, other: Hash) -> String {
        if self.refounded == UNKNOWN && before.refounded != UNKNOWN {
            return format!(
                "this key has signed another text of version {} (digest {other}), and without the versions before this one nobody can tell \
                 whether both are of one founding of the network: name the directory that has them (--from DIR)",
                self.version
            );
        }
        // A version 1 that a founded network signs is one that founds it anew.
        if self.version == 1 && self.refounded > 0 {
            return format!(
                "this unit has signed another text that founds the network anew (digest {other}), and of each attempt it signs one, ever. If \
                 that one cannot come about, have the next composed as a further attempt (entente charter refound --attempt {}): \
                 whoever signs that takes none of the earlier ones up any more",
                self.attempt.saturating_add(1)
            );
        }
        format!(
            "this unit has signed another text of version {} already (digest {other}): one text a version, ever",
            self.version
        )
    }
}

#[cfg(test)]
mod tests;
