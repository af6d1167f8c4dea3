//! Each rule of a receipt has its refusal here.

use std::collections::BTreeMap;

use bytes::Bytes;
use proptest::prelude::any;
use proptest::{collection, prop_assert, proptest};

use super::*;
use crate::charter::{Charter, UnitDescription, UnitDraft, UnverifiedCharter};
use crate::checkpoint::{Checkpoint, CosignedCheckpoint, SignedCheckpoint};
use crate::cosignature::Cosignature;
use crate::entry::Entry;
use crate::hash::Hash;
use crate::ids::{NetworkName, Size, UnitId};
use crate::note::{Algorithm, MemorySigner, Note, NoteError, NoteSignature, Signer, base64};
use crate::record::{self, RecordKind};
use crate::tree::{MemoryTree, inclusion_proof};
use crate::wire::record::Body;
use crate::wire::{self, Record, RecordRef};

mod mutations;

const TIME_MS: u64 = 1_524_614_400_000;
const UNITS: [&str; 4] = ["BE", "FR", "NL", "UK"];

fn network() -> NetworkName {
    "takedown.example".parse().unwrap()
}

fn unit(id: &str) -> UnitId {
    id.parse().unwrap()
}

/// The charter, log or mirror key of a unit.
fn key(id: &str, role: u8) -> MemorySigner {
    let of = unit(id);
    let (name, algorithm) = match role {
        0 => (KeyName::charter(&network(), &of), Algorithm::Ed25519),
        1 => (KeyName::log(&network(), &of), Algorithm::Ed25519),
        _ => (KeyName::mirror(&network(), &of), Algorithm::Cosignature),
    };
    MemorySigner::from_seed(name, algorithm, &Hash::of(format!("{id} {role}").as_bytes()).0).unwrap()
}

fn charter_of(ids: &[&str]) -> Charter {
    let units = ids.iter().zip(1_u8..).map(|(id, number)| {
        let draft = UnitDraft {
            id: unit(id),
            name: format!("Unit {id}"),
            charter_key: key(id, 0).key().clone(),
            log_key: key(id, 1).key().clone(),
            mirror_key: key(id, 2).key().clone(),
            ca: vec![vec![0x30, 1, number]],
            addresses: Vec::new(),
        };
        UnitDescription::new(network(), draft).unwrap()
    });
    let mut charter = UnverifiedCharter::compose(&units.collect::<Vec<_>>(), None).unwrap();
    for id in ids {
        let keys = [key(id, 0), key(id, 1), key(id, 2)];
        charter.sign(&keys.each_ref().map(|key| key as &dyn Signer), 1_700_000_000).unwrap();
    }
    charter.verify_first().unwrap()
}

fn charter() -> Charter {
    charter_of(&UNITS)
}

fn refer(target: &str) -> Body {
    Body::Refer(wire::Refer { target: target.into(), categories: vec![1], ..wire::Refer::default() })
}

fn withdraw(index: u64) -> Body {
    Body::Withdraw(wire::Withdraw { index, reason: "a newspaper's report".into() })
}

fn opinion(on: &str, index: u64, stance: wire::Stance) -> Body {
    let ground =
        if stance == wire::Stance::Object { wire::Ground::ProtectedExpression } else { wire::Ground::Unspecified };
    let on = Some(RecordRef { unit: on.into(), index });
    Body::Opinion(wire::Opinion { on, stance: stance.into(), ground: ground.into(), text: "read it".into() })
}

fn erase(index: u64) -> Body {
    Body::Erase(wire::Erase { index, reason: wire::EraseReason::Mistake.into() })
}

fn entry(number: u64, body: Body) -> Entry {
    let kind = RecordKind::of_body(&body).number();
    let payload = record::encode(&Record { submission: vec![7; 16], body: Some(body) }).unwrap();
    Entry::compose(kind, TIME_MS + number, [9; 16], payload).unwrap()
}

