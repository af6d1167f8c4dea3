//! Networks of real processes.

use std::fs::{self, File};
use std::io::Write as _;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use entente_certs::identity::Role;
use entente_node::home::Home;
use entente_node::membership;
use entente_proto::charter::Charter;
use entente_proto::hash::Hash;
use entente_proto::ids::{NetworkName, UnitId};
use ring::rand::{SecureRandom as _, SystemRandom};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::remains::copy_directory;
use crate::said::Said;
use crate::wait::{until, until_so};

/// The network's name.
pub const NAME: &str = "takedown.example";
/// Where nodes listen for partners, each at its own address.
const PEER_PORT: u16 = 7443;
/// Where nodes listen for officers.
const API_PORT: u16 = 7444;
/// Who keeps a node running, where a test needs somebody to.
const OPERATOR: &str = "operator/otto";
/// How much of a node's log a failed test shows, in lines.
const LOG_LINES_SHOWN: usize = 25;

/// Runs the program, with these bytes on stdin.
pub fn run(program: &str, args: &[&str], input: &[u8]) -> Said {
    let mut command = Command::new(program);
    command.args(args).env_remove("ENTENTE_HOME").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    // A thread of its own: the command may answer before it has read everything, or not read at all.
    let feeding = std::thread::spawn(move || drop(stdin.write_all(&input)));
    let said = child.wait_with_output().unwrap().into();
    feeding.join().unwrap();
    said
}

/// A unit with its home directory and, if it runs, its node.
#[derive(Debug)]
pub struct Node {
    /// The unit.
    pub unit: UnitId,
    /// Its home directory.
    pub home: Home,
    /// Where partners reach it.
    pub address: String,
    /// Where its officers reach it.
    pub api: String,
    program: &'static str,
    child: Mutex<Option<Child>>,
}

impl Node {
    /// Makes a unit with its home directory, below `directory`.
    #[must_use]
    pub fn init(program: &'static str, directory: &Path, unit: &str) -> Self {
        let host = free_host();
        let (address, api) = (format!("{host}:{PEER_PORT}"), format!("{host}:{API_PORT}"));
        let home = directory.join(unit.to_lowercase());
        let at = home.to_str().unwrap();
        let own = ["init", "--network", NAME, "--unit", unit, "--name", unit, "--home", at];
        let _ = run(program, &[&own[..], &["--address", &address, "--api", &api]].concat(), b"").ended(0);
        Self { unit: unit.parse().unwrap(), home: Home::at(home), address, api, program, child: Mutex::new(None) }
    }

