//! What is done, refused, open, overdue: a view for a moment. The board itself knows no clock.

use entente_proto::wire::{Board, BoardTarget, ExecutedResult};

/// How long after the moment a target that nobody reported is overdue unless --within says otherwise, minutes.
pub(super) const WITHIN_MINUTES: u64 = 60;

/// What became of a target, or of a unit's part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The go does not cover it.
    LeftOut,
    /// Done.
    Done,
    /// Whoever was to act reported that it did not succeed, or that it did not try.
    Refused,
    /// Nobody has reported yet.
    Open,
    /// Nobody has reported in time.
    Overdue,
}

impl Outcome {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::LeftOut => "left out",
            Self::Done => "done",
            Self::Refused => "refused",
            Self::Open => "open",
            Self::Overdue => "overdue",
        }
    }
}

/// How many targets came to each end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Tally {
    pub(super) done: usize,
    pub(super) refused: usize,
    pub(super) open: usize,
    pub(super) overdue: usize,
}

impl Tally {
    fn add(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::LeftOut => {}
            Outcome::Done => self.done += 1,
            Outcome::Refused => self.refused += 1,
            Outcome::Open => self.open += 1,
            Outcome::Overdue => self.overdue += 1,
        }
    }
}

/// The moment for which it is asked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    pub(super) now_ms: u64,
    pub(super) within_ms: u64,
}

impl Moment {
    fn unreported(self, board: &Board) -> Outcome {
        let end = board.go.as_ref().map(|go| go.at_ms.saturating_add(self.within_ms));
        if end.is_some_and(|end| self.now_ms > end) { Outcome::Overdue } else { Outcome::Open }
    }

    /// What became of a target: done as soon as one unit did it, refused when all who were to act could not.
    pub(super) fn of(self, board: &Board, target: &BoardTarget) -> Outcome {
        if !target.covered {
            return Outcome::LeftOut;
        }
        if target.executed.iter().any(|executed| executed.result() == ExecutedResult::Done) {
            return Outcome::Done;
        }
        let reported = |place: &u32| target.executed.iter().any(|executed| executed.unit == *place);
        if !target.executed.is_empty() && target.assigned.iter().all(reported) {
            return Outcome::Refused;
        }
        self.unreported(board)
    }

    /// What a unit, by its place, did of a target that it is assigned to or has reported on; nothing of others.
    fn of_unit(self, board: &Board, target: &BoardTarget, place: u32) -> Option<Outcome> {
        let executed = target.executed.iter().find(|executed| executed.unit == place);
        match executed.map(|executed| executed.result()) {
            Some(ExecutedResult::Done) => Some(Outcome::Done),
            Some(_) => Some(Outcome::Refused),
            None if target.covered && target.assigned.contains(&place) => Some(self.unreported(board)),
            None => None,
        }
    }

    /// What a unit did of all.
    pub(super) fn tally(self, board: &Board, place: u32) -> Tally {
        let mut tally = Tally::default();
        let outcomes = board.targets.iter().filter_map(|target| self.of_unit(board, target, place));
        outcomes.for_each(|outcome| tally.add(outcome));
        tally
    }

    /// What became of all targets.
    pub(super) fn total(self, board: &Board) -> Tally {
        let mut tally = Tally::default();
        board.targets.iter().for_each(|target| tally.add(self.of(board, target)));
        tally
    }
}

/// Targets to which nobody is assigned, and those to which several units are.
pub(super) fn gaps_and_overlaps(board: &Board) -> (usize, usize) {
    let meant = || board.targets.iter().filter(|target| board.go.is_none() || target.covered);
    let gaps = meant().filter(|target| target.assigned.is_empty()).count();
    (gaps, meant().filter(|target| target.assigned.len() > 1).count())
}

#[cfg(test)]
mod tests {
    use entente_proto::wire::{BoardExecuted, BoardGo};

    use super::*;

    fn target(covered: bool, assigned: &[u32], executed: &[(u32, ExecutedResult)]) -> BoardTarget {
        let report = |(unit, result): &(u32, ExecutedResult)| BoardExecuted {
            unit: *unit,
            result: (*result).into(),
            ..BoardExecuted::default()
        };
        let executed = executed.iter().map(report).collect();
        BoardTarget { covered, assigned: assigned.to_vec(), executed, ..BoardTarget::default() }
    }

    #[test]
    fn a_target_is_done_once_one_did_it_and_refused_once_all_could_not() {
        let (done, failed) = (ExecutedResult::Done, ExecutedResult::Failed);
        let mut board = Board { go: Some(BoardGo { at_ms: 1_000, ..BoardGo::default() }), ..Board::default() };
        board.targets = vec![
            target(false, &[0], &[]),
            target(true, &[0, 1], &[(0, failed), (1, done)]),
            target(true, &[0, 1], &[(0, failed)]),
            target(true, &[0, 1], &[(0, failed), (1, ExecutedResult::Skipped)]),
            target(true, &[], &[]),
            target(true, &[], &[(2, failed)]),
        ];
        let early = Moment { now_ms: 1_500, within_ms: 1_000 };
        let late = Moment { now_ms: 2_001, within_ms: 1_000 };
        let all = |at: Moment| board.targets.iter().map(|target| at.of(&board, target)).collect::<Vec<_>>();
        use Outcome::{Done, LeftOut, Open, Overdue, Refused};
        assert_eq!(all(early), [LeftOut, Done, Open, Refused, Open, Refused]);
        assert_eq!(all(late), [LeftOut, Done, Overdue, Refused, Overdue, Refused]);
        assert_eq!(late.total(&board), Tally { done: 1, refused: 2, open: 0, overdue: 2 });
        assert_eq!(late.tally(&board, 0), Tally { done: 0, refused: 3, open: 0, overdue: 0 });
        assert_eq!(late.tally(&board, 1), Tally { done: 1, refused: 1, open: 0, overdue: 1 });
        assert_eq!(gaps_and_overlaps(&board), (2, 3));
    }
}
