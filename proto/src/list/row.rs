//! Rows, put together from payloads.

use bytes::Bytes;
use prost::Message;
use prost::encoding::{WireType, encode_key, encode_varint};

use super::Status;
use super::fold::Fold;
use super::slot::Key;
use crate::hash::Hash;
use crate::ids::{RecordId, UnitId};
use crate::record::referral::Referral as InPlace;
use crate::record::{RecordKind, SetAside, Target, statement};
use crate::wire::record::Body;
use crate::wire::{
    self, DispatchRow, Hold, HoldRow, LinkRow, Observation, OpinionRow, OutcomeRow, RecordRef, Refer, Referral, Row,
};

/// Where the payloads of folded records are read again.
pub trait Payloads {
    /// A fault in reading.
    type Error;

    /// The header's time (Unix milliseconds) and the payload of a record, `None` where it is not there.
    ///
    /// # Errors
    /// Whatever prevents reading.
    fn payload(&self, unit: &UnitId, index: u64) -> Result<Option<(u64, Bytes)>, Self::Error>;
}

/// Why a row could not be put together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError<E> {
    /// Reading failed.
    #[error("reading a payload failed: {0}")]
    Payloads(E),
    /// A payload that was folded is not there any more, though nothing folded erases it.
    #[error("the payload of {0} is gone though it counts in the list")]
    Gone(RecordId),
    /// A payload is not what was folded.
    #[error("the payload of {0} is not what was folded: {1}")]
    Damaged(RecordId, SetAside),
}

/// The hash of a row: SHA-256 of its canonical protobuf bytes.
#[must_use]
pub fn row_hash(row: &Row) -> Hash {
    Hash::of(&row.encode_to_vec())
}

/// The hash of the [`referral_row`] of a standing referral, from the bytes of its record: these stand in the row again,
/// without the target.
pub(super) fn referral_hash(said: &InPlace<'_>, unit: &UnitId, index: u64, time_ms: u64) -> Hash {
    let mut id = Vec::with_capacity(32);
    put_bytes(&mut id, 1, unit.as_str().as_bytes());
    put_number(&mut id, 2, index);
    let mut referral = Vec::with_capacity(64);
    put_bytes(&mut referral, 1, &id);
    put_number(&mut referral, 2, time_ms);
    put_length(&mut referral, 3, said.rest.len());
    let mut row = Vec::with_capacity(said.target.len().saturating_add(16));
    put_bytes(&mut row, 1, said.target.as_bytes());
    put_number(&mut row, 2, u64::try_from(i32::from(wire::Status::from(ALONE))).unwrap_or_default());
    put_length(&mut row, 4, referral.len().saturating_add(said.rest.len()));
    Hash::of_parts(&[&row, &referral, said.rest])
}

/// A field with a number, unless that is the default.
fn put_number(message: &mut Vec<u8>, field: u32, number: u64) {
    if number != 0 {
        encode_key(field, WireType::Varint, message);
        encode_varint(number, message);
    }
}

/// A field with bytes, which are not empty.
fn put_bytes(message: &mut Vec<u8>, field: u32, bytes: &[u8]) {
    put_length(message, field, bytes.len());
    message.extend_from_slice(bytes);
}

/// What stands before so many bytes.
fn put_length(message: &mut Vec<u8>, field: u32, length: usize) {
    encode_key(field, WireType::LengthDelimited, message);
    encode_varint(u64::try_from(length).unwrap_or(u64::MAX), message);
}

fn empty_row(target: &Target, status: Status) -> Row {
    Row { target: target.as_str().to_owned(), status: wire::Status::from(status).into(), ..Row::default() }
}

/// The row of a target about which nothing was said but one referral.
pub(super) fn referral_row(target: &Target, status: Status, id: RecordRef, time_ms: u64, refer: Refer) -> Row {
    Row { referrals: vec![referral(id, time_ms, refer)], ..empty_row(target, status) }
}

/// The status of a target about which nothing was said but one referral.
pub(super) const ALONE: Status = Status::Listed;

/// The row of a target about which nothing was said but one hold.
pub(super) fn hold_row(target: &Target, status: Status, id: RecordRef, time_ms: u64, hold: Hold) -> Row {
    Row { holds: vec![hold_element(id, time_ms, hold)], ..empty_row(target, status) }
}

fn referral(id: RecordRef, time_ms: u64, mut refer: Refer) -> Referral {
    refer.target.clear();
    Referral { id: Some(id), time_ms, refer: Some(refer) }
}

fn hold_element(id: RecordRef, time_ms: u64, mut hold: Hold) -> HoldRow {
    hold.target.clear();
    HoldRow { id: Some(id), time_ms, hold: Some(hold) }
}

impl Fold {
    /// The row of a target; `None` where it has none. It reads the payload of every record that counts in it.
    ///
    /// # Errors
    /// A [`ReadError`] if one of them cannot be read.
    pub fn row<P: Payloads>(&self, target: &Target, payloads: &P) -> Result<Option<Row>, ReadError<P::Error>> {
        match self.targets.find(target.as_str()) {
            Some(id) => self.row_of(id, payloads),
            None => Ok(None),
        }
    }

    pub(super) fn row_of<P: Payloads>(&self, id: u32, payloads: &P) -> Result<Option<Row>, ReadError<P::Error>> {
        let Some((target, status)) = self.targets.get(id).and_then(|entry| Some((&entry.target, entry.status()?)))
        else {
            return Ok(None);
        };
        let mut keys = Vec::new();
        self.walk(id, |key, slot| {
            if slot.kind() != RecordKind::Observe && self.counts_now(key) {
                keys.push(key);
            }
        });
        keys.sort_unstable();
        let newest = self.observations.range((id, 0, Key::new(0, 0))..=(id, u64::MAX, Key::NONE)).next_back();
        keys.extend(newest.map(|(_, _, key)| *key));
        let mut row = empty_row(target, status);
        for key in keys {
            self.add(&mut row, key, payloads)?;
        }
        Ok(Some(row))
    }

    fn add<P: Payloads>(&self, row: &mut Row, key: Key, payloads: &P) -> Result<(), ReadError<P::Error>> {
        let (Some(record), Some(slot)) = (self.record_id(key), self.slot(key)) else { return Ok(()) };
        let read = payloads.payload(&record.unit, record.index).map_err(ReadError::Payloads)?;
        let Some((time_ms, payload)) = read else { return Err(ReadError::Gone(record)) };
        let said = match statement::parse(slot.kind().number(), &payload) {
            Ok(said) => said,
            Err(fault) => return Err(ReadError::Damaged(record, fault)),
        };
        let reference = self.reference(key);
        let id = Some(reference.clone());
        match said.into_body() {
            Body::Refer(refer) => row.referrals.push(referral(reference, time_ms, refer)),
            Body::Hold(hold) => row.holds.push(hold_element(reference, time_ms, hold)),
            Body::Opinion(opinion) => row.opinions.push(OpinionRow { id, time_ms, opinion: Some(opinion) }),
            Body::Dispatch(dispatch) => row.dispatches.push(DispatchRow { id, time_ms, dispatch: Some(dispatch) }),
            Body::Outcome(outcome) => row.outcomes.push(OutcomeRow { id, time_ms, outcome: Some(outcome) }),
            Body::Link(link) => row.links.push(LinkRow { id, time_ms, link: Some(link) }),
            Body::Observe(mut observe) => {
                observe.target.clear();
                row.availability = Some(Observation { id, time_ms, observe: Some(observe) });
            }
            // Evidence is about a target, but has no place in its row.
            _ => {}
        }
        Ok(())
    }
}
