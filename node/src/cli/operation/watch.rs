//! `entente operation watch`: an operation as it goes on, and the time that is left.

use std::io::IsTerminal as _;
use std::time::Duration;

use serde::Serialize;
use tokio::time::Instant;

use super::super::Global;
use super::super::client::{Deadline, Node};
use super::super::error::CliError;
use super::super::output::Output;
use super::super::words::moment;
use super::board::{Follow, Seen, Told};
use super::facts::{Facts, countdown, facts};
use super::outcome::{Moment, WITHIN_MINUTES};
use super::screen;
use super::show::{being_called_off, over};
use super::steps::Of;
use crate::clock::{Clock, SystemClock};

/// How often the time that is left is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// When the time that is left is told, in seconds before the moment.
const MARKS: [u64; 17] = [86_400, 43_200, 21_600, 10_800, 3_600, 1_800, 600, 300, 60, 30, 10, 5, 4, 3, 2, 1, 0];

/// Follow an operation and count down to its moment, from this machine's clock
///
/// On a terminal it is a board (q ends it); elsewhere, or with --lines, a line for all that is new. Warns of units that
/// cannot be reached, of clocks that differ by more than a second, and of holds that come late. It goes on while the own node
/// is restarted. Lines end when the operation is closed or called off, which the last one says, or after
/// --timeout.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    of: Of,
    /// Print lines also on a terminal
    #[arg(long)]
    lines: bool,
    /// After how many minutes a target is overdue that nobody has reported
    #[arg(long, value_name = "MINUTES", default_value_t = WITHIN_MINUTES)]
    within: u64,
    #[command(flatten)]
    deadline: Deadline,
}

/// What is told while the own node cannot be asked.
pub(super) const AWAY: &str = "THIS UNIT'S OWN NODE CANNOT BE REACHED; what is told here may be old";

/// A line of `watch --json`.
#[derive(Serialize)]
struct LineJson<'a> {
    time: String,
    /// How long until the moment: negative before it; null where there is none.
    after_ms: Option<i64>,
    line: &'a str,
}

pub(super) async fn run(args: Args, global: &Global) -> Result<(), CliError> {
    let node = Node::connect(global, Deadline { timeout: None }).await?;
    let end = args.deadline.timeout.and_then(|seconds| Instant::now().checked_add(Duration::from_secs(seconds)));
    let within_ms = args.within.saturating_mul(60_000);
    if std::io::stdout().is_terminal() && !args.lines && !global.json {
        return screen::run(&node, &args.of.operation, within_ms, end).await;
    }
    let mut out = Output::new(global.json);
    let (mut before, mut left) = (Facts::new(), u64::MAX);
    let (mut follow, mut told) = Follow::begin(&node, &args.of.operation).await?;
    let (mut news, mut away) = (true, false);
    loop {
        let at_ms = moment_of(&told);
        if news {
            let now = facts(&told);
            for (_, line) in now.iter().filter(|(key, _)| !before.contains_key(*key)) {
                print(&mut out, line, at_ms)?;
            }
            before = now;
        }
        if let Some(over) = over(&told) {
            // The last line, whatever the clock says: nobody counts down to what will not be, or acts on what is over.
            print(&mut out, &over, at_ms)?;
            return out.flush();
        }
        if let Some(at_ms) = at_ms {
            let now_ms = SystemClock.now_ms();
            let next = at_ms.saturating_sub(now_ms).div_ceil(1_000);
            if let Some(mark) = passed(left, next) {
                let moment = Moment { now_ms, within_ms };
                let line = if mark == 0 { the_moment(&told, moment) } else { countdown(now_ms, at_ms) };
                print_at(&mut out, now_ms, &line, Some(at_ms))?;
            }
            left = next;
        }
        out.flush()?;
        if end.is_some_and(|end| Instant::now() >= end) {
            return Ok(());
        }
        news = false;
        match follow.look(LOOK_EVERY).await {
            Seen::Same => {}
            Seen::News(now) => {
                if away {
                    print(&mut out, "this unit's own node can be reached again", at_ms)?;
                }
                (told, news, away) = (*now, true, false);
            }
            Seen::Away(why) if !away => {
                print(&mut out, &format!("{AWAY}: {why}"), at_ms)?;
                away = true;
            }
            Seen::Away(_) => {}
        }
    }
}

/// The moment said, or else planned.
pub(super) fn moment_of(told: &Told) -> Option<u64> {
    let said = told.board.go.as_ref().map(|go| go.at_ms);
    said.or(Some(told.board.go_ms).filter(|planned| *planned != 0))
}

