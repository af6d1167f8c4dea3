//! What an export holds.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use entente_proto::entry::{Entry, EntryError, Run};
use entente_proto::limits::{LEAF_BYTES_MAX, OPENING_BYTES, PAYLOAD_BYTES_MAX};

use crate::cli::error::CliError;

/// The longest entry in a run.
const ENTRY_BYTES_MAX: usize = 2 + LEAF_BYTES_MAX + 4 + OPENING_BYTES + PAYLOAD_BYTES_MAX;

/// The paths of an export.
#[derive(Debug, Clone)]
pub(super) struct Files(PathBuf);

impl Files {
    pub(super) fn new(directory: &Path) -> Self {
        Self(directory.join("access"))
    }

    pub(super) fn directory(&self) -> &Path {
        &self.0
    }

    pub(super) fn heads_directory(&self) -> PathBuf {
        self.0.join("heads")
    }

    pub(super) fn entries(&self, epoch: u64) -> PathBuf {
        self.0.join(format!("{epoch}.entries"))
    }

    pub(super) fn head(&self, index: u64) -> PathBuf {
        self.heads_directory().join(format!("{index}.receipt"))
    }

    /// The epochs that are there, ascending.
    pub(super) fn epochs(&self) -> Result<Vec<u64>, CliError> {
        numbers(&self.0, ".entries")
    }

    /// The indexes of the records that are there, ascending.
    pub(super) fn heads(&self) -> Result<Vec<u64>, CliError> {
        numbers(&self.heads_directory(), ".receipt")
    }
}

/// The numbers in a directory's names with this end; of a directory that is not there, none.
fn numbers(directory: &Path, end: &str) -> Result<Vec<u64>, CliError> {
    let fail = |error: &io::Error| CliError::Verification(format!("cannot list {}: {error}", directory.display()));
    let entries = match std::fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(fail(&error)),
    };
    let mut numbers = Vec::new();
    for entry in entries {
        let name = entry.map_err(|error| fail(&error))?.file_name();
        let number = name.to_str().and_then(|name| name.strip_suffix(end));
        numbers.extend(number.and_then(|number| number.parse::<u64>().ok()));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// The entries of a file, with the end of each. Ends after the first fault.
#[derive(Debug)]
pub(super) struct Entries<R> {
    reader: R,
    /// What was read and is no whole entry yet.
    rest: Vec<u8>,
    /// Where the last whole entry ends.
    end: u64,
    ended: bool,
}

/// Why no further entry can be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    #[error("it cannot be read: {0}")]
    Io(#[from] io::Error),
    #[error("{0}")]
    Entry(#[from] EntryError),
}

impl Entries<BufReader<File>> {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self::new(BufReader::with_capacity(1 << 16, File::open(path)?)))
    }
}

impl<R: Read> Entries<R> {
    pub(super) const fn new(reader: R) -> Self {
        Self { reader, rest: Vec::new(), end: 0, ended: false }
    }

    /// Where the last whole entry ends.
    pub(super) const fn end(&self) -> u64 {
        self.end
    }

    fn read(&mut self) -> Result<Option<Entry>, Fault> {
        self.fill(2)?;
        let Some(leaf) = self.rest.first_chunk::<2>().map(|length| usize::from(u16::from_be_bytes(*length))) else {
            return if self.rest.is_empty() { Ok(None) } else { Err(EntryError::Run(0).into()) };
        };
        if leaf > LEAF_BYTES_MAX {
            return Err(EntryError::LeafLength(leaf).into());
        }
        let head = leaf.saturating_add(6);
        self.fill(head)?;
        let body = self.rest.get(leaf.saturating_add(2)..head).and_then(|length| length.try_into().ok());
        let body = body.map(|length| u32::from_be_bytes(length) as usize).ok_or(EntryError::Run(0))?;
        let whole = head.saturating_add(body);
        if whole > ENTRY_BYTES_MAX {
            return Err(EntryError::Run(head).into());
        }
        self.fill(whole)?;
        if self.rest.len() < whole {
            return Err(EntryError::Run(self.rest.len()).into());
        }
        let bytes: Bytes = std::mem::take(&mut self.rest).into();
        let entry = Run::new(bytes).next().ok_or(EntryError::Run(0))??;
        self.end = self.end.saturating_add(whole as u64);
        Ok(Some(entry))
    }

    /// Reads on until there are so many bytes, or the end.
    fn fill(&mut self, length: usize) -> io::Result<()> {
        let missing = length.saturating_sub(self.rest.len()) as u64;
        self.reader.by_ref().take(missing).read_to_end(&mut self.rest).map(|_| ())
    }
}

impl<R: Read> Iterator for Entries<R> {
    type Item = Result<Entry, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let entry = self.read().transpose();
        self.ended = !matches!(entry, Some(Ok(_)));
        entry
    }
}
