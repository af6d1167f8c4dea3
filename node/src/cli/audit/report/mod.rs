//! `entente audit report`: the transparency figures of a year, computed from an export that verifies.
//!
//! | file | what it is |
//! |---|---|
//! | `figures` | what is counted, with the ids of the records |
//! | `write` | as Markdown, HTML, JSON or CSV |

mod figures;
#[cfg(test)]
mod tests;
mod write;

use std::path::PathBuf;

use clap::ValueEnum;
use entente_proto::audit::Asked;

use self::figures::{Said, Section};
use super::disk::{Directory, Threads};
use super::verify::{NEEDS_ALL, conclude, verify};
use crate::cli::Global;
use crate::cli::error::CliError;
use crate::cli::output::Output;
use crate::cli::words::parse_moment;
use crate::files::replace_file;

/// Compute the transparency figures of a year from an export
///
/// The export is verified first. Every number names the records that it counts, so that anybody can count again.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: entente audit report be-export --year 2026 --format html --out 2026.html")]
pub(crate) struct Args {
    /// The export
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    /// The year, in UTC
    #[arg(long, value_name = "Y", value_parser = clap::value_parser!(u16).range(1970..=9998))]
    year: u16,
    /// As what to write it
    #[arg(long, value_enum, default_value = "md")]
    format: Format,
    /// Where to write it, whole or not at all [default: stdout]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Markdown
    Md,
    /// One page with charts
    Html,
    /// One JSON document
    Json,
    /// A line for each figure
    Csv,
}

/// A report, before it is written.
struct Report {
    year: u16,
    network: String,
    exporter: String,
    list: String,
    frontier: Vec<String>,
    sections: Vec<Section>,
}

pub(super) fn run(args: &Args, global: &Global) -> Result<(), CliError> {
    let found = verify(&args.directory, &Asked::default());
    conclude(&args.directory, &found, NEEDS_ALL)?;
    let begin = |year: u16| parse_moment(&format!("{year:04}-01-01")).unwrap_or_default();
    let mut said = Said::between(begin(args.year), begin(args.year.saturating_add(1)));
    let files = Directory(args.directory.clone());
    found
        .each_record(&files, &Threads::all(), &mut |id, header, payload| said.take(id, header, payload))
        .map_err(|error| CliError::Verification(error.to_string()))?;
    let report = Report {
        year: args.year,
        network: found.network.clone().unwrap_or_default(),
        exporter: found.exporter.as_ref().map(|(unit, _)| unit.to_string()).unwrap_or_default(),
        list: found.list.as_ref().map(|list| list.digest.to_string()).unwrap_or_default(),
        frontier: found.logs.iter().map(|log| format!("{}={}", log.unit, log.size)).collect(),
        sections: said.sections(),
    };
    let format = if global.json { Format::Json } else { args.format };
    let text = write::write(&report, format);
    if let Some(path) = &args.out {
        return replace_file(path, text.as_bytes(), 0o600).map_err(|e| CliError::file(path, "write", &e));
    }
    let mut out = Output::new(global.json);
    out.line(text.trim_end())?;
    out.flush()
}
