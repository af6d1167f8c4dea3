//! What verifying asks of its surroundings: files.

/// Why a file cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// There is none.
    #[error("it is not there")]
    Absent,
    /// It is longer than any such file.
    #[error("it has more than the {0} bytes that it may have")]
    TooLarge(usize),
    /// Anything else, in words.
    #[error("it cannot be read: {0}")]
    Other(String),
}

/// The files of an export, whatever they lie in.
pub trait Files: Sync {
    /// The paths of all files, in any order.
    ///
    /// # Errors
    /// In words, why they cannot be told.
    fn list(&self) -> Result<Vec<String>, String>;

    /// Reads a file of at most so many bytes.
    ///
    /// # Errors
    /// [`Unreadable`].
    fn read(&self, path: &str, bytes_max: usize) -> Result<Vec<u8>, Unreadable>;
}

/// How far verifying is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Entries verified.
    pub entries: u64,
    /// Entries in all, as far as checkpoints were read.
    pub of: u64,
}
