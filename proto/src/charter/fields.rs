//! Reading a TOML table strictly: every key once, of its type, and no key besides.

use toml::{Table, Value};

use super::error::{CharterError, Fault, Place};

/// The keys of a table that have not been read yet.
pub(super) struct Fields {
    pub(super) place: Place,
    table: Table,
}

/// Refuses what TOML 1.1 reads otherwise than 1.0, wherever it stands: two readers must never differ about a text that
/// both verify. The later version has the escapes `\e` and `\xHH`, and line feeds within braces.
fn check_versions_agree(text: &str) -> Result<(), CharterError> {
    for (index, line) in text.split('\n').enumerate() {
        if let Some(found) = ["{", "}", "\\e", "\\x"].into_iter().find(|part| line.contains(part)) {
            return Err(CharterError::Ambiguous { line: index.saturating_add(1), found });
        }
    }
    Ok(())
}

impl Fields {
    /// Parses a whole text.
    pub(super) fn parse(text: &str) -> Result<Self, CharterError> {
        check_versions_agree(text)?;
        let table = toml::from_str(text).map_err(|error: toml::de::Error| {
            let line = error.span().and_then(|span| text.get(..span.start)).map(|before| before.matches('\n').count());
            match line {
                Some(before) => {
                    CharterError::Toml(format!("line {}: {}", before.saturating_add(1), error.message().trim()))
                }
                None => CharterError::Toml(error.message().trim().into()),
            }
        })?;
        Ok(Self { place: Place::Top, table })
    }

    /// The fault of a key in this table.
    pub(super) fn fault(&self, key: &str, fault: Fault) -> CharterError {
        CharterError::Key { place: self.place.clone(), key: key.into(), fault }
    }

    pub(super) fn text(&mut self, key: &'static str) -> Result<String, CharterError> {
        match self.table.remove(key) {
            Some(Value::String(text)) => Ok(text),
            Some(_) => Err(self.fault(key, Fault::NotA("a string"))),
            None => Err(self.fault(key, Fault::Missing)),
        }
    }

    /// A string that may be left out, which is the same as `""`.
    pub(super) fn text_or_empty(&mut self, key: &'static str) -> Result<String, CharterError> {
        if self.table.contains_key(key) { self.text(key) } else { Ok(String::new()) }
    }

    pub(super) fn number(&mut self, key: &'static str, least: u32) -> Result<u32, CharterError> {
        match self.table.remove(key) {
            Some(Value::Integer(value)) => u32::try_from(value)
                .ok()
                .filter(|number| *number >= least)
                .ok_or_else(|| self.fault(key, Fault::Range(value, least, u32::MAX))),
            Some(_) => Err(self.fault(key, Fault::NotA("a whole number"))),
            None => Err(self.fault(key, Fault::Missing)),
        }
    }

    pub(super) fn optional_number(&mut self, key: &'static str) -> Result<Option<u32>, CharterError> {
        if self.table.contains_key(key) { self.number(key, 0).map(Some) } else { Ok(None) }
    }

    pub(super) fn texts(&mut self, key: &'static str) -> Result<Vec<String>, CharterError> {
        let wrong = Fault::NotA("a list of strings");
        match self.table.remove(key) {
            Some(Value::Array(values)) => values
                .into_iter()
                .map(|value| if let Value::String(text) = value { Some(text) } else { None })
                .collect::<Option<_>>()
                .ok_or_else(|| self.fault(key, wrong)),
            Some(_) => Err(self.fault(key, wrong)),
            None => Err(self.fault(key, Fault::Missing)),
        }
    }

    pub(super) fn optional_texts(&mut self, key: &'static str) -> Result<Vec<String>, CharterError> {
        if self.table.contains_key(key) { self.texts(key) } else { Ok(Vec::new()) }
    }

    /// The tables `[[key]]`; none if there are none.
    pub(super) fn tables(&mut self, key: &'static str) -> Result<Vec<Self>, CharterError> {
        let wrong = Fault::NotA("written as [[unit]] tables");
        let values = match self.table.remove(key) {
            Some(Value::Array(values)) => values,
            Some(_) => return Err(self.fault(key, wrong)),
            None => Vec::new(),
        };
        let mut out = Vec::with_capacity(values.len());
        for (index, value) in values.into_iter().enumerate() {
            let Value::Table(table) = value else { return Err(self.fault(key, wrong)) };
            out.push(Self { place: Place::UnitNumber(index.saturating_add(1)), table });
        }
        Ok(out)
    }

    /// Nothing may be left unread.
    pub(super) fn end(self) -> Result<(), CharterError> {
        match self.table.keys().next() {
            Some(key) => Err(self.fault(&key.chars().take(80).collect::<String>(), Fault::Unknown)),
            None => Ok(()),
        }
    }
}
