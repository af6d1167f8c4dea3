//! Units that keep to the rules, cut off from one another at any step: each acts by its own board alone, which may lag
//! behind the others' logs as far as it likes.

use proptest::prelude::*;

use super::*;
use crate::wire::{ExecutedResult, OperationGo, Part};

const UNITS: [&str; 4] = ["BE", "FR", "NL", "UK"];
const OF: &str = "BE/2";

/// What a unit saw when it acted.
#[derive(Debug)]
struct Act {
    digest: Vec<u8>,
    covered: Vec<String>,
    on: String,
}

/// The logs, and of each unit the fold of what has reached it.
struct Net {
    logs: Logs,
    folds: Vec<Fold>,
    acts: Vec<Act>,
}

impl Net {
    fn new(quorum: u32) -> Self {
        let ids: Vec<UnitId> = UNITS.iter().map(|id| unit(id)).collect();
        let fold = || Fold::new(ids.iter().cloned(), 1).unwrap();
        let folds = UNITS.iter().map(|_| fold()).collect();
        let mut net = Self { logs: ids.iter().cloned().map(|id| (id, Vec::new())).collect(), folds, acts: Vec::new() };
        for (at, _) in UNITS.iter().enumerate() {
            net.say(at, refer(&format!("domain:{at}.example")));
            net.say(at, refer(&format!("domain:{at}.example.org")));
        }
        net.say(0, operation(&["FR", "NL", "UK"], &["BE/0", "BE/1", "FR/0"], quorum));
        net
    }

    fn size(&self, at: usize, of: usize) -> u64 {
        self.folds[at].frontier_sizes()[&unit(UNITS[of])].get()
    }

    /// What a unit says is in its own list at once.
    fn say(&mut self, at: usize, body: Body) {
        let said = entry(1_000, body);
        self.logs.get_mut(&unit(UNITS[at])).unwrap().push(said);
        self.reach(at, at, 1);
    }

    /// So many more entries of a log reach a unit.
    fn reach(&mut self, at: usize, of: usize, most: u64) {
        let from = self.size(at, of);
        let log = &self.logs[&unit(UNITS[of])];
        for index in from..(from + most).min(log.len() as u64) {
            let said = &log[index as usize];
            self.folds[at].apply(&unit(UNITS[of]), index, said.kind, said.time_ms, Some(&said.payload)).unwrap();
        }
    }

    fn board(&self, at: usize) -> Option<Board> {
        self.folds[at].board(&id(OF), &self.logs, &[]).unwrap()
    }

    /// The unit takes a step if by its own board that counts, as a node does.
    fn take(&mut self, at: usize, next: Step) {
        let place = RecordRef { unit: UNITS[at].into(), index: self.size(at, at) };
        let further = Further { id: id(&format!("{}/{}", place.unit, place.index)), time_ms: 1, step: next.clone() };
        let Some(board) = self.folds[at].board(&id(OF), &self.logs, &[further]).unwrap() else { return };
        let judged = board.steps.iter().find(|step| step.id.as_ref() == Some(&place));
        if judged.is_some_and(|step| step.fault() != StepFault::Unspecified) {
            return;
        }
        if let Step::Executed(said) = &next {
            let digest = board.freeze.as_ref().unwrap().digest.clone();
            self.acts.push(Act { digest, covered: covered(&board), on: written(&said.target) });
        }
        self.say(at, step(OF, next));
    }

