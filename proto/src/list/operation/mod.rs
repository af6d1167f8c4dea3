//! The simultaneous action: what everybody makes of the steps of an operation, version 1 of the fold.
//!
//! One unit leads. It says which units are asked, which targets are meant and when; the others join; it fixes the targets;
//! everyone says that it is ready for exactly these; it says go; everyone reports what it did. Each of these is a record in
//! the log of the unit that says it, and the *board* is what follows from all of them. It is a function of the same
//! complete prefixes as the [rows](super): nothing depends on how logs interleave, on a clock, or on which payloads were
//! erased since.
//!
//! # Whose steps
//!
//! An `Operation` begins one; its unit *leads*. A step names it. The lead's steps are judged in the order of the lead's log,
//! those behind the `Operation` alone; every other unit's steps in that unit's own order. Where a step depends on what
//! *other* units said, it names a frontier, the size of each log (of its own log everything before it is meant; one that
//! names more of its own log than that is inert, `ahead`). So whatever it depends on is fixed when it is written, and
//! everybody who has folded that far finds the same.
//!
//! Of the steps of one unit in one operation that are no reports, the first 4,096 are looked at.
//!
//! # What each step does
//!
//! A step that breaks a rule is *inert*, for the first of these reasons that holds: those of the first row, then those of its
//! own row, in the order in which they stand. Of the lead's steps each is judged by what the lead's steps before it made of the
//! operation; of another unit's each by what all of the lead's steps make of it, and by its own unit's steps before it. A report
//! is judged by all steps of both.
//!
//! | step | by the lead | by another unit |
//! |---|---|---|
//! | any | `ahead` before the `Operation`; `closed` after a `Close` that counts; `aborted` after an `Abort` that counts, for all but `Close` and reports | `not-invited` unless the lead has invited it in a step that counts, now or later; `closed` where its index is not below the size that a `Close` which counts names of its log |
//! | `Invite` | `gone` after a go that counts; `nothing` without units. The units are invited. | `not-lead` |
//! | `Join`, `Decline` | `leads` | the unit takes part from here on, or does not; a `Decline` ends that it is ready |
//! | `Add` | `frozen` after a freeze that counts; `nothing` without referrals. They are added. | `not-joined` unless it takes part; `frozen` if there is a freeze that counts and the step is not within its frontier; `nothing` |
//! | `Remove` | the same; takes them out, whoever added them, until it adds them again | the same; `not-own` if it added none of them; takes out what it added itself |
//! | `Assign` | `not-invited` if the unit is neither invited nor the lead. Takes the place of what that unit was assigned. | `not-lead` |
//! | `Freeze` | `frozen` after one that counts; `nothing`; `other-digest` if the digest is not that of its referrals; `ahead`. They are fixed. | `not-lead` |
//! | `Ready` | `not-frozen` without a freeze that counts; `other-digest` if it names another digest | `not-joined`; the same |
//! | `Go` | `not-frozen`; `other-digest`; `gone` after one that counts; `waits` after one that waits; `ahead`; `waits` while a log is not folded as far as it names it; `no-quorum` if fewer units than the operation wants were ready: the lead if it said so before, others by what their logs say below the sizes that it names | `not-lead` |
//! | `Abort` | the operation is called off | `not-lead` |
//! | `Close` | `ahead`. Ends it | `not-lead` |
//! | `Executed` | `not-gone` without a go; `waits` if it waits; `not-gone` if the go comes after the report; `not-covered` if the go does not cover the referral | `not-joined` unless it takes part where the report stands; `not-gone` without a go; `waits`; `not-covered` |
//!
//! Of several reports of one unit on one referral the newest that counts is on the board. Of those that are inert each unit's
//! first 100 are among the steps, with the time that they give, one referral and no text.
//!
//! The lead was ready for a go if a `Ready` of its own that counts stands before it. Another unit was if its steps below the size
//! that the go names of its log, judged as everywhere, leave it ready: its newest `Ready` that counts, with no `Decline` after it.
//!
//! # The targets
//!
//! Before the freeze: the referrals that the lead added and those that units which take part added, without those that the
//! lead took out. From the freeze on: exactly those that it names. The digest that `Freeze`, `Ready` and `Go` name is SHA-256
//! of these bytes, numbers big-endian:
//!
//! | bytes | what |
//! |---|---|
//! | 20 | the text `entente operation 1` and a line feed |
//! | 2 + n | the length of the id of the lead unit, and the id |
//! | 8 | the index of the `Operation` |
//! | 8 | the number of referrals |
//! | | for each referral, ascending by unit (as bytes), then index: |
//! | 2 + n | the length of the id of its unit, and the id |
//! | 8 | its index |
//!
//! A record's name is enough: its log fixes what it says.
//!
//! # What a go covers
//!
//! The fixed referrals, without those
//!
//! - that it leaves out by name (`Go.excluded`);
//! - that are no referral, or were not there, within its frontier;
//! - that had been withdrawn or erased within its frontier;
//! - of whose target a hold stood within its frontier;
//! - of whose target a referral that stood within its frontier had an objection that stood within it, unless the go overrides
//!   that objection by name.
//!
//! A record *stood within* a frontier if its index is below the size of its log there, and that of the `Withdraw` or
//! `Erase` which first took it back is not. What was erased since is as if it had never been said, except that an erased
//! record whose header's kind is `Refer` is taken for a sound referral of an unknown target. So a lead names in its go what
//! it leaves out, and nothing comes in again when a hold is erased later.
//!
//! Whatever comes after the frontier is *late*: the board shows it, and it changes nothing of what the go covers.
//!
//! # What speaks against a target
//!
//! Each target shows in `against`, ascending by kind, then unit and index, `in_go` for all that made the go leave it out or would
//! have but for an override. Here *the go* is one that counts; before it nothing is `in_go`.
//!
//! | kind | for | `id` | `stands` | `in_go` |
//! |---|---|---|---|---|
//! | hold | a sound `Hold` on the target that was not erased: it stands now, stood within the go, or is not within it | the hold | not withdrawn | it stood within it |
//! | objection | the same of an objecting `Opinion` of another unit on a sound referral of the target, erased neither | the opinion | neither was withdrawn | both stood within it |
//! | withdrawn, erased | the referral was taken back; which of both, says whether it was withdrawn at all | what took it back first | always | that is within it |
//! | no referral | the record is no sound `Refer`, and no erased one, or is not folded | none | always | always |
//! | no referral | it is one, and not within the go | none | never | always |
//! | named | the go leaves it out by name; stands last | the go | always | always |
//!
//! Of an erased referral the target is not known any more: it shows neither holds nor objections.
//!
//! # The board
//!
//! The message `Board` of `operation.proto`; its *digest* is SHA-256 of its canonical bytes. The list digest covers the
//! frontier and the rows, and not the boards: who has the same frontier has the same boards.
//!
//! # Custody
//!
//! The unit of an `Evidence` record holds its item first. A hand-over is a `Custody` with the step *give* by the unit that
//! holds it, and a *take* by the unit that it names, which names the giver in turn. Both sides' words are taken in their own
//! order: of a holder its first give that was not taken yet, and of the unit that it names the first take from the holder
//! that was not used yet. Then that unit holds it. It is *intact* where both name the SHA-256 of the evidence. What is left,
//! a give without a take, or words of units that did not hold it, is told apart.

mod against;
mod board;
mod course;
mod custody;
mod cut;
mod fault;
mod index;
mod lead;
mod member;
mod set;

pub use board::board_digest;
pub use custody::{Custody, Handover};
pub(super) use index::Operations;
pub use set::{frozen_digest, referrals};

use crate::ids::RecordId;
use crate::wire::operation_step::Step;

/// Most steps of one unit in one operation, reports excepted, that are looked at.
pub const STEPS_MAX: usize = 4_096;
/// Most inert reports of one unit that a board shows.
pub const REPORTS_SHOWN_MAX: usize = 100;

/// A step that is not folded: one that waits to be certified, or is only thought of.
#[derive(Debug, Clone, PartialEq)]
pub struct Further {
    /// The record that it is or would be.
    pub id: RecordId,
    /// Its header's time, Unix milliseconds.
    pub time_ms: u64,
    /// What it says.
    pub step: Step,
}
