//! Base64 in its one canonical form: the standard alphabet, padded, unused bits zero.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

pub(crate) fn encode(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// `None` for whatever [`encode`] would write otherwise.
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    let bytes = STANDARD.decode(text).ok()?;
    (encode(&bytes) == text).then_some(bytes)
}
