//! What a witness answers, read by who asked it.

use crate::cosignature::Cosignature;
use crate::ids::Size;
use crate::limits::{NOTE_BYTES_MAX, NOTE_SIGNATURES_MAX};
use crate::note::{NoteError, NoteSignature, VerifierKey};
use crate::witness::log::read_number;

/// Why an answer holds no cosignature.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    /// Longer than the signatures of a note.
    #[error("the answer has more than {NOTE_BYTES_MAX} bytes or {NOTE_SIGNATURES_MAX} lines")]
    TooLarge,
    /// Not lines.
    #[error("the answer is not lines of text, each with its end")]
    Lines,
    /// A line that is no signature, or one by the witness that does not hold.
    #[error(transparent)]
    Line(#[from] NoteError),
}

/// Reads the witness's cosignature over `body`, which was sent, from its answer. Lines by other keys are passed over.
///
/// # Errors
/// [`AnswerError`]: the form; a line by the key that does not verify; [`NoteError::Unsigned`] if there is none.
pub fn read_answer(bytes: &[u8], body: &str, key: &VerifierKey) -> Result<Cosignature, AnswerError> {
    if bytes.len() > NOTE_BYTES_MAX {
        return Err(AnswerError::TooLarge);
    }
    let text = std::str::from_utf8(bytes).map_err(|_| AnswerError::Lines)?;
    let lines = text.strip_suffix('\n').ok_or(AnswerError::Lines)?;
    if lines.split('\n').nth(NOTE_SIGNATURES_MAX).is_some() {
        return Err(AnswerError::TooLarge);
    }
    let mut found = Err(NoteError::Unsigned(key.name().clone()).into());
    for line in lines.split('\n') {
        let line = NoteSignature::parse_line(line)?;
        if line.is_by(key) {
            let cosignature = Cosignature::from_line(&line)?;
            cosignature.verify(body, key)?;
            found = Ok(cosignature);
        }
    }
    found
}

/// Reads the body of a 409: the size that the witness knows.
#[must_use]
pub fn read_size(bytes: &[u8]) -> Option<Size> {
    std::str::from_utf8(bytes).ok()?.strip_suffix('\n').and_then(read_number)
}

/// Writes it.
#[must_use]
pub fn write_size(size: Size) -> String {
    format!("{size}\n")
}
