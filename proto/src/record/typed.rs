//! Text as a person typed or pasted it: characters that are refused before anything is read into it, and the ways in
//! which people make addresses harmless.

use std::borrow::Cow;

use super::refusal::TargetError;
use crate::limits::TARGET_BYTES_MAX;

/// Drops ASCII white space at both ends, and refuses what no target may hide.
pub(super) fn clean(input: &str) -> Result<&str, TargetError> {
    let text = input.trim_matches(|c: char| c.is_ascii_whitespace());
    if text.is_empty() {
        return Err(TargetError::Empty);
    }
    if text.len() > TARGET_BYTES_MAX {
        return Err(TargetError::TooLong);
    }
    // Most inputs are plain ASCII: one quick pass.
    if text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(text);
    }
    match text.chars().find_map(fault_of) {
        Some(fault) => Err(fault),
        None => Ok(text),
    }
}

fn fault_of(c: char) -> Option<TargetError> {
    let code = u32::from(c);
    match c {
        _ if c.is_control() => Some(TargetError::ControlCharacter(code)),
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
            Some(TargetError::BidiControl(code))
        }
        // IDNA would drop these without a word, so that a pasted name could show as another than it is.
        '\u{ad}' | '\u{180e}' | '\u{200b}' | '\u{2060}'..='\u{2064}' | '\u{feff}' => {
            Some(TargetError::InvisibleCharacter(code))
        }
        '\u{fffd}' => Some(TargetError::NotUtf8),
        _ if c.is_whitespace() => Some(TargetError::Space),
        _ => None,
    }
}

/// Undoes what makes an address harmless: `hxxp`, `[.]`, `(.)`, `{.}`, `[dot]`, `(dot)`, `[:]`, `[://]`. A notice says so.
pub(super) fn refang<'a>(text: &'a str, notices: &mut Vec<String>) -> Cow<'a, str> {
    const MARKS: [(&str, &str); 8] = [
        ("[.]", "."),
        ("(.)", "."),
        ("{.}", "."),
        ("[dot]", "."),
        ("(dot)", "."),
        ("[://]", "://"),
        ("[:]//", "://"),
        ("[:]", ":"),
    ];
    let harmless = |text: &str| text.get(..4).is_some_and(|head| head.eq_ignore_ascii_case("hxxp"));
    if !harmless(text) && !text.contains(['[', '(', '{']) {
        return Cow::Borrowed(text);
    }
    let mut out = text.to_owned();
    for (mark, meaning) in MARKS {
        if out.contains(mark) {
            out = out.replace(mark, meaning);
        }
    }
    if harmless(&out) && scheme_follows(&out) {
        out.replace_range(1..3, "tt");
    }
    if out == text {
        return Cow::Borrowed(text);
    }
    notices.push(format!("read as {out}"));
    Cow::Owned(out)
}

fn scheme_follows(text: &str) -> bool {
    let rest = text.get(4..).unwrap_or_default();
    rest.starts_with("://") || rest.get(..4).is_some_and(|rest| rest.eq_ignore_ascii_case("s://"))
}
