//! What can be wrong with a charter or with the description of a unit.

use std::fmt;

use crate::ids::{IdError, UnitId};
use crate::limits::{ADDRESS_BYTES_MAX, ADDRESSES_MAX, CA_BYTES_MAX, CAS_MAX, REVOKED_MAX, UNIT_NAME_BYTES_MAX};
use crate::note::{KeyError, KeyName, NoteError, SignError};

/// A charter, a unit's description or a signature under a charter is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CharterError {
    /// More bytes than a charter may have.
    #[error("{0} bytes are more than a charter may have: at most {max}", max = crate::limits::CHARTER_BYTES_MAX)]
    TooLarge(usize),
    /// Not UTF-8.
    #[error("this is not UTF-8 text, so it is no charter and no unit description")]
    NotUtf8,
    /// A tab, a carriage return, or another character that a reader cannot see.
    #[error(
        "line {line}: the character U+{code:04X} may not stand here: lines end in a line feed alone, there are no tabs, and no invisible controls"
    )]
    Character {
        /// The line, from 1.
        line: usize,
        /// The character's code point.
        code: u32,
    },
    /// What versions of TOML do not agree about.
    #[error("line {line}: {found} may not stand anywhere in a charter, since versions of TOML read it differently")]
    Ambiguous {
        /// The line, from 1.
        line: usize,
        /// The characters.
        found: &'static str,
    },
    /// The last line is not ended.
    #[error("the text does not end in a line feed")]
    NoFinalLineFeed,
    /// The signature block is not one.
    #[error("the signatures: {0}")]
    Note(NoteError),
    /// Not TOML; the words are the parser's.
    #[error("this is not TOML: {0}")]
    Toml(String),
    /// A key of the text, or its value.
    #[error("{place}: `{key}` {fault}")]
    Key {
        /// The table in which the key stands.
        place: Place,
        /// The key.
        key: String,
        /// What is wrong with it.
        fault: Fault,
    },
    /// The charter has no unit.
    #[error("the charter lists no unit")]
    NoUnits,
    /// The charter has more units than it may.
    #[error("the charter lists {0} units, more than {max}", max = crate::limits::UNITS_MAX)]
    TooManyUnits(usize),
    /// Two tables with one id.
    #[error("the unit {0} is listed twice")]
    UnitTwice(UnitId),
    /// One raw public key in two places.
    #[error("{first} and {second} are the same public key: every key of every unit and role must be its own")]
    KeyTwice {
        /// The name under which it stands first.
        first: KeyName,
        /// The name under which it stands again.
        second: KeyName,
    },
    /// One CA certificate for two units.
    #[error("{first} and {second} have the same CA certificate: each unit must have a CA of its own")]
    CaTwice {
        /// The unit with which it stands first.
        first: UnitId,
        /// The unit with which it stands again.
        second: UnitId,
    },
    /// A unit description must describe one unit.
    #[error("a unit description holds exactly one [[unit]] table, and this one holds {0}")]
    NotOneUnit(usize),
    /// Descriptions of units of different networks.
    #[error("{unit} describes itself as a unit of {found:?}, the others as units of {expected:?}")]
    OtherNetwork {
        /// The unit.
        unit: UnitId,
        /// Its network.
        found: String,
        /// The network of the first description.
        expected: String,
    },
    /// A key of the charter has signed, and its signature does not hold.
    #[error(
        "the signature of {key} does not hold over this text: {reason}; whoever changed the text must have it signed anew"
    )]
    BadSignature {
        /// The key.
        key: KeyName,
        /// Why it was refused.
        reason: NoteError,
    },
    /// A signature line that counts for nothing.
    #[error(
        "it has a signature line by {0}, which is no key that signs this version: it was altered, or somebody added it; \
         `entente charter adopt` drops such lines"
    )]
    Stray(KeyName),
    /// The signature lines that count stand otherwise than they are written.
    #[error(
        "its signature lines do not stand in their one order, by key name and id: it was altered after it was signed"
    )]
    Order,
    /// Signatures are missing.
    #[error("not every unit has signed: missing {}", Names(.0))]
    Unsigned(Vec<KeyName>),
    /// A later version, which counts only under the one before it.
    #[error(
        "this is version {0} of a charter, which counts only under the versions before it; a network is founded by version 1"
    )]
    NotFirst(u32),
    /// A charter of no version at all.
    #[error("there is no version of the charter here: the first is version 1")]
    NoVersions,
    /// Not allowed as the next version.
    #[error("it cannot follow version {after} of the charter: {fault}")]
    Succession {
        /// The version that it was to follow.
        after: u32,
        /// Why not.
        fault: SuccessionFault,
    },
    /// A next version that cannot be composed.
    #[error(transparent)]
    Change(ChangeFault),
    /// The key at hand is not one of the charter's.
    #[error("the charter does not name the key {0}")]
    NotNamed(KeyName),
    /// Two texts where one was expected.
    #[error("these are signatures under different texts: {first} and {second}; compare the files before you go on")]
    OtherText {
        /// The digest of the first text, in hexadecimal.
        first: String,
        /// The digest of the other.
        second: String,
    },
    /// A signer failed.
    #[error(transparent)]
    Signer(SignError),
}

