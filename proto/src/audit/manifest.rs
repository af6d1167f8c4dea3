//! The manifest: every file of an export, by its SHA-256.
//!
//! A [note](crate::note) whose text is
//!
//! ```text
//! entente/export@v1
//! node takedown.example/BE
//! files 2
//! f3d8...64 hexadecimal digits  charter/1.note
//! 91ab...                       logs/BE/checkpoint
//! ```
//!
//! with two spaces between digest and path (so that `tail -n +4 manifest | sha256sum -c` reads it), paths ascending as bytes,
//! each once. Paths have no empty, `.` or `..` part, and only `A-Z a-z 0-9 . - /`. The one signature is by the mirror key of
//! the exporting unit, [`cosignature/v1`](crate::cosignature) over the text with the time of the export. No such text is the
//! body of a checkpoint: its second line is no number.
//!
//! Where [payloads are withheld](Payloads::Withheld) the first line is `entente/export-withheld@v1`: a program that does not
//! know of such exports refuses it.

use std::collections::BTreeMap;
use std::fmt;

use crate::audit::{Part, Payloads, layout};
use crate::cosignature::Cosignature;
use crate::hash::Hash;
use crate::ids::{NetworkName, Size, UnitId};
use crate::limits::{BUNDLE_ENTRIES, MANIFEST_BYTES_MAX};
use crate::note::{KeyName, Note, NoteError, SignError, Signer, VerifierKey};

/// The first line of the manifest of an export that shows all payloads.
pub const FORMAT: &str = "entente/export@v1";
/// The first line of the manifest of one that withholds them.
pub const FORMAT_WITHHELD: &str = "entente/export-withheld@v1";

/// Charters of an export at most.
const CHARTERS_MAX: usize = 1_024;

/// Why a manifest is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// The note, or its signature.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// The first line.
    #[error("its first line is neither {FORMAT} nor {FORMAT_WITHHELD}")]
    Format,
    /// The second line.
    #[error("its second line does not name the exporting unit: \"node <network>/<unit>\"")]
    Node,
    /// The third line, or another number of lines than it says.
    #[error("its third line is not the number of the lines that follow: \"files <number>\"")]
    Count,
    /// More charters than a network has.
    #[error("it names more than {CHARTERS_MAX} charters")]
    Charters,
    /// A line that names no file.
    #[error("line {0} is not a SHA-256 value, two spaces and a path")]
    Line(usize),
    /// A path that does not come after the one before.
    #[error("line {0} does not come after the line before it: paths ascend, and each stands once")]
    Order(usize),
    /// More signatures than one.
    #[error("it has {0} signatures: the exporting node signs it alone")]
    Signatures(usize),
}

/// What a node says that an export consists of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    network: NetworkName,
    unit: UnitId,
    payloads: Payloads,
    files: BTreeMap<String, Hash>,
}

impl Manifest {
    /// The manifest of an export by this unit's node.
    #[must_use]
    pub const fn new(network: NetworkName, unit: UnitId, payloads: Payloads) -> Self {
        Self { network, unit, payloads, files: BTreeMap::new() }
    }

    /// Adds a file.
    pub fn add(&mut self, path: String, digest: Hash) {
        self.files.insert(path, digest);
    }

    /// The exporting unit's network.
    #[must_use]
    pub const fn network(&self) -> &NetworkName {
        &self.network
    }

    /// The exporting unit.
    #[must_use]
    pub const fn unit(&self) -> &UnitId {
        &self.unit
    }

    /// Which payloads the export shows.
    #[must_use]
    pub const fn payloads(&self) -> Payloads {
        self.payloads
    }

    /// Every file but the manifest, with its SHA-256.
    #[must_use]
    pub const fn files(&self) -> &BTreeMap<String, Hash> {
        &self.files
    }

    /// How large a log is, by the names of its bundles.
    #[must_use]
    pub fn size(&self, unit: &UnitId) -> Size {
        let names = |number, width| self.files.contains_key(&layout::part(unit, Part::Entries, number, width));
        let full = (0_u64..).find(|number| !names(*number, 256)).unwrap_or_default();
        let rest = (1_u16..256).find(|width| names(full, *width)).unwrap_or_default();
        Size::new(full.saturating_mul(BUNDLE_ENTRIES).saturating_add(rest.into())).unwrap_or_default()
    }

