//! `entente operation executed`: what the unit did to which target.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};

use entente_proto::wire::operation_step::Step;
use entente_proto::wire::record::Body;
use entente_proto::wire::{ExecutedResult, OperationExecuted, OperationStep, RecordRef};

use super::super::Global;
use super::super::answers::{Entering, enter};
use super::super::client::Node;
use super::super::error::CliError;
use super::super::inputs::{Input, open};
use super::super::words::{Word, parse_moment, parser, record_id};
use super::board::Told;
use super::steps::Of;
use super::targets::OnBoard;
use crate::import::fields::Fields;
use crate::import::{Fault, Item};

/// Report what this unit did, target by target
///
/// In a file, each line is a target or the id of its referral, and behind it what differs from the options: the result, the
/// time, and a remark. A line that begins with # is left out.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  entente operation executed BE/40 bad.example --text \"registrar suspended it\"\n  \
                        entente operation executed BE/40 --from done.txt, whose lines are such as\n    \
                        bad.example done 2018-04-25T10:00:07Z server seized\n    FR/12 failed"
)]
pub(super) struct Args {
    #[command(flatten)]
    of: Of,
    /// Targets as one types them, or ids of their referrals
    #[arg(value_name = "TARGET-OR-ID", required_unless_present = "from")]
    targets: Vec<String>,
    /// How it ended
    #[arg(long, value_parser = parser::<ExecutedResult>(), default_value = "done")]
    result: ExecutedResult,
    /// When, such as 2018-04-25T10:00:07Z [default: now]
    #[arg(long, value_name = "TIME", value_parser = parse_moment)]
    at: Option<u64>,
    /// A remark; every unit reads it
    #[arg(long)]
    text: Option<String>,
    #[command(flatten)]
    entering: Entering,
}

/// What was done to a target.
#[derive(Debug, Clone, PartialEq)]
struct Deed {
    name: String,
    result: ExecutedResult,
    at_ms: u64,
    text: String,
}

pub(super) async fn run(args: Args, global: &Global) -> Result<(), CliError> {
    let usual = Deed {
        name: String::new(),
        result: args.result,
        at_ms: args.at.unwrap_or_default(),
        text: args.text.unwrap_or_default(),
    };
    let mut deeds: Vec<Deed> = args.targets.into_iter().map(|name| Deed { name, ..usual.clone() }).collect();
    if let Some(from) = &args.entering.from {
        for line in BufReader::new(open(from)?).lines() {
            let line = line.map_err(|error| CliError::Refused(format!("{from}: {error}")))?;
            deeds.extend(parse(&line, &usual).map_err(CliError::Refused)?);
        }
    }
    let node = Node::connect(global, args.entering.deadline).await?;
    let told = Told::ask(&node, &args.of.operation).await?;
    // In the order in which they were given; of a target that is named twice the last word counts.
    let (mut order, mut bodies) = (Vec::new(), BTreeMap::new());
    let board = OnBoard::of(&told);
    for deed in deeds {
        // What cannot be meant is told, and keeps nothing else back: a report is late soon enough.
        let ids = match board.named(&deed.name) {
            Ok(ids) => ids,
            Err(why) => {
                order.push(Input { content: Err(Fault::new("not-a-target", why)), name: deed.name });
                continue;
            }
        };
        for id in ids {
            let name = record_id(&id);
            if bodies.insert(name.clone(), body(&args.of.operation, id, &deed)).is_none() {
                order.push(Input { content: Ok(Item::new(name.clone(), Fields::default())), name });
            }
        }
    }
    let state = |item: Item| {
        let body = bodies.get(&item.target).cloned();
        body.ok_or_else(|| Fault::new("not-a-target", "it is not a target of this operation"))
    };
    enter(node, order.into_iter().map(Ok), state, &args.entering, global).await
}

fn body(of: &RecordRef, target: RecordRef, deed: &Deed) -> Body {
    let executed = OperationExecuted {
        target: Some(target),
        at_ms: deed.at_ms,
        result: deed.result.into(),
        text: deed.text.clone(),
    };
    Body::OperationStep(OperationStep { operation: Some(of.clone()), step: Some(Step::Executed(executed)) })
}

/// Reads a line; nothing of an empty one or a remark.
fn parse(line: &str, usual: &Deed) -> Result<Option<Deed>, String> {
    let mut rest = line.trim();
    if rest.is_empty() || rest.starts_with('#') {
        return Ok(None);
    }
    let mut word = || {
        let (first, behind) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        rest = behind.trim_start();
        first
    };
    let mut deed = Deed { name: word().to_owned(), ..usual.clone() };
    let mut next = word();
    if let Ok(result) = ExecutedResult::from_word(next) {
        deed.result = result;
        next = word();
    }
    if let Ok(at_ms) = parse_moment(next) {
        deed.at_ms = at_ms;
        next = word();
    }
    if !next.is_empty() {
        deed.text = [next, rest].join(" ").trim_end().to_owned();
    }
    Ok(Some(deed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_what_differs_from_the_options() {
        let usual = Deed { name: String::new(), result: ExecutedResult::Done, at_ms: 5, text: "usual".into() };
        let read = |line: &str| parse(line, &usual).unwrap();
        assert_eq!(read("  "), None);
        assert_eq!(read("# bad.example"), None);
        let deed =
            |result, at_ms, text: &str| Some(Deed { name: "bad.example".into(), result, at_ms, text: text.into() });
        assert_eq!(read("bad.example"), deed(ExecutedResult::Done, 5, "usual"));
        assert_eq!(read("bad.example\tfailed"), deed(ExecutedResult::Failed, 5, "usual"));
        assert_eq!(
            read("bad.example done 2018-04-25T10:00:07Z  server  seized "),
            deed(ExecutedResult::Done, 1_524_650_407_000, "server seized")
        );
        assert_eq!(read("bad.example it is gone"), deed(ExecutedResult::Done, 5, "it is gone"));
    }
}
