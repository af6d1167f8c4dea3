//! What a line of an import file, or the options of `refer`, may say beside the target.

use std::borrow::Cow;

use entente_proto::wire::{Basis, Category, EvidenceItem, Handling, Refer, Source, Tlp};
use serde::Deserialize;

use super::Fault;
use crate::cli::words::{Word, WordError, parse_accuracy, parse_handling, parse_moment};

/// A referral without its target; what is absent is not said.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Fields {
    /// Categories.
    pub categories: Vec<Category>,
    /// On what it rests.
    pub basis: Option<Basis>,
    /// The provider concerned.
    pub provider: Option<String>,
    /// The source's reliability.
    pub source: Option<Source>,
    /// The information's accuracy, 1 to 4.
    pub accuracy: Option<u32>,
    /// The content's language.
    pub language: Option<String>,
    /// What the content is and why it is referred.
    pub description: Option<String>,
    /// The TLP label.
    pub tlp: Option<Tlp>,
    /// Europol handling codes, 0 to 3.
    pub handling: Vec<u32>,
    /// When it is to be looked at again, Unix milliseconds.
    pub review_by_ms: Option<u64>,
    /// The campaign.
    pub campaign: Option<String>,
    /// Whether addresses that continue it are meant too.
    pub prefix: Option<bool>,
    /// What supports it.
    pub evidence: Vec<EvidenceItem>,
    /// Why it is referred although something spoke against it.
    pub override_reason: Option<String>,
}

/// A column of a CSV file or a key of a JSON object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Column {
    /// The target, by the name of its column; the first in this order counts where several are there.
    Target(usize),
    /// Categories, with spaces, commas, semicolons or bars between.
    Category,
    /// On what it rests.
    Basis,
    /// The provider.
    Provider,
    /// The source's reliability.
    Source,
    /// The accuracy.
    Accuracy,
    /// The language.
    Language,
    /// The description.
    Description,
    /// The TLP label.
    Tlp,
    /// Europol handling codes, with the separators of categories.
    Handling,
    /// The review date.
    ReviewBy,
    /// The campaign.
    Campaign,
    /// Whether it is a prefix.
    Prefix,
    /// A JSON array of what supports it, as `list --json` prints it.
    Evidence,
    /// Why it is referred although something spoke against it.
    OverrideReason,
}

/// The names of a column of targets, the surest first.
const TARGETS: [&str; 5] = ["target", "url", "domain", "indicator", "value"];

impl Column {
    /// The column with this name; capitals, hyphens and spaces around it do not matter.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let name = name.trim().to_ascii_lowercase().replace(['-', ' '], "_");
        Some(match name.as_str() {
            "category" | "categories" => Self::Category,
            "basis" => Self::Basis,
            "provider" => Self::Provider,
            "source" => Self::Source,
            "accuracy" => Self::Accuracy,
            "language" | "lang" => Self::Language,
            "description" | "comment" => Self::Description,
            "tlp" => Self::Tlp,
            "handling" => Self::Handling,
            "review_by" => Self::ReviewBy,
            "campaign" => Self::Campaign,
            "prefix" => Self::Prefix,
            "evidence" => Self::Evidence,
            "override_reason" => Self::OverrideReason,
            name => Self::Target(TARGETS.iter().position(|known| *known == name)?),
        })
    }
}

impl From<WordError> for Fault {
    fn from(error: WordError) -> Self {
        Self::new("bad-field", error.to_string())
    }
}

/// A value of a file, and whether white space around it is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Said<'a> {
    text: &'a str,
    exact: bool,
}

impl<'a> Said<'a> {
    /// As somebody typed it: white space around it means nothing.
    #[must_use]
    pub const fn typed(text: &'a str) -> Self {
        Self { text, exact: false }
    }

    /// As a program wrote it: of a text, every character counts.
    #[must_use]
    pub const fn exact(text: &'a str) -> Self {
        Self { text, exact: true }
    }

    /// It.
    #[must_use]
    pub const fn text(self) -> &'a str {
        self.text
    }

    fn value(self, is_text: bool) -> Cow<'a, str> {
        let trimmed = self.text.trim();
        let text = if trimmed.is_empty() || !(self.exact && is_text) { trimmed } else { self.text };
        if text.contains("\r\n") { Cow::Owned(text.replace("\r\n", "\n")) } else { Cow::Borrowed(text) }
    }
}

