//! A walk through JSON of any size: one value at a time is taken out, whole and bounded; nothing else is kept.
//!
//! serde_json reads a value only once its bytes are here, because it bounds neither the length of a text nor what follows
//! a fault. This walk knows no more of JSON (RFC 8259) than where values begin and end, so it also finds the end of one
//! that is wrong inside, and the rest goes on.
//!
//! Limits: a value that is taken has at most [`VALUE_BYTES_MAX`] bytes, a key [`KEY_BYTES_MAX`]; longer ones are passed
//! over without being kept. Values nest at most 128 deep, as serde_json has it.

use std::io::{self, BufRead, Seek, SeekFrom};

use super::Fault;

/// Longest value that is taken as one, in bytes.
pub const VALUE_BYTES_MAX: usize = 1 << 20;
/// Longest key that is read, in bytes.
pub const KEY_BYTES_MAX: usize = 256;

/// Reads on through a document.
pub(super) struct Walk<R> {
    input: R,
    /// Bytes read so far.
    at: u64,
}

/// A value that was taken out, or why it was not: then it was passed over.
pub(super) type Taken = Result<Vec<u8>, Fault>;

impl<R: BufRead> Walk<R> {
    pub(super) const fn new(input: R, at: u64) -> Self {
        Self { input, at }
    }

    /// Where the next byte stands, from 0.
    pub(super) const fn at(&self) -> u64 {
        self.at
    }

    /// The next byte that is no white space, which stays; `None` at the end.
    pub(super) fn peek(&mut self) -> io::Result<Option<u8>> {
        loop {
            let chunk = chunk(&mut self.input)?;
            if chunk.is_empty() {
                return Ok(None);
            }
            let blank = chunk.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n')).count();
            let found = chunk.get(blank).copied();
            self.advance(blank);
            if found.is_some() {
                return Ok(found);
            }
        }
    }

    /// Passes over the byte that was [peeked](Self::peek) at.
    pub(super) fn pass(&mut self) {
        self.advance(1);
    }

    /// Whether this byte comes next; then it is passed over.
    pub(super) fn passes(&mut self, byte: u8) -> io::Result<bool> {
        let here = self.peek()? == Some(byte);
        if here {
            self.pass();
        }
        Ok(here)
    }

    /// The next value.
    pub(super) fn value(&mut self) -> io::Result<Taken> {
        let mut kept = Vec::new();
        let (length, whole) = self.run(&mut kept, VALUE_BYTES_MAX)?;
        if !whole {
            return Ok(Err(Fault::new("json", "the file ends in the middle of it: it was cut off")));
        }
        if length > VALUE_BYTES_MAX as u64 {
            return Ok(Err(Fault::new(
                "element-too-long",
                format!("it has {length} bytes; at most {VALUE_BYTES_MAX} are read"),
            )));
        }
        Ok(Ok(kept))
    }

    /// Passes over the next value; whether it was whole.
    pub(super) fn skip(&mut self) -> io::Result<bool> {
        Ok(self.run(&mut Vec::new(), 0)?.1)
    }

    /// The next key of an object, and the colon; a key too long to be one that is known is empty. `None` where none is.
    pub(super) fn key(&mut self) -> io::Result<Option<String>> {
        if self.peek()? != Some(b'"') {
            return Ok(None);
        }
        let mut kept = Vec::new();
        let (length, whole) = self.run(&mut kept, KEY_BYTES_MAX)?;
        if !whole || !self.passes(b':')? {
            return Ok(None);
        }
        if length > KEY_BYTES_MAX as u64 {
            return Ok(Some(String::new()));
        }
        Ok(Some(serde_json::from_slice(&kept).unwrap_or_default()))
    }

    /// Goes to the end of the next value, and keeps its first `room` bytes: its length and whether the input did not end
    /// before.
    fn run(&mut self, kept: &mut Vec<u8>, room: usize) -> io::Result<(u64, bool)> {
        if self.peek()?.is_none() {
            return Ok((0, false));
        }
        let begun = self.at;
        let mut shape = Shape::default();
        loop {
            let chunk = chunk(&mut self.input)?;
            if chunk.is_empty() {
                return Ok((self.at.saturating_sub(begun), shape.is_bare()));
            }
            let end = shape.end_in(chunk);
            let part = chunk.get(..end.unwrap_or(chunk.len())).unwrap_or_default();
            let left = room.saturating_sub(kept.len());
            kept.extend_from_slice(part.get(..left.min(part.len())).unwrap_or_default());
            let used = part.len();
            self.advance(used);
            if end.is_some() {
                return Ok((self.at.saturating_sub(begun), true));
            }
        }
    }

    fn advance(&mut self, count: usize) {
        self.input.consume(count);
        self.at = self.at.saturating_add(count as u64);
    }
}

