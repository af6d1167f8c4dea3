//! What a witness answers, and what is kept of it.

use super::world::{Log, NOW, size, witness_key};
use crate::checkpoint::{Checkpoint, SignedCheckpoint};
use crate::cosignature::Cosignature;
use crate::note::{Algorithm, MemorySigner, NoteError, NoteSignature, Signer};
use crate::witness::{AnswerError, WitnessedCheckpoint, WitnessedError, read_answer, read_size, write_size};

fn line(signer: &MemorySigner, body: &str) -> String {
    format!("{}\n", Cosignature::sign(body, NOW, signer).unwrap().to_line(signer.key()).to_line())
}

#[test]
fn the_witnesss_line_is_found_among_others() {
    let (key, other, body) = (witness_key(3), witness_key(4), Log::new(9, "one").body(9));
    let answer = [line(&other, &body), line(&key, &body)].concat();
    let word = read_answer(answer.as_bytes(), &body, key.key()).unwrap();
    assert_eq!((word.time, word.verify(&body, key.key())), (NOW, Ok(())));
}

#[test]
fn an_answer_by_another_key_over_another_size_or_of_another_form_holds_nothing() {
    let (key, other, log) = (witness_key(3), witness_key(4), Log::new(9, "one"));
    let body = log.body(9);
    let read = |answer: &str| read_answer(answer.as_bytes(), &body, key.key()).unwrap_err();
    let unsigned = AnswerError::Line(NoteError::Unsigned(key.key().name().clone()));
    assert_eq!(read(&line(&other, &body)), unsigned);
    let bad = AnswerError::Line(NoteError::BadSignature(key.key().name().clone()));
    assert_eq!(read(&line(&key, &log.body(8))), bad);
    // One that holds does not make up for one that does not.
    assert_eq!(read(&[line(&key, &body), line(&key, &log.body(8))].concat()), bad);
    assert_eq!(read(""), AnswerError::Lines);
    assert_eq!(read(line(&key, &body).trim_end()), AnswerError::Lines);
    assert!(matches!(read("<html>\n"), AnswerError::Line(NoteError::Line(1))));
    assert!(matches!(read("\n"), AnswerError::Line(NoteError::Line(1))));
    let bare = NoteSignature::new(key.key(), vec![0; 64]);
    assert!(matches!(read(&format!("{}\n", bare.to_line())), AnswerError::Line(NoteError::SignatureLength { .. })));
    assert_eq!(read(&"\n".repeat(600)), AnswerError::TooLarge);
    assert_eq!(read(&"x".repeat(65_537)), AnswerError::TooLarge);
    assert_eq!(read_answer(b"\xff\n", &body, key.key()), Err(AnswerError::Lines));
}

#[test]
fn a_size_is_told_in_one_form() {
    assert_eq!(read_size(write_size(size(1_042)).as_bytes()), Some(size(1_042)));
    for wrong in ["", "\n", "5", "05\n", "5\n\n", "-5\n", "1099511627776\n", "five\n"] {
        assert_eq!(read_size(wrong.as_bytes()), None, "{wrong:?}");
    }
}

#[test]
fn what_is_kept_of_a_word_reads_again_with_its_two_lines_and_no_others() {
    let name = "takedown.example/BE".parse().unwrap();
    let author = MemorySigner::from_seed(name, Algorithm::Ed25519, &[1; 32]).unwrap();
    let log = Log::new(9, "one");
    let checkpoint = Checkpoint { origin: author.key().name().clone(), size: size(9), root: log.root(9) };
    let (key, body) = (witness_key(3), checkpoint.body());
    let signed = SignedCheckpoint::sign(checkpoint, &author).unwrap();
    let word = Cosignature::sign(&body, NOW, &key).unwrap();
    let kept = WitnessedCheckpoint::new(signed.clone(), key.key().clone(), word).unwrap();
    let read = |note: &[u8]| WitnessedCheckpoint::read(note, author.key(), key.key());
    let note = kept.to_note();
    assert_eq!((read(&note).as_ref(), kept.time()), (Ok(&kept), NOW));

    let text = String::from_utf8(note).unwrap();
    let (head, lines) = text.rsplit_once("\n\n").unwrap();
    let lines: Vec<&str> = lines.lines().collect();
    let with = |lines: &[&str]| format!("{head}\n\n{}\n", lines.join("\n")).into_bytes();
    assert_eq!(read(&with(&[lines[1], lines[0]])), Err(WitnessedError::Lines));
    assert_eq!(read(&with(&[lines[0]])), Err(WitnessedError::Lines));
    let third = line(&witness_key(4), &body);
    assert_eq!(read(&with(&[lines[0], lines[1], third.trim_end()])), Err(WitnessedError::Lines));
    assert!(matches!(read(&with(&[lines[0], third.trim_end()])), Err(WitnessedError::Word(NoteError::Unsigned(_)))));
    assert!(matches!(read(&with(&[lines[1]])), Err(WitnessedError::Checkpoint(_))));
    let older = Cosignature::sign(&log.body(8), NOW, &key).unwrap();
    assert!(WitnessedCheckpoint::new(signed, key.key().clone(), older).is_err());
}
