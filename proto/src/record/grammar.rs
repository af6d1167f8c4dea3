//! The byte grammar of targets, as the head of [`target`](super::target) fixes it.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::limits::TARGET_BYTES_MAX;

/// Longest host name, in bytes (RFC 1035 section 2.3.4, without the root's dot).
pub(super) const NAME_BYTES_MAX: usize = 253;
/// Longest label of a host name, in bytes.
pub(super) const LABEL_BYTES_MAX: usize = 63;
/// Longest platform or store, in bytes.
const PLATFORM_BYTES_MAX: usize = 64;
/// Longest handle, channel or app id, in bytes.
const HANDLE_BYTES_MAX: usize = 1_024;

/// Why a string is not a target in canonical form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum GrammarFault {
    /// Beyond 8,192 bytes.
    #[error("the target is longer than 8,192 bytes")]
    TooLong,
    /// A byte outside 0x21 to 0x7e.
    #[error("a target is printable ASCII without spaces")]
    NotAscii,
    /// No known type before a colon.
    #[error("a target begins with domain:, url:, ip:, account:, channel:, app:, file: or image:")]
    NoType,
    /// A host name beyond 253 bytes.
    #[error("a host name has at most 253 bytes")]
    NameTooLong,
    /// A label beyond 63 bytes.
    #[error("a label of a host name has at most 63 bytes")]
    LabelTooLong,
    /// An empty label, or nothing at all.
    #[error("a host name has no empty label")]
    EmptyLabel,
    /// A byte that no host name has.
    #[error("a host name consists of a-z, 0-9, hyphens and underscores, with dots between")]
    NameByte,
    /// A name of one label.
    #[error("a host name has at least one dot")]
    SingleLabel,
    /// A name that ends in a number.
    #[error("a host name does not end in a number")]
    NumericName,
    /// A url that does not begin with `http://` or `https://`.
    #[error("a url begins with http:// or https:// in lower case")]
    Scheme,
    /// A port out of range, the scheme's own, or not in its one form.
    #[error("a port is 1 to 65535 without leading zeros, and is left out where it is the scheme's own")]
    Port,
    /// A url whose path does not begin with `/`.
    #[error("the path of a url begins with a slash")]
    NoPath,
    /// A byte that a canonical path does not have.
    #[error("the path of a url has a byte that must be percent-encoded")]
    PathByte,
    /// A path segment `.` or `..`.
    #[error("the path of a url has a dot segment")]
    DotSegment,
    /// A byte that a canonical query does not have.
    #[error("the query of a url has a byte that must be percent-encoded")]
    QueryByte,
    /// Percent-encoding with lower-case digits.
    #[error("percent-encoding is written in capitals, as %C3")]
    PercentCase,
    /// Not an IP address in its one form.
    #[error("not an IP address in canonical form")]
    Address,
    /// A prefix length out of range or not in its one form.
    #[error("a prefix length is 1 to 31 for IPv4 and 1 to 127 for IPv6")]
    PrefixLength,
    /// Address bits beyond the prefix.
    #[error("address bits beyond the prefix length must be zero")]
    HostBits,
    /// Not a platform or store.
    #[error("a platform is 1 to 64 of a-z, 0-9, dot, hyphen and underscore, and has a slash after it")]
    Platform,
    /// Not a handle or id.
    #[error("a handle or id is 1 to 1,024 printable ASCII bytes, not beginning with @")]
    Handle,
    /// Percent-encoding in a handle that is not in its one form.
    #[error("in a handle or id, %XX stands in capitals for a percent sign or for a byte outside 0x21 to 0x7e")]
    HandlePercent,
    /// Not `sha256:` or `pdq:` with 64 lower-case hexadecimal digits.
    #[error("a hash is written as sha256: (of a file) or pdq: (of an image) and 64 lower-case hexadecimal digits")]
    HashForm,
}

/// Checks a whole target.
pub(super) fn check(text: &str) -> Result<(), GrammarFault> {
    if text.len() > TARGET_BYTES_MAX {
        return Err(GrammarFault::TooLong);
    }
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(GrammarFault::NotAscii);
    }
    let (kind, value) = text.split_once(':').ok_or(GrammarFault::NoType)?;
    match kind {
        "domain" => name(value),
        "url" => url(value),
        "ip" => ip(value),
        "account" | "channel" | "app" => handle(value),
        "file" => hash(value, "sha256:"),
        "image" => hash(value, "pdq:"),
        _ => Err(GrammarFault::NoType),
    }
}

