//! Each rule by which a version follows another has its refusal here.

use std::collections::BTreeMap;

use super::*;
use crate::ids::Size;

/// Units with keys from seeds that are far enough apart.
pub(super) fn members(ids: &[&str]) -> Vec<Member> {
    ids.iter().zip(1..).map(|(id, number)| Member::new(id, number * 10)).collect()
}

pub(super) fn founded(members: &[Member]) -> CharterChain {
    let descriptions: Vec<UnitDescription> = members.iter().map(Member::describe).collect();
    let mut charter = UnverifiedCharter::compose(&descriptions, None).unwrap();
    for member in members {
        charter.sign(&member.signers(), 1).unwrap();
    }
    CharterChain::found(charter.verify_first().unwrap()).unwrap()
}

pub(super) fn id(text: &str) -> UnitId {
    text.parse().unwrap()
}

/// Signs with whatever of these units' keys is due.
pub(super) fn signed(mut draft: UnverifiedCharter, members: &[&Member]) -> UnverifiedCharter {
    for member in members {
        for signer in member.signers().into_iter().filter(|signer| draft.is_due(signer.key())).collect::<Vec<_>>() {
            draft.sign(&[signer], 2).unwrap();
        }
    }
    draft
}

/// Takes a next version up that these units sign.
pub(super) fn follow(chain: &mut CharterChain, changes: &Changes, members: &[&Member]) {
    let draft = signed(chain.compose_next(changes).unwrap(), members);
    let next = chain.verify(UnverifiedCharter::parse(&draft.to_bytes()).unwrap()).unwrap();
    chain.push(next).unwrap();
}

pub(super) fn all(members: &[Member]) -> Vec<&Member> {
    members.iter().collect()
}

pub(super) fn adding(member: &Member) -> Changes {
    Changes { add: vec![member.describe()], ..Changes::default() }
}

pub(super) fn removing(unit: &str) -> Changes {
    Changes { remove: vec![id(unit)], ..Changes::default() }
}

fn updating(member: &Member) -> Changes {
    Changes { update: vec![member.describe()], ..Changes::default() }
}

fn fault(result: Result<impl std::fmt::Debug, CharterError>) -> SuccessionFault {
    match result {
        Err(CharterError::Succession { fault, .. }) => fault,
        other => panic!("{other:?}"),
    }
}

/// The next version's text with a change, as a draft that is to follow.
fn changed(chain: &CharterChain, changes: &Changes, from: &str, to: &str) -> Result<UnverifiedCharter, CharterError> {
    let text = chain.compose_next(changes).unwrap().text().to_owned();
    assert!(text.contains(from), "{from:?} is not in the text");
    chain.draft(parse(&text.replacen(from, to, 1))?)
}

#[test]
fn units_join_and_leave_and_every_version_is_verified_under_the_one_before() {
    let units = members(&["BE", "FR", "NL", "UK"]);
    let mut chain = founded(&units[..2]);
    follow(&mut chain, &adding(&units[2]), &[&units[0], &units[1], &units[2]]);
    follow(&mut chain, &adding(&units[3]), &all(&units));
    follow(&mut chain, &removing("BE"), &[&units[1], &units[2], &units[0]]);
    assert_eq!(chain.newest().version(), 4);
    assert_eq!(chain.newest().units().keys().map(UnitId::as_str).collect::<Vec<_>>(), ["FR", "NL", "UK"]);
    assert_eq!(chain.newest().quorum().others(), 2);
    assert_eq!(chain.brought_in(&id("NL")).unwrap().version(), 2);
    assert_eq!((chain.left(&id("BE")), chain.left(&id("FR")), chain.left(&id("XX"))), (Some(4), None, None));
    assert_eq!(chain.units().len(), 4);
    let again = CharterChain::read(chain.versions().map(|charter| charter.note().to_vec())).unwrap();
    assert_eq!(again, chain);
    assert_eq!(chain.of_digest(&chain.version(2).unwrap().digest()).unwrap().version(), 2);
}

