//! The world of the simulation. Every random choice comes from one seed, so a failing run can be run again.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;
use prost::Message as _;

use super::charters;
use crate::charter::{CharterChain, UnverifiedCharter};
use crate::checkpoint::{Checkpoint, SignedCheckpoint};
use crate::cosignature::Cosignature;
use crate::entry::Entry;
use crate::hash::Hash;
use crate::ids::{NetworkName, Size, UnitId};
use crate::list::Gaps;
use crate::note::{MemorySigner, VerifierKey};
use crate::sync::{
    Action, Engine, Event, Frame, LeafHashes, LogView, Outgoing, Owed, Restored, Setup, Standing, StreamId, rebase,
};
use crate::wire;

/// What a node's disks hold: its database, and its journal.
#[derive(Debug, Default, Clone)]
pub(super) struct Disk {
    pub(super) charters: Option<CharterChain>,
    pub(super) logs: BTreeMap<UnitId, Vec<Entry>>,
    certified: BTreeMap<UnitId, Vec<u8>>,
    bridges: BTreeMap<UnitId, Vec<u8>>,
    newest: BTreeMap<UnitId, Vec<u8>>,
    /// Entries that cannot be read back.
    pub(super) bad: BTreeSet<(UnitId, u64)>,
    pub(super) forks: BTreeMap<UnitId, Vec<u8>>,
    pub(super) journal: Journal,
}

/// What a node has put its name to.
#[derive(Debug, Default, Clone)]
pub(super) struct Journal {
    own_checkpoint: Option<(Size, Hash, Vec<u8>)>,
    cosigned: BTreeMap<UnitId, (Size, Hash, Cosignature)>,
    bounds: BTreeMap<UnitId, (Size, Hash)>,
    /// Own entries from this one on.
    first: usize,
    entries: Vec<Entry>,
    lost: Option<String>,
    /// Whose logs are not cosigned any more under which keys.
    pub(super) stopped: BTreeMap<UnitId, BTreeSet<VerifierKey>>,
    /// Of which charters the bases were taken for logs.
    rebased: BTreeSet<(UnitId, Hash)>,
    /// Which charters were signed.
    pub(super) signed_charters: BTreeSet<Hash>,
}

impl Disk {
    /// The database is gone.
    pub(super) fn lose_database(&mut self) {
        let (journal, charters) = (std::mem::take(&mut self.journal), self.charters.take());
        *self = Self { journal, charters, ..Self::default() };
    }

    /// The journal is gone, which the node notices.
    pub(super) fn lose_journal(&mut self) {
        self.journal = Journal { lost: Some("the journal is gone".into()), ..Journal::default() };
    }
}

impl LeafHashes for Disk {
    fn leaf_hashes(&self, unit: &UnitId, bundle: u64) -> Option<Vec<Hash>> {
        let log = self.logs.get(unit)?;
        if self.bad.iter().any(|(of, index)| of == unit && index / 256 == bundle) {
            return None;
        }
        Some(log.iter().skip(bundle as usize * 256).take(256).map(Entry::leaf_hash).collect())
    }
}

/// What is asked of a node's disks, in order.
enum Todo {
    Write(Action),
    Own(Vec<Entry>),
}

pub(super) struct Node {
    pub(super) unit: UnitId,
    pub(super) engine: Option<Engine>,
    pub(super) disk: Disk,
    todo: VecDeque<Todo>,
    waiting: u32,
    instance: u8,
    /// Streams by partner: the stream's number here.
    streams: BTreeMap<UnitId, StreamId>,
    pub(super) faults: Vec<String>,
    /// Everything cosigned, for ever.
    pub(super) cosigned: BTreeMap<UnitId, Vec<(Size, Hash)>>,
    pub(super) signed: Vec<(Size, Hash)>,
    /// For each log and each key that its author signs with, the leaf hashes under the last checkpoint of that key which this
    /// node put its name to.
    pub(super) said: BTreeMap<(UnitId, VerifierKey), Vec<Hash>>,
    /// Charters that it kept as evidence, with the words.
    pub(super) evidence: Vec<String>,
    /// Entries that no partner could give it again.
    pub(super) unrepairable: Vec<(UnitId, u64)>,
    /// Every checkpoint that it stored as certified.
    pub(super) certified: Vec<(UnitId, Size, Hash)>,
    /// How often it cut a log back.
    pub(super) rewound: usize,
    /// How often it found out that its journal does not know all that it signed.
    pub(super) losses: usize,
    /// It goes on as if nothing were wrong with its keys.
    pub(super) dishonest: bool,
    /// Every size of a log that it was told is certified.
    pub(super) told_certified: Vec<u64>,
}

