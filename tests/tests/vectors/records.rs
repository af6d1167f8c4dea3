//! Targets and payloads: what keeps the rules, and what is set aside.

use entente_proto::record::{RecordKind, Target, statement};
use entente_proto::wire::operation_step::Step;
use entente_proto::wire::record::Body;
use entente_proto::wire::{self, Record, RecordRef};
use prost::Message as _;
use serde_json::{Value, json};

use crate::files::{Files, hex};
use crate::world::START_MS;

const TARGETS: [&str; 40] = [
    "domain:news.example",
    "domain:xn--bcher-kva.example",
    "domain:-a_.b-.example",
    "domain:1.2.3.4.example",
    "domain:a.0xg",
    "domain:a.b0x",
    "url:https://news.example/",
    "url:http://news.example/a/b?c=d",
    "url:https://news.example:8443/a%C3%A9?",
    "url:http://news.example:443/",
    "url:https://news.example/a?b?c/../d",
    "url:https://192.0.2.7/x",
    "url:https://[2001:db8::1]:1/x",
    "url:https://news.example/..a/a..//%2Fb",
    "url:https://news.example/%zz%",
    "url:https://news.example/'|~[]",
    "url:https://news.example/?`{}|\\^",
    "ip:192.0.2.7",
    "ip:0.0.0.0",
    "ip:192.0.2.0/24",
    "ip:128.0.0.0/1",
    "ip:192.0.2.6/31",
    "ip:::",
    "ip:::1",
    "ip:1::",
    "ip:2001:db8::/32",
    "ip:2001:0:0:1::1",
    "ip:1:0:0:2::3",
    "ip:1:2:3:4:5:6:7:0",
    "ip:::ffff:c000:207",
    "ip:1:0:2:3:4:5:6:7",
    "account:telegram/xyz",
    "account:x.y-z_0/A%25%00%FF",
    "channel:youtube/UCxyz",
    "channel:a/b/c@d:e",
    "app:google-play/org.news.app",
    "file:sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "image:pdq:f8f8f0cee0f4a84f06370a22038f63f0b36e2ed596621e1d33e6b39c4e9c9b22",
    "url:https://news.example/%",
    "url:https://news.example/%c",
];

const REFUSED_TARGETS: [&str; 70] = [
    "",
    "domain:",
    "domain",
    "Domain:news.example",
    "mail:a@news.example",
    "domain:example",
    "domain:News.example",
    "domain:news..example",
    "domain:.news.example",
    "domain:news.example.",
    "domain:news.example ",
    "domain:né.example",
    "domain:news.1",
    "domain:news.0x1f",
    "domain:news.0x",
    "domain:1.2.3.4",
    "domain:news.example/",
    "url:news.example/",
    "url:HTTPS://news.example/",
    "url:ftp://news.example/",
    "url:https://news.example",
    "url:https://news.example?a",
    "url:https://news.example:443/",
    "url:http://news.example:80/",
    "url:https://news.example:0/",
    "url:https://news.example:080/",
    "url:https://news.example:65536/",
    "url:https://news.example:/",
    "url:https://a@news.example/",
    "url:https://example/",
    "url:https://192.0.2.07/",
    "url:https://192.0.2/",
    "url:https://[::1/",
    "url:https://[2001:DB8::1]/",
    "url:https://[1.2.3.4]/",
    "url:https://news.example/a#b",
    "url:https://news.example/a b",
    "url:https://news.example/\"",
    "url:https://news.example/<",
    "url:https://news.example/^",
    "url:https://news.example/`",
    "url:https://news.example/{",
    "url:https://news.example/\\",
    "url:https://news.example/a/../b",
    "url:https://news.example/.",
    "url:https://news.example/%2E%2E/b",
    "url:https://news.example/.%2E",
    "url:https://news.example/%c3",
    "url:https://news.example/%aF",
    "url:https://news.example/?'",
    "url:https://news.example/?a#",
    "url:https://news.example/?%e2",
    "ip:192.0.2.256",
    "ip:192.0.2.1/24",
    "ip:192.0.2.0/024",
    "ip:192.0.2.0/32",
    "ip:0.0.0.0/0",
    "ip:2001:db8::/128",
    "ip:1:0:0:2:0:0:0:3",
    "ip:1:0:0:2::3:4",
    "ip:::ffff:192.0.2.7",
    "ip:1:::2",
    "account:telegram",
    "account:-x/y",
    "account:telegram/",
    "account:telegram/@xyz",
    "account:telegram/%41",
    "account:telegram/%c3",
    "file:sha256:E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855",
    "image:sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
];

