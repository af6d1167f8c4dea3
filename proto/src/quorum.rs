//! How many cosignatures certify.
