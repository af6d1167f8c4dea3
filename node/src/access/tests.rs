use entente_proto::access::{Part, call, parse};

use super::retention::Time;
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
    (place.0, AccessLog { directory, writer, raised: None, keep_days: 0, fixing: Arc::default() })
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

#[tokio::test]
async fn epochs_are_deleted_once_that_is_written_down_and_the_newest_never() {
    let place = Place::new();
    let (begin, keeping) = (100 * DAY_MS, Keeping { epoch_bytes_max: 1 << 20, days: 365 });
    for day in [0, 31, 62] {
        let log = place.open_with(&Known::default(), keeping, begin + day * DAY_MS);
        log.note(body("a.example")).await.unwrap();
    }
    let [first, second, third] = place.files().try_into().unwrap();
    assert_eq!([first, second, third], [100, 131, 162].map(|day| day * 86_400), "an epoch lasts thirty days at most");

    let log = place.open_with(&Known::default(), keeping, begin + 62 * DAY_MS);
    log.writer.tidy(first, 365);
    // What is noted next was noted after it.
    log.note(body("b.example")).await.unwrap();
    assert_eq!(place.files(), [second, third]);
    let said = read(&log, third, 0);
    assert_eq!(said[2..], [Body::Deleted(wire::Deleted { epoch: first, days: 365 }), body("b.example")]);
    log.writer.tidy(third, 365);
    log.note(body("c.example")).await.unwrap();
    assert_eq!((place.files(), read(&log, third, 4)), (vec![second, third], vec![body("c.example")]));
}

#[tokio::test]
async fn what_cannot_be_written_down_as_deleted_is_not_deleted() {
    let place = Place::new();
    note(&place.open_with(&Known::default(), Keeping::days(0), 500_000), 1).await;
    let newest = place.epochs().next(500, 1_000_000, None).unwrap();
    let clock = Arc::new(ManualClock::at(3_000_000));
    let writer = Writer::start(newest.read_only().unwrap(), 0, place.epochs(), clock).unwrap();
    writer.tidy(500, 365);
    assert!(writer.note(body("after.example")).await.is_err());
    assert_eq!(place.files(), [500, 1_000]);
}

#[test]
fn a_call_under_no_head_is_due_by_its_age_and_where_it_lies_in_the_future() {
    use heads::is_due;
    assert!(!is_due(None, 10_000, 1_000));
    assert!(!is_due(Some(9_001), 10_000, 1_000) && is_due(Some(9_000), 10_000, 1_000));
    assert!(!is_due(Some(10_999), 10_000, 1_000) && is_due(Some(2_000_000), 10_000, 1_000));
}

#[test]
fn a_time_is_certified_only_for_a_node_that_runs_with_the_clock_of_its_partners() {
    use entente_proto::sync::Standing;
    let known = |standing: &Standing, off, units| Time::known(9, standing, off, units, [3, 5, 4].into_iter());
    let running = Time { now_ms: 9, certified_ms: Some(5), has_partners: true };
    assert_eq!(known(&Standing::Running, None, 2), running);
    assert_eq!(known(&Standing::Running, None, 1), Time { has_partners: false, ..running });
    assert_eq!(known(&Standing::Running, Some(120_001), 2).certified_ms, None);
    let waiting = Standing::Waiting { needed: 1, answered: Default::default(), fetching: None };
    assert_eq!(known(&waiting, None, 2).certified_ms, None);
}

/// The times of partners, by which things are due.
fn agreed(now_ms: u64, certified_ms: u64) -> Time {
    Time { now_ms, certified_ms: Some(certified_ms), has_partners: true }
}

#[test]
fn old_epochs_are_due_by_the_time_that_partners_certified_and_by_no_clock_alone() {
    let fixed = |index, epoch, day: u64| Fixed { index, epoch: Some(epoch), time_ms: day * DAY_MS };
    let fixing = [fixed(1, 10, 0), fixed(2, 10, 30), fixed(3, 20, 31), fixed(4, 30, 62)];
    let due = |epochs: &[u64], days, time: &Time| retention::due(epochs, &fixing, days, time);
    let all = [10, 20, 30];
    let day = |day: u64| day * DAY_MS;
    assert_eq!(due(&all, 365, &agreed(day(396), day(396))), Some(10));
    assert_eq!(due(&all, 365, &agreed(day(427), day(427))), Some(20));
    assert_eq!(due(&all, 365, &agreed(day(9_999), day(9_999))), Some(20), "the newest never is");
    assert_eq!(due(&[30], 365, &agreed(day(9_999), day(9_999))), None);
    assert_eq!(due(&[10, 30], 365, &agreed(day(400), day(400))), Some(10), "what was deleted before is not needed");
    assert_eq!(due(&all, 0, &agreed(day(9_999), day(9_999))), None);
    for time in [
        // A day too early; a clock in another year, whatever it says; one that is behind.
        agreed(day(396) - 1, day(396) - 1),
        agreed(day(9_999), day(70)),
        agreed(day(70), day(396)),
        // Nothing certified: the node waits, recovers, or its clock is off.
        Time { certified_ms: None, ..agreed(day(9_999), 0) },
        Time { has_partners: false, ..agreed(day(9_999), day(9_999)) },
    ] {
        assert_eq!(due(&all, 365, &time), None, "{time:?}");
    }
    // Numbers say nothing: an epoch that began by a clock of another year is due like any.
    let fixing = [fixed(1, 10, 0), fixed(2, 1_900_000_000, 31), fixed(3, 1_900_000_001, 32)];
    let found = super::retention::due(&[10, 1_900_000_000, 1_900_000_001], &fixing, 365, &agreed(day(397), day(397)));
    assert_eq!(found, Some(1_900_000_000));
}