pub(crate) fn files() -> Files {
    let mut accepted: Vec<String> = TARGETS.map(str::to_owned).to_vec();
    let label = "a".repeat(63);
    accepted.push(format!("domain:{label}.{label}.{label}.{}", "a".repeat(61)));
    accepted.push(format!("url:https://news.example/{}", "a".repeat(8_192 - 25)));
    accepted.push(format!("account:{}/{}", "p".repeat(64), "h".repeat(1_024)));
    for target in &accepted {
        assert!(target.parse::<Target>().is_ok(), "{target}");
    }
    let mut refused: Vec<String> = REFUSED_TARGETS.map(str::to_owned).to_vec();
    refused.push(format!("domain:{label}.{label}.{label}.{}", "a".repeat(62)));
    refused.push(format!("domain:{label}a.example"));
    refused.push(format!("url:https://news.example/{}", "a".repeat(8_193 - 25)));
    refused.push(format!("account:{}/h", "p".repeat(65)));
    refused.push(format!("account:p/{}", "h".repeat(1_025)));
    for target in &refused {
        assert!(target.parse::<Target>().is_err(), "{target}");
    }
    let sound = sound().into_iter().map(|body| {
        let kind = RecordKind::of_body(&body).number();
        let payload = payload(body);
        statement::parse(kind, &payload).unwrap();
        json!({ "kind": kind, "payload": hex(payload) })
    });
    let set_aside = set_aside().into_iter().map(|(why, kind, payload)| {
        assert!(statement::parse(kind, &payload).is_err(), "{why}");
        json!({ "why": why, "kind": kind, "payload": hex(payload) })
    });
    let mut files = Files::default();
    files.put_json("records/targets.json", &json!({ "accepted": accepted, "refused": refused }));
    files.put_json(
        "records/payloads.json",
        &json!({ "sound": sound.collect::<Vec<Value>>(), "set_aside": set_aside.collect::<Vec<Value>>() }),
    );
    files
}

/// The bytes of a record, whatever it says.
pub(crate) fn payload(body: Body) -> Vec<u8> {
    Record { submission: vec![0x11; 16], body: Some(body) }.encode_to_vec()
}

/// A referral that says everything.
pub(crate) fn full_refer(target: &str) -> wire::Refer {
    wire::Refer {
        target: target.into(),
        categories: vec![1, 3, 5],
        basis: 2,
        provider: "Hoster S.à r.l.".into(),
        source: 2,
        accuracy: 1,
        language: "ar-SY".into(),
        description: "News agency of the organisation.\n\u{201c}Breaking\u{201d} \u{1f4f0}".into(),
        evidence: vec![item()],
        handling: Some(wire::Handling { tlp: 2, europol: vec![0, 3] }),
        review_by_ms: START_MS + 86_400_000,
        campaign: "amaq".into(),
        prefix: false,
        override_reason: "known to the partners".into(),
    }
}

fn item() -> wire::EvidenceItem {
    wire::EvidenceItem {
        sha256: vec![0xab; 32],
        media_type: "image/png".into(),
        size: 1 << 33,
        captured_at_ms: START_MS - 1,
        tool: "webrecorder 2".into(),
    }
}

/// The name of a record, such as `BE/17`.
pub(crate) fn reference(id: &str) -> Option<RecordRef> {
    let (unit, index) = id.split_once('/').unwrap();
    Some(RecordRef { unit: unit.into(), index: index.parse().unwrap() })
}

fn ids(of: &[&str]) -> Vec<RecordRef> {
    of.iter().filter_map(|id| reference(id)).collect()
}

fn step(step: Step) -> Body {
    Body::OperationStep(wire::OperationStep { operation: reference("UK/4"), step: Some(step) })
}

