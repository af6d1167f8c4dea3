use entente_proto::wire::{
    AgainstKind, Board, BoardAgainst, BoardExecuted, BoardFreeze, BoardGo, BoardStep, BoardTarget, BoardUnit, Part,
    Phase, RecordRef, Resurfaced,
};
use serde_json::{Value, json};

use super::*;

fn id(unit: &str, index: u64) -> Option<RecordRef> {
    Some(RecordRef { unit: unit.into(), index })
}

/// A closed operation whose title and remark try to be more than text.
fn told() -> Told {
    let unit = |unit: &str, part: Part| BoardUnit { unit: unit.into(), part: part.into(), ..BoardUnit::default() };
    let report =
        |unit, index, at_ms, result: ExecutedResult| BoardExecuted { unit, index, at_ms, result: result.into() };
    let board = Board {
        id: id("BE", 4),
        time_ms: 1_000,
        title: "Amaq <script>alert(1)</script> | x".into(),
        phase: Phase::Closed.into(),
        units: vec![unit("BE", Part::Leads), unit("FR", Part::Joined)],
        go: Some(BoardGo { id: id("BE", 9), time_ms: 5_000, at_ms: 10_000, ..BoardGo::default() }),
        targets: vec![
            BoardTarget {
                referral: id("BE", 0),
                target: "domain:a.example".into(),
                assigned: vec![0, 1],
                covered: true,
                executed: vec![
                    report(0, 11, 12_500, ExecutedResult::Done),
                    report(1, 7, 9_000, ExecutedResult::Failed),
                ],
                ..BoardTarget::default()
            },
            BoardTarget {
                referral: id("FR", 2),
                target: "domain:b.example".into(),
                against: vec![BoardAgainst {
                    kind: AgainstKind::Hold.into(),
                    id: id("FR", 3),
                    stands: true,
                    in_go: true,
                    overridden: false,
                }],
                ..BoardTarget::default()
            },
        ],
        steps: vec![BoardStep {
            id: id("FR", 5),
            time_ms: 4_000,
            step: 3,
            text: "| ![x](y)".into(),
            ..BoardStep::default()
        }],
        ..Board::default()
    };
    Told { board, now_ms: 20_000, ..Told::default() }
}

fn report() -> Report {
    Report::new(&told(), Moment { now_ms: 20_000, within_ms: 60_000 })
}

#[test]
fn the_spread_is_counted_from_the_moment() {
    let report = report();
    assert_eq!(report.spread, Some(Spread { first_ms: 2_500, median_ms: 2_500, last_ms: 2_500, count: 1 }));
    assert_eq!(Spread::of(&[-1, 2, 3, 9]), Some(Spread { first_ms: -1, median_ms: 3, last_ms: 9, count: 4 }));
    assert_eq!((after(-1_500), after(2_540)), ("-1.5 s".into(), "+2.5 s".into()));
}

/// The same with all that a report can tell: a third unit that has not acted, what was fixed, a step without effect.
fn all_told() -> Told {
    let mut told = told();
    let board = &mut told.board;
    board.units[1].ready = id("FR", 6);
    board.units.push(BoardUnit { unit: "NL".into(), part: Part::Joined.into(), ..BoardUnit::default() });
    board.freeze = Some(BoardFreeze { id: id("BE", 7), time_ms: 4_200, digest: vec![0xab; 32] });
    board.ready_quorum = 2;
    board.targets[0].assigned.push(2);
    board.targets[0].against.push(BoardAgainst {
        kind: AgainstKind::Objection.into(),
        id: id("NL", 1),
        stands: true,
        in_go: false,
        overridden: false,
    });
    board.evidence.extend(id("FR", 8));
    board.steps.push(BoardStep {
        id: id("NL", 2),
        time_ms: 3_000,
        step: 3,
        fault: StepFault::try_from(1).unwrap().into(),
        units: vec!["FR".into(), "NL".into()],
        targets: 2,
        ..BoardStep::default()
    });
    told.digest = vec![0xcd; 32];
    told.remarks.insert("FR/7".into(), "no such | server".into());
    let back = |target: &str, successor: &str, index, at_ms| Resurfaced {
        target: target.into(),
        successor: successor.into(),
        at_ms,
        by: id("NL", index),
        ..Resurfaced::default()
    };
    told.resurfaced =
        vec![back("domain:a.example", "", 3, 15_000), back("domain:a.example", "domain:a2.example", 4, 16_000)];
    told
}

