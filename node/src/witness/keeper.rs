//! The witness: judges a call, has the journal note what is signed, and signs it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use entente_proto::cosignature::Cosignature;
use entente_proto::ids::Size;
use entente_proto::note::{KeyName, Signer, VerifierKey};
use entente_proto::sync::Standing;
use entente_proto::wire;
use entente_proto::witness::{Accepted, AddCheckpoint, Known, Origin, Refusal, Witness};
use tokio::sync::oneshot;

use super::logs::Logs;
use crate::core::{Core, lock};
use crate::home::Home;
use crate::journal::{self, AppendError, Contradiction, JournalRecord, Witnessed};

/// What the journal says of witnessing.
#[derive(Debug, Clone)]
pub struct Word {
    /// The key of which it knows all that it signed.
    pub key: Option<VerifierKey>,
    /// What was signed.
    pub known: BTreeMap<Origin, Known>,
}

impl Word {
    /// Of a journal's memory.
    #[must_use]
    pub fn of(memory: &journal::Memory) -> Self {
        Self { key: memory.witness.clone(), known: memory.witnessed.clone() }
    }
}

/// Why a call is not answered with a cosignature.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotSigned {
    /// What is asked is not to be signed.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Nothing is signed now.
    #[error("this witness signs nothing now: {0}")]
    NotNow(String),
}

/// What a witness asks of its node.
trait Ground: Send + Sync {
    /// The clock, Unix milliseconds.
    fn now_ms(&self) -> u64;
    /// How the node stands.
    fn standing(&self) -> Standing;
    /// How far its clock is off its partners', if that is too far.
    fn clock_off_ms(&self) -> Option<i64>;
    /// As [`Core::journal`].
    fn journal(&self, records: &[JournalRecord], then: journal::Callback) -> Result<(), AppendError>;
}

impl Ground for Core {
    fn now_ms(&self) -> u64 {
        self.clock.now_ms()
    }

    fn standing(&self) -> Standing {
        self.standing()
    }

    fn clock_off_ms(&self) -> Option<i64> {
        self.clock_off_ms()
    }

    fn journal(&self, records: &[JournalRecord], then: journal::Callback) -> Result<(), AppendError> {
        self.journal(records, then)
    }
}

/// The witness.
pub struct Keeper {
    node: Arc<dyn Ground>,
    logs: Logs,
    signer: Option<Arc<dyn Signer>>,
    /// The journal has refused the key since: something of what it signed is lost.
    void: AtomicBool,
    /// Held from the judging of a call until the journal has its record in the queue, so that no two calls are judged by the
    /// same state.
    witness: Mutex<Witness>,
}

impl fmt::Debug for Keeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keeper({:?})", self.signer.as_ref().map(|signer| signer.key().name()))
    }
}

impl Keeper {
    /// The witness of a running node. `signers` are the witness keys in the home directory: the one that the journal names
    /// signs, if it is there.
    #[must_use]
    pub fn new(core: Arc<Core>, home: &Home, word: Word, signers: Vec<Arc<dyn Signer>>) -> Self {
        let own = KeyName::log(core.charter().network(), &core.unit).as_str().parse().ok();
        let signer = word.key.and_then(|key| signers.into_iter().find(|signer| *signer.key() == key));
        Self::on(core, Logs::new(home.witness_logs(), own), signer, word.known)
    }

    fn on(node: Arc<dyn Ground>, logs: Logs, signer: Option<Arc<dyn Signer>>, known: BTreeMap<Origin, Known>) -> Self {
        Self { node, logs, signer, void: AtomicBool::new(false), witness: Mutex::new(Witness::new(known)) }
    }

    /// The body of a call to the signature line that answers it, which is durable when this returns.
    ///
    /// # Errors
    /// What is wrong with what was asked, or why it signs nothing now.
    pub async fn add(self: &Arc<Self>, body: Vec<u8>) -> Result<String, NotSigned> {
        let (told, durable) = oneshot::channel();
        let keeper = self.clone();
        // The list of logs may have to be read, and the journal's queue may be full.
        let accepted = tokio::task::spawn_blocking(move || keeper.accept(&body, told));
        let (accepted, signer) = accepted.await.map_err(|_| NotSigned::NotNow("it failed".into()))??;
        // Nobody tells where the node stops before it is durable, and then nothing was signed.
        durable.await.map_err(|_| NotSigned::NotNow("it is stopping".into()))?;
        let word = Cosignature::sign(&accepted.body, accepted.known.time, &*signer);
        let word = word.map_err(|error| NotSigned::NotNow(error.to_string()))?;
        Ok(format!("{}\n", word.to_line(signer.key()).to_line()))
    }

