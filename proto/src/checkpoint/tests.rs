use std::collections::BTreeMap;

use super::*;
use crate::cosignature::Cosignature;
use crate::ids::UnitId;
use crate::limits::NOTE_BYTES_MAX;
use crate::note::{Algorithm, MemorySigner};
use crate::quorum::Quorum;

const BODY: &str = "takedown.example/BE\n8\nXcnaeacGWamtVZy3Ad7ZoqudgjqtL0lgz+Nw7/RgQyg=\n";
/// Computed by Python's `cryptography` (OpenSSL): BE's log key from the seed of 32 bytes 0x01, FR's mirror key from that of
/// 32 bytes 0x02, which cosigns at Unix time 1524614400.
const NOTE: &str = "takedown.example/BE\n8\nXcnaeacGWamtVZy3Ad7ZoqudgjqtL0lgz+Nw7/RgQyg=\n\n\
    — takedown.example/BE vPTlZ98dwq3I3UG3YT/HqwvnDe1H5S7jbpLG1DtR/f1iCa2qIoHP5zeTxBr8LgPZQP1rHDVxIOMMdYi9kVJi2demkgM=\n\
    — takedown.example/FR/mirror CO6eJgAAAABa38UATdC6Z9+tsxKT5LvJJiWbOM1z48HtfRh8XsqVtiAP9QD2K9vDWD0oHoGOGS/+xnEQGRgsiLczdIuj/Cn8V7lAAg==\n";
const TIME: u64 = 1_524_614_400;

type Mirrors = BTreeMap<UnitId, VerifierKey>;

fn unit(id: &str) -> UnitId {
    id.parse().unwrap()
}

fn log() -> MemorySigner {
    MemorySigner::from_seed("takedown.example/BE".parse().unwrap(), Algorithm::Ed25519, &[1; 32]).unwrap()
}

/// The mirror key of FR (seed 2), NL (3), UK (4).
fn mirror(id: &str) -> MemorySigner {
    let seed = ["FR", "NL", "UK"].iter().position(|known| *known == id).unwrap() as u8 + 2;
    let name = KeyName::mirror(&"takedown.example".parse().unwrap(), &unit(id));
    MemorySigner::from_seed(name, Algorithm::Cosignature, &[seed; 32]).unwrap()
}

fn mirrors(ids: &[&str]) -> Mirrors {
    ids.iter().map(|id| (unit(id), mirror(id).key().clone())).collect()
}

fn signed() -> SignedCheckpoint {
    SignedCheckpoint::sign(Checkpoint::parse_body(BODY).unwrap(), &log()).unwrap()
}

fn cosigned(ids: &[&str]) -> CosignedCheckpoint {
    let mut checkpoint = CosignedCheckpoint::new(signed());
    for id in ids {
        checkpoint.add(unit(id), Cosignature::sign(BODY, TIME, &mirror(id)).unwrap());
    }
    checkpoint
}

fn read(note: &[u8], ids: &[&str]) -> Result<CosignedCheckpoint, CheckpointError> {
    CosignedCheckpoint::read(note, log().key(), &mirrors(ids))
}

mod bodies {
    use super::*;

    #[test]
    fn a_body_reads_and_comes_back() {
        let read = Checkpoint::parse_body(BODY).unwrap();
        assert_eq!((read.origin.as_str(), read.size.get()), ("takedown.example/BE", 8));
        assert_eq!(read.root.to_string(), "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328");
        assert_eq!(read.body(), BODY);
    }

    #[test]
    fn a_body_has_exactly_three_lines() {
        for bad in
            ["", "\n", "takedown.example/BE\n8\n", BODY.trim_end(), &format!("{BODY}extension\n"), &format!("{BODY}\n")]
        {
            assert_eq!(Checkpoint::parse_body(bad), Err(CheckpointError::Lines), "{bad:?}");
        }
    }

    #[test]
    fn a_size_has_one_form_below_two_to_the_fortieth() {
        let with = |size: &str| Checkpoint::parse_body(&BODY.replace("\n8\n", &format!("\n{size}\n")));
        for bad in ["", "08", "00", "+8", "-8", " 8", "8 ", "0x8", "8.0", "٨", "1099511627776", "18446744073709551616"]
        {
            assert_eq!(with(bad), Err(CheckpointError::Size), "{bad:?}");
        }
        assert_eq!(with("1099511627775").unwrap().size.get(), (1 << 40) - 1);
    }

