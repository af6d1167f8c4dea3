//! The table, and the figures as JSON.

use std::fmt;

use serde_json::{Value, json};

use super::Fault;
use super::records::Payload;

/// The kernel's unit of CPU time, a second's share: 100 wherever Linux runs.
const TICKS: f64 = 100.0;

/// What a process took.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cost {
    /// CPU time of all its threads, seconds.
    pub(crate) cpu_s: f64,
    /// The most memory it had, bytes.
    pub(crate) peak_bytes: u64,
}

/// Tells on stdout what this process took so far, in a line of its own.
pub(crate) fn tell_cost() -> Result<(), Fault> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    // The second field is a name in parentheses and may hold anything.
    let (_, fields) = stat.rsplit_once(')').ok_or("/proc/self/stat has another form")?;
    let ticks = |at: usize| fields.split_whitespace().nth(at).and_then(|field| field.parse::<f64>().ok());
    let (Some(user), Some(system)) = (ticks(11), ticks(12)) else { return Err("no CPU time in /proc".into()) };
    let status = std::fs::read_to_string("/proc/self/status")?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse().ok());
    let kib: u64 = peak.ok_or("no VmHWM in /proc")?;
    println!("\ncost {} {}", (user + system) / TICKS, kib * 1_024);
    Ok(())
}

/// What a process told in its last line.
pub(crate) fn cost_told(told: &str) -> Result<Cost, Fault> {
    let words: Vec<&str> = told.lines().last().unwrap_or_default().split(' ').collect();
    let ["cost", cpu, peak] = words.as_slice() else { return Err("a process did not tell what it cost".into()) };
    Ok(Cost { cpu_s: cpu.parse()?, peak_bytes: peak.parse()? })
}

/// One run of one side.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Measured {
    pub(crate) seconds: f64,
    pub(crate) records: u64,
    pub(crate) cost: Cost,
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
impl Measured {
    fn rate(&self) -> f64 {
        self.records as f64 / self.seconds
    }

    fn cpu_us(&self) -> f64 {
        self.cost.cpu_s * 1e6 / self.records as f64
    }

    /// How many cores it kept busy.
    fn cores(&self) -> f64 {
        self.cost.cpu_s / self.seconds
    }

    fn peak_mib(&self) -> f64 {
        self.cost.peak_bytes as f64 / f64::from(1 << 20)
    }

    fn json(&self) -> Value {
        json!({
            "seconds": self.seconds,
            "records_per_second": self.rate(),
            "cpu_seconds": self.cost.cpu_s,
            "peak_bytes": self.cost.peak_bytes,
        })
    }
}

/// Both, one after the other.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Round {
    pub(crate) verify: Measured,
    pub(crate) floor: Measured,
}

impl Round {
    fn ratio(&self) -> f64 {
        self.verify.rate() / self.floor.rate()
    }
}

impl fmt::Display for Round {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [verify, floor] = [&self.verify, &self.floor].map(Measured::rate);
        let (ratio, cores, mib) = (self.ratio(), self.verify.cores(), self.verify.peak_mib());
        write!(f, "verify {verify:.0}/s, floor {floor:.0}/s, ratio {ratio:.3}, {cores:.2} cores, {mib:.0} MiB")
    }
}

/// All rounds of one size and kind.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) payload: Payload,
    pub(crate) records: u64,
    /// Of all files.
    pub(crate) bytes: u64,
    pub(crate) rounds: Vec<Round>,
}

/// Median, and least to greatest.
fn spread(rounds: &[Round], places: usize, figure: impl Fn(&Round) -> f64) -> String {
    let mut figures: Vec<f64> = rounds.iter().map(figure).collect();
    figures.sort_by(f64::total_cmp);
    let at = |index: usize| figures.get(index).copied().unwrap_or(f64::NAN);
    let (least, median, most) = (at(0), at(figures.len() / 2), at(figures.len().saturating_sub(1)));
    format!("{median:.places$} ({least:.places$}-{most:.places$})")
}

/// Prints a row for each case.
pub(crate) fn print(cases: &[Case]) {
    println!("P4 audit: median (least-greatest) of the rounds");
    println!(
        "{:<10} {:>9} {:>5}  {:<27} {:<27} {:<21} {:<17} {:<20} {:<20} {:<16}",
        "payload",
        "records",
        "MB",
        "verify, records/s",
        "floor, records/s",
        "verify/floor",
        "cores, verify",
        "CPU us, verify",
        "CPU us, floor",
        "MiB, verify"
    );
    for Case { payload, records, bytes, rounds } in cases {
        println!(
            "{:<10} {records:>9} {:>5}  {:<27} {:<27} {:<21} {:<17} {:<20} {:<20} {:<16}",
            payload.word(),
            bytes / 1_000_000,
            spread(rounds, 0, |round| round.verify.rate()),
            spread(rounds, 0, |round| round.floor.rate()),
            spread(rounds, 3, Round::ratio),
            spread(rounds, 2, |round| round.verify.cores()),
            spread(rounds, 2, |round| round.verify.cpu_us()),
            spread(rounds, 2, |round| round.floor.cpu_us()),
            spread(rounds, 0, |round| round.verify.peak_mib()),
        );
    }
}

/// All figures of all rounds.
pub(crate) fn json(cases: &[Case]) -> Value {
    let round = |round: &Round| json!({ "verify": round.verify.json(), "floor": round.floor.json() });
    let case = |case: &Case| {
        json!({
            "payload": case.payload.word(),
            "records": case.records,
            "bytes": case.bytes,
            "rounds": case.rounds.iter().map(round).collect::<Vec<_>>(),
        })
    };
    json!({ "benchmark": "audit", "cases": cases.iter().map(case).collect::<Vec<_>>() })
}
