//! How an export comes into its directory.
//!
//! What the directory has already, as far as it is what the new manifest says, stays: full tiles are never written again, as their
//! links show. All else is put beside it, in `.NAME.incoming`, and when everything is there and durable, and goes on from what the
//! directory [holds](Held), the two change places in one step. So the directory is always one whole export; what was brought
//! when a call broke off is used by the next.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use entente_proto::audit::{MANIFEST, Manifest, Payloads, bytes_max, checkpoint};
use entente_proto::charter::CharterChain;
use entente_proto::checkpoint::Checkpoint;
use entente_proto::hash::Hash;
use entente_proto::ids::{Size, UnitId};
use entente_proto::limits::NOTE_BYTES_MAX;
use entente_proto::note::Note;
use rustix::fs::{CWD, RenameFlags, renameat_with, syncfs};
use serde::Serialize;

use super::held::{Held, belongs};
use crate::cli::error::CliError;
use crate::cli::output::Output;
use crate::files::{create_private_directory, read_bounded, read_plain, sync_directory, walk};

/// What was done.
#[derive(Debug, Serialize)]
pub(super) struct Brought {
    directory: String,
    /// Whose node made it.
    exporter: String,
    records: u64,
    files: usize,
    /// Of these, files that were not there before.
    new_files: usize,
    /// Whether what records say is withheld.
    withheld: bool,
}

impl Brought {
    pub(super) fn tell(&self, json: bool) -> Result<(), CliError> {
        let mut out = Output::new(json);
        if json {
            out.document(self)?;
        } else {
            out.line(format_args!(
                "{}: {} certified records in {} files, {} of them new, by the node of {}",
                self.directory, self.records, self.files, self.new_files, self.exporter
            ))?;
            if self.withheld {
                out.line("what records say is withheld from it, and so there is no list")?;
            }
            let flag = if self.withheld { " --withheld" } else { "" };
            out.line(format_args!("verify it: entente audit verify {}{flag}", self.directory))?;
        }
        out.flush()
    }
}

/// Where an export is put, and where it is put together.
pub(super) struct Incoming<'a> {
    directory: PathBuf,
    incoming: PathBuf,
    /// What the directory holds.
    held: &'a Held,
    /// How many bytes may still be brought, of how many at first.
    room: Cell<u64>,
    bytes_max: u64,
    /// Held while it is put together: nobody else does.
    _lock: File,
}

