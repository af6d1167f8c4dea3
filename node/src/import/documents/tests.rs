use std::io::{BufReader, Cursor};

use entente_proto::wire::Tlp;

use super::super::{Options, Reader, Skipped};
use super::*;

/// Reads a document as a file, and through a pipe in pieces: both must say the same.
fn read_with(bytes: impl Into<Vec<u8>>, options: Options) -> (Vec<Line>, Skipped) {
    let bytes = bytes.into();
    let mut file = Reader::of_file(Cursor::new(bytes.clone()), options).unwrap();
    let lines: Vec<Line> = file.by_ref().map(Result::unwrap).collect();
    let pipe = Reader::new(BufReader::with_capacity(7, Cursor::new(bytes)), options).unwrap();
    assert_eq!(pipe.map(Result::unwrap).collect::<Vec<_>>(), lines);
    (lines, file.skipped())
}

fn read(bytes: impl Into<Vec<u8>>) -> Vec<Line> {
    read_with(bytes, Options::default()).0
}

fn targets(lines: &[Line]) -> Vec<&str> {
    lines.iter().filter_map(|line| Some(line.content.as_ref().ok()?.target.as_str())).collect()
}

fn faults(lines: &[Line]) -> Vec<(&str, &str)> {
    let fault = |line: &'_ Line| Some(line.content.as_ref().err()?.code);
    lines.iter().filter_map(|line| Some((line.path.as_deref()?, fault(line)?))).collect()
}

const BUNDLE: &str = r#"{
  "type": "bundle", "id": "bundle--44af6c39-c09b-49c5-9de2-394224b04982",
  "objects": [
    {"type":"identity","id":"identity--f690c992-8e7d-4b9a-9303-3312616c0220","name":"X"},
    {"type":"indicator","id":"indicator--1","name":"A site","description":"Tells\thow\r\nto",
     "pattern_type":"stix","pattern":"[url:value = 'https://a.example/x'] OR [domain-name:value = 'b.example']",
     "valid_until":"2027-01-31T00:00:00Z",
     "object_marking_refs":["marking-definition--f88d31f6-486f-44da-b317-01333bde0b82",
                            "marking-definition--939a9414-2ddd-4d32-a0cd-375ea402b003"]},
    {"type":"indicator","id":"indicator--2","pattern":"[ipv4-addr:value = '192.0.2.7' OR file:hashes.MD5 = 'x']"},
    {"type":"indicator","id":"indicator--3","revoked":true,"pattern":"[url:value = 'https://c.example/']"},
    {"type":"indicator","id":"indicator--4","indicator_types":["benign"],"pattern":"[url:value = 'https://c.example/']"},
    {"type":"indicator","id":"indicator--5","pattern_type":"snort","pattern":"alert tcp"},
    {"type":"sighting","id":"sighting--6","sighting_of_ref":"indicator--1"},
    {"type":"url","id":"url--7","value":"hxxps://d[.]example/","object_marking_refs":["marking-definition--613f2e26-407d-48c7-9eca-b8e91df99dc9"]},
    {"type":"domain-name","id":"domain-name--8","value":"e.example"},
    {"type":"ipv6-addr","id":"ipv6-addr--9","value":"2001:db8::1"},
    {"type":"file","id":"file--10","hashes":{"MD5":"x","SHA-256":"ab"}},
    {"type":"file","id":"file--11","hashes":{"MD5":"x"}},
    {"type":"indicator","id":"indicator--12","name":"wrong inside","pattern":tru},
    {"type":"url","id":"url--13"},
    7,
    {"type":"domain-name","id":"domain-name--14","value":"z.example"}
  ]
}"#;

#[test]
fn a_stix_bundle_asks_for_a_referral_of_each_target_and_names_the_rest() {
    let (lines, skipped) = read_with(BUNDLE, Options::default());
    assert_eq!(
        targets(&lines),
        [
            "url:https://a.example/x",
            "domain:b.example",
            "ip:192.0.2.7",
            "hxxps://d[.]example/",
            "domain:e.example",
            "ip:2001:db8::1",
            "file:sha256:ab",
            "domain:z.example"
        ]
    );
    assert_eq!(
        faults(&lines),
        [
            ("objects[2] indicator--2", "pattern-part"),
            ("objects[3] indicator--3", "revoked"),
            ("objects[4] indicator--4", "benign"),
            ("objects[5] indicator--5", "pattern-type"),
            ("objects[6] sighting--6", "sighting"),
            ("objects[11] file--11", "no-sha256"),
            ("objects[12]", "json"),
            ("objects[13] url--13", "no-target"),
            ("objects[14]", "json"),
        ]
    );
    assert_eq!(skipped.others, 1, "the identity");
    let fields = &lines[0].content.as_ref().unwrap().fields;
    assert_eq!(fields.description.as_deref(), Some("A site\nTells how\nto"));
    assert_eq!((fields.tlp, fields.review_by_ms), (Some(Tlp::AmberStrict), Some(1_801_353_600_000)));
    assert_eq!(lines[0].content.as_ref().unwrap().fields, lines[1].content.as_ref().unwrap().fields);
    assert_eq!((lines[1].number, lines.last().unwrap().number), (2, 16));
}

