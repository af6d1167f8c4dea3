//! Who is admitted now: the one place that joins the charters in force, what units revoke by records and what the operator
//! denies, hands it to listeners and diallers, and cuts the connections that it no longer admits.
//!
//! ```text
//! charter(s) in force ----> govern --\
//! the file `deny`     ----> deny -----+-> members: every handshake from now on
//! verified `Revoke`s  ----> revoked -/ \-> connections: cut where `Members::still` says no
//! ```
//! The members are replaced before connections are cut, and whoever enters a connection looks at the members once more
//! afterwards: so none slips through between.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, OnceLock};

use entente_certs::members::{Members, MembersError, Revocations, SharedMembers};
use entente_proto::charter::Terms;
use entente_proto::hash::Hash;
use entente_proto::ids::UnitId;

use crate::core::lock;
use crate::membership::members_of;
use crate::net::Connections;

mod kept;
#[cfg(test)]
mod tests;

pub use self::kept::Kept;

/// Who is admitted, and the connections of those who are.
pub struct Admissions {
    members: SharedMembers,
    recorded: Arc<Revocations>,
    kept: OnceLock<Kept>,
    connections: Connections,
    /// Held while members are computed and put in place, so that of two changes none is lost.
    inputs: Mutex<Inputs>,
}

struct Inputs {
    /// The charter in force; while it is being taken up, also the one before.
    terms: Vec<Terms>,
    denied: BTreeSet<Hash>,
}

impl std::fmt::Debug for Admissions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Admissions")
    }
}

impl Admissions {
    /// Admits the units of these charters, but for the keys that they revoke and those denied.
    ///
    /// # Errors
    /// A CA certificate that is none, or whose key stands with two units.
    pub fn new(terms: Vec<Terms>, denied: BTreeSet<Hash>) -> Result<Self, MembersError> {
        let recorded = Arc::new(Revocations::new());
        let inputs = Inputs { terms, denied };
        let members = SharedMembers::new(inputs.members(&recorded)?);
        Ok(Self {
            members,
            recorded,
            kept: OnceLock::new(),
            connections: Connections::new(),
            inputs: Mutex::new(inputs),
        })
    }

    /// The members, for verifiers; always as they are now.
    #[must_use]
    pub fn members(&self) -> SharedMembers {
        self.members.clone()
    }

    /// Where listeners and diallers enter their connections.
    #[must_use]
    pub fn connections(&self) -> Connections {
        self.connections.clone()
    }

    /// From now on these charters are in force: the units of each are admitted under its authorities, and what any of them
    /// revokes is revoked.
    ///
    /// # Errors
    /// A CA certificate that is none, or whose key stands with two units. Everything stays as it was then.
    pub fn govern(&self, terms: Vec<Terms>) -> Result<(), MembersError> {
        let mut inputs = lock(&self.inputs);
        let next = Inputs { terms, denied: inputs.denied.clone() };
        self.members.replace(next.members(&self.recorded)?);
        *inputs = next;
        drop(inputs);
        self.cut();
        Ok(())
    }

    /// From now on these keys are denied, and no others.
    pub fn deny(&self, denied: BTreeSet<Hash>) {
        let mut inputs = lock(&self.inputs);
        self.members.replace(self.members.current().as_ref().clone().denying(denied.clone()));
        inputs.denied = denied;
        drop(inputs);
        self.cut();
    }

    /// These were recorded before the start, when nobody is connected yet; later ones are kept there, too.
    pub fn known(&self, revoked: impl IntoIterator<Item = (UnitId, Hash)>, kept: Option<Kept>) {
        kept.into_iter().for_each(|kept| _ = self.kept.set(kept));
        revoked.into_iter().for_each(|(unit, key)| _ = self.recorded.add(&unit, key));
    }

    /// A unit's log has, verified, records that revoke these keys of its own. Never undone.
    pub fn revoked(&self, unit: &UnitId, keys: impl IntoIterator<Item = Hash>) {
        let new: Vec<Hash> = keys.into_iter().filter(|key| self.recorded.add(unit, *key)).collect();
        // One line, however many they are: another unit decides how many it writes.
        if let Some(key) = new.first() {
            if let Some(Err(error)) = self.kept.get().map(|kept| kept.add(unit, &new)) {
                tracing::error!(%error, "a revocation stands in the database alone: see to the disk of the home directory");
            }
            tracing::warn!(%unit, %key, keys = new.len(), "a unit has revoked certificates of its own");
            self.cut();
        }
    }

    fn cut(&self) {
        let members = self.members.current();
        self.connections.cut(|peer| match members.still(&peer.holder) {
            Ok(()) => false,
            Err(reason) => {
                tracing::warn!(%peer, %reason, "cut a connection");
                true
            }
        });
    }
}

impl Inputs {
    fn members(&self, recorded: &Arc<Revocations>) -> Result<Members, MembersError> {
        Ok(members_of(&self.terms, &self.denied)?.with_records(recorded.clone()))
    }
}
