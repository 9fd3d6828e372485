//! Weights from the Hugging Face hub, kept in the hub's own cache: `blobs/<sha256>`, a link to it at
//! `snapshots/<commit>/<file>`, and the commit in `refs/main`, under the lock that `huggingface_hub` takes too.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::Result;
use ureq::http::{HeaderMap, Uri};
use warmstart_schema::catalog::Pretrained;

use super::download::{Proof, Request, refused};
use super::error::FetchError;
use super::http::{Answer, Client, Method, Query, Token, parse, shown, text_of};
use super::progress::{Progress, wait};
use super::{Fetcher, Verify, lock};

const FILE: &str = "model.safetensors";
/// More than any classifier here weighs.
const MAX_BYTES: u64 = 1 << 30;
/// How often to ask again after a failure that may pass.
const RETRIES: u32 = 4;

/// What the hub says of a file.
#[derive(Debug, Default, PartialEq, Eq)]
struct FileState {
    commit: String,
    sha256: String,
    bytes: u64,
}

/// Fetches a backbone's weights into the hub's cache; its path there.
pub(super) fn fetch(
    fetcher: &mut Fetcher,
    pretrained: &Pretrained,
    verify: Verify,
) -> Result<PathBuf> {
    let hub = pretrained.hub;
    let help = format!(
        "set HF_ENDPOINT to a mirror of the hub, HF_TOKEN for a private repository, or put {FILE} of {hub} where \
         `warmstart doctor` looks, as {}",
        pretrained.file_name()
    );
    fetch_into(fetcher, hub, verify)
        .map_err(|error| error.for_user(&format!("{FILE} of {hub}"), help))
}

fn fetch_into(fetcher: &mut Fetcher, hub: &str, verify: Verify) -> Result<PathBuf, FetchError> {
    let Fetcher {
        places,
        sources,
        progress,
    } = fetcher;
    let endpoint = parse(&sources.endpoint).ok_or_else(|| {
        FetchError::permanent(
            "HF_ENDPOINT is no address: expected http:// or https:// and a host".to_owned(),
        )
    })?;
    let token = sources
        .token
        .clone()
        .map(|secret| Token::new(secret, &endpoint));
    if let Some(why) = &sources.unread_token {
        progress.note(why);
    }
    let client = Client::new(sources.timeouts)?;
    let base = format!("{}/{hub}/resolve", sources.endpoint);
    let stated = state(&client, &address(&base, "main")?, token.as_ref(), *progress)?;
    let folder = format!("models--{}", hub.replace('/', "--"));
    let repo = places.hub.join(&folder);
    let blob = repo.join("blobs").join(&stated.sha256);
    let disk = |error| FetchError::write(&repo, error);
    let _lock = lock::take(
        &places
            .hub
            .join(".locks")
            .join(&folder)
            .join(format!("{}.lock", stated.sha256)),
        hub,
        *progress,
    )?;
    fs::create_dir_all(repo.join("blobs")).map_err(disk)?;
    if !blob.is_file() {
        let part = blob.with_extension("incomplete");
        let url = address(&base, &stated.commit)?;
        progress.note(&format!("downloading {hub} from {}", shown(&url)));
        let proof = Proof::Sha256(stated.sha256.clone());
        Request {
            what: hub,
            url,
            bytes: stated.bytes,
            proof,
            part: &part,
            token: token.as_ref(),
        }
        .fetch(&client, *progress)?;
        if let Err(error) = verify(&part) {
            fs::remove_file(&part).map_err(disk)?;
            return Err(FetchError::permanent(format!("{error:#}")));
        }
        fs::rename(&part, &blob).map_err(disk)?;
    }
    publish(&repo, &stated).map_err(disk)
}

fn address(base: &str, revision: &str) -> Result<Uri, FetchError> {
    let url = format!("{base}/{revision}/{FILE}");
    parse(&url).ok_or_else(|| {
        FetchError::permanent(format!(
            "{} is no address",
            warmstart_schema::text::line(&url, 200)
        ))
    })
}

/// Links the blob where it is looked for, the name of the branch last.
fn publish(repo: &Path, stated: &FileState) -> std::io::Result<PathBuf> {
    let snapshot = repo.join("snapshots").join(&stated.commit);
    fs::create_dir_all(&snapshot)?;
    let (path, blob) = (snapshot.join(FILE), repo.join("blobs").join(&stated.sha256));
    if !path.is_file() {
        // A link to a blob that is gone.
        let _ = fs::remove_file(&path);
        if symlink(Path::new("../../blobs").join(&stated.sha256), &path).is_err() {
            // Some file systems have no links; `huggingface_hub` moves the file there too.
            fs::rename(blob, &path)?;
        }
    }
    let refs = repo.join("refs");
    fs::create_dir_all(&refs)?;
    // Readable for all users of the cache, as its other files.
    fs::write(refs.join(".main.new"), &stated.commit)?;
    fs::rename(refs.join(".main.new"), refs.join("main"))?;
    Ok(path)
}

