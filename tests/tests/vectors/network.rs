//! A whole small history of four units, and the lists that it folds into at two frontiers.

use std::collections::BTreeMap;
use std::convert::Infallible;

use bytes::Bytes;
use entente_proto::checkpoint::CosignedCheckpoint;
use entente_proto::entry::{Entry, Run, encode};
use entente_proto::hash::Hash;
use entente_proto::ids::UnitId;
use entente_proto::list::{Fold, Frontier, Gaps, Payloads, Standing, row_hash};
use entente_proto::note::Signer;
use entente_proto::record::{RecordKind, Target, statement};
use entente_proto::tree::MemoryTree;
use entente_proto::wire::record::Body;
use entente_proto::wire::{self, Record};
use prost::Message as _;
use serde_json::{Map, Value, json};

use crate::files::{Files, hex};
use crate::records::{full_refer, reference};
use crate::world::{START_MS, START_S, UNITS, charter, checkpoint, log_signer, size, unit};

/// The logs as a node holds them once it has seen every erasure: payloads are missing.
pub(crate) struct Logs(pub(crate) BTreeMap<UnitId, Vec<Entry>>);

impl Payloads for Logs {
    type Error = Infallible;

    fn payload(&self, unit: &UnitId, index: u64) -> Result<Option<(u64, Bytes)>, Infallible> {
        let entry = self.0.get(unit).and_then(|log| log.get(usize::try_from(index).unwrap()));
        Ok(entry.and_then(|entry| Some((entry.header().time_ms, entry.payload()?.clone()))))
    }
}

pub(crate) fn files() -> Files {
    let logs = history();
    let mut files = Files::default();
    for (unit, log) in &logs.0 {
        let mut run = Vec::new();
        log.iter().for_each(|entry| encode(entry, &mut run));
        let read: Vec<Entry> = Run::new(Bytes::from(run.clone())).collect::<Result<_, _>>().unwrap();
        assert_eq!(read, *log);
        files.put(format!("network/{unit}.run"), run);
    }
    let gaps = gaps();
    let complete_gaps = complete(&gaps);
    let root = gaps.iter().map(Entry::leaf_hash).collect::<MemoryTree>().root().to_string();
    let mut run = Vec::new();
    gaps.iter().for_each(|entry| encode(entry, &mut run));
    files.put("network/gaps.run", run);
    let early = frontier(&mut files, &logs, "early", &[("BE", 3), ("FR", 5), ("NL", 2), ("UK", 3)]);
    let sizes: Vec<(&str, usize)> = UNITS.iter().map(|id| (*id, logs.0[&unit(id)].len())).collect();
    let late = frontier(&mut files, &logs, "late", &sizes);
    let complete: Map<String, Value> =
        logs.0.iter().map(|(unit, log)| (unit.to_string(), complete(log).into())).collect();
    files.put_json(
        "network/network.json",
        &json!({
            "charter": "charter/1.note",
            "frontiers": [early, late],
            "complete_up_to": complete,
            "set_aside": set_aside(&logs),
            "gaps": { "file": "network/gaps.run", "root": root, "complete_up_to": complete_gaps },
        }),
    );
    files
}

/// For each size of a log, the largest size up to it at which the log is complete.
fn complete(log: &[Entry]) -> Vec<u64> {
    let mut gaps = Gaps::new();
    let mut sizes = vec![0];
    for (index, entry) in (0_u64..).zip(log) {
        let kind = entry.header().kind;
        match entry.payload() {
            None => gaps.note_missing(index, RecordKind::of_number(kind)).unwrap(),
            Some(payload) => {
                if let Ok(Body::Erase(erase)) = statement::parse(kind, payload).map(|said| said.into_body()) {
                    gaps.note_erase(erase.index, index).unwrap();
                }
            }
        }
        sizes.push(gaps.complete_prefix(size(sizes.len())).get());
    }
    sizes
}

fn set_aside(logs: &Logs) -> Vec<String> {
    let ids = logs.0.iter().flat_map(|(unit, log)| (0_u64..).zip(log).map(move |(index, _)| (unit, index)));
    let fold = fold(logs, &logs.0.iter().map(|(unit, log)| (unit.clone(), log.len())).collect());
    let aside = ids.filter(|(unit, index)| fold.standing(unit, *index) == Standing::SetAside);
    aside.map(|(unit, index)| format!("{unit}/{index}")).collect()
}

