//! What a person types, brought into a canonical [`Target`].
//!
//! | typed | becomes |
//! |---|---|
//! | a host name, `News.Example.` | `domain:news.example` |
//! | an address with its scheme, `HTTP://News.Example:80/a#b` | `url:http://news.example/a` (URL standard) |
//! | an IP address or network | `ip:192.0.2.0/24` |
//! | a target with its type | the same, brought into form |
//!
//! Names in other scripts become ASCII as the URL standard says (UTS 46). Fragments, user info, default ports and the
//! dot at a host's end are dropped, percent-encoding is written in capitals. Made-harmless addresses (`hxxps://`,
//! `news[.]example`) are understood. Whatever of this a person may not expect is told in a notice.
//!
//! Refused are, each with its own [`code`](TargetError::code): public suffixes of the ICANN section (`co.uk`); wildcards;
//! e-mail addresses; a path, query or port without a scheme, since `news.example/a` could mean either scheme or the
//! whole domain; control characters, spaces, and characters that hide or reorder others. A private-section suffix
//! (`ddns.net`) is accepted with a notice: names below it belong to others and are not covered by it. So is a name that
//! mixes scripts or looks like another (`lookalike`).

use std::net::IpAddr;

use url::{Host, Url};

use super::grammar::{self, GrammarFault};
use super::lookalike;
use super::refusal::{TargetError, clip};
use super::target::{Target, TargetType};
use super::typed;

/// A target as it was understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Understood {
    /// The target.
    pub target: Target,
    /// What the person should know: what was changed or dropped, and what the target does not cover.
    pub notices: Vec<String>,
}

/// Understands what a person typed.
///
/// # Errors
/// A [`TargetError`] that names the fault. Whatever is returned passes the grammar of [`Target`].
pub fn from_input(input: &str) -> Result<Understood, TargetError> {
    let mut notices = Vec::new();
    let text = typed::refang(typed::clean(input)?, &mut notices);
    let target = understand(&text, &mut notices)?;
    Ok(Understood { target, notices })
}

fn understand(text: &str, notices: &mut Vec<String>) -> Result<Target, TargetError> {
    if let Some((word, value)) = text.split_once(':')
        && !value.starts_with("//")
        && let Some(kind) = TargetType::of_word(&word.to_ascii_lowercase())
    {
        return of_type(kind, value, notices);
    }
    let host_end = text.find(['/', '?', '#', '\\']).unwrap_or(text.len());
    let (host, rest) = text.split_at_checked(host_end).unwrap_or((text, ""));
    if let Some(scheme) = host.strip_suffix(':')
        && rest.starts_with("//")
    {
        return match scheme.to_ascii_lowercase().as_str() {
            "http" | "https" => web(text, notices),
            _ => Err(TargetError::UnsupportedScheme(clip(scheme))),
        };
    }
    let lower = host.to_ascii_lowercase();
    if lower.starts_with("http:") || lower.starts_with("https:") {
        return Err(TargetError::BadUrl("two slashes are missing after http: or https:".into()));
    }
    if host.contains('@') {
        return Err(TargetError::Email);
    }
    let unbracketed = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let address = unbracketed.split_once('/').map_or(unbracketed, |(address, _)| address);
    if address.parse::<IpAddr>().is_ok() && rest.bytes().skip(1).all(|b| b.is_ascii_digit()) && rest != "/" {
        return ip(unbracketed, notices);
    }
    if !rest.is_empty() {
        return Err(TargetError::PathWithoutScheme);
    }
    match host.rsplit_once(':') {
        Some((_, port)) if port.bytes().all(|b| b.is_ascii_digit()) => Err(TargetError::PortWithoutScheme),
        Some(_) if host.starts_with('[') => Err(TargetError::IpAddress(clip(host))),
        Some(_) => Err(TargetError::UnsupportedScheme(clip(host.split(':').next().unwrap_or_default()))),
        None => domain(host, notices),
    }
}

fn of_type(kind: TargetType, value: &str, notices: &mut Vec<String>) -> Result<Target, TargetError> {
    match kind {
        TargetType::Domain if value.contains('@') => Err(TargetError::Email),
        TargetType::Domain if value.contains(['/', '?', '#', '\\', ':']) => Err(TargetError::BadHost(clip(value))),
        TargetType::Domain => domain(value, notices),
        TargetType::Url => {
            let scheme = value.split_once("://").map_or(value, |(scheme, _)| scheme);
            match scheme.to_ascii_lowercase().as_str() {
                "http" | "https" if scheme.len() < value.len() => web(value, notices),
                _ => Err(TargetError::BadUrl("it does not begin with http:// or https://".into())),
            }
        }
        TargetType::Ip => ip(value, notices),
        TargetType::Account => handle("account", value, notices),
        TargetType::Channel => handle("channel", value, notices),
        TargetType::App => handle("app", value, notices),
        TargetType::File => hash(&format!("file:{value}")),
        TargetType::Image => hash(&format!("image:{value}")),
    }
}

