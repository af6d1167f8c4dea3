//! Guard lists: names and addresses that must not be referred by mistake.
//!
//! They are files in the format of MISP's warning lists (<https://github.com/MISP/misp-warninglists>), one JSON document
//! each, in the directory `guard/` of the node's home:
//!
//! ```json
//! { "name": "Wikimedia", "version": 3, "type": "hostname", "list": ["wikipedia.org"],
//!   "matching_attributes": ["domain", "hostname", "url"] }
//! ```
//!
//! A referral of what a list names is refused until a second officer agrees. Which targets a list is held against is said
//! by its `matching_attributes` (by all, where there are none); how, by its `type`:
//!
//! | type | hits |
//! |---|---|
//! | `string` | the value itself, or the host of an address without a path; an entry `.x.example` the names below it too |
//! | `substring` | a value that contains the entry |
//! | `hostname` | the host, or a name below the entry |
//! | `cidr` | an IP address, also as a host, in the network |
//! | `regex` | a value in which the expression is found (`/.../i` as PHP writes it, or bare) |
//!
//! Capitals do not matter. Files are looked at before each call of an officer and read again when they changed. A file
//! that cannot be read is named in `status` and to whoever refers; what it said before, if anything, stays in force.
//!
//! Directories in it are not looked into, and are told like such a file: MISP keeps each list in one of its own.
//!
//! Limits: 1,000 files of 64 MiB.

mod hosts;
mod list;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use entente_proto::record::Target;

pub use list::{GuardList, ListFault};

use crate::files::Looks;

/// Largest file, in bytes.
const FILE_BYTES_MAX: usize = 64 << 20;
/// Most files.
const FILES_MAX: usize = 1_000;

/// One file: what it said when it last could be read, and why it cannot be read now.
#[derive(Debug, Clone)]
struct Loaded {
    looks: Looks,
    list: Option<Arc<GuardList>>,
    fault: Option<String>,
}

/// The guard lists of a node.
#[derive(Debug)]
pub struct Guard {
    directory: PathBuf,
    loaded: Mutex<Lists>,
}

/// The lists as they were at one moment, for one call.
#[derive(Debug, Clone, Default)]
pub struct Lists {
    files: BTreeMap<PathBuf, Loaded>,
    /// Why the directory itself cannot be read.
    fault: Option<String>,
    /// That directories in it are passed over.
    passed_over: Option<String>,
}

/// What a list says of a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hit {
    /// The list's name.
    pub list: String,
    /// The entry that hits.
    pub entry: String,
    /// Whether the target is an address below a listed host, not the host itself.
    pub page: bool,
}

impl Guard {
    /// The lists of this directory; one that is not there has none.
    #[must_use]
    pub fn new(directory: PathBuf) -> Self {
        Self { directory, loaded: Mutex::default() }
    }

    /// The lists as they are now. Reads what changed since the last call, so it may block for a moment.
    #[must_use]
    pub fn lists(&self) -> Lists {
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        match found(&self.directory) {
            Ok((found, directories)) => {
                loaded.renew(found);
                loaded.passed_over = passed_over(&directories);
            }
            Err(error) => {
                loaded.fault = Some(format!("the guard lists in {} cannot be read: {error}", self.directory.display()));
            }
        }
        loaded.clone()
    }
}

impl Lists {
    fn renew(&mut self, found: BTreeMap<PathBuf, Looks>) {
        self.fault = (found.len() > FILES_MAX).then(|| {
            format!("there are {} guard lists, and only the first {FILES_MAX} are looked at: join some", found.len())
        });
        self.files.retain(|path, _| found.contains_key(path));
        for (path, looks) in found.into_iter().take(FILES_MAX) {
            let before = self.files.get(&path);
            if before.is_some_and(|before| before.looks == looks) {
                continue;
            }
            let before = before.and_then(|before| before.list.clone());
            let loaded = match read(&path) {
                Ok(list) => {
                    tracing::info!(list = list.name(), entries = list.len(), "read a guard list");
                    Loaded { looks, list: Some(Arc::new(list)), fault: None }
                }
                Err(fault) => {
                    let stays =
                        if before.is_some() { "what it said before stays in force" } else { "it guards nothing" };
                    let fault = format!("the guard list {} cannot be used: {fault}; {stays}", path.display());
                    tracing::error!("{fault}");
                    Loaded { looks, list: before, fault: Some(fault) }
                }
            };
            self.files.insert(path, loaded);
        }
    }

    /// What is wrong with the lists, in words.
    pub fn faults(&self) -> impl Iterator<Item = &str> {
        let all = self.fault.iter().chain(&self.passed_over).map(String::as_str);
        all.chain(self.files.values().filter_map(|loaded| loaded.fault.as_deref()))
    }

    /// The lists in force, each with the file that it was read from.
    pub fn in_force(&self) -> impl Iterator<Item = (&Path, &GuardList)> {
        self.files.iter().filter_map(|(path, loaded)| Some((path.as_path(), loaded.list.as_deref()?)))
    }

    /// What the lists say of a target: at most one hit of each.
    #[must_use]
    pub fn hits(&self, target: &Target) -> Vec<Hit> {
        let probe = list::Probe::of(target);
        self.in_force().filter_map(|(_, list)| list.hit(&probe)).collect()
    }
}

/// The files of a directory that are lists by their names, and the directories in it.
fn found(directory: &Path) -> io::Result<(BTreeMap<PathBuf, Looks>, Vec<PathBuf>)> {
    let entries = match std::fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Default::default()),
        Err(error) => return Err(error),
    };
    let (mut found, mut directories) = (BTreeMap::new(), Vec::new());
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            directories.push(path);
            continue;
        }
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        // A link may lead to a list that is kept elsewhere; one to nowhere is told like an unreadable file.
        let looks = Looks::of(&path);
        found.insert(path, looks);
    }
    directories.sort();
    Ok((found, directories))
}

fn passed_over(directories: &[PathBuf]) -> Option<String> {
    let first = directories.first()?;
    let more = match directories.len() {
        1 => String::new(),
        count => format!(" and {} more like it", count - 1),
    };
    Some(format!(
        "the directory {}{more} guards nothing: put the files of the lists themselves into {}",
        first.display(),
        first.parent().unwrap_or(first).display()
    ))
}

fn read(path: &Path) -> Result<GuardList, String> {
    if !std::fs::metadata(path).map_err(|error| error.to_string())?.is_file() {
        return Err("it is not a file".into());
    }
    let bytes = crate::files::read_bounded(path, FILE_BYTES_MAX).map_err(|error| error.to_string())?;
    GuardList::parse(&bytes).map_err(|error| error.to_string())
}
