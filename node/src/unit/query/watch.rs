//! What changes, for whoever watches: told once and in each log's order, whatever is asked for and however slowly it is
//! read.

use std::collections::BTreeMap;
use std::sync::Arc;

use entente_proto::ids::{RecordId, UnitId};
use entente_proto::record;
use entente_proto::wire;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc::{self, Sender};
use tonic::Status as Answer;

use super::super::withheld::Withheld;
use super::super::words::{self, record_ref, unreadable};
use crate::core::Core;
use crate::list;

/// How many entries are read at a time.
const STRETCH: usize = 256;

/// What goes to the watcher; it ends with a fault.
type Told = Result<wire::Change, Answer>;

/// Tells changes until the watcher goes or a fault comes.
///
/// # Errors
/// An argument at fault: a position of units or sizes that this node does not know.
pub(in crate::unit) fn follow(core: &Arc<Core>, request: wire::WatchRequest) -> Result<mpsc::Receiver<Told>, Answer> {
    let (send, changes) = mpsc::channel(STRETCH);
    let watch = Watch::new(core, request)?;
    tokio::spawn(run(core.clone(), watch, send));
    Ok(changes)
}

/// First what was missed, from the database, then what comes. Where the watcher reads too slowly for that, it begins
/// again with what it missed.
async fn run(core: Arc<Core>, mut watch: Watch, send: Sender<Told>) {
    loop {
        // Listened to before it is looked at what is there: what comes between is told once, by its index.
        let mut live = core.list.watch();
        let (of, to) = (core.clone(), send.clone());
        let caught_up = tokio::task::spawn_blocking(move || {
            let done = watch.catch_up(&of, &to);
            (watch, done)
        });
        let Ok((caught_up, done)) = caught_up.await else { return };
        watch = caught_up;
        match done {
            Ok(()) => {}
            Err(Ended::Gone) => return,
            Err(Ended::Fault(status)) => {
                let _ = send.send(Err(status)).await;
                return;
            }
        }
        loop {
            let next = tokio::select! {
                next = live.recv() => next,
                () = send.closed() => return,
            };
            match next {
                Ok(change) => {
                    if let Some(change) = watch.live(&change)
                        && send.send(Ok(change)).await.is_err()
                    {
                        return;
                    }
                }
                Err(RecvError::Lagged(_)) => break,
                Err(RecvError::Closed) => return,
            }
        }
    }
}

/// Why no more is told.
enum Ended {
    /// The watcher has gone.
    Gone,
    Fault(Answer),
}

/// What a watcher was told.
#[derive(Debug)]
struct Watch {
    /// Whether it wants statements as they arrive, too, before they are certified.
    pending: bool,
    /// How far each log was told as certified.
    told: BTreeMap<UnitId, u64>,
    /// How far each log was told as arrived.
    arrived: BTreeMap<UnitId, u64>,
    /// Whether the position at which it begins is to be told.
    begins: bool,
}

impl Watch {
    fn new(core: &Core, request: wire::WatchRequest) -> Result<Self, Answer> {
        let wire::WatchRequest { pending, from } = request;
        let state = core.list.read();
        if from.is_empty() {
            let arrived = state.pending.ends();
            return Ok(Self { pending, told: state.folded.clone(), arrived, begins: true });
        }
        let mut told = BTreeMap::new();
        for wire::LogPosition { unit, size } in from {
            let unit: UnitId = unit.parse().map_err(|error| Answer::invalid_argument(format!("{error}")))?;
            let have = state.folded.get(&unit).copied().unwrap_or_default();
            if size > have {
                return Err(Answer::invalid_argument(format!(
                    "the position says {size} records of {unit}, and this node lists {have}: it comes from another node, or \
                     this one catches up at present; list anew, or call again later"
                )));
            }
            told.insert(unit, size);
        }
        Ok(Self { pending, told, arrived: BTreeMap::new(), begins: false })
    }

