use proptest::prelude::any;
use proptest::{collection, prop_assert_eq, proptest};

use super::*;
use crate::limits::NOTE_BYTES_MAX;

/// Computed by Python's `cryptography` (OpenSSL) from the seeds of 32 bytes 0x01 and 0x02.
const BE_LOG: &str = "takedown.example/BE+bcf4e567+AYqI4910CfGV/VLbLTy6XXLKZwm/HZQSG/N0iAG0D29c";
const FR_MIRROR: &str = "takedown.example/FR/mirror+08ee9e26+BIE5dw6ofRdfVqNUZsNMfszLjYqRtO43ol32D1uPybOU";
/// The note that Go's `golang.org/x/mod/sumdb/note` gives as its example, and the key that it verifies under.
const PETER: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
const PETERS_NOTE: &str = "If you think cryptography is the answer to your problem,\n\
    then you don't know what your problem is.\n\
    \n\
    — PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

fn signer(name: &str, algorithm: Algorithm, seed: u8) -> MemorySigner {
    MemorySigner::from_seed(name.parse().unwrap(), algorithm, &[seed; 32]).unwrap()
}

fn be_log() -> MemorySigner {
    signer("takedown.example/BE", Algorithm::Ed25519, 1)
}

fn parse(text: &str) -> Result<Note, NoteError> {
    Note::parse(text.as_bytes(), NOTE_BYTES_MAX)
}

mod keys {
    use super::*;

    #[test]
    fn a_key_from_a_seed_is_the_one_another_implementation_makes() {
        assert_eq!(be_log().key().to_string(), BE_LOG);
        let mirror = signer("takedown.example/FR/mirror", Algorithm::Cosignature, 2);
        assert_eq!(mirror.key().to_string(), FR_MIRROR);
    }

    #[test]
    fn a_key_comes_back_as_it_was_written() {
        for text in [BE_LOG, FR_MIRROR, PETER] {
            let key: VerifierKey = text.parse().unwrap();
            assert_eq!(key.to_string(), text);
        }
        let key: VerifierKey = FR_MIRROR.parse().unwrap();
        assert_eq!(key.name().as_str(), "takedown.example/FR/mirror");
        assert_eq!((key.id(), key.algorithm()), ([0x08, 0xee, 0x9e, 0x26], Algorithm::Cosignature));
    }

    #[test]
    fn the_names_of_a_units_keys_come_from_network_and_unit() {
        let (network, unit) = ("takedown.example".parse().unwrap(), "BE".parse().unwrap());
        assert_eq!(KeyName::log(&network, &unit).as_str(), "takedown.example/BE");
        assert_eq!(KeyName::mirror(&network, &unit).as_str(), "takedown.example/BE/mirror");
        assert_eq!(KeyName::charter(&network, &unit).as_str(), "takedown.example/BE/charter");
    }

    #[test]
    fn a_key_name_has_no_spaces_pluses_or_controls() {
        for good in ["a", "takedown.example/BE/mirror", "Zürich", &"x".repeat(255)] {
            assert_eq!(good.parse::<KeyName>().unwrap().as_str(), good);
        }
        for bad in
            ["", "a b", "a+b", "a\nb", "a\tb", "a\u{a0}b", "a\u{2003}", "\u{7f}", "\u{85}", "\u{0}", &"x".repeat(256)]
        {
            let clipped: String = bad.chars().take(80).collect();
            assert_eq!(bad.parse::<KeyName>(), Err(KeyError::Name(clipped)));
        }
    }

    #[test]
    fn a_key_has_one_form() {
        let form = |text: &str| assert_eq!(text.parse::<VerifierKey>(), Err(KeyError::Form(text.into())), "{text}");
        form("takedown.example/BE");
        form("takedown.example/BE+bcf4e567");
        form("takedown.example/BE+bcf4e567+");
        form("takedown.example/BE+bcf4e5+AYqI4910CfGV/VLbLTy6XXLKZwm/HZQSG/N0iAG0D29c");
        form("takedown.example/BE+bcf4e567+AYqI4910CfGV/VLbLTy6XXLKZwm/HZQSG/N0iAG0D29c\n");
        form("takedown.example/BE+bcf4e567+AYqI4910CfGV/VLbLTy6XXLKZwm/HZQSG/N0iAG0D29c=");
        form("takedown.example/BE+bcf4e567+AYqI4910CfGV_VLbLTy6XXLKZwm_HZQSG_N0iAG0D29c");
        form("takedown.example/BE+bcf4e567+ AYqI4910CfGV/VLbLTy6XXLKZwm/HZQSG/N0iAG0D29c");
        assert_eq!("+bcf4e567+AY".parse::<VerifierKey>(), Err(KeyError::Name(String::new())));
        let id = |found: &str| KeyError::Id { expected: "bcf4e567".into(), found: found.into() };
        for found in ["BCF4E567", "bcf4e568", "00000000", "+bcf4e56"] {
            let text = BE_LOG.replace("bcf4e567", found);
            let refused = text.parse::<VerifierKey>();
            assert!(refused == Err(id(found)) || refused == Err(KeyError::Form(text.clone())), "{refused:?}");
        }
        let renamed = BE_LOG.replace("/BE", "/FR").parse::<VerifierKey>();
        assert!(matches!(renamed, Err(KeyError::Id { .. })));
    }

