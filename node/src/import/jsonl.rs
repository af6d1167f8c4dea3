//! A JSON object a line: its keys are the columns of a CSV file, lists may be arrays, and keys that are not known are
//! not read. Texts are taken as they stand, with the white space around them.

use serde_json::{Map, Value};

use super::fields::{Column, Fields, Said};
use super::{Fault, Item};

/// Reads a line.
///
/// # Errors
/// A [`Fault`] with the code `json`, `no-target`, `bad-field` or `control-character`.
pub fn item(text: &str) -> Result<Item, Fault> {
    of(&super::parsed(text.as_bytes())?)
}

/// Reads an object.
pub(super) fn of(object: &Map<String, Value>) -> Result<Item, Fault> {
    let mut fields = Fields::default();
    let mut target: Option<(usize, &str)> = None;
    for (key, value) in object {
        match Column::named(key) {
            None => {}
            Some(Column::Target(rank)) => {
                let text = value.as_str().map(str::trim).filter(|text| !text.is_empty());
                target = target.into_iter().chain(text.map(|text| (rank, text))).min();
            }
            Some(column) => set(&mut fields, column, key, value)?,
        }
    }
    let (_, target) =
        target.ok_or_else(|| Fault::new("no-target", "it has no target: a text under the key \"target\" is needed"))?;
    match target.chars().find(|c| c.is_control()) {
        Some(c) => Err(Fault::control(c)),
        None => Ok(Item::new(target, fields)),
    }
}

fn set(fields: &mut Fields, column: Column, key: &str, value: &Value) -> Result<(), Fault> {
    match value {
        Value::Null => Ok(()),
        Value::String(text) => fields.set(column, Said::exact(text)),
        Value::Bool(_) | Value::Number(_) => fields.set(column, Said::exact(&value.to_string())),
        Value::Array(_) if column == Column::Evidence => fields.set(column, Said::exact(&value.to_string())),
        Value::Array(values) if matches!(column, Column::Category | Column::Handling) => {
            values.iter().try_for_each(|value| match value {
                Value::String(text) => fields.set(column, Said::exact(text)),
                _ => Err(bad(key)),
            })
        }
        Value::Array(_) | Value::Object(_) => Err(bad(key)),
    }
}

fn bad(key: &str) -> Fault {
    Fault::new(
        "bad-field",
        format!("the value of {key:?} has the wrong type: a text, a number or a list of texts is meant"),
    )
}
