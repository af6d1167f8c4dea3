//! Charters to come, as people are shown them.

use std::collections::BTreeMap;

use entente_proto::charter::{Proposal, Proposals, changes};
use entente_proto::hash::Hash;
use entente_proto::ids::{RecordId, UnitId};
use entente_proto::wire;
use prost::Message as _;
use tonic::Status;

use super::words::record_ref;
use crate::core::Core;

/// How many bytes an answer may have: below the largest message.
const ANSWER_BYTES_MAX: usize = 3 << 20;

/// All, or one.
pub(super) fn answer(core: &Core, what: &str) -> Result<wire::ProposalsReply, Status> {
    let newest = core.charter();
    core.proposals(|proposals| {
        if !what.is_empty() {
            let proposal = find(proposals, what)?;
            let mut shown = shown(&proposal, &newest, &core.unit);
            shown.note = proposal.charter.map(|charter| charter.to_bytes()).unwrap_or_default();
            return Ok(wire::ProposalsReply { proposals: vec![shown], left_out: 0 });
        }
        let mut all: Vec<_> = proposals.open().map(|proposal| shown(&proposal, &newest, &core.unit)).collect();
        all.sort_by(|a, b| (a.version, &a.digest).cmp(&(b.version, &b.digest)));
        let count = all.len();
        let mut bytes = 0_usize;
        let fits = |shown: &wire::CharterProposal| {
            bytes = bytes.saturating_add(shown.encoded_len());
            bytes <= ANSWER_BYTES_MAX
        };
        let proposals: Vec<_> = all.into_iter().take_while(fits).collect();
        let left_out = (count - proposals.len()) as u64;
        Ok(wire::ProposalsReply { proposals, left_out })
    })
}

/// The proposal that somebody names.
pub(super) fn find<'a>(proposals: &'a Proposals, what: &str) -> Result<Proposal<'a>, Status> {
    let digest = Hash::from_hex(what).or_else(|| proposals.digest_of(&what.parse::<RecordId>().ok()?));
    digest.and_then(|digest| proposals.find(&digest)).ok_or_else(|| {
        Status::not_found(format!(
            "{what} is no proposal of a charter that is open here: `entente charter show` lists them with their ids. One that is in \
             force by now lies in charter/ of every member's home directory: a unit that joins is handed all versions there and takes \
             them up in one call, entente charter adopt 1.note 2.note ..."
        ))
    })
}

fn shown(proposal: &Proposal<'_>, newest: &entente_proto::charter::Charter, own: &UnitId) -> wire::CharterProposal {
    let names = |units: &[UnitId]| units.iter().map(ToString::to_string).collect();
    let refs = |ids: &[RecordId]| ids.iter().map(record_ref).collect();
    let mut shown = wire::CharterProposal {
        digest: proposal.digest.0.to_vec(),
        proposed: refs(&proposal.proposed),
        approved: refs(&proposal.approved),
        elsewhere: proposal.elsewhere.iter().map(ToString::to_string).collect(),
        hopeless: proposal.hopeless(),
        fault: proposal.fault.clone().unwrap_or_default(),
        ..wire::CharterProposal::default()
    };
    if let Some(charter) = proposal.charter {
        shown.version = charter.terms().version.into();
        shown.changes = changes(newest.terms(), charter.terms()).iter().map(ToString::to_string).collect();
        shown.missing = charter.missing().iter().map(ToString::to_string).collect();
        shown.due = charter.due_of(own).iter().map(ToString::to_string).collect();
        if let Some(votes) = charter.votes() {
            (shown.needed, shown.signed, shown.open) = (votes.needed as u64, names(&votes.given), names(&votes.open));
        }
    }
    shown
}

/// What `status` says of charters to come: which wait for this unit, and whether a vote is split.
pub(super) fn warnings(core: &Core) -> Vec<String> {
    core.proposals(|proposals| {
        let open: Vec<Proposal<'_>> = proposals.open().filter(|proposal| proposal.charter.is_some()).collect();
        let mut warnings: Vec<String> = open.iter().filter_map(|proposal| waits(proposal, &core.unit)).collect();
        let mut rivals: BTreeMap<u32, Vec<&Proposal<'_>>> = BTreeMap::new();
        for proposal in &open {
            if let Some(charter) = proposal.charter {
                rivals.entry(charter.terms().version).or_default().push(proposal);
            }
        }
        for (version, rivals) in rivals.into_iter().filter(|(_, rivals)| rivals.len() > 1) {
            let names: Vec<String> = rivals.iter().map(|rival| name(rival)).collect();
            let names = names.join(" and ");
            warnings.push(if rivals.iter().all(|rival| rival.hopeless()) {
                format!(
                    "the vote on version {version} of the charter is split between {names}: none can get its signatures any more. \
                     See `entente charter show`; the way out is `entente charter refound`"
                )
            } else {
                format!(
                    "{names} are proposed as version {version} of the charter, and each unit signs one of them, ever: agree \
                     before more sign. See `entente charter show`"
                )
            });
        }
        warnings
    })
}

/// That a proposal waits for this unit's answer.
fn waits(proposal: &Proposal<'_>, own: &UnitId) -> Option<String> {
    let charter = proposal.charter?;
    if charter.due_of(own).is_empty() || proposal.elsewhere.contains(own) || proposal.hopeless() {
        return None;
    }
    let (name, version) = (name(proposal), charter.terms().version);
    let approved = proposal.approved.iter().any(|id| id.unit == *own);
    let so_far =
        if approved { "this unit approves it and has not signed it yet" } else { "it waits for this unit's answer" };
    Some(format!(
        "{name} is proposed as version {version} of the charter, and {so_far}: read `entente charter show {name}`, then \
         `entente charter {}sign {name}`",
        if approved { "" } else { "approve` or `entente charter " }
    ))
}

/// By what people call a proposal: the record that proposes it, or the digest.
fn name(proposal: &Proposal<'_>) -> String {
    proposal.proposed.first().map_or_else(|| proposal.digest.to_string(), ToString::to_string)
}