    #[test]
    fn other_types_and_lengths_are_refused_by_name() {
        let with = |key: &[u8]| format!("a+00000000+{}", base64::encode(key)).parse::<VerifierKey>();
        assert_eq!(with(&[&[6][..], &[0; 1_312]].concat()), Err(KeyError::Algorithm(6)));
        assert_eq!(with(&[2; 33]), Err(KeyError::Algorithm(2)));
        assert_eq!(with(&[1; 32]), Err(KeyError::Length(31)));
        assert_eq!(with(&[1; 34]), Err(KeyError::Length(33)));
        assert_eq!(with(&[4]), Err(KeyError::Length(0)));
    }

    /// The points of order 1, 2, 4 and 8 in every encoding that decoders are known to take.
    #[test]
    fn keys_of_small_order_are_refused() {
        let new = |public: [u8; 32]| VerifierKey::new("a".parse().unwrap(), Algorithm::Ed25519, public);
        for hex in [
            "0100000000000000000000000000000000000000000000000000000000000000",
            "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "0000000000000000000000000000000000000000000000000000000000000000",
            "0000000000000000000000000000000000000000000000000000000000000080",
            "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
            "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
            "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
            "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
        ] {
            let public = crate::hash::Hash::from_hex(hex).unwrap().0;
            assert_eq!(new(public), Err(KeyError::SmallOrder), "{hex}");
        }
        // The same points written with y + p, or with a sign that zero does not have.
        for hex in [
            "0100000000000000000000000000000000000000000000000000000000000080",
            "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
            "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
            "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        ] {
            let public = crate::hash::Hash::from_hex(hex).unwrap().0;
            assert!(matches!(new(public), Err(KeyError::SmallOrder | KeyError::NotAPoint)), "{hex}");
        }
    }

    #[test]
    fn bytes_that_are_no_point_in_its_one_encoding_are_refused() {
        let new = |public: [u8; 32]| VerifierKey::new("a".parse().unwrap(), Algorithm::Ed25519, public);
        let mut no_point = [0; 32];
        no_point[0] = 2;
        assert_eq!(new(no_point), Err(KeyError::NotAPoint));
        // y = 3 is on the curve; p + 3 is the same point in another encoding.
        let mut three = [0; 32];
        three[0] = 3;
        assert!(new(three).is_ok());
        let mut again = [0xff; 32];
        (again[0], again[31]) = (0xf0, 0x7f);
        assert_eq!(new(again), Err(KeyError::NotAPoint));
    }

    #[test]
    fn a_signature_verifies_only_over_its_message_and_under_its_key() {
        let (be, fr) = (be_log(), signer("takedown.example/FR", Algorithm::Ed25519, 3));
        let signature = be.sign(b"message").unwrap();
        assert_eq!(be.key().verify(b"message", &signature), Ok(()));
        let refused = |key: &VerifierKey| Err(NoteError::BadSignature(key.name().clone()));
        assert_eq!(be.key().verify(b"massage", &signature), refused(be.key()));
        assert_eq!(fr.key().verify(b"message", &signature), refused(fr.key()));
        for at in 0..64 {
            let mut altered = signature;
            altered[at] ^= 1;
            assert_eq!(be.key().verify(b"message", &altered), refused(be.key()));
        }
    }

    /// RFC 8032 section 7.1, test 2.
    #[test]
    fn signatures_are_those_of_rfc_8032() {
        let seed = "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb";
        let public = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c";
        let halves = [
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da",
            "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
        ];
        let bytes = |hex: &str| crate::hash::Hash::from_hex(hex).unwrap().0;
        let signer = MemorySigner::from_seed("a".parse().unwrap(), Algorithm::Ed25519, &bytes(seed)).unwrap();
        assert_eq!(*signer.key().public(), bytes(public));
        assert_eq!(signer.sign(&[0x72]).unwrap().to_vec(), halves.map(bytes).concat());
    }
}