impl<R: BufRead + Seek> Walk<R> {
    /// Goes back to where it was before.
    pub(super) fn back_to(&mut self, at: u64) -> io::Result<()> {
        self.input.seek(SeekFrom::Start(at))?;
        self.at = at;
        // The byte that was peeked at there may be passed next, and has to be here then.
        chunk(&mut self.input).map(|_| ())
    }
}

fn chunk(input: &mut impl BufRead) -> io::Result<&[u8]> {
    // Two calls, since the borrow of the first would go on in the loop.
    while let Err(e) = input.fill_buf() {
        if e.kind() != io::ErrorKind::Interrupted {
            return Err(e);
        }
    }
    input.fill_buf()
}

/// How far into a value the walk is.
#[derive(Default)]
struct Shape {
    begun: bool,
    depth: u64,
    text: bool,
    escaped: bool,
}

impl Shape {
    /// Whether it is a number or word, which ends where the input does.
    const fn is_bare(&self) -> bool {
        self.begun && self.depth == 0 && !self.text
    }

    /// Where in the chunk the value ends; `None` if it goes on.
    fn end_in(&mut self, chunk: &[u8]) -> Option<usize> {
        for (at, byte) in chunk.iter().enumerate() {
            if self.text {
                match byte {
                    _ if self.escaped => self.escaped = false,
                    b'\\' => self.escaped = true,
                    b'"' => {
                        self.text = false;
                        if self.depth == 0 {
                            return Some(at.saturating_add(1));
                        }
                    }
                    _ => {}
                }
                continue;
            }
            match byte {
                b'"' if self.depth > 0 || !self.begun => self.text = true,
                b'{' | b'[' if self.depth > 0 || !self.begun => self.depth = self.depth.saturating_add(1),
                b'}' | b']' if self.depth > 0 => {
                    self.depth = self.depth.saturating_sub(1);
                    if self.depth == 0 {
                        return Some(at.saturating_add(1));
                    }
                }
                // A word or number ends before whatever cannot be part of it. The first byte is always part of it, so
                // that the walk gets on whatever stands there.
                b',' | b'}' | b']' | b'{' | b'[' | b'"' | b':' | b' ' | b'\t' | b'\r' | b'\n'
                    if self.depth == 0 && self.begun =>
                {
                    return Some(at);
                }
                _ => {}
            }
            self.begun = true;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufReader, Cursor};

    fn walk(text: &str) -> Walk<impl BufRead + Seek + use<>> {
        // A tiny buffer, so that everything goes over a boundary.
        Walk::new(BufReader::with_capacity(3, Cursor::new(text.as_bytes().to_vec())), 0)
    }

    #[test]
    fn values_end_where_they_end_whatever_stands_in_them() {
        for value in [
            "{}",
            "[]",
            "\"\"",
            "-1.5e3",
            "true",
            "{\"a\":[1,{\"b\":\"]}\\\"\"}]}",
            "\"\\\\\"",
            "[\"\\\"]\"]",
            "{wrong inside]",
            "\"\u{e9}\u{1f600}\"",
        ] {
            let mut walk = walk(&format!(" \n{value} , 7"));
            assert_eq!(walk.value().unwrap().unwrap(), value.as_bytes());
            assert!(walk.passes(b',').unwrap(), "{value}");
            assert_eq!(walk.value().unwrap().unwrap(), b"7", "a number may end with the file");
            assert_eq!(walk.peek().unwrap(), None);
        }
    }

    #[test]
    fn a_value_that_is_too_long_is_passed_over() {
        let mut walk = walk(&format!("[{},1]", "\"x\",".repeat(VALUE_BYTES_MAX / 4)));
        assert_eq!(walk.value().unwrap().unwrap_err().code, "element-too-long");
        assert_eq!(walk.peek().unwrap(), None);
    }

    #[test]
    fn a_value_that_is_cut_off_is_named() {
        for text in ["{\"a\":1", "\"abc", "[[]", "\"abc\\", ""] {
            assert_eq!(walk(text).value().unwrap().unwrap_err().code, "json", "{text}");
        }
    }

    #[test]
    fn keys_are_bounded_and_need_their_colon() {
        let long = "k".repeat(KEY_BYTES_MAX);
        let text = format!("\"a\\u0062\" : 1,\"{long}\":2 \"c\" 3");
        let mut walk = walk(&text);
        assert_eq!(walk.key().unwrap().as_deref(), Some("ab"));
        assert!(walk.skip().unwrap() && walk.passes(b',').unwrap());
        assert_eq!(walk.key().unwrap().as_deref(), Some(""));
        assert!(walk.skip().unwrap());
        assert_eq!(walk.key().unwrap(), None);
    }

    #[test]
    fn a_walk_can_go_back() {
        let mut walk = walk("[1,2]  \"later\"");
        assert!(walk.skip().unwrap());
        let at = walk.at();
        assert_eq!(walk.value().unwrap().unwrap(), b"\"later\"");
        walk.back_to(at).unwrap();
        assert_eq!(walk.value().unwrap().unwrap(), b"\"later\"");
    }
}
