//! The charter.