    #[test]
    fn a_root_is_canonical_base64_of_32_bytes() {
        let root = "XcnaeacGWamtVZy3Ad7ZoqudgjqtL0lgz+Nw7/RgQyg=";
        for bad in [
            "",
            "XcnaeacGWamtVZy3Ad7ZoqudgjqtL0lgz+Nw7/RgQyg",
            "XcnaeacGWamtVZy3Ad7ZoqudgjqtL0lgz+Nw7/RgQyh=",
            "XcnaeacGWamtVZy3Ad7ZoqudgjqtL0lgz-Nw7_RgQyg=",
            "XcnaeacGWamtVZy3Ad7ZoqudgjqtL0lgz+Nw7/RgQygA",
            "XcnaeacGWamtVZy3Ad7ZoqudgjqtL0lgz+Nw7/RgQw==",
            " XcnaeacGWamtVZy3Ad7ZoqudgjqtL0lgz+Nw7/RgQyg=",
        ] {
            assert_eq!(Checkpoint::parse_body(&BODY.replace(root, bad)), Err(CheckpointError::Root), "{bad:?}");
        }
    }

    #[test]
    fn an_empty_log_has_the_root_of_nothing() {
        assert_eq!(Checkpoint::parse_body(&BODY.replace("\n8\n", "\n0\n")), Err(CheckpointError::EmptyRoot));
        let empty = Checkpoint { origin: "a".parse().unwrap(), size: Size::ZERO, root: Hash::EMPTY_ROOT };
        assert_eq!(empty.body(), "a\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n");
        assert_eq!(Checkpoint::parse_body(&empty.body()), Ok(empty));
    }

    #[test]
    fn an_origin_is_a_key_name() {
        for (bad, name) in [("", ""), ("takedown.example BE", "takedown.example BE"), ("a+b", "a+b")] {
            let text = BODY.replace("takedown.example/BE", bad);
            assert_eq!(Checkpoint::parse_body(&text), Err(CheckpointError::Origin(KeyError::Name(name.into()))));
        }
    }
}

mod signatures {
    use super::*;

    #[test]
    fn a_signed_and_cosigned_checkpoint_is_the_one_another_implementation_makes() {
        assert_eq!(String::from_utf8(cosigned(&["FR"]).to_note(&mirrors(&["FR"]))).unwrap(), NOTE);
        assert_eq!(read(NOTE.as_bytes(), &["FR"]), Ok(cosigned(&["FR"])));
    }

    #[test]
    fn the_author_signs_with_its_own_log_key_only() {
        let checkpoint = Checkpoint::parse_body(BODY).unwrap();
        let (key, origin): (KeyName, _) = ("takedown.example/FR".parse().unwrap(), checkpoint.origin.clone());
        let fr = MemorySigner::from_seed(key.clone(), Algorithm::Ed25519, &[1; 32]).unwrap();
        assert_eq!(SignedCheckpoint::sign(checkpoint.clone(), &fr), Err(SignError::Origin { key, origin }));
        let key = checkpoint.origin.clone();
        let cosigner = MemorySigner::from_seed(key.clone(), Algorithm::Cosignature, &[1; 32]).unwrap();
        let needed = Algorithm::Ed25519;
        assert_eq!(SignedCheckpoint::sign(checkpoint, &cosigner), Err(SignError::Algorithm { key, needed }));
    }

    #[test]
    fn the_authors_signature_must_be_there_and_verify() {
        let author = log().key().name().clone();
        let unsigned = NOTE.lines().filter(|line| !line.starts_with("— takedown.example/BE ")).collect::<Vec<_>>();
        let unsigned = unsigned.join("\n") + "\n";
        assert_eq!(read(unsigned.as_bytes(), &["FR"]), Err(NoteError::Unsigned(author.clone()).into()));
        let altered = NOTE.replace("\n8\n", "\n9\n");
        assert_eq!(read(altered.as_bytes(), &["FR"]), Err(NoteError::BadSignature(author).into()));
        // A key of that name, but another key.
        let name = log().key().name().clone();
        let other = MemorySigner::from_seed(name.clone(), Algorithm::Ed25519, &[9; 32]).unwrap();
        let under_other = CosignedCheckpoint::read(NOTE.as_bytes(), other.key(), &Mirrors::new());
        assert_eq!(under_other, Err(NoteError::Unsigned(name).into()));
    }

