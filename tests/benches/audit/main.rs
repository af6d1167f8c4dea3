//! P4, audit: an export of N records is verified, beside the floor of the same task.
//!
//! Four units, whose logs hold a quarter of the records each, with checkpoints that all partners cosigned. What is measured
//! is `entente audit verify`, a process of its own from its start to its end: charter, manifest, signatures, every leaf,
//! payload, tile and root, cosignatures, the fold and the list digest.
//!
//! The floor (`floor.rs`) is a process, too: it reads every file once, and hashes each file (for the manifest), each leaf,
//! each payload commitment and each node once, on all cores, with nothing of ours around that. It hashes no rows: those are
//! 400 bytes a record more, which the list digest asks for. Both run in turn, round by round, and the files are in the
//! system's cache.
//!
//! ```text
//! cargo bench -p entente-tests --bench audit -- [--records N] [--rounds N] [--payload referrals|random] [--keep DIR] [--json FILE]
//! ```
//!
//! With `--keep` the export of the last case is left in that directory.

#![expect(clippy::print_stdout, clippy::indexing_slicing, reason = "a benchmark may end with a panic, and prints")]

mod export;
mod floor;
#[path = "../catchup/records.rs"]
mod records;
mod report;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use export::Export;
use records::Payload;
use report::{Case, Measured, Round};

type Fault = Box<dyn Error + Send + Sync>;

/// What the command line asks for.
struct Args {
    sizes: Vec<u64>,
    rounds: usize,
    payloads: Vec<Payload>,
    keep: Option<PathBuf>,
    json: Option<String>,
}

impl Args {
    fn parse(words: &[String]) -> Result<Self, Fault> {
        let mut args = Self {
            sizes: vec![10_000, 100_000, 1_000_000],
            rounds: 3,
            payloads: Payload::ALL.to_vec(),
            keep: None,
            json: None,
        };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or_else(|| format!("{word} needs a value"));
            match word.as_str() {
                // cargo says so to every benchmark.
                "--bench" => {}
                "--records" => args.sizes = vec![value()?.replace('_', "").parse()?],
                "--rounds" => args.rounds = value()?.parse()?,
                "--payload" => args.payloads = vec![value()?.parse()?],
                "--keep" => args.keep = Some(value()?.into()),
                "--json" => args.json = Some(value()?.clone()),
                other => return Err(format!("{other} is not known: see the head of benches/audit/main.rs").into()),
            }
        }
        if args.rounds == 0 || args.sizes.iter().any(|size| *size < 8) {
            return Err("at least one round of eight records is needed".into());
        }
        Ok(args)
    }
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let done = match words.split_first() {
        // The program itself, in a process of its own; what it cost is told behind what it prints.
        Some((verb, _)) if verb == "audit" => {
            let code = entente_node::cli::main();
            return if report::tell_cost().is_ok() { code } else { ExitCode::FAILURE };
        }
        Some((verb, rest)) if verb == floor::FLOOR => floor::run(rest).and_then(|()| report::tell_cost()),
        _ => Args::parse(&words).and_then(|args| run(&args)),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("audit: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<(), Fault> {
    let mut cases = Vec::new();
    for payload in &args.payloads {
        for size in &args.sizes {
            let scratch = tempfile::tempdir()?;
            let directory = args.keep.as_deref().unwrap_or(scratch.path()).join("export");
            if directory.exists() {
                std::fs::remove_dir_all(&directory)?;
            }
            let export = Export::write(&directory, *size, *payload)?;
            let mut case = Case { payload: *payload, records: *size, bytes: export.bytes, rounds: Vec::new() };
            for number in 1..=args.rounds {
                let floor = measure(*size, &[floor::FLOOR], &directory, |told| {
                    export.roots.iter().all(|root| told.contains(&root.to_string()))
                })?;
                let verify = measure(*size, &["audit", "verify", "--json"], &directory, |told| {
                    // Each log begins with what is no referral.
                    verified(told, size - export.roots.len() as u64)
                })?;
                let round = Round { verify, floor };
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

/// Whether everything was found to hold, and so many targets listed.
fn verified(told: &str, listed: u64) -> bool {
    let document = told.trim_end().rsplit_once('\n').and_then(|(document, _)| serde_json::from_str(document).ok());
    let document: serde_json::Value = document.unwrap_or_default();
    document["verified"] == true && document["list"]["listed"] == listed
}

/// Runs this program again with these words, and times it.
fn measure(records: u64, words: &[&str], directory: &Path, holds: impl Fn(&str) -> bool) -> Result<Measured, Fault> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(words).arg(directory).stdin(Stdio::null()).stderr(Stdio::inherit());
    let begun = Instant::now();
    let done = command.output()?;
    let seconds = begun.elapsed().as_secs_f64();
    let told = String::from_utf8(done.stdout)?;
    if !done.status.success() || !holds(&told) {
        return Err(format!("{words:?} ends with {}: {told}", done.status).into());
    }
    Ok(Measured { seconds, records, cost: report::cost_told(&told)? })
}
