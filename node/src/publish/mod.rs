//! Publications: what is certified, brought to a place from which any number of auditors read it without touching a node.
//!
//! A place is a directory, which any web server can give out, or S3-compatible storage. What lies there is an
//! [export](entente_proto::audit), and partial tiles of earlier sizes until the full ones are there, so `<place>/logs/<unit>/` is a
//! prefix for any client of C2SP `tlog-tiles`. Unless
//! `publish.payloads` in `node.toml` is `"all"` it [withholds](entente_proto::audit::Payloads) what records say: a public place
//! must not hold targets and persons. `entente audit fetch` takes it from there into a directory, which then verifies like any
//! other.
//!
//! | file | what it is |
//! |---|---|
//! | this one | when a round is done, what is told of it, and what happens when it fails |
//! | `round` | one round, and the order that keeps a publication whole at any moment |
//! | `there` | what lies in the place, and whose it is |
//! | `extends` | that what is to be published goes on from that |
//! | `uploads` | files on their way to the place |
//! | `read` | the other end: a publication read file by file, each held against its manifest |
//! | `address` | what a place is called |
//! | `place`, `directory`, `bucket` | what a place does |
//!
//! # When
//! At the start, every `publish.every_s` seconds if something was certified, cosigned or [witnessed](crate::witness) since, at
//! once when payloads were deleted for good and the place shows payloads (I7), and when somebody asks (`entente audit publish`).
//! One that fails is tried again, after a second at first and after five minutes at last; the node goes on, `status` says what is
//! wrong, and the log once. The work is done on a thread of its own.
//!
//! Only a node that signs publishes: one that waits, or recovers what it held, does not know yet what there is.
//!
//! # What it relies on
//! The place is the node's alone: it is claimed by the manifest, which the mirror key signs, and nothing is written over that
//! of another. Each round reads the manifest, and where that is not the one it left there, all that lies in the place; so it does
//! at the start, after a fault, when somebody asks, and once a day. Two processes of one unit that publish to one place undo
//! each other's work; storage that writes only where nothing was changed meanwhile (`If-Match`) has one of them say so.
//!
//! What was erased is removed from the place. Copies that readers, caches or the versions of a bucket keep are out of reach.

mod address;
mod bucket;
mod directory;
mod extends;
mod place;
mod read;
mod round;
mod there;
mod uploads;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use backon::{BackoffBuilder as _, ExponentialBackoff, ExponentialBuilder};
use entente_proto::audit::Payloads;
use entente_proto::hash::Hash;
use entente_proto::ids::{Size, UnitId};
use tokio::runtime::Handle;
use tokio::sync::mpsc;

pub use address::{Address, AddressError};
pub use bucket::Objects;
pub use directory::Directory;
pub use place::{Place, PlaceError};
pub use read::{Fetched, Offered, Published, ReadError};
pub use round::{Done, Progress, RoundError};

use crate::config::PublishConfig;
use crate::core::{Core, lock};
use crate::home::Home;
use bucket::{Access, Credentials};
use round::Means;
use there::There;

/// Where files wait for their names.
const NEXT: &str = "next/";
/// The file of credentials, in `keys/`.
const CREDENTIALS: &str = "publish.toml";
/// Callers that wait for a round at most, and reports that wait for a caller.
const CALLERS: usize = 64;
const REPORTS: usize = 64;
/// How often a caller is told how far it is.
const REPORT_EVERY: Duration = Duration::from_millis(250);
/// How long after a round that failed the next is tried, at first and at last.
const RETRY_FIRST: Duration = Duration::from_secs(1);
const RETRY_LAST: Duration = Duration::from_secs(5 * 60);
/// How long what was found in the place is believed while the manifest stays the same: a bucket's rules, or a person, may remove
/// files.
const BELIEVED: Duration = Duration::from_secs(24 * 60 * 60);

/// What a caller is told.
#[derive(Debug, Clone)]
pub enum Report {
    /// It goes on.
    Goes(Progress),
    /// It is done.
    Done(Done),
    /// It failed, in words.
    Failed(String),
}

/// What is known of the publication.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// When it was brought up to date for the last time since the start, Unix milliseconds; 0 for never.
    pub at_ms: u64,
    /// What the last round did.
    pub done: Done,
    /// Why nothing is published now, or why the last round failed.
    pub error: Option<String>,
    /// Why no round is done now.
    waits: Option<String>,
}

