//! # Entente: the protocol
//!
//! All that two units must agree on, byte for byte, and nothing else: no clock, no file, no socket, no thread. A node
//! drives it; an auditor needs only this crate.
//!
//! Read it in this order:
//!
//! | module | what it fixes |
//! |---|---|
//! | [`limits`] | every maximum |
//! | [`ids`] | names of networks, units and records; indexes and sizes |
//! | [`hash`] | leaf and node hashes (RFC 6962 section 2.1) |
//! | [`tree`] | compact ranges, roots, inclusion and consistency proofs, level-1 hashes |
//! | [`note`] | signed notes and their keys (C2SP `signed-note`) |
//! | [`checkpoint`] | what a log's author signs (C2SP `tlog-checkpoint`) |
//! | [`cosignature`] | what its partners sign (C2SP `tlog-cosignature`) |
//! | [`quorum`] | how many of them certify |
//! | [`entry`] | header, opening, payload; the encoding of a run of entries |
//! | [`charter`] | who belongs, with which keys |
//! | [`record`] | the statements: canonical bytes, kinds, targets |
//! | [`receipt`] | one record shown alone, to whoever has the charter (C2SP `tlog-proof`) |
//! | [`fork`] | proof that a log forked, and who cosigned both branches |
//! | [`access`] | the log of who called a node, and its verification against the heads in the replicated log |
//! | [`witness`] | witnesses from outside: asked, and answered (C2SP `tlog-witness`) |
//! | [`list`] | the fold of certified logs into the target list, and its digest |
//! | [`audit`] | an export: its files, its manifest, and the verifying of all of it |
//! | [`sync`] | the state machine that brings every log to every node |
//! | [`workers`] | whoever does many pieces of work side by side for it |
//! | [`wire`] | the messages, generated from the `.proto` files, and the text of these |
//!
//! `tests/vectors` of the repository holds golden vectors of all of it but `sync` and `witness`; its README names their fields.
//!
//! The crate may use pure libraries only. Its feature `grpc` adds the service stubs to [`wire`].
#![warn(clippy::arithmetic_side_effects, clippy::print_stdout, clippy::print_stderr)]
#![cfg_attr(test, allow(clippy::arithmetic_side_effects, reason = "tests compute with small literals"))]

pub mod access;
pub mod audit;
pub mod charter;
pub mod checkpoint;
pub mod cosignature;
pub mod entry;
pub mod fork;
pub mod hash;
pub mod ids;
pub mod limits;
pub mod list;
pub mod note;
pub mod quorum;
pub mod receipt;
pub mod record;
pub mod sync;
pub mod tree;
pub mod wire;
pub mod witness;
pub mod workers;

#[cfg(test)]
mod alteration;