/// Why a charter cannot follow another, though its text is sound.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SuccessionFault {
    /// Another network.
    #[error("it is a charter of the network {0}")]
    Network(String),
    /// Not the next version.
    #[error("it is version {0}")]
    Version(u32),
    /// It names another text as the version before.
    #[error("it names {found} as the version before, which is {expected}")]
    Previous {
        /// What it names.
        found: String,
        /// The digest of the version before.
        expected: String,
    },
    /// It continues another charter.
    #[error("it continues the charter {found}, and the newest here is {expected}")]
    Continues {
        /// What it names.
        found: String,
        /// The digest of the newest version.
        expected: String,
    },
    /// A unit that was never there has a base.
    #[error("{0} is new and has no log that could go on from a base: its base is 0 and the empty root")]
    BaseOfNew(UnitId),
    /// The rules of the list would go back.
    #[error("its fold version {found} is lower than {before}, by which lists were computed already")]
    Fold {
        /// Its fold version.
        found: u32,
        /// That of the version before.
        before: u32,
    },
    /// The id of a unit that left.
    #[error("the unit {unit} left with version {left}: its id is never given again; let it join under another one")]
    UnitReturns {
        /// The unit.
        unit: UnitId,
        /// The first version that does not list it.
        left: u32,
    },
    /// A public key that stood elsewhere.
    #[error(
        "the public key of {key} stood in version {version} as {stood}: a key is used once, by one unit, in one role"
    )]
    KeyUsed {
        /// Its name now.
        key: KeyName,
        /// The version in which it stood.
        version: u32,
        /// Its name then.
        stood: KeyName,
    },
    /// A key that one cannot tell from one before.
    #[error("the key {key} has the key id of the one that stood in version {version}: make another key")]
    KeyId {
        /// The name of both.
        key: KeyName,
        /// The version in which the other stood.
        version: u32,
    },
    /// A CA certificate that was another unit's.
    #[error("a CA certificate of {unit} was that of {stood} in version {version}")]
    Ca {
        /// Whose it is now.
        unit: UnitId,
        /// Whose it was.
        stood: UnitId,
        /// The version in which it was.
        version: u32,
    },
    /// A base without a new log key.
    #[error("{0} has a base, which only a unit may have whose log key this version replaces")]
    Base(UnitId),
    /// Too few units of the version before have signed.
    #[error(
        "{given} of its {units} units have signed, and more than two thirds must: {needed} in all; not signed by {}",
        Names(open)
    )]
    Votes {
        /// How many have.
        given: usize,
        /// How many units there are.
        units: usize,
        /// How many must.
        needed: usize,
        /// Which have not.
        open: Vec<UnitId>,
    },
    /// New keys that have not signed.
    #[error("every key that it brings in must sign it: missing {}", Names(.0))]
    Unsigned(Vec<KeyName>),
}

/// Why a next version cannot be composed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChangeFault {
    /// A unit that is to be changed or to leave, and is not there.
    #[error("the charter does not list the unit {0}")]
    Absent(UnitId),
    /// A unit that is to join, and is there.
    #[error("the charter lists the unit {0} already: to change what it says of it, update it")]
    Present(UnitId),
    /// A next version that would say what the present one says.
    #[error("nothing would change")]
    Nothing,
}