mod notes {
    use super::*;

    /// A note with a well-formed signature line by each of these names.
    fn noted(names: &[&str]) -> String {
        let line = |name: &&str| format!("— {name} {}\n", base64::encode(&[1, 2, 3, 4, 5]));
        format!("text\n\n{}", names.iter().map(line).collect::<String>())
    }

    #[test]
    fn a_published_note_reads_verifies_and_comes_back() {
        let note = parse(PETERS_NOTE).unwrap();
        let peter = PETER.parse().unwrap();
        assert!(note.signed_by(&peter).is_ok());
        assert_eq!(note.to_bytes(), PETERS_NOTE.as_bytes());
        assert!(note.text().ends_with("problem is.\n"));
        assert_eq!(note.signature_of(&peter), note.signatures().first());
        assert_eq!(note.signed_by(be_log().key()), Err(NoteError::Unsigned(be_log().key().name().clone())));
        let altered = parse(&PETERS_NOTE.replace("answer", "Answer")).unwrap();
        assert_eq!(altered.signed_by(&peter), Err(NoteError::BadSignature(peter.name().clone())));
    }

    #[test]
    fn a_draft_is_signed_and_read() {
        let be = be_log();
        let mut note = Note::draft("first\n\nlast\n".into()).unwrap();
        assert_eq!(Note::parse_draft(&note.to_bytes(), 100), Ok(note.clone()));
        assert_eq!(Note::parse(&note.to_bytes(), 100), Err(NoteError::NoSignatures));
        let signature = NoteSignature::sign(note.text(), &be).unwrap();
        assert_eq!(note.add(signature.clone()), Ok(true));
        assert_eq!(note.add(NoteSignature { bytes: vec![0], ..signature }), Ok(false));
        let read = Note::parse(&note.to_bytes(), NOTE_BYTES_MAX).unwrap();
        assert_eq!(read, note);
        assert!(read.signed_by(be.key()).is_ok());
        assert_eq!(read.text(), "first\n\nlast\n");
    }

    #[test]
    fn a_draft_keeps_the_rules_of_a_text() {
        for bad in ["", "no newline", "a\nb"] {
            assert_eq!(Note::draft(bad.into()), Err(NoteError::Text));
        }
        assert_eq!(Note::draft("a\tb\n".into()), Err(NoteError::Control(b'\t')));
    }

    #[test]
    fn a_mirror_key_does_not_sign_texts() {
        let mirror = signer("takedown.example/FR/mirror", Algorithm::Cosignature, 2);
        let needed = Algorithm::Ed25519;
        let refused = Err(SignError::Algorithm { key: mirror.key().name().clone(), needed });
        assert_eq!(NoteSignature::sign("text\n", &mirror), refused);
        // Not even one that is right as far as Ed25519 goes.
        let mut note = Note::draft("text\n".into()).unwrap();
        note.add(NoteSignature::new(mirror.key(), mirror.sign(b"text\n").unwrap().to_vec())).unwrap();
        assert_eq!(note.signed_by(mirror.key()), Err(NoteError::Algorithm(mirror.key().name().clone())));
    }

    #[test]
    fn whatever_departs_from_the_one_form_is_refused() {
        let good = noted(&["a"]);
        assert!(parse(&good).is_ok());
        let line = NoteError::Line(1);
        for (bad, error) in [
            (String::new(), NoteError::NoSignatureBlock),
            ("text\n".into(), NoteError::NoSignatureBlock),
            (good.replace("\n\n", "\n"), NoteError::NoSignatureBlock),
            ("text\n\n".into(), NoteError::NoSignatures),
            (format!("{good}\n"), NoteError::NoSignatures),
            (format!("{good}x"), NoteError::Unterminated),
            (good.trim_end().into(), NoteError::Unterminated),
            (format!("{good}x\n"), NoteError::Line(2)),
            (good.replace("text", "te\txt"), NoteError::Control(b'\t')),
            (good.replace("text", "te\rxt"), NoteError::Control(b'\r')),
            (good.replace("text", "te\0xt"), NoteError::Control(0)),
            (good.replace("\n", "\r\n"), NoteError::Control(b'\r')),
            (good.replace('—', "-"), line.clone()),
            (good.replace('—', "–"), line.clone()),
            (good.replace("— ", "—"), line.clone()),
            (good.replace("— ", "—  "), NoteError::Name(1, KeyError::Name(String::new()))),
            (good.replace("— a ", "— a\u{a0}b "), NoteError::Name(1, KeyError::Name("a\u{a0}b".into()))),
            (good.replace("— a ", "— a+b "), NoteError::Name(1, KeyError::Name("a+b".into()))),
            (good.replace("— a ", "— a b "), line.clone()),
            (good.replace("— a ", "— a  "), line.clone()),
            (good.replace("AQIDBAU=", "AQIDBAU"), line.clone()),
            (good.replace("AQIDBAU=", "AQIDBAV="), line.clone()),
            (good.replace("AQIDBAU=", "AQIDBAU= "), line.clone()),
            (good.replace("AQIDBAU=", "AQIDBAU=="), line.clone()),
            (good.replace("AQIDBAU=", "AQIDBA=="), line.clone()),
            (good.replace("AQIDBAU=", "AQIDBA_="), line.clone()),
            (good.replace("AQIDBAU=", ""), line),
        ] {
            assert_eq!(parse(&bad), Err(error), "{bad:?}");
        }
        let mut bytes = good.into_bytes();
        bytes[2] = 0xff;
        assert_eq!(Note::parse(&bytes, NOTE_BYTES_MAX), Err(NoteError::NotUtf8(2)));
    }

