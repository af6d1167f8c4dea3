//! Publications: what is certified lies where anybody reads it, whole at any moment; without what records say unless that is
//! asked for, and then without what was erased.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use entente_proto::audit::{Part, bundles, part, tile, upper_tiles};
use entente_proto::hash::Hash;
use entente_proto::ids::Size;
use entente_tests::bucket::{Bucket, ECHO, KEY, Mood, NAME, SECRET};
use entente_tests::network::{Network, Node, run};
use entente_tests::remains::flip;
use entente_tests::said::Said;
use entente_tests::wait::{until, until_so};
use serde_json::Value;

use crate::PROGRAM;

pub(crate) const UNITS: [&str; 2] = ["BE", "FR"];
/// A target of every referral of these tests has this in it.
pub(crate) const TARGET: &str = "target-that-is-not-public";

/// A network in which BE publishes to a place, only when it is asked to unless `lines` say otherwise.
pub(crate) fn publishing(to: &str, lines: &str) -> Network {
    let network = Network::found(PROGRAM, &UNITS);
    network.node("BE").configure("[publish]\n", &format!("[publish]\nto = \"{to}\"\nevery_s = 86400\n{lines}\n"));
    network.start();
    network
}

pub(crate) fn beside(network: &Network, name: &str) -> String {
    network.directory().join(name).to_str().unwrap().to_owned()
}

pub(crate) fn import(node: &Node, lines: std::ops::Range<u32>) {
    let lines: String = lines.map(|n| format!("{TARGET}-{n}.example\n")).collect();
    let _ = node.call_with(&["import", "-", "--category", "solicits-join"], lines.as_bytes()).ended(0);
}

#[track_caller]
pub(crate) fn publish(node: &Node) -> Value {
    node.operate(&["audit", "publish"]).ended(0).document()
}

/// As somebody who has no node and no certificate, with the right word to storage if there is one.
pub(crate) fn audit(args: &[&str], bucket: Option<&Bucket>) -> Said {
    let mut command = Command::new(PROGRAM);
    command.arg("audit").args(args).arg("--json").env_remove("ENTENTE_HOME").stdin(Stdio::null());
    if let Some(bucket) = bucket {
        command.envs([("AWS_ENDPOINT", bucket.endpoint()), ("AWS_ALLOW_HTTP", "true".to_owned())]);
        command.envs([("AWS_ACCESS_KEY_ID", KEY), ("AWS_SECRET_ACCESS_KEY", SECRET), ("AWS_REGION", "us-east-1")]);
    }
    command.output().unwrap().into()
}

/// Fetches what is published and verifies it; gives how many records of BE it has.
#[track_caller]
pub(crate) fn whole(from: &str, directory: &str, bucket: Option<&Bucket>) -> u64 {
    let _ = audit(&["fetch", directory, "--from", from], bucket).ended(0);
    let found = audit(&["verify", directory, "--withheld"], None).ended(0).document();
    found["logs"][0]["size"].as_u64().unwrap()
}

/// Every file below a directory: its inode and its bytes.
pub(crate) fn files(directory: &Path) -> BTreeMap<PathBuf, (u64, Vec<u8>)> {
    let mut found = BTreeMap::new();
    for path in fs::read_dir(directory).into_iter().flatten().map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            found.extend(files(&path));
        } else if let (Ok(data), Ok(bytes)) = (fs::metadata(&path), fs::read(&path)) {
            found.insert(path, (data.ino(), bytes));
        }
    }
    found
}

fn hold(directory: &str, text: &str) -> bool {
    let with = |bytes: &[u8]| bytes.windows(text.len()).any(|window| window == text.as_bytes());
    files(Path::new(directory)).values().any(|(_, bytes)| with(bytes))
}

