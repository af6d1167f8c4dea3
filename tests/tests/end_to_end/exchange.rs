//! In and out of the list in the formats of others: what one unit imports, another exports, and nothing is doubled on the
//! way.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use entente_tests::network::{Network, Node, log_of, run};
use serde_json::{Value, json};

use crate::PROGRAM;

/// An event as MISP exports it: what counts for all of it stands behind the attributes.
const EVENT: &str = r#"{"Event": {
  "Attribute": [
    {"type": "url", "value": "https://bad.example/video", "to_ids": true, "comment": "A video", "uuid": "a-0"},
    {"type": "domain|ip", "value": "mirror.example|192.0.2.9", "to_ids": true},
    {"type": "url", "value": "HTTPS://BAD.example:443/video", "to_ids": true},
    {"type": "link", "value": "https://report.example/", "to_ids": false},
    {"type": "hostname", "value": "context.example", "to_ids": false, "uuid": "a-4"},
    {"type": "domain", "value": "co.uk", "to_ids": true}
  ],
  "info": "Bulletin 7",
  "Tag": [{"name": "tlp:green"}]
}}"#;

const BUNDLE: &str = r#"{"type": "bundle", "id": "bundle--44af6c39-c09b-49c5-9de2-394224b04982", "objects": [
  {"type": "identity", "id": "identity--f690c992-8e7d-4b9a-9303-3312616c0220", "name": "X"},
  {"type": "indicator", "id": "indicator--1", "name": "Two sites", "pattern_type": "stix",
   "pattern": "[domain-name:value = 'one.example' OR domain-name:value = 'mirror.example']",
   "object_marking_refs": ["marking-definition--f88d31f6-486f-44da-b317-01333bde0b82"]},
  {"type": "indicator", "id": "indicator--2", "revoked": true, "pattern": "[url:value = 'https://gone.example/']"}
]}"#;

fn size(node: &Node) -> u64 {
    log_of(&node.status(), node.unit.as_str())["size"].as_u64().unwrap()
}

/// Taken, referred before, twice in the file, and refused.
fn counts(count: &Value) -> (u64, u64, u64, u64) {
    let of = |key: &str| count[key].as_u64().unwrap();
    (of("taken"), of("known"), of("duplicates"), of("refused"))
}

