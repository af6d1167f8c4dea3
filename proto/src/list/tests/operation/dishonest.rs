//! A lead that breaks the rules, each in its own way: nobody acts on anything but what is frozen, and every board is equal.

use super::*;

const UNITS: [&str; 3] = ["BE", "FR", "NL"];
const OF: &str = "BE/3";

/// Three units have joined, each but the lead with a target of its own; all three must be ready.
fn joined() -> World {
    let mut world = World::new(&UNITS);
    for target in ["domain:a.example", "domain:b.example", "domain:extra.example"] {
        world.say("BE", refer(target));
    }
    world.say("FR", refer("domain:fr.example"));
    world.say("NL", refer("domain:nl.example"));
    assert_eq!(world.say("BE", operation(&["FR", "NL"], &["BE/0", "BE/1"], 3)), OF);
    for unit in ["FR", "NL"] {
        world.take(unit, OF, join());
        world.take(unit, OF, Step::Add(list(&[&format!("{unit}/0")])));
    }
    world
}

/// What they agreed on.
fn agreed() -> Vec<RecordRef> {
    refs(&["BE/0", "BE/1", "FR/0", "NL/0"])
}

/// The same, and it is frozen and everybody is ready for it.
fn all_ready() -> (World, Hash) {
    let mut world = joined();
    let (step, digest) = freeze(&world.fold, OF, &agreed());
    world.take("BE", OF, step);
    UNITS.iter().for_each(|unit| drop(world.take(unit, OF, ready(&digest))));
    (world, digest)
}

/// The board, which is the same in whatever order logs arrive. Checks on the way that what any unit may act on, by its
/// board alone, is within the one digest that it says is frozen.
#[track_caller]
fn board_of_all(world: &World) -> Board {
    let board = world.board(OF);
    let orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
    for order in orders {
        let mut other = World::new(&UNITS);
        for at in order {
            world.logs[&unit(UNITS[at])].iter().for_each(|said| drop(other.add(UNITS[at], said.clone(), true)));
            let _ = other.fold.board(&id(OF), &other.logs, &[]).unwrap().map(|board| may_act_on(&other, &board));
        }
        assert_eq!(other.board(OF), board, "{order:?}");
    }
    board
}

/// The referrals on which some unit may act now; all of them are within what is frozen.
#[track_caller]
fn may_act_on(world: &World, board: &Board) -> Vec<String> {
    let mut may = Vec::new();
    for unit in UNITS {
        let index = world.logs[&super::unit(unit)].len() as u64;
        for on in ["BE/0", "BE/1", "BE/2", "FR/0", "NL/0"] {
            let report = Further { id: id(&format!("{unit}/{index}")), time_ms: 1, step: executed(on) };
            let with = world.fold.board(&id(OF), &world.logs, &[report]).unwrap().unwrap();
            if with.targets.iter().any(|target| target.executed.iter().any(|one| one.index == index)) {
                may.push(on.to_owned());
            }
        }
    }
    may.sort();
    may.dedup();
    if let Some(freeze) = &board.freeze {
        let ids: Vec<RecordRef> = board.targets.iter().filter_map(|target| target.referral.clone()).collect();
        let digest = frozen_digest(&reference(OF).unwrap(), &referrals(&ids));
        assert_eq!(freeze.digest, digest.0);
        assert!(may.iter().all(|on| ids.contains(&reference(on).unwrap())), "{may:?}");
    } else {
        assert!(may.is_empty(), "{may:?}");
    }
    may
}

#[track_caller]
fn nobody_acts(world: &World) {
    assert_eq!(may_act_on(world, &board_of_all(world)), [""; 0]);
}

#[test]
fn of_two_freezes_in_one_log_the_first_counts_and_nobody_acts_on_the_second() {
    let (mut world, first) = all_ready();
    let (again, second) = freeze(&world.fold, OF, &refs(&["BE/0", "BE/2"]));
    let at = world.take("BE", OF, again);
    assert_eq!(world.fault(OF, &at), StepFault::Frozen);
    for unit in UNITS {
        let at = world.take(unit, OF, ready(&second));
        assert_eq!(world.fault(OF, &at), StepFault::OtherDigest);
    }
    let other = Step::Go(go(&world.fold, &second));
    let at = world.take("BE", OF, other);
    assert_eq!(world.fault(OF, &at), StepFault::OtherDigest);
    nobody_acts(&world);
    let first = Step::Go(go(&world.fold, &first));
    world.take("BE", OF, first);
    assert_eq!(may_act_on(&world, &board_of_all(&world)), ["BE/0", "BE/1", "FR/0", "NL/0"]);
}

