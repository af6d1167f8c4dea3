//! Each rule of operations, alone.

use super::*;
use crate::wire::{AgainstKind, Part};

/// BE leads and has referred two targets, FR is asked and has referred a third.
fn world() -> World {
    let mut world = World::new(&["BE", "FR", "NL"]);
    world.say("BE", refer("domain:a.example"));
    world.say("BE", refer("domain:b.example"));
    world.say("FR", refer("domain:c.example"));
    assert_eq!(world.say("BE", operation(&["FR"], &["BE/0", "BE/1"], 2)), "BE/2");
    world
}

const OF: &str = "BE/2";

/// The same, frozen: BE/3 is the freeze; FR joined with FR/1 and added FR/0 with FR/2.
fn frozen() -> (World, Hash) {
    let mut world = world();
    world.take("FR", OF, join());
    world.take("FR", OF, Step::Add(list(&["FR/0"])));
    let (step, digest) = freeze(&world.fold, OF, &refs(&["BE/0", "BE/1", "FR/0"]));
    assert_eq!(world.take("BE", OF, step), "BE/3");
    assert_eq!(world.fault(OF, "BE/3"), StepFault::Unspecified);
    (world, digest)
}

/// The same, and both are ready: BE with BE/4, FR with FR/3.
fn all_ready() -> (World, Hash) {
    let (mut world, digest) = frozen();
    world.take("BE", OF, ready(&digest));
    world.take("FR", OF, ready(&digest));
    (world, digest)
}

/// The same, and gone with BE/5.
fn gone() -> World {
    let (mut world, digest) = all_ready();
    let step = Step::Go(go(&world.fold, &digest));
    assert_eq!(world.take("BE", OF, step), "BE/5");
    assert_eq!(world.board(OF).phase(), Phase::Gone);
    world
}

#[test]
fn an_operation_goes_from_its_beginning_to_its_end() {
    let mut world = world();
    let board = world.board(OF);
    assert_eq!((board.phase(), board.ready_quorum, board.title.as_str()), (Phase::Open, 2, "Amaq"));
    let units: Vec<_> = board.units.iter().map(|unit| (unit.unit.as_str(), unit.part())).collect();
    assert_eq!(units, [("BE", Part::Leads), ("FR", Part::Invited)]);
    assert_eq!(board.targets.len(), 2);
    world = all_ready().0;
    let board = world.board(OF);
    assert_eq!((board.phase(), board.targets.len()), (Phase::Frozen, 3));
    assert_eq!(board.units.iter().map(|unit| written(&unit.ready)).collect::<Vec<_>>(), ["BE/4", "FR/3"]);
    world = gone();
    let board = world.board(OF);
    assert_eq!(board.go.as_ref().unwrap().ready, ["BE", "FR"]);
    assert_eq!(board.go.unwrap().at_ms, 9_000);
    assert_eq!(covered(&world.board(OF)), ["BE/0", "BE/1", "FR/0"]);
    world.take("FR", OF, executed("FR/0"));
    world.take("BE", OF, executed("BE/0"));
    let again = world.take("FR", OF, executed("FR/0"));
    let board = world.board(OF);
    let done: Vec<_> = board.targets.iter().map(|target| target.executed.clone()).collect();
    assert_eq!((done[0].len(), done[1].len(), done[2].len()), (1, 0, 1));
    assert_eq!((done[2][0].unit, format!("FR/{}", done[2][0].index)), (1, again));
    let step = close(&world.fold);
    world.take("BE", OF, step);
    assert_eq!(world.board(OF).phase(), Phase::Closed);
    assert_eq!(world.fold.operations().map(|id| id.to_string()).collect::<Vec<_>>(), [OF]);
}

#[test]
fn what_is_no_operation_has_no_board() {
    let world = world();
    for of in ["BE/0", "BE/9", "ZZ/1"] {
        assert_eq!(world.fold.board(&id(of), &world.logs, &[]).unwrap(), None, "{of}");
    }
}