pub(crate) fn fold(logs: &Logs, sizes: &BTreeMap<UnitId, usize>) -> Fold {
    let mut fold = Fold::new(sizes.keys().cloned(), 1).unwrap();
    // The order in which logs interleave is nothing to the fold; here the last unit's comes first.
    for (unit, count) in sizes.iter().rev() {
        for (index, entry) in (0_u64..).zip(&logs.0[unit][..*count]) {
            let header = entry.header();
            fold.apply(unit, index, header.kind, header.time_ms, entry.payload().map(|bytes| &bytes[..])).unwrap();
        }
    }
    fold
}

/// The checkpoints, the rows and the digests at a frontier.
fn frontier(files: &mut Files, logs: &Logs, name: &str, sizes: &[(&str, usize)]) -> Value {
    let charter = charter();
    let sizes: BTreeMap<UnitId, usize> = sizes.iter().map(|(id, count)| (unit(id), *count)).collect();
    let mut heads = BTreeMap::new();
    let mut shown = Vec::new();
    for (unit, count) in &sizes {
        let tree: MemoryTree = logs.0[unit][..*count].iter().map(Entry::leaf_hash).collect();
        let others: Vec<&str> = UNITS.into_iter().filter(|id| *id != unit.as_str()).take(2).collect();
        let made = checkpoint(unit, size(*count), tree.root(), &others, START_S + 3_600);
        let note = made.to_note(&charter.mirrors(unit));
        let read = CosignedCheckpoint::read(&note, log_signer(unit).key(), &charter.mirrors(unit)).unwrap();
        read.certified(&charter.quorum()).unwrap();
        heads.insert(unit.clone(), (size(*count), tree.root()));
        let file = format!("network/{name}/{unit}.note");
        shown
            .push(json!({ "unit": unit.as_str(), "size": count, "root": tree.root().to_string(), "checkpoint": file }));
        files.put(file, note);
    }
    let frontier = Frontier { charter: charter.digest(), logs: heads };
    let mut fold = fold(logs, &sizes);
    let digest = fold.digest(&frontier, logs).unwrap();
    let targets: Vec<Target> = fold.targets(None).map(|(target, _)| target.clone()).collect();
    let rows = targets.iter().map(|target| {
        let row = fold.row(target, logs).unwrap().unwrap();
        let status = fold.status(target).unwrap().word();
        let hash = row_hash(&row).to_string();
        json!({ "target": target.as_str(), "status": status, "row": hex(row.encode_to_vec()), "hash": hash })
    });
    json!({
        "name": name,
        "logs": shown,
        "frontier_digest": frontier.digest().to_string(),
        "rows": rows.collect::<Vec<_>>(),
        "list_digest": digest.to_string(),
    })
}

/// Logs that grow.
#[derive(Default)]
pub(crate) struct History {
    pub(crate) logs: BTreeMap<UnitId, Vec<Entry>>,
    entries: u64,
}

impl History {
    /// A record, one second after the last.
    pub(crate) fn say(&mut self, of: &str, body: Body) {
        let kind = RecordKind::of_body(&body).number();
        let payload = Record { submission: self.random("submission"), body: Some(body) }.encode_to_vec();
        self.bytes(of, kind, payload);
    }

    /// A payload, whatever it is.
    fn bytes(&mut self, of: &str, kind: u32, payload: Vec<u8>) {
        let opening = self.random("opening").try_into().unwrap();
        let time_ms = self.time_ms();
        self.entries += 1;
        let entry = Entry::compose(kind, time_ms, opening, payload.into()).unwrap();
        self.logs.entry(unit(of)).or_default().push(entry);
    }

    /// The time of the next entry.
    fn time_ms(&self) -> u64 {
        START_MS + self.entries * 1_000
    }

    fn random(&self, label: &str) -> Vec<u8> {
        Hash::of(format!("{label} {}", self.entries).as_bytes()).0[..16].to_vec()
    }

