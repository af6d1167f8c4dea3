//! By what a checkpoint is judged, rule by rule.

use super::charters::{describe, found, next, signers};
use crate::charter::{Base, Changes, CharterChain};
use crate::checkpoint::{Checkpoint, SignedCheckpoint};
use crate::cosignature::Cosignature;
use crate::hash::Hash;
use crate::ids::{Size, UnitId};
use crate::note::{Signer as _, VerifierKey};
use crate::sync::eras::{Adoption, Eras};
use crate::sync::sighting::Sighting;

fn id(text: &str) -> UnitId {
    text.parse().unwrap()
}

fn size(entries: u64) -> Size {
    Size::new(entries).unwrap()
}

/// Version 1 lists BE, FR and NL; version 2 brings in UK and US; in version 3 NL is gone.
fn chain() -> CharterChain {
    let first = found(&["BE", "FR", "NL"].map(id));
    let add = ["UK", "US"].map(|unit| describe(&id(unit), [0; 3])).to_vec();
    let second = next(&first, &Changes { add, ..Changes::default() });
    next(&second, &Changes { remove: vec![id("NL")], ..Changes::default() })
}

fn adopting(chain: &CharterChain, version: u32) -> Adoption {
    Adoption { version: version.into(), digest: chain.version(version).unwrap().digest() }
}

/// A checkpoint of BE's log that these units cosigned.
fn cosigned_by(entries: u64, units: &[&str]) -> Sighting {
    let key = signers(&id("BE"), [0; 3]).1;
    let checkpoint = Checkpoint { origin: key.key().name().clone(), size: size(entries), root: Hash::of(b"root") };
    let mut sighting = Sighting::new(SignedCheckpoint::sign(checkpoint, &key).unwrap());
    for unit in units {
        let word = Cosignature { time: 1, signature: [7; 64] };
        sighting.add(id(unit), signers(&id(unit), [0; 3]).2.key().clone(), word);
    }
    sighting
}

#[test]
fn a_bridge_needs_both_quorums_what_is_below_the_old_one_and_what_is_above_the_new_one() {
    let chain = chain();
    let mut eras = Eras::new(&chain, &id("BE")).unwrap();
    eras.found(3, Some(adopting(&chain, 2)));
    let met = |entries: u64, units: &[&str]| eras.rule(size(entries)).unwrap().met_by(&cosigned_by(entries, units));
    // Two of two by version 1, three of four by version 2.
    for (entries, units, expected) in [
        (3, &["FR", "NL"][..], true),
        (3, &["FR", "UK", "US"], false),
        (4, &["FR", "NL"], false),
        (4, &["FR", "UK", "US"], false),
        (4, &["FR", "NL", "US"], true),
        (5, &["FR", "NL"], false),
        (5, &["FR", "UK", "US"], true),
    ] {
        assert_eq!(met(entries, units), expected, "{entries} entries, {units:?}");
    }
    assert_eq!((eras.limit(), eras.sure_limit()), (Some(size(4)), Some(size(3))));
    assert!(eras.settle(size(4)));
    assert_eq!((eras.limit(), eras.current().unwrap().version), (None, 2));
}

#[test]
fn an_adopt_of_a_charter_that_is_not_known_stops_the_log_until_it_is() {
    let chain = chain();
    let mut eras = Eras::new(&chain.up_to(1).unwrap(), &id("BE")).unwrap();
    eras.found(3, Some(adopting(&chain, 2)));
    assert_eq!(eras.limit(), Some(size(3)));
    assert!(eras.rule(size(3)).is_some() && eras.rule(size(4)).is_none() && eras.log_key(size(4)).is_none());
    eras.take_up(&chain.up_to(2).unwrap(), &id("BE"));
    assert_eq!(eras.limit(), Some(size(4)));
    // So does one whose payload is missing, until that is there.
    eras.found(2, None);
    assert_eq!(eras.limit(), Some(size(2)));
    eras.inert(2);
    assert_eq!(eras.limit(), Some(size(4)));
}

