//! # Entente: who is who
//!
//! Every unit is its own certificate authority, and the charter says which authority speaks for which unit. This crate
//! makes certificates, keeps keys in files, and gives rustls the verifiers that bind a certificate to a unit of the
//! charter. No key is kept in the repository, and nobody is trusted on first use.
//!
//! Read it in this order:
//!
//! | module | what it is for |
//! |---|---|
//! | [`identity`] | who a certificate says that its holder is: one SPIFFE id, strictly parsed |
//! | [`authority`] | a unit's certificate authority: founding, loading, issuing |
//! | [`members`] | which authorities the charter gives to which unit, and which keys are revoked by whom |
//! | [`verifier`] | the one decision whether a certificate is good, with its reason |
//! | [`tls`] | rustls configurations: TLS 1.3, mutual, ALPN `h2`, no resumption |
//! | [`keyfile`] | secrets in files that only their owner may read |
//! | [`signer`] | the signing keys of notes, in such files |
//!
//! ## What a certificate of a network looks like
//!
//! ECDSA on P-256 with SHA-256 throughout, X.509 version 3. A unit `BE` of the network `takedown.example` has
//!
//! | | authority | node | officer, operator, auditor |
//! |---|---|---|---|
//! | URI name | `spiffe://be.takedown.example` | `spiffe://be.takedown.example/node` | `spiffe://be.takedown.example/officer/anna` |
//! | other names | none | DNS and IP names for ordinary clients, never read as identity | none |
//! | basic constraints | CA, path length 0 | not a CA | not a CA |
//! | key usage | certificate and CRL signing | digital signature | digital signature |
//! | extended key usage | none | server and client authentication | client authentication |
//! | valid by default | 10 years | 365 days | 365 days |
//!
//! ## What it rests on
//!
//! I5 of the design: one unit's authority cannot make another unit's certificate. The verifier first reads from the
//! certificate which unit it claims, then looks for a chain to the authorities of that unit alone. webpki cannot check
//! URI name constraints, so one store with all authorities would let each of them speak for all.
//!
//! The crate may use `entente-proto` and cryptography, and reads and writes files only in [`keyfile`]. It has no clock:
//! whoever calls it says what time it is.
#![warn(clippy::print_stdout, clippy::print_stderr)]

pub mod authority;
pub mod identity;
pub mod keyfile;
pub mod members;
pub mod signer;
pub mod tls;
pub mod verifier;

mod x509;

#[cfg(test)]
mod testing;
