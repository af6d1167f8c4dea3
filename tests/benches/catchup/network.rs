//! The network: homes, BE's log, and one catch-up.

use std::collections::BTreeSet;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use entente_certs::identity::{Identity, Role};
use entente_certs::keyfile::read_secret;
use entente_certs::members::{Members, SharedMembers};
use entente_certs::tls::{Credentials, client_config};
use entente_node::clock::{Clock as _, SystemClock};
use entente_node::home::Home;
use entente_node::journal::{Journal, JournalRecord, OwnCheckpoint};
use entente_node::membership::{OwnKeys, load_charter};
use entente_node::net::{TlsTime, connect};
use entente_node::store::{Append, Batch, HeadKind, Options, SledStore, Store as _};
use entente_proto::charter::Charter;
use entente_proto::checkpoint::{Checkpoint, CosignedCheckpoint, SignedCheckpoint};
use entente_proto::cosignature::Cosignature;
use entente_proto::entry::{self, Entry};
use entente_proto::hash::Hash;
use entente_proto::ids::{NetworkName, Size, UnitId};
use entente_proto::limits::BUNDLE_ENTRIES;
use entente_proto::note::{KeyName, Signer as _};
use entente_proto::record::{self, RecordKind};
use entente_proto::tree::{self, CompactRange};
use entente_proto::wire;
use entente_proto::wire::unit_client::UnitClient;
use ring::rand::{SecureRandom as _, SystemRandom};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use tempfile::TempDir;
use tonic::transport::Channel;

use super::Fault;
use super::process::{Cost, LOOK_EVERY, Node, must};
use super::records::{Payload, Referrals};
use super::report::Measured;

const NAME: &str = "takedown.example";
/// The unit with the log, the empty one, and the two that cosigned.
pub(crate) const HOLDER: &str = "BE";
pub(crate) const EMPTY: &str = "FR";
const UNITS: [&str; 4] = [HOLDER, EMPTY, "NL", "UK"];
/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(600);
/// How many bundles go into the store in one commit while the log is made.
const BUNDLES_A_COMMIT: usize = 64;

/// Homes that have not run yet, with BE's log in them.
pub(crate) struct Network {
    directory: TempDir,
    pub(crate) records: u64,
    pub(crate) root: Hash,
}

impl Network {
    /// Makes homes and a charter with the command line, and BE's log with the library.
    pub(crate) fn found(records: u64, payload: Payload) -> Result<Self, Fault> {
        let directory = tempfile::Builder::new().prefix("entente-catchup-").tempdir()?;
        let charter = directory.path().join("charter.note");
        let mut new = entente(&["charter", "new", "--out"]);
        new.arg(&charter);
        // All ports are taken at once, so that they differ.
        let free: Vec<TcpListener> = (0..8).map(|_| TcpListener::bind("127.0.0.1:0")).collect::<Result<_, _>>()?;
        for (unit, ports) in UNITS.iter().zip(free.chunks_exact(2)) {
            let address = |at: usize| -> Result<String, Fault> { Ok(ports[at].local_addr()?.to_string()) };
            let home = directory.path().join(unit);
            let names = ["init", "--network", NAME, "--unit", unit, "--name", unit];
            must(entente(&names).args(["--address", &address(0)?, "--api", &address(1)?, "--home"]).arg(&home))?;
            new.arg(home.join("unit.toml"));
        }
        must(&mut new)?;
        for verb in ["sign", "adopt"] {
            for unit in UNITS {
                must(entente(&["charter", verb]).arg(&charter).arg("--home").arg(directory.path().join(unit)))?;
            }
        }
        let mut network = Self { directory, records, root: Hash::EMPTY_ROOT };
        network.root = network.fill(payload)?;
        Ok(network)
    }

    pub(crate) fn home(&self, unit: &str) -> Home {
        Home::at(self.directory.path().join(unit))
    }

    /// Where everything is.
    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// BE's log as bytes, for the floor: a u32be length and an encoded run for each bundle.
    pub(crate) fn bundles_in(directory: &Path) -> PathBuf {
        directory.join("bundles")
    }

    /// A place for the floor's file, on the same file system as the nodes' databases.
    pub(crate) fn scratch_in(directory: &Path) -> PathBuf {
        directory.join("floor")
    }

