//! I1 across charters: a dishonest author shows two branches of its log to members of different versions of the charter, with
//! `Adopt`s wherever it likes, and some cosigners sign whatever they are shown. Whoever is honest never takes two
//! checkpoints for certified that contradict.
//!
//! Only the rules are at work here (`Log`, `Eras`): no streams and no signatures of cosigners, so that many histories run.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use super::charters::{adopt, describe, found, next, signers};
use crate::charter::{Changes, CharterChain};
use crate::checkpoint::{Checkpoint, SignedCheckpoint};
use crate::cosignature::Cosignature;
use crate::entry::Entry;
use crate::hash::Hash;
use crate::ids::{Size, UnitId};
use crate::note::{MemorySigner, Signer as _, VerifierKey};
use crate::sync::eras::{Adoption, Eras};
use crate::sync::event::LeafHashes;
use crate::sync::log::Log;
use crate::sync::sighting::Sighting;
use crate::tree::MemoryTree;

const NOW_MS: u64 = 1_524_640_000_000;
const WORD: Cosignature = Cosignature { time: 1, signature: [7; 64] };

struct Chance(u64);

impl Chance {
    fn below(&mut self, below: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % below.max(1)
    }
}

/// The author's log keys, of all their generations: making one takes longer than all else in a history.
static LOG_SIGNERS: LazyLock<[MemorySigner; 4]> = LazyLock::new(|| [0, 1, 2, 3].map(|n| signers(&author(), [n; 3]).1));

fn author() -> UnitId {
    "AU".parse().unwrap()
}

/// Versions in which units come and go and keys change; the author stays.
fn charters(chance: &mut Chance) -> CharterChain {
    let unit = |number: usize| -> UnitId { format!("U{number}").parse().unwrap() };
    let mut members: Vec<UnitId> = (0..2 + chance.below(4)).map(unit).collect();
    let mut chain = found(&members.iter().cloned().chain([author()]).collect::<Vec<_>>());
    let (mut fresh, mut generations) = (members.len(), BTreeMap::new());
    for _ in 0..1 + chance.below(3) {
        let mut changes = Changes::default();
        for _ in 0..chance.below(4) {
            changes.add.push(describe(&unit(fresh), [0; 3]));
            members.push(unit(fresh));
            fresh += 1;
        }
        for _ in 0..chance.below(3) {
            let stood = members.len() - changes.add.len();
            if stood > 1 {
                changes.remove.push(members.remove(chance.below(stood)));
            }
        }
        let renewed = if chance.below(2) == 0 { author() } else { members[0].clone() };
        let generation: &mut u8 = generations.entry(renewed.clone()).or_default();
        if chain.newest().unit(&renewed).is_some() && *generation < 3 {
            *generation += 1;
            changes.update.push(describe(&renewed, [0, *generation, *generation]));
        }
        if changes.add.len() + changes.remove.len() + changes.update.len() > 0 {
            chain = next(&chain, &changes);
        }
    }
    chain
}

/// One way on which the author's log goes.
struct Branch {
    entries: Vec<Entry>,
    roots: Vec<Hash>,
    eras: Eras,
}

impl Branch {
    fn new(chain: &CharterChain, entries: Vec<Entry>) -> Self {
        let mut eras = Eras::new(chain, &author()).unwrap();
        let mut tree = MemoryTree::default();
        let mut roots = vec![tree.root()];
        for (index, entry) in (0..).zip(&entries) {
            if let Some(adoption) = entry.payload().and_then(|payload| Adoption::of(entry.header().kind, payload)) {
                eras.found(index, Some(adoption));
            }
            tree.push(entry.leaf_hash()).unwrap();
            roots.push(tree.root());
        }
        Self { entries, roots, eras }
    }
}

/// Appends entries to a log until it has so many, with a turn to a later version now and then.
fn grow(entries: &mut Vec<Entry>, to: usize, version: &mut u32, chain: &CharterChain, name: &str, chance: &mut Chance) {
    while entries.len() < to {
        let later = *version + 1 + chance.below(2) as u32;
        match chain.version(later).filter(|_| chance.below(3) == 0) {
            Some(charter) => {
                *version = later;
                entries.push(adopt(1, Adoption { version: later.into(), digest: charter.digest() }));
            }
            None => {
                let payload = format!("{name} {}", entries.len());
                entries.push(Entry::compose(2, 1, [3; 16], payload.into()).unwrap());
            }
        }
    }
}

#[derive(Default)]
struct Disk(Vec<Entry>);

