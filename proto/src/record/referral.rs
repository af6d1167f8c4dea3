//! A referral, judged where its bytes stand.
//!
//! Nearly all records are referrals, and a node that catches up judges a million of them to learn of each what it
//! names. So they are read in place: no memory is taken, nothing is encoded again. What this takes is exactly what
//! [`parse`](super::parse) takes for a `Refer`, which the tests beside it hold the two to; where it takes nothing,
//! `parse` decides and says why.
//!
//! Canonical bytes make it simple: the fields stand in their order, each at most once, so they are asked for one after
//! the other, and at the end nothing is left.

use super::check;
use super::rules::{
    ACCURACY_MAX, BASIS_MAX, CAMPAIGN_BYTES_MAX, CATEGORY_MAX, DESCRIPTION_BYTES_MAX, EUROPOL_MAX, EVIDENCE_ITEMS_MAX,
    LANGUAGE_BYTES_MAX, MEDIA_TYPE_BYTES_MAX, OVERRIDE_BYTES_MAX, PROVIDER_BYTES_MAX, SOURCE_MAX, TLP_MAX,
    TOOL_BYTES_MAX, in_language, in_media_type,
};
use super::statement::SUBMISSION_BYTES;
use crate::limits::PAYLOAD_BYTES_MAX;

/// A referral that is canonical and keeps every limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Referral<'a> {
    /// What is referred, in canonical form.
    pub(crate) target: &'a str,
    /// Whether what continues the target is meant, too.
    pub(crate) prefix: bool,
    /// The canonical bytes of the `Refer` without its target.
    pub(crate) rest: &'a [u8],
}

/// Reads the payload of an entry whose header says that it is a referral. `None` where it is not a sound one.
pub(crate) fn read(payload: &[u8]) -> Option<Referral<'_>> {
    if payload.len() > PAYLOAD_BYTES_MAX {
        return None;
    }
    let mut record = Fields(payload);
    (record.bytes(1)?.len() == SUBMISSION_BYTES).then_some(())?;
    let mut refer = Fields(record.message(2)??);
    record.end()?;
    let target = refer.text(1)?;
    check::target(target).ok()?;
    let rest = refer.0;
    let prefix = remaining(&mut refer)?;
    (!prefix || target.starts_with("url:")).then_some(Referral { target, prefix, rest })
}

/// The fields after the target. Gives back whether what continues it is meant.
fn remaining(refer: &mut Fields<'_>) -> Option<bool> {
    let categories = refer.bytes(2)?;
    (!categories.is_empty() && is_set(categories, 1, CATEGORY_MAX)).then_some(())?;
    refer.number(3, BASIS_MAX)?;
    refer.limited(4, PROVIDER_BYTES_MAX)?;
    refer.number(5, SOURCE_MAX)?;
    refer.number(6, ACCURACY_MAX)?;
    check::ascii(refer.text(7)?, LANGUAGE_BYTES_MAX, in_language).ok()?;
    refer.limited(8, DESCRIPTION_BYTES_MAX)?;
    let mut items = 0_usize;
    while let Some(item) = refer.message(9)? {
        items = items.saturating_add(1);
        (items <= EVIDENCE_ITEMS_MAX).then_some(())?;
        evidence_item(Fields(item))?;
    }
    if let Some(handling) = refer.message(10)? {
        let mut handling = Fields(handling);
        handling.number(1, TLP_MAX)?;
        is_set(handling.bytes(2)?, 0, EUROPOL_MAX).then_some(())?;
        handling.end()?;
    }
    check::time(refer.varint(11)?).ok()?;
    refer.limited(12, CAMPAIGN_BYTES_MAX)?;
    let prefix = refer.number(13, 1)? > 0;
    refer.limited(14, OVERRIDE_BYTES_MAX)?;
    refer.end()?;
    Some(prefix)
}

fn evidence_item(mut item: Fields<'_>) -> Option<()> {
    check::hash(item.bytes(1)?).ok()?;
    check::ascii(item.text(2)?, MEDIA_TYPE_BYTES_MAX, in_media_type).ok()?;
    item.varint(3)?;
    check::time(item.varint(4)?).ok()?;
    item.limited(5, TOOL_BYTES_MAX)?;
    item.end()
}

/// Whether the bytes ascend from `least` to `most`, each once: a packed list of small numbers, of which each takes a byte.
fn is_set(numbers: &[u8], least: u8, most: u8) -> bool {
    numbers.iter().all(|number| (least..=most).contains(number)) && numbers.is_sorted_by(|a, b| a < b)
}

/// What is left of a canonical message. Each method takes the next field if it has that number, and gives the default
/// where it has not; `None` says that the bytes are not canonical or break the limit.
#[derive(Clone, Copy)]
struct Fields<'a>(&'a [u8]);

/// The wire types of protobuf, as the low bits of a tag.
const VARINT: u8 = 0;
const LENGTH: u8 = 2;

impl<'a> Fields<'a> {
    /// Takes the tag of this field, of a number below 16, if it comes next.
    fn tag(&mut self, number: u8, wire_type: u8) -> bool {
        match self.0 {
            [tag, rest @ ..] if *tag == number << 3 | wire_type => {
                self.0 = rest;
                true
            }
            _ => false,
        }
    }

    /// A number in as few bytes as it needs.
    fn shortest(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        for (at, byte) in self.0.iter().enumerate().take(10) {
            let bits = u64::from(byte & 0x7f);
            let shift = u32::try_from(at).ok()?.saturating_mul(7);
            // Of the tenth byte one bit is left.
            value |= bits.checked_shl(shift).filter(|shifted| shifted >> shift == bits)?;
            if byte & 0x80 == 0 {
                self.0 = self.0.get(at.saturating_add(1)..)?;
                return (*byte != 0 || at == 0).then_some(value);
            }
        }
        None
    }

    /// A number; 0 stands only where it is absent.
    fn varint(&mut self, number: u8) -> Option<u64> {
        if self.tag(number, VARINT) { self.shortest().filter(|value| *value != 0) } else { Some(0) }
    }

    /// A number of at most this.
    fn number(&mut self, number: u8, most: u8) -> Option<u64> {
        self.varint(number).filter(|value| *value <= most.into())
    }

    /// A message, which may be empty, if it is there.
    fn message(&mut self, number: u8) -> Option<Option<&'a [u8]>> {
        if !self.tag(number, LENGTH) {
            return Some(None);
        }
        let length = usize::try_from(self.shortest()?).ok()?;
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(Some(bytes))
    }

    /// Bytes, or a packed list; empty ones stand only where they are absent.
    fn bytes(&mut self, number: u8) -> Option<&'a [u8]> {
        match self.message(number)? {
            Some([]) => None,
            found => Some(found.unwrap_or_default()),
        }
    }

    /// UTF-8.
    fn text(&mut self, number: u8) -> Option<&'a str> {
        std::str::from_utf8(self.bytes(number)?).ok()
    }

    /// A text of at most so many bytes, of the characters that a text may have.
    fn limited(&mut self, number: u8, most: usize) -> Option<()> {
        check::text(self.text(number)?, most).ok()
    }

    /// Nothing is left.
    fn end(&self) -> Option<()> {
        self.0.is_empty().then_some(())
    }
}

#[cfg(test)]
mod tests;
