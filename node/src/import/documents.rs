//! STIX and MISP documents of any size, an element at a time.
//!
//! # What is found in them
//!
//! STIX: a bundle, or anything with a list `objects`, such as a TAXII answer; a single object; an array of them. MISP: an
//! event with or without its `Event`, an array of them, `{"response": ...}` of either. A file may hold several
//! documents one after another. Whatever else stands in them is passed over.
//!
//! # Why MISP is read twice
//!
//! A MISP event may put its `info` and its tags, TLP among them, after its attributes. So when the first attribute of an
//! event or object comes, the walk looks through the rest of it for these, and then goes back: no event is ever held in
//! memory, each byte of an attribute is read two or three times, and the input must be one that can be gone back in. What
//! cannot (stdin, UTF-16) is first written to a temporary file without a name, in `TMPDIR`.
//!
//! # Faults
//!
//! An element that cannot be read is named with its path, such as `Event.Attribute[3]`, and its id if it has one, and the
//! rest goes on. Where the JSON around the elements is broken, so that nobody can say what follows, the document ends
//! there with the code `json`.
//!
//! Limits: those of [`json`](super::json); events and objects nest at most [`FRAMES_MAX`] deep.

use std::io::{self, BufReader, Read, Seek};

use serde_json::Value;

use super::json::Walk;
use super::misp::{self, Context};
use super::sightings::Sightings;
use super::{Fault, Format, Item, Line, Options, stix};

/// How deep what is walked into may nest.
pub const FRAMES_MAX: usize = 12;

/// What can be read from any place.
pub trait Seekable: Read + Seek + Send {}

impl<T: Read + Seek + Send> Seekable for T {}

/// What the walk is in.
#[derive(Debug)]
enum Room {
    /// An array of documents: bundles, events, or what holds an event.
    Documents,
    /// A STIX bundle.
    Bundle,
    /// An array of STIX objects or of MISP attributes.
    Elements,
    /// A MISP event, or what holds one: where its keys begin, and what they say once somebody wanted to know.
    Event(u64, Option<Context>),
    /// An array of MISP objects.
    Objects,
    /// A MISP object, as an event.
    Object(u64, Option<Context>),
}

#[derive(Debug)]
struct Frame {
    room: Room,
    /// Its name in the path.
    name: &'static str,
    /// Elements of an array so far.
    count: u64,
}

/// Reads documents.
pub(super) struct Documents<'a> {
    walk: Walk<BufReader<Box<dyn Seekable + 'a>>>,
    format: Format,
    all: bool,
    sightings: Option<Sightings>,
    frames: Vec<Frame>,
    ready: Option<Line>,
    /// The STIX object whose targets are given out one by one, and its path.
    open: Option<(String, stix::Object)>,
    documents: u64,
    elements: u64,
    others: u64,
    ended: bool,
}

impl<'a> Documents<'a> {
    /// From where the input stands, `at` bytes from its beginning.
    pub(super) fn new(input: Box<dyn Seekable + 'a>, at: u64, format: Format, options: Options) -> Self {
        Self {
            walk: Walk::new(BufReader::with_capacity(64 << 10, input), at),
            format,
            all: options.all,
            sightings: options.sightings.then(Sightings::default),
            frames: Vec::new(),
            ready: None,
            open: None,
            documents: 0,
            elements: 0,
            others: 0,
            ended: false,
        }
    }

    pub(super) const fn format(&self) -> Format {
        self.format
    }

    /// Objects of kinds that ask for nothing, so far.
    pub(super) const fn others(&self) -> u64 {
        self.others
    }

    /// The next element's next item.
    pub(super) fn read(&mut self) -> io::Result<Option<Line>> {
        loop {
            if let Some(line) = self.ready.take().or_else(|| self.next_target()) {
                return Ok(Some(line));
            }
            if self.ended {
                return Ok(None);
            }
            self.step()?;
        }
    }

    fn next_target(&mut self) -> Option<Line> {
        let (path, object) = self.open.as_mut()?;
        let content = object.targets.pop_front();
        let content = content.map(|target| {
            target.map(|target| Item { target, fields: object.fields.clone(), seen: object.seen.clone() })
        });
        let line = content.map(|content| Line { number: self.elements, path: Some(path.clone()), content });
        if line.is_none() {
            self.open = None;
        }
        line
    }

