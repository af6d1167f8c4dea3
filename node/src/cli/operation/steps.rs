//! Every step but reports and targets: what is said to the node.

use entente_proto::wire::operation_step::Step;
use entente_proto::wire::record::Body;
use entente_proto::wire::{
    Operation, OperationAbort, OperationClose, OperationDecline, OperationFreeze, OperationGo, OperationInvite,
    OperationJoin, OperationReady, OperationStep, RecordRef,
};

use super::super::Global;
use super::super::answers::{Entering, enter};
use super::super::client::Node;
use super::super::error::CliError;
use super::super::inputs::Input;
use super::super::words::{parse_moment, record_id};
use super::parse_id;
use super::targets::{named, resolve};
use crate::import::Item;
use crate::import::fields::Fields;

/// Begin an operation, which this unit leads
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: entente operation new --title \"Amaq\" --invite FR,NL,UK --ready 4 --go 2018-04-25T10:00:00Z \
                        --from targets.txt"
)]
pub(super) struct NewArgs {
    /// The targets it begins with: as one types them, or ids of referrals
    #[arg(value_name = "TARGET-OR-ID")]
    targets: Vec<String>,
    /// What it is called; every unit reads it
    #[arg(long)]
    title: String,
    /// The units asked to take part
    #[arg(long, value_name = "UNITS", value_delimiter = ',')]
    invite: Vec<String>,
    /// The moment planned, such as 2018-04-25T10:00:00Z
    #[arg(long, value_name = "TIME", value_parser = parse_moment)]
    go: Option<u64>,
    /// How many units must be ready before the lead can say go [default: all of them]
    #[arg(long, value_name = "N")]
    ready: Option<u32>,
    #[command(flatten)]
    entering: Entering,
}

/// Ask further units to take part (lead only)
#[derive(Debug, clap::Args)]
pub(super) struct InviteArgs {
    #[command(flatten)]
    of: Of,
    /// The units
    #[arg(value_name = "UNIT", required = true, value_delimiter = ',')]
    units: Vec<String>,
    #[command(flatten)]
    entering: Entering,
}

/// Take part in an operation
#[derive(Debug, clap::Args)]
pub(super) struct JoinArgs {
    #[command(flatten)]
    of: Of,
    /// A remark; every unit reads it
    #[arg(long)]
    text: Option<String>,
    #[command(flatten)]
    entering: Entering,
}

/// Do not take part, or not any more
#[derive(Debug, clap::Args)]
pub(super) struct DeclineArgs {
    #[command(flatten)]
    of: Of,
    /// Why; every unit reads it
    #[arg(long)]
    reason: Option<String>,
    #[command(flatten)]
    entering: Entering,
}

/// Fix the targets (lead only)
///
/// They are the ones that `entente operation show` lists now. Their digest is what each unit says that it is ready for.
#[derive(Debug, clap::Args)]
pub(super) struct FreezeArgs {
    #[command(flatten)]
    of: Of,
    #[command(flatten)]
    entering: Entering,
}

/// Say that this unit is ready for exactly what is fixed
#[derive(Debug, clap::Args)]
pub(super) struct ReadyArgs {
    #[command(flatten)]
    of: Of,
    /// The digest that one has before oneself [default: the one that this node computed]
    #[arg(long, value_name = "HEX", value_parser = parse_digest)]
    digest: Option<Digest>,
    #[command(flatten)]
    entering: Entering,
}

/// Say go (lead only): from that moment on every unit acts
///
/// What a unit asks to leave online now, objects to or has withdrawn is left out. An objection can be overridden, a hold
/// cannot.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: entente operation go BE/40 --at 2018-04-25T10:00:00Z --override NL/7")]
pub(super) struct GoArgs {
    #[command(flatten)]
    of: Of,
    /// The moment, such as 2018-04-25T10:00:00Z [default: now]
    #[arg(long, value_name = "TIME", value_parser = parse_moment)]
    at: Option<u64>,
    /// The digest of what is meant [default: the one that this node computed]
    #[arg(long, value_name = "HEX", value_parser = parse_digest)]
    digest: Option<Digest>,
    /// An objection that does not keep its target out
    #[arg(long = "override", value_name = "ID", value_parser = parse_id)]
    overrides: Vec<RecordRef>,
    /// A fixed target, by its referral, that is left out besides
    #[arg(long, value_name = "ID", value_parser = parse_id)]
    without: Vec<RecordRef>,
    #[command(flatten)]
    entering: Entering,
}

/// Call it off (lead only)
#[derive(Debug, clap::Args)]
pub(super) struct AbortArgs {
    #[command(flatten)]
    of: Of,
    /// Why; every unit reads it
    #[arg(long)]
    reason: Option<String>,
    #[command(flatten)]
    entering: Entering,
}

