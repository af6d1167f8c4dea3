//! I4: only the unit speaks for the unit, and nothing unverified is written to disk. Over real mutual TLS, by a partner
//! that has the real keys of UK.

use entente_proto::entry::Entry;
use entente_proto::hash::Hash;
use entente_proto::note::{Algorithm, MemorySigner};
use entente_proto::record::{self, RecordKind};
use entente_proto::wire;
use entente_tests::network::{Network, log_of, peer_of};
use entente_tests::partner::{Fetched, Partner, Stream, log_name, run_of, signed};
use entente_tests::remains::logs;

use crate::PROGRAM;

const UNITS: [&str; 4] = ["BE", "FR", "NL", "UK"];
/// What BE refers, and what an enemy would like it to have referred.
const TARGETS: [&str; 3] = ["one.example", "two.example", "three.example"];
const FORGED: &str = "archive-of-news.example";

/// NL is the victim. BE has said what NL cannot learn from BE itself; FR and UK are down; the test has BE's log, as UK
/// would have it.
async fn a_victim() -> (Network, Fetched) {
    let network = Network::found(PROGRAM, &UNITS);
    network.separate("BE", "NL");
    network.start();
    network.until_agreed(&UNITS);
    network.node("FR").kill();
    network.node("UK").kill();
    for target in TARGETS {
        network.node("BE").refer(target, "durable");
    }
    let mut stream = Partner::new(&network, "UK").tell("BE", Vec::new()).await;
    let fetched = loop {
        let fetched = stream.fetch("BE").await;
        if fetched.size == 4 {
            break fetched;
        }
    };
    (network, fetched)
}

/// What must be so after an attack: NL has stored and lists nothing of it. Then FR comes back, and NL goes on with FR.
fn nothing_came_of_it(network: &Network) {
    let nl = network.node("NL");
    let status = nl.status();
    assert_eq!((&log_of(&status, "BE")["size"], &log_of(&status, "BE")["certified"]), (&1.into(), &1.into()));
    assert_eq!(status["state"], "running");
    assert!(nl.call(&["list"]).ended(0).documents().is_empty());
    recovers(network);
}

fn recovers(network: &Network) {
    let nl = network.node("NL");
    network.node("FR").start();
    network.until_agreed(&["BE", "FR", "NL"]);
    assert!(TARGETS.iter().all(|target| nl.status_of(target) == "listed"));
    assert_eq!(nl.status_of(FORGED), "unknown");
    for unit in ["BE", "FR", "NL"] {
        network.node(unit).stop();
    }
    assert_eq!(logs(network, nl), logs(network, network.node("BE")));
}

/// UK tells NL of BE's log and answers NL's want with the true outline and with this body; NL must end the stream.
async fn relay(network: &Network, fetched: &Fetched, body: Vec<u8>) -> String {
    let mut stream = Partner::new(network, "UK").tell("NL", vec![fetched.head()]).await;
    fetched.serve(&mut stream, body).await;
    stream.closed().await
}