impl Fields {
    /// Takes a value over; an empty one says nothing.
    ///
    /// # Errors
    /// A [`Fault`] with the code `bad-field` or `control-character`.
    pub fn set(&mut self, column: Column, value: Said<'_>) -> Result<(), Fault> {
        let is_text =
            matches!(column, Column::Provider | Column::Description | Column::Campaign | Column::OverrideReason);
        let value = value.value(is_text).into_owned();
        let lines = is_text || column == Column::Evidence;
        if let Some(c) = value.chars().find(|c| c.is_control() && (*c != '\n' || !lines)) {
            return Err(Fault::control(c));
        }
        if value.is_empty() {
            return Ok(());
        }
        match column {
            Column::Target(_) => {}
            Column::Category => {
                for word in parts(&value) {
                    self.categories.push(Category::from_word(word)?);
                }
            }
            Column::Basis => self.basis = Some(Basis::from_word(&value)?),
            Column::Provider => self.provider = Some(value),
            Column::Source => self.source = Some(Source::from_word(&value)?),
            Column::Accuracy => self.accuracy = Some(parse_accuracy(&value)?),
            Column::Language => self.language = Some(value),
            Column::Description => self.description = Some(value),
            Column::Tlp => {
                let word = value.get(..4).filter(|head| head.eq_ignore_ascii_case("tlp:")).map_or(0, str::len);
                self.tlp = Some(Tlp::from_word(value.get(word..).unwrap_or_default())?);
            }
            Column::Handling => {
                for word in parts(&value) {
                    self.handling.push(parse_handling(word)?);
                }
            }
            Column::ReviewBy => self.review_by_ms = Some(parse_moment(&value)?),
            Column::Campaign => self.campaign = Some(value),
            Column::Prefix => {
                self.prefix = Some(match value.to_ascii_lowercase().as_str() {
                    "true" | "yes" | "1" => true,
                    "false" | "no" | "0" => false,
                    other => return Err(Fault::new("bad-field", format!("{other:?} is neither true nor false"))),
                });
            }
            Column::Evidence => self.evidence = evidence(&value)?,
            Column::OverrideReason => self.override_reason = Some(value),
        }
        Ok(())
    }

    /// The referral of a target: what is said here, else what `defaults` say. Lists are brought into the canonical
    /// order, ascending and each value once.
    #[must_use]
    pub fn refer(self, target: String, defaults: &Self) -> Refer {
        let text = |own: Option<String>, default: &Option<String>| own.or_else(|| default.clone()).unwrap_or_default();
        let categories = if self.categories.is_empty() { &defaults.categories } else { &self.categories };
        let mut categories: Vec<i32> = categories.iter().map(|category| *category as i32).collect();
        categories.sort_unstable();
        categories.dedup();
        let mut europol = if self.handling.is_empty() { defaults.handling.clone() } else { self.handling };
        europol.sort_unstable();
        europol.dedup();
        let tlp = self.tlp.or(defaults.tlp);
        Refer {
            target,
            categories,
            basis: self.basis.or(defaults.basis).unwrap_or(Basis::Referral) as i32,
            provider: text(self.provider, &defaults.provider),
            source: self.source.or(defaults.source).unwrap_or(Source::Unspecified) as i32,
            accuracy: self.accuracy.or(defaults.accuracy).unwrap_or_default(),
            language: text(self.language, &defaults.language),
            description: text(self.description, &defaults.description),
            evidence: if self.evidence.is_empty() { defaults.evidence.clone() } else { self.evidence },
            handling: (tlp.is_some() || !europol.is_empty())
                .then(|| Handling { tlp: tlp.unwrap_or(Tlp::Unspecified) as i32, europol }),
            review_by_ms: self.review_by_ms.or(defaults.review_by_ms).unwrap_or_default(),
            campaign: text(self.campaign, &defaults.campaign),
            prefix: self.prefix.or(defaults.prefix).unwrap_or_default(),
            override_reason: text(self.override_reason, &defaults.override_reason),
        }
    }
}

fn parts(value: &str) -> impl Iterator<Item = &str> {
    value.split([' ', ',', ';', '|']).filter(|part| !part.is_empty())
}

/// An item of evidence as `list --json` prints it.
#[derive(Deserialize)]
struct EvidenceJson {
    sha256: String,
    #[serde(default)]
    media_type: String,
    #[serde(default)]
    size: u64,
    #[serde(default)]
    captured_at: Option<String>,
    #[serde(default)]
    tool: String,
}

fn evidence(value: &str) -> Result<Vec<EvidenceItem>, Fault> {
    let fault = |why: String| Fault::new("bad-field", format!("the evidence cannot be read: {why}"));
    let items: Vec<EvidenceJson> = serde_json::from_str(value).map_err(|e| fault(e.to_string()))?;
    let item = |item: EvidenceJson| {
        Ok(EvidenceItem {
            sha256: unhex(&item.sha256).ok_or_else(|| fault("sha256 is 64 hexadecimal digits".to_owned()))?,
            media_type: item.media_type,
            size: item.size,
            captured_at_ms: item.captured_at.map_or(Ok(0), |moment| parse_moment(&moment))?,
            tool: item.tool,
        })
    };
    items.into_iter().map(item).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let (pairs, odd) = text.as_bytes().as_chunks::<2>();
    let bytes: Option<Vec<u8>> = pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect();
    bytes.filter(|bytes| bytes.len() == 32 && odd.is_empty())
}
