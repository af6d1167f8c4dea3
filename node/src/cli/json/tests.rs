use entente_proto::wire::record::Body;
use entente_proto::wire::{
    Basis, Category, CertificateStatus, Ground, GuardList, Handling, Hold, HoldRow, Late, ListStatus, ListedRow,
    LogStatus, Opinion, OpinionRow, Overdue, PeerStatus, PublicationStatus, Record, Refer, Referral, Row, Source,
    Stance, State, StatusReply, Tlp, Withdraw, WitnessStatus, WitnessedLog, WitnessingStatus,
};
use serde_json::{Value, json};

use super::*;

const AMAQ_DAY_MS: u64 = 1_524_636_000_000;

fn id(unit: &str, index: u64) -> Option<RecordRef> {
    Some(RecordRef { unit: unit.to_owned(), index })
}

fn refer() -> Refer {
    Refer {
        categories: vec![Category::Incites as i32, Category::Threatens as i32],
        basis: Basis::RemovalOrder as i32,
        provider: "hoster.example".to_owned(),
        source: Source::A as i32,
        accuracy: 2,
        description: "claims an attack".to_owned(),
        handling: Some(Handling { tlp: Tlp::AmberStrict as i32, europol: vec![0, 1] }),
        review_by_ms: AMAQ_DAY_MS,
        ..Refer::default()
    }
}

fn json_of(value: impl Serialize) -> Value {
    serde_json::to_value(value).unwrap()
}

#[test]
fn a_row_of_the_list_is_printed_as_agreed() {
    let opinion = |index, stance| OpinionRow {
        id: id("NL", index),
        time_ms: AMAQ_DAY_MS,
        opinion: Some(Opinion {
            on: id("BE", 17),
            stance: stance as i32,
            ground: if stance == Stance::Object { Ground::ProtectedExpression as i32 } else { 0 },
            text: "reporting".to_owned(),
        }),
    };
    let listed = ListedRow {
        row: Some(Row {
            target: "domain:news.example".to_owned(),
            status: Status::Held as i32,
            referrals: vec![Referral { id: id("BE", 17), time_ms: AMAQ_DAY_MS, refer: Some(refer()) }],
            holds: vec![HoldRow {
                id: id("UK", 3),
                time_ms: AMAQ_DAY_MS,
                hold: Some(Hold { contact: "desk 4".to_owned(), ..Hold::default() }),
            }],
            opinions: vec![opinion(4, Stance::Object), opinion(5, Stance::Support)],
            ..Row::default()
        }),
        pending: vec![Pending {
            id: id("BE", 18),
            time_ms: AMAQ_DAY_MS + 1,
            record: Some(Record {
                submission: vec![7; 16],
                body: Some(Body::Withdraw(Withdraw { index: 17, reason: "wrong page".to_owned() })),
            }),
        }],
        late: vec![Late { what: Overdue::Review as i32, id: id("BE", 17), since_ms: 0 }],
        cursor: "domain:news.example".to_owned(),
        ..ListedRow::default()
    };
    assert_eq!(
        json_of(RowJson::from(&listed)),
        json!({
            "target": "domain:news.example",
            "status": "held",
            "availability": null,
            "referrals": [{
                "id": "BE/17", "unit": "BE", "time": "2018-04-25T06:00:00Z",
                "categories": ["incites", "threatens"], "basis": "removal-order", "provider": "hoster.example",
                "source": "A", "accuracy": 2, "language": "", "description": "claims an attack", "evidence": [],
                "handling": { "tlp": "amber+strict", "europol": ["H0", "H1"] },
                "review_by": "2018-04-25T06:00:00Z", "campaign": "", "prefix": false, "override_reason": "",
            }],
            "holds": [{
                "id": "UK/3", "unit": "UK", "time": "2018-04-25T06:00:00Z",
                "until": null, "contact": "desk 4", "reason": "",
            }],
            "objections": [{
                "id": "NL/4", "unit": "NL", "time": "2018-04-25T06:00:00Z",
                "on": "BE/17", "stance": "object", "ground": "protected-expression", "text": "reporting",
            }],
            "supports": [{
                "id": "NL/5", "unit": "NL", "time": "2018-04-25T06:00:00Z",
                "on": "BE/17", "stance": "support", "ground": null, "text": "reporting",
            }],
            "dispatches": [], "outcomes": [], "links": [],
            "pending": [{
                "id": "BE/18", "unit": "BE", "time": "2018-04-25T06:00:00.001Z", "kind": "withdraw",
                "statement": { "index": 17, "reason": "wrong page" },
            }],
            "overdue": [{ "what": "review", "id": "BE/17", "since": "1970-01-01T00:00:00Z" }],
            "cursor": "domain:news.example",
        })
    );
}

