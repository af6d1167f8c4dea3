//! The records: referrals of 400 bytes, the same for the same seed.

use std::str::FromStr;

use bytes::Bytes;
use entente_proto::record::{self, RecordKind};
use entente_proto::wire;
use entente_proto::wire::record::Body;
use prost::Message as _;

use super::Fault;

/// The length of each payload.
pub(crate) const PAYLOAD_BYTES: usize = 400;
const SEED: u64 = 0x5eed_2018_0425;

/// What the description of each referral is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Payload {
    /// Sentences, as officers write them.
    Referrals,
    /// Characters drawn at random.
    Random,
}

impl Payload {
    pub(crate) const ALL: [Self; 2] = [Self::Referrals, Self::Random];

    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Referrals => "referrals",
            Self::Random => "random",
        }
    }
}

impl FromStr for Payload {
    type Err = Fault;

    fn from_str(word: &str) -> Result<Self, Fault> {
        let found = Self::ALL.into_iter().find(|payload| payload.word() == word);
        found.ok_or_else(|| format!("{word:?} is no payload: referrals or random").into())
    }
}

/// The referrals, one after the other, each of another target.
pub(crate) struct Referrals {
    payload: Payload,
    random: Random,
    number: u64,
}

impl Referrals {
    pub(crate) const fn new(payload: Payload) -> Self {
        Self { payload, random: Random(SEED), number: 0 }
    }

    /// The next one: its kind and its canonical bytes.
    pub(crate) fn next(&mut self) -> Result<(RecordKind, Bytes), Fault> {
        self.number += 1;
        let mut record = self.refer();
        // The description takes what is left; how long its own length is depends on that.
        for room in 0..PAYLOAD_BYTES {
            let missing = PAYLOAD_BYTES.saturating_sub(record.encoded_len());
            let Some(Body::Refer(refer)) = &mut record.body else { break };
            match missing {
                0 => break,
                more if room == 0 => refer.description = self.text(more.saturating_sub(4)),
                _ => refer.description.push('.'),
            }
        }
        let bytes = record::encode(&record)?;
        if bytes.len() != PAYLOAD_BYTES {
            return Err(format!("referral {} has {} bytes", self.number, bytes.len()).into());
        }
        Ok((RecordKind::Refer, bytes))
    }

    fn refer(&mut self) -> wire::Record {
        let random = &mut self.random;
        let host = [random.of(&WORDS), random.of(&WORDS)].concat();
        let path = [random.of(&WORDS), "/", random.of(&WORDS)].concat();
        let item = wire::EvidenceItem {
            sha256: random.bytes(32),
            media_type: random.of(&["text/html", "video/mp4", "image/jpeg", "application/pdf"]).to_owned(),
            size: random.below(50_000_000),
            captured_at_ms: 1_524_640_000_000 + random.below(100_000_000_000),
            tool: "wget 1.24".to_owned(),
        };
        let refer = wire::Refer {
            target: format!("url:https://{host}.example/{path}-{}", self.number),
            categories: vec![1 + i32::try_from(random.below(5)).unwrap_or_default()],
            basis: 1,
            provider: format!("{}.example", random.of(&WORDS)),
            source: 1 + i32::try_from(random.below(4)).unwrap_or_default(),
            accuracy: 1 + u32::try_from(random.below(4)).unwrap_or_default(),
            language: random.of(&["ar", "en", "fr", "ru", "tr", "ur", "id", "ps"]).to_owned(),
            evidence: vec![item],
            handling: Some(wire::Handling { tlp: 3, europol: vec![1] }),
            review_by_ms: 1_800_000_000_000 + random.below(10_000_000_000),
            campaign: format!("{} {}", random.of(&WORDS), random.below(40)),
            ..wire::Refer::default()
        };
        wire::Record { submission: random.bytes(16), body: Some(Body::Refer(refer)) }
    }

    /// So many bytes of text.
    fn text(&mut self, length: usize) -> String {
        const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let mut text = String::with_capacity(length + 16);
        while text.len() < length {
            match self.payload {
                Payload::Referrals => {
                    text.push_str(self.random.of(&WORDS));
                    text.push(' ');
                }
                Payload::Random => {
                    let drawn = self.random.next();
                    text.extend((0..10).map(|at| char::from(LETTERS[usize::from((drawn >> (6 * at)) as u8 & 63)])));
                }
            }
        }
        text.truncate(length);
        text
    }
}

/// SplitMix64: short, and the same everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn of<'a>(&mut self, words: &[&'a str]) -> &'a str {
        words[usize::try_from(self.below(words.len() as u64)).unwrap_or_default()]
    }

    fn bytes(&mut self, count: usize) -> Vec<u8> {
        std::iter::repeat_with(|| self.next().to_le_bytes()).flatten().take(count).collect()
    }
}

const WORDS: [&str; 64] = [
    "outlet",
    "claims",
    "attack",
    "video",
    "magazine",
    "weekly",
    "channel",
    "mirror",
    "archive",
    "statement",
    "speaker",
    "calls",
    "upon",
    "readers",
    "to",
    "join",
    "travel",
    "manual",
    "shows",
    "making",
    "of",
    "the",
    "device",
    "news",
    "agency",
    "banner",
    "logo",
    "translated",
    "subtitles",
    "nasheed",
    "leader",
    "oath",
    "province",
    "photo",
    "report",
    "battle",
    "threat",
    "against",
    "city",
    "event",
    "poster",
    "released",
    "again",
    "after",
    "takedown",
    "under",
    "another",
    "name",
    "same",
    "operator",
    "hosted",
    "with",
    "link",
    "list",
    "group",
    "forum",
    "account",
    "follower",
    "message",
    "audio",
    "series",
    "part",
    "issue",
    "page",
];
