//! Targets of an operation: what people name, as referrals.

use std::collections::{BTreeMap, BTreeSet};

use entente_proto::limits::CHECKS_MAX;
use entente_proto::list::operation::referrals;
use entente_proto::record;
use entente_proto::wire::operation_step::Step;
use entente_proto::wire::{BoardTarget, CheckRequest, OperationAssign, OperationTargets, RecordRef, Referrals};

use super::super::Global;
use super::super::answers::Entering;
use super::super::client::{Node, misfit};
use super::super::error::CliError;
use super::super::inputs::inputs;
use super::board::Told;
use super::parse_id;
use super::steps::{Of, take_at};
use crate::import::Format;

/// How many names that cannot be meant are told at most.
const REFUSED_MAX: usize = 20;

/// Add targets while the operation is open
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: entente operation add BE/40 bad.example FR/12 --from mirrors.txt")]
pub(super) struct AddArgs {
    #[command(flatten)]
    of: Of,
    #[command(flatten)]
    targets: Targets,
}

/// Take targets out while the operation is open: the lead any, another unit what it added
#[derive(Debug, clap::Args)]
pub(super) struct RemoveArgs {
    #[command(flatten)]
    of: Of,
    #[command(flatten)]
    targets: Targets,
}

#[derive(Debug, clap::Args)]
struct Targets {
    /// Targets as one types them, or ids of referrals
    #[arg(value_name = "TARGET-OR-ID", required_unless_present = "from")]
    targets: Vec<String>,
    #[command(flatten)]
    entering: Entering,
}

/// Say which unit acts on which targets (lead only)
///
/// It takes the place of what that unit was assigned before. `entente operation show` tells which targets nobody is
/// assigned to, and which several units are.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  entente operation assign BE/40 NL --ending .nl\n  entente operation assign BE/40 FR --provider \
                  \"Example Hosting\"\n  entente operation assign BE/40 FR   (nothing any more)"
)]
pub(super) struct AssignArgs {
    #[command(flatten)]
    of: Of,
    /// The unit that acts
    #[arg(value_name = "UNIT")]
    unit: String,
    /// Targets of the operation, as one types them, or ids of their referrals
    #[arg(value_name = "TARGET-OR-ID")]
    targets: Vec<String>,
    /// All targets whose referral names this provider; capitals do not matter
    #[arg(long, value_name = "TEXT")]
    provider: Option<String>,
    /// All domains and addresses whose host name ends so, such as .be
    #[arg(long, value_name = "TEXT")]
    ending: Option<String>,
    #[command(flatten)]
    entering: Entering,
}

pub(super) async fn add(args: AddArgs, global: &Global) -> Result<(), CliError> {
    let Targets { targets, entering } = args.targets;
    let node = Node::connect(global, entering.deadline).await?;
    let targets = resolve(&node, &named(targets, entering.from.as_deref())?).await?;
    take_at(node, &args.of, Step::Add(OperationTargets { targets }), &entering, global).await
}

pub(super) async fn remove(args: RemoveArgs, global: &Global) -> Result<(), CliError> {
    let Targets { targets, entering } = args.targets;
    let node = Node::connect(global, entering.deadline).await?;
    let board = Told::ask(&node, &args.of.operation).await?;
    let targets = referrals(&all_named(&board, &named(targets, entering.from.as_deref())?)?);
    take_at(node, &args.of, Step::Remove(OperationTargets { targets }), &entering, global).await
}

pub(super) async fn assign(args: AssignArgs, global: &Global) -> Result<(), CliError> {
    let node = Node::connect(global, args.entering.deadline).await?;
    let board = Told::ask(&node, &args.of.operation).await?;
    let mut ids = all_named(&board, &named(args.targets, args.entering.from.as_deref())?)?;
    if let Some(ending) = &args.ending {
        let ends = |target: &&BoardTarget| host(&target.target).is_some_and(|host| host.ends_with(ending.as_str()));
        ids.extend(board.board.targets.iter().filter(ends).filter_map(|target| target.referral.clone()));
    }
    if let Some(provider) = &args.provider {
        ids.extend(of_provider(&node, &board, provider).await?);
    }
    let wanted = args.ending.is_some() || args.provider.is_some();
    if wanted && ids.is_empty() {
        return Err(CliError::Refused("no target of the operation fits: `entente operation show` lists them".into()));
    }
    let step = Step::Assign(OperationAssign { unit: args.unit, targets: referrals(&ids) });
    take_at(node, &args.of, step, &args.entering, global).await
}

/// The host name that a target has.
fn host(target: &str) -> Option<&str> {
    let (kind, value) = target.split_once(':')?;
    match kind {
        "domain" => Some(value),
        "url" => {
            let rest = value.split_once("//").map_or(value, |(_, rest)| rest);
            rest.split(['/', ':', '?']).next()
        }
        _ => None,
    }
}

