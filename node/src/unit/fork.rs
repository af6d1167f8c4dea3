//! Forks: the proof for auditors, and what everybody at the unit must know.

use entente_proto::ids::UnitId;
use entente_proto::sync::LogView;
use entente_proto::wire;
use tonic::Status;

use crate::core::Core;

/// The proof that a unit's log forked, as text.
pub(super) fn proof(core: &Core, unit: &str) -> Result<wire::ForkReply, Status> {
    let log = unit.parse::<UnitId>().ok().and_then(|unit| core.log(&unit));
    let log =
        log.ok_or_else(|| Status::not_found("the charter lists no unit with that id: see `entente charter show`"))?;
    let none = || Status::not_found(format!("this node has no proof that the log of {} forked", log.unit));
    let proof = log.fork.as_ref().or(log.past_fork.as_ref()).ok_or_else(none)?;
    Ok(wire::ForkReply { proof: proof.to_text() })
}

/// That a log forked once and has gone on since.
fn past(log: &LogView) -> Option<String> {
    let proof = log.past_fork.as_ref()?;
    Some(format!(
        "the log of {unit} forked once, at {} and {} entries, under a key that the charter has replaced: it goes on under the new one. \
         `entente audit fork {unit}` still writes the proof",
        proof.smaller().checkpoint().size,
        proof.larger().checkpoint().size,
        unit = log.unit,
    ))
}

/// What everybody at the unit must know of a fork.
pub(super) fn warning(core: &Core, log: &LogView) -> Option<String> {
    let Some(proof) = &log.fork else { return past(log) };
    let (smaller, larger) = (proof.smaller().checkpoint(), proof.larger().checkpoint());
    let both: Vec<_> = log.cosigned_both.iter().map(ToString::to_string).collect();
    let named = match both.as_slice() {
        [] => String::new(),
        both => format!(
            " {} cosigned both branches: its word counts for nothing until that is explained.",
            both.join(" and ")
        ),
    };
    let own = if log.unit == core.unit {
        "A second machine signs with this unit's keys, or somebody stole them: stop it. What was submitted since waits"
    } else {
        "Call that unit by telephone now"
    };
    let certified = log.certified.as_ref().map_or(0, |head| head.checkpoint().size.get());
    Some(format!(
        "FORK: the log key of {unit} signed two checkpoints that contradict each other: {} entries with root {}, and {} entries with \
         root {}. Nobody cosigns that log any more; what is certified, {certified} entries, stays.{named} {own}. The way out is a \
         charter that gives {unit} a new log key and a base that contains every checkpoint which could have been certified \
         (`entente charter base {unit}` says which). \
         `entente audit fork {unit}` writes the proof, which anybody can verify",
        smaller.size,
        smaller.root,
        larger.size,
        larger.root,
        unit = log.unit,
    ))
}