#[test]
fn a_version_does_not_follow_any_but_the_one_that_it_names() {
    let units = members(&["BE", "FR", "NL"]);
    let mut chain = founded(&units[..2]);
    let second = signed(chain.compose_next(&adding(&units[2])).unwrap(), &all(&units));
    let other = Changes { revoke: [Hash::of(b"key")].into(), ..Changes::default() };
    follow(&mut chain, &other, &[&units[0], &units[1]]);
    assert_eq!(fault(chain.verify(second.clone())), SuccessionFault::Version(2));
    let third = chain.compose_next(&adding(&units[2])).unwrap();
    let elsewhere = parse(&third.text().replace(&chain.newest().digest().to_string(), &second.digest().to_string()));
    let expected = chain.newest().digest().to_string();
    let found = second.digest().to_string();
    assert_eq!(fault(chain.draft(elsewhere.unwrap())), SuccessionFault::Previous { found, expected });
    let stranger = third.text().replace("takedown.example", "takedown.test");
    assert!(matches!(parse(&stranger), Err(CharterError::Key { .. })), "keys are named after the network");
    assert!(matches!(CharterChain::read(Vec::<Vec<u8>>::new()), Err(CharterError::NoVersions)));
    // A charter that counts under another chain is not put behind this one.
    let mut apart = founded(&units[..2]);
    follow(&mut apart, &adding(&units[2]), &all(&units));
    let next = apart.newest().as_ref().clone();
    assert!(matches!(fault(chain.push(next)), SuccessionFault::Previous { .. }));
}

#[test]
fn more_than_two_thirds_of_the_units_before_must_sign() {
    let ids: Vec<String> = (0..7).map(|number| format!("U{number}")).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    for (count, needed) in [(1, 1), (2, 2), (3, 3), (4, 3), (5, 4), (6, 5), (7, 5)] {
        assert_eq!(Votes::needed_of(count), needed);
        let units = members(&ids[..count]);
        let chain = founded(&units);
        let new = Member::new("NEW", 100);
        for signing in 0..=count {
            let mut who: Vec<&Member> = units[count - signing..].iter().collect();
            who.push(&new);
            let draft = signed(chain.compose_next(&adding(&new)).unwrap(), &who);
            let votes = draft.votes().unwrap();
            assert_eq!((votes.given.len(), votes.open.len(), votes.needed), (signing, count - signing, needed));
            if signing >= needed {
                chain.verify(draft).unwrap();
            } else {
                let open = units[..count - signing].iter().map(|unit| unit.id.clone()).collect();
                let expected = SuccessionFault::Votes { given: signing, units: count, needed, open };
                assert_eq!(fault(chain.verify(draft)), expected);
            }
        }
    }
}

#[test]
fn a_unit_that_joins_signs_with_all_its_keys() {
    let units = members(&["BE", "FR"]);
    let chain = founded(&units);
    let new = Member::new("NL", 100);
    for left_out in 0..3 {
        let mut draft = signed(chain.compose_next(&adding(&new)).unwrap(), &all(&units));
        for (at, signer) in new.signers().into_iter().enumerate() {
            if at != left_out {
                draft.sign(&[signer], 2).unwrap();
            }
        }
        let missing = new.signers()[left_out].key().name().clone();
        assert_eq!(fault(chain.verify(draft)), SuccessionFault::Unsigned(vec![missing]));
    }
}

