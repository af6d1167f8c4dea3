//! What units say of charters to come, put together.

use super::succession::{adding, all, follow, founded, id, members, removing, signed};
use super::*;
use crate::ids::RecordId;
use crate::limits::APPROVE_SIGNATURES_MAX;
use crate::wire::record::Body;
use crate::wire::{Approve, Propose};

fn at(unit: &str, index: u64) -> RecordId {
    RecordId { unit: id(unit), index }
}

fn propose(charter: &UnverifiedCharter) -> Body {
    Body::Propose(Propose { text: charter.text().into(), digest: charter.digest().0.to_vec() })
}

fn approve(charter: &UnverifiedCharter, signatures: Vec<String>) -> Body {
    Body::Approve(Approve { digest: charter.digest().0.to_vec(), signatures })
}

/// The lines that this unit's keys put under a text.
fn lines(draft: &UnverifiedCharter, member: &Member) -> Vec<String> {
    signed(draft.clone(), &[member]).signature_lines()
}

fn ids(ids: &[RecordId]) -> Vec<String> {
    ids.iter().map(ToString::to_string).collect()
}

#[test]
fn the_last_signature_that_is_due_puts_a_charter_in_force_in_whatever_order_records_come() {
    let units = members(&["BE", "FR", "NL"]);
    let chain = founded(&units);
    let draft = chain.compose_next(&removing("NL")).unwrap();
    let mut records = vec![(at("BE", 3), propose(&draft))];
    for (unit, index) in units.iter().zip(5..) {
        records.push((RecordId { unit: unit.id.clone(), index }, approve(&draft, lines(&draft, unit))));
    }
    for first in 0..records.len() {
        let mut proposals = Proposals::new(chain.clone());
        records.rotate_left(first);
        for (number, (record, body)) in records.iter().enumerate() {
            assert_eq!(proposals.complete(), None, "after {number} records");
            proposals.take(record, body).unwrap();
            // A record that is read again changes nothing.
            proposals.take(record, body).unwrap();
        }
        let charter = proposals.complete().unwrap();
        assert_eq!((charter.digest(), charter.version()), (draft.digest(), 2));
        assert_eq!(proposals.complete(), None, "it is given out once");
        let mut chain = chain.clone();
        chain.push(charter).unwrap();
        proposals.follow(chain);
        assert_eq!(proposals.open().count(), 0);
        assert_eq!(proposals.take(&at("FR", 9), &approve(&draft, vec![])), Err(Ignored::Settled(2)));
    }
}

#[test]
fn units_see_who_approves_and_who_has_signed_and_which_keys_are_due() {
    let units = members(&["BE", "FR", "NL"]);
    let joining = Member::new("UK", 100);
    let chain = founded(&units);
    let draft = chain.compose_next(&adding(&joining)).unwrap();
    let mut proposals = Proposals::new(chain);
    proposals.take(&at("BE", 3), &propose(&draft)).unwrap();
    proposals.take(&at("FR", 1), &approve(&draft, vec![])).unwrap();
    proposals.take(&at("FR", 2), &approve(&draft, lines(&draft, &units[1]))).unwrap();
    // Whoever joins has no log yet: another unit brings its lines.
    let [one, two, three] = lines(&draft, &joining).try_into().unwrap();
    proposals.take(&at("BE", 4), &approve(&draft, vec![one, two])).unwrap();
    let open: Vec<Proposal<'_>> = proposals.open().collect();
    let [proposal] = open.as_slice() else { panic!("{open:?}") };
    assert_eq!(
        (ids(&proposal.proposed), ids(&proposal.approved)),
        (vec!["BE/3".into()], vec!["BE/4".into(), "FR/1".into()])
    );
    let charter = proposal.charter.unwrap();
    assert_eq!(charter.votes().unwrap().given, [id("FR")]);
    assert_eq!(charter.missing().len(), 1);
    assert_eq!(charter.due_of(&id("UK")).len(), 1);
    assert_eq!(charter.due_of(&id("NL")), [units[2].charter.key().name().clone()]);
    assert!(charter.due_of(&id("FR")).is_empty() && !proposal.hopeless());
    assert_eq!(proposals.digest_of(&at("BE", 3)), Some(draft.digest()));
    assert_eq!(proposals.digest_of(&at("FR", 3)), None);
    assert_eq!(proposals.signed_by(&id("FR"), 2), Some(draft.digest()));
    assert_eq!(proposals.signed_by(&id("BE"), 2), None);
    proposals.take(&at("NL", 1), &approve(&draft, [vec![three], lines(&draft, &units[2])].concat())).unwrap();
    proposals.take(&at("BE", 5), &approve(&draft, lines(&draft, &units[0]))).unwrap();
    assert!(proposals.complete().is_some());
}