    #[test]
    fn a_unit_cannot_speak_for_another() {
        // FR's log key over a checkpoint that says it is BE's, and FR's own checkpoint given for BE's.
        let found: KeyName = "takedown.example/FR".parse().unwrap();
        let fr = MemorySigner::from_seed(found.clone(), Algorithm::Ed25519, &[8; 32]).unwrap();
        let line = NoteSignature::sign(BODY, &fr).unwrap();
        let forged = Note::assemble(BODY.into(), vec![line]).to_bytes();
        let expected = log().key().name().clone();
        assert_eq!(read(&forged, &[]), Err(NoteError::Unsigned(expected.clone()).into()));
        let own = Checkpoint { origin: found.clone(), ..Checkpoint::parse_body(BODY).unwrap() };
        let own = SignedCheckpoint::sign(own, &fr).unwrap().to_note().to_bytes();
        assert_eq!(read(&own, &[]), Err(CheckpointError::OtherLog { expected, found }));
    }

    #[test]
    fn extension_lines_are_refused_even_when_signed() {
        let text = format!("{BODY}extension\n");
        let line = NoteSignature::sign(&text, &log()).unwrap();
        let note = Note::assemble(text, vec![line]).to_bytes();
        assert_eq!(read(&note, &[]), Err(CheckpointError::Lines));
    }

    #[test]
    fn a_checkpoint_is_at_most_64_kib() {
        let mut note = signed().to_note();
        let filler = NoteSignature { name: "filler".parse().unwrap(), id: [0; 4], bytes: vec![0; NOTE_BYTES_MAX] };
        note.add(filler).unwrap();
        let bytes = note.to_bytes();
        let error = NoteError::TooLarge { bytes: bytes.len(), bytes_max: NOTE_BYTES_MAX };
        assert_eq!(read(&bytes, &[]), Err(error.into()));
    }
}

mod cosignatures {
    use super::*;

    #[test]
    fn unknown_keys_are_ignored_and_known_ones_kept() {
        let all = ["FR", "NL", "UK"];
        let note = cosigned(&all).to_note(&mirrors(&all));
        assert_eq!(read(&note, &[]), Ok(cosigned(&[])));
        assert_eq!(read(&note, &["NL"]), Ok(cosigned(&["NL"])));
        assert_eq!(read(&note, &all), Ok(cosigned(&all)));
    }

    #[test]
    fn lines_are_written_by_unit_and_read_in_any_order() {
        let note = String::from_utf8(cosigned(&["UK", "FR", "NL"]).to_note(&mirrors(&["UK", "FR", "NL"]))).unwrap();
        let names = note.lines().filter_map(|line| line.strip_prefix("— ")?.split(' ').next()).collect::<Vec<_>>();
        let mirror = |id| format!("takedown.example/{id}/mirror");
        assert_eq!(names, ["takedown.example/BE", &mirror("FR"), &mirror("NL"), &mirror("UK")]);
        let (body, lines) = note.rsplit_once("\n\n").unwrap();
        let mut lines: Vec<&str> = lines.lines().collect();
        lines.reverse();
        let reversed = format!("{body}\n\n{}\n", lines.join("\n"));
        assert_eq!(read(reversed.as_bytes(), &["FR", "NL", "UK"]), Ok(cosigned(&["FR", "NL", "UK"])));
    }

    #[test]
    fn a_known_key_whose_cosignature_fails_refuses_the_whole_note() {
        let honest = cosigned(&["NL"]);
        let wrong = Cosignature { time: TIME + 1, ..Cosignature::sign(BODY, TIME, &mirror("FR")).unwrap() };
        let mut forged = honest.clone();
        forged.add(unit("FR"), wrong);
        let note = forged.to_note(&mirrors(&["FR", "NL"]));
        let name = mirror("FR").key().name().clone();
        let refused: Result<CosignedCheckpoint, CheckpointError> = Err(NoteError::BadSignature(name.clone()).into());
        assert_eq!(read(&note, &["FR", "NL"]), refused);
        // To whoever does not know FR, the line says nothing.
        assert_eq!(read(&note, &["NL"]), Ok(honest));
        // A line of 64 bytes, as a log key makes.
        let mut note = signed().to_note();
        note.add(NoteSignature::new(mirror("FR").key(), vec![0; 64])).unwrap();
        let short = NoteError::SignatureLength { key: name, expected: 72, found: 64 };
        assert_eq!(read(&note.to_bytes(), &["FR"]), Err(short.into()));
    }

    #[test]
    fn a_cosignature_of_another_unit_under_a_units_name_fails() {
        let mut forged = cosigned(&[]);
        forged.add(unit("FR"), Cosignature::sign(BODY, TIME, &mirror("NL")).unwrap());
        let note = forged.to_note(&mirrors(&["FR"]));
        let name = mirror("FR").key().name().clone();
        assert_eq!(read(&note, &["FR"]), Err(NoteError::BadSignature(name).into()));
    }

