//! Sync: how every log comes to every node.
//!
//! Two nodes hold one bidirectional stream, whoever dialled; both directions do the same. [`Engine`] is the whole of a
//! node's side as a pure state machine: [`Event`]s go in, [`Action`]s come out, and a stream that has room asks
//! [`Engine::poll`] for what it should carry next. It reads no clock (every call is given the time), draws no random
//! number, signs nothing and touches no disk; the node does that and reports back.
//!
//! # What holds
//! - Nothing is handed out for storing ([`VerifiedRun`]) that is not proven to stand under a checkpoint which the
//!   charter's key of that unit signed (I4).
//! - A checkpoint is cosigned only when the whole log below it is stored, complete, and an extension of all that was
//!   cosigned before; one at a time, and released only when the node says that its journal has it (I1, I2).
//! - A checkpoint counts as certified only when it stands in the store with its quorum.
//! - Nothing is sent that was not wanted, apart from greetings and heads. What waits for a stream is heads and ranges,
//!   never records: a slow partner widens a range and delays nobody.
//! - Nothing is remembered about a partner across streams.
//! - A log is cut back only to what is certified of it, or else to what this node holds under a checkpoint and cosigned.
//!
//! # A range
//! A bounded [`Want`](crate::wire::Want) asks for the entries `from .. from + count` under the checkpoint of size
//! `under`. It ends at a multiple of 256 or at `under`, and has at most 16,384 entries. The answer is one
//! [`Outline`](crate::wire::Outline) and then bundles in order:
//!
//! - With `b0 = from / 256` and `b1 = (from + count) / 256` (rounded down), the outline's `hashes` are the level-1 hashes
//!   of the bundles `b0 .. b1` and its `rest` is the compact range `[b1 * 256, under)`. The receiver puts its own compact
//!   range `[0, b0 * 256)`, the hashes and the rest together; the root must be the checkpoint's.
//! - Each full bundle is checked against its level-1 hash, the first together with the entries that the receiver holds of
//!   it already. Entries beyond the last full bundle are checked when they reach the checkpoint's size: the root must be
//!   the checkpoint's. What is not yet checked is held in memory, at most one bundle of each log.
//! - A `Bundle` carries at most 256 entries and 1 MiB, never across a multiple of 256. The last of a want says `done`; a
//!   range that would pass `max_bytes` is cut short, with `done` as well.
//!
//! An open-ended `Want` (`count` 0) asks for what comes next from `from` on. As soon as the sender holds a newer
//! checkpoint of at most 256 entries more, it pushes them as one `Bundle` with the checkpoint's note. A longer stretch is
//! announced by heads instead, and the receiver asks for it. A new open-ended `Want` for a log replaces the older one.
//!
//! # Heads
//! The first frame on a stream is `Hello`, which is said again once the partner's was heard ([clocks](#clocks)) and every minute; then
//! comes an account of all logs (`full`, in one or more frames), later ones
//! tell what changed: an own checkpoint and an own cosignature at once, what others signed after 200 ms and only to
//! partners that are not known to have it. Where nothing changed for a while, one 32-byte digest is sent: SHA-256 over,
//! for each log ascending by unit, `u16be` length and unit id, then for the certified and for the newest head each
//! `u64be` size, 32 bytes of root, `u16be` number of cosigners and for each ascending `u16be` length and unit id (absent
//! heads as size 0, the empty root and no cosigner; of a log that forked the certified head twice). A partner with another
//! digest answers with a full account.
//!
//! # Clocks
//! `Hello` carries its speaker's clock. How far that seems to be ahead when it is read is too little by the time that the frame was
//! under way, so whoever hears one tells its partner in `yours_ahead_ms` how far the partner's clock seemed to be ahead here. Half of
//! the difference of both readings is how far the clocks are apart, off by half of what one way takes longer than the other: a
//! slow link is not taken for a wrong clock. Where both readings together say that frames arrive before they are sent, a clock was set
//! meanwhile, and the newer reading counts alone, as it does where the partner tells none.
//!
//! # Forks
//! Where the author signed two checkpoints that contradict, whoever can proves it ([`fork`](crate::fork)) and sends the proof
//! in a `Fork` once on each stream, and again when it names more cosigners of both branches. It is verified before anything
//! else is done with it. A head of such a log also carries, as `seen`, every further checkpoint of it that is known, so that
//! the cosignatures gather. Nothing more of the log is cosigned or pushed; what has its quorum is fetched and served. A node
//! that took another branch than the certified one cuts it off, never below what is certified, and fetches again. Whoever is
//! sent what does not fit its own branch shows the partner its checkpoints instead of blaming it, if it had not done so.
//!
//! # Repair
//! What was stored once and cannot be read back is asked for as payloads are, with a bounded `Want` that says `payloads`, and
//! held against the tree in memory. It takes the place of what was stored; until then nothing more of that log is cosigned.
//!
//! # Charters
//! `Hello` names the newest version of the charter that a node has durable. Whoever holds later ones sends them in order,
//! each in a `Charter` frame of its own, before anything else but its own greeting; the receiver verifies each under those
//! before it, stores it, and greets all its partners anew. A text that does not count, or that stands beside another of the
//! same version, ends the stream and is kept as evidence. Where greetings show that two nodes hold different texts of a version
//! after the first, each sends the other its own `Charter`, and then the stream ends.
//!
//! A log goes from one version to the next by an `Adopt` in it. The checkpoint that ends with that entry is its *bridge*,
//! which needs the quorums of both versions and is signed with the new log key, where that is another; a cosigner whose mirror
//! key is replaced cosigns it with both. Nothing larger is signed, cosigned or taken for certified before. `Head.bridge` is the newest
//! certified one: whoever was away takes it for proof of all turns below it. Which of the keys of all versions count for a
//! checkpoint is judged by its place in the log, so a checkpoint that is met ahead of its entries may be signed with the
//! key of the version that the log is in, or of any later one.
//!
//! A version that gives a unit a new log key may say from which size and root its log goes on: after a fork, a lost key, or where
//! the network is founded anew. What that cuts off was not and will not be certified: `bases.rs` says why; whoever holds the charter and
//! lacks what is below the base asks for it under the base itself.
//!
//! The log of a unit that left ends at what was certified when all that remain had their bridges: nobody cosigns it any more.
//!
//! # Two streams
//! Where both sides dialled, the stream that the smaller unit id dialled stays; where one side dialled twice, or the
//! greeting shows a new `instance`, the newer one stays.

mod answer;
mod bases;
mod charters;
mod clock;
mod contradiction;
mod engine;
mod eras;
mod event;
mod fault;
mod fork;
mod frame;
mod heads;
mod judge;
mod log;
mod outline;
mod own;
mod peer;
mod pull;
mod recovery;
mod repair;
mod replica;
mod serve;
mod sighting;
mod turn;

#[cfg(test)]
mod tests;

pub use answer::{LogView, PeerView, Stage, Standing};
pub use bases::{Advice, Rebase, rebase};
pub use engine::Engine;
pub use eras::Adoption;
pub use event::{Action, Event, LeafHashes, LogKeys, Owed, Restored, Setup, StreamId};
pub use fault::Fault;
pub use frame::{BundleFrame, Frame, HeadFrame, HeadsFrame, HelloFrame, OutlineFrame, WantFrame};
pub use judge::{Judge, JudgeError, Judged};
pub use replica::{VerifiedRun, erased_by};
pub use serve::{Outgoing, Piece, Serving, withhold};

/// The protocol's major version: another one is refused.
pub const MAJOR: u32 = 1;
/// The protocol's minor version: a newer one works.
pub const MINOR: u32 = 0;
