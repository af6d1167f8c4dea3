//! `entente audit access export`.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;

use entente_proto::wire::{AccessEntriesRequest, AccessHeadsRequest, ReceiptRequest, RecordRef};
use serde::Serialize;
use tonic::Code;

use super::files::{Entries, Files};
use crate::cli::Global;
use crate::cli::client::{Deadline, Node};
use crate::cli::error::CliError;
use crate::cli::output::{Output, say};
use crate::files::{replace_file, sync_directory};

/// Copy the access log out of the node, and the records that fix it
///
/// Only the unit's auditors may. What the directory holds already is not asked for again; an export that was broken off goes
/// on where it ended. The directory is created.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Where to
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    /// How much is taken at the most: a node gone bad does not fill this disk
    #[arg(long, value_name = "MIB", default_value_t = 4_096, value_parser = clap::value_parser!(u64).range(1..=1 << 30))]
    max_mib: u64,
    #[command(flatten)]
    deadline: Deadline,
}

#[derive(Serialize)]
struct ExportedJson {
    epochs: usize,
    /// Entries that are new in the directory.
    entries: u64,
    /// Records that are new in it.
    heads: u64,
    /// Records that are not certified yet, and come next time.
    uncertified: u64,
}

pub(super) async fn run(args: Args, global: &Global) -> Result<(), CliError> {
    let node = Node::connect(global, args.deadline).await?;
    let files = Files::new(&args.directory);
    // A failed call leaves nothing behind.
    let heads = node.client().access_heads(node.request(AccessHeadsRequest { from: 0 })).await?.into_inner();
    let heads_directory = files.heads_directory();
    fs::create_dir_all(&heads_directory).map_err(|e| CliError::file(&heads_directory, "create", &e))?;
    let mut exported = ExportedJson { epochs: heads.epochs.len(), entries: 0, heads: 0, uncertified: 0 };
    let mut faults = Vec::new();
    let mut room = args.max_mib.saturating_mul(1 << 20);
    for epoch in heads.epochs {
        let (entries, fault) = take_epoch(&node, &files, epoch, &mut room).await?;
        exported.entries = exported.entries.saturating_add(entries);
        faults.extend(fault.map(|fault| format!("epoch {epoch}: {fault}")));
    }
    let known = files.heads()?;
    for index in heads.heads.into_iter().filter(|index| known.binary_search(index).is_err()) {
        match take_head(&node, &files, index).await? {
            true => exported.heads = exported.heads.saturating_add(1),
            false => exported.uncertified = exported.uncertified.saturating_add(1),
        }
    }
    sync_directory(&heads_directory).map_err(|e| CliError::file(&heads_directory, "sync", &e))?;
    let mut out = Output::new(global.json);
    if out.is_json() {
        out.document(&exported)?;
    } else {
        out.line(format_args!(
            "{} new entries in {} epochs, {} new records that fix them, {} not certified yet",
            exported.entries, exported.epochs, exported.heads, exported.uncertified
        ))?;
    }
    out.flush()?;
    for fault in &faults {
        say(format_args!("entente: {fault}"));
    }
    // What could be had is there, and its verification says what is missing.
    if faults.is_empty() { Ok(()) } else { Err(CliError::Verification("the node's access log is damaged".to_owned())) }
}

/// Appends what is new of an epoch. Gives how many entries that is, and why the node could not give more.
///
/// Only whole entries are written, and no more bytes than there is `room` for.
async fn take_epoch(node: &Node, files: &Files, epoch: u64, room: &mut u64) -> Result<(u64, Option<String>), CliError> {
    let path = files.entries(epoch);
    let fail = |what| move |error: io::Error| (what, error);
    let words = |(what, error): (&'static str, io::Error)| CliError::file(&path, what, &error);
    let mut file = open(&path).map_err(fail("open")).map_err(words)?;
    // An export that was broken off may have left a part of an entry at the end.
    let mut whole = Entries::open(&path).map_err(fail("read")).map_err(words)?;
    let mut from = 0_u64;
    while let Some(Ok(_)) = whole.next() {
        from = from.saturating_add(1);
    }
    file.set_len(whole.end()).map_err(fail("cut")).map_err(words)?;
    let request = node.lasting_request(AccessEntriesRequest { epoch, from });
    let mut runs = node.client().access_entries(request).await?.into_inner();
    let (mut taken, mut fault) = (0_u64, None);
    loop {
        let run = match runs.message().await {
            Ok(Some(run)) => run.entries,
            Ok(None) => break,
            Err(status) if status.code() == Code::DataLoss => {
                fault = Some(status.message().to_owned());
                break;
            }
            Err(status) => return Err(status.into()),
        };
        let whole = whole_entries(&run).map_err(|why| unsound(epoch, &why))?;
        *room = room.checked_sub(run.len() as u64).ok_or_else(full)?;
        file.write_all(&run).map_err(fail("write")).map_err(words)?;
        taken = taken.saturating_add(whole);
    }
    file.sync_all().map_err(fail("sync")).map_err(words)?;
    sync_directory(files.directory()).map_err(fail("sync")).map_err(words)?;
    Ok((taken, fault))
}

/// How many entries a run has.
fn whole_entries(run: &[u8]) -> Result<u64, String> {
    let mut count = 0_u64;
    for entry in Entries::new(run) {
        entry.map_err(|fault| fault.to_string())?;
        count = count.saturating_add(1);
    }
    Ok(count)
}

fn unsound(epoch: u64, why: &str) -> CliError {
    CliError::Verification(format!(
        "what the node gave of epoch {epoch} is no run of entries, and was not taken: {why}"
    ))
}

fn full() -> CliError {
    CliError::Verification(
        "the node has more of the access log than --max-mib takes in one export: what came is there; look whether it is a log \
         that your unit may have, and export again for the rest"
            .to_owned(),
    )
}

fn open(path: &std::path::Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).read(true).mode(0o600).open(path)
}

/// Takes a record that fixes the access log, unless it is not certified yet.
async fn take_head(node: &Node, files: &Files, index: u64) -> Result<bool, CliError> {
    let id = Some(RecordRef { unit: node.unit().to_string(), index });
    let request = ReceiptRequest { id, since_alone: false };
    let receipt = match node.client().receipt(node.request(request)).await {
        Ok(reply) => reply.into_inner().receipt,
        Err(status) if status.code() == Code::FailedPrecondition => return Ok(false),
        Err(status) => return Err(status.into()),
    };
    let path = files.head(index);
    replace_file(&path, &receipt, 0o600).map_err(|e| CliError::file(&path, "write", &e))?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use entente_proto::access::{Part, call, compose};
    use entente_proto::entry::encode;
    use entente_proto::hash::Hash;
    use entente_proto::wire::access::Body;

    use super::whole_entries;

    #[test]
    fn what_is_no_run_of_whole_entries_is_not_taken() {
        let mut run = Vec::new();
        for i in 0..3 {
            let about = vec![Part::Said("BE/17".into())];
            let body = Body::Call(call("officer/a".into(), Hash::of(b"k"), "Show", "", [1; 16], about));
            encode(&compose(i, [1; 16], body).unwrap(), &mut run);
        }
        assert_eq!(whole_entries(&run), Ok(3));
        assert_eq!(whole_entries(b""), Ok(0));
        assert!(whole_entries(&run[..run.len() - 1]).is_err());
        assert!(whole_entries(&[&run[..], b"x"].concat()).is_err());
        assert!(whole_entries(&[0xff; 64]).is_err());
    }
}
