//! Notes, keys and checkpoints against `signed_note` and `tlog_tiles`, ports of Go's `golang.org/x/mod/sumdb`.
#![expect(clippy::unwrap_used, reason = "test code")]

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use entente_proto::checkpoint::{Checkpoint, CosignedCheckpoint, SignedCheckpoint};
use entente_proto::cosignature::Cosignature;
use entente_proto::hash::Hash;
use entente_proto::ids::Size;
use entente_proto::limits::NOTE_BYTES_MAX;
use entente_proto::note::{Algorithm, MemorySigner, Note, NoteSignature, Signer, VerifierKey};
use entente_proto::witness::{AddCheckpoint, LogKeys, Witness};
use proptest::prelude::any;
use proptest::{collection, prop_assert, prop_assert_eq, proptest};
use signed_note::{Note as TheirNote, StandardSigner, StandardVerifier, Verifier, VerifierList};

const SEED: [u8; 32] = [0x42; 32];
const NAME: &str = "takedown.example/BE";

fn ours() -> MemorySigner {
    MemorySigner::from_seed(NAME.parse().unwrap(), Algorithm::Ed25519, &SEED).unwrap()
}

/// The same private key, as they write one.
fn theirs() -> StandardSigner {
    let id = u32::from_be_bytes(ours().key().id());
    let key = STANDARD.encode([&[1], &SEED[..]].concat());
    StandardSigner::new(&format!("PRIVATE+KEY+{NAME}+{id:08x}+{key}")).unwrap()
}

fn their_verifier() -> StandardVerifier {
    StandardVerifier::new(&ours().key().to_string()).unwrap()
}

fn our_note(text: &str) -> Note {
    let mut note = Note::draft(text.into()).unwrap();
    note.add(NoteSignature::sign(text, &ours()).unwrap()).unwrap();
    note
}

fn checkpoint() -> Checkpoint {
    let size = Size::new(1_042).unwrap();
    Checkpoint { origin: NAME.parse().unwrap(), size, root: Hash::of(b"root") }
}

#[test]
fn keys_have_their_ids_and_their_form() {
    let key = ours().key().clone();
    assert_eq!(their_verifier().key_id().to_be_bytes(), key.id());
    assert_eq!(their_verifier().name(), key.name().as_str());
    let both = [&[1], &key.public()[..]].concat();
    assert_eq!(signed_note::key_id(NAME, &both).to_be_bytes(), key.id());
    assert_eq!(key.to_string().parse::<VerifierKey>(), Ok(key));
}

#[test]
fn a_note_of_ours_verifies_with_theirs_and_the_other_way_round() {
    let text = "several\n\nlines – not all ASCII\n";
    let bytes = our_note(text).to_bytes();
    let known = VerifierList::new(vec![Box::new(their_verifier())]);
    let read = TheirNote::from_bytes(&bytes).unwrap();
    let (verified, unverified) = read.verify(&known).unwrap();
    assert_eq!((verified.len(), unverified.len()), (1, 0));
    assert_eq!(read.text(), text.as_bytes());
    let mut made = TheirNote::new(text.as_bytes(), &[]).unwrap();
    made.add_sigs(&[&theirs()]).unwrap();
    assert_eq!(made.to_bytes(), bytes);
    assert!(Note::parse(&made.to_bytes(), NOTE_BYTES_MAX).unwrap().signed_by(ours().key()).is_ok());
}

#[test]
fn a_cosigned_checkpoint_reads_and_verifies_with_theirs() {
    let name = "takedown.example/FR/mirror".parse().unwrap();
    let mirror = MemorySigner::from_seed(name, Algorithm::Cosignature, &[2; 32]).unwrap();
    let mirrors = BTreeMap::from([("FR".parse().unwrap(), mirror.key().clone())]);
    let body = checkpoint().body();
    let mut cosigned = CosignedCheckpoint::new(SignedCheckpoint::sign(checkpoint(), &ours()).unwrap());
    cosigned.add("FR".parse().unwrap(), Cosignature::sign(&body, 1_524_614_400, &mirror).unwrap());
    let bytes = cosigned.to_note(&mirrors);

    let read = TheirNote::from_bytes(&bytes).unwrap();
    let (verified, unverified) = read.verify(&VerifierList::new(vec![Box::new(their_verifier())])).unwrap();
    assert_eq!((verified[0].name(), unverified[0].name()), (NAME, "takedown.example/FR/mirror"));
    assert_eq!(unverified[0].signature().len(), 72);
    let parsed = tlog_tiles::Checkpoint::from_bytes(read.text()).unwrap();
    assert_eq!((parsed.origin(), parsed.size(), parsed.hash().0), (NAME, 1_042, Hash::of(b"root").0));
    assert_eq!(parsed.extension(), "");
    assert_eq!(parsed.to_bytes(), body.as_bytes());
    assert_eq!(CosignedCheckpoint::read(&bytes, ours().key(), &mirrors), Ok(cosigned));
}

