use super::*;

const A: &str = "domain:a.example";
const B: &str = "domain:b.example";

fn world() -> World {
    World::new(&["BE", "FR", "NL"])
}

#[test]
fn a_status_is_the_strongest_of_what_stands() {
    let mut world = world();
    assert_eq!(world.status(A), None);
    let referral = world.say("BE", refer(A));
    assert_eq!(world.status(A), Some(Status::Listed));
    world.say("NL", support(&referral));
    assert_eq!(world.status(A), Some(Status::Listed));
    world.say("FR", object(&referral));
    assert_eq!(world.status(A), Some(Status::Disputed));
    world.say("NL", hold(A));
    assert_eq!(world.status(A), Some(Status::Held));
    world.say("NL", withdraw(1));
    assert_eq!(world.status(A), Some(Status::Disputed));
    world.say("FR", withdraw(0));
    assert_eq!(world.status(A), Some(Status::Listed));
    world.say("BE", withdraw(0));
    assert_eq!(world.status(A), Some(Status::Cleared));
    assert_eq!(world.fold.counts(), Counts { cleared: 1, ..Counts::default() });
}

#[test]
fn a_target_only_of_erased_statements_has_no_row_and_one_of_withdrawn_ones_is_cleared() {
    let mut world = world();
    world.say("BE", refer(A));
    world.say("BE", refer(B));
    world.say("BE", withdraw(0));
    world.say("BE", erase(1));
    assert_eq!((world.status(A), world.status(B)), (Some(Status::Cleared), None));
    assert_eq!(world.row(B), None);
    let row = world.row(A).unwrap();
    assert!(row.referrals.is_empty());
    world.say("BE", erase(0));
    assert_eq!(world.rows(), []);
    assert_eq!(world.fold.counts(), Counts::default());
    assert!(world.about(A).is_empty());
}

#[test]
fn the_makers_of_a_row_are_its_referrals_and_holds_that_are_not_erased() {
    let mut world = world();
    world.say("BE", refer(A));
    world.say("FR", hold(A));
    world.say("NL", refer(A));
    world.say("NL", observe(A, 1));
    world.say("FR", support("BE/0"));
    world.say("BE", withdraw(0));
    world.say("NL", erase(0));
    let mut makers: Vec<String> = world.fold.makers(&target(A)).map(|id| id.to_string()).collect();
    makers.sort();
    assert_eq!(makers, ["BE/0", "FR/0"]);
    assert_eq!(world.fold.makers(&target(B)).count(), 0);
}

#[test]
fn an_opinion_waits_for_the_referral_it_speaks_of() {
    let mut world = world();
    world.say("FR", object("BE/0"));
    assert_eq!(world.standing("FR/0"), Standing::Dangling);
    assert!(world.about(A).is_empty());
    let (_, changes) = world.add("BE", entry(1_000, refer(A)), true);
    assert_eq!(changes, [Change { target: target(A), before: None, status: Some(Status::Disputed) }]);
    assert_eq!(world.standing("FR/0"), Standing::Counts);
    assert_eq!(world.about(A), ["BE/0", "FR/0"]);
    assert_eq!(world.row(A).unwrap().opinions.len(), 1);
}

#[test]
fn an_opinion_on_an_own_or_withdrawn_or_erased_or_other_record_is_inert() {
    let mut world = world();
    world.say("BE", refer(A));
    world.say("BE", object("BE/0"));
    world.say("BE", object("BE/7"));
    world.say("BE", hold(B));
    world.say("FR", object("BE/3"));
    world.say("FR", object("ZZ/3"));
    assert_eq!(world.status(A), Some(Status::Listed));
    assert_eq!((world.standing("BE/1"), world.standing("BE/2")), (Standing::Inert, Standing::Inert));
    assert_eq!((world.standing("FR/0"), world.standing("FR/1")), (Standing::Inert, Standing::Dangling));
    world.say("NL", object("BE/0"));
    world.say("BE", withdraw(0));
    assert_eq!((world.status(A), world.standing("NL/0")), (Some(Status::Cleared), Standing::Inert));
    assert!(world.row(A).unwrap().opinions.is_empty());
    assert_eq!(world.about(A), ["BE/0", "BE/1", "BE/4", "NL/0"]);
    world.say("BE", erase(0));
    assert_eq!(world.standing("NL/0"), Standing::Inert);
    assert!(world.about(A).is_empty());
    assert_eq!(world.fold.target_of(&unit("NL"), 0), None);
}