impl LeafHashes for Disk {
    fn leaf_hashes(&self, _: &UnitId, bundle: u64) -> Option<Vec<Hash>> {
        Some(self.0.iter().skip(bundle as usize * 256).take(256).map(Entry::leaf_hash).collect())
    }
}

/// An honest cosigner: what it has of the author's log.
struct Honest {
    unit: UnitId,
    charters: CharterChain,
    log: Log,
    disk: Disk,
    branch: Option<usize>,
}

struct History {
    chain: CharterChain,
    branches: [Branch; 2],
    shared: usize,
    liars: BTreeSet<UnitId>,
    honest: Vec<Honest>,
    /// What the author signed, and who cosigned it.
    shown: BTreeMap<(u64, Hash, [u8; 4]), Sighting>,
    certified: BTreeSet<(u64, Hash)>,
}

impl History {
    fn new(chain: &CharterChain, chance: &mut Chance) -> Self {
        let (mut entries, mut version) = (Vec::new(), 1);
        let shared = 1 + chance.below(5);
        grow(&mut entries, shared, &mut version, chain, "both", chance);
        let branches = ["one", "other"].map(|name| {
            let (mut entries, mut version) = (entries.clone(), version);
            let length = shared + 2 + chance.below(8);
            grow(&mut entries, length, &mut version, chain, name, chance);
            Branch::new(chain, entries)
        });
        let mut others = chain.units();
        others.remove(&author());
        let mut liars = BTreeSet::new();
        for unit in &others {
            // In every version fewer than two quorums share.
            let bearable = chain.versions().filter(|charter| charter.unit(unit).is_some()).all(|charter| {
                let lie = liars.iter().filter(|liar| charter.unit(liar).is_some()).count();
                lie + 1 < charter.quorum().overlap()
            });
            if bearable && chance.below(2) == 0 {
                liars.insert(unit.clone());
            }
        }
        let honest = others.iter().filter(|unit| !liars.contains(*unit)).map(|unit| {
            // Whoever joins has all versions up to the one that brought it in.
            let least = chain.brought_in(unit).unwrap().version();
            let most = chain.newest().version();
            let charters = chain.up_to(least + chance.below((most - least + 1) as usize) as u32).unwrap();
            let log = Log::new(author(), Eras::new(&charters, &author()).unwrap());
            Honest { unit: unit.clone(), charters, log, disk: Disk::default(), branch: None }
        });
        let honest = honest.collect();
        let (shown, certified) = (BTreeMap::new(), BTreeSet::new());
        Self { chain: chain.clone(), branches, shared, liars, honest, shown, certified }
    }

    /// The author signs, with the key that is right or with any it ever had; and all who lie cosign.
    fn show(&mut self, branch: usize, size: usize, chance: &mut Chance) -> Sighting {
        let branch = &self.branches[branch];
        let bytes = Size::new(size as u64).unwrap();
        let right = branch.eras.log_key(bytes).cloned();
        let keys: Vec<VerifierKey> = branch.eras.log_keys().into_iter().cloned().collect();
        let key = right.filter(|_| chance.below(8) > 0).unwrap_or_else(|| keys[chance.below(keys.len())].clone());
        let root = branch.roots[size];
        let (chain, liars) = (&self.chain, &self.liars);
        let shown = self.shown.entry((size as u64, root, key.id())).or_insert_with(|| {
            let signer = LOG_SIGNERS.iter().find(|signer| *signer.key() == key).unwrap();
            let checkpoint = Checkpoint { origin: key.name().clone(), size: bytes, root };
            let mut sighting = Sighting::new(SignedCheckpoint::sign(checkpoint, signer).unwrap());
            for charter in chain.versions() {
                for liar in liars.iter().filter_map(|liar| charter.unit(liar)) {
                    sighting.add(liar.id.clone(), liar.mirror_key.clone(), WORD);
                }
            }
            sighting
        });
        shown.clone()
    }

    fn step(&mut self, chance: &mut Chance) {
        let at = chance.below(self.honest.len());
        match chance.below(8) {
            0 => self.learn_charter(at),
            1..=3 => self.feed(at, chance),
            _ => self.tell(at, chance),
        }
        self.act(at);
    }

    fn learn_charter(&mut self, at: usize) {
        let honest = &mut self.honest[at];
        if let Some(next) = self.chain.version(honest.charters.newest().version() + 1) {
            honest.charters.push(next.as_ref().clone()).unwrap();
            honest.log.take_up(&honest.charters, &honest.disk);
        }
    }