#[test]
fn a_key_that_is_replaced_votes_and_the_new_one_proves_that_it_is_held() {
    let units = members(&["BE", "FR"]);
    let mut chain = founded(&units);
    let renewed = Member::new("BE", 100);
    let draft = chain.compose_next(&updating(&renewed)).unwrap();
    // The new charter key alone is no vote of BE's.
    let without_old = signed(draft.clone(), &[&renewed, &units[1]]);
    assert!(matches!(fault(chain.verify(without_old)), SuccessionFault::Votes { given: 1, .. }));
    let without_new = signed(draft.clone(), &all(&units));
    assert!(matches!(fault(chain.verify(without_new)), SuccessionFault::Unsigned(missing) if missing.len() == 3));
    let whole = signed(draft, &[&units[0], &units[1], &renewed]);
    let lines = Note::parse(&whole.to_bytes(), CHARTER_BYTES_MAX).unwrap().signatures().to_vec();
    assert_eq!(lines.len(), 5, "both charter keys of BE, its new log and mirror key, FR's charter key");
    chain.push(chain.verify(whole).unwrap()).unwrap();
    // From now on the new key votes.
    let draft = chain.compose_next(&removing("FR")).unwrap();
    assert!(draft.is_due(renewed.charter.key()) && !draft.is_due(units[0].charter.key()));
}

#[test]
fn what_stays_need_not_sign() {
    let units = members(&["BE", "FR"]);
    let chain = founded(&units);
    let mut draft = chain.compose_next(&adding(&Member::new("NL", 100))).unwrap();
    assert_eq!(draft.sign(&units[0].signers(), 2).unwrap(), [units[0].charter.key().name().clone()]);
}

#[test]
fn votes_are_kept_in_a_file_that_is_read_without_the_version_before() {
    let units = members(&["BE", "FR", "NL"]);
    let chain = founded(&units);
    let draft = signed(chain.compose_next(&removing("NL")).unwrap(), &all(&units));
    // NL leaves, so the text does not name its key.
    let read = UnverifiedCharter::parse(&draft.to_bytes()).unwrap();
    assert_eq!(read.to_bytes(), draft.to_bytes());
    assert_eq!(read.votes(), None);
    assert_eq!(chain.draft(read).unwrap(), draft);
    // Merged without the version before, they come together all the same.
    let parts: Vec<UnverifiedCharter> = units
        .iter()
        .map(|unit| {
            let part = signed(chain.compose_next(&removing("NL")).unwrap(), &[unit]);
            UnverifiedCharter::parse(&part.to_bytes()).unwrap()
        })
        .collect();
    let mut whole = parts[0].clone();
    whole.merge(&parts[1]).unwrap();
    whole.merge(&parts[2]).unwrap();
    assert_eq!(whole.to_bytes(), draft.to_bytes());
}

#[test]
fn a_vote_that_does_not_hold_refuses_the_whole() {
    let units = members(&["BE", "FR", "NL"]);
    let chain = founded(&units);
    let draft = signed(chain.compose_next(&removing("NL")).unwrap(), &all(&units));
    let note = Note::parse(&draft.to_bytes(), CHARTER_BYTES_MAX).unwrap();
    let mut bad = Note::draft(note.text().into()).unwrap();
    for mut line in note.signatures().iter().cloned() {
        if line.is_by(units[2].charter.key()) {
            line.bytes[5] ^= 1;
        }
        bad.add(line).unwrap();
    }
    let read = UnverifiedCharter::parse(&bad.to_bytes()).unwrap();
    assert!(
        matches!(chain.draft(read), Err(CharterError::BadSignature { key, .. }) if key == *units[2].charter.key().name())
    );
}

#[test]
fn lines_of_strangers_are_dropped_when_the_version_before_is_known() {
    let units = members(&["BE", "FR"]);
    let chain = founded(&units);
    let stranger = Member::new("XX", 100);
    let draft = signed(chain.compose_next(&removing("FR")).unwrap(), &all(&units));
    let mut note = Note::parse(&draft.to_bytes(), CHARTER_BYTES_MAX).unwrap();
    note.add(NoteSignature::sign(note.text(), &stranger.charter).unwrap()).unwrap();
    let read = UnverifiedCharter::parse(&note.to_bytes()).unwrap();
    assert_ne!(read.to_bytes(), draft.to_bytes());
    assert_eq!(chain.draft(read).unwrap().to_bytes(), draft.to_bytes());
}

