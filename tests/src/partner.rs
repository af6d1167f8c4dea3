//! A node that is none: it has a unit's real keys and certificate, and says on the sync stream whatever a test wants.

use std::time::Duration;

use bytes::{BufMut as _, Bytes};
use entente_certs::signer::KeyFileSigner;
use entente_node::membership::load_charter;
use entente_proto::checkpoint::{Checkpoint, CosignedCheckpoint, SignedCheckpoint};
use entente_proto::entry::{self, Entry, Run};
use entente_proto::hash::Hash;
use entente_proto::ids::Size;
use entente_proto::limits::{FRAME_BYTES_MAX, NOTE_BYTES_MAX};
use entente_proto::note::{KeyName, Note, Signer};
use entente_proto::wire;
use entente_proto::wire::frame::Frame as Inner;
use prost::Message as _;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::{Request, Status, Streaming};

use crate::caller::{Caller, now_ms};
use crate::network::{NAME, Network, Node};
use crate::wait::PATIENCE;

/// A unit's keys in the hands of a test.
#[derive(Debug)]
pub struct Partner<'a> {
    network: &'a Network,
    node: &'a Node,
}

impl<'a> Partner<'a> {
    /// Takes the place of a unit's node, which should not run.
    #[must_use]
    pub fn new(network: &'a Network, unit: &str) -> Self {
        Self { network, node: network.node(unit) }
    }

    /// The unit's log key.
    #[must_use]
    pub fn log_key(&self) -> KeyFileSigner {
        KeyFileSigner::load(&self.node.home.log_key()).unwrap()
    }

    /// The greeting that a node of this unit would send.
    #[must_use]
    pub fn hello(&self) -> wire::Hello {
        let charter = load_charter(&self.node.home).unwrap();
        wire::Hello {
            major: entente_proto::sync::MAJOR,
            minor: entente_proto::sync::MINOR,
            network: NAME.to_owned(),
            unit: self.node.unit.to_string(),
            charter_version: charter.version().into(),
            charter_digest: charter.digest().0.to_vec(),
            time_ms: now_ms(),
            recovering: false,
            rebuilding: false,
            instance: vec![7; 16],
            dialled: true,
            release: "a test".to_owned(),
            yours_ahead_ms: None,
        }
    }

    /// Opens a stream to a node, and says nothing yet.
    pub async fn dial(&self, unit: &str) -> Stream {
        let to = self.network.node(unit);
        let channel = Caller::node(self.node).connect(self.network, unit, &to.address).await.unwrap();
        let (out, frames) = mpsc::channel(4);
        let mut grpc = tonic::client::Grpc::new(channel).max_decoding_message_size(FRAME_BYTES_MAX);
        grpc.ready().await.unwrap();
        let path = PathAndQuery::from_static("/entente.v1.Peer/Sync");
        let answer = grpc.streaming(Request::new(ReceiverStream::new(frames)), path, Raw).await.unwrap();
        Stream { out, frames: answer.into_inner() }
    }

    /// Opens a stream and greets.
    pub async fn greet(&self, unit: &str) -> Stream {
        let stream = self.dial(unit).await;
        stream.send(Inner::Hello(self.hello())).await;
        stream
    }

    /// Opens a stream, greets, and says that it holds these heads and nothing else.
    pub async fn tell(&self, unit: &str, heads: Vec<wire::Head>) -> Stream {
        let stream = self.greet(unit).await;
        stream.send(Inner::Heads(wire::Heads { heads, full: true, ..wire::Heads::default() })).await;
        stream
    }
}

/// One end of a sync stream.
#[derive(Debug)]
pub struct Stream {
    out: mpsc::Sender<Bytes>,
    frames: Streaming<wire::Frame>,
}

impl Stream {
    /// Sends a frame. One that comes too late, since the stream has ended, is lost.
    pub async fn send(&self, frame: Inner) {
        self.send_bytes(wire::Frame { frame: Some(frame) }.encode_to_vec().into()).await;
    }

    /// Sends these bytes as a frame.
    pub async fn send_bytes(&self, bytes: Bytes) {
        let _ = timeout(PATIENCE, self.out.send(bytes)).await.expect("the node takes what is sent");
    }

    /// Sends these bytes as a frame, unless the node takes nothing for so long; then gives `false`.
    pub async fn try_send_bytes(&self, bytes: Bytes, patience: Duration) -> bool {
        matches!(timeout(patience, self.out.send(bytes)).await, Ok(Ok(())))
    }

    /// The next frame; the end of the stream as an error, with the node's words if it said any.
    ///
    /// # Errors
    /// The status with which the stream ended.
    pub async fn next(&mut self) -> Result<Inner, Status> {
        let next = timeout(PATIENCE, self.frames.message()).await.expect("the node says something");
        match next? {
            Some(frame) => Ok(frame.frame.expect("the node sends whole frames")),
            None => Err(Status::ok("")),
        }
    }

    /// Reads until a frame is what the test looks for. Panics if the stream ends before.
    pub async fn find<T>(&mut self, look: impl Fn(Inner) -> Option<T>) -> T {
        loop {
            let frame = self.next().await.expect("the stream goes on");
            if let Some(found) = look(frame) {
                return found;
            }
        }
    }

