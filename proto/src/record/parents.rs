//! What stands above a target, and covers it when it is listed.

use std::net::{IpAddr, Ipv6Addr};

use super::grammar;
use super::target::{Target, TargetType};

/// The shortest prefixes that are looked up, and can be referred: /8 for IPv4, /16 for IPv6.
const SHORTEST: (u32, u32) = (8, 16);

/// The targets to look up above a target, nearest first. A listed one covers the target.
///
/// - Above a url stand its host (`domain:` or `ip:`) and what stands above that.
/// - Above a domain stand the names that it is under, up to and including the registrable domain. A public suffix is
///   never among them, of whichever section of the list: names below `ddns.net` belong to different people, so a
///   listed `domain:ddns.net` is found for itself and for the addresses on that very host, and never covers
///   `other.ddns.net`.
/// - Above an IP address or network stand the networks that contain it, down to /8 and /16.
/// - Above anything else stands nothing.
///
/// ```
/// use entente_proto::record::{Target, parents};
///
/// let target: Target = "url:https://a.news.example/x".parse()?;
/// let above: Vec<String> = parents(&target).map(|target| target.to_string()).collect();
/// assert_eq!(above, ["domain:a.news.example", "domain:news.example"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn parents(target: &Target) -> impl Iterator<Item = Target> + use<> {
    let mut found = Vec::new();
    match target.parts() {
        (TargetType::Domain, name) => above_name(name, &mut found),
        (TargetType::Url, url) => above_url(url, &mut found),
        (TargetType::Ip, ip) => {
            let (address, length) = ip.split_once('/').map_or((ip, None), |(a, l)| (a, l.parse().ok()));
            if let Ok(address) = address.parse() {
                above_address(address, length, &mut found);
            }
        }
        _ => {}
    }
    found.into_iter()
}

fn above_url(url: &str, found: &mut Vec<Target>) {
    let authority = url.split("//").nth(1).and_then(|rest| rest.split('/').next()).unwrap_or_default();
    let host = grammar::split_port(authority).0;
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    // A name never parses as an address: it does not end in a number.
    if let Ok(address) = bare.parse::<IpAddr>() {
        found.push(Target::checked(&format!("ip:{bare}")));
        above_address(address, None, found);
    } else {
        found.push(Target::checked(&format!("domain:{host}")));
        above_name(host, found);
    }
}

fn above_name(name: &str, found: &mut Vec<Target>) {
    // None for a name that is a suffix itself: nothing is above it.
    let Some(registrable) = psl::domain_str(name) else { return };
    let mut rest = name;
    while rest.len() > registrable.len() {
        let Some((_, parent)) = rest.split_once('.') else { return };
        found.push(Target::checked(&format!("domain:{parent}")));
        rest = parent;
    }
}

fn above_address(address: IpAddr, length: Option<u32>, found: &mut Vec<Target>) {
    let (bits, width, shortest) = match address {
        IpAddr::V4(v4) => (u128::from(v4.to_bits()), 32_u32, SHORTEST.0),
        IpAddr::V6(v6) => (v6.to_bits(), 128, SHORTEST.1),
    };
    for length in (shortest..length.unwrap_or(width)).rev() {
        let beyond = width.saturating_sub(length);
        let network = bits.unbounded_shr(beyond).unbounded_shl(beyond);
        let network = match address {
            IpAddr::V4(_) => std::net::Ipv4Addr::from(u32::try_from(network).unwrap_or_default()).to_string(),
            IpAddr::V6(_) => grammar::v6_text(Ipv6Addr::from(network)),
        };
        found.push(Target::checked(&format!("ip:{network}/{length}")));
    }
}
