use entente_proto::entry::Entry;
use entente_proto::ids::RecordId;
use entente_proto::record::{self, RecordKind};
use entente_proto::wire::record::Body;
use entente_proto::wire::{self, Record, RecordRef};

use super::figures::Said;
use super::{Format, Report, write};

const HOUR_MS: u64 = 3_600_000;
/// 2026-01-01 and a year later.
const YEAR_MS: (u64, u64) = (1_767_225_600_000, 1_798_761_600_000);

fn on(id: &str) -> Option<RecordRef> {
    let id: RecordId = id.parse().unwrap();
    Some(RecordRef { unit: id.unit.to_string(), index: id.index })
}

fn refer(target: &str, provider: &str) -> Body {
    let (target, provider) = (target.to_owned(), provider.to_owned());
    Body::Refer(wire::Refer { target, provider, categories: vec![1, 4], basis: 1, ..Default::default() })
}

fn outcome(of: &str, answer: wire::Answer, at_ms: u64) -> Body {
    Body::Outcome(wire::Outcome { on: on(of), answer: answer.into(), at_ms, ..Default::default() })
}

/// A year of BE and FR, with one referral of the year before.
fn story() -> Vec<(&'static str, u64, Body)> {
    let (begin, _) = YEAR_MS;
    let object = |of, ground: wire::Ground| {
        let stance = wire::Stance::Object.into();
        Body::Opinion(wire::Opinion { on: on(of), stance, ground: ground.into(), text: "read it".into() })
    };
    let sent = |of, at_ms| {
        Body::Dispatch(wire::Dispatch {
            on: on(of),
            provider: "Host".into(),
            channel: "form".into(),
            at_ms,
            ..Default::default()
        })
    };
    let online = wire::Availability::Online.into();
    let seen = wire::Observe {
        target: "domain:a.example".into(),
        availability: online,
        observed_ms: begin + 9 * HOUR_MS,
        ..Default::default()
    };
    vec![
        ("BE/0", begin - 1, refer("domain:old.example", "")),
        ("BE/1", begin, refer("domain:a.example", "Host")),
        ("BE/2", begin + 1, refer("domain:b.example", "host")),
        ("FR/0", begin + 2, refer("domain:a.example", "")),
        ("BE/3", begin + HOUR_MS, sent("BE/1", begin + HOUR_MS)),
        ("BE/4", begin + 2 * HOUR_MS, sent("BE/2", begin + HOUR_MS)),
        ("BE/5", begin + 5 * HOUR_MS, outcome("BE/3", wire::Answer::Removed, begin + HOUR_MS + 1)),
        ("BE/6", begin + 5 * HOUR_MS, outcome("BE/4", wire::Answer::Declined, begin + 4 * HOUR_MS)),
        ("FR/1", begin + 6 * HOUR_MS, object("BE/2", wire::Ground::WrongTarget)),
        ("FR/2", begin + 6 * HOUR_MS, object("BE/0", wire::Ground::WrongTarget)),
        ("BE/7", begin + 7 * HOUR_MS, Body::Withdraw(wire::Withdraw { index: 2, reason: "a newspaper".into() })),
        (
            "FR/3",
            begin + 7 * HOUR_MS,
            Body::Hold(wire::Hold { target: "domain:c.example".into(), contact: "desk".into(), ..Default::default() }),
        ),
        ("FR/4", begin + 9 * HOUR_MS, Body::Observe(seen)),
        ("BE/8", begin + 9 * HOUR_MS, Body::Erase(wire::Erase { index: 0, reason: 2 })),
    ]
}

fn report() -> Report {
    let mut said = Said::between(YEAR_MS.0, YEAR_MS.1);
    for (id, time_ms, body) in story() {
        let kind = RecordKind::of_body(&body).number();
        let payload = record::encode(&Record { submission: vec![7; 16], body: Some(body) });
        let payload = payload.unwrap_or_else(|fault| panic!("{id}: {fault}"));
        let entry = Entry::compose(kind, time_ms, [9; 16], payload).unwrap();
        said.take(&id.parse().unwrap(), entry.header(), entry.payload().map(|payload| &payload[..]));
    }
    Report {
        year: 2026,
        network: "takedown.example".into(),
        exporter: "BE".into(),
        list: "00".into(),
        frontier: vec!["BE=9".into(), "FR=5".into()],
        sections: said.sections(),
    }
}

#[test]
fn every_figure_names_the_records_that_it_counts() {
    let report = report();
    let figures: Vec<String> = report
        .sections
        .iter()
        .flat_map(|section| {
            section.figures.iter().map(|figure| format!("{} | {} | {:?}", section.title, figure.what, figure.ids))
        })
        .collect();
    let expected = [
        "Referrals | referrals | [BE/1, BE/2, FR/0]",
        "Referrals | different targets, each by its first referral | [BE/1, BE/2]",
        "Referrals by unit | BE | [BE/1, BE/2]",
        "Referrals by unit | FR | [FR/0]",
        "Referrals by category | incites | [BE/1, BE/2, FR/0]",
        "Referrals by category | instructs | [BE/1, BE/2, FR/0]",
        "Referrals by provider | host | [BE/1, BE/2]",
        "Referrals by provider | not named | [FR/0]",
        "Sent to providers | host | [BE/3, BE/4]",
        "Outcomes | declined | [BE/6]",
        "Outcomes | removed | [BE/5]",
        "Time to outcome | 1: within 1 hour | [BE/5]",
        "Time to outcome | 2: within 24 hours | [BE/6]",
        "Withdrawals by reason | a newspaper | [BE/7]",
        "Objections and how they ended | wrong-target: the referral was erased | [FR/2]",
        "Objections and how they ended | wrong-target: the referral was withdrawn | [FR/1]",
        "Holds | FR: stands | [FR/3]",
        "Erasures by reason | retention | [BE/8]",
        "Restored | FR | [FR/4]",
    ];
    assert_eq!(figures, expected);
}

#[test]
fn a_report_is_written_in_four_ways_and_nothing_in_it_is_taken_for_markup() {
    let mut report = report();
    for section in &mut report.sections {
        for figure in section.figures.iter_mut().filter(|figure| figure.what == "a newspaper") {
            figure.what = "=<b>\"|\n".into();
        }
    }
    let [md, html, json, csv] =
        [Format::Md, Format::Html, Format::Json, Format::Csv].map(|format| write::write(&report, format));
    assert!(md.contains("| referrals | 3 | BE/1-2 FR/0 |"), "{md}");
    assert!(md.contains("| =<b>\"\\|  | 1 | BE/7 |"), "{md}");
    assert!(html.contains("=&lt;b&gt;&quot;|") && !html.contains("<b>") && html.contains("width:66%"), "{html}");
    let document: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(document["sections"][0]["figures"][0]["records"][2], "FR/0");
    assert!(csv.starts_with("section,what,number,records\nReferrals,referrals,3,BE/1-2 FR/0\n"), "{csv}");
    assert!(csv.contains("\"'=<b>\"\"|\n\",1,BE/7"), "{csv}");
}
