//! What a file is, by its beginning, and a place for one that cannot be read twice.

use std::fs::File;
use std::io::{self, Read, Seek, Write};

use super::{Format, ImportError, Options, documents};

/// How much of a file is looked at to tell what it is, in bytes.
const HEAD_BYTES: usize = 64 << 10;

/// How files begin that hold others, or text in a form of their own: nothing is unpacked here, so that no small file grows
/// into one without end.
const PACKED: [(&[u8], &str); 11] = [
    (b"\x1f\x8b", "gzip (gunzip unpacks it)"),
    (b"PK\x03\x04", "zip (unzip unpacks it), or a spreadsheet (save it as CSV)"),
    (b"PK\x05\x06", "zip, and empty"),
    (b"BZh", "bzip2 (bunzip2 unpacks it)"),
    (b"\xfd7zXZ\0", "xz (unxz unpacks it)"),
    (b"\x28\xb5\x2f\xfd", "zstd (unzstd unpacks it)"),
    (b"7z\xbc\xaf\x27\x1c", "7-Zip (7z x unpacks it)"),
    (b"Rar!\x1a\x07", "RAR (unrar unpacks it)"),
    (b"LZIP\x01", "lzip (lzip -d unpacks it)"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old spreadsheet or document (save it as CSV)"),
    (b"%PDF-", "PDF (copy its text into a file)"),
];
/// The longest byte order mark.
const MARK_BYTES_MAX: usize = 3;
/// Where a tar archive says that it is one.
const TAR_AT: usize = 257;

/// As what a file is packed, if it is.
pub(super) fn packed(head: &[u8]) -> Option<&'static str> {
    let tar = head.get(TAR_AT..).is_some_and(|rest| rest.starts_with(b"ustar"));
    let begins = PACKED.iter().find(|(begin, _)| head.starts_with(begin)).map(|(_, words)| *words);
    begins.or(tar.then_some("tar (tar -xf unpacks it)"))
}

/// The beginning of a file, as much as is needed to tell what it is: of a text only what was there to be read at once, so
/// that lines typed or piped are taken as they come.
pub(super) fn head(input: &mut impl Read, options: Options) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    let mut chunk = vec![0; HEAD_BYTES];
    while head.len() < HEAD_BYTES {
        let room = HEAD_BYTES.saturating_sub(head.len());
        let count = match input.read(chunk.get_mut(..room).unwrap_or_default()) {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            other => other?,
        };
        head.extend_from_slice(chunk.get(..count).unwrap_or_default());
        let text = head.strip_prefix(&[0xef, 0xbb, 0xbf]).unwrap_or(&head);
        let first = text.iter().find(|byte| !byte.is_ascii_whitespace());
        let is_text = options.format.is_some_and(|format| !format.is_document());
        let is_text = is_text || first.is_some_and(|byte| !matches!(byte, b'{' | b'['));
        // What was looked at for a byte order mark comes by itself, and is too little.
        if count == 0 || is_text && head.len() > MARK_BYTES_MAX {
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
