//! The Entente node.

pub mod journal;
pub mod store;
