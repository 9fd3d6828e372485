//! Downloads a file over HTTP: resumes a partial file, and proves its content before use.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::time::Duration;

use md5::Md5;
use sha2::{Digest, Sha256};
use ureq::http::Uri;
use warmstart_schema::event::FetchAction;

use super::error::FetchError;
use super::http::{Answer, Client, Method, Query, Token, shown};
use super::progress::{Progress, wait};

/// Failures in a row without progress that end a download; the next one resumes it.
const TRIES: u32 = 5;
/// Bytes that count as progress.
const PROGRESS_BYTES: u64 = 64 << 10;

/// What proves that a file is the right one, in hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Proof {
    Md5(String),
    Sha256(String),
}

impl Proof {
    /// The digest's name and value.
    pub(super) fn parts(&self) -> (&'static str, &str) {
        match self {
            Self::Md5(hex) => ("md5", hex),
            Self::Sha256(hex) => ("sha256", hex),
        }
    }

    /// The digest of a file, of the same kind.
    fn of(&self, path: &Path, progress: &dyn Progress) -> Result<String, FetchError> {
        match self {
            Self::Md5(_) => digest::<Md5>(path, progress),
            Self::Sha256(_) => digest::<Sha256>(path, progress),
        }
    }

    /// Whether a file is the right one; if not, the digest that it has.
    pub(super) fn check(
        &self,
        path: &Path,
        progress: &dyn Progress,
    ) -> Result<Result<(), String>, FetchError> {
        let found = self.of(path, progress)?;
        Ok(if found.eq_ignore_ascii_case(self.parts().1) {
            Ok(())
        } else {
            Err(found)
        })
    }
}

