//! Units that keep to the rules, cut off from one another at any step: each acts by its own board alone, which may lag
//! behind the others' logs as far as it likes. The lead may break the rules in some of the histories.

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

/// How often something happened that the histories are there for.
#[derive(Debug, Default, Clone, Copy)]
struct Met {
    acts: usize,
    /// Units that had not heard of the freeze when the lead said go.
    away_at_freeze: usize,
    /// Units that had not heard of the go when another acted.
    away_at_go: usize,
    /// Looks at a board on which the go waits for logs.
    waits: usize,
    /// Gos for which a ready unit was missing.
    no_quorum: usize,
    /// Targets that a go left out because of a hold.
    left_out: usize,
    /// Steps of a lead that breaks the rules.
    wild: usize,
}

/// The logs, and of each unit the fold of what has reached it.
struct Net {
    logs: Logs,
    folds: Vec<Fold>,
    acts: Vec<Act>,
    /// Whether the lead breaks the rules.
    wild: bool,
    met: Met,
}

impl Net {
    fn new(quorum: u32, wild: bool) -> Self {
        let ids: Vec<UnitId> = UNITS.iter().map(|id| unit(id)).collect();
        let fold = || Fold::new(ids.iter().cloned(), 1).unwrap();
        let folds = UNITS.iter().map(|_| fold()).collect();
        let logs = ids.iter().cloned().map(|id| (id, Vec::new())).collect();
        let mut net = Self { logs, folds, acts: Vec::new(), wild, met: Met::default() };
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
        if let Some(fault) = judged.map(wire::BoardStep::fault).filter(|fault| *fault != StepFault::Unspecified) {
            self.met.no_quorum += usize::from(fault == StepFault::NoQuorum);
            return;
        }
        let others = || (1..4).filter_map(|other| self.board(other));
        match &next {
            Step::Go(_) => self.met.away_at_freeze += others().filter(|board| board.freeze.is_none()).count(),
            Step::Executed(said) => {
                self.met.away_at_go += others().filter(|board| board.go.is_none()).count();
                let digest = board.freeze.as_ref().unwrap().digest.clone();
                self.acts.push(Act { digest, covered: covered(&board), on: written(&said.target) });
            }
            _ => {}
        }
        self.say(at, step(OF, next));
    }

