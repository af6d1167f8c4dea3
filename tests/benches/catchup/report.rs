//! The table, and the figures as JSON.

use std::fmt;

use serde_json::{Value, json};

use super::process::Cost;
use super::records::Payload;

/// One run of one side.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Measured {
    pub(crate) seconds: f64,
    pub(crate) records: u64,
    pub(crate) receiver: Cost,
    pub(crate) sender: Cost,
    /// Syncs of the store, or of the floor's file.
    pub(crate) syncs: u64,
}

impl Measured {
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    fn rate(&self) -> f64 {
        self.records as f64 / self.seconds
    }

    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    fn cpu_us(&self, cost: Cost) -> f64 {
        cost.cpu_s * 1e6 / self.records as f64
    }

    fn json(&self) -> Value {
        json!({
            "seconds": self.seconds,
            "records_per_second": self.rate(),
            "receiver": { "cpu_seconds": self.receiver.cpu_s, "peak_bytes": self.receiver.peak_bytes },
            "sender": { "cpu_seconds": self.sender.cpu_s, "peak_bytes": self.sender.peak_bytes },
            "syncs": self.syncs,
        })
    }
}

/// The node and the floor, one after the other.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Round {
    pub(crate) node: Measured,
    pub(crate) floor: Measured,
}

impl Round {
    fn ratio(&self) -> f64 {
        self.node.rate() / self.floor.rate()
    }
}

impl fmt::Display for Round {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [node, floor] = [&self.node, &self.floor].map(Measured::rate);
        write!(f, "node {node:.0}/s, floor {floor:.0}/s, ratio {:.3}", self.ratio())
    }
}

/// All rounds of one size and kind.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) payload: Payload,
    pub(crate) records: u64,
    pub(crate) rounds: Vec<Round>,
}

/// Least, median and greatest.
struct Spread([f64; 3]);

impl Spread {
    fn of(rounds: &[Round], figure: impl Fn(&Round) -> f64) -> Self {
        let mut figures: Vec<f64> = rounds.iter().map(figure).collect();
        figures.sort_by(f64::total_cmp);
        let at = |index: usize| figures.get(index).copied().unwrap_or(f64::NAN);
        Self([at(0), at(figures.len() / 2), at(figures.len().saturating_sub(1))])
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self([least, median, most]) = self;
        let places = f.precision().unwrap_or(0);
        let text = format!("{median:.places$} ({least:.places$}-{most:.places$})");
        // Not f.pad: it would cut the text to the precision.
        write!(f, "{text:<width$}", width = f.width().unwrap_or(0))
    }
}

/// Prints a row for each case: median, and least to greatest, of the rounds.
#[expect(clippy::cast_precision_loss, reason = "figures for people")]
pub(crate) fn print(cases: &[Case]) {
    println!("P1 catch-up: median (least-greatest) of the rounds; CPU of receiver + sender; peak memory of both");
    println!(
        "{:<10} {:>9}  {:<25} {:<25} {:<21} {:>14} {:>14} {:>11} {:>6}",
        "payload",
        "records",
        "node, records/s",
        "floor, records/s",
        "node/floor",
        "CPU us, node",
        "CPU us, floor",
        "MiB",
        "syncs"
    );
    for Case { payload, records, rounds } in cases {
        let rate = Spread::of(rounds, |round| round.node.rate());
        let floor = Spread::of(rounds, |round| round.floor.rate());
        let ratio = Spread::of(rounds, Round::ratio);
        let cpu = |side: fn(&Round) -> &Measured| {
            let median =
                |who: fn(&Measured) -> Cost| Spread::of(rounds, |round| side(round).cpu_us(who(side(round)))).0[1];
            format!("{:.1} + {:.1}", median(|m| m.receiver), median(|m| m.sender))
        };
        let peak = |who: fn(&Measured) -> Cost| {
            Spread::of(rounds, |round| who(&round.node).peak_bytes as f64 / f64::from(1 << 20)).0[2]
        };
        println!(
            "{:<10} {records:>9}  {rate:<25} {floor:<25} {ratio:<21.3} {:>14} {:>14} {:>11} {:>6}",
            payload.word(),
            cpu(|round| &round.node),
            cpu(|round| &round.floor),
            format!("{:.0} + {:.0}", peak(|m| m.receiver), peak(|m| m.sender)),
            Spread::of(rounds, |round| round.node.syncs as f64).0[1],
        );
    }
}

/// All figures of all rounds.
pub(crate) fn json(cases: &[Case]) -> Value {
    let round = |round: &Round| json!({ "node": round.node.json(), "floor": round.floor.json() });
    let case = |case: &Case| {
        json!({
            "payload": case.payload.word(),
            "records": case.records,
            "payload_bytes": super::records::PAYLOAD_BYTES,
            "rounds": case.rounds.iter().map(round).collect::<Vec<_>>(),
        })
    };
    json!({ "benchmark": "catchup", "cases": cases.iter().map(case).collect::<Vec<_>>() })
}