#[test]
fn lines_over_another_text_forged_lines_and_lines_of_strangers_bring_nothing() {
    let units = members(&["BE", "FR"]);
    let chain = founded(&units);
    let (draft, other) =
        (chain.compose_next(&removing("FR")).unwrap(), chain.compose_next(&adding(&Member::new("NL", 100))).unwrap());
    let mut proposals = Proposals::new(chain);
    proposals.take(&at("BE", 0), &propose(&draft)).unwrap();
    let forged = lines(&draft, &units[1])[0].replace("A", "B");
    let stranger = lines(&other, &Member::new("NL", 100));
    let no_line = vec!["nothing".to_owned(), String::new()];
    for bad in [lines(&other, &units[0]), vec![forged], stranger, no_line] {
        let said = proposals.take(&at("FR", 1), &approve(&draft, bad.clone()));
        assert!(matches!(said, Err(Ignored::BadLines { .. })), "{bad:?}: {said:?}");
    }
    let charter = proposals.find(&draft.digest()).unwrap().charter.unwrap();
    assert_eq!(charter.votes().unwrap().given, []);
    // What held beside them counts all the same.
    let mixed = [vec!["nothing".to_owned()], lines(&draft, &units[0]), lines(&draft, &units[1])].concat();
    assert!(proposals.take(&at("FR", 2), &approve(&draft, mixed)).is_err());
    assert!(proposals.complete().is_some());
}

#[test]
fn a_split_vote_shows_before_it_is_stuck() {
    let units = members(&["BE", "FR", "NL", "UK"]);
    let chain = founded(&units);
    let (one, two) = (chain.compose_next(&removing("UK")).unwrap(), chain.compose_next(&removing("BE")).unwrap());
    let mut proposals = Proposals::new(chain);
    proposals.take(&at("BE", 0), &propose(&one)).unwrap();
    proposals.take(&at("UK", 0), &propose(&two)).unwrap();
    let hopeless = |proposals: &Proposals| proposals.open().filter(Proposal::hopeless).count();
    for (unit, text, stuck) in [(0, &one, 0), (3, &two, 0), (1, &one, 1), (2, &two, 2)] {
        let unit = &units[unit];
        proposals.take(&RecordId { unit: unit.id.clone(), index: 7 }, &approve(text, lines(text, unit))).unwrap();
        assert_eq!(hopeless(&proposals), stuck, "after {}", unit.id);
    }
    let elsewhere = proposals.find(&one.digest()).unwrap().elsewhere;
    assert_eq!(elsewhere, [id("NL"), id("UK")].into());
}

#[test]
fn of_two_texts_that_have_all_signatures_none_is_taken() {
    let units = members(&["BE", "FR"]);
    let chain = founded(&units);
    let (one, two) = (chain.compose_next(&removing("FR")).unwrap(), chain.compose_next(&removing("BE")).unwrap());
    let mut proposals = Proposals::new(chain);
    for (text, index) in [(&one, 1), (&two, 2)] {
        proposals.take(&at("BE", index), &propose(text)).unwrap();
        let both = [lines(text, &units[0]), lines(text, &units[1])].concat();
        proposals.take(&at("BE", index + 2), &approve(text, both)).unwrap();
    }
    assert_eq!(proposals.complete(), None);
}

#[test]
fn what_is_said_of_a_version_beyond_the_next_waits_for_those_before_it() {
    let units = members(&["BE", "FR", "NL", "UK"]);
    let mut ahead = founded(&units);
    let mut proposals = Proposals::new(ahead.clone());
    follow(&mut ahead, &removing("UK"), &all(&units));
    let third = ahead.compose_next(&removing("NL")).unwrap();
    proposals.take(&at("BE", 4), &propose(&third)).unwrap();
    for unit in &units[..3] {
        proposals.take(&RecordId { unit: unit.id.clone(), index: 5 }, &approve(&third, lines(&third, unit))).unwrap();
    }
    assert!(proposals.find(&third.digest()).unwrap().fault.unwrap().contains("version 2"));
    assert_eq!(proposals.complete(), None);
    proposals.follow(ahead);
    assert_eq!(proposals.complete().unwrap().digest(), third.digest());
}