#[test]
fn an_adopt_that_names_no_later_version_of_the_unit_is_inert() {
    let chain = chain();
    let wrong_number = Adoption { version: 3, ..adopting(&chain, 2) };
    let mut eras = Eras::new(&chain, &id("NL")).unwrap();
    for (index, adoption) in [(0, adopting(&chain, 1)), (1, wrong_number), (2, adopting(&chain, 3))] {
        eras.found(index, Some(adoption));
        assert_eq!(eras.limit(), None, "{adoption:?}");
    }
    let mut eras = Eras::new(&chain, &id("BE")).unwrap();
    eras.found(1, Some(adopting(&chain, 3)));
    eras.found(2, Some(adopting(&chain, 2)));
    assert_eq!((eras.limit(), eras.adopted().unwrap().version), (Some(size(2)), 3), "back to an older one");
}

#[test]
fn a_later_bridge_settles_the_turns_below_it() {
    let chain = chain();
    let mut eras = Eras::new(&chain, &id("BE")).unwrap();
    eras.found(1, Some(adopting(&chain, 2)));
    eras.found(5, Some(adopting(&chain, 3)));
    assert_eq!(eras.pending().collect::<Vec<_>>(), [size(6), size(2)]);
    assert!(eras.is_bridge(size(2)) && eras.is_bridge(size(6)) && !eras.is_bridge(size(5)));
    assert!(eras.settle(size(6)));
    assert_eq!((eras.current().unwrap().version, eras.limit()), (3, None));
}

/// Version 2 gives BE a new log key that goes on from 5 entries, version 3 a further one from `third`.
fn based(third: u64) -> CharterChain {
    let base = |entries: u64| Base { size: size(entries), root: Hash::of(b"base") };
    let renewed = |generation: u8, entries: u64| Changes {
        update: vec![describe(&id("BE"), [0, generation, 0])],
        bases: [(id("BE"), base(entries))].into(),
        ..Changes::default()
    };
    let second = next(&found(&["BE", "FR", "NL"].map(id)), &renewed(1, 5));
    next(&second, &renewed(2, third))
}

fn log_key(generation: u8) -> VerifierKey {
    signers(&id("BE"), [generation; 3]).1.key().clone()
}

#[test]
fn a_log_goes_on_from_a_base_only_by_an_adopt_right_behind_it() {
    let chain = based(9).up_to(2).unwrap();
    let (old, new) = (log_key(0), log_key(1));
    let fresh = || Eras::new(&chain, &id("BE")).unwrap();
    let mut eras = fresh();
    assert_eq!((eras.limit(), eras.pending_base().unwrap().base.size), (Some(size(5)), size(5)));
    assert!(eras.may_sign_ahead(size(5), &old) && !eras.may_sign_ahead(size(6), &old));
    assert!(eras.may_sign_ahead(size(6), &new));
    assert!(!eras.may_fork(&old) && eras.may_fork(&new));
    // Not before the own tree is found to have the base, nor anywhere else.
    eras.found(5, Some(adopting(&chain, 2)));
    assert_eq!((eras.limit(), eras.log_key(size(6))), (Some(size(5)), None));
    for base in eras.unmet_bases(size(6)) {
        eras.base_met(base);
    }
    assert_eq!((eras.limit(), eras.log_key(size(6)), eras.pending_base()), (Some(size(6)), Some(&new), None));
    assert_eq!(eras.log_key(size(5)), Some(&old));
    for index in [3, 6] {
        let mut eras = fresh();
        for base in eras.unmet_bases(size(9)) {
            eras.base_met(base);
        }
        eras.found(index, Some(adopting(&chain, 2)));
        assert!(eras.pending_base().is_some() && eras.log_key(size(9)).is_none(), "{index}");
    }
}