#[test]
fn a_dispatch_outlives_the_withdrawal_of_its_referral_and_takes_its_outcome_along() {
    let mut world = world();
    world.say("NL", outcome("FR/0"));
    world.say("FR", dispatch("BE/0"));
    assert_eq!((world.standing("NL/0"), world.standing("FR/0")), (Standing::Inert, Standing::Dangling));
    world.say("BE", refer(A));
    assert_eq!(world.about(A), ["BE/0", "FR/0", "NL/0"]);
    let parts = |world: &World| {
        let row = world.row(A).unwrap();
        (row.referrals.len(), row.dispatches.len(), row.outcomes.len())
    };
    assert_eq!(parts(&world), (1, 1, 1));
    world.say("BE", withdraw(0));
    assert_eq!(parts(&world), (0, 1, 1));
    world.say("FR", withdraw(0));
    assert_eq!(parts(&world), (0, 0, 0));
    assert_eq!(world.standing("NL/0"), Standing::Inert);
    assert_eq!(world.about(A), ["BE/0", "BE/1", "FR/0", "FR/1", "NL/0"]);
}

#[test]
fn own_references_forwards_are_inert() {
    let mut world = world();
    for body in [dispatch("BE/5"), outcome("BE/5"), dispatch("BE/2"), withdraw(3), withdraw(9), erase(9)] {
        let id = world.say("BE", body);
        assert_eq!(world.standing(&id), Standing::Inert, "{id}");
    }
    assert_eq!(world.standing("BE/6"), Standing::NotThere);
    world.say("BE", refer(A));
    assert_eq!(world.row(A).unwrap().referrals.len(), 1);
}

#[test]
fn only_what_can_end_is_withdrawn_or_erased_and_only_once() {
    let mut world = world();
    world.say("BE", refer(A)); // 0
    world.say("BE", withdraw(0)); // 1
    world.say("BE", withdraw(0)); // 2: inert
    world.say("BE", withdraw(1)); // 3: inert
    world.say("BE", erase(1)); // 4: inert
    world.say("BE", erase(0)); // 5
    world.say("BE", erase(0)); // 6: inert
    world.say("BE", withdraw(0)); // 7: inert
    let standings: Vec<Standing> = (0..8).map(|index| world.standing(&format!("BE/{index}"))).collect();
    use Standing::{Counts, Inert};
    assert_eq!(standings, [Standing::Erased { by: 5 }, Counts, Inert, Inert, Inert, Counts, Inert, Inert]);
}

#[test]
fn one_unit_cannot_take_back_what_another_says() {
    let mut world = world();
    world.say("BE", refer(A));
    world.say("FR", refer(B));
    world.say("FR", withdraw(0));
    assert_eq!((world.status(A), world.status(B)), (Some(Status::Listed), Some(Status::Cleared)));
    assert_eq!(world.standing("FR/0"), Standing::Withdrawn { by: 1 });
}

#[test]
fn availability_is_the_newest_observation_that_stands_and_was_possible() {
    let mut world = world();
    world.say("BE", refer(A));
    let newest = |world: &World| {
        let id = world.row(A).unwrap().availability?.id.unwrap();
        Some(format!("{}/{}", id.unit, id.index))
    };
    assert_eq!(newest(&world), None);
    world.say("NL", observe(A, 500));
    world.say("FR", observe(A, 500));
    assert_eq!(newest(&world).unwrap(), "NL/0");
    world.say("FR", observe(A, 501));
    world.say("FR", observe(A, 1_001));
    assert_eq!((newest(&world).unwrap(), world.standing("FR/2")), ("FR/1".into(), Standing::Inert));
    world.say("FR", withdraw(1));
    assert_eq!(newest(&world).unwrap(), "NL/0");
    world.say("NL", erase(0));
    assert_eq!(newest(&world).unwrap(), "FR/0");
}

