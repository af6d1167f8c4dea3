use std::cell::RefCell;
use std::io::Cursor;
use std::rc::Rc;

use entente_proto::record::from_input;
use entente_proto::wire::record::Body;
use entente_proto::wire::{
    Availability, EvidenceItem, Handling, Hold, HoldRow, Observation, Observe, Opinion, OpinionRow, Pending, Record,
    RecordRef, Refer, Referral, Row, Source, Stance, Status, Tlp, WithdrawnReferral,
};
use serde_json::Value;

use super::*;
use crate::import::fields::Fields;
use crate::import::{Options, Reader};

fn id(unit: &str, index: u64) -> Option<RecordRef> {
    Some(RecordRef { unit: unit.to_owned(), index })
}

/// A row as a node gives it: the referrals' targets stand in the row alone.
fn row(target: &str, status: Status, refers: &[(&str, Refer)]) -> ListedRow {
    let referral = |(at, (unit, refer)): (usize, &(&str, Refer))| Referral {
        id: id(unit, at as u64 + 7),
        time_ms: 1_524_636_000_250,
        refer: Some(Refer { target: String::new(), ..refer.clone() }),
    };
    let row = Row {
        target: target.to_owned(),
        status: status as i32,
        referrals: refers.iter().enumerate().map(referral).collect(),
        ..Row::default()
    };
    ListedRow { row: Some(row), ..ListedRow::default() }
}

fn refer(description: &str) -> Refer {
    Refer { categories: vec![1], basis: 1, description: description.to_owned(), ..Refer::default() }
}

/// Everything that a referral can say, with whatever a format might trip over.
fn full() -> Refer {
    Refer {
        target: String::new(),
        categories: vec![1, 3, 5],
        basis: 2,
        provider: "-Telegram, \"Inc\"; Zürich".to_owned(),
        source: Source::X as i32,
        accuracy: 4,
        language: "ar-Latn".to_owned(),
        description: " =cmd|' /C calc'!A0\n\nline\u{2028}two\\n, 'quoted' \"twice\"\n".to_owned(),
        evidence: vec![
            EvidenceItem {
                sha256: vec![0xab; 32],
                media_type: "text/html; charset=\"utf-8\"".to_owned(),
                size: u64::MAX,
                captured_at_ms: 1_524_636_000_251,
                tool: "@wget, 1.2".to_owned(),
            },
            EvidenceItem { sha256: vec![1; 32], ..EvidenceItem::default() },
        ],
        handling: Some(Handling { tlp: Tlp::AmberStrict as i32, europol: vec![0, 3] }),
        review_by_ms: 1_801_353_600_001,
        campaign: "'=amaq".to_owned(),
        prefix: true,
        override_reason: "+as agreed with FR".to_owned(),
    }
}

const TARGETS: [&str; 11] = [
    "account:telegram/a%20b'c\\d",
    "app:google-play/org.news.app",
    "channel:youtube/UCxyz",
    "domain:news.example",
    "file:sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "image:pdq:f8f8f0cee0f4a84f06370a22038f63f0b36e2ed596621e1d33e6b39c4e9c9b22",
    "ip:192.0.2.0/24",
    "ip:2001:db8::7",
    "url:http://[2001:db8::7]:8080/a'b%5C",
    "url:https://news.example/",
    "url:https://news.example/a?b=%27c%27",
];

fn heading() -> Heading {
    Heading {
        network: "takedown.example".to_owned(),
        units: vec!["BE".to_owned(), "FR".to_owned()],
        entries: (1 << 32) + 1042,
        zone: "rpz.takedown.example".to_owned(),
        held_too: true,
        ..Heading::default()
    }
}

