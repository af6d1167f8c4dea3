use super::*;
use crate::wire::operation_step::Step;
use crate::wire::{self, RecordRef};

const SUBMISSION: [u8; 16] = [0x11; 16];

fn record(body: Body) -> Record {
    Record { submission: SUBMISSION.to_vec(), body: Some(body) }
}

fn on(unit: &str, index: u64) -> Option<RecordRef> {
    Some(RecordRef { unit: unit.into(), index })
}

fn refer() -> wire::Refer {
    wire::Refer { target: "domain:news.example".into(), categories: vec![1, 3], ..Default::default() }
}

/// A sound body of every kind.
fn samples() -> Vec<Body> {
    let hash = vec![7; 32];
    let item = wire::EvidenceItem { sha256: hash.clone(), media_type: "image/png".into(), ..Default::default() };
    let target = || "domain:news.example".to_owned();
    vec![
        Body::Refer(refer()),
        Body::Withdraw(wire::Withdraw { index: 5, reason: "wrong".into() }),
        Body::Hold(wire::Hold { target: target(), ..Default::default() }),
        Body::Opinion(wire::Opinion { on: on("FR", 1), stance: 2, ground: 1, text: String::new() }),
        Body::Dispatch(wire::Dispatch { on: on("FR", 1), ..Default::default() }),
        Body::Outcome(wire::Outcome { on: on("FR", 1), answer: 1, ..Default::default() }),
        Body::Observe(wire::Observe { target: target(), availability: 1, ..Default::default() }),
        Body::Link(wire::Link { first: target(), second: "ip:192.0.2.1".into(), relation: 1 }),
        Body::Evidence(wire::Evidence { item: Some(item), ..Default::default() }),
        Body::Custody(wire::Custody {
            item: on("FR", 1),
            step: 1,
            other: "FR".into(),
            sha256: hash.clone(),
            ..Default::default()
        }),
        Body::Operation(wire::Operation { invited: vec!["BE".into(), "FR".into()], ..Default::default() }),
        Body::OperationStep(wire::OperationStep {
            operation: on("FR", 1),
            step: Some(Step::Ready(wire::OperationReady { digest: hash.clone() })),
        }),
        Body::Erase(wire::Erase { index: 5, reason: 1 }),
        Body::Adopt(wire::Adopt { version: 1, digest: hash.clone() }),
        Body::Propose(wire::Propose { text: vec![], digest: hash.clone() }),
        Body::Approve(wire::Approve { digest: hash.clone(), signatures: vec!["\u{2014} x y".into()] }),
        Body::Revoke(wire::Revoke { spki_sha256: hash.clone(), reason: String::new() }),
        Body::ForkProof(wire::ForkProof {
            unit: "FR".into(),
            smaller: vec![1],
            larger: vec![2],
            consistency: vec![hash.clone()],
        }),
        Body::AccessHead(wire::AccessHead { epoch: 0, size: 0, root: hash }),
    ]
}

fn fault(body: Body) -> (&'static str, Fault) {
    match encode(&record(body.clone())) {
        Err(SetAside::Field { field, fault }) => (field, fault),
        other => panic!("{body:?}: {other:?}"),
    }
}

fn parse_raw(record: &Record, kind: u32) -> Result<Statement, SetAside> {
    parse(kind, &record.encode_to_vec())
}

#[test]
fn every_kind_can_be_written_and_read() {
    let samples = samples();
    assert_eq!(samples.len(), RecordKind::KNOWN.len());
    for (body, kind) in samples.into_iter().zip(RecordKind::KNOWN) {
        let bytes = encode(&record(body.clone())).unwrap();
        let statement = parse(kind.number(), &bytes).unwrap();
        assert_eq!((statement.submission(), statement.kind(), statement.body()), (SUBMISSION, kind, &body));
        assert_eq!(encode(&statement.into_record()).unwrap(), bytes);
    }
}

#[test]
fn the_canonical_bytes_are_those_of_the_documentation() {
    let bytes = encode(&record(Body::Withdraw(wire::Withdraw { index: 5, reason: "wrong".into() }))).unwrap();
    let mut want = vec![0x0a, 0x10];
    want.extend([0x11; 16]);
    want.extend([0x1a, 0x09, 0x08, 0x05, 0x12, 0x05]);
    want.extend(b"wrong");
    assert_eq!(bytes, want);
}

