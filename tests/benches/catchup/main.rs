//! P1, catch-up: an empty node takes a log from one partner, beside the floor of the same task.
//!
//! Four units; the nodes of two run, as processes of their own, over the real listeners with mutual TLS. BE holds a log
//! that the two absent units have cosigned (2 of 3 certify); FR is empty. The clock begins when FR's stream to BE stands
//! and ends when FR's `status` shows the whole log stored and certified and every target on the list. After that it must
//! show BE's list digest.
//!
//! The floor (`floor.rs`) is what hardware and agreed protocol cost with nothing of ours around them. It is measured in
//! turn with the node, round by round, with as many syncs as the node made in the round before it.
//!
//! ```text
//! cargo bench -p entente-tests --bench catchup -- [--records N] [--rounds N] [--payload referrals|random] [--json FILE]
//! ```

#![expect(clippy::indexing_slicing, reason = "a benchmark may end with a panic")]

mod floor;
mod network;
mod process;
mod records;
mod report;

use std::error::Error;
use std::process::ExitCode;

use network::Network;
use records::Payload;
use report::{Case, Round};

type Fault = Box<dyn Error + Send + Sync>;

/// What the command line asks for.
struct Args {
    sizes: Vec<u64>,
    rounds: usize,
    payloads: Vec<Payload>,
    json: Option<String>,
}

impl Args {
    fn parse(words: &[String]) -> Result<Self, Fault> {
        let mut args =
            Self { sizes: vec![10_000, 100_000, 1_000_000], rounds: 3, payloads: Payload::ALL.to_vec(), json: None };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or_else(|| format!("{word} needs a value"));
            match word.as_str() {
                // cargo says so to every benchmark.
                "--bench" => {}
                "--records" => args.sizes = vec![value()?.replace('_', "").parse()?],
                "--rounds" => args.rounds = value()?.parse()?,
                "--payload" => args.payloads = vec![value()?.parse()?],
                "--json" => args.json = Some(value()?.clone()),
                other => return Err(format!("{other} is not known: see the head of benches/catchup/main.rs").into()),
            }
        }
        if args.rounds == 0 || args.sizes.iter().any(|size| *size < 2) {
            return Err("at least one round of two records is needed".into());
        }
        Ok(args)
    }
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let done = match words.split_first() {
        Some((verb, rest)) if verb == floor::SEND => floor::send(rest),
        Some((verb, rest)) if verb == floor::RECEIVE => floor::receive(rest),
        _ => Args::parse(&words).and_then(|args| run(&args)),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("catchup: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<(), Fault> {
    let mut cases = Vec::new();
    for payload in &args.payloads {
        for size in &args.sizes {
            let network = Network::found(*size, *payload)?;
            let mut case = Case { payload: *payload, records: *size, rounds: Vec::new() };
            for number in 1..=args.rounds {
                let node = network.catch_up()?;
                let floor = floor::measure(&network, node.syncs)?;
                let round = Round { node, floor };
                eprintln!("{} {size} round {number}: {round}", payload.word());
                case.rounds.push(round);
            }
            cases.push(case);
        }
    }
    report::print(&cases);
    if let Some(path) = &args.json {
        std::fs::write(path, report::json(&cases).to_string())?;
    }
    Ok(())
}
