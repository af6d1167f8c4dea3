//! `entente refer`: the unit refers targets.

use std::path::PathBuf;

use entente_proto::wire::record::Body;
use entente_proto::wire::{Basis, Category, Refer, Source, Tlp};

use super::Global;
use super::answers::{Entering, Insists, enter_as};
use super::client::Node;
use super::error::CliError;
use super::evidence::Captured;
use super::inputs::inputs;
use super::words::{Word, parse_accuracy, parse_handling, parse_moment, parser};
use crate::import::fields::Fields;
use crate::import::{Fault, Item};

/// Refer targets: tell every unit that they hold terrorist content
///
/// Each target is answered by itself; exits 1 if any was refused, and the others are done. The categories are those of
/// Regulation (EU) 2021/784, Article 2(7).
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  entente refer https://bad.example/x --category incites --wait certified\n  \
                        entente refer --from links.txt --category solicits-join --campaign amaq --tlp amber")]
pub(crate) struct Args {
    /// Domains or addresses, as one types them
    #[arg(value_name = "TARGET", required_unless_present = "from")]
    targets: Vec<String>,
    #[command(flatten)]
    says: ReferOptions,
    /// A file that supports it: its hash goes to every unit, the file stays here; may be given more than once
    #[arg(long, value_name = "FILE")]
    evidence: Vec<PathBuf>,
    #[command(flatten)]
    captured: Captured,
    /// Refer it though a unit asks to leave it online, or something above or below it, and why; every unit reads the reason
    #[arg(long, value_name = "REASON")]
    despite_hold: Option<String>,
    /// Propose it though a guard list names it, and why; a second officer has to countersign, and every unit reads the reason
    #[arg(long = "override", value_name = "REASON")]
    override_guard: Option<String>,
    /// Refer it anew though this unit refers it already, such as with another description
    #[arg(long)]
    again: bool,
    #[command(flatten)]
    entering: Entering,
}

/// What a referral says.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct ReferOptions {
    /// What the content does; may be given more than once, and is needed at least once
    #[arg(long, value_delimiter = ',', value_parser = parser::<Category>())]
    category: Vec<Category>,
    /// On what the referral rests [default: referral]
    #[arg(long, value_parser = parser::<Basis>())]
    basis: Option<Basis>,
    /// The provider concerned
    #[arg(long)]
    provider: Option<String>,
    /// What the content is and why it is referred
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// The content's language, such as ar or fr
    #[arg(long, value_name = "TAG")]
    language: Option<String>,
    /// The source's reliability
    #[arg(long, value_parser = parser::<Source>(), ignore_case = true)]
    source: Option<Source>,
    /// The information's accuracy, 1 (certain) to 4 (not corroborated)
    #[arg(long, value_name = "1-4", value_parser = parse_accuracy)]
    accuracy: Option<u32>,
    /// Who may see it: the Traffic Light Protocol 2.0 label
    #[arg(long, value_parser = parser::<Tlp>(), ignore_case = true)]
    tlp: Option<Tlp>,
    /// A Europol handling code, H0 to H3; may be given more than once
    #[arg(long, value_name = "CODE", value_delimiter = ',', value_parser = parse_handling)]
    handling: Vec<u32>,
    /// The campaign it belongs to
    #[arg(long, value_name = "NAME")]
    campaign: Option<String>,
    /// When the unit will look at it again, such as 2026-12-31
    #[arg(long, value_name = "TIME", value_parser = parse_moment)]
    review_by: Option<u64>,
    /// Addresses that continue the target are meant too
    #[arg(long)]
    prefix: bool,
}

impl ReferOptions {
    /// As what is said unless a line of a file says otherwise.
    pub(crate) fn fields(self) -> Fields {
        Fields {
            categories: self.category,
            basis: self.basis,
            provider: self.provider,
            source: self.source,
            accuracy: self.accuracy,
            language: self.language,
            description: self.description,
            tlp: self.tlp,
            handling: self.handling,
            review_by_ms: self.review_by,
            campaign: self.campaign,
            prefix: self.prefix.then_some(true),
            ..Fields::default()
        }
    }
}

/// The referral that an item asks for.
pub(crate) fn referral(item: Item, defaults: &Fields) -> Result<Body, Fault> {
    let refer = item.fields.refer(item.target, defaults);
    if refer.categories.is_empty() {
        return Err(Fault::new("no-category", format!("it has no category: {}", which())));
    }
    Ok(Body::Refer(refer))
}

fn which() -> String {
    let words: Vec<_> = Category::WORDS.iter().map(|(_, word)| *word).collect();
    format!("give at least one of {} with --category", words.join(", "))
}

pub(crate) async fn run(args: Args, global: &Global) -> Result<(), CliError> {
    if args.says.category.is_empty() && args.entering.from.is_none() {
        return Err(CliError::Usage(format!("a referral says what the content does: {}", which())));
    }
    let defaults = args.says.fields();
    let inputs = inputs(args.targets, args.entering.from.as_deref(), None)?;
    let item = |path: &PathBuf| args.captured.item(path).map_err(|e| CliError::file(path, "read", &e));
    let evidence = args.evidence.iter().map(item).collect::<Result<Vec<_>, _>>()?;
    let insists = Insists {
        again: args.again,
        despite_hold: args.despite_hold.unwrap_or_default(),
        override_guard: args.override_guard.unwrap_or_default(),
    };
    let node = Node::connect(global, args.entering.deadline).await?;
    let state = |item| match referral(item, &defaults)? {
        Body::Refer(refer) => Ok(Body::Refer(Refer { evidence: evidence.clone(), ..refer })),
        other => Ok(other),
    };
    enter_as(node, inputs, state, &insists, &args.entering, global).await
}
