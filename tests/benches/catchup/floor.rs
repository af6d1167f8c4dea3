//! The floor: the same bytes over one tonic stream with mutual TLS between two processes, each leaf, payload commitment
//! and node hashed once, written to one file, and that synced as often as the node synced its store. TLS settings and
//! HTTP/2 windows are the node's.
//!
//! The receiver's three steps (connection, hashing, file) run beside each other, so that nothing waits that need not.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Instant;

use bytes::{Buf as _, Bytes};
use entente_certs::identity::{Identity, Role};
use entente_certs::members::SharedMembers;
use entente_certs::tls::{Credentials, server_config};
use entente_certs::verifier::{Admission, Admits};
use entente_node::home::Home;
use entente_node::net::{Connections, Dialler, Door, Limits, serve};
use entente_proto::hash::Hash;
use entente_proto::ids::Size;
use entente_proto::limits::FRAME_BYTES_MAX;
use entente_proto::tree::CompactRange;
use entente_proto::wire;
use entente_proto::wire::peer_client::PeerClient;
use entente_proto::wire::peer_server::{Peer, PeerServer};
use ring::hmac;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use super::Fault;
use super::network::{EMPTY, HOLDER, Network, credentials, roots, time};
use super::process::{Cost, cost};
use super::report::Measured;

/// The first argument of the process that sends, before the directory of the network.
pub(crate) const SEND: &str = "floor-send";
/// The first argument of the one that receives, before the directory, the sender's address and the number of syncs.
pub(crate) const RECEIVE: &str = "floor-receive";
/// How many bundles wait between two steps.
const WAITING: usize = 16;

/// Runs both processes.
pub(crate) fn measure(network: &Network, syncs: u64) -> Result<Measured, Fault> {
    let directory = network.directory();
    let mut sender = process(&[SEND], directory)?;
    let mut line = String::new();
    let spoken = sender.0.stdout.take().ok_or("no pipe")?;
    BufReader::new(spoken).read_line(&mut line)?;
    let before = cost(sender.0.id())?;
    let mut receiver = process(&[RECEIVE, line.trim(), &syncs.to_string()], directory)?;
    let mut told = String::new();
    receiver.0.stdout.take().ok_or("no pipe")?.read_to_string(&mut told)?;
    let after = cost(sender.0.id())?;
    let words: Vec<&str> = told.split_whitespace().collect();
    let [root, seconds, cpu, peak] = words.as_slice() else { return Err("the floor's receiver failed".into()) };
    if *root != network.root.to_string() {
        return Err("the floor has another root".into());
    }
    Ok(Measured {
        seconds: seconds.parse()?,
        records: network.records,
        receiver: Cost { cpu_s: cpu.parse()?, peak_bytes: peak.parse()? },
        sender: Cost { cpu_s: after.cpu_s - before.cpu_s, ..after },
        syncs,
    })
}

/// A child; killed when it is dropped.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        // One that has ended needs no killing.
        let _ = self.0.kill().and_then(|()| self.0.wait());
    }
}

fn process(words: &[&str], directory: &Path) -> Result<Process, Fault> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(words).arg(directory).stdin(Stdio::null()).stdout(Stdio::piped());
    Ok(Process(command.spawn()?))
}

/// Who both processes are, by the homes of the network.
struct Who {
    directory: PathBuf,
    members: SharedMembers,
}

impl Who {
    fn new(directory: &str) -> Result<Self, Fault> {
        let directory = PathBuf::from(directory);
        let homes = [HOLDER, EMPTY].map(|unit| Home::at(directory.join(unit)));
        let members = SharedMembers::new(roots(&[&homes[0], &homes[1]], &[HOLDER, EMPTY])?);
        Ok(Self { directory, members })
    }

    fn credentials(&self, unit: &str) -> Result<Credentials, Fault> {
        let home = Home::at(self.directory.join(unit));
        credentials(&home.node_certificate(), &home.node_key())
    }
}

/// The process that sends: tells its address on stdout and serves until it is killed.
pub(crate) fn send(words: &[String]) -> Result<(), Fault> {
    let [directory] = words else { return Err("which directory?".into()) };
    let who = Who::new(directory)?;
    let admission = Admission::new(who.members.clone(), Admits::Peers { own: HOLDER.parse()? });
    let door = Door {
        tls: server_config(&who.credentials(HOLDER)?, admission.clone(), time())?,
        admission,
        time: (*time()).clone(),
        limits: Limits::PEERS,
        connections: Connections::new(),
    };
    let service = PeerServer::new(Sender { bundles: Network::bundles_in(&who.directory) })
        .max_decoding_message_size(FRAME_BYTES_MAX)
        .max_encoding_message_size(FRAME_BYTES_MAX);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let tcp = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        println!("{}", tcp.local_addr()?);
        Ok(serve(tcp, door, service, std::future::pending()).await?)
    })
}

struct Sender {
    bundles: PathBuf,
}

#[tonic::async_trait]
impl Peer for Sender {
    type SyncStream = ReceiverStream<Result<wire::Frame, Status>>;

