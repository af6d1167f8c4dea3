//! `entente operation`: the simultaneous action (`design.md` section 10).
//!
//! | file | what it is |
//! |---|---|
//! | this one | the words of the command line |
//! | `steps` | every step but reports: what is said to the node |
//! | `executed` | reports of what was done |
//! | `targets` | what people name, as referrals |
//! | `board` | an operation as the node tells it, with who can be reached |
//! | `outcome` | what is done, refused, open, overdue |
//! | `show`, `json` | a board for people and for programs |
//! | `watch`, `facts`, `screen` | the board as it goes on: in lines, and drawn on a terminal |
//! | `report` | the report for afterwards |

mod board;
mod executed;
mod facts;
mod json;
mod outcome;
mod report;
mod screen;
mod show;
mod steps;
mod targets;
mod watch;

use clap::Subcommand;
use entente_proto::wire::RecordRef;

use super::Global;
use super::error::CliError;
use super::words::record_ref;

const ACTION: &str = "A whole action, led by BE:
  entente operation new --title \"Amaq\" --invite FR,NL --ready 3 --from targets.txt     (at BE; prints its id, BE/40)
  entente operation join BE/40                      (at FR and at NL)
  entente operation freeze BE/40                    (at BE)
  entente operation ready BE/40                     (at each: for exactly what is frozen)
  entente operation go BE/40 --at 2018-04-25T10:00:00Z
  entente operation watch BE/40                     (at each)
  entente operation executed BE/40 --from done.txt  (at each)
  entente operation close BE/40
  entente operation report BE/40 --format html";

/// Strike at one moment from one identical list
///
/// One unit leads: it names the targets and the units, fixes the targets, and says go. The others join, say that they are
/// ready for exactly what is fixed, and report what they did. What a unit asks to leave online when the lead says go is
/// left out; what comes later is shown as late to every unit, and people decide.
#[derive(Debug, clap::Args)]
#[command(after_help = ACTION)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    New(steps::NewArgs),
    Invite(steps::InviteArgs),
    Join(steps::JoinArgs),
    Decline(steps::DeclineArgs),
    Add(targets::AddArgs),
    Remove(targets::RemoveArgs),
    Assign(targets::AssignArgs),
    Freeze(steps::FreezeArgs),
    Ready(steps::ReadyArgs),
    Go(steps::GoArgs),
    Abort(steps::AbortArgs),
    Executed(executed::Args),
    Close(steps::CloseArgs),
    Show(show::Args),
    List(show::ListArgs),
    Watch(watch::Args),
    Report(report::Args),
}

pub(crate) async fn run(args: Args, global: &Global) -> Result<(), CliError> {
    match args.verb {
        Verb::New(args) => steps::new(args, global).await,
        Verb::Invite(args) => steps::invite(args, global).await,
        Verb::Join(args) => steps::join(args, global).await,
        Verb::Decline(args) => steps::decline(args, global).await,
        Verb::Add(args) => targets::add(args, global).await,
        Verb::Remove(args) => targets::remove(args, global).await,
        Verb::Assign(args) => targets::assign(args, global).await,
        Verb::Freeze(args) => steps::freeze(args, global).await,
        Verb::Ready(args) => steps::ready(args, global).await,
        Verb::Go(args) => steps::go(args, global).await,
        Verb::Abort(args) => steps::abort(args, global).await,
        Verb::Executed(args) => executed::run(args, global).await,
        Verb::Close(args) => steps::close(args, global).await,
        Verb::Show(args) => show::run(args, global).await,
        Verb::List(args) => show::list(args, global).await,
        Verb::Watch(args) => watch::run(args, global).await,
        Verb::Report(args) => report::run(args, global).await,
    }
}

/// Reads the id of an operation, or of another record.
pub(super) fn parse_id(text: &str) -> Result<RecordRef, String> {
    text.trim().parse().map(|id| record_ref(&id)).map_err(|error: entente_proto::ids::IdError| error.to_string())
}
