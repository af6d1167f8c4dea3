//! Charters that are to come: put together from what units say of them in records.
//!
//! A `Propose` brings a text, an `Approve` says that its unit agrees, and may carry signature lines, whoever made them: each
//! is checked with the key that the text or the version before names, so it does not matter which unit's record brought it.
//! A text that may follow and has all its signatures counts, as if a partner had passed it on: **the last signature that is
//! due puts a charter in force** on every node that has the records, and nobody has to carry a file.
//!
//! Where units wrote two texts of one version, both are kept and shown. If by some fault both were to get all signatures,
//! none is given out.
//!
//! Records come from other units, so what is kept of them is bounded. Each unit has room for its words on
//! [`TEXTS_OF_A_UNIT_MAX`] texts, the newest; a text is kept while some unit has it in its room. Of one version at most
//! [`DRAFTS_OF_A_UNIT_MAX`] texts that one unit brought are looked into, and none of its lines after
//! [`BAD_LINES_OF_A_UNIT_MAX`] that did not hold.

use std::collections::{BTreeMap, BTreeSet};

use super::chain::CharterChain;
use super::error::CharterError;
use super::verify::{Charter, UnverifiedCharter};
use crate::hash::Hash;
use crate::ids::{RecordId, UnitId};
use crate::note::{KeyName, NoteSignature};
use crate::wire::record::Body;

/// On how many texts the words of one unit are kept.
pub const TEXTS_OF_A_UNIT_MAX: usize = 4;
/// How many texts of one version are looked into that one unit brought.
pub const DRAFTS_OF_A_UNIT_MAX: usize = 64;
/// How many signature lines that do not hold one unit may bring for one version.
pub const BAD_LINES_OF_A_UNIT_MAX: usize = 128;
/// How many settled texts are remembered.
const GONE_MAX: usize = 4_096;
/// How many signature lines by one unit's records wait for a text that is not here yet.
const LINES_MAX: usize = 256;

/// Why a record about a charter changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Ignored {
    /// Neither a `Propose` nor an `Approve` that can be read.
    #[error("it says nothing of a charter")]
    OtherRecord,
    /// By a unit that has no say.
    #[error("{0} is not in the newest charter")]
    NotAMember(UnitId),
    /// About a version that is taken up, or one before it.
    #[error("it is about version {0}, which is settled")]
    Settled(u32),
    /// One text too many.
    #[error("{0} has proposed {max} texts of this version already", max = DRAFTS_OF_A_UNIT_MAX)]
    TooMany(UnitId),
    /// Signature lines, some or all, that bring nothing.
    #[error("{bad} of its {all} signature lines do not hold or are of no key that is to sign: {first}")]
    BadLines {
        /// How many.
        bad: usize,
        /// Of how many.
        all: usize,
        /// What is wrong with the first, in words.
        first: String,
    },
}

/// A text that somebody speaks of, as it stands.
#[derive(Debug)]
pub struct Proposal<'a> {
    /// SHA-256 of the text.
    pub digest: Hash,
    /// The records that propose it, by unit.
    pub proposed: Vec<RecordId>,
    /// The records that approve it, by unit, the first of each.
    pub approved: Vec<RecordId>,
    /// The text with all signatures so far, where it may follow the newest version.
    pub charter: Option<&'a UnverifiedCharter>,
    /// In words why it cannot become the next version, or not yet.
    pub fault: Option<String>,
    /// The units of the version before that have signed another text of this version: they will not sign this one.
    pub elsewhere: BTreeSet<UnitId>,
}

impl Proposal<'_> {
    /// Whether so many units have signed another text that this one cannot get its signatures any more.
    #[must_use]
    pub fn hopeless(&self) -> bool {
        let Some(votes) = self.charter.and_then(UnverifiedCharter::votes) else { return false };
        let can = votes.open.iter().filter(|unit| !self.elsewhere.contains(*unit)).count();
        votes.given.len().saturating_add(can) < votes.needed
    }
}

/// A text, as far as it is known.
#[derive(Debug)]
enum Text {
    /// It may follow the newest version.
    Draft(Box<UnverifiedCharter>),
    /// It is of a version beyond the next: those before it have not come yet.
    Later(Box<UnverifiedCharter>),
    /// It can never follow.
    Refused(String),
}

/// One unit's words on one text.
#[derive(Debug, Default)]
struct Words {
    /// When the unit last spoke of it, in the order of what it said.
    spoken: u64,
    proposed: Option<u64>,
    approved: Option<u64>,
    /// Lines that wait for the text, or for the versions before it.
    lines: Vec<NoteSignature>,
}

