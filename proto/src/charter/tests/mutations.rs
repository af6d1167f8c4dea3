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

/// The key of the TOML line that stands there, or that the line goes on with.
fn key_of(text: &str, line: usize) -> Option<&str> {
    let lines: Vec<&str> = text.split_inclusive('\n').take(line + 1).collect();
    lines.iter().rev().find_map(|line| Some(line.split_once(" = ")?.0.trim()))
}

/// Whether a fault is one that an alteration of these lines, from 0, makes, and says where. In a text, which is signed as a whole,
/// that is the rule which the line breaks, or a signature that does not hold over it; in the signatures the key, or the line or
/// one behind it.
fn is_meant(fault: &CharterError, note: &str, altered: &[u8], lines: &[usize]) -> bool {
    let altered = String::from_utf8_lossy(altered);
    let near: Vec<usize> = lines.iter().flat_map(|line| [*line, line + 1]).collect();
    let end = note.split_inclusive('\n').collect::<Vec<_>>().iter().rposition(|line| *line == "\n").unwrap();
    let in_text = lines.iter().any(|line| *line <= end);
    let in_signatures = near.iter().any(|line| *line > end);
    let all: Vec<usize> = (end + 1..note.lines().count()).collect();
    let signed = |key: &KeyName, lines: &[usize]| signers(note, lines).contains(&key.as_str());
    // Behind the end of a text that is cut there is no line.
    let says_line =
        |line: usize| near.contains(&line) || near.contains(&line.saturating_sub(1)) || line > altered.lines().count();
    let of_key =
        |key: &str| near.iter().any(|line| [key_of(note, *line), key_of(&altered, *line)].contains(&Some(key)));
    let has = |text: &str, part: &str| {
        lines.iter().any(|line| text.lines().nth(*line).is_some_and(|line| line.contains(part)))
    };
    let of_table = has(note, "[[unit]]") || has(&altered, "[[unit]]");
    // Of a table, or of a text of several lines, a later line is the first that cannot stand there.
    let opens = of_table || has(note, "\"\"\"");
    match fault {
        CharterError::BadSignature { key, .. } => signed(key, if in_text { &all } else { &near }),
        CharterError::Unsigned(missing) => missing.iter().any(|key| signed(key, &near)),
        CharterError::Stray(key) => signers(&altered, &near).contains(&key.as_str()),
        CharterError::Order => in_signatures,
        CharterError::Note(NoteError::Duplicate(key)) => signed(key, &near),
        CharterError::Note(NoteError::Line(line) | NoteError::Name(line, _)) => {
            in_signatures && (says_line(end + line) || in_text)
        }
        CharterError::Note(NoteError::SignatureLength { key, .. }) => signed(key, &near),
        CharterError::NotUtf8 => std::str::from_utf8(altered.as_bytes()).is_ok() && altered.contains('\u{fffd}'),
        CharterError::Character { line, .. } | CharterError::Ambiguous { line, .. } => says_line(line - 1),
        CharterError::NoFinalLineFeed => !altered.ends_with('\n') || in_text,
        CharterError::Toml(words) => {
            let line = words
                .split_once("line ")
                .and_then(|(_, rest)| rest.split(|c: char| !c.is_ascii_digit()).next()?.parse::<usize>().ok());
            // Where the empty line before them is gone, signatures are read as lines of the text.
            let later = |line: usize| opens && lines.iter().any(|at| line > *at);
            let again = |line| words.contains("duplicate key") && key_of(&altered, line).is_some_and(of_key);
            line.is_some_and(|line| says_line(line - 1) || later(line) || again(line - 1) || (in_text && line > end))
        }
        CharterError::NoUnits => !altered.contains("[[unit]]"),
        // A key's name has that of the network and of the unit in it.
        CharterError::Key { fault: Fault::KeyName { .. }, .. } if of_key("network") || of_key("id") => true,
        CharterError::Key { key, .. } => of_key(key) || of_table || has(&altered, &format!("[[{key}]]")),
        CharterError::NotFirst(_) => of_key("version"),
        CharterError::UnitTwice(_) => of_key("id"),
        CharterError::KeyTwice { .. } => ["charter_key", "log_key", "mirror_key"].iter().any(|key| of_key(key)),
        CharterError::CaTwice { .. } => of_key("ca"),
        CharterError::Succession { fault, .. } => match fault {
            SuccessionFault::Version(_) => of_key("version"),
            SuccessionFault::Previous { .. } => of_key("previous"),
            SuccessionFault::Continues { .. } => of_key("continues"),
            SuccessionFault::Fold { .. } => of_key("fold"),
            SuccessionFault::Unsigned(missing) => missing.iter().any(|key| signed(key, &near)),
            SuccessionFault::Votes { open, .. } => open
                .iter()
                .any(|unit| signers(note, &near).iter().any(|key| key.ends_with(&format!("/{unit}/charter")))),
            _ => false,
        },
        _ => false,
    }
}

#[test]
fn a_fault_of_another_place_is_not_taken_for_the_one_that_is_meant() {
    let notes = versions().notes;
    let note = std::str::from_utf8(&notes[0]).unwrap();
    let line_of = |begin: &str| note.lines().position(|line| line.starts_with(begin)).unwrap();
    let (fold, first) = (line_of("fold = "), line_of("\u{2014} "));
    let key = |line: usize| -> KeyName { signers(note, &[line])[0].parse().unwrap() };
    let meant = |fault: &CharterError, line: usize| is_meant(fault, note, note.as_bytes(), &[line]);
    let bad = |line: usize| CharterError::BadSignature { key: key(line), reason: NoteError::BadSignature(key(line)) };
    let of_key = |key: &str| CharterError::Key { place: Place::Top, key: key.into(), fault: Fault::Unknown };
    // In the text any signature does not hold over it; in the signatures only the one that was altered.
    assert!(meant(&bad(first + 5), fold) && meant(&bad(first), first) && !meant(&bad(first + 5), first));
    assert!(meant(&of_key("fold"), fold) && !meant(&of_key("addresses"), fold) && !meant(&of_key("fold"), first + 3));
    assert!(
        meant(&CharterError::Unsigned(vec![key(first)]), first)
            && !meant(&CharterError::Unsigned(vec![key(first)]), fold)
    );
    assert!(!meant(&CharterError::Order, fold) && !meant(&CharterError::NotFirst(2), fold));
    assert!(!meant(&CharterError::Toml("line 1: key with no value".into()), fold + 4));
    assert!(!meant(&CharterError::NoUnits, fold) && !meant(&CharterError::NotUtf8, fold));
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
                let note = std::str::from_utf8(note).unwrap();
                assert!(is_meant(&fault, note, &bytes, &[line]), "seed {seed}, note {which}: {how}: {fault}");
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
                assert!(is_meant(&fault, note, &bytes, &lines), "seed {seed}, note {which}: {how}: {fault}");
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