#[test]
fn a_report_tells_what_the_board_says_and_nothing_else() {
    let report = |now_ms| serde_json::to_value(Report::new(&all_told(), Moment { now_ms, within_ms: 60_000 })).unwrap();
    let event =
        |at: &str, id: &str, what: &str| json!({ "at": format!("1970-01-01T00:00:{at}Z"), "id": id, "what": what });
    let unit = |unit: &str, part: &str, ready: Option<&str>, [done, refused, open]: [u32; 3], spread: Value| {
        json!({
            "unit": unit, "part": part, "ready": ready, "done": done, "refused": refused, "open": open, "overdue": 0, "spread": spread,
        })
    };
    let spread = json!({ "first_ms": 2_500, "median_ms": 2_500, "last_ms": 2_500, "count": 1 });
    let without = StepFault::try_from(1).unwrap().words();
    let expected = json!({
        "id": "BE/4",
        "title": "Amaq <script>alert(1)</script> | x",
        "lead": "BE",
        "phase": "closed",
        "digest": "ab".repeat(32),
        "board_digest": "cd".repeat(32),
        "go_at": "1970-01-01T00:00:10Z",
        "ready_quorum": 2,
        "covered": 1,
        "timeline": [
            event("01", "BE/4", "BE begins it"),
            event("03", "NL/2", &format!("NL: join FR NL, 2 targets (without effect: {without})")),
            event("04", "FR/5", "FR: join: | ![x](y)"),
        ],
        "units": [
            unit("BE", "leads", None, [1, 0, 0], spread.clone()),
            unit("FR", "joined", Some("FR/6"), [0, 1, 0], Value::Null),
            unit("NL", "joined", None, [0, 0, 1], Value::Null),
        ],
        "targets": [
            {
                "target": "domain:a.example",
                "referral": "BE/0",
                "state": "done",
                "against": [late_words(true, &all_told().board.targets[0].against[0])],
                "reports": [event("12.5", "BE/11", "BE done"), event("09", "FR/7", "FR failed: no such | server")],
            },
            {
                "target": "domain:b.example",
                "referral": "FR/2",
                "state": "left out",
                "against": [late_words(false, &all_told().board.targets[1].against[0])],
                "reports": [],
            },
        ],
        "spread": spread,
        "evidence": ["FR/8"],
        "resurfaced": [
            event("15", "NL/3", "domain:a.example was seen online again"),
            event("16", "NL/4", "domain:a.example came back as domain:a2.example"),
        ],
        "made": "1970-01-01T00:00:20Z",
    });
    assert_eq!(report(20_000), expected);
    assert!(expected["targets"][0]["against"][0].as_str().unwrap().contains("LATE"), "{expected}");
    // A minute after the moment what nobody reported is overdue.
    let counts = |now_ms| {
        let unit = &report(now_ms)["units"][2];
        (unit["open"].clone(), unit["overdue"].clone())
    };
    assert_eq!((counts(70_000), counts(70_001)), ((json!(1), json!(0)), (json!(0), json!(1))));
}

#[test]
fn every_line_has_its_record() {
    for page in [markdown::page(&report()), html::page(&report())] {
        for id in ["BE/4", "BE/0", "BE/11", "FR/7", "FR/2", "FR/3", "FR/5"] {
            assert!(page.contains(id), "{id} in {page}");
        }
    }
}

#[test]
fn what_units_wrote_stays_text() {
    let (html, markdown) = (html::page(&report()), markdown::page(&report()));
    assert!(!html.contains("<script") && html.contains("&lt;script&gt;"), "{html}");
    assert!(markdown.contains("# Amaq \\<script\\>") && markdown.contains("join: \\| \\!\\[x\\](y)"), "{markdown}");
}

#[test]
fn the_page_is_by_itself_and_has_its_charts() {
    let html = html::page(&report());
    assert_eq!(html.matches("<svg").count(), 2);
    for outside in ["src=", "href=", "url(", "@import"] {
        assert!(!html.contains(outside), "{outside}");
    }
    // On a dark screen the text of the charts is light, too; paper stays white.
    assert!(html.contains("@media screen and (prefers-color-scheme:dark)") && html.contains("text{fill:currentColor}"));
}
