use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use entente_proto::ids::Size;
use entente_proto::note::{Algorithm, MemorySigner, Signer as _};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::Semaphore;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::call::{Answer, Caller};
use super::keeper::NotSigned;
use super::logs::Logs;
use super::server::{Judges, Patience, serve_by};
use crate::config::Ask;

/// A witness that answers each connection with these bytes, again and again if they are to have no end, and tells what it
/// read of the request.
fn saying(answer: &str, endless: bool) -> (SocketAddr, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, answer) = (listener.local_addr().unwrap(), answer.as_bytes().to_owned());
    let (told, heard) = channel();
    std::thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            let mut request = vec![0; 4_096];
            let read = stream.read(&mut request).unwrap_or(0);
            let _ = told.send(String::from_utf8_lossy(&request[..read]).into_owned());
            while stream.write_all(&answer).is_ok() && endless {}
        }
    });
    (address, heard)
}

async fn call(address: SocketAddr, path: &str) -> Result<Answer, String> {
    let name = "witness.example/w1".parse().unwrap();
    let vkey = MemorySigner::from_seed(name, Algorithm::Cosignature, &[1; 32]).unwrap().key().clone();
    let ask = Ask { url: format!("http://{address}{path}").parse().unwrap(), vkey, ca: None };
    Caller::new(&ask, std::path::Path::new("/")).unwrap().call(b"old 0\n\n".to_vec()).await
}

fn http(head: &str, body: &str) -> String {
    format!("HTTP/1.1 {head}\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

#[tokio::test]
async fn a_call_goes_to_the_prefix_and_its_answer_is_taken() {
    for (path, expected) in [("", "/add-checkpoint"), ("/", "/add-checkpoint"), ("/a/b/", "/a/b/add-checkpoint")] {
        let (address, heard) = saying(&http("200 OK", "lines\n"), false);
        assert_eq!(call(address, path).await, Ok(Answer::Lines(b"lines\n".to_vec())));
        assert!(heard.recv().unwrap().starts_with(&format!("POST {expected} HTTP/1.1\r\n")));
    }
    let (address, _) = saying(&http("409 Conflict\r\nContent-Type: text/x.tlog.size", "5\n"), false);
    assert_eq!(call(address, "").await, Ok(Answer::Known(Size::new(5).unwrap())));
}

#[tokio::test]
async fn an_answer_of_another_kind_is_an_error_in_words() {
    for (head, body, words) in [
        ("409 Conflict\r\nContent-Type: text/plain", "5\n", "409"),
        ("409 Conflict\r\nContent-Type: text/x.tlog.size", "05\n", "409"),
        ("200 ", "x", ""),
        ("403 Forbidden", "no\u{1b}[31m key\n", "no [31m key"),
        ("500 Oops", &"long ".repeat(1_000), "500"),
    ] {
        let (address, _) = saying(&http(head, body), false);
        match call(address, "").await {
            Ok(Answer::Lines(lines)) => assert_eq!((head, lines), ("200 ", b"x".to_vec())),
            Ok(known) => panic!("{head}: {known:?}"),
            Err(error) => assert!(error.contains(words) && error.len() < 400 && !error.contains('\u{1b}'), "{error}"),
        }
    }
    let (address, _) = saying("this is no HTTP\r\n\r\n", false);
    assert!(call(address, "").await.is_err());
}

#[tokio::test]
async fn nobody_is_sent_on_to_another_place() {
    let (elsewhere, heard) = saying(&http("200 OK", "lines\n"), false);
    let (address, _) =
        saying(&http(&format!("307 Elsewhere\r\nLocation: http://{elsewhere}/add-checkpoint"), ""), false);
    let error = call(address, "").await.unwrap_err();
    assert!(error.contains("307"), "{error}");
    assert!(heard.try_recv().is_err(), "nobody called there");
}

#[tokio::test]
async fn an_answer_without_an_end_is_cut_off() {
    let chunk = format!("1000\r\n{}\r\n", "x".repeat(0x1000));
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let (address, _) = saying(&[head, &chunk.repeat(32)].concat(), true);
    let error = call(address, "").await.unwrap_err();
    assert!(error.contains("more than 65536 bytes"), "{error}");
}

#[test]
fn the_list_of_logs_is_read_again_when_it_changed_and_a_broken_one_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("logs");
    let key = |name: &str| {
        let signer = MemorySigner::from_seed(name.parse().unwrap(), Algorithm::Ed25519, &[1; 32]).unwrap();
        signer.key().to_string()
    };
    let logs = Logs::new(path.clone(), Some("own.example/BE".parse().unwrap()));
    let known = || logs.now().origins().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!((known(), logs.fault()), (vec![], None));
    std::fs::write(&path, format!("{}\n{}\n", key("log.example"), key("own.example/BE"))).unwrap();
    assert_eq!(known(), ["log.example"], "the own log is nobody's to witness here");
    std::fs::write(&path, format!("{}\nbroken\n", key("other.example"))).unwrap();
    assert_eq!(known(), ["log.example"]);
    assert!(logs.fault().unwrap().contains("line 2"), "{:?}", logs.fault());
    std::fs::write(&path, format!("{} a name\n", key("other.example"))).unwrap();
    assert_eq!((known(), logs.fault()), (vec!["a name".to_owned()], None));
}

/// Answers each call with what it sent, once it is let; tells first that it was called.
#[derive(Clone)]
struct Echo(Arc<Semaphore>, UnboundedSender<()>);

impl Judges for Echo {
    async fn add(&self, body: Vec<u8>) -> Result<String, NotSigned> {
        let _ = self.1.send(());
        let _let = self.0.acquire().await;
        Ok(String::from_utf8(body).unwrap())
    }
}

/// A listener that answers what it is asked as long as there are permits, with so many connections for one address; tells of
/// each call that it was given.
async fn echoing(share: usize, permits: usize) -> (SocketAddr, Arc<Semaphore>, UnboundedReceiver<()>) {
    // Nobody is cut off here for being slow.
    let long = Duration::from_secs(300);
    echoing_with(Patience { head: long, body: long, whole: long }, share, permits).await
}

async fn echoing_with(
    patience: Patience,
    share: usize,
    permits: usize,
) -> (SocketAddr, Arc<Semaphore>, UnboundedReceiver<()>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, semaphore) = (listener.local_addr().unwrap(), Arc::new(Semaphore::new(permits)));
    let (told, calls) = unbounded_channel();
    tokio::spawn(serve_by(listener, Echo(semaphore.clone(), told), None, share, patience, std::future::pending()));
    (address, semaphore, calls)
}

