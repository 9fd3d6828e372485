//! One HTTP exchange: follows redirects, sends the token only to its own origin, and ends a wait at once when the run is stopped.

mod address;

use std::fmt;
use std::io::Read;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use ureq::http::{HeaderMap, Request, Uri};
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Body};

use self::address::redirected;
pub(super) use self::address::{parse, shown};
use super::error::FetchError;
use super::progress::Progress;

/// More than the hub and its content delivery need together.
const MAX_REDIRECTS: usize = 8;
/// Bytes read at once.
const CHUNK_BYTES: usize = 64 << 10;
/// How many chunks may wait between the network and the disk.
const MAX_WAITING_CHUNKS: usize = 8;
/// How often a wait looks whether it should end.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// The longest waits.
#[derive(Debug, Clone, Copy)]
pub struct Timeouts {
    /// Finding a host, and connecting to it.
    pub connect: Duration,
    /// Without a byte, also before the response begins.
    pub stall: Duration,
    /// Before the first retry; doubles with each further one.
    pub first_retry_delay: Duration,
    /// The longest that a server may make us wait by `Retry-After`.
    pub max_retry_delay: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(15),
            stall: Duration::from_secs(30),
            first_retry_delay: Duration::from_secs(1),
            max_retry_delay: Duration::from_mins(1),
        }
    }
}

/// Opens private repositories; sent to one origin only, and never printed.
#[derive(Clone)]
pub struct Token {
    secret: String,
    origin: Origin,
}

impl Token {
    /// A secret for the origin of `url` alone.
    pub fn new(secret: String, url: &Uri) -> Self {
        Self {
            secret,
            origin: Origin::of(url),
        }
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token(for {:?})", self.origin)
    }
}

/// Scheme, host and port.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Origin {
    scheme: String,
    host: String,
    port: u16,
}

impl Origin {
    fn of(url: &Uri) -> Self {
        let scheme = url.scheme_str().unwrap_or_default().to_ascii_lowercase();
        let port = url
            .port_u16()
            .unwrap_or(if scheme == "https" { 443 } else { 80 });
        Self {
            scheme,
            host: url.host().unwrap_or_default().to_ascii_lowercase(),
            port,
        }
    }
}

/// The client of all requests; proxies come from the environment.
#[derive(Debug, Clone)]
pub(super) struct Client {
    agent: Agent,
    pub timeouts: Timeouts,
}

impl Client {
    /// A client that trusts Mozilla's root certificates (webpki-roots), or those of the file named by `SSL_CERT_FILE`.
    pub(super) fn new(timeouts: Timeouts) -> Result<Self, FetchError> {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(concat!("warmstart/", env!("CARGO_PKG_VERSION")))
            .accept_encoding("identity")
            .tls_config(TlsConfig::builder().root_certs(roots()?).build())
            .timeout_resolve(Some(timeouts.connect))
            .timeout_connect(Some(timeouts.connect))
            .timeout_recv_response(Some(timeouts.stall))
            .timeout_per_read(Some(timeouts.stall))
            .build();
        Ok(Self {
            agent: config.into(),
            timeouts,
        })
    }

    /// Follows redirects and returns the first other answer. `is_enough` sees the headers of each redirect; if it returns true,
    /// that redirect is the answer.
    pub(super) fn send(
        &self,
        query: &Query,
        progress: &dyn Progress,
        mut is_enough: impl FnMut(&HeaderMap) -> bool,
    ) -> Result<Answer, FetchError> {
        let mut url = query.url.clone();
        for _ in 0..=MAX_REDIRECTS {
            let answer = self.exchange(query, &url, progress)?;
            let location = answer
                .headers
                .get("location")
                .and_then(|location| location.to_str().ok());
            let Some(location) =
                location.filter(|_| matches!(answer.status, 301 | 302 | 303 | 307 | 308))
            else {
                return Ok(answer);
            };
            if is_enough(&answer.headers) {
                return Ok(answer);
            }
            url = redirected(&url, location)?;
        }
        Err(FetchError::permanent(format!(
            "{} redirects more than {MAX_REDIRECTS} times",
            shown(&query.url)
        )))
    }

