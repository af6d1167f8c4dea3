//! The home directory of a node: where each file is, who may read it, and the lock that keeps a second process out.
//!
//! ```text
//! HOME/ (0700)
//!   node.toml            the settings                         unit.toml   what is handed out to found a network
//!   keys/ (0700)         charter.key log.key mirror.key witness.key ca.pem node.pem officer-<name>.pem ...   (0600 each)
//!                        charter-2.key and the like: keys that replace those before, when a charter names them
//!                        publish.toml: credentials of the storage that the node publishes to
//!   certs/               ca.pem node.pem officer-<name>.pem operator-<name>.pem auditor-<name>.pem; ca-next.pem and ca-old.pem
//!                        while the authority is exchanged; issued: all that were given out, which are good until they expire
//!   charter/<version>.note (r1-<version>.note once it was founded anew)
//!                                                             journal     what the node has put its name to
//!   guard/               names that must not be referred by mistake
//!   witness/             logs: whose logs this node witnesses; asked/: what witnesses said of its own
//!   access/              who called the node: an append-only file for each epoch of the access log
//!   data/                the database: `current` names the one of its directories that counts
//!   deny                 keys that this node does not accept
//!   lock                 held by the process that works here
//! ```

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use entente_certs::identity::Role;

/// A home directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum HomeError {
    /// Nothing is there.
    #[error("there is no home directory at {}: `entente init` creates one", .0.display())]
    Missing(PathBuf),
    /// Something else is there.
    #[error("{} is no home directory of a node, for it has no node.toml: name another one with --home, or create one with `entente init`", .0.display())]
    NotAHome(PathBuf),
    /// Others than the owner may read or write what is secret.
    #[error("{} is open to other users of this machine (mode {mode:04o}): find out who could read it, then close it with `chmod go-rwx {}`", path.display(), path.display())]
    TooOpen {
        /// The file or directory.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Neither a file nor a directory, where one of them must be.
    #[error("{} is not {expected}: symbolic links and special files are refused where keys are kept", path.display())]
    WrongKind {
        /// What was found.
        path: PathBuf,
        /// What must be there.
        expected: &'static str,
    },
    /// Another process holds the lock.
    #[error("another entente process works in {}: stop it first", .0.display())]
    Locked(PathBuf),
    /// The file system's words.
    #[error("cannot {doing} {}: {source}", path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// With what.
        path: PathBuf,
        /// What happened.
        source: io::Error,
    },
}

impl HomeError {
    /// Wraps what the file system says.
    pub fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { doing, path, source }
    }
}

/// The paths in a home directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home(PathBuf);