#[test]
fn a_target_that_is_only_pending_says_so() {
    let hold = Body::Hold(Hold { target: "domain:a.example".to_owned(), until_ms: AMAQ_DAY_MS, ..Hold::default() });
    let listed = ListedRow {
        row: Some(Row { target: "domain:a.example".to_owned(), ..Row::default() }),
        pending: vec![Pending {
            id: id("UK", 0),
            time_ms: 0,
            record: Some(Record { submission: vec![], body: Some(hold) }),
        }],
        ..ListedRow::default()
    };
    let row = json_of(RowJson::from(&listed));
    assert_eq!((&row["status"], &row["referrals"]), (&json!("pending"), &json!([])));
    assert_eq!(
        row["pending"][0]["statement"],
        json!({ "target": "domain:a.example", "until": "2018-04-25T06:00:00Z", "contact": "", "reason": "" })
    );
}

#[test]
fn the_state_is_printed_as_agreed() {
    let reply = StatusReply {
        unit: "BE".to_owned(),
        network: "takedown.example".to_owned(),
        charter_version: 1,
        charter_digest: vec![0xab; 32],
        state: State::Waiting as i32,
        reason: "waits for FR".to_owned(),
        logs: vec![LogStatus {
            unit: "BE".to_owned(),
            size: 9,
            certified: 8,
            root: vec![0; 32],
            charter: 2,
            forked: false,
        }],
        list: Some(ListStatus { digest: vec![1; 32], listed: 5, held: 4, disputed: 3, cleared: 2, pending: 1 }),
        peers: vec![
            PeerStatus {
                unit: "FR".to_owned(),
                connected: true,
                behind: 0,
                agrees: Some(true),
                seen_ms: AMAQ_DAY_MS,
                reason: String::new(),
                clock_ahead_ms: -3,
            },
            PeerStatus { unit: "NL".to_owned(), behind: 2, reason: "refused".to_owned(), ..PeerStatus::default() },
        ],
        warnings: vec!["two units: one down and nothing is certified".to_owned()],
        outbox: 1,
        quorum: 2,
        certificates: vec![
            CertificateStatus {
                holder: "BE node".to_owned(),
                spki_sha256: vec![2; 32],
                expires_ms: AMAQ_DAY_MS,
                warning: "it expires".to_owned(),
                ..CertificateStatus::default()
            },
            CertificateStatus { revoked: "by the charter".to_owned(), ..CertificateStatus::default() },
        ],
        guards: vec![GuardList { name: "Wikimedia".to_owned(), entries: 9, file: "wiki.json".to_owned() }],
        published: Some(PublicationStatus {
            to: "s3://bucket".to_owned(),
            records: 9,
            error: "full".to_owned(),
            ..PublicationStatus::default()
        }),
        witnesses: vec![WitnessStatus {
            name: "w.example".to_owned(),
            url: "https://w.example/".to_owned(),
            vkey: "w.example+1+B".to_owned(),
            size: 8,
            seen_ms: AMAQ_DAY_MS,
            error: "403".to_owned(),
        }],
        witnessing: Some(WitnessingStatus {
            listen: "127.0.0.1:7450".to_owned(),
            reason: "no key".to_owned(),
            logs: vec![WitnessedLog { origin: "a log".to_owned(), size: 7, time_ms: 0, listed: true }],
            ..WitnessingStatus::default()
        }),
    };
    assert_eq!(
        json_of(StatusJson::from(&reply)),
        json!({
            "unit": "BE", "network": "takedown.example",
            "charter": { "version": 1, "digest": "ab".repeat(32) },
            "state": "waiting", "reason": "waits for FR", "quorum": 2,
            "logs": [{ "unit": "BE", "size": 9, "certified": 8, "root": "00".repeat(32), "charter": 2, "forked": false }],
            "list": { "digest": "01".repeat(32), "listed": 5, "held": 4, "disputed": 3, "cleared": 2, "pending": 1 },
            "peers": [
                { "unit": "FR", "connected": true, "behind": 0, "agrees": true, "seen": "2018-04-25T06:00:00Z", "clock_ahead_ms": -3, "reason": null },
                { "unit": "NL", "connected": false, "behind": 2, "agrees": null, "seen": null, "clock_ahead_ms": null, "reason": "refused" },
            ],
            "outbox": 1,
            "certificates": [
                { "holder": "BE node", "spki_sha256": "02".repeat(32), "expires": "2018-04-25T06:00:00Z", "revoked": null,
                    "warning": "it expires" },
                { "holder": "", "spki_sha256": "", "expires": "1970-01-01T00:00:00Z", "revoked": "by the charter",
                    "warning": null },
            ],
            "guards": [{ "name": "Wikimedia", "entries": 9, "file": "wiki.json" }],
            "published": { "to": "s3://bucket", "payloads": "none", "at": null, "size": 9, "files": 0, "error": "full" },
            "witnesses": [{
                "name": "w.example", "url": "https://w.example/", "vkey": "w.example+1+B", "size": 8,
                "seen": "2018-04-25T06:00:00Z", "error": "403",
            }],
            "witnessing": {
                "vkey": null, "listen": "127.0.0.1:7450", "reason": "no key",
                "logs": [{ "origin": "a log", "size": 7, "signed": null, "listed": true }],
            },
            "warnings": ["two units: one down and nothing is certified"],
        })
    );
}

