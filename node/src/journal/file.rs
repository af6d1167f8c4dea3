//! The file: create, open, append, compact.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use entente_proto::ids::{NetworkName, UnitId};

use super::disk;
use super::marks::Marks;
use super::memory::Memory;
use super::record::{JournalRecord, decode, encode};
use super::{AppendError, JournalError};
use crate::frames::{self, BODY_BYTES_MAX, FrameFault, HEAD_BYTES, HEADER_BYTES_MAX, Header, frame};

/// How the file begins.
const KIND: &[u8; 16] = b"entente journal\n";
/// The format that this release writes and reads.
const FORMAT: u32 = 1;
/// About how long the frames are that compaction writes.
const SNAPSHOT_BODY_BYTES: usize = 1 << 20;

/// An open journal. It has one owner at a time: the home directory's lock keeps other processes out, [`Writer`] shares
/// it among the threads of this one.
///
/// [`Writer`]: super::Writer
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
    /// Where the next frame goes.
    length: u64,
    network: NetworkName,
    unit: UnitId,
    pub(super) marks: Marks,
    /// A write or sync failed: what the file holds is unknown until it is read again.
    failed: bool,
    /// Compaction did not help, or failed, at half this length: not worth another try before.
    rest_until: u64,
}

impl Journal {
    /// Writes an empty journal, durably. Only `init` does this.
    ///
    /// # Errors
    /// [`JournalError::Exists`] if there is a file already, [`JournalError::Io`].
    pub fn create(path: &Path, network: &NetworkName, unit: &UnitId) -> Result<Self, JournalError> {
        let mut file = new_file(path).map_err(|source| match source.kind() {
            io::ErrorKind::AlreadyExists => JournalError::Exists(path.into()),
            _ => io_error(path, "create", source),
        })?;
        let header = header(network, unit);
        let written = file.write_all(&header).and_then(|()| file.sync_all()).and_then(|()| disk::sync_parent(path));
        written.map_err(|source| io_error(path, "write", source))?;
        Ok(Self {
            path: path.into(),
            file,
            length: header.len() as u64,
            network: network.clone(),
            unit: unit.clone(),
            marks: Marks::new(unit.clone()),
            failed: false,
            rest_until: 0,
        })
    }

