//! Frames, checked as far as they can be by themselves: lengths, forms, and that each entry's body is what its leaf
//! commits to. This is the costly part of receiving and needs no state, so streams do it in parallel.

use bytes::Bytes;
use prost::Message as _;

use super::Fault;
use crate::entry::{Entry, Run};
use crate::hash::Hash;
use crate::ids::{Size, UnitId};
use crate::limits::{
    BUNDLE_BODY_BYTES_MAX, BUNDLE_ENTRIES, CHARTER_BYTES_MAX, FRAME_BYTES_MAX, NOTE_BYTES_MAX, OUTLINE_HASHES_MAX,
    PROOF_HASHES_MAX, SEEN_MAX, UNITS_MAX, WANT_BYTES_MAX, WANT_ENTRIES_MAX,
};
use crate::wire;
use crate::wire::frame::Frame as Wire;

/// One checked message of the stream.
#[derive(Debug)]
pub enum Frame {
    /// Who speaks.
    Hello(HelloFrame),
    /// What the partner holds.
    Heads(HeadsFrame),
    /// What it would like to have.
    Want(WantFrame),
    /// Level-1 hashes.
    Outline(OutlineFrame),
    /// Entries.
    Bundle(BundleFrame),
    /// The note of a charter, not verified yet.
    Charter(Vec<u8>),
    /// Proof that a log forked. Nothing of it is verified but its lengths.
    Fork(Box<wire::ForkProof>),
}

/// Who speaks.
#[derive(Debug, Clone)]
pub struct HelloFrame {
    /// Major version of the protocol.
    pub major: u32,
    /// The network.
    pub network: String,
    /// The unit.
    pub unit: String,
    /// The charter's version.
    pub charter_version: u64,
    /// The charter's digest.
    pub charter_digest: Hash,
    /// The partner's clock, Unix milliseconds.
    pub time_ms: u64,
    /// How far this node's clock seemed to be ahead of the partner's when the partner last heard of it.
    pub yours_ahead_ms: Option<i64>,
    /// Whether it is rebuilding.
    pub rebuilding: bool,
    /// Whether it has lost what it signed of its own log, and signs nothing of it yet.
    pub recovering: bool,
    /// Which process it is.
    pub instance: [u8; 16],
}

/// What the partner holds.
#[derive(Debug)]
pub struct HeadsFrame {
    /// A head for each log spoken of.
    pub heads: Vec<HeadFrame>,
    /// Whether all logs are spoken of, in this frame and those that went before with `more`.
    pub full: bool,
    /// Whether the full account goes on.
    pub more: bool,
    /// The digest of the partner's heads.
    pub digest: Option<Hash>,
    /// Digests of its certified frontier and of its list.
    pub list: Option<(Hash, Hash)>,
}

/// What the partner holds of one log. The notes are not verified yet.
#[derive(Debug)]
pub struct HeadFrame {
    /// Whose log.
    pub unit: UnitId,
    /// The note of the newest certified checkpoint.
    pub certified: Option<Vec<u8>>,
    /// The note of the newest checkpoint, where it is another.
    pub newest: Option<Vec<u8>>,
    /// The note of the newest certified bridge.
    pub bridge: Option<Vec<u8>>,
    /// Notes of further checkpoints, which the partner need not hold.
    pub seen: Vec<Vec<u8>>,
}

/// What the partner would like to have.
#[derive(Debug, Clone)]
pub struct WantFrame {
    /// Whose log.
    pub unit: UnitId,
    /// The first entry.
    pub from: Size,
    /// The end of the range and the size of the checkpoint it is wanted under; nothing for what comes next.
    pub range: Option<(Size, Size)>,
    /// How many bytes at the most.
    pub max_bytes: u64,
    /// Whether only payloads are wanted.
    pub payloads: bool,
}

/// Level-1 hashes.
#[derive(Debug)]
pub struct OutlineFrame {
    /// Whose log.
    pub unit: UnitId,
    /// The checkpoint's size.
    pub size: Size,
    /// The number of the first bundle.
    pub first: u64,
    /// The hashes.
    pub hashes: Vec<Hash>,
    /// The compact range from there to the end.
    pub rest: Vec<Hash>,
}

