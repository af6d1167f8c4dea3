//! Every maximum of the protocol, in one place. Whatever parses bytes of others checks them before it takes memory.
//!
//! | what | at most | constant |
//! |---|---|---|
//! | index of an entry, size of a log | below 2^40 | [`LOG_SIZE_END`] |
//! | leaf | 64 bytes; a canonical header has at most 55 | [`LEAF_BYTES_MAX`] |
//! | opening | exactly 16 bytes | [`OPENING_BYTES`] |
//! | payload | 1 to 65,536 bytes | [`PAYLOAD_BYTES_MAX`] |
//! | full bundle | exactly 256 entries | [`BUNDLE_ENTRIES`] |
//! | note (checkpoints) | 65,536 bytes | [`NOTE_BYTES_MAX`] |
//! | signature lines of a note | 512 | [`NOTE_SIGNATURES_MAX`] |
//! | key name | 255 bytes | [`KEY_NAME_BYTES_MAX`] |
//! | charter with its signatures | 1,048,576 bytes | [`CHARTER_BYTES_MAX`] |
//! | text of a charter in a proposal | 65,000 bytes | [`PROPOSAL_BYTES_MAX`] |
//! | signature lines in an approval | 128, each of 512 bytes | [`APPROVE_SIGNATURES_MAX`], [`SIGNATURE_LINE_BYTES_MAX`] |
//! | units of a charter, of a list in a statement | 100 | [`UNITS_MAX`] |
//! | addresses of a unit | 8 | [`ADDRESSES_MAX`] |
//! | address | 259 bytes | [`ADDRESS_BYTES_MAX`] |
//! | CA certificates of a unit | 4 | [`CAS_MAX`] |
//! | CA certificate, as DER | 4,096 bytes | [`CA_BYTES_MAX`] |
//! | revoked keys of a charter | 4,096 | [`REVOKED_MAX`] |
//! | network name | 64 bytes | [`NETWORK_BYTES_MAX`] |
//! | full name of a unit | 256 bytes | [`UNIT_NAME_BYTES_MAX`] |
//! | target | 8,192 bytes | [`TARGET_BYTES_MAX`] |
//! | compact range, proof | 80 hashes | [`PROOF_HASHES_MAX`] |
//! | further checkpoints in a head | 64 | [`SEEN_MAX`] |
//! | proof of a fork | 61,440 bytes | [`FORK_PROOF_BYTES_MAX`] |
//! | body of a call to a witness | 68,480 bytes | [`WITNESS_REQUEST_BYTES_MAX`] |
//! | hashes in it | 63 | [`WITNESS_HASHES_MAX`] |
//! | age of a witness's cosignature that is given again | 60 s | [`WITNESS_AGAIN_S`] |
//! | origin of a log that is witnessed, such logs | 1,024 bytes, 10,000 | [`ORIGIN_BYTES_MAX`], [`WITNESSED_LOGS_MAX`] |
//! | manifest of an export | 268,435,456 bytes | [`MANIFEST_BYTES_MAX`] |
//! | sync frame | 1,179,648 bytes | [`FRAME_BYTES_MAX`] |
//! | body of a `Bundle`, uncompressed | 1,048,576 bytes | [`BUNDLE_BODY_BYTES_MAX`] |
//! | bounded `Want` | 16,384 entries, 67,108,864 bytes | [`WANT_ENTRIES_MAX`], [`WANT_BYTES_MAX`] |
//! | level-1 hashes of an `Outline` | 4,096 | [`OUTLINE_HASHES_MAX`] |
//! | header's time ahead of a cosigner's clock | 300,000 ms | [`HEADER_AHEAD_MS_MAX`] |
//! | clock off its partners' median | 120,000 ms | [`CLOCK_OFF_MS_MAX`] |
//! | uncertified checkpoint that keeps the next one back | 1,000 ms | [`CHECKPOINT_REST_MS`] |
//! | wait for a push | 40 ms | [`PULL_AFTER_MS`] |
//! | search for an entry that cannot be read back | 30 s | [`REPAIR_MS_MAX`] |
//! | submissions in a call, inputs in a check | 1,000, 10,000 | [`SUBMISSIONS_MAX`], [`CHECKS_MAX`] |
//! | message of the officers' API | 4,194,304 bytes | [`API_BYTES_MAX`] |
//!
//! Statements have further limits, field by field: see [`record::statement`](crate::record::statement) and the comments
//! of `record.proto`, which [`wire`](crate::wire) shows.

