//! The witnesses of the own log: asked when something new is certified, each at its own pace.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBuilder};
use entente_proto::audit::is_of_network;
use entente_proto::checkpoint::SignedCheckpoint;
use entente_proto::ids::Size;
use entente_proto::limits::{HEADER_AHEAD_MS_MAX, NOTE_BYTES_MAX};
use entente_proto::note::VerifierKey;
use entente_proto::wire;
use entente_proto::witness::{AddCheckpoint, WitnessedCheckpoint, read_answer};
use tokio::time::{Instant, sleep, sleep_until};

use super::call::{Answer, Caller};
use crate::config::{Ask, WitnessConfig};
use crate::core::{Core, lock};
use crate::files::{create_private_directory, read_bounded, replace_file, sync_directory};
use crate::home::Home;

/// How often one round follows a witness that knows the log at another size.
const CONFLICTS_MAX: usize = 3;
/// The first pause after a failure, and the longest.
const PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(600)];

/// The witnesses that are asked.
#[derive(Debug)]
pub struct Asking {
    core: Arc<Core>,
    home: Home,
    every: Duration,
    all: Vec<Asked>,
}

/// One of them.
#[derive(Debug)]
struct Asked {
    ask: Ask,
    path: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// What it said last, verified and durable.
    word: Option<WitnessedCheckpoint>,
    /// Why it did not when it was last asked.
    error: Option<String>,
}

impl Asking {
    /// Reads what the witnesses said before. What cannot be read is asked for again.
    #[must_use]
    pub fn new(core: Arc<Core>, home: Home, config: &WitnessConfig) -> Self {
        let charters = core.charters();
        let listed = charters.all().filter_map(|charter| Some(charter.unit(&core.unit)?.log_key.clone()));
        let keys: Vec<VerifierKey> = listed.collect();
        let asked = |ask: &Ask| {
            let path = home.witness_words().join(format!("{:08x}.note", u32::from_be_bytes(ask.vkey.id())));
            let word = read_bounded(&path, NOTE_BYTES_MAX)
                .ok()
                .and_then(|note| keys.iter().find_map(|key| WitnessedCheckpoint::read(&note, key, &ask.vkey).ok()));
            word.iter().cloned().for_each(|word| core.keep_word(word));
            Asked { ask: ask.clone(), path, state: Mutex::new(State { word, error: None }) }
        };
        let all = config.ask.iter().map(asked).collect();
        Self { core, home, every: Duration::from_secs(config.every_s), all }
    }

    /// Asks them, until the runtime ends.
    ///
    /// # Errors
    /// In words: where what they say is kept, or a certificate that the settings name.
    pub fn start(self: &Arc<Self>) -> Result<(), String> {
        if self.all.is_empty() {
            return Ok(());
        }
        self.make_room().map_err(|error| format!("{}: {error}", self.home.witness_words().display()))?;
        for number in 0..self.all.len() {
            let Some(asked) = self.all.get(number) else { continue };
            if is_of_network(&self.core.charters(), &asked.ask.vkey) {
                return Err(format!(
                    "the witness {} has a key of a unit of this network: such units cosign as partners",
                    asked.ask.vkey.name()
                ));
            }
            let caller = Caller::new(&asked.ask, self.home.directory())
                .map_err(|error| format!("the witness {} cannot be asked: {error}", asked.ask.vkey.name()))?;
            tokio::spawn(self.clone().keep(number, caller));
        }
        Ok(())
    }

    fn make_room(&self) -> std::io::Result<()> {
        let words = self.home.witness_words();
        for directory in words.parent().into_iter().chain([words.as_path()]) {
            match create_private_directory(directory) {
                Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => return Err(error),
                _ => {}
            }
            sync_directory(directory.parent().unwrap_or(directory))?;
        }
        Ok(())
    }