/// Checks a host name.
pub(super) fn name(text: &str) -> Result<(), GrammarFault> {
    let mut labels = 0_usize;
    let mut last = "";
    for label in text.split('.') {
        if label.is_empty() {
            return Err(GrammarFault::EmptyLabel);
        }
        if !label.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_')) {
            return Err(GrammarFault::NameByte);
        }
        if label.len() > LABEL_BYTES_MAX {
            return Err(GrammarFault::LabelTooLong);
        }
        labels = labels.saturating_add(1);
        last = label;
    }
    if text.len() > NAME_BYTES_MAX {
        return Err(GrammarFault::NameTooLong);
    }
    if is_number(last) {
        return Err(GrammarFault::NumericName);
    }
    if labels < 2 {
        return Err(GrammarFault::SingleLabel);
    }
    Ok(())
}

/// Whether the URL standard would take a name with this last label for an IPv4 address.
pub(super) fn is_number(label: &str) -> bool {
    label.bytes().all(|b| b.is_ascii_digit())
        || label.strip_prefix("0x").is_some_and(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()))
}

fn url(text: &str) -> Result<(), GrammarFault> {
    let (own_port, rest) = match (text.strip_prefix("http://"), text.strip_prefix("https://")) {
        (Some(rest), _) => ("80", rest),
        (_, Some(rest)) => ("443", rest),
        _ => return Err(GrammarFault::Scheme),
    };
    let path_at = rest.find('/').ok_or(GrammarFault::NoPath)?;
    let (authority, rest) = rest.split_at_checked(path_at).ok_or(GrammarFault::NoPath)?;
    let (host, port) = split_port(authority);
    if let Some(port) = port
        && (port == own_port || decimal(port, 1, u32::from(u16::MAX)).is_none())
    {
        return Err(GrammarFault::Port);
    }
    url_host(host)?;
    let (path, query) = rest.split_once('?').map_or((rest, None), |(path, query)| (path, Some(query)));
    url_path(path)?;
    query.map_or(Ok(()), url_query)
}

/// The host and what follows the colon after it, if there is one.
pub(super) fn split_port(authority: &str) -> (&str, Option<&str>) {
    let host_end = authority.find(']').unwrap_or(0);
    match authority.rfind(':') {
        Some(colon) if colon > host_end => {
            authority.split_at_checked(colon).map_or((authority, None), |(host, port)| (host, port.get(1..)))
        }
        _ => (authority, None),
    }
}

fn url_host(host: &str) -> Result<(), GrammarFault> {
    if let Some(address) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return v6(address).map(|_| ());
    }
    match name(host) {
        Err(GrammarFault::NumericName) => v4(host).map(|_| ()),
        other => other,
    }
}

fn url_path(path: &str) -> Result<(), GrammarFault> {
    if path.bytes().any(path_byte_is_encoded) {
        return Err(GrammarFault::PathByte);
    }
    percent_case(path)?;
    if path.split('/').any(is_dot_segment) {
        return Err(GrammarFault::DotSegment);
    }
    Ok(())
}

/// Whether a canonical path has this printable byte in percent-encoding only (or, as `?` and `#`, not at all).
pub(super) fn path_byte_is_encoded(byte: u8) -> bool {
    matches!(byte, b'"' | b'#' | b'<' | b'>' | b'?' | b'\\' | b'^' | b'`' | b'{' | b'}')
}

fn is_dot_segment(segment: &str) -> bool {
    // The longest form is "%2E%2E".
    segment.len() <= 6 && matches!(segment, "." | ".." | "%2E" | ".%2E" | "%2E." | "%2E%2E")
}

fn url_query(query: &str) -> Result<(), GrammarFault> {
    if query.bytes().any(|b| matches!(b, b'"' | b'#' | b'\'' | b'<' | b'>')) {
        return Err(GrammarFault::QueryByte);
    }
    percent_case(query)
}

/// Refuses a `%` that two hexadecimal digits follow of which one is in lower case.
fn percent_case(text: &str) -> Result<(), GrammarFault> {
    let lower = |pair: &[u8]| {
        matches!(pair, [a, b] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit()
            && (a.is_ascii_lowercase() || b.is_ascii_lowercase()))
    };
    let mut rest = text.as_bytes();
    while let Some(at) = rest.iter().position(|byte| *byte == b'%') {
        rest = rest.get(at.saturating_add(1)..).unwrap_or_default();
        if rest.get(..2).is_some_and(lower) {
            return Err(GrammarFault::PercentCase);
        }
    }
    Ok(())
}

