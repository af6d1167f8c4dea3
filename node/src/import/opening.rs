//! What a file is, by its beginning, and a place for one that cannot be read twice.

use std::fs::File;
use std::io::{self, Read, Seek, Write};

use super::{Format, ImportError, Options, documents};

/// How much of a file is looked at to tell what it is, in bytes.
const HEAD_BYTES: usize = 64 << 10;

/// The beginning of a file, as much as is needed to tell what it is: of a text only what was there to be read at once, so
/// that lines typed or piped are taken as they come.
pub(super) fn head(input: &mut impl Read, options: Options) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    let mut chunk = vec![0; HEAD_BYTES];
    while options.format.is_none_or(Format::is_document) && head.len() < HEAD_BYTES {
        let room = HEAD_BYTES.saturating_sub(head.len());
        let count = match input.read(chunk.get_mut(..room).unwrap_or_default()) {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            other => other?,
        };
        head.extend_from_slice(chunk.get(..count).unwrap_or_default());
        let text = head.strip_prefix(&[0xef, 0xbb, 0xbf]).unwrap_or(&head);
        let first = text.iter().find(|byte| !byte.is_ascii_whitespace());
        if count == 0 || first.is_some_and(|byte| !matches!(byte, b'{' | b'[')) {
            break;
        }
    }
    Ok(head)
}

/// As which document to read a file, if as one.
pub(super) fn document(head: &[u8], options: Options) -> Option<Format> {
    match options.format {
        Some(format) => Some(format).filter(|format| format.is_document()),
        None => documents::sniff(head),
    }
}

/// The input in a temporary file that has no name and ends with the process.
pub(super) fn spooled(mut input: impl Read) -> Result<File, ImportError> {
    let mut file = tempfile::tempfile().map_err(ImportError::Spool)?;
    let mut chunk = vec![0; 64 << 10];
    loop {
        let count = match input.read(&mut chunk) {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            other => other?,
        };
        if count == 0 {
            break;
        }
        file.write_all(chunk.get(..count).unwrap_or_default()).map_err(ImportError::Spool)?;
    }
    file.rewind().map_err(ImportError::Spool)?;
    Ok(file)
}