fn entries(bodies: Vec<Body>) -> Vec<Entry> {
    bodies.into_iter().zip(0_u64..).map(|(body, number)| entry(number, body)).collect()
}

/// A log of BE: two referrals, the withdrawal of the first, the erasure of the second, another referral.
fn log() -> Vec<Entry> {
    entries(vec![
        refer("domain:a.example"),
        refer("domain:b.example"),
        withdraw(0),
        erase(1),
        refer("domain:c.example"),
    ])
}

fn cosigned(of: &str, log: &[Entry], cosigners: &[&str]) -> CosignedCheckpoint {
    let tree: MemoryTree = log.iter().map(Entry::leaf_hash).collect();
    let checkpoint = Checkpoint { origin: KeyName::log(&network(), &unit(of)), size: tree.size(), root: tree.root() };
    let body = checkpoint.body();
    let mut cosigned = CosignedCheckpoint::new(SignedCheckpoint::sign(checkpoint, &key(of, 1)).unwrap());
    for id in cosigners {
        cosigned.add(unit(id), Cosignature::sign(&body, TIME_MS / 1_000, &key(id, 2)).unwrap());
    }
    cosigned
}

fn receipt_of(of: &str, log: &[Entry], index: usize, cosigners: &[&str]) -> UnverifiedReceipt {
    let tree: MemoryTree = log.iter().map(Entry::leaf_hash).collect();
    let proof = inclusion_proof(&tree, index as u64, tree.size()).unwrap();
    let note = cosigned(of, log, cosigners).to_note(&charter().mirrors(&unit(of)));
    UnverifiedReceipt::compose(index as u64, &log[index], proof, note).unwrap()
}

/// BE/1 of the log above, cosigned by FR and UK.
fn receipt() -> UnverifiedReceipt {
    receipt_of("BE", &log(), 1, &["FR", "UK"])
}

fn text() -> String {
    String::from_utf8(receipt().to_bytes()).unwrap()
}

fn read(bytes: &[u8]) -> Result<VerifiedReceipt, ReceiptError> {
    UnverifiedReceipt::parse(bytes)?.verify(&charter())
}

fn refused(text: &str) -> ReceiptError {
    read(text.as_bytes()).expect_err(text)
}

fn verified(of: &str, bodies: Vec<Body>, index: usize) -> VerifiedReceipt {
    let others: Vec<&str> = UNITS.into_iter().filter(|id| *id != of).collect();
    receipt_of(of, &entries(bodies), index, &others).verify(&charter()).unwrap()
}

/// A line of the text above, by its number from 1.
fn line(number: usize) -> String {
    text().lines().nth(number - 1).unwrap().to_owned()
}

fn with_line(number: usize, changed: &str) -> String {
    let lines = text();
    let lines = lines.lines().zip(1..).map(|(line, at)| if at == number { changed } else { line });
    lines.flat_map(|line| [line, "\n"]).collect()
}

#[test]
fn a_receipt_has_the_look_of_tlog_proof() {
    let text = text();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "c2sp.org/tlog-proof@v1");
    let extra = base64::decode(lines[1].strip_prefix("extra ").unwrap()).unwrap();
    let leaf = log()[1].leaf().to_vec();
    assert_eq!(extra[..2], [0, leaf.len() as u8]);
    assert_eq!(extra[2..2 + leaf.len()], leaf);
    assert_eq!(extra[2 + leaf.len()..][..16], [9; 16]);
    assert_eq!(&extra[18 + leaf.len()..], &log()[1].payload().unwrap()[..]);
    assert_eq!(lines[2], "index 1");
    // Three siblings on the way to the root of five leaves, the leaf's own first.
    assert_eq!(lines[3], base64::encode(log()[0].leaf_hash().as_bytes()));
    assert_eq!(
        (lines[5], lines[6], lines[7], lines[8]),
        (base64::encode(log()[4].leaf_hash().as_bytes()).as_str(), "", "takedown.example/BE", "5")
    );
    assert_eq!(UnverifiedReceipt::parse(text.as_bytes()), Ok(receipt()));
}

