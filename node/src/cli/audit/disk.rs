//! The files of an export in a directory, and the threads that verify them.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::mpsc::sync_channel;
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread;

use entente_proto::audit::{Files, Unreadable, Workers};

use crate::files::{read_plain, walk};

/// An export in a directory. Links are not followed: an export holds plain files.
#[derive(Debug)]
pub(super) struct Directory(pub(super) PathBuf);

impl Files for Directory {
    fn list(&self) -> Result<Vec<String>, String> {
        let mut found = Vec::new();
        walk(&self.0, "", &mut found).map_err(|error| error.to_string())?;
        Ok(found)
    }

    fn read(&self, path: &str, bytes_max: usize) -> Result<Vec<u8>, Unreadable> {
        match read_plain(&self.0.join(path), bytes_max) {
            Ok(bytes) => Ok(bytes),
            Err(error) if error.kind() == io::ErrorKind::FileTooLarge => Err(Unreadable::TooLarge(bytes_max)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(Unreadable::Absent),
            Err(error) => Err(Unreadable::Other(error.to_string())),
        }
    }
}

/// All cores.
#[derive(Debug)]
pub(super) struct Threads(usize);

impl Threads {
    pub(super) fn all() -> Self {
        Self(thread::available_parallelism().map_or(1, usize::from))
    }
}

/// How many results wait for their turn, for each thread.
const AHEAD: u64 = 8;

/// What is taken when a thread has panicked: nothing comes any more.
const NEVER: u64 = u64::MAX;

/// Lets the others go when a thread panics: they wait for what it was to do.
struct Others<'a>(&'a (Mutex<u64>, Condvar));

impl Drop for Others<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            *self.0.0.lock().unwrap_or_else(PoisonError::into_inner) = NEVER;
            self.0.1.notify_all();
        }
    }
}

impl Workers for Threads {
    fn in_order<J, R, W, T>(&self, jobs: impl Iterator<Item = J> + Send, work: W, mut take: T)
    where
        J: Send,
        R: Send,
        W: Fn(J) -> R + Sync,
        T: FnMut(R),
    {
        let jobs = Mutex::new((0_u64..).zip(jobs));
        let ahead = AHEAD.saturating_mul(self.0 as u64);
        let taken = (Mutex::new(0_u64), Condvar::new());
        let (done, results) = sync_channel(self.0);
        thread::scope(|scope| {
            for _ in 0..self.0 {
                let (jobs, work, taken, done) = (&jobs, &work, &taken, done.clone());
                scope.spawn(move || {
                    let _others = Others(taken);
                    loop {
                        let next = jobs.lock().unwrap_or_else(PoisonError::into_inner).next();
                        let Some((number, job)) = next else { return };
                        // What was drawn first is always let through, so somebody can go on.
                        let count = taken.0.lock().unwrap_or_else(PoisonError::into_inner);
                        let wait = taken.1.wait_while(count, |count| number >= count.saturating_add(ahead));
                        if *wait.unwrap_or_else(PoisonError::into_inner) == NEVER {
                            return;
                        }
                        if done.send((number, work(job))).is_err() {
                            return;
                        }
                    }
                });
            }
            drop(done);
            let (mut next, mut early) = (0_u64, BTreeMap::new());
            for (number, result) in results {
                early.insert(number, result);
                while let Some(result) = early.remove(&next) {
                    take(result);
                    next = next.saturating_add(1);
                    let mut count = taken.0.lock().unwrap_or_else(PoisonError::into_inner);
                    *count = if *count == NEVER { NEVER } else { next };
                    taken.1.notify_all();
                }
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn results_come_in_the_order_of_their_jobs_whoever_is_slow() {
        for threads in [1, 2, 5] {
            let mut taken = Vec::new();
            let work = |number: u64| {
                // The first of each ten does the work of many.
                let rounds = if number.is_multiple_of(10) { 20_000 } else { 1 };
                (0..rounds).fold(number, |sum, _| std::hint::black_box(sum))
            };
            Threads(threads).in_order(0..500_u64, work, |number| taken.push(number));
            assert_eq!(taken, (0..500).collect::<Vec<_>>());
        }
        Threads(2).in_order(0..0_u64, |number| number, |_| unreachable!());
    }

    #[test]
    fn a_panic_in_one_thread_ends_all() {
        let work = |number: u64| assert_ne!(number, 7);
        let run = || Threads(3).in_order(0..500_u64, work, |()| {});
        assert!(std::panic::catch_unwind(run).is_err());
    }

    #[test]
    fn a_link_is_no_file_of_an_export() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("logs")).unwrap();
        fs::write(dir.path().join("logs/real"), b"12345").unwrap();
        std::os::unix::fs::symlink("real", dir.path().join("logs/link")).unwrap();
        let files = Directory(dir.path().to_owned());
        let mut listed = files.list().unwrap();
        listed.sort();
        assert_eq!(listed, ["logs/link", "logs/real"]);
        assert_eq!(files.read("logs/real", 5).unwrap(), b"12345");
        assert_eq!(files.read("logs/real", 4), Err(Unreadable::TooLarge(4)));
        assert_eq!(files.read("logs/other", 4), Err(Unreadable::Absent));
        for path in ["logs/link", "logs"] {
            assert!(matches!(files.read(path, 5), Err(Unreadable::Other(_))), "{path}");
        }
    }
}