    fn exchange(
        &self,
        query: &Query,
        url: &Uri,
        progress: &dyn Progress,
    ) -> Result<Answer, FetchError> {
        let mut request = Request::builder()
            .method(match query.method {
                Method::Get => "GET",
                Method::Head => "HEAD",
            })
            .uri(url);
        for (name, value) in &query.headers {
            request = request.header(*name, value);
        }
        if let Some(token) = query.token.filter(|token| token.origin == Origin::of(url)) {
            request = request.header("authorization", format!("Bearer {}", token.secret));
        }
        // Only the token can be wrong. The builder's own message would repeat it.
        let request = request.body(()).map_err(|_| {
            FetchError::permanent(format!(
                "the token of HF_TOKEN, or of its file, holds a character that no request may hold: {}",
                shown(url)
            ))
        })?;
        let (sender, receiver) = sync_channel(MAX_WAITING_CHUNKS);
        let agent = self.agent.clone();
        // In a separate thread, because a name that does not resolve or a host that does not answer cannot be interrupted.
        std::thread::spawn(move || carry_out(&agent, request, &sender));
        let mut exchange = Exchange {
            receiver,
            timeouts: self.timeouts,
            address: shown(url),
        };
        match exchange.wait(progress)? {
            Message::Head(status, headers) => Ok(Answer {
                status,
                headers,
                exchange,
            }),
            _ => Err(FetchError::transient(format!(
                "{} answered nothing",
                exchange.address
            ))),
        }
    }
}

fn roots() -> Result<RootCerts, FetchError> {
    let Some(path) = std::env::var_os("SSL_CERT_FILE").filter(|path| !path.is_empty()) else {
        return Ok(RootCerts::WebPki);
    };
    let wrong = |why: &dyn fmt::Display| {
        FetchError::permanent(format!(
            "the file of SSL_CERT_FILE cannot be used: {why}: {}",
            path.display()
        ))
    };
    let pem = std::fs::read(&path).map_err(|error| wrong(&error))?;
    let certificate = |item| {
        if let Ok(PemItem::Certificate(found)) = item {
            Some(found)
        } else {
            None
        }
    };
    let found: Vec<Certificate<'static>> = parse_pem(&pem).filter_map(certificate).collect();
    if found.is_empty() {
        Err(wrong(&"it holds no certificate"))
    } else {
        Ok(RootCerts::from(found))
    }
}

/// How much of the answer to ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    Get,
    /// Only the headers.
    Head,
}

/// What to ask a server for.
#[derive(Debug)]
pub(super) struct Query<'a> {
    pub url: Uri,
    pub method: Method,
    pub headers: Vec<(&'static str, String)>,
    pub token: Option<&'a Token>,
}

/// The head of an answer; its body comes in pieces.
#[derive(Debug)]
pub(super) struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    exchange: Exchange,
}

impl Answer {
    /// A header's text, sanitized.
    pub(super) fn header(&self, name: &str) -> Option<String> {
        text_of(&self.headers, name)
    }

    /// The next piece of the body; none at its end.
    pub(super) fn next_chunk(
        &mut self,
        progress: &dyn Progress,
    ) -> Result<Option<Vec<u8>>, FetchError> {
        match self.exchange.wait(progress)? {
            Message::Chunk(bytes) => Ok(Some(bytes)),
            _ => Ok(None),
        }
    }
}

/// A header's text, sanitized.
pub(super) fn text_of(headers: &HeaderMap, name: &str) -> Option<String> {
    headers
        .get(name)?
        .to_str()
        .ok()
        .map(|text| warmstart_schema::text::line(text, 200))
}

#[derive(Debug)]
struct Exchange {
    receiver: Receiver<Message>,
    timeouts: Timeouts,
    address: String,
}

