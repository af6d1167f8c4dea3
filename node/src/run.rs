//! A node from its home directory to its end.
//!
//! The order matters: what is there is checked before anything is opened for writing, the listeners are bound before the
//! node begins to act, and at the end they are closed before the threads.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use entente_certs::tls;
use entente_certs::verifier::{Admission, Admits};
use entente_proto::note::Signer;
use ring::rand::{SecureRandom as _, SystemRandom};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::access::{self, AccessLog, Known};
use crate::admission::{Admissions, Kept};
use crate::certificates::{Certificates, denied};
use crate::charters::CharterFiles;
use crate::clock::{Clock, SystemClock};
use crate::config::{Config, LogFormat, StoreConfig};
use crate::core::{self, Again, Parts, Rebuilt, Running};
use crate::guard::Guard;
use crate::home::{Home, HomeLock};
use crate::membership::{self, OwnKeys};
use crate::net::{self, Door, Limits, TlsTime};
use crate::open;
use crate::peer::{Means, Partners, PeerService};
use crate::publish::{self, Publisher};
use crate::store::{SledStore, Store};
use crate::unit::{Desk, Recorded, UnitService};
use crate::witness::{self, Asking, Keeper, Tls, Witnesses, Word};

/// How often the files of certificates are looked at: what they say has to act within 2 s.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Why a node does not run, in words that say what to do.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct RunError(String);

fn fault(error: impl std::fmt::Display) -> RunError {
    RunError(error.to_string())
}

/// Everything that was found good in a home directory.
struct Opened {
    config: Config,
    lock: HomeLock,
    running: Running,
    certificates: Arc<Certificates>,
    access: AccessLog,
    clock: Arc<dyn Clock>,
    /// What the journal says of witnessing, and the keys for it that are here.
    witness: (Word, Vec<Arc<dyn Signer>>),
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
    let ended = runtime.block_on(serve(&home, config));
    runtime.shutdown_background();
    match ended? {
        None => Ok(()),
        Some(Again::Recover(reason) | Again::Rules(reason) | Again::Refounded(reason)) => Err(begin_anew(&reason)),
        Some(Again::Rebuild(reason)) => {
            open::to_be_rebuilt(&home, &reason).map_err(fault)?;
            Err(begin_anew(&reason))
        }
    }
}

/// Puts this very program in its own place: nothing that the process has in memory may go on. Returns only if that fails.
fn begin_anew(reason: &str) -> RunError {
    use std::os::unix::process::CommandExt as _;
    tracing::warn!(reason, "the node begins anew");
    let program = match std::env::current_exe() {
        Ok(program) => program,
        Err(error) => return RunError(format!("{reason}. Start the node again ({error})")),
    };
    let error = std::process::Command::new(program).args(std::env::args_os().skip(1)).exec();
    RunError(format!("{reason}. Start the node again ({error})"))
}

