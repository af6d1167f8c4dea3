use entente_proto::access::{Part, call, parse};

use super::*;
use crate::clock::ManualClock;

struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn directory(&self) -> PathBuf {
        self.0.path().join("access")
    }

    fn open(&self, known: &Known) -> AccessLog {
        let clock = Arc::new(ManualClock::at(1_000_000));
        let (network, unit) = ("takedown.example".parse().unwrap(), "BE".parse().unwrap());
        AccessLog::open(&self.directory(), &network, &unit, known, clock).unwrap()
    }

    fn files(&self) -> Vec<u64> {
        epochs(&self.directory()).unwrap()
    }
}

fn body(about: &str) -> Body {
    Body::Call(call("officer/alice".into(), Hash::of(b"key"), "Show", "", [1; 16], vec![Part::Said(about.to_owned())]))
}

async fn note(log: &AccessLog, count: u64) {
    let from = log.state().size;
    for i in from..from + count {
        assert_eq!(log.note(body(&format!("d{i}.example"))).await.unwrap(), i);
    }
}

fn read(log: &AccessLog, epoch: u64, from: u64) -> Vec<Body> {
    log.entries(epoch, from).unwrap().map(|entry| parse(&entry.unwrap()).unwrap()).collect()
}

fn head(state: State) -> wire::AccessHead {
    wire::AccessHead { epoch: state.epoch, size: state.size, root: state.root.0.to_vec() }
}

#[tokio::test]
async fn what_was_noted_is_there_after_a_restart_in_the_same_epoch() {
    let place = Place::new();
    let log = place.open(&Known::default());
    assert_eq!((log.state().epoch, log.state().size, log.raised()), (1_000, 0, None));
    note(&log, 300).await;
    let state = log.state();
    drop(log);
    let log = place.open(&Known { head: Some(head(state)), lost: None });
    assert_eq!((log.state(), log.raised()), (state, None));
    note(&log, 1).await;
    let read = read(&log, 1_000, 299);
    assert_eq!(read, [body("d299.example"), body("d300.example")]);
    assert_eq!(place.files(), [1_000]);
}

#[tokio::test]
async fn calls_that_come_at_once_share_a_sync_and_each_gets_its_own_place() {
    let place = Place::new();
    let log = place.open(&Known::default());
    let calls: Vec<_> = (0..500)
        .map(|i| {
            let log = log.clone();
            tokio::spawn(async move { (log.note(body(&i.to_string())).await.unwrap(), i.to_string()) })
        })
        .collect();
    let bodies = {
        let mut bodies = vec![None; 500];
        for call in calls {
            let (index, about) = call.await.unwrap();
            assert!(bodies[index as usize].replace(body(&about)).is_none());
        }
        bodies.into_iter().map(Option::unwrap).collect::<Vec<_>>()
    };
    assert_eq!(read(&log, 1_000, 0), bodies);
}

#[tokio::test]
async fn a_torn_end_is_cut_off_and_the_epoch_goes_on() {
    let place = Place::new();
    let log = place.open(&Known::default());
    note(&log, 2).await;
    let before = std::fs::read(path(&place.directory(), 1_000)).unwrap();
    note(&log, 1).await;
    drop(log);
    let whole = std::fs::read(path(&place.directory(), 1_000)).unwrap();
    for end in before.len()..whole.len() {
        std::fs::write(path(&place.directory(), 1_000), &whole[..end]).unwrap();
        let log = place.open(&Known::default());
        assert_eq!((log.state().size, log.raised()), (2, None), "{end}");
    }
}