/// The handle to what is published.
#[derive(Debug, Clone)]
pub struct Publisher {
    to: Arc<str>,
    payloads: Payloads,
    known: Arc<Mutex<Known>>,
    asks: mpsc::Sender<mpsc::Sender<Report>>,
}

/// Whoever asks for a round.
pub struct Asks(mpsc::Receiver<mpsc::Sender<Report>>);

impl Publisher {
    /// Of a node that publishes as these settings say, once [`keep`] runs.
    #[must_use]
    pub fn new(config: &PublishConfig) -> (Self, Asks) {
        let (asks, asked) = mpsc::channel(CALLERS);
        let to = config.to.to_string().into();
        (Self { to, payloads: config.payloads, known: Arc::default(), asks }, Asks(asked))
    }

    /// The place.
    #[must_use]
    pub fn to(&self) -> &str {
        &self.to
    }

    /// Which payloads it shows.
    #[must_use]
    pub const fn payloads(&self) -> Payloads {
        self.payloads
    }

    /// What is known of it.
    #[must_use]
    pub fn known(&self) -> Known {
        let known = lock(&self.known).clone();
        let error = known.waits.clone().or(known.error);
        Known { error, ..known }
    }

    /// Asks for a round, which looks at the place anew: what it reports, and at last that it is done or failed. Nothing if too
    /// many wait already.
    #[must_use]
    pub fn ask(&self) -> Option<mpsc::Receiver<Report>> {
        let (reports, caller) = mpsc::channel(REPORTS);
        self.asks.try_send(reports).ok().map(|()| caller)
    }
}

/// All on which a publication depends: where it is the same as before, nothing is to be done.
#[derive(PartialEq, Eq)]
struct State {
    charter: Hash,
    /// Each log: its size and root, how many have cosigned, and whether it forked.
    logs: Vec<(UnitId, Size, Hash, usize, bool)>,
    /// What each witness from outside said last: its key, of which size, and when.
    words: BTreeSet<(String, Size, u64)>,
}

fn state(core: &Core) -> State {
    let logs = core.logs().into_iter().map(|log| {
        let head = log.certified.as_ref();
        let checkpoint = head.map(entente_proto::checkpoint::CosignedCheckpoint::checkpoint);
        let (size, root) = checkpoint.map_or((Size::ZERO, Hash::EMPTY_ROOT), |found| (found.size, found.root));
        let cosigned = head.map_or(0, |head| head.cosignatures().len());
        (log.unit, size, root, cosigned, log.fork.is_some())
    });
    let words = core.words().into_iter();
    let words = words.map(|word| (word.witness().to_string(), word.checkpoint().size, word.time())).collect();
    State { charter: core.charter().digest(), logs: logs.collect(), words }
}

/// What goes from one round to the next.
struct Keeper {
    core: Arc<Core>,
    home: Home,
    config: PublishConfig,
    handle: Handle,
    stopping: Arc<AtomicBool>,
    /// Opened when it is needed: what is missing for it may come later.
    place: Option<Arc<Place>>,
    /// What the last round left there, if it went well, and when all of it was looked at.
    published: Option<There>,
    looked: Option<Instant>,
}

/// Publishes until the node stops.
pub async fn keep(
    core: Arc<Core>,
    home: Home,
    config: PublishConfig,
    (publisher, asks): (Publisher, Asks),
    stop: impl Future<Output = ()>,
) {
    let every = Duration::from_secs(config.every_s);
    let (mut asks, mut erased, mut standing) = (asks.0, core.erased(), core.standings());
    let stopping = Arc::new(AtomicBool::new(false));
    let anew = || Keeper {
        core: core.clone(),
        home: home.clone(),
        config: config.clone(),
        handle: Handle::current(),
        stopping: stopping.clone(),
        place: None,
        published: None,
        looked: None,
    };
    let mut keeper = anew();
    let (mut pauses, mut before, mut wait): (Option<ExponentialBackoff>, _, _) = (None, None, Duration::ZERO);
    tokio::pin!(stop);
    loop {
        let mut callers = Vec::new();
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            // What is withheld anyway is not there to be removed.
            Ok(()) = erased.changed(), if publisher.payloads == Payloads::All => {}
            Ok(()) = standing.changed() => {}
            Some(caller) = asks.recv() => callers.push(caller),
            () = &mut stop => return,
        }
        while let Ok(caller) = asks.try_recv() {
            callers.push(caller);
        }
        standing.mark_unchanged();
        if let Err(why) = round::while_running(&core) {
            // The next change of the standing wakes it.
            (before, wait) = (None, every);
            let words = why.to_string();
            callers.iter().for_each(|caller| _ = caller.try_send(Report::Failed(words.clone())));
            lock(&publisher.known).waits = Some(words);
            continue;
        }
        let now = state(&core);
        if callers.is_empty() && before.as_ref() == Some(&now) && keeper.believes() {
            wait = every;
            continue;
        }
        let told = callers.clone();
        let ran = tokio::task::spawn_blocking(move || {
            let result = keeper.round(&told);
            (keeper, result)
        });
        tokio::pin!(ran);
        let ran = tokio::select! {
            ran = &mut ran => ran,
            () = &mut stop => {
                stopping.store(true, Ordering::Release);
                return;
            }
        };
        // One that panicked has been reported where it did, and is tried again like any other that failed.
        let panicked = |_| (anew(), Err(RoundError::Node("publishing failed: the node's log says more".to_owned())));
        let (back, result) = ran.unwrap_or_else(panicked);
        keeper = back;
        let report = match result {
            Ok(done) => {
                (before, wait, pauses) = (Some(now), every, None);
                note(&publisher, &core, Ok(&done));
                Report::Done(done)
            }
            Err(error) => {
                let words = error.to_string();
                note(&publisher, &core, Err(&words));
                before = None;
                let pauses = pauses.get_or_insert_with(backoff);
                wait = pauses.next().unwrap_or(RETRY_LAST);
                Report::Failed(words)
            }
        };
        // One that has gone need not know.
        callers.iter().for_each(|caller| _ = caller.try_send(report.clone()));
    }
}