#[derive(Debug)]
enum Message {
    Head(u16, HeaderMap),
    Chunk(Vec<u8>),
    End,
    Failed(FetchError),
}

impl Exchange {
    fn wait(&mut self, progress: &dyn Progress) -> Result<Message, FetchError> {
        let began = Instant::now();
        // The client's own timeouts come first; this one is for what they do not cover.
        let longest = self.timeouts.connect * 2 + self.timeouts.stall * 2;
        loop {
            if progress.is_stopped() {
                return Err(FetchError::Stopped);
            }
            match self.receiver.recv_timeout(POLL_INTERVAL) {
                Ok(Message::Failed(trouble)) => return Err(trouble),
                Ok(message) => return Ok(message),
                Err(RecvTimeoutError::Timeout) if began.elapsed() < longest => {}
                Err(RecvTimeoutError::Timeout) => {
                    return Err(FetchError::transient(format!(
                        "{} does not answer",
                        self.address
                    )));
                }
                Err(RecvTimeoutError::Disconnected) => {
                    let why = format!("the connection to {} was lost", self.address);
                    return Err(FetchError::transient(why));
                }
            }
        }
    }
}

/// Carries out a request; ends early when nobody listens any more.
fn carry_out(agent: &Agent, request: Request<()>, sender: &SyncSender<Message>) {
    let address = shown(request.uri());
    let answer = match agent.run(request) {
        Ok(answer) => answer,
        Err(error) => {
            let _ = sender.send(Message::Failed(failed(&address, &error)));
            return;
        }
    };
    let (head, body) = answer.into_parts();
    if sender
        .send(Message::Head(head.status.as_u16(), head.headers))
        .is_err()
    {
        return;
    }
    let last = read(&address, body, sender).unwrap_or_else(Message::Failed);
    let _ = sender.send(last);
}

fn read(address: &str, body: Body, sender: &SyncSender<Message>) -> Result<Message, FetchError> {
    let mut reader = body.into_reader();
    loop {
        let mut chunk = vec![0; CHUNK_BYTES];
        let length = reader
            .read(&mut chunk)
            .map_err(|error| failed(address, &ureq::Error::from(error)))?;
        chunk.truncate(length);
        if length == 0 || sender.send(Message::Chunk(chunk)).is_err() {
            return Ok(Message::End);
        }
    }
}

/// What the client says went wrong; a wrong certificate is not retried.
fn failed(address: &str, error: &ureq::Error) -> FetchError {
    let is_certificate = is_certificate(error);
    let why = match error {
        other if is_certificate => {
            let said = warmstart_schema::text::line(&other.to_string(), 200);
            format!("{address}: {said} (SSL_CERT_FILE can name the certificates to trust)")
        }
        ureq::Error::HostNotFound => format!("{address}: the host is not found"),
        ureq::Error::Timeout(_) => format!("{address} does not answer"),
        other => format!(
            "{address}: {}",
            warmstart_schema::text::line(&other.to_string(), 200)
        ),
    };
    match error {
        _ if is_certificate => FetchError::permanent(why),
        ureq::Error::Tls(_)
        | ureq::Error::Rustls(_)
        | ureq::Error::BadUri(_)
        | ureq::Error::InvalidProxyUrl => FetchError::permanent(why),
        _ => FetchError::transient(why),
    }
}

/// Whether the server's certificate was refused. While a connection is read, rustls's errors arrive as errors of input and output.
fn is_certificate(error: &ureq::Error) -> bool {
    let said = match error {
        ureq::Error::Io(error) => error.get_ref().and_then(|inner| inner.downcast_ref()),
        ureq::Error::Rustls(error) => Some(error),
        _ => None,
    };
    matches!(said, Some(rustls::Error::InvalidCertificate(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_contain_no_secret() {
        let url = parse("https://user:secret@mirror.example/a?signature=secret").unwrap();
        assert_eq!(shown(&url), "https://mirror.example/a");
        assert!(!format!("{:?}", Token::new("secret".to_owned(), &url)).contains("secret"));
    }
}
