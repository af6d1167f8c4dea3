//! Any alteration of a charter's file is refused and named.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::succession::{adding, all, follow, founded, members};
use super::*;
use crate::alteration::{alter_lines, each_seed, flip};
use crate::ids::Size;

/// A network and the notes of its versions: founded by four; a fifth joins, with a vote to spare; a unit renews its keys;
/// founded anew by three.
struct Versions {
    notes: Vec<Vec<u8>>,
    /// What is known once so many of them are: the first, the first two, and so on.
    known: Vec<CharterChain>,
}

fn versions() -> Versions {
    let mut units = members(&["BE", "FR", "NL", "UK", "US"]);
    let mut chain = founded(&units[..4]);
    let mut known = vec![chain.clone()];
    follow(&mut chain, &adding(&units[4]), &all(&units));
    known.push(chain.clone());
    let renewed = Member::new("BE", 100);
    let before = std::mem::replace(&mut units[0], renewed);
    let changes = Changes { update: vec![units[0].describe()], ..Changes::default() };
    follow(&mut chain, &changes, &[&before, &units[0], &units[1], &units[2], &units[3], &units[4]]);
    known.push(chain.clone());
    let described: Vec<UnitDescription> = units[..3].iter().map(Member::describe).collect();
    let base = |number| Base { size: Size::new(number).unwrap(), root: Hash::of(b"root") };
    let bases = units[..3].iter().zip(1..).map(|(unit, number)| (unit.id.clone(), base(number)));
    let mut anew = chain.compose_refounding(&described, &bases.collect::<BTreeMap<_, _>>(), None).unwrap();
    for unit in &units[..3] {
        anew.sign(&unit.signers(), 3).unwrap();
    }
    chain.refound(&anew).unwrap();
    let notes = chain.all().map(|charter| charter.note().to_vec()).collect();
    known.push(chain);
    Versions { notes, known }
}

impl Versions {
    fn whole(&self) -> &CharterChain {
        self.known.last().unwrap()
    }

    /// Verifies them with one altered: those before it are known already.
    fn read(&self, altered: usize, bytes: &[u8]) -> Result<CharterChain, CharterError> {
        let later = self.notes.iter().skip(altered + 1).map(Vec::as_slice);
        let notes = std::iter::once(bytes).chain(later);
        let Some(before) = altered.checked_sub(1) else { return CharterChain::read(notes) };
        let mut chain = self.known[before].clone();
        for note in notes {
            chain.follow_written(note)?;
        }
        Ok(chain)
    }
}

/// The key names of the signature lines among these lines of a note.
fn signers<'a>(note: &'a str, lines: &[usize]) -> Vec<&'a str> {
    let of = |line: &usize| note.split_inclusive('\n').nth(*line)?.strip_prefix("\u{2014} ")?.split(' ').next();
    lines.iter().filter_map(of).collect()
}

/// Whether these words name what was altered. In a text, which is signed as a whole, that is the rule which it breaks, or the
/// first signature that does not hold over it; in the signatures the key, or the line or one behind it.
fn names(words: &str, note: &str, lines: &[usize]) -> bool {
    let near: Vec<usize> = lines.iter().flat_map(|line| [*line, line + 1]).collect();
    let signers = signers(note, &near);
    let rules = ["signature", "signed", "line ", "line feed", "TOML", "UTF-8", "unit", "key", "version", "`"];
    // Where the empty line before them is gone, they are read as lines of the text.
    let form = ["UTF-8", "U+", "of the signatures", "line feed", "last line", "signature line by", "TOML: line"];
    let in_text = lines.iter().any(|line| self::signers(note, &[*line]).is_empty());
    let in_signatures = !signers.is_empty() && signers.iter().chain(&form).any(|place| words.contains(place));
    in_signatures || in_text && rules.iter().any(|place| words.contains(place))
}