#[test]
fn the_id_of_a_unit_that_left_is_never_given_again() {
    let units = members(&["BE", "FR", "NL"]);
    let mut chain = founded(&units);
    follow(&mut chain, &removing("NL"), &all(&units));
    let again = Member::new("NL", 100);
    let expected = SuccessionFault::UnitReturns { unit: id("NL"), left: 2 };
    assert_eq!(fault(chain.compose_next(&adding(&again))), expected);
    // Nor in a later version.
    follow(&mut chain, &adding(&Member::new("UK", 110)), &[&units[0], &units[1], &Member::new("UK", 110)]);
    assert_eq!(fault(chain.compose_next(&adding(&again))), SuccessionFault::UnitReturns { unit: id("NL"), left: 2 });
}

#[test]
fn a_public_key_is_used_once_by_one_unit_in_one_role() {
    let units = members(&["BE", "FR"]);
    let mut chain = founded(&units);
    let renewed = Member::new("BE", 100);
    follow(&mut chain, &updating(&renewed), &[&units[0], &units[1], &renewed]);
    // The old key of the same unit and role.
    let used = SuccessionFault::KeyUsed {
        key: units[0].charter.key().name().clone(),
        version: 1,
        stood: units[0].charter.key().name().clone(),
    };
    assert_eq!(fault(chain.compose_next(&updating(&units[0]))), used);
    // The old keys of another unit: NL's seeds are those of BE's first keys.
    let thief = Member::new("NL", 10);
    assert!(matches!(fault(chain.compose_next(&adding(&thief))), SuccessionFault::KeyUsed { version: 1, .. }));
    // In another role.
    let (network, nl) = (NETWORK.parse().unwrap(), id("NL"));
    let mut other = Member::new("NL", 110);
    other.log = MemorySigner::from_seed(KeyName::log(&network, &nl), Algorithm::Ed25519, &[10; 32]).unwrap();
    assert!(matches!(fault(chain.compose_next(&adding(&other))), SuccessionFault::KeyUsed { version: 1, .. }));
}

#[test]
fn a_ca_that_was_one_units_never_speaks_for_another() {
    let units = members(&["BE", "FR", "NL"]);
    let mut chain = founded(&units);
    follow(&mut chain, &removing("NL"), &all(&units));
    let mut new = Member::new("UK", 100);
    new.ca.clone_from(&units[2].ca);
    let expected = SuccessionFault::Ca { unit: id("UK"), stood: id("NL"), version: 1 };
    assert_eq!(fault(chain.compose_next(&adding(&new))), expected);
}

#[test]
fn the_rules_of_the_list_do_not_go_back() {
    let units = members(&["BE"]);
    let mut chain = founded(&units);
    follow(&mut chain, &Changes { fold: Some(3), ..Changes::default() }, &all(&units));
    let expected = SuccessionFault::Fold { found: 2, before: 3 };
    assert_eq!(fault(chain.compose_next(&Changes { fold: Some(2), ..Changes::default() })), expected);
}

#[test]
fn a_base_stands_with_a_new_log_key_alone() {
    let units = members(&["BE", "FR"]);
    let mut chain = founded(&units);
    let base = Base { size: Size::new(7).unwrap(), root: Hash::of(b"root") };
    let bases = BTreeMap::from([(id("BE"), base)]);
    let unchanged = Changes { bases: bases.clone(), ..Changes::default() };
    assert_eq!(fault(chain.compose_next(&unchanged)), SuccessionFault::Base(id("BE")));
    let joining = Member::new("NL", 110);
    let for_a_new = Changes { bases: BTreeMap::from([(id("NL"), base)]), ..adding(&joining) };
    assert_eq!(fault(chain.compose_next(&for_a_new)), SuccessionFault::Base(id("NL")));
    let renewed = Member::new("BE", 100);
    follow(&mut chain, &Changes { bases, ..updating(&renewed) }, &[&units[0], &units[1], &renewed]);
    assert_eq!(chain.newest().unit(&id("BE")).unwrap().base, Some(base));
    // The next version carries it no further.
    let addresses = BTreeMap::from([(id("FR"), vec![])]);
    let next = chain.compose_next(&Changes { addresses, ..Changes::default() }).unwrap();
    assert_eq!(next.terms().units[&id("BE")].base, None);
}

