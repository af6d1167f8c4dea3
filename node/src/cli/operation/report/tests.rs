use entente_proto::wire::{
    AgainstKind, Board, BoardAgainst, BoardExecuted, BoardGo, BoardStep, BoardTarget, BoardUnit, Part, Phase, RecordRef,
};

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