    /// A change as it comes, unless it was told.
    fn live(&mut self, change: &list::Change) -> Option<wire::Change> {
        let next = change.id.index.saturating_add(1);
        let told = if change.certified { &mut self.told } else { &mut self.arrived };
        let told = told.entry(change.id.unit.clone()).or_default();
        if next <= *told || !change.certified && !self.pending {
            return None;
        }
        *told = next;
        Some(words::change(change))
    }

    /// Tells everything that is there and was not told.
    fn catch_up(&mut self, core: &Core, send: &Sender<Told>) -> Result<(), Ended> {
        let to = core.list.read().folded.clone();
        if std::mem::take(&mut self.begins) {
            tell(send, words::position(&self.told))?;
        }
        for (unit, end) in to {
            let mut next = self.told.get(&unit).copied().unwrap_or_default();
            while next < end {
                let most = usize::try_from(end - next).unwrap_or(usize::MAX).min(STRETCH);
                let changes = core.reading_apart(|| certified(core, &unit, next, most));
                for change in changes.map_err(Ended::Fault)? {
                    next += 1;
                    tell(send, change)?;
                }
                self.told.insert(unit.clone(), next);
            }
        }
        if self.pending {
            let waiting = core.list.read().pending.records();
            for id in waiting {
                let arrived = self.arrived.entry(id.unit.clone()).or_default();
                if id.index < *arrived {
                    continue;
                }
                *arrived = id.index.saturating_add(1);
                if let Some(change) = core.reading_apart(|| pending(core, &id)).map_err(Ended::Fault)? {
                    tell(send, change)?;
                }
            }
        }
        Ok(())
    }
}

/// Waits for room: a watcher that reads slowly is told slowly.
fn tell(send: &Sender<Told>, change: wire::Change) -> Result<(), Ended> {
    send.blocking_send(Ok(change)).map_err(|_| Ended::Gone)
}

/// Certified records as changes, at least one.
fn certified(core: &Core, unit: &UnitId, from: u64, most: usize) -> Result<Vec<wire::Change>, Answer> {
    let entries = core.store.entries(unit, from, most, usize::MAX).map_err(|error| unreadable(&error.into()))?;
    if entries.is_empty() {
        return Err(Answer::data_loss("the database of this node cannot be read: its log says more"));
    }
    let state = core.list.read();
    let withheld = Withheld::new(core, &state);
    let change = |(index, entry): (u64, entente_proto::entry::Entry)| {
        let id = RecordId { unit: unit.clone(), index };
        let said = entry.payload().and_then(|payload| record::parse(entry.header().kind, payload).ok());
        let target = state.fold.target_of(unit, index).filter(|target| !withheld.hides(target));
        let status = target.as_ref().and_then(|target| withheld.status(&state, target));
        wire::Change {
            id: Some(record_ref(&id)),
            time_ms: entry.header().time_ms,
            record: said.map(record::Statement::into_record),
            certified: true,
            target: target.map(|target| target.to_string()).unwrap_or_default(),
            status: status.map_or(wire::Status::Unspecified, Into::into).into(),
            ..wire::Change::default()
        }
    };
    Ok((from..).zip(entries).map(change).collect())
}

/// A record that waits to be certified, as a change; nothing if it waits no more.
fn pending(core: &Core, id: &RecordId) -> Result<Option<wire::Change>, Answer> {
    let Some(entry) = core.store.entry(&id.unit, id.index).map_err(|error| unreadable(&error.into()))? else {
        return Ok(None);
    };
    let state = core.list.read();
    if !state.pending.holds(id) {
        return Ok(None);
    }
    let said = entry.payload().and_then(|payload| record::parse(entry.header().kind, payload).ok());
    let target = state.pending.target_of(id).cloned();
    let status = target.as_ref().and_then(|target| state.fold.status(target));
    Ok(Some(words::change(&list::Change {
        id: id.clone(),
        time_ms: entry.header().time_ms,
        record: said.map(record::Statement::into_record),
        certified: false,
        target,
        status,
    })))
}
