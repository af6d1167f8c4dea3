//! `entente show`: the story of a target or a record.

use entente_proto::wire::{Availability, EraseReason, ShowReply, ShowRequest, ShownRecord};

use super::Global;
use super::client::{Deadline, Node};
use super::error::CliError;
use super::json::{ShowJson, kind_word};
use super::output::Output;
use super::summary::{advice, late, relation, summary};
use super::words::{moment, plain, record_id, word};

/// Show all that is known of a target or a record
///
/// Exits 1 if nothing is.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  entente show https://bad.example/x\n  entente show BE/17 --json")]
pub(crate) struct Args {
    /// A target, as one types it, or a record id such as BE/17
    #[arg(value_name = "TARGET-or-ID")]
    what: String,
    #[command(flatten)]
    deadline: Deadline,
}

pub(crate) async fn run(args: Args, global: &Global) -> Result<(), CliError> {
    let node = Node::connect(global, args.deadline).await?;
    let request = node.request(ShowRequest { what: args.what.clone() });
    let reply = node.client().show(request).await?.into_inner();
    if reply.row.is_none() && reply.records.is_empty() {
        return Err(CliError::Refused(format!("nothing is known of {}", plain(&args.what))));
    }
    let mut out = Output::new(global.json);
    if out.is_json() {
        out.document(&ShowJson::from(&reply))?;
    } else {
        print(&reply, &mut out)?;
    }
    out.flush()
}

fn print(reply: &ShowReply, out: &mut Output) -> Result<(), CliError> {
    if let Some(row) = reply.row.as_ref().and_then(|listed| listed.row.as_ref()) {
        out.line(plain(&row.target))?;
        out.line(advice(row.status))?;
        if let Some(seen) = row.availability.as_ref().and_then(|row| row.observe.as_ref()) {
            let word = word::<Availability>(seen.availability).unwrap_or("unknown");
            out.line(format_args!("last seen {word} {}", moment(seen.observed_ms)))?;
        }
        for one in reply.row.iter().flat_map(|listed| &listed.late) {
            out.line(format_args!("OVERDUE: {}", late(one)))?;
        }
        for relative in &reply.family {
            let by = relative.by.as_ref().map(record_id).unwrap_or_default();
            let seen =
                word::<Availability>(relative.availability).map(|word| format!(", seen {word}")).unwrap_or_default();
            let status = advice(relative.status);
            out.line(format_args!(
                "family: {}, {} ({}): {status}{seen}",
                plain(&relative.target),
                relation(relative),
                plain(&by)
            ))?;
        }
        out.line("")?;
    }
    reply.records.iter().try_for_each(|record| print_record(record, out))?;
    let Some(custody) = &reply.custody else { return Ok(()) };
    for one in &custody.chain {
        let (give, take) = (one.give.clone().unwrap_or_default(), one.take.clone().unwrap_or_default());
        let intact = if one.intact { "both sides signed for the same item" } else { "THE HASHES DIFFER" };
        out.line(format_args!(
            "custody: {} gave it to {} ({} and {}): {intact}",
            plain(&give.unit),
            plain(&take.unit),
            record_id(&give),
            record_id(&take)
        ))?;
    }
    for id in &custody.open {
        out.line(format_args!("custody: {} is no part of the chain: the other side has not signed", record_id(id)))?;
    }
    out.line(format_args!("custody: {} holds it now", plain(&custody.holder)))
}

fn print_record(shown: &ShownRecord, out: &mut Output) -> Result<(), CliError> {
    let id = shown.id.as_ref().map(record_id).unwrap_or_default();
    let certified = if shown.certified { "" } else { "  NOT YET CERTIFIED" };
    let says = match &shown.record {
        Some(record) => summary(Some(record)),
        None => format!("{}, no longer readable", kind_word(shown.kind)),
    };
    out.line(format_args!("{}  {}{certified}", plain(&id), moment(shown.time_ms)))?;
    out.line(format_args!("    {says}"))?;
    // Of an erased one the lines below say more.
    if !shown.inert.is_empty() && shown.erased.is_none() {
        out.line(format_args!("    does not count: {}", plain(&shown.inert)))?;
    }
    if let Some(erased) = &shown.erased {
        let by = erased.by.as_ref().map(record_id).unwrap_or_default();
        let reason = word::<EraseReason>(erased.reason).unwrap_or("a reason that this release does not know");
        let certified = if erased.certified { "" } else { ", NOT YET CERTIFIED" };
        out.line(format_args!("    erased by {} {} ({reason}){certified}", plain(&by), moment(erased.time_ms)))?;
        let units = erased.cosigned_by.join(" ");
        let units = if units.is_empty() { "no unit yet".to_owned() } else { plain(&units) };
        out.line(format_args!("    the erasure is cosigned by {units}"))?;
        let here =
            if erased.payload_kept { "withheld here, and deleted once that is certified" } else { "deleted here" };
        out.line(format_args!("    what it said is {here}"))?;
    }
    if !shown.cosigned_by.is_empty() {
        out.line(format_args!("    cosigned by {}", plain(&shown.cosigned_by.join(" "))))?;
    }
    Ok(())
}