#[test]
fn only_the_lead_takes_the_steps_of_the_lead() {
    let (mut world, digest) = all_ready();
    let (again, _) = freeze(&world.fold, OF, &refs(&["BE/0"]));
    let go = Step::Go(go(&world.fold, &digest));
    let abort = Step::Abort(wire::OperationAbort::default());
    let steps = [again, go, abort, close(&world.fold), invite(&["NL"]), assign("FR", &["BE/0"])];
    for step in steps {
        let at = world.take("FR", OF, step);
        assert_eq!(world.fault(OF, &at), StepFault::NotLead);
    }
    for step in [join(), decline()] {
        let at = world.take("BE", OF, step);
        assert_eq!(world.fault(OF, &at), StepFault::Leads);
    }
    assert_eq!(world.board(OF).phase(), Phase::Frozen);
}

#[test]
fn a_unit_takes_part_once_it_is_asked_and_has_joined() {
    let mut world = world();
    let early = world.take("NL", OF, join());
    assert_eq!(world.fault(OF, &early), StepFault::NotInvited);
    world.take("BE", OF, invite(&["NL"]));
    assert_eq!(world.fault(OF, &early), StepFault::Unspecified);
    let at = world.take("FR", OF, Step::Add(list(&["FR/0"])));
    assert_eq!(world.fault(OF, &at), StepFault::NotJoined);
    world.take("FR", OF, join());
    world.take("FR", OF, Step::Add(list(&["FR/0"])));
    assert_eq!(world.board(OF).targets.len(), 3);
    world.take("FR", OF, decline());
    let board = world.board(OF);
    assert_eq!((board.targets.len(), board.units[1].part()), (2, Part::Declined));
}

#[test]
fn who_declines_is_not_ready_any_more() {
    let (mut world, _) = all_ready();
    world.take("FR", OF, decline());
    world.take("FR", OF, join());
    assert_eq!(world.board(OF).units[1].ready, None);
}

#[test]
fn the_lead_takes_out_anything_and_others_what_they_added() {
    let mut world = world();
    world.take("FR", OF, join());
    let at = world.take("FR", OF, Step::Remove(list(&["BE/0"])));
    assert_eq!(world.fault(OF, &at), StepFault::NotOwn);
    world.take("FR", OF, Step::Add(list(&["FR/0", "BE/0"])));
    world.take("BE", OF, Step::Remove(list(&["BE/0", "FR/0"])));
    world.take("FR", OF, Step::Add(list(&["FR/0"])));
    assert_eq!(world.board(OF).targets.len(), 1);
    world.take("BE", OF, Step::Add(list(&["FR/0"])));
    assert_eq!(world.board(OF).targets.len(), 2);
    world.take("FR", OF, Step::Remove(list(&["FR/0"])));
    // The lead's own word for it stands.
    assert_eq!(world.board(OF).targets.len(), 2);
    let at = world.take("BE", OF, Step::Add(list(&[])));
    assert_eq!(world.fault(OF, &at), StepFault::Nothing);
}

