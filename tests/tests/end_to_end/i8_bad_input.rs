//! I8: bad input changes nothing. It gets a clear error that names the fault; no panic, no partial write, no unbounded
//! memory, whoever sends it.

use std::net::TcpStream;
use std::time::Duration;

use bytes::Bytes;
use entente_proto::limits::{
    BUNDLE_BODY_BYTES_MAX, CHECKS_MAX, FRAME_BYTES_MAX, NOTE_BYTES_MAX, SUBMISSIONS_MAX, WANT_BYTES_MAX,
    WANT_ENTRIES_MAX,
};
use entente_proto::wire;
use entente_proto::wire::frame::Frame;
use entente_proto::wire::submit_result::Result as Answer;
use entente_tests::caller::Caller;
use entente_tests::network::{Network, Node, log_of};
use entente_tests::partner::{Partner, bundle};
use prost::Message as _;
use serde_json::Value;

use crate::PROGRAM;

/// How much the node's memory may grow under attack, in KiB.
const GROWTH_KIB_MAX: u64 = 96 << 10;

/// BE is in the hands of the test, NL's node runs.
async fn a_node() -> Network {
    let network = Network::found(PROGRAM, &["BE", "NL"]);
    network.node("NL").start();
    entente_tests::wait::until_so("the node answers", || network.node("NL").try_status().is_some());
    // NL signs as soon as BE has told that it holds nothing; then there is an entry to want.
    let mut stream = Partner::new(&network, "BE").tell("NL", Vec::new()).await;
    stream.fetch("NL").await;
    network
}

fn bytes(frame: Frame) -> Bytes {
    wire::Frame { frame: Some(frame) }.encode_to_vec().into()
}

/// The node answers officers and greets partners.
async fn is_well(network: &Network) {
    let mut stream = Partner::new(network, "BE").greet("NL").await;
    stream.find(|frame| matches!(frame, Frame::Hello(_)).then_some(())).await;
    assert_eq!(network.node("NL").status()["state"], "running");
}

