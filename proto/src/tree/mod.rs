//! The Merkle tree, RFC 6962 section 2.
