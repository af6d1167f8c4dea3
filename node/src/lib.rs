//! The Entente node and its command line.

pub mod clock;
pub mod net;
