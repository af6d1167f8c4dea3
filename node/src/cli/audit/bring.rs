//! `entente audit export` and `entente audit fetch`: the files of an export, as a node gives them.
//!
//! The node says in the manifest which files there are. What the directory has already, by its own manifest, stays: full
//! tiles are never written again, as their links show. All else is brought beside it, in `.NAME.incoming`, and when
//! everything is there and durable the two change places in one step. So the directory is always one whole export; what was
//! brought when a call broke off is used by the next.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use entente_proto::audit::{BundleFiles, MANIFEST, Manifest, Part, bundles, checkpoint, part};
use entente_proto::checkpoint::Checkpoint;
use entente_proto::entry::Run;
use entente_proto::hash::Hash;
use entente_proto::ids::{Size, UnitId};
use entente_proto::limits::{MANIFEST_BYTES_MAX, NOTE_BYTES_MAX};
use entente_proto::note::Note;
use entente_proto::wire::export_reply::Part as Piece;
use entente_proto::wire::{BundlesRequest, ExportRequest};
use rustix::fs::{CWD, RenameFlags, renameat_with, syncfs};
use serde::Serialize;

use super::disk::walk;
use super::verify::bar;
use crate::cli::client::{Node, misfit};
use crate::cli::error::CliError;
use crate::cli::output::Output;
use crate::files::{create_private_directory, read_bounded, sync_directory};

/// Bundles of one call.
const BUNDLES: usize = 256;
/// Most bytes of the files that are of no bundle.
const SMALL_BYTES_MAX: usize = 256 << 20;
/// Most bytes of the run of one bundle.
const RUN_BYTES_MAX: usize = 32 << 20;
/// How often the manifest is asked for anew when an erasure came in between.
const TRIES: usize = 5;

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
            out.line(format_args!("verify it: entente audit verify {}", self.directory))?;
        }
        out.flush()
    }
}

/// What a node says of an export: the manifest's note, its reading, and the files that are of no bundle.
struct Offered {
    note: Vec<u8>,
    manifest: Manifest,
    small: BTreeMap<String, Vec<u8>>,
}

/// Brings an export into a directory.
pub(super) async fn bring(node: &Node, directory: &Path) -> Result<Brought, CliError> {
    let place = Place::new(directory)?;
    for _ in 0..TRIES {
        let offered = offered(node).await?;
        if let Some(brought) = place.fill(node, &offered).await? {
            place.put()?;
            return Ok(brought);
        }
    }
    Err(CliError::Unreachable("records are erased faster than the export is brought: call again".to_owned()))
}

async fn offered(node: &Node) -> Result<Offered, CliError> {
    let bar = bar("the node reads");
    let mut stream = node.client().audit_manifest(node.lasting_request(ExportRequest {})).await?.into_inner();
    let (mut note, mut small, mut bytes) = (Vec::new(), BTreeMap::new(), 0_usize);
    while let Some(reply) = stream.message().await? {
        match reply.part {
            Some(Piece::Progress(progress)) => {
                bar.set_length(progress.of);
                bar.set_position(progress.entries);
            }
            Some(Piece::File(file)) => {
                bytes = bytes.saturating_add(file.content.len());
                if bytes > SMALL_BYTES_MAX {
                    return Err(misfit("its notes and tiles have no end"));
                }
                small.insert(file.path, file.content);
            }
            Some(Piece::Manifest(piece)) if note.len() + piece.len() <= MANIFEST_BYTES_MAX => note.extend(piece),
            _ => return Err(misfit("its manifest has no end, or a part of another kind")),
        }
    }
    bar.finish_and_clear();
    let (manifest, _) = Manifest::read(&note).map_err(|error| misfit(&error.to_string()))?;
    let named = |(path, content): (&String, &Vec<u8>)| manifest.files().get(path) == Some(&Hash::of(content));
    if small.iter().all(named) {
        Ok(Offered { note, manifest, small })
    } else {
        Err(misfit("its files are others than it says"))
    }
}

/// Where an export is put, and where it is put together.
struct Place {
    directory: PathBuf,
    incoming: PathBuf,
    /// Held while it is put together: nobody else does.
    _lock: File,
}

impl Place {
    fn new(directory: &Path) -> Result<Self, CliError> {
        let name = directory
            .file_name()
            .ok_or_else(|| CliError::Usage(format!("{} names no directory", directory.display())))?;
        check(directory)?;
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
        Ok(Self { directory: directory.to_owned(), incoming, _lock: lock })
    }

