//! Partners: the streams between nodes.
//!
//! A stream carries frames in both directions, whoever dialled. Its reader and its writer are two tasks: the reader
//! checks each frame by itself and hands it to the engine; the writer asks the engine what comes next whenever the
//! stream has room.

mod dialling;
mod service;
mod session;

pub use dialling::{Means, Partners};
pub use service::PeerService;