    /// Writes BE's log into its store, has it signed and cosigned, and its journal know of it. What is there then is what
    /// BE's node would have written itself, had the entries come one by one and the absent units cosigned.
    fn fill(&self, payload: Payload) -> Result<Hash, Fault> {
        let (network, unit): (NetworkName, UnitId) = (NAME.parse()?, HOLDER.parse()?);
        let home = self.home(HOLDER);
        let charter = load_charter(&home)?;
        let store = SledStore::open(&home.data(), Options::new(network.clone(), unit.clone()))?;
        let mut bundles = std::io::BufWriter::new(fs::File::create(Self::bundles_in(self.directory()))?);
        let mut log = LogMaker::new(&charter, payload, self.records);
        let mut appends = Vec::new();
        while let Some((append, run)) = log.bundle(&unit)? {
            std::io::Write::write_all(&mut bundles, &u32::try_from(run.len())?.to_be_bytes())?;
            std::io::Write::write_all(&mut bundles, &run)?;
            appends.push(append);
            if appends.len() == BUNDLES_A_COMMIT {
                store.commit_one(&Batch { appends: std::mem::take(&mut appends), ..Batch::default() })?;
            }
        }
        std::io::Write::flush(&mut bundles)?;

        let (size, root) = (log.range.end(), log.range.root()?);
        let origin = KeyName::log(&network, &unit);
        let keys = OwnKeys::load(&home, &network, &unit)?;
        let signed = SignedCheckpoint::sign(Checkpoint { origin, size, root }, &keys.log)?;
        let mirrors = charter.mirrors(&unit);
        let own = CosignedCheckpoint::new(signed.clone()).to_note(&mirrors);
        let mut head = CosignedCheckpoint::new(signed.clone());
        for cosigner in UNITS.iter().skip(2) {
            let cosigner: UnitId = cosigner.parse()?;
            let mirror = OwnKeys::load(&self.home(cosigner.as_str()), &network, &cosigner)?.mirror;
            let cosignature = Cosignature::sign(&signed.body(), SystemClock.now_ms() / 1_000, &mirror)?;
            head.verify_and_add(cosigner, cosignature, mirror.key())?;
        }
        head.certified(&charter.quorum())?;
        let heads = vec![(unit.clone(), HeadKind::Certified, head.to_note(&mirrors).into())];
        store.commit_one(&Batch { appends, heads, ..Batch::default() })?;

        let (mut journal, _) = Journal::open(&home.journal(), &network, &unit)?;
        journal.append(&[
            JournalRecord::OwnCertified(size),
            JournalRecord::OwnCheckpoint(OwnCheckpoint { size, root, note: own.into() }),
        ])?;
        Ok(root)
    }

    /// One catch-up, with fresh copies of both homes.
    pub(crate) fn catch_up(&self) -> Result<Measured, Fault> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(self.measure())
    }

    async fn measure(&self) -> Result<Measured, Fault> {
        let rounds = tempfile::Builder::new().prefix("round-").tempdir_in(self.directory.path())?;
        let [holder, empty] = [HOLDER, EMPTY].map(|unit| rounds.path().join(unit));
        copy(self.home(HOLDER).directory(), &holder)?;
        copy(self.home(EMPTY).directory(), &empty)?;
        let log = rounds.path().join("FR.log");

        // The partner has folded its own list before anything is measured.
        let mut partner = Node::start(&holder, &rounds.path().join("BE.log"))?;
        let mut ask = Asking::new(&holder, HOLDER).await?;
        let computed =
            |status: &_| Some(digest(status)).filter(|digest| self.is_complete(status) && !digest.is_empty());
        let theirs = ask.until(&mut partner, computed).await?;
        let mut node = Node::start(&empty, &log)?;
        let mut ask = Asking::new(&empty, EMPTY).await?;
        let (mut begun, mut partner_before) = (Instant::now(), partner.cost()?);
        loop {
            let asked = Instant::now();
            let status = ask.status().await?;
            if status.peers.iter().any(|peer| peer.unit == HOLDER && peer.connected) {
                break;
            }
            node.alive()?;
            (begun, partner_before) = (asked, partner.cost()?);
            tokio::time::sleep(LOOK_EVERY).await;
        }
        ask.until(&mut node, |status| self.is_complete(status).then_some(())).await?;
        let seconds = begun.elapsed().as_secs_f64();
        let (receiver, after) = (node.cost()?, partner.cost()?);
        let sender = Cost { cpu_s: after.cpu_s - partner_before.cpu_s, ..after };

        // A digest is computed once nothing more comes.
        ask.until(&mut node, |status| (digest(status) == theirs).then_some(())).await?;
        node.stop()?;
        partner.stop()?;
        let syncs = syncs(&fs::read_to_string(&log)?).ok_or("the node's log does not tell how often it synced")?;
        Ok(Measured { seconds, records: self.records, receiver, sender, syncs })
    }

    /// Whether everything is stored, certified and on the list.
    fn is_complete(&self, status: &wire::StatusReply) -> bool {
        let log = status.logs.iter().find(|log| log.unit == HOLDER);
        let whole = log.is_some_and(|log| log.size == self.records && log.certified == self.records);
        // All but the first entry, which takes up the charter, are referrals of different targets.
        whole && status.list.as_ref().is_some_and(|list| list.listed == self.records - 1 && list.pending == 0)
    }
}

fn digest(status: &wire::StatusReply) -> Vec<u8> {
    status.list.as_ref().map(|list| list.digest.clone()).unwrap_or_default()
}

/// How often a node's store was synced, from the last line that its writer logged.
fn syncs(log: &str) -> Option<u64> {
    let (_, rest) = log.rsplit_once("commits=")?;
    rest.chars().take_while(char::is_ascii_digit).collect::<String>().parse().ok()
}

fn entente(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_entente-under-test"));
    command.args(args).env_remove("ENTENTE_HOME");
    command
}

