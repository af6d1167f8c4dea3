//! A file of targets, shared out among the units.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use super::network::{Member, Network, failed};
use super::{one_list, say};
use crate::cli::CliError;

/// How long the whole import may take to reach every list.
const IMPORT_PATIENCE: Duration = Duration::from_secs(600);

/// Every unit imports its share at the same time. Lines that are no targets are named by the importing command.
pub(super) fn import(network: &Network, file: &Path) -> Result<(), CliError> {
    let bytes = fs::read(file).map_err(|error| CliError::file(file, "read", &error))?;
    let count = network.members().len();
    let mut shares = vec![Vec::new(); count];
    for (at, line) in bytes.split_inclusive(|byte| *byte == b'\n').enumerate() {
        // A blank line where a line is another unit's: faults are named by their number in the file.
        for (of, share) in shares.iter_mut().enumerate() {
            share.extend_from_slice(if of == at % count { line } else { b"\n" });
        }
    }
    let directory = network.directory()?;
    let begun = Instant::now();
    let reports: Vec<_> = std::thread::scope(|scope| {
        let work = network.members().iter().zip(&shares).map(|(member, share)| {
            scope.spawn(move || one(member, &directory.join(format!("share-{}", member.unit)), share))
        });
        let threads: Vec<_> = work.collect();
        threads.into_iter().map(|thread| thread.join().unwrap_or_else(|_| Err(failed("an import panicked")))).collect()
    });
    let (mut taken, mut refused) = (0, 0);
    for report in reports {
        let (t, r) = report?;
        (taken, refused) = (taken + t, refused + r);
    }
    let durable = begun.elapsed();
    loop {
        let states = network.members().iter().map(Member::status).collect::<Result<Vec<_>, _>>()?;
        if one_list(&states) {
            break;
        }
        if begun.elapsed() > IMPORT_PATIENCE {
            return Err(failed("the import did not reach every list"));
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    let all = begun.elapsed();
    say(format_args!(
        "    Import of {}: {taken} targets taken, {refused} lines refused. Durable at their units after {:.1} s ({:.0}/s), certified and on all {count} lists after {:.1} s ({:.0}/s).",
        file.display(),
        durable.as_secs_f64(),
        taken as f64 / durable.as_secs_f64(),
        all.as_secs_f64(),
        taken as f64 / all.as_secs_f64(),
    ));
    Ok(())
}

/// One unit's share: how many were taken and how many refused.
fn one(member: &Member, path: &Path, share: &[u8]) -> Result<(u64, u64), CliError> {
    fs::File::create(path).and_then(|mut file| file.write_all(share)).map_err(failed)?;
    let said = member.call(&["import", &path.to_string_lossy(), "--category", "incites", "--format", "lines"])?;
    for line in said.err.lines().filter(|line| !line.is_empty()) {
        say(format_args!("    {}: {line}", member.unit));
    }
    let report = said.json()?;
    let number = |key: &str| report[key].as_u64().unwrap_or_default();
    Ok((number("taken"), number("refused")))
}
