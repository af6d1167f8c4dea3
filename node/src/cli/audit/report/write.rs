//! A report as Markdown, HTML, JSON or CSV.

use std::fmt::Write as _;

use entente_proto::ids::RecordId;

use super::figures::Section;
use super::{Format, Report};
use crate::cli::html::escape;

pub(super) fn write(report: &Report, format: Format) -> String {
    match format {
        Format::Md => markdown(report),
        Format::Html => html(report),
        Format::Json => json(report),
        Format::Csv => csv(report),
    }
}

/// Ids that follow on each other are written as one: `BE/3-7`.
fn ids(ids: &[RecordId]) -> String {
    let mut spans: Vec<(&RecordId, u64)> = Vec::new();
    for id in ids {
        match spans.last_mut() {
            Some((first, last)) if first.unit == id.unit && *last + 1 == id.index => *last = id.index,
            _ => spans.push((id, id.index)),
        }
    }
    let span = |(first, last): &(&RecordId, u64)| match first.index == *last {
        true => first.to_string(),
        false => format!("{first}-{last}"),
    };
    spans.iter().map(span).collect::<Vec<_>>().join(" ")
}

fn head(report: &Report) -> String {
    format!(
        "Computed from an export by the node of {} that verifies, of the certified records {}; list digest {}. Every number \
         names the records that it counts: `entente audit record DIR ID` proves one.",
        report.exporter,
        report.frontier.join(", "),
        report.list
    )
}

fn markdown(report: &Report) -> String {
    let cell = |text: &str| text.replace('|', "\\|").replace(['\n', '\r'], " ");
    let mut text = format!("# {} in {}\n\n{}\n", report.network, report.year, head(report));
    for section in &report.sections {
        // Writing to a string does not fail.
        let _ = write!(text, "\n## {}\n\n{}\n\n", section.title, section.says);
        if section.figures.is_empty() {
            text.push_str("None.\n");
            continue;
        }
        text.push_str("| | number | records |\n|---|---|---|\n");
        for figure in &section.figures {
            let _ = writeln!(text, "| {} | {} | {} |", cell(&figure.what), figure.ids.len(), ids(&figure.ids));
        }
    }
    text
}

const STYLE: &str = "body{font:16px/1.5 sans-serif;max-width:60em;margin:2em auto;padding:0 1em}\
table{border-collapse:collapse;width:100%}td{padding:.2em .5em;vertical-align:top;border-top:1px solid #ccc}\
td.n{text-align:right}td.b{width:40%}td.b div{background:#36c;height:1em;margin-top:.3em}\
details{color:#555;overflow-wrap:anywhere}";

fn html(report: &Report) -> String {
    let title = escape(&format!("{} in {}", report.network, report.year));
    let mut text = format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title><style>{STYLE}</style></head>\
         <body>\n<h1>{title}</h1>\n<p>{}</p>\n",
        escape(&head(report))
    );
    report.sections.iter().for_each(|section| chart(section, &mut text));
    text.push_str("</body></html>\n");
    text
}

/// A bar for each figure, as long as its share of the largest.
fn chart(section: &Section, text: &mut String) {
    let _ = write!(text, "<h2>{}</h2>\n<p>{}</p>\n", escape(section.title), escape(section.says));
    let Some(most) = section.figures.iter().map(|figure| figure.ids.len()).max() else {
        text.push_str("<p>None.</p>\n");
        return;
    };
    text.push_str("<table>\n");
    for figure in &section.figures {
        let count = figure.ids.len();
        let share = count.saturating_mul(100).checked_div(most).unwrap_or_default().max(1);
        let _ = writeln!(
            text,
            "<tr><td>{}<details><summary>records</summary>{}</details></td><td class=\"n\">{count}</td>\
             <td class=\"b\"><div style=\"width:{share}%\"></div></td></tr>",
            escape(&figure.what),
            escape(&ids(&figure.ids)),
        );
    }
    text.push_str("</table>\n");
}

fn json(report: &Report) -> String {
    let sections = report.sections.iter().map(|section| {
        let figures = section.figures.iter().map(|figure| {
            let records: Vec<String> = figure.ids.iter().map(ToString::to_string).collect();
            serde_json::json!({ "what": figure.what, "number": records.len(), "records": records })
        });
        serde_json::json!({ "title": section.title, "says": section.says, "figures": figures.collect::<Vec<_>>() })
    });
    let document = serde_json::json!({
        "year": report.year,
        "network": report.network,
        "exporter": report.exporter,
        "frontier": report.frontier,
        "list_digest": report.list,
        "sections": sections.collect::<Vec<_>>(),
    });
    document.to_string()
}

fn csv(report: &Report) -> String {
    let mut writer = csv::Writer::from_writer(Vec::new());
    // Writing to memory does not fail.
    let _ = writer.write_record(["section", "what", "number", "records"]);
    for section in &report.sections {
        for figure in &section.figures {
            // A spreadsheet takes what begins so for a formula.
            let formula = figure.what.starts_with(['=', '+', '-', '@', '\t', '\r']);
            let what = if formula { format!("'{}", figure.what) } else { figure.what.clone() };
            let _ = writer.write_record([section.title, &what, &figure.ids.len().to_string(), &ids(&figure.ids)]);
        }
    }
    writer.into_inner().ok().and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default()
}
