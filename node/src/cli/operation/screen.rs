//! `entente operation watch` on a terminal: a board that is drawn anew as things change.

use std::time::Duration;

use entente_proto::wire::RecordRef;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyModifiers};
use ratatui::layout::{Constraint, Layout};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::Line;
use ratatui::widgets::{Block, Paragraph, Row, Table};
use ratatui::{DefaultTerminal, Frame};
use tokio::time::Instant;

use super::super::client::Node;
use super::super::error::CliError;
use super::super::words::{plain, record_id};
use super::board::{Follow, Seen, Told};
use super::facts::{Facts, countdown, facts};
use super::outcome::{Moment, Outcome};
use super::show::{head, name, part_word};
use super::watch::{AWAY, moment_of};
use crate::clock::{Clock, SystemClock};

/// How often the time is drawn.
const DRAW_EVERY: Duration = Duration::from_millis(100);
/// How many of the newest lines are kept.
const LINES_MAX: usize = 200;

/// What is drawn.
struct Screen {
    told: Told,
    within_ms: u64,
    before: Facts,
    news: Vec<String>,
    /// The first target that is shown.
    from: usize,
    /// Why the own node cannot be asked, while it cannot.
    away: Option<String>,
}

/// Draws until a person ends it, or the time is up: what is over stays to be read.
pub(super) async fn run(node: &Node, id: &RecordRef, within_ms: u64, end: Option<Instant>) -> Result<(), CliError> {
    // Before the terminal changes: what is refused is told in the ordinary way.
    let (mut follow, told) = Follow::begin(node, id).await?;
    let mut screen = Screen { told, within_ms, before: Facts::new(), news: Vec::new(), from: 0, away: None };
    screen.take_in();
    let terminal = ratatui::try_init().map_err(|error| CliError::Refused(format!("cannot draw here: {error}")))?;
    let drawn = draw(&mut follow, &mut screen, terminal, end).await;
    ratatui::restore();
    drawn
}

async fn draw(
    follow: &mut Follow<'_>,
    screen: &mut Screen,
    mut terminal: DefaultTerminal,
    end: Option<Instant>,
) -> Result<(), CliError> {
    let fault = |error: std::io::Error| CliError::Refused(format!("cannot draw here: {error}"));
    loop {
        terminal.draw(|frame| screen.draw(frame)).map_err(fault)?;
        while event::poll(Duration::ZERO).map_err(fault)? {
            if let Event::Key(key) = event::read().map_err(fault)? {
                match key.code {
                    KeyCode::Char('q') | KeyCode::Esc => return Ok(()),
                    KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => return Ok(()),
                    KeyCode::Down => screen.scroll(1),
                    KeyCode::Up => screen.scroll(-1),
                    KeyCode::PageDown => screen.scroll(20),
                    KeyCode::PageUp => screen.scroll(-20),
                    _ => {}
                }
            }
        }
        if end.is_some_and(|end| Instant::now() >= end) {
            return Ok(());
        }
        match follow.look(DRAW_EVERY).await {
            Seen::Same => {}
            Seen::News(told) => {
                (screen.told, screen.away) = (*told, None);
                screen.take_in();
            }
            Seen::Away(why) => screen.away = Some(why),
        }
    }
}

impl Screen {
    /// Adds what is new to the lines.
    fn take_in(&mut self) {
        let now = facts(&self.told);
        self.news.extend(now.iter().filter(|(key, _)| !self.before.contains_key(*key)).map(|(_, line)| line.clone()));
        let many = self.news.len().saturating_sub(LINES_MAX);
        self.news.drain(..many);
        self.before = now;
    }

    fn scroll(&mut self, by: isize) {
        let last = self.told.board.targets.len().saturating_sub(1);
        self.from = self.from.saturating_add_signed(by).min(last);
    }

    fn draw(&self, frame: &mut Frame<'_>) {
        let now_ms = SystemClock.now_ms();
        let at = Moment { now_ms, within_ms: self.within_ms };
        let mut lines = head(&self.told, at);
        if let Some(at_ms) = moment_of(&self.told) {
            lines.insert(0, countdown(now_ms, at_ms));
        }
        if let Some(why) = &self.away {
            lines.insert(0, format!("{AWAY}: {why}"));
        }
        let height = |lines: usize| u16::try_from(lines).unwrap_or(u16::MAX).saturating_add(2);
        let units = self.told.board.units.len();
        let [top, middle, below, news] = Layout::vertical([
            Constraint::Length(height(lines.len())),
            Constraint::Length(height(units).saturating_add(1)),
            Constraint::Min(4),
            Constraint::Length(10),
        ])
        .areas(frame.area());
        let lines: Vec<Line<'_>> = lines.iter().map(|line| Line::styled(line.as_str(), loud(line))).collect();
        frame.render_widget(Paragraph::new(lines).block(Block::bordered().title(" entente operation ")), top);
        frame.render_widget(self.units(at), middle);
        frame.render_widget(self.targets(at), below);
        let newest: Vec<Line<'_>> =
            self.news.iter().rev().take(8).map(|line| Line::styled(line.as_str(), loud(line))).collect();
        frame.render_widget(Paragraph::new(newest).block(Block::bordered().title(" newest first; q ends ")), news);
    }

    fn units(&self, at: Moment) -> Table<'_> {
        let rows = (0..).zip(&self.told.board.units).map(|(place, unit)| {
            let tally = at.tally(&self.told.board, place);
            let away = self.told.peer(&unit.unit).is_some_and(|peer| !peer.connected);
            let style = if away { Style::new().fg(Color::Red) } else { Style::new() };
            Row::new([
                unit.unit.clone(),
                part_word(unit.part()).to_owned(),
                unit.ready.as_ref().map_or_else(|| "not ready".into(), |id| format!("ready {}", record_id(id))),
                if away { "CANNOT BE REACHED".into() } else { String::new() },
                tally.done.to_string(),
                tally.refused.to_string(),
                tally.open.to_string(),
                tally.overdue.to_string(),
            ])
            .style(style)
        });
        let widths = [18, 10, 26, 18, 6, 8, 6, 8].map(Constraint::Length);
        let names = ["unit", "part", "ready", "reached", "done", "refused", "open", "overdue"];
        let heading = Row::new(names).style(Style::new().add_modifier(Modifier::BOLD));
        Table::new(rows, widths).header(heading).block(Block::bordered().title(" units "))
    }

    fn targets(&self, at: Moment) -> Table<'_> {
        let board = &self.told.board;
        let rows = board.targets.iter().skip(self.from).map(|target| {
            let outcome = at.of(board, target);
            let state = if board.go.is_some() { outcome.word() } else { "" };
            let reported: Vec<&str> =
                target.executed.iter().filter_map(|executed| name(&self.told, executed.unit)).collect();
            let late = target.covered && target.against.iter().any(|against| !against.in_go);
            Row::new([
                state.to_owned(),
                plain(&target.target),
                reported.join(" "),
                if late { "LATE".into() } else { String::new() },
            ])
            .style(colour(outcome, late))
        });
        let widths = [Constraint::Length(9), Constraint::Fill(2), Constraint::Fill(1), Constraint::Length(5)];
        Table::new(rows, widths).block(Block::bordered().title(" targets; arrows scroll "))
    }
}

/// What must not be overlooked is red.
fn loud(line: &str) -> Style {
    let words = ["CANNOT BE REACHED", "CLOCKS DIFFER", "LATE", "NOT YET CERTIFIED"];
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
