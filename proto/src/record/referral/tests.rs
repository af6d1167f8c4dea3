use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use prost::Message as _;

use super::*;
use crate::record::parse;
use crate::wire::record::Body;
use crate::wire::{EvidenceItem, Handling, Record, Refer};

/// What `parse` makes of a payload of a referral.
fn parsed(payload: &[u8]) -> Option<(String, bool, Vec<u8>)> {
    let Body::Refer(mut refer) = parse(2, payload).ok()?.into_body() else { return None };
    let target = std::mem::take(&mut refer.target);
    Some((target, refer.prefix, refer.encode_to_vec()))
}

fn read_here(payload: &[u8]) -> Option<(String, bool, Vec<u8>)> {
    read(payload).map(|Referral { target, prefix, rest }| (target.to_owned(), prefix, rest.to_vec()))
}

fn payload(refer: Refer) -> Vec<u8> {
    Record { submission: vec![7; 16], body: Some(Body::Refer(refer)) }.encode_to_vec()
}

/// A referral with every field.
fn full() -> Refer {
    let item = EvidenceItem {
        sha256: vec![9; 32],
        media_type: "text/html".into(),
        size: u64::MAX,
        captured_at_ms: 1_700_000_000_000,
        tool: "wget".into(),
    };
    Refer {
        target: "url:https://news.example/a".into(),
        categories: vec![1, 3, 5],
        basis: 3,
        provider: "host.example".into(),
        source: 4,
        accuracy: 4,
        language: "zh-Hant".into(),
        description: "Zwei Zeilen,\nmit Umlaut: ü".into(),
        evidence: vec![item.clone(), item],
        handling: Some(Handling { tlp: 5, europol: vec![0, 1, 2, 3] }),
        review_by_ms: 253_402_300_799_999,
        campaign: "C".into(),
        prefix: true,
        override_reason: "asked".into(),
    }
}

#[test]
fn a_referral_with_every_field_is_read_in_place() {
    let bytes = payload(full());
    let found = read_here(&bytes).unwrap();
    assert_eq!((found.0.as_str(), found.1), ("url:https://news.example/a", true));
    assert_eq!(Some(found), parsed(&bytes));
    let least = Refer { target: "domain:news.example".into(), categories: vec![1], ..Refer::default() };
    let bytes = payload(Refer { handling: Some(Handling::default()), ..least.clone() });
    assert!(read(&bytes).is_some());
    assert_eq!(read_here(&bytes), parsed(&bytes));
    assert!(read(&payload(least)).is_some());
}

#[test]
fn each_limit_of_a_referral_holds_in_place_as_it_does_in_parsing() {
    type Set = fn(&mut Refer, usize);
    let cases: [(&str, Set, usize); 18] = [
        ("categories", |refer, n| refer.categories = (1..=n as i32).collect(), 5),
        ("basis", |refer, n| refer.basis = n as i32, 3),
        ("provider", |refer, n| refer.provider = "p".repeat(n), 256),
        ("source", |refer, n| refer.source = n as i32, 4),
        ("accuracy", |refer, n| refer.accuracy = n as u32, 4),
        ("language", |refer, n| refer.language = "l".repeat(n), 35),
        ("description", |refer, n| refer.description = "d".repeat(n), 16_384),
        ("evidence", |refer, n| refer.evidence = vec![refer.evidence[0].clone(); n], 64),
        ("sha256", |refer, n| refer.evidence[0].sha256 = vec![1; n], 32),
        ("media_type", |refer, n| refer.evidence[0].media_type = "m".repeat(n), 127),
        ("captured_at_ms", |refer, n| refer.evidence[0].captured_at_ms = n as u64, 253_402_300_799_999),
        ("tool", |refer, n| refer.evidence[0].tool = "t".repeat(n), 256),
        ("tlp", |refer, n| refer.handling.as_mut().unwrap().tlp = n as i32, 5),
        ("europol", |refer, n| refer.handling.as_mut().unwrap().europol = (0..=n as u32).collect(), 3),
        ("review_by_ms", |refer, n| refer.review_by_ms = n as u64, 253_402_300_799_999),
        ("campaign", |refer, n| refer.campaign = "c".repeat(n), 256),
        ("override_reason", |refer, n| refer.override_reason = "o".repeat(n), 1_024),
        ("target", |refer, n| refer.target = format!("url:https://news.example/{}", "t".repeat(n - 25)), 8_192),
    ];
    for (field, set, most) in cases {
        let with = |n: usize| {
            let mut refer = full();
            set(&mut refer, n);
            payload(refer)
        };
        assert!(read(&with(most)).is_some(), "{field} at its limit");
        assert_eq!(read_here(&with(most)), parsed(&with(most)), "{field}");
        assert_eq!((read(&with(most + 1)), parsed(&with(most + 1))), (None, None), "{field} beyond its limit");
    }
}

