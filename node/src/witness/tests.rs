use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc::{Receiver, channel};

use entente_proto::ids::Size;
use entente_proto::note::{Algorithm, MemorySigner, Signer as _};

use super::call::{Answer, Caller};
use super::logs::Logs;
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
