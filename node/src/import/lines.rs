//! Physical lines of bounded length from bytes in UTF-8, or in UTF-16 with a byte order mark.

use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, Cursor, Read};

use super::{Fault, LINE_BYTES_MAX};

/// A physical line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawLine {
    /// Its number, from 1.
    pub number: u64,
    /// Its text without the line end, or why it has none.
    pub text: Result<String, Fault>,
}

/// The lines of a text. LF and CRLF end a line.
pub struct Lines<'a> {
    input: Box<dyn BufRead + Send + 'a>,
    /// Lines that were read ahead and are to be read again, in their order.
    ahead: VecDeque<RawLine>,
    number: u64,
}

impl<'a> Lines<'a> {
    /// Begins to read text that is [decoded].
    #[must_use]
    pub fn new(input: impl BufRead + Send + 'a) -> Self {
        Self { input: Box::new(input), ahead: VecDeque::new(), number: 0 }
    }

    /// The next line; `None` at the end.
    ///
    /// # Errors
    /// Those of the input.
    pub fn next_line(&mut self) -> io::Result<Option<RawLine>> {
        if let Some(line) = self.ahead.pop_front() {
            return Ok(Some(line));
        }
        let mut kept: Vec<u8> = Vec::new();
        let mut length = 0_u64;
        let mut ended = false;
        while !ended {
            let chunk = match self.input.fill_buf() {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                other => other?,
            };
            if chunk.is_empty() {
                break;
            }
            let end = chunk.iter().position(|byte| *byte == b'\n');
            ended = end.is_some();
            let part = chunk.get(..end.unwrap_or(chunk.len())).unwrap_or_default();
            let used = part.len().saturating_add(usize::from(ended));
            length = length.saturating_add(part.len() as u64);
            // One byte more is kept, since the CR of a line end does not count.
            let room = LINE_BYTES_MAX.saturating_add(1).saturating_sub(kept.len());
            kept.extend_from_slice(part.get(..room.min(part.len())).unwrap_or_default());
            self.input.consume(used);
        }
        if !ended && length == 0 {
            return Ok(None);
        }
        if kept.len() as u64 == length && kept.last() == Some(&b'\r') {
            kept.pop();
            length = length.saturating_sub(1);
        }
        self.number = self.number.saturating_add(1);
        Ok(Some(RawLine { number: self.number, text: text(kept, length) }))
    }

    /// Lines that were read, to be read again before all others.
    pub fn put_back(&mut self, lines: impl IntoIterator<Item = RawLine, IntoIter: DoubleEndedIterator>) {
        for line in lines.into_iter().rev() {
            self.ahead.push_front(line);
        }
    }
}

fn text(kept: Vec<u8>, length: u64) -> Result<String, Fault> {
    if length > LINE_BYTES_MAX as u64 {
        return Err(Fault::new("line-too-long", format!("it has {length} bytes; at most {LINE_BYTES_MAX} are read")));
    }
    let text = String::from_utf8(kept).map_err(|e| {
        let at = e.utf8_error().valid_up_to();
        let byte = e.as_bytes().get(at).copied().unwrap_or_default();
        Fault::new(
            "not-utf8",
            format!(
                "the byte {byte:02x} in column {} is not UTF-8: convert the file, for instance from Latin-1",
                at.saturating_add(1)
            ),
        )
    })?;
    if text.contains(char::REPLACEMENT_CHARACTER) {
        return Err(Fault::new("not-text", "a character of it was lost when the file was converted (U+FFFD)"));
    }
    Ok(text)
}

/// The input in UTF-8, without its byte order mark.
///
/// # Errors
/// Those of the input.
pub fn decoded<'a>(mut input: impl BufRead + Send + 'a) -> io::Result<Box<dyn BufRead + Send + 'a>> {
    let mut head = Vec::with_capacity(3);
    input.by_ref().take(3).read_to_end(&mut head)?;
    Ok(match head.as_slice() {
        [0xef, 0xbb, 0xbf] => Box::new(input),
        [0xff, 0xfe, rest @ ..] => {
            Box::new(BufReader::new(Utf16::new(Cursor::new(rest.to_vec()).chain(input), u16::from_le_bytes)))
        }
        [0xfe, 0xff, rest @ ..] => {
            Box::new(BufReader::new(Utf16::new(Cursor::new(rest.to_vec()).chain(input), u16::from_be_bytes)))
        }
        _ => Box::new(Cursor::new(head).chain(input)),
    })
}

/// UTF-16 as UTF-8; what is not valid becomes U+FFFD.
struct Utf16<R> {
    input: R,
    unit: fn([u8; 2]) -> u16,
    /// A high surrogate whose other half has not come yet.
    high: Option<u16>,
    /// Decoded bytes and how many of them were handed over.
    ready: Vec<u8>,
    given: usize,
}

impl<R: Read> Utf16<R> {
    const fn new(input: R, unit: fn([u8; 2]) -> u16) -> Self {
        Self { input, unit, high: None, ready: Vec::new(), given: 0 }
    }

    /// Decodes the next 4 KiB; `ready` stays empty at the end.
    fn refill(&mut self) -> io::Result<()> {
        self.ready.clear();
        self.given = 0;
        let mut bytes = Vec::with_capacity(4096);
        self.input.by_ref().take(4096).read_to_end(&mut bytes)?;
        let last = bytes.len() < 4096;
        let mut units: Vec<u16> = self.high.take().into_iter().collect();
        let (pairs, odd) = bytes.as_chunks::<2>();
        units.extend(pairs.iter().map(|pair| (self.unit)(*pair)));
        if !last && units.last().is_some_and(|unit| (0xd800..0xdc00).contains(unit)) {
            self.high = units.pop();
        }
        let mut text: String = char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect();
        if !odd.is_empty() {
            text.push(char::REPLACEMENT_CHARACTER);
        }
        self.ready = text.into_bytes();
        Ok(())
    }
}

impl<R: Read> Read for Utf16<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.given >= self.ready.len() {
            self.refill()?;
        }
        let left = self.ready.get(self.given..).unwrap_or_default();
        let count = left.len().min(out.len());
        if let (Some(to), Some(from)) = (out.get_mut(..count), left.get(..count)) {
            to.copy_from_slice(from);
        }
        self.given = self.given.saturating_add(count);
        Ok(count)
    }
}
