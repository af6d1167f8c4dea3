//! The bytes of the file: its header and its frames. See the [module](super) for the layout.

use entente_proto::ids::{NetworkName, UnitId};

/// The format that this release writes and reads.
pub(super) const FORMAT: u32 = 1;
/// Longest body of a frame. One submission call is at most 4 MiB, so each fits.
pub(super) const BODY_BYTES_MAX: usize = 8 << 20;
/// Bytes of a frame before its body.
pub(super) const HEAD_BYTES: usize = 12;

const MAGIC: &[u8; 16] = b"entente journal\n";

/// The header of the file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) format: u32,
    pub(super) network: String,
    pub(super) unit: String,
    /// Its length in the file.
    pub(super) length: usize,
}

/// The longest header: both names at their one-byte limit.
pub(super) const HEADER_BYTES_MAX: usize = 16 + 4 + 256 + 256 + 4;

impl Header {
    pub(super) fn bytes(network: &NetworkName, unit: &UnitId) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        out.extend(FORMAT.to_be_bytes());
        for name in [network.as_str(), unit.as_str()] {
            // Both are far shorter than 256 bytes by their types.
            out.push(u8::try_from(name.len()).unwrap_or(u8::MAX));
            out.extend(name.as_bytes());
        }
        out.extend(crc32fast::hash(&out).to_be_bytes());
        out
    }

    /// Reads the header from the beginning of the file, or says what is wrong with it.
    pub(super) fn parse(file: &[u8]) -> Result<Self, &'static str> {
        let mut reader = Reader { bytes: file, at: 0 };
        if reader.take(MAGIC.len()) != Some(MAGIC) {
            return Err("it does not begin like a journal");
        }
        let mut read = || {
            let format = reader.u32()?;
            let network = reader.name()?;
            let unit = reader.name()?;
            let summed = file.get(..reader.at)?;
            let sum = reader.u32()?;
            Some((sum == crc32fast::hash(summed), Self { format, network, unit, length: reader.at }))
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
pub(super) struct Head {
    /// Length of the body.
    pub(super) length: usize,
    sum: u32,
}

impl Head {
    /// The head of a frame at an offset, or `None` if these bytes are not one.
    pub(super) fn parse(bytes: &[u8; HEAD_BYTES], offset: u64) -> Option<Self> {
        let (summed, own_sum) = bytes.split_last_chunk::<4>()?;
        let (length, sum) = summed.split_first_chunk::<4>()?;
        let length = u32::from_be_bytes(*length) as usize;
        let sum = u32::from_be_bytes(sum.try_into().ok()?);
        let valid = head_sum(offset, summed) == u32::from_be_bytes(*own_sum);
        (valid && (1..=BODY_BYTES_MAX).contains(&length)).then_some(Self { length, sum })
    }

    pub(super) fn fits(&self, body: &[u8]) -> bool {
        crc32fast::hash(body) == self.sum
    }
}

/// A frame for an offset.
pub(super) fn frame(body: &[u8], offset: u64) -> Vec<u8> {
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
pub(super) fn holds_a_later_frame(rest: &[u8], offset: u64) -> bool {
    (1..rest.len()).any(|at| {
        let Some((head, after)) = rest.get(at..).and_then(<[u8]>::split_first_chunk::<HEAD_BYTES>) else {
            return false;
        };
        Head::parse(head, offset.saturating_add(at as u64))
            .is_some_and(|head| after.get(..head.length).is_some_and(|body| head.fits(body)))
    })
}
