//! The command line: one file a verb.
//!
//! [`main`] reads the arguments, calls the verb and turns what it says into an exit code: 0 done, 1 refused or not
//! found, 2 called wrongly, 3 node unreachable, 4 verification failed (`design.md` section 11). Results go to stdout,
//! words about faults to stderr, and with `--json` nothing but JSON goes to stdout.
//!
//! | file | what it is |
//! |---|---|
//! | `client` | the connection to the own node |
//! | `submit`, `answers` | statements on their way to the node, and what came back |
//! | `words`, `json`, `summary`, `output` | numbers of the wire as words, documents, lines and tables |
//! | `error` | exit codes |

mod answers;
mod audit;
mod backup;
mod cert;
mod charter;
mod check;
pub(crate) mod client;
mod custody;
mod dispatch;
mod erase;
mod error;
mod evidence;
mod export;
mod hold;
mod html;
mod import;
mod init;
mod inputs;
mod json;
mod link;
mod list;
mod object;
mod observe;
mod operation;
mod outcome;
pub(crate) mod output;
mod receipt;
mod refer;
mod restore;
mod run;
mod scrub;
mod show;
mod status;
pub(crate) mod submit;
mod summary;
mod waiting;
mod watch;
mod withdraw;
mod witness;
pub(crate) mod words;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub use self::error::CliError;
pub(crate) use self::json::status_word;

/// The arguments of the program.
#[derive(Debug, Parser)]
#[command(
    name = "entente",
    version,
    about = "Shares signed referrals of terrorist content between units, so that every unit works from the same list",
    after_help = "Exit codes: 0 done, 1 refused or not found, 2 called wrongly, 3 node unreachable, 4 verification failed.\n\
                  A first look: entente demo",
    arg_required_else_help = true,
    disable_help_subcommand = true
)]
pub struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    verb: Verb,
}

/// The options that every verb takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Global {
    /// The node's home directory
    #[arg(
        long,
        global = true,
        env = "ENTENTE_HOME",
        value_name = "DIR",
        hide_env_values = true,
        help_heading = "Options of all commands"
    )]
    pub home: Option<PathBuf>,
    /// Call as this officer instead of the one that node.toml names, or as operator/NAME or auditor/NAME
    #[arg(long = "as", global = true, value_name = "NAME", help_heading = "Options of all commands")]
    pub officer: Option<String>,
    /// Why you call, for the access log: a case, an order; a node may ask everybody who reads for it
    #[arg(long, global = true, value_name = "WORDS", value_parser = purpose, help_heading = "Options of all commands")]
    pub purpose: Option<String>,
    /// Print JSON: one document, or one a line
    #[arg(long, global = true, help_heading = "Options of all commands")]
    pub json: bool,
}

impl Global {
    /// The home directory.
    ///
    /// # Errors
    /// [`CliError::Usage`] if none was named.
    pub fn home(&self) -> Result<&Path, CliError> {
        self.home.as_deref().ok_or_else(|| {
            CliError::Usage("name the node's home directory with --home DIR, or in ENTENTE_HOME".to_owned())
        })
    }
}

fn purpose(text: &str) -> Result<String, String> {
    let most = entente_proto::access::PURPOSE_BYTES_MAX;
    let fits = text.len() <= most && !text.chars().any(char::is_control);
    if fits { Ok(text.to_owned()) } else { Err(format!("it has at most {most} bytes and no control characters")) }
}

const FOUNDING: &str = "Founding a network, after each unit has run `entente init` and handed out its unit.toml:
  entente charter new --out charter.note be/unit.toml fr/unit.toml
  entente charter sign charter.note --home be     (then at every other unit)
  entente charter adopt charter.note --home be    (then at every other unit)";

