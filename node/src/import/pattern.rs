//! The targets that a STIX pattern names (STIX 2.1 section 9).
//!
//! A pattern says what was observed together; a referral names one thing. So of the whole language only what says "this
//! very thing" is read:
//!
//! - `=` and `IN` on `url:value`, `domain-name:value`, `ipv4-addr:value`, `ipv6-addr:value` and `file:hashes.'SHA-256'`,
//!   and `ISSUBSET` on the two addresses, which names a network;
//! - `OR`, inside an observation or between observations: each side is named;
//! - `AND`: all of it has to be there, so only the narrowest kind is named, a file before a url before a domain before an
//!   address. What else stands in it is the circumstance in which the thing was seen: `[domain-name:value = 'a.example'
//!   AND ipv4-addr:value = '192.0.2.1']` names the domain, since the address may serve many others.
//!
//! `NOT`, the other operators, `FOLLOWEDBY` and the qualifiers (`REPEATS`, `WITHIN`, `START`) name nothing: what they say
//! about a thing is more than that it is to be referred. A side of an `OR` that names nothing is told, and the other side
//! goes on; an `AND` with one names nothing at all.
//!
//! Limits: parentheses nest at most [`DEPTH_MAX`] deep; the length is bounded by that of the element.

use crate::cli::words::clip;

use super::Fault;

/// How deep parentheses may nest.
const DEPTH_MAX: usize = 32;

/// What a pattern names.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Named {
    /// Targets, as a person would type them with their type.
    pub(super) targets: Vec<String>,
    /// The comparisons beside them that name none.
    pub(super) unread: Vec<String>,
}

/// Reads a pattern.
///
/// # Errors
/// A [`Fault`] with the code `pattern`: it is not one, or names nothing.
pub(super) fn named(pattern: &str) -> Result<Named, Fault> {
    let mut reader = Reader { rest: pattern.trim(), depth: 0 };
    let found = reader.observations()?;
    if !reader.rest.is_empty() {
        let words = ["FOLLOWEDBY", "REPEATS", "WITHIN", "START", "STOP"];
        return Err(match words.into_iter().find(|word| reader.rest.starts_with(word)) {
            Some(word) => {
                fault(format!("{word} says more than that something is to be referred: refer its targets by hand"))
            }
            None => reader.unexpected(),
        });
    }
    if found.values.is_empty() {
        let parts = found.unread.into_iter().chain(found.barred).collect::<Vec<_>>().join(", ");
        return Err(fault(format!(
            "it names no url, domain, IP address or SHA-256 of a file as it is: {}",
            clip(&parts)
        )));
    }
    Ok(Named {
        targets: found.values.into_iter().map(|(_, value)| value).collect(),
        unread: found.unread.into_iter().chain(found.barred).collect(),
    })
}

fn fault(words: impl Into<String>) -> Fault {
    Fault::new("pattern", words)
}

/// What can be named, from the broadest to the narrowest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Breadth {
    Address,
    Domain,
    Url,
    File,
}

/// What a part of a pattern names.
#[derive(Default)]
struct Found {
    values: Vec<(Breadth, String)>,
    /// Comparisons that are of no kind we know.
    unread: Vec<String>,
    /// Comparisons that say what a thing is not, or only what it is like.
    barred: Vec<String>,
}

impl Found {
    fn or(mut self, other: Self) -> Self {
        self.values.extend(other.values);
        self.unread.extend(other.unread);
        self.barred.extend(other.barred);
        self
    }

    fn and(self, other: Self) -> Self {
        if !self.barred.is_empty() || !other.barred.is_empty() {
            let mut all = self.or(other);
            all.values.clear();
            return all;
        }
        let broadest = |found: &Self| found.values.iter().map(|(breadth, _)| *breadth).min();
        match (broadest(&self), broadest(&other)) {
            (Some(own), Some(others)) if own < others => other,
            (Some(own), Some(others)) if own == others => self.or(other),
            (None, Some(_)) => other,
            (None, None) => self.or(other),
            _ => self,
        }
    }
}

struct Reader<'a> {
    rest: &'a str,
    depth: usize,
}

impl<'a> Reader<'a> {
    /// Observations with OR and AND between.
    fn observations(&mut self) -> Result<Found, Fault> {
        let mut found = self.observations_and()?;
        while self.word("OR") {
            found = found.or(self.observations_and()?);
        }
        Ok(found)
    }

    fn observations_and(&mut self) -> Result<Found, Fault> {
        let mut found = self.observation()?;
        while self.word("AND") {
            found = found.and(self.observation()?);
        }
        Ok(found)
    }

    fn observation(&mut self) -> Result<Found, Fault> {
        if self.sign("(") {
            return self.inside(")", Self::observations);
        }
        if !self.sign("[") {
            return Err(self.unexpected());
        }
        self.inside("]", Self::comparisons)
    }

    fn comparisons(&mut self) -> Result<Found, Fault> {
        let mut found = self.comparisons_and()?;
        while self.word("OR") {
            found = found.or(self.comparisons_and()?);
        }
        Ok(found)
    }

    fn comparisons_and(&mut self) -> Result<Found, Fault> {
        let mut found = self.comparison()?;
        while self.word("AND") {
            found = found.and(self.comparison()?);
        }
        Ok(found)
    }

