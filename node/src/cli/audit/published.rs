//! `entente audit fetch` from where an export is published: a directory, a web server, S3-compatible storage.
//!
//! Nobody has to be trusted for it: no file enters unless it has the SHA-256 that the manifest names, and whether the manifest
//! holds, and everything under it, is what `entente audit verify` is for.

use std::path::Path;
use std::time::Duration;

use indicatif::ProgressBar;

use super::incoming::{Brought, Incoming};
use super::verify::{bar, files_of};
use crate::cli::error::CliError;
use crate::publish::{Address, Fetched, Place, PlaceError, Published, ReadError};

/// How often the manifest is read anew where a file is not what it says, and how long to wait before.
const TRIES: usize = 5;
const PAUSE: Duration = Duration::from_millis(500);

/// The place that `--from` names; nothing if it is the address of a node.
pub(super) fn place(from: &str) -> Result<Option<Address>, CliError> {
    if !from.contains('/') && !Path::new(from).is_dir() {
        return Ok(None);
    }
    from.parse().map(Some).map_err(|error: crate::publish::AddressError| CliError::Usage(error.to_string()))
}

/// Brings what is published there into a directory.
pub(super) async fn fetch(address: &Address, directory: &Path) -> Result<Brought, CliError> {
    let place = Place::to_read(address).map_err(|error| fault(address, error.into()))?;
    let mut published = Published::open(place).await.map_err(|error| fault(address, error))?;
    let incoming = Incoming::new(directory)?;
    let mut tried = 0;
    loop {
        let (wanting, mut new_files) = incoming.begin(published.manifest())?;
        let bar = files_of(bar("fetching"), wanting.len());
        let changed = read(&published, &wanting, &incoming, &bar, &mut new_files).await;
        bar.finish_and_clear();
        let Some(path) = changed.map_err(|error| error.into_words(address))? else {
            return incoming.conclude(published.note(), published.manifest(), new_files);
        };
        tried += 1;
        let last = tried >= TRIES;
        if !last {
            tokio::time::sleep(PAUSE).await;
        }
        let (again, changed) = published.again().await.map_err(|error| fault(address, error))?;
        published = again;
        match (last, changed) {
            (false, _) => {}
            (true, false) => {
                return Err(CliError::Verification(format!(
                    "{address}: {path} is not what the manifest says, and stays so: what is published there is damaged. Tell \
                     whoever publishes it (entente audit publish mends what is missing)"
                )));
            }
            (true, true) => {
                return Err(CliError::Unreachable(format!(
                    "{address} changes faster than it is fetched: call again, and what is here already is used"
                )));
            }
        }
    }
}

/// Why reading ended.
enum Ended {
    Place(PlaceError),
    Here(CliError),
}

impl From<PlaceError> for Ended {
    fn from(error: PlaceError) -> Self {
        Self::Place(error)
    }
}

impl Ended {
    fn into_words(self, address: &Address) -> CliError {
        match self {
            Self::Place(error) => fault(address, error.into()),
            Self::Here(error) => error,
        }
    }
}

/// Reads what is wanted; gives a file that was not what the manifest says.
async fn read(
    published: &Published,
    wanting: &std::collections::BTreeMap<String, entente_proto::hash::Hash>,
    incoming: &Incoming,
    bar: &ProgressBar,
    new_files: &mut usize,
) -> Result<Option<String>, Ended> {
    let mut changed = None;
    let take = |file| match file {
        Fetched::Whole(path, bytes) => {
            bar.inc(1);
            *new_files += 1;
            incoming.write(&path, &bytes).map_err(Ended::Here)
        }
        Fetched::Changed(path) => {
            changed.get_or_insert(path);
            Ok(())
        }
    };
    published.read(wanting, take).await?;
    Ok(changed)
}

fn fault(address: &Address, error: ReadError) -> CliError {
    let words = format!("{address}: {error}");
    match error {
        ReadError::Place(PlaceError::Unreachable(words)) => CliError::Unreachable(words),
        ReadError::Place(PlaceError::Refused(words) | PlaceError::Other(words)) => CliError::Refused(words),
        ReadError::Place(PlaceError::Absent(_) | PlaceError::Changed(_)) | ReadError::Nothing | ReadError::Begun => {
            CliError::Refused(words)
        }
        ReadError::Place(PlaceError::TooLarge(..)) | ReadError::Manifest(_) | ReadError::Foreign(_) => {
            CliError::Verification(words)
        }
    }
}