    /// Goes on by a value, a key or a sign: at least a byte.
    fn step(&mut self) -> io::Result<()> {
        let Some(next) = self.walk.peek()? else {
            self.ended = true;
            if !self.frames.is_empty() {
                self.broken("the file ends in the middle: it was cut off");
            }
            return Ok(());
        };
        let Some(frame) = self.frames.last() else {
            self.documents = self.documents.saturating_add(1);
            return self.document(next, "");
        };
        let array = matches!(frame.room, Room::Documents | Room::Elements | Room::Objects);
        match next {
            b']' if array => self.leave(),
            b'}' if !array => self.leave(),
            b',' => self.walk.pass(),
            b'"' if !array => return self.key(),
            b'{' | b'[' | b'"' | b'-' | b'0'..=b'9' | b'a'..=b'z' if array => return self.element(next),
            byte => {
                self.broken(&format!("{:?} stands where it cannot", char::from(byte)));
            }
        }
        Ok(())
    }

    fn leave(&mut self) {
        self.walk.pass();
        self.frames.pop();
    }

    fn element(&mut self, next: u8) -> io::Result<()> {
        let Some(frame) = self.frames.last_mut() else { return Ok(()) };
        frame.count = frame.count.saturating_add(1);
        match frame.room {
            Room::Documents => self.document(next, ""),
            Room::Objects if next == b'{' => self.enter("", |at| Room::Object(at, None)),
            _ => self.leaf(),
        }
    }

    /// A whole document, or an element of an array of them.
    fn document(&mut self, next: u8, name: &'static str) -> io::Result<()> {
        match (next, self.format) {
            (b'[', _) => self.enter(name, |_| Room::Documents),
            (b'{', Format::Misp) => self.enter(name, |at| Room::Event(at, None)),
            (b'{', _) if self.is_bundle()? => self.enter(name, |_| Room::Bundle),
            (byte, _) if byte != b'{' && self.frames.is_empty() => {
                self.broken("an object or an array of objects is meant here");
                Ok(())
            }
            _ => self.leaf(),
        }
    }

    /// Whether the STIX object that comes next holds others.
    fn is_bundle(&mut self) -> io::Result<bool> {
        let at = self.walk.at();
        self.walk.pass();
        let mut bundle = false;
        while let Some(key) = self.walk.key()? {
            match key.as_str() {
                "objects" => bundle = true,
                "type" => {
                    bundle = self.walk.value()?.is_ok_and(|value| value == b"\"bundle\"");
                }
                _ => {
                    self.walk.skip()?;
                    self.walk.passes(b',')?;
                    continue;
                }
            }
            break;
        }
        self.walk.back_to(at)?;
        Ok(bundle)
    }

    fn key(&mut self) -> io::Result<()> {
        let Some(key) = self.walk.key()? else {
            self.broken("a key or its colon is missing");
            return Ok(());
        };
        let next = self.walk.peek()?.unwrap_or_default();
        match (self.frames.last().map(|frame| &frame.room), key.as_str(), next) {
            (Some(Room::Bundle), "objects", b'[') => self.enter("objects", |_| Room::Elements),
            (Some(Room::Event(..)), "Event", b'{' | b'[') => self.document(next, "Event"),
            (Some(Room::Event(..)), "response", b'{' | b'[') => self.document(next, "response"),
            (Some(Room::Event(..) | Room::Object(..)), "Attribute", b'{' | b'[') => {
                self.look_around()?;
                if next == b'[' { self.enter("Attribute", |_| Room::Elements) } else { self.leaf() }
            }
            (Some(Room::Event(..)), "Object", b'[') => {
                self.look_around()?;
                self.enter("Object", |_| Room::Objects)
            }
            (Some(Room::Event(..)), "Object", b'{') => {
                self.look_around()?;
                self.enter("Object", |at| Room::Object(at, None))
            }
            _ => {
                if next != b',' && next != b'}' {
                    self.walk.skip()?;
                }
                Ok(())
            }
        }
    }

    /// Goes into the object or array that comes next.
    fn enter(&mut self, name: &'static str, room: impl FnOnce(u64) -> Room) -> io::Result<()> {
        if self.frames.len() >= FRAMES_MAX {
            self.walk.skip()?;
            self.put(String::new(), Err(Fault::new("too-deep", format!("it nests more than {FRAMES_MAX} deep"))));
            return Ok(());
        }
        self.walk.pass();
        self.frames.push(Frame { room: room(self.walk.at()), name, count: 0 });
        Ok(())
    }

