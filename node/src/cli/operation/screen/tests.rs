use std::time::Instant as Stopwatch;

use entente_proto::wire::{
    AgainstKind, Board, BoardAgainst, BoardExecuted, BoardGo, BoardStep, BoardTarget, BoardUnit, ExecutedResult, Part,
    PeerStatus, Phase, RecordRef,
};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::style::Color;

use super::*;

const GO_MS: u64 = 1_524_650_400_000;
const WITHIN_MS: u64 = 60_000;

fn id(unit: &str, index: u64) -> Option<RecordRef> {
    Some(RecordRef { unit: unit.into(), index })
}

fn target(number: u64, executed: &[(u32, ExecutedResult)]) -> BoardTarget {
    let report = |(unit, result): &(u32, ExecutedResult)| BoardExecuted {
        unit: *unit,
        index: number,
        at_ms: GO_MS,
        result: (*result).into(),
    };
    BoardTarget {
        referral: id("BE", number),
        target: format!("domain:t{number}.example"),
        assigned: vec![0, 1],
        covered: true,
        executed: executed.iter().map(report).collect(),
        ..BoardTarget::default()
    }
}

/// An operation with these units, of which the last is cut off, and these targets; the screen of the first.
fn screen(units: &[&str], targets: Vec<BoardTarget>) -> Screen {
    let last = units.len() - 1;
    let unit = |(at, unit): (usize, &&str)| BoardUnit {
        unit: (*unit).into(),
        part: if at == 0 { Part::Leads } else { Part::Joined }.into(),
        ready: id(unit, 3).filter(|_| at != last),
        ..BoardUnit::default()
    };
    let peer = |(at, unit): (usize, &&str)| {
        let peer = PeerStatus { unit: (*unit).into(), connected: at != last, ..PeerStatus::default() };
        ((*unit).to_owned(), peer)
    };
    let board = Board {
        id: id("BE", 40),
        title: "The outlet's last day".into(),
        phase: Phase::Gone.into(),
        ready_quorum: 2,
        units: units.iter().enumerate().map(unit).collect(),
        go: Some(BoardGo { id: id("BE", 50), at_ms: GO_MS, ..BoardGo::default() }),
        targets,
        ..Board::default()
    };
    let peers = units.iter().enumerate().skip(1).map(peer).collect();
    let told = Told { board, peers, own: units[0].into(), ..Told::default() };
    let mut screen = Screen { told, within_ms: WITHIN_MS, before: Facts::new(), news: Vec::new(), from: 0, away: None };
    screen.take_in();
    screen
}

/// What stands on a terminal of that size, row by row, and the rows that have something red.
fn drawn(screen: &Screen, (width, height): (u16, u16), now_ms: u64) -> (Vec<String>, Vec<usize>) {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    let _ = terminal.draw(|frame| screen.draw(frame, now_ms)).unwrap();
    let cells = terminal.backend().buffer().content();
    let rows = cells.chunks(usize::from(width));
    let red = rows.clone().enumerate().filter(|(_, row)| row.iter().any(|cell| cell.fg == Color::Red));
    (rows.clone().map(|row| row.iter().map(|cell| cell.symbol()).collect()).collect(), red.map(|(at, _)| at).collect())
}

/// The first row that says this: what is new stands below all else.
#[track_caller]
fn row<'a>(rows: &'a [String], words: &str) -> (usize, &'a str) {
    let found = rows.iter().enumerate().find(|(_, row)| row.contains(words));
    found.map_or_else(|| panic!("no {words:?} in {rows:#?}"), |(at, row)| (at, row.as_str()))
}

fn words(row: &str) -> Vec<&str> {
    row.trim_matches('│').split_whitespace().collect()
}

#[test]
fn the_board_tells_of_each_unit_and_each_target_what_became_of_it() {
    let (done, failed) = (ExecutedResult::Done, ExecutedResult::Failed);
    let mut held = target(4, &[]);
    held.covered = false;
    let targets = vec![
        target(0, &[(0, done)]),
        target(1, &[(0, failed), (1, failed)]),
        target(2, &[(0, failed)]),
        target(3, &[]),
        held,
    ];
    let screen = screen(&["BE", "FR", "NL"], targets);
    let (rows, _) = drawn(&screen, (120, 40), GO_MS + 1_000);
    assert!(rows[1].contains("T+00:00:01"), "{rows:#?}");
    assert_eq!(words(row(&rows, "BE/3").1), ["BE", "leads", "BE/3", "here", "1", "2", "1", "0"]);
    assert_eq!(words(row(&rows, "FR/3").1), ["FR", "joined", "FR/3", "yes", "0", "1", "3", "0"]);
    let states = ["done", "refused", "open", "open", "left out"];
    for (number, state) in states.into_iter().enumerate() {
        let found = row(&rows, &format!("domain:t{number}.example  ")).1;
        assert!(found.contains(state), "{found}");
    }
    assert!(row(&rows, "domain:t1.example  ").1.contains("BE:failed FR:failed"));
    // A minute later what nobody reported is overdue, and red.
    let (rows, red) = drawn(&screen, (120, 40), GO_MS + WITHIN_MS + 1);
    assert_eq!(words(row(&rows, "FR/3").1), ["FR", "joined", "FR/3", "yes", "0", "1", "0", "3"]);
    for number in [2, 3] {
        let (at, row) = row(&rows, &format!("domain:t{number}.example  "));
        assert!(row.contains("overdue") && red.contains(&at), "{row}");
    }
}