    /// The home directory's path.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.home.directory()
    }

    fn at(&self) -> &str {
        self.directory().to_str().unwrap()
    }

    /// Runs a command of this unit, with `--json`.
    pub fn call(&self, args: &[&str]) -> Said {
        self.call_with(args, b"")
    }

    /// Runs a command of this unit's operator, who is given a certificate first.
    pub fn operate(&self, args: &[&str]) -> Said {
        self.operator();
        self.call(&[args, &["--as", OPERATOR]].concat())
    }

    /// Begins one, with `--json`, that goes on beside the test.
    #[must_use]
    pub fn begin_to_operate(&self, args: &[&str]) -> Child {
        self.operator();
        self.begin(&[args, &["--as", OPERATOR]].concat())
    }

    fn operator(&self) {
        if !self.home.holder_certificate(&OPERATOR.parse::<Role>().unwrap()).exists() {
            let (_, name) = OPERATOR.split_once('/').unwrap();
            let _ = self.call(&["cert", "issue", "--operator", name]).ended(0);
        }
    }

    /// Runs a command of this unit, with `--json` and the home directory before its other arguments, the last of which may
    /// begin with anything.
    pub fn call_at(&self, args: &[&str]) -> Said {
        run(self.program, &[&["--json", "--home", self.at()], args].concat(), b"")
    }

    /// Runs a command of this unit, with `--json` and these bytes on stdin.
    pub fn call_with(&self, args: &[&str], input: &[u8]) -> Said {
        run(self.program, &[args, &["--json", "--home", self.at()]].concat(), input)
    }

    /// Runs `entente run` where it is expected to end by itself.
    pub fn run_to_its_end(&self) -> Said {
        let mut child = self.command().stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        until_so(&format!("the node of {} ends by itself", self.unit), || child.try_wait().unwrap().is_some());
        child.wait_with_output().unwrap().into()
    }

    /// Begins a command of this unit, with `--json`, that goes on beside the test.
    #[must_use]
    pub fn begin(&self, args: &[&str]) -> Child {
        let mut command = Command::new(self.program);
        command.args(args).args(["--json", "--home", self.at()]).env_remove("ENTENTE_HOME");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    fn command(&self) -> Command {
        let mut command = Command::new(self.program);
        command.args(["run", "--home", self.at()]).env_remove("ENTENTE_HOME").stdin(Stdio::null());
        command
    }

    /// Starts the node. Does not wait for it.
    pub fn start(&self) {
        let log = File::options().create(true).append(true).open(self.log_path()).unwrap();
        let child = self.command().stdout(Stdio::null()).stderr(log).spawn().unwrap();
        let before = self.child().replace(child);
        assert!(before.is_none(), "the node of {} runs already", self.unit);
    }

    /// Kills the node with SIGKILL, if it runs.
    pub fn kill(&self) {
        if let Some(mut child) = self.child().take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Tells the node to stop (SIGTERM) and waits until it has.
    pub fn stop(&self) {
        let Some(mut child) = self.child().take() else { return };
        kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
        let ended = until(&format!("the node of {} stops", self.unit), || child.try_wait().unwrap());
        assert!(ended.success(), "the node of {} ended with {ended}", self.unit);
    }

    /// Sends the running node a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(self.child().as_ref().unwrap()), signal).unwrap();
    }

    /// Lets the running node do nothing (SIGSTOP) until [`resume`](Self::resume).
    pub fn pause(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets it go on.
    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    /// A second machine with a copy of this stopped node's home directory, its keys too, at addresses of its own.
    #[must_use]
    pub fn clone_to(&self, directory: &Path) -> Self {
        assert!(self.child().is_none(), "the node of {} runs", self.unit);
        copy_directory(self.directory(), directory);
        let host = free_host();
        let clone = Self {
            unit: self.unit.clone(),
            home: Home::at(directory),
            address: format!("{host}:{PEER_PORT}"),
            api: format!("{host}:{API_PORT}"),
            program: self.program,
            child: Mutex::new(None),
        };
        clone.configure(&self.address, &clone.address);
        clone.configure(&self.api, &clone.api);
        clone
    }

    /// The most memory that the running node ever had resident, in KiB.
    #[must_use]
    pub fn peak_kib(&self) -> u64 {
        let pid = self.child().as_ref().unwrap().id();
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// Whether the process is there.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.child().as_mut().is_some_and(|child| child.try_wait().unwrap().is_none())
    }

    fn child(&self) -> MutexGuard<'_, Option<Child>> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What `entente status` says, if the node answers.
    #[must_use]
    pub fn try_status(&self) -> Option<Value> {
        let said = self.call(&["status"]);
        (said.code == Some(0)).then(|| said.document())
    }

    /// What `entente status` says.
    #[track_caller]
    #[must_use]
    pub fn status(&self) -> Value {
        self.call(&["status"]).ended(0).document()
    }

    /// Waits until the node answers and its state is this one; gives its status.
    #[track_caller]
    pub fn until_state(&self, state: &str) -> Value {
        until(&format!("{} is {state}", self.unit), || {
            assert!(self.is_alive(), "the node of {} has ended: {}", self.unit, self.log());
            self.try_status().filter(|status| status["state"] == state)
        })
    }

    /// Waits until this node knows of so many certified entries of a unit's log.
    #[track_caller]
    pub fn until_certified(&self, unit: &str, size: u64) {
        until_so(&format!("{} has {size} certified entries of {unit}", self.unit), || {
            self.try_status().is_some_and(|status| log_of(&status, unit)["certified"].as_u64() >= Some(size))
        });
    }

    /// Waits until both nodes have a stream between them, as this one sees it.
    #[track_caller]
    pub fn until_connected(&self, unit: &str) {
        until_so(&format!("{} is connected to {unit}", self.unit), || {
            self.try_status().is_some_and(|status| peer_of(&status, unit)["connected"] == true)
        });
    }

    /// Refers a target and gives the answer.
    #[track_caller]
    pub fn refer(&self, target: &str, wait: &str) -> Value {
        self.call(&["refer", target, "--category", "incites", "--wait", wait]).ended(0).document()
    }

    /// A target's status on this node's list.
    #[track_caller]
    #[must_use]
    pub fn status_of(&self, target: &str) -> String {
        let said = self.call(&["check", target]);
        assert!(matches!(said.code, Some(0 | 1)), "{said:?}");
        said.document()["status"].as_str().unwrap().to_owned()
    }

    /// Waits until a target has a status on this node's list.
    #[track_caller]
    pub fn until_status_of(&self, target: &str, status: &str) {
        until_so(&format!("{target} is {status} at {}", self.unit), || self.status_of(target) == status);
    }

    fn log_path(&self) -> PathBuf {
        self.directory().join("node.log")
    }

    /// What the node wrote to its log, all runs together.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    /// The lines of the log from a length on that have all these words.
    #[must_use]
    pub fn logged(&self, since: usize, words: &[&str]) -> Vec<String> {
        let log = self.log();
        let lines = log.get(since..).unwrap_or_default().lines();
        lines.filter(|line| words.iter().all(|word| line.contains(word))).map(str::to_owned).collect()
    }

    /// Waits until the log has, from a length on, a line with all these words.
    #[track_caller]
    pub fn until_logged(&self, since: usize, words: &[&str]) {
        until_so(&format!("{} has logged {words:?}", self.unit), || !self.logged(since, words).is_empty());
    }

    /// Changes `node.toml`, for the next start.
    #[track_caller]
    pub fn configure(&self, from: &str, to: &str) {
        let path = self.home.config();
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "no {from:?} in {text}");
        fs::write(&path, text.replacen(from, to, 1)).unwrap();
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().rev().take(LOG_LINES_SHOWN).collect();
            eprintln!("--- the end of the log of {}", self.unit);
            lines.iter().rev().for_each(|line| eprintln!("{line}"));
        }
        self.kill();
    }
}

