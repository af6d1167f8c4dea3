//! The officers' API: what a node offers to its own unit's people.

mod charter;
mod fork;
mod holds;
mod proposals;
mod query;
mod receipt;
mod scrub;
mod service;
mod status;
mod submit;
mod withheld;
mod words;

pub use service::UnitService;
pub use submit::Desk;
pub(crate) use words::{DISPUTED, HELD};
