//! The page: one record for people who have never heard of this program, with everything to verify it inside.
//!
//! It loads nothing, runs nothing and links to nothing, and whatever a unit wrote is escaped. Receipts stand in `<pre
//! class="receipt">` elements: the record's own first, then those of what was said since. [`receipts`] reads them back.
//! The words on the page are no part of what is signed; `entente receipt verify` tells what is.

use std::fmt::Write as _;

use entente_proto::charter::Charter;
use entente_proto::ids::UnitId;
use entente_proto::limits::RECEIPT_BYTES_MAX;
use entente_proto::receipt::VerifiedReceipt;
use entente_proto::wire::record::Body;

use super::since::{Said, What};
use super::told;
use crate::cli::html::escape;
use crate::cli::words::moment;

/// Most receipts of later records on one page.
pub(super) const LATER_MAX: usize = 15;
/// Largest page that is read, in bytes: its receipts, as much again in words, each of which may be escaped sixfold.
pub(super) const PAGE_BYTES_MAX: usize = (LATER_MAX + 1) * RECEIPT_BYTES_MAX + (1 << 20);

const OPEN: &str = "<pre class=\"receipt\">";
const CLOSE: &str = "</pre>";

/// What stands on a page.
pub(super) struct Page<'a> {
    /// The receipt, verified, and its text.
    pub(super) receipt: (&'a VerifiedReceipt, &'a [u8]),
    /// The receipts of what was said since.
    pub(super) later: &'a [Vec<u8>],
    /// What was said since, as the node tells it.
    pub(super) since: &'a [Said],
    /// The charter.
    pub(super) charter: &'a Charter,
    /// Whose node told it.
    pub(super) told_by: &'a UnitId,
    /// When, Unix milliseconds.
    pub(super) now_ms: u64,
}

const HEAD: &str = r#"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="referrer" content="no-referrer">
<meta name="robots" content="noindex">
<meta name="viewport" content="width=device-width, initial-scale=1">
"#;