fn domain(typed: &str, notices: &mut Vec<String>) -> Result<Target, TargetError> {
    if typed.contains('*') {
        return Err(TargetError::Wildcard);
    }
    let ascii = idna::domain_to_ascii_cow(typed.as_bytes(), idna::AsciiDenyList::URL).map_err(|_| idna_fault(typed))?;
    let name = without_last_dot(&ascii, notices);
    let suffix = psl::suffix(name.as_bytes());
    let is_suffix = suffix.is_some_and(|suffix| suffix.as_bytes() == name.as_bytes());
    let section = suffix.filter(psl::Suffix::is_known).and_then(|suffix| suffix.typ());
    if is_suffix && section == Some(psl::Type::Icann) {
        return Err(TargetError::PublicSuffix(clip(name)));
    }
    grammar::name(name).map_err(|fault| TargetError::of_name(fault, name))?;
    if section == Some(psl::Type::Icann) {
        registered_label(name)?;
    }
    if is_suffix && section == Some(psl::Type::Private) {
        notices.push(format!(
            "{name} is a suffix under which others have names of their own; this covers {name} alone, none of them"
        ));
    }
    if !typed.is_ascii() {
        notices.push(format!("read as {name}"));
    }
    lookalike::point_out(name, notices);
    finish(&format!("domain:{name}"))
}

/// Below an ICANN suffix, registries give names without underscores, and without hyphens at the ends; further down
/// everything is possible.
fn registered_label(name: &str) -> Result<(), TargetError> {
    let label = psl::domain_str(name).and_then(|domain| domain.split('.').next()).unwrap_or_default();
    if label.starts_with('-') || label.ends_with('-') || label.contains('_') {
        return Err(TargetError::LabelForm(clip(label)));
    }
    Ok(())
}

fn web(typed: &str, notices: &mut Vec<String>) -> Result<Target, TargetError> {
    let authority = typed.split("//").nth(1).unwrap_or_default();
    let authority = authority.split(['/', '?', '#', '\\']).next().unwrap_or_default();
    let typed_host = authority.rsplit('@').next().unwrap_or_default();
    let url = Url::parse(typed).map_err(|fault| url_fault(fault, grammar::split_port(typed_host).0))?;
    let host = match url.host() {
        None => return Err(TargetError::BadUrl("it has no host".into())),
        Some(Host::Ipv4(address)) => address.to_string(),
        Some(Host::Ipv6(address)) => format!("[{}]", grammar::v6_text(address)),
        Some(Host::Domain(name)) if name.contains('*') => return Err(TargetError::Wildcard),
        Some(Host::Domain(name)) => {
            let name = without_last_dot(name, notices);
            grammar::name(name).map_err(|fault| TargetError::of_name(fault, name))?;
            if psl::suffix(name.as_bytes()).and_then(|suffix| suffix.typ()) == Some(psl::Type::Icann) {
                registered_label(name)?;
            }
            name.to_owned()
        }
    };
    if !url.username().is_empty() || url.password().is_some() {
        notices.push("the user name or password before the host was dropped".into());
    }
    if url.fragment().is_some() {
        notices.push("the fragment after # was dropped: it is never sent to a server".into());
    }
    if !typed_host.is_ascii() {
        notices.push(format!("the host was read as {host}"));
    }
    lookalike::point_out(&host, notices);
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    let path = path_form(url.path());
    let query = url.query().map(|query| format!("?{}", percent_capitals(query))).unwrap_or_default();
    finish(&format!("url:{}://{host}{port}{path}{query}", url.scheme()))
}

/// What the URL standard encodes in a path and the library may leave, and percent-encoding in capitals.
fn path_form(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for c in path.chars() {
        if u8::try_from(c).is_ok_and(grammar::path_byte_is_encoded) {
            out.push_str(&format!("%{:02X}", u32::from(c)));
        } else {
            out.push(c);
        }
    }
    percent_capitals(&out)
}

fn percent_capitals(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        out.push_str(before);
        out.push('%');
        rest = after;
        if let Some(pair) = after.get(..2)
            && pair.bytes().all(|b| b.is_ascii_hexdigit())
        {
            out.push_str(&pair.to_ascii_uppercase());
            rest = after.get(2..).unwrap_or_default();
        }
    }
    out.push_str(rest);
    out
}