/// The exclusive lock on a home directory; let go when it is dropped, and by the system when the process ends.
#[derive(Debug)]
pub struct HomeLock(#[allow(dead_code, reason = "the open file is the lock")] File);

impl Home {
    /// The paths, with nothing checked: for `init`, and for directories that hold a charter key alone.
    pub fn at(directory: impl Into<PathBuf>) -> Self {
        Self(directory.into())
    }

    /// A home directory that `init` made and whose keys nobody else may read.
    ///
    /// # Errors
    /// [`HomeError`]: what is there is not one, or is too open.
    pub fn open(directory: impl Into<PathBuf>) -> Result<Self, HomeError> {
        let home = Self::at(directory);
        if !home.exists()? {
            return Err(HomeError::Missing(home.0));
        }
        let config = home.config();
        if !config.try_exists().map_err(HomeError::io("look for", &config))? {
            return Err(HomeError::NotAHome(home.0));
        }
        home.check_keys()?;
        Ok(home)
    }

    /// Whether anything is at this path.
    ///
    /// # Errors
    /// What the file system says.
    pub fn exists(&self) -> Result<bool, HomeError> {
        self.0.try_exists().map_err(HomeError::io("look for", &self.0))
    }

    /// Keeps every other process out, for as long as the lock is kept.
    ///
    /// # Errors
    /// [`HomeError::Locked`] at once if another process is in; what the file system says.
    pub fn lock(&self) -> Result<HomeLock, HomeError> {
        let path = self.0.join("lock");
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(HomeError::io("open", &path))?;
        match file.try_lock() {
            Ok(()) => Ok(HomeLock(file)),
            Err(TryLockError::WouldBlock) => Err(HomeError::Locked(self.0.clone())),
            Err(TryLockError::Error(source)) => Err(HomeError::Io { doing: "lock", path, source }),
        }
    }

    /// Refuses a key directory, or a file in it, that others than its owner may use.
    ///
    /// # Errors
    /// [`HomeError::TooOpen`], [`HomeError::WrongKind`], what the file system says.
    pub fn check_keys(&self) -> Result<(), HomeError> {
        let keys = self.keys();
        let metadata = fs::symlink_metadata(&keys).map_err(HomeError::io("read", &keys))?;
        if !metadata.is_dir() {
            return Err(HomeError::WrongKind { path: keys, expected: "a directory" });
        }
        check_mode(&keys, &metadata)?;
        for entry in fs::read_dir(&keys).map_err(HomeError::io("list", &keys))? {
            let path = entry.map_err(HomeError::io("list", &keys))?.path();
            check_secret(&path)?;
        }
        Ok(())
    }

    /// The directory itself.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.0
    }

    /// `node.toml`.
    #[must_use]
    pub fn config(&self) -> PathBuf {
        self.0.join("node.toml")
    }

    /// `unit.toml`, to be handed out.
    #[must_use]
    pub fn unit_description(&self) -> PathBuf {
        self.0.join("unit.toml")
    }

    /// `access/`.
    #[must_use]
    pub fn access(&self) -> PathBuf {
        self.0.join("access")
    }

    /// `keys/`.
    #[must_use]
    pub fn keys(&self) -> PathBuf {
        self.0.join("keys")
    }

    /// The key that signs charters. It may be kept elsewhere.
    #[must_use]
    pub fn charter_key(&self) -> PathBuf {
        self.keys().join("charter.key")
    }

    /// The key that signs the own log's checkpoints.
    #[must_use]
    pub fn log_key(&self) -> PathBuf {
        self.keys().join("log.key")
    }

    /// The key that cosigns the logs of others.
    #[must_use]
    pub fn mirror_key(&self) -> PathBuf {
        self.keys().join("mirror.key")
    }

    /// The key that the node first witnessed the logs of others with.
    #[must_use]
    pub fn witness_key(&self) -> PathBuf {
        self.keys().join("witness.key")
    }

    /// The logs of others that it witnesses: a public key a line.
    #[must_use]
    pub fn witness_logs(&self) -> PathBuf {
        self.0.join("witness").join("logs")
    }

    /// What the witnesses of the own log said: a note for each.
    #[must_use]
    pub fn witness_words(&self) -> PathBuf {
        self.0.join("witness").join("asked")
    }

    /// The private key of the unit's certificate authority: PEM.
    #[must_use]
    pub fn ca_key(&self) -> PathBuf {
        self.keys().join("ca.pem")
    }

    /// The private key of the node's certificate: PEM.
    #[must_use]
    pub fn node_key(&self) -> PathBuf {
        self.keys().join("node.pem")
    }

    /// The private key of an officer's certificate: PEM.
    #[must_use]
    pub fn officer_key(&self, name: &str) -> PathBuf {
        self.keys().join(format!("officer-{name}.pem"))
    }

    /// `certs/`.
    #[must_use]
    pub fn certificates(&self) -> PathBuf {
        self.0.join("certs")
    }

    /// What the unit's authority gave out: a line for each certificate.
    #[must_use]
    pub fn issued(&self) -> PathBuf {
        self.certificates().join("issued")
    }

    /// The unit's CA certificate: PEM.
    #[must_use]
    pub fn ca_certificate(&self) -> PathBuf {
        self.certificates().join("ca.pem")
    }

    /// The node's certificate: PEM.
    #[must_use]
    pub fn node_certificate(&self) -> PathBuf {
        self.certificates().join("node.pem")
    }

    /// An officer's certificate: PEM.
    #[must_use]
    pub fn officer_certificate(&self, name: &str) -> PathBuf {
        self.certificates().join(format!("officer-{name}.pem"))
    }

    /// The certificate of anybody who has one here, named after the role: `node.pem`, `officer-anna.pem`.
    #[must_use]
    pub fn holder_certificate(&self, role: &Role) -> PathBuf {
        self.certificates().join(holder_file(role))
    }

    /// The key that goes with it.
    #[must_use]
    pub fn holder_key(&self, role: &Role) -> PathBuf {
        self.keys().join(holder_file(role))
    }

    /// The authority's certificate that waits for a charter to name it: PEM.
    #[must_use]
    pub fn next_ca_certificate(&self) -> PathBuf {
        self.certificates().join("ca-next.pem")
    }

    /// The key that goes with it.
    #[must_use]
    pub fn next_ca_key(&self) -> PathBuf {
        self.keys().join("ca-next.pem")
    }

    /// The certificate of the authority before, by which certificates may still be valid: PEM.
    #[must_use]
    pub fn old_ca_certificate(&self) -> PathBuf {
        self.certificates().join("ca-old.pem")
    }

    /// `charter/`.
    #[must_use]
    pub fn charters(&self) -> PathBuf {
        self.0.join("charter")
    }

    /// A version of the charter that the node has taken up.
    #[must_use]
    pub fn charter(&self, version: u32) -> PathBuf {
        self.charters().join(format!("{version}.note"))
    }

    /// Charters that came and do not count.
    #[must_use]
    pub fn charter_evidence(&self) -> PathBuf {
        self.charters().join("evidence")
    }

    /// A version of the charter, where the network was founded anew so often: `r1-1.note` and so on after the first time.
    #[must_use]
    pub fn charter_since(&self, refounded: u32, version: u32) -> PathBuf {
        match refounded {
            0 => self.charter(version),
            _ => self.charters().join(format!("r{refounded}-{version}.note")),
        }
    }

    /// What the bases of charters cut off of the own log: a file for each charter, by its digest.
    #[must_use]
    pub fn charter_cut(&self) -> PathBuf {
        self.charters().join("cut")
    }

    /// The files of a role's keys (`charter`, `log`, `mirror` or `witness`) that are there, from the first made to the newest:
    /// `keys/log.key`, `keys/log-2.key` and so on.
    #[must_use]
    pub fn key_files(&self, role: &str) -> Vec<PathBuf> {
        let first = std::iter::once(self.keys().join(format!("{role}.key"))).filter(|path| path.exists());
        let later = (2_u32..).map(|number| self.keys().join(format!("{role}-{number}.key")));
        first.chain(later.take_while(|path| path.exists())).collect()
    }

    /// Where the next key of a role goes.
    #[must_use]
    pub fn next_key_file(&self, role: &str) -> PathBuf {
        let next = (2_u32..).map(|number| self.keys().join(format!("{role}-{number}.key"))).find(|path| !path.exists());
        next.unwrap_or_else(|| self.keys().join(format!("{role}.key")))
    }

    /// The journal.
    #[must_use]
    pub fn journal(&self) -> PathBuf {
        self.0.join("journal")
    }

    /// The keys that units revoked by records, one a line.
    #[must_use]
    pub fn revoked(&self) -> PathBuf {
        self.0.join("revoked")
    }

    /// There while the database is to be moved aside and rebuilt: it says why.
    #[must_use]
    pub fn rebuild(&self) -> PathBuf {
        self.0.join("rebuild")
    }

    /// The database's directory.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.0.join("data")
    }

    /// The guard lists.
    pub fn guard(&self) -> PathBuf {
        self.0.join("guard")
    }

    /// The list of keys (SPKI) that this node does not accept, one SHA-256 value a line.
    #[must_use]
    pub fn deny(&self) -> PathBuf {
        self.0.join("deny")
    }
}