/// What is kept of one unit.
#[derive(Debug, Default)]
struct Room {
    /// On the newest texts, by digest.
    words: BTreeMap<Hash, Words>,
    /// How often it spoke of one.
    spoken: u64,
    drafts: usize,
    bad_lines: usize,
}

/// All that units say of charters to come.
#[derive(Debug)]
pub struct Proposals {
    chain: CharterChain,
    rooms: BTreeMap<UnitId, Room>,
    texts: BTreeMap<Hash, Text>,
    /// Texts of versions that are settled, as many as are remembered: words on them are about nothing.
    gone: BTreeSet<Hash>,
    given_out: Option<Hash>,
}

impl Proposals {
    /// Nothing said yet, under these versions.
    #[must_use]
    pub const fn new(chain: CharterChain) -> Self {
        let gone = BTreeSet::new();
        Self { chain, rooms: BTreeMap::new(), texts: BTreeMap::new(), gone, given_out: None }
    }

    /// Takes in a record of a unit's log. The same record may come again.
    ///
    /// # Errors
    /// [`Ignored`] says why it changes nothing, or not all that it could.
    pub fn take(&mut self, id: &RecordId, body: &Body) -> Result<(), Ignored> {
        if self.chain.newest().unit(&id.unit).is_none() {
            return Err(Ignored::NotAMember(id.unit.clone()));
        }
        let digest = |bytes: &[u8]| bytes.try_into().map(Hash).map_err(|_| Ignored::OtherRecord);
        match body {
            Body::Propose(propose) => self.propose(id, digest(&propose.digest)?, &propose.text),
            Body::Approve(approve) => self.approve(id, digest(&approve.digest)?, &approve.signatures),
            _ => Err(Ignored::OtherRecord),
        }
    }

    /// Takes in a text that people of this unit brought in a file, with whatever signatures it has.
    ///
    /// # Errors
    /// [`CharterError`] if it cannot follow the newest version, or a signature does not hold.
    pub fn bring(&mut self, unit: &UnitId, charter: UnverifiedCharter) -> Result<(), CharterError> {
        let draft = self.chain.draft(charter)?;
        let digest = draft.digest();
        self.words(unit, digest);
        let lines = draft.lines();
        if let Some(Text::Draft(held)) = self.texts.get_mut(&digest) {
            held.add_all(&lines)?;
        } else {
            self.texts.insert(digest, Text::Draft(Box::new(draft)));
            self.apply(digest);
        }
        Ok(())
    }

    /// Another version governs: what was said of it is settled, and what waited for it is looked at.
    pub fn follow(&mut self, chain: CharterChain) {
        self.chain = chain;
        self.given_out = None;
        for room in self.rooms.values_mut() {
            (room.drafts, room.bad_lines) = (0, 0);
        }
        let texts = std::mem::take(&mut self.texts);
        for (digest, text) in texts {
            match text {
                // It was of the version that is settled now, or of none.
                Text::Refused(_) => self.settle(digest),
                Text::Draft(charter) | Text::Later(charter) => match self.place(*charter) {
                    Ok(text) => _ = self.texts.insert(digest, text),
                    Err(_) => self.settle(digest),
                },
            }
        }
        self.settle(self.chain.newest().digest());
        let drafts: Vec<Hash> = self.texts.keys().copied().collect();
        drafts.into_iter().for_each(|digest| _ = self.apply(digest));
    }

    /// The next version, once a text has all its signatures, and no other has. It is given out once.
    pub fn complete(&mut self) -> Option<Charter> {
        let drafts = self.texts.values().filter_map(|text| match text {
            Text::Draft(draft) if draft.missing().is_empty() => self.chain.verify(draft.as_ref().clone()).ok(),
            _ => None,
        });
        let complete: Vec<Charter> = drafts.collect();
        let [charter] = complete.as_slice() else { return None };
        if self.given_out.replace(charter.digest()) == Some(charter.digest()) {
            return None;
        }
        Some(charter.clone())
    }