#[test]
fn an_answer_of_check_is_printed_as_agreed() {
    let below = Checked {
        input: "HTTPS://news.example/a".to_owned(),
        target: "url:https://news.example/a".to_owned(),
        status: Status::Listed as i32,
        via: "domain:news.example".to_owned(),
        ..Checked::default()
    };
    assert_eq!(
        serde_json::to_string(&CheckedJson::from(&below)).unwrap(),
        r#"{"input":"HTTPS://news.example/a","target":"url:https://news.example/a","status":"listed","via":"domain:news.example","pending":false,"own":null,"differs":null,"notices":[],"fault":null}"#
    );
    let bad = Checked { input: "me@x.example".to_owned(), fault: "an e-mail address".to_owned(), ..Checked::default() };
    assert_eq!(
        json_of(CheckedJson::from(&bad)),
        json!({ "input": "me@x.example", "target": null, "status": "unknown", "via": null, "pending": false, "own": null,
            "differs": null, "notices": [], "fault": "an e-mail address" })
    );
}

#[test]
fn a_change_is_a_statement_with_the_position_behind_it() {
    let erased = Change { id: id("BE", 2), time_ms: 0, certified: true, ..Change::default() };
    assert_eq!(
        json_of(ChangeJson::of(&erased, "BE:4".to_owned())),
        json!({
            "id": "BE/2", "unit": "BE", "time": "1970-01-01T00:00:00Z", "kind": "unknown", "statement": null,
            "certified": true, "target": null, "status": "unknown", "position": "BE:4",
        })
    );
}

#[test]
fn a_shown_record_says_its_kind_even_when_it_was_erased() {
    let shown = ShownRecord { id: id("BE", 2), kind: 2, inert: "erased".to_owned(), ..ShownRecord::default() };
    let json = json_of(ShowJson::from(&ShowReply { records: vec![shown], ..ShowReply::default() }));
    assert_eq!((&json["row"], &json["records"][0]["kind"]), (&Value::Null, &json!("refer")));
    assert_eq!((&json["records"][0]["inert"], &json["records"][0]["statement"]), (&json!("erased"), &Value::Null));
}
