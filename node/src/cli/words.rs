//! The one place that turns the numbers of the wire into the words of `design.md` section 9 and back: `incites`,
//! `outside-scope`, `amber+strict`, `listed`; and Unix milliseconds into RFC 3339 times in UTC.

use std::fmt;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use entente_proto::ids::RecordId;
use entente_proto::wire::{
    Answer, Availability, Basis, Category, CustodyStep, EraseReason, ExecutedResult, Ground, RecordRef, Relation,
    Source, Stance, State, Status, Tlp,
};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// A fault in a word, a number or a time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum WordError {
    /// Not one of the words.
    #[error("{word:?} is not {what}: write one of {known}")]
    Unknown {
        /// What was given, clipped.
        word: String,
        /// What it should have been.
        what: &'static str,
        /// The words there are.
        known: String,
    },
    /// Not a time.
    #[error("{0:?} is not a time: write a day as 2026-12-31, or a moment as 2026-12-31T18:00:00Z (RFC 3339)")]
    Time(String),
    /// Not an accuracy.
    #[error("{0:?} is not an accuracy: write 1 (certain), 2, 3 or 4 (not corroborated)")]
    Accuracy(String),
    /// Not a Europol handling code.
    #[error("{0:?} is not a handling code: write H0, H1, H2 or H3")]
    Handling(String),
}

/// An enumeration of the wire with a word for each of its values.
pub(crate) trait Word: Copy + PartialEq + TryFrom<i32> + Send + Sync + 'static {
    /// What one of the words is, with its article.
    const WHAT: &'static str;
    /// Each value with its word, in the order of the wire; without the value that means "not given".
    const WORDS: &'static [(Self, &'static str)];

    /// The value that a word stands for; capitals do not matter.
    fn from_word(text: &str) -> Result<Self, WordError> {
        Self::WORDS
            .iter()
            .find(|(_, word)| word.eq_ignore_ascii_case(text))
            .map(|(value, _)| *value)
            .ok_or_else(|| WordError::Unknown { word: clip(text), what: Self::WHAT, known: known::<Self>().join(", ") })
    }

    /// The word, if there is one for the value.
    fn word(self) -> Option<&'static str> {
        Self::WORDS.iter().find(|(value, _)| *value == self).map(|(_, word)| *word)
    }
}

/// The word for a number of the wire; `None` where it was not given or comes from a later release.
pub(crate) fn word<W: Word>(value: i32) -> Option<&'static str> {
    W::try_from(value).ok().and_then(Word::word)
}

/// A parser for command-line options that lists the words in the help and in its errors.
pub(crate) fn parser<W: Word>() -> impl TypedValueParser<Value = W> {
    PossibleValuesParser::new(known::<W>()).try_map(|word| W::from_word(&word))
}

fn known<W: Word>() -> Vec<&'static str> {
    W::WORDS.iter().map(|(_, word)| *word).collect()
}

macro_rules! words {
    ($kind:ty, $what:literal: $($value:ident = $word:literal),+ $(,)?) => {
        impl Word for $kind {
            const WHAT: &'static str = $what;
            const WORDS: &'static [(Self, &'static str)] = &[$((<$kind>::$value, $word)),+];
        }
    };
}

words!(Category, "a category": Incites = "incites", SolicitsCommit = "solicits-commit", SolicitsJoin = "solicits-join",
    Instructs = "instructs", Threatens = "threatens");
words!(Basis, "a basis": Referral = "referral", RemovalOrder = "removal-order", NationalLaw = "national-law");
words!(Source, "a source assessment": A = "A", B = "B", C = "C", X = "X");
words!(Tlp, "a TLP 2.0 label": Red = "red", AmberStrict = "amber+strict", Amber = "amber", Green = "green",
    Clear = "clear");
words!(Stance, "a stance": Support = "support", Object = "object");
words!(Ground, "a ground": OutsideScope = "outside-scope", ProtectedExpression = "protected-expression",
    WrongTarget = "wrong-target", Jurisdiction = "jurisdiction", Other = "other");
words!(Answer, "an answer": Removed = "removed", BlockedEu = "blocked-eu", GeoBlocked = "geo-blocked",
    Declined = "declined", Impossible = "impossible", NoResponse = "no-response");
words!(Availability, "an availability": Online = "online", Offline = "offline", Moved = "moved");
words!(Relation, "a relation": Mirror = "mirror", Successor = "successor", SameOperator = "same-operator");
words!(CustodyStep, "a step of custody": Give = "give", Take = "take");
words!(ExecutedResult, "a result": Done = "done", Failed = "failed", Skipped = "skipped");
words!(EraseReason, "a reason": CourtOrder = "court-order", Retention = "retention", DataSubject = "data-subject",
    Mistake = "mistake");
words!(Status, "a status": Held = "held", Disputed = "disputed", Listed = "listed", Cleared = "cleared");
words!(State, "a state": Running = "running", Waiting = "waiting", Recovering = "recovering");

/// A Unix time in milliseconds as an RFC 3339 time in UTC; a number beyond the year 9999 stays a number.
pub(crate) fn moment(unix_ms: u64) -> String {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(unix_ms).saturating_mul(1_000_000))
        .ok()
        .and_then(|moment| moment.format(&Rfc3339).ok())
        .unwrap_or_else(|| unix_ms.to_string())
}

/// As [`moment`]; `None` for 0, which means "none" on the wire.
pub(crate) fn moment_unless_zero(unix_ms: u64) -> Option<String> {
    (unix_ms != 0).then(|| moment(unix_ms))
}

