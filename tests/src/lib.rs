//! # What crosses Entente's crates
//!
//! The harness of the end-to-end tests in `tests/end_to_end/`: real node processes, driven through the command line as a
//! person would, and the enemies that they meet. A network is founded in a temporary directory with nothing but
//! `entente init` and `entente charter`, every node has a loopback address of its own, and whatever is still running is
//! killed when the network is dropped.
//!
//! | module | what it is |
//! |---|---|
//! | [`network`] | units with their homes, their processes, and how they are started, asked, killed and kept apart |
//! | [`said`] | what a command printed and how it ended |
//! | [`wait`] | the one place where a test waits: on a condition, with a deadline |
//! | [`chance`] | seeded choices: a test that failed can be run again as it was |
//! | [`caller`] | a client with any certificate, also with those that nobody should have |
//! | [`partner`] | a node that is none: it has a unit's real keys and says on the sync stream whatever the test wants |
//! | [`bucket`] | S3-compatible storage in memory, as bad as the test wants it |
//! | [`http`] | HTTP, right or wrong, from either end |
//! | [`tcp`] | the connections that stand, as the kernel knows them |
//! | [`remains`] | what stopped nodes leave on their disks: logs, and what they put their names to |
//!
//! Nothing here judges: helpers do what is asked or panic, and the tests assert.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    reason = "a helper that cannot do what the test asks has failed the test"
)]

pub mod bucket;
pub mod caller;
pub mod chance;
pub mod http;
pub mod network;
pub mod partner;
pub mod remains;
pub mod said;
pub mod tcp;
pub mod wait;
