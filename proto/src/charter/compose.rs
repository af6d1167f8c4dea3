//! Writing: the description that a unit hands out, and the text of a first charter made of such descriptions.

use std::collections::BTreeSet;

use super::error::{CharterError, Fault, Place};
use super::fields::Fields;
use super::pem;
use super::text::{self, Unit};
use super::verify::UnverifiedCharter;
use crate::hash::Hash;
use crate::ids::{NetworkName, UnitId};
use crate::note::VerifierKey;

/// The version of the fold that a charter composed by this release names.
const FOLD: u32 = 1;

/// What a unit tells about itself, to be put into a charter: what `unit.toml` holds. No secret is in it.
///
/// The text is TOML under the rules of a charter's text, of `network` and exactly one `[[unit]]` table:
/// ```toml
/// network = "takedown.example"
///
/// [[unit]]
/// id = "BE"
/// # ... as in a charter
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnitDescription {
    network: NetworkName,
    unit: Unit,
}

/// What [`UnitDescription::new`] is made of; nothing in it is checked yet.
#[derive(Debug, Clone)]
pub struct UnitDraft {
    /// The unit's id.
    pub id: UnitId,
    /// Its full name.
    pub name: String,
    /// Its charter key.
    pub charter_key: VerifierKey,
    /// Its log key.
    pub log_key: VerifierKey,
    /// Its mirror key.
    pub mirror_key: VerifierKey,
    /// Its CA certificates: DER.
    pub ca: Vec<Vec<u8>>,
    /// Its addresses: `host:port`.
    pub addresses: Vec<String>,
}

impl UnitDescription {
    /// Describes a unit, under all the rules that a charter would hold it to.
    ///
    /// # Errors
    /// The rule that the draft breaks.
    pub fn new(network: NetworkName, draft: UnitDraft) -> Result<Self, CharterError> {
        let UnitDraft { id, name, charter_key, log_key, mirror_key, ca, addresses } = draft;
        let unit = Unit { id, name, charter_key, log_key, mirror_key, ca, addresses, base: None };
        // One place knows the rules: the parser.
        Self::parse(Self { network, unit }.to_toml().as_bytes())
    }

    /// Reads a description.
    ///
    /// # Errors
    /// Any fault of the text, as for a charter; and a base, which only a charter can give.
    pub fn parse(bytes: &[u8]) -> Result<Self, CharterError> {
        let mut fields = Fields::parse(text::check_characters(bytes)?)?;
        let network = text::network(&mut fields)?;
        let mut tables = fields.tables("unit")?;
        let count = tables.len();
        let (Some(table), 1) = (tables.pop(), count) else { return Err(CharterError::NotOneUnit(count)) };
        fields.end()?;
        let unit = Unit::parse(table, &network)?;
        if unit.base.is_some() {
            let place = Place::Unit(unit.id);
            return Err(CharterError::Key { place, key: "base".into(), fault: Fault::BaseOfFirst });
        }
        Ok(Self { network, unit })
    }

    /// Writes the description. The same description always gives the same text.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let mut out = String::from("# Hand this file to whoever composes the charter. It holds no secret.\n");
        entry(&mut out, "network", &quoted(self.network.as_str()));
        write_unit(&mut out, &self.unit);
        out
    }

    /// The network.
    #[must_use]
    pub fn network(&self) -> &NetworkName {
        &self.network
    }

    /// The unit.
    #[must_use]
    pub fn unit(&self) -> &Unit {
        &self.unit
    }
}

impl UnverifiedCharter {
    /// Composes version 1 from the descriptions of all its units, with no signature yet. Units stand in the order of their
    /// ids, so the same descriptions give the same text, in whatever order they are named.
    ///
    /// # Errors
    /// Descriptions of different networks, and any rule of the text that the whole breaks: a unit or a key twice, a quorum
    /// out of its range.
    pub fn compose(units: &[UnitDescription], quorum: Option<u32>) -> Result<Self, CharterError> {
        let Some(first) = units.first() else { return Err(CharterError::NoUnits) };
        if let Some(other) = units.iter().find(|unit| unit.network != first.network) {
            return Err(CharterError::OtherNetwork {
                unit: other.unit.id.clone(),
                found: other.network.to_string(),
                expected: first.network.to_string(),
            });
        }
        let mut sorted: Vec<&Unit> = units.iter().map(UnitDescription::unit).collect();
        sorted.sort_by(|a, b| a.id.cmp(&b.id));
        let mut text = Text::begin(&first.network, 1, None);
        text.terms(FOLD, quorum, &BTreeSet::new());
        sorted.into_iter().for_each(|unit| text.unit(unit));
        text.parse()
    }
}

/// A text that is being written, in the order of the design's example.
pub(super) struct Text(String);

impl Text {
    pub(super) fn begin(network: &NetworkName, version: u32, previous: Option<Hash>) -> Self {
        let mut out = String::new();
        entry(&mut out, "network", &quoted(network.as_str()));
        entry(&mut out, "version", &version.to_string());
        entry(&mut out, "previous", &quoted(&previous.map(|digest| digest.to_string()).unwrap_or_default()));
        Self(out)
    }

    pub(super) fn continues(&mut self, digest: &Hash) {
        entry(&mut self.0, "continues", &quoted(&digest.to_string()));
    }

    pub(super) fn terms(&mut self, fold: u32, quorum: Option<u32>, revoked: &BTreeSet<Hash>) {
        entry(&mut self.0, "fold", &fold.to_string());
        if let Some(quorum) = quorum {
            entry(&mut self.0, "quorum", &quorum.to_string());
        }
        let keys: Vec<String> = revoked.iter().map(|key| quoted(&key.to_string())).collect();
        let list = if keys.is_empty() { "[]".into() } else { format!("[\n    {},\n]", keys.join(",\n    ")) };
        entry(&mut self.0, "revoked", &list);
    }

    pub(super) fn unit(&mut self, unit: &Unit) {
        write_unit(&mut self.0, unit);
    }

    /// One place knows the rules: the parser.
    pub(super) fn parse(self) -> Result<UnverifiedCharter, CharterError> {
        UnverifiedCharter::parse(self.0.as_bytes())
    }
}

fn write_unit(out: &mut String, unit: &Unit) {
    out.push_str("\n[[unit]]\n");
    entry(out, "id", &quoted(unit.id.as_str()));
    entry(out, "name", &quoted(&unit.name));
    entry(out, "charter_key", &quoted(&unit.charter_key.to_string()));
    entry(out, "log_key", &quoted(&unit.log_key.to_string()));
    entry(out, "mirror_key", &quoted(&unit.mirror_key.to_string()));
    // TOML drops a line feed that follows the opening quotes. A PEM block needs no escapes.
    let roots: Vec<String> = unit.ca.iter().map(|der| format!("\"\"\"\n{}\"\"\"", pem::encode(der))).collect();
    entry(out, "ca", &format!("[{}]", roots.join(", ")));
    let addresses: Vec<String> = unit.addresses.iter().map(|address| quoted(address)).collect();
    entry(out, "addresses", &format!("[{}]", addresses.join(", ")));
    let base = unit.base.map(|base| format!("{} {}", base.size, base.root)).unwrap_or_default();
    entry(out, "base", &quoted(&base));
}

fn entry(out: &mut String, key: &str, value: &str) {
    for part in [key, " = ", value, "\n"] {
        out.push_str(part);
    }
}

/// A TOML basic string.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            // Nothing that a charter accepts needs this; a draft may hold anything.
            c if text::is_unseen(c) => out.push_str(&format!("\\U{:08X}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
