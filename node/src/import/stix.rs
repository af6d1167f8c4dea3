//! STIX 2.1 objects as what they ask for.
//!
//! | object | becomes |
//! |---|---|
//! | `indicator` with `pattern_type` `stix` | a referral for each target that its [pattern](super::pattern) names |
//! | `indicator` of an own export | the referral that its extension holds, whole |
//! | `url`, `domain-name`, `ipv4-addr`, `ipv6-addr`, `file` with a SHA-256 | a referral each |
//! | `indicator` with `revoked` | nothing, and it is told, for each target that it names, with the unit's own referral of it |
//! | `indicator` whose only type is `benign` | nothing, and it is told |
//! | `sighting` | an [observation](super::sightings) for who asks for that, else nothing, and it is told |
//! | anything else | nothing; it is counted |
//!
//! Of an indicator are read: its name and description (as the description, the name in the line above), TLP markings 1.0
//! and 2.0, those of parts too (the strictest counts), and `valid_until` (as the day on which to look at it again).
//! Everything else has no field in a referral.

use std::collections::VecDeque;

use serde_json::{Map, Value};

use super::fields::{Column, Fields, Said};
use super::sightings::{Seen, Sighting};
use super::{Fault, Item, jsonl, pattern, tlp, typed_url};
use crate::export::ids::EXTENSION;
use crate::export::stix::pattern as pattern_of;

/// What an object asks for.
///
/// An object of 1 MiB may name thousands of targets beside a long description, so what it says of them is kept once.
#[derive(Default)]
pub(super) struct Object {
    /// Its id, as far as it has one.
    pub(super) id: String,
    /// What it says of each of its targets.
    pub(super) fields: Fields,
    /// Its targets, and why others were not taken; nothing where it is of a kind that asks for nothing.
    pub(super) targets: VecDeque<Result<String, Fault>>,
    /// That another object's targets were seen; for a sighting.
    pub(super) sighting: Option<Sighting>,
    /// How its targets were seen, instead of a referral of them.
    pub(super) seen: Option<Seen>,
}

impl Object {
    /// Tells that a sighting was passed over.
    pub(super) fn not_asked_for(&mut self) {
        if self.sighting.take().is_some() {
            let words = "a sighting is no referral; --sightings takes it as an observation";
            self.targets = [Err(Fault::new("sighting", words))].into();
        }
    }
}

/// Reads an object.
pub(super) fn object(raw: &[u8]) -> Object {
    let object: Map<String, Value> = match super::parsed(raw) {
        Ok(object) => object,
        Err(fault) => return Object { targets: [Err(fault)].into(), ..Object::default() },
    };
    let text = |key: &str| object.get(key).and_then(Value::as_str).unwrap_or_default();
    let read = match text("type") {
        "" => Err(Fault::new("no-type", "it has no type: every STIX object has one")),
        "indicator" => indicator(&object),
        "sighting" => Sighting::of(&object).map(|sighting| Object { sighting: Some(sighting), ..Object::default() }),
        "url" => observable(&object, typed_url(text("value"))),
        "domain-name" => observable(&object, format!("domain:{}", text("value"))),
        "ipv4-addr" | "ipv6-addr" => observable(&object, format!("ip:{}", text("value"))),
        "file" => match sha256(&object) {
            Some(hash) => observable(&object, format!("file:sha256:{hash}")),
            None => Err(Fault::new("no-sha256", "the file has no SHA-256: other hashes do not tell files apart")),
        },
        _ => Ok(Object::default()),
    };
    let read = read.unwrap_or_else(|fault| Object { targets: [Err(fault)].into(), ..Object::default() });
    Object { id: text("id").to_owned(), ..read }
}