/// One sound record of each kind at least, and of each step.
fn sound() -> Vec<Body> {
    let hash = || vec![0xcd; 32];
    let operation = wire::Operation {
        title: "Amaq".into(),
        invited: vec!["BE".into(), "FR".into()],
        targets: ids(&["UK/1", "BE/1"]),
        go_ms: START_MS,
        ready_quorum: 100,
    };
    let frontier = |unit: &str| wire::FrontierLog { unit: unit.into(), size: (1 << 40) - 1, root: hash() };
    let go = wire::OperationGo {
        digest: hash(),
        at_ms: START_MS,
        charter: hash(),
        frontier: vec![frontier("BE"), frontier("FR")],
        overrides: ids(&["NL/4"]),
    };
    let targets = || wire::OperationTargets { targets: ids(&["UK/1", "BE/1", "UK/1"]) };
    let executed =
        wire::OperationExecuted { target: reference("UK/1"), at_ms: START_MS, result: 3, text: "gone".into() };
    let text = b"network = \"takedown.example\"\n".to_vec();
    let digest = entente_proto::hash::Hash::of(&text).0.to_vec();
    let evidence = wire::Evidence {
        item: Some(item()),
        description: "a server".into(),
        target: String::new(),
        operation: reference("UK/4"),
    };
    let custody = wire::Custody {
        item: reference("BE/9"),
        step: 1,
        other: "NL".into(),
        at_ms: START_MS,
        sha256: hash(),
        text: String::new(),
    };
    let fork =
        wire::ForkProof { unit: "UK".into(), smaller: vec![1], larger: vec![2; 65_000], consistency: vec![hash()] };
    let moved = wire::Observe {
        target: "domain:amaq.example".into(),
        availability: 3,
        successor: "domain:amaq2.example".into(),
        observed_ms: 253_402_300_799_999,
    };
    let link = wire::Link { first: "domain:a.example".into(), second: "ip:192.0.2.1".into(), relation: 3 };
    vec![
        Body::Refer(full_refer("domain:amaq.example")),
        Body::Refer(wire::Refer {
            target: "url:https://a.example/".into(),
            categories: vec![2],
            handling: Some(wire::Handling::default()),
            prefix: true,
            ..Default::default()
        }),
        Body::Withdraw(wire::Withdraw { index: (1 << 40) - 1, reason: "wrong".into() }),
        Body::Withdraw(wire::Withdraw::default()),
        Body::Hold(wire::Hold {
            target: "domain:a.example".into(),
            until_ms: START_MS,
            contact: "desk 4".into(),
            reason: "investigated".into(),
        }),
        Body::Opinion(wire::Opinion { on: reference("FR/3"), stance: 2, ground: 5, text: "art".into() }),
        Body::Opinion(wire::Opinion { on: reference("FR/0"), stance: 1, ..Default::default() }),
        Body::Dispatch(wire::Dispatch {
            on: reference("FR/3"),
            provider: "Hoster".into(),
            channel: "PERCI".into(),
            at_ms: START_MS,
        }),
        Body::Outcome(wire::Outcome { on: reference("FR/4"), answer: 6, at_ms: 0, reason: String::new() }),
        Body::Observe(moved),
        Body::Link(link),
        Body::Evidence(evidence),
        Body::Custody(custody),
        Body::Operation(operation),
        step(Step::Invite(wire::OperationInvite { units: vec!["NL".into(), "UK".into()] })),
        step(Step::Join(wire::OperationJoin::default())),
        step(Step::Decline(wire::OperationDecline { reason: "no".into() })),
        step(Step::Add(targets())),
        step(Step::Remove(targets())),
        step(Step::Freeze(wire::OperationFreeze { targets: ids(&["BE/1", "BE/2", "UK/1"]), digest: hash() })),
        step(Step::Ready(wire::OperationReady { digest: hash() })),
        step(Step::Go(go)),
        step(Step::Abort(wire::OperationAbort::default())),
        step(Step::Executed(executed)),
        step(Step::Close(wire::OperationClose { text: "done".into() })),
        step(Step::Assign(wire::OperationAssign { unit: "BE".into(), targets: ids(&["UK/1"]) })),
        Body::Erase(wire::Erase { index: 3, reason: 4 }),
        Body::Adopt(wire::Adopt { version: u64::MAX, digest: hash() }),
        Body::Propose(wire::Propose { text, digest }),
        Body::Propose(wire::Propose { text: Vec::new(), digest: hash() }),
        Body::Approve(wire::Approve { digest: hash() }),
        Body::Revoke(wire::Revoke { spki_sha256: hash(), reason: "lost".into() }),
        Body::ForkProof(fork),
        Body::AccessHead(wire::AccessHead { epoch: u64::MAX, size: 7, root: hash() }),
    ]
}

/// Payloads that are set aside, each for one reason.
fn set_aside() -> Vec<(&'static str, u32, Vec<u8>)> {
    let mut cases = not_canonical();
    cases.extend(beyond_limits().into_iter().map(|(why, body)| {
        let kind = RecordKind::of_body(&body).number();
        (why, kind, payload(body))
    }));
    cases
}

