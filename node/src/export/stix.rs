//! A STIX 2.1 bundle.
//!
//! | object | from |
//! |---|---|
//! | `identity` | each unit, and this program as the author of the extension |
//! | `marking-definition` | the five labels of TLP 2.0, as OASIS publishes them |
//! | `extension-definition` | the property extension below |
//! | `indicator` | each standing referral: pattern, `valid_from` its header's time, categories as labels |
//! | `indicator` with `revoked` | each referral that was withdrawn, `modified` when that was |
//! | `opinion` | each objection to (`disagree`) and support of (`agree`) a referral |
//! | `note` | each hold of a target that is referred |
//! | `sighting` | the newest observation; one of a target that is offline or moved has the count 0 |
//!
//! A target that is not simply listed has its status as a label too. A referral without a TLP label is read as amber, and
//! marked so. An indicator's extension holds the referral under the names of [`line`](super::line), and the target and
//! the record's id: reading it back gives the same referral. Ids are those of [`ids`], and the bundle's is computed from
//! its content, so equal lists make equal bundles. Of a referral that was erased nothing is left to revoke: whoever took it
//! in before learns of it from the network alone.
//!
//! What STIX has no observable for has a pattern over `x-entente-target:value` (channels, apps, images).

use std::io::{self, Write};

use entente_proto::record::Target;
use entente_proto::record::target::TargetType;
use entente_proto::wire::{
    Availability, Ground, ListedRow, Observation, OpinionRow, RecordRef, Referral, Row, Stance, Status, Tlp,
    WithdrawnReferral,
};
use ring::digest::{Context, SHA256};
use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use time::macros::format_description;

use super::line::Says;
use super::{Counts, Heading, NO_REFERRAL, ids};
use crate::cli::words::{Hex, plain, record_id, word};
use crate::import::tlp;

/// When the identities and the extension came into being, since STIX wants to know.
const CREATED: &str = "2026-01-01T00:00:00.000Z";
/// The extension of TLP 2.0 (`cti-stix-common-objects`), and when its labels were published.
const TLP_2: (&str, &str) = ("extension-definition--60a3c5c5-0d10-413e-aab3-9e08dde9e88d", "2022-10-01T00:00:00.000Z");

/// The pattern of a target.
#[must_use]
pub fn pattern(target: &Target) -> String {
    let quoted = |value: &str| value.replace('\\', "\\\\").replace('\'', "\\'");
    let (kind, value) = target.parts();
    let path = match kind {
        TargetType::Url => "url:value",
        TargetType::Domain => "domain-name:value",
        TargetType::Ip if value.contains(':') => "ipv6-addr:value",
        TargetType::Ip => "ipv4-addr:value",
        TargetType::File => {
            let hash = value.strip_prefix("sha256:").unwrap_or(value);
            return format!("[file:hashes.'SHA-256' = '{}']", quoted(hash));
        }
        TargetType::Account => {
            let (platform, login) = value.split_once('/').unwrap_or_default();
            return format!(
                "[user-account:account_type = '{}' AND user-account:account_login = '{}']",
                quoted(platform),
                quoted(login)
            );
        }
        TargetType::Channel | TargetType::App | TargetType::Image => {
            return format!("[x-entente-target:value = '{}']", quoted(target.as_str()));
        }
    };
    format!("[{path} = '{}']", quoted(value))
}

pub(super) struct Sheet<'a> {
    heading: &'a Heading,
    out: Box<dyn Write + 'a>,
    digest: Context,
    first: bool,
}

impl<'a> Sheet<'a> {
    pub(super) fn begin(heading: &'a Heading, mut out: Box<dyn Write + 'a>) -> io::Result<Self> {
        out.write_all(b"{\"type\":\"bundle\",\"objects\":[")?;
        let mut sheet = Self { heading, out, digest: Context::new(&SHA256), first: true };
        sheet.put(&identity(ids::PROGRAM, "Entente", "system"))?;
        for unit in &heading.units {
            sheet.put(&identity(&sheet.unit(unit), &format!("{unit} ({})", heading.network), "organization"))?;
        }
        for label in [Tlp::Clear, Tlp::Green, Tlp::Amber, Tlp::AmberStrict, Tlp::Red] {
            let word = word::<Tlp>(label as i32).unwrap_or_default();
            let (extension, created) = TLP_2;
            sheet.put(&json!({
                "type": "marking-definition",
                "spec_version": "2.1",
                "id": tlp::marking(label),
                "created": created,
                "name": format!("TLP:{}", word.to_uppercase()),
                "extensions": { extension: { "extension_type": "property-extension", "tlp_2_0": word } },
            }))?;
        }
        sheet.put(&json!({
            "type": "extension-definition",
            "spec_version": "2.1",
            "id": ids::EXTENSION,
            "created": CREATED,
            "modified": CREATED,
            "created_by_ref": ids::PROGRAM,
            "name": "Entente referral",
            "description": "What a unit's referral says: target in canonical form, the record's id, categories of \
                            Regulation (EU) 2021/784 Art. 2(7), basis, provider, source, accuracy, language, description, \
                            tlp, handling, review_by, campaign, prefix, evidence, override_reason.",
            "schema": "The module export::line of the crate entente-node",
            "version": "1.0.0",
            "extension_types": ["property-extension"],
        }))?;
        Ok(sheet)
    }

