//! A record in plain words, for people who have never heard of this program. What the record's author wrote comes as it
//! is: whoever shows it takes the harm out of it, for a terminal or for a page.

use entente_proto::receipt::VerifiedReceipt;
use entente_proto::record::Target;
use entente_proto::record::target::TargetType;
use entente_proto::wire::record::Body;
use entente_proto::wire::{Basis, Category, Refer, Source, Tlp};

use crate::cli::summary::summary;
use crate::cli::words::{Hex, moment, moment_unless_zero, word};

/// What is told: a label, and the words.
pub(super) type Line = (&'static str, String);

/// What the record is, in a word or two.
pub(super) fn kind(receipt: &VerifiedReceipt) -> String {
    match receipt.statement().body() {
        Body::Refer(_) => "referral".to_owned(),
        Body::Withdraw(_) => "withdrawal".to_owned(),
        Body::Erase(_) => "erasure".to_owned(),
        _ => receipt.statement().kind().to_string().replace('-', " "),
    }
}

/// What the record says, the most important first, hashes last.
pub(super) fn lines(receipt: &VerifiedReceipt) -> Vec<Line> {
    let statement = receipt.statement();
    match statement.body() {
        Body::Refer(refer) => referral(refer),
        _ => {
            let target = statement.target().map(|target| ("target", target.to_string()));
            let says = ("says", summary(Some(&statement.clone().into_record())));
            target.into_iter().chain([says]).collect()
        }
    }
}

/// A target for whoever does not know how this program writes one: what it is, and the value.
pub(super) fn target(target: &Target) -> (&'static str, &str) {
    let (kind, value) = target.parts();
    let what = match kind {
        TargetType::Domain => "domain, with everything under it",
        TargetType::Url => "web address",
        TargetType::Ip => "IP address or network",
        TargetType::Account => "account (platform/handle)",
        TargetType::Channel => "channel, group or page (platform/id)",
        TargetType::App => "app (store/id)",
        TargetType::File => "file, by its hash",
        TargetType::Image => "image, by its perceptual hash",
    };
    (what, value)
}

fn referral(refer: &Refer) -> Vec<Line> {
    let mut lines = vec![("target", refer.target.clone())];
    if refer.prefix {
        lines.push(("also meant", "every address that begins like it".to_owned()));
    }
    let named = if refer.provider.is_empty() { "not named in the record" } else { &refer.provider };
    lines.push(("provider", named.to_owned()));
    lines.extend(refer.categories.iter().map(|value| ("category", category(*value).to_owned())));
    lines.push(("basis", basis(refer.basis).to_owned()));
    let mut say = |label, text: &str| {
        if !text.is_empty() {
            lines.push((label, text.to_owned()));
        }
    };
    say("description", &refer.description);
    say("language", &refer.language);
    say("campaign", &refer.campaign);
    say("assessment", &assessment(refer));
    say("handling", &handling(refer));
    say("review by", &moment_unless_zero(refer.review_by_ms).unwrap_or_default());
    say("made although", &refer.override_reason);
    for item in &refer.evidence {
        let mut text = format!("SHA-256 {}", Hex(&item.sha256));
        if !item.media_type.is_empty() {
            text.push_str(&format!(", {}", item.media_type));
        }
        if item.size > 0 {
            text.push_str(&format!(", {} bytes", item.size));
        }
        if let Some(at) = moment_unless_zero(item.captured_at_ms) {
            text.push_str(&format!(", captured {at}"));
        }
        if !item.tool.is_empty() {
            text.push_str(&format!(" with {}", item.tool));
        }
        lines.push(("evidence", text));
    }
    lines
}

/// A category, spelled out with its article.
fn category(value: i32) -> &'static str {
    match Category::try_from(value) {
        Ok(Category::Incites) => {
            "incites to terrorist offences, such as by glorifying them (Regulation (EU) 2021/784, Article 2(7)(a))"
        }
        Ok(Category::SolicitsCommit) => {
            "solicits a person or a group to commit or contribute to terrorist offences (Regulation (EU) 2021/784, \
             Article 2(7)(b))"
        }
        Ok(Category::SolicitsJoin) => {
            "solicits a person or a group to take part in the activities of a terrorist group (Regulation (EU) 2021/784, \
             Article 2(7)(c))"
        }
        Ok(Category::Instructs) => {
            "instructs in making or using explosives, firearms, other weapons or noxious substances, or in other methods, \
             for terrorist offences (Regulation (EU) 2021/784, Article 2(7)(d))"
        }
        Ok(Category::Threatens) => {
            "constitutes a threat to commit a terrorist offence (Regulation (EU) 2021/784, Article 2(7)(e))"
        }
        Ok(Category::Unspecified) | Err(_) => "a category that this release does not know",
    }
}

fn basis(value: i32) -> &'static str {
    match Basis::try_from(value) {
        Ok(Basis::RemovalOrder) => {
            "a removal order under Article 3 of Regulation (EU) 2021/784; this record tells of it and is not the order itself"
        }
        Ok(Basis::NationalLaw) => "an order under national law; this record tells of it and is not the order itself",
        Ok(Basis::Referral | Basis::Unspecified) | Err(_) => {
            "a referral: for the provider's voluntary consideration under its own terms, not an order"
        }
    }
}

fn assessment(refer: &Refer) -> String {
    let source = match Source::try_from(refer.source) {
        Ok(Source::A) => "no doubt about the source (A)",
        Ok(Source::B) => "a source that proved reliable in most instances (B)",
        Ok(Source::C) => "a source that proved unreliable in most instances (C)",
        Ok(Source::X) => "a source that cannot be assessed (X)",
        Ok(Source::Unspecified) | Err(_) => "",
    };
    let accuracy = match refer.accuracy {
        0 => String::new(),
        grade => format!("accuracy {grade} on a scale from 1 (certain) to 4 (not corroborated)"),
    };
    [source, &accuracy].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("; ")
}

/// The handling labels of a referral; empty where it has none.
pub(super) fn handling(refer: &Refer) -> String {
    let Some(handling) = &refer.handling else { return String::new() };
    let codes = handling.europol.iter().map(|code| format!("H{code}"));
    let all: Vec<String> = [tlp(handling.tlp)].into_iter().filter(|label| !label.is_empty()).chain(codes).collect();
    all.join(" ")
}

/// A TLP label as FIRST writes it.
pub(super) fn tlp(value: i32) -> String {
    word::<Tlp>(value).map(|label| format!("TLP:{}", label.to_uppercase())).unwrap_or_default()
}

/// Who cosigned, and when.
pub(super) fn cosigners(receipt: &VerifiedReceipt) -> String {
    let said = receipt.checkpoint().cosignatures();
    let each =
        said.iter().map(|(unit, cosignature)| format!("{unit} {}", moment(cosignature.time.saturating_mul(1_000))));
    let each: Vec<String> = each.collect();
    let who = if each.is_empty() { "nobody".to_owned() } else { each.join(", ") };
    let quorum = receipt.quorum();
    format!("{who} ({} of {} partners; {} are needed)", said.len(), quorum.others(), quorum.needed())
}