fn not_canonical() -> Vec<(&'static str, u32, Vec<u8>)> {
    let good = payload(Body::Withdraw(wire::Withdraw { index: 5, reason: "wrong".into() }));
    // 0a 10 (16 bytes) 1a 09 08 05 12 05 "wrong"
    let head = &good[..18];
    let with = |body: &[u8]| [head, body].concat();
    vec![
        ("a kind of a later version", 21, good.clone()),
        ("kind 1", 1, good.clone()),
        ("another kind than the header says", 4, good.clone()),
        ("empty", 3, Vec::new()),
        ("longer than 64 KiB", 3, with(&[0x1a; 65_536])),
        ("cut short", 3, good[..good.len() - 1].to_vec()),
        ("no submission", 3, good[18..].to_vec()),
        ("a submission of 15 bytes", 3, [&[0x0a, 0x0f], &good[3..]].concat()),
        ("no arm", 3, head.to_vec()),
        ("two arms", 14, with(&[0x1a, 0x00, 0x72, 0x02, 0x10, 0x01])),
        ("an arm twice", 3, with(&[0x1a, 0x00, 0x1a, 0x00])),
        ("an unknown field", 3, [&good[..], &[0xf8, 0x01, 0x01]].concat()),
        ("an unknown field of the arm", 3, with(&[0x1a, 0x02, 0x18, 0x01])),
        ("fields that do not ascend", 3, [&good[18..], head].concat()),
        ("a default written out", 3, with(&[0x1a, 0x02, 0x08, 0x00])),
        ("an empty text written out", 3, with(&[0x1a, 0x02, 0x12, 0x00])),
        ("a varint that is longer than needed", 3, with(&[0x1a, 0x03, 0x08, 0x85, 0x00])),
        ("a length that is longer than needed", 3, with(&[0x1a, 0x82, 0x00, 0x08, 0x05])),
        ("a tag that is longer than needed", 3, with(&[0x9a, 0x00, 0x02, 0x08, 0x05])),
        ("a field twice", 3, with(&[0x1a, 0x04, 0x08, 0x04, 0x08, 0x05])),
        ("a text that is not UTF-8", 3, with(&[0x1a, 0x03, 0x12, 0x01, 0xff])),
        ("another wire type", 3, with(&[0x1a, 0x05, 0x0d, 0x05, 0x00, 0x00, 0x00])),
        (
            "numbers that are not packed",
            2,
            with(&[&[0x12, 0x15, 0x0a, 0x11][..], b"domain:ab.example", &[0x10, 0x01]].concat()),
        ),
        (
            "truth as 2",
            2,
            with(
                &[&[0x12, 0x1e, 0x0a, 0x17][..], b"url:http://a.example/xy", &[0x12, 0x01, 0x01, 0x68, 0x02]].concat(),
            ),
        ),
        ("an enum beyond 32 bits", 14, with(&[0x72, 0x06, 0x10, 0x81, 0x80, 0x80, 0x80, 0x10])),
    ]
}

