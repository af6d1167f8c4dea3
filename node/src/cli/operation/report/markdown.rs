//! The report in Markdown.

use super::{Event, Report, spread_words};

pub(super) fn page(report: &Report) -> String {
    let mut lines = vec![format!("# {}", text(&report.title)), String::new()];
    lines.extend(super::html::summary(report).into_iter().map(|(what, value)| format!("- {what}: {}", text(&value))));
    section(&mut lines, "Units", &["Unit", "Part", "Ready", "Done", "Refused", "Open", "Overdue", "When"]);
    lines.extend(report.units.iter().map(|unit| {
        row(&[
            unit.unit.clone(),
            unit.part.to_owned(),
            unit.ready.clone().unwrap_or_default(),
            unit.done.to_string(),
            unit.refused.to_string(),
            unit.open.to_string(),
            unit.overdue.to_string(),
            unit.spread.as_ref().map(spread_words).unwrap_or_default(),
        ])
    }));
    section(&mut lines, "Targets", &["Target", "Referral", "State", "Reports", "Against it"]);
    lines.extend(report.targets.iter().map(|target| {
        let reports: Vec<String> = target.reports.iter().map(report_words).collect();
        row(&[
            target.target.clone(),
            target.referral.clone(),
            target.state.to_owned(),
            reports.join("; "),
            target.against.join("; "),
        ])
    }));
    for (title, events) in [("Timeline", &report.timeline), ("What came back", &report.resurfaced)] {
        if !events.is_empty() {
            section(&mut lines, title, &["When", "Record", "What"]);
            lines.extend(events.iter().map(|event| row(&[event.at.clone(), event.id.clone(), event.what.clone()])));
        }
    }
    lines.push(String::new());
    lines.join("\n")
}

/// A report of a unit in a line.
pub(super) fn report_words(event: &Event) -> String {
    format!("{} {} ({})", event.what, event.at, event.id)
}

fn section(lines: &mut Vec<String>, title: &str, columns: &[&str]) {
    lines.extend([String::new(), format!("## {title}"), String::new()]);
    lines.push(format!("| {} |", columns.join(" | ")));
    lines.push(format!("|{}", "---|".repeat(columns.len())));
}

fn row(cells: &[String]) -> String {
    let cells: Vec<String> = cells.iter().map(|cell| text(cell)).collect();
    format!("| {} |", cells.join(" | "))
}

/// What others wrote, so that it stays text: no markup, no lines, no cells of its own.
fn text(said: &str) -> String {
    let mut out = String::with_capacity(said.len());
    for c in said.chars() {
        match c {
            '\n' | '\r' | '\t' => out.push(' '),
            '\\' | '|' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '#' | '!' | '~' | '&' => out.extend(['\\', c]),
            c => out.push(c),
        }
    }
    out
}
