//! Attempts to found a network anew.
//!
//! A text that founds a network anew is signed by all that it lists, and each signs one text. Where one of them cannot sign (its
//! log has more than the base says), or does not, the others have given their word for nothing. So there can be a further
//! attempt, with a number that the text tells in its first line, a comment: `# attempt 2`. A text without that line is the first
//! attempt. The number changes nothing in what the text says, nor in whether it counts; it is what signers go by:
//!
//! 1. One text is signed for each attempt, ever.
//! 2. Attempts are signed in ascending order alone: whoever signed the second signs the first no more.
//! 3. Whoever signed a later attempt takes none of the earlier ones up.
//!
//! So of all attempts at most one comes into force among honest units, however many others there are. Of two texts that count
//! every unit in both signed both, in ascending order. An honest one that took the earlier up did so before it signed the later;
//! but by then its network was founded anew, and the later continues a charter that is its newest no more, so it never
//! signed that, and that does not count.

use super::error::CharterError;
use super::verify::UnverifiedCharter;

/// How the first line of a later attempt begins.
const MARK: &str = "# attempt ";

impl UnverifiedCharter {
    /// Which attempt to found the network anew this is, from 1; 1 also for any other charter.
    #[must_use]
    pub fn attempt(&self) -> u16 {
        let number = self.text().lines().next().and_then(|line| line.strip_prefix(MARK));
        let number = number.filter(|_| self.terms().continues.is_some());
        // The number must be the one text of itself.
        let read = |text: &str| text.parse().ok().filter(|number: &u16| *number > 1 && number.to_string() == text);
        number.and_then(read).unwrap_or(1)
    }

    /// The same text, which nobody has signed, as a later attempt.
    ///
    /// # Errors
    /// [`CharterError::TooLarge`] where the line makes it so.
    pub fn as_attempt(&self, attempt: u16) -> Result<Self, CharterError> {
        Self::parse(format!("{MARK}{attempt}\n{}", self.text()).as_bytes())
    }
}
