use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use super::{KeyFileError, SECRET_BYTES_MAX, create_secret, read_secret, replace_secret};

#[test]
fn a_secret_comes_back_and_only_its_owner_may_read_it() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("log.key");
    create_secret(&path, b"secret").unwrap();
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o600);
    assert_eq!(&**read_secret(&path).unwrap(), b"secret");
}

#[test]
fn a_key_is_never_overwritten() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("log.key");
    create_secret(&path, b"first").unwrap();
    assert!(matches!(create_secret(&path, b"second"), Err(KeyFileError::Exists(_))));
    assert_eq!(&**read_secret(&path).unwrap(), b"first");
    let dangling = home.path().join("dangling");
    symlink(home.path().join("elsewhere"), &dangling).unwrap();
    assert!(matches!(create_secret(&dangling, b"x"), Err(KeyFileError::Exists(_))));
    assert!(!home.path().join("elsewhere").exists());
}

#[test]
fn a_file_that_others_may_read_or_write_is_refused_and_the_words_say_chmod() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("log.key");
    create_secret(&path, b"secret").unwrap();
    for mode in [0o640, 0o604, 0o620, 0o601, 0o777] {
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        let error = read_secret(&path).unwrap_err();
        assert!(matches!(error, KeyFileError::TooOpen { mode: found, .. } if found == mode), "{error:?}");
        assert!(error.to_string().contains(&format!("chmod 600 {}", path.display())), "{error}");
    }
    fs::set_permissions(&path, Permissions::from_mode(0o400)).unwrap();
    assert!(read_secret(&path).is_ok());
}

#[test]
fn only_a_regular_file_is_read() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("log.key");
    assert!(matches!(read_secret(&path), Err(KeyFileError::Missing(_))));
    create_secret(&path, b"secret").unwrap();
    let link = home.path().join("link");
    symlink(&path, &link).unwrap();
    assert!(matches!(read_secret(&link), Err(KeyFileError::Link(_))));
    assert!(matches!(read_secret(home.path()), Err(KeyFileError::NotAFile(_))));
    let pipe = home.path().join("pipe");
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    assert!(matches!(read_secret(&pipe), Err(KeyFileError::NotAFile(_))));
}

#[test]
fn the_size_of_a_secret_is_bounded() {
    let home = tempfile::tempdir().unwrap();
    let (largest, larger) = (home.path().join("largest"), home.path().join("larger"));
    create_secret(&largest, &vec![7; SECRET_BYTES_MAX]).unwrap();
    assert_eq!(read_secret(&largest).unwrap().len(), SECRET_BYTES_MAX);
    create_secret(&larger, &vec![7; SECRET_BYTES_MAX + 1]).unwrap();
    assert!(matches!(read_secret(&larger), Err(KeyFileError::TooLarge(_))));
}

#[test]
fn a_secret_is_replaced_as_a_whole_and_only_where_there_is_one() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("node.pem");
    assert!(matches!(replace_secret(&path, b"first"), Err(KeyFileError::Missing(_))));
    create_secret(&path, b"first").unwrap();
    // What a process left that was killed before its rename.
    create_secret(&home.path().join(".node.pem.new"), b"half").unwrap();
    replace_secret(&path, b"second").unwrap();
    assert_eq!(&**read_secret(&path).unwrap(), b"second");
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1);
}
