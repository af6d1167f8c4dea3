//! One epoch of the access log.

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use entente_proto::entry::{Entry, Run, encode};
use entente_proto::hash::Hash;
use entente_proto::ids::{NetworkName, Size, UnitId};
use entente_proto::tree::CompactRange;

use super::{State, path};
use crate::frames::{self, FrameFault, HEAD_BYTES, HEADER_BYTES_MAX, Header, frame};
use crate::journal::disk;

/// How the file begins.
const KIND: &[u8; 16] = b"entente access \n";
/// The format that this release writes and reads.
const FORMAT: u32 = 1;

/// Why an epoch cannot be gone on with.
pub(super) enum Damage {
    /// The operating system's words: another try may help.
    Io(&'static str, io::Error),
    /// What is there was not written so.
    Content(String),
}

/// An epoch that is written to.
#[derive(Debug)]
pub(super) struct Epoch {
    path: PathBuf,
    file: File,
    number: u64,
    /// Where the next frame goes.
    length: u64,
    range: CompactRange,
    first_ms: Option<u64>,
    last_ms: u64,
}

impl Epoch {
    /// Begins an epoch, durably, perhaps with a first entry.
    pub(super) fn create(
        directory: &Path,
        number: u64,
        (network, unit): (&NetworkName, &UnitId),
        first: Option<&Entry>,
    ) -> io::Result<Self> {
        let path = path(directory, number);
        let mut bytes = Header::bytes(KIND, FORMAT, network, &owner(unit, number));
        let mut range = CompactRange::new(Size::ZERO);
        if let Some(first) = first {
            let mut body = Vec::new();
            encode(first, &mut body);
            range.push_leaf(first.leaf_hash()).map_err(io::Error::other)?;
            bytes.extend(frame(&body, bytes.len() as u64));
        }
        // A whole file has the name, or none.
        let new = path.with_extension("new");
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        std::fs::rename(&new, &path)?;
        disk::sync_directory(directory)?;
        let first_ms = first.map(|first| first.header().time_ms);
        let last_ms = first_ms.unwrap_or_default();
        Ok(Self { path, file, number, length: bytes.len() as u64, range, first_ms, last_ms })
    }

    /// Reads an epoch to its end, and cuts off what a power loss tore.
    pub(super) fn open(directory: &Path, number: u64, network: &NetworkName, unit: &UnitId) -> Result<Self, Damage> {
        let path = path(directory, number);
        let fail = |what| move |source| Damage::Io(what, source);
        let mut options = OpenOptions::new();
        options.read(true).write(true).custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed());
        let file = options.open(&path).map_err(fail("open"))?;
        let mut entries = Entries::of(file.try_clone().map_err(fail("open"))?).map_err(fail("read"))?;
        match &entries.header {
            Some((found, owned)) if found == network.as_str() && *owned == owner(unit, number) => {}
            Some((found, owned)) => return Err(Damage::Content(format!("it is that of {found}/{owned}"))),
            None => return Err(Damage::Content("its beginning is damaged".to_owned())),
        }
        let (mut range, mut first_ms, mut last_ms) = (CompactRange::new(Size::ZERO), None, 0);
        for entry in entries.by_ref() {
            let entry = entry.map_err(|fault| match fault {
                EntriesFault::Io(source) => Damage::Io("read", source),
                EntriesFault::Damaged(why) => Damage::Content(why),
            })?;
            first_ms = first_ms.or(Some(entry.header().time_ms));
            last_ms = entry.header().time_ms.max(last_ms);
            range.push_leaf(entry.leaf_hash()).map_err(|error| Damage::Content(error.to_string()))?;
        }
        let length = entries.offset;
        if length < entries.length {
            tracing::warn!(path = %path.display(), offset = length, "cut a torn write off the access log");
            file.set_len(length).map_err(fail("cut"))?;
        }
        file.sync_all().map_err(fail("sync"))?;
        Ok(Self { path, file, number, length, range, first_ms, last_ms })
    }

