//! `entente check`: whether inputs are on the list, or stand below something that is.

use std::io::{BufRead, BufReader, stdin};

use entente_proto::limits::{API_BYTES_MAX, CHECKS_MAX};
use entente_proto::list::LIKENESS;
use entente_proto::wire::{CheckRequest, Checked, Status};

use super::Global;
use super::client::{Deadline, Node, misfit};
use super::error::CliError;
use super::json::CheckedJson;
use super::output::{Output, say};
use super::summary::advice;
use super::words::plain;
use crate::import::{Format, Reader};

/// Inputs of one call: fewer than the node takes, so that the first answers come soon.
const INPUTS_MAX: usize = if CHECKS_MAX < 2_000 { CHECKS_MAX } else { 2_000 };
/// Bytes of one call's inputs; answers repeat them in canonical form.
const INPUT_BYTES_MAX: usize = API_BYTES_MAX / 8;

/// Look targets up before referring, removing or reporting them
///
/// Prints a line for each input: whether it is on the list, itself or by a domain or address above it. Exits 0 if at
/// least one is, 1 if none is or if an input was not understood.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  entente check https://bad.example/x news.example\n  entente check - < links.txt")]
pub(crate) struct Args {
    /// Targets, as one types them; - for lines on stdin
    #[arg(value_name = "TARGET", required = true)]
    targets: Vec<String>,
    /// In how many of 256 bits the PDQ hashes of two images may differ for one to be found by the other
    #[arg(long, value_name = "BITS", default_value_t = LIKENESS, value_parser = clap::value_parser!(u32).range(0..=128))]
    likeness: u32,
    #[command(flatten)]
    deadline: Deadline,
}

pub(crate) async fn run(args: Args, global: &Global) -> Result<(), CliError> {
    let node = Node::connect(global, args.deadline).await?;
    let mut checks = Checks {
        node,
        likeness: Some(args.likeness),
        out: Output::new(global.json),
        inputs: Vec::new(),
        bytes: 0,
        hits: 0,
        faults: 0,
    };
    for target in args.targets {
        if target == "-" {
            checks.lines(BufReader::new(stdin())).await?;
        } else {
            checks.input(target).await?;
        }
    }
    checks.call().await?;
    checks.out.flush()?;
    match (checks.faults, checks.hits) {
        (0, 0) => Err(CliError::Refused("nothing of this is on the list".to_owned())),
        (0, _) => Ok(()),
        (faults, _) => Err(CliError::Refused(format!("{faults} of the inputs were not understood"))),
    }
}

struct Checks {
    node: Node,
    likeness: Option<u32>,
    out: Output,
    inputs: Vec<String>,
    bytes: usize,
    hits: u64,
    faults: u64,
}

impl Checks {
    async fn lines(&mut self, input: impl BufRead + Send) -> Result<(), CliError> {
        let read = |e: &dyn std::fmt::Display| CliError::Refused(format!("cannot read stdin: {e}"));
        for line in Reader::new(input, Some(Format::Lines)).map_err(|e| read(&e))? {
            let line = line.map_err(|e| read(&e))?;
            match line.content {
                Ok(item) => self.input(item.target).await?,
                Err(fault) => {
                    self.faults = self.faults.saturating_add(1);
                    say(format_args!("line {}: {}: {}", line.number, fault.code, fault.reason));
                }
            }
        }
        Ok(())
    }

    async fn input(&mut self, input: String) -> Result<(), CliError> {
        if self.inputs.len() >= INPUTS_MAX || self.bytes.saturating_add(input.len()) > INPUT_BYTES_MAX {
            self.call().await?;
        }
        self.bytes = self.bytes.saturating_add(input.len());
        self.inputs.push(input);
        Ok(())
    }

    async fn call(&mut self) -> Result<(), CliError> {
        self.bytes = 0;
        let inputs = std::mem::take(&mut self.inputs);
        if inputs.is_empty() {
            return Ok(());
        }
        let asked = inputs.len();
        let request = self.node.request(CheckRequest { inputs, likeness: self.likeness });
        let reply = self.node.client().check(request).await?.into_inner();
        if reply.checked.len() != asked {
            return Err(misfit("it has not one answer for each input"));
        }
        for checked in &reply.checked {
            self.hits = self.hits.saturating_add(u64::from(checked.status != Status::Unspecified as i32));
            self.faults = self.faults.saturating_add(u64::from(!checked.fault.is_empty()));
            self.print(checked)?;
        }
        Ok(())
    }

    fn print(&mut self, checked: &Checked) -> Result<(), CliError> {
        if self.out.is_json() {
            return self.out.document(&CheckedJson::from(checked));
        }
        let input = plain(&checked.input);
        if !checked.fault.is_empty() {
            return self.out.line(format_args!("{input}  not understood: {}", plain(&checked.fault)));
        }
        let like = checked.differs.map(|bits| format!(", which differs in {bits} of 256 bits")).unwrap_or_default();
        let via = if checked.via.is_empty() { String::new() } else { format!(", by {}{like}", plain(&checked.via)) };
        let pending = if checked.pending { "; something not yet certified is known (entente show)" } else { "" };
        self.out.line(format_args!("{input}  {}{via}{pending}", advice(checked.status)))?;
        checked.notices.iter().try_for_each(|notice| self.out.line(format_args!("    note: {}", plain(notice))))
    }
}
