//! What was said of a record since: as later receipts prove it, or as the node tells it.

use entente_proto::ids::RecordId;
use entente_proto::receipt::{Bearing, VerifiedReceipt};
use entente_proto::wire::record::Body;
use entente_proto::wire::{EraseReason, Ground, LaterRecord, Opinion, Stance};
use serde::Serialize;

use crate::cli::words::{moment, plain, word};

/// One later statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Said {
    /// The record that says it.
    pub(super) id: RecordId,
    /// Its header's time, Unix milliseconds.
    pub(super) time_ms: u64,
    /// What it says.
    pub(super) what: What,
    /// Whether it is certified.
    pub(super) certified: bool,
    /// Whether its own unit has taken it back.
    pub(super) taken_back: bool,
}

/// What it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum What {
    /// The unit takes the record back, with this reason.
    Withdrawn(String),
    /// The unit has it erased, with this reason.
    Erased(&'static str),
    /// Another unit objects.
    Objection {
        /// The ground, in a word.
        ground: &'static str,
        /// In words.
        text: String,
    },
    /// Another unit agrees.
    Support(String),
}

impl What {
    fn of(body: &Body) -> Option<Self> {
        Some(match body {
            Body::Withdraw(withdraw) => Self::Withdrawn(withdraw.reason.clone()),
            Body::Erase(erase) => Self::Erased(erasure(erase.reason)),
            Body::Opinion(opinion) => Self::opinion(opinion),
            _ => return None,
        })
    }

    fn opinion(opinion: &Opinion) -> Self {
        let text = opinion.text.clone();
        if opinion.stance == i32::from(Stance::Object) {
            Self::Objection { ground: word::<Ground>(opinion.ground).unwrap_or("other"), text }
        } else {
            Self::Support(text)
        }
    }
}

fn erasure(reason: i32) -> &'static str {
    word::<EraseReason>(reason).unwrap_or("unknown")
}

impl Said {
    /// In words that follow the record's name: `was WITHDRAWN by BE/21 on ...: reason`.
    pub(super) fn words(&self) -> String {
        let by = format!("{} on {}", self.id, moment(self.time_ms));
        let because = |text: &str| if text.is_empty() { String::new() } else { format!(": {}", plain(text)) };
        let mut words = match &self.what {
            What::Withdrawn(reason) => format!("was WITHDRAWN by {by}{}", because(reason)),
            What::Erased(reason) => format!("was ERASED by {by}: {reason}"),
            What::Objection { ground, text } => {
                format!("is OBJECTED TO by {} in {by} ({ground}){}", self.id.unit, because(text))
            }
            What::Support(text) => format!("is supported by {} in {by}{}", self.id.unit, because(text)),
        };
        if self.taken_back {
            words.push_str(" [taken back since]");
        } else if !self.certified {
            words.push_str(" [not yet certified]");
        }
        words
    }
}

/// What these receipts prove about the record of `of`, by time.
pub(super) fn proven<'a>(of: &VerifiedReceipt, all: impl Iterator<Item = &'a VerifiedReceipt> + Clone) -> Vec<Said> {
    let ends = |bearing: Option<Bearing<'_>>| matches!(bearing, Some(Bearing::Withdraws(_) | Bearing::Erases(_)));
    let mut said: Vec<Said> = Vec::new();
    for later in all.clone().filter(|later| later.bears_on(of).is_some()) {
        if said.iter().any(|known| known.id == *later.id()) {
            continue;
        }
        said.extend(What::of(later.statement().body()).map(|what| Said {
            id: later.id().clone(),
            time_ms: later.header().time_ms,
            what,
            certified: later.certified().is_ok(),
            taken_back: all.clone().any(|still_later| ends(still_later.bears_on(later))),
        }));
    }
    said.sort_by(|a, b| (a.time_ms, &a.id).cmp(&(b.time_ms, &b.id)));
    said
}

/// What the node tells.
pub(super) fn told(later: &[LaterRecord]) -> Vec<Said> {
    let said = |later: &LaterRecord| {
        let shown = later.shown.as_ref()?;
        let id = shown.id.as_ref()?;
        Some(Said {
            id: RecordId { unit: id.unit.parse().ok()?, index: id.index },
            time_ms: shown.time_ms,
            what: What::of(shown.record.as_ref()?.body.as_ref()?)?,
            certified: shown.certified,
            taken_back: later.taken_back_by.is_some(),
        })
    };
    later.iter().filter_map(said).collect()
}

/// What `--json` prints of it.
#[derive(Serialize)]
pub(super) struct SinceJson {
    withdrawn: Option<SaidJson>,
    erased: Option<SaidJson>,
    objections: Vec<SaidJson>,
    supports: Vec<SaidJson>,
}

#[derive(Serialize)]
struct SaidJson {
    id: String,
    unit: String,
    time: String,
    certified: bool,
    taken_back: bool,
    ground: Option<&'static str>,
    reason: String,
}

impl From<&[Said]> for SinceJson {
    fn from(all: &[Said]) -> Self {
        let of = |wanted: fn(&What) -> bool| all.iter().filter(move |said| wanted(&said.what)).map(SaidJson::from);
        Self {
            withdrawn: of(|what| matches!(what, What::Withdrawn(_))).next(),
            erased: of(|what| matches!(what, What::Erased(_))).next(),
            objections: of(|what| matches!(what, What::Objection { .. })).collect(),
            supports: of(|what| matches!(what, What::Support(_))).collect(),
        }
    }
}

impl From<&Said> for SaidJson {
    fn from(said: &Said) -> Self {
        let (ground, reason) = match &said.what {
            What::Withdrawn(reason) | What::Support(reason) => (None, reason.clone()),
            What::Erased(reason) => (None, (*reason).to_owned()),
            What::Objection { ground, text } => (Some(*ground), text.clone()),
        };
        Self {
            id: said.id.to_string(),
            unit: said.id.unit.to_string(),
            time: moment(said.time_ms),
            certified: said.certified,
            taken_back: said.taken_back,
            ground,
            reason,
        }
    }
}