#[derive(Debug, Subcommand)]
enum Verb {
    Init(init::Args),
    #[command(after_help = FOUNDING)]
    Charter(charter::Args),
    Cert(cert::Args),
    Run(run::Args),
    Demo(crate::demo::Args),
    Status(status::Args),
    Refer(refer::Args),
    Withdraw(withdraw::Args),
    Hold(hold::Args),
    Object(object::ObjectArgs),
    Support(object::SupportArgs),
    Dispatch(dispatch::Args),
    Outcome(outcome::Args),
    Observe(observe::Args),
    Link(link::Args),
    Evidence(evidence::Args),
    Custody(custody::Args),
    Operation(operation::Args),
    Waiting(waiting::ListArgs),
    Countersign(waiting::CountersignArgs),
    Reject(waiting::RejectArgs),
    List(list::Args),
    Show(show::Args),
    Check(check::Args),
    Watch(watch::Args),
    Import(import::Args),
    Receipt(receipt::Args),
    Audit(audit::Args),
    Export(export::Args),
    Erase(erase::Args),
    Scrub(scrub::Args),
    Backup(backup::Args),
    Restore(restore::Args),
    Witness(witness::Args),
}

/// Runs the program with the arguments of the process.
#[must_use]
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version go to stdout, whose reader may have gone; there is nobody left to tell.
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(2) } else { ExitCode::SUCCESS };
        }
    };
    match dispatch(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            if !error.is_silent() {
                output::say(format_args!("entente: {error}"));
            }
            ExitCode::from(&error)
        }
    }
}

fn dispatch(cli: Cli) -> Result<(), CliError> {
    let global = &cli.global;
    match cli.verb {
        Verb::Init(args) => init::run(&args, global),
        Verb::Charter(args) => charter::run(&args, global),
        Verb::Cert(args) => cert::run(args, global),
        Verb::Run(args) => run::run(&args, global),
        Verb::Demo(args) => crate::demo::run(&args),
        Verb::Status(args) => wait_for(status::run(args, global)),
        Verb::Refer(args) => wait_for(refer::run(args, global)),
        Verb::Withdraw(args) => wait_for(withdraw::run(args, global)),
        Verb::Hold(args) => wait_for(hold::run(args, global)),
        Verb::Object(args) => wait_for(object::object(args, global)),
        Verb::Support(args) => wait_for(object::support(args, global)),
        Verb::Dispatch(args) => wait_for(dispatch::run(args, global)),
        Verb::Outcome(args) => wait_for(outcome::run(args, global)),
        Verb::Observe(args) => wait_for(observe::run(args, global)),
        Verb::Link(args) => wait_for(link::run(args, global)),
        Verb::Evidence(args) => wait_for(evidence::run(args, global)),
        Verb::Custody(args) => wait_for(custody::run(args, global)),
        Verb::Operation(args) => wait_for(operation::run(args, global)),
        Verb::Waiting(args) => wait_for(waiting::list(args, global)),
        Verb::Countersign(args) => wait_for(waiting::countersign(args, global)),
        Verb::Reject(args) => wait_for(waiting::reject(args, global)),
        Verb::List(args) => wait_for(list::run(args, global)),
        Verb::Show(args) => wait_for(show::run(args, global)),
        Verb::Check(args) => wait_for(check::run(args, global)),
        Verb::Watch(args) => wait_for(watch::run(args, global)),
        Verb::Import(args) => wait_for(import::run(args, global)),
        Verb::Receipt(args) => wait_for(receipt::run(args, global)),
        Verb::Audit(args) => wait_for(audit::run(args, global)),
        Verb::Export(args) => wait_for(export::run(args, global)),
        Verb::Erase(args) => wait_for(erase::run(args, global)),
        Verb::Scrub(args) => wait_for(scrub::run(args, global)),
        Verb::Backup(args) => wait_for(backup::run(args, global)),
        Verb::Restore(args) => restore::run(&args, global),
        Verb::Witness(args) => witness::run(args, global),
    }
}

/// Runs a verb that calls the node. One thread is enough: all that it does is wait.
fn wait_for(verb: impl Future<Output = Result<(), CliError>>) -> Result<(), CliError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| CliError::Refused(format!("cannot start: {e}")))?;
    let result = runtime.block_on(verb);
    // A thread that still reads a file or stdin has nothing to say any more.
    runtime.shutdown_background();
    result
}

#[cfg(test)]
mod tests;
