//! The Entente node and its command line.

pub mod cli;
pub mod clock;
pub mod config;
pub mod files;
pub mod home;
pub mod import;
pub mod journal;
pub mod membership;
pub mod net;
