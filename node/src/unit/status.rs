//! What `status` shows.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use entente_proto::checkpoint::CosignedCheckpoint;
use entente_proto::hash::Hash;
use entente_proto::ids::UnitId;
use entente_proto::sync::{LogView, Stage, Standing};
use entente_proto::wire;

use super::{fork, proposals};
use crate::certificates::Known;
use crate::core::Core;
use crate::guard::{GuardList, Lists};
use crate::peer::Partners;

pub(super) fn compose(
    core: &Arc<Core>,
    partners: &Partners,
    lists: &Lists,
    (known, faults): (Vec<Known>, Vec<String>),
) -> wire::StatusReply {
    let (state, reason) = match core.standing() {
        Standing::Running => (wire::State::Running, String::new()),
        Standing::Waiting { needed, answered, fetching } => {
            let from = among(&answered);
            let words = format!(
                "this node has just started and signs nothing until {needed} partners have told how far they hold its log; \
                 {} have{from}. Submissions are kept and enter by themselves",
                answered.len()
            );
            let lacks = fetching.map(|size| {
                format!(
                    ". The database lost own entries: {size} of them are fetched back from partners before it signs"
                )
            });
            (wire::State::Waiting, words + &lacks.unwrap_or_default())
        }
        Standing::Recovering { reason, stage } => {
            (wire::State::Recovering, format!("{reason}. {}", stage_in_words(&stage)))
        }
    };
    let logs: Vec<_> = core.logs();
    let own_list = core.list.read();
    let counts = own_list.fold.counts();
    let list = wire::ListStatus {
        digest: own_list.digest.map(|(_, digest)| digest.0.to_vec()).unwrap_or_default(),
        listed: counts.listed,
        held: counts.held,
        disputed: counts.disputed,
        cleared: counts.cleared,
        pending: own_list.pending.count(),
    };
    let digests = own_list.digest;
    let newer: Vec<_> = own_list.fold.unknown_kinds().map(|(unit, count)| (unit.clone(), count)).collect();
    drop(own_list);
    let peers = core.peers().into_iter().map(|peer| wire::PeerStatus {
        reason: if peer.connected { String::new() } else { partners.reason(&peer.unit) },
        unit: peer.unit.to_string(),
        connected: peer.connected,
        behind: peer.behind,
        agrees: agrees(digests, peer.list),
        seen_ms: peer.heard_ms,
        clock_ahead_ms: peer.clock_ahead_ms,
    });
    let peers: Vec<_> = peers.collect();
    let quorum = core.charter().quorum();
    wire::StatusReply {
        unit: core.unit.to_string(),
        network: core.charter().network().to_string(),
        charter_version: core.charter().version().into(),
        charter_digest: core.charter().digest().0.to_vec(),
        state: state.into(),
        reason,
        logs: logs
            .iter()
            .map(|log| {
                let certified = log.certified.as_ref().map(CosignedCheckpoint::checkpoint);
                wire::LogStatus {
                    unit: log.unit.to_string(),
                    charter: log.charter.into(),
                    size: log.size.get(),
                    certified: certified.map_or(0, |c| c.size.get()),
                    root: certified.map_or(Hash::EMPTY_ROOT, |c| c.root).0.to_vec(),
                    forked: log.fork.is_some(),
                }
            })
            .collect(),
        list: Some(list),
        warnings: {
            let mut warnings = warnings(core, &logs, &peers, quorum.needed(), quorum.others());
            warnings.extend(newer.into_iter().map(|(unit, count)| {
                format!(
                    "{unit} runs newer rules: {count} of its records are of kinds that this release does not know. They are kept and \
                     passed on, and shown as unknown; update this node to see what they say"
                )
            }));
            warnings.extend(core.list.known().err().map(|unknown| unknown.to_string()));
            warnings.extend(lists.faults().map(str::to_owned));
            warnings.extend(faults);
            warnings.extend(known.iter().filter_map(|known| known.warning.clone()));
            warnings
        },
        peers,
        outbox: core.outbox(),
        guards: lists.in_force().map(guard).collect(),
        quorum: u32::try_from(quorum.needed()).unwrap_or(u32::MAX),
        certificates: known.into_iter().map(certificate).collect(),
        // Told by those who have to do with it.
        published: None,
        witnesses: Vec::new(),
        witnessing: None,
    }
}