#[test]
fn what_one_unit_imports_another_exports_and_nothing_comes_back_as_new() {
    let network = Network::running(PROGRAM, &["BE", "FR"]);
    let (be, fr) = (network.node("BE"), network.node("FR"));
    let path = |name: &str| network.directory().join(name).to_str().unwrap().to_owned();
    let (event, bundle) = (path("event.json"), path("bundle.json"));
    fs::write(&event, EVENT).unwrap();
    fs::write(&bundle, BUNDLE).unwrap();

    // A preview enters nothing, and says beforehand what the import says then.
    let before = size(be);
    let said = be.call(&["import", &event, "--category", "incites", "--dry-run"]).ended(0);
    let verdicts = said.documents();
    let would: Vec<&str> = verdicts.iter().filter_map(|verdict| verdict["would"].as_str()).collect();
    assert_eq!(would, ["take", "take", "duplicate", "refuse", "refuse", "refuse"]);
    assert_eq!(verdicts[0]["place"], "Event.Attribute[0] a-0");
    assert_eq!((counts(verdicts.last().unwrap()), size(be)), ((2, 1, 1, 3), before));

    let said = be.call(&["import", &event, "--category", "incites"]).ended(0);
    assert_eq!(counts(&said.document()), (2, 1, 1, 3));
    assert_eq!(said.document()["by_reason"], json!({ "type": 1, "to-ids": 1, "public-suffix": 1 }));
    said.says(&["Event.Attribute[4] a-4: to-ids", "Event.Attribute[5]: public-suffix"]);
    let said = be.call_with(&["import", "-", "--category", "incites"], BUNDLE.as_bytes()).ended(0);
    assert_eq!(counts(&said.document()), (1, 1, 0, 1), "mirror.example came with the event");
    said.says(&["objects[2] indicator--2: revoked"]);
    assert_eq!(size(be), before + 3);

    // The same files once more.
    for file in [&event, &bundle] {
        let said = be.call(&["import", file, "--category", "incites"]).ended(0);
        assert_eq!(said.document()["taken"], 0, "{file}");
    }
    let said = be.call(&["import", &event, "--category", "incites", "--dry-run"]).ended(0);
    assert_eq!((&said.documents()[0]["would"], &said.documents()[0]["own"]), (&"known".into(), &"BE/1".into()));
    assert_eq!(size(be), before + 3);
    network.until_agreed(&["BE", "FR"]);

    // Out at the other unit, and in again where it came from.
    for format in ["csv", "jsonl", "stix", "misp"] {
        let out = path(&format!("list.{format}"));
        let said = fr.call(&["export", "--format", format, "--out", &out]).ended(0);
        assert_eq!((&said.document()["targets"], &said.document()["records"]), (&3.into(), &3.into()), "{format}");
        let again = path("again");
        let _ = be.call(&["export", "--format", format, "--out", &again]).ended(0);
        assert_eq!(fs::read(&out).unwrap(), fs::read(&again).unwrap(), "{format}: the same list, the same bytes");
        let said = be.call(&["import", &out]).ended(0);
        assert_eq!(counts(&said.document()), (0, 3, 0, 0), "{format}: {}", said.err);
    }
    assert_eq!(size(be), before + 3);
    // Another unit makes them its own, with everything that they say.
    let _ = fr.call(&["import", &path("list.stix")]).ended(0);
    network.until_agreed(&["BE", "FR"]);
    for row in be.call(&["list"]).ended(0).documents() {
        let mut referrals = row["referrals"].as_array().unwrap().clone();
        assert_eq!(referrals.len(), 2, "{row}");
        for referral in &mut referrals {
            ["id", "unit", "time"].into_iter().for_each(|key| referral[key] = Value::Null);
        }
        assert_eq!(referrals[0], referrals[1]);
    }
    // What is taken back is revoked wherever it was taken in.
    let mine = be.call(&["check", "one.example"]).ended(0).document()["own"].as_str().unwrap().to_owned();
    let _ = be.call(&["withdraw", &mine, "--reason", "wrong", "--wait", "certified"]).ended(0);
    network.until_agreed(&["BE", "FR"]);
    let text =
        run(PROGRAM, &["export", "--format", "stix", "--home", fr.directory().to_str().unwrap()], b"").ended(0).out;
    let bundle: Value = serde_json::from_str(&text).unwrap();
    let objects = bundle["objects"].as_array().unwrap();
    let revoked: Vec<&Value> = objects.iter().filter(|object| object["revoked"] == true).collect();
    assert_eq!((revoked.len(), &revoked[0]["name"]), (1, &json!("domain:one.example")));
    let before: Value = serde_json::from_slice(&fs::read(path("list.stix")).unwrap()).unwrap();
    assert!(before["objects"].as_array().unwrap().iter().any(|object| object["id"] == revoked[0]["id"]));
}