#[test]
fn observations_links_and_evidence_make_no_row_but_wait_for_one() {
    let mut world = world();
    world.say("FR", observe(A, 5));
    world.say("FR", link(A, B));
    let (_, changes) = world.add("FR", entry(1_000, evidence(A)), true);
    assert_eq!((changes, world.rows()), (vec![], vec![]));
    world.say("BE", refer(B));
    assert_eq!(world.fold.targets(None).collect::<Vec<_>>(), [(&target(B), Status::Listed)]);
    assert_eq!(world.row(B).unwrap().links.len(), 1);
    world.say("BE", hold(A));
    let row = world.row(A).unwrap();
    assert!(row.availability.is_some());
    assert_eq!(world.about(A), ["BE/1", "FR/0", "FR/1", "FR/2"]);
    let (_, changes) = world.add("FR", entry(1_000, withdraw(1)), true);
    let changed: Vec<&str> = changes.iter().map(|change| change.target.as_str()).collect();
    assert_eq!(changed, [A, B]);
    assert!(world.row(B).unwrap().links.is_empty());
}

#[test]
fn what_is_set_aside_counts_nowhere_and_stops_nothing() {
    let mut world = world();
    let mut other_kind = entry(1, refer(A));
    other_kind.kind = RecordKind::Hold.number();
    let mut unknown = entry(1, refer(A));
    unknown.kind = 99;
    let garbage = Entry { kind: 2, time_ms: 1, payload: Bytes::from_static(b"\xff") };
    for entry in [other_kind, unknown, garbage, entry(1, refer("nonsense"))] {
        let (id, changes) = world.add("BE", entry, true);
        assert_eq!((world.standing(&id), changes), (Standing::SetAside, vec![]));
    }
    world.say("FR", object("BE/2"));
    assert_eq!(world.standing("FR/0"), Standing::Inert);
    world.say("BE", erase(2));
    assert_eq!(world.standing("BE/2"), Standing::Erased { by: 4 });
    assert_eq!(world.rows(), []);
}

#[test]
fn an_erased_payload_makes_no_difference_whether_it_was_there_or_not() {
    let play = |with_payload| {
        let mut world = world();
        world.say("FR", object("BE/0"));
        world.add("BE", entry(5, refer(A)), with_payload);
        world.say("NL", dispatch("BE/0"));
        world.say("NL", refer(B));
        world.say("BE", withdraw(0));
        world.say("BE", erase(0));
        world
    };
    let (mut with, mut without) = (play(true), play(false));
    assert_eq!(with.digest(), without.digest());
    assert_eq!(with.rows().len(), 1);
    for id in ["BE/0", "BE/1", "BE/2", "FR/0", "NL/0"] {
        assert_eq!(with.standing(id), without.standing(id), "{id}");
    }
    assert_eq!(with.standing("BE/0"), Standing::Erased { by: 2 });
}

#[test]
fn entries_come_in_order_and_from_units_of_the_charter_and_faults_change_nothing() {
    let mut world = world();
    world.say("BE", refer(A));
    let digest = world.digest();
    let payload = entry(1, refer(B)).payload;
    let mut apply = |of: &str, index, kind, payload| world.fold.apply(&unit(of), index, kind, 1, payload);
    assert_eq!(apply("ZZ", 0, 2, Some(&payload[..])), Err(FoldError::UnknownUnit(unit("ZZ"))));
    for index in [0, 2, 1 << 40, u64::MAX] {
        let got = crate::ids::RecordId { unit: unit("BE"), index };
        let want = crate::ids::RecordId { unit: unit("BE"), index: 1 };
        assert_eq!(apply("BE", index, 2, Some(&payload)), Err(FoldError::NotNext { got, want }));
    }
    for kind in [RecordKind::Withdraw.number(), RecordKind::Erase.number(), 99] {
        let id = crate::ids::RecordId { unit: unit("BE"), index: 1 };
        assert_eq!(apply("BE", 1, kind, None), Err(FoldError::PayloadMissing(id)));
    }
    assert_eq!(world.digest(), digest);
    assert_eq!(Fold::new([unit("BE")], 2).unwrap_err(), UnknownFoldVersion(2));
}