#[test]
fn what_is_not_a_sound_referral_is_not_read_in_place() {
    type Spoil = fn(&mut Refer);
    let wrong: [(&str, Spoil); 12] = [
        ("no target", |refer| refer.target.clear()),
        ("a target not in form", |refer| refer.target = "url:https://News.example/".into()),
        ("no category", |refer| refer.categories.clear()),
        ("a category twice", |refer| refer.categories = vec![1, 1]),
        ("a category out of order", |refer| refer.categories = vec![2, 1]),
        ("category 0", |refer| refer.categories = vec![0, 1]),
        ("a negative basis", |refer| refer.basis = -1),
        ("a control character", |refer| refer.description = "\r".into()),
        ("a direction of writing", |refer| refer.campaign = "\u{202e}".into()),
        ("a byte in a language", |refer| refer.language = "zh_Hant".into()),
        ("a code twice", |refer| refer.handling.as_mut().unwrap().europol = vec![1, 1]),
        ("a prefix of a domain", |refer| refer.target = "domain:news.example".into()),
    ];
    for (why, change) in wrong {
        let mut refer = full();
        change(&mut refer);
        let bytes = payload(refer);
        assert_eq!((read(&bytes), parsed(&bytes)), (None, None), "{why}");
    }
    for length in [0, 15, 17] {
        let record = Record { submission: vec![7; length], body: Some(Body::Refer(full())) };
        assert_eq!(read(&record.encode_to_vec()), None);
    }
    let hold = crate::wire::Hold { target: "domain:news.example".into(), ..Default::default() };
    assert_eq!(read(&Record { submission: vec![7; 16], body: Some(Body::Hold(hold)) }.encode_to_vec()), None);
    assert_eq!(read(&[]), None);
}

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        "[a-zA-Z0-9-]{1,12}",
        "\\PC{0,6}",
        select(vec!["\n", "\r", "\u{2066}"]).prop_map(Into::into)
    ]
}

fn any_time() -> impl Strategy<Value = u64> {
    prop_oneof![Just(0), 1..300_u64, any::<u64>(), 253_402_300_798_000..253_402_300_802_000_u64]
}

fn any_item() -> impl Strategy<Value = EvidenceItem> {
    (select(vec![32_usize, 32, 32, 31, 0]), any_text(), any::<u64>(), any_time(), any_text()).prop_map(
        |(length, media_type, size, captured_at_ms, tool)| EvidenceItem {
            sha256: vec![3; length],
            media_type,
            size,
            captured_at_ms,
            tool,
        },
    )
}

fn any_refer() -> impl Strategy<Value = Refer> {
    let targets = vec!["url:https://news.example/a", "domain:news.example", "ip:192.0.2.7", "domain:", ""];
    let first = (select(targets), vec(0..7, 0..4), 0..5, any_text(), 0..6, 0..6_u32, any_text(), any_text());
    let handling = proptest::option::of((0..7, vec(0..5_u32, 0..3)));
    let second = (vec(any_item(), 0..3), handling, any_time(), any_text(), any::<bool>(), any_text());
    (first, second).prop_map(|(first, second)| {
        let (target, mut categories, basis, provider, source, accuracy, language, description) = first;
        let (evidence, handling, review_by_ms, campaign, prefix, override_reason) = second;
        categories.sort_unstable();
        let handling = handling.map(|(tlp, europol)| Handling { tlp, europol });
        Refer {
            target: target.to_owned(),
            categories,
            basis,
            provider,
            source,
            accuracy,
            language,
            description,
            evidence,
            handling,
            review_by_ms,
            campaign,
            prefix,
            override_reason,
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn reading_in_place_takes_what_parsing_takes(refer in any_refer()) {
        let bytes = payload(refer);
        prop_assert_eq!(read_here(&bytes), parsed(&bytes));
    }

    #[test]
    fn reading_in_place_takes_of_altered_bytes_what_parsing_takes(
        at in any::<prop::sample::Index>(),
        byte in prop_oneof![any::<u8>(), select(vec![0, 1, 0x7f, 0x80, 0xff])],
        how in 0..4_u8,
    ) {
        let mut bytes = payload(full());
        let at = at.index(bytes.len());
        match how {
            0 => bytes[at] = byte,
            1 => bytes.insert(at, byte),
            2 => _ = bytes.remove(at),
            _ => bytes.truncate(at),
        }
        prop_assert_eq!(read_here(&bytes), parsed(&bytes));
    }
}

/// Every single alteration of a small referral, and every length that stands in it.
#[test]
fn every_byte_of_a_referral_altered_in_every_way_is_judged_as_parsing_does() {
    let small = Refer {
        target: "ip:::".into(),
        categories: vec![1],
        handling: Some(Handling { tlp: 0, europol: vec![0] }),
        review_by_ms: 300,
        ..Refer::default()
    };
    let good = payload(small);
    assert!(read(&good).is_some());
    for at in 0..good.len() {
        for byte in 0..=u8::MAX {
            let mut altered = good.clone();
            altered[at] = byte;
            assert_eq!(read_here(&altered), parsed(&altered), "byte {at} is {byte}");
            let mut longer = good.clone();
            longer.insert(at, byte);
            // The lengths around it may have to follow.
            for (length, more) in [(0, 0), (19, 1)] {
                longer[length] = longer[length].wrapping_add(more);
                assert_eq!(read_here(&longer), parsed(&longer), "byte {byte} put in at {at}");
            }
        }
    }
}
