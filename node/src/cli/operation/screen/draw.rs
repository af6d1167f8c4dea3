//! The drawing: what must not be overlooked stands at the top, and the rest takes the room that is left.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::Line;
use ratatui::widgets::{Block, Paragraph, Row, Table};

use super::super::super::words::{plain, record_id};
use super::super::facts::countdown;
use super::super::outcome::{Moment, Outcome};
use super::super::show::{head, over, part_word, reported, warnings};
use super::super::watch::{AWAY, moment_of};
use super::Screen;

/// Rows that a frame takes.
const FRAME: u16 = 2;
/// Rows of the head, frame included, that it has where the terminal is low; else it has half of them at the most.
const HEAD_LEAST: u16 = 5;
/// Rows of the targets that units and news leave free, frame included.
const TARGETS_LEAST: u16 = 4;
/// Rows of the news, frame included: with fewer than the least they are left out.
const NEWS: u16 = 10;
const NEWS_LEAST: u16 = 3;

/// The columns of the units: what each says, how wide it is, and which go first where there is no room for all.
const COLUMNS: [(&str, u16, u8); 8] = [
    ("unit", 16, 0),
    ("part", 8, 7),
    ("ready", 22, 6),
    ("reached", 7, 1),
    ("done", 5, 4),
    ("refused", 7, 5),
    ("open", 5, 3),
    ("overdue", 7, 2),
];

impl Screen {
    pub(super) fn draw(&self, frame: &mut Frame<'_>, now_ms: u64) {
        let at = Moment { now_ms, within_ms: self.within_ms };
        let area = frame.area();
        let inner = area.width.saturating_sub(FRAME);
        let rows = |count: usize| u16::try_from(count).unwrap_or(u16::MAX).saturating_add(FRAME);
        let most = (area.height / 2).max(HEAD_LEAST).min(area.height);
        let lines = shown(&self.head(at), inner, usize::from(most.saturating_sub(FRAME)));
        let top = rows(lines.len()).min(most);
        let left = area.height.saturating_sub(top);
        let units = rows(self.told.board.units.len() + 1).min(left.saturating_sub(TARGETS_LEAST));
        // Without room for one of them there is no heading, either.
        let units = if units < FRAME + 2 { 0 } else { units };
        let left = left.saturating_sub(units);
        let news = NEWS.min(left.saturating_sub(TARGETS_LEAST));
        let news = if news < NEWS_LEAST { 0 } else { news };
        let [top, middle, below, last] = Layout::vertical([
            Constraint::Length(top),
            Constraint::Length(units),
            Constraint::Fill(1),
            Constraint::Length(news),
        ])
        .areas(area);
        let id = self.told.board.id.as_ref().map(record_id).unwrap_or_default();
        let title = format!(" operation {id} ");
        frame.render_widget(Paragraph::new(lines).block(Block::bordered().title(title)), top);
        frame.render_widget(self.units(at, middle), middle);
        frame.render_widget(self.targets(at, below), below);
        let newest = self.news.iter().rev().take(usize::from(news.saturating_sub(FRAME)));
        let newest: Vec<Line<'_>> = newest.map(|line| Line::styled(line.as_str(), loud(line))).collect();
        frame.render_widget(Paragraph::new(newest).block(Block::bordered().title(" newest first; q ends ")), last);
    }

    /// The time that is left, what people must know, and then the rest.
    fn head(&self, at: Moment) -> Vec<String> {
        let mut lines = head(&self.told, at);
        // What people must know stands last on the page; here the last lines are the first to be cut off.
        let warnings = lines.split_off(lines.len().saturating_sub(warnings(&self.told).len()));
        lines.splice(0..0, warnings);
        // What is over has no moment to which one counts down.
        if let Some(at_ms) = moment_of(&self.told).filter(|_| over(&self.told).is_none()) {
            lines.insert(0, countdown(at.now_ms, at_ms));
        }
        if let Some(why) = &self.away {
            lines.insert(0, format!("{AWAY}: {why}"));
        }
        lines
    }