/// Asks the hub for the newest commit, and for size and digest of the file in it.
fn state(
    client: &Client,
    url: &Uri,
    token: Option<&Token>,
    progress: &mut dyn Progress,
) -> Result<FileState, FetchError> {
    let mut pause = client.timeouts.first_retry_delay;
    let mut retries = 0;
    loop {
        match ask(client, url, token, progress) {
            Err(FetchError::Transient { why, retry_after }) if retries < RETRIES => {
                retries += 1;
                let pause_for = retry_after
                    .unwrap_or(pause)
                    .min(client.timeouts.max_retry_delay);
                progress.note(&format!(
                    "{why}; trying again in {:.0} s",
                    pause_for.as_secs_f64().ceil()
                ));
                wait(pause_for, progress)?;
                pause *= 2;
            }
            other => return other,
        }
    }
}

fn ask(
    client: &Client,
    url: &Uri,
    token: Option<&Token>,
    progress: &dyn Progress,
) -> Result<FileState, FetchError> {
    let query = Query {
        url: url.clone(),
        method: Method::Head,
        headers: Vec::new(),
        token,
    };
    let mut first = None;
    // The hub states all this as it sends us on to where the bytes are; that place knows nothing of it.
    let answer = client.send(&query, progress, |headers| {
        first = stated(headers, true);
        first.is_some()
    })?;
    if let Some(stated) = first {
        return check(stated, url);
    }
    if answer.status != 200 {
        let trouble = refused(&answer, &shown(url));
        return Err(match trouble {
            FetchError::Permanent { .. } if matches!(answer.status, 401 | 403) => {
                denied(client, url, token, progress, &answer)
            }
            other => other,
        });
    }
    let stated = stated(&answer.headers, false).ok_or_else(|| {
        FetchError::permanent(format!(
            "{} does not say which commit, size and sha256 the file has, as the hub does",
            shown(url)
        ))
    })?;
    check(stated, url)
}

/// The hub refuses access: its reason, and what to do.
fn denied(
    client: &Client,
    url: &Uri,
    token: Option<&Token>,
    progress: &dyn Progress,
    answer: &Answer,
) -> FetchError {
    let said = answer
        .header("x-error-message")
        .or_else(|| body_error(client, url, token, progress));
    let code = answer.header("x-error-code");
    // `…/OWNER/NAME/resolve/main/FILE`
    let shown = shown(url);
    let page = shown
        .split_once("/resolve/")
        .map_or(shown.as_str(), |(page, _)| page);
    let why = said
        .as_deref()
        .map(|said| format!(": {}", said.trim_end_matches('.')))
        .unwrap_or_default();
    let about = said.as_deref().unwrap_or_default().to_lowercase();
    let is_gated = code.as_deref() == Some("GatedRepo")
        || about.contains("gated")
        || about.contains("restricted");
    let what_to_do = match (is_gated, token.is_some()) {
        (true, true) => format!("accept its conditions at {page} with the account of HF_TOKEN"),
        (true, false) => format!("accept its conditions at {page}, then set HF_TOKEN to a token of that account"),
        (false, true) => {
            "the repository is private, or does not exist; HF_TOKEN must be of an account that may read it".to_owned()
        }
        (false, false) => "the repository is private, or does not exist; HF_TOKEN opens a private one".to_owned(),
    };
    FetchError::permanent(format!(
        "{shown} answers {}{why}; {what_to_do}",
        answer.status
    ))
}

/// The reason in the body of an answer, which only a request for the whole has: `{"error": …}`.
fn body_error(
    client: &Client,
    url: &Uri,
    token: Option<&Token>,
    progress: &dyn Progress,
) -> Option<String> {
    const MOST: usize = 16 << 10;
    let query = Query {
        url: url.clone(),
        method: Method::Get,
        headers: Vec::new(),
        token,
    };
    let mut answer = client.send(&query, progress, |_| false).ok()?;
    if answer.status < 400 {
        return None;
    }
    let mut body = Vec::new();
    while let Ok(Some(bytes)) = answer.next_chunk(progress) {
        body.extend(bytes);
        if body.len() > MOST {
            return None;
        }
    }
    let error = serde_json::from_slice::<serde_json::Value>(&body).ok()?;
    let error = error
        .get("error")
        .or_else(|| error.get("message"))?
        .as_str()?;
    Some(warmstart_schema::text::line(error, 200)).filter(|error| !error.is_empty())
}

/// The metadata in the headers. Of a redirect, only those about its target.
fn stated(headers: &HeaderMap, is_redirect: bool) -> Option<FileState> {
    let one_of = |linked: &str, own: &str| {
        text_of(headers, linked).or_else(|| text_of(headers, own).filter(|_| !is_redirect))
    };
    let etag = one_of("x-linked-etag", "etag")?;
    Some(FileState {
        commit: text_of(headers, "x-repo-commit")?,
        sha256: etag.trim_start_matches("W/").trim_matches('"').to_owned(),
        bytes: one_of("x-linked-size", "content-length")?.parse().ok()?,
    })
}

/// Both become names of files here, so they must be what they should be.
fn check(stated: FileState, url: &Uri) -> Result<FileState, FetchError> {
    let is_hex = |text: &str, length| {
        text.len() == length && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    };
    let wrong = |what: &str| {
        Err(FetchError::permanent(format!(
            "{} states {what}",
            shown(url)
        )))
    };
    if !is_hex(&stated.commit, 40) {
        return wrong("no commit of 40 hexadecimal digits");
    }
    if !is_hex(&stated.sha256, 64) {
        return wrong("no sha256 of the file");
    }
    if stated.bytes == 0 || stated.bytes > MAX_BYTES {
        return wrong(&format!(
            "{} bytes, which no file of weights here has",
            stated.bytes
        ));
    }
    Ok(stated)
}