#[test]
fn a_quorum_that_does_not_fit_the_new_number_of_units_must_be_named_anew() {
    let units = members(&["BE", "FR", "NL", "UK"]);
    let mut chain = founded(&units);
    follow(&mut chain, &Changes { quorum: Some(Some(3)), ..Changes::default() }, &all(&units));
    assert_eq!(chain.newest().quorum().needed(), 3);
    assert!(matches!(chain.compose_next(&removing("UK")), Err(CharterError::Key { fault: Fault::Quorum { .. }, .. })));
    let back = Changes { quorum: Some(None), ..removing("UK") };
    assert_eq!(chain.compose_next(&back).unwrap().terms().quorum.needed(), 2);
}

#[test]
fn a_ca_that_is_replaced_stays_for_one_version() {
    let units = members(&["BE", "FR"]);
    let mut chain = founded(&units);
    let mut renewed = Member::new("BE", 10);
    renewed.ca = vec![0x30, 1, 99];
    follow(&mut chain, &updating(&renewed), &all(&units));
    assert_eq!(chain.newest().unit(&id("BE")).unwrap().ca, [renewed.ca.clone(), units[0].ca.clone()]);
    let addresses = BTreeMap::from([(id("FR"), vec!["fr.test:1".into()])]);
    follow(&mut chain, &Changes { addresses, ..Changes::default() }, &all(&units));
    assert_eq!(chain.newest().unit(&id("BE")).unwrap().ca, [renewed.ca]);
    assert_eq!(chain.newest().unit(&id("FR")).unwrap().addresses, ["fr.test:1"]);
}

#[test]
fn changes_of_nothing_or_of_nobody_are_refused() {
    let units = members(&["BE", "FR"]);
    let chain = founded(&units);
    let refused = |changes: Changes| match chain.compose_next(&changes) {
        Err(CharterError::Change(fault)) => fault,
        other => panic!("{other:?}"),
    };
    assert_eq!(refused(Changes::default()), ChangeFault::Nothing);
    assert_eq!(refused(updating(&units[0])), ChangeFault::Nothing);
    assert_eq!(refused(removing("UK")), ChangeFault::Absent(id("UK")));
    assert_eq!(refused(updating(&Member::new("UK", 100))), ChangeFault::Absent(id("UK")));
    assert_eq!(refused(adding(&units[1])), ChangeFault::Present(id("FR")));
}

#[test]
fn what_changed_is_told_in_words() {
    let units = members(&["BE", "FR", "NL"]);
    let chain = founded(&units);
    let renewed = Member::new("BE", 100);
    let changes_of = Changes {
        addresses: BTreeMap::from([(id("FR"), Vec::new())]),
        revoke: [Hash::of(b"key")].into(),
        remove: vec![id("NL")],
        ..updating(&renewed)
    };
    let next = chain.compose_next(&Changes { add: adding(&Member::new("UK", 110)).add, ..changes_of }).unwrap();
    let words: Vec<String> = changes(chain.newest().terms(), next.terms()).iter().map(ToString::to_string).collect();
    assert_eq!(
        words,
        [
            "version 2 after version 1",
            "UK joins: Unit UK",
            "NL leaves: Unit NL; its holds end, its other statements stay",
            "BE has another charter key",
            "BE has another log key",
            "BE has another mirror key",
            &format!("BE has a further CA (SHA-256 of the certificate {})", Hash::of(&renewed.ca)),
            "FR is reached at nowhere (it only dials), before at fr.takedown.example:7443",
            &format!("certificates with the key {} are not accepted any more", Hash::of(b"key")),
        ]
    );
    let smaller = chain.compose_next(&removing("NL")).unwrap();
    let words: Vec<String> = changes(chain.newest().terms(), smaller.terms()).iter().map(ToString::to_string).collect();
    assert!(words.contains(&"1 of 1 other units certify, before 2 of 2".to_owned()), "{words:?}");
}