    fn comparison(&mut self) -> Result<Found, Fault> {
        if self.sign("(") {
            return self.inside(")", Self::comparisons);
        }
        if self.word("EXISTS") {
            let path = self.path()?;
            return Ok(Found { barred: vec![format!("EXISTS {}", clip(path))], ..Found::default() });
        }
        let path = self.path()?;
        let not = self.word("NOT");
        let operator = self.operator()?;
        let mut values = Vec::new();
        if operator == "IN" {
            if !self.sign("(") {
                return Err(self.unexpected());
            }
            loop {
                values.extend(self.literal()?);
                if !self.sign(",") {
                    break;
                }
            }
            if !self.sign(")") {
                return Err(self.unexpected());
            }
        } else {
            values.extend(self.literal()?);
        }
        let part = || format!("{} {operator}", clip(path));
        let Some(breadth) = breadth(path) else {
            let found = Found::default();
            return Ok(match operator {
                "=" | "IN" if !not => Found { unread: vec![part()], ..found },
                _ => Found { barred: vec![part()], ..found },
            });
        };
        let names = matches!(operator, "=" | "IN") || (operator == "ISSUBSET" && breadth == Breadth::Address);
        if not || !names || values.is_empty() {
            return Ok(Found { barred: vec![part()], ..Found::default() });
        }
        let values = values.into_iter().map(|value| (breadth, typed(breadth, &value))).collect();
        Ok(Found { values, ..Found::default() })
    }

    fn inside(
        &mut self,
        end: &'static str,
        read: impl FnOnce(&mut Self) -> Result<Found, Fault>,
    ) -> Result<Found, Fault> {
        self.depth = self.depth.saturating_add(1);
        if self.depth > DEPTH_MAX {
            return Err(fault(format!("it nests more than {DEPTH_MAX} deep")));
        }
        let found = read(self)?;
        self.depth = self.depth.saturating_sub(1);
        if self.sign(end) { Ok(found) } else { Err(self.unexpected()) }
    }

    /// An object path: type, colon, properties. A step in quotes may hold anything.
    fn path(&mut self) -> Result<&'a str, Fault> {
        let mut quoted = false;
        let mut listed = false;
        let end = self.rest.find(|c: char| {
            match c {
                '\'' => quoted = !quoted,
                '[' => listed = true,
                ']' if listed => {
                    listed = false;
                    return false;
                }
                _ => {}
            }
            !(quoted || listed || c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | ':' | '.' | '\'' | '*'))
        });
        let (path, rest) = self.rest.split_at_checked(end.unwrap_or(self.rest.len())).unwrap_or_default();
        if !path.contains(':') {
            return Err(self.unexpected());
        }
        self.rest = rest.trim_start();
        Ok(path)
    }

    fn operator(&mut self) -> Result<&'static str, Fault> {
        let signs = ["!=", "<>", "<=", ">=", "==", "=", "<", ">"].into_iter().find(|sign| self.sign(sign));
        let words = ["IN", "LIKE", "MATCHES", "ISSUBSET", "ISSUPERSET"];
        match signs.or_else(|| words.into_iter().find(|word| self.word(word))) {
            Some("==") => Ok("="),
            Some(operator) => Ok(operator),
            None => Err(self.unexpected()),
        }
    }

    /// A literal: a text, or `None` for a number, a word, a time or bytes, none of which is a target.
    fn literal(&mut self) -> Result<Option<String>, Fault> {
        if let Some(rest) = self.rest.strip_prefix('\'') {
            let (text, rest) = quoted(rest).ok_or_else(|| fault("a text in it has no end"))?;
            self.rest = rest.trim_start();
            return Ok(Some(text));
        }
        let kind = ["t'", "h'", "b'"].into_iter().find_map(|head| self.rest.strip_prefix(head));
        if let Some(rest) = kind {
            let (_, rest) = quoted(rest).ok_or_else(|| fault("a text in it has no end"))?;
            self.rest = rest.trim_start();
            return Ok(None);
        }
        let end = self.rest.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '+' | '.')));
        match self.rest.split_at_checked(end.unwrap_or(self.rest.len())) {
            Some((word, rest)) if !word.is_empty() => {
                self.rest = rest.trim_start();
                Ok(None)
            }
            _ => Err(self.unexpected()),
        }
    }

    fn sign(&mut self, sign: &str) -> bool {
        match self.rest.strip_prefix(sign) {
            Some(rest) => {
                self.rest = rest.trim_start();
                true
            }
            None => false,
        }
    }

    /// A word, which ends where no letter follows.
    fn word(&mut self, word: &str) -> bool {
        match self.rest.strip_prefix(word).filter(|rest| !rest.starts_with(|c: char| c.is_ascii_alphanumeric())) {
            Some(rest) => {
                self.rest = rest.trim_start();
                true
            }
            None => false,
        }
    }

    fn unexpected(&self) -> Fault {
        match self.rest {
            "" => fault("the pattern ends too early"),
            rest => fault(format!("the pattern cannot be read from here on: {}", clip(rest))),
        }
    }
}

/// A text up to its quote, and what follows; a backslash stands before a quote or a backslash of the text.
fn quoted(rest: &str) -> Option<(String, &str)> {
    let mut text = String::new();
    let mut chars = rest.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '\'' => return Some((text, rest.get(at.saturating_add(1)..)?)),
            '\\' => text.push(chars.next()?.1),
            c => text.push(c),
        }
    }
    None
}

fn breadth(path: &str) -> Option<Breadth> {
    Some(match path {
        "url:value" => Breadth::Url,
        "domain-name:value" => Breadth::Domain,
        "ipv4-addr:value" | "ipv6-addr:value" => Breadth::Address,
        _ => {
            let hash = path.strip_prefix("file:hashes.")?;
            hash.replace(['\'', '-'], "").eq_ignore_ascii_case("sha256").then_some(Breadth::File)?
        }
    })
}

fn typed(breadth: Breadth, value: &str) -> String {
    match breadth {
        Breadth::Address => format!("ip:{value}"),
        Breadth::Domain => format!("domain:{value}"),
        Breadth::Url => super::typed_url(value),
        Breadth::File => format!("file:sha256:{value}"),
    }
}

#[cfg(test)]
mod tests;
