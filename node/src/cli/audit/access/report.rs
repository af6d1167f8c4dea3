//! `entente audit access report`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use entente_proto::access::{is_about, parse};
use entente_proto::record;
use entente_proto::wire::access::Body;
use serde::Serialize;

use super::files::{Entries, Files};
use crate::cli::Global;
use crate::cli::error::CliError;
use crate::cli::output::{Output, say};
use crate::cli::words::{moment, plain};

/// Tell who called how often, for what, and who was refused
///
/// Verifies nothing: `entente audit access verify` does. With --calls every call is printed.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The export
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    /// Print every call instead of the counts
    #[arg(long)]
    calls: bool,
    /// Only calls of this person, such as officer/alice
    #[arg(long, value_name = "CALLER")]
    caller: Option<String>,
    /// Only calls about this text or record: a target that was looked up, as it was typed then, or submitted. The log holds texts as
    /// salted hashes, so they are found, and not read
    #[arg(long, value_name = "TEXT")]
    about: Option<String>,
}

/// One call, with how it ended.
#[derive(Serialize)]
struct CallJson {
    epoch: u64,
    index: u64,
    time: String,
    caller: String,
    key: String,
    method: String,
    purpose: String,
    about: Vec<String>,
    /// How many items it was about, where not all are in `about`.
    items: u64,
    submissions: Vec<String>,
    /// How many rows it was sent, where that was counted.
    rows: Option<u64>,
    /// The gRPC status code it was answered with, where it was refused.
    refused: Option<u32>,
}

/// What one person did with one method.
#[derive(Default)]
struct Count {
    calls: u64,
    rows: u64,
    items: u64,
    refused: u64,
    without_purpose: u64,
    first_ms: u64,
    last_ms: u64,
}

#[derive(Serialize)]
struct CountJson<'a> {
    caller: &'a str,
    method: &'a str,
    calls: u64,
    /// Rows that were read in bulk.
    rows: u64,
    /// Targets, records or statements named in calls.
    items: u64,
    refused: u64,
    without_purpose: u64,
    first: String,
    last: String,
}

impl Args {
    fn wants(&self, call: &entente_proto::wire::Call) -> bool {
        self.caller.as_ref().is_none_or(|caller| *caller == call.caller)
            && self.about.as_ref().is_none_or(|text| {
                // Submitted targets stand there in canonical form.
                let canonical = record::from_input(text).ok().map(|understood| understood.target.to_string());
                is_about(call, text) || canonical.is_some_and(|target| is_about(call, &target))
            })
    }
}

pub(super) fn run(args: &Args, global: &Global) -> Result<(), CliError> {
    let files = Files::new(&args.directory);
    let mut out = Output::new(global.json);
    let mut counts = BTreeMap::<(String, String), Count>::new();
    // Calls whose end has not come yet, which it may do in a later epoch. One that never ends stays in it: a kill ends few.
    let mut open = BTreeMap::<(u64, u64), CallJson>::new();
    let (epochs, mut wanted) = (files.epochs()?, 0_u64);
    if epochs.is_empty() {
        return Err(CliError::Refused(format!(
            "{} holds no access log: entente audit access export DIR writes one",
            args.directory.display()
        )));
    }
    for epoch in epochs {
        let path = files.entries(epoch);
        let entries = Entries::open(&path).map_err(|e| CliError::file(&path, "open", &e))?;
        for (index, entry) in (0..).zip(entries) {
            let fault = |why: &dyn std::fmt::Display| {
                CliError::Verification(format!("{}: entry {index}: {why}", path.display()))
            };
            let entry = entry.map_err(|error| fault(&error))?;
            let time_ms = entry.header().time_ms;
            match parse(&entry).map_err(|error| fault(&error))? {
                Body::Call(call) if args.wants(&call) => {
                    wanted = wanted.saturating_add(1);
                    let count = counts.entry((call.caller.clone(), call.method.clone())).or_default();
                    count.called(time_ms, &call);
                    if args.calls {
                        open.insert((epoch, index), call_json(epoch, index, time_ms, call));
                    } else {
                        open.insert((epoch, index), named(call.caller, call.method));
                    }
                }
                Body::Call(_) | Body::Began(_) | Body::Deleted(_) => {}
                Body::Ended(ended) => {
                    let of = if ended.epoch == 0 { epoch } else { ended.epoch };
                    let Some(mut call) = open.remove(&(of, ended.call)) else { continue };
                    call.rows = Some(ended.rows);
                    call.refused = Some(ended.code).filter(|code| *code != 0);
                    if let Some(count) = counts.get_mut(&(call.caller.clone(), call.method.clone())) {
                        count.rows = count.rows.saturating_add(ended.rows);
                        count.refused = count.refused.saturating_add(u64::from(ended.code != 0));
                    }
                    if args.calls {
                        call.print(&mut out)?;
                    }
                }
            }
            // Most calls have no end of their own: what is far behind is printed as it is.
            while open.len() > OPEN_MAX {
                let Some((_, call)) = open.pop_first() else { break };
                if args.calls {
                    call.print(&mut out)?;
                }
            }
        }
    }
    if args.calls {
        open.into_values().try_for_each(|call| call.print(&mut out))?;
    }
    if !args.calls {
        print(&counts, &mut out)?;
    }
    out.flush()?;
    if wanted == 0 {
        say("no calls: none in this export is of that caller and about that text or record");
    }
    Ok(())
}

