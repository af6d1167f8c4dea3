//! Files that must be whole or absent, whatever happens: written beside, fsynced, renamed, their directory fsynced.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{CWD, RenameFlags, renameat_with};

/// Files written beside others by this process so far: each has a name of its own.
static BESIDE: AtomicU64 = AtomicU64::new(0);
/// How many leftovers of processes that were killed, and had this one's id, are passed over.
const LEFTOVERS_MAX: u32 = 10_000;

/// Makes the names in a directory durable.
///
/// # Errors
/// What the file system says.
pub fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Creates a directory that only its owner may enter. Its name is durable once its parent is [synced](sync_directory).
///
/// # Errors
/// What the file system says; that it exists already, too.
pub fn create_private_directory(path: &Path) -> io::Result<()> {
    DirBuilder::new().mode(0o700).create(path)
}

/// Creates a file that must not exist, with its bytes durable. Its name is durable once its directory is
/// [synced](sync_directory).
///
/// # Errors
/// What the file system says; that it exists already, too.
pub fn create_file(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Puts these bytes in the place of a file, or creates it: after a failure or a power loss the file holds either all the
/// old or all the new bytes. When this returns, the new ones are durable.
///
/// # Errors
/// What the file system says; the file is as before then, unless it was the last step, the fsync of the directory, that
/// failed.
pub fn replace_file(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let mut new = Replacement::beside(path, mode)?;
    new.write_all(bytes)?;
    new.put_in_place()
}

/// As [`replace_file`], where there must be no such file: whoever comes first has it, whole.
///
/// # Errors
/// What the file system says, [`io::ErrorKind::AlreadyExists`] among it.
pub fn create_whole(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let mut new = Replacement::beside(path, mode)?;
    new.write_all(bytes)?;
    new.put(RenameFlags::NOREPLACE)
}

/// Whether a file has the name of one that was written beside another, and that a process left there which was killed.
#[must_use]
pub fn is_leftover(name: &str) -> bool {
    name.starts_with('.') && name.ends_with(".new")
}

/// A file that is written beside the one whose place it takes at its end. Dropped before, it leaves nothing.
#[derive(Debug)]
pub struct Replacement {
    file: File,
    beside: PathBuf,
    path: PathBuf,
    in_place: bool,
}

impl Replacement {
    /// Begins to write.
    ///
    /// # Errors
    /// What the file system says.
    pub fn beside(path: &Path, mode: u32) -> io::Result<Self> {
        let name = path.file_name().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "this names no file"))?;
        let mut tried = 0;
        loop {
            // The name says whose leftover it is, after a power loss. Another process may have the same id later: in a container
            // each has.
            let mut beside = std::ffi::OsString::from(".");
            beside.push(name);
            beside.push(format!(".{}-{}.new", std::process::id(), BESIDE.fetch_add(1, Ordering::Relaxed)));
            let beside = directory_of(path).join(beside);
            match OpenOptions::new().write(true).create_new(true).mode(mode).open(&beside) {
                Ok(file) => return Ok(Self { file, beside, path: path.to_owned(), in_place: false }),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && tried < LEFTOVERS_MAX => tried += 1,
                Err(error) => return Err(error),
            }
        }
    }

    /// Gives it a mode whatever the process's umask is, such as that of the file whose place it takes.
    ///
    /// # Errors
    /// What the file system says.
    pub fn set_mode(&self, mode: u32) -> io::Result<()> {
        self.file.set_permissions(fs::Permissions::from_mode(mode))
    }

    /// Makes what was written durable and puts it in the place of the file.
    ///
    /// # Errors
    /// What the file system says; the file is as before then, unless it was the last step, the fsync of the directory,
    /// that failed.
    pub fn put_in_place(self) -> io::Result<()> {
        self.put(RenameFlags::empty())
    }

    fn put(mut self, how: RenameFlags) -> io::Result<()> {
        self.file.sync_all()?;
        if how.is_empty() {
            fs::rename(&self.beside, &self.path)?;
        } else {
            renameat_with(CWD, &self.beside, CWD, &self.path, how)?;
        }
        self.in_place = true;
        sync_directory(directory_of(&self.path))
    }
}

impl Write for Replacement {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for Replacement {
    fn drop(&mut self) {
        if !self.in_place {
            // Nothing depends on it.
            let _ = fs::remove_file(&self.beside);
        }
    }
}

/// What a file looks like from outside: whoever has read it reads it again when this changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Looks {
    bytes: u64,
    inode: u64,
    /// Seconds and nanoseconds: of the content, and of the file with its mode.
    changed: [(i64, i64); 2],
}