#[test]
fn a_referral_has_its_golden_bytes() {
    let refer = wire::Refer {
        target: "url:https://news.example/a".into(),
        categories: vec![1, 3],
        basis: 1,
        handling: Some(wire::Handling { tlp: 3, europol: vec![0, 2] }),
        review_by_ms: 1_700_000_000_000,
        ..Default::default()
    };
    let bytes = encode(&record(Body::Refer(refer))).unwrap();
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(
        hex,
        "0a101111111111111111111111111111111112310a1a75726c3a68747470733a2f2f6e6577732e6578616d706c652f61\
         12020103180152060803120200025880d095ffbc31"
    );
}

#[test]
fn bytes_that_are_not_canonical_are_set_aside() {
    let good = encode(&record(Body::Erase(wire::Erase { index: 5, reason: 1 }))).unwrap().to_vec();
    let head = good[..18].to_vec();
    let with = |tail: &[u8]| [head.as_slice(), tail].concat();
    assert!(parse(14, &with(&[0x72, 4, 0x08, 5, 0x10, 1])).is_ok());
    for (why, tail) in [
        ("fields descend", vec![0x72, 4, 0x10, 1, 0x08, 5]),
        ("a varint is too long", vec![0x72, 5, 0x08, 0x85, 0x00, 0x10, 1]),
        ("a length is too long", vec![0x72, 0x84, 0x00, 0x08, 5, 0x10, 1]),
        ("a default is written", vec![0x72, 4, 0x08, 0, 0x10, 1]),
        ("a field occurs twice", vec![0x72, 6, 0x08, 5, 0x08, 5, 0x10, 1]),
        ("an arm occurs twice", vec![0x72, 4, 0x08, 5, 0x10, 1, 0x72, 4, 0x08, 5, 0x10, 1]),
        ("an unknown field", vec![0x72, 6, 0x08, 5, 0x10, 1, 0x18, 1]),
        ("an unknown outer field", vec![0x72, 4, 0x08, 5, 0x10, 1, 0xa8, 0x01, 1]),
        ("an enum beyond 32 bits", vec![0x72, 8, 0x08, 5, 0x10, 0x81, 0x80, 0x80, 0x80, 0x10]),
    ] {
        assert_eq!(parse(14, &with(&tail)), Err(SetAside::NotCanonical), "{why}");
    }
    let swapped = [&[0x72, 4, 0x08, 5, 0x10, 1], head.as_slice()].concat();
    assert_eq!(parse(14, &swapped), Err(SetAside::NotCanonical));
    let unpacked = with(&[0x12, 10, 0x0a, 4, b'x', b':', b'y', b'z', 0x10, 1, 0x10, 2]);
    assert_eq!(parse(2, &unpacked), Err(SetAside::NotCanonical));
    assert_eq!(parse(14, &good[..good.len() - 1]), Err(SetAside::NotProtobuf));
}

#[test]
fn a_payload_is_set_aside_for_its_frame() {
    let good = record(Body::Erase(wire::Erase { index: 5, reason: 1 }));
    assert_eq!(parse_raw(&good, 3), Err(SetAside::KindDiffers { header: 3, payload: 14 }));
    assert_eq!(parse_raw(&good, 21), Err(SetAside::UnknownKind(21)));
    assert_eq!(parse_raw(&good, 1), Err(SetAside::UnknownKind(1)));
    assert_eq!(parse(14, &[]), Err(SetAside::Size(0)));
    assert_eq!(parse(14, &vec![0; 65_537]), Err(SetAside::Size(65_537)));
    for length in [0, 15, 17] {
        let wrong = Record { submission: vec![1; length], ..good.clone() };
        assert_eq!(parse_raw(&wrong, 14), Err(SetAside::Submission(length)));
    }
    let empty = Record { body: None, ..good };
    assert_eq!(parse_raw(&empty, 14), Err(SetAside::Empty));
}

#[test]
fn a_record_beyond_64_kib_cannot_be_written() {
    let targets = vec![wire::Referrals { unit: "BE".into(), indexes: (1 << 39..(1 << 39) + 12_000).collect() }];
    let operation = wire::Operation { targets, ..Default::default() };
    assert!(matches!(encode(&record(Body::Operation(operation))), Err(SetAside::Size(_))));
}

#[test]
fn texts_have_no_control_characters_and_no_overrides() {
    let withdraw = |reason: &str| Body::Withdraw(wire::Withdraw { index: 0, reason: reason.into() });
    assert!(encode(&record(withdraw("grüße\nمرحبا \u{200f}"))).is_ok());
    for (text, want) in [
        ("a\tb", Fault::ControlCharacter(9)),
        ("a\r\n", Fault::ControlCharacter(13)),
        ("\u{7f}", Fault::ControlCharacter(0x7f)),
        ("\u{85}", Fault::ControlCharacter(0x85)),
        ("\u{202e}", Fault::BidiControl(0x202e)),
        ("\u{2066}", Fault::BidiControl(0x2066)),
        (&"a".repeat(1_025), Fault::TooLong { have: 1_025, most: 1_024 }),
    ] {
        assert_eq!(fault(withdraw(text)), ("withdraw.reason", want));
    }
}

