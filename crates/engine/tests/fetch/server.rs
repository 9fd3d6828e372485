//! A small HTTP server on loopback that gives the answers a test needs, wrong ones included.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A request that the server received.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seen {
    pub method: String,
    pub path: String,
    /// Names in lower case.
    pub headers: BTreeMap<String, String>,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// The first byte of the requested range.
    pub(crate) fn from(&self) -> Option<usize> {
        self.header("range")?
            .strip_prefix("bytes=")?
            .strip_suffix('-')?
            .parse()
            .ok()
    }
}

/// An answer, right or wrong.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    /// Close the connection after this many bytes of the body.
    cut: Option<usize>,
    /// Stall at that point instead of closing the connection.
    stalls: bool,
    has_length: bool,
}

impl Reply {
    pub(crate) fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self {
            status,
            body: body.into(),
            ..Self::default()
        }
    }

    /// The right answer to a request for a file: all of it, or the requested range.
    pub(crate) fn file(seen: &Seen, bytes: &[u8], etag: &str) -> Self {
        let is_same = seen.header("if-range").is_none_or(|tag| tag == etag);
        let whole = || Self::new(200, bytes).with("etag", etag);
        match seen.from().filter(|_| is_same) {
            None => whole(),
            Some(from) if from < bytes.len() => {
                Self::new(206, &bytes[from..]).with("etag", etag).with(
                    "content-range",
                    &format!("bytes {from}-{}/{}", bytes.len() - 1, bytes.len()),
                )
            }
            Some(_) => {
                Self::new(416, "").with("content-range", &format!("bytes */{}", bytes.len()))
            }
        }
    }

    pub(crate) fn redirect(status: u16, to: &str) -> Self {
        Self::new(status, "elsewhere").with("location", to)
    }

    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.has_length |= name == "content-length" || name == "transfer-encoding";
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn cut_after(mut self, bytes: usize) -> Self {
        self.cut = Some(bytes);
        self
    }

    pub(crate) fn stalling_after(mut self, bytes: usize) -> Self {
        self.stalls = true;
        self.cut_after(bytes)
    }
}

type Handler = dyn Fn(&Seen, usize) -> Reply + Send + Sync;

/// Serves until it is dropped.
pub(crate) struct Server {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    ends: Arc<AtomicBool>,
}

impl Server {
    /// Answers each request with `handler`, which also gets the number of earlier requests.
    pub(crate) fn new(handler: impl Fn(&Seen, usize) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (seen, ends) = (
            Arc::new(Mutex::new(Vec::new())),
            Arc::new(AtomicBool::new(false)),
        );
        let (log, over, handler) = (
            Arc::clone(&seen),
            Arc::clone(&ends),
            Arc::<Handler>::from(Box::new(handler) as Box<Handler>),
        );
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if over.load(Ordering::Relaxed) {
                    return;
                }
                let (log, over, handler) =
                    (Arc::clone(&log), Arc::clone(&over), Arc::clone(&handler));
                // Some tests close the connection early: that is no error here.
                std::thread::spawn(move || drop(serve(stream, &log, &over, &*handler)));
            }
        });
        Self {
            address,
            seen,
            ends,
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The same server under another host name, so a client sees another host.
    pub(crate) fn other_name(&self) -> String {
        format!("http://localhost:{}", self.address.port())
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        // Wakes the listener up.
        let _ = TcpStream::connect(self.address);
    }
}

fn serve(
    stream: TcpStream,
    log: &Mutex<Vec<Seen>>,
    over: &AtomicBool,
    handler: &Handler,
) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let first = whole_line(&mut reader)?;
    let mut words = first.split_whitespace().map(str::to_owned);
    let mut seen = Seen {
        method: words.next().unwrap_or_default(),
        path: words.next().unwrap_or_default(),
        ..Seen::default()
    };
    loop {
        let line = whole_line(&mut reader)?;
        let Some((name, value)) = line.trim().split_once(':') else {
            break;
        };
        seen.headers
            .insert(name.to_lowercase(), value.trim().to_owned());
    }
    let number = {
        let mut log = log.lock().unwrap();
        log.push(seen.clone());
        log.len() - 1
    };
    answer(stream, &seen, &handler(&seen, number), over)
}

/// A line of a request. A client that is killed leaves a part of a request, which is none.
fn whole_line(reader: &mut impl BufRead) -> std::io::Result<String> {
    let mut line = String::new();
    reader.read_line(&mut line)?;
    if line.ends_with('\n') {
        Ok(line)
    } else {
        Err(std::io::ErrorKind::UnexpectedEof.into())
    }
}

fn answer(
    mut stream: TcpStream,
    seen: &Seen,
    reply: &Reply,
    over: &AtomicBool,
) -> std::io::Result<()> {
    write!(
        stream,
        "HTTP/1.1 {} Reply\r\nconnection: close\r\n",
        reply.status
    )?;
    if !reply.has_length {
        write!(stream, "content-length: {}\r\n", reply.body.len())?;
    }
    for (name, value) in &reply.headers {
        write!(stream, "{name}: {value}\r\n")?;
    }
    stream.write_all(b"\r\n")?;
    if seen.method == "HEAD" {
        return Ok(());
    }
    stream.write_all(&reply.body[..reply.cut.unwrap_or(reply.body.len()).min(reply.body.len())])?;
    while reply.stalls && !over.load(Ordering::Relaxed) {
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}