#[test]
fn a_freeze_has_targets_and_their_digest_and_is_the_last_word() {
    let mut world = world();
    let (nothing, _) = freeze(&world.fold, OF, &[]);
    let at = world.take("BE", OF, nothing);
    assert_eq!(world.fault(OF, &at), StepFault::Nothing);
    // The digest of the same referrals in another operation.
    let (other, _) = freeze(&world.fold, "BE/9", &refs(&["BE/0"]));
    let at = world.take("BE", OF, other);
    assert_eq!(world.fault(OF, &at), StepFault::OtherDigest);
    let ahead = vec![FrontierLog { unit: "BE".into(), size: 99, root: vec![3; 32] }];
    let Step::Freeze(step) = freeze(&world.fold, OF, &refs(&["BE/0"])).0 else { panic!() };
    let at = world.take("BE", OF, Step::Freeze(wire::OperationFreeze { frontier: ahead, ..step }));
    assert_eq!(world.fault(OF, &at), StepFault::Ahead);
    let (mut world, _) = frozen();
    let (again, _) = freeze(&world.fold, OF, &refs(&["BE/0"]));
    for step in [again, Step::Add(list(&["BE/0"])), Step::Remove(list(&["BE/0"]))] {
        let at = world.take("BE", OF, step);
        assert_eq!(world.fault(OF, &at), StepFault::Frozen);
    }
    // FR/2 was within the frontier of the freeze, what comes now is not.
    assert_eq!(world.fault(OF, "FR/2"), StepFault::Unspecified);
    let at = world.take("FR", OF, Step::Add(list(&["BE/0"])));
    assert_eq!(world.fault(OF, &at), StepFault::Frozen);
    assert_eq!(world.board(OF).targets.len(), 3);
}

#[test]
fn who_is_ready_is_ready_for_exactly_what_is_frozen() {
    let mut world = world();
    world.take("FR", OF, join());
    let at = world.take("FR", OF, ready(&Hash([1; 32])));
    assert_eq!(world.fault(OF, &at), StepFault::NotFrozen);
    let (mut world, digest) = frozen();
    let at = world.take("FR", OF, ready(&Hash([1; 32])));
    assert_eq!(world.fault(OF, &at), StepFault::OtherDigest);
    let at = world.take("BE", OF, ready(&Hash([1; 32])));
    assert_eq!(world.fault(OF, &at), StepFault::OtherDigest);
    assert!(world.board(OF).units.iter().all(|unit| unit.ready.is_none()));
    world.take("FR", OF, ready(&digest));
    assert!(world.board(OF).units[1].ready.is_some());
}

#[test]
fn there_is_no_go_without_its_quorum() {
    let (mut world, digest) = frozen();
    world.take("BE", OF, ready(&digest));
    let before = go(&world.fold, &digest);
    world.take("FR", OF, ready(&digest));
    let at = world.take("BE", OF, Step::Go(go(&world.fold, &Hash([1; 32]))));
    assert_eq!(world.fault(OF, &at), StepFault::OtherDigest);
    // FR is ready by now, but not at the frontier that it names.
    let at = world.take("BE", OF, Step::Go(before));
    assert_eq!(world.fault(OF, &at), StepFault::NoQuorum);
    assert_eq!(world.board(OF).phase(), Phase::Frozen);
    let counts = Step::Go(go(&world.fold, &digest));
    world.take("BE", OF, counts);
    assert_eq!(world.board(OF).phase(), Phase::Gone);
    let again = Step::Go(go(&world.fold, &digest));
    let at = world.take("BE", OF, again);
    assert_eq!(world.fault(OF, &at), StepFault::Gone);
    let at = world.take("BE", OF, invite(&["NL"]));
    assert_eq!(world.fault(OF, &at), StepFault::Gone);
}

#[test]
fn a_go_waits_for_the_logs_that_it_names() {
    let (mut world, digest) = all_ready();
    let mut named = go(&world.fold, &digest);
    named.frontier.retain(|log| log.unit == "FR");
    named.frontier[0].size += 1;
    named.frontier.push(FrontierLog { unit: "ZZ".into(), size: 0, root: vec![3; 32] });
    let at = world.take("BE", OF, Step::Go(named));
    let again = Step::Go(go(&world.fold, &digest));
    let second = world.take("BE", OF, again);
    assert_eq!((world.fault(OF, &at), world.fault(OF, &second)), (StepFault::Waits, StepFault::Waits));
    let board = world.board(OF);
    assert_eq!(board.phase(), Phase::Frozen);
    assert_eq!(board.go.unwrap().waits, [wire::BoardWait { unit: "FR".into(), size: 5 }]);
    let early = world.take("FR", OF, executed("BE/0"));
    // With that the log is as long as the go names it.
    assert_eq!(world.board(OF).phase(), Phase::Gone);
    assert_eq!(world.fault(OF, &early), StepFault::Unspecified);
    assert_eq!((world.fault(OF, &at), world.fault(OF, &second)), (StepFault::Unspecified, StepFault::Gone));
}