#[test]
fn stix_objects_are_found_without_a_bundle_and_in_several() {
    let one = r#"{"id":"url--11111111-1111-4111-8111-111111111111","type":"url","value":"http://a.example/"}"#;
    for text in [
        one.to_owned(),
        format!("[{one}]"),
        format!("{{\"objects\":[{one}],\"type\":\"bundle\"}}"),
        format!("{{\"more\":false,\"objects\":[{one}]}}"),
        format!("[{{\"id\":\"bundle--1\",\"type\":\"bundle\",\"objects\":[{one}]}}]"),
    ] {
        let lines = read_with(text.as_str(), Options { format: Some(Format::Stix), ..Options::default() }).0;
        assert_eq!(targets(&lines), ["url:http://a.example/"], "{text} {lines:?}");
    }
    let twice =
        format!("{{\"type\":\"bundle\",\"objects\":[{one}]}}\n{{\"type\":\"bundle\",\"objects\":[{one},{{}}]}}");
    let lines = read(twice.as_str());
    assert_eq!((targets(&lines).len(), faults(&lines)), (2, vec![("document 2 objects[1]", "no-type")]));
}

const EVENT: &str = r#"{"Event": {
  "uuid": "57c4445b-c548-4654-af0b-4be3950d210f",
  "Attribute": [
    {"type":"url","value":"https://a.example/x","to_ids":true,"comment":"A video","uuid":"u-0","Tag":[{"name":"tlp:green"},{"name":"other"}]},
    {"type":"domain|ip","value":"b.example|192.0.2.1","to_ids":"1","comment":""},
    {"type":"ip-dst|port","value":"192.0.2.2|443"},
    {"type":"ip-src","value":"2001:db8::1","to_ids":true},
    {"type":"filename|sha256","value":"a|b.exe|cd","to_ids":true},
    {"type":"hostname","value":"c.example","to_ids":false,"uuid":"u-5"},
    {"type":"domain","value":"d.example","to_ids":true,"deleted":true},
    {"type":"link","value":"https://report.example/","to_ids":true},
    {"type":"text","value":"domain:sly.example","to_ids":true},
    {"type":"uri","value":"https://e.example/","to_ids":true,"comment":"bell \u0007"},
    {"type":"domain"}
  ],
  "Object": [
    {"Attribute": [{"type":"domain","value":"f.example","to_ids":true}], "comment": "of the object"},
    {"Attribute": [{"type":"domain","value":"g.example","to_ids":true}], "deleted": true},
    {"name":"empty"}
  ],
  "ShadowAttribute": [{"type":"domain","value":"no.example"}],
  "RelatedEvent": [{"Event":{"Attribute":[{"type":"domain","value":"no.example"}]}}],
  "info": "What it is about",
  "Tag": [{"name":"tlp:red"},{"name":"tlp:amber"}]
}}"#;

#[test]
fn a_misp_event_asks_for_its_indicators_under_what_it_says_after_them() {
    let lines = read(EVENT);
    assert_eq!(
        targets(&lines),
        [
            "url:https://a.example/x",
            "domain:b.example",
            "ip:192.0.2.2",
            "ip:2001:db8::1",
            "file:sha256:cd",
            "domain:f.example"
        ]
    );
    assert_eq!(
        faults(&lines),
        [
            ("Event.Attribute[5] u-5", "to-ids"),
            ("Event.Attribute[6]", "deleted"),
            ("Event.Attribute[7]", "type"),
            ("Event.Attribute[8]", "type"),
            ("Event.Attribute[9]", "control-character"),
            ("Event.Attribute[10]", "no-target"),
            ("Event.Object[1].Attribute[0]", "deleted"),
        ]
    );
    let said: Vec<_> = lines
        .iter()
        .filter_map(|line| line.content.as_ref().ok())
        .map(|item| (item.fields.description.as_deref().unwrap(), item.fields.tlp.unwrap()))
        .collect();
    let event = ("What it is about", Tlp::Red);
    assert_eq!(said, [("A video", Tlp::Green), event, event, event, event, ("of the object", Tlp::Red)]);
}

#[test]
fn attributes_without_to_ids_are_taken_when_asked_for() {
    let (lines, _) = read_with(EVENT, Options { all: true, ..Options::default() });
    assert!(targets(&lines).contains(&"domain:c.example"));
    assert_eq!(targets(&lines).len(), 7, "deleted ones stay away");
}