#[test]
fn a_directory_is_published_without_targets_and_a_round_writes_only_what_changed() {
    let place = tempfile::tempdir().unwrap();
    let to = place.path().join("be").to_str().unwrap().to_owned();
    // Whoever was killed over the very first manifest has left no more than this.
    let left = Path::new(&to).join(".manifest.1-0.new");
    fs::create_dir(&to).unwrap();
    fs::write(&left, "half a manifest").unwrap();
    let network = publishing(&to, "");
    let be = network.node("BE");
    import(be, 0..300);
    network.until_agreed(&UNITS);
    let done = publish(be);
    assert!(!left.exists());
    assert_eq!((&done["to"], &done["payloads"], &done["records"]), (&to.clone().into(), &"none".into(), &302.into()));
    assert_eq!(publish(be)["written_files"], 0, "nothing is new");
    let status = be.status();
    assert_eq!((&status["published"]["size"], &status["published"]["error"]), (&302.into(), &Value::Null));

    let fetched = beside(&network, "fetched");
    let told = audit(&["fetch", &fetched, "--from", &format!("file://{to}")], None).ended(0).document();
    assert_eq!((&told["exporter"], &told["withheld"], &told["records"]), (&"BE".into(), &true.into(), &302.into()));
    audit(&["verify", &fetched], None).ended(4).says(&["withheld", "list", "--withheld"]);
    let found = audit(&["verify", &fetched, "--withheld"], None).ended(0).document();
    assert_eq!((&found["withheld"], &found["list"]), (&300.into(), &Value::Null));
    for command in [&["list", &fetched][..], &["report", &fetched, "--year", "2026"], &["record", &fetched, "BE/2"]] {
        audit(command, None).ended(4).says(&["withheld", "audit export"]);
    }
    assert!(!hold(&to, TARGET), "a target is in a public place");
    assert_eq!(read_by_others(Path::new(&to), "BE"), 301);
    // What lies there is an export, to the letter.
    let _ = audit(&["verify", &to, "--withheld"], None).ended(0);

    let before = files(Path::new(&to));
    let checkpoint = Path::new(&to).join("logs/BE/checkpoint");
    let read_before = fs::read(&checkpoint).unwrap();
    import(be, 300..340);
    network.until_agreed(&UNITS);
    fs::write(&left, "half a manifest").unwrap();
    let done = publish(be);
    assert!(!left.exists());
    // Whoever has read the checkpoint before finds its tiles (C2SP tlog-tiles), until the full ones are there.
    for path in hashes_of(&read_before, "BE") {
        assert!(Path::new(&to).join(&path).exists(), "{path} of the checkpoint before");
    }
    assert!(!Path::new(&to).join("logs/BE/payload/001.p/45").exists());
    assert!(done["written_files"].as_u64().unwrap() < 12, "{done}");
    let after = files(Path::new(&to));
    for full in ["logs/BE/tile/entries/000", "logs/BE/tile/0/000", "logs/BE/payload/000"] {
        let path = Path::new(&to).join(full);
        assert_eq!(before[&path], after[&path], "{full} is not written again");
    }
    let told = audit(&["fetch", &fetched, "--from", &to], None).ended(0).document();
    assert!(told["new_files"].as_u64().unwrap() < 12, "{told}");
    let _ = audit(&["verify", &fetched, "--withheld"], None).ended(0);
    assert_eq!(read_by_others(Path::new(&to), "BE"), 341);

    // What somebody took away is put back when it is asked for.
    fs::remove_file(Path::new(&to).join("logs/BE/tile/0/000")).unwrap();
    audit(&["fetch", &beside(&network, "other"), "--from", &to], None)
        .ended(4)
        .says(&["logs/BE/tile/0/000", "damaged"]);
    // So is what somebody altered, though it has its name.
    flip(&Path::new(&to).join("logs/BE/tile/entries/000"), 400);
    assert_eq!(publish(be)["written_files"], 2);
    assert_eq!(whole(&to, &beside(&network, "other"), None), 341);
    import(be, 340..520);
    network.until_agreed(&UNITS);
    publish(be);
    assert!(!Path::new(&to).join("logs/BE/tile/entries/001.p").exists());
    assert!(Path::new(&to).join("logs/BE/tile/entries/001").exists());
}

/// The hash tiles and entry bundles of the log that has this checkpoint.
fn hashes_of(note: &[u8], unit: &str) -> Vec<String> {
    tiles_of(note, unit).into_iter().filter(|path| !path.contains("/payload/")).collect()
}