    /// Every text that somebody speaks of and that is not settled, by digest.
    pub fn open(&self) -> impl Iterator<Item = Proposal<'_>> {
        let digests: BTreeSet<Hash> = self.rooms.values().flat_map(|room| room.words.keys()).copied().collect();
        digests.into_iter().map(|digest| self.proposal(digest))
    }

    /// One of them.
    #[must_use]
    pub fn find(&self, digest: &Hash) -> Option<Proposal<'_>> {
        self.rooms.values().any(|room| room.words.contains_key(digest)).then(|| self.proposal(*digest))
    }

    /// The text that a record speaks of.
    #[must_use]
    pub fn digest_of(&self, id: &RecordId) -> Option<Hash> {
        let words = &self.rooms.get(&id.unit)?.words;
        let by = |said: &Words| [said.proposed, said.approved].contains(&Some(id.index));
        words.iter().find(|(_, said)| by(said)).map(|(digest, _)| *digest)
    }

    /// A text of a version that a key of this unit has signed. Where the journal is lost this is what is left of it.
    #[must_use]
    pub fn signed_by(&self, unit: &UnitId, version: u32) -> Option<Hash> {
        self.drafts()
            .find(|draft| draft.terms().version == version && draft.is_signed_by(unit))
            .map(|draft| draft.digest())
    }

    fn drafts(&self) -> impl Iterator<Item = &UnverifiedCharter> {
        self.texts.values().filter_map(|text| match text {
            Text::Draft(draft) => Some(draft.as_ref()),
            Text::Later(_) | Text::Refused(_) => None,
        })
    }

    fn propose(&mut self, id: &RecordId, digest: Hash, text: &[u8]) -> Result<(), Ignored> {
        self.settled(&digest)?;
        if !text.is_empty() && !self.texts.contains_key(&digest) {
            let room = self.rooms.entry(id.unit.clone()).or_default();
            if room.drafts >= DRAFTS_OF_A_UNIT_MAX {
                return Err(Ignored::TooMany(id.unit.clone()));
            }
            let placed = match UnverifiedCharter::parse(text) {
                // A note is no text: its signatures are not what is signed.
                Ok(charter) if charter.digest() != digest => Text::Refused("it is more than a charter's text".into()),
                Ok(charter) => self.place(charter).inspect_err(|_| self.settle(digest))?,
                Err(error) => Text::Refused(error.to_string()),
            };
            let room = self.rooms.entry(id.unit.clone()).or_default();
            room.drafts = room.drafts.saturating_add(1);
            self.words(&id.unit, digest);
            self.texts.insert(digest, placed);
        }
        let words = self.words(&id.unit, digest);
        words.proposed = Some(words.proposed.map_or(id.index, |first| first.min(id.index)));
        // What the lines are worth was said, or is, of the records that brought them.
        _ = self.apply(digest);
        Ok(())
    }

    fn approve(&mut self, id: &RecordId, digest: Hash, lines: &[String]) -> Result<(), Ignored> {
        self.settled(&digest)?;
        let words = self.words(&id.unit, digest);
        words.approved = Some(words.approved.map_or(id.index, |first| first.min(id.index)));
        let mut unreadable = None;
        for line in lines {
            match NoteSignature::parse_line(line) {
                Ok(line) if words.lines.len() < LINES_MAX && !words.lines.contains(&line) => words.lines.push(line),
                Ok(_) => {}
                Err(error) => unreadable = Some(error.to_string()),
            }
        }
        self.apply(digest).get(&id.unit).map_or(Ok(()), |(bad, first)| {
            let (bad, first, all) = (*bad, first.clone(), lines.len());
            Err(Ignored::BadLines { bad, all, first })
        })?;
        unreadable.map_or(Ok(()), |first| Err(Ignored::BadLines { bad: 1, all: lines.len(), first }))
    }

    fn settled(&self, digest: &Hash) -> Result<(), Ignored> {
        match self.chain.of_digest(digest) {
            Some(charter) => Err(Ignored::Settled(charter.version())),
            None if self.gone.contains(digest) => Err(Ignored::Settled(self.chain.newest().version())),
            None => Ok(()),
        }
    }

    /// Forgets what was said of a text.
    fn settle(&mut self, digest: Hash) {
        for room in self.rooms.values_mut() {
            room.words.remove(&digest);
        }
        if self.gone.len() < GONE_MAX {
            self.gone.insert(digest);
        }
    }

    /// Where a text stands to the versions that govern.
    fn place(&self, charter: UnverifiedCharter) -> Result<Text, Ignored> {
        let (version, newest) = (charter.terms().version, self.chain.newest().version());
        if version <= newest {
            return Err(Ignored::Settled(version));
        }
        if version > newest.saturating_add(1) {
            return Ok(Text::Later(Box::new(charter)));
        }
        Ok(match self.chain.draft(charter) {
            Ok(draft) => Text::Draft(Box::new(draft)),
            Err(error) => Text::Refused(error.to_string()),
        })
    }

    /// A unit's words on a text; those on its oldest one go if there are too many.
    fn words(&mut self, unit: &UnitId, digest: Hash) -> &mut Words {
        let room = self.rooms.entry(unit.clone()).or_default();
        if !room.words.contains_key(&digest) && room.words.len() >= TEXTS_OF_A_UNIT_MAX {
            let oldest = room.words.iter().min_by_key(|(_, words)| words.spoken).map(|(digest, _)| *digest);
            if let Some(oldest) = oldest {
                room.words.remove(&oldest);
                if !self.rooms.values().any(|room| room.words.contains_key(&oldest)) {
                    self.texts.remove(&oldest);
                }
            }
        }
        let room = self.rooms.entry(unit.clone()).or_default();
        room.spoken = room.spoken.saturating_add(1);
        let words = room.words.entry(digest).or_default();
        words.spoken = room.spoken;
        words
    }

    /// Puts the lines that wait under a text that may follow. Gives by unit how many brought nothing, and why the first did.
    fn apply(&mut self, digest: Hash) -> BTreeMap<UnitId, (usize, String)> {
        let mut bad = BTreeMap::new();
        let Some(Text::Draft(draft)) = self.texts.get_mut(&digest) else { return bad };
        for (unit, room) in &mut self.rooms {
            let Some(words) = room.words.get_mut(&digest) else { continue };
            for line in std::mem::take(&mut words.lines) {
                let Err(reason) = add(draft, &line, room.bad_lines) else { continue };
                room.bad_lines = room.bad_lines.saturating_add(1);
                let count: &mut (usize, String) = bad.entry(unit.clone()).or_insert((0, reason));
                count.0 = count.0.saturating_add(1);
            }
        }
        bad
    }

    fn proposal(&self, digest: Hash) -> Proposal<'_> {
        let of = |pick: fn(&Words) -> Option<u64>| -> Vec<RecordId> {
            let word = |(unit, room): (&UnitId, &Room)| {
                let index = room.words.get(&digest).and_then(pick)?;
                Some(RecordId { unit: unit.clone(), index })
            };
            self.rooms.iter().filter_map(word).collect()
        };
        let (charter, fault) = match self.texts.get(&digest) {
            Some(Text::Draft(draft)) => (Some(draft.as_ref()), None),
            Some(Text::Later(charter)) => {
                let before = charter.terms().version.saturating_sub(1);
                (None, Some(format!("it is to follow version {before}, which this node does not hold yet")))
            }
            Some(Text::Refused(reason)) => (None, Some(reason.clone())),
            None => {
                let words = "no record that is here has its text: it is too long for one, or its proposal is not here yet; ask \
                             whoever proposes it for the file";
                (None, Some(words.to_owned()))
            }
        };
        let others = self.drafts().filter(|draft| draft.digest() != digest);
        let elsewhere = others.filter_map(UnverifiedCharter::votes).flat_map(|votes| votes.given).collect();
        let (proposed, approved) = (of(|words| words.proposed), of(|words| words.approved));
        Proposal { digest, proposed, approved, charter, fault, elsewhere }
    }
}