/// Reads an RFC 3339 time, or a day, which means its first moment in UTC, as Unix milliseconds.
pub(crate) fn parse_moment(text: &str) -> Result<u64, WordError> {
    let fault = || WordError::Time(clip(text));
    let full = if text.len() == 10 { format!("{text}T00:00:00Z") } else { text.to_owned() };
    let nanos = OffsetDateTime::parse(&full, &Rfc3339).map_err(|_| fault())?.unix_timestamp_nanos();
    u64::try_from(nanos / 1_000_000).ok().filter(|ms| *ms > 0).ok_or_else(fault)
}

/// Reads an accuracy, 1 to 4.
pub(crate) fn parse_accuracy(text: &str) -> Result<u32, WordError> {
    text.parse().ok().filter(|value| (1..=4).contains(value)).ok_or_else(|| WordError::Accuracy(clip(text)))
}

/// Reads a Europol handling code, `H0` to `H3`, as its number.
pub(crate) fn parse_handling(text: &str) -> Result<u32, WordError> {
    let digit = text.strip_prefix(['H', 'h']).unwrap_or_default();
    digit.parse().ok().filter(|value| *value <= 3 && digit.len() == 1).ok_or_else(|| WordError::Handling(clip(text)))
}

/// The record's id in words: `BE/17`.
pub(crate) fn record_id(id: &RecordRef) -> String {
    format!("{}/{}", id.unit, id.index)
}

/// The wire's form of a record id.
pub(crate) fn record_ref(id: &RecordId) -> RecordRef {
    RecordRef { unit: id.unit.as_str().to_owned(), index: id.index }
}

/// Bytes in lower-case hexadecimal.
pub(crate) struct Hex<'a>(pub(crate) &'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Text of others as it may stand on a terminal: one line, without characters that steer it or reorder the line.
pub(crate) fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\t' => out.push(' '),
            '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                out.extend(c.escape_unicode())
            }
            c if c.is_control() => out.extend(c.escape_unicode()),
            c => out.push(c),
        }
    }
    out
}

/// The beginning of a text, for error messages.
pub(crate) fn clip(text: &str) -> String {
    const CHARS_MAX: usize = 60;
    if text.chars().nth(CHARS_MAX).is_none() {
        return text.to_owned();
    }
    text.chars().take(CHARS_MAX).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn comes_back<W: Word + std::fmt::Debug>(last: i32)
    where
        <W as TryFrom<i32>>::Error: std::fmt::Debug,
    {
        for value in 1..=last {
            let text = word::<W>(value).unwrap();
            assert_eq!(W::from_word(text).unwrap(), W::try_from(value).unwrap(), "{text}");
            assert_eq!(W::from_word(&text.to_uppercase()).unwrap(), W::try_from(value).unwrap(), "{text}");
        }
        assert_eq!(word::<W>(0), None);
        assert_eq!(word::<W>(last + 1), None, "a value without a word");
        assert!(matches!(W::from_word("no such word"), Err(WordError::Unknown { .. })));
    }

    #[test]
    fn every_value_has_a_word_that_leads_back_to_it() {
        comes_back::<Category>(5);
        comes_back::<Basis>(3);
        comes_back::<Source>(4);
        comes_back::<Tlp>(5);
        comes_back::<Stance>(2);
        comes_back::<Ground>(5);
        comes_back::<Answer>(6);
        comes_back::<Availability>(3);
        comes_back::<Relation>(3);
        comes_back::<CustodyStep>(2);
        comes_back::<ExecutedResult>(3);
        comes_back::<EraseReason>(4);
        comes_back::<Status>(4);
        comes_back::<State>(3);
    }

    #[test]
    fn an_unknown_word_is_answered_with_the_words_there_are() {
        let message = Category::from_word("inciting").unwrap_err().to_string();
        assert!(message.contains("\"inciting\"") && message.contains("solicits-commit"), "{message}");
    }

    #[test]
    fn times_are_rfc_3339_in_utc() {
        assert_eq!(moment(1_524_636_000_000), "2018-04-25T06:00:00Z");
        assert_eq!(moment(1_524_636_000_250), "2018-04-25T06:00:00.25Z");
        assert_eq!(moment(u64::MAX), u64::MAX.to_string());
        assert_eq!(parse_moment("2018-04-25T08:00:00+02:00"), Ok(1_524_636_000_000));
        assert_eq!(parse_moment("2018-04-25"), Ok(1_524_614_400_000));
        for bad in ["", "tomorrow", "25/04/2018", "2018-13-01", "1969-01-01", "1524636000"] {
            assert_eq!(parse_moment(bad), Err(WordError::Time(bad.to_owned())));
        }
    }

    #[test]
    fn handling_codes_and_accuracies_are_narrow() {
        assert_eq!(parse_handling("H3"), Ok(3));
        assert!(["H4", "3", "H03", "", "H+1"].into_iter().all(|bad| parse_handling(bad).is_err()));
        assert_eq!(parse_accuracy("4"), Ok(4));
        assert!(["0", "5", "", "A"].into_iter().all(|bad| parse_accuracy(bad).is_err()));
    }

    #[test]
    fn text_of_others_cannot_steer_the_terminal() {
        assert_eq!(plain("a\u{1b}[2Jb\nc\u{202e}"), "a\\u{1b}[2Jb c\\u{202e}");
    }
}