#[test]
fn one_flipped_bit_in_any_version_is_refused_and_named() {
    let versions = versions();
    assert_eq!(CharterChain::read(&versions.notes).as_ref(), Ok(versions.whole()));
    each_seed(500, |seed, chance| {
        let which = chance.below(versions.notes.len());
        let note = &versions.notes[which];
        let mut bytes = note.clone();
        let (line, how) = flip(&mut bytes, chance);
        match versions.read(which, &bytes) {
            Err(fault) => {
                let (words, note) = (fault.to_string(), std::str::from_utf8(note).unwrap());
                assert!(names(&words, note, &[line]), "seed {seed}, note {which}: {how}: {words}");
            }
            Ok(_) => panic!("seed {seed}, note {which}: {how} is not refused"),
        }
    });
}

/// The signatures of the version with a vote to spare: what is not needed is no place to hide in either.
#[test]
fn one_flipped_bit_in_any_signature_is_refused() {
    let versions = versions();
    let note = &versions.notes[1];
    let text = std::str::from_utf8(note).unwrap().rfind("\n\n").unwrap();
    each_seed(500, |seed, chance| {
        let mut bytes = note.clone();
        let (_, how) = flip(&mut bytes[text..], chance);
        assert!(versions.read(1, &bytes).is_err(), "seed {seed}: {how}, from the text's end on");
    });
}

#[test]
fn deleted_doubled_swapped_or_cut_lines_are_refused_and_named_but_for_whole_votes_to_spare() {
    let versions = versions();
    let spared = AtomicUsize::new(0);
    each_seed(400, |seed, chance| {
        let which = chance.below(versions.notes.len());
        let mut bytes = versions.notes[which].clone();
        let Some((lines, how)) = alter_lines(&mut bytes, chance) else { return };
        let note = std::str::from_utf8(&versions.notes[which]).unwrap();
        match versions.read(which, &bytes) {
            Err(fault) => {
                let words = fault.to_string();
                assert!(names(&words, note, &lines), "seed {seed}, note {which}: {how}: {words}");
            }
            Ok(read) => {
                // The text is what it was, and enough have signed: that somebody else did, too, no signature says.
                let vote = signers(note, &lines).iter().all(|name| name.ends_with("/charter"));
                let digests = |chain: &CharterChain| chain.all().map(|charter| charter.digest()).collect::<Vec<_>>();
                let same = digests(&read) == digests(versions.whole()) && bytes.len() < note.len();
                assert!(vote && which > 0 && same, "seed {seed}, note {which}: {how} is not refused");
                spared.fetch_add(1, Ordering::Relaxed);
            }
        }
    });
    assert!(spared.into_inner() < 20, "it is the exception");
}

#[test]
fn a_version_that_is_missing_doubled_or_in_anothers_place_is_refused() {
    let notes = versions().notes;
    for at in 0..notes.len() {
        let mut without = notes.clone();
        without.remove(at);
        // Whoever was shown fewer versions learns of the newest from elsewhere.
        assert_eq!(CharterChain::read(&without).is_ok(), at + 1 == notes.len(), "without {at}");
        let mut doubled = notes.clone();
        doubled.insert(at, notes[at].clone());
        assert!(CharterChain::read(&doubled).is_err(), "{at} twice");
        for other in at + 1..notes.len() {
            let mut swapped = notes.clone();
            swapped.swap(at, other);
            assert!(CharterChain::read(&swapped).is_err(), "{at} and {other}");
        }
    }
}

#[test]
fn a_line_that_nobody_accounts_for_is_named() {
    let versions = versions();
    let stray = "\u{2014} witness.example/w1 AAAAAAAA\n";
    let with = [versions.notes[1].as_slice(), stray.as_bytes()].concat();
    assert_eq!(versions.read(1, &with), Err(CharterError::Stray("witness.example/w1".parse().unwrap())));
    let note = Note::parse(&versions.notes[1], CHARTER_BYTES_MAX).unwrap();
    let mut lines = note.signatures().to_vec();
    lines.reverse();
    let turned = Note::assemble(note.text().into(), lines).to_bytes();
    assert_eq!(versions.read(1, &turned), Err(CharterError::Order));
}