    fn strip(&mut self, of: &str, index: usize) {
        let entry = &mut self.logs.get_mut(&unit(of)).unwrap()[index];
        *entry = entry.without_body();
    }
}

pub(crate) fn refer(target: &str) -> Body {
    Body::Refer(wire::Refer { target: target.into(), categories: vec![1], ..Default::default() })
}

pub(crate) fn hold(target: &str) -> Body {
    let until_ms = START_MS + 7 * 86_400_000;
    Body::Hold(wire::Hold { target: target.into(), until_ms, contact: "desk 4".into(), ..Default::default() })
}

pub(crate) fn opinion(on: &str, stance: i32, ground: i32) -> Body {
    Body::Opinion(wire::Opinion { on: reference(on), stance, ground, text: String::new() })
}

fn dispatch(on: &str) -> Body {
    let (provider, channel) = ("Hoster".into(), "PERCI".into());
    Body::Dispatch(wire::Dispatch { on: reference(on), provider, channel, at_ms: START_MS, ..Default::default() })
}

fn outcome(on: &str, answer: i32) -> Body {
    Body::Outcome(wire::Outcome { on: reference(on), answer, ..Default::default() })
}

fn observe(target: &str, availability: i32, observed_ms: u64) -> Body {
    Body::Observe(wire::Observe { target: target.into(), availability, successor: String::new(), observed_ms })
}

fn link(first: &str, second: &str, relation: i32) -> Body {
    Body::Link(wire::Link { first: first.into(), second: second.into(), relation })
}

pub(crate) fn withdraw(index: u64) -> Body {
    Body::Withdraw(wire::Withdraw { index, reason: "mistaken".into() })
}

pub(crate) fn erase(index: u64) -> Body {
    Body::Erase(wire::Erase { index, reason: 3 })
}

const AMAQ: &str = "domain:amaq.example";
const NEWS: &str = "url:https://news.example/story";
const FORUM: &str = "domain:forum.example";
const PERSON: &str = "account:telegram/a-person";
const IMAGE: &str = "image:pdq:f8f8f0cee0f4a84f06370a22038f63f0b36e2ed596621e1d33e6b39c4e9c9b22";

/// What the four units say. The comments name each record.
fn history() -> Logs {
    let mut history = History::default();
    let digest = charter().digest().0.to_vec();
    for id in UNITS {
        history.say(id, Body::Adopt(wire::Adopt { version: 1, digest: digest.clone() }));
    }
    lead(&mut history);
    partners(&mut history);
    guests(&mut history);
    later(&mut history);
    // The records that BE/5 and FR/10 erase have left the disks; the one that UK/8 erases is still there.
    history.strip("BE", 3);
    history.strip("FR", 9);
    Logs(history.logs)
}

/// BE.
fn lead(history: &mut History) {
    let mut say = |body| history.say("BE", body);
    say(Body::Refer(full_refer(AMAQ))); // 1
    say(Body::Refer(wire::Refer {
        prefix: true,
        campaign: "amaq".into(),
        ..referral("url:https://files.example/a?b=c")
    })); // 2
    say(refer(PERSON)); // 3, erased by 5
    say(hold(FORUM)); // 4
    say(erase(3)); // 5
    say(withdraw(2)); // 6
    say(dispatch("BE/1")); // 7
    say(Body::Refer(wire::Refer { target: AMAQ.into(), ..Default::default() })); // 8, set aside: no category
    say(outcome("BE/7", 1)); // 9
    say(refer("domain:mirror.example")); // 10
    say(observe(AMAQ, 2, START_MS + 5_000)); // 11
    say(opinion("BE/1", 1, 0)); // 12, inert: on an own record
    say(link(AMAQ, "domain:mirror.example", 1)); // 13
    say(withdraw(8)); // 14, of a record that is set aside
    say(withdraw(6)); // 15, inert: a withdrawal is never withdrawn
    say(dispatch("BE/40")); // 16, inert: not before it
    say(withdraw(17)); // 17, inert: not before it
    say(outcome("FR/11", 4)); // 18
    say(dispatch("BE/3")); // 19, inert: erased
    say(withdraw(13)); // 20
    history.bytes("BE", 99, b"a record of a later version".to_vec()); // 21, set aside
    history.say("BE", withdraw(21)); // 22, inert: unknown kinds are never withdrawn
}