fn ip(text: &str) -> Result<(), GrammarFault> {
    let (address, length) = text.split_once('/').map_or((text, None), |(address, length)| (address, Some(length)));
    let (bits, width) = if address.contains(':') {
        (v6(address)?.to_bits(), 128_u32)
    } else {
        (u128::from(v4(address)?.to_bits()), 32)
    };
    let Some(length) = length else { return Ok(()) };
    let length = decimal(length, 1, width.saturating_sub(1)).ok_or(GrammarFault::PrefixLength)?;
    // At least one bit lies beyond the prefix, and at most 127.
    let beyond = width.saturating_sub(length);
    if bits.trailing_zeros() < beyond {
        return Err(GrammarFault::HostBits);
    }
    Ok(())
}

fn v4(text: &str) -> Result<Ipv4Addr, GrammarFault> {
    let address: Ipv4Addr = text.parse().map_err(|_| GrammarFault::Address)?;
    if address.to_string() == text { Ok(address) } else { Err(GrammarFault::Address) }
}

fn v6(text: &str) -> Result<Ipv6Addr, GrammarFault> {
    let address: Ipv6Addr = text.parse().map_err(|_| GrammarFault::Address)?;
    if v6_text(address) == text { Ok(address) } else { Err(GrammarFault::Address) }
}

/// An IPv6 address in its one form. Written here since the standard library's form embeds IPv4 addresses, and has
/// changed between releases.
pub(super) fn v6_text(address: Ipv6Addr) -> String {
    let groups = address.segments();
    let (mut best_at, mut best_len, mut run) = (0_usize, 1_usize, 0_usize);
    for (at, group) in groups.iter().enumerate() {
        run = if *group == 0 { run.saturating_add(1) } else { 0 };
        if run > best_len {
            best_len = run;
            best_at = at.saturating_add(1).saturating_sub(run);
        }
    }
    let hex = |groups: &[u16]| groups.iter().map(|group| format!("{group:x}")).collect::<Vec<_>>().join(":");
    if best_len < 2 {
        return hex(&groups);
    }
    let before = groups.get(..best_at).unwrap_or_default();
    let after = groups.get(best_at.saturating_add(best_len)..).unwrap_or_default();
    format!("{}::{}", hex(before), hex(after))
}

/// A decimal in its one form, within bounds.
fn decimal(text: &str, least: u32, most: u32) -> Option<u32> {
    if text.is_empty() || text.len() > 5 || text.starts_with('0') || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    text.parse().ok().filter(|value| (least..=most).contains(value))
}

fn handle(text: &str) -> Result<(), GrammarFault> {
    let (platform, handle) = text.split_once('/').ok_or(GrammarFault::Platform)?;
    let inner = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-' | b'_');
    let outer = |b: Option<&u8>| b.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let bytes = platform.as_bytes();
    if bytes.len() > PLATFORM_BYTES_MAX
        || !outer(bytes.first())
        || !outer(bytes.last())
        || !bytes.iter().all(|b| inner(*b))
    {
        return Err(GrammarFault::Platform);
    }
    if handle.is_empty() || handle.len() > HANDLE_BYTES_MAX || handle.starts_with('@') {
        return Err(GrammarFault::Handle);
    }
    let mut parts = handle.split('%');
    parts.next();
    for part in parts {
        let byte = match part.as_bytes() {
            [high, low, ..] => up_hex(*high).zip(up_hex(*low)).map(|(high, low)| high << 4 | low),
            _ => None,
        };
        if byte.is_none_or(|byte| byte.is_ascii_graphic() && byte != b'%') {
            return Err(GrammarFault::HandlePercent);
        }
    }
    Ok(())
}

fn up_hex(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => byte.checked_sub(b'0'),
        b'A'..=b'F' => byte.checked_sub(b'A')?.checked_add(10),
        _ => None,
    }
}

fn hash(text: &str, algorithm: &str) -> Result<(), GrammarFault> {
    let digits = text.strip_prefix(algorithm).ok_or(GrammarFault::HashForm)?;
    if digits.len() != 64 || !digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
        return Err(GrammarFault::HashForm);
    }
    Ok(())
}