    /// Puts everything together beside the directory; nothing where what the node has is not what its manifest said any
    /// more.
    async fn fill(&self, node: &Node, offered: &Offered) -> Result<Option<Brought>, CliError> {
        let named = offered.manifest.files();
        let before = self.before();
        let mut new_files = 0;
        let mut wanting: BTreeSet<&str> = BTreeSet::new();
        for (path, digest) in named {
            match offered.small.get(path) {
                _ if before.get(path) == Some(digest) && self.link(path)? => {}
                Some(content) => {
                    self.write(path, content)?;
                    new_files += 1;
                }
                None if self.has(path, digest) => new_files += 1,
                None => {
                    wanting.insert(path);
                }
            }
        }
        let bar = bar("bringing");
        let mut records = 0;
        let mut lacking = Vec::new();
        for (unit, size) in sizes(offered)? {
            records += size.get();
            let lacks = |(number, width): &(u64, u16)| {
                Part::ALL.iter().any(|which| wanting.contains(part(&unit, *which, *number, *width).as_str()))
            };
            let bundles: Vec<(u64, u16)> = bundles(size).filter(lacks).collect();
            bar.inc_length(bundles.iter().map(|(_, width)| u64::from(*width)).sum());
            lacking.push((unit, size, bundles));
        }
        for (unit, size, bundles) in lacking {
            for some in bundles.chunks(BUNDLES) {
                let request = BundlesRequest {
                    unit: unit.to_string(),
                    size: size.get(),
                    numbers: some.iter().map(|(number, _)| *number).collect(),
                };
                let mut stream = node.client().audit_bundles(node.lasting_request(request)).await?.into_inner();
                for (number, width) in some {
                    let mut run = Vec::new();
                    loop {
                        let piece = stream.message().await?.ok_or_else(|| misfit("a bundle is missing"))?;
                        run.extend(piece.run);
                        if piece.number != *number || run.len() > RUN_BYTES_MAX {
                            return Err(misfit("a bundle is another, or has no end"));
                        }
                        if piece.last {
                            break;
                        }
                    }
                    let entries = Run::new(run.into()).collect::<Result<Vec<_>, _>>();
                    let entries = entries.map_err(|error| misfit(&error.to_string()))?;
                    let files = BundleFiles::of(&entries, offered.manifest.payloads());
                    for which in Part::ALL {
                        let path = part(&unit, which, *number, *width);
                        if !wanting.remove(path.as_str()) {
                            continue;
                        }
                        if named.get(&path) != Some(&Hash::of(files.part(which))) {
                            return Ok(None);
                        }
                        self.write(&path, files.part(which))?;
                        new_files += 1;
                    }
                    bar.inc(u64::from(*width));
                }
            }
        }
        bar.finish_and_clear();
        if let Some(path) = wanting.first() {
            return Err(misfit(&format!("its manifest names {path}, which belongs to no log")));
        }
        self.write(MANIFEST, &offered.note)?;
        self.tidy(named)?;
        Ok(Some(Brought {
            directory: self.directory.display().to_string(),
            exporter: offered.manifest.unit().to_string(),
            records,
            files: named.len() + 1,
            new_files,
        }))
    }

    /// What the manifest in the directory names.
    fn before(&self) -> BTreeMap<String, Hash> {
        let note = read_bounded(&self.directory.join(MANIFEST), MANIFEST_BYTES_MAX).ok();
        note.and_then(|note| Manifest::read(&note).ok())
            .map(|(manifest, _)| manifest.files().clone())
            .unwrap_or_default()
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

    /// Whether the file was brought already, by a call that broke off.
    fn has(&self, path: &str, digest: &Hash) -> bool {
        fs::read(self.incoming.join(path)).is_ok_and(|bytes| Hash::of(&bytes) == *digest)
    }

    fn write(&self, path: &str, bytes: &[u8]) -> Result<(), CliError> {
        let to = self.incoming.join(path);
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
        for path in there.iter().filter(|path| *path != MANIFEST && !named.contains_key(*path)) {
            let path = self.incoming.join(path);
            fs::remove_file(&path).map_err(|e| CliError::file(&path, "remove", &e))?;
        }
        Ok(())
    }

    /// Makes all of it durable and puts it in the place of the directory, in one step.
    fn put(&self) -> Result<(), CliError> {
        let fault = |error: io::Error| CliError::file(&self.directory, "write", &error);
        File::open(&self.incoming).and_then(|opened| syncfs(opened).map_err(io::Error::from)).map_err(fault)?;
        if self.directory.join(MANIFEST).exists() {
            renameat_with(CWD, &self.incoming, CWD, &self.directory, RenameFlags::EXCHANGE)
                .map_err(|error| fault(error.into()))?;
            fs::remove_dir_all(&self.incoming).map_err(|e| CliError::file(&self.incoming, "remove", &e))?;
        } else {
            fs::rename(&self.incoming, &self.directory).map_err(fault)?;
        }
        sync_directory(parent(&self.directory)).map_err(fault)
    }
}

/// The directory is not there, empty, or an export.
fn check(directory: &Path) -> Result<(), CliError> {
    match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(CliError::file(directory, "read", &error)),
        Ok(mut there) => match there.next() {
            None => Ok(()),
            Some(_) if directory.join(MANIFEST).exists() => Ok(()),
            Some(_) => Err(CliError::Refused(format!(
                "{} holds something that is no export: name a directory that is not there yet, or one that an export was \
                 made into",
                directory.display()
            ))),
        },
    }
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

/// How large each log is of which something is certified.
fn sizes(offered: &Offered) -> Result<Vec<(UnitId, Size)>, CliError> {
    let mut sizes = Vec::new();
    for (path, content) in &offered.small {
        let unit = path.strip_prefix("logs/").and_then(|rest| rest.strip_suffix("/checkpoint"));
        let Some(unit) = unit.and_then(|unit| unit.parse::<UnitId>().ok()).filter(|unit| checkpoint(unit) == *path)
        else {
            continue;
        };
        let said = Note::parse(content, NOTE_BYTES_MAX).ok().and_then(|note| Checkpoint::parse_body(note.text()).ok());
        sizes.push((unit, said.ok_or_else(|| misfit("a checkpoint of it is none"))?.size));
    }
    Ok(sizes)
}
