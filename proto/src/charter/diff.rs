//! What one charter says otherwise than another, in words for the people who are to sign it.

use std::collections::BTreeSet;
use std::fmt;

use super::text::{Base, Terms, Unit};
use crate::hash::Hash;
use crate::ids::UnitId;

/// One difference between two texts.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// Another network.
    Network(String, String),
    /// Another version.
    Version(u32, u32),
    /// It continues another charter.
    Continues(Hash),
    /// A unit is in the second alone.
    Joined(UnitId, String),
    /// A unit is in the first alone.
    Left(UnitId, String),
    /// A unit has another full name.
    Name(UnitId, String, String),
    /// A unit has another key in a role: `charter`, `log` or `mirror`.
    Key(UnitId, &'static str),
    /// A unit's log goes on from here.
    Base(UnitId, Base),
    /// A unit has a further CA.
    CaAdded(UnitId, Hash),
    /// A unit has a CA no longer.
    CaDropped(UnitId, Hash),
    /// A unit is reached elsewhere.
    Addresses(UnitId, Vec<String>, Vec<String>),
    /// Another number of cosignatures certifies: needed and others before, needed and others after.
    Quorum(usize, usize, usize, usize),
    /// The list is computed by other rules.
    Fold(u32, u32),
    /// A certificate is not accepted any more.
    Revoked(Hash),
    /// A certificate is not refused any more by the charter.
    Unrevoked(Hash),
}

/// What `after` says otherwise than `before`, in the order in which people ask: who, with which keys, how many.
#[must_use]
pub fn changes(before: &Terms, after: &Terms) -> Vec<Change> {
    let mut out = Vec::new();
    if before.network != after.network {
        out.push(Change::Network(before.network.to_string(), after.network.to_string()));
    }
    if before.version != after.version {
        out.push(Change::Version(before.version, after.version));
    }
    out.extend(after.continues.filter(|_| before.continues != after.continues).map(Change::Continues));
    let lone = |one: &Terms, other: &Terms, change: fn(UnitId, String) -> Change| -> Vec<Change> {
        let lone = one.units.values().filter(|unit| !other.units.contains_key(&unit.id));
        lone.map(|unit| change(unit.id.clone(), unit.name.clone())).collect()
    };
    out.extend(lone(after, before, Change::Joined));
    out.extend(lone(before, after, Change::Left));
    for unit in after.units.values() {
        if let Some(stood) = before.units.get(&unit.id) {
            unit_changes(stood, unit, &mut out);
        }
    }
    let quorum = |terms: &Terms| (terms.quorum.needed(), terms.quorum.others());
    let ((q1, m1), (q2, m2)) = (quorum(before), quorum(after));
    if (q1, m1) != (q2, m2) {
        out.push(Change::Quorum(q1, m1, q2, m2));
    }
    if before.fold != after.fold {
        out.push(Change::Fold(before.fold, after.fold));
    }
    out.extend(after.revoked.difference(&before.revoked).copied().map(Change::Revoked));
    out.extend(before.revoked.difference(&after.revoked).copied().map(Change::Unrevoked));
    out
}

fn unit_changes(before: &Unit, after: &Unit, out: &mut Vec<Change>) {
    let id = || after.id.clone();
    if before.name != after.name {
        out.push(Change::Name(id(), before.name.clone(), after.name.clone()));
    }
    for ((role, old), new) in ["charter", "log", "mirror"].into_iter().zip(before.keys()).zip(after.keys()) {
        if old != new {
            out.push(Change::Key(id(), role));
        }
    }
    out.extend(after.base.filter(|_| before.base != after.base).map(|base| Change::Base(id(), base)));
    let roots = |unit: &Unit| unit.ca.iter().map(|der| Hash::of(der)).collect::<BTreeSet<Hash>>();
    let (old, new) = (roots(before), roots(after));
    out.extend(new.difference(&old).map(|root| Change::CaAdded(id(), *root)));
    out.extend(old.difference(&new).map(|root| Change::CaDropped(id(), *root)));
    if before.addresses != after.addresses {
        out.push(Change::Addresses(id(), before.addresses.clone(), after.addresses.clone()));
    }
}

/// Addresses in words.
struct Dialled<'a>(&'a [String]);

impl fmt::Display for Dialled<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { f.write_str("nowhere (it only dials)") } else { f.write_str(&self.0.join(", ")) }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network(before, after) => write!(f, "another network: {after}, not {before}"),
            Self::Version(before, after) => write!(f, "version {after} after version {before}"),
            Self::Continues(digest) => write!(f, "founds the network anew; it continues the charter {digest}"),
            Self::Joined(unit, name) => write!(f, "{unit} joins: {name}"),
            Self::Left(unit, name) => write!(f, "{unit} leaves: {name}; its holds end, its other statements stay"),
            Self::Name(unit, before, after) => write!(f, "{unit} is named {after:?}, before {before:?}"),
            Self::Key(unit, role) => write!(f, "{unit} has another {role} key"),
            Self::Base(unit, base) => {
                write!(f, "{unit}'s log goes on from {} entries with root {}", base.size, base.root)
            }
            Self::CaAdded(unit, root) => write!(f, "{unit} has a further CA (SHA-256 of the certificate {root})"),
            Self::CaDropped(unit, root) => write!(f, "{unit} has no longer the CA {root}"),
            Self::Addresses(unit, before, after) => {
                write!(f, "{unit} is reached at {}, before at {}", Dialled(after), Dialled(before))
            }
            Self::Quorum(q1, m1, q2, m2) => {
                write!(f, "{q2} of {m2} other units certify, before {q1} of {m1}")
            }
            Self::Fold(before, after) => {
                write!(f, "the list is computed by version {after} of the rules, before {before}")
            }
            Self::Revoked(key) => write!(f, "certificates with the key {key} are not accepted any more"),
            Self::Unrevoked(key) => write!(f, "certificates with the key {key} are not refused any more"),
        }
    }
}