#[test]
fn a_network_is_founded_anew_by_all_that_remain_with_a_base_for_each_log() {
    let units = members(&["BE", "FR", "NL"]);
    let chain = founded(&units);
    let base = |size| Base { size: Size::new(size).unwrap(), root: Hash::of(b"root") };
    let bases = BTreeMap::from([(id("BE"), base(3)), (id("FR"), base(9))]);
    let described: Vec<UnitDescription> = units[..2].iter().map(Member::describe).collect();
    let mut charter = chain.compose_refounding(&described, &bases, None).unwrap();
    assert_eq!((charter.terms().version, charter.terms().continues), (1, Some(chain.newest().digest())));
    assert!(matches!(charter.verify_first(), Err(CharterError::Unsigned(missing)) if missing.len() == 6));
    for unit in &units[..2] {
        charter.sign(&unit.signers(), 3).unwrap();
    }
    let refounded = charter.verify_first().unwrap();
    assert_eq!(refounded.unit(&id("FR")).unwrap().base, Some(base(9)));
    // A further attempt says the same under another number.
    let further = chain.compose_refounding(&described, &bases, None).unwrap().as_attempt(2).unwrap();
    assert_eq!((charter.attempt(), further.attempt(), further.terms()), (1, 2, charter.terms()));
    for (line, attempt) in [("# attempt 1", 1), ("# attempt 02", 1), ("#attempt 2", 1), ("# attempt 65536", 1)] {
        let text = further.text().replacen("# attempt 2", line, 1);
        assert_eq!(parse(&text).unwrap().attempt(), attempt, "{line}");
    }
    let text = further.text().replacen("# attempt 2\n", "\n# attempt 2\n", 1);
    assert_eq!(parse(&text).unwrap().attempt(), 1, "it is the first line or none");
    // It is no next version, and nobody takes it for one.
    assert_eq!(fault(chain.verify(charter.clone())), SuccessionFault::Version(1));
    let without = BTreeMap::from([(id("BE"), base(3))]);
    let refused = chain.compose_refounding(&described, &without, None);
    let expected = CharterError::Key { place: Place::Unit(id("FR")), key: "base".into(), fault: Fault::NoBase };
    assert_eq!(refused, Err(expected));
    let later = charter.text().replacen("version = 1", "version = 2", 1).replacen(
        "previous = \"\"",
        &format!("previous = \"{}\"", Hash::of(b"x")),
        1,
    );
    let expected = CharterError::Key { place: Place::Top, key: "continues".into(), fault: Fault::Continues };
    assert_eq!(parse(&later), Err(expected));
}

#[test]
fn a_next_version_is_refused_where_a_rule_of_its_text_is_broken() {
    let units = members(&["BE", "FR"]);
    let chain = founded(&units);
    let base = format!("base = \"3 {}\"", Hash::of(b"root"));
    let refused = fault(changed(&chain, &removing("FR"), "base = \"\"", &base));
    assert_eq!(refused, SuccessionFault::Base(id("BE")));
    let refused = fault(changed(&chain, &removing("FR"), "version = 2", "version = 3"));
    assert_eq!(refused, SuccessionFault::Version(3));
    // A log without entries has one root.
    let text = chain.compose_next(&removing("FR")).unwrap().text().replacen(
        "base = \"\"",
        &format!("base = \"0 {}\"", Hash::of(b"root")),
        1,
    );
    assert!(matches!(parse(&text), Err(CharterError::Key { fault: Fault::NotABase, .. })));
}
