//! A row of the list.

use entente_proto::wire::{Late, ListedRow, OpinionRow, Overdue, RecordRef, Row, Stance, Status};
use serde::Serialize;

use super::StatementJson;
use super::body::{DispatchJson, HoldJson, LinkJson, ObserveJson, OpinionJson, OutcomeJson, ReferJson};
use crate::cli::words::{moment, record_id, word};

/// A row with what is not yet certified beside it.
#[derive(Serialize)]
pub(crate) struct RowJson {
    target: String,
    /// `pending` where nothing about the target is certified yet.
    status: &'static str,
    availability: Option<Standing<ObserveJson>>,
    referrals: Vec<Standing<ReferJson>>,
    holds: Vec<Standing<HoldJson>>,
    objections: Vec<Standing<OpinionJson>>,
    supports: Vec<Standing<OpinionJson>>,
    dispatches: Vec<Standing<DispatchJson>>,
    outcomes: Vec<Standing<OutcomeJson>>,
    links: Vec<Standing<LinkJson>>,
    pending: Vec<StatementJson>,
    overdue: Vec<LateJson>,
    /// What `list --after` takes to go on behind it; empty outside a list.
    cursor: String,
}

/// Something that is late.
#[derive(Serialize)]
struct LateJson {
    what: &'static str,
    id: Option<String>,
    since: String,
}

impl From<&Late> for LateJson {
    fn from(late: &Late) -> Self {
        let what = match Overdue::try_from(late.what) {
            Ok(Overdue::Answer) => "answer",
            Ok(Overdue::Review) => "review",
            Ok(Overdue::Hold) => "hold",
            Ok(Overdue::Unspecified) | Err(_) => "unknown",
        };
        Self { what, id: late.id.as_ref().map(record_id), since: moment(late.since_ms) }
    }
}

/// A statement that stands, with what record it is.
#[derive(Serialize)]
struct Standing<B> {
    id: String,
    unit: String,
    time: String,
    #[serde(flatten)]
    body: B,
}

fn standing<'a, W, B: From<&'a W>>(id: Option<&RecordRef>, time_ms: u64, body: Option<&'a W>) -> Option<Standing<B>> {
    let id = id?;
    Some(Standing { id: record_id(id), unit: id.unit.clone(), time: moment(time_ms), body: body?.into() })
}

/// The status of a row in words.
pub(crate) fn status_word(row: &Row) -> &'static str {
    word::<Status>(row.status).unwrap_or("pending")
}

impl From<&ListedRow> for RowJson {
    fn from(listed: &ListedRow) -> Self {
        let none = Row::default();
        let row = listed.row.as_ref().unwrap_or(&none);
        let opinions = |stance: Stance| {
            let of =
                move |row: &&OpinionRow| row.opinion.as_ref().is_some_and(|opinion| opinion.stance == stance as i32);
            row.opinions
                .iter()
                .filter(of)
                .filter_map(|row| standing(row.id.as_ref(), row.time_ms, row.opinion.as_ref()))
                .collect()
        };
        Self {
            target: row.target.clone(),
            status: status_word(row),
            availability: row
                .availability
                .as_ref()
                .and_then(|seen| standing(seen.id.as_ref(), seen.time_ms, seen.observe.as_ref())),
            referrals: row
                .referrals
                .iter()
                .filter_map(|row| standing(row.id.as_ref(), row.time_ms, row.refer.as_ref()))
                .collect(),
            holds: row
                .holds
                .iter()
                .filter_map(|row| standing(row.id.as_ref(), row.time_ms, row.hold.as_ref()))
                .collect(),
            objections: opinions(Stance::Object),
            supports: opinions(Stance::Support),
            dispatches: row
                .dispatches
                .iter()
                .filter_map(|row| standing(row.id.as_ref(), row.time_ms, row.dispatch.as_ref()))
                .collect(),
            outcomes: row
                .outcomes
                .iter()
                .filter_map(|row| standing(row.id.as_ref(), row.time_ms, row.outcome.as_ref()))
                .collect(),
            links: row
                .links
                .iter()
                .filter_map(|row| standing(row.id.as_ref(), row.time_ms, row.link.as_ref()))
                .collect(),
            pending: listed.pending.iter().map(StatementJson::from).collect(),
            overdue: listed.late.iter().map(LateJson::from).collect(),
            cursor: listed.cursor.clone(),
        }
    }
}
