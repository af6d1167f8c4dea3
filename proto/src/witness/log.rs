//! The logs of others: their names, their keys, their checkpoints.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::hash::Hash;
use crate::ids::Size;
use crate::limits::{NOTE_BYTES_MAX, ORIGIN_BYTES_MAX, WITNESSED_LOGS_MAX};
use crate::note::{KeyError, NoteError, NoteSignature, VerifierKey, base64, parse_parts};

/// A text that names no log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an origin is 1 to {ORIGIN_BYTES_MAX} bytes without control characters")]
pub struct OriginError;

/// The name of a log: the first line of its checkpoints. It may be any line (C2SP `tlog-checkpoint`), `go.sum database tree`
/// for one, and need not be the name of the log's key.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin(Arc<str>);

impl Origin {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Origin {
    type Err = OriginError;

    fn from_str(text: &str) -> Result<Self, OriginError> {
        // A note has no other control characters.
        let line = !text.is_empty() && !text.bytes().any(|byte| byte < 0x20);
        if line && text.len() <= ORIGIN_BYTES_MAX { Ok(Self(text.into())) } else { Err(OriginError) }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

/// A line that brings in no log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LogLineError {
    /// Its key.
    #[error("line {0}: {1}")]
    Key(usize, KeyError),
    /// Its origin.
    #[error("line {0}: {1}")]
    Origin(usize, OriginError),
    /// Too many logs.
    #[error("line {0}: more than {WITNESSED_LOGS_MAX} logs")]
    TooMany(usize),
}

/// The logs that a witness knows, and the keys that sign for each.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogKeys(BTreeMap<Origin, Vec<VerifierKey>>);

impl LogKeys {
    /// Reads a list: a line for each key, in C2SP's writing. The log's origin is the key's name, or follows it after a space.
    /// An origin with several lines has several keys, any of which signs for it. Empty lines and those that begin with `#`
    /// say nothing.
    ///
    /// ```text
    /// takedown.example/BE+bcf4e567+AYqI4910CfGV/VLbLTy6XXLKZwm/HZQSG/N0iAG0D29c
    /// sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8 go.sum database tree
    /// ```
    ///
    /// # Errors
    /// [`LogLineError`], the first.
    pub fn parse(text: &str) -> Result<Self, LogLineError> {
        let mut logs: BTreeMap<Origin, Vec<VerifierKey>> = BTreeMap::new();
        for (number, line) in (1_usize..).zip(text.lines()) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (key, origin) = line.split_once(' ').map_or((line, None), |(key, origin)| (key, Some(origin.trim())));
            let key: VerifierKey = key.parse().map_err(|error| LogLineError::Key(number, error))?;
            let origin = origin.unwrap_or(key.name().as_str()).parse();
            let origin: Origin = origin.map_err(|error| LogLineError::Origin(number, error))?;
            if !logs.contains_key(&origin) && logs.len() >= WITNESSED_LOGS_MAX {
                return Err(LogLineError::TooMany(number));
            }
            let keys = logs.entry(origin).or_default();
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
        Ok(Self(logs))
    }

    /// Forgets a log.
    pub fn remove(&mut self, origin: &Origin) {
        self.0.remove(origin);
    }

    /// The keys that sign for a log; nothing if it is not known.
    #[must_use]
    pub fn of(&self, origin: &str) -> Option<(&Origin, &[VerifierKey])> {
        let origin: Origin = origin.parse().ok()?;
        self.0.get_key_value(&origin).map(|(origin, keys)| (origin, keys.as_slice()))
    }

    /// Every log's name.
    pub fn origins(&self) -> impl Iterator<Item = &Origin> {
        self.0.keys()
    }
}

/// Why a text is no checkpoint of any log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LogError {
    /// The note.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// Not three lines or more, or an empty one among them.
    #[error("a checkpoint has at least three lines, origin, size and root, and none of its lines is empty")]
    Lines,
    /// The second line.
    #[error("the checkpoint's size is not a decimal number below 2^40 without leading zeros")]
    Size,
    /// The third line.
    #[error("the checkpoint's root is not canonical base64 of 32 bytes")]
    Root,
}

/// A checkpoint of any log, by C2SP `tlog-checkpoint`. Says nothing about who signed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogCheckpoint {
    body: String,
    size: Size,
    root: Hash,
    signatures: Vec<NoteSignature>,
}

impl LogCheckpoint {
    /// Reads one. Two lines by one key are no fault here: whoever relays a log's checkpoint may have added to it.
    ///
    /// # Errors
    /// [`LogError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, LogError> {
        let (body, signatures) = parse_parts(bytes, NOTE_BYTES_MAX)?;
        if signatures.is_empty() {
            return Err(NoteError::NoSignatures.into());
        }
        let lines = body.strip_suffix('\n').ok_or(LogError::Lines)?;
        if lines.split('\n').any(str::is_empty) {
            return Err(LogError::Lines);
        }
        let mut lines = lines.split('\n').skip(1);
        let size = read_number(lines.next().ok_or(LogError::Lines)?).ok_or(LogError::Size)?;
        let root = base64::decode(lines.next().ok_or(LogError::Lines)?);
        let root = root.and_then(|root| Hash::from_slice(&root)).ok_or(LogError::Root)?;
        Ok(Self { body, size, root, signatures })
    }

    /// The text that is signed, extension lines included.
    #[must_use]
    pub fn body(&self) -> &str {
        &self.body
    }

    /// The first line.
    #[must_use]
    pub fn origin(&self) -> &str {
        self.body.split('\n').next().unwrap_or_default()
    }

    /// How many entries the log has.
    #[must_use]
    pub const fn size(&self) -> Size {
        self.size
    }

    /// The root of that many entries.
    #[must_use]
    pub const fn root(&self) -> Hash {
        self.root
    }

    /// The lines that stand on it, verified or not.
    #[must_use]
    pub fn signatures(&self) -> &[NoteSignature] {
        &self.signatures
    }
}

/// A decimal number below 2^40 without leading zeros.
pub(super) fn read_number(text: &str) -> Option<Size> {
    let size = text.parse().ok().and_then(|number| Size::new(number).ok())?;
    (size.to_string() == text).then_some(size)
}
