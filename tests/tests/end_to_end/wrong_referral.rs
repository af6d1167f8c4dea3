//! The wrong-referral drill: in 2019 an archive received hundreds of wrong addresses and blamed the wrong agency. Here one
//! unit refers a wrong address, another sends it, a third objects, the first takes it back; and the provider, who has
//! nothing but the charter and a file, learns who said what.

use std::fs;

use entente_tests::network::{Network, Node, run};
use entente_tests::said::Said;
use serde_json::{Value, json};

use crate::PROGRAM;

const UNITS: [&str; 4] = ["BE", "FR", "NL", "UK"];
const TARGET: &str = "https://archive.example/details/lectures";

fn id(said: Said) -> String {
    said.ended(0).document()["id"].as_str().unwrap().to_owned()
}

/// What a node tells of the target, but for who is known to have cosigned, which may differ.
fn story(node: &Node) -> Value {
    let mut shown = node.call(&["show", TARGET]).ended(0).document();
    shown["records"].as_array_mut().unwrap().iter_mut().for_each(|record| record["cosigned_by"] = Value::Null);
    let [checked] = <[Value; 1]>::try_from(node.call_at(&["check", TARGET]).documents()).unwrap();
    json!({ "show": shown, "check": checked["status"], "list": node.call(&["list"]).ended(0).documents() })
}

/// The story, which every node tells alike.
#[track_caller]
fn one_story(network: &Network) -> Value {
    network.until_agreed(&UNITS);
    let stories: Vec<Value> = network.nodes().iter().map(story).collect();
    assert!(stories.iter().all(|told| *told == stories[0]), "{stories:#?}");
    stories[0].clone()
}

#[test]
fn a_wrong_referral_is_taken_back_everywhere_and_its_provider_learns_who_said_what() {
    let network = Network::running(PROGRAM, &UNITS);
    let [be, fr, nl, uk] = UNITS.map(|unit| network.node(unit));
    let path = |name: &str| network.directory().join(name).to_str().unwrap().to_owned();
    let charter = path("handed-out.note");
    fs::write(&charter, network.charter().note()).unwrap();
    // The provider has no node and no home directory.
    let verify = |file: &str, newer: &[&str]| {
        let newer = newer.iter().flat_map(|file| ["--newer", file]);
        let args = ["receipt", "verify", file, "--charter", &charter, "--json"].into_iter().chain(newer);
        run(PROGRAM, &args.collect::<Vec<_>>(), b"").ended(0).document()
    };
    let receipt = |node: &Node, id: &str, format: &str| {
        let file = path(&format!("{}-{}.{format}", node.unit, id.replace('/', "-")));
        let _ = node.call(&["receipt", id, "--format", format, "--out", &file]).ended(0);
        file
    };

    let refer = ["refer", TARGET, "--category", "incites", "--provider", "Example Archive", "--wait", "certified"];
    let referral = id(be.call(&refer));
    assert_eq!(one_story(&network)["check"], "listed");
    // FR sends it, with the receipt.
    let sent = receipt(fr, &referral, "text");
    let dispatch = id(fr.call(&["dispatch", &referral, "--channel", "form", "--wait", "certified"]));
    let told = verify(&sent, &[]);
    assert_eq!((&told["id"], &told["unit"], &told["certified"]), (&json!(referral), &json!("BE"), &json!(true)));
    assert_eq!((&told["withdrawn"], &told["objections"]), (&Value::Null, &json!([])));

    // UK is away while NL objects.
    uk.kill();
    let ground = ["--ground", "wrong-target", "--text", "lectures of a university"];
    let objection = id(nl.call(&[&["object", &referral], &ground[..], &["--wait", "certified"]].concat()));
    be.until_status_of(TARGET, "disputed");
    let told = be.call(&["receipt", "verify", &sent, "--node"]).ended(0).document();
    assert_eq!((&told["withdrawn"], &told["objections"][0]["id"]), (&Value::Null, &json!(objection)));
    uk.start();
    uk.until_status_of(TARGET, "disputed");
    let disputed = one_story(&network);
    assert_eq!(disputed["show"]["row"]["objections"][0]["ground"], "wrong-target");
    // Nobody sends it again by haste, nor refers what is below it, without being told.
    let again = uk.call(&["refer", TARGET, "--category", "incites"]).ended(0).document();
    assert!(again["notices"].to_string().contains("disputed"), "{again}");
    let taken_back = again["id"].as_str().unwrap();
    let _ = uk.call(&["withdraw", taken_back, "--reason", "BE's is disputed", "--wait", "certified"]).ended(0);

    let reason = "another archive was meant";
    let withdrawal = id(be.call(&["withdraw", &referral, "--reason", reason, "--wait", "certified"]));
    let answer = ["--answer", "declined", "--reason", "these are lectures", "--wait", "certified"];
    let outcome = id(fr.call(&[&["outcome", &dispatch], &answer[..]].concat()));
    let story = one_story(&network);
    assert_eq!((&story["check"], &story["show"]["row"]["status"]), (&json!("cleared"), &json!("cleared")));
    let records = story["show"]["records"].as_array().unwrap();
    let order: Vec<&str> = records.iter().map(|record| record["id"].as_str().unwrap()).collect();
    for expected in [&referral, &dispatch, &objection, &withdrawal, &outcome] {
        assert!(order.contains(&expected.as_str()), "no {expected} in {order:?}");
    }
    assert_eq!(records[0]["inert"], json!(format!("taken back by {withdrawal}")));

    // The provider asks any unit, or is sent a newer receipt or page by any.
    let mut tellings = Vec::new();
    for node in network.nodes() {
        let asked = node.call(&["receipt", "verify", &sent, "--node"]).ended(0).document();
        assert_eq!(asked["asked"]["unit"], json!(node.unit.as_str()));
        let newer = receipt(node, &withdrawal, "text");
        let page = receipt(node, &referral, "html");
        let text = fs::read_to_string(&page).unwrap();
        for words in [format!("was WITHDRAWN by {withdrawal}"), "is OBJECTED TO by NL".to_owned()] {
            assert!(text.contains(&words), "no {words:?} in {text}");
        }
        assert!(text.contains("and has taken it back:") && text.find("WITHDRAWN") < text.find("OBJECTED TO"), "{text}");
        let told = [asked, verify(&sent, &[&newer]), verify(&sent, &[&page])];
        tellings.extend(told.map(|told| (told["withdrawn"].clone(), told["unit"].clone())));
    }
    assert_eq!((&tellings[0].0["id"], &tellings[0].0["reason"]), (&json!(withdrawal), &json!(reason)));
    assert!(tellings.iter().all(|told| *told == tellings[0]), "{tellings:#?}");
    // Alone, the old receipt says only what it proves, and to whom to turn.
    network.nodes().iter().for_each(Node::kill);
    let words = run(PROGRAM, &["receipt", "verify", &sent, "--charter", &charter], b"").ended(0).out;
    assert!(
        words.contains(&format!("{referral}  verified, certified")) && words.contains("--node asks a node"),
        "{words}"
    );
}