    #[test]
    fn a_unit_counts_once() {
        let mut checkpoint = cosigned(&["FR"]);
        let first = checkpoint.clone();
        let later = Cosignature::sign(BODY, TIME + 9, &mirror("FR")).unwrap();
        assert!(!checkpoint.add(unit("FR"), later));
        assert_eq!(checkpoint.verify_and_add(unit("FR"), later, mirror("FR").key()), Ok(false));
        assert_eq!(checkpoint, first);
        // Two lines of one key are refused by the note.
        let mut lines = first.to_note(&mirrors(&["FR"]));
        let line = Note::assemble("x\n".into(), vec![later.to_line(mirror("FR").key())]).to_bytes();
        lines.extend_from_slice(&line[3..]);
        let name = mirror("FR").key().name().clone();
        assert_eq!(read(&lines, &["FR"]), Err(NoteError::Duplicate(name).into()));
    }

    #[test]
    fn what_is_added_verifies_first() {
        let mut checkpoint = cosigned(&[]);
        let good = Cosignature::sign(BODY, TIME, &mirror("FR")).unwrap();
        let name = mirror("NL").key().name().clone();
        let refused = checkpoint.verify_and_add(unit("NL"), good, mirror("NL").key());
        assert_eq!((refused, checkpoint.cosignatures().len()), (Err(NoteError::BadSignature(name)), 0));
        assert_eq!(checkpoint.verify_and_add(unit("FR"), good, mirror("FR").key()), Ok(true));
        assert_eq!(checkpoint, cosigned(&["FR"]));
    }

    #[test]
    fn readings_of_one_checkpoint_merge_and_keep_what_was_there() {
        let mut here = cosigned(&["FR"]);
        let mut there = cosigned(&["NL", "UK"]);
        there.add(unit("FR"), Cosignature::sign(BODY, TIME + 9, &mirror("FR")).unwrap());
        assert_eq!(here.merge(&there), Ok(2));
        assert_eq!(here, cosigned(&["FR", "NL", "UK"]));
        assert_eq!(here.merge(&there), Ok(0));
        let nine = Checkpoint { size: Size::new(9).unwrap(), ..Checkpoint::parse_body(BODY).unwrap() };
        let nine = CosignedCheckpoint::new(SignedCheckpoint::sign(nine, &log()).unwrap());
        let origin = log().key().name().clone();
        assert_eq!(here.merge(&nine), Err(CheckpointError::Differ(origin)));
        assert_eq!(here, cosigned(&["FR", "NL", "UK"]));
    }

    #[test]
    fn what_is_known_is_not_verified_again_and_nothing_else_is_believed() {
        let known = cosigned(&["FR"]);
        let all = mirrors(&["FR", "NL"]);
        let knowing = |note: &CosignedCheckpoint, known: &CosignedCheckpoint| {
            CosignedCheckpoint::read_knowing(&note.to_note(&all), log().key(), &all, known)
        };
        assert_eq!(knowing(&cosigned(&["FR", "NL"]), &known), Ok(cosigned(&["FR", "NL"])));
        // Taken over unseen: only a signature that does not verify can show it.
        let wrong = Cosignature { time: 1, signature: [1; 64] };
        let mut believed = cosigned(&[]);
        believed.add(unit("FR"), wrong);
        assert_eq!(knowing(&believed, &believed), Ok(believed.clone()));
        // The same line by another unit, and another line by the same unit, are verified.
        let mut other_unit = cosigned(&[]);
        other_unit.add(unit("NL"), wrong);
        assert!(knowing(&other_unit, &believed).is_err());
        assert!(knowing(&believed, &known).is_err());
        // So is everything over another body.
        let nine = Checkpoint { size: Size::new(9).unwrap(), ..Checkpoint::parse_body(BODY).unwrap() };
        let mut nine = CosignedCheckpoint::new(SignedCheckpoint::sign(nine, &log()).unwrap());
        nine.add(unit("FR"), wrong);
        assert!(knowing(&nine, &believed).is_err());
    }

    #[test]
    fn a_checkpoint_is_certified_by_its_quorum() {
        let quorum = Quorum::of(3);
        let not = |found| Err(CheckpointError::NotCertified { found, needed: 2 });
        assert_eq!(cosigned(&[]).certified(&quorum), not(0));
        assert_eq!(cosigned(&["FR"]).certified(&quorum), not(1));
        assert_eq!(cosigned(&["FR", "NL"]).certified(&quorum), Ok(()));
        assert_eq!(cosigned(&["FR", "NL", "UK"]).certified(&quorum), Ok(()));
        assert_eq!(cosigned(&[]).certified(&Quorum::of(0)), Ok(()));
    }
}