/// The referrals of the operation that name a provider.
async fn of_provider(node: &Node, told: &Told, provider: &str) -> Result<Vec<RecordRef>, CliError> {
    let request = entente_proto::wire::ListRequest { provider: provider.to_owned(), ..Default::default() };
    let mut rows = node.client().list(node.request(request)).await?.into_inner();
    let mut by_target: BTreeMap<&str, Vec<&RecordRef>> = BTreeMap::new();
    for target in &told.board.targets {
        by_target.entry(target.target.as_str()).or_default().extend(&target.referral);
    }
    let mut ids = Vec::new();
    while let Some(row) = rows.message().await? {
        let name = row.row.map(|row| row.target).unwrap_or_default();
        ids.extend(by_target.get(name.as_str()).into_iter().flatten().map(|id| (*id).clone()));
    }
    Ok(ids)
}

/// What a command names: its arguments, and the lines of a file.
pub(super) fn named(arguments: Vec<String>, from: Option<&str>) -> Result<Vec<String>, CliError> {
    let mut names = Vec::new();
    for input in inputs(arguments, from, Some(Format::Lines))? {
        let input = input?;
        let item = input.content.map_err(|fault| CliError::Refused(format!("{}: {}", input.name, fault.reason)))?;
        names.push(item.target);
    }
    Ok(names)
}

/// Standing referrals of what is named.
pub(super) async fn resolve(node: &Node, names: &[String]) -> Result<Vec<Referrals>, CliError> {
    let (ids, texts): (Vec<_>, Vec<_>) =
        names.iter().map(|name| (name, parse_id(name))).partition(|(_, id)| id.is_ok());
    let mut ids: Vec<RecordRef> = ids.into_iter().filter_map(|(_, id)| id.ok()).collect();
    let mut refused = Refused::default();
    for some in texts.chunks(CHECKS_MAX) {
        let inputs = some.iter().map(|(name, _)| (*name).clone()).collect();
        let reply = node.client().check(node.request(CheckRequest { inputs, likeness: None })).await?.into_inner();
        if reply.checked.len() != some.len() {
            return Err(misfit("it has not one answer for each input"));
        }
        for checked in reply.checked {
            let why = if checked.fault.is_empty() { "no unit refers it: refer it first" } else { &checked.fault };
            match checked.referral {
                Some(id) => ids.push(id),
                None => refused.name(&checked.input, why),
            }
        }
    }
    refused.all()?;
    Ok(referrals(&ids))
}

/// What is named and cannot be meant: all of it is told at once, so that a file is mended once.
#[derive(Debug, Default)]
struct Refused {
    lines: Vec<String>,
    more: usize,
}

impl Refused {
    fn name(&mut self, input: &str, why: &str) {
        if self.lines.len() < REFUSED_MAX {
            self.lines.push(format!("{input}: {why}"));
        } else {
            self.more += 1;
        }
    }

    fn all(mut self) -> Result<(), CliError> {
        if self.lines.is_empty() {
            return Ok(());
        }
        if self.more > 0 {
            self.lines.push(format!("and {} more", self.more));
        }
        Err(CliError::Refused(self.lines.join("\n  ")))
    }
}

/// The referrals of an operation that are named.
fn all_named(told: &Told, names: &[String]) -> Result<Vec<RecordRef>, CliError> {
    let board = OnBoard::of(told);
    let (mut ids, mut refused) = (Vec::new(), Refused::default());
    for name in names {
        match board.named(name) {
            Ok(named) => ids.extend(named),
            Err(why) => refused.name(name, &why),
        }
    }
    refused.all()?;
    Ok(ids)
}

/// The targets of an operation, to be named by their ids or by what they refer.
pub(super) struct OnBoard<'a> {
    ids: BTreeSet<(&'a str, u64)>,
    by_target: BTreeMap<&'a str, Vec<&'a RecordRef>>,
}

impl<'a> OnBoard<'a> {
    pub(super) fn of(told: &'a Told) -> Self {
        let mut board = Self { ids: BTreeSet::new(), by_target: BTreeMap::new() };
        for target in &told.board.targets {
            board.ids.extend(target.referral.as_ref().map(|id| (id.unit.as_str(), id.index)));
            board.by_target.entry(target.target.as_str()).or_default().extend(&target.referral);
        }
        board
    }

    /// The referrals that are meant by a name.
    ///
    /// # Errors
    /// Why it can mean none.
    pub(super) fn named(&self, name: &str) -> Result<Vec<RecordRef>, String> {
        const NO_TARGET: &str = "is not a target of this operation";
        if let Ok(id) = parse_id(name) {
            return if self.ids.contains(&(id.unit.as_str(), id.index)) { Ok(vec![id]) } else { Err(NO_TARGET.into()) };
        }
        let understood = record::from_input(name).map_err(|error| error.to_string())?;
        let found = self.by_target.get(understood.target.as_str()).ok_or(NO_TARGET)?;
        Ok(found.iter().map(|id| (*id).clone()).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::host;

    #[test]
    fn a_target_has_the_host_that_it_names() {
        assert_eq!(host("domain:news.example"), Some("news.example"));
        assert_eq!(host("url:https://news.example:8443/a?b"), Some("news.example"));
        assert_eq!(host("account:telegram/xyz"), None);
    }
}