    /// Opens and replays a journal. A torn last frame is cut off, durably; [`Memory::cut_bytes`] tells.
    ///
    /// # Errors
    /// [`JournalError::Missing`], [`TooOpen`](JournalError::TooOpen), [`Foreign`](JournalError::Foreign),
    /// [`Release`](JournalError::Release), [`Damaged`](JournalError::Damaged) (the file is left as it is), or
    /// [`Io`](JournalError::Io).
    pub fn open(path: &Path, network: &NetworkName, unit: &UnitId) -> Result<(Self, Memory), JournalError> {
        let fail = |what| move |source| io_error(path, what, source);
        let mut options = OpenOptions::new();
        options.read(true).write(true).custom_flags(nofollow());
        let mut file = options.open(path).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => JournalError::Missing(path.into()),
            _ => io_error(path, "open", source),
        })?;
        let metadata = file.metadata().map_err(fail("read"))?;
        if !metadata.is_file() {
            return Err(io_error(path, "open", io::Error::other("it is not a regular file")));
        }
        if metadata.mode() & 0o077 != 0 {
            return Err(JournalError::TooOpen { path: path.into(), mode: metadata.mode() & 0o7777 });
        }
        let (mut memory, end) = replay(&mut file, path, network, unit)?;
        let length = metadata.len();
        if end < length {
            memory.cut_bytes = length.saturating_sub(end);
            tracing::warn!(path = %path.display(), offset = end, bytes = memory.cut_bytes, "cut a torn write off the journal");
            file.set_len(end).map_err(fail("cut"))?;
        }
        // What a killed process had written but not synced is about to be relied on.
        file.sync_all().map_err(fail("sync"))?;
        remove_leftover(path).map_err(fail("clean up beside"))?;
        let journal = Self {
            path: path.into(),
            file,
            length: end,
            network: network.clone(),
            unit: unit.clone(),
            marks: memory.marks().clone(),
            failed: false,
            rest_until: 0,
        };
        Ok((journal, memory))
    }

    /// Puts a journal in the place of one that is missing or damaged. It says that what the node signed is lost, and why, and
    /// keeps what can be read of the damaged one up to the damage. That is moved aside, under the name it returns.
    ///
    /// # Errors
    /// [`JournalError::Foreign`] and [`JournalError::Release`], for what is there may be needed elsewhere;
    /// [`JournalError::Io`]. Whatever fails, the next start finds the old journal, or none where there was none, and may do this
    /// again.
    pub fn replace_lost(
        path: &Path,
        network: &NetworkName,
        unit: &UnitId,
        reason: String,
    ) -> Result<Option<PathBuf>, JournalError> {
        let fail = |what| move |source| io_error(path, what, source);
        let mut memory = Memory::new(unit.clone());
        let damaged = match File::open(path) {
            Ok(mut file) => match replay_into(&mut memory, &mut file, path, network, unit) {
                Ok(_) | Err(JournalError::Damaged { .. }) => true,
                Err(error) => return Err(error),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => false,
            Err(error) => return Err(io_error(path, "open", error)),
        };
        remove_leftover(path).map_err(fail("clean up beside"))?;
        let new_path = leftover(path);
        let mut file = new_file(&new_path).map_err(fail("write anew"))?;
        write_snapshot(&mut file, &header(network, unit), memory.salvage(reason))
            .and_then(|_| file.sync_all())
            .map_err(fail("write anew"))?;
        let aside = if damaged { Some(free_name(path)) } else { None };
        if let Some(aside) = &aside {
            keep_as(path, aside).map_err(fail("move aside"))?;
        }
        std::fs::rename(&new_path, path).map_err(fail("write anew"))?;
        disk::sync_parent(path).map_err(fail("sync the directory of"))?;
        Ok(aside)
    }

    /// Appends records, all or none; they are durable on return.
    ///
    /// # Errors
    /// [`AppendError::Contradiction`] and [`AppendError::TooLong`] before anything is written. After
    /// [`AppendError::Failed`] the records may or may not be there, and nothing more is taken.
    pub fn append(&mut self, records: &[JournalRecord]) -> Result<(), AppendError> {
        if records.is_empty() {
            return Ok(());
        }
        let body = bounded(records)?;
        self.marks.take(records)?;
        Ok(self.write(&body)?)
    }

    /// Writes a body whose records were judged, and makes it durable.
    pub(super) fn write(&mut self, body: &[u8]) -> Result<(), JournalError> {
        if self.failed {
            return Err(io_error(&self.path, "write", io::Error::other("an earlier write failed")));
        }
        let bytes = frame(body, self.length);
        // Unless both succeed, nobody knows what is there.
        self.failed = true;
        self.file.seek(SeekFrom::Start(self.length)).map_err(|e| io_error(&self.path, "write", e))?;
        self.file.write_all(&bytes).map_err(|e| io_error(&self.path, "write", e))?;
        self.file.sync_data().map_err(|e| io_error(&self.path, "sync", e))?;
        self.failed = false;
        self.length = self.length.saturating_add(bytes.len() as u64);
        Ok(())
    }

    /// The length of the file in bytes.
    #[must_use]
    pub const fn file_bytes(&self) -> u64 {
        self.length
    }

    /// Whether compaction is worth its while when about `live` bytes still count.
    pub(super) const fn wants_compaction(&self, live: u64, min: u64) -> bool {
        self.length > min && self.length > self.rest_until && live.saturating_mul(2) < self.length
    }

    /// Whether a write failed, so that what the file holds is unknown.
    pub(super) const fn failed(&self) -> bool {
        self.failed
    }

    /// Writes a new file with what still counts and puts it in the old one's place. What was dropped (certified
    /// entries, and so erased payloads among them) has then no name on the disk any more.
    ///
    /// # Errors
    /// [`JournalError::Damaged`] if what was written cannot be read back, [`JournalError::Io`]. The old file stays, and
    /// goes on being used, unless the directory could not be synced: then the journal takes nothing more.
    pub fn compact(&mut self) -> Result<(), JournalError> {
        // On a full disk, say, not every append should try again.
        self.rest_until = self.length.saturating_mul(2);
        self.rewrite()?;
        self.rest_until = self.length.saturating_mul(2);
        Ok(())
    }

    fn rewrite(&mut self) -> Result<(), JournalError> {
        let fail = |what| {
            let path = self.path.clone();
            move |source| io_error(&path, what, source)
        };
        let mut old = File::open(&self.path).map_err(fail("read"))?;
        let (memory, end) = replay(&mut old, &self.path, &self.network, &self.unit)?;
        if end != self.length {
            return Err(damaged(&self.path, end, "what was written cannot be read back"));
        }
        remove_leftover(&self.path).map_err(fail("clean up beside"))?;
        let new_path = leftover(&self.path);
        let mut file = new_file(&new_path).map_err(fail("write anew"))?;
        let written = write_snapshot(&mut file, &header(&self.network, &self.unit), memory)
            .and_then(|length| file.sync_all().map(|()| length))
            .and_then(|length| std::fs::rename(&new_path, &self.path).map(|()| length));
        let length = written.map_err(fail("write anew"))?;
        // From here on the new file has the name, and a power loss may still bring the old one back.
        self.file = file;
        self.length = length;
        disk::sync_parent(&self.path).map_err(|e| {
            self.failed = true;
            io_error(&self.path, "sync the directory of", e)
        })
    }
}

