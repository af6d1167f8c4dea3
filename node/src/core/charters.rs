//! Charters in a running node: what is stored when one comes, and what changes with it.

#[cfg(test)]
mod tests;

use std::sync::{Arc, PoisonError};

use entente_proto::charter::{Charter, CharterChain, Terms, UnverifiedCharter};
use entente_proto::hash::Hash;
use entente_proto::ids::UnitId;
use entente_proto::list::Fold;
use entente_proto::note::{KeyName, Signer, VerifierKey};
use entente_proto::sync::{Adoption, Advice, Event};

use tokio::sync::oneshot;

use super::{Again, Core, Leaves, author, lock};
use crate::journal::{Callback, JournalRecord};
use crate::signing::Place;

/// Where a node keeps its charters and takes its keys from.
pub trait Charters: Send + Sync {
    /// Stores a version of a network that was founded anew so often; durable on return.
    ///
    /// # Errors
    /// In words, why not.
    fn store(&self, refounded: u32, version: u32, note: &[u8]) -> Result<(), String>;

    /// Keeps a charter that does not count, as evidence. Gives where it is. There is room set apart for one that names a unit for the
    /// first time.
    ///
    /// # Errors
    /// In words, why not.
    fn keep_evidence(&self, note: &[u8], names: bool) -> Result<String, String>;

    /// What was kept as evidence that can be read: each file with what it holds.
    fn evidence(&self) -> Vec<(String, Vec<u8>)> {
        Vec::new()
    }

    /// The own keys that are there, replaced ones and those that wait for their charter included.
    ///
    /// # Errors
    /// In words, why they cannot be read.
    fn signers(&self) -> Result<Vec<Arc<dyn Signer>>, String>;
}

impl Core {
    /// The newest charter that is durable here.
    #[must_use]
    pub fn charter(&self) -> Arc<Charter> {
        self.charters.read().unwrap_or_else(PoisonError::into_inner).newest().clone()
    }

