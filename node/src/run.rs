//! A node from its home directory to its end.
//!
//! The order matters: what is there is checked before anything is opened for writing, the listeners are bound before the
//! node begins to act, and at the end they are closed before the threads.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use entente_certs::members::SharedMembers;
use entente_certs::tls::{self, Credentials};
use entente_certs::verifier::{Admission, Admits};
use entente_proto::hash::Hash;
use ring::rand::{SecureRandom as _, SystemRandom};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::clock::{Clock, SystemClock};
use crate::config::{Config, LogFormat, StoreConfig};
use crate::core::{self, Parts, Running};
use crate::files::read_bounded;
use crate::guard::Guard;
use crate::home::{Home, HomeLock};
use crate::journal::{self, Journal, JournalError};
use crate::membership::{self, OwnKeys};
use crate::net::{self, Connections, Door, Limits, TlsTime};
use crate::peer::{Means, Partners, PeerService};
use crate::store::{Options, SledStore, Store};
use crate::unit::{Desk, UnitService};

/// Largest certificate and deny list, in bytes.
const FILE_BYTES_MAX: usize = 1 << 20;

/// Why a node does not run, in words that say what to do.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct RunError(String);

fn fault(error: impl std::fmt::Display) -> RunError {
    RunError(error.to_string())
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> RunError + '_ {
    move |error| RunError(format!("{}: {error}", path.display()))
}

/// Everything that was found good in a home directory.
struct Opened {
    config: Config,
    lock: HomeLock,
    running: Running,
    members: SharedMembers,
    credentials: Credentials,
    clock: Arc<dyn Clock>,
}

/// Runs the node of a home directory until it is told to stop.
///
/// # Errors
/// [`RunError`]: what is wrong with the home directory, the addresses, or the machine. Nothing was signed then.
pub fn run(directory: &Path) -> Result<(), RunError> {
    no_core_dumps()?;
    let home = Home::open(directory).map_err(fault)?;
    let config = Config::load(&home.config()).map_err(fault)?;
    log_to_stderr(&config);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(fault)?;
    let result = runtime.block_on(serve(&home, config));
    runtime.shutdown_background();
    result
}

async fn serve(home: &Home, config: Config) -> Result<(), RunError> {
    let lock = home.lock().map_err(fault)?;
    let listen = bind(&config.listen, "listen").await?;
    let api = bind(&config.api, "api").await?;
    let Opened { config, lock, running, members, credentials, clock } =
        tokio::task::block_in_place(|| open(home, config, lock))?;
    let core = running.core.clone();
    let (stop, stopped) = watch::channel(());
    let connections = Connections::new();
    let time = TlsTime(clock);
    let door = |admits: Admits, limits: Limits| -> Result<Door, RunError> {
        let admission = Admission::new(members.clone(), admits);
        let tls = tls::server_config(&credentials, admission.clone(), Arc::new(time.clone())).map_err(fault)?;
        Ok(Door { tls, admission, time: time.clone(), limits, connections: connections.clone() })
    };
    let peers = door(Admits::Peers { own: core.unit.clone() }, Limits::PEERS)?;
    let people = door(Admits::People { of: core.unit.clone() }, Limits::PEOPLE)?;
    let means = Means {
        credentials: credentials.clone(),
        members: members.clone(),
        time: time.clone(),
        connections: connections.clone(),
    };
    let desk = Desk { guard: Arc::new(Guard::new(home.guard())), config: config.desk };
    let partners = Partners::start(core.clone(), means, &config.blocked);
    let peer_service = PeerService::server(core.clone(), config.blocked.clone());
    let unit_service = UnitService::server(core.clone(), partners, desk);
    tracing::info!(unit = %core.unit, listen = config.listen, api = config.api, "running");

    let peer_listener = tokio::spawn(net::serve(listen, peers, peer_service, told(stopped.clone())));
    let unit_listener = tokio::spawn(net::serve(api, people, unit_service, told(stopped)));
    signalled().await?;
    tracing::info!("stopping");
    // The listeners end their connections and return.
    let _ = stop.send(());
    for listener in [peer_listener, unit_listener] {
        match listener.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "a listener ended badly"),
            Err(error) => tracing::error!(%error, "a listener failed"),
        }
    }
    tokio::task::block_in_place(|| running.stop());
    drop(lock);
    Ok(())
}

