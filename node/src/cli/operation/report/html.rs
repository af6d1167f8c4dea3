//! The report as a page by itself: no script, nothing fetched.

use super::markdown::report_words;
use super::{Event, Report, chart, spread_words};
use crate::cli::html::escape;

const STYLE: &str = "body{font:15px/1.45 system-ui,sans-serif;margin:2rem auto;max-width:70rem;padding:0 1rem;background:Canvas;\
color:CanvasText}\
table{border-collapse:collapse;width:100%;margin:.5rem 0 1.5rem}th,td{text-align:left;padding:.25rem .6rem;\
border-bottom:1px solid #ddd;vertical-align:top;overflow-wrap:anywhere}th{font-weight:600}code{font-size:.9em}\
.done{color:#17692b}.refused{color:#8a5a00}.overdue{color:#a01616}.left{color:#777}svg{max-width:100%;height:auto}\
svg text{fill:currentColor}@media print{body{margin:0}tr,svg{break-inside:avoid}}\
@media screen and (prefers-color-scheme:dark){:root{color-scheme:dark}th,td{border-color:#444}.done{color:#7fd699}\
.refused{color:#e8b64c}.overdue{color:#f08a8a}.left{color:#aaa}}";

pub(super) fn page(report: &Report) -> String {
    let title = escape(&report.title);
    let mut html = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title>\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\
         <style>{STYLE}</style></head><body>\n<h1>{title}</h1>\n"
    );
    html.push_str("<table>\n");
    for (what, value) in summary(report) {
        html.push_str(&format!("<tr><th>{what}</th><td>{}</td></tr>\n", escape(&value)));
    }
    html.push_str("</table>\n<h2>What became of the targets</h2>\n");
    html.push_str(&chart::outcomes(report));
    if report.spread.is_some() {
        html.push_str("<h2>When the units acted</h2>\n");
        html.push_str(&chart::spread(report));
    }
    html.push_str("<h2>Units</h2>\n");
    let units = report.units.iter().map(|unit| {
        vec![
            escape(&unit.unit),
            unit.part.to_owned(),
            unit.ready.as_deref().map(code).unwrap_or_default(),
            unit.done.to_string(),
            unit.refused.to_string(),
            unit.open.to_string(),
            unit.overdue.to_string(),
            unit.spread.as_ref().map(spread_words).unwrap_or_default(),
        ]
    });
    table(&mut html, &["Unit", "Part", "Ready", "Done", "Refused", "Open", "Overdue", "When"], units);
    html.push_str("<h2>Targets</h2>\n");
    let targets = report.targets.iter().map(|target| {
        let reports: Vec<String> = target.reports.iter().map(|event| escape(&report_words(event))).collect();
        let against: Vec<String> = target.against.iter().map(|words| escape(words)).collect();
        let class = target.state.split(' ').next().unwrap_or_default();
        vec![
            escape(&target.target),
            code(&target.referral),
            format!("<span class=\"{class}\">{}</span>", target.state),
            reports.join("<br>"),
            against.join("<br>"),
        ]
    });
    table(&mut html, &["Target", "Referral", "State", "Reports", "Against it"], targets);
    for (title, events) in [("Timeline", &report.timeline), ("What came back", &report.resurfaced)] {
        if !events.is_empty() {
            html.push_str(&format!("<h2>{title}</h2>\n"));
            table(&mut html, &["When", "Record", "What"], events.iter().map(event));
        }
    }
    html.push_str("</body></html>\n");
    html
}

/// What stands at the head of a report, whatever its form.
pub(super) fn summary(report: &Report) -> Vec<(&'static str, String)> {
    let mut lines =
        vec![("Operation", report.id.clone()), ("Led by", report.lead.clone()), ("State", report.phase.to_owned())];
    lines.extend(report.digest.clone().map(|digest| ("Digest of the fixed targets", digest)));
    lines.extend(report.go_at.clone().map(|at| ("The moment", at)));
    let total = report.total;
    lines.push((
        "Targets",
        format!(
            "{} fixed, {} covered by the go: {} done, {} refused, {} open, {} overdue",
            report.targets.len(),
            report.covered,
            total.done,
            total.refused,
            total.open,
            total.overdue
        ),
    ));
    lines.push(("Ready", format!("{} units had to be", report.ready_quorum)));
    lines.extend(report.spread.as_ref().map(|spread| ("Done after the moment", spread_words(spread))));
    if !report.evidence.is_empty() {
        lines.push(("Seized", report.evidence.join(" ")));
    }
    lines.push(("Made", format!("{} from the board {}", report.made, report.board_digest)));
    lines.push((
        "To check a line",
        "entente receipt ID proves the record with that id to whoever has the charter".into(),
    ));
    lines
}

fn event(event: &Event) -> Vec<String> {
    vec![event.at.clone(), code(&event.id), escape(&event.what)]
}

fn table(html: &mut String, columns: &[&str], rows: impl Iterator<Item = Vec<String>>) {
    html.push_str("<table>\n<tr>");
    columns.iter().for_each(|column| html.push_str(&format!("<th>{column}</th>")));
    html.push_str("</tr>\n");
    for row in rows {
        html.push_str("<tr>");
        row.iter().for_each(|cell| html.push_str(&format!("<td>{cell}</td>")));
        html.push_str("</tr>\n");
    }
    html.push_str("</table>\n");
}

fn code(id: &str) -> String {
    format!("<code>{}</code>", escape(id))
}
