//! The officers' API: what a node offers to its own unit's people.

mod access;
pub(crate) mod audit;
mod charter;
mod fork;
mod holds;
mod proposals;
mod publish;
mod query;
mod receipt;
mod recorded;
mod scrub;
mod service;
mod status;
mod submit;
mod withheld;
mod words;

pub(crate) use recorded::PURPOSE;
pub use recorded::Recorded;
pub use service::UnitService;
pub use submit::Desk;
pub(crate) use words::{DISPUTED, HELD};
