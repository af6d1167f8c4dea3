//! The checks of single fields, from which the [`rules`](super::rules) of each kind are made.

use super::grammar::{self, GrammarFault};
use super::statement::SetAside;
use crate::ids::UnitId;
use crate::limits::LOG_SIZE_END;
use crate::wire::{FrontierLog, RecordRef, Referrals};

/// The end of times that a statement may name, in Unix milliseconds (exclusive): the year 10000, so that every reader
/// can print them.
const TIME_MS_END: u64 = 253_402_300_800_000;

/// What is wrong with a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Required and absent or empty.
    #[error("it is missing")]
    Missing,
    /// Given where it has no meaning.
    #[error("it must not be given here")]
    NotHere,
    /// A text or list beyond its limit (in bytes or items).
    #[error("it has {have}, at most {most} are allowed")]
    TooLong {
        /// What it has.
        have: usize,
        /// What it may have.
        most: usize,
    },
    /// A byte string that is not of its one length.
    #[error("it has {have} bytes instead of {want}")]
    Length {
        /// What it has.
        have: usize,
        /// What it must have.
        want: usize,
    },
    /// A control character other than line feed.
    #[error("it contains the control character U+{0:04X}")]
    ControlCharacter(u32),
    /// A character that embeds, overrides or isolates a direction of writing.
    #[error("it contains U+{0:04X}, which changes the direction of writing")]
    BidiControl(u32),
    /// A byte that this text never has.
    #[error("it contains a byte that it cannot have")]
    Byte,
    /// A number outside its range, or an enum value that is none.
    #[error("its value is out of range")]
    Range,
    /// A list that is not ascending with each element once.
    #[error("its elements are not ascending, each once")]
    NotAscending,
    /// Not a unit id.
    #[error("it is not a unit id")]
    Unit,
    /// Not a target in canonical form.
    #[error("it is not a target in canonical form: {0}")]
    Target(GrammarFault),
    /// A digest that is not of what stands beside it.
    #[error("it is not the digest of what stands beside it")]
    Digest,
}

/// Names the field of a fault.
pub(super) trait At {
    /// As a fault of this field.
    fn at(self, field: &'static str) -> Result<(), SetAside>;
}

impl At for Result<(), Fault> {
    fn at(self, field: &'static str) -> Result<(), SetAside> {
        self.map_err(|fault| SetAside::Field { field, fault })
    }
}

/// A text of at most so many bytes: UTF-8 without control characters (U+0000 to U+001F, U+007F to U+009F) other than
/// line feed, and without U+202A to U+202E and U+2066 to U+2069.
pub(super) fn text(text: &str, most: usize) -> Result<(), Fault> {
    if text.len() > most {
        return Err(Fault::TooLong { have: text.len(), most });
    }
    // Nearly all texts: one pass over bytes that stops at nothing, so that many are looked at together.
    if text.bytes().fold(true, |all, byte| all & matches!(byte, b' '..=b'~')) {
        return Ok(());
    }
    for c in text.chars() {
        match c {
            '\n' => {}
            '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' => return Err(Fault::ControlCharacter(u32::from(c))),
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => return Err(Fault::BidiControl(u32::from(c))),
            _ => {}
        }
    }
    Ok(())
}

/// A text of bytes that `allowed` names, at most so many.
pub(super) fn ascii(text: &str, most: usize, allowed: impl Fn(u8) -> bool) -> Result<(), Fault> {
    if text.len() > most {
        return Err(Fault::TooLong { have: text.len(), most });
    }
    if text.bytes().all(allowed) { Ok(()) } else { Err(Fault::Byte) }
}

/// A target in canonical form.
pub(super) fn target(text: &str) -> Result<(), Fault> {
    grammar::check(text).map_err(Fault::Target)
}

/// A SHA-256 value.
pub(super) fn hash(bytes: &[u8]) -> Result<(), Fault> {
    if bytes.len() == 32 { Ok(()) } else { Err(Fault::Length { have: bytes.len(), want: 32 }) }
}

/// A value of an enum or a small number.
pub(super) fn within<T: PartialOrd>(value: T, least: T, most: T) -> Result<(), Fault> {
    if value >= least && value <= most { Ok(()) } else { Err(Fault::Range) }
}

/// A point in time, or 0 where the field allows none.
pub(super) fn time(ms: u64) -> Result<(), Fault> {
    if ms < TIME_MS_END { Ok(()) } else { Err(Fault::Range) }
}

/// An index or size of a log.
pub(super) fn index(index: u64) -> Result<(), Fault> {
    if index < LOG_SIZE_END { Ok(()) } else { Err(Fault::Range) }
}

/// A unit id.
pub(super) fn unit(id: &str) -> Result<(), Fault> {
    id.parse::<UnitId>().map(|_| ()).map_err(|_| Fault::Unit)
}

/// The name of a record.
pub(super) fn reference(reference: &RecordRef) -> Result<(), Fault> {
    unit(&reference.unit)?;
    index(reference.index)
}

/// The name of a record that must be there.
pub(super) fn required(id: Option<&RecordRef>) -> Result<(), Fault> {
    reference(id.ok_or(Fault::Missing)?)
}

/// Names of records, in any order.
pub(super) fn references(list: &[RecordRef]) -> Result<(), Fault> {
    list.iter().try_for_each(reference)
}

/// Referrals by unit.
pub(super) fn referrals(list: &[Referrals]) -> Result<(), Fault> {
    for of in list {
        unit(&of.unit)?;
        if of.indexes.is_empty() {
            return Err(Fault::Missing);
        }
        of.indexes.iter().try_for_each(|at| index(*at))?;
        ascending(&of.indexes)?;
    }
    ascending(list.iter().map(|of| &of.unit))
}

/// Sizes and roots of logs.
pub(super) fn frontier(logs: &[FrontierLog]) -> Result<(), Fault> {
    for log in logs {
        unit(&log.unit)?;
        index(log.size)?;
        hash(&log.root)?;
    }
    ascending(logs.iter().map(|log| &log.unit))
}

/// A list that ascends, each element once.
pub(super) fn ascending<T: PartialOrd>(list: impl IntoIterator<Item = T>) -> Result<(), Fault> {
    let mut last = None;
    for item in list {
        if last.as_ref().is_some_and(|last| *last >= item) {
            return Err(Fault::NotAscending);
        }
        last = Some(item);
    }
    Ok(())
}

/// A list of at most so many.
pub(super) fn count(have: usize, most: usize) -> Result<(), Fault> {
    if have > most { Err(Fault::TooLong { have, most }) } else { Ok(()) }
}

/// Unit ids, ascending, each once, as many as a charter may have.
pub(super) fn units(list: &[String]) -> Result<(), Fault> {
    count(list.len(), crate::limits::UNITS_MAX)?;
    list.iter().try_for_each(|id| unit(id))?;
    ascending(list)
}
