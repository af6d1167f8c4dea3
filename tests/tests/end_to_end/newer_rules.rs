//! A partner that runs newer rules: what it says in kinds that this release does not know is kept, passed on and shown as
//! unknown, and the rest of its log counts.

use entente_proto::entry::Entry;
use entente_proto::ids::Size;
use entente_proto::record::{self, RecordKind};
use entente_proto::tree::CompactRange;
use entente_proto::wire;
use entente_proto::wire::record::Body;
use entente_tests::caller::now_ms;
use entente_tests::network::{Network, run};
use entente_tests::partner::{Fetched, Partner, run_of, signed};
use entente_tests::wait::until_so;
use serde_json::{Value, json};

use crate::PROGRAM;

/// A kind that no release knows.
const NEWER: u32 = 99;

#[tokio::test(flavor = "multi_thread")]
async fn a_kind_of_newer_rules_is_kept_passed_on_and_shown_as_unknown_and_status_tells_of_it() {
    let network = Network::found(PROGRAM, &["BE", "NL"]);
    let nl = network.node("NL");
    nl.start();
    until_so("the node answers", || nl.try_status().is_some());
    let partner = Partner::new(&network, "BE");
    let known = |body: Body| {
        let kind = RecordKind::of_body(&body).number();
        (kind, record::encode(&wire::Record { submission: vec![7; 16], body: Some(body) }).unwrap())
    };
    let charter = network.charter();
    let adopt = wire::Adopt { version: charter.version().into(), digest: charter.digest().0.to_vec() };
    let refer = wire::Refer { target: "domain:one.example".into(), categories: vec![1], ..wire::Refer::default() };
    let entries: Vec<Entry> = [
        known(Body::Adopt(adopt)),
        (NEWER, b"said in words of another time".as_slice().into()),
        known(Body::Refer(refer)),
    ]
    .into_iter()
    .map(|(kind, payload)| Entry::compose(kind, now_ms() - 1_000, [3; 16], payload).unwrap())
    .collect();
    let mut range = CompactRange::from_hashes(Size::ZERO, Size::ZERO, Vec::new()).unwrap();
    entries.iter().for_each(|entry| range.push_leaf(entry.leaf_hash()).unwrap());
    let rest: Vec<u8> = range.hashes().iter().flat_map(|hash| hash.0).collect();
    let fetched = Fetched {
        unit: "BE".to_owned(),
        size: 3,
        note: signed(3, range.root().unwrap(), &partner.log_key()),
        outline: wire::Outline { unit: "BE".to_owned(), size: 3, rest: rest.into(), ..wire::Outline::default() },
        entries: entries.clone(),
    };
    let mut stream = partner.tell("NL", vec![fetched.head()]).await;
    fetched.serve(&mut stream, run_of(&entries)).await;

    nl.until_certified("BE", 3);
    nl.until_status_of("one.example", "listed");
    let warned = nl.status()["warnings"].to_string();
    assert!(warned.contains("BE runs newer rules: 1 of its records"), "{warned}");
    let shown = nl.call(&["show", "BE/1"]).ended(0).document();
    let shown = &shown["records"][0];
    assert_eq!(
        (&shown["kind"], &shown["statement"], &shown["certified"]),
        (&json!("unknown"), &Value::Null, &json!(true))
    );
    let at = nl.directory().to_str().unwrap();
    let words = run(PROGRAM, &["show", "BE/1", "--home", at], b"").ended(0).out;
    assert!(words.contains("BE/1"), "{words}");
    // Whoever asks the node for the log gets all of it.
    let passed_on = partner.tell("NL", Vec::new()).await.fetch("BE").await;
    assert_eq!(passed_on.entries, entries);
}