/// Reads a log as `tlog_tiles` does, with nothing of ours in between; gives how many records it has.
fn read_by_others(place: &Path, unit: &str) -> u64 {
    struct Tiles(PathBuf, RefCell<usize>);
    impl tlog_tiles::TileReader for Tiles {
        fn height(&self) -> u8 {
            8
        }

        fn read_tiles(&self, tiles: &[tlog_tiles::Tile]) -> Result<Vec<Vec<u8>>, tlog_tiles::Error> {
            *self.1.borrow_mut() += tiles.len();
            // C2SP drops the height, which is always 8.
            let read =
                |tile: &tlog_tiles::Tile| fs::read(self.0.join(tile.path().replacen("tile/8/", "tile/", 1))).unwrap();
            Ok(tiles.iter().map(read).collect())
        }

        fn save_tiles(&self, _tiles: &[tlog_tiles::Tile], _data: &[Vec<u8>]) {}
    }
    let log = place.join("logs").join(unit);
    let note = fs::read_to_string(log.join("checkpoint")).unwrap();
    let text = note.split_once("\n\n").unwrap().0.to_owned() + "\n";
    let checkpoint = tlog_tiles::Checkpoint::from_bytes(text.as_bytes()).unwrap();
    let tiles = Tiles(log.clone(), RefCell::default());
    let reader = tlog_tiles::TileHashReader::new(checkpoint.size(), *checkpoint.hash(), &tiles);
    let leaves = fs::read(log.join("tile/entries/000")).unwrap();
    let (length, rest) = leaves.split_first_chunk::<2>().unwrap();
    let leaf = &rest[..u16::from_be_bytes(*length).into()];
    let proof = tlog_tiles::prove_record(checkpoint.size(), 0, &reader).unwrap();
    let hash = tlog_tiles::record_hash(leaf);
    tlog_tiles::check_record(&proof, checkpoint.size(), *checkpoint.hash(), 0, hash).unwrap();
    assert!(*tiles.1.borrow() > 0);
    checkpoint.size()
}

#[test]
fn i7_what_is_erased_leaves_the_place_by_itself() {
    let place = tempfile::tempdir().unwrap();
    let to = place.path().join("be").to_str().unwrap().to_owned();
    let network = publishing(&to, "payloads = \"all\"");
    let be = network.node("BE");
    import(be, 0..260);
    let wrong = be
        .call(&["refer", "wrong.example", "--category", "incites", "--description", "a-text-that-stands-nowhere-else"])
        .ended(0)
        .document();
    // In a full bundle, so that nothing but the erasure changes it.
    let early = be.call(&["show", "BE/7"]).ended(0).document();
    import(be, 260..1_101);
    network.until_agreed(&UNITS);
    assert_eq!(publish(be)["payloads"], "all");
    assert!(hold(&to, "a-text-that-stands-nowhere-else") && hold(&to, &format!("{TARGET}-6.example")), "{early}");
    for id in [wrong["id"].as_str().unwrap(), "BE/7"] {
        let _ = be.call(&["erase", id, "--reason", "court-order", "--wait", "certified"]).ended(0);
    }
    until_so("what was erased has left the place", || {
        !hold(&to, "a-text-that-stands-nowhere-else") && !hold(&to, &format!("{TARGET}-6.example"))
    });
    let digest = network.until_agreed(&UNITS);
    publish(be);
    let fetched = beside(&network, "fetched");
    let told = audit(&["fetch", &fetched, "--from", &to], None).ended(0).document();
    assert_eq!(told["withheld"], false);
    let found = audit(&["verify", &fetched], None).ended(0).document();
    assert_eq!((&found["list"]["digest"], &found["logs"][0]["erased"]), (&digest.into(), &2.into()));
    assert!(!Path::new(&to).join("next").exists());

    // Who changes his mind takes all of it back.
    let payload = |number: u32| Path::new(&to).join(format!("logs/BE/payload/{number:03}"));
    let shown = [1, 2, 3].map(|number| fs::read(payload(number)).unwrap());
    be.stop();
    be.configure("payloads = \"all\"", "payloads = \"none\"");
    be.start();
    be.until_state("running");
    publish(be);
    assert!(!hold(&to, TARGET));
    assert_eq!(whole(&to, &beside(&network, "withheld"), None), be.status()["logs"][0]["certified"]);

    // A place that an earlier round left in a bad state is cleaned by the next look at it: files that have the right names and
    // the wrong bytes, waiting ones too.
    be.stop();
    let waiting = Path::new(&to).join("next").join(Hash::of(&fs::read(payload(1)).unwrap()).to_string());
    fs::create_dir(waiting.parent().unwrap()).unwrap();
    fs::write(&waiting, &shown[0]).unwrap();
    for (number, bytes) in (1..).zip(&shown) {
        fs::remove_file(payload(number)).unwrap();
        fs::write(payload(number), bytes).unwrap();
    }
    assert!(hold(&to, TARGET));
    be.start();
    until_so("the place is clean", || !hold(&to, TARGET) && !waiting.exists());
    assert_eq!(whole(&to, &beside(&network, "withheld"), None), be.status()["logs"][0]["certified"]);
}

