//! One guard list: read, and held against a target.

use std::collections::{BTreeSet, HashSet};
use std::net::IpAddr;

use entente_proto::record::Target;
use entente_proto::record::target::TargetType;
use ipnet::IpNet;
use regex::{RegexSet, RegexSetBuilder};
use serde::Deserialize;

use super::Hit;
use super::hosts::Hosts;

/// The attribute types of addresses.
const ADDRESS: [&str; 5] = ["ip-src", "ip-dst", "domain|ip", "ip-src|port", "ip-dst|port"];
/// Largest compiled expressions of one list, in bytes.
const REGEX_BYTES_MAX: usize = 32 << 20;

/// Why a file is no guard list.
#[derive(Debug, thiserror::Error)]
pub enum ListFault {
    /// Not the JSON of a warning list.
    #[error("it is not a warning list in MISP's format: {0}")]
    Json(#[from] serde_json::Error),
    /// A type that this release does not know.
    #[error("its type {0:?} is none of string, substring, hostname, cidr, regex")]
    Type(String),
    /// An entry that is no network.
    #[error("its entry {0:?} is not an IP network")]
    Network(String),
    /// An entry that is no regular expression.
    #[error("an entry is not a regular expression: {0}")]
    Regex(String),
}

#[derive(Deserialize)]
struct File {
    name: String,
    #[serde(rename = "type")]
    kind: String,
    list: Vec<String>,
    #[serde(default)]
    matching_attributes: BTreeSet<String>,
}

enum Entries {
    Strings { exact: HashSet<String>, below: Hosts },
    Substrings(Vec<String>),
    Hosts(Hosts),
    Networks(Vec<IpNet>),
    Regexes { set: RegexSet, texts: Vec<String> },
}

/// One guard list.
pub struct GuardList {
    name: String,
    count: usize,
    /// The attribute types it is held against; all where empty.
    attributes: BTreeSet<String>,
    entries: Entries,
}

impl std::fmt::Debug for GuardList {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "GuardList({}, {} entries)", self.name, self.count)
    }
}

/// A target as lists look at it.
pub(super) struct Probe {
    /// What is compared as a whole, in lower case.
    value: String,
    host: Option<String>,
    /// Whether the target is an address with a path or query.
    page: bool,
    net: Option<IpNet>,
    attributes: Vec<&'static str>,
    /// Whether the target covers the names below it.
    covers: bool,
}

impl Probe {
    pub(super) fn of(target: &Target) -> Self {
        let (kind, value) = target.parts();
        let value = value.to_ascii_lowercase();
        let (host, page) = match kind {
            TargetType::Domain => (Some(value.clone()), false),
            TargetType::Url => host_of(&value),
            _ => (None, false),
        };
        let written = match kind {
            TargetType::Ip => Some(value.as_str()),
            _ => host.as_deref().map(|host| host.trim_matches(['[', ']'])),
        };
        let net = written.and_then(network);
        let mut attributes: Vec<&str> = match kind {
            TargetType::Domain => vec!["domain", "hostname", "domain|ip"],
            TargetType::Url => vec!["url", "uri", "link"],
            TargetType::Ip => ADDRESS.to_vec(),
            TargetType::File => vec!["sha256", "filename|sha256"],
            _ => Vec::new(),
        };
        if kind == TargetType::Url && net.is_some() {
            // A list of addresses means them as hosts, too.
            attributes.extend(ADDRESS);
        }
        let value = match kind {
            TargetType::File => value.trim_start_matches("sha256:").to_owned(),
            _ => value,
        };
        Self { value, host, page, net, attributes, covers: kind == TargetType::Domain }
    }
}

/// The host of a canonical address, without its port, and whether anything but `/` comes behind it.
fn host_of(url: &str) -> (Option<String>, bool) {
    let Some((_, rest)) = url.split_once("://") else { return (None, false) };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at_checked(end).unwrap_or((rest, ""));
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    };
    (Some(host.to_owned()), !matches!(path, "" | "/"))
}