/// Refuses a key file that is not a plain file or that others than its owner may use.
///
/// # Errors
/// [`HomeError::TooOpen`], [`HomeError::WrongKind`], what the file system says.
pub fn check_secret(path: &Path) -> Result<(), HomeError> {
    let metadata = fs::symlink_metadata(path).map_err(HomeError::io("read", path))?;
    if !metadata.is_file() {
        return Err(HomeError::WrongKind { path: path.to_owned(), expected: "a plain file" });
    }
    check_mode(path, &metadata)
}

fn holder_file(role: &Role) -> String {
    // A person's name has no slash, so no two roles have one file.
    format!("{}.pem", role.to_string().replace('/', "-"))
}

fn check_mode(path: &Path, metadata: &fs::Metadata) -> Result<(), HomeError> {
    let mode = metadata.permissions().mode() & 0o7777;
    if mode & 0o077 == 0 { Ok(()) } else { Err(HomeError::TooOpen { path: path.to_owned(), mode }) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::{create_file, create_private_directory};

    fn made() -> (tempfile::TempDir, Home) {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::at(dir.path());
        create_private_directory(&home.keys()).unwrap();
        create_file(&home.config(), b"", 0o600).unwrap();
        create_file(&home.log_key(), b"secret", 0o600).unwrap();
        (dir, home)
    }

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn only_what_init_made_is_opened() {
        let (dir, home) = made();
        assert_eq!(Home::open(dir.path()).unwrap(), home);
        assert!(matches!(Home::open(dir.path().join("nothing")), Err(HomeError::Missing(_))));
        let empty = tempfile::tempdir().unwrap();
        assert!(matches!(Home::open(empty.path()), Err(HomeError::NotAHome(_))));
    }

    #[test]
    fn keys_that_others_may_read_are_refused_with_the_remedy() {
        let (dir, home) = made();
        for (path, mode) in [(home.log_key(), 0o640), (home.log_key(), 0o604), (home.keys(), 0o711)] {
            let before = fs::metadata(&path).unwrap().permissions();
            set_mode(&path, mode);
            let error = Home::open(dir.path()).unwrap_err();
            assert!(
                matches!(&error, HomeError::TooOpen { path: named, mode: found } if *named == path && *found == mode)
            );
            assert!(error.to_string().contains("chmod go-rwx"), "{error}");
            fs::set_permissions(&path, before).unwrap();
        }
        assert!(Home::open(dir.path()).is_ok());
    }

    #[test]
    fn a_link_among_the_keys_is_refused() {
        let (dir, home) = made();
        std::os::unix::fs::symlink(home.log_key(), home.mirror_key()).unwrap();
        assert!(matches!(Home::open(dir.path()), Err(HomeError::WrongKind { .. })));
    }

    #[test]
    fn a_second_lock_is_refused_until_the_first_is_let_go() {
        let (_dir, home) = made();
        let first = home.lock().unwrap();
        assert!(matches!(home.lock(), Err(HomeError::Locked(_))));
        drop(first);
        assert!(home.lock().is_ok());
    }
}