/// Sends frames on a new stream and expects the node to end it with this word, and to log these.
async fn ends(network: &Network, greet: bool, what: &str, frames: Vec<Bytes>, word: &str, reason: &str) {
    let node = network.node("NL");
    let since = node.log().len();
    let partner = Partner::new(network, "BE");
    let mut stream = if greet { partner.tell("NL", Vec::new()).await } else { partner.dial("NL").await };
    for frame in frames {
        stream.send_bytes(frame).await;
    }
    let told = stream.closed().await;
    assert!(told == word || told.is_empty(), "{what}: {told:?} instead of {word:?}");
    node.until_logged(since, &["stream closed", "peer=BE", reason]);
    assert!(!node.log().contains("panicked"), "{what}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_greeting_that_is_not_one_of_this_network_ends_the_stream() {
    let network = a_node().await;
    let hello = Partner::new(&network, "BE").hello();
    let with = |change: &dyn Fn(&mut wire::Hello)| {
        let mut hello = hello.clone();
        change(&mut hello);
        vec![bytes(Frame::Hello(hello))]
    };
    let other_network = with(&|hello| hello.network = "other.example".into());
    ends(&network, false, "network", other_network, "network", "the partner is of the network").await;
    for unit in ["FR", "NL", ""] {
        let other_unit = with(&|hello| hello.unit = unit.into());
        ends(&network, false, "unit", other_unit, "unit", "its certificate says otherwise").await;
    }
    let other_charter = with(&|hello| hello.charter_digest = vec![1; 32]);
    ends(&network, false, "charter", other_charter, "charter", "the partner runs under charter version 1").await;
    let short = with(&|hello| hello.charter_digest.truncate(31));
    ends(&network, false, "digest", short, "malformed", "charter digest is not well-formed").await;
    let none = with(&|hello| hello.instance.clear());
    ends(&network, false, "instance", none, "malformed", "instance is not well-formed").await;
    let major = with(&|hello| hello.major += 1);
    ends(&network, false, "major", major, "version", "the partner speaks protocol version 2").await;
    let long = with(&|hello| hello.release = "x".repeat(65));
    ends(&network, false, "release", long, "malformed", "text is beyond its limit").await;
    let heads = vec![bytes(Frame::Heads(wire::Heads { full: true, ..wire::Heads::default() }))];
    ends(&network, false, "no greeting", heads, "malformed", "the first frame is not a Hello").await;
    is_well(&network).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frame_that_breaks_a_rule_ends_the_stream_and_nothing_else() {
    let network = a_node().await;
    let before = network.node("NL").peak_kib();
    let frame = |frame| vec![bytes(frame)];
    let malformed = [
        ("garbage", vec![Bytes::from_static(&[0xff; 300])], "a frame does not decode"),
        ("nothing", vec![Bytes::new()], "a frame does not decode"),
        ("another frame", vec![Bytes::from_static(&[0x7a, 0])], "a frame does not decode"),
        (
            "an oversized frame",
            frame(Frame::Charter(wire::Charter { note: vec![0; FRAME_BYTES_MAX + 1] })),
            "length is beyond its limit",
        ),
        (
            "many heads",
            frame(Frame::Heads(wire::Heads { heads: vec![wire::Head::default(); 101], ..wire::Heads::default() })),
            "number of heads is beyond its limit",
        ),
        (
            "a long note",
            frame(Frame::Heads(wire::Heads {
                heads: vec![wire::Head {
                    unit: "NL".into(),
                    newest: vec![b'x'; NOTE_BYTES_MAX + 1],
                    ..Default::default()
                }],
                ..wire::Heads::default()
            })),
            "note is beyond its limit",
        ),
    ];
    for (what, frames, reason) in malformed {
        ends(&network, true, what, frames, "malformed", reason).await;
    }

    let fork = |consistency: Vec<Vec<u8>>, note: usize| {
        let (smaller, larger) = (vec![b'x'; note], vec![b'y'; 9]);
        frame(Frame::Fork(wire::ForkProof { unit: "NL".into(), smaller, larger, consistency }))
    };
    for (what, frames, word, reason) in [
        (
            "a proof of many hashes",
            fork(vec![vec![0; 32]; 20_000], 9),
            "malformed",
            "number of hashes is beyond its limit",
        ),
        ("a proof of long notes", fork(Vec::new(), NOTE_BYTES_MAX + 1), "malformed", "note is beyond its limit"),
        ("a proof of nothing", fork(Vec::new(), 9), "unverified", "a proof that the log of NL forked does not verify"),
        (
            "a proof about nobody",
            frame(Frame::Fork(wire::ForkProof { unit: "ZZ".into(), ..Default::default() })),
            "malformed",
            "unit is not well-formed",
        ),
        (
            "many notes of one log",
            frame(Frame::Heads(wire::Heads {
                heads: vec![wire::Head { unit: "NL".into(), seen: vec![Vec::new(); 65], ..Default::default() }],
                ..wire::Heads::default()
            })),
            "malformed",
            "number of notes is beyond its limit",
        ),
    ] {
        ends(&network, true, what, frames, word, reason).await;
    }

    let good = wire::Want { unit: "NL".into(), count: 1, under: 1, max_bytes: 1, ..wire::Want::default() };
    let want = |change: &dyn Fn(&mut wire::Want)| {
        let mut want = good.clone();
        change(&mut want);
        vec![bytes(Frame::Want(want))]
    };
    let wants = [
        ("entries", want(&|w| (w.count, w.under) = (WANT_ENTRIES_MAX + 1, 1 << 20)), "number of entries wanted"),
        ("bytes", want(&|w| w.max_bytes = WANT_BYTES_MAX + 1), "bytes wanted"),
        ("no bytes", want(&|w| w.max_bytes = 0), "bytes wanted"),
        ("beyond the log", want(&|w| (w.count, w.under) = (256, 256)), "range wanted"),
        ("beyond every log", want(&|w| w.from = u64::MAX), "size is beyond its limit"),
        ("an unknown unit", want(&|w| w.unit = "ZZ".into()), "want is not well-formed"),
        ("no unit", want(&|w| w.unit = "../../journal".into()), "unit is not well-formed"),
        ("an end in the middle", want(&|w| (w.count, w.under) = (3, 1_000)), "want is not well-formed"),
    ];
    for (what, frames, reason) in wants {
        ends(&network, true, what, frames, "malformed", reason).await;
    }

    let unwanted = |body: Vec<u8>| bundle("NL", 0, body);
    let zstd = wire::Bundle { body: Some(wire::bundle::Body::Zstd(vec![0; 9].into())), ..unwanted(Vec::new()) };
    let pushed = wire::Bundle { checkpoint: vec![b'x'; 9].into(), ..unwanted(Vec::new()) };
    for (what, frames, word, reason) in [
        ("entries", frame(Frame::Bundle(unwanted(Vec::new()))), "unwanted", "sent entries that was not wanted"),
        ("a push", frame(Frame::Bundle(pushed)), "unwanted", "sent a push that was not wanted"),
        ("compressed", frame(Frame::Bundle(zstd)), "unwanted", "sent a compressed bundle that was not wanted"),
        (
            "an outline",
            frame(Frame::Outline(wire::Outline { unit: "NL".into(), ..Default::default() })),
            "unwanted",
            "sent an outline",
        ),
        ("no run", frame(Frame::Bundle(unwanted(vec![0xff; 40]))), "unverified", "an entry of NL is not sound"),
        (
            "a wrong size",
            frame(Frame::Bundle(wire::Bundle { size: 7, ..unwanted(Vec::new()) })),
            "malformed",
            "bundle is beyond its limit",
        ),
        (
            "a long body",
            frame(Frame::Bundle(unwanted(vec![0; BUNDLE_BODY_BYTES_MAX + 1]))),
            "malformed",
            "bundle is beyond its limit",
        ),
    ] {
        ends(&network, true, what, frames, word, reason).await;
    }
    is_well(&network).await;
    let node = network.node("NL");
    assert!(node.peak_kib() < before + GROWTH_KIB_MAX, "{} KiB after {before}", node.peak_kib());
    assert_eq!(log_of(&node.status(), "BE")["size"], 0);
    assert_eq!(log_of(&node.status(), "NL")["size"], 1);
    assert_eq!(log_of(&node.status(), "NL")["forked"], false);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partner_that_sends_without_end_or_wants_and_never_reads_fills_no_memory() {
    let network = a_node().await;
    let node = network.node("NL");
    let before = node.peak_kib();
    // Four hundred frames of 1 MiB, each well-formed and of no use.
    let charter = bytes(Frame::Charter(wire::Charter { note: vec![0; 1 << 20] }));
    let stream = Partner::new(&network, "BE").tell("NL", Vec::new()).await;
    for _ in 0..400 {
        stream.send_bytes(charter.clone()).await;
    }
    is_well(&network).await;
    assert!(node.peak_kib() < before + GROWTH_KIB_MAX, "{} KiB after {before}", node.peak_kib());

    // Wants by the thousand, and nobody who reads the answers: at the limit the stream ends.
    let since = node.log().len();
    let want = wire::Want { unit: "NL".into(), count: 1, under: 1, max_bytes: 1 << 20, ..wire::Want::default() };
    let want = bytes(Frame::Want(want));
    let stream = Partner::new(&network, "BE").tell("NL", Vec::new()).await;
    for _ in 0..100_000 {
        if !stream.try_send_bytes(want.clone(), Duration::from_secs(2)).await {
            break;
        }
    }
    node.until_logged(since, &["stream closed", "peer=BE", "number of wants is beyond its limit"]);
    is_well(&network).await;
    assert!(node.peak_kib() < before + GROWTH_KIB_MAX, "{} KiB after {before}", node.peak_kib());
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_say_nothing_keep_nobody_out_for_long() {
    let network = a_node().await;
    let address = &network.node("NL").address;
    // More than are shaken hands with at once.
    let idle: Vec<TcpStream> = (0..40).map(|_| TcpStream::connect(address).unwrap()).collect();
    // Officers have a door of their own.
    assert_eq!(network.node("NL").status()["state"], "running");
    // A partner gets in as soon as the handshakes that never come have timed out, while the others still hang on.
    entente_tests::wait::until_so("a partner is let in", || {
        let knock = Caller::node(network.node("BE"));
        tokio::task::block_in_place(|| {
            tokio::runtime::Handle::current().block_on(async { knock.connect(&network, "NL", address).await.is_ok() })
        })
    });
    assert_eq!(idle.len(), 40);
    is_well(&network).await;
}

/// Inputs that nobody may refer, each with the code that names its fault.
fn bad_targets() -> Vec<(String, &'static str)> {
    let cases: &[(&str, &str)] = &[
        ("", "empty"),
        ("   ", "empty"),
        ("bell\u{7}.example", "control-character"),
        ("\u{202e}elpmaxe.live", "bidi-control"),
        ("in\u{200b}visible.example", "invisible-character"),
        ("two words.example", "space"),
        ("a..example", "empty-label"),
        ("localhost", "single-label"),
        ("somebody@mail.example", "email"),
        ("co.uk", "public-suffix"),
        ("*.bad.example", "wildcard"),
        ("bad.example/path", "path-without-scheme"),
        ("bad.example:8080", "port-without-scheme"),
        ("ftp://bad.example/", "unsupported-scheme"),
        ("javascript:alert(1)", "unsupported-scheme"),
        ("http://", "bad-url"),
        ("-bad.com", "label-form"),
        ("ip:1.2.3.999", "ip-address"),
        ("ip:10.0.0.1/8", "ip-host-bits"),
        ("file:sha256:xyz", "bad-hash"),
        ("account:telegram", "bad-handle"),
    ];
    let mut cases: Vec<(String, &str)> = cases.iter().map(|(input, code)| ((*input).to_owned(), *code)).collect();
    cases.push((format!("{}.example", "x".repeat(300)), "label-too-long"));
    cases.push((format!("http://bad.example/{}", "x".repeat(9_000)), "too-long"));
    cases
}

/// A network of one unit, whose log has only its first entry.
fn alone() -> Network {
    let network = Network::running(PROGRAM, &["BE"]);
    network.node("BE").until_certified("BE", 1);
    network
}

/// Nothing was entered.
#[track_caller]
fn unchanged(node: &Node) {
    let status = node.status();
    assert_eq!(
        (&log_of(&status, "BE")["size"], &status["outbox"], &status["state"]),
        (&1.into(), &0.into(), &"running".into())
    );
    assert!(node.call(&["list"]).ended(0).out.is_empty());
    assert!(!node.log().contains("panicked"), "{}", node.log());
}

#[test]
fn every_target_that_is_none_is_refused_by_name_and_enters_nothing() {
    let network = alone();
    let node = network.node("BE");
    let cases = bad_targets();
    for verb in [&["refer", "--category", "incites", "--"][..], &["hold", "--"]] {
        let args: Vec<&str> = verb.iter().copied().chain(cases.iter().map(|(input, _)| input.as_str())).collect();
        let said = node.call_at(&args);
        let answers = said.ended(1).documents();
        assert_eq!(answers.len(), cases.len());
        for ((input, code), answer) in cases.iter().zip(&answers) {
            assert_eq!(answer["refused"]["code"], *code, "{input:?}: {answer}");
            assert_eq!((&answer["id"], &answer["durable"]), (&Value::Null, &false.into()));
            assert!(answer["refused"]["message"].as_str().unwrap().len() > 10, "{answer}");
        }
    }
    let args: Vec<&str> = ["check", "--"].into_iter().chain(cases.iter().map(|(input, _)| input.as_str())).collect();
    let said = node.call_at(&args).ended(1);
    said.says(&["were not understood"]);
    let checked = said.documents();
    assert_eq!(checked.len(), cases.len());
    assert!(
        checked.iter().all(|checked| checked["fault"].is_string() && checked["status"] == "unknown"),
        "{checked:?}"
    );
    unchanged(node);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_breaks_a_rule_is_refused_by_name_and_enters_nothing() {
    let network = alone();
    let node = network.node("BE");
    let mut client = Caller::officer(node).unit(&network, "BE").await.unwrap();
    let record = |submission: Vec<u8>, body| wire::Submission {
        record: Some(wire::Record { submission, body }),
        ..wire::Submission::default()
    };
    use wire::record::Body;
    let refer = |change: &dyn Fn(&mut wire::Refer)| {
        let categories = vec![wire::Category::Incites.into()];
        let mut refer = wire::Refer { target: "bad.example".into(), categories, ..wire::Refer::default() };
        change(&mut refer);
        Some(Body::Refer(refer))
    };
    let id = || vec![1; 16];
    let on = |unit: &str, index| Some(wire::RecordRef { unit: unit.into(), index });
    let opinion = |on| Some(Body::Opinion(wire::Opinion { on, stance: 1, ..wire::Opinion::default() }));
    let cases = [
        ("empty", wire::Submission::default()),
        ("empty", record(id(), None)),
        ("submission-id", record(vec![1; 3], refer(&|_| {}))),
        ("submission-id", record(vec![1; 17], refer(&|_| {}))),
        ("invalid", record(id(), refer(&|refer| refer.categories.clear()))),
        ("invalid", record(id(), refer(&|refer| refer.categories = vec![99]))),
        ("invalid", record(id(), refer(&|refer| refer.description = "x".repeat(100_000)))),
        ("kind", record(id(), Some(Body::Adopt(wire::Adopt { version: 2, digest: vec![0; 32] })))),
        ("not-erasable", record(id(), Some(Body::Erase(wire::Erase { index: 0, reason: 1 })))),
        ("not-found", record(id(), Some(Body::Erase(wire::Erase { index: 9, reason: 1 })))),
        ("not-found", record(id(), Some(Body::Withdraw(wire::Withdraw { index: 9, ..Default::default() })))),
        ("not-withdrawable", record(id(), Some(Body::Withdraw(wire::Withdraw { index: 0, ..Default::default() })))),
        ("record-id", record(id(), opinion(None))),
        ("record-id", record(id(), opinion(on("not a unit", 1)))),
        ("own-referral", record(id(), opinion(on("BE", 0)))),
        ("not-found", record(id(), opinion(on("ZZ", 0)))),
    ];
    for (code, submission) in cases {
        let request = wire::SubmitRequest { submissions: vec![submission.clone()], ..wire::SubmitRequest::default() };
        let result = client.submit(request).await.unwrap().into_inner().results.remove(0).result;
        match result {
            Some(Answer::Refused(refused)) => assert_eq!(refused.code, code, "{submission:?}: {}", refused.message),
            other => panic!("{submission:?} was not refused for {code}: {other:?}"),
        }
    }
    let many = wire::SubmitRequest {
        submissions: vec![wire::Submission::default(); SUBMISSIONS_MAX + 1],
        ..wire::SubmitRequest::default()
    };
    assert_eq!(client.submit(many).await.unwrap_err().code(), tonic::Code::InvalidArgument);
    let many = wire::CheckRequest { inputs: vec![String::new(); CHECKS_MAX + 1], likeness: None };
    assert_eq!(client.check(many).await.unwrap_err().code(), tonic::Code::InvalidArgument);
    let huge = wire::CheckRequest { inputs: vec!["x".repeat(5 << 20)], likeness: None };
    assert_eq!(client.check(huge).await.unwrap_err().code(), tonic::Code::OutOfRange);
    unchanged(node);
}

#[test]
fn a_dirty_import_file_gets_each_lines_fault_named_and_counted_and_the_rest_goes_in() {
    let network = alone();
    let node = network.node("BE");
    let mut file: Vec<u8> = Vec::new();
    let mut expected: Vec<(usize, &str)> = Vec::new();
    let mut number = 0;
    let mut line = |bytes: &[u8], code: Option<&'static str>| {
        number += 1;
        file.extend(bytes);
        file.push(b'\n');
        expected.extend(code.map(|code| (number, code)));
    };
    line(b"\xef\xbb\xbf# exported on a Friday", None);
    line(b"good-1.example", None);
    line(b"", None);
    line(b"  \t ", None);
    line(b"good-2.example\r", None);
    line(b"GOOD-3.Example.", None);
    line("bücher.example".as_bytes(), None);
    line(b"https://good-4.example/a b", Some("space"));
    line(b"good-1.example", None); // known
    line(b"caf\xe9.example", Some("not-utf8"));
    line("ruined\u{fffd}.example".as_bytes(), Some("not-text"));
    line(b"nul\0byte.example", Some("control-character"));
    line(format!("{}.example", "x".repeat(300)).as_bytes(), Some("label-too-long"));
    line(&[b'y'; 300_000], Some("line-too-long"));
    for (input, code) in bad_targets().iter().filter(|(input, _)| !input.trim().is_empty() && input.len() < 200) {
        line(input.as_bytes(), Some(code));
    }
    line(b"good-5.example", None);
    file.extend(b"good-6.example"); // and no newline at the end
    let (path, report) = (network.directory().join("dirty.txt"), network.directory().join("faults.txt"));
    std::fs::write(&path, &file).unwrap();
    let args = ["import", path.to_str().unwrap(), "--category", "incites", "--report", report.to_str().unwrap()];
    let counts = node.call(&args).ended(0).document();

    let mut by_reason = std::collections::BTreeMap::<&str, u64>::new();
    expected.iter().for_each(|(_, code)| *by_reason.entry(code).or_default() += 1);
    assert_eq!(counts["by_reason"], serde_json::to_value(&by_reason).unwrap(), "{counts}");
    let numbers = ["taken", "known", "refused", "blank", "comments"].map(|key| counts[key].as_u64().unwrap());
    assert_eq!(numbers, [6, 1, expected.len() as u64, 2, 1]);
    let faults = std::fs::read_to_string(&report).unwrap();
    for (number, code) in &expected {
        assert!(faults.contains(&format!("line {number}: {code}: ")), "line {number} {code} in\n{faults}");
    }
    assert_eq!(faults.lines().count(), expected.len() + 1, "{faults}");

    node.until_certified("BE", 7);
    let listed: Vec<String> =
        node.call(&["list"]).documents().iter().map(|row| row["target"].as_str().unwrap().to_owned()).collect();
    let all = [
        "good-1.example",
        "good-2.example",
        "good-3.example",
        "good-5.example",
        "good-6.example",
        "xn--bcher-kva.example",
    ];
    assert_eq!(listed, all.map(|name| format!("domain:{name}")));
    // Given again, it changes nothing.
    let again = node.call(&args).ended(0).document();
    assert_eq!((&again["taken"], &again["known"]), (&0.into(), &7.into()));
    assert_eq!(log_of(&node.status(), "BE")["size"], 7);
    // URLs below are found by their domain.
    let below = node.call(&["check", "https://www.good-3.example/some/page?x=1"]).ended(0).document();
    assert_eq!((&below["status"], &below["via"]), (&"listed".into(), &"domain:good-3.example".into()));
}