/// Runs until the node is told to stop, or is to be started anew.
async fn serve(home: &Home, config: Config) -> Result<Option<Again>, RunError> {
    let lock = home.lock().map_err(fault)?;
    let listen = bind(&config.listen, "listen").await?;
    let api = bind(&config.api, "api").await?;
    let witness_listener = match &config.witness.listen {
        Some(address) => Some((bind(address, "witness.listen").await?, witness_tls(home, &config)?)),
        None => None,
    };
    let Opened { config, lock, running, certificates, access, clock, witness } =
        tokio::task::block_in_place(|| open(home, config, lock))?;
    let core = running.core.clone();
    let (stop, stopped) = watch::channel(());
    let (members, connections) = (core.admissions.members(), core.admissions.connections());
    let (credentials, time) = (certificates.credentials(), TlsTime(clock));
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
    let witnesses = witnesses(home, &config, &core, witness)?;
    let published = config.publish.as_ref().map(Publisher::new);
    let unit_service =
        UnitService::new(core.clone(), partners, desk, certificates.clone(), access.clone(), home.clone())
            .publishing(published.as_ref().map(|(publisher, _)| publisher.clone()))
            .witnessing(witnesses.clone());
    let unit_service = Recorded::server(unit_service, access.clone(), config.access.purpose_needed);
    tracing::info!(unit = %core.unit, listen = config.listen, api = config.api, "running");

    let peer_listener = tokio::spawn(net::serve(listen, peers, peer_service, told(stopped.clone())));
    let unit_listener = tokio::spawn(net::serve(api, people, unit_service, told(stopped.clone())));
    let witness_listener = witness_listener.zip(witnesses.keeper).map(|((tcp, tls), (keeper, listen))| {
        tracing::info!(listen, "witnesses the logs of others");
        tokio::spawn(witness::serve(tcp, keeper, tls, config.witness.per_address, told(stopped.clone())))
    });
    let heads = access::keep(core.clone(), access, Duration::from_secs(config.access.head_every_s));
    let until = told(stopped.clone());
    tokio::spawn(async move {
        tokio::select! {
            () = heads => {}
            () = until => {}
        }
    });
    if let (Some(config), Some(published)) = (config.publish, published) {
        let stop = told(stopped.clone());
        tokio::spawn(publish::keep(core.clone(), home.clone(), config, published, stop));
    }
    tokio::spawn(look(certificates, told(stopped)));
    let mut again = core.again();
    let why = tokio::select! {
        told = signalled() => told.map(|()| None)?,
        why = again.wait_for(Option::is_some) => why.ok().and_then(|why| why.clone()),
    };
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
    if let Some(listener) = witness_listener
        && let Err(error) = listener.await
    {
        tracing::error!(%error, "the witness's listener failed");
    }
    tokio::task::block_in_place(|| running.stop());
    drop(lock);
    Ok(why)
}

fn witness_tls(home: &Home, config: &Config) -> Result<Option<Tls>, RunError> {
    let Some(files) = &config.witness.tls else { return Ok(None) };
    let at = |path: &Path| home.directory().join(path);
    let tls = Tls::load(at(&files.certificate), at(&files.key));
    tls.map(Some).map_err(|error| RunError(format!("witness.certificate and witness.key: {error}")))
}

/// The witnesses that the node asks, and it as one.
fn witnesses(
    home: &Home,
    config: &Config,
    core: &Arc<core::Core>,
    (word, signers): (Word, Vec<Arc<dyn Signer>>),
) -> Result<Witnesses, RunError> {
    let asking = Arc::new(Asking::new(core.clone(), home.clone(), &config.witness));
    asking.start().map_err(RunError)?;
    let listen = config.witness.listen.clone();
    let keeper = listen.map(|listen| (Arc::new(Keeper::new(core.clone(), home, word, signers)), listen));
    Ok(Witnesses { asking, keeper })
}