/// Units under one charter.
#[derive(Debug)]
pub struct Network {
    // Before the directory, so that processes end before their files go.
    nodes: Vec<Node>,
    charter: Charter,
    directory: TempDir,
}

impl Network {
    /// Founds a network: every unit makes its home, all sign one charter and take it up. No node runs yet.
    #[must_use]
    pub fn found(program: &'static str, units: &[&str]) -> Self {
        let directory = tempfile::Builder::new().prefix("entente-test-").tempdir().unwrap();
        let nodes: Vec<Node> = std::thread::scope(|scope| {
            let making: Vec<_> =
                units.iter().map(|unit| scope.spawn(|| Node::init(program, directory.path(), unit))).collect();
            making.into_iter().map(|made| made.join().unwrap()).collect()
        });
        let charter = directory.path().join("charter.note");
        let charter = charter.to_str().unwrap();
        let descriptions: Vec<PathBuf> = nodes.iter().map(|node| node.home.unit_description()).collect();
        let mut args = vec!["charter", "new", "--out", charter];
        args.extend(descriptions.iter().map(|path| path.to_str().unwrap()));
        let _ = run(program, &args, b"").ended(0);
        for verb in ["sign", "adopt"] {
            for node in &nodes {
                let _ = node.call(&["charter", verb, charter]).ended(0);
            }
        }
        let charter = membership::load_charter(&nodes.first().unwrap().home).unwrap();
        Self { nodes, charter, directory }
    }