pub(super) struct World {
    /// All versions of the charter that were ever agreed on.
    pub(super) charters: CharterChain,
    pub(super) nodes: Vec<Node>,
    pub(super) now_ms: u64,
    pub(super) blocked: BTreeSet<(usize, usize)>,
    /// Frames under way: to whom, on which of its streams.
    links: BTreeMap<(usize, StreamId), VecDeque<Bytes>>,
    /// For each stream, the other end.
    ends: BTreeMap<(usize, StreamId), (usize, StreamId)>,
    next_stream: StreamId,
    seed: u64,
    /// How many events a node takes in at the most before it concludes what follows from them; a tick is always the last.
    pub(super) together: usize,
    /// A node that signs without asking anybody.
    pub(super) reckless: Option<usize>,
    /// What a node sends to everybody in the place of its heads.
    pub(super) inject: Option<(usize, wire::frame::Frame)>,
    /// A node's clock, and by how much it is ahead, milliseconds.
    pub(super) skew: Option<(usize, i64)>,
    /// Changes a frame on its way from one node to another.
    pub(super) meddle: Option<fn(usize, usize, &mut wire::Frame)>,
}

pub(super) fn network() -> NetworkName {
    "takedown.example".parse().unwrap()
}

pub(super) fn log_signer(unit: &UnitId) -> MemorySigner {
    charters::signers(unit, [0; 3]).1
}

impl Node {
    /// For whoever looks at a failed run.
    fn describe(&self) -> String {
        let Some(engine) = &self.engine else { return format!("{} does not run", self.unit) };
        let logs: Vec<_> = engine.logs().map(|log| (log.size.get(), certified(&log))).collect();
        let mut words = format!("{} {:?} {logs:?} {:?}", self.unit, engine.standing(), self.faults);
        for log in engine.logs.values().filter(|log| log.forked) {
            let known: Vec<_> = log.known.iter().map(|(size, k)| (size.get(), k.ours, k.head.weight())).collect();
            let strays: Vec<_> = log.strays.iter().map(|(at, head)| (at.0.get(), head.weight())).collect();
            let proven = log.proof.as_ref().map(|proof| proof.cosigned_both());
            let flags = (log.rewinding, log.misfit, log.certifying, log.cosigning);
            words += &format!(
                "\n  {} forked: taken {} known {known:?} strays {strays:?} {proven:?} {flags:?}",
                log.unit,
                log.replica.taken()
            );
        }
        words
    }

    fn new(unit: UnitId, disk: Disk) -> Self {
        Self {
            unit,
            engine: None,
            disk,
            todo: VecDeque::new(),
            waiting: 0,
            instance: 0,
            streams: BTreeMap::new(),
            faults: Vec::new(),
            cosigned: BTreeMap::new(),
            signed: Vec::new(),
            said: BTreeMap::new(),
            evidence: Vec::new(),
            unrepairable: Vec::new(),
            certified: Vec::new(),
            rewound: 0,
            losses: 0,
            dishonest: false,
            told_certified: Vec::new(),
        }
    }

    /// I1: of what one log key signed a node puts its name to one branch only, whatever the charter has replaced since.
    fn say(&mut self, of: &UnitId, key: &VerifierKey, size: Size) {
        let leaves: Vec<Hash> = self.disk.logs[of].iter().take(size.get() as usize).map(Entry::leaf_hash).collect();
        let said = self.said.insert((of.clone(), key.clone()), leaves.clone());
        let one_branch = said.is_none_or(|said| said.iter().zip(&leaves).all(|(one, other)| one == other));
        assert!(one_branch || self.dishonest, "{} contradicts what it said of {of} at {size} entries", self.unit);
    }