#[test]
fn a_node_killed_in_the_middle_of_a_round_leaves_a_whole_publication() {
    let place = tempfile::tempdir().unwrap();
    let to = place.path().join("be").to_str().unwrap().to_owned();
    let network = publishing(&to, "");
    let be = network.node("BE");
    import(be, 0..100);
    network.until_agreed(&UNITS);
    publish(be);
    let (mut end, fetched) = (100, beside(&network, "fetched"));
    // The first new tile, the new manifest, and the first checkpoint that has its name.
    for moment in ["logs/BE/tile/entries", "manifest", "logs/BE/checkpoint"] {
        let at = Path::new(&to).join(moment);
        let look = || match at.is_dir() {
            true => files(&at).keys().map(|path| path.to_str().unwrap().into()).collect(),
            false => vec![fs::read(&at).unwrap_or_default()],
        };
        import(be, end..end + 300);
        end += 300;
        network.until_agreed(&UNITS);
        let before = look();
        let mut asked = be.begin_to_operate(&["audit", "publish"]);
        entente_tests::wait::until_every(std::time::Duration::ZERO, moment, || (look() != before).then_some(()));
        be.kill();
        let _ = asked.wait();
        let records = whole(&to, &fetched, None);
        assert!(records == u64::from(end) + 1 || records == u64::from(end) - 299, "{moment}: {records}");
        be.start();
        be.until_state("running");
        // It ends the round by itself, and nothing is left of the one before.
        until("it is published", || be.status()["published"]["at"].as_str().map(str::to_owned));
        assert_eq!(whole(&to, &fetched, None), u64::from(end) + 1);
        assert!(!Path::new(&to).join("next").exists());
    }
}

#[test]
fn what_is_not_this_nodes_is_not_written_over() {
    let place = tempfile::tempdir().unwrap();
    let to = place.path().join("be").to_str().unwrap().to_owned();
    let network = publishing(&to, "");
    let (be, fr) = (network.node("BE"), network.node("FR"));
    publish(be);
    let before = files(Path::new(&to));
    let configure = |from: &str, to: &str| {
        fr.stop();
        fr.configure(from, to);
        fr.start();
        fr.until_state("running");
    };
    fr.operate(&["audit", "publish"]).ended(1).says(&["publish.to"]);
    configure("[publish]\n", &format!("[publish]\nto = \"{to}\"\n"));
    fr.operate(&["audit", "publish"]).ended(1).says(&["not this node's", "takedown.example/BE"]);
    assert_eq!(files(Path::new(&to)), before);
    let status = fr.status();
    assert!(status["published"]["error"].as_str().unwrap().contains("not this node's"), "{status}");

    let letters = place.path().join("letters").to_str().unwrap().to_owned();
    fs::create_dir(&letters).unwrap();
    fs::write(Path::new(&letters).join("letter.txt"), "mine").unwrap();
    configure(&to, &letters);
    fr.operate(&["audit", "publish"]).ended(1).says(&["no publication"]);
    let home = fr.directory().join("public").to_str().unwrap().to_owned();
    configure(&letters, &home);
    fr.operate(&["audit", "publish"]).ended(1).says(&["home directory"]);
    assert_eq!(files(Path::new(&letters)).len(), 1);
    let missing = place.path().join("not/there").to_str().unwrap().to_owned();
    configure(&home, &missing);
    fr.operate(&["audit", "publish"]).ended(1).says(&["cannot create", "not/there"]);
    assert_eq!(fr.status()["state"], "running");
}

/// A network in which BE publishes to this bucket, with these credentials.
pub(crate) fn publishing_to(bucket: &Bucket, lines: &str, key: &str) -> Network {
    let network = Network::found(PROGRAM, &UNITS);
    let be = network.node("BE");
    let endpoint = bucket.endpoint();
    let settings = format!("to = \"s3://{NAME}/be\"\nendpoint = \"{endpoint}\"\nallow_http = true\n{lines}\n");
    be.configure("[publish]\n", &format!("[publish]\n{settings}"));
    credentials(be, key);
    network.start();
    network
}