    /// A step of the operation that suits what the unit sees.
    fn proceed(&mut self, at: usize, choice: u8) {
        let Some(board) = self.board(at) else { return };
        self.met.waits += usize::from(board.go.as_ref().is_some_and(|go| !go.waits.is_empty()));
        if self.wild && at == 0 && choice.is_multiple_of(3) {
            self.met.wild += 1;
            let step = self.wild_step(&board, choice);
            return self.say(0, super::step(OF, step));
        }
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

    /// What a lead says that does not care: another list, another digest, a go that looks away from what speaks against it.
    fn wild_step(&self, board: &Board, choice: u8) -> Step {
        let (fixes, other) = freeze(&self.folds[0], OF, &refs(&["BE/1", "UK/0"]));
        let frozen = board.freeze.as_ref().map_or(other, |freeze| Hash(freeze.digest.clone().try_into().unwrap()));
        let mut blind = go(&self.folds[0], &frozen);
        match choice / 3 % 6 {
            0 => fixes,
            1 => Step::Go(go(&self.folds[0], &other)),
            2 => Step::Go(blind),
            3 => {
                blind.frontier.iter_mut().for_each(|log| log.size += u64::from(choice % 2));
                Step::Go(blind)
            }
            4 => Step::Add(list(&["BE/1"])),
            _ => ready(&other),
        }
    }

    /// Whether a hold on a target stood within the frontier of a go, as the logs say it. One that was erased since is as if
    /// it had never been.
    fn was_held(&self, board: &Board, target: &str) -> bool {
        let said = go_of(&self.logs, board);
        let own = board.go.as_ref().unwrap().id.as_ref().unwrap();
        let size = |unit: &UnitId| match said.frontier.iter().find(|log| log.unit == unit.as_str()) {
            _ if own.unit == unit.as_str() => own.index,
            Some(log) => log.size,
            None => 0,
        };
        let body = |said: &Entry| crate::record::parse(said.kind, &said.payload).unwrap().into_body();
        self.logs.iter().any(|(unit, log)| {
            let within = &log[..log.len().min(size(unit) as usize)];
            (0_u64..).zip(within).any(|(index, said)| {
                let taken = |said: &Entry| matches!(body(said), Body::Withdraw(said) if said.index == index);
                let erased = |said: &Entry| matches!(body(said), Body::Erase(said) if said.index == index);
                matches!(body(said), Body::Hold(said) if said.target == target)
                    && !within.iter().any(taken)
                    && !log.iter().any(erased)
            })
        })
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

/// A history: how many must be ready, whether the lead breaks the rules, and who does what.
type History = (u32, bool, Vec<(usize, usize, u8, u8)>);

fn any_history() -> impl Strategy<Value = History> {
    let moves = proptest::collection::vec((0..4_usize, 0..4_usize, 0..10_u8, any::<u8>()), 40..220);
    (0..4_u32, any::<bool>(), moves)
}

/// Plays a history, and then everything reaches everybody.
fn play((quorum, wild, moves): &History) -> Net {
    let mut net = Net::new(*quorum, *wild);
    for &(at, of, what, choice) in moves {
        match what {
            0..2 => net.speak(at, choice),
            2..5 => net.reach(at, of, u64::from(choice / 8)),
            _ => net.proceed(at, choice),
        }
    }
    for at in 0..4 {
        (0..4).for_each(|of| net.reach(at, of, u64::MAX / 2));
    }
    net
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_unit_acts_on_another_list_than_the_frozen_one_and_every_board_ends_equal(history in any_history()) {
        let (quorum, wild) = (history.0, history.1);
        let net = play(&history);
        let boards: Vec<Board> = (0..4).filter_map(|at| net.board(at)).collect();
        let board = &boards[0];
        prop_assert!(boards.len() == 4 && boards.iter().all(|other| other == board));
        for act in &net.acts {
            prop_assert_eq!(&act.digest, &board.freeze.as_ref().unwrap().digest);
            prop_assert!(act.covered.contains(&act.on));
            let all = covered(board);
            // Where the lead does not name what it leaves out, that comes in again when the hold on it is erased.
            prop_assert!(act.covered == all || wild && act.covered.iter().all(|on| all.contains(on)), "{:?}", act);
        }
        if let Some(go) = board.go.as_ref().filter(|go| !wild || go.waits.is_empty()) {
            prop_assert!(go.waits.is_empty());
            prop_assert!(go.ready.len() as u32 >= quorum);
            prop_assert_eq!(&go_of(&net.logs, board).digest, &board.freeze.as_ref().unwrap().digest);
            for target in board.targets.iter().filter(|target| target.covered) {
                prop_assert!(!net.was_held(board, &target.target), "{:?}", target);
            }
        }
        if let Some(freeze) = &board.freeze {
            let ids: Vec<RecordRef> = board.targets.iter().filter_map(|target| target.referral.clone()).collect();
            prop_assert_eq!(&freeze.digest, &frozen_digest(&reference(OF).unwrap(), &referrals(&ids)).0);
        }
        // What was judged to count when it was said counts, unless the freeze or the close was said meanwhile.
        for step in &board.steps {
            let (fault, by_lead) = (step.fault(), step.id.as_ref().unwrap().unit == "BE");
            let meanwhile = [StepFault::Unspecified, StepFault::Frozen, StepFault::Closed];
            prop_assert!(meanwhile.contains(&fault) || wild && by_lead, "{:?}", step);
            prop_assert!(fault == StepFault::Unspecified || !by_lead || wild, "{:?}", step);
        }
    }
}

#[test]
fn the_histories_meet_what_they_are_there_for() {
    use proptest::strategy::ValueTree as _;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut met = Met::default();
    for _ in 0..300 {
        let net = play(&any_history().new_tree(&mut runner).unwrap().current());
        let board = net.board(0).unwrap();
        let held = |target: &&wire::BoardTarget| {
            target.against.iter().any(|one| one.kind() == wire::AgainstKind::Hold && one.in_go)
        };
        met.acts += net.acts.len();
        met.left_out += board.targets.iter().filter(held).count();
        met.away_at_freeze += net.met.away_at_freeze;
        met.away_at_go += net.met.away_at_go;
        met.waits += net.met.waits;
        met.no_quorum += net.met.no_quorum;
        met.wild += net.met.wild;
    }
    let Met { acts, away_at_freeze, away_at_go, waits, no_quorum, left_out, wild } = met;
    let all = [acts, away_at_freeze, away_at_go, waits, no_quorum, left_out, wild];
    assert!(all.into_iter().all(|times| times >= 20), "{met:?}");
}