fn ip(typed: &str, notices: &mut Vec<String>) -> Result<Target, TargetError> {
    let (address, length) = typed.split_once('/').map_or((typed, None), |(address, length)| (address, Some(length)));
    let address: IpAddr = address.parse().map_err(|_| TargetError::IpAddress(clip(address)))?;
    let (bits, width, broadest) = match address {
        IpAddr::V4(v4) => (u128::from(v4.to_bits()), 32_u32, 8),
        IpAddr::V6(v6) => (v6.to_bits(), 128, 16),
    };
    let form = |address: IpAddr| match address {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => grammar::v6_text(v6),
    };
    if address.is_loopback() || address.is_unspecified() || address.is_multicast() || is_local(address) {
        notices.push("this address is not one of the public internet".into());
    }
    let Some(length) = length else { return finish(&format!("ip:{}", form(address))) };
    let bad = || TargetError::IpPrefix(clip(length));
    if length.is_empty() || length.len() > 3 || !length.bytes().all(|b| b.is_ascii_digit()) {
        return Err(bad());
    }
    let length: u32 = length.parse().map_err(|_| bad())?;
    if length > width {
        return Err(bad());
    }
    if length == width {
        notices.push(format!("/{length} is the address itself and was dropped"));
        return finish(&format!("ip:{}", form(address)));
    }
    if length < broadest {
        return Err(TargetError::IpTooBroad);
    }
    let beyond = width.saturating_sub(length);
    if bits.trailing_zeros() < beyond {
        let network = bits.unbounded_shr(beyond).unbounded_shl(beyond);
        let network = match address {
            IpAddr::V4(_) => IpAddr::V4(u32::try_from(network).unwrap_or_default().into()),
            IpAddr::V6(_) => IpAddr::V6(network.into()),
        };
        return Err(TargetError::IpHostBits(format!("{}/{length}", form(network))));
    }
    finish(&format!("ip:{}/{length}", form(address)))
}

fn is_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_private() || v4.is_link_local() || v4.is_broadcast(),
        IpAddr::V6(v6) => v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

fn handle(kind: &str, typed: &str, notices: &mut Vec<String>) -> Result<Target, TargetError> {
    let (platform, handle) = typed.split_once('/').ok_or(TargetError::BadHandle(GrammarFault::Platform))?;
    let bare = handle.trim_start_matches('@');
    if bare.len() < handle.len() {
        notices.push("the @ before the handle was dropped".into());
    }
    let mut out = format!("{kind}:{}/", platform.to_ascii_lowercase());
    let mut rest = bare.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        let escape = rest.get(..3).and_then(|three| std::str::from_utf8(three).ok());
        if let Some(escape) = escape.filter(|_| *byte == b'%').and_then(canonical_escape) {
            out.push_str(&escape);
            rest = rest.get(3..).unwrap_or_default();
            continue;
        }
        if byte.is_ascii_graphic() && *byte != b'%' {
            out.push(char::from(*byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
        rest = after;
    }
    grammar::check(&out).map_err(|fault| match fault {
        GrammarFault::TooLong => TargetError::TooLong,
        fault => TargetError::BadHandle(fault),
    })?;
    Ok(Target::checked(&out))
}

/// An escape that a handle may keep: of a byte that is not printable ASCII, or of the percent sign.
fn canonical_escape(three: &str) -> Option<String> {
    let digits = three.get(1..).filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()))?;
    let byte = u8::from_str_radix(digits, 16).ok()?;
    (!byte.is_ascii_graphic() || byte == b'%').then(|| three.to_ascii_uppercase())
}

fn hash(typed: &str) -> Result<Target, TargetError> {
    let text = typed.to_ascii_lowercase();
    grammar::check(&text).map_err(|_| TargetError::BadHash)?;
    Ok(Target::checked(&text))
}

fn without_last_dot<'a>(name: &'a str, notices: &mut Vec<String>) -> &'a str {
    match name.strip_suffix('.') {
        Some(rest) if !rest.is_empty() => {
            notices.push("the dot at the end of the host name was dropped".into());
            rest
        }
        _ => name,
    }
}

fn idna_fault(name: &str) -> TargetError {
    if name.split('.').any(|label| label.chars().count() > grammar::LABEL_BYTES_MAX) {
        return TargetError::LabelTooLong;
    }
    if name.is_ascii() && !name.to_ascii_lowercase().contains("xn--") {
        return TargetError::BadHost(clip(name));
    }
    TargetError::NotAsciiAfterIdna(clip(name))
}

fn url_fault(fault: url::ParseError, host: &str) -> TargetError {
    match fault {
        url::ParseError::IdnaError => idna_fault(host),
        url::ParseError::InvalidDomainCharacter => TargetError::BadHost(clip(host)),
        url::ParseError::InvalidIpv4Address | url::ParseError::InvalidIpv6Address => TargetError::IpAddress(clip(host)),
        other => TargetError::BadUrl(other.to_string()),
    }
}

fn finish(text: &str) -> Result<Target, TargetError> {
    match grammar::check(text) {
        Ok(()) => Ok(Target::checked(text)),
        Err(GrammarFault::TooLong) => Err(TargetError::TooLong),
        Err(fault @ (GrammarFault::Port | GrammarFault::Scheme | GrammarFault::NoPath)) => {
            Err(TargetError::BadUrl(fault.to_string()))
        }
        Err(fault) => Err(TargetError::of_name(fault, text)),
    }
}

#[cfg(test)]
mod tests;