    /// The text that is signed.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = self.write(&mut text);
        text
    }

    fn write(&self, text: &mut impl fmt::Write) -> fmt::Result {
        let format = match self.payloads {
            Payloads::All => FORMAT,
            Payloads::Withheld => FORMAT_WITHHELD,
        };
        let (node, count) = (KeyName::log(&self.network, &self.unit), self.files.len());
        write!(text, "{format}\nnode {node}\nfiles {count}\n")?;
        self.files.iter().try_for_each(|(path, digest)| writeln!(text, "{digest}  {path}"))
    }

    /// The note, signed with the unit's mirror key at `time`, Unix seconds.
    ///
    /// # Errors
    /// [`SignError`].
    pub fn sign(&self, time: u64, signer: &dyn Signer) -> Result<Vec<u8>, SignError> {
        let text = self.text();
        let line = Cosignature::sign(&text, time, signer)?.to_line(signer.key());
        Ok(Note::assemble(text, vec![line]).to_bytes())
    }

    /// Reads a manifest, whoever signed it.
    ///
    /// # Errors
    /// [`ManifestError`] for every departure from the one form.
    pub fn read(bytes: &[u8]) -> Result<(Self, Note), ManifestError> {
        let note = Note::parse(bytes, MANIFEST_BYTES_MAX)?;
        Ok((Self::of(&note)?, note))
    }

    /// What a note says.
    pub(super) fn of(note: &Note) -> Result<Self, ManifestError> {
        let ((network, unit, payloads), count, lines) = first_lines(note)?;
        let mut files: BTreeMap<String, Hash> = BTreeMap::new();
        for (line, number) in lines {
            let (path, digest) = file(line).ok_or(ManifestError::Line(number))?;
            if files.last_key_value().is_some_and(|(last, _)| last.as_str() >= path) {
                return Err(ManifestError::Order(number));
            }
            files.insert(path.to_owned(), digest);
        }
        let read = Self { network, unit, payloads, files };
        // The one form, also of the count.
        let mut rest = Rest(note.text());
        if count != read.files.len().to_string() || read.write(&mut rest).is_err() || !rest.0.is_empty() {
            return Err(ManifestError::Count);
        }
        if note.signatures().len() != 1 {
            return Err(ManifestError::Signatures(note.signatures().len()));
        }
        Ok(read)
    }

    /// Whose manifest it is, and the charters that it names, which stand before all else: no more is read.
    pub(super) fn head(note: &Note) -> Result<Head, ManifestError> {
        let ((network, unit, payloads), _, lines) = first_lines(note)?;
        let mut charters = BTreeMap::new();
        for (line, number) in lines {
            let (path, digest) = file(line).ok_or(ManifestError::Line(number))?;
            if !path.starts_with("charter/") {
                break;
            }
            if charters.len() >= CHARTERS_MAX {
                return Err(ManifestError::Charters);
            }
            charters.insert(path.to_owned(), digest);
        }
        Ok((network, unit, payloads, charters))
    }

    /// Verifies that this key signed the note; gives when, Unix seconds.
    ///
    /// # Errors
    /// [`NoteError`].
    pub fn signed(note: &Note, key: &VerifierKey) -> Result<u64, NoteError> {
        let line = note.signature_of(key).ok_or_else(|| NoteError::Unsigned(key.name().clone()))?;
        let cosignature = Cosignature::from_line(line)?;
        cosignature.verify(note.text(), key)?;
        Ok(cosignature.time)
    }
}

/// The exporting unit with its network, which payloads the export shows, and the charters that it names.
type Head = (NetworkName, UnitId, Payloads, BTreeMap<String, Hash>);
/// The same without the charters, the number of files, and the lines that name them, each with its number.
type Lines<'a> = ((NetworkName, UnitId, Payloads), &'a str, Box<dyn Iterator<Item = (&'a str, usize)> + 'a>);

fn first_lines(note: &Note) -> Result<Lines<'_>, ManifestError> {
    let mut lines = note.text().trim_end_matches('\n').split('\n').zip(1_usize..);
    let payloads = match lines.next().map(|(line, _)| line) {
        Some(FORMAT) => Payloads::All,
        Some(FORMAT_WITHHELD) => Payloads::Withheld,
        _ => return Err(ManifestError::Format),
    };
    let node = lines.next().and_then(|(line, _)| line.strip_prefix("node ")?.rsplit_once('/'));
    let node = node.and_then(|(network, unit)| Some((network.parse().ok()?, unit.parse().ok()?)));
    let (network, unit) = node.ok_or(ManifestError::Node)?;
    let count = lines.next().and_then(|(line, _)| line.strip_prefix("files ")).ok_or(ManifestError::Count)?;
    Ok(((network, unit, payloads), count, Box::new(lines)))
}

/// What is left of a text once what was written is taken off; writing anything else fails.
struct Rest<'a>(&'a str);

impl fmt::Write for Rest<'_> {
    fn write_str(&mut self, written: &str) -> fmt::Result {
        self.0 = self.0.strip_prefix(written).ok_or(fmt::Error)?;
        Ok(())
    }
}

fn file(line: &str) -> Option<(&str, Hash)> {
    let (digest, path) = line.split_once("  ")?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-');
    let whole = |part: &str| !part.is_empty() && part != "." && part != ".." && part.bytes().all(plain);
    (path.split('/').all(whole) && path != super::MANIFEST).then_some(())?;
    Some((path, Hash::from_hex(digest)?))
}