proptest! {
    /// Ours is the stricter parser: what it takes, theirs takes and writes the same way.
    #[test]
    fn every_note_that_we_read_they_read(noise in collection::vec(any::<u8>(), 0..6), at in any::<u16>(), cut in 0..4_usize) {
        let mut bytes = our_note("text\nmore text\n").to_bytes();
        let from = usize::from(at) % bytes.len();
        let to = (from + cut).min(bytes.len());
        bytes.splice(from..to, noise);
        if let Ok(note) = Note::parse(&bytes, NOTE_BYTES_MAX) {
            let theirs = TheirNote::from_bytes(&bytes).unwrap();
            prop_assert_eq!(theirs.text(), note.text().as_bytes());
            prop_assert_eq!(theirs.to_bytes(), bytes);
            let known = VerifierList::new(vec![Box::new(their_verifier())]);
            prop_assert_eq!(theirs.verify(&known).is_ok(), note.signed_by(ours().key()).is_ok());
        }
    }

    #[test]
    fn every_checkpoint_body_that_we_read_they_read(noise in "[0-9a-z+\n =]{0,4}", at in any::<u16>(), cut in 0..4_usize) {
        let mut body = checkpoint().body();
        let from = usize::from(at) % body.len();
        let to = (from + cut).min(body.len());
        body.replace_range(from..to, &noise);
        if let Ok(read) = Checkpoint::parse_body(&body) {
            let theirs = tlog_tiles::Checkpoint::from_bytes(body.as_bytes());
            prop_assert!(theirs.is_ok());
            let theirs = theirs.unwrap();
            prop_assert_eq!((theirs.origin(), theirs.size(), theirs.hash().0), (read.origin.as_str(), read.size.get(), read.root.0));
            prop_assert_eq!(read.body(), body);
        }
    }
}

/// A witness's key, as a verifier of theirs.
struct TheirWitness(VerifierKey);

impl Verifier for TheirWitness {
    fn name(&self) -> &str {
        self.0.name().as_str()
    }

    fn key_id(&self) -> u32 {
        u32::from_be_bytes(self.0.id())
    }

    fn verify(&self, text: &[u8], signature: &[u8]) -> bool {
        let Some((time, signature)) = signature.split_first_chunk::<8>() else { return false };
        let head = format!("cosignature/v1\ntime {}\n", u64::from_be_bytes(*time));
        let key = ring::signature::UnparsedPublicKey::new(&ring::signature::ED25519, self.0.public());
        key.verify(&[head.as_bytes(), text].concat(), signature).is_ok()
    }
}

#[test]
fn a_witnesss_line_on_a_strangers_checkpoint_reads_and_verifies_with_theirs() {
    let name = "takedown.example/FR/witness".parse().unwrap();
    let witness = MemorySigner::from_seed(name, Algorithm::Cosignature, &[3; 32]).unwrap();
    let mut text =
        b"an origin that is no name\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\nan extension\n".to_vec();
    let mut made = TheirNote::new(&text, &[]).unwrap();
    made.add_sigs(&[&theirs()]).unwrap();
    let call = AddCheckpoint::parse(&AddCheckpoint::compose(Size::ZERO, &[], &made.to_bytes())).unwrap();
    let logs = LogKeys::parse(&format!("{} an origin that is no name\n", ours().key())).unwrap();
    let accepted = Witness::default().judge(&logs, &call, 1_524_614_400).unwrap();
    let word = Cosignature::sign(&accepted.body, accepted.known.time, &witness).unwrap();
    let answer = format!("{}\n", word.to_line(witness.key()).to_line());

    // As C2SP says: the answer behind the checkpoint, and the whole to the verification of notes.
    let whole = [made.to_bytes(), answer.into_bytes()].concat();
    let known = VerifierList::new(vec![Box::new(their_verifier()), Box::new(TheirWitness(witness.key().clone()))]);
    let read = TheirNote::from_bytes(&whole).unwrap();
    let (verified, unverified) = read.verify(&known).unwrap();
    assert_eq!((verified.len(), unverified.len()), (2, 0));
    text.push(b'x');
    assert!(!TheirWitness(witness.key().clone()).verify(&text, verified[1].signature()));
}
