//! Targets: what statements are about.
//!
//! # The grammar
//!
//! A target is a string of printable ASCII (0x21 to 0x7e) of at most 8,192 bytes: a type, a colon and a value. The
//! grammar is part of the fold's version 1 and is judged by bytes alone: no table of names, no library. `DIGIT` is
//! 0-9, `HEX` is 0-9 and a-f, `UPHEX` is 0-9 and A-F.
//!
//! | type | value | example |
//! |---|---|---|
//! | `domain` | *name* | `domain:news.example` |
//! | `url` | `http://` or `https://`, *host*, perhaps `:` and *port*, *path*, perhaps `?` and *query* | `url:https://news.example/a?b=c` |
//! | `ip` | *address*, perhaps `/` and *length* | `ip:192.0.2.7`, `ip:2001:db8::/32` |
//! | `account` | *platform* `/` *handle* | `account:telegram/xyz` |
//! | `channel` | *platform* `/` *handle* | `channel:youtube/UCxyz` |
//! | `app` | *platform* `/` *handle* | `app:google-play/org.news.app` |
//! | `file` | `sha256:` and 64 HEX | `file:sha256:e3b0...b855` |
//! | `image` | `pdq:` and 64 HEX | `image:pdq:f8f8...0707` |
//!
//! - *name*: at most 253 bytes; two or more labels with a dot between; a label is 1 to 63 of `a-z`, DIGIT, `-` and `_`.
//!   Hyphens may stand anywhere and underscores are letters, as in the URL standard: such host names exist below
//!   registered ones and are served, so they must be referable. The last label is not a number: neither DIGITs alone
//!   nor `0x` followed by none or more HEX (the URL standard reads such a name as an IPv4 address).
//! - *host*: a *name*, an IPv4 *address*, or an IPv6 *address* in square brackets.
//! - *port*: 1 to 65535 in decimal without leading zeros, not 80 after `http`, not 443 after `https`.
//! - *path*: begins with `/`; its bytes are 0x21 to 0x7e without `"`, `#`, `<`, `>`, `?`, `\`, `^`, `` ` ``, `{`, `}`.
//!   No segment between slashes is `.` or `..`, also not with `%2E` for a dot.
//! - *query*: bytes 0x21 to 0x7e without `"`, `#`, `'`, `<`, `>`. It may be empty after its `?`.
//! - In path and query a `%` that two hexadecimal digits follow is followed by UPHEX (`%C3`, not `%c3`); any other `%` is
//!   a byte like others, since the URL standard leaves it as it is.
//! - *address*: IPv4 as four decimals 0 to 255 without leading zeros, with dots between. IPv6 as RFC 5952 section 4
//!   without its section 5: eight groups in lower-case HEX without leading zeros, the longest run of two or more zero
//!   groups (the first of equals) as `::`, never an IPv4 address inside.
//! - *length*: 1 to 31 for IPv4, 1 to 127 for IPv6, in decimal without leading zeros; all address bits beyond it are 0.
//! - *platform*: 1 to 64 of `a-z`, DIGIT, `.`, `-`, `_`, the first and last of `a-z` and DIGIT.
//! - *handle*: 1 to 1,024 bytes 0x21 to 0x7e. A `%` is followed by two UPHEX that stand for a byte outside 0x21 to 0x7e,
//!   or for `%` itself (`%25`): so each string of bytes is written in one way. It does not begin with `@`. Case matters.
//!
//! The grammar knows no public suffixes: that a bare `co.uk` cannot be referred is a rule of submission
//! ([`from_input`]), where a library's table may change without changing anybody's list.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use super::grammar;
pub use super::grammar::GrammarFault;
pub use super::input::{Understood, from_input};
pub use super::parents::parents;
pub use super::refusal::TargetError;

/// A target in canonical form. Targets order by their bytes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Target(Arc<str>);

/// The type of a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TargetType {
    /// A domain name and what is served under it.
    Domain,
    /// A web address.
    Url,
    /// An IP address or network.
    Ip,
    /// An account on a platform.
    Account,
    /// A channel, group or page on a platform.
    Channel,
    /// An app in a store.
    App,
    /// A file, by its SHA-256.
    File,
    /// An image, by its PDQ hash.
    Image,
}

impl TargetType {
    /// Every type, with the word before the colon.
    pub const ALL: [(Self, &'static str); 8] = [
        (Self::Domain, "domain"),
        (Self::Url, "url"),
        (Self::Ip, "ip"),
        (Self::Account, "account"),
        (Self::Channel, "channel"),
        (Self::App, "app"),
        (Self::File, "file"),
        (Self::Image, "image"),
    ];

    /// The type with this word.
    #[must_use]
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, own)| *own == word).map(|(kind, _)| *kind)
    }
}

impl Target {
    /// The whole string, such as `domain:news.example`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The type and the value after the colon.
    #[must_use]
    pub fn parts(&self) -> (TargetType, &str) {
        // Every target has passed the grammar, which names a type before a colon.
        let (word, value) = self.0.split_once(':').unwrap_or_default();
        (TargetType::of_word(word).unwrap_or(TargetType::Url), value)
    }

    /// Takes over a string that [`grammar::check`] has passed, as those of a parsed statement have.
    pub(crate) fn checked(text: &str) -> Self {
        debug_assert!(grammar::check(text).is_ok(), "unchecked target {text:?}");
        Self(text.into())
    }
}

impl FromStr for Target {
    type Err = GrammarFault;

    /// Reads a target in canonical form, strictly: nothing is brought into form here.
    fn from_str(text: &str) -> Result<Self, GrammarFault> {
        grammar::check(text)?;
        Ok(Self(text.into()))
    }
}

impl std::borrow::Borrow<str> for Target {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests;
