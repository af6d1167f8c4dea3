//! What verifying asks of its surroundings: files, and hands.

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

/// Whoever does many pieces of work that do not depend on each other.
pub trait Workers {
    /// Does each job, in any order and side by side, and hands the results over in the order of the jobs. Few are on their
    /// way at once, so that memory stays bounded.
    fn in_order<J, R, W, T>(&self, jobs: impl Iterator<Item = J> + Send, work: W, take: T)
    where
        J: Send,
        R: Send,
        W: Fn(J) -> R + Sync,
        T: FnMut(R);
}

/// Does one after the other.
#[derive(Debug, Clone, Copy)]
pub struct Alone;

impl Workers for Alone {
    fn in_order<J, R, W, T>(&self, jobs: impl Iterator<Item = J> + Send, work: W, take: T)
    where
        J: Send,
        R: Send,
        W: Fn(J) -> R + Sync,
        T: FnMut(R),
    {
        jobs.map(work).for_each(take);
    }
}

/// How far verifying is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Entries verified.
    pub entries: u64,
    /// Entries in all, as far as checkpoints were read.
    pub of: u64,
}