/// Close it (lead only): nothing that is said later counts
#[derive(Debug, clap::Args)]
pub(super) struct CloseArgs {
    #[command(flatten)]
    of: Of,
    /// A remark; every unit reads it
    #[arg(long)]
    text: Option<String>,
    #[command(flatten)]
    entering: Entering,
}

/// Which operation.
#[derive(Debug, clap::Args)]
pub(super) struct Of {
    /// The operation, such as BE/40
    #[arg(value_name = "ID", value_parser = parse_id)]
    pub(super) operation: RecordRef,
}

/// A digest that was typed.
#[derive(Debug, Clone)]
struct Digest(Vec<u8>);

fn parse_digest(text: &str) -> Result<Digest, String> {
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let bytes: Option<Vec<u8>> = text.as_bytes().chunks(2).map(byte).collect();
    let whole = bytes.filter(|bytes| bytes.len() == 32 && text.len() == 64);
    whole.map(Digest).ok_or_else(|| "a digest is 64 hexadecimal digits, as `entente operation show` prints it".into())
}

pub(super) async fn new(args: NewArgs, global: &Global) -> Result<(), CliError> {
    let node = Node::connect(global, args.entering.deadline).await?;
    let names = named(args.targets, args.entering.from.as_deref())?;
    let targets = resolve(&node, &names).await?;
    let all = u32::try_from(args.invite.len()).unwrap_or(u32::MAX).saturating_add(1);
    let operation = Operation {
        title: args.title.clone(),
        invited: args.invite,
        targets,
        go_ms: args.go.unwrap_or_default(),
        ready_quorum: args.ready.unwrap_or(all),
    };
    say(node, args.title, Body::Operation(operation), &args.entering, global).await
}

pub(super) async fn invite(args: InviteArgs, global: &Global) -> Result<(), CliError> {
    let mut units = args.units;
    units.sort();
    units.dedup();
    take(&args.of, Step::Invite(OperationInvite { units }), &args.entering, global).await
}

pub(super) async fn join(args: JoinArgs, global: &Global) -> Result<(), CliError> {
    let step = Step::Join(OperationJoin { text: args.text.unwrap_or_default() });
    take(&args.of, step, &args.entering, global).await
}

pub(super) async fn decline(args: DeclineArgs, global: &Global) -> Result<(), CliError> {
    let step = Step::Decline(OperationDecline { reason: args.reason.unwrap_or_default() });
    take(&args.of, step, &args.entering, global).await
}

pub(super) async fn freeze(args: FreezeArgs, global: &Global) -> Result<(), CliError> {
    take(&args.of, Step::Freeze(OperationFreeze::default()), &args.entering, global).await
}

pub(super) async fn ready(args: ReadyArgs, global: &Global) -> Result<(), CliError> {
    let digest = args.digest.map(|digest| digest.0).unwrap_or_default();
    take(&args.of, Step::Ready(OperationReady { digest }), &args.entering, global).await
}

pub(super) async fn go(args: GoArgs, global: &Global) -> Result<(), CliError> {
    let go = OperationGo {
        digest: args.digest.map(|digest| digest.0).unwrap_or_default(),
        at_ms: args.at.unwrap_or_default(),
        overrides: args.overrides,
        excluded: entente_proto::list::operation::referrals(&args.without),
        ..OperationGo::default()
    };
    take(&args.of, Step::Go(go), &args.entering, global).await
}

pub(super) async fn abort(args: AbortArgs, global: &Global) -> Result<(), CliError> {
    let step = Step::Abort(OperationAbort { reason: args.reason.unwrap_or_default() });
    take(&args.of, step, &args.entering, global).await
}

pub(super) async fn close(args: CloseArgs, global: &Global) -> Result<(), CliError> {
    let step = Step::Close(OperationClose { text: args.text.unwrap_or_default(), frontier: Vec::new() });
    take(&args.of, step, &args.entering, global).await
}

/// Takes a step that names no targets.
async fn take(of: &Of, step: Step, entering: &Entering, global: &Global) -> Result<(), CliError> {
    if entering.from.is_some() {
        return Err(CliError::Usage("this step names no targets: leave --from away".into()));
    }
    let node = Node::connect(global, entering.deadline).await?;
    take_at(node, of, step, entering, global).await
}

/// Takes a step.
pub(super) async fn take_at(
    node: Node,
    of: &Of,
    step: Step,
    entering: &Entering,
    global: &Global,
) -> Result<(), CliError> {
    let body = Body::OperationStep(OperationStep { operation: Some(of.operation.clone()), step: Some(step) });
    say(node, record_id(&of.operation), body, entering, global).await
}

async fn say(node: Node, name: String, body: Body, entering: &Entering, global: &Global) -> Result<(), CliError> {
    let input = Input { content: Ok(Item::new(name.clone(), Fields::default())), name };
    enter(node, std::iter::once(Ok(input)), |_| Ok(body.clone()), entering, global).await
}