    /// Judges a call and hands what it changes to the journal.
    fn accept(&self, body: &[u8], told: oneshot::Sender<()>) -> Result<(Accepted, Arc<dyn Signer>), NotSigned> {
        let call = AddCheckpoint::parse(body).map_err(Refusal::Malformed)?;
        let logs = self.logs.now();
        let signer = self.ready().map_err(NotSigned::NotNow)?;
        let by = Some(*signer.key().public());
        let mut witness = lock(&self.witness);
        let accepted = witness.judge(&logs, &call, self.node.now_ms() / 1_000).inspect_err(|refusal| {
            if let Refusal::OtherRoot(_) | Refusal::Inconsistent(_) = refusal {
                let (origin, size, root) = (call.checkpoint.origin(), call.checkpoint.size(), call.checkpoint.root());
                tracing::warn!(origin, %size, %root, %refusal, "a log's own key signed what is not shown to extend it");
            }
        });
        let accepted = accepted.map_err(|refusal| match refusal {
            // Nothing is wrong with what was asked.
            Refusal::Ahead(_) => NotSigned::NotNow(refusal.to_string()),
            refusal => NotSigned::Refused(refusal),
        })?;
        let record = Witnessed { origin: accepted.origin.clone(), known: accepted.known, by };
        let records = if accepted.is_new { vec![JournalRecord::Witnessed(record)] } else { Vec::new() };
        // Without a record it is told when all before it is durable: what was accepted before may not be yet.
        self.node.journal(&records, Box::new(move || _ = told.send(()))).map_err(|error| {
            if let AppendError::Contradiction(Contradiction::WitnessKey) = error {
                self.void.store(true, Ordering::Relaxed);
            }
            NotSigned::NotNow(error.to_string())
        })?;
        witness.take(&accepted);
        drop(witness);
        tracing::debug!(origin = %accepted.origin, size = %accepted.known.size, "signs as a witness");
        Ok((accepted, signer))
    }

    /// The key to sign with, unless nothing is to be signed now, for this reason.
    fn ready(&self) -> Result<Arc<dyn Signer>, String> {
        let signer = self.signer.clone().filter(|_| !self.void.load(Ordering::Relaxed)).ok_or(
            "it has no key of which its journal knows everything that it signed; stop the node and make a new one with \
             `entente witness key --renew`",
        )?;
        match self.node.standing() {
            Standing::Running => {}
            Standing::Waiting { .. } => {
                return Err("it has just started and has not heard from its partners yet".into());
            }
            Standing::Recovering { .. } => {
                return Err("it does not know all that it signed, and makes up for that first".into());
            }
        }
        match self.node.clock_off_ms() {
            None => Ok(signer),
            Some(_) => Err("its clock is not that of its partners".into()),
        }
    }

    /// What an operator has to look at, in words: the list of logs cannot be used; what was signed says a time to come.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let now = self.node.now_ms() / 1_000;
        self.logs.fault().into_iter().chain(ahead(lock(&self.witness).known(), now)).collect()
    }

    /// What `status` shows.
    #[must_use]
    pub fn status(&self, listen: &str) -> wire::WitnessingStatus {
        let listed = self.logs.now();
        let mut logs: BTreeMap<String, wire::WitnessedLog> = BTreeMap::new();
        for origin in listed.origins() {
            let log = wire::WitnessedLog { origin: origin.to_string(), listed: true, ..Default::default() };
            logs.insert(origin.to_string(), log);
        }
        for (origin, known) in lock(&self.witness).known() {
            let log = logs.entry(origin.to_string()).or_default();
            log.origin = origin.to_string();
            (log.size, log.time_ms) = (Size::get(known.size), known.time.saturating_mul(1_000));
        }
        wire::WitnessingStatus {
            vkey: self.signer.as_ref().map(|signer| signer.key().to_string()).unwrap_or_default(),
            listen: listen.to_owned(),
            reason: self.ready().err().unwrap_or_default(),
            logs: logs.into_values().collect(),
        }
    }
}

/// That cosignatures of a time to come stand in the way of true ones, in words.
fn ahead(known: &BTreeMap<Origin, Known>, now: u64) -> Option<String> {
    let ahead: Vec<(&Origin, &Known)> = known.iter().filter(|(_, known)| known.is_ahead(now)).collect();
    let (origin, first) = ahead.first()?;
    Some(format!(
        "as a witness this node signed for {} logs at a time that has not come, for {origin} {} s from now, and signs nothing more \
         for them until then: set its clock right; if it is right now, stop the node, make a new key with `entente witness key \
         --renew`, and hand that out",
        ahead.len(),
        first.time.saturating_sub(now)
    ))
}

#[cfg(test)]
mod tests;
