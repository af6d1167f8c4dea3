//! `entente receipt verify`.

use std::io::Read as _;
use std::path::PathBuf;
use std::sync::Arc;

use entente_proto::charter::{Charter, CharterChain};
use entente_proto::receipt::VerifiedReceipt;
use entente_proto::wire::ReceiptRequest;
use serde::Serialize;
use tonic::Code;

use super::page::{self, PAGE_BYTES_MAX};
use super::since::{self, Said, SinceJson};
use super::{told, verify_under};
use crate::cli::Global;
use crate::cli::client::{Deadline, Node};
use crate::cli::error::CliError;
use crate::cli::inputs;
use crate::cli::json::StatementJson;
use crate::cli::output::{Output, say};
use crate::cli::words::{moment, plain, record_ref};
use crate::home::Home;
use crate::membership::{load_charters, read_charters};

/// Verify receipts with the charter alone, without a node and without a network
///
/// Says who made which record when, who has cosigned it, and what the receipts given say about each other. Exits 4 unless
/// every one of them verifies and is certified, whether or not a record was withdrawn since.
#[derive(Debug, clap::Args)]
#[command(after_help = super::EXAMPLES)]
pub(crate) struct VerifyArgs {
    /// Receipts, or pages with receipts in them; - for stdin
    #[arg(value_name = "FILE", required = true)]
    files: Vec<String>,
    /// The charter of the network, from somebody you trust: all its versions in order, the option given for each, or a directory
    /// that holds them as 1.note, 2.note and so on [default: those that the home directory has taken up]
    #[arg(long, value_name = "FILE or DIR")]
    charter: Vec<PathBuf>,
    /// A receipt of a later record: a withdrawal or erasure of the record, or an opinion on it; may be given again
    #[arg(long, value_name = "FILE")]
    newer: Vec<String>,
    /// Ask the node of the home directory what was said of the record since
    #[arg(long)]
    node: bool,
    #[command(flatten)]
    deadline: Deadline,
}

/// A receipt as it was given.
struct Given {
    /// The file, and its place on the page.
    name: String,
    /// Whether it is asked about, or only given beside others.
    asked: bool,
    /// The receipt, and the version of the charter under which it verifies.
    read: Result<(VerifiedReceipt, Arc<Charter>), String>,
}

impl Given {
    fn receipt(&self) -> Option<&VerifiedReceipt> {
        self.read.as_ref().ok().map(|(receipt, _)| receipt)
    }
}

pub(super) async fn run(args: VerifyArgs, global: &Global) -> Result<(), CliError> {
    let charters = charters(&args.charter, global)?;
    let mut given = Vec::new();
    for (files, asked) in [(&args.files, true), (&args.newer, false)] {
        for file in files {
            given.extend(read(file, asked, &charters));
        }
    }
    let node = if args.node { Some(Node::connect(global, args.deadline).await?) } else { None };
    let mut report = Report { faults: faults(&given), out: Output::new(global.json) };
    for one in given.iter().filter(|one| one.asked) {
        let Ok((receipt, charter)) = &one.read else {
            report.refuse(one)?;
            continue;
        };
        let mut since = since::proven(receipt, given.iter().filter_map(Given::receipt));
        let asked = match &node {
            Some(node) => Some(ask(node, receipt, &mut since).await?),
            None => None,
        };
        let beside = given.len() > 1;
        report.accept(one, (receipt, charter), &since, asked.as_ref(), beside)?;
    }
    report.out.flush()?;
    report.end()?;
    unrelated(&given)
}

/// The charter, verified. Whatever keeps a receipt from being verified ends with exit code 4.
pub(in crate::cli) fn charters(files: &[PathBuf], global: &Global) -> Result<CharterChain, CliError> {
    let charters = match (files, &global.home) {
        ([], Some(home)) => load_charters(&Home::open(home).map_err(|e| CliError::Refused(e.to_string()))?),
        ([], None) => {
            return Err(CliError::Usage(
                "name the charter of the network with --charter FILE: without it nobody can say whose signature counts"
                    .to_owned(),
            ));
        }
        (files, _) => read_charters(files),
    };
    charters.map_err(|why| CliError::Verification(format!("the charter cannot be used: {why}")))
}

/// The receipts in a file, or why there is none.
fn read(file: &str, asked: bool, charters: &CharterChain) -> Vec<Given> {
    let name = plain(if file == "-" { "stdin" } else { file });
    let refused = |why: String| vec![Given { name: name.clone(), asked, read: Err(why) }];
    let bytes = match bounded(file) {
        Ok(bytes) => bytes,
        Err(why) => return refused(why),
    };
    let receipts = match page::is_page(&bytes) {
        false => Ok(vec![bytes]),
        true => page::receipts(&bytes),
    };
    let receipts = match receipts {
        Ok(receipts) => receipts,
        Err(why) => return refused(why.to_owned()),
    };
    let one = |(place, bytes): (usize, &Vec<u8>)| Given {
        name: if place == 0 { name.clone() } else { format!("{name}, receipt {}", place + 1) },
        asked: asked && place == 0,
        read: verify_under(charters, bytes).map_err(|fault| fault.to_string()),
    };
    receipts.iter().enumerate().map(one).collect()
}

