//! The messages, generated from `protos/*.proto`, and with the feature `grpc` the service stubs.
//!
//! Nothing here is checked: the other modules turn these messages into types that hold what they promise.
//!
//! What two units, or a unit and its auditors, must agree on follows; `unit.proto`, the API of a unit's own officers, is
//! not shown. All lie in `proto/protos`.
//!
//! # log.proto
//!
//! ```text
#![doc = include_str!("../protos/log.proto")]
//! ```
//!
//! # record.proto
//!
//! ```text
#![doc = include_str!("../protos/record.proto")]
//! ```
//!
//! # list.proto
//!
//! ```text
#![doc = include_str!("../protos/list.proto")]
//! ```
//!
//! # operation.proto
//!
//! ```text
#![doc = include_str!("../protos/operation.proto")]
//! ```
//!
//! # access.proto
//!
//! ```text
#![doc = include_str!("../protos/access.proto")]
//! ```
//!
//! # audit.proto
//!
//! ```text
#![doc = include_str!("../protos/audit.proto")]
//! ```
//!
//! # sync.proto
//!
//! ```text
#![doc = include_str!("../protos/sync.proto")]
//! ```

#[allow(
    missing_docs,
    unreachable_pub,
    clippy::pedantic,
    clippy::missing_errors_doc,
    clippy::arithmetic_side_effects,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::large_enum_variant,
    clippy::allow_attributes_without_reason,
    reason = "generated"
)]
mod generated {
    include!(concat!(env!("OUT_DIR"), "/entente.v1.rs"));
}

pub use generated::*;