/// A connection from one of many addresses, that has sent this.
async fn from(of: u8, to: SocketAddr, bytes: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from(([127, 0, 7, of], 0))).unwrap();
    let mut stream = socket.connect(to).await.unwrap();
    stream.write_all(bytes.as_bytes()).await.unwrap();
    stream
}

fn post(body: &str) -> String {
    format!("POST /add-checkpoint HTTP/1.1\r\nHost: w\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

/// All that comes until the other side ends it.
async fn answered(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(30), stream.read_to_end(&mut answer)).await;
    // Whose connection is cut off may see it reset.
    let _ = read.expect("neither answered nor cut off");
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn honest_callers_are_served_while_others_hold_all_that_they_can() {
    let (address, _permits, _calls) = echoing(16, 1_000).await;
    // Every way to be slow: nothing, a part of a head, a part of a body; from so many addresses that they hold every place.
    let whole = post("all of it");
    let ways = ["", "POST /add-checkpoint HTTP/1.1\r\nHost: w\r\n", whole.strip_suffix("of it").unwrap()];
    let mut slow = Vec::new();
    for of in 0..20 {
        for way in ways.iter().cycle().take(16) {
            slow.push(from(of, address, way).await);
        }
    }
    for honest in 100..110 {
        let mut stream = from(honest, address, &post("honest")).await;
        let answer = answered(&mut stream).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.ends_with("\r\n\r\nhonest"), "{answer}");
    }
    // Also from an address of theirs.
    let mut stream = from(19, address, &post("among them")).await;
    assert!(answered(&mut stream).await.ends_with("among them"));
    // They hold what they can all the while: those had to go that were silent longest.
    assert_eq!(answered(&mut slow[0]).await, "");
    let mut byte = [0];
    let open = slow
        .iter()
        .filter(|stream| matches!(stream.try_read(&mut byte), Err(error) if error.kind() == io::ErrorKind::WouldBlock));
    assert!(open.count() > 100);
}

#[tokio::test]
async fn a_connection_carries_one_call_and_whoever_is_being_answered_is_not_cut_off() {
    let (address, permits, mut calls) = echoing(2, 0).await;
    // Two that were read, and wait for the journal.
    let mut read = [from(1, address, &post("one")).await, from(1, address, &post("two")).await];
    assert_eq!((calls.recv().await, calls.recv().await), (Some(()), Some(())));
    // A third from there has no place, and is turned away.
    let mut turned_away = from(1, address, "").await;
    assert_eq!(answered(&mut turned_away).await, "");
    permits.add_permits(1);
    for (stream, body) in read.iter_mut().zip(["one", "two"]) {
        let answer = answered(stream).await;
        assert!(answer.ends_with(body), "{answer:?}");
    }
    // What is sent after a call is not read.
    let mut stream = from(1, address, &[post("first"), post("second")].concat()).await;
    let answer = answered(&mut stream).await;
    assert!(answer.ends_with("first") && answer.to_lowercase().contains("connection: close"), "{answer}");
}

#[tokio::test]
async fn a_caller_who_is_too_slow_is_cut_off() {
    let short = Duration::from_millis(100);
    let head = "POST /add-checkpoint HTTP/1.1\r\nHost: w\r\nContent-Length: 9\r\n\r\n";
    let begun = [head, "all of"].concat();
    let long = Duration::from_secs(300);
    let slow = Patience { head: long, body: long, whole: long };
    for (patience, bytes, told) in [
        (Patience { head: short, ..slow }, "", None),
        (Patience { head: short, ..slow }, &head[..20], None),
        (Patience { body: short, ..slow }, &begun, Some("408")),
        (Patience { whole: short, ..slow }, &begun, None),
        (Patience { whole: short, ..slow }, "", None),
    ] {
        let (address, _permits, _calls) = echoing_with(patience, 16, 1).await;
        let answer = answered(&mut from(1, address, bytes).await).await;
        assert_eq!(answer.split(' ').nth(1), told, "{bytes:?}: {answer}");
    }
}
