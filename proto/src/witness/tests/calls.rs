//! The form of a call.

use proptest::prelude::{Strategy, any};
use proptest::{collection, prop_assert_eq, prop_oneof, proptest};

use super::world::{Log, ORIGIN, noted, size};
use crate::hash::Hash;
use crate::limits::{WITNESS_HASHES_MAX, WITNESS_REQUEST_BYTES_MAX};
use crate::note::NoteError;
use crate::witness::{AddCheckpoint, LogError, RequestError};

fn whole() -> String {
    let log = Log::new(9, "one");
    String::from_utf8(AddCheckpoint::compose(size(5), &log.proof(5, 9), &log.note(9))).unwrap()
}

#[track_caller]
fn refused(bytes: &[u8], error: RequestError) {
    assert_eq!(AddCheckpoint::parse(bytes), Err(error), "{}", String::from_utf8_lossy(bytes));
}

#[test]
fn a_call_reads_as_it_was_written() {
    let call = AddCheckpoint::parse(whole().as_bytes()).unwrap();
    assert_eq!((call.old, call.proof.len()), (size(5), Log::new(9, "one").proof(5, 9).len()));
    assert_eq!((call.checkpoint.origin(), call.checkpoint.size()), (ORIGIN, size(9)));
    assert_eq!(call.to_bytes(), whole().as_bytes());
}

#[test]
fn the_example_of_c2sp_reads() {
    let text = "old 20852014
PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=
jrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swk=
5+pKlUdi2LeF/BcMHBn+Ku6yhPGNCswZZD1X/6QgPd8=
/6WVhPs2CwSsb5rYBH5cjHV/wSmA79abXAwhXw3Kj/0=

example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

\u{2014} example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
\u{2014} example.com/behind-the-sofa opLqBQsREYCgu6xQkYQwJr9fo45a62DN9EdmHXnZdXNqlcVGlCum2Wks+49/V6267UEjw6QUXTS5Rovnzv++qbSzm9Q=
";
    let call = AddCheckpoint::parse(text.as_bytes()).unwrap();
    assert_eq!((call.old, call.proof.len(), call.checkpoint.signatures().len()), (size(20_852_014), 4, 2));
    assert_eq!(call.to_bytes(), text.as_bytes());
}

#[test]
fn an_old_size_has_one_form() {
    for old in
        ["old", "old ", "old -1", "old +5", "old 05", "old 5 ", " old 5", "Old 5", "old 5\r", "old 1099511627776", ""]
    {
        refused(whole().replacen("old 5", old, 1).as_bytes(), RequestError::Old);
    }
}

#[test]
fn a_hash_has_one_form() {
    let (text, first) = (whole(), 1);
    let line = text.lines().nth(first).unwrap();
    for hash in
        ["x", &line[..40], &format!("{line} "), &format!("{line}\r"), &line.replace('=', ""), &format!("{line}A")]
    {
        refused(text.replacen(line, hash, 1).as_bytes(), RequestError::Proof(1));
    }
}

#[test]
fn a_proof_and_a_body_have_an_end() {
    let log = Log::new(1, "one");
    let call = |hashes: usize| AddCheckpoint::compose(size(0), &vec![Hash::of(b""); hashes], &log.note(1));
    assert_eq!(AddCheckpoint::parse(&call(WITNESS_HASHES_MAX)).unwrap().proof.len(), 63);
    refused(&call(WITNESS_HASHES_MAX + 1), RequestError::TooManyHashes);
    let long = vec![b'\n'; WITNESS_REQUEST_BYTES_MAX + 1];
    refused(&long, RequestError::TooLarge(long.len()));
    refused(&long[1..], RequestError::Old);
    // The largest note fits with the longest proof.
    let longest = AddCheckpoint::compose(size((1 << 40) - 1), &[Hash::of(b""); 63], &vec![b'x'; 65_536]);
    assert!(longest.len() <= WITNESS_REQUEST_BYTES_MAX);
}

#[test]
fn a_call_without_a_checkpoint_is_none() {
    for bytes in [&b""[..], b"\n", b"old 5\n", b"old 5", b"\xff\xfe"] {
        refused(bytes, RequestError::NoCheckpoint);
    }
    refused(b"\n\n", RequestError::Old);
    refused(b"old 5\n\n", LogError::Note(NoteError::NoSignatureBlock).into());
}

#[test]
fn a_checkpoint_of_others_has_three_lines_or_more_and_none_is_empty() {
    let log = Log::new(9, "one");
    let body = log.body(9);
    let with = |body: &str| AddCheckpoint::compose(size(5), &[], &noted(body, &[&log.key]));
    for (wrong, error) in [
        (format!("{ORIGIN}\n9\n"), LogError::Lines),
        (format!("{ORIGIN}\n"), LogError::Lines),
        (format!("\n{body}"), LogError::Lines),
        (format!("{body}\n"), LogError::Lines),
        (format!("{body}extension\n\nmore\n"), LogError::Lines),
        (body.replace("\n9\n", "\n09\n"), LogError::Size),
        (body.replace("\n9\n", "\n1099511627776\n"), LogError::Size),
        (body.replace("=\n", "\n"), LogError::Root),
        (body.replace("=\n", "=A\n"), LogError::Root),
    ] {
        refused(&with(&wrong), error.into());
    }
    let control = with(&body.replace("somebody", "some\u{7}body"));
    refused(&control, LogError::Note(NoteError::Control(7)).into());
    let unsigned = AddCheckpoint::compose(size(5), &[], format!("{body}\n").as_bytes());
    refused(&unsigned, LogError::Note(NoteError::NoSignatures).into());
}

proptest! {
    /// There is one writing of each call, and no bytes bring the reader down.
    #[test]
    fn whatever_reads_is_written_the_same_way(
        noise in collection::vec(prop_oneof![any::<u8>(), "[ \n=A-Za-z0-9]".prop_map(|c| c.as_bytes()[0])], 0..6),
        at in any::<u16>(), cut in 0..5_usize,
    ) {
        let mut bytes = whole().into_bytes();
        let from = usize::from(at) % bytes.len();
        let to = (from + cut).min(bytes.len());
        bytes.splice(from..to, noise);
        if let Ok(call) = AddCheckpoint::parse(&bytes) {
            prop_assert_eq!(call.to_bytes(), bytes);
        }
    }
}