    /// What is told of a log at the start.
    fn restored(&self, unit: &UnitId) -> Restored {
        let entries = self.disk.logs.get(unit).map(Vec::as_slice).unwrap_or_default();
        let hashes: Vec<Hash> = entries.iter().map(Entry::leaf_hash).collect();
        let full = hashes.len() / 256 * 256;
        let mut gaps = Gaps::default();
        let mut missing = BTreeMap::new();
        for (index, entry) in (0..).zip(entries) {
            match entry.payload() {
                None => {
                    gaps.note_missing(index, crate::record::RecordKind::of_number(entry.header().kind)).unwrap();
                    missing.insert(index, entry.leaf_hash());
                }
                Some(payload) => {
                    if let Some(erased) = crate::sync::replica::erased_by(entry.header().kind, payload) {
                        gaps.note_erase(erased, index).unwrap();
                    }
                }
            }
        }
        let own = *unit == self.unit;
        let journal = &self.disk.journal;
        let signed = journal.own_checkpoint.as_ref().filter(|_| own);
        let fork = self.disk.forks.get(unit).cloned();
        let lacking = own
            && (fork.is_none() || !journal.rebased.is_empty())
            && entries.len() < journal.first + journal.entries.len();
        let owed = lacking.then(|| Owed {
            first: Size::new(journal.first as u64).unwrap(),
            entries: journal.entries.clone(),
            signed: signed.map(|(size, root, _)| (*size, *root)).or(journal.bounds.get(unit).copied()),
        });
        let signed_note = signed.map(|(_, _, note)| note.clone());
        Restored {
            level1: hashes[..full].chunks(256).map(|leaves| crate::tree::level1(leaves).unwrap()).collect(),
            tail: hashes[full..].to_vec(),
            last_time_ms: entries.last().map_or(0, |entry| entry.header().time_ms),
            gaps,
            missing,
            adopts: charters::adopts(entries),
            bridge: self.disk.bridges.get(unit).cloned(),
            certified: self.disk.certified.get(unit).cloned(),
            newest: signed_note.into_iter().chain(self.disk.newest.get(unit).cloned()).collect(),
            time_goes_back: None,
            fork,
            cosigned: journal.cosigned.get(unit).cloned(),
            bound: journal.bounds.get(unit).copied(),
            owed,
            stopped: journal.stopped.get(unit).cloned().unwrap_or_default(),
            rekeyed: own && journal.signed_charters.contains(&self.disk.charters.as_ref().unwrap().newest().digest()),
        }
    }
}

impl Node {
    /// Has a log go on from a base.
    fn rebase(&mut self, charters: &CharterChain, unit: &UnitId) {
        let due = rebase(charters, unit, &self.restored(unit), &self.disk).unwrap();
        let Some(due) = due else { return };
        let journal = &mut self.disk.journal;
        if journal.rebased.insert((unit.clone(), due.charter)) {
            journal.cosigned.remove(unit);
            journal.stopped.remove(unit);
            journal.bounds.insert(unit.clone(), (due.base.size, due.base.root));
            if *unit == self.unit {
                let beyond = (journal.first + journal.entries.len()) as u64;
                let kept = due.keep.get().max(journal.first as u64);
                self.waiting += beyond.saturating_sub(kept) as u32;
                (journal.own_checkpoint, journal.entries) = (None, Vec::new());
                journal.first = due.base.size.get() as usize;
            }
        }
        if let Some(log) = self.disk.logs.get_mut(unit).filter(|log| log.len() as u64 > due.keep.get()) {
            log.truncate(due.keep.get() as usize);
            self.disk.newest.remove(unit);
        }
    }
}

impl World {
    pub(super) fn new(units: &[&str], seed: u64) -> Self {
        let units: Vec<UnitId> = units.iter().map(|unit| unit.parse().unwrap()).collect();
        let mut world = Self {
            charters: charters::found(&units),
            nodes: Vec::new(),
            now_ms: 1_524_640_000_000,
            blocked: BTreeSet::new(),
            links: BTreeMap::new(),
            ends: BTreeMap::new(),
            next_stream: 1,
            seed: seed.wrapping_mul(2).wrapping_add(1),
            together: 1,
            reckless: None,
            inject: None,
            skew: None,
            meddle: None,
        };
        for unit in &units {
            world.add(unit);
        }
        world
    }

    /// A further node starts, with the charters that there are.
    pub(super) fn add(&mut self, unit: &UnitId) -> usize {
        let disk = Disk { charters: Some(self.charters.clone()), ..Disk::default() };
        self.nodes.push(Node::new(unit.clone(), disk));
        let at = self.nodes.len() - 1;
        self.start(at);
        at
    }

