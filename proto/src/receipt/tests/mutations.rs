//! Any alteration of a receipt is refused and named.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::alteration::{alter_lines, each_seed, flip};

/// Receipts of records of several kinds, in logs of several sizes, with as many cosignatures as are needed and more.
fn receipts() -> Vec<UnverifiedReceipt> {
    let long: Vec<Body> = (0..70).map(|number| refer(&format!("domain:a{number}.example"))).collect();
    let (long, short) = (entries(long), entries(vec![refer("domain:a.example")]));
    vec![
        receipt(),
        receipt_of("BE", &log(), 2, &["FR", "NL", "UK"]),
        receipt_of("FR", &long, 63, &["BE", "UK"]),
        receipt_of("UK", &long, 69, &["BE", "FR", "NL"]),
        receipt_of("NL", &short, 0, &["BE", "FR", "UK"]),
    ]
}

/// Whether a fault is one that an alteration of these lines, from 0, makes, and says where: of what stands in one of them, or in
/// the one behind it.
fn is_meant(fault: &ReceiptError, text: &str, altered: &[u8], lines: &[usize]) -> bool {
    let altered = String::from_utf8_lossy(altered);
    let all: Vec<&str> = text.split_inclusive('\n').collect();
    let empty = all.iter().position(|line| *line == "\n").unwrap();
    let near: Vec<usize> = lines.iter().flat_map(|line| [*line, line + 1]).collect();
    let is_near = |places: std::ops::RangeInclusive<usize>| near.iter().any(|line| places.contains(line));
    let key_in = |text: &str, key: &KeyName| {
        let of =
            |line: &str| line.strip_prefix("\u{2014} ").and_then(|line| line.split(' ').next()) == Some(key.as_str());
        near.iter().any(|line| text.split_inclusive('\n').nth(*line).is_some_and(of))
    };
    let author = || all[empty + 5].split(' ').nth(1).unwrap();
    // The record is found by its index, the hashes of the proof, and the size and root of the checkpoint.
    let proof = 1..=empty;
    let body = empty..=empty + 4;
    let signatures = empty + 5..=all.len();
    match fault {
        ReceiptError::NotUtf8(at) => {
            is_near(altered[..*at].matches('\n').count()..=altered[..*at].matches('\n').count())
        }
        ReceiptError::CarriageReturn => altered.contains('\r'),
        ReceiptError::Format => is_near(0..=0),
        ReceiptError::NoExtra | ReceiptError::ExtraBase64 | ReceiptError::ExtraLength(_) => is_near(1..=1),
        ReceiptError::Entry(_) | ReceiptError::SetAside(_) => is_near(1..=1),
        ReceiptError::Index => is_near(2..=2),
        ReceiptError::Hash(line) => is_near(*line - 1..=*line - 1),
        ReceiptError::TooManyHashes | ReceiptError::NoCheckpoint => is_near(proof),
        ReceiptError::NotInLog { .. } => is_near(proof),
        ReceiptError::UnknownLog(_) => is_near(body),
        ReceiptError::UnknownSigner(key) => key_in(&altered, key),
        ReceiptError::SignatureOrder => is_near(signatures),
        ReceiptError::Checkpoint(CheckpointError::Note(fault)) => match fault {
            NoteError::BadSignature(key) => key_in(text, key) || key.as_str() == author() && is_near(body),
            NoteError::Unsigned(key) | NoteError::Duplicate(key) | NoteError::SignatureLength { key, .. } => {
                key_in(text, key)
            }
            NoteError::Line(line) | NoteError::Name(line, _) => is_near(empty + 4 + line..=empty + 4 + line),
            NoteError::NoSignatureBlock | NoteError::NoSignatures | NoteError::Text => is_near(body),
            NoteError::Unterminated => !altered.ends_with('\n'),
            NoteError::Control(_) => altered.bytes().any(|byte| byte < 0x20 && byte != b'\n'),
            _ => false,
        },
        // Its three lines.
        ReceiptError::Checkpoint(_) => is_near(body),
        _ => false,
    }
}

