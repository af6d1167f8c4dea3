//! Names: networks, units, records; and the numbers that count entries.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::limits::{LOG_SIZE_END, NETWORK_BYTES_MAX};

/// A fault in a name or number.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// Not a network name.
    #[error(
        "{0:?} is not a network name: lower-case letters, digits, hyphens and dots, at most 64 characters, as in \"takedown.example\""
    )]
    Network(String),
    /// Not a unit id.
    #[error("{0:?} is not a unit id: 2 to 16 capital letters and digits, with hyphens between, as in \"BE\"")]
    Unit(String),
    /// Not a record id.
    #[error("{0:?} is not a record id: a unit id, a slash and an index, as in \"BE/17\"")]
    Record(String),
    /// A size or index that is out of range.
    #[error("{0} is out of range: a log has fewer than 2^40 entries")]
    Size(u64),
}

/// The name of a network, such as `takedown.example`: one or more labels of `a-z`, `0-9` and inner hyphens, with dots
/// between, at most 64 bytes in all. One label alone is a name, and a label may be as long as the whole.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NetworkName(Arc<str>);

impl NetworkName {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for NetworkName {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let label = |part: &str| {
            !part.is_empty()
                && !part.starts_with('-')
                && !part.ends_with('-')
                && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        };
        if text.len() > NETWORK_BYTES_MAX || !text.split('.').all(label) {
            return Err(IdError::Network(clip(text)));
        }
        Ok(Self(text.into()))
    }
}

/// The id of a unit, such as `BE`: `[A-Z0-9]+(-[A-Z0-9]+)*`, 2 to 16 characters.
///
/// It stands in place, so that it is copied and compared at no cost: nearly every map here has it as its key.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct UnitId([u8; UNIT_ID_BYTES_MAX]);

/// How long the id of a unit is at most, in bytes.
const UNIT_ID_BYTES_MAX: usize = 16;

impl UnitId {
    /// The id.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // What is behind its end is zero, and it is ASCII.
        let text = self.0.split(|byte| *byte == 0).next().unwrap_or_default();
        std::str::from_utf8(text).unwrap_or_default()
    }
}

/// As the text is ordered: a shorter one stands before those that go on behind it, since zero is below all characters.
impl Ord for UnitId {
    fn cmp(&self, other: &Self) -> Ordering {
        u128::from_be_bytes(self.0).cmp(&u128::from_be_bytes(other.0))
    }
}

impl PartialOrd for UnitId {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl FromStr for UnitId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let part = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
        let mut id = [0; UNIT_ID_BYTES_MAX];
        let place = id.get_mut(..text.len()).filter(|place| place.len() >= 2 && text.split('-').all(part));
        place.ok_or_else(|| IdError::Unit(clip(text)))?.copy_from_slice(text.as_bytes());
        Ok(Self(id))
    }
}

/// The size of a log or of a part of it, in entries; also the index of the entry that comes next. Below 2^40.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Size(u64);

impl Size {
    /// No entries.
    pub const ZERO: Self = Self(0);

    /// Takes over a number.
    ///
    /// # Errors
    /// [`IdError::Size`] from 2^40 on.
    pub const fn new(value: u64) -> Result<Self, IdError> {
        if value < LOG_SIZE_END { Ok(Self(value)) } else { Err(IdError::Size(value)) }
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// This many more.
    ///
    /// # Errors
    /// [`IdError::Size`] from 2^40 on.
    pub const fn plus(self, count: u64) -> Result<Self, IdError> {
        Self::new(self.0.saturating_add(count))
    }

    /// How many entries this size has beyond `other`; 0 if it has none.
    #[must_use]
    pub const fn beyond(self, other: Self) -> u64 {
        self.0.saturating_sub(other.0)
    }

    /// The number of full 256-entry bundles.
    #[must_use]
    pub const fn bundles(self) -> u64 {
        self.0 >> 8
    }

    /// The size rounded down to full bundles.
    #[must_use]
    pub const fn bundled(self) -> Self {
        Self(self.0 & !0xff)
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// The id of a record: `<unit>/<index>`, such as `BE/17`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordId {
    /// The unit in whose log it stands.
    pub unit: UnitId,
    /// Its index, from 0.
    pub index: u64,
}

impl FromStr for RecordId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let fault = || IdError::Record(clip(text));
        let (unit, index) = text.split_once('/').ok_or_else(fault)?;
        let unit = unit.parse().map_err(|_| fault())?;
        let canonical = index == "0" || (!index.starts_with('0') && index.bytes().all(|b| b.is_ascii_digit()));
        let index: u64 = index.parse().map_err(|_| fault())?;
        if !canonical || index >= LOG_SIZE_END {
            return Err(fault());
        }
        Ok(Self { unit, index })
    }
}

impl fmt::Display for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.unit, self.index)
    }
}

impl fmt::Debug for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

macro_rules! shown_as_text {
    ($($name:ident),*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    )*};
}

shown_as_text!(NetworkName, UnitId);

/// The beginning of a text of unknown length, for an error message.
fn clip(text: &str) -> String {
    text.chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_id_is_capitals_and_digits_with_single_inner_hyphens() {
        for good in ["BE", "UK", "DE-BKA", "A1", "EU-IRU-2", "ABCDEFGHIJKLMNOP"] {
            assert_eq!(good.parse::<UnitId>().unwrap().as_str(), good);
        }
        for bad in ["", "B", "be", "-BE", "BE-", "B--E", "XN--ABC", "B E", "ABCDEFGHIJKLMNOPQ", "BÉ", "BE/1"] {
            assert_eq!(bad.parse::<UnitId>(), Err(IdError::Unit(bad.into())));
        }
    }

    #[test]
    fn units_stand_in_the_order_of_their_texts() {
        let texts = ["A1", "AB", "AB-1", "AB0", "ABC", "B0", "B00"];
        for (first, second) in texts.iter().flat_map(|first| texts.map(|second| (*first, second))) {
            let of = |text: &str| text.parse::<UnitId>().unwrap();
            assert_eq!(of(first).cmp(&of(second)), first.cmp(second), "{first} {second}");
        }
    }

    #[test]
    fn a_network_name_is_lower_case_labels() {
        assert!("takedown.example".parse::<NetworkName>().is_ok());
        for bad in ["", ".", "a..b", "A", "a_b", "-a", "a-", "a/b", "a b", &"a".repeat(65)] {
            assert!(bad.parse::<NetworkName>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_record_id_has_one_form() {
        let id: RecordId = "BE/17".parse().unwrap();
        assert_eq!((id.unit.as_str(), id.index), ("BE", 17));
        assert_eq!(id.to_string(), "BE/17");
        assert_eq!("BE/0".parse::<RecordId>().unwrap().index, 0);
        for bad in ["BE", "BE/", "BE/017", "BE/+1", "BE/-1", "be/1", "BE/1/2", "BE/1099511627776", "BE/ 1"] {
            assert_eq!(bad.parse::<RecordId>(), Err(IdError::Record(bad.into())));
        }
    }

    #[test]
    fn sizes_stay_below_two_to_the_fortieth() {
        assert_eq!(Size::new(1 << 40), Err(IdError::Size(1 << 40)));
        let last = Size::new((1 << 40) - 1).unwrap();
        assert_eq!(last.plus(1), Err(IdError::Size(1 << 40)));
        assert_eq!(last.plus(u64::MAX), Err(IdError::Size(u64::MAX)));
        assert_eq!(Size::new(700).unwrap().bundled().get(), 512);
    }
}
