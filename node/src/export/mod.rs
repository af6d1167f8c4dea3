//! The list in other formats, row by row as it comes from the node, in bounded memory.
//!
//! | file | format | for whom | loses |
//! |---|---|---|---|
//! | `csv` | a line a referral (RFC 4180) | spreadsheets | nothing of a referral |
//! | `jsonl` | an object a referral | programs | nothing of a referral |
//! | `stix` | a STIX 2.1 bundle | other units, platforms | nothing of a referral |
//! | `misp` | a MISP event | MISP | all but target, description, categories, TLP, handling codes and basis |
//! | `rpz`, `hosts` | names to block | resolvers | all but domains |
//!
//! Only what is certified and stands is exported, but for referrals that were withdrawn, which STIX marks `revoked`: pending
//! and erased statements are in none. The same list
//! gives the same bytes, whenever and at whichever unit: times are those of records, ids are computed ([`ids`]).
//!
//! What a resolver gets it blocks without asking. So [`names`] leaves out every domain whose blocking would take a held
//! target offline, also one that stands above or below it, or that has a hold which is not yet certified.

mod csv;
pub mod ids;
mod jsonl;
pub mod line;
mod misp;
pub mod names;
mod rpz;
pub mod stix;

use std::collections::BTreeMap;
use std::io::{self, Write};

use entente_proto::wire::ListedRow;

use self::names::Held;

/// A format of export.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Comma separated values.
    Csv,
    /// A JSON object a line.
    JsonLines,
    /// A STIX 2.1 bundle.
    Stix,
    /// A MISP event.
    Misp,
    /// A BIND response policy zone.
    Rpz,
    /// A hosts file.
    Hosts,
}

impl Format {
    /// Whether it tells of what was withdrawn.
    #[must_use]
    pub const fn revokes(self) -> bool {
        matches!(self, Self::Stix)
    }

    /// Whether whoever gets it blocks what stands in it.
    #[must_use]
    pub const fn blocks(self) -> bool {
        matches!(self, Self::Rpz | Self::Hosts)
    }
}

/// What is exported, beside the rows.
#[derive(Debug, Clone, Default)]
pub struct Heading {
    /// The network.
    pub network: String,
    /// Its units, ascending.
    pub units: Vec<String>,
    /// Certified entries of all logs together: grows with every change of the list.
    pub entries: u64,
    /// Which rows were asked for, in words; empty for the format's own choice.
    pub filter: String,
    /// The name of the zone, of a response policy zone.
    pub zone: String,
    /// Whether rows of held targets are wanted whole, where a format takes them for what was withdrawn alone.
    pub held_too: bool,
    /// What must stay online, for a format that [blocks](Format::blocks).
    pub held: Held,
}

/// What became of the rows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Counts {
    /// Rows that are in the export.
    pub targets: u64,
    /// Lines, indicators, attributes or names.
    pub records: u64,
    /// Rows that are not in it, by the reason.
    pub left_out: BTreeMap<&'static str, u64>,
}

impl Counts {
    fn took(&mut self, records: u64) {
        self.targets = self.targets.saturating_add(1);
        self.records = self.records.saturating_add(records);
    }

    fn left(&mut self, reason: &'static str) {
        let count = self.left_out.entry(reason).or_default();
        *count = count.saturating_add(1);
    }
}

/// An export on its way.
pub trait Sheet {
    /// Adds a row.
    ///
    /// # Errors
    /// Those of the output.
    fn row(&mut self, row: &ListedRow, counts: &mut Counts) -> io::Result<()>;

    /// Writes the end, and hands everything over.
    ///
    /// # Errors
    /// Those of the output.
    fn end(self: Box<Self>) -> io::Result<()>;
}

/// Begins an export.
///
/// # Errors
/// Those of the output.
pub fn begin<'a>(format: Format, heading: &'a Heading, out: Box<dyn Write + 'a>) -> io::Result<Box<dyn Sheet + 'a>> {
    Ok(match format {
        Format::Csv => Box::new(csv::Sheet::begin(out)?),
        Format::JsonLines => Box::new(jsonl::Sheet::begin(out)),
        Format::Stix => Box::new(stix::Sheet::begin(heading, out)?),
        Format::Misp => Box::new(misp::Sheet::begin(heading, out)?),
        Format::Rpz => Box::new(rpz::Zone::begin(heading, out)?),
        Format::Hosts => Box::new(rpz::Hosts::begin(heading, out)?),
    })
}

/// Why a row without a standing referral is in no list of referrals.
const NO_REFERRAL: &str = "without a standing referral";

#[cfg(test)]
mod tests;