impl<'a> Incoming<'a> {
    /// For what takes the place of what the directory holds. At most so many bytes are brought.
    pub(super) fn new(directory: &Path, held: &'a Held, bytes_max: u64) -> Result<Self, CliError> {
        let name = directory
            .file_name()
            .ok_or_else(|| CliError::Usage(format!("{} names no directory", directory.display())))?;
        let mut beside = std::ffi::OsString::from(".");
        beside.push(name);
        beside.push(".incoming");
        let incoming = parent(directory).join(beside);
        match create_private_directory(&incoming) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(CliError::file(&incoming, "create", &error));
            }
            _ => {}
        }
        let lock = File::open(&incoming).map_err(|e| CliError::file(&incoming, "open", &e))?;
        lock.try_lock().map_err(|_| {
            CliError::Refused(format!(
                "another export into {} is at work: wait until it has ended",
                directory.display()
            ))
        })?;
        let (directory, room) = (directory.to_owned(), Cell::new(bytes_max));
        Ok(Self { directory, incoming, held, room, bytes_max, _lock: lock })
    }

    /// Takes over what the directory has, or an earlier call has brought, of what a manifest names. Gives what is lacking
    /// still, and how many files are new so far.
    pub(super) fn begin(&self, manifest: &Manifest) -> Result<(BTreeMap<String, Hash>, usize), CliError> {
        let (mut lacking, mut brought) = (BTreeMap::new(), 0);
        for (path, digest) in manifest.files() {
            // What rotted since is brought anew.
            if has(&self.directory, path, digest) && self.link(path)? {
                continue;
            }
            if has(&self.incoming, path, digest) {
                brought += 1;
            } else {
                lacking.insert(path.clone(), *digest);
            }
        }
        Ok((lacking, brought))
    }

    /// All is there: the manifest too, and nothing else. Then it is put in its place, if it goes on from what is there.
    pub(super) fn conclude(
        &self,
        note: &[u8],
        (manifest, charters): (&Manifest, &CharterChain),
        new_files: usize,
    ) -> Result<Brought, CliError> {
        self.write(MANIFEST, note)?;
        self.tidy(manifest.files())?;
        let heads = manifest.files().keys().filter(|path| is_head(path));
        let mut records = 0;
        for path in heads {
            let note = read_bounded(&self.incoming.join(path), NOTE_BYTES_MAX).unwrap_or_default();
            records += size(path, &note).map_or(0, |(_, size)| size.get());
        }
        self.held.outgrown(&self.incoming, charters)?;
        self.put()?;
        Ok(Brought {
            directory: self.directory.display().to_string(),
            exporter: manifest.unit().to_string(),
            records,
            files: manifest.files().len() + 1,
            new_files,
            withheld: manifest.payloads() == Payloads::Withheld,
        })
    }

    /// Gives a file of the directory a second name in the new one; `false` if there is no such file.
    fn link(&self, path: &str) -> Result<bool, CliError> {
        let (from, to) = (self.directory.join(path), self.incoming.join(path));
        if !fs::symlink_metadata(&from).is_ok_and(|data| data.is_file()) {
            return Ok(false);
        }
        self.make_room(&to)?;
        let fault = |error: io::Error| CliError::file(&to, "write", &error);
        match fs::remove_file(&to) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(fault(error)),
            _ => {}
        }
        // Not every file system has links.
        fs::hard_link(&from, &to).or_else(|_| fs::copy(&from, &to).map(drop)).map_err(fault)?;
        Ok(true)
    }

    pub(super) fn write(&self, path: &str, bytes: &[u8]) -> Result<(), CliError> {
        let to = self.incoming.join(path);
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        self.room.set(self.room.get().checked_sub(length).ok_or_else(|| {
            CliError::Refused(format!(
                "what comes has more than the {} bytes that one call brings: if that is right, say how many it may be with \
                 --max-bytes. What has come lies in {} and is used then",
                self.bytes_max,
                self.incoming.display()
            ))
        })?);
        self.make_room(&to)?;
        let fault = |error: io::Error| CliError::file(&to, "write", &error);
        // Never through a link to what lies in the directory. All is made durable at the end, in one go.
        match fs::remove_file(&to) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(fault(error)),
            _ => {}
        }
        fs::write(&to, bytes).map_err(fault)
    }

    fn make_room(&self, to: &Path) -> Result<(), CliError> {
        let directory = parent(to);
        fs::create_dir_all(directory).map_err(|e| CliError::file(directory, "create", &e))
    }

    /// Removes what an earlier call brought and this one does not name.
    fn tidy(&self, named: &BTreeMap<String, Hash>) -> Result<(), CliError> {
        let mut there = Vec::new();
        walk(&self.incoming, "", &mut there).map_err(|e| CliError::file(&self.incoming, "read", &e))?;
        remove(&self.incoming, there.iter().filter(|path| *path != MANIFEST && !named.contains_key(*path)))
    }

    /// Makes all of it durable and puts it in the place of the directory, in one step.
    fn put(&self) -> Result<(), CliError> {
        let fault = |error: io::Error| CliError::file(&self.directory, "write", &error);
        File::open(&self.incoming).and_then(|opened| syncfs(opened).map_err(io::Error::from)).map_err(fault)?;
        if self.held.manifest.is_some() {
            renameat_with(CWD, &self.incoming, CWD, &self.directory, RenameFlags::EXCHANGE)
                .map_err(|error| fault(error.into()))?;
            let mut before = Vec::new();
            walk(&self.incoming, "", &mut before).map_err(|e| CliError::file(&self.incoming, "read", &e))?;
            remove(&self.incoming, before.iter())?;
            remove_empty(&self.incoming).map_err(|e| CliError::file(&self.incoming, "remove", &e))?;
        } else {
            fs::rename(&self.incoming, &self.directory).map_err(fault)?;
        }
        sync_directory(parent(&self.directory)).map_err(fault)
    }
}

/// Whether a directory has a file with this SHA-256.
fn has(directory: &Path, path: &str, digest: &Hash) -> bool {
    let bytes = bytes_max(path).and_then(|most| read_plain(&directory.join(path), most).ok());
    bytes.is_some_and(|bytes| Hash::of(&bytes) == *digest)
}

/// Removes files of an export; whatever else is there stays, and is told.
fn remove<'a>(directory: &Path, paths: impl Iterator<Item = &'a String>) -> Result<(), CliError> {
    for path in paths {
        let file = directory.join(path);
        if !belongs(path) {
            return Err(CliError::Refused(format!(
                "{} belongs to no export: move it away, and call again",
                file.display()
            )));
        }
        fs::remove_file(&file).map_err(|e| CliError::file(&file, "remove", &e))?;
    }
    Ok(())
}

/// Removes a directory in which there are directories alone.
fn remove_empty(directory: &Path) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        remove_empty(&entry?.path())?;
    }
    fs::remove_dir(directory)
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

/// Whether a file is the newest checkpoint of a log, and not what a witness said of an older one.
pub(super) fn is_head(path: &str) -> bool {
    let unit = path.strip_prefix("logs/").and_then(|rest| rest.strip_suffix("/checkpoint"));
    unit.is_some_and(|unit| !unit.contains('/'))
}

/// How large a log is, and whose, if this file is its checkpoint.
pub(super) fn size(path: &str, note: &[u8]) -> Option<(UnitId, Size)> {
    let unit = path.strip_prefix("logs/").and_then(|rest| rest.strip_suffix("/checkpoint"));
    let unit = unit.and_then(|unit| unit.parse::<UnitId>().ok()).filter(|unit| checkpoint(unit) == *path)?;
    let said = Note::parse(note, NOTE_BYTES_MAX).ok().and_then(|note| Checkpoint::parse_body(note.text()).ok());
    Some((unit, said?.size))
}
