//! MISP attributes as what they ask for (MISP core format, `draft-dulaunoy-misp-core-format`).
//!
//! | attribute type | becomes |
//! |---|---|
//! | `url`, `uri` | `url:`; a `uri` without a scheme is refused like any such url |
//! | `domain`, `hostname`, `hostname|port`, `domain|ip` | `domain:`, without the port or the address that it had |
//! | `ip-dst`, `ip-src`, `ip-dst|port`, `ip-src|port` | `ip:`, without the port |
//! | `sha256`, `filename|sha256` | `file:sha256:` |
//! | `text` with a tag `entente:type` | the target as an own export wrote it |
//! | anything else, `link` too | nothing, and it is told |
//!
//! An attribute that is deleted, itself or with its object, is not taken, nor one whose `to_ids` is false unless that is
//! asked for: it is context, and MISP itself would not block it. The attribute's comment becomes the description; where
//! it has none, that of its object; else the event's info. Tags `tlp:*` of the attribute count, or where it has none those
//! of its event. Tags of own exports (`entente:category="incites"`, `entente:handling="H1"`, `entente:basis="..."`) are
//! read back.

use entente_proto::wire::Tlp;
use serde_json::{Map, Value};

use super::fields::{Column, Fields, Said};
use super::{Fault, Item, tlp, typed_url};
use crate::cli::words::clip;

/// What stands around an attribute.
#[derive(Debug, Clone, Default)]
pub(super) struct Context {
    /// The event's info, or the object's comment.
    pub(super) description: String,
    /// The strictest of its TLP tags.
    pub(super) tlp: Option<Tlp>,
    /// Whether it was deleted.
    pub(super) deleted: bool,
}

impl Context {
    /// What stands around an attribute of an object in this.
    pub(super) fn with(&self, inner: &Self) -> Self {
        let description = if inner.description.is_empty() { &self.description } else { &inner.description };
        Self { description: description.clone(), tlp: inner.tlp.or(self.tlp), deleted: self.deleted || inner.deleted }
    }

    /// Takes over a key of an event or object; `false` where it is none that counts.
    pub(super) fn wants(key: &str) -> bool {
        matches!(key, "info" | "comment" | "Tag" | "deleted")
    }

    /// Takes over the value of a key that it [wants](Self::wants).
    pub(super) fn take(&mut self, key: &str, value: &Value) {
        match key {
            "info" | "comment" => self.description = value.as_str().unwrap_or_default().trim().to_owned(),
            "Tag" => self.tlp = tlp::strictest(self.tlp.into_iter().chain(names(Some(value)).filter_map(tlp::of_tag))),
            "deleted" => self.deleted = is_true(value),
            _ => {}
        }
    }
}

/// Reads an attribute: its UUID and what it asks for.
pub(super) fn attribute(raw: &[u8], around: &Context, all: bool) -> (String, Result<Item, Fault>) {
    match super::parsed(raw) {
        Ok(attribute) => {
            let id = attribute.get("uuid").and_then(Value::as_str).unwrap_or_default();
            (id.to_owned(), read(&attribute, around, all))
        }
        Err(fault) => (String::new(), Err(fault)),
    }
}

fn read(attribute: &Map<String, Value>, around: &Context, all: bool) -> Result<Item, Fault> {
    let text = |key: &str| attribute.get(key).and_then(Value::as_str).map(str::trim).unwrap_or_default();
    let tags = || names(attribute.get("Tag"));
    let target = target(text("type"), text("value"), tags().any(|tag| tag.starts_with("entente:type=")))?;
    if around.deleted || attribute.get("deleted").is_some_and(is_true) {
        return Err(Fault::new("deleted", "it was deleted"));
    }
    if !all && attribute.get("to_ids").is_some_and(|value| !is_true(value)) {
        return Err(Fault::new("to-ids", "its to_ids is false, so it is context and no indicator; --all takes it too"));
    }
    let mut fields = Fields::default();
    let mut exported = false;
    for tag in tags() {
        let Some((name, value)) = tag.strip_prefix("entente:").and_then(|tag| tag.split_once('=')) else { continue };
        let column = match name {
            "category" => Column::Category,
            "handling" => Column::Handling,
            "basis" => Column::Basis,
            _ => continue,
        };
        exported |= column == Column::Category;
        fields.set(column, Said::typed(value.trim_matches('"')))?;
    }
    let info = attribute.get("Event").and_then(|event| event.get("info")).and_then(Value::as_str).unwrap_or_default();
    let comment = attribute.get("comment").and_then(Value::as_str).unwrap_or_default();
    let description = match (comment.trim(), around.description.as_str()) {
        // What an own export says of nothing has no description.
        _ if exported => return finish(target, fields, Said::exact(&super::prose(comment)), tags(), around),
        ("", "") => info,
        ("", around) => around,
        (comment, _) => comment,
    };
    finish(target, fields, Said::typed(&super::prose(description)), tags(), around)
}

fn finish<'a>(
    target: String,
    mut fields: Fields,
    description: Said<'_>,
    tags: impl Iterator<Item = &'a str>,
    around: &Context,
) -> Result<Item, Fault> {
    fields.set(Column::Description, description)?;
    fields.tlp = tlp::strictest(tags.filter_map(tlp::of_tag)).or(around.tlp);
    Ok(Item::new(target, fields))
}

fn target(kind: &str, value: &str, exported: bool) -> Result<String, Fault> {
    if value.is_empty() {
        return Err(Fault::new("no-target", "it has no value"));
    }
    let first = value.split('|').next().unwrap_or_default();
    Ok(match kind {
        "url" | "uri" => typed_url(value),
        "domain" | "hostname" | "hostname|port" | "domain|ip" => format!("domain:{first}"),
        "ip-dst" | "ip-src" | "ip-dst|port" | "ip-src|port" => format!("ip:{first}"),
        "sha256" => format!("file:sha256:{value}"),
        "filename|sha256" => format!("file:sha256:{}", value.rsplit('|').next().unwrap_or_default()),
        "text" if exported => value.to_owned(),
        "" => return Err(Fault::new("no-type", "it has no type: every MISP attribute has one")),
        kind => {
            return Err(Fault::new("type", format!("an attribute of the type {:?} names no target", clip(kind))));
        }
    })
}

/// The names of tags.
fn names(tags: Option<&Value>) -> impl Iterator<Item = &str> {
    let tags = tags.and_then(Value::as_array).into_iter().flatten();
    tags.filter_map(|tag| tag.get("name").and_then(Value::as_str))
}

/// MISP writes booleans as such, as numbers and as texts.
fn is_true(value: &Value) -> bool {
    match value {
        Value::Bool(value) => *value,
        Value::Number(number) => number.as_u64() != Some(0),
        Value::String(text) => !matches!(text.as_str(), "" | "0" | "false" | "False"),
        _ => false,
    }
}
