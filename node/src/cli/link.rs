//! `entente link`: two targets belong together.

use entente_proto::wire::record::Body;
use entente_proto::wire::{Link, Relation};

use super::Global;
use super::answers::{Entering, enter};
use super::client::Node;
use super::error::CliError;
use super::inputs::inputs;
use super::words::parser;
use crate::import::{Fault, Format};

/// Say that two targets belong together
///
/// The second is the mirror or the successor of the first, or one operator runs both. `entente show` tells the whole
/// family of a target.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  entente link bad.example worse.example --as-a successor\n  \
                        entente link --from mirrors.txt --as-a mirror   (two targets a line, with a space between)")]
pub(crate) struct Args {
    /// The first target, and the second
    #[arg(value_name = "TARGET", num_args = 2, required_unless_present = "from", conflicts_with = "from")]
    targets: Vec<String>,
    /// What the second is to the first
    #[arg(long = "as-a", value_name = "RELATION", value_parser = parser::<Relation>())]
    relation: Relation,
    #[command(flatten)]
    entering: Entering,
}

pub(crate) async fn run(args: Args, global: &Global) -> Result<(), CliError> {
    // No target has a space in it.
    let pair = if args.targets.is_empty() { Vec::new() } else { vec![args.targets.join(" ")] };
    let inputs = inputs(pair, args.entering.from.as_deref(), Some(Format::Lines))?;
    let node = Node::connect(global, args.entering.deadline).await?;
    let relation = args.relation as i32;
    enter(node, inputs, |item| link(&item.target, relation), &args.entering, global).await
}

fn link(text: &str, relation: i32) -> Result<Body, Fault> {
    let words: Vec<&str> = text.split([' ', '\t', ',', ';']).filter(|word| !word.is_empty()).collect();
    match words.as_slice() {
        [first, second] => Ok(Body::Link(Link { first: (*first).to_owned(), second: (*second).to_owned(), relation })),
        _ => Err(Fault::new("link", format!("it names {} targets: two are linked", words.len()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_names_two_targets() {
        let linked = |text| match link(text, 1) {
            Ok(Body::Link(link)) => Some((link.first, link.second)),
            _ => None,
        };
        for text in ["a.example b.example", "a.example,b.example", "a.example\t b.example"] {
            assert_eq!(linked(text), Some(("a.example".into(), "b.example".into())), "{text}");
        }
        assert_eq!((linked("a.example"), linked("a b c")), (None, None));
    }
}
