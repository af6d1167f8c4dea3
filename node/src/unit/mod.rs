//! The officers' API: what a node offers to its own unit's people.

mod query;
mod receipt;
mod service;
mod status;
mod submit;
mod words;

pub use service::UnitService;
pub use submit::Desk;
pub(crate) use words::{DISPUTED, HELD};