    fn put(&mut self, object: &Value) -> io::Result<()> {
        let text = serde_json::to_vec(object)?;
        self.digest.update(&text);
        self.out.write_all(if std::mem::take(&mut self.first) { b"\n" } else { b",\n" })?;
        self.out.write_all(&text)
    }

    fn unit(&self, unit: &str) -> String {
        format!("identity--{}", ids::of(&format!("{}/{unit}", self.heading.network)))
    }

    fn id(&self, kind: &str, id: &RecordRef) -> String {
        format!("{kind}--{}", ids::of(&format!("{}/{}", self.heading.network, record_id(id))))
    }

    /// What every object about a record has.
    fn object(&self, kind: &str, id: &RecordRef, time_ms: u64) -> Map<String, Value> {
        let mut object = Map::new();
        let time = Value::from(moment(time_ms));
        for (key, value) in [
            ("type", kind.into()),
            ("spec_version", "2.1".into()),
            ("id", self.id(kind, id).into()),
            ("created_by_ref", self.unit(&id.unit).into()),
            ("created", time.clone()),
            ("modified", time),
        ] {
            object.insert(key.to_owned(), value);
        }
        object
    }

    fn indicator(&self, row: &Row, target: &Target, referral: &Referral) -> Option<Value> {
        let (id, refer, says) = (referral.id.as_ref()?, referral.refer.as_ref()?, Says::of(referral)?);
        let mut object = self.object("indicator", id, referral.time_ms);
        let mut labels: Vec<&str> = says.categories.clone();
        if row.status != Status::Listed as i32 {
            labels.extend(word::<Status>(row.status));
            // The label came with the newest of these.
            let said = row.opinions.iter().map(|row| row.time_ms).chain(row.holds.iter().map(|row| row.time_ms));
            let modified = said.chain([referral.time_ms]).max().unwrap_or_default();
            object.insert("modified".to_owned(), moment(modified).into());
        }
        if !says.description.is_empty() {
            object.insert("description".to_owned(), says.description.into());
        }
        let label = refer.handling.as_ref().and_then(|handling| Tlp::try_from(handling.tlp).ok());
        let marking = label.and_then(tlp::marking).or_else(|| tlp::marking(Tlp::Amber));
        let mut extension = match serde_json::to_value(&says).ok()? {
            Value::Object(extension) => extension,
            _ => Map::new(),
        };
        extension.insert("extension_type".to_owned(), "property-extension".into());
        extension.insert("target".to_owned(), target.as_str().into());
        extension.insert("record".to_owned(), record_id(id).into());
        for (key, value) in [
            ("name", Value::from(target.as_str())),
            ("indicator_types", json!(["malicious-activity"])),
            ("pattern", pattern(target).into()),
            ("pattern_type", "stix".into()),
            ("pattern_version", "2.1".into()),
            ("valid_from", moment(referral.time_ms).into()),
            ("labels", labels.into()),
            ("object_marking_refs", json!([marking])),
            ("extensions", json!({ ids::EXTENSION: extension })),
        ] {
            object.insert(key.to_owned(), value);
        }
        Some(Value::Object(object))
    }

    /// The last version of an indicator whose referral was withdrawn.
    fn revoked(&self, target: &Target, withdrawn: &WithdrawnReferral) -> Option<Value> {
        // What became of the target since is no matter of this one.
        let row = Row { status: Status::Listed.into(), ..Row::default() };
        let mut object = self.indicator(&row, target, withdrawn.referral.as_ref()?)?;
        let fields = object.as_object_mut()?;
        fields.insert("modified".to_owned(), moment(withdrawn.time_ms).into());
        fields.insert("revoked".to_owned(), true.into());
        Some(object)
    }

    fn opinion(&self, row: &OpinionRow) -> Option<Value> {
        let (id, opinion) = (row.id.as_ref()?, row.opinion.as_ref()?);
        let mut object = self.object("opinion", id, row.time_ms);
        let objects = opinion.stance == Stance::Object as i32;
        object.insert("opinion".to_owned(), if objects { "disagree" } else { "agree" }.into());
        object.insert("object_refs".to_owned(), json!([self.id("indicator", opinion.on.as_ref()?)]));
        let words: Vec<&str> = word::<Ground>(opinion.ground).into_iter().chain([opinion.text.as_str()]).collect();
        let words = words.join(": ");
        let words = words.trim_end_matches([':', ' ']);
        if !words.is_empty() {
            object.insert("explanation".to_owned(), words.into());
        }
        Some(Value::Object(object))
    }