    fn units(&self, at: Moment, area: Rect) -> Table<'_> {
        let board = &self.told.board;
        let columns = columns(area.width.saturating_sub(FRAME));
        // A frame and a heading.
        let room = usize::from(area.height.saturating_sub(FRAME + 1));
        let away = |unit: &str| self.told.peer(unit).is_some_and(|peer| !peer.connected);
        let mut units: Vec<_> = (0..).zip(&board.units).collect();
        if units.len() > room {
            // Those that are cut off come first, so that they are not what is not shown.
            units.sort_by_key(|(_, unit)| !away(&unit.unit));
        }
        let rows = units.into_iter().take(room).map(|(place, unit)| {
            let (tally, away) = (at.tally(board, place), away(&unit.unit));
            let cell = |name: &str| match name {
                "unit" => unit.unit.clone(),
                "part" => part_word(unit.part()).to_owned(),
                "ready" => unit.ready.as_ref().map_or_else(|| "no".into(), record_id),
                "reached" if away => "NO".to_owned(),
                "reached" if unit.unit == self.told.own => "here".to_owned(),
                "reached" => self.told.peer(&unit.unit).map_or("-", |_| "yes").to_owned(),
                "done" => tally.done.to_string(),
                "refused" => tally.refused.to_string(),
                "open" => tally.open.to_string(),
                _ => tally.overdue.to_string(),
            };
            let red = away || tally.overdue > 0;
            Row::new(columns.iter().map(|(name, ..)| cell(name)).collect::<Vec<_>>()).style(if red {
                Style::new().fg(Color::Red)
            } else {
                Style::new()
            })
        });
        let title = match board.units.len() {
            all if all > room => format!(" units {room} of {all}, those cut off first "),
            _ => " units ".to_owned(),
        };
        let names = columns.iter().map(|(name, ..)| *name);
        let heading = Row::new(names).style(Style::new().add_modifier(Modifier::BOLD));
        let widths = columns.iter().map(|(_, width, _)| Constraint::Length(*width));
        Table::new(rows, widths).header(heading).block(Block::bordered().title(title))
    }

    fn targets(&self, at: Moment, area: Rect) -> Table<'_> {
        let board = &self.told.board;
        let room = usize::from(area.height.saturating_sub(FRAME));
        let rows = board.targets.iter().skip(self.from).take(room).map(|target| {
            let outcome = at.of(board, target);
            let state = if board.go.is_some() { outcome.word() } else { "" };
            let late = target.covered && target.against.iter().any(|against| !against.in_go)
                || self.told.holds_of(&target.target).any(|hold| hold.late);
            let name = if target.target.is_empty() { "(not known)".to_owned() } else { plain(&target.target) };
            let late_word = if late { "LATE" } else { "" };
            Row::new([late_word.to_owned(), state.to_owned(), name, reported(&self.told, target)])
                .style(colour(outcome, late))
        });
        let all = board.targets.len();
        let (first, last) = (self.from.saturating_add(1).min(all), self.from.saturating_add(room).min(all));
        let title = format!(" targets {first}-{last} of {all}; arrows scroll ");
        let widths = [Constraint::Length(4), Constraint::Length(8), Constraint::Fill(2), Constraint::Fill(1)];
        Table::new(rows, widths).block(Block::bordered().title(title))
    }
}

/// The columns for which there is room, in their order.
fn columns(width: u16) -> Vec<(&'static str, u16, u8)> {
    let mut by_need = COLUMNS;
    by_need.sort_by_key(|(.., need)| *need);
    let mut left = width;
    let fits = by_need.into_iter().take_while(|(_, wide, _)| {
        let fits = left >= *wide;
        left = left.saturating_sub(wide.saturating_add(1));
        fits
    });
    let needs: Vec<u8> = fits.map(|(.., need)| need).collect();
    COLUMNS.into_iter().filter(|(.., need)| needs.contains(need)).collect()
}

/// So many rows of the head at the most, each with its style. The last tells what is not shown.
fn shown(head: &[String], width: u16, most: usize) -> Vec<Line<'static>> {
    let rows = head.iter().flat_map(|line| wrapped(line, width).into_iter().map(|row| Line::styled(row, loud(line))));
    let mut rows: Vec<Line<'static>> = rows.collect();
    if rows.len() > most {
        rows.truncate(most);
        if let Some(last) = rows.last_mut().filter(|_| most > 3) {
            *last = Line::styled("... entente operation show tells all", Style::new().fg(Color::Red));
        }
    }
    rows
}

/// A line in as many as its width wants, broken between words where that is possible.
fn wrapped(line: &str, width: u16) -> Vec<String> {
    let width = usize::from(width.max(1));
    let mut lines = vec![String::new()];
    for word in line.split_inclusive(' ') {
        let mut last = lines.pop().unwrap_or_default();
        if !last.is_empty() && wide(&last) + wide(word.trim_end()) > width {
            lines.push(std::mem::take(&mut last));
        }
        for c in word.chars() {
            if wide(&last) + wide(c.encode_utf8(&mut [0; 4])) > width {
                lines.push(std::mem::take(&mut last));
                if c == ' ' {
                    continue;
                }
            }
            last.push(c);
        }
        lines.push(last);
    }
    lines
}

fn wide(text: &str) -> usize {
    Line::raw(text).width()
}

/// What must not be overlooked is red.
fn loud(line: &str) -> Style {
    let words = ["CALLED OFF", "CLOSED", "CANNOT BE REACHED", "CLOCKS DIFFER", "LATE", "NOT YET CERTIFIED"];
    if words.iter().any(|word| line.contains(word)) { Style::new().fg(Color::Red) } else { Style::new() }
}

const fn colour(outcome: Outcome, late: bool) -> Style {
    if late {
        return Style::new().fg(Color::Red);
    }
    match outcome {
        Outcome::Done => Style::new().fg(Color::Green),
        Outcome::Refused => Style::new().fg(Color::Yellow),
        Outcome::Overdue => Style::new().fg(Color::Red),
        Outcome::LeftOut => Style::new().fg(Color::DarkGray),
        Outcome::Open => Style::new(),
    }
}