#[test]
fn a_feed_tells_what_of_ours_rests_on_what_it_took_back_and_what_it_saw() {
    let network = Network::running(PROGRAM, &["BE", "FR"]);
    let be = network.node("BE");
    let _ = be.call(&["refer", "gone.example", "seen.example", "--category", "incites"]).ended(0);
    let feed = r#"{"type": "bundle", "id": "bundle--1", "objects": [
      {"type": "indicator", "id": "indicator--1", "revoked": true,
       "pattern": "[domain-name:value = 'gone.example' OR domain-name:value = 'other.example']"},
      {"type": "indicator", "id": "indicator--2", "pattern": "[domain-name:value = 'seen.example']"},
      {"type": "sighting", "id": "sighting--3", "sighting_of_ref": "indicator--2", "last_seen": "2026-01-02T00:00:00Z"}
    ]}"#;
    let import = |options: &[&str]| {
        be.call_with(&[&["import", "-", "--category", "incites"], options].concat(), feed.as_bytes()).ended(0)
    };

    let said = import(&["--dry-run", "--sightings"]);
    let would: Vec<Value> = said.documents().iter().filter_map(|verdict| verdict.get("would").cloned()).collect();
    assert_eq!(would, ["refuse", "refuse", "known", "observe"]);
    assert!(said.documents()[0]["reason"].as_str().unwrap().contains("BE/1 of this unit still refers"), "{}", said.out);
    assert!(!said.documents()[1]["reason"].as_str().unwrap().contains("still refers"), "{}", said.out);

    let said = import(&[]);
    said.says(&["sighting--3: sighting: a sighting is no referral", "entente withdraw BE/1"]);
    assert_eq!(counts(&said.document()), (0, 1, 0, 3));
    let before = size(be);
    // However often it comes, it is one observation.
    for _ in 0..2 {
        assert_eq!(counts(&import(&["--sightings"]).document()), (1, 1, 0, 2));
    }
    assert_eq!(size(be), before + 1);
    network.until_agreed(&["BE", "FR"]);
    let rows = network.node("FR").call(&["list", "--availability", "online"]).ended(0).documents();
    assert_eq!(rows.iter().map(|row| &row["target"]).collect::<Vec<_>>(), ["domain:seen.example"]);
}

#[test]
fn what_is_held_is_blocked_nowhere_and_a_file_is_replaced_whole_or_not_at_all() {
    let network = Network::running(PROGRAM, &["BE", "FR"]);
    let (be, fr) = (network.node("BE"), network.node("FR"));
    for target in ["one.example", "two.example", "https://three.example/x"] {
        be.refer(target, "certified");
    }
    let _ = fr.call(&["hold", "https://www.two.example/forum", "--wait", "certified"]).ended(0);
    network.until_agreed(&["BE", "FR"]);
    // What a resolver may read now it may read afterwards, and the link that it follows stays.
    let (file, link) = (network.directory().join("zone"), network.directory().join("link"));
    fs::write(&file, "old").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o664)).unwrap();
    std::os::unix::fs::symlink(&file, &link).unwrap();
    let out = link.to_str().unwrap();
    let said = be.call(&["export", "--format", "rpz", "--zone", "block.example", "--out", out]).ended(0);
    assert_eq!(said.document()["left_out"].as_object().unwrap().len(), 2, "{}", said.out);
    let zone = fs::read_to_string(&file).unwrap();
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o664);
    assert!(link.is_symlink());
    assert!(zone.contains("$ORIGIN block.example.\n") && zone.contains("\n*.one.example IN CNAME .\n"), "{zone}");
    assert!(!zone.contains("two.example") && !zone.contains("three.example"), "{zone}");

    // What a partner holds is not taken in bulk, and a preview says so.
    let lines = b"https://www.two.example/forum\nfour.example\n";
    for args in [&["import", "-", "--category", "incites", "--dry-run"][..], &["import", "-", "--category", "incites"]]
    {
        let said = be.call_with(args, lines).ended(0);
        let count = said.documents().pop().unwrap();
        assert_eq!((&count["taken"], &count["by_reason"]["held"]), (&1.into(), &1.into()));
        assert!(
            args.contains(&"--dry-run")
                || said.err.contains("line 1: held: url:https://www.two.example/forum is held by FR")
        );
    }
    be.call(&["export", "--format", "hosts", "--status", "held"]).ended(2).says(&["stay online"]);
    be.call(&["export", "--format", "hosts", "--zone", "x"]).ended(2).says(&["--zone"]);
    // A call that fails leaves the file, and nothing beside it.
    let files = || fs::read_dir(network.directory()).unwrap().count();
    let before = files();
    be.call(&["export", "--format", "rpz", "--after", "no target", "--out", out]).ended(1).says(&["target"]);
    be.stop();
    let _ = be.call(&["export", "--format", "rpz", "--out", out]).ended(3);
    assert_eq!((fs::read_to_string(&file).unwrap(), files()), (zone, before));
}