    /// Makes the home directory of a further unit, which no charter lists yet.
    pub fn init(&mut self, program: &'static str, unit: &str) {
        self.nodes.push(Node::init(program, self.directory.path(), unit));
    }

    /// Founds a network, starts all nodes and waits until all sign.
    #[must_use]
    pub fn running(program: &'static str, units: &[&str]) -> Self {
        let network = Self::found(program, units);
        network.start();
        network
    }

    /// Starts all nodes and waits until all sign.
    pub fn start(&self) {
        self.nodes.iter().for_each(Node::start);
        for node in &self.nodes {
            node.until_state("running");
        }
    }

    /// All units.
    #[must_use]
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// One unit.
    #[track_caller]
    #[must_use]
    pub fn node(&self, unit: &str) -> &Node {
        self.nodes.iter().find(|node| node.unit.as_str() == unit).unwrap()
    }

    /// The charter.
    #[must_use]
    pub const fn charter(&self) -> &Charter {
        &self.charter
    }

    /// The network's name.
    #[must_use]
    pub fn name(&self) -> &NetworkName {
        self.charter.network()
    }

    /// Where tests may put files.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Keeps two units apart, from the next start of their nodes on.
    pub fn separate(&self, one: &str, other: &str) {
        for (unit, blocked) in [(one, other), (other, one)] {
            self.node(unit).configure("block = [", &format!("block = [\"{blocked}\", "));
        }
    }

    /// Waits until these nodes hold and have certified the whole of the same logs and have computed one list from it;
    /// gives its digest.
    #[track_caller]
    pub fn until_agreed(&self, units: &[&str]) -> String {
        until(&format!("{units:?} agree"), || {
            let all: Vec<Value> = units.iter().map(|unit| self.node(unit).try_status()).collect::<Option<_>>()?;
            let first = all.first()?;
            let whole = |status: &Value| {
                status["list"]["pending"] == 0
                    && status["logs"].as_array().unwrap().iter().all(|log| log["size"] == log["certified"])
            };
            let one = all.iter().all(|status| {
                whole(status) && status["logs"] == first["logs"] && status["list"]["digest"] == first["list"]["digest"]
            });
            let digest = first["list"]["digest"].as_str()?;
            (one && digest.len() == 64).then(|| digest.to_owned())
        })
    }
}

/// A certificate in a `status` document, by its holder and public key.
#[must_use]
pub fn certificate_of<'a>(status: &'a Value, holder: &str, spki: Hash) -> Option<&'a Value> {
    let spki = spki.to_string();
    let mut all = status["certificates"].as_array().unwrap().iter();
    all.find(|known| known["holder"] == holder && known["spki_sha256"] == spki.as_str())
}

/// A log in a `status` document.
#[track_caller]
#[must_use]
pub fn log_of<'a>(status: &'a Value, unit: &str) -> &'a Value {
    status["logs"].as_array().unwrap().iter().find(|log| log["unit"] == unit).unwrap()
}

/// A partner in a `status` document.
#[track_caller]
#[must_use]
pub fn peer_of<'a>(status: &'a Value, unit: &str) -> &'a Value {
    status["peers"].as_array().unwrap().iter().find(|peer| peer["unit"] == unit).unwrap()
}

/// A loopback address at which nobody listens. It is drawn from 16 million, so that no other test draws the same.
fn free_host() -> Ipv4Addr {
    loop {
        let mut bytes = [0; 3];
        SystemRandom::new().fill(&mut bytes).unwrap();
        let [a, b, c] = bytes;
        let host = Ipv4Addr::new(127, a, b, c.clamp(1, 254));
        if TcpListener::bind((host, PEER_PORT)).is_ok() && TcpListener::bind((host, API_PORT)).is_ok() {
            return host;
        }
    }
}
