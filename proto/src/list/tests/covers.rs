//! What a check finds, written down a second time without any index: every row is looked at, and whether it covers what was
//! asked for is read from the two texts. Slow, and made to be compared with.

use std::net::Ipv4Addr;

use super::*;

/// Suffixes of the tests' names under which others have names of their own, or registries give names.
const SUFFIXES: [&str; 3] = ["example", "ddns.net", "net"];

/// The row that the list answers with, its status, and how it covers the target.
pub(super) fn found(rows: &[Row], asked: &str, likeness: u32) -> Option<(String, wire::Status, Way)> {
    let mut covering: Vec<(Way, u32, &Row)> = rows
        .iter()
        .filter_map(|row| {
            let (way, distance) = covers(row, asked, likeness)?;
            Some((way, distance, row))
        })
        .collect();
    covering.sort_by_key(|(way, distance, row)| (rank(*way), *distance, row.target.clone()));
    let is = |status| move |(_, _, row): &&(Way, u32, &Row)| row.status() == status;
    let itself = covering.iter().find(|(way, ..)| *way == Way::Itself);
    let nearest = covering.iter().find(|(_, _, row)| row.status() != wire::Status::Cleared);
    let (way, _, row) = covering.iter().find(is(wire::Status::Held)).or(itself).or(nearest)?;
    Some((row.target.clone(), row.status(), *way))
}

fn rank(way: Way) -> u32 {
    match way {
        Way::Itself => 0,
        Way::Prefix => 1,
        Way::Above => 2,
        Way::Like(_) => 3,
    }
}

/// How a row covers a target, and how far it is from it.
fn covers(row: &Row, asked: &str, likeness: u32) -> Option<(Way, u32)> {
    let listed = row.target.as_str();
    if listed == asked {
        return Some((Way::Itself, 0));
    }
    let means_more = row.referrals.iter().any(|referral| referral.refer.as_ref().unwrap().prefix);
    if means_more && asked.starts_with(listed) {
        return Some((Way::Prefix, (asked.len() - listed.len()) as u32));
    }
    if let (Some(listed), Some(asked)) = (listed.strip_prefix("image:pdq:"), asked.strip_prefix("image:pdq:")) {
        let differ = |(a, b): (char, char)| (a.to_digit(16).unwrap() ^ b.to_digit(16).unwrap()).count_ones();
        let bits: u32 = listed.chars().zip(asked.chars()).map(differ).sum();
        return (bits <= likeness).then_some((Way::Like(bits), bits));
    }
    // A domain, an address and a network cover what is below them; of an address on the web, its host counts.
    let (host, of_url) = match asked.split_once("://") {
        Some((_, rest)) => (rest.split(['/', ':']).next().unwrap(), true),
        None => (asked.split_once(':').unwrap().1, false),
    };
    if let Some(name) = listed.strip_prefix("domain:") {
        let same = of_url && host == name;
        let below = host.ends_with(&format!(".{name}")) && !SUFFIXES.contains(&name);
        return (same || below).then(|| (Way::Above, (host.len() - name.len()) as u32));
    }
    let (network, length) = network(listed.strip_prefix("ip:")?)?;
    let (address, asked_length) = self::network(host)?;
    let shorter = length < asked_length || of_url && length == asked_length;
    let same = (u64::from(address) >> (32 - length)) == (u64::from(network) >> (32 - length));
    (shorter && same).then(|| (Way::Above, asked_length - length))
}

fn network(text: &str) -> Option<(u32, u32)> {
    let (address, length) = text.split_once('/').unwrap_or((text, "32"));
    Some((address.parse::<Ipv4Addr>().ok()?.into(), length.parse().unwrap()))
}
