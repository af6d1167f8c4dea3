//! Why what a person typed is no target, in words and in a code.

use super::grammar::GrammarFault;

/// Why an input is not taken as a target.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// Nothing but white space.
    #[error("there is nothing here")]
    Empty,
    /// A control character, by its code point.
    #[error("it contains the control character U+{0:04X}; remove it")]
    ControlCharacter(u32),
    /// A character that changes the direction of writing, by its code point.
    #[error("it contains U+{0:04X}, which changes the direction of writing and hides what is meant; remove it")]
    BidiControl(u32),
    /// A character that cannot be seen, by its code point.
    #[error("it contains the invisible character U+{0:04X}; remove it")]
    InvisibleCharacter(u32),
    /// The replacement character, left by text in another encoding.
    #[error("it is not UTF-8; convert the text to UTF-8 first")]
    NotUtf8,
    /// White space inside.
    #[error("it contains a space; give one target, and write a space of an address as %20")]
    Space,
    /// Longer than a target or a host name may be.
    #[error("it is too long: a host name has at most 253 bytes, a target at most 8,192")]
    TooLong,
    /// A label of a host name is too long.
    #[error("a part of the host name between dots is longer than 63 bytes")]
    LabelTooLong,
    /// Two dots in a row, or one at the beginning.
    #[error("the host name has nothing between two dots, or begins with one")]
    EmptyLabel,
    /// A host name without a dot.
    #[error("{0:?} is not a host name of the internet: it has no dot")]
    SingleLabel(String),
    /// Something else that is no host name.
    #[error("{0:?} is not a host name")]
    BadHost(String),
    /// A name that cannot be brought into ASCII.
    #[error("{0:?} is not a valid internationalised host name (UTS 46)")]
    NotAsciiAfterIdna(String),
    /// A registered name of a form that no registry gives.
    #[error("{0:?} cannot be registered: a hyphen stands at an end of it, or it has an underscore")]
    LabelForm(String),
    /// An e-mail address.
    #[error("it is an e-mail address; refer the domain, or the account as account:platform/handle")]
    Email,
    /// A public suffix of the ICANN section.
    #[error("{0} is a public suffix, under which anybody registers names; refer the names under it")]
    PublicSuffix(String),
    /// A star for any name.
    #[error("a star is not a host name; refer the domain itself: it covers the names under it")]
    Wildcard,
    /// A path, query or fragment after a host name without a scheme.
    #[error(
        "it has a path but no scheme; write http:// or https:// before it for the address, or the host name alone for the domain"
    )]
    PathWithoutScheme,
    /// A port after a host name without a scheme.
    #[error(
        "it has a port but no scheme; write http:// or https:// before it for the address, or the host name alone for the domain"
    )]
    PortWithoutScheme,
    /// A scheme other than http and https.
    #[error("addresses begin with http:// or https://, not with {0}:")]
    UnsupportedScheme(String),
    /// Not an address by the URL standard.
    #[error("it is not a web address: {0}")]
    BadUrl(String),
    /// Not an IP address.
    #[error("{0:?} is not an IP address (four numbers from 0 to 255 without leading zeros, or IPv6)")]
    IpAddress(String),
    /// A prefix length that does not exist.
    #[error("{0:?} is not a prefix length of this kind of IP address")]
    IpPrefix(String),
    /// Address bits beyond the prefix.
    #[error("the address has bits beyond its prefix length; the network is {0}")]
    IpHostBits(String),
    /// A network so large that it cannot be meant.
    #[error("a network larger than /8 (IPv4) or /16 (IPv6) cannot be referred")]
    IpTooBroad,
    /// Not `platform/handle`.
    #[error("it is not of the form platform/handle, as in account:telegram/xyz ({0})")]
    BadHandle(GrammarFault),
    /// Not a hash.
    #[error("{}", GrammarFault::HashForm)]
    BadHash,
}

impl TargetError {
    /// A word that programs can compare; it does not change between releases.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::ControlCharacter(_) => "control-character",
            Self::BidiControl(_) => "bidi-control",
            Self::InvisibleCharacter(_) => "invisible-character",
            Self::NotUtf8 => "not-utf8",
            Self::Space => "space",
            Self::TooLong => "too-long",
            Self::LabelTooLong => "label-too-long",
            Self::EmptyLabel => "empty-label",
            Self::SingleLabel(_) => "single-label",
            Self::BadHost(_) => "bad-host",
            Self::NotAsciiAfterIdna(_) => "not-ascii-after-idna",
            Self::LabelForm(_) => "label-form",
            Self::Email => "email",
            Self::PublicSuffix(_) => "public-suffix",
            Self::Wildcard => "wildcard",
            Self::PathWithoutScheme => "path-without-scheme",
            Self::PortWithoutScheme => "port-without-scheme",
            Self::UnsupportedScheme(_) => "unsupported-scheme",
            Self::BadUrl(_) => "bad-url",
            Self::IpAddress(_) => "ip-address",
            Self::IpPrefix(_) => "ip-prefix",
            Self::IpHostBits(_) => "ip-host-bits",
            Self::IpTooBroad => "ip-too-broad",
            Self::BadHandle(_) => "bad-handle",
            Self::BadHash => "bad-hash",
        }
    }

    /// The fault of a host name, as a person should hear it.
    pub(super) fn of_name(fault: GrammarFault, name: &str) -> Self {
        match fault {
            GrammarFault::NameTooLong | GrammarFault::TooLong => Self::TooLong,
            GrammarFault::LabelTooLong => Self::LabelTooLong,
            GrammarFault::EmptyLabel => Self::EmptyLabel,
            GrammarFault::SingleLabel => Self::SingleLabel(clip(name)),
            GrammarFault::NumericName | GrammarFault::Address => Self::IpAddress(clip(name)),
            _ => Self::BadHost(clip(name)),
        }
    }
}

/// The beginning of a text of unknown length, for an error message.
pub(super) fn clip(text: &str) -> String {
    text.chars().take(80).collect()
}
