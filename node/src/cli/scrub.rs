//! `entente scrub`: the bytes of erased records leave the node's disk.

use entente_proto::wire::scrub_reply::Reply;
use entente_proto::wire::{ScrubDone, ScrubPhase, ScrubProgress, ScrubRequest};
use serde::Serialize;

use super::Global;
use super::client::{Deadline, Node, misfit};
use super::error::CliError;
use super::output::{Output, say};
use super::words::plain;

/// Take the bytes of erased records off the node's disk
///
/// The running node rewrites its database and its journal with what still counts and deletes the old files. The command
/// returns when that is done; the node does it by itself, too, at most an hour after an erasure was certified. It needs
/// room on the disk for a copy of the database.
///
/// What it does not reach: blocks of the deleted files that the disk has not written to again (encrypt the disk, and
/// destroy the key when the disk goes), snapshots of the file system, backups and exports.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: entente scrub --json")]
pub(crate) struct Args {
    #[command(flatten)]
    deadline: Deadline,
}

#[derive(Serialize)]
struct ScrubJson {
    before_bytes: u64,
    after_bytes: u64,
    journal_before_bytes: u64,
    journal_after_bytes: u64,
    records: u64,
    notes: Vec<String>,
}

impl From<ScrubDone> for ScrubJson {
    fn from(done: ScrubDone) -> Self {
        let ScrubDone { before_bytes, after_bytes, journal_before_bytes, journal_after_bytes, records, notes } = done;
        Self { before_bytes, after_bytes, journal_before_bytes, journal_after_bytes, records, notes }
    }
}

pub(crate) async fn run(args: Args, global: &Global) -> Result<(), CliError> {
    let node = Node::connect(global, args.deadline).await?;
    // How long it takes depends on the database, and the node tells how far it is: no deadline unless one is asked for.
    let request = match args.deadline.timeout {
        Some(_) => node.request(ScrubRequest {}),
        None => node.lasting_request(ScrubRequest {}),
    };
    let mut replies = node.client().scrub(request).await?.into_inner();
    let mut told = None;
    while let Some(reply) = replies.message().await? {
        match reply.reply {
            Some(Reply::Progress(progress)) if !global.json => {
                let words = words(&progress);
                if told.as_ref() != Some(&words) {
                    say(format_args!("{words}"));
                    told = Some(words);
                }
            }
            Some(Reply::Progress(_)) | None => {}
            Some(Reply::Done(done)) => return print(done, global),
        }
    }
    Err(misfit("it ended without saying what was done"))
}

fn words(progress: &ScrubProgress) -> String {
    match progress.phase() {
        ScrubPhase::Waiting => "waiting until everything certified is folded".to_owned(),
        ScrubPhase::Journal => "rewriting the journal".to_owned(),
        ScrubPhase::Copying => {
            format!("copied {} MiB of at most {} MiB", progress.copied_bytes >> 20, progress.original_bytes >> 20)
        }
        ScrubPhase::Verifying => "checking the copy".to_owned(),
        ScrubPhase::Swapping | ScrubPhase::Deleting | ScrubPhase::Unspecified => "deleting the old database".to_owned(),
    }
}

fn print(done: ScrubDone, global: &Global) -> Result<(), CliError> {
    let mut out = Output::new(global.json);
    if out.is_json() {
        out.document(&ScrubJson::from(done))?;
        return out.flush();
    }
    out.line(format_args!(
        "done: {} erased records have left the disk; database {} KiB, before {} KiB; journal {} KiB, before {} KiB",
        done.records,
        done.after_bytes >> 10,
        done.before_bytes >> 10,
        done.journal_after_bytes >> 10,
        done.journal_before_bytes >> 10
    ))?;
    done.notes.iter().try_for_each(|note| out.line(format_args!("note  {}", plain(note))))?;
    out.flush()
}
