//! The list.
mod complete;
pub use complete::Gaps;