#[test]
fn on_two_branches_of_the_leads_log_at_most_one_list_is_acted_on() {
    let branch = |targets: &[RecordRef], for_whom: &[&str]| {
        let mut world = joined();
        let (step, digest) = freeze(&world.fold, OF, targets);
        world.take("BE", OF, step);
        world.take("BE", OF, ready(&digest));
        // FR was shown the first branch and NL the second; each is ready for what it was shown, once.
        let mine = freeze(&world.fold, OF, &agreed()).1;
        let other = freeze(&world.fold, OF, &refs(&["BE/0", "BE/2"])).1;
        world.take("FR", OF, ready(&mine));
        world.take("NL", OF, ready(if for_whom.contains(&"NL") { &mine } else { &other }));
        let step = Step::Go(go(&world.fold, &digest));
        let at = world.take("BE", OF, step);
        (world.fault(OF, &at), may_act_on(&world, &board_of_all(&world)))
    };
    let torn = ["FR"];
    assert_eq!(branch(&agreed(), &torn), (StepFault::NoQuorum, vec![]));
    assert_eq!(branch(&refs(&["BE/0", "BE/2"]), &torn), (StepFault::NoQuorum, vec![]));
    let whole = ["FR", "NL"];
    assert_eq!(branch(&agreed(), &whole).0, StepFault::Unspecified);
    assert_eq!(branch(&refs(&["BE/0", "BE/2"]), &whole), (StepFault::NoQuorum, vec![]));
}

#[test]
fn a_go_with_another_digest_is_none() {
    let (mut world, digest) = all_ready();
    let (_, other) = freeze(&world.fold, OF, &refs(&["BE/2"]));
    // The same referrals in another operation of the same lead.
    let (_, elsewhere) = freeze(&world.fold, "BE/99", &agreed());
    for wrong in [other, elsewhere, Hash([0; 32])] {
        let step = Step::Go(go(&world.fold, &wrong));
        let at = world.take("BE", OF, step);
        assert_eq!(world.fault(OF, &at), StepFault::OtherDigest);
        nobody_acts(&world);
    }
    let step = Step::Go(go(&world.fold, &digest));
    world.take("BE", OF, step);
    assert_eq!(board_of_all(&world).phase(), Phase::Gone);
}

#[test]
fn a_go_without_its_quorum_is_none_whatever_its_frontier_says() {
    let mut world = joined();
    let (step, digest) = freeze(&world.fold, OF, &agreed());
    world.take("BE", OF, step);
    world.take("BE", OF, ready(&digest));
    world.take("FR", OF, ready(&digest));
    let honest = go(&world.fold, &digest);
    let of_one = honest.frontier.iter().filter(|log| log.unit == "FR").cloned().collect();
    for frontier in [honest.frontier.clone(), of_one] {
        let at = world.take("BE", OF, Step::Go(wire::OperationGo { frontier, ..honest.clone() }));
        assert_eq!(world.fault(OF, &at), StepFault::NoQuorum);
        nobody_acts(&world);
    }
    // A frontier that nobody has yet: it waits, and while it does nobody acts.
    let mut ahead = honest;
    ahead.frontier.iter_mut().filter(|log| log.unit == "NL").for_each(|log| log.size += 1);
    let at = world.take("BE", OF, Step::Go(ahead));
    assert_eq!(world.fault(OF, &at), StepFault::Waits);
    nobody_acts(&world);
    // What NL then says is not that it is ready.
    world.say("NL", refer("domain:more.example"));
    assert_eq!(world.fault(OF, &at), StepFault::NoQuorum);
    nobody_acts(&world);
}

