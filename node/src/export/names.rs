//! Which domains a resolver may block.
//!
//! - Only `domain:` targets: a resolver cannot block a path, and an address blocked by its host would take everything
//!   else on that host with it.
//! - Not one that is held, nor one with a hold that is not yet certified, nor one above or below a held target: blocking
//!   `news.example` would take `https://a.news.example/x` offline, which a partner investigates.
//! - Of a public suffix, such as `ddns.net`, the name alone and not what is under it: that belongs to others.

use std::collections::HashSet;

use entente_proto::record::target::TargetType;
use entente_proto::record::{Target, parents};
use entente_proto::wire::record::Body;
use entente_proto::wire::{ListedRow, Status};

/// Most names that held targets may make unblockable; each takes about 100 bytes of memory.
const HELD_NAMES_MAX: usize = 500_000;

/// What must stay online.
#[derive(Debug, Clone, Default)]
pub struct Held {
    /// Names whose blocking would take a held target offline: those of held targets and all above them.
    above: HashSet<String>,
    /// Held domains: nothing under them is blocked.
    domains: HashSet<String>,
}

/// There are more held targets than can be kept in mind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("more than {HELD_NAMES_MAX} names are held: what may be blocked cannot be told in bounded memory")]
pub struct TooManyHeld;

impl Held {
    /// Takes note of a held row.
    ///
    /// # Errors
    /// [`TooManyHeld`].
    pub fn note(&mut self, row: &ListedRow) -> Result<(), TooManyHeld> {
        let Some(target) = row.row.as_ref().and_then(|row| row.target.parse::<Target>().ok()) else { return Ok(()) };
        if let Some(name) = domain(&target) {
            self.domains.insert(name.to_owned());
            self.above.insert(name.to_owned());
        }
        // Of a host under a public suffix the suffix is not among these: it is blocked without what is under it.
        self.above.extend(parents(&target).filter_map(|above| domain(&above).map(str::to_owned)));
        if self.above.len() > HELD_NAMES_MAX { Err(TooManyHeld) } else { Ok(()) }
    }

    fn touches(&self, target: &Target, name: &str) -> bool {
        self.above.contains(name)
            || parents(target).any(|above| domain(&above).is_some_and(|above| self.domains.contains(above)))
    }
}

/// A name that may be blocked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    /// It.
    pub name: String,
    /// Whether all names under it are meant too.
    pub below: bool,
}

/// The name of a row, or why it is not to be blocked.
///
/// # Errors
/// The reason, in words.
pub fn blockable(row: &ListedRow, held: &Held) -> Result<Name, &'static str> {
    let certified = row.row.as_ref().ok_or("not on the list")?;
    let target: Target = certified.target.parse().map_err(|_| "not understood")?;
    let name = match target.parts() {
        (TargetType::Domain, name) => name,
        (TargetType::Url, _) => return Err("web addresses: a resolver cannot block a path"),
        _ => return Err("neither domains nor web addresses"),
    };
    let hold = |body: Option<&Body>| matches!(body, Some(Body::Hold(_)));
    let pending = row.pending.iter().any(|pending| hold(pending.record.as_ref().and_then(|r| r.body.as_ref())));
    if certified.status == Status::Held as i32 || pending || held.touches(&target, name) {
        return Err("held, or above or below something that is");
    }
    Ok(Name { below: !is_suffix(name), name: name.to_owned() })
}

fn domain(target: &Target) -> Option<&str> {
    match target.parts() {
        (TargetType::Domain, name) => Some(name),
        _ => None,
    }
}

/// Whether names under it belong to others: then it stands above none of them.
fn is_suffix(name: &str) -> bool {
    let below = format!("domain:x.{name}").parse::<Target>();
    // A name too long to have anything under it is none.
    below.is_ok_and(|below| !parents(&below).any(|above| domain(&above) == Some(name)))
}
