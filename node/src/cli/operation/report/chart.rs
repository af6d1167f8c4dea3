//! Drawings as SVG, inline in the page.

use super::{Report, after};
use crate::cli::html::escape;

const WIDTH: f64 = 900.0;
const LEFT: f64 = 150.0;
const ROW: f64 = 26.0;
const COLOURS: [(&str, &str); 4] =
    [("done", "#2e8b57"), ("refused", "#d9a21b"), ("open", "#c9d2da"), ("overdue", "#c23b3b")];

/// Of each unit, how many targets came to which end.
pub(super) fn outcomes(report: &Report) -> String {
    let most = report.units.iter().map(|unit| unit.done + unit.refused + unit.open + unit.overdue).max();
    let scale = (WIDTH - LEFT - 60.0) / most.unwrap_or(0).max(1) as f64;
    let mut svg = begin(report.units.len() as f64 * ROW + 30.0, "Outcomes by unit");
    for (at, unit) in report.units.iter().enumerate() {
        let (y, mut x) = (at as f64 * ROW, LEFT);
        svg.push_str(&label(y, &unit.unit));
        for ((name, colour), count) in COLOURS.into_iter().zip([unit.done, unit.refused, unit.open, unit.overdue]) {
            let width = count as f64 * scale;
            if count > 0 {
                svg.push_str(&format!(
                    "<rect x=\"{x:.1}\" y=\"{:.1}\" width=\"{width:.1}\" height=\"18\" fill=\"{colour}\">\
                     <title>{}: {count} {name}</title></rect>",
                    y + 4.0,
                    escape(&unit.unit)
                ));
            }
            x += width;
        }
    }
    let y = report.units.len() as f64 * ROW + 20.0;
    for ((name, colour), x) in COLOURS.into_iter().zip([0.0, 110.0, 220.0, 330.0]) {
        svg.push_str(&format!(
            "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"12\" height=\"12\" fill=\"{colour}\"/><text x=\"{:.1}\" y=\"{y:.1}\">{name}</text>",
            LEFT + x,
            y - 11.0,
            LEFT + x + 18.0
        ));
    }
    svg.push_str("</svg>\n");
    svg
}

/// Of each unit, when after the moment it did what it did: a mark for each target.
pub(super) fn spread(report: &Report) -> String {
    let Some(all) = &report.spread else { return String::new() };
    let (first, last) = (all.first_ms.min(0), all.last_ms.max(1));
    let scale = (WIDTH - LEFT - 60.0) / (last.saturating_sub(first)).max(1) as f64;
    let place = |ms: i64| LEFT + ms.saturating_sub(first) as f64 * scale;
    let height = report.units.len() as f64 * ROW;
    let mut svg = begin(height + 30.0, "Time of execution by unit");
    for (ms, words) in [(0, "the moment".to_owned()), (last, after(last))] {
        let x = place(ms);
        svg.push_str(&format!(
            "<line x1=\"{x:.1}\" y1=\"0\" x2=\"{x:.1}\" y2=\"{height:.1}\" stroke=\"#999\" stroke-dasharray=\"3 3\"/>\
             <text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{words}</text>",
            height + 18.0
        ));
    }
    for (at, unit) in report.units.iter().enumerate() {
        let y = at as f64 * ROW;
        svg.push_str(&label(y, &unit.unit));
        // Marks that would lie on one another are one.
        let mut marks: Vec<i64> = unit.after_ms.iter().map(|ms| (place(*ms) * 2.0) as i64).collect();
        marks.dedup();
        for mark in marks {
            svg.push_str(&format!(
                "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"4\" fill=\"#2e8b57\" fill-opacity=\"0.6\"/>",
                mark as f64 / 2.0,
                y + 13.0
            ));
        }
    }
    svg.push_str("</svg>\n");
    svg
}

fn begin(height: f64, title: &str) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" role=\"img\" \
         font-family=\"system-ui,sans-serif\" font-size=\"13\"><title>{title}</title>"
    )
}

fn label(y: f64, unit: &str) -> String {
    format!("<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>", LEFT - 10.0, y + 17.0, escape(unit))
}
