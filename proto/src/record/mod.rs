//! Records: the statements that units make, and the targets that they make them about.
//!
//! The payload of an entry is a protobuf `Record` (`record.proto`): a 16-byte `submission` and one arm of a `oneof`.
//! Three things are fixed here:
//!
//! - [`kind`]: the **kinds**. The `kind` in an entry's header is the field number of the arm, 2 (`Refer`) to 20
//!   (`AccessHead`). Any other number is a kind that this version does not know.
//! - [`target`]: the **targets**, ASCII strings of a fixed byte grammar such as `domain:news.example`; what people type
//!   is brought into it on submission, and the listed names above a target are found on a check.
//! - [`statement`]: the **canonical bytes** and the **limits**. A payload that breaks one of them is *set aside*: kept,
//!   relayed and shown, and counted by nobody. It never stops a node.
//!
//! Which records count in the list, and how, is the matter of [`list`](crate::list).

mod check;
mod grammar;
mod input;
pub mod kind;
mod lookalike;
mod parents;
mod references;
pub(crate) mod referral;
mod refusal;
mod rules;
pub mod statement;
pub mod target;
mod typed;

pub use kind::RecordKind;
pub use lookalike::LOOKALIKE;
pub use references::names_own;
pub use statement::{SetAside, Statement, encode, parse, revoked_by};
pub use target::{Target, Understood, from_input, parents};
