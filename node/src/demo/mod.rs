//! `entente demo`: a whole network on this machine, played through the story of 2018.
//!
//! Real node processes with their own keys, certificates, journals and databases, driven through the command line alone:
//! whatever the demo does, a person can do. It ends by itself, and with exit code 0 only if every step ended as it should
//! and all nodes computed the same list.
#![allow(clippy::indexing_slicing, reason = "indexing a JSON value by a key that is not there gives null")]

mod action;
mod network;
mod share;
mod story;
mod stranger;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::cli::CliError;
use network::{Member, Network};

/// The units of the story: Belgium leads.
const UNITS: [(&str, &str); 8] = [
    ("BE", "Belgium, Federal Judicial Police"),
    ("BG", "Bulgaria"),
    ("CA", "Canada"),
    ("FR", "France"),
    ("NL", "Netherlands"),
    ("RO", "Romania"),
    ("UK", "United Kingdom, CTIRU"),
    ("US", "United States of America"),
];

/// How long any one thing may take before the demo gives up.
const PATIENCE: Duration = Duration::from_secs(20);
/// How often it looks.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Play a whole network on this machine through the story of 2018
///
/// Starts real nodes on loopback in a fresh temporary directory, founds a charter, and shows step by step how units share
/// referrals, holds, objections and withdrawals, also when a node is down or two cannot reach each other; then Belgium leads
/// a simultaneous action on 40 targets.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  entente demo\n  entente demo --import domains.txt --keep")]
pub struct Args {
    /// How many units, from 4 to 8
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u8).range(4..=8))]
    units: u8,
    /// Share the targets of this file out among the units first, and show the rate
    #[arg(long, value_name = "FILE")]
    import: Option<PathBuf>,
    /// Leave the network running at the end and print the commands to look around with
    #[arg(long)]
    keep: bool,
}

/// Plays.
///
/// # Errors
/// The step that did not end as it should.
pub fn run(args: &Args) -> Result<(), CliError> {
    if let Some(file) = &args.import {
        std::fs::metadata(file).map_err(|error| CliError::file(file, "read", &error))?;
    }
    let begun = Instant::now();
    let units = UNITS.get(..usize::from(args.units)).unwrap_or(&UNITS);
    let mut network = Network::found(units)?;
    let played = play(&mut network, args);
    let agreed = table(&network);
    let ended = played.and(agreed);
    match (&ended, args.keep) {
        (_, true) => network.keep(),
        (Ok(()), false) => {
            say(format_args!(
                "\nAll {} nodes computed the same list. {:.1} s.",
                units.len(),
                begun.elapsed().as_secs_f64()
            ));
        }
        (Err(_), false) => network.leave_files(),
    }
    ended
}

fn play(network: &mut Network, args: &Args) -> Result<(), CliError> {
    story::start(network)?;
    if let Some(file) = &args.import {
        share::import(network, file)?;
    }
    story::tell(network)?;
    action::play(network)
}

/// The last word: unit by unit, what each node holds and computes.
fn table(network: &Network) -> Result<(), CliError> {
    let mut table = crate::cli::output::table(["unit", "entries", "certified", "targets", "list digest"]);
    // What was said last may still be on its way to one of them.
    let settled = network::until("all nodes have certified all logs and computed the same list", || {
        let states = network.members().iter().map(Member::status).collect::<Result<Vec<_>, _>>()?;
        Ok(one_list(&states).then_some(()))
    });
    for member in network.members() {
        let status = member.status()?;
        let log = |key: &str| {
            let own = status["logs"].as_array().into_iter().flatten().find(|log| log["unit"] == *member.unit);
            own.and_then(|log| log[key].as_u64()).unwrap_or_default().to_string()
        };
        let targets =
            ["listed", "held", "disputed", "cleared"].map(|key| status["list"][key].as_u64().unwrap_or_default());
        let digest = status["list"]["digest"].as_str().unwrap_or("-").to_owned();
        table.add_row([
            member.unit.clone(),
            log("size"),
            log("certified"),
            targets.iter().sum::<u64>().to_string(),
            digest,
        ]);
    }
    say("");
    for line in table.lines() {
        say(line.trim_end());
    }
    settled
}

/// Whether all nodes computed one list from the whole of all logs.
fn one_list(states: &[Value]) -> bool {
    let whole = |status: &Value| {
        let logs = status["logs"].as_array().map(Vec::as_slice).unwrap_or_default();
        status["list"]["pending"] == 0 && logs.iter().all(|log| log["size"] == log["certified"])
    };
    let Some(first) = states.first() else { return false };
    let digest = &first["list"]["digest"];
    digest.as_str().is_some_and(|digest| digest.len() == 64)
        && states
            .iter()
            .all(|status| whole(status) && status["list"]["digest"] == *digest && status["logs"] == first["logs"])
}

/// A line for the reader. One who has closed stdout does not stop the play.
fn say(line: impl std::fmt::Display) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stdout(), "{line}");
}
