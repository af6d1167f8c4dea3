//! A MISP event: an attribute for each target (`draft-dulaunoy-misp-core-format`).
//!
//! MISP takes one attribute of a value into an event, so the referrals of all units are one: their categories together,
//! the strictest TLP label, every unit as a tag; descriptions that differ stand one a line under their units.
//!
//! | target | type | category |
//! |---|---|---|
//! | `url` | `url` | Network activity |
//! | `domain` | `domain` | Network activity |
//! | `ip` | `ip-dst` | Network activity |
//! | `file` | `sha256` | Payload delivery |
//! | any other | `text`, with the whole target | Other |
//!
//! Tags are `tlp:...` (a referral without a label is read as amber, and tagged so) and, in the namespace `entente`,
//! `category`, `handling`, `basis`, `unit`, `type` for what is a text, and `status` where it is not simply listed. Of
//! such a target `to_ids` is false, so that no tool blocks what a unit objects to or holds, and `import` does not take
//! it without `--all`. The event's own TLP tag is the strictest of all.
//!
//! The event's UUID is that of the network and of what was asked for, so a later export brings MISP's event up to date.

use std::collections::BTreeSet;
use std::io::{self, Write};

use entente_proto::record::Target;
use entente_proto::record::target::TargetType;
use entente_proto::wire::{Basis, Category, ListedRow, Refer, Row, Status, Tlp};
use serde_json::{Value, json};

use super::{Counts, Heading, NO_REFERRAL, ids};
use crate::cli::words::{moment, word};
use crate::import::tlp;

pub(super) struct Sheet<'a> {
    heading: &'a Heading,
    out: Box<dyn Write + 'a>,
    first: bool,
    newest_ms: u64,
    strictest: Option<Tlp>,
}

impl<'a> Sheet<'a> {
    pub(super) fn begin(heading: &'a Heading, mut out: Box<dyn Write + 'a>) -> io::Result<Self> {
        let network = &heading.network;
        let name = format!("{network} MISP event {}", heading.filter);
        let head = json!({
            "uuid": ids::of(name.trim_end()).to_string(),
            "info": format!("Referrals in {network}"),
            "Orgc": { "name": network, "uuid": ids::of(network).to_string() },
            "distribution": "0",
            "threat_level_id": "4",
            "analysis": "2",
            "published": false,
        });
        let head = head.to_string();
        // The attributes follow inside the same object.
        write!(out, "{{\"Event\":{},\"Attribute\":[", head.strip_suffix('}').unwrap_or(&head))?;
        Ok(Self { heading, out, first: true, newest_ms: 0, strictest: None })
    }

    fn attribute(&mut self, row: &Row, target: &Target) -> Value {
        let refers: Vec<&Refer> = row.referrals.iter().filter_map(|referral| referral.refer.as_ref()).collect();
        let label = |refer: &&Refer| {
            let label = refer.handling.as_ref().and_then(|handling| Tlp::try_from(handling.tlp).ok());
            label.filter(|label| *label != Tlp::Unspecified).unwrap_or(Tlp::Amber)
        };
        let strictest = tlp::strictest(refers.iter().map(label));
        self.strictest = tlp::strictest(self.strictest.into_iter().chain(strictest));
        let newest_ms = row.referrals.iter().map(|referral| referral.time_ms).max().unwrap_or_default();
        self.newest_ms = self.newest_ms.max(newest_ms);

        let listed = row.status == Status::Listed as i32;
        let (kind, category, value) = written(target);
        let mut tags: BTreeSet<String> = BTreeSet::new();
        let mut tag = |name: &str, value: Option<&str>| {
            tags.extend(value.map(|value| format!("entente:{name}=\"{value}\"")));
        };
        for refer in &refers {
            refer.categories.iter().for_each(|category| tag("category", word::<Category>(*category)));
            tag("basis", word::<Basis>(refer.basis).filter(|basis| *basis != "referral"));
            let codes = refer.handling.iter().flat_map(|handling| &handling.europol);
            codes.for_each(|code| tag("handling", Some(&format!("H{code}"))));
        }
        row.referrals.iter().for_each(|referral| tag("unit", referral.id.as_ref().map(|id| id.unit.as_str())));
        tag("type", (kind == "text").then(|| target.as_str().split(':').next()).flatten());
        tag("status", word::<Status>(row.status).filter(|_| !listed));
        tags.extend(strictest.and_then(tag_of));
        json!({
            "uuid": ids::of(&format!("{} {target}", self.heading.network)).to_string(),
            "type": kind,
            "category": category,
            "to_ids": listed,
            "value": value,
            "comment": description(row),
            "distribution": "5",
            "timestamp": seconds(newest_ms),
            "Tag": tags.into_iter().map(|name| json!({ "name": name })).collect::<Vec<_>>(),
        })
    }
}

impl super::Sheet for Sheet<'_> {
    fn row(&mut self, row: &ListedRow, counts: &mut Counts) -> io::Result<()> {
        let Some(row) = row.row.as_ref().filter(|row| !row.referrals.is_empty()) else {
            counts.left(NO_REFERRAL);
            return Ok(());
        };
        let Ok(target) = row.target.parse::<Target>() else {
            counts.left("not understood");
            return Ok(());
        };
        let attribute = self.attribute(row, &target);
        self.out.write_all(if std::mem::take(&mut self.first) { b"\n" } else { b",\n" })?;
        serde_json::to_writer(&mut self.out, &attribute)?;
        counts.took(1);
        Ok(())
    }

    fn end(mut self: Box<Self>) -> io::Result<()> {
        let tags: Vec<Value> =
            self.strictest.and_then(tag_of).map(|name| json!({ "name": name })).into_iter().collect();
        let day = moment(self.newest_ms).chars().take(10).collect::<String>();
        let (tags, day, time) = (Value::from(tags), Value::from(day), Value::from(seconds(self.newest_ms)));
        write!(self.out, "\n],\"Tag\":{tags},\"date\":{day},\"timestamp\":{time}}}}}\n")?;
        self.out.flush()
    }
}

fn written(target: &Target) -> (&'static str, &'static str, &str) {
    match target.parts() {
        (TargetType::Url, value) => ("url", "Network activity", value),
        (TargetType::Domain, value) => ("domain", "Network activity", value),
        (TargetType::Ip, value) => ("ip-dst", "Network activity", value),
        (TargetType::File, value) => ("sha256", "Payload delivery", value.strip_prefix("sha256:").unwrap_or(value)),
        _ => ("text", "Other", target.as_str()),
    }
}

/// What the units say of it.
fn description(row: &Row) -> String {
    let said: Vec<(&str, &str)> = row
        .referrals
        .iter()
        .filter_map(|referral| {
            Some((referral.id.as_ref()?.unit.as_str(), referral.refer.as_ref()?.description.as_str()))
        })
        .filter(|(_, description)| !description.is_empty())
        .collect();
    match said.as_slice() {
        [] => String::new(),
        [(_, first), others @ ..] if others.iter().all(|(_, other)| other == first) => (*first).to_owned(),
        all => all.iter().map(|(unit, description)| format!("{unit}: {description}")).collect::<Vec<_>>().join("\n"),
    }
}

fn tag_of(label: Tlp) -> Option<String> {
    word::<Tlp>(label as i32).map(|word| format!("tlp:{word}"))
}

/// MISP writes times as texts of Unix seconds.
fn seconds(unix_ms: u64) -> String {
    (unix_ms / 1_000).to_string()
}