#[test]
fn what_speaks_against_a_target_within_the_go_leaves_it_out_and_later_it_is_late() {
    let (mut world, digest) = all_ready();
    world.say("NL", hold("domain:a.example"));
    world.say("FR", object("BE/1"));
    let kinds = |board: &Board| -> Vec<Vec<(AgainstKind, bool)>> {
        board.targets.iter().map(|t| t.against.iter().map(|a| (a.kind(), a.in_go)).collect()).collect()
    };
    let hold_on = |in_go| vec![(AgainstKind::Hold, in_go)];
    let objection = |in_go| vec![(AgainstKind::Objection, in_go)];
    assert_eq!(kinds(&world.board(OF)), [hold_on(false), objection(false), vec![]]);
    let step = Step::Go(go(&world.fold, &digest));
    world.take("BE", OF, step);
    assert_eq!(world.covered(OF), ["FR/0"]);
    assert_eq!(kinds(&world.board(OF)), [hold_on(true), objection(true), vec![]]);
    // Late: shown, and no more than that.
    world.say("FR", hold("domain:c.example"));
    world.say("FR", withdraw(0));
    // A hold that is released does not bring its target back.
    world.say("NL", withdraw(0));
    let board = world.board(OF);
    assert_eq!(covered(&board), ["FR/0"]);
    let late = &board.targets[2].against;
    assert_eq!(
        late.iter().map(|a| (a.kind(), a.stands)).collect::<Vec<_>>(),
        [(AgainstKind::Hold, true), (AgainstKind::Withdrawn, true)]
    );
    assert!(late.iter().all(|against| !against.in_go));
    assert_eq!((board.targets[0].against[0].in_go, board.targets[0].against[0].stands), (true, false));
}

#[test]
fn a_go_overrides_an_objection_by_name_and_nothing_else() {
    let (mut world, digest) = all_ready();
    let objection = world.say("FR", object("BE/1"));
    let held = world.say("NL", hold("domain:a.example"));
    let overrides = refs(&[objection.as_str(), held.as_str()]);
    let step = Step::Go(wire::OperationGo { overrides, ..go(&world.fold, &digest) });
    world.take("BE", OF, step);
    let board = world.board(OF);
    assert_eq!(covered(&board), ["BE/1", "FR/0"]);
    assert!(board.targets[1].against[0].overridden && !board.targets[0].against[0].overridden);
}

#[test]
fn what_a_go_leaves_out_by_name_stays_out_when_the_hold_is_erased() {
    let (mut world, digest) = all_ready();
    world.say("NL", hold("domain:a.example"));
    world.say("NL", hold("domain:b.example"));
    let excluded = referrals(&refs(&["BE/0"]));
    let step = Step::Go(wire::OperationGo { excluded, ..go(&world.fold, &digest) });
    world.take("BE", OF, step);
    assert_eq!(world.covered(OF), ["FR/0"]);
    world.say("NL", erase(0));
    assert_eq!(world.covered(OF), ["FR/0"]);
    let against = world.board(OF).targets[0].against.clone();
    assert_eq!(against.iter().map(|a| a.kind()).collect::<Vec<_>>(), [AgainstKind::Named]);
}

