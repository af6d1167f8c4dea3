//! The Entente node and its command line.

pub mod cli;
pub mod import;
