//! Charters that came and do not count, above all another text of a version that is held: kept as evidence, said in the log
//! and in `status`, and refused.

use std::collections::BTreeMap;

use entente_proto::charter::Contradiction;
use entente_proto::hash::Hash;
use entente_proto::ids::UnitId;

use super::{Core, lock};

/// By the digest of the other text: what it shows, and where it is kept, if it is.
pub(super) type Found = BTreeMap<Hash, (Contradiction, Option<String>)>;

impl Core {
    /// Keeps a charter that does not count.
    pub(super) fn keep_evidence(&self, from: &UnitId, note: &[u8], reason: &str) {
        let found = self.charters().contradiction(note);
        let known = found.as_ref().is_some_and(|found| lock(&self.contradictions).contains_key(&found.digest));
        if known {
            tracing::warn!(%from, reason, "a partner still holds a charter that is kept as evidence already");
            return;
        }
        // Nonsense must not take the room of what shows that a unit broke its word.
        let names = found.as_ref().is_some_and(|found| self.names_another(found));
        match self.charter_files.keep_evidence(note, names) {
            Ok(file) => {
                tracing::error!(
                    %from, reason, file,
                    "a partner sent a charter that does not count; it is kept as evidence"
                );
                if let Some(found) = found {
                    self.note_contradiction(found, Some(file));
                }
            }
            Err(error) => {
                tracing::error!(%from, reason, error, "a partner sent a charter that does not count, and it cannot be kept");
                if let Some(found) = found.filter(|_| names) {
                    self.note_contradiction(found, None);
                }
            }
        }
    }

    /// Looks through what was kept.
    pub(super) fn find_contradictions(&self) {
        let charters = self.charters();
        for (file, note) in self.charter_files.evidence() {
            if let Some(found) = charters.contradiction(&note) {
                self.note_contradiction(found, Some(file));
            }
        }
    }

    /// Whether it shows of a unit for the first time that it signed two texts of a version.
    fn names_another(&self, found: &Contradiction) -> bool {
        let known = lock(&self.contradictions);
        found.signed_both.iter().any(|unit| known.values().all(|(known, _)| !known.signed_both.contains(unit)))
    }

    fn note_contradiction(&self, found: Contradiction, file: Option<String>) {
        tracing::error!("{}", words(&found, file.as_deref()));
        lock(&self.contradictions).insert(found.digest, (found, file));
    }

    /// What everybody at the unit must know of them, in words.
    #[must_use]
    pub fn contradictions(&self) -> Vec<String> {
        lock(&self.contradictions).values().map(|(found, file)| words(found, file.as_deref())).collect()
    }
}

fn words(found: &Contradiction, file: Option<&str>) -> String {
    let both: Vec<_> = found.signed_both.iter().map(UnitId::as_str).collect();
    let who = match both.as_slice() {
        _ if found.elsewhere => {
            "It follows another charter than the one held here does, as after a founding anew, or is another \
                                 attempt at that: whoever signed both broke no word"
                .to_owned()
        }
        [] => "Nobody signed both".to_owned(),
        [one] => format!("{one} signed both, which no honest node does"),
        many => format!("{} signed both, which no honest node does", many.join(" ")),
    };
    let counts = match &found.lacks {
        None => "and enough units signed it, so that whoever got it first holds it".to_owned(),
        Some(lacks) => format!("and it would not count by itself: {lacks}"),
    };
    let kept = match file {
        Some(file) => format!("It is kept as evidence in {file}"),
        None => "It could not be kept as evidence (the node's log says why; the partner that holds it still has it)"
            .to_owned(),
    };
    format!(
        "CHARTER: there is another text of version {} than the one held here, {counts}. {who}. It is refused, and nodes that hold it are \
         no partners of this one. {kept}: compare `entente charter show` on both nodes, and agree by telephone \
         which text stands",
        found.version
    )
}
