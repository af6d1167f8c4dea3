//! Where a unit's node listens: `host:port`.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::limits::ADDRESS_BYTES_MAX;

/// An address in its one form, at most 259 bytes: a host, a colon, a port from 1 to 65535 in decimal without leading zeros.
/// `None` for anything else.
///
/// The host is one of:
/// - a name: one or more labels with dots between, each 1 to 63 of `a-z`, `0-9` and inner hyphens; the last is not of
///   digits alone. Only the 259 bytes limit it as a whole;
/// - an IPv4 address: four decimals 0 to 255 without leading zeros, with dots between;
/// - an IPv6 address in square brackets as RFC 5952 writes it: lower-case groups without leading zeros, the longest run of
///   two or more zero groups (the first of equals) as `::`, and `::ffff:192.0.2.1` for IPv4-mapped ones alone.
#[must_use]
pub fn split_address(text: &str) -> Option<(&str, u16)> {
    if text.len() > ADDRESS_BYTES_MAX {
        return None;
    }
    let (host, port) = text.rsplit_once(':')?;
    if port.starts_with('0') || !port.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let port = port.parse().ok()?;
    is_host(host).then_some((host, port))
}

fn is_host(host: &str) -> bool {
    if let Some(inner) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return inner.parse::<Ipv6Addr>().is_ok_and(|address| address.to_string() == inner);
    }
    let last = host.rsplit('.').next().unwrap_or_default();
    if last.bytes().all(|byte| byte.is_ascii_digit()) {
        // Names that end in a number would be read as IPv4 addresses by some resolvers.
        return host.parse::<Ipv4Addr>().is_ok();
    }
    let label = |part: &str| {
        (1..=63).contains(&part.len())
            && !part.starts_with('-')
            && !part.ends_with('-')
            && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    host.split('.').all(label)
}