/// The node ended the stream, said the word (unless its queue was full at that moment), and its log says why.
#[track_caller]
fn closed_for(network: &Network, since: usize, told: &str, word: &str, reason: &str) {
    assert!(told == word || told.is_empty(), "{told:?} instead of {word:?}");
    network.node("NL").until_logged(since, &["stream closed", "peer=UK", reason]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_whose_payload_a_relay_altered_is_not_taken() {
    let (network, fetched) = a_victim().await;
    let mut body = run_of(&fetched.entries);
    let text = body.windows(11).position(|window| window == b"two.example").unwrap();
    body[text..text + 3].copy_from_slice(b"owt");
    let told = relay(&network, &fetched, body).await;
    closed_for(&network, 0, &told, "unverified", "an entry of BE is not sound");
    assert_eq!(network.node("NL").status_of("owt.example"), "unknown");
    nothing_came_of_it(&network);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_that_a_relay_put_in_the_place_of_another_is_not_taken() {
    let (network, mut fetched) = a_victim().await;
    let categories = vec![wire::Category::Incites.into()];
    let refer = wire::Refer { target: format!("domain:{FORGED}"), categories, ..wire::Refer::default() };
    let record = wire::Record { submission: vec![1; 16], body: Some(wire::record::Body::Refer(refer)) };
    let payload = record::encode(&record).unwrap();
    let time_ms = fetched.entries[2].header().time_ms;
    fetched.entries[2] = Entry::compose(RecordKind::Refer.number(), time_ms, [3; 16], payload).unwrap();
    let told = relay(&network, &fetched, run_of(&fetched.entries)).await;
    closed_for(&network, 0, &told, "unverified", "entries of BE from 0 on are not those under the checkpoint");
    nothing_came_of_it(&network);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outline_that_does_not_lead_to_the_checkpoint_is_not_taken() {
    let (network, mut fetched) = a_victim().await;
    let mut rest = fetched.outline.rest.to_vec();
    rest[0] ^= 1;
    fetched.outline.rest = rest.into();
    let told = relay(&network, &fetched, run_of(&fetched.entries)).await;
    closed_for(&network, 0, &told, "unverified", "an outline of BE does not lead to its checkpoint");
    nothing_came_of_it(&network);
}

#[tokio::test(flavor = "multi_thread")]
async fn payloads_that_a_relay_stripped_are_neither_listed_nor_cosigned_and_come_from_others() {
    let (network, fetched) = a_victim().await;
    let nl = network.node("NL");
    let stripped: Vec<Entry> = fetched.entries.iter().map(Entry::without_body).collect();
    let mut stream = Partner::new(&network, "UK").tell("NL", vec![fetched.head()]).await;
    fetched.serve(&mut stream, run_of(&stripped)).await;
    // NL asks for a payload that it lacks. UK gives it none.
    let gap = stream.want("BE").await;
    assert!(gap.payloads && gap.count == 1, "{gap:?}");
    let empty = entente_tests::partner::bundle("BE", gap.from, run_of(&stripped[1..2]));
    stream.send(wire::frame::Frame::Bundle(empty)).await;
    // It asks again, so it has taken in what came: and cosigned nothing, for no head says so.
    let again = stream.want("BE").await;
    assert!(again.payloads, "{again:?}");
    let status = nl.status();
    assert_eq!(log_of(&status, "BE")["certified"], 1);
    assert!(nl.call(&["list"]).ended(0).documents().is_empty());
    drop(stream);
    recovers(&network);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_that_the_units_own_key_did_not_sign_is_not_taken() {
    let (network, fetched) = a_victim().await;
    let uk = Partner::new(&network, "UK");
    let nl = network.node("NL");
    let root = Hash::of(b"another log");
    let usurper = MemorySigner::from_seed(log_name("BE"), Algorithm::Ed25519, &[5; 32]).unwrap();
    let text = String::from_utf8(fetched.note.clone()).unwrap();
    let with = |line: usize, change: &dyn Fn(&str) -> String| {
        let lines = text.split_inclusive('\n').enumerate();
        lines.map(|(at, old)| if at == line { change(old) } else { old.to_owned() }).collect::<String>().into_bytes()
    };
    // The last characters of the signature, the size, and the root of the note that BE did sign.
    let bent_signature = with(4, &|line| line.replacen("==\n", "=\n", 1).replace("=\n", "A\n"));
    let other_bits = with(4, &|line| {
        let (head, tail) = line.split_at(line.len() - 20);
        format!(
            "{head}{}",
            tail.chars()
                .map(|c| if c == 'A' {
                    'B'
                } else if c.is_ascii_lowercase() {
                    'a'
                } else {
                    c
                })
                .collect::<String>()
        )
    });
    let larger = with(1, &|_| "9\n".to_owned());
    for (what, note) in [
        ("UK's key, for UK's log, told as BE's", signed(9, root, &uk.log_key())),
        ("another key of BE's name", signed(9, root, &usurper)),
        ("a signature of another length", bent_signature),
        ("a signature with other bits", other_bits),
        ("another size", larger),
        ("no note at all", b"takedown.example/BE\n9\n".to_vec()),
    ] {
        assert_ne!(note, fetched.note, "{what}");
        let since = nl.log().len();
        let head = wire::Head { unit: "BE".into(), newest: note.clone(), ..wire::Head::default() };
        let mut stream: Stream = uk.tell("NL", vec![head]).await;
        let told = stream.closed().await;
        closed_for(&network, since, &told, "unverified", "a head of BE does not verify");
        // The same where it is told as certified.
        let since = nl.log().len();
        let head = wire::Head { unit: "BE".into(), certified: note, ..wire::Head::default() };
        let told = uk.tell("NL", vec![head]).await.closed().await;
        closed_for(&network, since, &told, "unverified", "a head of BE does not verify");
    }
    // The true note is taken: NL asks for what is under it.
    let mut stream = uk.tell("NL", vec![fetched.head()]).await;
    // (Not at once: who sent what is wrong is asked nothing for a while. That it is taken shows in that the stream stays.)
    until_connected_and_quiet(&network, &mut stream).await;
    drop(stream);
    nothing_came_of_it(&network);
}

/// The stream stands, and NL has greeted.
async fn until_connected_and_quiet(network: &Network, stream: &mut Stream) {
    stream.find(|frame| matches!(frame, wire::frame::Frame::Heads(_)).then_some(())).await;
    network.node("NL").until_connected("UK");
    assert_eq!(peer_of(&network.node("NL").status(), "UK")["connected"], true);
}