    async fn sync(&self, _: Request<Streaming<wire::Frame>>) -> Result<Response<Self::SyncStream>, Status> {
        let (queue, frames) = mpsc::channel(WAITING);
        let file = File::open(&self.bundles)?;
        std::thread::spawn(move || {
            let mut file = BufReader::with_capacity(1 << 20, file);
            let mut length = [0; 4];
            // Ends with the file, or when nobody listens.
            while file.read_exact(&mut length).is_ok() {
                let mut run = vec![0; u32::from_be_bytes(length) as usize];
                let frame = file.read_exact(&mut run).map(|()| frame(run)).map_err(Status::from);
                if queue.blocking_send(frame).is_err() {
                    return;
                }
            }
        });
        Ok(Response::new(ReceiverStream::new(frames)))
    }
}

fn frame(run: Vec<u8>) -> wire::Frame {
    let bundle = wire::Bundle {
        unit: HOLDER.to_owned(),
        size: u32::try_from(run.len()).unwrap_or(u32::MAX),
        body: Some(wire::bundle::Body::Raw(run.into())),
        ..wire::Bundle::default()
    };
    wire::Frame { frame: Some(wire::frame::Frame::Bundle(bundle)) }
}

/// The process that receives: tells the root, the seconds, its CPU time and its memory on stdout.
pub(crate) fn receive(words: &[String]) -> Result<(), Fault> {
    let [address, syncs, directory] = words else { return Err("from where, how often, which directory?".into()) };
    let who = Who::new(directory)?;
    let every = bundles_a_sync(&Network::bundles_in(&who.directory), syncs.parse()?)?;
    let file = File::create(Network::scratch_in(&who.directory))?;
    let expected = Identity { unit: HOLDER.parse()?, role: Role::Node };
    let own = who.credentials(EMPTY)?;
    let dialler = Dialler::new(&own, who.members, expected, (*time()).clone(), Connections::new())?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let (hashing, received) = sync_channel(WAITING);
    let (writing, hashed) = sync_channel(WAITING);
    let hasher = std::thread::spawn(move || hash(&received, &writing));
    let writer = std::thread::spawn(move || write(file, &hashed, every));
    let begun = runtime.block_on(async {
        let channel = dialler.connect(address).await?;
        let mut client = PeerClient::new(channel).max_decoding_message_size(FRAME_BYTES_MAX);
        let begun = Instant::now();
        let mut inbound = client.sync(tokio_stream::pending()).await?.into_inner();
        while let Some(frame) = inbound.message().await? {
            let Some(wire::frame::Frame::Bundle(bundle)) = frame.frame else { return Err("no bundle".into()) };
            let Some(wire::bundle::Body::Raw(run)) = bundle.body else { return Err("no body".into()) };
            let hashing = hashing.clone();
            match hashing.try_send(run) {
                Ok(()) => {}
                Err(std::sync::mpsc::TrySendError::Full(run)) => tokio::task::block_in_place(|| hashing.send(run))?,
                Err(error) => return Err(error.to_string().into()),
            }
        }
        Ok::<_, Fault>(begun)
    })?;
    drop(hashing);
    let root = hasher.join().map_err(|_| "the hashing thread panicked")??;
    writer.join().map_err(|_| "the writing thread panicked")??;
    let seconds = begun.elapsed().as_secs_f64();
    let Cost { cpu_s, peak_bytes } = cost(std::process::id())?;
    println!("{root} {seconds} {cpu_s} {peak_bytes}");
    Ok(())
}

fn bundles_a_sync(bundles: &Path, syncs: u64) -> Result<u64, Fault> {
    let mut file = BufReader::with_capacity(1 << 20, File::open(bundles)?);
    let (mut length, mut count) = ([0; 4], 0_u64);
    while file.read_exact(&mut length).is_ok() {
        file.seek_relative(u32::from_be_bytes(length).into())?;
        count += 1;
    }
    Ok((count / syncs.max(1)).max(1))
}

fn hash(received: &Receiver<Bytes>, writing: &SyncSender<Bytes>) -> Result<Hash, Fault> {
    let mut range = CompactRange::new(Size::ZERO);
    for run in received {
        let mut rest = run.clone();
        while !rest.is_empty() {
            let length = usize::from(rest.try_get_u16()?);
            let leaf = rest.split_to(length);
            let length = rest.try_get_u32()? as usize;
            let body = rest.split_to(length);
            let (opening, payload) = body.split_at(16);
            let commitment = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, opening), payload);
            // The header ends with it.
            if !leaf.ends_with(commitment.as_ref()) {
                return Err("a payload is not what its leaf commits to".into());
            }
            range.push_leaf(Hash::leaf(&leaf))?;
        }
        writing.send(run)?;
    }
    Ok(range.root()?)
}

fn write(mut file: File, hashed: &Receiver<Bytes>, every: u64) -> Result<(), Fault> {
    for (number, run) in (1_u64..).zip(hashed) {
        file.write_all(&run)?;
        if number % every == 0 {
            file.sync_data()?;
        }
    }
    Ok(file.sync_data()?)
}