#[test]
fn a_digest_needs_the_frontier_that_was_folded_and_every_payload_that_counts() {
    let mut world = world();
    world.say("BE", refer(A));
    world.say("FR", refer(A));
    let mut frontier = world.frontier();
    frontier.logs.remove(&unit("NL"));
    assert_eq!(world.fold.digest(&frontier, &world.logs), Err(DigestError::FrontierDiffers));
    let mut frontier = world.frontier();
    frontier.logs.get_mut(&unit("NL")).unwrap().0 = Size::new(1).unwrap();
    assert_eq!(world.fold.digest(&frontier, &world.logs), Err(DigestError::FrontierDiffers));
    let frontier = world.frontier();
    let gone = crate::ids::RecordId { unit: unit("BE"), index: 0 };
    let nothing = Logs::new();
    assert_eq!(world.fold.digest(&frontier, &nothing), Err(DigestError::Read(ReadError::Gone(gone))));
    // Nothing was lost by the failure.
    assert_eq!(world.digest(), random::digest_of_rows(&world.frontier(), &world.rows()));
}

#[test]
fn the_rows_are_paged_through_in_the_order_of_their_bytes() {
    let mut world = world();
    for text in ["url:http://a.example/", B, A, "account:x/Y"] {
        world.say("BE", refer(text));
    }
    let all: Vec<&str> = world.fold.targets(None).map(|(target, _)| target.as_str()).collect();
    assert_eq!(all, ["account:x/Y", A, B, "url:http://a.example/"]);
    let after: Vec<&str> = world.fold.targets(Some(&target(A))).map(|(target, _)| target.as_str()).collect();
    assert_eq!(after, all[2..]);
}

#[test]
fn a_units_own_standing_referral_is_found() {
    let mut world = world();
    world.say("BE", refer(A));
    world.say("BE", refer(A));
    world.say("FR", hold(A));
    let own = |world: &World, of: &str| world.fold.own_referral(&unit(of), &target(A));
    assert_eq!((own(&world, "BE"), own(&world, "FR")), (Some(0), None));
    world.say("BE", withdraw(0));
    assert_eq!(own(&world, "BE"), Some(1));
    world.say("BE", erase(1));
    assert_eq!(own(&world, "BE"), None);
    assert_eq!(world.fold.target_of(&unit("BE"), 2), Some(target(A)));
    assert_eq!(world.fold.target_of(&unit("BE"), 3), None);
}

#[test]
fn references_in_a_ring_end() {
    let mut world = world();
    world.say("BE", outcome("FR/0"));
    world.say("FR", dispatch("NL/0"));
    world.say("NL", dispatch("BE/0"));
    for of in ["BE", "FR", "NL"] {
        assert_eq!(world.standing(&format!("{of}/0")), Standing::Inert);
        assert_eq!(world.fold.target_of(&unit(of), 0), None);
    }
}

#[test]
fn the_holds_of_a_unit_that_left_end_with_it_and_what_else_it_said_stays() {
    let mut world = world();
    let left = |world: &mut World| world.fold.logs.iter_mut().find(|log| log.unit == unit("NL")).unwrap().left = true;
    left(&mut world);
    let referral = world.say("BE", refer(A));
    world.say("NL", hold(A));
    assert_eq!(world.status(A), Some(Status::Listed));
    assert!(world.row(A).unwrap().holds.is_empty());
    world.say("NL", object(&referral));
    assert_eq!(world.status(A), Some(Status::Disputed));
    // A target that was held alone keeps its row, as one whose hold was withdrawn.
    world.say("NL", hold(B));
    assert_eq!(world.status(B), Some(Status::Cleared));
    let digest = world.digest();
    // To take back what has ended changes nothing.
    world.say("NL", withdraw(0));
    assert_eq!(world.status(A), Some(Status::Disputed));
    assert_ne!(world.digest(), digest, "the frontier is another");
    assert_eq!(world.row(B).map(|row| row.holds.len()), Some(0));
    // Erased, it is gone.
    world.say("NL", erase(2));
    assert_eq!(world.status(B), None);
    // Others' holds stand.
    world.say("FR", hold(A));
    assert_eq!(world.status(A), Some(Status::Held));
}