/// A directory with all that is in it and its permissions.
fn copy(from: &Path, to: &Path) -> Result<(), Fault> {
    fs::create_dir(to)?;
    fs::set_permissions(to, fs::metadata(from)?.permissions())?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &to)?;
        } else {
            fs::copy(entry.path(), to)?;
        }
    }
    Ok(())
}

/// Makes the log, bundle by bundle.
struct LogMaker {
    records: u64,
    referrals: Referrals,
    adopt: Option<bytes::Bytes>,
    range: CompactRange,
    random: SystemRandom,
    time_ms: u64,
}

impl LogMaker {
    fn new(charter: &Charter, payload: Payload, records: u64) -> Self {
        let adopt = wire::Adopt { version: charter.version().into(), digest: charter.digest().0.to_vec() };
        let body = Some(wire::record::Body::Adopt(adopt));
        Self {
            records,
            referrals: Referrals::new(payload),
            adopt: record::encode(&wire::Record { submission: vec![0; 16], body }).ok(),
            range: CompactRange::new(Size::ZERO),
            random: SystemRandom::new(),
            time_ms: SystemClock.now_ms() - records,
        }
    }

    fn bundle(&mut self, unit: &UnitId) -> Result<Option<(Append, Vec<u8>)>, Fault> {
        let from = self.range.end();
        let count = (self.records - from.get()).min(BUNDLE_ENTRIES);
        if count == 0 {
            return Ok(None);
        }
        let (mut entries, mut run, mut leaves) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..count {
            let entry = self.entry()?;
            entry::encode(&entry, &mut run);
            leaves.push(entry.leaf_hash());
            self.range.push_leaf(entry.leaf_hash())?;
            entries.push(entry);
        }
        let level1 = if count == BUNDLE_ENTRIES { vec![(from.bundles(), tree::level1(&leaves)?)] } else { Vec::new() };
        Ok(Some((Append { unit: unit.clone(), from, entries, level1 }, run)))
    }

    fn entry(&mut self) -> Result<Entry, Fault> {
        let (kind, payload) = match self.adopt.take() {
            Some(adopt) => (RecordKind::Adopt, adopt),
            None => self.referrals.next()?,
        };
        let mut opening = [0; 16];
        self.random.fill(&mut opening).map_err(|_| "no random numbers")?;
        self.time_ms += 1;
        Ok(Entry::compose(kind.number(), self.time_ms, opening, payload)?)
    }
}

/// A node's officers' API, asked as its officer.
struct Asking {
    client: UnitClient<Channel>,
}

impl Asking {
    /// Connects as soon as the node listens.
    async fn new(home: &Path, unit: &str) -> Result<Self, Fault> {
        let home = Home::at(home);
        let config = entente_node::config::Config::load(&home.config())?;
        let credentials = credentials(&home.officer_certificate("officer"), &home.officer_key("officer"))?;
        let expected = Identity { unit: unit.parse()?, role: Role::Node };
        let tls = client_config(&credentials, SharedMembers::new(roots(&[&home], &[unit])?), expected, time())?;
        let begun = Instant::now();
        loop {
            match connect(&config.api, tls.clone()).await {
                Ok(channel) => return Ok(Self { client: UnitClient::new(channel) }),
                Err(error) if error.is_unreachable() && begun.elapsed() < PATIENCE => {}
                Err(error) => return Err(error.into()),
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    async fn status(&mut self) -> Result<wire::StatusReply, Fault> {
        Ok(self.client.status(wire::StatusRequest {}).await?.into_inner())
    }

    async fn until<T>(&mut self, node: &mut Node, found: impl Fn(&wire::StatusReply) -> Option<T>) -> Result<T, Fault> {
        let begun = Instant::now();
        loop {
            if let Some(found) = found(&self.status().await?) {
                return Ok(found);
            }
            node.alive()?;
            if begun.elapsed() > PATIENCE {
                return Err(format!("a node did not come to what was awaited: {:?}", self.status().await?).into());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

pub(crate) fn time() -> Arc<TlsTime> {
    Arc::new(TlsTime(Arc::new(SystemClock)))
}

/// A certificate with its key.
pub(crate) fn credentials(certificate: &Path, key: &Path) -> Result<Credentials, Fault> {
    Ok(Credentials::from_pem(&fs::read(certificate)?, &read_secret(key)?)?)
}

/// The CAs of units, each from its home.
pub(crate) fn roots(homes: &[&Home], units: &[&str]) -> Result<Members, Fault> {
    let mut cas = Vec::new();
    for (home, unit) in homes.iter().zip(units) {
        let pem = fs::read(home.ca_certificate())?;
        let der = CertificateDer::pem_slice_iter(&pem).map(|root| Ok::<_, Fault>(root?.to_vec()));
        cas.push((unit.parse::<UnitId>()?, der.collect::<Result<Vec<_>, _>>()?));
    }
    let cas = cas.iter().map(|(unit, ders)| (unit.clone(), ders.as_slice()));
    Ok(Members::new(NAME.parse()?, cas, BTreeSet::new())?)
}
