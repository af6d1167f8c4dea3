//! Files of frames, each of which one `fdatasync` made durable: the [journal](crate::journal) and the
//! [access log](crate::access).
//!
//! ```text
//! header  the kind of the file            16 bytes
//!         u32be  format version
//!         u8     length, then the network's name
//!         u8     length, then the owner's name in it
//!         u32be  CRC-32 (IEEE) of all of the header before it
//! frame   u32be  length of the body       1 to 8 MiB
//!         u32be  CRC-32 of the body
//!         u32be  CRC-32 of: u64be offset of the frame in the file, then the 8 bytes before this field
//!         body
//! frame   ...
//! ```
//! A power loss can tear the last frame only, and it is cut off when the file is opened (nobody was told of anything in
//! it). The head has a checksum of its own, so that a damaged length in the middle of the file is not taken for a torn end.

use std::io::{self, Read, Seek};

use bytes::Bytes;
use entente_proto::ids::NetworkName;

/// Longest body of a frame. One submission call is at most 4 MiB, so each fits.
pub(crate) const BODY_BYTES_MAX: usize = 8 << 20;
/// Bytes of a frame before its body.
pub(crate) const HEAD_BYTES: usize = 12;

/// The header of the file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) format: u32,
    pub(crate) network: String,
    pub(crate) owner: String,
    /// Its length in the file.
    pub(crate) length: usize,
}

/// The longest header: both names at their one-byte limit.
pub(crate) const HEADER_BYTES_MAX: usize = 16 + 4 + 256 + 256 + 4;

impl Header {
    pub(crate) fn bytes(kind: &[u8; 16], format: u32, network: &NetworkName, owner: &str) -> Vec<u8> {
        let mut out = kind.to_vec();
        out.extend(format.to_be_bytes());
        for name in [network.as_str(), owner] {
            // Both are far shorter than 256 bytes: a network's name by its type, an owner's begins with a unit's id.
            out.push(u8::try_from(name.len()).unwrap_or(u8::MAX));
            out.extend(name.as_bytes());
        }
        out.extend(crc32fast::hash(&out).to_be_bytes());
        out
    }

    /// Reads the header from the beginning of the file, or says what is wrong with it.
    pub(crate) fn parse(kind: &[u8; 16], file: &[u8]) -> Result<Self, &'static str> {
        let mut reader = Reader { bytes: file, at: 0 };
        if reader.take(kind.len()) != Some(kind) {
            return Err("it does not begin as it should");
        }
        let mut read = || {
            let format = reader.u32()?;
            let network = reader.name()?;
            let owner = reader.name()?;
            let summed = file.get(..reader.at)?;
            let sum = reader.u32()?;
            Some((sum == crc32fast::hash(summed), Self { format, network, owner, length: reader.at }))
        };
        match read() {
            Some((true, header)) => Ok(header),
            Some((false, _)) => Err("the checksum of its header does not match"),
            None => Err("its header is cut short or damaged"),
        }
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let end = self.at.checked_add(count)?;
        let part = self.bytes.get(self.at..end)?;
        self.at = end;
        Some(part)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take(4)?.try_into().ok().map(u32::from_be_bytes)
    }

    fn name(&mut self) -> Option<String> {
        let length = usize::from(*self.take(1)?.first()?);
        String::from_utf8(self.take(length)?.to_vec()).ok()
    }
}

/// What stands before a frame's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    /// Length of the body.
    pub(crate) length: usize,
    sum: u32,
}

impl Head {
    /// The head of a frame at an offset, or `None` if these bytes are not one.
    pub(crate) fn parse(bytes: &[u8; HEAD_BYTES], offset: u64) -> Option<Self> {
        let (summed, own_sum) = bytes.split_last_chunk::<4>()?;
        let (length, sum) = summed.split_first_chunk::<4>()?;
        let length = u32::from_be_bytes(*length) as usize;
        let sum = u32::from_be_bytes(sum.try_into().ok()?);
        let valid = head_sum(offset, summed) == u32::from_be_bytes(*own_sum);
        (valid && (1..=BODY_BYTES_MAX).contains(&length)).then_some(Self { length, sum })
    }

    pub(crate) fn fits(&self, body: &[u8]) -> bool {
        crc32fast::hash(body) == self.sum
    }
}

/// A frame for an offset.
pub(crate) fn frame(body: &[u8], offset: u64) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len().saturating_add(HEAD_BYTES));
    // No caller passes a body above BODY_BYTES_MAX.
    out.extend(u32::try_from(body.len()).unwrap_or(u32::MAX).to_be_bytes());
    out.extend(crc32fast::hash(body).to_be_bytes());
    out.extend(head_sum(offset, &out).to_be_bytes());
    out.extend(body);
    out
}

fn head_sum(offset: u64, summed: &[u8]) -> u32 {
    let mut sum = crc32fast::Hasher::new();
    sum.update(&offset.to_be_bytes());
    sum.update(summed);
    sum.finalize()
}

/// Whether a whole frame begins anywhere in `rest` after its first byte; `rest` begins at `offset` in the file.
///
/// A frame is written only after the one before it is durable. So if there is one, what stands before it was durable
/// and is damaged; if there is none, it may be the remains of a write that a power loss tore.
pub(crate) fn holds_a_later_frame(rest: &[u8], offset: u64) -> bool {
    (1..rest.len()).any(|at| {
        let Some((head, after)) = rest.get(at..).and_then(<[u8]>::split_first_chunk::<HEAD_BYTES>) else {
            return false;
        };
        Head::parse(head, offset.saturating_add(at as u64))
            .is_some_and(|head| after.get(..head.length).is_some_and(|body| head.fits(body)))
    })
}

/// Why the next frame cannot be read.
#[derive(Debug)]
pub(crate) enum FrameFault {
    /// The operating system's words.
    Io(io::Error),
    /// What is there was not written so.
    Damaged(&'static str),
}

impl From<io::Error> for FrameFault {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// The body of the frame at `offset` of a file of this length, where the reader stands; `None` at the end of what is whole.
pub(crate) fn next_body(
    reader: &mut (impl Read + Seek),
    offset: u64,
    length: u64,
) -> Result<Option<Bytes>, FrameFault> {
    let left = length.saturating_sub(offset);
    if left < HEAD_BYTES as u64 {
        return Ok(None);
    }
    let mut head = [0; HEAD_BYTES];
    reader.read_exact(&mut head)?;
    let after = left.saturating_sub(HEAD_BYTES as u64);
    let Some(found) = Head::parse(&head, offset) else {
        if after > BODY_BYTES_MAX as u64 {
            return Err(FrameFault::Damaged("more follows than one torn write can have left"));
        }
        let mut rest = head.to_vec();
        reader.read_to_end(&mut rest)?;
        if holds_a_later_frame(&rest, offset) {
            return Err(FrameFault::Damaged("the head of a frame is damaged, and a whole frame follows"));
        }
        return Ok(None);
    };
    let body_length = found.length as u64;
    if body_length > after {
        return Ok(None);
    }
    let mut body = vec![0; found.length];
    reader.read_exact(&mut body)?;
    if found.fits(&body) {
        return Ok(Some(body.into()));
    }
    if body_length == after {
        return Ok(None);
    }
    Err(FrameFault::Damaged("the checksum of a frame does not match, and more follows"))
}