/// FR and UK.
fn partners(history: &mut History) {
    let mut say = |body| history.say("FR", body);
    say(refer(AMAQ)); // 1
    say(opinion("UK/1", 2, 2)); // 2
    say(opinion("BE/1", 1, 0)); // 3
    say(refer("ip:192.0.2.0/24")); // 4
    say(hold("channel:youtube/UCxyz")); // 5
    say(withdraw(5)); // 6
    say(opinion("NL/99", 1, 0)); // 7, dangling
    say(opinion("SE/1", 2, 1)); // 8, dangling: no such unit
    say(hold(PERSON)); // 9, erased by 10
    say(erase(9)); // 10
    say(dispatch("BE/2")); // 11, counts: the referral is withdrawn, not erased
    say(opinion("BE/2", 2, 3)); // 12, does not count: the referral is withdrawn
    say(outcome("FR/11", 6)); // 13
    say(outcome("NL/6", 1)); // 14, inert: not a dispatch
    say(opinion("UK/6", 2, 4)); // 15, taken back by 16
    say(withdraw(15)); // 16
    say(erase(15)); // 17: what is withdrawn can still be erased
    say(withdraw(15)); // 18, inert: erased already

    let mut say = |body| history.say("UK", body);
    say(refer(NEWS)); // 1
    say(refer(AMAQ)); // 2
    say(refer(FORUM)); // 3
    let operation = wire::Operation { title: "Amaq".into(), invited: vec!["BE".into()], ..Default::default() };
    say(Body::Operation(operation)); // 4, no part of the list
    say(Body::Revoke(wire::Revoke { spki_sha256: vec![7; 32], reason: String::new() })); // 5
    say(refer("domain:Amaq.example")); // 6, set aside: not in canonical form
    say(refer("domain:gone.example")); // 7, erased by 8
    say(erase(7)); // 8
    say(Body::Refer(wire::Refer { categories: vec![5, 1], ..referral(AMAQ) })); // 9, set aside
    say(refer("domain:xn--bcher-kva.example")); // 10
    say(refer(AMAQ)); // 11, the same again
    say(withdraw(2)); // 12
    say(dispatch("FR/1")); // 13
    say(withdraw(13)); // 14
    say(outcome("UK/13", 2)); // 15, does not count: its dispatch is withdrawn
}

/// NL.
fn guests(history: &mut History) {
    let mut say = |body| history.say("NL", body);
    say(observe(AMAQ, 1, START_MS)); // 1
    say(observe(AMAQ, 2, START_MS + 5_000)); // 2, the same moment as BE/11
    say(observe(AMAQ, 1, START_MS * 2)); // 3, inert: later than its header
    say(hold(AMAQ)); // 4
    say(withdraw(4)); // 5
    say(Body::Refer(wire::Refer {
        evidence: vec![wire::EvidenceItem { sha256: vec![9; 32], ..Default::default() }],
        ..referral(IMAGE)
    })); // 6
    say(refer("app:google-play/org.news.app")); // 7
    say(link(IMAGE, NEWS, 3)); // 8
    say(observe("domain:gone.example", 2, 1)); // 9, of a target without a row
    say(opinion("UK/1", 1, 0)); // 10
    say(refer("file:sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")); // 11
    say(withdraw(0)); // 12, inert: an Adopt is never withdrawn
    say(withdraw(11)); // 13
    say(withdraw(11)); // 14, inert: withdrawn already
    let good = Record { submission: vec![3; 16], body: Some(refer(AMAQ)) }.encode_to_vec();
    history.bytes("NL", 2, [&good[..], &[0xf8, 0x01, 0x01]].concat()); // 15, set aside: an unknown field
    history.bytes("NL", 4, good); // 16, set aside: of another kind than its header says
    history.say("NL", observe(NEWS, 1, 3)); // 17
    history.say("NL", observe(NEWS, 2, 2)); // 18, older
}