#[test]
fn a_base_that_begins_no_earlier_than_a_later_one_has_nothing_to_say_any_more() {
    for (third, first) in [(4, 4), (5, 5), (9, 5)] {
        let chain = based(third);
        let mut eras = Eras::new(&chain, &id("BE")).unwrap();
        assert_eq!(eras.pending_base().unwrap().base.size, size(first), "{third}");
        let due = eras.pending_base().unwrap().version;
        assert_eq!(due, if third > 5 { 2 } else { 3 });
        for base in eras.unmet_bases(size(20)) {
            eras.base_met(base);
        }
        eras.found(first, Some(adopting(&chain, due)));
        assert_eq!(eras.pending_base().map(|next| next.base.size), (third > 5).then_some(size(9)));
    }
}

#[test]
fn a_version_with_a_base_further_on_is_not_reached_from_the_base_of_one_before() {
    let chain = based(9);
    let mut eras = Eras::new(&chain, &id("BE")).unwrap();
    for base in eras.unmet_bases(size(20)) {
        eras.base_met(base);
    }
    eras.found(5, Some(adopting(&chain, 3)));
    assert_eq!((eras.pending_base().map(|due| due.version), eras.limit()), (Some(2), Some(size(5))));
    assert_eq!(eras.log_key(size(6)), None);
    // The author names what it can reach.
    let mut eras = Eras::new(&chain, &id("BE")).unwrap();
    for base in eras.unmet_bases(size(20)) {
        eras.base_met(base);
    }
    for (index, version) in [(5, 2), (9, 3)] {
        assert_eq!(eras.next_adoption(), Some(adopting(&chain, version)));
        eras.found(index, Some(adopting(&chain, version)));
    }
    assert_eq!((eras.pending_base(), eras.log_key(size(10))), (None, Some(&log_key(2))));
    // Where that of the later one is no further, it is reached at once.
    let eras = Eras::new(&based(4), &id("BE")).unwrap();
    assert_eq!(eras.next_adoption(), Some(adopting(&based(4), 3)));
}

#[test]
fn adopts_that_lead_nowhere_cost_their_own_reading_and_no_more() {
    const MANY: u64 = 100_000;
    let chain = based(9);
    let known = |version: u32| Some(adopting(&chain, version));
    let unknown = Some(Adoption { version: 9, digest: Hash::of(b"unknown") });
    let wrong = Some(Adoption { version: 7, ..adopting(&chain, 2) });
    // Inert ones, and any behind one that nobody knows.
    for (first, later) in [(known(1), known(1)), (unknown, known(2))] {
        let mut eras = Eras::new(&chain.up_to(1).unwrap(), &id("BE")).unwrap();
        eras.found(0, first);
        for index in 1..=MANY {
            eras.found(index, later);
        }
        assert!(eras.judged <= MANY + 1, "{} were judged", eras.judged);
    }
    // Payloads that are missing come one by one, in any order.
    let mut eras = Eras::new(&chain.up_to(1).unwrap(), &id("BE")).unwrap();
    for index in 0..MANY {
        eras.found(index, None);
    }
    for index in (0..MANY / 2).rev().chain(MANY / 2..MANY) {
        eras.found(index, known(1));
    }
    assert!(eras.judged <= 4 * MANY, "{} were judged", eras.judged);
    assert_eq!((eras.limit(), eras.adopts.len()), (None, 0), "nothing of it is kept");
    // All wait for a charter, under which they say nothing either.
    let mut eras = Eras::new(&chain.up_to(1).unwrap(), &id("BE")).unwrap();
    for index in 0..MANY {
        eras.found(index, wrong);
    }
    assert_eq!(eras.limit(), Some(size(0)), "a charter that is not known");
    eras.take_up(&chain.up_to(2).unwrap(), &id("BE"));
    assert!(eras.judged <= 2 * MANY, "{} were judged", eras.judged);
}
