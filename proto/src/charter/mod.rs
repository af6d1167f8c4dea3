//! The charter: who belongs to a network, with which keys, without a centre.
//!
//! A charter is a [signed note](crate::note) of at most 1 MiB whose text is TOML that a person can read:
//!
//! ```toml
//! network = "takedown.example"
//! version = 1
//! previous = ""
//! fold = 1
//! revoked = []
//!
//! [[unit]]
//! id = "BE"
//! name = "Federal Judicial Police, i2-IRU"
//! charter_key = "takedown.example/BE/charter+3c9d1f20+AQ..."
//! log_key = "takedown.example/BE+1a2b3c4d+AQ..."
//! mirror_key = "takedown.example/BE/mirror+5e6f7a8b+BA..."
//! ca = ["""
//! -----BEGIN CERTIFICATE-----
//! MIIB...
//! -----END CERTIFICATE-----
//! """]
//! addresses = ["be.takedown.example:7443"]
//! base = ""
//! ```
//! then an empty line and the signature lines. As long as nobody has signed, the file is the text alone: a file in which
//! an empty line is followed by U+2014 and a space is read as a note, and refused if it is none; any other is a text as a
//! whole, with the empty lines at its end. `tests/vectors/charter/1.note` is a whole charter of four units, and
//! `charter.json` beside it says what it holds.
//!
//! # The text
//!
//! UTF-8; lines end in a line feed (0x0A) alone, the last one too. No tabs, no other control characters (U+0000-001F,
//! U+007F-009F), and none that turn the reading direction or have no width (U+061C, U+200B-200F, U+2028-202E,
//! U+2060-206F, U+FEFF); none of them stands in the signature lines either. Then TOML 1.0. What TOML 1.1 reads otherwise
//! may stand nowhere in the text, not even in a comment: the braces `{` and `}`, and a backslash before `e` or `x`. That
//! is judged by bytes alone, so an escaped backslash before them, as in `"\\x"`, is refused too; signature lines are not
//! concerned. Comments, the order of keys and the ways in which TOML writes a value are free (a whole number may be `1`,
//! `+1` or `0x1`); the text is hashed and signed as it is.
//!
//! All keys must be there but those that may be left out.
//!
//! | key | value |
//! |---|---|
//! | `network` | a [network name](crate::ids::NetworkName) |
//! | `version` | whole number from 1 to 2^32 - 1 |
//! | `previous` | `""` in version 1; in others the digest of the version before, 64 lower-case hexadecimal digits |
//! | `continues` | may be left out; `""`, or in version 1 the digest of the charter that it continues, 64 lower-case hexadecimal digits |
//! | `fold` | whole number from 1 to 2^32 - 1: the version of the rules of the [list](crate::list) |
//! | `quorum` | may be left out; else from the [formula's value](crate::quorum) for *m* other units up to *m* |
//! | `revoked` | may be left out; at most 4,096 different SHA-256 values of public keys (SPKI), 64 lower-case hexadecimal digits each |
//! | `[[unit]]` | 1 to 100 tables, in any order, each id once |
//!
//! and in each `[[unit]]` table:
//!
//! | key | value |
//! |---|---|
//! | `id` | a [unit id](crate::ids::UnitId) |
//! | `name` | 1 to 256 bytes, none of the characters excluded above, no line feed, no white space (Unicode `White_Space`) at its ends |
//! | `charter_key` | C2SP vkey of type 0x01, named `<network>/<id>/charter` |
//! | `log_key` | C2SP vkey of type 0x01, named `<network>/<id>` |
//! | `mirror_key` | C2SP vkey of type 0x04, named `<network>/<id>/mirror` |
//! | `ca` | 1 to 4 certificates, different as DER, each one PEM block (RFC 7468 strict form: base64 in lines of 64 characters, lines ended by a line feed, which the last may lack) of one DER sequence of at most 4,096 bytes (tag 0x30, its length in as few bytes as hold it, nothing after it); what is inside is judged elsewhere |
//! | `addresses` | at most 8 different [addresses](split_address) `host:port`; the empty list for a unit that only dials |
//! | `base` | may be left out; `""`, or size, space, root: `1042 <64 lower-case hexadecimal digits>`, with the size as for [checkpoints](crate::checkpoint); the root of size 0 is SHA-256 of nothing. In version 1 every unit has one if the text `continues` another, and none has one if not |
//!
//! Every key that is not named here is refused, and so is a value of another type. All raw public keys of all units and
//! roles differ (a cosignature does not name its signer), none is of small order, and no CA certificate, as DER, stands
//! with two units.
//!
//! # Digest and signatures
//!
//! The charter's *digest* is SHA-256 of the note's text, from its first byte to the line feed before the empty line.
//! Signature lines are `U+2014, space, key name, space, base64(4-byte key id || signature)`:
//! - charter keys and log keys: the 64 bytes of Ed25519 over the text;
//! - mirror keys: 72 bytes, [`cosignature/v1`](crate::cosignature) over the text: `u64be(seconds) ||
//!   Ed25519("cosignature/v1\ntime <seconds>\n" || text)`. No text of a charter is also the body of a checkpoint.
//!
//! A signature of a key that the text names and that does not hold refuses the whole; a key may sign once; signatures of
//! other keys are ignored, if their lines keep the form of a [note](crate::note), but by [whoever verifies a
//! file](CharterChain::read) to rely on it: there each line must count, and stand in the order of key names and ids, so that
//! no altered bit goes unnoticed. (A whole vote that is not needed can be taken out: no signature says who else signed, and
//! text, digest and what the version says are the same without it.) **Version 1 counts when every unit in it has signed with all three keys**
//! ([`UnverifiedCharter::verify_first`]).
//!
//! # The versions after the first
//!
//! Version *n+1* counts under the versions 1 to *n* that whoever reads it has verified, and under no others
//! ([`CharterChain::verify`]). Its text holds these rules besides those of every text:
//!
//! - `network` is the same, `version` is *n+1*, `previous` is the digest of version *n*; `fold` is not lower than before
//!   (lists were computed by those rules).
//! - A unit that version *n* does not list was in no version before it: the id of a unit that left is never given again, not
//!   to that unit either. Its log ended at what was certified then, and nobody could say where it goes on.
//! - A key (name, type and public key) either stands in version *n* too, or is *new*: then its public key stood in no version before it, not
//!   with the same unit and role either, so that a key that was replaced stays so; and no key of its name in any version
//!   before has its 4-byte id, since a signature line tells no more.
//! - A CA certificate (DER) that stood with a unit in any version stands with no other one. Whether the certificate of a CA
//!   that was replaced stays a version longer is for the unit to say; `entente charter new` keeps it for one.
//! - `base` is `""` but for a unit of version *n* whose log key is new. It stands in the version that brings the key, and in
//!   no later one.
//!
//! Its signatures:
//!
//! - **More than two thirds of version *n*'s units** sign with the charter key that version *n* gives them, those that leave and those whose
//!   charter key is replaced included; a replaced charter key that is lost does not vote. With 1, 2, 3, 4, 5, 6, 7 units that
//!   are 1, 2, 3, 3, 4, 5, 5.
//! - **Every new key** signs: all three of a unit that joins, and of a unit of version *n* those that are replaced. So nobody
//!   brings in a key that is another's.
//! - A signature of a charter key of version *n* that does not hold refuses the whole, as one of a key of the text does. A
//!   log or mirror key that stays need not sign.
//!
//! `revoked` may shrink: a certificate that has run out need not be named for ever.
//!
//! Of two texts of one version that both count, none is taken for right: a unit signed twice then. Whoever holds one keeps
//! the other as evidence and refuses it.
//!
//! # How signatures come together
//!
//! By hand, in files that are merged; or by records: `Propose` brings the text, and `Approve` the signature lines, which any
//! node puts together by itself ([`Proposals`]). Who agrees before it signs says so in an `Approve` without lines. Whichever
//! way, a version counts as soon as its signatures are enough, and the last one puts it in force.
//!
//! # Founding anew
//!
//! Where no next version can come about (a split vote, lost keys, a unit that is gone among two or three), all units that
//! remain sign a version 1 that `continues` the last charter and says for each log from which size and root it goes on. It
//! is verified as a first version is, and trusted as a first version is: because it was brought by hand. Beside the versions
//! before it ([`CharterChain::refound`]) it holds the rules of a next version for the network, `fold`, the ids of units that left, keys and CAs; a
//! key stays or is new, and what a log key that stays has signed its base must contain. All that was said before stays, and is judged by the charters
//! of then. The log of a unit that is not in it ends at what they certified, as that of a unit that left.
//!
//! Where one of those that a text lists cannot sign it, a further attempt is made with another text (`attempt`).
//!
//! A node signs one text per version, and of a version 1 that founds the network anew one per attempt, ever.

mod address;
mod attempt;
mod chain;
mod compose;
mod contradiction;
mod diff;
mod error;
mod fields;
mod next;
mod pem;
mod proposals;
mod sign;
mod succession;
mod text;
mod verify;

pub use address::split_address;
pub use chain::CharterChain;
pub use compose::{UnitDescription, UnitDraft};
pub use contradiction::Contradiction;
pub use diff::{Change, changes};
pub use error::{ChangeFault, CharterError, Fault, Place, SuccessionFault};
pub use next::Changes;
pub use proposals::{BAD_LINES_OF_A_UNIT_MAX, DRAFTS_OF_A_UNIT_MAX, Ignored, Proposal, Proposals, TEXTS_OF_A_UNIT_MAX};
pub use text::{Base, Terms, Unit};
pub use verify::{Charter, UnverifiedCharter, Votes};

#[cfg(test)]
mod tests;
