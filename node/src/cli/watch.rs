//! `entente watch`: changes of the list as they come.

use std::collections::BTreeMap;
use std::fmt;

use entente_proto::ids::UnitId;
use entente_proto::wire::{Change, LogPosition, WatchRequest};
use tokio::time::{Instant, timeout_at};
use tonic::Code;

use super::Global;
use super::client::{Deadline, Node};
use super::error::CliError;
use super::json::ChangeJson;
use super::output::{Output, say};
use super::summary::{advice, summary};
use super::words::{moment, plain, record_id};

/// Print changes of the list as they come
///
/// Ends when the node goes away (exit 3), when whoever reads stops reading, or, with --timeout, after that time. It tells
/// its position then, on stderr, and with --json beside each change: --from goes on from there, on any node of the unit.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  entente watch --pending --json | jq -c '[.target, .status]'\n  \
                        entente watch --from BE:18,FR:3")]
pub(crate) struct Args {
    /// Print statements as they arrive, too, before they are certified
    #[arg(long)]
    pending: bool,
    /// Begin with what was certified since this position, such as BE:18,FR:3, as an earlier watch told it; 0 for everything
    #[arg(long, value_name = "POSITION", value_parser = Position::parse)]
    from: Option<Position>,
    #[command(flatten)]
    deadline: Deadline,
}

/// How far each log was told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Position(BTreeMap<String, u64>);

impl Position {
    fn parse(text: &str) -> Result<Self, String> {
        if text == "0" {
            return Ok(Self::default());
        }
        let log = |part: &str| {
            let (unit, size) = part.trim().split_once(':')?;
            let unit: UnitId = unit.parse().ok()?;
            Some((unit.to_string(), size.parse().ok()?))
        };
        let logs: Option<BTreeMap<_, _>> = text.split(',').map(log).collect();
        logs.map(Self)
            .ok_or_else(|| format!("{text:?} is not a position: write it as BE:18,FR:3, or 0 for the beginning"))
    }

    /// As asked for; the beginning is said by one log that was not told.
    fn logs(self, own: &UnitId) -> Vec<LogPosition> {
        if self.0.is_empty() {
            return vec![LogPosition { unit: own.to_string(), size: 0 }];
        }
        self.0.into_iter().map(|(unit, size)| LogPosition { unit, size }).collect()
    }

    fn told(&mut self, change: &Change) {
        self.0.extend(change.position.iter().map(|log| (log.unit.clone(), log.size)));
        if let Some(id) = change.id.as_ref().filter(|_| change.certified) {
            self.0.insert(id.unit.clone(), id.index.saturating_add(1));
        }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let logs: Vec<String> = self.0.iter().map(|(unit, size)| format!("{unit}:{size}")).collect();
        f.write_str(if logs.is_empty() { "0" } else { "" })?;
        f.write_str(&logs.join(","))
    }
}

pub(crate) async fn run(args: Args, global: &Global) -> Result<(), CliError> {
    let node = Node::connect(global, args.deadline).await?;
    let end =
        args.deadline.timeout.and_then(|seconds| Instant::now().checked_add(std::time::Duration::from_secs(seconds)));
    let mut at = args.from.clone().unwrap_or_default();
    let from = args.from.map(|from| from.logs(node.unit())).unwrap_or_default();
    let request = WatchRequest { pending: args.pending, from };
    let mut changes = node.client().watch(request).await?.into_inner();
    let mut out = Output::new(global.json);
    loop {
        let next = match end {
            None => changes.message().await,
            Some(end) => match timeout_at(end, changes.message()).await {
                Ok(next) => next,
                Err(_) => {
                    say(format_args!("entente: at position {at}: --from goes on from there"));
                    return Ok(());
                }
            },
        };
        let Ok(Some(change)) = next else {
            return Err(match next {
                // What the node refuses, it says; what else ends a stream is that the node went away.
                Err(status) if matches!(status.code(), Code::InvalidArgument | Code::DataLoss) => status.into(),
                _ => CliError::Unreachable(format!(
                    "the node ended the watch: it stops, or is restarted; call again with --from {at}"
                )),
            });
        };
        at.told(&change);
        if change.position.is_empty() {
            print(&change, &at, &mut out)?;
            out.flush()?;
        }
    }
}

fn print(change: &Change, at: &Position, out: &mut Output) -> Result<(), CliError> {
    if out.is_json() {
        return out.document(&ChangeJson::of(change, at.to_string()));
    }
    let id = change.id.as_ref().map(record_id).unwrap_or_default();
    let certified = if change.certified { "certified" } else { "pending" };
    out.line(format_args!(
        "{}  {}  {certified}  {}",
        moment(change.time_ms),
        plain(&id),
        summary(change.record.as_ref())
    ))?;
    if change.target.is_empty() {
        return Ok(());
    }
    out.line(format_args!("    {}  {}", plain(&change.target), advice(change.status)))
}

#[cfg(test)]
mod tests {
    use entente_proto::wire::RecordRef;

    use super::*;

    #[test]
    fn a_position_is_read_as_it_is_written_and_goes_on_with_what_is_certified() {
        let mut at = Position::parse("FR:3,BE:18").unwrap();
        assert_eq!(at.to_string(), "BE:18,FR:3");
        let change = |unit: &str, index, certified| Change {
            id: Some(RecordRef { unit: unit.into(), index }),
            certified,
            ..Change::default()
        };
        at.told(&change("FR", 7, false));
        at.told(&change("NL", 0, true));
        assert_eq!(at.to_string(), "BE:18,FR:3,NL:1");
        assert_eq!(
            (Position::parse("0").unwrap().to_string(), Position::default().to_string()),
            ("0".into(), "0".into())
        );
        for text in ["", "BE", "BE:x", "be:1", "BE:1,"] {
            assert!(Position::parse(text).is_err(), "{text}");
        }
    }
}