#[test]
fn a_referral_that_was_withdrawn_or_is_none_is_not_covered_and_an_erased_one_stays_as_it_was() {
    let mut world = world();
    world.take("FR", OF, join());
    let (step, digest) = freeze(&world.fold, OF, &refs(&["BE/0", "BE/1", "BE/2", "FR/0", "NL/7", "ZZ/0"]));
    world.take("BE", OF, step);
    world.take("BE", OF, ready(&digest));
    world.take("FR", OF, ready(&digest));
    world.say("BE", withdraw(1));
    let step = Step::Go(go(&world.fold, &digest));
    world.take("BE", OF, step);
    assert_eq!(world.covered(OF), ["BE/0", "FR/0"]);
    // Erased after the go, withdrawn before or not.
    world.say("BE", erase(0));
    world.say("BE", erase(1));
    let board = world.board(OF);
    assert_eq!(covered(&board), ["BE/0", "FR/0"]);
    assert_eq!(board.targets[0].target, "");
    let kinds = |at: usize| board.targets[at].against.iter().map(|a| (a.kind(), a.in_go)).collect::<Vec<_>>();
    assert_eq!(kinds(0), [(AgainstKind::Erased, false)]);
    assert_eq!(kinds(1), [(AgainstKind::Withdrawn, true)]);
    for none in [2, 4, 5] {
        assert_eq!(kinds(none), [(AgainstKind::NoReferral, true)]);
    }
}

#[test]
fn a_referral_that_was_not_there_within_the_go_stays_out_whatever_becomes_of_it() {
    let mut world = world();
    world.take("FR", OF, join());
    let (step, digest) = freeze(&world.fold, OF, &refs(&["BE/0", "NL/0", "NL/1"]));
    world.take("BE", OF, step);
    world.take("BE", OF, ready(&digest));
    world.take("FR", OF, ready(&digest));
    let step = Step::Go(go(&world.fold, &digest));
    world.take("BE", OF, step);
    assert_eq!(world.covered(OF), ["BE/0"]);
    for end in [refer("domain:d.example"), refer("domain:e.example"), withdraw(0), erase(1)] {
        world.say("NL", end);
        assert_eq!(world.covered(OF), ["BE/0"]);
    }
    let kinds = |at: usize| world.board(OF).targets[at].against.iter().map(|a| (a.kind(), a.in_go)).collect::<Vec<_>>();
    assert_eq!(kinds(1), [(AgainstKind::Withdrawn, false), (AgainstKind::NoReferral, true)]);
    assert_eq!(kinds(2), [(AgainstKind::Erased, false), (AgainstKind::NoReferral, true)]);
}

#[test]
fn reports_count_for_what_the_go_covers_and_from_units_that_take_part() {
    let (mut world, digest) = all_ready();
    let early = [world.take("FR", OF, executed("BE/0")), world.take("BE", OF, executed("BE/0"))];
    assert_eq!(early.each_ref().map(|at| world.fault(OF, at)), [StepFault::NotGone; 2]);
    world.say("NL", hold("domain:a.example"));
    let step = Step::Go(go(&world.fold, &digest));
    world.take("BE", OF, step);
    let held = [world.take("FR", OF, executed("BE/0")), world.take("FR", OF, executed("FR/9"))];
    assert_eq!(held.each_ref().map(|at| world.fault(OF, at)), [StepFault::NotCovered; 2]);
    let at = world.take("NL", OF, executed("BE/1"));
    assert_eq!(world.fault(OF, &at), StepFault::NotInvited);
    // The lead's early report stays what it was; another unit's may have come from where the go was known.
    assert_eq!(early.each_ref().map(|at| world.fault(OF, at)), [StepFault::NotCovered, StepFault::NotGone]);
    world.take("FR", OF, decline());
    let at = world.take("FR", OF, executed("BE/1"));
    assert_eq!(world.fault(OF, &at), StepFault::NotJoined);
}

