//! What is read of a place, and what a place does.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use entente_proto::audit::{MANIFEST, Manifest, Payloads};
use entente_proto::hash::Hash;
use entente_proto::note::{Algorithm, KeyName, MemorySigner};

use object_store::aws::AmazonS3ConfigKey;

use super::bucket::{Credentials, settings};
use super::round::next;
use super::{Address, Fetched, Offered, Place, PlaceError, ReadError, read};

/// A place whose manifest names these files, with these bytes.
async fn published(top: &Path, files: &[(&str, &[u8])]) -> (Place, Manifest) {
    let (network, unit) = ("takedown.example".parse().unwrap(), "BE".parse().unwrap());
    let name = KeyName::mirror(&network, &unit);
    let mut manifest = Manifest::new(network, unit, Payloads::Withheld);
    files.iter().for_each(|(path, bytes)| manifest.add((*path).to_owned(), Hash::of(bytes)));
    let signer = MemorySigner::from_seed(name, Algorithm::Cosignature, &[7; 32]).unwrap();
    let place = Place::to_read(&Address::Directory(top.to_owned())).unwrap();
    let before = place.see(MANIFEST, usize::MAX).await.ok().map(|(_, seen)| seen);
    place.replace(MANIFEST, manifest.sign(1, &signer).unwrap(), before.as_ref()).await.unwrap();
    (place, manifest)
}

async fn read(place: &Place, manifest: &Manifest) -> Vec<(String, Option<Vec<u8>>)> {
    let mut found = Vec::new();
    let take = |file| {
        found.push(match file {
            Fetched::Whole(path, bytes) => (path, Some(bytes)),
            Fetched::Changed(path) => (path, None),
        });
        Ok::<_, PlaceError>(())
    };
    read::files(place, manifest.files(), take).await.unwrap();
    found.sort();
    found
}

#[tokio::test]
async fn a_file_is_found_under_its_digest_until_it_has_its_name() {
    let top = tempfile::tempdir().unwrap();
    let files: [(&str, &[u8]); 2] = [("logs/BE/checkpoint", b"new"), ("logs/BE/log.vkey", b"key")];
    let (place, manifest) = published(top.path(), &files).await;
    place.write("logs/BE/checkpoint", "logs/BE/checkpoint", b"old".to_vec()).await.unwrap();
    place.write(&next(&Hash::of(b"new")), "logs/BE/checkpoint", b"new".to_vec()).await.unwrap();
    place.write("logs/BE/log.vkey", "logs/BE/log.vkey", b"key".to_vec()).await.unwrap();
    let whole = files.map(|(path, bytes)| (path.to_owned(), Some(bytes.to_vec())));
    assert_eq!(read(&place, &manifest).await, whole);

    place.copy(&next(&Hash::of(b"new")), "logs/BE/checkpoint").await.unwrap();
    place.remove(vec![next(&Hash::of(b"new"))]).await.unwrap();
    assert!(!top.path().join("next").exists());
    assert_eq!(read(&place, &manifest).await, whole);
}

#[tokio::test]
async fn what_is_not_what_the_manifest_says_does_not_come_back() {
    let top = tempfile::tempdir().unwrap();
    let large = vec![0; 256 * 32 + 1];
    let files: [(&str, &[u8]); 4] = [
        ("logs/BE/checkpoint", b"said"),
        ("logs/BE/log.vkey", b"not there"),
        ("logs/BE/tile/0/000", &large),
        ("logs/BE/witness.vkeys", b"a link"),
    ];
    let (place, manifest) = published(top.path(), &files).await;
    place.write("logs/BE/checkpoint", "logs/BE/checkpoint", b"other".to_vec()).await.unwrap();
    place.write("logs/BE/tile/0/000", "logs/BE/tile/0/000", large.clone()).await.unwrap();
    // Longer than any tile: it is not even read to its end, though the manifest names its digest.
    let found = read(&place, &manifest).await;
    assert_eq!(found, files.map(|(path, _)| (path.to_owned(), None)));
    std::os::unix::fs::symlink("checkpoint", top.path().join("logs/BE/witness.vkeys")).unwrap();
    // Nor more than there may be of all together, before it is known whose it is.
    let two: [(&str, &[u8]); 2] = [("charter/1.note", b"12345"), ("charter/2.note", b"67890")];
    for (path, bytes) in two {
        place.write(path, path, bytes.to_vec()).await.unwrap();
    }
    let named = two.map(|(path, bytes)| (path.to_owned(), Hash::of(bytes))).into();
    assert_eq!(read::whole(&place, &named, 10).await.unwrap().len(), 2);
    let refused = read::whole(&place, &named, 9).await;
    assert!(
        matches!(refused, Err(ReadError::Place(PlaceError::TooLarge(words, 9))) if words.contains("charter/2.note"))
    );
    let taken = read::files(&place, manifest.files(), |_| Ok::<_, PlaceError>(())).await;
    assert!(matches!(taken, Err(PlaceError::Other(words)) if words.contains("witness.vkeys")));
}