fn beyond_limits() -> Vec<(&'static str, Body)> {
    let refer = |change: fn(&mut wire::Refer)| {
        let mut refer = full_refer("domain:amaq.example");
        change(&mut refer);
        Body::Refer(refer)
    };
    let opinion =
        |stance, ground| Body::Opinion(wire::Opinion { on: reference("FR/3"), stance, ground, ..Default::default() });
    let observe = |availability, successor: &str| {
        Body::Observe(wire::Observe {
            target: "domain:a.example".into(),
            availability,
            successor: successor.into(),
            observed_ms: 1,
        })
    };
    let link = |first: &str, second: &str, relation| {
        Body::Link(wire::Link { first: first.into(), second: second.into(), relation })
    };
    let withdraw = |reason: &str| Body::Withdraw(wire::Withdraw { index: 1, reason: reason.into() });
    let on = |id: &str| Body::Outcome(wire::Outcome { on: reference(id), answer: 1, ..Default::default() });
    let units = |units: &[&str]| {
        let units = units.iter().map(|id| (*id).to_owned()).collect();
        step(Step::Invite(wire::OperationInvite { units }))
    };
    let freeze = |of: &[&str]| step(Step::Freeze(wire::OperationFreeze { targets: ids(of), digest: vec![1; 32] }));
    vec![
        ("no category", refer(|refer| refer.categories.clear())),
        ("category 0", refer(|refer| refer.categories = vec![0])),
        ("category 6", refer(|refer| refer.categories = vec![6])),
        ("categories that do not ascend", refer(|refer| refer.categories = vec![3, 1])),
        ("a category twice", refer(|refer| refer.categories = vec![1, 1])),
        ("a negative category", refer(|refer| refer.categories = vec![-1])),
        ("a basis that is none", refer(|refer| refer.basis = 4)),
        ("a source that is none", refer(|refer| refer.source = 5)),
        ("an accuracy that is none", refer(|refer| refer.accuracy = 5)),
        ("a provider of 257 bytes", refer(|refer| refer.provider = "a".repeat(257))),
        ("a language with an underscore", refer(|refer| refer.language = "de_AT".into())),
        ("a language of 36 bytes", refer(|refer| refer.language = "a".repeat(36))),
        ("a description of 16,385 bytes", refer(|refer| refer.description = "a".repeat(16_385))),
        ("a carriage return", refer(|refer| refer.description = "a\r\nb".into())),
        ("a control character of C1", refer(|refer| refer.description = "\u{9f}".into())),
        ("a turned reading direction", refer(|refer| refer.description = "\u{202e}a".into())),
        ("an isolated reading direction", refer(|refer| refer.description = "\u{2066}a".into())),
        ("65 items", refer(|refer| refer.evidence = vec![item(); 65])),
        ("a hash of 31 bytes", refer(|refer| refer.evidence[0].sha256.truncate(31))),
        ("a media type with a line feed", refer(|refer| refer.evidence[0].media_type = "a\nb".into())),
        ("a label that is none", refer(|refer| refer.handling.as_mut().unwrap().tlp = 6)),
        ("a handling code that is none", refer(|refer| refer.handling.as_mut().unwrap().europol = vec![4])),
        ("handling codes that do not ascend", refer(|refer| refer.handling.as_mut().unwrap().europol = vec![1, 0])),
        ("a time in the year 10000", refer(|refer| refer.review_by_ms = 253_402_300_800_000)),
        ("a prefix that is no url", refer(|refer| refer.prefix = true)),
        ("no target", refer(|refer| refer.target.clear())),
        ("a target not in canonical form", refer(|refer| refer.target = "domain:Amaq.example".into())),
        ("a reason of 1,025 bytes", withdraw(&"a".repeat(1_025))),
        ("an index beyond 2^40", Body::Withdraw(wire::Withdraw { index: 1 << 40, reason: String::new() })),
        ("an objection without a ground", opinion(2, 0)),
        ("an objection with ground 6", opinion(2, 6)),
        ("support with a ground", opinion(1, 1)),
        ("no stance", opinion(0, 0)),
        ("an opinion on nothing", Body::Opinion(wire::Opinion { on: None, stance: 1, ..Default::default() })),
        ("an outcome on a unit in lower case", on("be/1")),
        ("an outcome on an index beyond 2^40", on("BE/1099511627776")),
        ("no answer", Body::Outcome(wire::Outcome { on: reference("BE/1"), ..Default::default() })),
        ("a successor of what did not move", observe(1, "domain:b.example")),
        ("no successor of what moved", observe(3, "")),
        ("no availability", observe(0, "")),
        ("a link to itself", link("domain:a.example", "domain:a.example", 1)),
        ("no relation", link("domain:a.example", "domain:b.example", 0)),
        ("a link to nothing", link("domain:a.example", "", 1)),
        ("evidence of nothing", Body::Evidence(wire::Evidence::default())),
        (
            "no step of custody",
            Body::Custody(wire::Custody {
                item: reference("BE/1"),
                other: "NL".into(),
                sha256: vec![1; 32],
                ..Default::default()
            }),
        ),
        ("units that do not ascend", units(&["UK", "NL"])),
        ("a unit twice", units(&["NL", "NL"])),
        ("a step that is none", Body::OperationStep(wire::OperationStep { operation: reference("UK/4"), step: None })),
        ("frozen targets that do not ascend", freeze(&["UK/1", "BE/1"])),
        ("a frozen target twice", freeze(&["UK/1", "UK/1"])),
        ("no reason to erase", Body::Erase(wire::Erase { index: 1, reason: 0 })),
        ("a reason to erase that is none", Body::Erase(wire::Erase { index: 1, reason: 5 })),
        ("version 0", Body::Adopt(wire::Adopt { version: 0, digest: vec![1; 32] })),
        ("a digest of another text", Body::Propose(wire::Propose { text: vec![1], digest: vec![1; 32] })),
        ("half a fork", Body::ForkProof(wire::ForkProof { unit: "UK".into(), larger: vec![1], ..Default::default() })),
        ("a root of 33 bytes", Body::AccessHead(wire::AccessHead { root: vec![1; 33], ..Default::default() })),
    ]
}