async fn told(mut stop: watch::Receiver<()>) {
    // An error means that the sender is gone: the process ends.
    let _ = stop.changed().await;
}

async fn bind(address: &str, key: &str) -> Result<TcpListener, RunError> {
    let words = |error| {
        RunError(format!("cannot listen on {address} ({error}): change {key} in node.toml, or stop what listens there"))
    };
    TcpListener::bind(address).await.map_err(words)
}

/// Ends when the process is told to, by SIGTERM or SIGINT.
async fn signalled() -> Result<(), RunError> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).map_err(fault)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(fault)?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

/// Opens what the home directory holds and starts the threads.
fn open(home: &Home, config: Config, lock: HomeLock) -> Result<Opened, RunError> {
    home.check_keys().map_err(fault)?;
    let charter = membership::load_charter(home).map_err(fault)?;
    let keys = OwnKeys::load(home, &config.network, &config.unit).map_err(fault)?;
    keys.check(charter.terms(), &config.network, &config.unit).map_err(fault)?;
    let credentials = credentials(home, &config)?;
    let denied = denied(&home.deny())?;
    let members = SharedMembers::new(membership::members(charter.terms(), &denied).map_err(fault)?);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let store = open_store(home, &config)?;
    let room = room(store.clone(), config.store);
    let parts = Parts {
        unit: config.unit.clone(),
        charter,
        clock: clock.clone(),
        store: store as Arc<dyn Store>,
        journal: open_journal(home, &config)?,
        log_signer: Box::new(keys.log),
        mirror_signer: Box::new(keys.mirror),
        room,
        remains: remains(home),
        scrub_after: Duration::from_secs(config.store.scrub_after_s),
        instance: draw()?,
    };
    let running = core::start(parts).map_err(fault)?;
    Ok(Opened { config, lock, running, members, credentials, clock })
}

/// The node's own certificate, which must be of this very unit's node.
fn credentials(home: &Home, config: &Config) -> Result<Credentials, RunError> {
    let path = home.node_certificate();
    let chain = read_bounded(&path, FILE_BYTES_MAX).map_err(at(&path))?;
    let key = entente_certs::keyfile::read_secret(&home.node_key()).map_err(fault)?;
    let credentials = Credentials::from_pem(&chain, &key).map_err(|e| RunError(format!("{}: {e}", path.display())))?;
    let identity = credentials.identity(&config.network).map_err(|e| RunError(format!("{}: {e}", path.display())))?;
    if identity.unit != config.unit || identity.role != entente_certs::identity::Role::Node {
        return Err(RunError(format!("{} is the certificate of {identity}, not of this unit's node", path.display())));
    }
    Ok(credentials)
}

/// The local deny list: SHA-256 hashes of public keys, one a line, `#` for remarks.
fn denied(path: &Path) -> Result<BTreeSet<Hash>, RunError> {
    let bytes = match read_bounded(path, FILE_BYTES_MAX) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeSet::new()),
        Err(error) => return Err(at(path)(error)),
    };
    let text = String::from_utf8(bytes).map_err(|_| RunError(format!("{} is not UTF-8", path.display())))?;
    let lines =
        text.lines().enumerate().map(|(number, line)| (number + 1, line.split('#').next().unwrap_or("").trim()));
    let hash = |(number, line): (usize, &str)| {
        Hash::from_hex(line).ok_or_else(|| {
            RunError(format!(
                "{} line {number}: not a SHA-256 of a public key in 64 lower-case hexadecimal digits",
                path.display()
            ))
        })
    };
    lines.filter(|(_, line)| !line.is_empty()).map(hash).collect()
}