impl Looks {
    /// Looks at a file, or at what a link leads to. One that is not there looks like no other.
    #[must_use]
    pub fn of(path: &Path) -> Self {
        use std::os::unix::fs::MetadataExt as _;
        fs::metadata(path).map_or_else(
            |_| Self::default(),
            |data| Self {
                bytes: data.len(),
                inode: data.ino(),
                changed: [(data.mtime(), data.mtime_nsec()), (data.ctime(), data.ctime_nsec())],
            },
        )
    }
}

fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

/// Reads a file of at most so many bytes.
///
/// # Errors
/// What the file system says, and [`io::ErrorKind::FileTooLarge`].
pub fn read_bounded(path: &Path, bytes_max: usize) -> io::Result<Vec<u8>> {
    use std::io::Read;
    let mut bytes = Vec::new();
    let limit = u64::try_from(bytes_max).unwrap_or(u64::MAX).saturating_add(1);
    File::open(path)?.take(limit).read_to_end(&mut bytes)?;
    if bytes.len() > bytes_max {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("it has more than {bytes_max} bytes")));
    }
    Ok(bytes)
}

/// Reads a plain file of at most so many bytes, and nothing that a link leads to or that is no file.
///
/// # Errors
/// What the file system says, and [`io::ErrorKind::FileTooLarge`].
pub fn read_plain(path: &Path, bytes_max: usize) -> io::Result<Vec<u8>> {
    use std::io::Read;
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    let flags = i32::try_from(flags.bits()).map_err(io::Error::other)?;
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let data = file.metadata()?;
    if !data.is_file() {
        return Err(io::Error::other("it is no plain file"));
    }
    let length = usize::try_from(data.len()).unwrap_or(usize::MAX);
    let mut bytes = Vec::with_capacity(length.min(bytes_max).saturating_add(1));
    file.take(u64::try_from(bytes_max).unwrap_or(u64::MAX).saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() > bytes_max {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("it has more than {bytes_max} bytes")));
    }
    Ok(bytes)
}

/// Everything below a directory that is no directory, by its path from the top.
///
/// # Errors
/// What the file system says.
pub fn walk(top: &Path, below: &str, found: &mut Vec<String>) -> io::Result<()> {
    for entry in fs::read_dir(top.join(below))? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let path = if below.is_empty() { name.into_owned() } else { format!("{below}/{name}") };
        if entry.file_type()?.is_dir() {
            walk(top, &path, found)?;
        } else {
            found.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replaced_file_leaves_nothing_beside_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        replace_file(&path, b"one", 0o600).unwrap();
        replace_file(&path, b"two", 0o640).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_replacement_that_is_given_up_leaves_the_file_as_it_was() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        create_file(&path, b"one", 0o600).unwrap();
        let mut new = Replacement::beside(&path, 0o600).unwrap();
        new.write_all(b"half").unwrap();
        drop(new);
        assert_eq!(fs::read(&path).unwrap(), b"one");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_that_exists_is_not_created_over() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        create_file(&path, b"one", 0o600).unwrap();
        for create in [create_file, create_whole] {
            assert_eq!(create(&path, b"two", 0o600).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        }
        assert_eq!(fs::read(&path).unwrap(), b"one");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        create_whole(&dir.path().join("other"), b"two", 0o600).unwrap();
        assert_eq!(fs::read(dir.path().join("other")).unwrap(), b"two");
    }

    #[test]
    fn what_a_process_of_the_same_id_left_beside_a_file_is_in_nobodys_way() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        let soon = BESIDE.load(Ordering::Relaxed);
        // Other tests count on meanwhile, so more names are taken than one.
        let left = (soon..soon + 2_000).map(|n| format!(".file.{}-{n}.new", std::process::id()));
        left.for_each(|name| fs::write(dir.path().join(name), b"half").unwrap());
        replace_file(&path, b"whole", 0o600).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"whole");
        assert!(is_leftover(".file.1-0.new") && !is_leftover("file") && !is_leftover(".file"));
    }

    #[test]
    fn a_file_looks_different_once_it_was_written_replaced_or_opened_to_others() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        let mut seen = vec![Looks::of(&path)];
        create_file(&path, b"one", 0o600).unwrap();
        seen.push(Looks::of(&path));
        replace_file(&path, b"two", 0o600).unwrap();
        seen.push(Looks::of(&path));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        seen.push(Looks::of(&path));
        assert_eq!(seen.last(), Some(&Looks::of(&path)));
        assert!(seen.windows(2).all(|two| two[0] != two[1]), "{seen:?}");
    }

    #[test]
    fn reading_stops_at_the_bound() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        create_file(&path, b"12345", 0o600).unwrap();
        assert_eq!(read_bounded(&path, 5).unwrap(), b"12345");
        assert_eq!(read_bounded(&path, 4).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
    }
}