#[test]
fn a_receipt_verifies_with_the_charter_alone_and_says_who_said_what() {
    let verified = read(text().as_bytes()).unwrap();
    assert_eq!(verified.id().to_string(), "BE/1");
    assert_eq!(verified.header().time_ms, TIME_MS + 1);
    assert_eq!(verified.statement().body(), &refer("domain:b.example"));
    assert_eq!(verified.checkpoint().cosignatures().keys().map(UnitId::as_str).collect::<Vec<_>>(), ["FR", "UK"]);
    assert_eq!(verified.certified(), Ok(()));
    assert_eq!(verified.quorum().needed(), 2);
}

#[test]
fn every_record_of_logs_of_every_small_size_verifies() {
    for size in 1..=20_usize {
        let log = entries((0..size).map(|n| refer(&format!("domain:{n}.example"))).collect());
        for index in 0..size {
            let bytes = receipt_of("BE", &log, index, &["FR"]).to_bytes();
            assert_eq!(read(&bytes).unwrap().id().index, index as u64);
        }
    }
}

#[test]
fn a_receipt_below_its_quorum_says_so() {
    for (cosigners, found) in [(&[][..], 0), (&["NL"], 1)] {
        let verified = receipt_of("BE", &log(), 1, cosigners).verify(&charter()).unwrap();
        assert_eq!(verified.certified(), Err(CheckpointError::NotCertified { found, needed: 2 }));
    }
}

#[test]
fn every_flipped_bit_of_a_receipt_is_refused() {
    let good = text().into_bytes();
    let charter = charter();
    for bit in 0..good.len() * 8 {
        let mut bad = good.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        let read = UnverifiedReceipt::parse(&bad).and_then(|receipt| receipt.verify(&charter));
        assert!(read.is_err(), "bit {bit}: {}", String::from_utf8_lossy(&bad));
    }
}

#[test]
fn every_cut_of_a_receipt_is_refused() {
    let good = text().into_bytes();
    let charter = charter();
    // Whole signature lines can be taken from the end: the receipt then has fewer cosignatures, and says so.
    let mut fewer = Vec::new();
    for cut in 0..good.len() {
        if let Ok(verified) = UnverifiedReceipt::parse(&good[..cut]).and_then(|receipt| receipt.verify(&charter)) {
            fewer.push(verified.checkpoint().cosignatures().len());
            assert!(verified.certified().is_err());
        }
    }
    assert_eq!(fewer, [0, 1]);
}

#[test]
fn the_frame_has_one_form() {
    use ReceiptError as E;
    let text = text();
    let with = |from: &str, to: &str| text.replacen(from, to, 1);
    assert_eq!(refused(""), E::Format);
    assert_eq!(refused(FORMAT), E::Format);
    assert_eq!(refused(&with("@v1", "@v2")), E::Format);
    assert_eq!(refused(&format!(" {text}")), E::Format);
    assert_eq!(refused(&format!("\u{feff}{text}")), E::Format);
    assert_eq!(refused(&text.replace('\n', "\r\n")), E::CarriageReturn);
    assert_eq!(read(&[&text.as_bytes()[..30], &[0xff]].concat()), Err(E::NotUtf8(30)));
    assert_eq!(refused(&"x".repeat(RECEIPT_BYTES_MAX + 1)), E::TooLarge(RECEIPT_BYTES_MAX + 1));
    assert_eq!(refused(&with(&format!("{}\n", line(2)), "")), E::NoExtra);
    assert_eq!(refused(&with("extra ", "Extra ")), E::NoExtra);
    assert_eq!(refused(&with("extra ", "extra  ")), E::ExtraBase64);
    assert_eq!(refused(&with("\nindex", "=\nindex")), E::ExtraBase64);
    assert_eq!(refused(&with("\nindex", " \nindex")), E::ExtraBase64);
    assert_eq!(refused(&with(&format!("{}\n", line(3)), "")), E::Index);
    for bad in ["", "01", "+1", "-1", "1 ", " 1", "0x1", "1099511627776", "18446744073709551616", "١"] {
        assert_eq!(refused(&with("index 1\n", &format!("index {bad}\n"))), E::Index, "{bad:?}");
    }
    for bad in [&line(4)[1..], &format!("{} ", line(4)), &base64::encode(&[0; 31]), &base64::encode(&[0; 33]), "-"] {
        assert_eq!(refused(&with_line(4, bad)), E::Hash(4), "{bad:?}");
    }
    let many = format!("{}\n", line(4)).repeat(41);
    assert_eq!(refused(&with(&format!("{}\n", line(4)), &many)), E::TooManyHashes);
    let (before, _) = text.split_once("\n\n").unwrap();
    assert_eq!(refused(before), E::NoCheckpoint);
    assert_eq!(refused(&format!("{before}\n")), E::NoCheckpoint);
}

