//! `entente audit compare`: what two nodes show, against each other.

use std::path::{Path, PathBuf};

use entente_proto::audit::{Asked, Compared, Verified, compare};

use super::disk::Directory;
use super::verify::{ENOUGH, conclude, verify};
use crate::cli::Global;
use crate::cli::error::CliError;
use crate::cli::output::{Output, table};

/// Hold two exports against each other: of two nodes, or of one node at two times
///
/// Both are verified. Then of each log the longer one must extend the shorter one, the charters must be the same as far as
/// both have them, and where both have the same records the lists must be the same. Exits 4 if somebody showed two versions:
/// the proof is written beside the first export.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: entente audit compare be-export fr-export")]
pub(crate) struct Args {
    /// One export
    #[arg(value_name = "DIR")]
    one: PathBuf,
    /// The other
    #[arg(value_name = "DIR")]
    other: PathBuf,
    /// Accept exports that withhold what records say: the logs are compared, the lists are not
    #[arg(long)]
    withheld: bool,
}

pub(super) fn run(args: &Args, global: &Global) -> Result<(), CliError> {
    let (one, other) = (whole(&args.one, args.withheld)?, whole(&args.other, args.withheld)?);
    let files = [&args.one, &args.other].map(|path| Directory(path.clone()));
    let compared = compare((&files[0], &one), (&files[1], &other));
    let same = one.list.as_ref().zip(other.list.as_ref());
    let lists = same.map(|(one, other)| (one.frontier == other.frontier, one.digest == other.digest));
    let mut out = Output::new(global.json);
    if out.is_json() {
        out.document(&serde_json::json!({
            "agree": compared.faults.is_empty(),
            "same_frontier": lists.map(|(frontier, _)| frontier),
            "same_list": lists.filter(|(frontier, _)| *frontier).map(|(_, list)| list),
            "logs": compared.logs.iter().map(|log| serde_json::json!({
                "unit": log.unit.to_string(),
                "sizes": log.sizes.map(|size| size.get()),
                "agrees": log.agrees,
            })).collect::<Vec<_>>(),
            "faults": compared.faults.iter().map(ToString::to_string).collect::<Vec<_>>(),
        }))?;
    } else {
        print(&compared, &mut out)?;
    }
    out.flush()?;
    for proof in &compared.forks {
        let path = args.one.with_file_name(format!(
            "{}.{}.fork",
            args.one.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
            proof.unit()
        ));
        crate::files::replace_file(&path, &proof.to_text(), 0o600).map_err(|e| CliError::file(&path, "write", &e))?;
        crate::cli::output::say(format_args!("{}: the proof that the log of {} forked", path.display(), proof.unit()));
    }
    match compared.faults.as_slice() {
        [] => Ok(()),
        [first, more @ ..] => Err(CliError::Verification(match more.len() {
            0 => format!("the exports contradict each other: {first}"),
            more => format!("the exports contradict each other: {first} (and {more} more)"),
        })),
    }
}

fn whole(directory: &Path, withheld: bool) -> Result<Verified, CliError> {
    let found = verify(directory, &Asked { withheld, ..Asked::default() });
    // A proven fork is what is looked for.
    if found.faults.count() > found.forks.len() as u64 || (found.withheld.is_some() && !withheld) {
        conclude(directory, &found, ENOUGH)?;
    }
    Ok(found)
}

fn print(compared: &Compared, out: &mut Output) -> Result<(), CliError> {
    let mut rows = table(["UNIT", "ONE", "OTHER", ""]);
    for log in &compared.logs {
        let [one, other] = log.sizes.map(|size| size.to_string());
        let word = match (log.agrees, log.sizes[0] == log.sizes[1]) {
            (false, _) => "CONTRADICT EACH OTHER",
            (true, true) => "the same",
            (true, false) => "one extends the other",
        };
        rows.add_row([log.unit.to_string(), one, other, word.to_owned()]);
    }
    out.table(&rows)
}