macro_rules! faulty {
    ($sample:expr, $body:ident, $($field:ident).+ = $value:expr, $name:literal, $fault:expr) => {{
        let mut sample = $sample;
        sample.$($field).+ = $value;
        assert_eq!(fault(Body::$body(sample)), ($name, $fault));
    }};
}

#[test]
fn each_limit_of_a_referral_has_its_refusal() {
    use Fault::*;
    let item = wire::EvidenceItem { sha256: vec![0; 32], ..Default::default() };
    faulty!(refer(), Refer, target = "news.example".into(), "refer.target", Target(GrammarFault::NoType));
    faulty!(refer(), Refer, categories = vec![], "refer.categories", Missing);
    faulty!(refer(), Refer, categories = vec![0], "refer.categories", Range);
    faulty!(refer(), Refer, categories = vec![6], "refer.categories", Range);
    faulty!(refer(), Refer, categories = vec![2, 2], "refer.categories", NotAscending);
    faulty!(refer(), Refer, categories = vec![2, 1], "refer.categories", NotAscending);
    faulty!(refer(), Refer, basis = 4, "refer.basis", Range);
    faulty!(refer(), Refer, basis = -1, "refer.basis", Range);
    faulty!(refer(), Refer, provider = "a".repeat(257), "refer.provider", TooLong { have: 257, most: 256 });
    faulty!(refer(), Refer, source = 5, "refer.source", Range);
    faulty!(refer(), Refer, accuracy = 5, "refer.accuracy", Range);
    faulty!(refer(), Refer, language = "e n".into(), "refer.language", Byte);
    faulty!(refer(), Refer, language = "a".repeat(36), "refer.language", TooLong { have: 36, most: 35 });
    let text = "a".repeat(16_385);
    faulty!(refer(), Refer, description = text, "refer.description", TooLong { have: 16_385, most: 16_384 });
    faulty!(refer(), Refer, evidence = vec![item.clone(); 65], "refer.evidence", TooLong { have: 65, most: 64 });
    let short = wire::EvidenceItem { sha256: vec![0; 31], ..item.clone() };
    faulty!(refer(), Refer, evidence = vec![short], "refer.evidence", Length { have: 31, want: 32 });
    let media = wire::EvidenceItem { media_type: "a\nb".into(), ..item.clone() };
    faulty!(refer(), Refer, evidence = vec![media], "refer.evidence", Byte);
    let late = wire::EvidenceItem { captured_at_ms: u64::MAX, ..item };
    faulty!(refer(), Refer, evidence = vec![late], "refer.evidence", Range);
    let handling = |tlp, europol: &[u32]| Some(wire::Handling { tlp, europol: europol.to_vec() });
    faulty!(refer(), Refer, handling = handling(6, &[]), "refer.handling.tlp", Range);
    faulty!(refer(), Refer, handling = handling(0, &[4]), "refer.handling.europol", Range);
    faulty!(refer(), Refer, handling = handling(0, &[1, 1]), "refer.handling.europol", NotAscending);
    faulty!(refer(), Refer, review_by_ms = 253_402_300_800_000, "refer.review_by_ms", Range);
    faulty!(refer(), Refer, campaign = "\0".into(), "refer.campaign", ControlCharacter(0));
    faulty!(refer(), Refer, prefix = true, "refer.prefix", NotHere);
    let text = "a".repeat(1_025);
    faulty!(refer(), Refer, override_reason = text, "refer.override_reason", TooLong { have: 1_025, most: 1_024 });
}