    /// Learns what the event or object says around its attributes, wherever in it that stands.
    fn look_around(&mut self) -> io::Result<()> {
        let Some(Room::Event(begun, None) | Room::Object(begun, None)) = self.frames.last().map(|frame| &frame.room)
        else {
            return Ok(());
        };
        let at = self.walk.at();
        self.walk.back_to(*begun)?;
        let mut found = Context::default();
        while let Some(key) = self.walk.key()? {
            if !Context::wants(&key) {
                self.walk.skip()?;
            } else if let Ok(value) = self.walk.value()? {
                found.take(&key, &serde_json::from_slice::<Value>(&value).unwrap_or_default());
            }
            if !self.walk.passes(b',')? {
                break;
            }
        }
        self.walk.back_to(at)?;
        if let Some(Room::Event(_, context) | Room::Object(_, context)) =
            self.frames.last_mut().map(|frame| &mut frame.room)
        {
            *context = Some(found);
        }
        Ok(())
    }

    /// An element that is taken out whole.
    fn leaf(&mut self) -> io::Result<()> {
        self.elements = self.elements.saturating_add(1);
        match (self.walk.value()?, self.format) {
            (Err(fault), _) => self.put(String::new(), Err(fault)),
            (Ok(raw), Format::Misp) => {
                let none = Context::default();
                let around = self.frames.iter().filter_map(|frame| match &frame.room {
                    Room::Event(_, context) | Room::Object(_, context) => context.as_ref(),
                    _ => None,
                });
                let around = around.fold(none, |outer, inner| outer.with(inner));
                let (id, content) = misp::attribute(&raw, &around, self.all);
                self.put(id, content);
            }
            (Ok(raw), _) => {
                let mut object = stix::object(&raw);
                match &mut self.sightings {
                    Some(sightings) => sightings.settle(&mut object),
                    None => object.not_asked_for(),
                }
                if object.targets.is_empty() {
                    self.others = self.others.saturating_add(1);
                }
                self.open = Some((self.path_of(&object.id), object));
            }
        }
        Ok(())
    }

    fn put(&mut self, id: String, content: Result<Item, Fault>) {
        self.ready = Some(Line { number: self.elements, path: Some(self.path_of(&id)), content });
    }

    /// The JSON around the elements is broken: nobody can say what follows.
    fn broken(&mut self, what: &str) {
        self.ended = true;
        let words = format!("{what} (byte {}): nothing after it was read", self.walk.at());
        self.put(String::new(), Err(Fault::new("json", words)));
    }

    fn path_of(&self, id: &str) -> String {
        let path = self.path();
        if id.is_empty() { path } else { format!("{path} {}", crate::cli::words::clip(id)) }
    }

    /// Where the walk is, such as `response[0].Event.Attribute[3]`.
    fn path(&self) -> String {
        let mut path = String::new();
        if self.documents > 1 {
            path.push_str(&format!("document {} ", self.documents));
        }
        for frame in &self.frames {
            if !frame.name.is_empty() {
                if !path.is_empty() && !path.ends_with(' ') {
                    path.push('.');
                }
                path.push_str(frame.name);
            }
            if let (true, Some(index)) =
                (matches!(frame.room, Room::Documents | Room::Elements | Room::Objects), frame.count.checked_sub(1))
            {
                path.push_str(&format!("[{index}]"));
            }
        }
        if path.is_empty() { "the document".to_owned() } else { path }
    }
}

/// Whether the beginning of a file is that of a STIX or MISP document.
pub(super) fn sniff(head: &[u8]) -> Option<Format> {
    let mut walk = Walk::new(head, 0);
    // Reading from memory does not fail.
    if walk.peek().ok()? == Some(b'[') {
        walk.pass();
    }
    if !walk.passes(b'{').ok()? {
        return None;
    }
    while let Some(key) = walk.key().ok()? {
        match key.as_str() {
            "target" => return None,
            "objects" | "spec_version" => return Some(Format::Stix),
            "Event"
            | "response"
            | "Attribute"
            | "Object"
            | "Galaxy"
            | "Org"
            | "Orgc"
            | "RelatedEvent"
            | "ShadowAttribute"
            | "EventReport"
            | "threat_level_id"
            | "orgc_id"
            | "org_id"
            | "publish_timestamp"
            | "event_creator_email"
            | "attribute_count" => return Some(Format::Misp),
            "type" | "id" => {
                let value = walk.value().ok()?.ok()?;
                let text: String = serde_json::from_slice(&value).unwrap_or_default();
                if text == "bundle" || text.split_once("--").is_some_and(|(_, id)| id.len() == 36) {
                    return Some(Format::Stix);
                }
            }
            _ => {
                walk.skip().ok()?;
            }
        }
        if !walk.passes(b',').ok()? {
            return None;
        }
    }
    None
}

#[cfg(test)]
mod tests;
