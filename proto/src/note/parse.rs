//! The one form of a note.

use std::collections::HashSet;

use crate::limits::NOTE_SIGNATURES_MAX;
use crate::note::{Note, NoteError, NoteSignature, base64};

const DASH: &str = "\u{2014} ";

/// Reads a note with any number of signatures, none included.
pub(super) fn note(bytes: &[u8], bytes_max: usize) -> Result<Note, NoteError> {
    let (text, signatures) = parts(bytes, bytes_max)?;
    let mut seen = HashSet::new();
    match signatures.iter().find(|signature| !seen.insert((&signature.name, signature.id))) {
        Some(twice) => Err(NoteError::Duplicate(twice.name.clone())),
        None => Ok(Note { text, signatures }),
    }
}

/// As [`note`], whoever signed how often.
pub(super) fn parts(bytes: &[u8], bytes_max: usize) -> Result<(String, Vec<NoteSignature>), NoteError> {
    if bytes.len() > bytes_max {
        return Err(NoteError::TooLarge { bytes: bytes.len(), bytes_max });
    }
    let whole = std::str::from_utf8(bytes).map_err(|error| NoteError::NotUtf8(error.valid_up_to()))?;
    check_characters(whole)?;
    // The blank line is a newline after the newline that ends the text. No signature line is blank, so it is the last.
    let (before, block) = whole.rsplit_once("\n\n").ok_or(NoteError::NoSignatureBlock)?;
    let text = whole.get(..before.len().saturating_add(1)).ok_or(NoteError::Text)?;
    Ok((text.into(), signatures(block)?))
}

pub(super) fn check_text(text: &str) -> Result<(), NoteError> {
    check_characters(text)?;
    if text.ends_with('\n') { Ok(()) } else { Err(NoteError::Text) }
}

pub(super) fn write(note: &Note) -> String {
    let mut out = format!("{}\n", note.text);
    for signature in &note.signatures {
        out.extend([&write_line(signature), "\n"]);
    }
    out
}

pub(super) fn write_line(signature: &NoteSignature) -> String {
    let bytes = [&signature.id, signature.bytes.as_slice()].concat();
    [DASH, signature.name.as_str(), " ", &base64::encode(&bytes)].concat()
}

fn check_characters(text: &str) -> Result<(), NoteError> {
    match text.bytes().find(|byte| *byte < 0x20 && *byte != b'\n') {
        Some(byte) => Err(NoteError::Control(byte)),
        None => Ok(()),
    }
}

fn signatures(block: &str) -> Result<Vec<NoteSignature>, NoteError> {
    if block.is_empty() {
        return Ok(Vec::new());
    }
    let block = block.strip_suffix('\n').ok_or(NoteError::Unterminated)?;
    let mut signatures = Vec::new();
    for (number, line) in (1_usize..).zip(block.split('\n')) {
        if number > NOTE_SIGNATURES_MAX {
            return Err(NoteError::TooManySignatures);
        }
        signatures.push(signature(number, line)?);
    }
    Ok(signatures)
}

pub(super) fn signature(number: usize, line: &str) -> Result<NoteSignature, NoteError> {
    let fault = || NoteError::Line(number);
    let (name, encoded) = line.strip_prefix(DASH).and_then(|rest| rest.split_once(' ')).ok_or_else(fault)?;
    let name = name.parse().map_err(|error| NoteError::Name(number, error))?;
    let bytes = base64::decode(encoded).ok_or_else(fault)?;
    let (id, bytes) = bytes.split_first_chunk::<4>().ok_or_else(fault)?;
    if bytes.is_empty() {
        return Err(fault());
    }
    Ok(NoteSignature { name, id: *id, bytes: bytes.to_vec() })
}