#[test]
fn an_abort_ends_what_the_lead_can_say_but_the_close() {
    let mut world = gone();
    world.take("BE", OF, Step::Abort(wire::OperationAbort { reason: "a leak".into() }));
    assert_eq!(world.board(OF).phase(), Phase::Aborted);
    for step in [invite(&["NL"]), assign("FR", &[]), Step::Abort(wire::OperationAbort::default())] {
        let at = world.take("BE", OF, step);
        assert_eq!(world.fault(OF, &at), StepFault::Aborted);
    }
    // Who acted, acted.
    let at = world.take("FR", OF, executed("FR/0"));
    assert_eq!(world.fault(OF, &at), StepFault::Unspecified);
    assert_eq!(world.board(OF).targets[2].executed.len(), 1);
    let step = close(&world.fold);
    world.take("BE", OF, step);
    assert_eq!(world.board(OF).phase(), Phase::Closed);
}

#[test]
fn nothing_counts_after_the_close() {
    let mut world = gone();
    let known = world.take("FR", OF, executed("FR/0"));
    let step = close(&world.fold);
    let unknown = world.take("FR", OF, executed("BE/0"));
    world.take("BE", OF, step);
    assert_eq!(world.fault(OF, &known), StepFault::Unspecified);
    assert_eq!(world.fault(OF, &unknown), StepFault::Closed);
    for step in [executed("BE/1"), invite(&["NL"]), close(&world.fold), Step::Abort(wire::OperationAbort::default())] {
        let at = world.take("BE", OF, step);
        assert_eq!(world.fault(OF, &at), StepFault::Closed);
    }
    for step in [join(), decline(), executed("BE/1")] {
        let at = world.take("FR", OF, step);
        assert_eq!(world.fault(OF, &at), StepFault::Closed);
    }
    assert_eq!(world.board(OF).targets[2].executed.len(), 1);
}

#[test]
fn assignments_are_replaced_and_only_to_units_that_are_asked() {
    let mut world = world();
    let at = world.take("BE", OF, assign("NL", &["BE/0"]));
    assert_eq!(world.fault(OF, &at), StepFault::NotInvited);
    world.take("BE", OF, assign("FR", &["BE/0", "BE/1"]));
    world.take("BE", OF, assign("BE", &["BE/0"]));
    world.take("BE", OF, assign("FR", &["BE/0"]));
    let board = world.board(OF);
    assert_eq!(board.targets.iter().map(|target| target.assigned.clone()).collect::<Vec<_>>(), [vec![0, 1], vec![]]);
}

#[test]
fn a_step_is_judged_before_it_is_said() {
    let (world, digest) = frozen();
    let step = |at: &str, step| Further { id: id(at), time_ms: 7, step };
    let further = [
        step("BE/4", ready(&digest)),
        step("BE/5", Step::Go(go(&world.fold, &digest))),
        step("BE/6", executed("BE/0")),
        // Folded already: it makes no difference.
        step("FR/2", ready(&digest)),
    ];
    let board = world.fold.board(&id(OF), &world.logs, &further).unwrap().unwrap();
    let faults: Vec<_> = board.steps.iter().map(|step| (written(&step.id), step.fault())).collect();
    assert!(faults.contains(&("BE/4".into(), StepFault::Unspecified)), "{faults:?}");
    assert!(faults.contains(&("BE/5".into(), StepFault::NoQuorum)), "{faults:?}");
    assert!(faults.contains(&("BE/6".into(), StepFault::NotGone)), "{faults:?}");
    assert_eq!(world.board(OF).units[0].ready, None);
}

#[test]
fn items_that_are_seized_in_an_operation_stand_on_its_board_until_they_are_taken_back() {
    let mut world = world();
    let item = wire::EvidenceItem { sha256: vec![5; 32], ..Default::default() };
    let seized = wire::Evidence { item: Some(item), operation: reference(OF), ..Default::default() };
    let at = world.say("FR", Body::Evidence(seized.clone()));
    world.say("FR", Body::Evidence(seized));
    world.say("FR", withdraw(2));
    assert_eq!(world.board(OF).evidence, refs(&[at.as_str()]));
}