/// Entries, each sound by itself.
#[derive(Debug)]
pub struct BundleFrame {
    /// Whose log.
    pub unit: UnitId,
    /// The index of the first.
    pub from: Size,
    /// The entries.
    pub entries: Vec<Entry>,
    /// How many bytes they take.
    pub bytes: u64,
    /// The note of the checkpoint at their end, for what is pushed.
    pub checkpoint: Option<Vec<u8>>,
    /// Whether the want ends with it.
    pub done: bool,
}

impl Frame {
    /// Checks a decoded message.
    ///
    /// # Errors
    /// A [`Fault`] that names the field.
    pub fn check(frame: wire::Frame) -> Result<Self, Fault> {
        match frame.frame.ok_or(Fault::Frame)? {
            Wire::Hello(hello) => hello_frame(hello).map(Self::Hello),
            Wire::Heads(heads) => heads_frame(heads).map(Self::Heads),
            Wire::Want(want) => want_frame(&want).map(Self::Want),
            Wire::Outline(outline) => outline_frame(&outline).map(Self::Outline),
            Wire::Bundle(bundle) => bundle_frame(bundle).map(Self::Bundle),
            Wire::Charter(charter) => charter_frame(charter).map(Self::Charter),
            Wire::Fork(proof) => fork_frame(proof),
        }
    }

    /// Decodes and checks a message of at most [`FRAME_BYTES_MAX`] bytes.
    ///
    /// # Errors
    /// A [`Fault`] that names what is wrong.
    pub fn decode(bytes: Bytes) -> Result<Self, Fault> {
        if bytes.len() > FRAME_BYTES_MAX {
            return Err(Fault::Limit("length"));
        }
        Self::check(wire::Frame::decode(bytes).map_err(|_| Fault::Frame)?)
    }
}

fn hello_frame(hello: wire::Hello) -> Result<HelloFrame, Fault> {
    if hello.release.len() > 64 || hello.network.len() > 64 || hello.unit.len() > 16 {
        return Err(Fault::Limit("text"));
    }
    Ok(HelloFrame {
        major: hello.major,
        network: hello.network,
        unit: hello.unit,
        charter_version: hello.charter_version,
        charter_digest: Hash::from_slice(&hello.charter_digest).ok_or(Fault::Field("charter digest"))?,
        time_ms: hello.time_ms,
        yours_ahead_ms: hello.yours_ahead_ms,
        rebuilding: hello.rebuilding,
        recovering: hello.recovering,
        instance: hello.instance.as_slice().try_into().map_err(|_| Fault::Field("instance"))?,
    })
}

fn heads_frame(heads: wire::Heads) -> Result<HeadsFrame, Fault> {
    if heads.heads.len() > UNITS_MAX {
        return Err(Fault::Limit("number of heads"));
    }
    let list = match (heads.frontier.is_empty(), heads.list_digest.is_empty()) {
        (true, true) => None,
        _ => Some((
            Hash::from_slice(&heads.frontier).ok_or(Fault::Field("frontier"))?,
            Hash::from_slice(&heads.list_digest).ok_or(Fault::Field("list digest"))?,
        )),
    };
    let digest = match heads.digest.is_empty() {
        true => None,
        false => Some(Hash::from_slice(&heads.digest).ok_or(Fault::Field("digest"))?),
    };
    let note = |bytes: Vec<u8>| match bytes.len() {
        0 => Ok(None),
        n if n > NOTE_BYTES_MAX => Err(Fault::Limit("note")),
        _ => Ok(Some(bytes)),
    };
    let head = |head: wire::Head| {
        if head.seen.len() > SEEN_MAX {
            return Err(Fault::Limit("number of notes"));
        }
        let (certified, newest, bridge) = (note(head.certified)?, note(head.newest)?, note(head.bridge)?);
        let seen = head.seen.into_iter().map(note).collect::<Result<Vec<_>, Fault>>()?;
        Ok(HeadFrame { unit: unit(&head.unit)?, certified, newest, bridge, seen: seen.into_iter().flatten().collect() })
    };
    let checked = heads.heads.into_iter().map(head).collect::<Result<_, Fault>>()?;
    Ok(HeadsFrame { heads: checked, full: heads.full, more: heads.more, digest, list })
}