#[test]
fn each_limit_of_the_other_kinds_has_its_refusal() {
    use Fault::*;
    for body in samples() {
        match body {
            Body::Refer(_) => {}
            Body::Withdraw(s) => faulty!(s, Withdraw, index = 1 << 40, "withdraw.index", Range),
            Body::Hold(s) => {
                faulty!(s.clone(), Hold, target = String::new(), "hold.target", Target(GrammarFault::NoType));
                faulty!(s.clone(), Hold, until_ms = u64::MAX, "hold.until_ms", Range);
                faulty!(s, Hold, contact = "\u{1b}".into(), "hold.contact", ControlCharacter(0x1b));
            }
            Body::Opinion(s) => {
                faulty!(s.clone(), Opinion, on = None, "opinion.on", Missing);
                faulty!(s.clone(), Opinion, on = on("fr", 1), "opinion.on", Unit);
                faulty!(s.clone(), Opinion, on = on("FR", 1 << 40), "opinion.on", Range);
                faulty!(s.clone(), Opinion, stance = 0, "opinion.stance", Range);
                faulty!(s.clone(), Opinion, stance = 1, "opinion.ground", NotHere);
                faulty!(s, Opinion, ground = 0, "opinion.ground", Range);
            }
            Body::Dispatch(s) => {
                faulty!(s.clone(), Dispatch, on = None, "dispatch.on", Missing);
                faulty!(s, Dispatch, at_ms = u64::MAX, "dispatch.at_ms", Range);
            }
            Body::Outcome(s) => {
                faulty!(s.clone(), Outcome, on = None, "outcome.on", Missing);
                faulty!(s.clone(), Outcome, answer = 0, "outcome.answer", Range);
                faulty!(s, Outcome, answer = 7, "outcome.answer", Range);
            }
            Body::Observe(s) => {
                faulty!(s.clone(), Observe, availability = 0, "observe.availability", Range);
                faulty!(s.clone(), Observe, availability = 3, "observe.successor", Target(GrammarFault::NoType));
                faulty!(s, Observe, successor = "domain:a.example".into(), "observe.successor", NotHere);
            }
            Body::Link(s) => {
                faulty!(s.clone(), Link, second = s.first.clone(), "link.second", NotHere);
                faulty!(s.clone(), Link, first = "x".into(), "link.first", Target(GrammarFault::NoType));
                faulty!(s, Link, relation = 4, "link.relation", Range);
            }
            Body::Evidence(s) => {
                faulty!(s.clone(), Evidence, item = None, "evidence.item", Missing);
                faulty!(s.clone(), Evidence, target = "x".into(), "evidence.target", Target(GrammarFault::NoType));
                faulty!(s, Evidence, operation = on("x", 1), "evidence.operation", Unit);
            }
            Body::Custody(s) => {
                faulty!(s.clone(), Custody, item = None, "custody.item", Missing);
                faulty!(s.clone(), Custody, step = 3, "custody.step", Range);
                faulty!(s.clone(), Custody, other = "".into(), "custody.other", Unit);
                faulty!(s, Custody, sha256 = vec![], "custody.sha256", Length { have: 0, want: 32 });
            }
            Body::Operation(s) => {
                let twice = vec!["BE".into(), "BE".into()];
                faulty!(s.clone(), Operation, invited = twice, "operation.invited", NotAscending);
                let many = vec!["BE".into(); 101];
                faulty!(s.clone(), Operation, invited = many, "operation.invited", TooLong { have: 101, most: 100 });
                faulty!(s, Operation, ready_quorum = 101, "operation.ready_quorum", Range);
            }
            Body::OperationStep(s) => {
                faulty!(s.clone(), OperationStep, operation = None, "operation_step.operation", Missing);
                faulty!(s, OperationStep, step = None, "operation_step.step", Missing);
            }
            Body::Erase(s) => {
                faulty!(s, Erase, reason = 0, "erase.reason", Range);
                faulty!(s, Erase, reason = 5, "erase.reason", Range);
            }
            Body::Adopt(s) => {
                faulty!(s.clone(), Adopt, version = 0, "adopt.version", Range);
                faulty!(s, Adopt, digest = vec![0; 33], "adopt.digest", Length { have: 33, want: 32 });
            }
            Body::Propose(s) => {
                faulty!(s.clone(), Propose, text = b"x".to_vec(), "propose.digest", Digest);
                let text = vec![0; 65_001];
                faulty!(s, Propose, text = text, "propose.text", TooLong { have: 65_001, most: 65_000 });
            }
            Body::Approve(s) => {
                faulty!(s.clone(), Approve, digest = vec![], "approve.digest", Length { have: 0, want: 32 });
                let lines = vec![String::new(); 129];
                faulty!(s.clone(), Approve, signatures = lines, "approve.signatures", TooLong { have: 129, most: 128 });
                let line = vec!["x".repeat(513)];
                faulty!(s.clone(), Approve, signatures = line, "approve.signatures", TooLong { have: 513, most: 512 });
                let line = vec!["\u{202e}".to_owned()];
                faulty!(s, Approve, signatures = line, "approve.signatures", BidiControl(0x202e));
            }
            Body::Revoke(s) => {
                faulty!(s, Revoke, spki_sha256 = vec![], "revoke.spki_sha256", Length { have: 0, want: 32 });
            }
            Body::ForkProof(s) => {
                faulty!(s.clone(), ForkProof, unit = "x".into(), "fork_proof.unit", Unit);
                faulty!(s.clone(), ForkProof, larger = vec![], "fork_proof.larger", Missing);
                let long = vec![vec![0; 32]; 81];
                faulty!(s, ForkProof, consistency = long, "fork_proof.consistency", TooLong { have: 81, most: 80 });
            }
            Body::AccessHead(s) => {
                faulty!(s.clone(), AccessHead, size = 1 << 40, "access_head.size", Range);
                faulty!(s, AccessHead, root = vec![1], "access_head.root", Length { have: 1, want: 32 });
            }
        }
    }
}