fn digest<D: Digest>(path: &Path, progress: &dyn Progress) -> Result<String, FetchError> {
    let mut file = File::open(path).map_err(|error| FetchError::read(path, error))?;
    let (mut hash, mut bytes) = (D::new(), vec![0; 1 << 20]);
    loop {
        if progress.is_stopped() {
            return Err(FetchError::Stopped);
        }
        match file
            .read(&mut bytes)
            .map_err(|error| FetchError::read(path, error))?
        {
            0 => return Ok(hex(&hash.finalize())),
            length => hash.update(&bytes[..length]),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

/// A file to fetch.
#[derive(Debug)]
pub(super) struct Request<'a> {
    /// Its name for messages.
    pub what: &'a str,
    pub url: Uri,
    pub bytes: u64,
    pub proof: Proof,
    /// Where it grows. Its name must say which content it is a part of.
    pub part: &'a Path,
    pub token: Option<&'a Token>,
}

/// The server's file, as known between two tries.
#[derive(Debug, Default)]
struct Seen {
    etag: Option<String>,
    /// Its answer to a request for a part was wrong, so the next request is for the whole file.
    no_ranges: bool,
}

/// Where an answer's body belongs.
enum Start {
    /// At the byte that was asked for.
    Here,
    AtZero,
    /// Nowhere: the partial file and the answer are of different files.
    Restart(String),
}

impl Request<'_> {
    /// Fetches what is still lacking, until `part` holds the whole, proven file. A wrong file is removed; a part of a right one stays
    /// for the next time.
    pub(super) fn fetch(
        &self,
        client: &Client,
        progress: &mut dyn Progress,
    ) -> Result<(), FetchError> {
        let mut from_before = self.length()? > 0;
        loop {
            let mut seen = Seen::default();
            let received = self.receive(client, progress, &mut seen);
            if received.is_err() && self.length()? == 0 {
                self.discard()?;
            }
            received?;
            let Err(found) = self.proof.check(self.part, progress)? else {
                return Ok(());
            };
            self.discard()?;
            let (kind, expected) = self.proof.parts();
            if !from_before {
                return Err(FetchError::permanent(format!(
                    "{} from {} has the {kind} {found}, expected {expected}: it is not the published file",
                    self.what,
                    shown(&self.url)
                )));
            }
            progress.note(&format!(
                "what was left of an earlier download of {} did not fit; starting over",
                self.what
            ));
            from_before = false;
        }
    }

    fn length(&self) -> Result<u64, FetchError> {
        match std::fs::metadata(self.part) {
            Ok(meta) => Ok(meta.len()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
            Err(error) => Err(FetchError::write(self.part, error)),
        }
    }

    fn discard(&self) -> Result<(), FetchError> {
        match std::fs::remove_file(self.part) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(FetchError::write(self.part, error))
            }
            _ => Ok(()),
        }
    }

    /// Tries until the part is as long as it has to be.
    fn receive(
        &self,
        client: &Client,
        progress: &mut dyn Progress,
        seen: &mut Seen,
    ) -> Result<(), FetchError> {
        let (mut failures, mut pause) = (0, client.timeouts.first_retry_delay);
        loop {
            let before = self.length()?;
            if before == self.bytes {
                return Ok(());
            }
            let (why, retry_after) = match self.attempt(client, progress, seen) {
                Ok(()) => return Ok(()),
                Err(FetchError::Transient { why, retry_after }) => (why, retry_after),
                Err(other) => return Err(other),
            };
            if self.length()? >= before + PROGRESS_BYTES {
                (failures, pause) = (0, client.timeouts.first_retry_delay);
            }
            failures += 1;
            if failures == TRIES {
                let kept = self.length()?;
                let text = format!(
                    "{why} ({TRIES} tries; {kept} of {} bytes are here and kept)",
                    self.bytes
                );
                return Err(FetchError::permanent(text));
            }
            let pause_for = retry_after
                .unwrap_or(pause)
                .min(client.timeouts.max_retry_delay);
            progress.note(&format!(
                "{}: {why}; trying again in {:.0} s",
                self.what,
                pause_for.as_secs_f64().ceil()
            ));
            wait(pause_for, progress)?;
            pause *= 2;
        }
    }

    /// One request and its result.
    fn attempt(
        &self,
        client: &Client,
        progress: &mut dyn Progress,
        seen: &mut Seen,
    ) -> Result<(), FetchError> {
        let mut file = self.open()?;
        let disk = |error| FetchError::write(self.part, error);
        let mut at = file.metadata().map_err(disk)?.len();
        if at > self.bytes || seen.no_ranges {
            file.set_len(0).map_err(disk)?;
            at = 0;
        }
        let mut headers = Vec::new();
        if at > 0 {
            headers.push(("range", format!("bytes={at}-")));
            headers.extend(seen.etag.clone().map(|etag| ("if-range", etag)));
        }
        let query = Query {
            url: self.url.clone(),
            method: Method::Get,
            headers,
            token: self.token,
        };
        let mut answer = client.send(&query, progress, |_| false)?;
        match self.start(&answer, at, seen)? {
            Start::Here => {}
            Start::AtZero => {
                file.set_len(0).map_err(disk)?;
                at = 0;
            }
            Start::Restart(why) => {
                file.set_len(0).map_err(disk)?;
                return Err(FetchError::Transient {
                    why,
                    retry_after: Some(Duration::ZERO),
                });
            }
        }
        file.seek(SeekFrom::Start(at)).map_err(disk)?;
        progress.progress(FetchAction::Download, self.what, at, self.bytes);
        while let Some(bytes) = answer.next_chunk(progress)? {
            at += bytes.len() as u64;
            if at > self.bytes {
                self.discard()?;
                return Err(FetchError::permanent(format!(
                    "{} sends more than the {} bytes that it should be",
                    shown(&self.url),
                    self.bytes
                )));
            }
            file.write_all(&bytes).map_err(disk)?;
            progress.progress(FetchAction::Download, self.what, at, self.bytes);
        }
        if at < self.bytes {
            let why = format!(
                "{} broke off after {at} of {} bytes",
                shown(&self.url),
                self.bytes
            );
            return Err(FetchError::transient(why));
        }
        file.sync_all().map_err(disk)
    }

    fn open(&self) -> Result<File, FetchError> {
        OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(self.part)
            .map_err(|error| FetchError::write(self.part, error))
    }

    /// Where the answer's body belongs.
    fn start(&self, answer: &Answer, at: u64, seen: &mut Seen) -> Result<Start, FetchError> {
        let host = shown(&self.url);
        if answer
            .header("content-encoding")
            .is_some_and(|encoding| encoding != "identity")
        {
            return Err(FetchError::permanent(format!(
                "{host} sends the file in an encoding that was not asked for"
            )));
        }
        // A weak one says only that two files mean the same, not that their bytes fit together.
        let etag = answer.header("etag").filter(|etag| !etag.starts_with("W/"));
        let has_changed = seen.etag.is_some() && etag.is_some() && seen.etag != etag;
        match answer.status {
            200 => {
                seen.etag = etag;
                let length = answer
                    .header("content-length")
                    .and_then(|length| length.parse::<u64>().ok());
                let kind = answer.header("content-type").unwrap_or_default();
                match length {
                    // It may be the login page of a network, so the partial file stays.
                    Some(length) if length != self.bytes => Err(self.wrong_length(length)),
                    None if kind.starts_with("text/html") => Err(FetchError::permanent(format!(
                        "{host} sends a web page: it is not the published file"
                    ))),
                    _ => Ok(Start::AtZero),
                }
            }
            206 => {
                let range = answer
                    .header("content-range")
                    .and_then(|range| content_range(&range));
                if let Some(total) = range
                    .and_then(|(_, total)| total)
                    .filter(|&total| total != self.bytes)
                {
                    self.discard()?;
                    return Err(self.wrong_length(total));
                }
                if has_changed || range.is_none_or(|(start, _)| start != at) {
                    seen.no_ranges = !has_changed;
                    seen.etag = None;
                    let why = if has_changed {
                        "changed its file"
                    } else {
                        "sent another part than asked for"
                    };
                    return Ok(Start::Restart(format!("{host} {why}")));
                }
                seen.etag = etag.or(seen.etag.take());
                Ok(Start::Here)
            }
            416 if at > 0 => {
                seen.no_ranges = true;
                Ok(Start::Restart(format!("{host} has no such part")))
            }
            _ => Err(refused(answer, &host)),
        }
    }

    fn wrong_length(&self, found: u64) -> FetchError {
        let host = shown(&self.url);
        FetchError::permanent(format!(
            "{host} offers {found} bytes, expected {}: it is not the published file",
            self.bytes
        ))
    }
}

/// What an answer without content means.
pub(super) fn refused(answer: &Answer, host: &str) -> FetchError {
    let status = answer.status;
    let asked = answer
        .header("retry-after")
        .and_then(|after| retry_after(&after));
    match status {
        408 | 425 | 429 | 500..=599 => FetchError::Transient {
            why: format!("{host} answers {status}"),
            retry_after: asked,
        },
        401 | 403 => FetchError::permanent(format!("{host} answers {status}: access is refused")),
        404 | 410 => {
            FetchError::permanent(format!("{host} answers {status}: there is no such file"))
        }
        _ => FetchError::permanent(format!("{host} answers {status}")),
    }
}

/// Seconds, or a date.
fn retry_after(text: &str) -> Option<Duration> {
    if let Ok(seconds) = text.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let until = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
    Some(
        until
            .duration_since(jiff::Timestamp::now())
            .try_into()
            .unwrap_or_default(),
    )
}

/// First byte and whole length of `bytes 0-99/1000`.
fn content_range(text: &str) -> Option<(u64, Option<u64>)> {
    let (range, total) = text.strip_prefix("bytes ")?.split_once('/')?;
    let start = range.split_once('-')?.0.trim().parse().ok()?;
    Some((start, total.trim().parse().ok()))
}