/// Puts one line under a draft.
fn add(draft: &mut UnverifiedCharter, line: &NoteSignature, bad_lines: usize) -> Result<(), String> {
    let Some(key) = draft.keys().find(|key| line.is_by(key)) else {
        return Err(format!("{} is the name of no key that is to sign", line.name));
    };
    if draft.has_signed(key) {
        return Ok(());
    }
    if bad_lines >= BAD_LINES_OF_A_UNIT_MAX {
        return Err("the unit has brought too many that did not hold".into());
    }
    draft.add_all(std::slice::from_ref(line)).map(drop).map_err(|error| error.to_string())
}

impl UnverifiedCharter {
    /// Whether a key has signed that is this unit's: in the text, or in the version before.
    #[must_use]
    pub fn is_signed_by(&self, unit: &UnitId) -> bool {
        let of_unit =
            [self.before(), Some(self.terms())].into_iter().flatten().filter_map(|terms| terms.units.get(unit));
        of_unit.flat_map(|unit| unit.keys()).any(|key| self.has_signed(key))
    }

    /// The names of this unit's keys that are to sign and have not yet: the charter key that votes, and the keys that are
    /// new.
    #[must_use]
    pub fn due_of(&self, unit: &UnitId) -> Vec<KeyName> {
        let of_unit =
            [self.before(), Some(self.terms())].into_iter().flatten().filter_map(|terms| terms.units.get(unit));
        let due = of_unit.flat_map(|unit| unit.keys()).filter(|key| self.is_due(key) && !self.has_signed(key));
        let mut due: Vec<KeyName> = due.map(|key| key.name().clone()).collect();
        due.dedup();
        due
    }

    /// The signature lines, each without its line feed.
    #[must_use]
    pub fn signature_lines(&self) -> Vec<String> {
        self.lines().iter().map(NoteSignature::to_line).collect()
    }
}