#[test]
fn a_fault_of_another_place_is_not_taken_for_the_one_that_is_meant() {
    let whole = receipt().to_bytes();
    let text = std::str::from_utf8(&whole).unwrap();
    let empty = text.lines().position(str::is_empty).unwrap();
    let key = |line: usize| -> KeyName { text.lines().nth(line).unwrap().split(' ').nth(1).unwrap().parse().unwrap() };
    let bad = |line: usize| ReceiptError::Checkpoint(CheckpointError::Note(NoteError::BadSignature(key(line))));
    let meant = |fault: &ReceiptError, line: usize| is_meant(fault, text, &whole, &[line]);
    let (author, partner) = (empty + 5, empty + 6);
    // Over other lines of the checkpoint the author's signature does not hold, and that of a partner is not looked at.
    assert!(meant(&bad(author), empty + 2) && !meant(&bad(partner), empty + 2) && !meant(&bad(author), 1));
    assert!(meant(&bad(partner), partner) && !meant(&bad(author), partner));
    assert!(!meant(&ReceiptError::Format, author) && !meant(&ReceiptError::SignatureOrder, 0));
    assert!(!meant(&ReceiptError::ExtraBase64, empty + 2) && !meant(&ReceiptError::CarriageReturn, 0));
    assert!(meant(&ReceiptError::Hash(4), 3) && !meant(&ReceiptError::Hash(4), empty + 2));
}

#[test]
fn one_flipped_bit_anywhere_is_refused_and_named() {
    let (receipts, charter) = (receipts(), charter());
    each_seed(500, |seed, chance| {
        let whole = receipts[chance.below(receipts.len())].to_bytes();
        let mut bytes = whole.clone();
        let (line, how) = flip(&mut bytes, chance);
        match UnverifiedReceipt::parse(&bytes).and_then(|receipt| receipt.verify(&charter)) {
            Err(fault) => {
                let text = std::str::from_utf8(&whole).unwrap();
                assert!(is_meant(&fault, text, &bytes, &[line]), "seed {seed}: {how}: {fault}");
            }
            Ok(_) => panic!("seed {seed}: {how} is not refused"),
        }
    });
}

#[test]
fn deleted_doubled_swapped_or_cut_lines_are_refused_and_named_but_for_whole_cosignatures() {
    let (receipts, charter) = (receipts(), charter());
    let fewer = AtomicUsize::new(0);
    each_seed(400, |seed, chance| {
        let receipt = &receipts[chance.below(receipts.len())];
        let (whole, mut bytes) = (receipt.to_bytes(), receipt.to_bytes());
        let Some((lines, how)) = alter_lines(&mut bytes, chance) else { return };
        let text = std::str::from_utf8(&whole).unwrap();
        match UnverifiedReceipt::parse(&bytes).and_then(|receipt| receipt.verify(&charter)) {
            Err(fault) => {
                assert!(is_meant(&fault, text, &bytes, &lines), "seed {seed}: {how}: {fault}");
            }
            // What the unit said stands by its own signature. That another partner, too, has cosigned no signature tells.
            Ok(read) => {
                let before = receipt.verify(&charter).unwrap();
                assert_eq!((read.id(), read.entry()), (before.id(), before.entry()), "seed {seed}: {how}");
                let (left, all) = (read.checkpoint().cosignatures(), before.checkpoint().cosignatures());
                assert!(left.len() < all.len(), "seed {seed}: {how} is not refused");
                assert!(left.iter().all(|(unit, said)| all.get(unit) == Some(said)), "seed {seed}: {how}");
                // Where it was one of those that are needed, that is told.
                assert_eq!(read.certified().is_ok(), left.len() >= 2, "seed {seed}: {how}");
                fewer.fetch_add(1, Ordering::Relaxed);
            }
        }
    });
    assert!(fewer.into_inner() < 80, "it is the exception");
}

#[test]
fn a_piece_of_one_receipt_in_another_is_refused() {
    let (receipts, charter) = (receipts(), charter());
    for (at, one) in receipts.iter().enumerate() {
        for other in receipts.iter().skip(at + 1).filter(|other| *other != one) {
            let with = |change: fn(&mut UnverifiedReceipt, &UnverifiedReceipt)| {
                let mut mixed = one.clone();
                change(&mut mixed, other);
                // Two may have a piece in common: receipts of one log and of one size have the checkpoint.
                (mixed != *one).then(|| mixed.verify(&charter))
            };
            let mixed = [
                with(|mixed, other| mixed.leaf = other.leaf.clone()),
                with(|mixed, other| mixed.body = other.body.clone()),
                with(|mixed, other| mixed.proof = other.proof.clone()),
                with(|mixed, other| mixed.index = other.index),
            ];
            assert!(mixed.into_iter().flatten().all(|read| read.is_err()), "of {at}");
        }
    }
}
