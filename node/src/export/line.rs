//! A referral as a flat line: what JSON lines, CSV and the STIX extension have in common, under the names that `import`
//! reads.

use entente_proto::wire::{Basis, Category, EvidenceItem, Referral, Row, Source, Tlp};
use serde::Serialize;

use crate::cli::words::{Hex, moment, moment_unless_zero, record_id, word};

/// A standing referral of a target. What it does not say is left out.
#[derive(Debug, Serialize)]
pub struct Line<'a> {
    /// The target.
    pub target: &'a str,
    /// The target's status.
    pub status: &'static str,
    /// The unit that refers it.
    pub unit: &'a str,
    /// The record.
    pub id: String,
    /// Its header's time.
    pub time: String,
    /// What it says.
    #[serde(flatten)]
    pub says: Says<'a>,
}

/// What a referral says beside its target.
#[derive(Debug, Serialize)]
pub struct Says<'a> {
    /// Categories.
    pub categories: Vec<&'static str>,
    /// On what it rests.
    pub basis: &'static str,
    /// The provider.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub provider: &'a str,
    /// The source's reliability.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<&'static str>,
    /// The accuracy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accuracy: Option<u32>,
    /// The language.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub language: &'a str,
    /// The description.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub description: &'a str,
    /// The TLP label.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tlp: Option<&'static str>,
    /// Europol handling codes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub handling: Vec<String>,
    /// When it is to be looked at again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub review_by: Option<String>,
    /// The campaign.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub campaign: &'a str,
    /// Whether addresses that continue it are meant too.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub prefix: bool,
    /// What supports it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<Evidence<'a>>,
    /// Why it is referred although something spoke against it.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub override_reason: &'a str,
}

/// An item of evidence.
#[derive(Debug, Serialize)]
pub struct Evidence<'a> {
    sha256: String,
    #[serde(skip_serializing_if = "str::is_empty")]
    media_type: &'a str,
    size: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    captured_at: Option<String>,
    #[serde(skip_serializing_if = "str::is_empty")]
    tool: &'a str,
}

impl<'a> Line<'a> {
    /// A referral of a row; `None` if it lacks what every row of a node has.
    #[must_use]
    pub fn of(row: &'a Row, referral: &'a Referral) -> Option<Self> {
        let id = referral.id.as_ref()?;
        Some(Self {
            target: &row.target,
            status: crate::cli::status_word(row),
            unit: &id.unit,
            id: record_id(id),
            time: moment(referral.time_ms),
            says: Says::of(referral)?,
        })
    }
}

impl<'a> Says<'a> {
    /// What a referral says.
    #[must_use]
    pub fn of(referral: &'a Referral) -> Option<Self> {
        let refer = referral.refer.as_ref()?;
        let handling = refer.handling.as_ref();
        Some(Self {
            categories: refer.categories.iter().filter_map(|category| word::<Category>(*category)).collect(),
            basis: word::<Basis>(refer.basis).unwrap_or("referral"),
            provider: &refer.provider,
            source: word::<Source>(refer.source),
            accuracy: (refer.accuracy != 0).then_some(refer.accuracy),
            language: &refer.language,
            description: &refer.description,
            tlp: handling.and_then(|handling| word::<Tlp>(handling.tlp)),
            handling: handling.into_iter().flat_map(|h| &h.europol).map(|code| format!("H{code}")).collect(),
            review_by: moment_unless_zero(refer.review_by_ms),
            campaign: &refer.campaign,
            prefix: refer.prefix,
            evidence: refer.evidence.iter().map(Evidence::of).collect(),
            override_reason: &refer.override_reason,
        })
    }
}

impl<'a> Evidence<'a> {
    fn of(item: &'a EvidenceItem) -> Self {
        Self {
            sha256: Hex(&item.sha256).to_string(),
            media_type: &item.media_type,
            size: item.size,
            captured_at: moment_unless_zero(item.captured_at_ms),
            tool: &item.tool,
        }
    }
}
