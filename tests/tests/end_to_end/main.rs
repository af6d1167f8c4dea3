//! The end-to-end tests: real node processes, one module for each invariant of the design, one for the ways in and out,
//! and one for what a person meets at the command line.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "what is not there fails the test")]

mod access;
mod asking;
mod audits;
mod charter_records;
mod charters;
mod command_line;
mod desk;
mod exchange;
mod fetch_keeps;
mod home;
mod hostile_files;
mod i1_twin;
mod i2_durable_before_said;
mod i3_same_frontier_same_list;
mod i4_only_the_unit_speaks;
mod i5_renewal;
mod i5_revocation;
mod i5_stolen_log_key;
mod i5_who_may_connect;
mod i6_recovery;
mod i6_repair;
mod i7_erased_is_erased;
mod i8_bad_input;
mod newer_rules;
mod operation;
mod operation_slips;
mod operation_words;
mod publish;
mod publish_keeps;
mod receipts;
mod refound;
mod second_officer;
mod witness;
mod wrong_referral;

/// The program under test.
const PROGRAM: &str = env!("CARGO_BIN_EXE_entente-under-test");
