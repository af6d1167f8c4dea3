//! The reading side: a thread that parses a file into batches.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use entente_proto::wire::record::Body;
use entente_proto::wire::{Observe, Submission};
use prost::Message;
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

use crate::cli::error::CliError;
use crate::cli::inputs::unreadable;
use crate::cli::refer::referral;
use crate::cli::submit::submission;
use crate::import::fields::Fields;
use crate::import::{Fault, Item, Options, Place, Reader, Skipped};

/// Bytes of one batch's statements: the node takes 3 MiB in a call.
const BATCH_BYTES_MAX: usize = 2 << 20;

/// Lines with the statement each makes, or why it makes none.
pub(super) type Batch = Vec<(Place, Result<Submission, Fault>)>;

/// What is known only at the end of the file.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Summary {
    /// Lines that ask for nothing.
    pub(super) skipped: Skipped,
}

/// A file that was opened and whose format is known.
pub(super) struct Opened {
    pub(super) reader: Reader<'static>,
    /// Its size in bytes, where it has one.
    pub(super) size: Option<u64>,
    name: String,
    read: Arc<AtomicU64>,
}

impl Opened {
    /// The count of the bytes read so far, for the progress bar.
    pub(super) fn read_bytes(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.read)
    }
}

/// Opens a file, or stdin for `-`.
pub(super) fn open(name: &str, options: impl Into<Options>) -> Result<Opened, CliError> {
    let read = Arc::new(AtomicU64::new(0));
    let plain = if name == "-" { None } else { std::fs::metadata(name).ok() };
    let size = plain.filter(std::fs::Metadata::is_file).map(|metadata| metadata.len());
    let reader = if size.is_some() {
        let input = File::open(name).map_err(|e| CliError::file(Path::new(name), "open", &e))?;
        Reader::of_file(Counted { input, read: Arc::clone(&read) }, options)
    } else {
        let input = crate::cli::inputs::open(name)?;
        Reader::new(BufReader::with_capacity(64 << 10, Counted { input, read: Arc::clone(&read) }), options)
    };
    let reader = reader.map_err(|e| unreadable(name, &e))?;
    Ok(Opened { reader, size, name: name.to_owned(), read })
}

/// Starts the thread. It is at most `ahead` batches ahead of whoever takes them, and ends when nobody does any more.
pub(super) fn read(
    opened: Opened,
    defaults: Fields,
    batch_lines: usize,
    ahead: usize,
) -> (mpsc::Receiver<Result<Batch, CliError>>, oneshot::Receiver<Summary>) {
    let (to, batches) = mpsc::channel(ahead);
    let (end, summary) = oneshot::channel();
    tokio::task::spawn_blocking(move || {
        let Opened { mut reader, name, .. } = opened;
        let mut batch = Batch::new();
        let mut bytes = 0_usize;
        for line in reader.by_ref() {
            let (place, line) = match line {
                Ok(line) => (line.place(), line.content.and_then(|item| entered(item, &defaults))),
                Err(e) => {
                    let _ = to.blocking_send(Ok(batch));
                    let _ = to.blocking_send(Err(unreadable(&name, &e.into())));
                    return;
                }
            };
            let size = line.as_ref().map_or(0, Message::encoded_len);
            if batch.len() >= batch_lines || bytes.saturating_add(size) > BATCH_BYTES_MAX {
                bytes = 0;
                if to.blocking_send(Ok(std::mem::take(&mut batch))).is_err() {
                    return;
                }
            }
            bytes = bytes.saturating_add(size);
            batch.push((place, line));
        }
        let _ = to.blocking_send(Ok(batch));
        let _ = end.send(Summary { skipped: reader.skipped() });
    });
    (batches, summary)
}

/// What an item becomes.
fn entered(item: Item, defaults: &Fields) -> Result<Submission, Fault> {
    match item.seen {
        Some(seen) => {
            let id = seen.submission(&item.target);
            Ok(submission(id, Body::Observe(Observe { target: item.target, ..seen.observe }), true))
        }
        None => Ok(submission(Uuid::new_v4(), referral(item, defaults)?, true)),
    }
}

/// Counts what is read through it, or how far a file is read.
struct Counted<R> {
    input: R,
    read: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.input.read(out)?;
        self.read.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

impl<S: Seek> Seek for Counted<S> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = self.input.seek(to)?;
        self.read.store(at, Ordering::Relaxed);
        Ok(at)
    }
}
