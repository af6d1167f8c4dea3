//! What a line of an import file, or the options of `refer`, may say beside the target.

use entente_proto::wire::{Basis, Category, Handling, Refer, Source, Tlp};

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
            name => Self::Target(TARGETS.iter().position(|known| *known == name)?),
        })
    }
}

impl From<WordError> for Fault {
    fn from(error: WordError) -> Self {
        Self::new("bad-field", error.to_string())
    }
}

impl Fields {
    /// Takes a value over; an empty one says nothing.
    ///
    /// # Errors
    /// A [`Fault`] with the code `bad-field` or `control-character`.
    pub fn set(&mut self, column: Column, value: &str) -> Result<(), Fault> {
        let value = value.trim().replace("\r\n", "\n");
        if let Some(c) = value.chars().find(|c| c.is_control() && (*c != '\n' || column != Column::Description)) {
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
            evidence: Vec::new(),
            handling: (tlp.is_some() || !europol.is_empty())
                .then(|| Handling { tlp: tlp.unwrap_or(Tlp::Unspecified) as i32, europol }),
            review_by_ms: self.review_by_ms.or(defaults.review_by_ms).unwrap_or_default(),
            campaign: text(self.campaign, &defaults.campaign),
            prefix: self.prefix.or(defaults.prefix).unwrap_or_default(),
            override_reason: String::new(),
        }
    }
}

fn parts(value: &str) -> impl Iterator<Item = &str> {
    value.split([' ', ',', ';', '|']).filter(|part| !part.is_empty())
}