#[test]
fn the_time_that_is_left_is_counted_from_the_clock_of_this_machine() {
    let screen = screen(&["BE", "FR"], vec![target(0, &[])]);
    for (now_ms, words) in [
        (GO_MS - 90_000, "T-00:01:30"),
        (GO_MS - 1, "T-00:00:01"),
        (GO_MS, "T+00:00:00"),
        (GO_MS + 61_000, "T+00:01:01"),
    ] {
        assert!(drawn(&screen, (80, 24), now_ms).0[1].contains(words));
    }
}

#[test]
fn a_late_hold_and_who_is_cut_off_and_whose_clock_is_wrong_stand_on_top_in_red() {
    let mut screen = screen(&["BE", "FR", "NL"], vec![target(0, &[]), target(1, &[])]);
    let late =
        BoardAgainst { kind: AgainstKind::Hold.into(), id: id("FR", 9), stands: true, ..BoardAgainst::default() };
    screen.told.board.targets[1].against.push(late);
    screen.told.peers.get_mut("FR").unwrap().clock_ahead_ms = -1_400;
    for size in [(80, 24), (200, 60)] {
        let (rows, red) = drawn(&screen, size, GO_MS - 5_000);
        for words in
            ["CANNOT BE REACHED: NL", "CLOCKS DIFFER: that of FR is 1.4 s behind", "LATE: domain:t1.example: held"]
        {
            // Above the units, and not only among the news.
            let at = rows.iter().position(|row| row.contains(words)).unwrap();
            assert!(at < row(&rows, "reached done").0 && red.contains(&at), "{rows:#?}");
        }
        let (at, words) = (0..).zip(&rows).find(|(_, row)| row.contains("│LATE")).unwrap();
        assert!(words.contains("domain:t1.example") && red.contains(&at), "{words}");
        let (at, words) = row(&rows, "  NO  ");
        assert!(words.contains("NL") && red.contains(&at), "{words}");
    }
    // A clock that differs less is no warning.
    screen.told.peers.get_mut("FR").unwrap().clock_ahead_ms = 1_000;
    assert!(!drawn(&screen, (80, 24), GO_MS).0.concat().contains("CLOCKS DIFFER"));
}

#[test]
fn of_what_is_called_off_or_closed_the_board_never_tells_a_time_to_act() {
    let mut screen = screen(&["BE", "FR"], vec![target(0, &[])]);
    let abort = BoardStep { id: id("BE", 51), step: 10, text: "a leak".into(), ..BoardStep::default() };
    for (phase, steps, words) in [
        (Phase::Aborted, vec![abort.clone()], "CALLED OFF (a leak): do not act"),
        (Phase::Closed, vec![abort], "CALLED OFF (a leak): do not act"),
        (Phase::Closed, Vec::new(), "CLOSED: do not act"),
    ] {
        screen.told.board.phase = phase.into();
        screen.told.board.steps = steps;
        for now_ms in [GO_MS - 5_000, GO_MS + 5_000] {
            let (rows, red) = drawn(&screen, (80, 24), now_ms);
            assert!(rows[1].contains(words) && red.contains(&1), "{rows:#?}");
            assert!(!rows.concat().contains("T-00:") && !rows.concat().contains("T+00:"), "{rows:#?}");
        }
    }
}

#[test]
fn on_the_smallest_terminal_the_time_and_who_is_cut_off_remain() {
    let screen = screen(&["BE", "FR", "NL"], vec![target(0, &[])]);
    let (rows, _) = drawn(&screen, (20, 5), GO_MS - 5_000);
    assert!(rows[0].contains("operation BE/40") && rows[1].contains("T-00:00:05"), "{rows:#?}");
    assert!(rows[2].contains("CANNOT BE REACHED") && rows[3].contains("NL"), "{rows:#?}");
    for width in 1..24 {
        for height in 1..12 {
            let _ = drawn(&screen, (width, height), GO_MS);
        }
    }
}

#[test]
fn long_names_and_titles_push_nothing_off_the_screen() {
    let units = ["BE", "EU-LONG-NAME-016", "US-LONG-NAME-016"];
    let mut screen = screen(&units, vec![target(0, &[(1, ExecutedResult::Failed)])]);
    screen.told.board.title = "Ein sehr langer Titel \u{4e00}\u{4e8c} ".repeat(8);
    let (rows, _) = drawn(&screen, (80, 24), GO_MS - 5_000);
    assert!(rows[1].contains("T-00:00:05"), "{rows:#?}");
    assert_eq!(words(row(&rows, "EU-LONG-NAME-016/3").1)[0], units[1]);
    assert!(row(&rows, "reached done").1.contains("refused open  overdue"), "{rows:#?}");
    assert!(rows.concat().contains("CANNOT BE REACHED: US-LONG-NAME-016"), "{rows:#?}");
}

#[test]
fn thirty_units_and_five_thousand_targets_are_drawn_in_time_and_counted() {
    let names: Vec<String> = (0..30).map(|at| format!("U{at:02}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut screen = screen(&names, (0..5_000).map(|number| target(number, &[])).collect());
    screen.scroll(4_990);
    let begun = Stopwatch::now();
    let (rows, _) = drawn(&screen, (80, 24), GO_MS);
    // A debug build on a busy machine; ten times a second is what a person sees.
    assert!(begun.elapsed().as_millis() < 1_000, "{:?}", begun.elapsed());
    let title = row(&rows, " of 5000").1;
    assert!(title.contains("targets 4991-"), "{title}");
    // Not all units fit: those that are cut off come first.
    let (at, _) = row(&rows, " of 30, those cut off first");
    assert!(rows[at + 2].contains("U29") && rows[at + 2].contains("NO"), "{rows:#?}");
    assert!(drawn(&screen, (200, 60), GO_MS).0.concat().contains(" units "));
    screen.scroll(isize::MAX);
    assert_eq!(screen.from, 4_999);
    screen.scroll(isize::MIN);
    assert_eq!(screen.from, 0);
}