/// Largest size of a log, in entries (exclusive): indexes and sizes stay below 2^40.
pub const LOG_SIZE_END: u64 = 1 << 40;
/// Largest encoded entry header (the Merkle leaf), in bytes: what is longer is refused before it is read. A canonical
/// header stays below, at 55 bytes or fewer.
pub const LEAF_BYTES_MAX: usize = 64;
/// Length of an entry's opening, in bytes: exactly.
pub const OPENING_BYTES: usize = 16;
/// Largest payload of an entry, in bytes.
pub const PAYLOAD_BYTES_MAX: usize = 64 << 10;
/// Entries in a full bundle (C2SP `tlog-tiles`: the width of a tile).
pub const BUNDLE_ENTRIES: u64 = 256;
/// Largest signed note with its signatures, in bytes. Charters have a limit of their own.
pub const NOTE_BYTES_MAX: usize = 64 << 10;
/// Most signature lines in a note: three for each unit of the largest charter, and room for keys that are replaced.
pub const NOTE_SIGNATURES_MAX: usize = 512;
/// Longest key name, in bytes.
pub const KEY_NAME_BYTES_MAX: usize = 255;
/// Largest charter note, in bytes.
pub const CHARTER_BYTES_MAX: usize = 1 << 20;
/// Longest text of a charter in a proposal, in bytes.
pub const PROPOSAL_BYTES_MAX: usize = 65_000;
/// Most signature lines in one approval of a charter.
pub const APPROVE_SIGNATURES_MAX: usize = 128;
/// Longest signature line in an approval, in bytes: room for the longest key name and 76 bytes in base64.
pub const SIGNATURE_LINE_BYTES_MAX: usize = 512;
/// Most units in a charter.
pub const UNITS_MAX: usize = 100;
/// Most addresses of one unit.
pub const ADDRESSES_MAX: usize = 8;
/// Most CA certificates of one unit.
pub const CAS_MAX: usize = 4;
/// Largest CA certificate, as DER, in bytes.
pub const CA_BYTES_MAX: usize = 4 << 10;
/// Longest address of a unit, in bytes: room for a host name of 253, a colon, a port.
pub const ADDRESS_BYTES_MAX: usize = 259;
/// Most revoked keys in a charter.
pub const REVOKED_MAX: usize = 4_096;
/// Longest network name, in bytes; its labels have no limit of their own.
pub const NETWORK_BYTES_MAX: usize = 64;
/// Longest full name of a unit in a charter, in bytes.
pub const UNIT_NAME_BYTES_MAX: usize = 256;
/// Largest sync frame, encoded, in bytes.
pub const FRAME_BYTES_MAX: usize = (1 << 20) + (128 << 10);
/// Largest body of one [`Bundle`](crate::wire::Bundle), uncompressed, in bytes.
pub const BUNDLE_BODY_BYTES_MAX: usize = 1 << 20;
/// Most entries that one bounded `Want` may ask for.
pub const WANT_ENTRIES_MAX: u64 = 16_384;
/// Most bytes that one `Want` may allow.
pub const WANT_BYTES_MAX: u64 = 64 << 20;
/// Most level-1 hashes in one `Outline`.
pub const OUTLINE_HASHES_MAX: usize = 4_096;
/// Most notes of further checkpoints in a head of a log that forked.
pub const SEEN_MAX: usize = 64;
/// Most hashes in a compact range or a proof: two for each of 40 levels.
pub const PROOF_HASHES_MAX: usize = 80;
/// Most hashes in an inclusion proof: one for each level of a log.
pub const INCLUSION_HASHES_MAX: usize = 40;
/// Largest [receipt](crate::receipt), in bytes: the largest entry in base64, 40 hashes and the largest checkpoint fit.
pub const RECEIPT_BYTES_MAX: usize = 160 << 10;
/// Largest [proof of a fork](crate::fork), as text or encoded, in bytes: two notes with one line for each unit fit, and so
/// does the whole in the payload of a record.
pub const FORK_PROOF_BYTES_MAX: usize = 60 << 10;
/// Most hashes in the proof of a call to a [witness](crate::witness), by C2SP `tlog-witness`.
pub const WITNESS_HASHES_MAX: usize = 63;
/// Largest body of such a call, in bytes: the old size, the hashes in base64, each with its newline, and the largest note.
pub const WITNESS_REQUEST_BYTES_MAX: usize = NOTE_BYTES_MAX + 63 * 45 + 109;
/// For how long a witness answers the same call with the same cosignature, in seconds: checkpoints are public, and whoever
/// sends them again should not be able to have something written each time.
pub const WITNESS_AGAIN_S: u64 = 60;
/// Longest origin of a log that is witnessed, in bytes.
pub const ORIGIN_BYTES_MAX: usize = 1_024;
/// Most logs that a witness knows.
pub const WITNESSED_LOGS_MAX: usize = 10_000;
/// Largest manifest of an [export](crate::audit), in bytes: about 330 for every 256 entries.
pub const MANIFEST_BYTES_MAX: usize = 256 << 20;
/// Longest target in canonical form, in bytes.
pub const TARGET_BYTES_MAX: usize = 8_192;
/// How far ahead of a cosigner's clock a header's time may lie, in milliseconds.
pub const HEADER_AHEAD_MS_MAX: u64 = 5 * 60 * 1_000;
/// How far a node's clock may be off its partners' median before it stops signing, in milliseconds.
pub const CLOCK_OFF_MS_MAX: u64 = 2 * 60 * 1_000;
/// How long an uncertified checkpoint keeps the next one back, in milliseconds.
pub const CHECKPOINT_REST_MS: u64 = 1_000;
/// How long a node waits for a push before it pulls what it learnt of from heads, in milliseconds.
pub const PULL_AFTER_MS: u64 = 40;
/// How long partners are asked for an entry that the store cannot read back before the node rebuilds all of it, in
/// milliseconds.
pub const REPAIR_MS_MAX: u64 = 30_000;
/// Most statements in one submission call.
pub const SUBMISSIONS_MAX: usize = 1_000;
/// Most inputs in one check call.
pub const CHECKS_MAX: usize = 10_000;
/// Largest message of the officers' API, in bytes.
pub const API_BYTES_MAX: usize = 4 << 20;
