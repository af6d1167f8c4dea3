//! One call to a witness.

use std::path::Path;
use std::time::Duration;

use entente_proto::ids::Size;
use entente_proto::limits::NOTE_BYTES_MAX;
use entente_proto::witness::{SIZE_TYPE, read_size};
use reqwest::header::CONTENT_TYPE;
use reqwest::{Certificate, Client, Response, StatusCode, Url, redirect};

use crate::config::Ask;
use crate::files::read_bounded;

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(5);
/// How long a call may take, its answer included.
const CALL: Duration = Duration::from_secs(20);
/// Largest file of an authority's certificate.
const CA_BYTES_MAX: usize = 64 << 10;
/// How much of what a witness says in words is shown, in characters.
const WORDS_MAX: usize = 160;

/// What a witness answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// Lines, of which one should be its word.
    Lines(Vec<u8>),
    /// It knows the log at another size.
    Known(Size),
}

/// Somebody who calls a witness.
#[derive(Debug)]
pub(super) struct Caller {
    client: Client,
    url: Url,
}

impl Caller {
    /// Whoever calls goes where the settings say: through no proxy that the environment names, and not on to where an answer
    /// sends it.
    ///
    /// # Errors
    /// In words: the authority's certificate, or TLS.
    pub(super) fn new(ask: &Ask, home: &Path) -> Result<Self, String> {
        let mut client = Client::builder()
            .no_proxy()
            .redirect(redirect::Policy::none())
            .connect_timeout(CONNECT)
            .timeout(CALL)
            .user_agent(concat!("entente/", env!("CARGO_PKG_VERSION")));
        if let Some(ca) = &ask.ca {
            let path = home.join(ca);
            let fault = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
            let pem = read_bounded(&path, CA_BYTES_MAX).map_err(|error| fault(&error))?;
            client = client.add_root_certificate(Certificate::from_pem(&pem).map_err(|error| fault(&error))?);
        }
        let client = client.build().map_err(|error| in_words(&error))?;
        let mut url = ask.url.clone();
        let path = format!("{}/add-checkpoint", url.path().trim_end_matches('/'));
        url.set_path(&path);
        Ok(Self { client, url })
    }

    /// Sends a call's body.
    ///
    /// # Errors
    /// In words, for the unit's own people.
    pub(super) async fn call(&self, body: Vec<u8>) -> Result<Answer, String> {
        let sent = self.client.post(self.url.clone()).body(body).send().await;
        let response = sent.map_err(|error| in_words(&error.without_url()))?;
        let (status, kind) = (response.status(), response.headers().get(CONTENT_TYPE).cloned());
        let body = bounded(response).await?;
        let known = kind.filter(|kind| kind.as_bytes() == SIZE_TYPE.as_bytes()).and_then(|_| read_size(&body));
        match (status, known) {
            (StatusCode::OK, _) => Ok(Answer::Lines(body)),
            (StatusCode::CONFLICT, Some(size)) => Ok(Answer::Known(size)),
            _ => Err(format!("it answers {status}: {}", shown(&body))),
        }
    }
}

/// The body of an answer, which may be no longer than a note.
async fn bounded(mut response: Response) -> Result<Vec<u8>, String> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| in_words(&error.without_url()))? {
        if body.len().saturating_add(chunk.len()) > NOTE_BYTES_MAX {
            return Err(format!("its answer has more than {NOTE_BYTES_MAX} bytes"));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// The beginning of what it said, on one line.
fn shown(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let text: String = text.chars().take(WORDS_MAX).map(|c| if c.is_control() { ' ' } else { c }).collect();
    text.trim().to_owned()
}

/// An error with its causes: the innermost says what to mend.
fn in_words(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |error| error.source());
    causes.fold(error.to_string(), |words, cause| format!("{words}: {cause}"))
}