/// Looks at the certificates' files, at once when the process is told to (SIGHUP), until the node stops.
async fn look(certificates: Arc<Certificates>, stop: impl Future<Output = ()>) {
    use tokio::signal::unix::{SignalKind, signal};
    let mut hangup = match signal(SignalKind::hangup()) {
        Ok(hangup) => Some(hangup),
        Err(error) => {
            tracing::warn!(%error, "this process cannot listen to SIGHUP; files are looked at all the same");
            None
        }
    };
    tokio::pin!(stop);
    loop {
        let told = async {
            match &mut hangup {
                Some(hangup) => hangup.recv().await,
                None => std::future::pending().await,
            }
        };
        let everything = tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => false,
            _ = told => true,
            () = &mut stop => return,
        };
        if everything {
            tracing::info!("told to read the certificates and the deny list again");
        }
        let certificates = certificates.clone();
        // A look that panicked has been reported where it happened; the next one is another.
        let _ = tokio::task::spawn_blocking(move || certificates.look(everything)).await;
    }
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
    let charters = membership::load_charters(home).map_err(fault)?;
    let keys = OwnKeys::load(home, &config.network, &config.unit).map_err(fault)?;
    membership::check_member(&keys, &charters, &config.network, &config.unit).map_err(fault)?;
    let denied = denied(&home.deny()).map_err(RunError)?;
    // The engine says at once from which version on units are admitted still.
    let terms = vec![charters.newest().terms().clone()];
    let admissions = Arc::new(Admissions::new(terms, denied).map_err(fault)?);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let own = (config.network.clone(), config.unit.clone());
    let certificates =
        Certificates::open(home.clone(), own, admissions.clone(), clock.clone()).map(Arc::new).map_err(RunError)?;
    let (writer, mut memory) = open::journal(home, &config).map_err(fault)?;
    let signers = membership::witness_keys(home, &config.network, &config.unit, &keys).map_err(fault)?;
    let witness = (Word::of(&memory), signers);
    let (store, loaded) = open::database(home, &config, &charters, (&writer, &mut memory), draw()?).map_err(fault)?;
    // An own entry that rotted is fetched again once the node runs.
    let head = access::newest_head(&*store, &config.unit).unwrap_or_else(|error| {
        tracing::warn!(%error, "whether the own log fixes more of the access log than there is cannot be looked up");
        None
    });
    let known = Known { head, lost: memory.lost.clone() };
    let keeping = access::Keeping::days(config.access.keep_days);
    let access = AccessLog::open(&home.access(), &config.network, &config.unit, &known, keeping, clock.clone())
        .map_err(fault)?;
    let path = home.revoked();
    let (kept, revoked) = Kept::open(path.clone(), store.revocations().map_err(fault)?)
        .map_err(|error| RunError(format!("{}: {error}", path.display())))?;
    admissions.known(revoked, Some(kept));
    let room = room(store.clone(), config.store);
    let parts = Parts {
        unit: config.unit.clone(),
        charters,
        charter_files: Box::new(CharterFiles::new(home.clone(), config.network.clone(), config.unit.clone())),
        clock: clock.clone(),
        store: store as Arc<dyn Store>,
        journal: (writer, memory),
        signers: keys.into_signers(),
        room,
        admissions,
        remains: remains(home),
        scrub_after: Duration::from_secs(config.store.scrub_after_s),
    };
    let running = core::start(parts, loaded).map_err(fault)?;
    Ok(Opened { config, lock, running, certificates, access, clock, witness })
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

/// What was moved aside holds what was erased since, too. It goes once it is rebuilt.
fn remains(home: &Home) -> Box<dyn Fn(Rebuilt) -> Vec<String> + Send + Sync> {
    let directory = home.directory().to_owned();
    Box::new(move |rebuilt| {
        let entries = std::fs::read_dir(&directory).into_iter().flatten().filter_map(Result::ok);
        let aside = entries.map(|entry| entry.path()).filter(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with("data.aside-") || name.starts_with("journal.damaged-")
        });
        let words = |path: std::path::PathBuf| {
            let gone = match rebuilt {
                Rebuilt::Whole if path.is_dir() => std::fs::remove_dir_all(&path),
                Rebuilt::Whole => std::fs::remove_file(&path),
                Rebuilt::NotYet => Err(io::Error::other("what it held is not all fetched back yet")),
            };
            let error = gone.err()?;
            Some(format!("{} was moved aside and may hold erased records: {error}", path.display()))
        };
        aside.filter_map(words).collect()
    })
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
    use tracing_subscriber::filter::{LevelFilter, Targets};
    use tracing_subscriber::layer::SubscriberExt as _;
    use tracing_subscriber::util::SubscriberInitExt as _;
    let level = LevelFilter::from(config.log.level);
    // Each try of each call to storage is told there; the node says itself what came of all of them.
    let storage = if level == LevelFilter::INFO { LevelFilter::WARN } else { level };
    let told = Targets::new().with_default(level).with_target("object_store", storage);
    let lines = tracing_subscriber::fmt().with_writer(io::stderr).with_max_level(level).with_target(false);
    // A second call, in a process that runs more than one node, changes nothing.
    let _ = match config.log.format {
        LogFormat::Text => lines.with_ansi(io::IsTerminal::is_terminal(&io::stderr())).finish().with(told).try_init(),
        LogFormat::Json => lines.json().finish().with(told).try_init(),
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