/// How many calls may wait for their end.
const OPEN_MAX: usize = 10_000;

impl Count {
    fn called(&mut self, time_ms: u64, call: &entente_proto::wire::Call) {
        self.calls = self.calls.saturating_add(1);
        // Beside the ids of statements stands what they are about.
        let named = match call.submissions.len() {
            0 => (call.about.len() as u64).max(call.items),
            statements => statements as u64,
        };
        self.items = self.items.saturating_add(named);
        self.without_purpose = self.without_purpose.saturating_add(u64::from(call.purpose.is_empty()));
        if self.first_ms == 0 {
            self.first_ms = time_ms;
        }
        self.last_ms = time_ms;
    }
}

fn named(caller: String, method: String) -> CallJson {
    CallJson {
        epoch: 0,
        index: 0,
        time: String::new(),
        caller,
        key: String::new(),
        method,
        purpose: String::new(),
        about: Vec::new(),
        items: 0,
        submissions: Vec::new(),
        rows: None,
        refused: None,
    }
}

fn call_json(epoch: u64, index: u64, time_ms: u64, call: entente_proto::wire::Call) -> CallJson {
    let uuid = |id: &Vec<u8>| uuid::Uuid::from_slice(id).map_or_else(|_| String::new(), |id| id.to_string());
    CallJson {
        epoch,
        index,
        time: moment(time_ms),
        key: call.key.iter().map(|byte| format!("{byte:02x}")).collect(),
        purpose: call.purpose,
        items: call.items,
        submissions: call.submissions.iter().map(uuid).collect(),
        about: call.about,
        ..named(call.caller, call.method)
    }
}

impl CallJson {
    fn print(&self, out: &mut Output) -> Result<(), CliError> {
        if out.is_json() {
            return out.document(self);
        }
        let mut words = format!("{}  {}  {}", self.time, plain(&self.caller), plain(&self.method));
        self.about.iter().for_each(|part| words.push_str(&format!("  {}", plain(part))));
        if self.items > 0 {
            words.push_str(&format!("  ({} in all)", self.items));
        }
        self.submissions.iter().for_each(|id| words.push_str(&format!("  {id}")));
        if let Some(rows) = self.rows.filter(|rows| *rows > 0) {
            words.push_str(&format!("  {rows} rows"));
        }
        if let Some(code) = self.refused {
            words.push_str(&format!("  REFUSED ({})", tonic::Code::from_i32(code.cast_signed()).description()));
        }
        if !self.purpose.is_empty() {
            words.push_str(&format!("  for: {}", plain(&self.purpose)));
        }
        out.line(words)
    }
}

fn print(counts: &BTreeMap<(String, String), Count>, out: &mut Output) -> Result<(), CliError> {
    for ((caller, method), count) in counts {
        let (first, last) = (moment(count.first_ms), moment(count.last_ms));
        let Count { calls, rows, items, refused, without_purpose, .. } = *count;
        if out.is_json() {
            out.document(&CountJson { caller, method, calls, rows, items, refused, without_purpose, first, last })?;
            continue;
        }
        let counted = [(rows, "rows"), (items, "named"), (refused, "REFUSED")];
        let words: String =
            counted.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!(", {count} {what}")).collect();
        out.line(format_args!("{}  {}: {calls} calls{words}; {first} to {last}", plain(caller), plain(method)))?;
    }
    Ok(())
}
