use std::io::Cursor;

use entente_proto::wire::Availability;

use super::super::{Item, Line, Options, Reader};
use super::*;

fn read(objects: &str) -> Vec<Line> {
    let text = format!(r#"{{"type":"bundle","id":"bundle--1","objects":[{objects}]}}"#);
    let options = Options { sightings: true, ..Options::default() };
    Reader::of_file(Cursor::new(text.into_bytes()), options).unwrap().map(Result::unwrap).collect()
}

fn seen(line: &Line) -> (&str, &Seen) {
    let Ok(Item { target, seen: Some(seen), .. }) = &line.content else { panic!("no sighting: {line:?}") };
    (target, seen)
}

const INDICATOR: &str = r#"{"type":"indicator","id":"indicator--1",
    "pattern":"[url:value = 'https://a.example/x'] OR [domain-name:value = 'b.example']"}"#;

#[test]
fn a_sighting_is_an_observation_of_each_target_of_its_indicator() {
    let lines = read(&format!(
        r#"{INDICATOR},
        {{"type":"sighting","id":"sighting--1","sighting_of_ref":"indicator--1","first_seen":"2026-01-01T00:00:00Z",
          "last_seen":"2026-01-02T00:00:00.5Z"}},
        {{"type":"sighting","id":"sighting--2","sighting_of_ref":"indicator--1","count":0,"created":"2026-01-03T00:00:00Z"}},
        {{"type":"sighting","id":"sighting--3","sighting_of_ref":"indicator--1","count":0,
          "last_seen":"2026-01-04T00:00:00Z","description":"moved to domain:c.example"}}"#
    ));
    let told: Vec<_> = lines.iter().skip(2).map(seen).collect();
    let targets: Vec<&str> = told.iter().map(|(target, _)| *target).collect();
    assert_eq!(targets, ["url:https://a.example/x", "domain:b.example"].repeat(3));
    let how: Vec<_> =
        told.iter().step_by(2).map(|(_, seen)| (seen.observe.availability(), seen.observe.observed_ms)).collect();
    let day = 86_400_000;
    let first = 1_767_225_600_000;
    assert_eq!(
        how,
        [
            (Availability::Online, first + day + 500),
            (Availability::Offline, first + 2 * day),
            (Availability::Moved, first + 3 * day)
        ]
    );
    assert_eq!(told[4].1.observe.successor, "domain:c.example");
}

#[test]
fn a_sighting_has_one_submission_a_target_for_ever() {
    let sighting =
        r#"{"type":"sighting","id":"sighting--1","sighting_of_ref":"indicator--1","last_seen":"2026-01-02T00:00:00Z"}"#;
    let ids = || -> Vec<Uuid> {
        let lines = read(&format!("{INDICATOR},{sighting}"));
        lines.iter().skip(2).map(seen).map(|(target, seen)| seen.submission(target)).collect()
    };
    assert_eq!(ids(), ids());
    assert_ne!(ids()[0], ids()[1]);
}

#[test]
fn a_sighting_of_what_is_not_known_or_at_no_time_is_named() {
    let lines = read(
        r#"{"type":"sighting","id":"sighting--1","sighting_of_ref":"indicator--1","last_seen":"2026-01-02T00:00:00Z"},
        {"type":"indicator","id":"indicator--1","pattern":"[domain-name:value = 'b.example']"},
        {"type":"sighting","id":"sighting--2","sighting_of_ref":"indicator--1","last_seen":"yesterday"},
        {"type":"sighting","id":"sighting--3","sighting_of_ref":"indicator--1"},
        {"type":"sighting","id":"sighting--4","last_seen":"2026-01-02T00:00:00Z"},
        {"type":"sighting","id":"sighting--5","sighting_of_ref":"indicator--1","revoked":true,"last_seen":"2026-01-02T00:00:00Z"}"#,
    );
    let codes: Vec<_> = lines.iter().filter_map(|line| line.content.as_ref().err()).map(|fault| fault.code).collect();
    assert_eq!(codes, ["sighting", "sighting", "sighting", "sighting", "revoked"]);
}

#[test]
fn only_so_many_targets_are_remembered_for_sightings() {
    let mut sightings = Sightings::default();
    for id in 0..TARGETS_MAX + 10 {
        let targets = [Ok(format!("domain:d{id}.example"))].into();
        sightings.settle(&mut Object { id: format!("indicator--{id}"), targets, ..Object::default() });
    }
    assert_eq!(
        (sightings.targets.len(), sightings.oldest_first.len(), sightings.count),
        (TARGETS_MAX, TARGETS_MAX, TARGETS_MAX)
    );
    assert!(!sightings.targets.contains_key("indicator--9") && sightings.targets.contains_key("indicator--10"));
}