/// The records as a body, if it is not too long for a frame.
pub(super) fn bounded(records: &[JournalRecord]) -> Result<Vec<u8>, AppendError> {
    let body = encode(records);
    if body.len() > BODY_BYTES_MAX { Err(AppendError::TooLong(body.len())) } else { Ok(body) }
}

/// Reads all frames. Returns the memory and the end of the last whole frame; what follows that is torn.
fn replay(file: &mut File, path: &Path, network: &NetworkName, unit: &UnitId) -> Result<(Memory, u64), JournalError> {
    let mut memory = Memory::new(unit.clone());
    let end = replay_into(&mut memory, file, path, network, unit)?;
    Ok((memory, end))
}

/// As [`replay`]; after an error the memory holds what came before it.
fn replay_into(
    memory: &mut Memory,
    file: &mut File,
    path: &Path,
    network: &NetworkName,
    unit: &UnitId,
) -> Result<u64, JournalError> {
    let fail = |source| io_error(path, "read", source);
    let length = file.metadata().map_err(fail)?.len();
    let mut reader = io::BufReader::with_capacity(1 << 16, file);
    let mut start = Vec::new();
    reader.by_ref().take(HEADER_BYTES_MAX as u64).read_to_end(&mut start).map_err(fail)?;
    let header = Header::parse(KIND, &start).map_err(|why| damaged(path, 0, why))?;
    if header.format != FORMAT {
        return Err(JournalError::Release { path: path.into(), found: header.format });
    }
    if header.network != network.as_str() || header.owner != unit.as_str() {
        return Err(JournalError::Foreign {
            path: path.into(),
            found: format!("{}/{}", header.network, header.owner),
            expected: format!("{network}/{unit}"),
        });
    }
    let mut offset = header.length as u64;
    reader.seek(SeekFrom::Start(offset)).map_err(fail)?;
    let fault = |fault, offset| match fault {
        FrameFault::Io(source) => fail(source),
        FrameFault::Damaged(why) => damaged(path, offset, why),
    };
    while let Some(body) = frames::next_body(&mut reader, offset, length).map_err(|e| fault(e, offset))? {
        let records = decode(&body).map_err(|why| damaged(path, offset, why))?;
        memory.take(records).map_err(|why| damaged(path, offset, why.to_string()))?;
        offset = offset.saturating_add((HEAD_BYTES.saturating_add(body.len())) as u64);
    }
    Ok(offset)
}

fn write_snapshot(file: &mut File, header: &[u8], memory: Memory) -> io::Result<u64> {
    file.write_all(header)?;
    let mut length = header.len() as u64;
    let mut body = Vec::new();
    let mut put = |body: &mut Vec<u8>| -> io::Result<()> {
        if !body.is_empty() {
            let bytes = frame(body, length);
            file.write_all(&bytes)?;
            length = length.saturating_add(bytes.len() as u64);
            body.clear();
        }
        Ok(())
    };
    for record in memory.snapshot() {
        body.extend(encode(std::slice::from_ref(&record)));
        if body.len() >= SNAPSHOT_BODY_BYTES {
            put(&mut body)?;
        }
    }
    put(&mut body)?;
    Ok(length)
}

pub(super) fn header(network: &NetworkName, unit: &UnitId) -> Vec<u8> {
    Header::bytes(KIND, FORMAT, network, unit.as_str())
}

fn new_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path)
}

/// Gives a damaged journal a second name. It keeps its own until the new one takes that: a process that is killed between the
/// two would leave no journal under the name, and the next start would keep nothing of what could be read of this one.
pub(super) fn keep_as(path: &Path, aside: &Path) -> io::Result<()> {
    // Not every file system knows a second name.
    std::fs::hard_link(path, aside).or_else(|_| std::fs::copy(path, aside).map(drop))
}

/// Where a damaged journal is moved: beside, with `.damaged-` and the first free number at the end.
fn free_name(path: &Path) -> PathBuf {
    let named = |number: u32| {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".damaged-{number}"));
        PathBuf::from(name)
    };
    (1..).map(named).find(|name| std::fs::symlink_metadata(name).is_err()).unwrap_or_else(|| named(0))
}

/// Where compaction writes: beside the journal, with `.new` at the end.
fn leftover(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    name.into()
}

/// Removes what a compaction left that did not come to its end. The journal itself is whole then.
fn remove_leftover(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(leftover(path)) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    }
}

fn nofollow() -> i32 {
    // The bits of a flag set: reinterpreted, never out of range.
    rustix::fs::OFlags::NOFOLLOW.bits().cast_signed()
}

fn io_error(path: &Path, what: &'static str, source: io::Error) -> JournalError {
    JournalError::Io { path: path.into(), what, source }
}

fn damaged(path: &Path, offset: u64, why: impl Into<String>) -> JournalError {
    JournalError::Damaged { path: path.into(), offset, why: why.into() }
}