fn indicator(object: &Map<String, Value>) -> Result<Object, Fault> {
    let text = |key: &str| object.get(key).and_then(Value::as_str).unwrap_or_default();
    if object.get("revoked") == Some(&Value::Bool(true)) {
        return Ok(Object { targets: revoked(text("pattern")), ..Object::default() });
    }
    if texts(object.get("indicator_types")).eq(["benign"]) {
        return Err(Fault::new("benign", "its author says that what it names is harmless"));
    }
    if !matches!(text("pattern_type"), "" | "stix") {
        let language = crate::cli::words::clip(text("pattern_type"));
        return Err(Fault::new(
            "pattern-type",
            format!("its pattern is in the language {language:?}; only \"stix\" is read"),
        ));
    }
    if let Some(Value::Object(own)) = object.get("extensions").and_then(|extensions| extensions.get(EXTENSION)) {
        let item = own_export(own, text("pattern"))?;
        return Ok(Object { fields: item.fields, targets: [Ok(item.target)].into(), ..Object::default() });
    }
    let named = pattern::named(text("pattern"))?;
    let unread = named.unread.into_iter().map(|part| {
        Err(Fault::new("pattern-part", format!("a part of its pattern names no target and was left out: {part}")))
    });
    let targets = named.targets.into_iter().map(Ok).chain(unread).collect();
    Ok(Object { fields: fields(object)?, targets, ..Object::default() })
}

/// What an indicator named that its author took back: a fault each.
fn revoked(pattern: &str) -> VecDeque<Result<String, Fault>> {
    let fault = |taken_back| Err(Fault { taken_back, ..Fault::new("revoked", "its author took it back") });
    match pattern::named(pattern) {
        Ok(named) if !named.targets.is_empty() => named.targets.into_iter().map(|target| fault(Some(target))).collect(),
        _ => [fault(None)].into(),
    }
}

/// A referral as this program exported it. Its pattern is what other programs read, so both must name the same.
fn own_export(extension: &Map<String, Value>, pattern: &str) -> Result<Item, Fault> {
    let item = jsonl::of(extension)?;
    let target = item.target.parse().map_err(|e| {
        Fault::new("bad-field", format!("the target in its extension is not one in canonical form: {e}"))
    })?;
    if pattern_of(&target) != pattern {
        return Err(Fault::new("extension", "its extension names another target than its pattern: it was changed"));
    }
    Ok(item)
}

fn observable(object: &Map<String, Value>, target: String) -> Result<Object, Fault> {
    if target.ends_with(':') {
        return Err(Fault::new("no-target", "it has no value"));
    }
    let mut fields = Fields::default();
    marking(object, &mut fields);
    Ok(Object { fields, targets: [Ok(target)].into(), ..Object::default() })
}

fn fields(object: &Map<String, Value>) -> Result<Fields, Fault> {
    let text = |key: &str| object.get(key).and_then(Value::as_str).map(str::trim).unwrap_or_default();
    let mut fields = Fields::default();
    let description = match (text("name"), text("description")) {
        (name, "") => name.to_owned(),
        (name, description) if name.is_empty() || name == description => description.to_owned(),
        (name, description) => format!("{name}\n{description}"),
    };
    fields.set(Column::Description, Said::typed(&super::prose(&description)))?;
    fields.set(Column::ReviewBy, Said::typed(text("valid_until")))?;
    marking(object, &mut fields);
    Ok(fields)
}

fn marking(object: &Map<String, Value>, fields: &mut Fields) {
    let whole = texts(object.get("object_marking_refs"));
    let parts = object.get("granular_markings").and_then(Value::as_array).into_iter().flatten();
    let parts = parts.filter_map(|part| part.get("marking_ref").and_then(Value::as_str));
    fields.tlp = tlp::strictest(whole.chain(parts).filter_map(tlp::of_marking));
}

fn sha256(object: &Map<String, Value>) -> Option<&str> {
    object.get("hashes")?.get("SHA-256")?.as_str()
}

fn texts(value: Option<&Value>) -> impl Iterator<Item = &str> {
    value.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}