    /// A step of the operation that suits what the unit sees.
    fn proceed(&mut self, at: usize, choice: u8) {
        let Some(board) = self.board(at) else { return };
        let digest = board.freeze.as_ref().map(|freeze| Hash(freeze.digest.clone().try_into().unwrap()));
        let ids: Vec<RecordRef> = board.targets.iter().filter_map(|target| target.referral.clone()).collect();
        let one = |nth: u8| ids.get(usize::from(nth) % ids.len().max(1)).cloned();
        let next = match (choice % 16, digest) {
            (0..3, None) if at == 0 => freeze(&self.folds[at], OF, &ids).0,
            (0..5, _) if at != 0 && board.units[at].part() != Part::Joined => join(),
            (5, _) => decline(),
            (6..8, None) => Step::Add(list(&[&format!("{}/1", UNITS[at])])),
            (8, None) => Step::Remove(list(&[&format!("{}/1", UNITS[at])])),
            (0..7, Some(digest)) if board.units[at].ready.is_none() => ready(&digest),
            (0..12, Some(digest)) if at == 0 && board.go.is_none() => self.honest_go(&board, &digest, choice),
            (12, _) if at == 0 && choice > 200 => Step::Abort(wire::OperationAbort::default()),
            (13, _) if at == 0 && choice > 200 => close(&self.folds[at]),
            (_, Some(_)) => match one(choice) {
                Some(on) => Step::Executed(wire::OperationExecuted {
                    target: Some(on),
                    at_ms: 1,
                    result: ExecutedResult::Done.into(),
                    ..Default::default()
                }),
                None => return,
            },
            _ => return,
        };
        self.take(at, next);
    }

    /// A go that names what it leaves out, as a node writes it.
    fn honest_go(&self, board: &Board, digest: &Hash, choice: u8) -> Step {
        let against = board.targets.iter().flat_map(|target| &target.against);
        let objections = against.filter(|against| against.kind() == wire::AgainstKind::Objection);
        let overrides: Vec<RecordRef> = objections.filter(|_| choice > 128).filter_map(|one| one.id.clone()).collect();
        let out = |target: &&wire::BoardTarget| {
            let mut standing = target.against.iter().filter(|against| against.stands);
            standing.any(|against| !overrides.contains(against.id.as_ref().unwrap_or(&RecordRef::default())))
        };
        let excluded: Vec<RecordRef> =
            board.targets.iter().filter(out).filter_map(|target| target.referral.clone()).collect();
        Step::Go(OperationGo { excluded: referrals(&excluded), overrides, ..go(&self.folds[0], digest) })
    }

    /// What a unit says besides.
    fn speak(&mut self, at: usize, choice: u8) {
        let n = choice % 4;
        // One of its newest records, so that holds end soon.
        let own = self.size(at, at).saturating_sub(1 + u64::from(choice % 6));
        let body = match choice % 5 {
            0 => hold(&format!("domain:{n}.example")),
            1 => object(&format!("{}/{}", UNITS[usize::from(n)], choice % 2)),
            2 => withdraw(own),
            3 => erase(own),
            _ => refer(&format!("domain:{n}.example")),
        };
        self.say(at, body);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_unit_acts_on_another_list_than_the_frozen_one_and_every_board_ends_equal(
        quorum in 0..4_u32,
        moves in proptest::collection::vec((0..4_usize, 0..4_usize, 0..10_u8, any::<u8>()), 40..220),
    ) {
        let mut net = Net::new(quorum);
        for (at, of, what, choice) in moves {
            match what {
                0..2 => net.speak(at, choice),
                2..5 => net.reach(at, of, u64::from(choice / 8)),
                _ => net.proceed(at, choice),
            }
        }
        for at in 0..4 {
            (0..4).for_each(|of| net.reach(at, of, u64::MAX / 2));
        }
        let boards: Vec<Board> = (0..4).filter_map(|at| net.board(at)).collect();
        let board = &boards[0];
        prop_assert!(boards.len() == 4 && boards.iter().all(|other| other == board));
        for act in &net.acts {
            prop_assert_eq!(&act.digest, &board.freeze.as_ref().unwrap().digest);
            prop_assert!(act.covered.contains(&act.on));
            prop_assert_eq!(&act.covered, &covered(board));
        }
        if let Some(go) = &board.go {
            prop_assert!(go.waits.is_empty());
            prop_assert!(go.ready.len() as u32 >= quorum);
        }
        // What was judged to count when it was said counts, unless the freeze or the close was said meanwhile.
        for step in &board.steps {
            let fault = step.fault();
            let meanwhile = [StepFault::Unspecified, StepFault::Frozen, StepFault::Closed];
            prop_assert!(meanwhile.contains(&fault), "{:?}", step);
            prop_assert!(fault == StepFault::Unspecified || step.id.as_ref().unwrap().unit != "BE", "{:?}", step);
        }
    }
}