    /// Reads until the node ends the stream, and gives the word that it said.
    pub async fn closed(&mut self) -> String {
        loop {
            if let Err(status) = self.next().await {
                return status.message().to_owned();
            }
        }
    }

    /// The bounded want for a unit's log, when the node sends it.
    pub async fn want(&mut self, unit: &str) -> wire::Want {
        self.find(|frame| match frame {
            Inner::Want(want) if want.unit == unit && want.count > 0 => Some(want),
            _ => None,
        })
        .await
    }

    /// Fetches the whole of a unit's log from the node, as an honest partner would. Fewer than 256 entries.
    pub async fn fetch(&mut self, unit: &str) -> Fetched {
        let note = self
            .find(|frame| match frame {
                Inner::Heads(heads) => heads.heads.into_iter().find(|head| head.unit == unit).and_then(|head| {
                    let newest = if head.newest.is_empty() { head.certified } else { head.newest };
                    (!newest.is_empty()).then_some(newest)
                }),
                _ => None,
            })
            .await;
        let text = Note::parse(&note, NOTE_BYTES_MAX).unwrap();
        let size: u64 = text.text().lines().nth(1).unwrap().parse().unwrap();
        let want = wire::Want {
            unit: unit.to_owned(),
            from: 0,
            count: size,
            under: size,
            max_bytes: 1 << 20,
            ..wire::Want::default()
        };
        self.send(Inner::Want(want)).await;
        let outline = self
            .find(|frame| match frame {
                Inner::Outline(outline) if outline.unit == unit => Some(outline),
                _ => None,
            })
            .await;
        let bundle = self
            .find(|frame| match frame {
                Inner::Bundle(bundle) if bundle.unit == unit && bundle.done => Some(bundle),
                _ => None,
            })
            .await;
        let Some(wire::bundle::Body::Raw(raw)) = bundle.body else { panic!("a raw body") };
        let entries = Run::new(raw).collect::<Result<_, _>>().unwrap();
        Fetched { unit: unit.to_owned(), size, note, outline, entries }
    }
}

/// A log as one node gave it.
#[derive(Debug, Clone)]
pub struct Fetched {
    /// Whose log.
    pub unit: String,
    /// Its size.
    pub size: u64,
    /// The note of its newest checkpoint.
    pub note: Vec<u8>,
    /// Its level-1 hashes.
    pub outline: wire::Outline,
    /// Its entries.
    pub entries: Vec<Entry>,
}

impl Fetched {
    /// The head that tells of it.
    #[must_use]
    pub fn head(&self) -> wire::Head {
        wire::Head { unit: self.unit.clone(), newest: self.note.clone(), ..wire::Head::default() }
    }

    /// Answers the node's want for the rest of it with this outline, and with a bundle whose body is these bytes. The body
    /// may begin with what the node has already: nodes skip that.
    pub async fn serve(&self, to: &mut Stream, body: Vec<u8>) {
        let want = to.want(&self.unit).await;
        assert_eq!((want.from + want.count, want.under), (self.size, self.size));
        to.send(Inner::Outline(self.outline.clone())).await;
        to.send(Inner::Bundle(bundle(&self.unit, 0, body))).await;
    }
}

/// The bytes of a run of entries.
#[must_use]
pub fn run_of(entries: &[Entry]) -> Vec<u8> {
    let mut out = Vec::new();
    entries.iter().for_each(|entry| entry::encode(entry, &mut out));
    out
}

/// The last bundle of a want.
#[must_use]
pub fn bundle(unit: &str, from: u64, body: Vec<u8>) -> wire::Bundle {
    wire::Bundle {
        unit: unit.to_owned(),
        from,
        size: u32::try_from(body.len()).unwrap(),
        body: Some(wire::bundle::Body::Raw(body.into())),
        done: true,
        ..wire::Bundle::default()
    }
}

/// A checkpoint of a unit's log, signed by whatever key is given under that key's own name.
#[must_use]
pub fn signed(size: u64, root: Hash, signer: &dyn Signer) -> Vec<u8> {
    let checkpoint = Checkpoint { origin: signer.key().name().clone(), size: Size::new(size).unwrap(), root };
    CosignedCheckpoint::new(SignedCheckpoint::sign(checkpoint, signer).unwrap()).to_note(&Default::default())
}

/// The name of a unit's log.
#[must_use]
pub fn log_name(unit: &str) -> KeyName {
    KeyName::log(&NAME.parse().unwrap(), &unit.parse().unwrap())
}

/// Sends bytes as they are, and receives frames.
#[derive(Debug, Clone, Copy)]
struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = wire::Frame;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        *self
    }

    fn decoder(&mut self) -> Self {
        *self
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        out.put(item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = wire::Frame;
    type Error = Status;

    fn decode(&mut self, bytes: &mut DecodeBuf<'_>) -> Result<Option<wire::Frame>, Status> {
        wire::Frame::decode(bytes).map(Some).map_err(|e| Status::internal(e.to_string()))
    }
}
