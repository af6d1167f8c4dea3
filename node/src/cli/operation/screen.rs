//! `entente operation watch` on a terminal: a board that is drawn anew as things change.

mod draw;
#[cfg(test)]
mod tests;

use std::time::Duration;

use entente_proto::wire::RecordRef;
use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyModifiers};
use tokio::time::Instant;

use super::super::client::Node;
use super::super::error::CliError;
use super::board::{Follow, Seen, Told};
use super::facts::{Facts, facts};
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
        terminal.draw(|frame| screen.draw(frame, SystemClock.now_ms())).map_err(fault)?;
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
}