fn bounded(file: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let limit = (PAGE_BYTES_MAX as u64).saturating_add(1);
    let opened = inputs::open(file).map_err(|e| e.to_string())?;
    opened.take(limit).read_to_end(&mut bytes).map_err(|e| format!("it cannot be read: {e}"))?;
    if bytes.len() > PAGE_BYTES_MAX {
        return Err(format!("it has more than {PAGE_BYTES_MAX} bytes, which no receipt and no page has"));
    }
    Ok(bytes)
}

/// What does not verify, each with the words that name it.
fn faults(given: &[Given]) -> Vec<String> {
    let mut faults = Vec::new();
    let good: Vec<(&str, &VerifiedReceipt)> =
        given.iter().filter_map(|one| Some((one.name.as_str(), one.receipt()?))).collect();
    for one in given {
        let fault = match &one.read {
            Err(why) => Some(format!("{} does not verify: {why}", one.name)),
            Ok((receipt, _)) => receipt
                .certified()
                .err()
                .map(|why| format!("{} is signed by {} alone and proves little: {why}", one.name, receipt.id().unit)),
        };
        faults.extend(fault);
    }
    for (place, (name, receipt)) in good.iter().enumerate() {
        for (other_name, other) in good.iter().skip(place + 1).filter(|(_, other)| receipt.contradicts(other)) {
            faults.push(format!(
                "{name} and {other_name} contradict each other: the log of {} has FORKED, and neither can be relied on; \
                 give both to every unit",
                other.id().unit
            ));
        }
    }
    faults
}

/// Puts what the node knows in the place of what the receipts prove; it knows at least as much, unless it lags behind.
/// Gives whose node it is, and what it said where it does not know the record.
async fn ask(node: &Node, receipt: &VerifiedReceipt, since: &mut Vec<Said>) -> Result<Asked, CliError> {
    let request = node.request(ReceiptRequest { id: Some(record_ref(receipt.id())), since_alone: true });
    let unit = node.unit().to_string();
    match node.client().receipt(request).await {
        Ok(reply) => {
            let reply = reply.into_inner();
            for said in since::told(&reply.since) {
                since.retain(|known| known.id != said.id);
                since.push(said);
            }
            since.sort_by(|a, b| (a.time_ms, &a.id).cmp(&(b.time_ms, &b.id)));
            Ok(Asked { unit, knows: true, left_out: reply.left_out })
        }
        Err(status) if status.code() == Code::NotFound => Ok(Asked { unit, knows: false, left_out: 0 }),
        Err(status) => Err(status.into()),
    }
}

/// Whose node was asked, and whether it has the record.
#[derive(Serialize)]
struct Asked {
    unit: String,
    knows: bool,
    /// How many further opinions it knows.
    left_out: u64,
}

/// A receipt that was given as later and has nothing to do with those asked about.
fn unrelated(given: &[Given]) -> Result<(), CliError> {
    let of = |asked: bool| given.iter().filter(move |one| one.asked == asked);
    for one in of(false) {
        let Some(later) = one.receipt() else { continue };
        // A newer page of the same record brings that record's receipt again.
        if of(true).filter_map(Given::receipt).any(|asked| asked.id() == later.id()) {
            continue;
        }
        let mut about = given.iter().filter_map(Given::receipt);
        if about.all(|earlier| later.bears_on(earlier).is_none()) {
            return Err(CliError::Refused(format!(
                "{} verifies, and says nothing about the other receipts: it is of {}",
                one.name,
                later.id()
            )));
        }
    }
    Ok(())
}

#[derive(Serialize)]
struct VerifiedJson<'a> {
    file: &'a str,
    verified: bool,
    certified: bool,
    #[serde(flatten)]
    record: StatementJson,
    unit_name: &'a str,
    network: &'a str,
    charter: CharterJson,
    checkpoint: CheckpointJson,
    cosigned_by: Vec<CosignedJson>,
    needed: usize,
    #[serde(flatten)]
    since: SinceJson,
    /// Whose node was asked; null if none was.
    asked: Option<&'a Asked>,
}

#[derive(Serialize)]
struct CharterJson {
    version: u32,
    digest: String,
}

#[derive(Serialize)]
struct CheckpointJson {
    origin: String,
    size: u64,
    root: String,
}

#[derive(Serialize)]
struct CosignedJson {
    unit: String,
    time: String,
}

#[derive(Serialize)]
struct RefusedJson<'a> {
    file: &'a str,
    verified: bool,
    fault: &'a str,
}

