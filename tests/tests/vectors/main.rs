//! The golden vectors in `tests/vectors`: what two implementations of the protocol must agree on, byte for byte.
//!
//! Each test computes its part anew with the protocol crate and compares it with the committed files. To write them anew
//! after a change of the formats, which is a change of the protocol:
//!
//! ```text
//! ENTENTE_WRITE_VECTORS=1 cargo test -p entente-tests --test vectors
//! ```
//!
//! Everything is a function of fixed seeds but the certificates of the units' authorities (`charter/ca`): ECDSA
//! signatures are random, so these are inputs, kept as they are and made only where one is missing; their keys are kept
//! nowhere. `tests/vectors/README.md` says what each file holds.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a fault here is a failed test")]

mod charter;
mod charter_forms;
mod checkpoints;
mod files;
mod keys;
mod leaves;
mod network;
mod notes;
mod operation;
mod quorum;
mod receipts;
mod records;
mod set_aside;
mod succession;
mod tree;
mod witness;
mod world;

use std::collections::BTreeSet;

use files::{Files, check, committed};

#[test]
fn leaves_and_commitments_and_runs_are_the_golden_ones() {
    check(leaves::files());
}

#[test]
fn roots_and_proofs_are_the_golden_ones() {
    check(tree::files());
}

#[test]
fn keys_are_read_and_refused_as_the_golden_ones_say() {
    check(keys::files());
}

#[test]
fn notes_are_read_and_signatures_verified_as_the_golden_ones_say() {
    check(notes::files());
}

#[test]
fn checkpoints_and_cosignatures_are_the_golden_ones() {
    check(checkpoints::files());
}

#[test]
fn quorums_are_the_golden_ones() {
    check(quorum::files());
}

#[test]
fn digests_of_frozen_targets_are_the_golden_ones() {
    check(operation::files());
}

#[test]
fn the_charter_is_the_golden_one_and_broken_ones_are_refused() {
    check(charter::files());
}

#[test]
fn the_versions_after_the_first_are_the_golden_ones_and_what_cannot_follow_is_refused() {
    check(succession::files());
}

#[test]
fn targets_and_payloads_are_judged_as_the_golden_ones_say() {
    check(records::files());
}

#[test]
fn receipts_are_verified_and_refused_as_the_golden_ones_say() {
    check(receipts::files());
}

#[test]
fn witnesses_answer_as_the_golden_ones_do_and_their_words_are_exported_so() {
    check(witness::files());
}

#[test]
fn a_networks_history_folds_into_the_golden_lists() {
    check(network::files());
}

#[test]
fn every_committed_file_is_one_that_is_checked() {
    let parts = [
        leaves::files(),
        tree::files(),
        keys::files(),
        notes::files(),
        checkpoints::files(),
        quorum::files(),
        operation::files(),
        charter::files(),
        succession::files(),
        records::files(),
        network::files(),
        receipts::files(),
        witness::files(),
    ];
    let mut known: BTreeSet<String> = parts.into_iter().flat_map(Files::into_names).collect();
    known.insert("README.md".into());
    let units = world::UNITS.iter().chain(&["ES"]);
    known.extend(units.map(|id| world::ca_name(&world::unit(id))));
    let strays: Vec<_> = committed().into_iter().filter(|name| !known.contains(name)).collect();
    assert_eq!(strays, [""; 0], "these files are in tests/vectors, and nothing makes them");
}
