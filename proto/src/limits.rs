//! Every maximum of the protocol, in one place. Whatever parses bytes of others checks them before it takes memory.

/// Largest size of a log, in entries (exclusive): indexes and sizes stay below 2^40.
pub const LOG_SIZE_END: u64 = 1 << 40;
/// Largest encoded entry header (the Merkle leaf), in bytes.
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
/// Most units in a charter.
pub const UNITS_MAX: usize = 100;
/// Most addresses of one unit.
pub const ADDRESSES_MAX: usize = 8;
/// Most CA certificates of one unit.
pub const CAS_MAX: usize = 4;
/// Largest CA certificate, as DER, in bytes.
pub const CA_BYTES_MAX: usize = 4 << 10;
/// Longest address of a unit, in bytes: a host name of 253, a colon, a port.
pub const ADDRESS_BYTES_MAX: usize = 259;
/// Most revoked keys in a charter.
pub const REVOKED_MAX: usize = 4_096;
/// Longest network name, in bytes.
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
/// Most hashes in a compact range or a proof: two for each of 40 levels.
pub const PROOF_HASHES_MAX: usize = 80;
/// Most hashes in an inclusion proof: one for each level of a log.
pub const INCLUSION_HASHES_MAX: usize = 40;
/// Largest [receipt](crate::receipt), in bytes: the largest entry in base64, 40 hashes and the largest checkpoint fit.
pub const RECEIPT_BYTES_MAX: usize = 160 << 10;
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
/// Most statements in one submission call.
pub const SUBMISSIONS_MAX: usize = 1_000;
/// Most inputs in one check call.
pub const CHECKS_MAX: usize = 10_000;
/// Largest message of the officers' API, in bytes.
pub const API_BYTES_MAX: usize = 4 << 20;