fn credentials(node: &Node, key: &str) {
    let path = node.home.keys().join("publish.toml");
    fs::write(&path, format!("access_key_id = \"{key}\"\nsecret_access_key = \"{SECRET}\"\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
}

#[test]
fn storage_holds_a_publication_that_anybody_fetches() {
    let bucket = Bucket::open();
    let network = publishing_to(&bucket, "every_s = 86400", KEY);
    let be = network.node("BE");
    import(be, 0..300);
    network.until_agreed(&UNITS);
    publish(be);
    assert_eq!(publish(be)["written_files"], 0);
    assert_eq!(bucket.unsigned(), 0);
    let from = format!("s3://{NAME}/be");
    let fetched = beside(&network, "fetched");
    assert_eq!(whole(&from, &fetched, Some(&bucket)), 301);
    import(be, 300..320);
    network.until_agreed(&UNITS);
    publish(be);
    assert!(bucket.objects().keys().all(|key| key.starts_with("be/") && !key.starts_with("be/next/")));
    for (path, kind, keep) in [
        ("manifest", "text/plain; charset=utf-8", "no-cache"),
        ("logs/BE/checkpoint", "text/plain; charset=utf-8", "no-cache"),
        ("logs/BE/payload/000", "application/octet-stream", "no-cache"),
        ("logs/BE/tile/entries/000", "application/octet-stream", "public, max-age=86400"),
        ("logs/BE/tile/0/001.p/65", "application/octet-stream", "public, max-age=86400"),
    ] {
        assert_eq!(bucket.told_of(&format!("be/{path}")).unwrap(), [kind, keep], "{path}");
    }
    let told = audit(&["fetch", &fetched, "--from", &from], Some(&bucket)).ended(0).document();
    assert!(told["new_files"].as_u64().unwrap() < 12, "{told}");

    // The same through a web server, by somebody who has no credentials.
    let web = format!("{}/{NAME}/be/", bucket.endpoint());
    audit(&["fetch", &beside(&network, "web"), "--from", &web], None).ended(1).says(&["does not let in"]);
    bucket.set_public(true);
    assert_eq!(whole(&web, &beside(&network, "web"), None), 321);
    // What was altered on its way does not enter.
    let mut objects = bucket.objects();
    let altered = objects.get_mut("be/logs/BE/tile/entries/000").unwrap();
    *altered = altered.iter().rev().copied().collect::<Vec<u8>>().into();
    bucket.restore(objects);
    audit(&["fetch", &beside(&network, "none"), "--from", &web], None).ended(4).says(&["tile/entries/000", "damaged"]);
    assert!(!network.directory().join("none").exists());
    bucket.set(Mood::Closes);
    audit(&["fetch", &beside(&network, "none"), "--from", &web], None).ended(3).says(&["cannot be reached"]);
}

#[test]
fn whichever_write_was_the_last_the_publication_is_whole() {
    let bucket = Bucket::open();
    let network = publishing_to(&bucket, "every_s = 86400", KEY);
    let be = network.node("BE");
    import(be, 0..250);
    network.until_agreed(&UNITS);
    publish(be);
    let begun = bucket.objects();
    import(be, 250..270);
    network.until_agreed(&UNITS);
    let (from, mut sizes) = (format!("s3://{NAME}/be"), Vec::new());
    for writes in 0.. {
        bucket.set(Mood::Writes(0));
        bucket.restore(begun.clone());
        bucket.set(Mood::Writes(writes));
        let said = be.operate(&["audit", "publish"]);
        // A round that the node begins by itself meanwhile has no more writes than this one.
        bucket.set(Mood::Writes(0));
        sizes.push(whole(&from, &beside(&network, &format!("after-{writes}")), Some(&bucket)));
        // So it is for whoever reads by the checkpoint alone, as C2SP tlog-tiles has it.
        let objects = bucket.objects();
        for path in tiles_of(&objects["be/logs/BE/checkpoint"], "BE") {
            assert!(objects.contains_key(&format!("be/{path}")), "after {writes} writes the checkpoint has no {path}");
        }
        // And for whoever has the checkpoint of the round before: the full tile does as well, once it is there.
        for path in hashes_of(&begun["be/logs/BE/checkpoint"], "BE") {
            let there = |path: &str| objects.contains_key(&format!("be/{path}"));
            let full = path.rsplit_once(".p/").is_some_and(|(full, _)| there(full));
            assert!(full || there(&path), "after {writes} writes: {path} of the round before");
        }
        if said.code == Some(0) {
            break;
        }
        said.ended(1).says(&["does not let in"]);
    }
    assert!(sizes.len() > 10 && sizes.is_sorted(), "{sizes:?}");
    assert_eq!((sizes.first(), sizes.last()), (Some(&251), Some(&271)), "{sizes:?}");
    let left = bucket.objects();
    assert!(left.keys().all(|key| !key.starts_with("be/next/")), "{:?}", left.keys());
}

/// The tiles and bundles of the log that has this checkpoint.
fn tiles_of(note: &[u8], unit: &str) -> Vec<String> {
    let note = String::from_utf8(note.to_vec()).unwrap();
    let size = Size::new(note.lines().nth(1).unwrap().parse().unwrap()).unwrap();
    let unit = unit.parse().unwrap();
    let parts = bundles(size).flat_map(|(number, width)| Part::ALL.map(|which| part(&unit, which, number, width)));
    let upper = upper_tiles(size).map(|(level, number, width)| tile(&unit, level, number, width));
    parts.chain(upper).collect()
}

#[test]
fn i7_what_is_withheld_from_now_on_leaves_storage_wherever_a_round_breaks_off() {
    let bucket = Bucket::open();
    let network = publishing_to(&bucket, "every_s = 86400\npayloads = \"all\"", KEY);
    let be = network.node("BE");
    // Four full bundles: withheld, their payloads are four times the same file.
    import(be, 0..1_101);
    network.until_agreed(&UNITS);
    publish(be);
    let holds = || {
        let with = |bytes: &[u8]| bytes.windows(TARGET.len()).any(|window| window == TARGET.as_bytes());
        bucket.objects().iter().filter(|(_, bytes)| with(bytes)).map(|(key, _)| key.clone()).collect::<Vec<_>>()
    };
    assert!(holds().len() >= 5, "{:?}", holds());
    let begun = bucket.objects();
    be.stop();
    be.configure("payloads = \"all\"", "payloads = \"none\"");
    bucket.set(Mood::Writes(0));
    be.start();
    be.until_state("running");
    let mut broken_off = 0;
    for writes in 0.. {
        bucket.set(Mood::Writes(0));
        bucket.restore(begun.clone());
        bucket.set(Mood::Writes(writes));
        let said = be.operate(&["audit", "publish"]);
        if said.code == Some(0) {
            break;
        }
        broken_off += 1;
        bucket.set(Mood::Well);
        publish(be);
        assert_eq!(holds(), [] as [String; 0], "after {writes} writes, and a round that ended well");
        assert!(bucket.objects().keys().all(|key| !key.contains("/next/")), "after {writes} writes");
    }
    assert!(broken_off > 8, "{broken_off}");
    assert_eq!(
        (holds(), whole(&format!("s3://{NAME}/be"), &beside(&network, "fetched"), Some(&bucket))),
        (vec![], 1_102)
    );
}

#[test]
fn storage_that_fails_is_told_and_tried_again_and_no_secret_is_shown() {
    let bucket = Bucket::open();
    let network = publishing_to(&bucket, "every_s = 1", "another-key");
    let be = network.node("BE");
    let error = |words: &str| {
        until(words, || {
            let status = be.try_status()?;
            let error = status["published"]["error"].as_str()?.to_owned();
            error.contains(words).then_some(error)
        })
    };
    error("SignatureDoesNotMatch");
    assert_eq!(be.logged(0, &["not published", "SignatureDoesNotMatch"]).len(), 1);
    assert_eq!(bucket.objects().len(), 0);
    credentials(be, KEY);
    let well = |records: u64| {
        until_so("it is published", || {
            let published = be.status()["published"].clone();
            published["error"].is_null() && published["size"].as_u64() >= Some(records)
        });
    };
    well(2);
    for (mood, words) in
        [(Mood::Fails, "InternalError"), (Mood::Closes, "cannot be reached"), (Mood::Writes(2), "AccessDenied")]
    {
        bucket.set(mood);
        let target = format!("{mood:?}.{TARGET}.example").replace(['(', ')'], "-");
        be.refer(&target, "certified");
        error(words);
        assert_eq!(be.status()["state"], "running");
        bucket.set(Mood::Well);
        let size = be.status()["logs"][0]["certified"].as_u64().unwrap();
        // Asked for: the pause after a fault may be long by now.
        publish(be);
        well(size + 1);
    }
    assert_eq!(whole(&format!("s3://{NAME}/be"), &beside(&network, "fetched"), Some(&bucket)), 4);
    let shown =
        format!("{}{}", be.log(), run(PROGRAM, &["status", "--home", be.directory().to_str().unwrap()], b"").out);
    assert!(!shown.contains(SECRET) && !shown.contains(ECHO), "{shown}");
    assert_eq!(be.logged(0, &["retry"]), [] as [String; 0], "each fault is logged once");
}