/// What is told at the moment itself.
fn the_moment(told: &Told, at: Moment) -> String {
    let binding = told.board.go.as_ref().is_some_and(|go| go.waits.is_empty());
    if !binding {
        return "the moment that was planned has come, and no go is certified: do not act".into();
    }
    if let Some(called_off) = being_called_off(told) {
        return called_off;
    }
    let total = at.total(&told.board);
    format!("NOW: act. {} targets are open, {} done", total.open + total.overdue, total.done)
}

/// The last mark between what was left at the last look and what is left now.
fn passed(before: u64, left: u64) -> Option<u64> {
    MARKS.into_iter().filter(|mark| left <= *mark && *mark < before).min()
}

fn print(out: &mut Output, line: &str, at_ms: Option<u64>) -> Result<(), CliError> {
    print_at(out, SystemClock.now_ms(), line, at_ms)
}

fn print_at(out: &mut Output, now_ms: u64, line: &str, at_ms: Option<u64>) -> Result<(), CliError> {
    if out.is_json() {
        let after = at_ms.map(|at_ms| i64::try_from(i128::from(now_ms) - i128::from(at_ms)).unwrap_or_default());
        return out.document(&LineJson { time: moment(now_ms), after_ms: after, line });
    }
    out.line(stamped(now_ms, line, at_ms))
}

/// A line with its time and the time that is left; a line that tells just that tells it once.
fn stamped(now_ms: u64, line: &str, at_ms: Option<u64>) -> String {
    let left = at_ms.map(|at_ms| countdown(now_ms, at_ms)).filter(|left| left != line);
    let parts = [Some(moment(now_ms)), left, Some(line.to_owned())];
    parts.into_iter().flatten().collect::<Vec<_>>().join("  ")
}

#[cfg(test)]
mod tests {
    use entente_proto::wire::operation_step::Step;
    use entente_proto::wire::record::Body;
    use entente_proto::wire::{Board, BoardGo, OperationAbort, OperationStep, Pending, Phase, Record, RecordRef};

    use super::super::board::Told;
    use super::super::outcome::Moment;
    use super::super::show::warnings;
    use super::{passed, stamped, the_moment};

    #[test]
    fn nobody_is_told_to_act_while_the_lead_calls_it_off() {
        let id = |unit: &str| Some(RecordRef { unit: unit.into(), index: 1 });
        let board = Board {
            id: id("BE"),
            phase: Phase::Gone.into(),
            go: Some(BoardGo { at_ms: 1_000, ..BoardGo::default() }),
            ..Board::default()
        };
        let step = OperationStep { operation: id("BE"), step: Some(Step::Abort(OperationAbort::default())) };
        let record = Record { body: Some(Body::OperationStep(step)), ..Record::default() };
        let abort = |unit: &str| Pending { id: id(unit), record: Some(record.clone()), ..Pending::default() };
        let mut told = Told { board, ..Told::default() };
        let at = Moment { now_ms: 1_000, within_ms: 1_000 };
        // What another unit says has no effect, however it is meant.
        told.pending = vec![abort("FR")];
        assert!(the_moment(&told, at).starts_with("NOW: act."));
        told.pending.push(abort("BE"));
        let words = "CALLED OFF by BE, NOT YET CERTIFIED: do not act before you have asked BE";
        assert_eq!(the_moment(&told, at), words);
        assert_eq!(warnings(&told), [words]);
    }

    #[test]
    fn the_time_that_is_left_is_told_once_a_line() {
        let now_ms = 1_524_650_390_000;
        let line = |line: &str, at_ms| stamped(now_ms, line, at_ms);
        assert_eq!(line("T-00:00:10", Some(now_ms + 10_000)), "2018-04-25T09:59:50Z  T-00:00:10");
        assert_eq!(line("FR joined", Some(now_ms + 10_000)), "2018-04-25T09:59:50Z  T-00:00:10  FR joined");
        assert_eq!(line("FR joined", None), "2018-04-25T09:59:50Z  FR joined");
    }

    #[test]
    fn each_mark_is_told_once_and_the_last_of_several() {
        assert_eq!(passed(u64::MAX, 90_000), None);
        assert_eq!(passed(u64::MAX, 7_200), Some(10_800));
        assert_eq!(passed(7_200, 7_200), None);
        assert_eq!(passed(62, 60), Some(60));
        assert_eq!(passed(60, 60), None);
        assert_eq!(passed(60, 4), Some(4));
        assert_eq!((passed(1, 0), passed(0, 0)), (Some(0), None));
    }
}