#[test]
fn what_one_unit_writes_takes_a_bounded_room() {
    let units = members(&["BE", "FR", "NL"]);
    let chain = founded(&units);
    let mut proposals = Proposals::new(chain.clone());
    let text = |number: u8| {
        let changes = Changes { revoke: [Hash([number; 32])].into(), ..Changes::default() };
        chain.compose_next(&changes).unwrap()
    };
    let first = text(0);
    proposals.take(&at("BE", 0), &propose(&first)).unwrap();
    proposals.take(&at("FR", 0), &approve(&first, vec![])).unwrap();
    for number in 1..=200_u8 {
        let taken = proposals.take(&at("BE", number.into()), &propose(&text(number)));
        let room = usize::from(number) < DRAFTS_OF_A_UNIT_MAX;
        assert_eq!(taken, if room { Ok(()) } else { Err(Ignored::TooMany(id("BE"))) }, "text {number}");
    }
    // What FR approves stays, whatever BE writes.
    assert_eq!(proposals.open().count(), TEXTS_OF_A_UNIT_MAX + 1);
    assert!(proposals.find(&first.digest()).unwrap().charter.is_some());
    // Lines that do not hold are looked at so often and no more; then good ones of that unit are not either.
    let junk: Vec<String> = (0..APPROVE_SIGNATURES_MAX).map(|_| lines(&text(1), &units[2])[0].clone()).collect();
    for index in 0..BAD_LINES_OF_A_UNIT_MAX as u64 {
        assert!(proposals.take(&at("NL", index), &approve(&first, junk[..1].to_vec())).is_err());
    }
    assert!(proposals.take(&at("NL", 999), &approve(&first, lines(&first, &units[2]))).is_err());
    assert!(proposals.take(&at("FR", 999), &approve(&first, lines(&first, &units[2]))).is_ok());
    // Lines for a text that nobody has shown wait, and not without end.
    let unseen = text(201);
    for index in 0..10 {
        let wait: Vec<String> = (0..100_u8).map(|n| format!("\u{2014} x+{index}{n} AAAAAAAA")).collect();
        _ = proposals.take(&at("FR", index), &approve(&unseen, wait));
    }
    assert!(proposals.find(&unseen.digest()).unwrap().charter.is_none());
}

#[test]
fn who_has_no_say_is_not_heard_and_a_note_is_no_text() {
    let units = members(&["BE", "FR"]);
    let chain = founded(&units);
    let draft = chain.compose_next(&removing("FR")).unwrap();
    let mut proposals = Proposals::new(chain.clone());
    assert_eq!(proposals.take(&at("NL", 0), &propose(&draft)), Err(Ignored::NotAMember(id("NL"))));
    let note = signed(draft.clone(), &all(&units)).to_bytes();
    let digest = Hash::of(&note);
    let body = Body::Propose(Propose { text: note, digest: digest.0.to_vec() });
    proposals.take(&at("BE", 0), &body).unwrap();
    assert!(proposals.find(&digest).unwrap().fault.unwrap().contains("more than"));
    assert_eq!(proposals.complete(), None);
    // A version that is settled is nobody's to propose.
    let first = Body::Propose(Propose { text: b"x".to_vec(), digest: chain.newest().digest().0.to_vec() });
    assert_eq!(proposals.take(&at("BE", 1), &first), Err(Ignored::Settled(1)));
    // People may bring a text that is too long for a record: what others say of it comes together here.
    let digest = draft.digest();
    proposals.take(&at("BE", 2), &Body::Propose(Propose { text: vec![], digest: digest.0.to_vec() })).unwrap();
    proposals.take(&at("FR", 2), &approve(&draft, lines(&draft, &units[1]))).unwrap();
    assert!(proposals.find(&digest).unwrap().fault.unwrap().contains("too long"));
    proposals.bring(&id("BE"), signed(draft, &[&units[0]])).unwrap();
    assert_eq!(proposals.complete().unwrap().digest(), digest);
}
