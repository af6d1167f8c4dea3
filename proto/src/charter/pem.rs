//! One certificate as PEM (RFC 7468), in its strict form only, so that a certificate has one text.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::error::Fault;
use crate::limits::CA_BYTES_MAX;

const BEGIN: &str = "-----BEGIN CERTIFICATE-----\n";
const END: &str = "-----END CERTIFICATE-----\n";
const LINE: usize = 64;

/// Writes a block, with a line feed at its end.
pub(super) fn encode(der: &[u8]) -> String {
    let base64 = STANDARD.encode(der);
    let mut out = String::from(BEGIN);
    let mut rest = base64.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(LINE.min(rest.len()));
        out.push_str(line);
        out.push('\n');
        rest = after;
    }
    out.push_str(END);
    out
}

/// Reads a block; the line feed at its end may be missing.
pub(super) fn decode(text: &str) -> Result<Vec<u8>, Fault> {
    let mut whole = text.to_owned();
    if !whole.ends_with('\n') {
        whole.push('\n');
    }
    let body = whole.strip_prefix(BEGIN).and_then(|rest| rest.strip_suffix(END)).ok_or(Fault::NotPem)?;
    let base64: String = body.chars().filter(|c| *c != '\n').collect();
    let der = STANDARD.decode(base64).map_err(|_| Fault::NotPem)?;
    if encode(&der) != whole {
        return Err(Fault::NotPem);
    }
    one_sequence(&der)?;
    Ok(der)
}

/// The bytes must be one DER SEQUENCE and nothing after it (X.690 8.1.3, 10.1). What is inside is for the TLS side.
fn one_sequence(der: &[u8]) -> Result<(), Fault> {
    if der.len() > CA_BYTES_MAX {
        return Err(Fault::NotDer);
    }
    let (claimed, least, content) = match der {
        [0x30, length @ 0..=0x7f, rest @ ..] => (usize::from(*length), 0, rest),
        [0x30, 0x81, length, rest @ ..] => (usize::from(*length), 0x80, rest),
        [0x30, 0x82, high, low, rest @ ..] => (usize::from(u16::from_be_bytes([*high, *low])), 0x100, rest),
        _ => return Err(Fault::NotDer),
    };
    // The least: a length is written in as few bytes as hold it.
    if claimed != content.len() || claimed < least { Err(Fault::NotDer) } else { Ok(()) }
}
