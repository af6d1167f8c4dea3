//! HTTP as the test wants it, right or wrong: a client that says what it is told, and a server that answers so.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;

/// What a server answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// The status.
    pub status: u16,
    /// The head, in lower case.
    pub head: String,
    /// The body.
    pub body: String,
}

/// Sends these very bytes and reads to the end; nothing if the connection breaks before an answer.
#[must_use]
pub fn send(address: &str, bytes: &[u8]) -> Option<Answered> {
    let mut stream = TcpStream::connect(address).ok()?;
    // Whoever has answered already may not read the rest.
    let _ = stream.write_all(bytes);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let answer = String::from_utf8(answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some(Answered { status, head: head.to_lowercase(), body: body.to_owned() })
}

/// Posts a body.
#[must_use]
pub fn post(address: &str, path: &str, body: &[u8]) -> Option<Answered> {
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    send(address, &[head.as_bytes(), body].concat())
}

/// What a server says to the body that was posted to a path: whole, with its head.
pub type Saying = dyn Fn(&str, &[u8]) -> Vec<u8> + Send + Sync;

/// Serves on a free port until the process ends, a thread for each connection; gives its address.
#[must_use]
pub fn serve(saying: Arc<Saying>) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        while let Ok((stream, _)) = listener.accept() {
            let saying = saying.clone();
            std::thread::spawn(move || answer(stream, &*saying));
        }
    });
    address
}

fn answer(mut stream: TcpStream, saying: &Saying) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let (mut path, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let line = line.trim().to_lowercase();
        match line.strip_prefix("content-length:") {
            _ if line.is_empty() => break,
            Some(number) => length = number.trim().parse().ok()?,
            None if path.is_empty() => path = line.split(' ').nth(1)?.to_owned(),
            None => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    stream.write_all(&saying(&path, &body)).ok()
}

/// An answer with its length.
#[must_use]
pub fn whole(head: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {head}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}