    /// As on a disk that takes nothing any more.
    #[cfg(test)]
    pub(super) fn read_only(self) -> io::Result<Self> {
        Ok(Self { file: File::open(&self.path)?, ..self })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// How far it is.
    pub(super) fn state(&self) -> State {
        // The range begins at 0.
        let root = self.range.root().unwrap_or(Hash::EMPTY_ROOT);
        State { epoch: self.number, size: self.range.end().get(), root }
    }

    /// The bytes of its file.
    pub(super) const fn length(&self) -> u64 {
        self.length
    }

    /// The time of the first entry.
    pub(super) const fn first_ms(&self) -> Option<u64> {
        self.first_ms
    }

    /// The time of the newest entry; a later one has no earlier time.
    pub(super) const fn last_ms(&self) -> u64 {
        self.last_ms
    }

    /// The root of the first entries; `None` if there are fewer.
    pub(super) fn root_at(&self, size: u64) -> io::Result<Option<Hash>> {
        let mut range = CompactRange::new(Size::ZERO);
        let mut entries = Entries::open(&self.path, 0, Some(size))?;
        for entry in entries.by_ref() {
            let pushed = entry.ok().map(|entry| range.push_leaf(entry.leaf_hash()));
            if !matches!(pushed, Some(Ok(()))) {
                break;
            }
        }
        Ok((range.end().get() == size).then(|| range.root().unwrap_or(Hash::EMPTY_ROOT)))
    }

    /// The time of an entry; `None` if there is none there.
    pub(super) fn time_of(&self, index: u64) -> io::Result<Option<u64>> {
        let entry = Entries::open(&self.path, index, None)?.next();
        Ok(entry.and_then(Result::ok).map(|entry| entry.header().time_ms))
    }

    /// Appends entries, all or none; they are durable on return. After an error nothing of them is there, and `Ok` of the
    /// inner result says so; otherwise what is there is unknown, and nothing more may be appended.
    pub(super) fn append(&mut self, entries: &[Entry]) -> Result<(), (io::Error, bool)> {
        let mut range = self.range.clone();
        let mut body = Vec::new();
        for entry in entries {
            encode(entry, &mut body);
            range.push_leaf(entry.leaf_hash()).map_err(|error| (io::Error::other(error), true))?;
        }
        let bytes = frame(&body, self.length);
        let written = self.file.seek(SeekFrom::Start(self.length)).and_then(|_| self.file.write_all(&bytes));
        if let Err(error) = written {
            // A full disk, say: with the rest taken off again, the next call may go through.
            let restored = self.file.set_len(self.length).and_then(|()| self.file.sync_data()).is_ok();
            return Err((error, restored));
        }
        // A failed sync must not be tried again.
        self.file.sync_data().map_err(|error| (error, false))?;
        self.length = self.length.saturating_add(bytes.len() as u64);
        self.range = range;
        self.first_ms = self.first_ms.or(entries.first().map(|entry| entry.header().time_ms));
        self.last_ms = entries.iter().map(|entry| entry.header().time_ms).fold(self.last_ms, u64::max);
        Ok(())
    }
}

fn owner(unit: &UnitId, number: u64) -> String {
    format!("{unit}/access/{number}")
}

/// Why no further entry can be read.
#[derive(Debug)]
pub enum EntriesFault {
    /// The operating system's words.
    Io(io::Error),
    /// What is there was not written so.
    Damaged(String),
}

impl std::fmt::Display for EntriesFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::Damaged(why) => f.write_str(why),
        }
    }
}

/// The entries of an epoch, from its file. Ends after the first fault.
#[derive(Debug)]
pub struct Entries {
    reader: BufReader<File>,
    /// Network and owner, if the header is whole.
    header: Option<(String, String)>,
    /// The end of the last frame that was read.
    offset: u64,
    length: u64,
    run: Run,
    index: u64,
    until: Option<u64>,
    ended: bool,
}

impl Entries {
    pub(super) fn open(path: &Path, from: u64, until: Option<u64>) -> io::Result<Self> {
        let mut entries = Self { until, ..Self::of(File::open(path)?)? };
        while entries.index < from && entries.next().is_some() {}
        Ok(entries)
    }

    fn of(file: File) -> io::Result<Self> {
        let length = file.metadata()?.len();
        let mut reader = BufReader::with_capacity(1 << 16, file);
        reader.rewind()?;
        let mut start = Vec::new();
        reader.by_ref().take(HEADER_BYTES_MAX as u64).read_to_end(&mut start)?;
        let header = Header::parse(KIND, &start).ok().filter(|header| header.format == FORMAT);
        let offset = header.as_ref().map_or(0, |header| header.length as u64);
        let ended = header.is_none();
        reader.seek(SeekFrom::Start(offset))?;
        let header = header.map(|header| (header.network, header.owner));
        Ok(Self { reader, header, offset, length, run: Run::new(Bytes::new()), index: 0, until: None, ended })
    }

    fn read(&mut self) -> Result<Option<Entry>, EntriesFault> {
        loop {
            if self.until.is_some_and(|until| self.index >= until) {
                return Ok(None);
            }
            if let Some(entry) = self.run.next() {
                self.index = self.index.saturating_add(1);
                return entry.map(Some).map_err(|error| EntriesFault::Damaged(error.to_string()));
            }
            let body = frames::next_body(&mut self.reader, self.offset, self.length).map_err(|fault| match fault {
                FrameFault::Io(error) => EntriesFault::Io(error),
                FrameFault::Damaged(why) => EntriesFault::Damaged(format!("damaged at byte {}: {why}", self.offset)),
            })?;
            let Some(body) = body else { return Ok(None) };
            self.offset = self.offset.saturating_add((HEAD_BYTES.saturating_add(body.len())) as u64);
            self.run = Run::new(body);
        }
    }
}

impl Iterator for Entries {
    type Item = Result<Entry, EntriesFault>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let entry = self.read().transpose();
        self.ended = !matches!(entry, Some(Ok(_)));
        entry
    }
}