    /// A node gets entries, of the branch that it is on or of any as long as it has none of one.
    fn feed(&mut self, at: usize, chance: &mut Chance) {
        let branch = self.honest[at].branch.unwrap_or_else(|| chance.below(2));
        let (have, all) = (self.honest[at].disk.0.len(), self.branches[branch].entries.len());
        if have == all {
            return;
        }
        let size = have + 1 + chance.below(all - have);
        let head = self.show(branch, size, chance);
        let honest = &mut self.honest[at];
        if !honest.log.may_be_signed_by(head.checkpoint().size, head.signed().key()) {
            return;
        }
        let entries = self.branches[branch].entries[have..size].to_vec();
        let grown = honest.log.replica.grow(&entries).unwrap();
        honest.log.take(entries.clone(), grown).unwrap();
        honest.disk.0.extend(entries);
        honest.log.durable = Size::new(size as u64).unwrap();
        if size > self.shared {
            honest.branch = Some(branch);
        }
        honest.log.meet(Size::ZERO, &honest.disk);
        self.hear(at, &head);
    }

    /// A node hears of something that was shown to anybody, with the cosignatures that there are, in any order.
    fn tell(&mut self, at: usize, chance: &mut Chance) {
        if self.shown.is_empty() {
            return;
        }
        let any = chance.below(self.shown.len());
        let head = self.shown.values().nth(any).unwrap().clone();
        let size = head.checkpoint().size.get() as usize;
        // What contradicts what it holds would show that the log forked: it would cosign nothing more.
        let held = self.honest[at].branch;
        let fits = |branch: usize| self.branches[branch].roots.get(size) == Some(&head.checkpoint().root);
        if held.is_none_or(fits) {
            self.hear(at, &head);
        }
    }

    fn hear(&mut self, at: usize, head: &Sighting) {
        let honest = &mut self.honest[at];
        let (size, root) = (head.checkpoint().size, head.checkpoint().root);
        if !honest.log.may_be_signed_by(size, head.signed().key()) {
            return;
        }
        match honest.log.at(size).map(|known| known.checkpoint().root) {
            None => _ = honest.log.insert(head.clone(), &honest.disk),
            Some(known) if known == root => {
                for (unit, key) in head.words() {
                    honest.log.add_cosignature(size, root, unit, key, WORD);
                }
            }
            Some(_) => {}
        }
    }

    /// A node does what it may: cosigns, certifies.
    fn act(&mut self, at: usize) {
        let honest = &mut self.honest[at];
        while let Some((checkpoint, keys)) = honest.log.to_cosign(NOW_MS, &honest.unit.clone()) {
            let Checkpoint { size, root, .. } = checkpoint;
            for shown in self.shown.values_mut() {
                if (shown.checkpoint().size, shown.checkpoint().root) == (size, root) {
                    keys.iter().for_each(|key| shown.add(honest.unit.clone(), key.clone(), WORD));
                }
            }
            let words = keys.into_iter().map(|key| (key, WORD)).collect();
            honest.log.has_cosigned((size, root), &honest.unit.clone(), words);
        }
        while let Some(head) = honest.log.to_certify() {
            let (size, root) = (head.checkpoint().size, head.checkpoint().root);
            self.certified.insert((size.get(), root));
            honest.log.certified_stored(size, &honest.disk);
        }
        for one in &self.certified {
            for other in &self.certified {
                let on = |branch: &Branch, (size, root): &(u64, Hash)| branch.roots.get(*size as usize) == Some(root);
                let together = self.branches.iter().any(|branch| on(branch, one) && on(branch, other));
                assert!(together, "{} and {} entries are certified and contradict", one.0, other.0);
            }
        }
    }
}

#[test]
fn no_two_certified_checkpoints_contradict_whatever_a_dishonest_author_shows_to_old_and_new_members() {
    let (mut beyond, mut histories, mut turned) = (0, 0, 0);
    for seed in 1..=40_u64 {
        let mut chance = Chance(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let chain = charters(&mut chance);
        for _ in 0..200 {
            let mut history = History::new(&chain, &mut chance);
            if history.honest.is_empty() {
                continue;
            }
            for _ in 0..60 + 10 * history.honest.len() {
                history.step(&mut chance);
            }
            histories += 1;
            beyond += usize::from(history.certified.iter().any(|(size, _)| *size as usize > history.shared));
            let turns = |honest: &Honest| honest.log.eras.current().is_some_and(|era| era.version > 1);
            turned += usize::from(history.honest.iter().any(turns));
        }
    }
    // The author got far enough with one branch for the other to matter.
    assert!(beyond > histories / 10 && turned > histories / 10, "{beyond} and {turned} of {histories}");
}