#[test]
fn the_digest_of_frozen_targets_is_the_golden_one() {
    let operation = RecordRef { unit: "BE".into(), index: 2 };
    let targets = referrals(&refs(&["FR/0", "BE/1", "BE/0"]));
    let mut bytes = b"entente operation 1\n\x00\x02BE\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0\x03".to_vec();
    bytes.extend(b"\x00\x02BE\0\0\0\0\0\0\0\0\x00\x02BE\0\0\0\0\0\0\0\x01\x00\x02FR\0\0\0\0\0\0\0\0");
    assert_eq!(frozen_digest(&operation, &targets), Hash::of(&bytes));
}

#[test]
fn an_item_goes_from_hand_to_hand_where_both_sides_say_so() {
    let mut world = World::new(&["BE", "FR", "NL"]);
    let item = wire::EvidenceItem { sha256: vec![5; 32], ..Default::default() };
    let of = world.say("BE", Body::Evidence(wire::Evidence { item: Some(item), ..Default::default() }));
    let hand = |step, other: &str, hash| {
        let (item, other) = (reference(&of), other.to_owned());
        Body::Custody(wire::Custody { item, step, other, at_ms: 1, sha256: vec![hash; 32], text: String::new() })
    };
    // NL takes from FR before FR is known to have it: in whatever order it comes, the chain is the same.
    world.say("NL", hand(2, "FR", 6));
    world.say("FR", hand(2, "BE", 5));
    world.say("FR", hand(1, "NL", 5));
    let custody = |world: &World| world.fold.custody(&id(&of), &world.logs).unwrap().unwrap();
    assert_eq!((custody(&world).holder.as_str(), custody(&world).open.len()), ("BE", 3));
    world.say("BE", hand(1, "FR", 5));
    let chain: Vec<_> =
        custody(&world).chain.iter().map(|one| (one.give.to_string(), one.take.to_string(), one.intact)).collect();
    assert_eq!(chain, [("BE/1".into(), "FR/0".into(), true), ("FR/1".into(), "NL/0".into(), false)]);
    assert_eq!((custody(&world).holder.as_str(), custody(&world).open.len()), ("NL", 0));
    // Who does not hold it gives nothing, and a give that nobody takes stays open.
    world.say("BE", hand(1, "NL", 5));
    world.say("NL", hand(1, "BE", 5));
    assert_eq!((custody(&world).holder.as_str(), custody(&world).open.len()), ("NL", 2));
    assert_eq!(world.fold.custody(&id("FR/0"), &world.logs).unwrap(), None);
}

#[test]
fn only_who_holds_an_item_gives_it_and_only_from_the_holder_is_it_taken() {
    let mut world = World::new(&["BE", "FR", "NL"]);
    let item = wire::EvidenceItem { sha256: vec![5; 32], ..Default::default() };
    let of = world.say("BE", Body::Evidence(wire::Evidence { item: Some(item), ..Default::default() }));
    let hand = |step, other: &str| {
        let (item, other) = (reference(&of), other.to_owned());
        Body::Custody(wire::Custody { item, step, other, at_ms: 1, sha256: vec![5; 32], text: String::new() })
    };
    let custody = |world: &World| {
        let custody = world.fold.custody(&id(&of), &world.logs).unwrap().unwrap();
        (custody.holder, custody.chain.len(), custody.open.len())
    };
    // FR gives what BE holds, to NL, who says that it has it from BE.
    world.say("FR", hand(1, "NL"));
    world.say("NL", hand(2, "BE"));
    assert_eq!(custody(&world), ("BE".into(), 0, 2));
    // BE gives it to FR, who says that it has it from NL.
    world.say("BE", hand(1, "FR"));
    world.say("FR", hand(2, "NL"));
    assert_eq!(custody(&world), ("BE".into(), 0, 4));
    world.say("FR", hand(2, "BE"));
    assert_eq!(custody(&world), ("FR".into(), 1, 3));
}
