//! What both the journal and the store need of the operating system.

use std::fs::File;
use std::io;
use std::path::Path;

/// Makes names in a directory durable: a new or renamed file can vanish in a power loss until its directory is synced.
pub(crate) fn sync_directory(directory: &Path) -> io::Result<()> {
    // The parent of a bare file name is the empty path.
    let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
    File::open(directory)?.sync_all()
}

/// Makes the name of a file durable.
pub(crate) fn sync_parent(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), sync_directory)
}

/// Ends the process after a failed write or sync.
///
/// A failed `fsync` must not be retried: the kernel may have dropped the pages and the next call reports success. Ending
/// at once leaves the state of a power loss, which start handles.
pub(crate) fn fatal(message: &str) -> ! {
    tracing::error!("{message}");
    eprintln!(
        "entente: {message}; stopping at once, since what is durable is no longer known. Check the disk, then start again."
    );
    std::process::abort();
}

/// Ends the process if the thread that holds it panics: nobody would be answered any more.
pub(crate) struct AbortOnPanic(pub(crate) &'static str);

impl Drop for AbortOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            fatal(self.0);
        }
    }
}