const STYLE: &str = "<style>
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 48rem; margin: 2rem auto; padding: 0 1rem; color: #111; background: #fff; }
h1 { font-size: 1.6rem; margin: 0.5rem 0; } h2 { font-size: 1.15rem; margin-top: 2rem; border-bottom: 1px solid #999; }
.handling { font-weight: bold; } .lead { font-size: 1.15rem; }
.target { font: 1.05rem/1.4 monospace; padding: 0.6rem; border: 2px solid #111; overflow-wrap: anywhere; }
.standing { padding: 0.6rem 1rem; border-left: 0.5rem solid #2a6f2a; background: #eef6ee; }
.standing.against { border-left-color: #a00; background: #fbecec; font-weight: bold; }
.asof { font-weight: normal; font-size: 0.9rem; }
dt { font-weight: bold; margin-top: 0.6rem; } dd { margin: 0; overflow-wrap: anywhere; white-space: pre-wrap; }
pre { font: 0.7rem/1.3 monospace; white-space: pre-wrap; overflow-wrap: anywhere; border: 1px solid #999; padding: 0.5rem; }
code { font-family: monospace; overflow-wrap: anywhere; }
@media print { body { margin: 0; max-width: none; } .standing, .target, dd { break-inside: avoid; } h2 { break-after: avoid; } }
</style>
";

/// Writes the page.
pub(super) fn write(page: &Page<'_>) -> String {
    let (receipt, text) = page.receipt;
    let id = receipt.id();
    let kind = told::kind(receipt);
    let name = page.charter.unit(&id.unit).map_or("", |unit| unit.name.as_str());
    let mut out = String::from(HEAD);
    // Writing to a string cannot fail.
    let _ = writeln!(out, "<title>{} {id}</title>", escape(&capital(&kind)));
    out.push_str(STYLE);
    out.push_str("</head>\n<body>\n");
    let lines = told::lines(receipt);
    lead(&mut out, page, name, &kind);
    standing(&mut out, page);
    details(&mut out, &lines);
    how_to_verify(&mut out, page);
    section(&mut out, "Who vouches for it");
    out.push_str("<dl>\n");
    pair(&mut out, "record", &format!("{id}, made {} by the clock of {}", moment(receipt.header().time_ms), id.unit));
    let checkpoint = receipt.checkpoint().checkpoint();
    pair(&mut out, "cosigned by", &told::cosigners(receipt));
    pair(&mut out, "log", &format!("{}, {} entries, root {}", checkpoint.origin, checkpoint.size, checkpoint.root));
    for (_, evidence) in lines.iter().filter(|(label, _)| *label == "evidence") {
        pair(&mut out, "evidence (kept by the unit)", evidence);
    }
    out.push_str("</dl>\n");
    section(&mut out, "Data for the verification");
    for receipt in [text].into_iter().chain(page.later.iter().map(Vec::as_slice)) {
        let _ = writeln!(out, "{OPEN}{}{CLOSE}", escape(&String::from_utf8_lossy(receipt)));
    }
    out.push_str("</body>\n</html>\n");
    out
}

fn lead(out: &mut String, page: &Page<'_>, name: &str, kind: &str) {
    let receipt = page.receipt.0;
    let id = receipt.id();
    let ended = page.since.iter().any(|said| !said.taken_back && ends(said));
    let who = format!("<b><bdi>{}</bdi> ({})</b>", escape(name), id.unit);
    if let Body::Refer(refer) = receipt.statement().body() {
        let handling = told::handling(refer);
        if !handling.is_empty() {
            let _ = writeln!(out, "<p class=\"handling\">{}</p>", escape(&handling));
        }
        let whom = if refer.provider.is_empty() {
            "the provider".to_owned()
        } else {
            format!("<b><bdi>{}</bdi></b>", escape(&refer.provider))
        };
        let says = if ended {
            format!("referred this to {whom}, and has taken it back")
        } else {
            format!("refers this to {whom}")
        };
        let _ = writeln!(out, "<h1>Referral {id}</h1>\n<p class=\"lead\">{who} {says}:</p>");
    } else {
        let _ = writeln!(
            out,
            "<h1>{} {id}</h1>\n<p class=\"lead\">{who} has put this on record:</p>",
            escape(&capital(kind))
        );
    }
    if let Some(target) = receipt.statement().target() {
        let (what, value) = told::target(&target);
        let _ = writeln!(out, "<p class=\"target\"><small>{what}</small><br>{}</p>", escape(value));
    }
}

/// Whether the unit itself took the record back by this.
fn ends(said: &Said) -> bool {
    matches!(said.what, What::Withdrawn(_) | What::Erased(_))
}

fn standing(out: &mut String, page: &Page<'_>) {
    let id = page.receipt.0.id();
    let against = |said: &&Said| !said.taken_back && !matches!(said.what, What::Support(_));
    let class = if page.since.iter().any(|said| against(&said)) { "standing against" } else { "standing" };
    let _ = writeln!(out, "<div class=\"{class}\">");
    // First what ends it.
    let (ending, others): (Vec<&Said>, Vec<&Said>) = page.since.iter().partition(|said| ends(said));
    for said in ending.into_iter().chain(others) {
        let _ = writeln!(out, "<p dir=\"auto\">{id} {}</p>", escape(&said.words()));
    }
    let any = |wanted: fn(&What) -> bool| page.since.iter().any(|said| !said.taken_back && wanted(&said.what));
    if any(|what| matches!(what, What::Withdrawn(_) | What::Erased(_))) {
        out.push_str("<p>Please do not act on it, and look again at what was done because of it.</p>\n");
    } else if any(|what| matches!(what, What::Objection { .. })) {
        let _ = writeln!(out, "<p>The units do not agree about it. Please ask {} before you act on it.</p>", id.unit);
    } else if !page.since.iter().any(|said| against(&said)) {
        out.push_str("<p>It stands: it was not withdrawn, and nobody objects to it.</p>\n");
    }
    let _ = writeln!(
        out,
        "<p class=\"asof\">So the node of {} knew on {}. Ask the unit before you rely on an older page.</p>\n</div>",
        page.told_by,
        moment(page.now_ms)
    );
}

fn details(out: &mut String, lines: &[told::Line]) {
    section(out, "What is said");
    out.push_str("<dl>\n");
    for (label, text) in lines.iter().filter(|(label, _)| !matches!(*label, "target" | "evidence")) {
        pair(out, label, text);
    }
    out.push_str("</dl>\n");
}

fn how_to_verify(out: &mut String, page: &Page<'_>) {
    section(out, "How to verify it");
    let (version, digest) = (page.charter.version(), page.charter.digest());
    let _ = writeln!(
        out,
        "<p>Anybody can write a page like this one. Whether {} has really made this record shows so:</p>\n<ol>\n\
         <li>Take the charter of the network {} (version {version}, a file) from a unit that you trust, not from whoever sent \
         you this page. Its digest is <code>{digest}</code>.</li>\n\
         <li>Run <code>entente receipt verify THIS-PAGE.html --charter charter.note</code>. It needs no network and asks \
         nobody.</li>\n\
         <li>Believe what it prints. The words above are for reading; the data below is what is signed.</li>\n</ol>",
        page.receipt.0.id().unit,
        page.charter.network()
    );
}

fn section(out: &mut String, title: &str) {
    let _ = writeln!(out, "<h2>{title}</h2>");
}

fn pair(out: &mut String, label: &str, text: &str) {
    let _ = writeln!(out, "<dt>{label}</dt><dd dir=\"auto\">{}</dd>", escape(text));
}

fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// Whether a file is a page and no bare receipt.
pub(super) fn is_page(bytes: &[u8]) -> bool {
    bytes.trim_ascii_start().starts_with(b"<")
}

/// The receipts on a page, the record's own first.
///
/// # Errors
/// In words, why there is none.
pub(super) fn receipts(bytes: &[u8]) -> Result<Vec<Vec<u8>>, &'static str> {
    let text = std::str::from_utf8(bytes).map_err(|_| "the page is not UTF-8: it was altered on its way")?;
    // Whatever stores or mails a page may end its lines in its own way; in HTML that is no difference.
    let text = text.replace("\r\n", "\n");
    let mut receipts = Vec::new();
    for element in text.split(OPEN).skip(1) {
        let (receipt, _) = element.split_once(CLOSE).ok_or("the page was cut short in the middle of a receipt")?;
        if receipts.len() > LATER_MAX {
            return Err("the page has more receipts than any that entente writes");
        }
        receipts.push(unescape(receipt).into_bytes());
    }
    if receipts.is_empty() {
        Err("the page has no receipt in it: it is not one that entente wrote")
    } else {
        Ok(receipts)
    }
}

fn unescape(text: &str) -> String {
    let text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&#39;", "'");
    text.replace("&amp;", "&")
}
