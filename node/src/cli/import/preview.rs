//! `entente import --dry-run`: what would become of each line, and what is known of its target.
//!
//! The node judges the lines as if they were submitted, and is asked what it knows of their targets. In between somebody may refer or hold one of them: a preview promises nothing.

use entente_proto::record::from_input;
use entente_proto::wire::record::Body;
use entente_proto::wire::submit_result::Result as Answer;
use entente_proto::wire::{CheckRequest, Checked, Status, Submission, SubmitRequest};
use serde::Serialize;

use super::report::Report;
use super::revoked;
use super::source::{self, Opened, Summary};
use crate::cli::client::{Node, misfit};
use crate::cli::error::CliError;
use crate::cli::output::Output;
use crate::cli::words::{plain, record_id, word};
use crate::import::fields::Fields;
use crate::import::{Fault, Place};

/// Lines of one call.
const LINES: usize = 500;

/// What would become of a line.
#[derive(Serialize)]
struct VerdictJson<'a> {
    place: String,
    target: Option<&'a str>,
    /// `take`, `observe`, `known`, `duplicate` or `refuse`.
    would: &'static str,
    status: &'static str,
    via: Option<&'a str>,
    pending: bool,
    own: Option<String>,
    code: Option<&'a str>,
    reason: Option<&'a str>,
    notices: &'a [String],
}

/// A line that would be taken if nothing is known of it.
struct Candidate {
    place: Place,
    submission: Submission,
    target: String,
    /// Whether it tells that the target was seen: that the unit refers it already is no matter then.
    seen: bool,
    notices: Vec<String>,
}

/// Judges a file's lines, prints what would become of each, and brings it to the report.
pub(super) async fn feed(
    opened: Opened,
    defaults: Fields,
    node: &Node,
    report: &mut Report,
    json: bool,
) -> Result<Summary, CliError> {
    let (mut batches, summary) = source::read(opened, defaults, LINES, 2);
    let mut out = Output::new(json);
    while let Some(batch) = batches.recv().await {
        let mut judged: Vec<(Place, Result<Candidate, Fault>)> =
            batch?.into_iter().map(|(place, line)| (place.clone(), line.and_then(|line| judge(place, line)))).collect();
        revoked::name_own(node, judged.iter_mut().filter_map(|(_, line)| line.as_mut().err())).await?;
        let inputs: Vec<String> =
            judged.iter().filter_map(|(_, line)| Some(line.as_ref().ok()?.target.clone())).collect();
        let asked = inputs.len();
        let mut checked = Vec::new();
        if asked > 0 {
            checked =
                node.client().check(node.request(CheckRequest { inputs, likeness: None })).await?.into_inner().checked;
        }
        if checked.len() != asked {
            return Err(misfit("it has not one answer for each input"));
        }
        let submissions: Vec<Submission> =
            judged.iter().filter_map(|(_, line)| Some(line.as_ref().ok()?.submission.clone())).collect();
        let request = SubmitRequest { submissions, judge_only: true, ..SubmitRequest::default() };
        let judgements = if asked > 0 {
            node.client().submit(node.request(request)).await?.into_inner().results
        } else {
            Vec::new()
        };
        if judgements.len() != asked {
            return Err(misfit("it has not one answer for each statement"));
        }
        let mut answers = checked.into_iter().zip(judgements);
        for (place, line) in judged {
            match line {
                Ok(candidate) => {
                    let (checked, judged) =
                        answers.next().ok_or_else(|| misfit("it has not one answer for each input"))?;
                    if let Some(Answer::Refused(no)) = judged.result {
                        report.refuse(&place, &no.code, &no.message)?;
                        report.beside(|| refused(&place, &no.code, &no.message, &mut out))?;
                    } else {
                        known_or_taken(&candidate, &checked, report, &mut out)?;
                    }
                }
                Err(fault) => {
                    report.refuse(&place, fault.code, &fault.reason)?;
                    report.beside(|| refused(&place, fault.code, &fault.reason, &mut out))?;
                }
            }
        }
    }
    out.flush()?;
    Ok(summary.await.unwrap_or_default())
}

/// A line with its target in canonical form.
fn judge(place: Place, line: Submission) -> Result<Candidate, Fault> {
    let (input, seen) = match line.record.as_ref().and_then(|record| record.body.as_ref()) {
        Some(Body::Refer(refer)) => (&refer.target, false),
        Some(Body::Observe(observe)) => (&observe.target, true),
        _ => return Err(Fault::new("empty", "it says nothing")),
    };
    let understood = from_input(input).map_err(|e| Fault::new(e.code(), e.to_string()))?;
    let target = understood.target.to_string();
    Ok(Candidate { place, submission: line, target, seen, notices: understood.notices })
}

fn known_or_taken(
    candidate: &Candidate,
    checked: &Checked,
    report: &mut Report,
    out: &mut Output,
) -> Result<(), CliError> {
    let Candidate { place, target, seen, notices, .. } = candidate;
    let own = checked.own.as_ref().map(record_id);
    let status = word::<Status>(checked.status).unwrap_or("unknown");
    let would = match &own {
        _ if *seen => {
            report.observe(place);
            "observe"
        }
        Some(id) if report.know(place, target, Some(id))? => "duplicate",
        Some(_) => "known",
        None if report.seen(target) => {
            report.know(place, target, None)?;
            "duplicate"
        }
        None => {
            let warns = [Status::Held as i32, Status::Disputed as i32].contains(&checked.status);
            let by = if checked.via.is_empty() { target } else { &checked.via };
            let warning = warns.then(|| format!("{by} is {status}"));
            report.take(place, target, warning.as_slice())?;
            "take"
        }
    };
    report.beside(|| {
        if out.is_json() {
            return out.document(&VerdictJson {
                place: place.to_string(),
                target: Some(target),
                would,
                status,
                via: (!checked.via.is_empty()).then_some(checked.via.as_str()),
                pending: checked.pending,
                own,
                code: None,
                reason: None,
                notices,
            });
        }
        let mut words = format!("{}: {would} {target}", plain(&place.to_string()));
        if status != "unknown" {
            words.push_str(&format!("; {status}"));
        }
        if !checked.via.is_empty() {
            words.push_str(&format!(" by {}", plain(&checked.via)));
        }
        if let Some(id) = own {
            words.push_str(&format!("; {id}"));
        }
        if checked.pending {
            words.push_str("; something not yet certified is known");
        }
        notices.iter().for_each(|notice| words.push_str(&format!("; {}", plain(notice))));
        out.line(words)
    })
}

fn refused(place: &Place, code: &str, reason: &str, out: &mut Output) -> Result<(), CliError> {
    if out.is_json() {
        return out.document(&VerdictJson {
            place: place.to_string(),
            target: None,
            would: "refuse",
            status: "unknown",
            via: None,
            pending: false,
            own: None,
            code: Some(code),
            reason: Some(reason),
            notices: &[],
        });
    }
    out.line(format_args!("{}: refuse {}: {}", plain(&place.to_string()), plain(code), plain(reason)))
}