#[test]
fn the_entry_in_it_has_its_lengths() {
    let leaf = log()[1].leaf().to_vec();
    let extra = |length: u16, leaf: &[u8], rest: &[u8]| {
        let bytes = [&length.to_be_bytes()[..], leaf, rest].concat();
        (bytes.len(), with_line(2, &format!("extra {}", base64::encode(&bytes))))
    };
    let length = leaf.len() as u16;
    for (bytes, bad) in [
        (0, with_line(2, "extra ")),
        (1, with_line(2, "extra AA==")),
        extra(0, &[], &[1; 40]),
        extra(65, &[1; 65], &[1; 40]),
        extra(length, &leaf, &[9; 15]),
        extra(length, &leaf, &[9; 16]),
        extra(length, &leaf, &vec![9; 16 + 65_537]),
        extra(u16::MAX, &leaf, &[9; 40]),
    ] {
        assert_eq!(refused(&bad), ReceiptError::ExtraLength(bytes));
    }
}

#[test]
fn leaf_opening_and_payload_must_be_what_the_tree_has() {
    let good = receipt();
    let with = |change: fn(&mut UnverifiedReceipt)| {
        let mut bad = good.clone();
        change(&mut bad);
        read(&bad.to_bytes()).unwrap_err()
    };
    assert_eq!(with(|bad| bad.body.opening[0] ^= 1), EntryError::Commitment.into());
    assert_eq!(
        with(|bad| bad.body.payload = Bytes::from_static(b"x")),
        EntryError::PayloadLength { found: 1, header: 41 }.into()
    );
    assert_eq!(with(|bad| bad.leaf = Bytes::from_static(b"x")), EntryError::LeafNotCanonical.into());
    // Another sound entry in its place, another index, a proof with a hash too few, too many, or another.
    let not_in_log = |index, fault| ReceiptError::NotInLog { index, fault };
    assert_eq!(
        with(|bad| {
            let other = entry(1, refer("domain:archive.example"));
            (bad.leaf, bad.body) = (other.leaf().clone(), other.body().unwrap().clone());
        }),
        not_in_log(1, ProofError::Root)
    );
    assert_eq!(with(|bad| bad.index = 0), not_in_log(0, ProofError::Root));
    assert_eq!(with(|bad| bad.index = 5), not_in_log(5, ProofError::Index { index: 5, size: 5 }));
    assert_eq!(with(|bad| bad.proof.truncate(2)), not_in_log(1, ProofError::Short));
    assert_eq!(with(|bad| bad.proof.push(Hash::EMPTY_ROOT)), not_in_log(1, ProofError::Long));
    assert_eq!(with(|bad| bad.proof.reverse()), not_in_log(1, ProofError::Root));
}

