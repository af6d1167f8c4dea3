//! What an operation's page says, as lines that can be told one by one as they come to be so.

use std::collections::BTreeMap;

use entente_proto::wire::{ExecutedResult, Part, Phase, StepFault};

use super::super::summary::summary;
use super::super::words::{Hex, moment, plain, record_id, word};
use super::board::Told;
use super::show::{against_words, hold_words, name, part_word, phase_word, step_word};

/// Lines by what they are about, in the order in which they are told.
pub(super) type Facts = BTreeMap<Key, String>;

/// What a line is about: its rank, then what tells it from others of that rank. The same line again is no news.
pub(super) type Key = (u8, String);

/// All that is so now.
pub(super) fn facts(told: &Told) -> Facts {
    let mut facts = Facts::new();
    let board = &told.board;
    let mut say = |rank: u8, key: String, line: String| facts.insert((rank, key), line);
    for step in &told.pending {
        let id = step.id.as_ref().map(record_id).unwrap_or_default();
        say(0, id.clone(), format!("{id} not yet certified, so not binding: {}", summary(step.record.as_ref())));
    }
    for unit in &board.units {
        let part = part_word(unit.part());
        say(1, format!("{} {part}", unit.unit), format!("{} {part}", unit.unit));
    }
    if let Some(freeze) = &board.freeze {
        let digest = Hex(&freeze.digest).to_string();
        say(2, digest.clone(), format!("{} targets are fixed, digest {digest}", board.targets.len()));
    }
    for unit in board.units.iter().filter(|unit| unit.part() != Part::Declined) {
        if let Some(ready) = &unit.ready {
            say(3, record_id(ready), format!("{} is ready for exactly these ({})", unit.unit, record_id(ready)));
        }
        if let Some(peer) = told.peer(&unit.unit) {
            let reached = if peer.connected { "can be reached" } else { "CANNOT BE REACHED" };
            say(4, format!("{} {}", unit.unit, peer.connected), format!("{} {reached}", unit.unit));
        }
    }
    for (unit, ahead_ms) in told.clocks() {
        let (seconds, way) = (ahead_ms.unsigned_abs() / 1_000, if ahead_ms > 0 { "ahead of" } else { "behind" });
        let line = format!("CLOCKS DIFFER: that of {unit} is {seconds} s {way} this node's");
        say(5, line.clone(), line);
    }
    if let Some(go) = board.go.as_ref().filter(|go| go.waits.is_empty()) {
        let id = go.id.as_ref().map(record_id).unwrap_or_default();
        let covered = board.targets.iter().filter(|target| target.covered).count();
        say(6, id.clone(), format!("GO for {} on {covered} targets ({id})", moment(go.at_ms)));
    }
    if !matches!(board.phase(), Phase::Open | Phase::Frozen | Phase::Gone) {
        say(7, phase_word(board.phase()).into(), format!("the operation is {}", phase_word(board.phase())));
    }
    for target in &board.targets {
        for against in &target.against {
            let late = if board.go.is_some() && target.covered && !against.in_go { "LATE: " } else { "" };
            let line = format!("{late}{}: {}", plain(&target.target), against_words(against));
            say(8, line.clone(), line);
        }
        for executed in &target.executed {
            let unit = name(told, executed.unit).unwrap_or_default();
            let result = word::<ExecutedResult>(executed.result).unwrap_or("unknown");
            let id = format!("{unit}/{}", executed.index);
            let at = moment(executed.at_ms);
            say(9, id.clone(), format!("{unit} {result} {} {at} ({id})", plain(&target.target)));
        }
    }
    for hold in &told.holds {
        let line = hold_words(hold);
        say(8, line.clone(), line);
    }
    for step in board.steps.iter().filter(|step| step.fault() != StepFault::Unspecified) {
        let id = step.id.as_ref().map(record_id).unwrap_or_default();
        say(10, id.clone(), format!("without effect: {id} {}: {}", step_word(step.step), step.fault().words()));
    }
    for back in &told.resurfaced {
        let by = back.by.as_ref().map(record_id).unwrap_or_default();
        let as_what = if back.successor.is_empty() { "online".into() } else { plain(&back.successor) };
        say(11, by.clone(), format!("RESURFACED: {} as {as_what} ({by})", plain(&back.target)));
    }
    facts
}

/// How long it is until a moment, or since, in words: `T-00:01:30`.
pub(super) fn countdown(now_ms: u64, at_ms: u64) -> String {
    let sign = if now_ms < at_ms { '-' } else { '+' };
    let seconds = now_ms.abs_diff(at_ms) / 1_000;
    // What is left is rounded up, so that nobody is told zero too early.
    let seconds = seconds + u64::from(sign == '-' && !now_ms.abs_diff(at_ms).is_multiple_of(1_000));
    format!("T{sign}{:02}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::countdown;

    #[test]
    fn the_countdown_never_tells_zero_too_early() {
        assert_eq!(countdown(0, 90_000), "T-00:01:30");
        assert_eq!(countdown(89_999, 90_000), "T-00:00:01");
        assert_eq!(countdown(90_000, 90_000), "T+00:00:00");
        assert_eq!(countdown(90_000 + 3_661_000, 90_000), "T+01:01:01");
    }
}