fn backoff() -> ExponentialBackoff {
    let pauses = ExponentialBuilder::default().with_min_delay(RETRY_FIRST).with_max_delay(RETRY_LAST);
    pauses.without_max_times().with_jitter().build()
}

/// Keeps what a round came to, and tells the log what is new in it.
fn note(publisher: &Publisher, core: &Core, result: Result<&Done, &String>) {
    let mut known = lock(&publisher.known);
    known.waits = None;
    match result {
        Ok(done) => {
            if known.error.take().is_some() {
                tracing::info!(to = %publisher.to, "published again");
            }
            tracing::debug!(to = %publisher.to, records = done.records, written = done.written_files, "published");
            known.at_ms = core.clock.now_ms();
            known.done = done.clone();
        }
        Err(words) => {
            if known.error.as_ref() != Some(words) {
                tracing::warn!(to = %publisher.to, "not published: {words}");
            }
            known.error = Some(words.clone());
        }
    }
}

impl Keeper {
    /// Whether what was found in the place is believed still.
    fn believes(&self) -> bool {
        self.looked.is_some_and(|looked| looked.elapsed() < BELIEVED)
    }

    fn round(&mut self, callers: &[mpsc::Sender<Report>]) -> Result<Done, RoundError> {
        let place = match &self.place {
            Some(place) => place.clone(),
            None => self.open()?,
        };
        self.place = Some(place.clone());
        // Whoever asks means the place as it is, whatever happened to it.
        let known = self.published.take().filter(|_| callers.is_empty() && self.believes());
        if known.is_none() {
            self.looked = Some(Instant::now());
        }
        let mut told: Option<Instant> = None;
        let mut tell = |progress| {
            if told.is_none_or(|told| told.elapsed() >= REPORT_EVERY) {
                told = Some(Instant::now());
                // The last place is kept for the end.
                let awake = callers.iter().filter(|caller| caller.capacity() > 1);
                awake.for_each(|caller| _ = caller.try_send(Report::Goes(progress)));
            }
        };
        let mut means = Means {
            core: &self.core,
            place: &place,
            payloads: self.config.payloads,
            handle: &self.handle,
            stopping: &self.stopping,
            tell: &mut tell,
        };
        let done = round::run(&mut means, known);
        let (done, there) = done.inspect_err(|_| self.place = None)?;
        self.published = Some(there);
        Ok(done)
    }

    fn open(&self) -> Result<Arc<Place>, RoundError> {
        let credentials: PathBuf = self.home.keys().join(CREDENTIALS);
        let access = Access {
            endpoint: self.config.endpoint.clone(),
            region: self.config.region.clone(),
            allow_http: self.config.allow_http,
            credentials: Credentials::load(&credentials)?,
            writes: true,
        };
        let place = Place::open(&self.config.to, &access)?;
        if place.is_within(self.home.directory()) {
            return Err(RoundError::NotOurs(
                "the place lies in the node's home directory, where the keys are: name one elsewhere".to_owned(),
            ));
        }
        Ok(Arc::new(place))
    }
}