/// What was written, also while whoever writes is still at it.
#[derive(Clone, Default)]
struct Shared(Rc<RefCell<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn export_under(heading: &Heading, format: Format, rows: &[ListedRow]) -> (String, Counts) {
    let out = Shared::default();
    let mut counts = Counts::default();
    let mut sheet = begin(format, heading, Box::new(out.clone())).unwrap();
    rows.iter().for_each(|row| sheet.row(row, &mut counts).unwrap());
    sheet.end().unwrap();
    (String::from_utf8(out.0.take()).unwrap(), counts)
}

fn export(format: Format, rows: &[ListedRow]) -> String {
    export_under(&heading(), format, rows).0
}

/// What a unit of a fresh network would enter when it imports the text.
fn imported(text: &str) -> Vec<Refer> {
    let reader = Reader::of_file(Cursor::new(text.as_bytes().to_vec()), Options::default()).unwrap();
    assert!(reader.notices().is_empty(), "{:?}", reader.notices());
    let item = |line: io::Result<crate::import::Line>| {
        let item = line.unwrap().content.unwrap();
        let target = from_input(&item.target).unwrap().target.to_string();
        item.fields.refer(target, &Fields::default())
    };
    reader.map(item).collect()
}

#[test]
fn csv_json_lines_and_stix_come_back_as_the_same_referrals() {
    let meant = |target: &str, refer: Refer| Refer { target: target.to_owned(), ..refer };
    let mut rows = Vec::new();
    let mut all = Vec::new();
    for target in TARGETS {
        let prefix = target.starts_with("url:");
        let bare = Refer { basis: 1, categories: vec![4], ..Refer::default() };
        let said = [("BE", Refer { prefix, ..full() }), ("FR", bare)];
        all.extend(said.iter().map(|(_, refer)| meant(target, refer.clone())));
        rows.push(row(target, Status::Listed, &said));
    }
    for format in [Format::Csv, Format::JsonLines, Format::Stix] {
        let (text, counts) = export_under(&heading(), format, &rows);
        assert_eq!(imported(&text), all, "{format:?}\n{text}");
        assert_eq!((counts.targets, counts.records, counts.left_out.len()), (11, 22, 0), "{format:?}");
    }
}

#[test]
fn misp_comes_back_with_target_description_categories_and_tlp() {
    let said = Refer {
        categories: vec![2, 4],
        description: "What it is\nand why".to_owned(),
        basis: 3,
        handling: Some(Handling { tlp: Tlp::Green as i32, europol: vec![1] }),
        ..Refer::default()
    };
    let rows: Vec<ListedRow> =
        TARGETS.iter().map(|target| row(target, Status::Listed, &[("BE", said.clone())])).collect();
    let back = imported(&export(Format::Misp, &rows));
    let meant: Vec<Refer> =
        TARGETS.iter().map(|target| Refer { target: (*target).to_owned(), ..said.clone() }).collect();
    assert_eq!(back, meant);
}

#[test]
fn of_several_units_a_misp_attribute_says_everything_as_strictly_as_the_strictest() {
    let labelled = |description: &str, category: i32, tlp: Tlp| Refer {
        categories: vec![category],
        handling: Some(Handling { tlp: tlp as i32, europol: Vec::new() }),
        ..refer(description)
    };
    let rows = [
        row(
            "domain:a.example",
            Status::Listed,
            &[("BE", labelled("one", 1, Tlp::Clear)), ("FR", labelled("two", 2, Tlp::Red))],
        ),
        row("domain:b.example", Status::Listed, &[("BE", refer("same")), ("FR", refer("same"))]),
        row("domain:c.example", Status::Listed, &[("BE", refer(""))]),
    ];
    let text = export(Format::Misp, &rows);
    let back = imported(&text);
    assert_eq!((back[0].categories.as_slice(), back[0].description.as_str()), ([1, 2].as_slice(), "BE: one\nFR: two"));
    let tlp = |refer: &Refer| refer.handling.as_ref().unwrap().tlp;
    assert_eq!(tlp(&back[0]), Tlp::Red as i32);
    assert_eq!((back[1].description.as_str(), tlp(&back[1])), ("same", Tlp::Amber as i32), "no label is read as amber");
    assert_eq!(back[2].description, "", "the event's info is not its description");
    let event: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(event["Event"]["Tag"][0]["name"], "tlp:red");
    assert_eq!((&event["Event"]["date"], &event["Event"]["timestamp"]), (&"2018-04-25".into(), &"1524636000".into()));
}

#[test]
fn what_is_disputed_or_held_is_marked_so() {
    let mut disputed = row("domain:a.example", Status::Disputed, &[("BE", refer("x"))]);
    disputed.row.as_mut().unwrap().opinions = vec![OpinionRow {
        id: id("FR", 3),
        time_ms: 1_524_722_400_000,
        opinion: Some(Opinion { on: id("BE", 7), stance: Stance::Object as i32, ground: 2, text: "satire".to_owned() }),
    }];
    let mut held = row("domain:b.example", Status::Held, &[("BE", refer("y"))]);
    held.row.as_mut().unwrap().holds =
        vec![HoldRow { id: id("FR", 4), time_ms: 1_524_722_400_001, hold: Some(Hold::default()) }];
    let rows = [disputed, held];

    let event: Value = serde_json::from_str(&export(Format::Misp, &rows)).unwrap();
    for attribute in event["Event"]["Attribute"].as_array().unwrap() {
        assert_eq!(attribute["to_ids"], false);
    }
    assert!(event.to_string().contains("entente:status=\\\"disputed\\\""));

    let bundle: Value = serde_json::from_str(&export(Format::Stix, &rows)).unwrap();
    let of = |kind: &str| -> Vec<Value> {
        bundle["objects"].as_array().unwrap().iter().filter(|object| object["type"] == kind).cloned().collect()
    };
    let indicators = of("indicator");
    assert_eq!(indicators[0]["labels"], serde_json::json!(["incites", "disputed"]));
    assert_eq!(indicators[0]["modified"], "2018-04-26T06:00:00.000Z", "the label came with the objection");
    assert_eq!(indicators[1]["labels"][1], "held");
    let opinion = &of("opinion")[0];
    assert_eq!((&opinion["opinion"], &opinion["object_refs"][0]), (&"disagree".into(), &indicators[0]["id"]));
    assert_eq!(opinion["explanation"], "protected-expression: satire");
    assert_eq!(of("note")[0]["object_refs"][0], indicators[1]["id"]);

    let csv = export(Format::Csv, &rows);
    assert!(csv.contains("domain:a.example,disputed,BE,BE/7,") && csv.contains("domain:b.example,held,"), "{csv}");
}

#[test]
fn what_was_withdrawn_is_revoked_under_the_id_that_it_had() {
    let standing = row("domain:a.example", Status::Listed, &[("BE", full())]);
    let before: Value = serde_json::from_str(&export(Format::Stix, std::slice::from_ref(&standing))).unwrap();
    let find = |bundle: &Value| -> Vec<Value> {
        let objects = bundle["objects"].as_array().unwrap().iter();
        objects.filter(|object| object["type"] == "indicator").cloned().collect()
    };
    let withdrawn = vec![WithdrawnReferral {
        referral: standing.row.as_ref().unwrap().referrals.first().cloned(),
        time_ms: 1_524_722_400_000,
    }];
    // Cleared, listed by another unit, and held, where the row itself is not asked for.
    let cleared = ListedRow { withdrawn: withdrawn.clone(), ..row("domain:a.example", Status::Cleared, &[]) };
    let listed =
        ListedRow { withdrawn: withdrawn.clone(), ..row("domain:a.example", Status::Listed, &[("FR", refer("x"))]) };
    let held = ListedRow { withdrawn, ..row("domain:a.example", Status::Held, &[("FR", refer("x"))]) };
    let heading = Heading { held_too: false, ..heading() };
    for (row, expected) in [(cleared, 1), (listed, 2), (held, 1)] {
        let (text, counts) = export_under(&heading, Format::Stix, std::slice::from_ref(&row));
        let after = find(&serde_json::from_str(&text).unwrap());
        assert_eq!((after.len(), counts.records, counts.targets), (expected, expected as u64, 1));
        let mut last = after.last().unwrap().clone();
        assert_eq!((&last["revoked"], &last["modified"]), (&true.into(), &"2018-04-26T06:00:00.000Z".into()));
        last.as_object_mut().unwrap().remove("revoked");
        last["modified"] = last["created"].clone();
        assert_eq!(last, find(&before)[0], "the same indicator");
        // Whoever reads it back takes nothing in, and is told why.
        let reader = Reader::of_file(Cursor::new(text.into_bytes()), Options::default()).unwrap();
        let codes: Vec<_> = reader.filter_map(|line| Some(line.unwrap().content.err()?.code)).collect();
        assert_eq!(codes, ["revoked"]);
        // Other formats know nothing of it.
        for format in [Format::Csv, Format::JsonLines, Format::Misp] {
            assert!(!export_under(&heading, format, std::slice::from_ref(&row)).0.contains("BE/7"), "{format:?}");
        }
    }
}

#[test]
fn an_observation_is_a_sighting_and_none_where_it_is_gone() {
    for (state, successor, count, words) in [
        (Availability::Online, "", 1, "online"),
        (Availability::Offline, "", 0, "offline"),
        (Availability::Moved, "domain:b.example", 0, "moved to domain:b.example"),
    ] {
        let mut seen = row("domain:a.example", Status::Listed, &[("BE", refer(""))]);
        seen.row.as_mut().unwrap().availability = Some(Observation {
            id: id("FR", 9),
            time_ms: 5,
            observe: Some(Observe {
                availability: state as i32,
                successor: successor.to_owned(),
                observed_ms: 1_524_636_000_000,
                ..Observe::default()
            }),
        });
        let bundle: Value = serde_json::from_str(&export(Format::Stix, &[seen])).unwrap();
        let objects = bundle["objects"].as_array().unwrap();
        let sighting = objects.iter().find(|object| object["type"] == "sighting").unwrap();
        assert_eq!((&sighting["count"], &sighting["description"]), (&count.into(), &words.into()));
        assert_eq!(sighting["last_seen"], "2018-04-25T06:00:00.000Z");
    }
}

#[test]
fn equal_lists_make_equal_bytes_and_names_never_change() {
    let rows = [row("domain:a.example", Status::Listed, &[("BE", full())])];
    for format in [Format::Csv, Format::JsonLines, Format::Stix, Format::Misp, Format::Rpz, Format::Hosts] {
        assert_eq!(export(format, &rows), export(format, &rows));
    }
    let bundle: Value = serde_json::from_str(&export(Format::Stix, &rows)).unwrap();
    let indicator = bundle["objects"].as_array().unwrap().last().unwrap();
    // Computed with Python's uuid.uuid5.
    assert_eq!(indicator["id"], "indicator--c29bf8e1-ac17-54cc-af0d-0fd3702ed026");
    assert_eq!(indicator["created_by_ref"], "identity--24e4aad7-be27-5261-a263-5c06de81e78b");
    assert_eq!(indicator["valid_from"], "2018-04-25T06:00:00.250Z");
    let other: Value = serde_json::from_str(&export(Format::Stix, &[])).unwrap();
    assert_ne!(bundle["id"], other["id"]);
}

#[test]
fn an_indicator_whose_extension_was_changed_is_refused() {
    let text = export(Format::Stix, &[row("domain:a.example", Status::Listed, &[("BE", refer(""))])]);
    let changed = text.replace("\"target\":\"domain:a.example\"", "\"target\":\"domain:b.example\"");
    assert_ne!(changed, text);
    let reader = Reader::of_file(Cursor::new(changed.into_bytes()), Options::default()).unwrap();
    let codes: Vec<_> = reader.map(|line| line.unwrap().content.unwrap_err().code).collect();
    assert_eq!(codes, ["extension"]);
}

#[test]
fn no_cell_of_a_table_is_a_formula() {
    let csv = export(Format::Csv, &[row("domain:a.example", Status::Listed, &[("BE", full())])]);
    let mut reader = ::csv::ReaderBuilder::new().has_headers(false).from_reader(csv.as_bytes());
    for record in reader.records() {
        for cell in &record.unwrap() {
            assert!(!cell.starts_with(['=', '+', '-', '@', '\t', '\r']), "{cell:?}");
        }
    }
    assert!(csv.lines().next().unwrap().starts_with("target,status,unit,id,time,categories,"));
    assert!(csv.ends_with("\r\n"));
}

#[test]
fn a_zone_blocks_domains_and_what_is_under_them_and_nothing_else() {
    let rows = [
        row("domain:a.example", Status::Listed, &[("BE", refer(""))]),
        row("domain:ddns.net", Status::Listed, &[("BE", refer(""))]),
        row("ip:192.0.2.7", Status::Listed, &[("BE", refer(""))]),
        row("url:https://b.example/x", Status::Listed, &[("BE", refer(""))]),
        row(&format!("domain:{}.example", ["y"; 120].join(".")), Status::Listed, &[("BE", refer(""))]),
    ];
    let (zone, counts) = export_under(&heading(), Format::Rpz, &rows);
    let records: Vec<&str> = zone.lines().filter(|line| !line.starts_with(';')).collect();
    assert_eq!(
        records,
        [
            "$TTL 300",
            "$ORIGIN rpz.takedown.example.",
            "@ IN SOA localhost. hostmaster.localhost. 1042 3600 600 604800 300",
            "@ IN NS localhost.",
            "a.example IN CNAME .",
            "*.a.example IN CNAME .",
            "ddns.net IN CNAME .",
        ]
    );
    assert_eq!((counts.targets, counts.left_out.values().sum::<u64>()), (2, 3));
    assert_eq!(counts.left_out.len(), 3, "each for its own reason: {counts:?}");

    let (hosts, counts) = export_under(&heading(), Format::Hosts, &rows);
    let names: Vec<&str> = hosts.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(names[..2], ["0.0.0.0 a.example", "0.0.0.0 ddns.net"]);
    assert_eq!((names.len(), counts.targets), (3, 3), "a hosts file has no zone's name behind its names");
}

#[test]
fn nothing_is_blocked_that_would_take_a_held_target_offline() {
    let mut heading = heading();
    for target in
        ["url:https://a.held.example/x", "domain:deep.under.example", "domain:top.example", "url:http://x.ddns.net/"]
    {
        heading.held.note(&row(target, Status::Held, &[])).unwrap();
    }
    let mut pending = row("domain:pending.example", Status::Listed, &[("BE", refer(""))]);
    let hold = Record { submission: vec![0; 16], body: Some(Body::Hold(Hold::default())) };
    pending.pending = vec![Pending { id: id("FR", 1), time_ms: 1, record: Some(hold) }];
    let listed = |name: &str| row(&format!("domain:{name}"), Status::Listed, &[("BE", refer(""))]);
    let rows = [
        pending,
        listed("held.example"),
        listed("a.held.example"),
        listed("b.held.example"),
        listed("under.example"),
        listed("deep.under.example"),
        listed("x.top.example"),
        listed("top.example"),
        row("domain:status.example", Status::Held, &[("BE", refer(""))]),
        // It is blocked without what is under it.
        listed("ddns.net"),
    ];
    for format in [Format::Rpz, Format::Hosts] {
        let (text, counts) = export_under(&heading, format, &rows);
        assert_eq!(counts.targets, 2, "{text}");
        assert!(text.contains("b.held.example") && text.contains("ddns.net"), "{text}");
        assert_eq!(counts.left_out.values().sum::<u64>(), 8);
    }
}

#[test]
fn a_row_without_a_standing_referral_is_counted() {
    let rows = [row("domain:a.example", Status::Held, &[])];
    for format in [Format::Csv, Format::JsonLines, Format::Stix, Format::Misp] {
        let (_, counts) = export_under(&heading(), format, &rows);
        assert_eq!((counts.targets, counts.left_out[NO_REFERRAL]), (0, 1), "{format:?}");
    }
}

#[test]
fn a_reader_that_has_gone_is_told_from_other_faults() {
    struct Gone;
    impl Write for Gone {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
    }
    let heading = heading();
    for format in [Format::Csv, Format::JsonLines, Format::Stix, Format::Misp, Format::Rpz, Format::Hosts] {
        let fault = begin(format, &heading, Box::new(Gone)).and_then(|mut sheet| {
            // More than any buffer holds, so that it shows in the middle too.
            let row = row("domain:a.example", Status::Listed, &[("BE", refer(&"x".repeat(16_000)))]);
            (0..10).try_for_each(|_| sheet.row(&row, &mut Counts::default()))?;
            sheet.end()
        });
        assert_eq!(fault.unwrap_err().kind(), io::ErrorKind::BrokenPipe, "{format:?}");
    }
}
