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
/// time, and, behind a result, a remark. A line that begins with # is left out. A line that cannot be meant is refused and
/// keeps no other back.
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
    let mut deeds: Vec<(String, Result<Deed, String>)> =
        args.targets.into_iter().map(|name| (name.clone(), Ok(Deed { name, ..usual.clone() }))).collect();
    if let Some(from) = &args.entering.from {
        for (number, line) in (1..).zip(BufReader::new(open(from)?).lines()) {
            let line = line.map_err(|error| CliError::Refused(format!("{from}: line {number}: {error}")))?;
            let name = line.split_whitespace().next().unwrap_or_default();
            let place = format!("line {number} ({name})");
            deeds.extend(parse(&line, &usual).transpose().map(|deed| (place, deed)));
        }
    }
    let node = Node::connect(global, args.entering.deadline).await?;
    let told = Told::ask(&node, &args.of.operation).await?;
    let (order, said) = sorted(deeds, &OnBoard::of(&told));
    let state = |item: Item| {
        let said = said.get(&item.target).map(Vec::as_slice).unwrap_or_default();
        body(&args.of.operation, said)
    };
    enter(node, order.into_iter().map(Ok), state, &args.entering, global).await
}

/// What was said of a referral, and where.
struct Said {
    place: String,
    on: RecordRef,
    deed: Deed,
}

/// The referrals in the order in which they were first named, each once, and what was said of each. What cannot be meant
/// is told at its place, and keeps nothing else back: a report is late soon enough.
fn sorted(
    deeds: Vec<(String, Result<Deed, String>)>,
    board: &OnBoard<'_>,
) -> (Vec<Input>, BTreeMap<String, Vec<Said>>) {
    let (mut order, mut said) = (Vec::new(), BTreeMap::<String, Vec<Said>>::new());
    for (place, deed) in deeds {
        let deed = deed.map_err(|why| Fault::new("unreadable", why));
        let ids = deed.and_then(|deed| match board.named(&deed.name) {
            Ok(ids) => Ok((ids, deed)),
            Err(why) => Err(Fault::new("not-a-target", why)),
        });
        let (ids, deed) = match ids {
            Ok(found) => found,
            Err(fault) => {
                order.push(Input { name: place, content: Err(fault) });
                continue;
            }
        };
        for on in ids {
            let name = record_id(&on);
            let words = said.entry(name.clone()).or_default();
            if words.is_empty() {
                order.push(Input { content: Ok(Item::new(name.clone(), Fields::default())), name });
            }
            words.push(Said { place: place.clone(), on, deed: deed.clone() });
        }
    }
    (order, said)
}

/// What is said of a referral. Who says two things of it has to say which is meant.
fn body(of: &RecordRef, said: &[Said]) -> Result<Body, Fault> {
    let first = said.first().ok_or_else(|| Fault::new("not-a-target", "it is not a target of this operation"))?;
    let same = |other: &&Said| Deed { name: first.deed.name.clone(), ..other.deed.clone() } == first.deed;
    if let Some(other) = said.iter().find(|word| !same(word)) {
        let why = format!("{} and {} say different things of it: leave one of them away", first.place, other.place);
        return Err(Fault::new("contradiction", why));
    }
    let Said { on, deed, .. } = first;
    let executed = OperationExecuted {
        target: Some(on.clone()),
        at_ms: deed.at_ms,
        result: deed.result.into(),
        text: deed.text.clone(),
    };
    Ok(Body::OperationStep(OperationStep { operation: Some(of.clone()), step: Some(Step::Executed(executed)) }))
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
    let result = ExecutedResult::from_word(next);
    if let Ok(result) = result {
        deed.result = result;
        next = word();
    }
    match parse_moment(next) {
        Ok(at_ms) => {
            deed.at_ms = at_ms;
            next = word();
        }
        Err(error) if like_a_time(next) => return Err(error.to_string()),
        Err(_) => {}
    }
    if next.is_empty() {
        return Ok(Some(deed));
    }
    // Else a slip of the pen would be the remark of something that is done.
    result.map_err(|error| format!("{error}, nor is it a time; a remark needs a result before it"))?;
    deed.text = [next, rest].join(" ").trim_end().to_owned();
    Ok(Some(deed))
}

/// Whether a word can only have been meant as a time or a day: of figures and their signs, such as `10:00` or
/// `2018-04-25T99:00:00Z`.
fn like_a_time(word: &str) -> bool {
    let figures = |c: char| c.is_ascii_digit() || "-:.+/TtZz".contains(c);
    let day = word.matches('.').count() == 2 || word.contains(['-', ':', '/']);
    word.starts_with(|c: char| c.is_ascii_digit()) && word.chars().all(figures) && day
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
        assert_eq!(read("bad.example failed it is back"), deed(ExecutedResult::Failed, 5, "it is back"));
        assert_eq!(read("bad.example done 10.0.0.1 seized"), deed(ExecutedResult::Done, 5, "10.0.0.1 seized"));
        assert_eq!(read("bad.example done 2 servers"), deed(ExecutedResult::Done, 5, "2 servers"));
    }

    #[test]
    fn a_slip_of_the_pen_is_never_a_remark_of_what_is_done() {
        let usual = Deed { name: String::new(), result: ExecutedResult::Done, at_ms: 5, text: String::new() };
        let refused = |line: &str| parse(line, &usual).unwrap_err();
        for line in ["bad.example faild", "BE/15 finished", "bad.example 2018-04-25T10:00:07Z faild"] {
            let why = refused(line);
            assert!(why.contains("done, failed, skipped") && why.contains("needs a result before it"), "{why}");
        }
        for time in ["2026-11-26T99:00:00Z", "2026-11-26T10:00", "10:00", "26.11.2026", "26/11/2026"] {
            for line in [format!("FR/5 done {time}"), format!("FR/5 {time}")] {
                assert!(refused(&line).contains("time"), "{line}");
            }
        }
    }
}