#[tokio::test]
async fn a_damaged_or_lost_or_older_file_is_not_gone_on_with() {
    let place = Place::new();
    let log = place.open(&Known::default());
    note(&log, 5).await;
    let state = log.state();
    drop(log);
    let file = path(&place.directory(), 1_000);
    let whole = std::fs::read(&file).unwrap();

    // A line changed, in the middle.
    let mut damaged = whole.clone();
    let middle = whole.len() / 2;
    damaged[middle] ^= 1;
    std::fs::write(&file, &damaged).unwrap();
    let log = place.open(&Known { head: Some(head(state)), lost: None });
    assert_eq!((log.state().epoch, log.state().size), (1_001, 0));
    assert!(log.raised().unwrap().contains("1000.entries"), "{:?}", log.raised());
    assert_eq!(log.epochs().unwrap(), [1_000, 1_001], "the damaged file stays for auditors");
    assert!(log.entries(1_000, 0).unwrap().any(|entry| entry.is_err()));
    drop(log);

    // The newest file is gone, and the log tells of it.
    std::fs::remove_file(path(&place.directory(), 1_001)).unwrap();
    std::fs::write(&file, &whole).unwrap();
    let later = wire::AccessHead { epoch: 1_001, size: 3, root: vec![1; 32] };
    let log = place.open(&Known { head: Some(later), lost: None });
    assert_eq!(log.state().epoch, 1_002);
    drop(log);
    std::fs::remove_file(path(&place.directory(), 1_002)).unwrap();

    // An older copy: fewer lines, or others.
    for (size, root) in [(6, state.root), (5, Hash::of(b"other"))] {
        let known = wire::AccessHead { epoch: 1_000, size, root: root.0.to_vec() };
        let log = place.open(&Known { head: Some(known), lost: None });
        assert_eq!(log.state().epoch, 1_001);
        drop(log);
        std::fs::remove_file(path(&place.directory(), 1_001)).unwrap();
    }

    // All are gone.
    std::fs::remove_dir_all(place.directory()).unwrap();
    let known = wire::AccessHead { epoch: 2_000, size: 6, root: state.root.0.to_vec() };
    let log = place.open(&Known { head: Some(known), lost: None });
    assert_eq!((log.state().epoch, log.raised()), (2_001, Some("its files are gone")));
}

#[tokio::test]
async fn a_node_that_lost_its_word_begins_one_epoch_for_it_however_often_it_starts() {
    let place = Place::new();
    note(&place.open(&Known::default()), 2).await;
    let lost = |why: &str| Known { head: None, lost: Some(why.to_owned()) };
    for (known, epoch) in [
        (lost("restored"), 1_001),
        (lost("restored"), 1_001),
        (lost("damaged"), 1_002),
        (Known::default(), 1_002),
        (lost("damaged"), 1_003),
    ] {
        let log = place.open(&known);
        assert_eq!(log.state().epoch, epoch);
        note(&log, 1).await;
    }
}

/// An access log whose disk takes nothing any more, with the directory that it lies in.
pub(crate) fn that_takes_nothing() -> (tempfile::TempDir, AccessLog) {
    let place = Place::new();
    let directory = place.directory();
    drop(place.open(&Known::default()));
    let (network, unit) = ("takedown.example".parse().unwrap(), "BE".parse().unwrap());
    let Ok(epoch) = Epoch::open(&directory, 1_000, &network, &unit) else { panic!("it is whole") };
    let clock = Arc::new(ManualClock::at(1_000_000));
    let writer = Arc::new(Writer::start(epoch.read_only().unwrap(), 0, clock).unwrap());
    (place.0, AccessLog { directory, writer, raised: None })
}

#[tokio::test]
async fn a_file_that_cannot_be_written_refuses_calls_and_keeps_what_is_there() {
    let place = Place::new();
    note(&place.open(&Known::default()), 2).await;
    let (network, unit) = ("takedown.example".parse().unwrap(), "BE".parse().unwrap());
    let Ok(epoch) = Epoch::open(&place.directory(), 1_000, &network, &unit) else { panic!("it is whole") };
    let epoch = epoch.read_only().unwrap();
    let writer = Writer::start(epoch, 0, Arc::new(ManualClock::at(1_000_000))).unwrap();
    for _ in 0..2 {
        let error = writer.note(body("x")).await.unwrap_err();
        assert!(error.to_string().contains("without it no call is answered"), "{error}");
    }
    drop(writer);
    assert_eq!(place.open(&Known::default()).state().size, 2);
}