#[test]
fn a_payload_that_is_set_aside_gives_no_receipt() {
    let payload = Bytes::from_static(b"a record of a later version");
    let later = Entry::compose(99, TIME_MS, [9; 16], payload.clone()).unwrap();
    let set_aside = |entry: Entry| receipt_of("BE", &[entry], 0, &["FR", "UK"]).verify(&charter()).unwrap_err();
    assert_eq!(set_aside(later), SetAside::UnknownKind(99).into());
    assert_eq!(set_aside(Entry::compose(2, TIME_MS, [9; 16], payload).unwrap()), SetAside::NotProtobuf.into());
    // A hold under a header that says referral: whoever reads the kind must not be deceived.
    let hold = Body::Hold(wire::Hold { target: "domain:a.example".into(), ..wire::Hold::default() });
    let payload = record::encode(&Record { submission: vec![7; 16], body: Some(hold) }).unwrap();
    let hold = Entry::compose(2, TIME_MS, [9; 16], payload).unwrap();
    assert_eq!(set_aside(hold), SetAside::KindDiffers { header: 2, payload: 4 }.into());
}

#[test]
fn an_erased_entry_gives_no_receipt() {
    let composed = UnverifiedReceipt::compose(1, &log()[1].without_body(), Vec::new(), Vec::new());
    assert_eq!(composed, Err(ReceiptError::NoPayload));
}

/// The receipt with these signature lines instead.
fn with_lines(change: impl FnOnce(&str, &mut Vec<NoteSignature>)) -> ReceiptError {
    let mut bad = receipt();
    let note = Note::parse(&bad.checkpoint, 1 << 16).unwrap();
    let mut lines = note.signatures().to_vec();
    change(note.text(), &mut lines);
    bad.checkpoint = Note::assemble(note.text().into(), lines).to_bytes();
    read(&bad.to_bytes()).unwrap_err()
}

fn cosign(id: &str, body: &str) -> NoteSignature {
    Cosignature::sign(body, 1, &key(id, 2)).unwrap().to_line(key(id, 2).key())
}

#[test]
fn only_the_unit_signs_for_the_unit() {
    let name = key("BE", 1).key().name().clone();
    let unsigned: ReceiptError = CheckpointError::from(NoteError::Unsigned(name.clone())).into();
    assert_eq!(with_lines(|_, lines| drop(lines.remove(0))), unsigned);
    // FR's log key instead of BE's, under BE's checkpoint.
    assert_eq!(with_lines(|text, lines| lines[0] = NoteSignature::sign(text, &key("FR", 1)).unwrap()), unsigned);
    // A key that calls itself BE's.
    let usurper = MemorySigner::from_seed(name.clone(), Algorithm::Ed25519, &[5; 32]).unwrap();
    assert_eq!(with_lines(|text, lines| lines[0] = NoteSignature::sign(text, &usurper).unwrap()), unsigned);
    let bad: ReceiptError = CheckpointError::from(NoteError::BadSignature(name)).into();
    assert_eq!(with_lines(|_, lines| lines[0].bytes[3] ^= 1), bad);
}

#[test]
fn every_signature_is_accounted_for_and_in_its_place() {
    let stranger = NoteSignature { name: "witness.example/w1".parse().unwrap(), id: [9; 4], bytes: vec![7; 100] };
    let unknown = ReceiptError::UnknownSigner(stranger.name.clone());
    assert_eq!(with_lines(|_, lines| lines.push(stranger)), unknown);
    // The author's own mirror key, and a partner's log key.
    let own = ReceiptError::UnknownSigner(key("BE", 2).key().name().clone());
    assert_eq!(with_lines(|text, lines| lines.push(cosign("BE", text))), own);
    let log = ReceiptError::UnknownSigner(key("FR", 1).key().name().clone());
    assert_eq!(with_lines(|text, lines| lines.push(NoteSignature::sign(text, &key("FR", 1)).unwrap())), log);
    assert_eq!(with_lines(|_, lines| lines.swap(1, 2)), ReceiptError::SignatureOrder);
    assert_eq!(with_lines(|_, lines| lines.swap(0, 1)), ReceiptError::SignatureOrder);
    let uk = key("UK", 2).key().name().clone();
    let bad: ReceiptError = CheckpointError::from(NoteError::BadSignature(uk)).into();
    assert_eq!(with_lines(|_, lines| lines[2].bytes[7] ^= 1), bad);
}