fn certificate(known: Known) -> wire::CertificateStatus {
    wire::CertificateStatus {
        holder: known.holder,
        spki_sha256: known.spki.0.to_vec(),
        expires_ms: u64::try_from(known.not_after_s).unwrap_or_default().saturating_mul(1_000),
        revoked: known.revoked.map(|by| by.to_string()).unwrap_or_default(),
        warning: known.warning.unwrap_or_default(),
    }
}

fn guard((path, list): (&Path, &GuardList)) -> wire::GuardList {
    let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    wire::GuardList { name: list.name().to_owned(), entries: list.len() as u64, file }
}

fn among(units: &BTreeSet<UnitId>) -> String {
    let names: Vec<&str> = units.iter().map(UnitId::as_str).collect();
    if names.is_empty() { String::new() } else { format!(" ({})", names.join(" ")) }
}

fn stage_in_words(stage: &Stage) -> String {
    match stage {
        Stage::Rebuilding { open, answered } => format!(
            "It signs and cosigns nothing until partners have told what it signed, and it holds that: {} have answered{}, and the logs \
             still open are those of{}. Submissions are kept and enter by themselves",
            answered.len(),
            among(answered),
            among(open).replace(['(', ')'], "")
        ),
        Stage::Regaining { needed, answered } => format!(
            "It cosigns again, and signs its own log once all {needed} partners have told how far they hold it: {} have{}. \
             Submissions are kept and enter by themselves",
            answered.len(),
            among(answered)
        ),
        Stage::Halted => "It signs nothing until it is started again".to_owned(),
    }
}

/// Whether a partner has the same list at the same frontier.
fn agrees(own: Option<(Hash, Hash)>, theirs: Option<(Hash, Hash)>) -> Option<bool> {
    let ((frontier, list), (their_frontier, their_list)) = (own?, theirs?);
    (frontier == their_frontier).then_some(list == their_list)
}

fn warnings(core: &Core, logs: &[LogView], peers: &[wire::PeerStatus], needed: usize, others: usize) -> Vec<String> {
    let mut warnings = Vec::new();
    warnings.extend(logs.iter().filter_map(|log| fork::warning(core, log)));
    warnings.extend(core.has_keys_of(core.charter().terms()).err());
    warnings.extend(proposals::warnings(core));
    warnings.extend(core.contradictions());
    for peer in peers.iter().filter(|peer| peer.agrees == Some(false)) {
        warnings.push(format!(
            "{} computes another list from the same logs: do not act on the list; compare the releases of both nodes",
            peer.unit
        ));
    }
    if let Some(off) = core.clock_off_ms() {
        warnings.push(format!(
            "the partners' clocks are {} s off this one's: this node signs nothing until that is mended",
            off / 1_000
        ));
    }
    let connected = peers.iter().filter(|peer| peer.connected).count();
    if connected < needed {
        warnings.push(format!(
            "only {connected} partners are connected, {needed} must cosign: what is submitted now is kept and sent, but not certified"
        ));
    }
    if others > 0 && needed == others {
        warnings.push(format!(
            "all {others} partners must cosign in a network of this size: while one is down nothing is certified. Four units or more can live through a failure"
        ));
    }
    if let Err(error) = core.store_has_room() {
        warnings.push(error);
    }
    if let Some(error) = core.scrub_failed() {
        warnings
            .push(format!("bytes of erased records may still be on the disk, for they could not be scrubbed: {error}"));
    }
    warnings
}
