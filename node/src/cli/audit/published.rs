//! `entente audit fetch` from where an export is published: a directory, a web server, S3-compatible storage.
//!
//! Nobody on the way has to be trusted: the manifest is signed by the unit's node, under charters that go on from those which the
//! auditor names or holds, and no file enters unless it has the SHA-256 that the manifest names. Whether all of it holds is
//! what `entente audit verify` is for.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use entente_proto::hash::Hash;
use indicatif::ProgressBar;

use super::held::Held;
use super::incoming::{Brought, Incoming};
use super::verify::{bar, files_of};
use crate::cli::error::CliError;
use crate::publish::{Address, Fetched, Offered, Place, PlaceError, Published, ReadError};

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

/// Brings what is published there into a directory, in the place of what it holds.
pub(super) async fn fetch(
    address: &Address,
    directory: &Path,
    held: &Held,
    bytes_max: u64,
) -> Result<Brought, CliError> {
    let fault = |error| fault(address, error);
    let (mut incoming, mut before, mut tried) = (None, None, 0);
    loop {
        let place = Place::to_read(address).map_err(|error| fault(error.into()))?;
        let offered = Offered::open(place).await.map_err(fault)?;
        let note = Hash::of(offered.note());
        held.admit(offered.offer())?;
        let changed = match offered.verify(held.pinned()).await {
            Ok(published) => {
                if incoming.is_none() {
                    incoming = Some(Incoming::new(directory, held, bytes_max)?);
                }
                let Some(incoming) = &incoming else { continue };
                match bring(&published, incoming).await.map_err(|error| error.into_words(address))? {
                    Brings::All(brought) => return Ok(brought),
                    Brings::Changed(path) => path,
                }
            }
            Err(ReadError::Changed(path)) => path,
            Err(error) => return Err(fault(error)),
        };
        tried += 1;
        let same = before.replace(note) == Some(note);
        match (tried >= TRIES, same) {
            (false, _) => tokio::time::sleep(PAUSE).await,
            (true, true) => return Err(fault(ReadError::Changed(changed))),
            (true, false) => {
                return Err(CliError::Unreachable(format!(
                    "{address} changes faster than it is fetched: call again, and what is here already is used"
                )));
            }
        }
    }
}

/// What bringing came to.
enum Brings {
    All(Brought),
    /// A file was not what the manifest says.
    Changed(String),
}

async fn bring(published: &Published, incoming: &Incoming<'_>) -> Result<Brings, Ended> {
    let (wanting, mut new_files) = incoming.begin(published.manifest()).map_err(Ended::Here)?;
    let bar = files_of(bar("fetching"), wanting.len());
    let changed = read(published, &wanting, incoming, &bar, &mut new_files).await;
    bar.finish_and_clear();
    if let Some(path) = changed? {
        return Ok(Brings::Changed(path));
    }
    let of = (published.manifest(), published.charters());
    incoming.conclude(published.note(), of, new_files).map(Brings::All).map_err(Ended::Here)
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
    wanting: &BTreeMap<String, Hash>,
    incoming: &Incoming<'_>,
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
        ReadError::Changed(path) => CliError::Verification(format!(
            "{address}: {path} is not what the manifest says, and stays so: what is published there is damaged. Tell whoever \
             publishes it (entente audit publish looks at all that is there, and mends it)"
        )),
        ReadError::Place(PlaceError::TooLarge(..))
        | ReadError::Manifest(_)
        | ReadError::Offer(_)
        | ReadError::Foreign(_) => CliError::Verification(words),
    }
}