    /// All its versions.
    #[must_use]
    pub fn charters(&self) -> CharterChain {
        self.charters.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// One of all versions there ever were.
    #[must_use]
    pub fn charter_of(&self, digest: &Hash) -> Option<Arc<Charter>> {
        self.charters.read().unwrap_or_else(PoisonError::into_inner).of_digest(digest).cloned()
    }

    /// From which version on units are admitted.
    #[must_use]
    pub fn admitted_from(&self) -> u32 {
        self.engine().admitted_from()
    }

    /// Where a partner may be reached: as the newest charter says that lists it, then as those before say that are admitted
    /// still. Nothing if it is no partner any more.
    #[must_use]
    pub fn addresses(&self, unit: &UnitId) -> Option<Vec<String>> {
        let from = self.admitted_from();
        let charters = self.charters();
        let admitted = charters.versions().rev().filter(|charter| charter.version() >= from);
        let mut listed = admitted.filter_map(|charter| charter.unit(unit)).peekable();
        listed.peek()?;
        let mut addresses: Vec<String> = Vec::new();
        for address in listed.flat_map(|unit| &unit.addresses) {
            if !addresses.contains(address) {
                addresses.push(address.clone());
            }
        }
        Some(addresses)
    }

    /// Tells whenever another charter governs.
    #[must_use]
    pub fn charter_changes(&self) -> tokio::sync::watch::Receiver<u32> {
        self.charter_changed.subscribe()
    }

    /// People bring a charter that was verified as the version after the newest.
    pub fn bring_charter(&self, charter: Charter) {
        self.tell(Event::CharterBrought(Box::new(charter)), None);
    }

    /// The private key to one of the own public ones.
    pub(crate) fn signer(&self, key: &VerifierKey) -> Option<Arc<dyn Signer>> {
        let signers = self.signers.read().unwrap_or_else(PoisonError::into_inner);
        signers.iter().find(|signer| signer.key() == key).cloned()
    }

    /// Makes a charter durable; from then on it governs.
    pub(super) fn store_charter(&self, version: u32, note: &[u8]) {
        let founding = lock(&self.founded_anew);
        if *founding {
            tracing::warn!(version, "a charter is not stored: the network is founded anew, without it");
            return;
        }
        let mut chain = self.charters();
        let next = UnverifiedCharter::parse(note).and_then(|charter| chain.verify(charter));
        let pushed = next.and_then(|next| chain.push(next));
        if let Err(error) = pushed {
            tracing::error!(version, %error, "a charter that was found good does not follow those that are stored");
            return;
        }
        if let Err(reason) = self.charter_files.store(chain.refounded(), version, note) {
            crate::fatal(&format!("version {version} of the charter cannot be stored: {reason}"));
        }
        // Whoever founds the network anew from here on sees it.
        *self.charters.write().unwrap_or_else(PoisonError::into_inner) = chain.clone();
        drop(founding);
        if chain.newest().units().values().any(|unit| unit.base.is_some()) {
            // The engine has ended its work: what goes on begins with what is on the disks.
            self.charter_changed.send_replace(version);
            self.tell(Event::CharterStored { version }, None);
            return;
        }
        if let Err(error) = Fold::under(&chain) {
            // A node that starts under it shows no list and says so.
            self.begin_again(Again::Rules(error.to_string()));
            return;
        }
        // The key files may have got what this version brings in.
        match self.charter_files.signers() {
            Ok(signers) => *self.signers.write().unwrap_or_else(PoisonError::into_inner) = signers,
            Err(reason) => tracing::error!(reason, "the keys cannot be read anew: those known go on"),
        }
        self.warn_of_missing_keys(&chain);
        tracing::info!(version, digest = %chain.newest().digest(), "a new charter governs");
        self.list.charters(chain.clone());
        self.tell(Event::CharterStored { version }, None);
        self.follow_proposals(chain);
    }

    /// Says which of the own keys that a charter names are not here.
    pub(super) fn warn_of_missing_keys(&self, chain: &CharterChain) {
        if chain.newest().unit(&self.unit).is_none() {
            tracing::warn!(
                "the charter does not list this unit any more: its log ends, and when all others have taken it up nobody connects"
            );
        }
        if let Err(missing) = self.has_keys_of(chain.newest().terms()) {
            tracing::error!("{missing}");
        }
    }

    /// Whether this node could go on under a charter that people bring: its key files are read anew for that.
    ///
    /// # Errors
    /// In words, which key is missing.
    pub fn may_run_under(&self, terms: &Terms) -> Result<(), String> {
        missing_keys(terms, &self.unit, &self.charter_files.signers()?)
    }

    /// Whether the log and the mirror key that a charter gives to this unit are in its home directory.
    ///
    /// # Errors
    /// In words, which is not, and what to do.
    pub fn has_keys_of(&self, terms: &Terms) -> Result<(), String> {
        missing_keys(terms, &self.unit, &self.signers.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Certificates of the units of these versions count from now on.
    pub(super) fn admit(&self, from: u32) {
        let charters = self.charters();
        let terms = charters.versions().filter(|charter| charter.version() >= from);
        let terms: Vec<_> = terms.map(|charter| charter.terms().clone()).collect();
        if let Err(error) = self.admissions.govern(terms) {
            tracing::error!(%error, "the certificates of the new charter cannot be used: those of the one before go on");
        }
        self.charter_changed.send_replace(charters.newest().version());
    }

    /// Has the author take up a charter in the own log.
    pub(super) fn adopt(&self, adoption: Adoption) {
        // A full queue means that it is asked again later.
        let _ = self.author.try_send(author::Input::Adopt(adoption));
    }
}

impl Core {
    /// Founds the network anew: makes the charter durable and has the node begin anew under it. It was brought by hand, and is
    /// passed on to nobody.
    ///
    /// # Errors
    /// In words, why it is not taken up.
    pub fn refound(&self, charter: &UnverifiedCharter) -> Result<(), String> {
        // Until the process ends no next version is stored: it would follow the charter that this one continues, too.
        let mut founding = lock(&self.founded_anew);
        if *founding {
            return Err("the network is being founded anew already: the node begins anew under that charter".into());
        }
        let mut chain = self.charters();
        let place = Place::of(charter, Some(&chain));
        chain.refound(charter).map_err(|error| error.to_string())?;
        place.check(charter.digest(), &self.journal.charters(), Some(&chain))?;
        self.check_bases(chain.newest())?;
        self.charter_files.store(chain.refounded(), chain.newest().version(), chain.newest().note())?;
        *founding = true;
        self.begin_again(Again::Refounded(format!("the network is founded anew by the charter {}", charter.digest())));
        Ok(())
    }

    /// Whether a charter that counts may be taken up here, as far as the bases in it go.
    ///
    /// # Errors
    /// In words, why not.
    pub fn check_bases(&self, charter: &Charter) -> Result<(), String> {
        self.engine().check_bases(charter, &Leaves(&*self.store))
    }

    /// Which base is safe for a log, as far as this node knows.
    #[must_use]
    pub fn advise_base(&self, unit: &UnitId) -> Option<Advice> {
        self.engine().advise_base(unit)
    }

    /// Signs a charter with those of the own keys that are due. That this text is signed for its version is durable before,
    /// and no other text of the version is signed ever after.
    ///
    /// # Errors
    /// In words, why it is not signed.
    pub async fn sign_charter(
        &self,
        mut charter: UnverifiedCharter,
    ) -> Result<(UnverifiedCharter, Vec<KeyName>), String> {
        let keys = self.charter_files.signers()?;
        missing_keys(charter.terms(), &self.unit, &keys)?;
        self.may_sign(&charter)?;
        let due: Vec<&dyn Signer> = keys.iter().map(|key| &**key).filter(|key| charter.is_due(key.key())).collect();
        if due.iter().all(|signer| charter.has_signed(signer.key())) {
            // The charter key may be kept apart: what this node does before its unit signs it does all the same.
            if charter.terms().units.values().any(|unit| unit.base.is_some()) {
                self.put_name_to(&charter).await?;
            }
            return Ok((charter, Vec::new()));
        }
        self.put_name_to(&charter).await?;
        let signed = charter.sign(&due, self.clock.now_ms() / 1_000).map_err(|error| error.to_string())?;
        Ok((charter, signed))
    }

    /// Makes durable that this text, and for ever no other, is what this unit signs for its version.
    ///
    /// # Errors
    /// In words: another text was signed, a base in it is not safe, or the node is stopping.
    pub(super) async fn put_name_to(&self, charter: &UnverifiedCharter) -> Result<(), String> {
        let (told, durable) = oneshot::channel();
        let done = move || {
            // Whoever asked may have gone.
            let _ = told.send(());
        };
        self.give_word(charter, Box::new(done))?;
        durable.await.map_err(|_| "the node is stopping".to_owned())
    }

    /// Finds the bases in a charter safe, has the journal take that it is signed, and from then on cosigns the logs concerned
    /// under their old keys no more; `then` runs when that is durable. All of it or nothing.
    fn give_word(&self, charter: &UnverifiedCharter, then: Callback) -> Result<(), String> {
        // Whoever has taken up one attempt to found the network anew signs no other.
        let founding = lock(&self.founded_anew);
        if *founding {
            return Err("the network is founded anew: the node begins anew under that charter".into());
        }
        let charters = self.charters();
        let (place, digest) = (Place::of(charter, Some(&charters)), charter.digest());
        let version = place.number();
        // Held to the end, so that nothing is cosigned meanwhile. The journal's thread never waits for the engine.
        let mut engine = self.engine();
        place.check(digest, &self.journal.charters(), Some(&charters))?;
        let stops = engine.judge_bases(charter, &Leaves(&*self.store))?;
        let stop =
            |(unit, key): &(UnitId, VerifierKey)| JournalRecord::Stopped { unit: unit.clone(), key: key.clone() };
        let mut records: Vec<_> = stops.iter().map(stop).collect();
        records.push(JournalRecord::CharterSigned { version, digest });
        self.journal.append(&records, then).map_err(|error| error.to_string())?;
        for (unit, key) in stops {
            engine.stop_cosigning(&unit, key);
        }
        Ok(())
    }
}

fn missing_keys(terms: &Terms, unit: &UnitId, signers: &[Arc<dyn Signer>]) -> Result<(), String> {
    let Some(own) = terms.units.get(unit) else { return Ok(()) };
    let roles = [("log", &own.log_key), ("mirror", &own.mirror_key)];
    let missing = roles.into_iter().filter(|(_, key)| !signers.iter().any(|signer| signer.key() == *key));
    let missing: Vec<String> = missing.map(|(role, key)| format!("{key} as this unit's {role} key")).collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(format!(
        "version {} of the charter names {}, which is not in the node's home directory: whoever composed it had another unit.toml, \
         or the file is lost. Without it nothing that this key must sign is signed, and the node does not start again. Put the \
         file into keys/ and start the node anew, or have a charter give this unit another key",
        terms.version,
        missing.join(" and ")
    ))
}