fn charter_frame(charter: wire::Charter) -> Result<Vec<u8>, Fault> {
    // The text has at most 1 MiB; a note that is longer is no charter.
    if charter.note.is_empty() || charter.note.len() > CHARTER_BYTES_MAX {
        return Err(Fault::Limit("charter"));
    }
    Ok(charter.note)
}

fn fork_frame(proof: wire::ForkProof) -> Result<Frame, Fault> {
    if proof.smaller.len() > NOTE_BYTES_MAX || proof.larger.len() > NOTE_BYTES_MAX {
        return Err(Fault::Limit("note"));
    }
    if proof.consistency.len() > PROOF_HASHES_MAX {
        return Err(Fault::Limit("number of hashes"));
    }
    unit(&proof.unit)?;
    Ok(Frame::Fork(Box::new(proof)))
}

fn want_frame(want: &wire::Want) -> Result<WantFrame, Fault> {
    let from = size(want.from)?;
    if want.max_bytes == 0 || want.max_bytes > WANT_BYTES_MAX {
        return Err(Fault::Limit("bytes wanted"));
    }
    let range = if want.count == 0 {
        if want.under != 0 || want.payloads {
            return Err(Fault::Field("want"));
        }
        None
    } else {
        let under = size(want.under)?;
        let end = from.plus(want.count).map_err(|_| Fault::Limit("size"))?;
        if want.count > WANT_ENTRIES_MAX {
            return Err(Fault::Limit("number of entries wanted"));
        }
        if end > under || !(want.payloads || end == under || end == end.bundled()) {
            return Err(Fault::Field("want"));
        }
        Some((end, under))
    };
    Ok(WantFrame { unit: unit(&want.unit)?, from, range, max_bytes: want.max_bytes, payloads: want.payloads })
}

fn outline_frame(outline: &wire::Outline) -> Result<OutlineFrame, Fault> {
    Ok(OutlineFrame {
        unit: unit(&outline.unit)?,
        size: size(outline.size)?,
        first: outline.first,
        hashes: hashes(&outline.hashes, OUTLINE_HASHES_MAX)?,
        rest: hashes(&outline.rest, PROOF_HASHES_MAX)?,
    })
}

fn bundle_frame(bundle: wire::Bundle) -> Result<BundleFrame, Fault> {
    use wire::bundle::Body;
    let unit = unit(&bundle.unit)?;
    let from = size(bundle.from)?;
    let body = match bundle.body {
        Some(Body::Raw(raw)) => raw,
        Some(Body::Zstd(_)) => return Err(Fault::NotWanted("a compressed bundle")),
        None => Bytes::new(),
    };
    if body.len() > BUNDLE_BODY_BYTES_MAX || body.len() != bundle.size as usize {
        return Err(Fault::Limit("bundle"));
    }
    if bundle.checkpoint.len() > NOTE_BYTES_MAX {
        return Err(Fault::Limit("note"));
    }
    let bytes = body.len() as u64;
    let mut entries = Vec::new();
    for entry in Run::new(body) {
        if entries.len() as u64 >= BUNDLE_ENTRIES {
            return Err(Fault::Limit("number of entries"));
        }
        entries.push(entry.map_err(|error| Fault::Entry { unit: unit.clone(), error })?);
    }
    from.plus(entries.len() as u64).map_err(|_| Fault::Limit("size"))?;
    let checkpoint = (!bundle.checkpoint.is_empty()).then(|| bundle.checkpoint.to_vec());
    Ok(BundleFrame { unit, from, entries, bytes, checkpoint, done: bundle.done })
}

fn unit(text: &str) -> Result<UnitId, Fault> {
    text.parse().map_err(|_| Fault::Field("unit"))
}

fn size(value: u64) -> Result<Size, Fault> {
    Size::new(value).map_err(|_| Fault::Limit("size"))
}

fn hashes(bytes: &[u8], most: usize) -> Result<Vec<Hash>, Fault> {
    if bytes.len() > most.saturating_mul(32) {
        return Err(Fault::Limit("number of hashes"));
    }
    if !bytes.len().is_multiple_of(32) {
        return Err(Fault::Field("hashes"));
    }
    Ok(bytes.chunks_exact(32).filter_map(Hash::from_slice).collect())
}
