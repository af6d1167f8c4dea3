//! Exports: all that a node holds, as files that anybody can verify who trusts nobody.
//!
//! An export is a directory. `N` is the number of a bundle or tile, written in groups of three digits, all but the last with
//! an `x` before them (`x001/x234/067`); where a bundle or tile is not full, `.p/` and its width follow (C2SP `tlog-tiles`,
//! <https://c2sp.org/tlog-tiles>). Only the files that the sizes ask for are there: no partial tile of an earlier size.
//!
//! | file | holds |
//! |---|---|
//! | `manifest` | the SHA-256 of every other file, signed by the exporting node ([`Manifest`]) |
//! | `charter/<version>.note` | every version of the charter; `charter/r1-<version>.note` once the network was founded anew, and so on |
//! | `logs/<unit>/` | for each unit that any version lists: |
//! | `.../checkpoint` | the newest certified checkpoint, the author's signature first, then the cosignatures that count, by unit; absent where nothing is certified, and then there are neither tiles nor payloads |
//! | `.../log.vkey` | the author's key at that size, one line |
//! | `.../witness.vkeys` | the keys that may cosign that checkpoint, one a line, by unit |
//! | `.../tile/<L>/<N>` | hashes: tile `N` of level `L` has up to 256 hashes of level `8 L` of the tree |
//! | `.../tile/entries/<N>` | leaves: each a `u16be` length and its bytes |
//! | `.../payload/<N>` | for each leaf a `u32be` length, then the 16-byte opening and the payload; length 0 where it was erased or is [withheld](Payloads::Withheld) |
//! | `.../bridge/<size>` | the note of a certified bridge: the newest must be there, unless it is `checkpoint` itself |
//! | `.../witnessed/<key id>/checkpoint` | for each [witness](crate::witness) from outside that cosigned it, the newest checkpoint that it did, with the author's line and its own and no other; the size may be a smaller one. The exporting unit's log alone has them |
//! | `.../witnessed/<key id>/vkey` | the witness's key, one line; the id in 8 hexadecimal digits |
//! | `.../fork` | the [proof](crate::fork) that the log forked, where there is one |
//!
//! A log whose newest certified checkpoint is of size 0 has no tiles. What is held and not certified is in no export.
//!
//! # What is verified
//!
//! [`verify`] reads the files through [`Files`] and trusts nothing but what its caller [pins](Asked):
//!
//! 1. the charters, each under those before it; that the pinned ones are among them;
//! 2. the manifest: its form, its signature by the mirror key that the newest charter which lists the exporting unit gives to
//!    it, every file's SHA-256, that every file is named and that everything named belongs to the layout;
//! 3. of each log every leaf (canonical, times that never go back), every hash of every tile, the root, every opening and
//!    payload against its commitment; that a payload is missing only where an `Erase` in the log names it, and that what is
//!    erased is missing; that the checkpoint is signed with the keys of [its time](crate::sync::Judge), and certified; that
//!    each change of charter has its bridge; that the log goes on from the base that a charter names for it;
//! 4. that a log extends what the auditor [saw before](Asked::before);
//! 5. that each witness from outside signed a checkpoint of this very log, with no key of the network; that those which the
//!    auditor [asks for](Asked::witnesses) did. Whether a witness can be trusted no file says;
//! 6. the [fold](crate::list) of all logs, the list digest and the frontier digest.
//!
//! Of an export that [withholds payloads](Payloads::Withheld) the last point falls away, and whether a payload is missing for a
//! reason cannot be told; that what should be withheld is there is a fault. Nobody takes it for a whole one unawares: it is a
//! fault by itself unless the caller [accepts](Asked::withheld) it.
//!
//! Records that the rules of [statements](crate::record::statement) set aside are counted and are no fault: whoever wrote
//! them said nothing.
//!
//! The work is cut into bundles, which [`Workers`] may do side by side; the results are taken in order. Memory is that of the
//! fold and of the bundles on their way.
//!
//! | file | holds |
//! |---|---|
//! | `layout.rs` | the names of files |
//! | `manifest.rs` | [`Manifest`] |
//! | `payloads.rs` | which [`Payloads`] an export shows |
//! | `bundle.rs` | the three files of a bundle: made from entries, and checked |
//! | `compose.rs` | the files that are not cut into bundles, made |
//! | `tiles.rs` | the tiles above, made and checked; roots at any size |
//! | `fault.rs` | [`Fault`]: what does not hold, and where |
//! | `files.rs` | [`Files`] |
//! | `charters.rs` | the charters |
//! | `log.rs` | one log |
//! | `witnessed.rs` | what witnesses from outside say of a log |
//! | `offer.rs` | an [`Offer`]: whose an export is, and whether it goes on from what is held, before it takes that one's place |
//! | `compare.rs` | two exports against each other |
//! | `reread.rs` | payloads read again |
//! | `past.rs` | the list as it was at a moment, and one record by itself |
//! | `verify.rs` | all of it: [`verify`], [`Verified`] |

mod bundle;
mod charters;
mod compare;
mod compose;
mod fault;
mod files;
mod layout;
mod log;
mod manifest;
mod offer;
mod past;
mod payloads;
mod reread;
mod tiles;
mod verify;
mod witnessed;

#[cfg(test)]
mod tests;

pub use crate::workers::{Alone, Workers};
pub use bundle::BundleFiles;
pub use charters::VerifiedCharter;
pub use compare::{Compared, ComparedLog, compare};
pub use compose::{LogNotes, charter_files, charter_paths};
pub use fault::{Fault, Faults};
pub use files::{Files, Progress, Unreadable};
pub use layout::{
    MANIFEST, Part, bridge, bundles, bytes_max, charter, checkpoint, fork, log_key, part, tile, upper_tiles,
    witness_keys,
};
pub use log::VerifiedLog;
pub use manifest::{FORMAT, FORMAT_WITHHELD, Manifest, ManifestError};
pub use offer::{NotExtended, Offer, OfferError, chain, extends, foreign, offered_checkpoint};
pub use past::{Moment, Past, PastError, Visit};
pub use payloads::Payloads;
pub use tiles::{tile_bytes, upper_tile_bytes};
pub use verify::{Asked, Enough, Folded, Verified, verify};
pub use witnessed::{VerifiedWitness, is_of_network, witnessed_files};