#[test]
fn each_limit_of_a_step_has_its_refusal() {
    use Fault::*;
    let step = |step| fault(Body::OperationStep(wire::OperationStep { operation: on("FR", 1), step: Some(step) }));
    let hash = vec![7; 32];
    let short = Length { have: 1, want: 32 };
    let id = |unit: &str, index| RecordRef { unit: unit.into(), index };
    let invite = wire::OperationInvite { units: vec!["FR".into(), "BE".into()] };
    assert_eq!(step(Step::Invite(invite)), ("operation_step.invite.units", NotAscending));
    let list = |unit: &str, indexes: &[u64]| wire::Referrals { unit: unit.into(), indexes: indexes.to_vec() };
    let targets = wire::OperationTargets { targets: vec![list("x", &[0])] };
    assert_eq!(step(Step::Add(targets.clone())), ("operation_step.add.targets", Unit));
    assert_eq!(step(Step::Remove(targets)), ("operation_step.remove.targets", Unit));
    for (targets, fault) in [
        (vec![list("BE", &[1, 1])], NotAscending),
        (vec![list("FR", &[1]), list("BE", &[2])], NotAscending),
        (vec![list("BE", &[1]), list("BE", &[2])], NotAscending),
        (vec![list("BE", &[])], Missing),
        (vec![list("BE", &[1 << 40])], Range),
    ] {
        let freeze = wire::OperationFreeze { targets, digest: hash.clone(), frontier: vec![] };
        assert_eq!(step(Step::Freeze(freeze)), ("operation_step.freeze.targets", fault));
    }
    let freeze = wire::OperationFreeze { digest: vec![1], ..Default::default() };
    assert_eq!(step(Step::Freeze(freeze)), ("operation_step.freeze.digest", short));
    let ready = wire::OperationReady { digest: vec![1] };
    assert_eq!(step(Step::Ready(ready)), ("operation_step.ready.digest", short));
    let log = |unit: &str| wire::FrontierLog { unit: unit.into(), size: 1, root: hash.clone() };
    let go = wire::OperationGo { digest: hash.clone(), charter: hash.clone(), ..Default::default() };
    let with = |frontier| Step::Go(wire::OperationGo { frontier, ..go.clone() });
    assert_eq!(step(with(vec![log("FR"), log("BE")])), ("operation_step.go.frontier", NotAscending));
    let large = wire::FrontierLog { size: 1 << 40, ..log("BE") };
    assert_eq!(step(with(vec![large])), ("operation_step.go.frontier", Range));
    let excluded = vec![list("x", &[1])];
    assert_eq!(step(Step::Go(wire::OperationGo { excluded, ..go.clone() })), ("operation_step.go.excluded", Unit));
    let twice = vec![log("BE"), log("BE")];
    let freeze = wire::OperationFreeze { digest: hash.clone(), frontier: twice.clone(), ..Default::default() };
    assert_eq!(step(Step::Freeze(freeze)), ("operation_step.freeze.frontier", NotAscending));
    let close = wire::OperationClose { text: String::new(), frontier: twice };
    assert_eq!(step(Step::Close(close)), ("operation_step.close.frontier", NotAscending));
    let executed = wire::OperationExecuted { target: Some(id("BE", 1)), result: 0, ..Default::default() };
    assert_eq!(step(Step::Executed(executed)), ("operation_step.executed.result", Range));
    let close = wire::OperationClose { text: "a".repeat(4_097), frontier: vec![] };
    assert_eq!(step(Step::Close(close)), ("operation_step.close.text", TooLong { have: 4_097, most: 4_096 }));
    let assign = wire::OperationAssign { unit: "be".into(), targets: vec![] };
    assert_eq!(step(Step::Assign(assign)), ("operation_step.assign.unit", Unit));
}

proptest::proptest! {
    #[test]
    fn no_bytes_make_it_panic(kind in 0_u32..25, bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200)) {
        let _ = parse(kind, &bytes);
    }
}

use crate::record::target::GrammarFault;
