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
        self.open_with(known, Keeping::days(0), 1_000_000)
    }

    fn open_with(&self, known: &Known, keeping: Keeping, now_ms: u64) -> AccessLog {
        let clock = Arc::new(ManualClock::at(now_ms));
        let (network, unit) = ("takedown.example".parse().unwrap(), "BE".parse().unwrap());
        AccessLog::open(&self.directory(), &network, &unit, known, keeping, clock).unwrap()
    }

    fn epochs(&self) -> Epochs {
        let (network, unit) = ("takedown.example".parse().unwrap(), "BE".parse().unwrap());
        Epochs { directory: self.directory(), network, unit, keeping: Keeping::days(0) }
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
        assert_eq!(log.note(body(&format!("d{i}.example"))).await.unwrap().index, i);
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
            tokio::spawn(async move { (log.note(body(&i.to_string())).await.unwrap().index, i.to_string()) })
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
    let writer = Arc::new(Writer::start(epoch.read_only().unwrap(), 0, place.epochs(), clock).unwrap());
    (place.0, AccessLog { directory, writer, raised: None })
}

#[tokio::test]
async fn a_file_that_cannot_be_written_refuses_calls_and_keeps_what_is_there() {
    let place = Place::new();
    note(&place.open(&Known::default()), 2).await;
    let (network, unit) = ("takedown.example".parse().unwrap(), "BE".parse().unwrap());
    let Ok(epoch) = Epoch::open(&place.directory(), 1_000, &network, &unit) else { panic!("it is whole") };
    let epoch = epoch.read_only().unwrap();
    let writer = Writer::start(epoch, 0, place.epochs(), Arc::new(ManualClock::at(1_000_000))).unwrap();
    for _ in 0..2 {
        let error = writer.note(body("x")).await.unwrap_err();
        assert!(error.to_string().contains("without it no call is answered"), "{error}");
    }
    drop(writer);
    assert_eq!(place.open(&Known::default()).state().size, 2);
}

const DAY_MS: u64 = 86_400_000;

/// What the first entry of an epoch says of the one before.
fn began(log: &AccessLog, epoch: u64) -> wire::Began {
    match read(log, epoch, 0).into_iter().next() {
        Some(Body::Began(began)) => began,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_long_file_is_followed_by_an_epoch_that_fixes_the_whole_of_it() {
    let place = Place::new();
    let keeping = Keeping { epoch_bytes_max: 2_000, days: 0 };
    let log = place.open_with(&Known::default(), keeping, 1_000_000);
    let mut ends = Vec::new();
    for _ in 0..60 {
        let before = log.state();
        let place = log.note(body("a.example")).await.unwrap();
        if place.epoch != before.epoch {
            assert_eq!(place.index, 1, "behind the entry that begins it");
            ends.push(before);
        }
    }
    assert!(ends.len() > 2, "{ends:?}");
    let files = place.files();
    assert_eq!(files[..2], [1_000, 1_001], "also within one second");
    for (end, next) in ends.iter().zip(&files[1..]) {
        let began = began(&log, *next);
        assert_eq!((began.epoch, began.size, began.root), (end.epoch, end.size, end.root.0.to_vec()));
        assert!(std::fs::metadata(path(&place.directory(), end.epoch)).unwrap().len() < 2_500);
    }
    // The next start goes on in the newest, though the own log has a head of an older one only.
    let state = log.state();
    drop(log);
    let known = Known { head: Some(head(ends[0])), lost: None };
    let log = place.open_with(&known, keeping, 1_000_000);
    assert_eq!((log.state(), log.raised()), (state, None));
}

#[tokio::test]
async fn the_end_of_a_call_names_its_epoch_where_another_began_since() {
    let place = Place::new();
    let log = place.open_with(&Known::default(), Keeping { epoch_bytes_max: 2_000, days: 0 }, 1_000_000);
    let call = log.note(body("a.example")).await.unwrap();
    let ended = |call: super::Place| Body::Ended(wire::Ended { call: call.index, rows: 1, code: 0, epoch: call.epoch });
    let same = log.note(ended(call)).await.unwrap();
    while log.state().epoch == call.epoch {
        log.note(body("b.example")).await.unwrap();
    }
    let later = log.note(ended(call)).await.unwrap();
    let epoch_of = |place: super::Place| match read(&log, place.epoch, place.index).into_iter().next() {
        Some(Body::Ended(ended)) => ended.epoch,
        other => panic!("{other:?}"),
    };
    assert_eq!((epoch_of(same), epoch_of(later)), (0, call.epoch));
}

/// Waits until the thread has done what it was told.
async fn tidied(log: &AccessLog) {
    log.writer.tidy();
    log.note(body("after.example")).await.unwrap();
}

#[tokio::test]
async fn old_epochs_are_deleted_once_that_is_written_down_and_the_newest_never() {
    let place = Place::new();
    let (begin, keeping) = (100 * DAY_MS, Keeping { epoch_bytes_max: 1 << 20, days: 365 });
    for day in [0, 31, 62] {
        let log = place.open_with(&Known::default(), keeping, begin + day * DAY_MS);
        log.note(body("a.example")).await.unwrap();
    }
    let [first, second, third] = place.files().try_into().unwrap();
    assert_eq!([first, second, third], [100, 131, 162].map(|day| day * 86_400), "an epoch lasts thirty days at most");

    // The first ended with day 131.
    let log = place.open_with(&Known::default(), keeping, (131 + 365) * DAY_MS - 1_000);
    tidied(&log).await;
    assert_eq!(place.files()[..3], [first, second, third]);
    drop(log);
    let log = place.open_with(&Known::default(), keeping, (131 + 365) * DAY_MS);
    tidied(&log).await;
    let files = place.files();
    assert_eq!(files[..2], [second, third]);
    let told = |epoch: u64| {
        let deleted = |body| if let Body::Deleted(deleted) = body { Some(deleted) } else { None };
        read(&log, epoch, 0).into_iter().filter_map(deleted).collect::<Vec<_>>()
    };
    assert_eq!(told(*files.last().unwrap()), [wire::Deleted { epoch: first, days: 365 }]);
    tidied(&log).await;
    assert_eq!(told(*files.last().unwrap()).len(), 1, "once");
    drop(log);

    // Long after, all but the newest are gone; and where no time is set, nothing goes.
    let later = 5_000 * DAY_MS;
    let log = place.open_with(&Known::default(), Keeping::days(0), later);
    tidied(&log).await;
    assert_eq!(place.files(), files);
    drop(log);
    let log = place.open_with(&Known::default(), keeping, later);
    tidied(&log).await;
    assert_eq!(place.files(), [*files.last().unwrap(), later / 1_000]);
    assert_eq!(began(&log, later / 1_000).epoch, *files.last().unwrap());
}