/// Where in the text a key stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// Outside all tables.
    Top,
    /// In the `[[unit]]` table with this number, from 1, whose id is not known.
    UnitNumber(usize),
    /// In the `[[unit]]` table of this unit.
    Unit(UnitId),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Top => f.write_str("at the top"),
            Self::UnitNumber(number) => write!(f, "unit table {number}"),
            Self::Unit(unit) => write!(f, "unit {unit}"),
        }
    }
}

/// What is wrong with a key of the text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It must be there.
    #[error("is missing")]
    Missing,
    /// It is not a key that this place knows.
    #[error("is not a key that this release knows here")]
    Unknown,
    /// It has the wrong type.
    #[error("must be {0}")]
    NotA(&'static str),
    /// It is not an acceptable name of a network or unit.
    #[error("does not hold: {0}")]
    Id(IdError),
    /// It is out of range.
    #[error("is {0}, and must be a number from {1} to {2}")]
    Range(i64, u32, u32),
    /// Not 64 lower-case hexadecimal digits.
    #[error("must be a SHA-256 value: 64 lower-case hexadecimal digits")]
    NotADigest,
    /// `previous` beside version 1.
    #[error("must be \"\" in version 1: nothing comes before it")]
    PreviousOfFirst,
    /// No `previous` beside a later version.
    #[error("must name the version before: only version 1 has none")]
    NoPrevious,
    /// `continues` is set in a later version.
    #[error("must be \"\" but in version 1: a later version names the one before it in `previous`")]
    Continues,
    /// `base` is set in a version 1 that continues nothing.
    #[error("must be \"\" in a version 1 that continues no other charter: every log begins empty")]
    BaseOfFirst,
    /// `base` is not set in a version 1 that continues another charter.
    #[error("must say where the log goes on, since this charter continues another: a size, a space and a root")]
    NoBase,
    /// `base` is not of its form.
    #[error("must be \"\", or a size, a space and a root of 64 lower-case hexadecimal digits")]
    NotABase,
    /// The same value twice in one list.
    #[error("holds {0} twice")]
    Twice(String),
    /// Too many revoked keys.
    #[error("holds {0} values, more than {REVOKED_MAX}")]
    TooManyRevoked(usize),
    /// The full name of the unit.
    #[error(
        "must have 1 to {UNIT_NAME_BYTES_MAX} bytes, no line break, no invisible control character, and no space at its ends"
    )]
    NotAName,
    /// Not a verifier key.
    #[error("is not a public key: {0}")]
    NotAKey(KeyError),
    /// The key has the wrong name.
    #[error("is named {found}, and must be named {expected}")]
    KeyName {
        /// The name that it has.
        found: KeyName,
        /// The name that it must have.
        expected: KeyName,
    },
    /// The key has the wrong type.
    #[error("must be a key of signature type {0:02x}")]
    KeyType(u8),
    /// No CA certificate, or too many.
    #[error("must hold 1 to {CAS_MAX} certificates, and holds {0}")]
    CaCount(usize),
    /// A CA certificate is not one PEM block in its one form.
    #[error(
        "must hold PEM blocks of one certificate each: the BEGIN CERTIFICATE line, base64 in lines of 64 characters, the END CERTIFICATE line"
    )]
    NotPem,
    /// A CA certificate is empty, too large or not one DER sequence.
    #[error("holds a certificate that is not one DER sequence of at most {CA_BYTES_MAX} bytes")]
    NotDer,
    /// Too many addresses.
    #[error("holds {0} addresses, more than {ADDRESSES_MAX}")]
    TooManyAddresses(usize),
    /// Not an address.
    #[error(
        "holds {0:?}, which is no address: a host name in lower case, an IPv4 address or an IPv6 address in brackets, then a colon and a port from 1 to 65535, at most {ADDRESS_BYTES_MAX} bytes"
    )]
    NotAnAddress(String),
    /// The quorum is below the formula's value or above the number of other units.
    #[error("is {found}: among {units} units it must lie from {least} to {most}")]
    Quorum {
        /// The value.
        found: u32,
        /// How many units the charter lists.
        units: usize,
        /// The formula's value.
        least: usize,
        /// The number of other units.
        most: usize,
    },
}

/// Names with commas between.
struct Names<'a, T>(&'a [T]);

impl<T: fmt::Display> fmt::Display for Names<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, name) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(", ")?;
            }
            fmt::Display::fmt(name, f)?;
        }
        Ok(())
    }
}