struct Report {
    faults: Vec<String>,
    out: Output,
}

impl Report {
    fn refuse(&mut self, one: &Given) -> Result<(), CliError> {
        let fault = one.read.as_ref().err().map_or("", String::as_str);
        if self.out.is_json() {
            return self.out.document(&RefusedJson { file: &one.name, verified: false, fault });
        }
        self.out.line(format_args!("{}  DOES NOT VERIFY", one.name))
    }

    fn accept(
        &mut self,
        one: &Given,
        (receipt, charter): (&VerifiedReceipt, &Charter),
        since: &[Said],
        asked: Option<&Asked>,
        beside: bool,
    ) -> Result<(), CliError> {
        if self.out.is_json() {
            return self.document(one, (receipt, charter), since, asked);
        }
        let (id, said) = (receipt.id(), receipt.checkpoint().checkpoint());
        let verdict = if receipt.certified().is_ok() { "verified, certified" } else { "signed, but NOT CERTIFIED" };
        let name = charter.unit(&id.unit).map_or("", |unit| unit.name.as_str());
        self.out.line(format_args!("{id}  {verdict}"))?;
        // First what keeps a reader from acting on the rest.
        for said in since {
            self.pair("SINCE", &format!("{id} {}", said.words()))?;
        }
        self.pair("made by", &format!("{} ({})", plain(name), id.unit))?;
        self.pair("made on", &format!("{} by its clock", moment(receipt.header().time_ms)))?;
        self.pair("kind", &told::kind(receipt))?;
        for (label, text) in told::lines(receipt) {
            self.pair(label, &plain(&text))?;
        }
        let rest = match asked {
            Some(asked) if !asked.knows => format!("the node of {} does not have this record yet", asked.unit),
            Some(asked) if asked.left_out > 0 => {
                format!("and {} further opinions, says the node of {}", asked.left_out, asked.unit)
            }
            Some(asked) if since.is_empty() => format!("nothing, says the node of {}", asked.unit),
            Some(asked) => format!("that is all, says the node of {}", asked.unit),
            None if !receipt.statement().kind().can_end() => String::new(),
            None if since.is_empty() && beside => "the other receipts say nothing of it; --node asks a node".to_owned(),
            None if since.is_empty() => {
                "a receipt does not tell whether its record was withdrawn later: --node asks a node, --newer takes later \
                 receipts"
                    .to_owned()
            }
            None => "more may have been said: --node asks a node".to_owned(),
        };
        if !rest.is_empty() {
            self.pair("since then", &rest)?;
        }
        self.pair("cosigned by", &told::cosigners(receipt))?;
        self.pair("log", &format!("{}, {} entries, root {}", said.origin, said.size, said.root))?;
        self.pair(
            "charter",
            &format!("{} version {}, digest {}", charter.network(), charter.version(), charter.digest()),
        )
    }

    fn pair(&mut self, label: &str, text: &str) -> Result<(), CliError> {
        self.out.line(format_args!("    {label:<13} {text}"))
    }

    fn document(
        &mut self,
        one: &Given,
        (receipt, charter): (&VerifiedReceipt, &Charter),
        since: &[Said],
        asked: Option<&Asked>,
    ) -> Result<(), CliError> {
        let (id, said) = (receipt.id(), receipt.checkpoint().checkpoint());
        let record = receipt.statement().clone().into_record();
        let header = receipt.header();
        let cosigned = receipt.checkpoint().cosignatures().iter().map(|(unit, cosignature)| CosignedJson {
            unit: unit.to_string(),
            time: moment(cosignature.time.saturating_mul(1_000)),
        });
        self.out.document(&VerifiedJson {
            file: &one.name,
            verified: true,
            certified: receipt.certified().is_ok(),
            record: StatementJson::of(Some(&record_ref(id)), header.time_ms, Some(&record), header.kind),
            unit_name: charter.unit(&id.unit).map_or("", |unit| unit.name.as_str()),
            network: charter.network().as_str(),
            charter: CharterJson { version: charter.version(), digest: charter.digest().to_string() },
            checkpoint: CheckpointJson {
                origin: said.origin.to_string(),
                size: said.size.get(),
                root: said.root.to_string(),
            },
            cosigned_by: cosigned.collect(),
            needed: receipt.quorum().needed(),
            since: SinceJson::from(since),
            asked,
        })
    }

    /// Tells every fault; one ends the command with its own words.
    fn end(&self) -> Result<(), CliError> {
        match self.faults.as_slice() {
            [] => Ok(()),
            [fault] => Err(CliError::Verification(fault.clone())),
            faults => {
                faults.iter().for_each(|fault| say(format_args!("entente: {fault}")));
                Err(CliError::Verification(format!("{} faults: do not rely on these receipts", faults.len())))
            }
        }
    }
}