#[test]
fn a_receipt_is_for_the_charter_of_its_network() {
    let fewer = charter_of(&["FR", "NL", "UK"]);
    let of = key("BE", 1).key().name().clone();
    assert_eq!(receipt().verify(&fewer), Err(ReceiptError::UnknownLog(of)));
    // An older charter, to which UK did not belong yet.
    let fewer = charter_of(&["BE", "FR", "NL"]);
    let uk = key("UK", 2).key().name().clone();
    assert_eq!(receipt().verify(&fewer), Err(ReceiptError::UnknownSigner(uk)));
}

#[test]
fn a_checkpoint_that_is_none_is_refused() {
    let with = |checkpoint: &[u8]| {
        let bad = UnverifiedReceipt { checkpoint: checkpoint.to_vec(), ..receipt() };
        read(&bad.to_bytes()).unwrap_err()
    };
    assert_eq!(with(b""), CheckpointError::from(NoteError::NoSignatureBlock).into());
    assert_eq!(with(b"takedown.example/BE\n5\n\n"), CheckpointError::from(NoteError::NoSignatures).into());
    let extended = [receipt().checkpoint(), b"\n"].concat();
    assert!(matches!(with(&extended), ReceiptError::Checkpoint(_)));
}

#[test]
fn a_later_receipt_withdraws_erases_or_judges_an_earlier_record() {
    let log =
        || vec![refer("domain:a.example"), withdraw(0), erase(0), withdraw(1), withdraw(4), refer("domain:b.example")];
    let be = |index| verified("BE", log(), index);
    let first = be(0);
    assert_eq!(be(1).bears_on(&first), Some(Bearing::Withdraws("a newspaper's report")));
    assert_eq!(be(2).bears_on(&first), Some(Bearing::Erases(wire::EraseReason::Mistake)));
    assert_eq!(be(5).bears_on(&first), None);
    // A withdrawal is never withdrawn; nothing is withdrawn by itself or beforehand; each unit withdraws its own.
    assert_eq!(be(3).bears_on(&be(1)), None);
    assert_eq!(be(4).bears_on(&be(4)), None);
    let forwards = || vec![withdraw(1), refer("domain:a.example")];
    assert_eq!(verified("BE", forwards(), 0).bears_on(&verified("BE", forwards(), 1)), None);
    assert_eq!(verified("FR", log(), 1).bears_on(&first), None);

    let objects = opinion("BE", 0, wire::Stance::Object);
    let judged = verified("FR", vec![objects.clone()], 0);
    assert!(matches!(judged.bears_on(&first), Some(Bearing::Objects(said)) if said.text == "read it"));
    assert_eq!(judged.bears_on(&be(1)), None, "on another record");
    assert_eq!(judged.bears_on(&be(5)), None);
    let supports = verified("FR", vec![opinion("BE", 0, wire::Stance::Support)], 0);
    assert!(matches!(supports.bears_on(&first), Some(Bearing::Supports(_))));
    assert_eq!(verified("FR", vec![opinion("BE", 1, wire::Stance::Object)], 0).bears_on(&be(1)), None, "no referral");
    assert_eq!(verified("BE", vec![refer("domain:a.example"), objects], 1).bears_on(&first), None, "on an own record");
}

