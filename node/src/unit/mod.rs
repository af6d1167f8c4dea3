//! The officers' API: what a node offers to its own unit's people.

mod query;
mod service;
mod status;
mod submit;
mod words;

pub use service::UnitService;
pub(crate) use words::{DISPUTED, HELD};
