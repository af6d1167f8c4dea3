//! Hands: this crate starts no thread, so whoever has some lends them.

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
