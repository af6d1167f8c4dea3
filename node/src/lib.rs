//! The Entente node and its command line.

pub mod config;
pub mod files;
pub mod home;
