//! Host names that look like others: letters of several scripts in one label, or a label whose letters, all of another
//! script, can be read as a plain ASCII name.
//!
//! This only makes a notice where a person types a name or asks about one. What is a target, and what the fold says of
//! it, is fixed in the grammar and knows nothing of scripts: the tables of Unicode grow with each version of it.
//!
//! Measured by Unicode Technical Standard 39 with the tables of the crate `unicode-security`:
//! - Letters of one label share a script (section 5.1). Latin may stand beside the scripts of Japanese, Korean or Chinese
//!   (section 5.2, highly restrictive), as it does in ordinary names there.
//! - A label whose skeleton (section 4) is plain ASCII looks like that, unless the name's last label is of the same
//!   script: nobody takes a name below `.рф` for a Latin one. Latin letters count only where identifiers should not
//!   have them (section 3.1), such as a phonetic `ɑ`; ordinary ones, such as `æ`, do not. Names that are read from right
//!   to left are not taken for Latin ones.
//! - A sign that is no letter and looks like one that ends a host name, such as a fraction slash.

use unicode_script::{Script, UnicodeScript as _};
use unicode_security::confusable_detection::skeleton;
use unicode_security::mixed_script::AugmentedScriptSet;
use unicode_security::{GeneralSecurityProfile as _, MixedScript as _};

/// In each notice of this kind.
pub const LOOKALIKE: &str = "make sure that it is the one that is meant";

/// Adds what a person should know of the labels of a host name in its ASCII form.
pub(super) fn point_out(name: &str, notices: &mut Vec<String>) {
    if !name.split('.').any(|label| label.starts_with("xn--")) {
        return;
    }
    let (shown, Ok(())) = idna::domain_to_unicode(name) else { return };
    let last = shown.rsplit('.').next().and_then(script_of);
    for (label, ascii) in shown.split('.').zip(name.split('.')) {
        if let Some(words) = words(label, last) {
            notices.push(format!("the name {label:?} ({ascii}) {words}: {LOOKALIKE}"));
        }
    }
}

/// What is wrong with a label; `last` is the script of the name's last one.
fn words(label: &str, last: Option<Script>) -> Option<String> {
    if label.is_ascii() {
        return None;
    }
    if let Some(sign) = label.chars().find(|c| ends_a_name(*c)) {
        return Some(format!("has a sign in it, {sign:?}, that looks like the end of a host name"));
    }
    let looks: String = skeleton(label).collect();
    let looks = Some(looks).filter(|looks| looks.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'));
    if mixes(label) {
        let mut scripts: Vec<&str> = Vec::new();
        for script in label.chars().map(|c| c.script()).filter(|script| is_of_letters(*script)) {
            if !scripts.contains(&script.full_name()) {
                scripts.push(script.full_name());
            }
        }
        let looks = looks.map(|looks| format!(" and looks like {looks:?}")).unwrap_or_default();
        return Some(format!("mixes {} letters{looks}", scripts.join(" and ")));
    }
    let script = script_of(label)?;
    let foreign = match script {
        Script::Latin => !label.chars().all(|c| c.identifier_allowed()),
        Script::Arabic | Script::Hebrew | Script::Syriac | Script::Thaana | Script::Nko => false,
        _ => last != Some(script),
    };
    let looks = looks.filter(|_| foreign)?;
    Some(format!("is written in {} letters and looks like {looks:?}", script.full_name()))
}

/// Whether letters of several scripts stand in a label that do not stand together in ordinary names.
fn mixes(label: &str) -> bool {
    if label.is_single_script() {
        return false;
    }
    // Without its Latin letters, what is left must be of Japanese, Korean or Chinese.
    let mut rest = AugmentedScriptSet::default();
    label.chars().filter(|c| c.script() != Script::Latin).for_each(|c| rest.intersect_with(c.into()));
    !(rest.jpan || rest.kore || rest.hanb)
}

/// The script of the first letter.
fn script_of(label: &str) -> Option<Script> {
    label.chars().map(|c| c.script()).find(|script| is_of_letters(*script))
}

fn is_of_letters(script: Script) -> bool {
    !matches!(script, Script::Common | Script::Inherited | Script::Unknown)
}

fn ends_a_name(sign: char) -> bool {
    let mut like = [0; 4];
    let like = skeleton(sign.encode_utf8(&mut like)).next();
    !sign.is_ascii() && !sign.is_alphanumeric() && like.is_some_and(|like| "/.:?#@\\".contains(like))
}

#[cfg(test)]
mod tests;