#[tokio::test]
async fn only_the_manifest_of_an_export_is_followed() {
    let top = tempfile::tempdir().unwrap();
    let open = || Offered::open(Place::to_read(&Address::Directory(top.path().to_owned())).unwrap());
    assert!(matches!(open().await, Err(ReadError::Nothing)));
    published(top.path(), &[]).await;
    assert!(matches!(open().await, Err(ReadError::Begun)));
    // It names no charter under which anybody could have signed it.
    published(top.path(), &[("logs/BE/checkpoint", b"x")]).await;
    assert!(matches!(open().await, Err(ReadError::Begun)));
    fs::write(top.path().join(MANIFEST), b"hello\n").unwrap();
    assert!(matches!(open().await, Err(ReadError::Manifest(_))));
}

#[tokio::test]
async fn what_waits_is_found_under_all_its_names_and_leaves_nothing() {
    let top = tempfile::tempdir().unwrap();
    let place = Place::to_read(&Address::Directory(top.path().to_owned())).unwrap();
    let waits = next(&Hash::of(b"new"));
    place.write(&waits, "logs/BE/payload/000", b"new".to_vec()).await.unwrap();
    place.write("logs/BE/payload/001", "logs/BE/payload/001", b"old".to_vec()).await.unwrap();
    // The last one again, as after a round that was broken off.
    for path in ["logs/BE/payload/000", "logs/BE/payload/001", "logs/BE/payload/001"] {
        place.copy(&waits, path).await.unwrap();
        assert_eq!(place.read(path, 3).await.unwrap(), b"new");
    }
    // Neither is the other's file: what is written to the one is not found under the other.
    place.remove(vec![waits]).await.unwrap();
    place.write("logs/BE/payload/000", "logs/BE/payload/000", b"newer".to_vec()).await.unwrap();
    assert_eq!(place.read("logs/BE/payload/001", 3).await.unwrap(), b"new");
    assert!(!top.path().join("next").exists());
}

#[tokio::test]
async fn what_is_removed_takes_its_empty_directories_with_it() {
    let top = tempfile::tempdir().unwrap();
    let place = Place::to_read(&Address::Directory(top.path().to_owned())).unwrap();
    for path in ["logs/BE/tile/0/000.p/7", "logs/BE/tile/0/000.p/9", "logs/BE/checkpoint"] {
        place.write(path, path, b"x".to_vec()).await.unwrap();
    }
    place.remove(vec!["logs/BE/tile/0/000.p/7".into(), "logs/BE/not/there".into()]).await.unwrap();
    assert!(top.path().join("logs/BE/tile/0/000.p").exists());
    place.remove(vec!["logs/BE/tile/0/000.p/9".into()]).await.unwrap();
    assert!(!top.path().join("logs/BE/tile").exists() && top.path().join("logs/BE").exists());
    assert!(place.is_within(top.path()) && !place.is_within(&top.path().join("logs")));
    let below = Place::to_read(&Address::Directory(top.path().join("not-yet"))).unwrap();
    assert!(below.is_within(top.path()));
}

#[test]
fn whose_calls_they_are_is_said_in_one_place_alone() {
    let said = [
        ("AWS_ACCESS_KEY_ID", "theirs"),
        ("AWS_SESSION_TOKEN", "theirs"),
        ("AWS_ROLE_ARN", "theirs"),
        ("AWS_REGION", "eu-west-1"),
        ("AWS_NO_SUCH_THING", "x"),
        ("PATH", "/bin"),
    ];
    let said = || said.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
    let whose = [AmazonS3ConfigKey::AccessKeyId, AmazonS3ConfigKey::Token];
    for (own, found) in [(false, Some("theirs")), (true, None)] {
        let built = settings(said(), own);
        assert_eq!(built.get_config_value(&AmazonS3ConfigKey::Region).as_deref(), Some("eu-west-1"));
        assert!(whose.iter().all(|key| built.get_config_value(key).as_deref() == found), "{own}");
    }
}

#[test]
fn credentials_are_the_owners_alone_and_never_shown() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("publish.toml");
    assert!(Credentials::load(&path).unwrap().is_none());
    let write = |text: &str, mode: u32| {
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        Credentials::load(&path)
    };
    let whole = "access_key_id = \"AK\"\nsecret_access_key = \"hush\"\n";
    let shown = format!("{:?}", write(whole, 0o600).unwrap().unwrap());
    assert!(shown.contains("AK") && !shown.contains("hush"), "{shown}");
    for (text, mode, words) in [
        (whole, 0o640, "chmod"),
        ("access_key_id = \"AK\"\nsecret_access_key = hush\n", 0o600, "secret_access_key"),
        ("secret_access_key = \"hush\"\n", 0o600, "access_key_id"),
    ] {
        let refused = write(text, mode).unwrap_err().to_string();
        assert!(refused.contains(words) && !refused.contains("hush"), "{refused}");
    }
}