    #[test]
    fn a_note_is_read_up_to_its_limits() {
        let good = noted(&["a"]);
        let bytes = good.len();
        assert!(Note::parse(good.as_bytes(), bytes).is_ok());
        let refused = Note::parse(good.as_bytes(), bytes - 1);
        assert_eq!(refused, Err(NoteError::TooLarge { bytes, bytes_max: bytes - 1 }));
        let names: Vec<String> = (0..=NOTE_SIGNATURES_MAX).map(|n| n.to_string()).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let mut full = parse(&noted(&names[1..])).unwrap();
        assert_eq!(full.signatures().len(), NOTE_SIGNATURES_MAX);
        assert_eq!(parse(&noted(&names)), Err(NoteError::TooManySignatures));
        let one_more = NoteSignature { name: "0".parse().unwrap(), id: [0; 4], bytes: vec![0] };
        assert_eq!(full.add(one_more), Err(NoteError::TooManySignatures));
    }

    #[test]
    fn nobody_signs_twice() {
        assert_eq!(parse(&noted(&["a", "b", "a"])), Err(NoteError::Duplicate("a".parse().unwrap())));
        // The same name with another key id is another key.
        let two = format!("{}— a {}\n", noted(&["a"]), base64::encode(&[1, 2, 3, 5, 5]));
        assert_eq!(parse(&two).unwrap().signatures().len(), 2);
    }

    #[test]
    fn signatures_of_types_to_come_fit() {
        let long = NoteSignature { name: "ml-dsa".parse().unwrap(), id: [6; 4], bytes: vec![7; 8 + 2_420] };
        let mut note = Note::draft("text\n".into()).unwrap();
        note.add(long).unwrap();
        assert_eq!(Note::parse(&note.to_bytes(), NOTE_BYTES_MAX), Ok(note));
    }

    #[test]
    fn a_signature_of_another_length_is_named() {
        let be = be_log();
        for found in [1, 63, 65, 72] {
            let mut note = Note::draft("text\n".into()).unwrap();
            note.add(NoteSignature::new(be.key(), vec![0; found])).unwrap();
            let error = NoteError::SignatureLength { key: be.key().name().clone(), expected: 64, found };
            assert_eq!(note.signed_by(be.key()), Err(error));
        }
        let empty = Note::draft("text\n".into()).unwrap().add(NoteSignature::new(be.key(), Vec::new()));
        assert!(matches!(empty, Err(NoteError::SignatureLength { found: 0, .. })));
    }

    proptest! {
        #[test]
        fn what_is_read_comes_back_byte_for_byte(bytes in collection::vec(any::<u8>(), 0..64), at in 0..200_usize) {
            // Noise in the midst of a good note, so that parsing gets far.
            let mut noisy = PETERS_NOTE.as_bytes().to_vec();
            let at = at.min(noisy.len());
            noisy.splice(at..at, bytes);
            if let Ok(note) = Note::parse_draft(&noisy, NOTE_BYTES_MAX) {
                prop_assert_eq!(note.to_bytes(), noisy);
            }
        }

        #[test]
        fn any_text_survives_signing(lines in collection::vec("[^\\x00-\\x1f]{0,12}", 1..6)) {
            let mut note = Note::draft(lines.join("\n") + "\n").unwrap();
            note.add(NoteSignature::sign(note.text(), &be_log()).unwrap()).unwrap();
            prop_assert_eq!(Note::parse(&note.to_bytes(), NOTE_BYTES_MAX), Ok(note));
        }
    }
}