    /// What `status` shows.
    #[must_use]
    pub fn status(&self) -> Vec<wire::WitnessStatus> {
        let of = |asked: &Asked| {
            let state = lock(&asked.state);
            wire::WitnessStatus {
                name: asked.ask.vkey.name().to_string(),
                url: asked.ask.url.to_string(),
                vkey: asked.ask.vkey.to_string(),
                size: state.word.as_ref().map_or(0, |word| word.checkpoint().size.get()),
                seen_ms: state.word.as_ref().map_or(0, |word| word.time().saturating_mul(1_000)),
                error: state.error.clone().unwrap_or_default(),
            }
        };
        self.all.iter().map(of).collect()
    }

    async fn keep(self: Arc<Self>, number: usize, caller: Caller) {
        let Some(asked) = self.all.get(number) else { return };
        let pauses = || {
            let [first, longest] = PAUSES;
            let jittered = ExponentialBuilder::default().with_jitter().without_max_times();
            jittered.with_min_delay(first).with_max_delay(longest).build()
        };
        let mut pause = pauses();
        let mut certified = self.core.certified();
        loop {
            certified.borrow_and_update();
            let asked_at = Instant::now();
            let round = self.round(asked, &caller).await;
            let failed = round.is_err();
            if let Err(error) = &round {
                tracing::warn!(witness = %asked.ask.vkey.name(), error, "the witness did not cosign");
            }
            lock(&asked.state).error = round.err();
            if failed {
                sleep(pause.next().unwrap_or(PAUSES[1])).await;
                continue;
            }
            pause = pauses();
            if certified.changed().await.is_err() {
                return;
            }
            sleep_until(asked_at + self.every).await;
        }
    }

    /// Has the newest certified checkpoint cosigned, unless it is.
    async fn round(&self, asked: &Asked, caller: &Caller) -> Result<(), String> {
        let log = self.core.log(&self.core.unit);
        let Some(signed) = log.and_then(|log| Some(log.certified?.signed().clone())) else { return Ok(()) };
        let known = lock(&asked.state).word.as_ref().map(|word| word.checkpoint().clone());
        if known.as_ref() == Some(signed.checkpoint()) {
            return Ok(());
        }
        let mut old = known.map_or(Size::ZERO, |known| known.size);
        for _ in 0..CONFLICTS_MAX {
            let body = tokio::task::block_in_place(|| self.body(old, &signed))?;
            match caller.call(body).await? {
                Answer::Lines(lines) => return self.take(asked, signed, &lines),
                Answer::Known(size) if size == old => {
                    return Err(format!("it has seen another log of {size} entries under this name"));
                }
                Answer::Known(size) => old = size,
            }
        }
        Err("it says each time that it has seen another size".into())
    }

    /// The call. The proof is read from the store.
    fn body(&self, old: Size, signed: &SignedCheckpoint) -> Result<Vec<u8>, String> {
        let size = signed.size();
        if old > size {
            return Err(format!("it has seen {old} entries of this log, and {size} are certified here"));
        }
        let proof = self.core.consistency(&self.core.unit, old, size);
        let proof = proof.ok_or("the own log cannot be read back to prove that it grew")?;
        Ok(AddCheckpoint::compose(old, &proof, &signed.to_note().to_bytes()))
    }

    /// Takes up its word, once it is verified and durable.
    fn take(&self, asked: &Asked, signed: SignedCheckpoint, lines: &[u8]) -> Result<(), String> {
        let key = &asked.ask.vkey;
        let word = read_answer(lines, &signed.body(), key).map_err(|error| error.to_string())?;
        if word.time.saturating_mul(1_000) > self.core.clock.now_ms().saturating_add(HEADER_AHEAD_MS_MAX) {
            return Err(
                "the time in its cosignature lies more than 5 minutes ahead: its clock or this one is wrong".into()
            );
        }
        let word = WitnessedCheckpoint::new(signed, key.clone(), word).map_err(|error| error.to_string())?;
        tokio::task::block_in_place(|| replace_file(&asked.path, &word.to_note(), 0o600))
            .map_err(|error| format!("{}: {error}", asked.path.display()))?;
        tracing::debug!(witness = %key.name(), size = %word.checkpoint().size, "cosigned by a witness");
        self.core.keep_word(word.clone());
        lock(&asked.state).word = Some(word);
        Ok(())
    }
}