/// What all of them say after that.
fn later(history: &mut History) {
    const BUECHER: &str = "domain:xn--bcher-kva.example";
    // Held, though an objection counts as well: the row has both.
    history.say("NL", opinion("UK/10", 2, 3)); // 19
    history.say("FR", hold(BUECHER)); // 19
    // On a record of the wrong kind: no part of FORUM's row.
    history.say("NL", opinion("BE/4", 2, 1)); // 20
    history.say("NL", dispatch("BE/4")); // 21
    history.say("NL", outcome("BE/1", 1)); // 22
    // On an own record that comes later: inert, also once it has come.
    history.say("UK", dispatch("UK/18")); // 16
    history.say("UK", outcome("UK/19", 1)); // 17
    history.say("UK", refer("domain:later.example")); // 18
    history.say("UK", dispatch("UK/18")); // 19
    // On a record of another log whatever its index: BE's have higher ones.
    history.say("BE", refer("domain:later.example")); // 23
    history.say("FR", dispatch("BE/23")); // 20
    history.say("UK", outcome("FR/20", 3)); // 20
    history.say("FR", opinion("BE/23", 1, 0)); // 21
    // Said and withdrawn, and not erased: nothing of it counts.
    history.say("NL", observe(NEWS, 2, 4)); // 23, newer than NL/17
    history.say("NL", withdraw(23)); // 24
    history.say("NL", opinion("FR/1", 2, 5)); // 25
    history.say("NL", withdraw(25)); // 26
    history.say("BE", outcome("UK/19", 6)); // 24
    history.say("BE", withdraw(24)); // 25
    // Seen in the moment of the entry itself, and a millisecond later: inert.
    let now_ms = history.time_ms();
    history.say("UK", observe(FORUM, 1, now_ms)); // 21
    let now_ms = history.time_ms();
    history.say("UK", observe(FORUM, 2, now_ms + 1)); // 22
    // Twice at one time by one unit: the greater index.
    history.say("FR", observe(BUECHER, 2, 5)); // 22
    history.say("FR", observe(BUECHER, 1, 5)); // 23
    // Evidence has no place in a row and makes none; it can be withdrawn and erased.
    let item = wire::EvidenceItem { sha256: vec![9; 32], ..Default::default() };
    let target = "domain:evidence.example".to_owned();
    history.say("BE", Body::Evidence(wire::Evidence { item: Some(item), target, ..Default::default() })); // 26
    history.say("BE", withdraw(26)); // 27
    history.say("BE", erase(26)); // 28
    history.say("BE", erase(26)); // 29, inert: erased already
}

/// A log of its own, with payloads missing, some for ever.
fn gaps() -> Vec<Entry> {
    let mut history = History::default();
    let mut say = |body| history.say("BE", body);
    let evidence = || {
        let item = wire::EvidenceItem { sha256: vec![9; 32], ..Default::default() };
        Body::Evidence(wire::Evidence { item: Some(item), ..Default::default() })
    };
    say(refer(AMAQ)); // 0
    say(refer(NEWS)); // 1, missing
    say(erase(1)); // 2
    say(erase(1)); // 3, inert: the first counts
    say(evidence()); // 4, missing
    say(withdraw(4)); // 5, which is no erasure
    say(erase(4)); // 6
    say(hold(FORUM)); // 7, missing
    say(Body::Erase(wire::Erase { index: 7, reason: 0 })); // 8, set aside
    say(erase(7)); // 9
    say(erase(11)); // 10, inert: not before it
    say(refer(PERSON)); // 11, missing
    say(withdraw(11)); // 12
    say(erase(11)); // 13: what is withdrawn can still be erased
    say(link(AMAQ, NEWS, 1)); // 14, missing
    say(Body::Operation(wire::Operation::default())); // 15, missing for ever: its kind cannot end
    say(erase(14)); // 16
    say(erase(15)); // 17, inert
    say(refer(AMAQ)); // 18
    for index in [1, 4, 7, 11, 14, 15] {
        history.strip("BE", index);
    }
    history.logs.remove(&unit("BE")).unwrap()
}

fn referral(target: &str) -> wire::Refer {
    wire::Refer { target: target.into(), categories: vec![1], ..Default::default() }
}