#[test]
fn a_go_before_the_freeze_is_none_whatever_times_it_tells() {
    let mut world = joined();
    let (fixes, digest) = freeze(&world.fold, OF, &agreed());
    for unit in ["FR", "NL"] {
        // They are ready for what is only announced.
        let at = world.take(unit, OF, ready(&digest));
        assert_eq!(world.fault(OF, &at), StepFault::NotFrozen);
    }
    let early = go(&world.fold, &digest);
    let late_times = entry(1_000_000, step(OF, Step::Go(wire::OperationGo { at_ms: 2_000_000, ..early })));
    let (at, _) = world.add("BE", late_times, true);
    world.take("BE", OF, fixes);
    assert_eq!(world.fault(OF, &at), StepFault::NotFrozen);
    // Now that it is frozen what they said counts, by its place in their logs; the early go still does not.
    world.take("BE", OF, ready(&digest));
    nobody_acts(&world);
    let again = Step::Go(wire::OperationGo { at_ms: 1, ..go(&world.fold, &digest) });
    world.add("BE", entry(1, step(OF, again)), true);
    assert_eq!(board_of_all(&world).phase(), Phase::Gone);
}

#[test]
fn nothing_opens_an_operation_again() {
    let (mut world, digest) = all_ready();
    let step = close(&world.fold);
    world.take("BE", OF, step);
    let (again, other) = freeze(&world.fold, OF, &refs(&["BE/2"]));
    let (go_on, go_off) = (go(&world.fold, &digest), go(&world.fold, &other));
    let all = [Step::Add(list(&["BE/2"])), again, ready(&other), Step::Go(go_on), Step::Go(go_off), invite(&["NL"])];
    for step in all {
        let at = world.take("BE", OF, step);
        assert_eq!(world.fault(OF, &at), StepFault::Closed);
        nobody_acts(&world);
    }
    // A new operation on the same targets has a digest of its own, for which nobody is ready.
    let second = world.say("BE", operation(&["FR", "NL"], &["BE/0"], 3));
    let (step, of_second) = freeze(&world.fold, &second, &agreed());
    world.take("BE", &second, step);
    world.take("BE", &second, ready(&of_second));
    for unit in ["FR", "NL"] {
        world.take(unit, &second, join());
        let at = world.take(unit, &second, ready(&digest));
        assert_eq!(world.fault(&second, &at), StepFault::OtherDigest);
    }
    let step = Step::Go(go(&world.fold, &of_second));
    let at = world.take("BE", &second, step);
    assert_eq!(world.fault(&second, &at), StepFault::NoQuorum);
    nobody_acts(&world);
}

#[test]
fn what_is_added_after_the_freeze_is_acted_on_by_nobody() {
    let (mut world, digest) = all_ready();
    for (unit, step) in [
        ("BE", Step::Add(list(&["BE/2"]))),
        ("FR", Step::Add(list(&["BE/2"]))),
        ("BE", assign("FR", &["BE/2"])),
        ("BE", Step::Remove(list(&["FR/0"]))),
    ] {
        world.take(unit, OF, step);
    }
    let step = Step::Go(go(&world.fold, &digest));
    world.take("BE", OF, step);
    for unit in UNITS {
        let at = world.take(unit, OF, executed("BE/2"));
        assert_eq!(world.fault(OF, &at), StepFault::NotCovered);
    }
    assert_eq!(may_act_on(&world, &board_of_all(&world)), ["BE/0", "BE/1", "FR/0", "NL/0"]);
}

#[test]
fn a_lead_that_looks_away_from_a_hold_hides_it_from_nobody() {
    let (mut world, digest) = all_ready();
    let blind = go(&world.fold, &digest);
    let held = world.say("NL", hold("domain:a.example"));
    world.take("BE", OF, Step::Go(blind));
    let board = board_of_all(&world);
    let against = &board.targets[0].against[0];
    assert_eq!((written(&against.id), against.stands, against.in_go), (held, true, false));
    // One that it saw it can override by no name.
    let (mut world, digest) = all_ready();
    let held = world.say("NL", hold("domain:a.example"));
    let overrides = refs(&[held.as_str()]);
    let step = Step::Go(wire::OperationGo { overrides, ..go(&world.fold, &digest) });
    world.take("BE", OF, step);
    assert_eq!(may_act_on(&world, &board_of_all(&world)), ["BE/1", "FR/0", "NL/0"]);
}
