//! The Entente node.

pub mod journal;
