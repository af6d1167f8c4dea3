//! The charters of an export.

use std::collections::BTreeSet;

use crate::audit::log::Register as _;
use crate::audit::verify::Notes;
use crate::audit::{Fault, Files, layout};
use crate::charter::{Charter, CharterChain, CharterError, UnverifiedCharter};
use crate::cosignature::Cosignature;
use crate::hash::Hash;
use crate::ids::UnitId;
use crate::limits::CHARTER_BYTES_MAX;
use crate::note::Note;

/// A version of the charter.
#[derive(Debug, Clone)]
pub struct VerifiedCharter {
    /// Its file.
    pub path: String,
    /// The version.
    pub version: u32,
    /// SHA-256 of its text.
    pub digest: Hash,
    /// The units that it lists.
    pub units: Vec<UnitId>,
    /// When the first and the last mirror key that signs it did so, Unix seconds by their clocks; nothing if none does.
    pub signed: Option<(u64, u64)>,
}

/// The charters from the first on. What is named in the manifest and missing is a fault.
pub(super) fn read<F: Files>(
    files: &F,
    there: &BTreeSet<String>,
    register: &mut Notes,
    found: &mut Vec<VerifiedCharter>,
) -> Option<CharterChain> {
    let mut chain: Option<CharterChain> = None;
    loop {
        let (refounded, newest) = chain.as_ref().map_or((0, 0), |chain| (chain.refounded(), chain.newest().version()));
        let mut next = vec![layout::charter(refounded, newest.saturating_add(1))];
        if chain.is_some() {
            next.push(layout::charter(refounded.saturating_add(1), 1));
            next.retain(|path| register.names(path) || there.contains(path));
        }
        let Some(path) = next.into_iter().next() else { break };
        let bytes = match files.read(&path, CHARTER_BYTES_MAX) {
            Ok(bytes) => bytes,
            Err(why) => {
                register.fault(Fault::Unreadable { path, why });
                break;
            }
        };
        let next = next_charter(chain.clone(), &bytes);
        let (digest, done) = (Hash::of(&bytes), next.is_err());
        match next {
            Ok(next) => {
                if next.newest().note() != bytes {
                    register.fault(Fault::CharterLines(path.clone()));
                }
                found.push(described(next.newest(), path.clone()));
                chain = Some(next);
            }
            Err(fault) => register.fault(Fault::Charter { path: path.clone(), fault: Box::new(fault) }),
        }
        register.digest(&path, digest);
        if done {
            break;
        }
    }
    chain
}

fn next_charter(chain: Option<CharterChain>, bytes: &[u8]) -> Result<CharterChain, CharterError> {
    let charter = UnverifiedCharter::parse(bytes)?;
    let Some(mut chain) = chain else { return CharterChain::found(charter.verify_first()?) };
    chain.follow(charter)?;
    Ok(chain)
}

fn described(charter: &Charter, path: String) -> VerifiedCharter {
    let times = Note::parse(charter.note(), CHARTER_BYTES_MAX).ok().map(|note| {
        let of = |line| Cosignature::from_line(line).ok().map(|cosignature| cosignature.time);
        note.signatures().iter().filter_map(of).collect::<Vec<u64>>()
    });
    let times = times.unwrap_or_default();
    VerifiedCharter {
        path,
        version: charter.version(),
        digest: charter.digest(),
        units: charter.units().keys().cloned().collect(),
        signed: times.iter().min().copied().zip(times.iter().max().copied()),
    }
}
