//! The officers' API: what a node offers to its own unit's people.

mod query;
mod scrub;
mod service;
mod status;
mod submit;
mod withheld;
mod words;

pub use service::UnitService;
