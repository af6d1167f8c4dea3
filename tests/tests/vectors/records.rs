//! Targets and payloads: what keeps the rules, and what is set aside.

use entente_proto::list::operation;
use entente_proto::record::{RecordKind, Target, statement};
use entente_proto::wire::operation_step::Step;
use entente_proto::wire::record::Body;
use entente_proto::wire::{self, Record, RecordRef, Referrals};
use prost::Message as _;
use serde_json::{Value, json};

use crate::files::{Files, hex};
use crate::set_aside::set_aside;
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
    let sound = sound().into_iter().chain(at_limits()).chain(bare()).map(|body| {
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

/// A captured file.
pub(crate) fn item() -> wire::EvidenceItem {
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

/// The names of records.
pub(crate) fn ids(of: &[&str]) -> Vec<RecordRef> {
    of.iter().filter_map(|id| reference(id)).collect()
}

/// Referrals as a record lists them, by unit.
pub(crate) fn referrals(of: &[&str]) -> Vec<Referrals> {
    operation::referrals(&ids(of))
}

/// A step of UK's operation.
pub(crate) fn step(step: Step) -> Body {
    Body::OperationStep(wire::OperationStep { operation: reference("UK/4"), step: Some(step) })
}

/// One sound record of each kind at least, and of each step.
fn sound() -> Vec<Body> {
    let hash = || vec![0xcd; 32];
    let operation = wire::Operation {
        title: "Amaq".into(),
        invited: vec!["BE".into(), "FR".into()],
        targets: referrals(&["UK/1", "BE/1"]),
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
        excluded: referrals(&["FR/2"]),
    };
    let targets = || wire::OperationTargets { targets: referrals(&["UK/1", "BE/1", "UK/3"]) };
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
            override_reason: "despite a hold: agreed with UK".into(),
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
        step(Step::Freeze(wire::OperationFreeze {
            targets: referrals(&["BE/1", "BE/2", "UK/1"]),
            digest: hash(),
            frontier: vec![frontier("BE"), frontier("FR")],
        })),
        step(Step::Ready(wire::OperationReady { digest: hash() })),
        step(Step::Go(go)),
        step(Step::Abort(wire::OperationAbort::default())),
        step(Step::Executed(executed)),
        step(Step::Close(wire::OperationClose { text: "done".into(), frontier: vec![frontier("FR")] })),
        step(Step::Assign(wire::OperationAssign { unit: "BE".into(), targets: referrals(&["UK/1"]) })),
        Body::Erase(wire::Erase { index: 3, reason: 4 }),
        Body::Adopt(wire::Adopt { version: u64::MAX, digest: hash() }),
        Body::Propose(wire::Propose { text, digest }),
        Body::Propose(wire::Propose { text: Vec::new(), digest: hash() }),
        Body::Approve(wire::Approve { digest: hash(), signatures: Vec::new() }),
        Body::Approve(wire::Approve {
            digest: hash(),
            signatures: vec!["\u{2014} a b".into(), String::new(), "x".into()],
        }),
        Body::Revoke(wire::Revoke { spki_sha256: hash(), reason: "lost".into() }),
        Body::ForkProof(fork),
        Body::AccessHead(wire::AccessHead { epoch: u64::MAX, size: 7, root: hash() }),
    ]
}

/// A text of so many bytes.
pub(crate) fn long(bytes: usize) -> String {
    "a".repeat(bytes)
}

/// So many unit ids, ascending.
pub(crate) fn units(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("U{n:03}")).collect()
}

/// A proposal of this text.
pub(crate) fn propose(text: Vec<u8>) -> Body {
    let digest = entente_proto::hash::Hash::of(&text).0.to_vec();
    Body::Propose(wire::Propose { text, digest })
}

/// An approval with these signature lines.
pub(crate) fn approve(signatures: Vec<String>) -> Body {
    Body::Approve(wire::Approve { digest: vec![1; 32], signatures })
}

/// Records that reach their limits.
fn at_limits() -> Vec<Body> {
    let time_ms = 253_402_300_799_999;
    let target = || "domain:a.example".to_owned();
    let item = wire::EvidenceItem {
        sha256: vec![0; 32],
        media_type: long(126) + " ",
        size: u64::MAX,
        captured_at_ms: time_ms,
        tool: long(256),
    };
    vec![
        Body::Refer(wire::Refer {
            target: target(),
            categories: vec![1, 2, 3, 4, 5],
            basis: 3,
            provider: long(256),
            source: 4,
            accuracy: 4,
            language: "-09-azAZ".to_owned() + &long(27),
            description: long(16_382) + "\u{e9}",
            evidence: vec![item.clone(); 64],
            handling: Some(wire::Handling { tlp: 5, europol: vec![0, 1, 2, 3] }),
            review_by_ms: time_ms,
            campaign: long(256),
            prefix: false,
            override_reason: long(1_024),
        }),
        Body::Withdraw(wire::Withdraw {
            index: 0,
            reason: "\n \u{61c}\u{200b}\u{2028}\u{2060}\u{feff}\u{fffd}".into(),
        }),
        Body::Withdraw(wire::Withdraw { index: 0, reason: long(1_024) }),
        Body::Hold(wire::Hold { target: target(), until_ms: time_ms, contact: long(256), reason: long(1_024) }),
        Body::Opinion(wire::Opinion { on: reference("A1/1099511627775"), stance: 2, ground: 1, text: long(4_096) }),
        Body::Dispatch(wire::Dispatch {
            on: reference("ABCDEFGHIJKLMNOP/0"),
            provider: long(256),
            channel: long(256),
            at_ms: time_ms,
            override_reason: long(1_024),
        }),
        Body::Outcome(wire::Outcome { on: reference("A-1/0"), answer: 1, at_ms: time_ms, reason: long(4_096) }),
        Body::Evidence(wire::Evidence {
            item: Some(item),
            description: long(4_096),
            target: target(),
            operation: reference("UK/0"),
        }),
        Body::Custody(wire::Custody {
            item: reference("BE/9"),
            step: 2,
            other: "NL".into(),
            at_ms: time_ms,
            sha256: vec![0; 32],
            text: long(1_024),
        }),
        Body::Operation(wire::Operation {
            title: long(256),
            invited: units(100),
            targets: vec![
                Referrals { unit: "BE".into(), indexes: (0..20_000).collect() },
                Referrals { unit: "FR".into(), indexes: vec![(1 << 40) - 1] },
            ],
            go_ms: time_ms,
            ready_quorum: 100,
        }),
        step(Step::Invite(wire::OperationInvite { units: units(100) })),
        step(Step::Close(wire::OperationClose { text: long(4_096), frontier: Vec::new() })),
        step(Step::Go(wire::OperationGo {
            digest: vec![0; 32],
            at_ms: time_ms,
            charter: vec![0; 32],
            frontier: Vec::new(),
            overrides: ids(&["UK/1", "BE/1", "UK/1"]),
            excluded: Vec::new(),
        })),
        step(Step::Assign(wire::OperationAssign { unit: "BE".into(), targets: referrals(&["UK/1", "BE/1", "UK/0"]) })),
        propose(vec![b'a'; 65_000]),
        // No text for people: any bytes.
        propose(vec![0, 0x0d, 0xff]),
        approve([vec![long(512)], vec![long(104) + "\n"; 127]].concat()),
        Body::Revoke(wire::Revoke { spki_sha256: vec![0; 32], reason: long(1_024) }),
        Body::ForkProof(wire::ForkProof {
            unit: "UK".into(),
            smaller: vec![0],
            larger: vec![0xff],
            consistency: vec![vec![0; 32]; 80],
        }),
        Body::AccessHead(wire::AccessHead { epoch: 0, size: (1 << 40) - 1, root: vec![0; 32] }),
    ]
}

/// Records that have nothing but what they must.
fn bare() -> Vec<Body> {
    let target = || "domain:a.example".to_owned();
    let on = || reference("BE/0");
    let hash = || vec![0; 32];
    vec![
        Body::Refer(wire::Refer { target: target(), categories: vec![1], ..Default::default() }),
        Body::Refer(wire::Refer {
            target: target(),
            categories: vec![1],
            evidence: vec![wire::EvidenceItem { sha256: hash(), ..Default::default() }; 2],
            ..Default::default()
        }),
        Body::Hold(wire::Hold { target: target(), ..Default::default() }),
        Body::Dispatch(wire::Dispatch { on: on(), ..Default::default() }),
        Body::Observe(wire::Observe { target: target(), availability: 1, ..Default::default() }),
        Body::Evidence(wire::Evidence {
            item: Some(wire::EvidenceItem { sha256: hash(), ..Default::default() }),
            ..Default::default()
        }),
        Body::Operation(wire::Operation::default()),
        step(Step::Invite(wire::OperationInvite::default())),
        step(Step::Decline(wire::OperationDecline::default())),
        step(Step::Add(wire::OperationTargets::default())),
        step(Step::Freeze(wire::OperationFreeze { digest: hash(), ..Default::default() })),
        step(Step::Go(wire::OperationGo { digest: hash(), charter: hash(), ..Default::default() })),
        step(Step::Executed(wire::OperationExecuted { target: on(), result: 1, ..Default::default() })),
        step(Step::Close(wire::OperationClose::default())),
        step(Step::Assign(wire::OperationAssign { unit: "BE".into(), targets: Vec::new() })),
        Body::Revoke(wire::Revoke { spki_sha256: hash(), reason: String::new() }),
        Body::AccessHead(wire::AccessHead { root: hash(), ..Default::default() }),
    ]
}
