//! Payloads that are set aside.

use entente_proto::record::RecordKind;
use entente_proto::wire::operation_step::Step;
use entente_proto::wire::record::Body;
use entente_proto::wire::{self, Referrals};

use crate::records::{approve, full_refer, ids, item, long, payload, propose, reference, referrals, step, units};

/// Payloads that are set aside, each for one reason.
pub(crate) fn set_aside() -> Vec<(&'static str, u32, Vec<u8>)> {
    let mut cases = not_canonical();
    let beyond = beyond_limits().into_iter().chain(beyond_bounds()).chain(impossible());
    cases.extend(beyond.map(|(why, body)| {
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
        ("two steps", 13, with(&[0x6a, 0x0a, 0x0a, 0x04, 0x0a, 0x02, b'U', b'K', 0x1a, 0x00, 0x22, 0x00])),
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
    let invite = |units: &[&str]| {
        let units = units.iter().map(|id| (*id).to_owned()).collect();
        step(Step::Invite(wire::OperationInvite { units }))
    };
    let freeze = |of: &[(&str, &[u64])]| {
        let list = |(unit, indexes): &(&str, &[u64])| Referrals { unit: (*unit).into(), indexes: indexes.to_vec() };
        let targets = of.iter().map(list).collect();
        step(Step::Freeze(wire::OperationFreeze { targets, digest: vec![1; 32], frontier: Vec::new() }))
    };
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
        ("units that do not ascend", invite(&["UK", "NL"])),
        ("a unit twice", invite(&["NL", "NL"])),
        ("a step that is none", Body::OperationStep(wire::OperationStep { operation: reference("UK/4"), step: None })),
        ("frozen targets that do not ascend", freeze(&[("UK", &[1]), ("BE", &[1])])),
        ("a frozen target twice", freeze(&[("UK", &[1, 1])])),
        ("a unit twice among the frozen targets", freeze(&[("UK", &[1]), ("UK", &[2])])),
        ("a unit of which nothing is frozen", freeze(&[("UK", &[])])),
        ("a frozen target beyond 2^40", freeze(&[("UK", &[1 << 40])])),
        ("no reason to erase", Body::Erase(wire::Erase { index: 1, reason: 0 })),
        ("a reason to erase that is none", Body::Erase(wire::Erase { index: 1, reason: 5 })),
        ("version 0", Body::Adopt(wire::Adopt { version: 0, digest: vec![1; 32] })),
        ("a digest of another text", Body::Propose(wire::Propose { text: vec![1], digest: vec![1; 32] })),
        ("a signature line with a tab", approve(vec!["a\tb".into()])),
        ("half a fork", Body::ForkProof(wire::ForkProof { unit: "UK".into(), larger: vec![1], ..Default::default() })),
        ("a root of 33 bytes", Body::AccessHead(wire::AccessHead { root: vec![1; 33], ..Default::default() })),
    ]
}

/// More than fits, a time too late, an index too high.
fn beyond_bounds() -> Vec<(&'static str, Body)> {
    let target = || "domain:a.example".to_owned();
    let at_ms = 253_402_300_800_000;
    let hash = || vec![1; 32];
    let item = |media_type: &str, captured_at_ms, tool: &str| {
        let item = wire::EvidenceItem {
            sha256: hash(),
            media_type: media_type.into(),
            size: 1,
            captured_at_ms,
            tool: tool.into(),
        };
        Body::Evidence(wire::Evidence { item: Some(item), ..Default::default() })
    };
    let hold = |contact: usize, reason: usize, until_ms| {
        Body::Hold(wire::Hold { target: target(), until_ms, contact: long(contact), reason: long(reason) })
    };
    let dispatch = |provider: usize, channel: usize, at_ms| {
        let (provider, channel) = (long(provider), long(channel));
        Body::Dispatch(wire::Dispatch { on: reference("FR/3"), provider, channel, at_ms, ..Default::default() })
    };
    let outcome = |reason: usize, at_ms| {
        Body::Outcome(wire::Outcome { on: reference("FR/4"), answer: 1, at_ms, reason: long(reason) })
    };
    let custody = |text: usize, at_ms| {
        Body::Custody(wire::Custody {
            item: reference("BE/9"),
            step: 1,
            other: "NL".into(),
            at_ms,
            sha256: hash(),
            text: long(text),
        })
    };
    let operation = |title: usize, invited: usize, go_ms, ready_quorum| {
        let (title, invited) = (long(title), units(invited));
        Body::Operation(wire::Operation { title, invited, targets: Vec::new(), go_ms, ready_quorum })
    };
    let executed = |text: usize, at_ms| {
        step(Step::Executed(wire::OperationExecuted { target: reference("UK/1"), at_ms, result: 1, text: long(text) }))
    };
    let go = |at_ms, size| {
        let log = wire::FrontierLog { unit: "BE".into(), size, root: hash() };
        let (digest, charter) = (hash(), hash());
        step(Step::Go(wire::OperationGo { digest, at_ms, charter, frontier: vec![log], ..Default::default() }))
    };
    let refer = |change: fn(&mut wire::Refer)| {
        let mut refer = full_refer("domain:amaq.example");
        change(&mut refer);
        Body::Refer(refer)
    };
    let fork = |consistency| {
        Body::ForkProof(wire::ForkProof { unit: "UK".into(), smaller: vec![1], larger: vec![2], consistency })
    };
    vec![
        ("a campaign of 257 bytes", refer(|refer| refer.campaign = long(257))),
        ("a reason to override of 1,025 bytes", refer(|refer| refer.override_reason = long(1_025))),
        (
            "a description of 16,384 characters and more bytes",
            refer(|refer| refer.description = long(16_383) + "\u{e9}"),
        ),
        ("a language with a letter beyond ASCII", refer(|refer| refer.language = "d\u{e9}".into())),
        ("a delete character", refer(|refer| refer.provider = "\u{7f}".into())),
        ("a tab", refer(|refer| refer.campaign = "a\tb".into())),
        ("a media type of 128 bytes", item(&long(128), 1, "")),
        ("a media type with a letter beyond ASCII", item("\u{e9}", 1, "")),
        ("a media type with a delete character", item("\u{7f}", 1, "")),
        ("a tool of 257 bytes", item("", 1, &long(257))),
        ("a capture in the year 10000", item("", at_ms, "")),
        ("a contact of 257 bytes", hold(257, 0, 1)),
        ("a hold's reason of 1,025 bytes", hold(0, 1_025, 1)),
        ("a hold until the year 10000", hold(0, 0, at_ms)),
        (
            "an opinion of 4,097 bytes",
            Body::Opinion(wire::Opinion { on: reference("FR/3"), stance: 1, ground: 0, text: long(4_097) }),
        ),
        ("a dispatch to a provider of 257 bytes", dispatch(257, 0, 1)),
        ("a channel of 257 bytes", dispatch(0, 257, 1)),
        ("a dispatch in the year 10000", dispatch(0, 0, at_ms)),
        ("a reason to dispatch in spite of a hold of 1,025 bytes", {
            let (on, override_reason) = (reference("FR/3"), long(1_025));
            Body::Dispatch(wire::Dispatch { on, override_reason, ..Default::default() })
        }),
        ("an outcome's reason of 4,097 bytes", outcome(4_097, 1)),
        ("an outcome in the year 10000", outcome(0, at_ms)),
        (
            "an observation in the year 10000",
            Body::Observe(wire::Observe {
                target: target(),
                availability: 1,
                observed_ms: at_ms,
                ..Default::default()
            }),
        ),
        (
            "evidence with a description of 4,097 bytes",
            Body::Evidence(wire::Evidence { item: Some(self::item()), description: long(4_097), ..Default::default() }),
        ),
        ("a hand-over's remark of 1,025 bytes", custody(1_025, 1)),
        ("a hand-over in the year 10000", custody(0, at_ms)),
        ("a title of 257 bytes", operation(257, 0, 1, 1)),
        ("101 units", operation(0, 101, 1, 1)),
        ("101 units invited", step(Step::Invite(wire::OperationInvite { units: units(101) }))),
        ("a moment in the year 10000", operation(0, 0, at_ms, 1)),
        ("a quorum of 101", operation(0, 0, 1, 101)),
        ("a joining unit's remark of 1,025 bytes", step(Step::Join(wire::OperationJoin { text: long(1_025) }))),
        (
            "a declining unit's reason of 1,025 bytes",
            step(Step::Decline(wire::OperationDecline { reason: long(1_025) })),
        ),
        ("a go in the year 10000", go(at_ms, 1)),
        ("a frontier's size of 2^40", go(1, 1 << 40)),
        ("a reason to abort of 1,025 bytes", step(Step::Abort(wire::OperationAbort { reason: long(1_025) }))),
        ("a report of 1,025 bytes", executed(1_025, 1)),
        ("a report from the year 10000", executed(0, at_ms)),
        (
            "a closing remark of 4,097 bytes",
            step(Step::Close(wire::OperationClose { text: long(4_097), frontier: Vec::new() })),
        ),
        ("an erasure of index 2^40", Body::Erase(wire::Erase { index: 1 << 40, reason: 1 })),
        ("a proposal of 65,001 bytes", propose(vec![b'a'; 65_001])),
        ("an approval with 129 signature lines", approve(vec![String::new(); 129])),
        ("a signature line of 513 bytes", approve(vec![long(513)])),
        (
            "a revocation's reason of 1,025 bytes",
            Body::Revoke(wire::Revoke { spki_sha256: hash(), reason: long(1_025) }),
        ),
        ("81 hashes", fork(vec![hash(); 81])),
        ("a hash of 31 bytes in a proof", fork(vec![vec![1; 31]])),
        ("an access log's size of 2^40", Body::AccessHead(wire::AccessHead { epoch: 1, size: 1 << 40, root: hash() })),
    ]
}

/// Unit ids that are none, an order that is none, a value that is missing.
fn impossible() -> Vec<(&'static str, Body)> {
    let hash = || vec![1; 32];
    let custody = |item: &str, other: &str| {
        let (item, other) = (reference(item), other.to_owned());
        Body::Custody(wire::Custody { item, step: 1, other, at_ms: 1, sha256: hash(), text: String::new() })
    };
    let go = |units: &[&str], overrides: &[&str]| {
        let log = |unit: &&str| wire::FrontierLog { unit: (*unit).into(), size: 1, root: hash() };
        step(Step::Go(wire::OperationGo {
            digest: hash(),
            at_ms: 1,
            charter: hash(),
            frontier: units.iter().map(log).collect(),
            overrides: ids(overrides),
            excluded: Vec::new(),
        }))
    };
    let assign = |unit: &str, targets: &[&str]| {
        step(Step::Assign(wire::OperationAssign { unit: unit.into(), targets: referrals(targets) }))
    };
    let executed = |target, result| {
        step(Step::Executed(wire::OperationExecuted { target, at_ms: 1, result, text: String::new() }))
    };
    let invited = |units: &[&str]| {
        let invited = units.iter().map(|id| (*id).to_owned()).collect();
        Body::Operation(wire::Operation { invited, ..Default::default() })
    };
    vec![
        ("a hand-over to a unit in lower case", custody("BE/9", "nl")),
        ("a hand-over to nobody", custody("BE/9", "")),
        ("an item of a unit of one character", custody("B/9", "NL")),
        ("an item of a unit of 17 characters", custody("ABCDEFGHIJKLMNOPQ/9", "NL")),
        ("an item of a unit with two hyphens in a row", custody("B--E/9", "NL")),
        ("invited units that do not ascend", invited(&["UK", "NL"])),
        ("an invited unit that is none", invited(&["BE-"])),
        ("an operation's target that is none", {
            Body::Operation(wire::Operation { targets: referrals(&["be/1"]), ..Default::default() })
        }),
        ("a step of no operation", {
            let join = Some(Step::Join(wire::OperationJoin::default()));
            Body::OperationStep(wire::OperationStep { operation: None, step: join })
        }),
        ("an added target that is none", step(Step::Add(wire::OperationTargets { targets: referrals(&["B/1"]) }))),
        ("frozen targets whose indexes do not ascend", {
            let targets = vec![Referrals { unit: "UK".into(), indexes: vec![2, 1] }];
            step(Step::Freeze(wire::OperationFreeze { targets, digest: hash(), frontier: Vec::new() }))
        }),
        ("a frozen digest of 31 bytes", {
            step(Step::Freeze(wire::OperationFreeze { digest: vec![1; 31], ..Default::default() }))
        }),
        ("no digest to be ready for", step(Step::Ready(wire::OperationReady::default()))),
        ("a frontier that does not ascend", go(&["FR", "BE"], &[])),
        ("a unit twice in a frontier", go(&["BE", "BE"], &[])),
        ("a frontier's unit that is none", go(&["be"], &[])),
        ("a freeze at a frontier that does not ascend", {
            let frontier = ["FR", "BE"].map(|unit| wire::FrontierLog { unit: unit.into(), size: 1, root: hash() });
            step(Step::Freeze(wire::OperationFreeze {
                digest: hash(),
                frontier: frontier.into(),
                ..Default::default()
            }))
        }),
        ("a close at a frontier without a root", {
            let frontier = vec![wire::FrontierLog { unit: "BE".into(), size: 1, root: Vec::new() }];
            step(Step::Close(wire::OperationClose { text: String::new(), frontier }))
        }),
        ("a target left out that is none", {
            let (digest, charter, excluded) = (hash(), hash(), referrals(&["b/1"]));
            step(Step::Go(wire::OperationGo { digest, charter, excluded, ..Default::default() }))
        }),
        ("an overridden objection that is none", go(&["BE"], &["B/1"])),
        ("targets assigned to a unit in lower case", assign("be", &["UK/1"])),
        ("targets assigned to nobody", assign("", &["UK/1"])),
        ("an assigned target that is none", assign("BE", &["UK/1", "B/1"])),
        ("a report on nothing", executed(None, 1)),
        ("a report without a result", executed(reference("UK/1"), 0)),
        ("a result that is none", executed(reference("UK/1"), 4)),
        ("a relation that is none", {
            let (first, second) = ("domain:a.example".into(), "domain:b.example".into());
            Body::Link(wire::Link { first, second, relation: 4 })
        }),
        ("an answer that is none", {
            Body::Outcome(wire::Outcome { on: reference("BE/1"), answer: 7, ..Default::default() })
        }),
        ("evidence at a target that is none", {
            let target = "a.example".into();
            Body::Evidence(wire::Evidence { item: Some(item()), target, ..Default::default() })
        }),
        ("evidence of an operation that is none", {
            let operation = reference("b/1");
            Body::Evidence(wire::Evidence { item: Some(item()), operation, ..Default::default() })
        }),
        ("a charter without a digest", Body::Adopt(wire::Adopt { version: 1, digest: Vec::new() })),
        ("a proposal without a digest", Body::Propose(wire::Propose::default())),
        ("a fork of nobody's log", {
            let (smaller, larger) = (vec![1], vec![2]);
            Body::ForkProof(wire::ForkProof { unit: String::new(), smaller, larger, consistency: Vec::new() })
        }),
        ("the other half of a fork", {
            Body::ForkProof(wire::ForkProof { unit: "UK".into(), smaller: vec![1], ..Default::default() })
        }),
    ]
}