#[test]
fn a_line_lies_in_the_future_where_the_clock_is_not_behind_what_is_certified() {
    let (now, slack) = (1_000 * DAY_MS, 5 * 60 * 1_000);
    assert!(agreed(now, now).is_before(now + slack + 1) && !agreed(now, now).is_before(now + slack));
    // A clock without a battery: the lines are right, and it is not.
    assert!(!agreed(0, now).is_before(now));
    assert!(!Time { certified_ms: None, ..agreed(now, 0) }.is_before(2 * now));
}

#[tokio::test]
async fn lines_in_the_future_end_their_epoch_and_no_later_one_gets_their_time() {
    let place = Place::new();
    let keeping = Keeping { epoch_bytes_max: 1 << 20, days: 365 };
    let (now, ahead) = (20_000 * DAY_MS, 4_000 * DAY_MS);
    place.open_with(&Known::default(), keeping, now).note(body("a.example")).await.unwrap();
    // The node starts once with its clock in another year.
    let log = place.open_with(&Known::default(), keeping, now + ahead);
    log.note(body("b.example")).await.unwrap();
    let future = log.state();
    drop(log);

    let log = place.open_with(&Known::default(), keeping, now + 60_000);
    assert_eq!(log.state(), future);
    assert_eq!(log.writer.last_ms(), now + ahead);
    log.note(body("c.example")).await.unwrap();
    let before = log.state();
    // Asked for twice it is done once.
    log.writer.leave_future();
    log.writer.leave_future();
    log.note(body("d.example")).await.unwrap();
    let state = log.state();
    assert_eq!((state.epoch, state.size), (before.epoch + 1, 2));
    assert_eq!(began(&log, state.epoch).size, before.size);
    let times: Vec<u64> = log.entries(state.epoch, 0).unwrap().map(|entry| entry.unwrap().header().time_ms).collect();
    assert_eq!((times, log.writer.last_ms()), (vec![now + 60_000; 2], now + 60_000));
    drop(log);
    // Its number lies in the future, and it ends by its age all the same.
    let log = place.open_with(&Known::default(), keeping, now + 31 * DAY_MS);
    log.note(body("e.example")).await.unwrap();
    assert_eq!(log.state().epoch, state.epoch + 1);
    // Where nothing lies in the future nothing is left.
    log.writer.leave_future();
    log.note(body("f.example")).await.unwrap();
    assert_eq!(log.state().epoch, state.epoch + 1);
}

/// An own log with these records; the rest are others.
fn own_log(epochs: &[(u64, u64)], entries: u64) -> crate::store::MemoryStore {
    use crate::store::{Append, Batch, MemoryStore};
    use entente_proto::ids::Size;
    use entente_proto::record::{RecordKind, encode};
    let unit: UnitId = "BE".parse().unwrap();
    let entry = |index: u64| {
        let epoch = epochs.iter().find(|(at, _)| *at == index).map(|(_, epoch)| *epoch);
        let head = |epoch| wire::record::Body::AccessHead(wire::AccessHead { epoch, size: 1, root: vec![1; 32] });
        let kind = epoch.map_or(RecordKind::Refer, |_| RecordKind::AccessHead);
        let payload =
            epoch.map(|epoch| encode(&wire::Record { submission: vec![1; 16], body: Some(head(epoch)) }).unwrap());
        let payload = payload.unwrap_or_else(|| vec![1].into());
        entente_proto::entry::Entry::compose(kind.number(), index * 1_000, [1; 16], payload).unwrap()
    };
    let store = MemoryStore::default();
    let entries: Vec<_> = (0..entries).map(entry).collect();
    let root = |bundle: &[entente_proto::entry::Entry]| {
        bundle.iter().map(|entry| entry.leaf_hash()).collect::<entente_proto::tree::MemoryTree>().root()
    };
    let level1 = (0..).zip(entries.chunks_exact(256).map(root)).collect();
    let append = Append { unit, from: Size::ZERO, entries, level1 };
    store.commit_one(&Batch { appends: vec![append], ..Batch::default() }).unwrap();
    store
}

#[test]
fn the_records_that_fix_it_are_found_and_those_that_are_certified_only_once() {
    let unit: UnitId = "BE".parse().unwrap();
    let store = own_log(&[(3, 10), (1_500, 10), (2_000, 20)], 2_001);
    let mut fixing = Fixing::default();
    let of = |index, epoch| Fixed { index, epoch: Some(epoch), time_ms: index * 1_000 };
    assert_eq!(fixing.certified(&store, &unit, 1_500).unwrap(), [of(3, 10)], "up to what is certified");
    let all = (vec![of(3, 10), of(1_500, 10), of(2_000, 20)], 2_001);
    assert_eq!(fixing.all(&store, &unit, 1_500).unwrap(), all);
    assert_eq!(fixing.all(&store, &unit, 1_501).unwrap(), all);
    // What was certified is not read again; a log that was cut is.
    let other = own_log(&[(5, 30)], 2_001);
    assert_eq!(fixing.certified(&other, &unit, 2_001).unwrap(), [of(3, 10), of(1_500, 10)]);
    assert_eq!(fixing.certified(&other, &unit, 7).unwrap(), [of(5, 30)]);
}