    pub(super) fn random(&mut self, below: usize) -> usize {
        // xorshift64*
        self.seed ^= self.seed >> 12;
        self.seed ^= self.seed << 25;
        self.seed ^= self.seed >> 27;
        (self.seed.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % below.max(1)
    }

    fn setup(&self, at: usize) -> Setup {
        Setup {
            network: network(),
            unit: self.nodes[at].unit.clone(),
            charters: self.nodes[at].disk.charters.clone().unwrap_or_else(|| self.charters.clone()),
            instance: [self.nodes[at].instance ^ (at as u8).reverse_bits(); 16],
            release: "simulation".into(),
        }
    }

    /// A second machine with a copy of a node's disks, and its keys. It does not run yet.
    pub(super) fn clone_node(&mut self, of: usize) -> usize {
        let (unit, disk) = (self.nodes[of].unit.clone(), self.nodes[of].disk.clone());
        self.nodes.push(Node::new(unit, disk));
        self.nodes.len() - 1
    }

    /// Whether a node's disk has been asked to cut a log back, and has not done it yet.
    pub(super) fn is_to_cut_back(&self, at: usize) -> bool {
        self.nodes[at].todo.iter().any(|todo| matches!(todo, Todo::Write(Action::Rewind { .. })))
    }

    /// An author enters this entry.
    pub(super) fn enter(&mut self, at: usize, entry: Entry) {
        self.nodes[at].todo.push_back(Todo::Own(vec![entry]));
    }

    /// All streams of a node end.
    pub(super) fn hang_up(&mut self, at: usize) {
        let streams: Vec<StreamId> = self.nodes[at].streams.values().copied().collect();
        for stream in streams {
            self.cut(at, stream);
        }
    }

    /// Starts a node with what its disks hold.
    pub(super) fn start(&mut self, at: usize) {
        self.nodes[at].instance += 1;
        let setup = self.setup(at);
        let node = &mut self.nodes[at];
        for unit in &setup.charters.units() {
            node.rebase(&setup.charters, unit);
        }
        let mut restored = BTreeMap::new();
        for unit in &setup.charters.units() {
            restored.insert(unit.clone(), node.restored(unit));
        }
        let mut engine = Engine::new(setup, restored, node.disk.journal.lost.clone(), &node.disk).unwrap();
        if node.dishonest {
            engine.be_dishonest();
        }
        node.engine = Some(engine);
        if self.reckless == Some(at) {
            let own = &mut node.engine.as_mut().unwrap().own;
            (own.standing, own.ran) = (Standing::Running, true);
        }
        if matches!(self.nodes[at].engine.as_ref().unwrap().standing(), Standing::Running) {
            self.resume_own(at);
        }
    }

    /// Kills a node: what its disks had not finished is lost.
    pub(super) fn kill(&mut self, at: usize) {
        let node = &mut self.nodes[at];
        node.engine = None;
        node.todo.clear();
        let streams: Vec<StreamId> = std::mem::take(&mut node.streams).into_values().collect();
        for stream in streams {
            self.cut(at, stream);
        }
    }

    fn cut(&mut self, at: usize, stream: StreamId) {
        self.links.remove(&(at, stream));
        let Some((other, theirs)) = self.ends.remove(&(at, stream)) else { return };
        self.ends.remove(&(other, theirs));
        self.links.remove(&(other, theirs));
        for (node, stream) in [(at, stream), (other, theirs)] {
            self.nodes[node].streams.retain(|_, open| *open != stream);
            self.event(node, Event::Closed { stream });
        }
    }

    fn admits(&self, at: usize, unit: &UnitId) -> bool {
        self.nodes[at].engine.as_ref().is_some_and(|engine| engine.peers().any(|peer| peer.unit == *unit))
    }

    fn admit_each_other(&self, a: usize, b: usize) -> bool {
        self.admits(a, &self.nodes[b].unit) && self.admits(b, &self.nodes[a].unit)
    }

    /// Streams to units whose certificates count no longer end.
    fn cut_strangers(&mut self, at: usize) {
        let streams = self.nodes[at].streams.clone();
        for (unit, stream) in streams {
            if !self.admits(at, &unit) {
                self.event(at, Event::Closed { stream });
                self.cut(at, stream);
            }
        }
    }

    /// From now on two nodes cannot reach each other.
    pub(super) fn block(&mut self, a: usize, b: usize) {
        self.blocked.insert((a.min(b), a.max(b)));
        let between: Vec<_> =
            self.ends.iter().filter(|(here, there)| (here.0, there.0) == (a, b)).map(|(here, _)| *here).collect();
        for (at, stream) in between {
            self.cut(at, stream);
        }
    }

    fn connect(&mut self, a: usize, b: usize) {
        let (here, there) = (self.next_stream, self.next_stream + 1);
        self.next_stream += 2;
        let (a_unit, b_unit) = (self.nodes[a].unit.clone(), self.nodes[b].unit.clone());
        self.ends.insert((a, here), (b, there));
        self.ends.insert((b, there), (a, here));
        self.nodes[a].streams.insert(b_unit.clone(), here);
        self.nodes[b].streams.insert(a_unit.clone(), there);
        self.event(a, Event::Opened { stream: here, peer: b_unit, dialled: true });
        self.event(b, Event::Opened { stream: there, peer: a_unit, dialled: false });
    }

    /// An officer submits at a node that signs.
    pub(super) fn submit(&mut self, at: usize, count: usize) {
        let now = self.clock(at);
        let node = &mut self.nodes[at];
        let Some(engine) = &node.engine else { return };
        if *engine.standing() != Standing::Running || engine.waits_at_base().is_some() {
            node.waiting += count as u32;
            return;
        }
        let time_ms = engine.next_time_ms(now);
        let (unit, queued) = (node.unit.clone(), node.todo.len());
        let base = node.disk.logs.get(&unit).map_or(0, Vec::len);
        let entries: Vec<Entry> = (0..count)
            .map(|n| {
                let payload = format!("{unit} at {at}: {base} {queued} {n} {}", self.seed);
                Entry::compose(2, time_ms, [3; 16], Bytes::from(payload)).unwrap()
            })
            .collect();
        node.todo.push_back(Todo::Own(entries));
    }

    fn resume_own(&mut self, at: usize) {
        let waiting = std::mem::take(&mut self.nodes[at].waiting);
        if waiting > 0 {
            self.submit(at, waiting as usize);
        }
    }

    /// What a node's clock says.
    fn clock(&self, at: usize) -> u64 {
        let ahead = self.skew.filter(|(of, _)| *of == at).map_or(0, |(_, ahead)| ahead);
        self.now_ms.saturating_add_signed(ahead)
    }

    pub(super) fn event(&mut self, at: usize, event: Event) {
        let now = self.clock(at);
        let concludes = self.together == 1 || matches!(event, Event::Tick) || self.random(self.together) == 0;
        let node = &mut self.nodes[at];
        let Some(engine) = &mut node.engine else { return };
        if node.dishonest {
            engine.be_dishonest();
        }
        engine.take_in(now, event, &node.disk);
        if !concludes {
            return;
        }
        let actions = engine.conclude(now, &node.disk);
        for action in actions {
            match action {
                Action::Close { stream, fault } => {
                    self.nodes[at].faults.push(fault.to_string());
                    self.cut(at, stream);
                }
                Action::StandingChanged => {
                    if matches!(self.nodes[at].engine.as_ref().unwrap().standing(), Standing::Running) {
                        self.resume_own(at);
                    }
                }
                Action::Certified { unit, size } => self.check_certified(at, &unit, size),
                Action::Evidence { reason, .. } => self.nodes[at].evidence.push(reason),
                Action::Unrepairable { unit, index } => self.nodes[at].unrepairable.push((unit, index)),
                Action::Admit { .. } => self.cut_strangers(at),
                other => self.nodes[at].todo.push_back(Todo::Write(other)),
            }
        }
    }

    /// What a node takes for certified it has stored, and a quorum has put its name to it or to more.
    fn check_certified(&mut self, at: usize, unit: &UnitId, size: Size) {
        let log = &self.nodes[at].disk.logs[unit];
        assert!(log.len() as u64 >= size.get(), "certified before it is stored");
        if self.reckless == Some(at) {
            return;
        }
        let needed = self.needed(unit);
        let certified = self.cosigners(unit).into_iter().filter(|(_, by)| by.len() >= needed);
        let enough = certified.map(|((signed, _), _)| signed).any(|signed| signed >= size);
        assert!(enough || needed == 0, "{size} entries of {unit} are not certified");
        self.nodes[at].told_certified.push(size.get());
    }

    /// How many cosignatures certify a checkpoint of a log, under whichever version asks for the fewest.
    pub(super) fn needed(&self, unit: &UnitId) -> usize {
        let versions = self.charters.all().filter(|charter| charter.unit(unit).is_some());
        versions.map(|charter| charter.quorum().needed()).min().unwrap()
    }

    /// Who ever cosigned which checkpoint of a log.
    pub(super) fn cosigners(&self, unit: &UnitId) -> BTreeMap<(Size, Hash), BTreeSet<UnitId>> {
        let mut cosigners: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
        for node in &self.nodes {
            for at in node.cosigned.get(unit).into_iter().flatten() {
                cosigners.entry(*at).or_default().insert(node.unit.clone());
            }
        }
        cosigners
    }

    /// A node's disk does the next thing that it was asked.
    fn work(&mut self, at: usize) {
        let now_s = self.now_ms / 1_000;
        let node = &mut self.nodes[at];
        let Some(todo) = node.todo.pop_front() else { return };
        let event = match todo {
            Todo::Own(entries) => {
                node.disk.logs.entry(node.unit.clone()).or_default().extend(entries.iter().cloned());
                node.disk.journal.entries.extend(entries.iter().cloned());
                self.event(at, Event::OwnAppended { entries });
                if self.nodes[at].engine.as_ref().is_some_and(|engine| *engine.standing() == Standing::Running) {
                    self.resume_own(at);
                }
                return;
            }
            Todo::Write(Action::Store { run, newest }) => {
                if let Some(note) = newest {
                    node.disk.newest.insert(run.unit().clone(), note);
                }
                let (unit, from, entries, _) = run.into_parts();
                let log = node.disk.logs.entry(unit.clone()).or_default();
                assert_eq!(log.len() as u64, from.get(), "entries are stored in order");
                log.extend(entries);
                let size = Size::new(log.len() as u64).unwrap();
                Event::Stored { unit, size }
            }
            Todo::Write(Action::Fill { unit, index, entry }) => {
                let log = node.disk.logs.get_mut(&unit).unwrap();
                assert_eq!(log[index as usize].leaf(), entry.leaf());
                log[index as usize] = entry.clone();
                Event::Filled { unit, index, entry: Box::new(entry) }
            }
            Todo::Write(Action::Repair { run }) => {
                let (unit, first, entries, _) = run.into_parts();
                let log = node.disk.logs.get_mut(&unit).unwrap();
                // What no partner may give any more must not be lost.
                let whole = entries.iter().all(|entry| entry.body().is_some());
                for (index, entry) in (first.get() as usize..).zip(entries).filter(|_| whole) {
                    log[index] = entry;
                    node.disk.bad.remove(&(unit.clone(), index as u64));
                }
                Event::Repaired { unit, bundle: first.bundles(), whole }
            }
            Todo::Write(Action::StoreFork { unit, proof }) => {
                node.disk.forks.insert(unit, proof);
                return;
            }
            Todo::Write(Action::Rewind { unit, size }) => {
                let certified = node.disk.certified.get(&unit).and_then(|note| size_of(note)).unwrap_or_default();
                assert!(size >= certified, "cut back below what is certified");
                node.disk.logs.get_mut(&unit).unwrap().truncate(size.get() as usize);
                node.disk.newest.remove(&unit);
                node.rewound += 1;
                Event::Rewound { left: Box::new(node.restored(&unit)), unit }
            }
            Todo::Write(Action::StoreHead { unit, size, note, bridge }) => {
                if bridge {
                    node.disk.bridges.insert(unit.clone(), note.clone());
                }
                node.certified.push(charters::point(&note));
                node.disk.certified.insert(unit.clone(), note);
                if unit == node.unit {
                    let journal = &mut node.disk.journal;
                    let done = (size.get() as usize).saturating_sub(journal.first).min(journal.entries.len());
                    journal.entries.drain(..done);
                    journal.first += done;
                }
                Event::HeadStored { unit, size }
            }
            Todo::Write(Action::Sign { checkpoint, key }) => {
                let knows = node.disk.journal.lost.is_none() || node.dishonest;
                assert!(knows, "a node signed without knowing what it signed");
                let (size, root) = (checkpoint.size, checkpoint.root);
                node.signed.push((size, root));
                if self.reckless != Some(at) {
                    node.say(&node.unit.clone(), &key, size);
                }
                let signer = charters::signer_of(&node.unit, &key);
                let signed = SignedCheckpoint::sign(checkpoint, &signer).unwrap();
                let note = crate::checkpoint::CosignedCheckpoint::new(signed.clone()).to_note(&BTreeMap::new());
                node.disk.journal.own_checkpoint = Some((size, root, note));
                Event::Signed(signed)
            }
            Todo::Write(Action::Cosign { unit, checkpoint, keys }) => {
                let Checkpoint { size, root, .. } = checkpoint;
                let author = node.engine.as_ref().and_then(|engine| engine.logs[&unit].find(size, root));
                if let Some(author) = author.map(|head| head.signed().key().clone()) {
                    node.say(&unit, &author, size);
                }
                let cosign = |key: VerifierKey| {
                    let signer = charters::signer_of(&node.unit, &key);
                    (key, Cosignature::sign(&checkpoint.body(), now_s, &signer).unwrap())
                };
                let words: Vec<_> = keys.into_iter().map(cosign).collect();
                let last = words.last().unwrap().1;
                node.disk.journal.cosigned.insert(unit.clone(), (size, root, last));
                node.cosigned.entry(unit.clone()).or_default().push((size, root));
                Event::Cosigned { unit, size, root, words }
            }
            Todo::Write(Action::StoreCharter { version, note }) => {
                let charters = node.disk.charters.as_mut().unwrap();
                let next = charters.verify(UnverifiedCharter::parse(&note).unwrap()).unwrap();
                assert_eq!(next.version(), version);
                let anew = next.units().values().any(|unit| unit.base.is_some());
                charters.push(next).unwrap();
                self.event(at, Event::CharterStored { version });
                if anew {
                    self.kill(at);
                    self.start(at);
                }
                return;
            }
            Todo::Write(Action::Adopt(adoption)) => {
                let time_ms = node.engine.as_ref().map_or(0, |engine| engine.next_time_ms(self.now_ms));
                let entry = charters::adopt(time_ms, adoption);
                node.todo.push_back(Todo::Own(vec![entry]));
                return;
            }
            Todo::Write(Action::Lose { reason, shown }) => {
                node.disk.journal.lost = Some(reason);
                node.losses += 1;
                if let Some((unit, size, root)) = shown {
                    node.disk.journal.bounds.insert(unit, (size, root));
                }
                return;
            }
            Todo::Write(Action::Regain { size, signed, bounds }) => {
                let journal = &mut node.disk.journal;
                journal.lost = None;
                journal.own_checkpoint = None;
                (journal.first, journal.entries) = (size.get() as usize, Vec::new());
                journal.bounds = bounds.into_iter().map(|(unit, size, root)| (unit, (size, root))).collect();
                journal.bounds.extend(signed.map(|signed| (node.unit.clone(), signed)));
                Event::Regained
            }
            Todo::Write(other) => panic!("{other:?}"),
        };
        self.event(at, event);
    }

    /// A stream carries what it should carry next.
    fn send(&mut self, at: usize, stream: StreamId) {
        let now = self.clock(at);
        let Some(&(to, theirs)) = self.ends.get(&(at, stream)) else { return };
        let node = &mut self.nodes[at];
        let Some(engine) = &mut node.engine else { return };
        let frames = match engine.poll(now, stream, &node.disk) {
            None => return,
            Some(Outgoing::Frame(frame)) => vec![frame],
            Some(Outgoing::Entries(mut serving)) => {
                let piece = serving.piece();
                let log = node.disk.logs.get(&piece.unit).map(Vec::as_slice).unwrap_or_default();
                let range = piece.from..piece.from + piece.count;
                let bad = node.disk.bad.iter().find(|(of, at)| *of == piece.unit && range.contains(at)).cloned();
                let end = (piece.from + piece.count).min(log.len() as u64);
                // What cannot be read is not served.
                let read = if bad.is_some() { &[] } else { &log[piece.from as usize..end as usize] };
                let frames = serving.frames(read);
                engine.resume(now, stream, serving);
                if let Some((unit, index)) = bad {
                    self.event(at, Event::Unreadable { unit, index });
                }
                frames
            }
        };
        for mut frame in frames {
            if let Some(meddle) = self.meddle {
                meddle(at, to, &mut frame);
            }
            if let Some((_, injected)) = self.inject.as_ref().filter(|(from, _)| *from == at)
                && matches!(frame.frame, Some(wire::frame::Frame::Heads(_)))
            {
                frame.frame = Some(injected.clone());
            }
            self.links.entry((to, theirs)).or_default().push_back(frame.encode_to_vec().into());
        }
    }

    fn deliver(&mut self, at: usize, stream: StreamId) {
        let Some(bytes) = self.links.get_mut(&(at, stream)).and_then(VecDeque::pop_front) else { return };
        match Frame::decode(bytes) {
            Ok(frame) => self.event(at, Event::Received { stream, frame }),
            Err(fault) => {
                self.nodes[at].faults.push(fault.to_string());
                self.cut(at, stream);
            }
        }
    }

    /// One thing happens.
    pub(super) fn step(&mut self) {
        let count = self.nodes.len();
        match self.random(16) {
            0 => {
                self.now_ms += 10;
                for at in 0..count {
                    self.event(at, Event::Tick);
                }
            }
            1 => {
                let (a, b) = (self.random(count), self.random(count));
                let (a_unit, b_unit) = (self.nodes[a].unit.clone(), self.nodes[b].unit.clone());
                let up = |world: &Self, at: usize| world.nodes[at].engine.is_some();
                let apart = self.blocked.contains(&(a.min(b), a.max(b))) || !self.admit_each_other(a, b);
                if a_unit != b_unit
                    && !apart
                    && up(self, a)
                    && up(self, b)
                    && !self.nodes[a].streams.contains_key(&b_unit)
                    && !self.nodes[b].streams.contains_key(&a_unit)
                {
                    self.connect(a, b);
                }
            }
            2..6 => {
                let at = self.random(count);
                self.work(at);
            }
            6..11 => {
                let ends: Vec<_> = self.ends.keys().copied().collect();
                if !ends.is_empty() {
                    let (at, stream) = ends[self.random(ends.len())];
                    self.send(at, stream);
                }
            }
            _ => {
                let full: Vec<_> =
                    self.links.iter().filter(|(_, frames)| !frames.is_empty()).map(|(key, _)| *key).collect();
                if !full.is_empty() {
                    let (at, stream) = full[self.random(full.len())];
                    self.deliver(at, stream);
                }
            }
        }
    }

    /// Steps until something holds, and not one step further.
    pub(super) fn step_until(&mut self, what: &str, holds: impl Fn(&Self) -> bool) {
        for _ in 0..600_000 {
            if holds(self) {
                return;
            }
            self.step();
        }
        panic!("never: {what}");
    }

    /// Steps until something holds; panics with the seed's state if it does not in time.
    pub(super) fn until(&mut self, what: &str, holds: impl Fn(&Self) -> bool) {
        self.until_with(what, holds, |_| {});
    }

    /// As [`until`](Self::until); now and then something is done to the world.
    pub(super) fn until_with(
        &mut self,
        what: &str,
        holds: impl Fn(&Self) -> bool,
        mut now_and_then: impl FnMut(&mut Self),
    ) {
        for round in 1..3_000 {
            for _ in 0..200 {
                self.step();
            }
            if holds(self) {
                return;
            }
            if round % 20 == 0 {
                now_and_then(self);
            }
        }
        let state: Vec<String> = self.nodes.iter().map(Node::describe).collect();
        panic!("never: {what}\n{}", state.join("\n"));
    }

    pub(super) fn log(&self, at: usize, of: usize) -> LogView {
        self.nodes[at].engine.as_ref().unwrap().log(&self.nodes[of].unit).unwrap()
    }

    /// How many entries of each log a node has certified.
    pub(super) fn certified(&self, at: usize) -> Vec<u64> {
        (0..self.nodes.len()).map(|of| certified(&self.log(at, of))).collect()
    }

    /// Whether every running node has certified these sizes.
    pub(super) fn all_certified(&self, sizes: &[u64]) -> bool {
        let running = (0..self.nodes.len()).filter(|at| self.nodes[*at].engine.is_some());
        running.into_iter().all(|at| self.certified(at) == sizes)
    }

    /// I1: whatever anybody ever signed or cosigned is on one line.
    pub(super) fn check_no_fork(&self) {
        for (of, author) in self.nodes.iter().enumerate() {
            let longest = self.nodes.iter().filter_map(|n| n.disk.logs.get(&author.unit)).max_by_key(|log| log.len());
            let Some(longest) = longest else { continue };
            let tree: crate::tree::MemoryTree = longest.iter().map(Entry::leaf_hash).collect();
            let root = |size: Size| crate::tree::range(&tree, Size::ZERO, size).unwrap().root().unwrap();
            let signed = self.nodes.iter().filter_map(|n| n.cosigned.get(&author.unit)).flatten();
            for (size, found) in signed.chain(&self.nodes[of].signed) {
                assert_eq!(*found, root(*size), "a signature over {size} entries of {}", author.unit);
            }
        }
    }
}

fn certified(log: &LogView) -> u64 {
    log.certified.as_ref().map_or(0, |head| head.checkpoint().size.get())
}

/// The size in a checkpoint's note.
fn size_of(note: &[u8]) -> Option<Size> {
    let text = std::str::from_utf8(note).ok()?;
    Size::new(text.lines().nth(1)?.parse().ok()?).ok()
}

impl Engine {
    /// As if nothing were wrong with this node's keys.
    fn be_dishonest(&mut self) {
        (self.own.standing, self.own.ran) = (Standing::Running, true);
        if let Some(log) = self.logs.get_mut(&self.setup.unit) {
            log.forked = false;
        }
    }
}