#[test]
fn misp_events_are_found_however_they_are_wrapped() {
    let bare = EVENT.strip_prefix("{\"Event\": ").unwrap().strip_suffix('}').unwrap();
    for text in [
        bare.to_owned(),
        format!("[{EVENT}]"),
        format!("[{bare},{bare}]"),
        format!("{{\"response\":[{EVENT}]}}"),
        format!("{{\"response\":{EVENT}}}"),
        format!("{EVENT}\n{EVENT}"),
    ] {
        let lines = read_with(text.as_str(), Options { format: Some(Format::Misp), ..Options::default() }).0;
        let times = text.matches("a.example/x").count();
        assert_eq!(targets(&lines).len(), 6 * times, "{}", &text[..40]);
        let item = lines[1].content.as_ref().unwrap();
        assert_eq!(item.fields.tlp, Some(Tlp::Red), "{}", &text[..40]);
    }
    let searched = r#"{"response":{"Attribute":[{"type":"domain","value":"a.example","Event":{"info":"found"}}]}}"#;
    let lines = read(searched);
    assert_eq!(lines[0].content.as_ref().unwrap().fields.description.as_deref(), Some("found"));
    assert_eq!(lines[0].path.as_deref(), Some("response.Attribute[0]"));
    let wrapped = format!("{{\"response\":[{EVENT},{EVENT}]}}");
    assert_eq!(faults(&read(wrapped.as_str()))[7].0, "response[1].Event.Attribute[5] u-5");
}

#[test]
fn what_is_broken_around_elements_ends_the_document_and_is_named() {
    for (text, before) in [
        (r#"{"objects":[{"type":"domain-name","value":"a.example"}"#, 1),
        (r#"{"objects":[{"type":"domain-name","value":"a.example"},{"type":"dom"#, 1),
        (r#"{"objects":[{"type":"domain-name","value":"a.example"}:{}"#, 1),
        (r#"{"objects":[{"type":"domain-name","value":"a.example"}],7}"#, 1),
        (r#"{"objects" [{"type":"domain-name","value":"a.example"}]}"#, 0),
        (r#"{"objects":[{"type":"domain-name","value":"a.example"}]} and more"#, 1),
        (r#"{"objects":[]}]"#, 0),
    ] {
        let lines = read_with(text, Options { format: Some(Format::Stix), ..Options::default() }).0;
        assert_eq!(targets(&lines).len(), before, "{text}");
        assert_eq!(lines.last().unwrap().content.as_ref().unwrap_err().code, "json", "{text}");
    }
}

#[test]
fn what_is_broken_inside_an_element_costs_that_element() {
    let mut bytes = br#"{"objects":["#.to_vec();
    for element in [
        &b"{\"type\":\"domain-name\",\"value\":\"caf\xe9.example\"}"[..],
        b"{\"type\":\"domain-name\",\"value\":\"a\"\"b\"}",
        b"{\"type\":\"domain-name\",\"value\":\"unpaired \\ud800\"}",
        b"[]",
        b"null",
        b"{\"type\":7}",
        b"{\"type\":\"domain-name\",\"value\":{\"a\":1}}",
        b"{\"type\":\"indicator\",\"pattern\":[[[]]]}",
    ] {
        bytes.extend_from_slice(element);
        bytes.push(b',');
    }
    bytes.extend(format!("{}{},", "[".repeat(200_000), "]".repeat(200_000)).bytes());
    bytes.extend(format!("{{\"type\":\"url\",\"value\":\"{}\"}},", "x".repeat(2 << 20)).bytes());
    bytes.extend(br#"{"type":"domain-name","value":"z.example"}]}"#);
    let lines = read(bytes);
    assert_eq!(targets(&lines), ["domain:z.example"]);
    let codes: Vec<_> = faults(&lines).into_iter().map(|(_, code)| code).collect();
    let json = "json";
    assert_eq!(
        codes,
        ["not-utf8", json, json, json, json, "no-type", "no-target", "pattern", json, "element-too-long"]
    );
}

#[test]
fn events_within_events_are_not_followed_without_end() {
    let deep = format!("{}{}{}", "{\"Event\":".repeat(10_000), "{\"Attribute\":[]}", "}".repeat(10_000));
    let lines = read(deep);
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0].content.as_ref().unwrap_err().code, "too-deep");
}

#[test]
fn utf_16_documents_are_read_from_files_too() {
    let bytes: Vec<u8> = [0xff, 0xfe].into_iter().chain(EVENT.encode_utf16().flat_map(u16::to_le_bytes)).collect();
    assert_eq!(targets(&read(bytes)).len(), 6);
}