#[test]
fn receipts_of_two_histories_of_one_log_contradict() {
    let one = vec![refer("domain:a.example"), refer("domain:b.example")];
    let other = vec![refer("domain:a.example"), refer("domain:c.example")];
    let longer = [other.clone(), vec![withdraw(0)]].concat();
    let of = |log: &Vec<Body>, index| verified("BE", log.clone(), index);
    assert!(of(&one, 0).contradicts(&of(&other, 0)), "one size, two roots");
    assert!(of(&one, 1).contradicts(&of(&longer, 1)), "one index, two entries");
    assert!(!of(&one, 0).contradicts(&of(&one, 1)));
    assert!(!of(&other, 0).contradicts(&of(&longer, 2)));
    assert!(!of(&one, 1).contradicts(&verified("FR", other, 1)), "another log");
}

/// As far as `signed_note` and `tlog_tiles` go: they know neither the frame nor cosignatures.
#[test]
fn other_implementations_find_the_record_under_the_signed_checkpoint() {
    let text = text();
    let (frame, note) = text.split_once("\n\n").unwrap();
    let note = signed_note::Note::from_bytes(note.as_bytes()).unwrap();
    let key = signed_note::StandardVerifier::new(&key("BE", 1).key().to_string()).unwrap();
    let (verified, others) = note.verify(&signed_note::VerifierList::new(vec![Box::new(key)])).unwrap();
    assert_eq!((verified.len(), others.len()), (1, 2));
    let checkpoint = tlog_tiles::Checkpoint::from_bytes(note.text()).unwrap();
    let lines: Vec<&str> = frame.lines().collect();
    let extra = base64::decode(lines[1].strip_prefix("extra ").unwrap()).unwrap();
    let leaf = &extra[2..][..usize::from(extra[1])];
    let index: u64 = lines[2].strip_prefix("index ").unwrap().parse().unwrap();
    let hash = |line: &&str| tlog_tiles::Hash(Hash::from_slice(&base64::decode(line).unwrap()).unwrap().0);
    let proof: Vec<_> = lines[3..].iter().map(hash).collect();
    let (size, root) = (checkpoint.size(), *checkpoint.hash());
    assert!(tlog_tiles::check_record(&proof, size, root, index, tlog_tiles::record_hash(leaf)).is_ok());
    assert!(tlog_tiles::check_record(&proof, size, root, index ^ 1, tlog_tiles::record_hash(leaf)).is_err());
}

#[test]
fn the_largest_receipt_fits() {
    let index = (1 << 40) - 1;
    let body = crate::entry::Body { opening: [0; 16], payload: vec![1; 65_536].into() };
    let (proof, checkpoint) = (vec![Hash::EMPTY_ROOT; 40], vec![b'x'; 1 << 16]);
    let largest = UnverifiedReceipt { index, leaf: vec![1; 64].into(), body, proof, checkpoint };
    assert_eq!(UnverifiedReceipt::parse(&largest.to_bytes()), Ok(largest));
    assert_eq!(Size::new(index).unwrap().get(), index);
}

proptest! {
    /// Whatever is spliced in: it is refused, or it is the same receipt, but for whole lines of cosignatures taken out.
    #[test]
    fn an_altered_receipt_is_refused_or_says_the_same(noise in collection::vec(any::<u8>(), 0..6), at in any::<u16>(), cut in 0..120_usize) {
        let good = text().into_bytes();
        let from = usize::from(at) % good.len();
        let mut bytes = good.clone();
        bytes.splice(from..(from + cut).min(good.len()), noise);
        if let Ok(read) = read(&bytes) {
            let original = receipt().verify(&charter()).unwrap();
            prop_assert!((read.id(), read.entry(), read.checkpoint().signed()) == (original.id(), original.entry(), original.checkpoint().signed()));
            let before: &BTreeMap<_, _> = original.checkpoint().cosignatures();
            prop_assert!(read.checkpoint().cosignatures().iter().all(|(unit, said)| before.get(unit) == Some(said)));
            prop_assert!(bytes == UnverifiedReceipt::parse(&bytes).unwrap().to_bytes());
        }
    }
}
