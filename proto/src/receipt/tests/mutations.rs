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

/// Whether the words of a refusal name what stands in these lines, from 0, or in those behind them.
fn names(words: &str, text: &str, lines: &[usize]) -> bool {
    let all: Vec<&str> = text.split_inclusive('\n').collect();
    let empty = all.iter().position(|line| *line == "\n").unwrap();
    let place = |line: usize| -> Vec<&str> {
        match line {
            0 => vec!["first line"],
            1 => vec!["`extra`", "the record in it"],
            2 => vec!["third line", "the record in it does not stand at index"],
            line if line <= empty => {
                vec!["line ", "the record in it does not stand at index", "no empty line", "hashes"]
            }
            // The checkpoint's three lines and the empty one: the author's signature holds over no others.
            line if line <= empty + 4 => vec!["checkpoint", "log", "signature", "origin", "size", "root", "note"],
            line => {
                let key = all.get(line).and_then(|line| line.strip_prefix("\u{2014} ")?.split(' ').next());
                let form = ["of the signatures", "by the key", "one order", "last line"];
                key.into_iter().chain(form).collect()
            }
        }
    };
    // What a flipped bit can make of any byte.
    let form = ["UTF-8", "carriage return", "control character"];
    let near = lines.iter().flat_map(|line| [*line, line + 1]).flat_map(place);
    near.chain(form).any(|place| words.contains(place))
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
                let (words, text) = (fault.to_string(), std::str::from_utf8(&whole).unwrap());
                assert!(names(&words, text, &[line]), "seed {seed}: {how}: {words}");
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
                let words = fault.to_string();
                assert!(names(&words, text, &lines), "seed {seed}: {how}: {words}");
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