impl GuardList {
    /// Reads a file.
    ///
    /// # Errors
    /// [`ListFault`]; a list of which one entry is wrong is refused whole, since half a guard is none.
    pub fn parse(bytes: &[u8]) -> Result<Self, ListFault> {
        let file: File = serde_json::from_slice(bytes)?;
        let count = file.list.len();
        let lower = |entry: &String| entry.trim().to_lowercase();
        let list = file.list.iter().filter(|entry| !entry.trim().is_empty());
        let entries = match file.kind.as_str() {
            "string" => {
                let (mut exact, mut below) = (HashSet::new(), Hosts::default());
                for entry in list.map(lower) {
                    match entry.strip_prefix('.') {
                        Some(name) => below.add(name),
                        None => _ = exact.insert(entry),
                    }
                }
                Entries::Strings { exact, below }
            }
            "substring" => Entries::Substrings(list.map(lower).collect()),
            "hostname" => {
                let mut hosts = Hosts::default();
                list.map(lower).for_each(|entry| hosts.add(&entry));
                Entries::Hosts(hosts)
            }
            "cidr" => {
                let read = |entry: &String| network(entry.trim()).ok_or_else(|| ListFault::Network(entry.clone()));
                Entries::Networks(list.map(read).collect::<Result<_, _>>()?)
            }
            "regex" => {
                let texts: Vec<String> = list.map(|entry| bare(entry.trim())).collect();
                if texts.iter().any(String::is_empty) {
                    return Err(ListFault::Regex("it is empty, and would hit everything".into()));
                }
                let set = RegexSetBuilder::new(&texts).case_insensitive(true).size_limit(REGEX_BYTES_MAX).build();
                Entries::Regexes { set: set.map_err(|error| ListFault::Regex(error.to_string()))?, texts }
            }
            other => return Err(ListFault::Type(other.to_owned())),
        };
        Ok(Self { name: file.name, count, attributes: file.matching_attributes, entries })
    }

    /// The list's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How many entries it has.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.count
    }

    /// Whether it has none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub(super) fn hit(&self, probe: &Probe) -> Option<Hit> {
        let meant =
            self.attributes.is_empty() || probe.attributes.iter().any(|attribute| self.attributes.contains(*attribute));
        let (entry, page) = if meant { self.entry(probe)? } else { return None };
        Some(Hit { list: self.name.clone(), entry, page })
    }

    /// The entry that hits, and whether it does so by the host of an address that goes on.
    fn entry(&self, probe: &Probe) -> Option<(String, bool)> {
        let host = probe.host.as_deref();
        match &self.entries {
            Entries::Strings { exact, below } => {
                let whole = host.filter(|_| !probe.page);
                let same = std::iter::once(probe.value.as_str()).chain(whole).find(|text| exact.contains(*text));
                let above = || Some((format!(".{}", below.at_or_above(host?)?), probe.page));
                same.map(|text| (text.to_owned(), false)).or_else(above)
            }
            Entries::Substrings(parts) => {
                let part = parts.iter().find(|part| probe.value.contains(part.as_str()))?;
                // Found in the host alone, it says nothing of the page.
                let in_host = host.is_some_and(|host| host.contains(part.as_str()));
                Some((part.clone(), probe.page && in_host))
            }
            Entries::Hosts(hosts) => {
                let below = || hosts.below(host?).filter(|_| probe.covers);
                let found = hosts.at_or_above(host?).map(str::to_owned).or_else(below)?;
                Some((found, probe.page))
            }
            Entries::Networks(networks) => {
                let net = probe.net?;
                let network = networks.iter().find(|network| network.contains(&net) || net.contains(*network))?;
                Some((network.to_string(), probe.page))
            }
            Entries::Regexes { set, texts } => {
                let found = set.matches(&probe.value).into_iter().next()?;
                Some((texts.get(found).cloned().unwrap_or_default(), false))
            }
        }
    }
}

/// A network, or the network of a single address.
fn network(text: &str) -> Option<IpNet> {
    text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
}

/// An expression as PHP writes it, between delimiters and with flags behind, without them.
fn bare(text: &str) -> String {
    let inner = text.strip_prefix('/').and_then(|rest| rest.rsplit_once('/'));
    match inner {
        Some((inner, flags)) if flags.bytes().all(|flag| flag.is_ascii_alphabetic()) => inner.replace("\\/", "/"),
        _ => text.to_owned(),
    }
}