fn open_store(home: &Home, config: &Config) -> Result<Arc<SledStore>, RunError> {
    let mut options = Options::new(config.network.clone(), config.unit.clone());
    options.cache_bytes = config.store.cache_mib.saturating_mul(1 << 20);
    options.low_bytes = config.store.low_space_mib.saturating_mul(1 << 20);
    SledStore::open(&home.data(), options).map(Arc::new).map_err(fault)
}

/// Whether submissions may be taken, in view of the room on the disk.
fn room(store: Arc<SledStore>, config: StoreConfig) -> Box<dyn Fn() -> Result<(), String> + Send + Sync> {
    Box::new(move || match store.is_low() {
        Ok(false) => Ok(()),
        Ok(true) => Err(format!(
            "less than {} MiB are free on the disk of {}: nothing is taken in until there is room (store.low_space_mib in node.toml)",
            config.low_space_mib,
            store.directory().display()
        )),
        Err(error) => Err(format!("the free space of the disk cannot be found out: {error}")),
    })
}

/// Directories that were moved aside hold what was erased since, too.
fn remains(home: &Home) -> Box<dyn Fn() -> Vec<String> + Send + Sync> {
    let (directory, data) = (home.directory().to_owned(), home.data());
    Box::new(move || {
        let prefix = format!("{}.aside-", data.file_name().unwrap_or_default().to_string_lossy());
        let entries = std::fs::read_dir(&directory).into_iter().flatten().filter_map(Result::ok);
        let aside = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(&prefix));
        let words = |path: std::path::PathBuf| {
            format!("{} was moved aside and may hold erased records: delete it when nobody needs it", path.display())
        };
        aside.map(|entry| words(entry.path())).collect()
    })
}

/// The journal. One that is missing or damaged does not keep the node from running: it only signs nothing. One of another
/// unit or open to others does.
fn open_journal(home: &Home, config: &Config) -> Result<Result<(journal::Writer, journal::Memory), String>, RunError> {
    match Journal::open(&home.journal(), &config.network, &config.unit) {
        Ok((journal, memory)) => {
            let writer = journal::Writer::start(journal, journal::Limits::default()).map_err(fault)?;
            Ok(Ok((writer, memory)))
        }
        Err(error @ (JournalError::Missing(_) | JournalError::Damaged { .. })) => {
            tracing::error!(%error, "this node signs nothing");
            Ok(Err(format!("{error}. This node signs nothing, since it does not know what it has signed")))
        }
        Err(error) => Err(fault(error)),
    }
}

fn draw() -> Result<[u8; 16], RunError> {
    let mut bytes = [0; 16];
    SystemRandom::new().fill(&mut bytes).map_err(|_| RunError("this machine gives no random numbers".into()))?;
    Ok(bytes)
}

/// Keys must not end up in a core file.
fn no_core_dumps() -> Result<(), RunError> {
    use rustix::process::{Resource, Rlimit, setrlimit};
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) }).map_err(fault)
}

fn log_to_stderr(config: &Config) {
    let level = tracing_subscriber::filter::LevelFilter::from(config.log.level);
    let lines = tracing_subscriber::fmt().with_writer(io::stderr).with_max_level(level).with_target(false);
    // A second call, in a process that runs more than one node, changes nothing.
    let _ = match config.log.format {
        LogFormat::Text => lines.with_ansi(io::IsTerminal::is_terminal(&io::stderr())).try_init(),
        LogFormat::Json => lines.json().try_init(),
    };
}

impl From<crate::config::LogLevel> for tracing_subscriber::filter::LevelFilter {
    fn from(level: crate::config::LogLevel) -> Self {
        use crate::config::LogLevel;
        match level {
            LogLevel::Error => Self::ERROR,
            LogLevel::Warn => Self::WARN,
            LogLevel::Info => Self::INFO,
            LogLevel::Debug => Self::DEBUG,
            LogLevel::Trace => Self::TRACE,
        }
    }
}