    fn sighting(&self, seen: &Observation, indicator: &RecordRef) -> Option<Value> {
        let (id, observe) = (seen.id.as_ref()?, seen.observe.as_ref()?);
        let mut object = self.object("sighting", id, seen.time_ms);
        let online = observe.availability == Availability::Online as i32;
        let state = word::<Availability>(observe.availability).unwrap_or("unknown");
        let words =
            if observe.successor.is_empty() { state.to_owned() } else { format!("{state} to {}", observe.successor) };
        for (key, value) in [
            ("sighting_of_ref", Value::from(self.id("indicator", indicator))),
            ("where_sighted_refs", json!([self.unit(&id.unit)])),
            ("last_seen", moment(observe.observed_ms).into()),
            ("count", u8::from(online).into()),
            ("description", words.into()),
        ] {
            object.insert(key.to_owned(), value);
        }
        Some(Value::Object(object))
    }

    fn holds(&self, row: &Row) -> Vec<Value> {
        let about: Vec<String> =
            row.referrals.iter().filter_map(|row| Some(self.id("indicator", row.id.as_ref()?))).collect();
        let note = |held: &entente_proto::wire::HoldRow| {
            let (id, hold) = (held.id.as_ref()?, held.hold.as_ref()?);
            let mut object = self.object("note", id, held.time_ms);
            let reason = if hold.reason.is_empty() { "the unit investigates" } else { &hold.reason };
            object.insert("abstract".to_owned(), "hold".into());
            object.insert("content".to_owned(), format!("Leave {} online: {}", row.target, plain(reason)).into());
            object.insert("object_refs".to_owned(), about.clone().into());
            Some(Value::Object(object))
        };
        row.holds.iter().filter_map(note).collect()
    }
}

impl super::Sheet for Sheet<'_> {
    fn row(&mut self, row: &ListedRow, counts: &mut Counts) -> io::Result<()> {
        let withdrawn = &row.withdrawn;
        // A held target is in only where that was asked for; that a referral of it was withdrawn is told all the same.
        let held = row.row.as_ref().is_some_and(|row| row.status() == Status::Held) && !self.heading.held_too;
        let empty = row.row.as_ref().map(|row| Row { target: row.target.clone(), ..Row::default() });
        let row = row.row.as_ref().filter(|_| !held).or(empty.as_ref());
        let Some(row) = row.filter(|row| !row.referrals.is_empty() || !withdrawn.is_empty()) else {
            counts.left(if held { "held: not asked for" } else { NO_REFERRAL });
            return Ok(());
        };
        let Ok(target) = row.target.parse::<Target>() else {
            counts.left("not understood");
            return Ok(());
        };
        let mut objects: Vec<Value> =
            row.referrals.iter().filter_map(|referral| self.indicator(row, &target, referral)).collect();
        objects.extend(withdrawn.iter().filter_map(|withdrawn| self.revoked(&target, withdrawn)));
        counts.took(objects.len() as u64);
        objects.extend(row.opinions.iter().filter_map(|opinion| self.opinion(opinion)));
        objects.extend(self.holds(row));
        let first = row.referrals.first().and_then(|referral| referral.id.as_ref());
        objects.extend(row.availability.iter().zip(first).filter_map(|(seen, first)| self.sighting(seen, first)));
        objects.iter().try_for_each(|object| self.put(object))
    }

    fn end(mut self: Box<Self>) -> io::Result<()> {
        let content = self.digest.clone().finish();
        let id = ids::of(&format!("{} {}", self.heading.network, Hex(content.as_ref())));
        write!(self.out, "\n],\"id\":\"bundle--{id}\"}}\n")?;
        self.out.flush()
    }
}

fn identity(id: &str, name: &str, class: &str) -> Value {
    json!({
        "type": "identity",
        "spec_version": "2.1",
        "id": id,
        "created": CREATED,
        "modified": CREATED,
        "name": name,
        "identity_class": class,
    })
}

/// A time as STIX wants it: three digits of a second, whatever they are (STIX 2.1 section 3.2).
fn moment(unix_ms: u64) -> String {
    let format = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(unix_ms).saturating_mul(1_000_000))
        .ok()
        .and_then(|moment| moment.format(format).ok())
        // No record has a later time.
        .unwrap_or_else(|| "9999-12-31T23:59:59.999Z".to_owned())
}
