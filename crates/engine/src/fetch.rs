//! What a run needs and the machine lacks: published datasets and pretrained weights, fetched, proven and put where they are looked
//! for. No tensors here: the caller says whether a file of weights fits a model.

mod archive;
mod download;
mod error;
mod http;
mod hub;
mod lock;
mod progress;
mod published;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::Result;
use warmstart_runs::search_paths::{SearchPaths, hugging_face_home};
use warmstart_schema::catalog::{CIFAR_URL, DatasetName, Pretrained};
use warmstart_schema::text;

use self::download::{Proof, Request};
use self::error::FetchError;
pub use self::error::Stopped;
use self::http::{Client, parse, shown};
pub use self::http::{Timeouts, Token};
pub use self::progress::Progress;
pub use self::published::Published;
use crate::failure::UserError;
use crate::unsupported;

const HUB: &str = "https://huggingface.co";

/// Where things are fetched from, and how patiently.
#[derive(Debug, Clone)]
pub struct Sources {
    /// Folder of the datasets' archives.
    pub mirror: String,
    /// The hub that has the weights.
    pub endpoint: String,
    /// For private repositories of the hub.
    pub token: Option<String>,
    /// Why the file of the token cannot be read.
    pub unread_token: Option<String>,
    pub timeouts: Timeouts,
}

impl Sources {
    /// Read from the environment: `WARMSTART_MIRROR`, `HF_ENDPOINT`, `HF_TOKEN`, `HF_TOKEN_PATH`, `HF_HOME`.
    pub fn from_env() -> Self {
        let var = |name: &str| {
            std::env::var(name)
                .ok()
                .map(|value| value.trim().to_owned())
                .filter(|v| !v.is_empty())
        };
        let base = |name: &str, usual: &str| {
            var(name)
                .unwrap_or_else(|| usual.to_owned())
                .trim_end_matches('/')
                .to_owned()
        };
        let file = || {
            let path = var("HF_TOKEN_PATH")
                .map_or_else(|| hugging_face_home().join("token"), PathBuf::from);
            token_in(&path)
        };
        let token = var("HF_TOKEN").map_or_else(file, |token| Ok(Some(token)));
        let (token, unread_token) = match token {
            Ok(token) => (token, None),
            Err(why) => (None, Some(why)),
        };
        Self {
            mirror: base("WARMSTART_MIRROR", CIFAR_URL),
            endpoint: base("HF_ENDPOINT", HUB),
            token,
            unread_token,
            timeouts: Timeouts::default(),
        }
    }
}

/// The token in a file; none if the file is empty or not there. The error says why it cannot be read.
fn token_in(path: &Path) -> Result<Option<String>, String> {
    match fs::read_to_string(path) {
        Ok(token) => Ok(Some(token.trim().to_owned()).filter(|token| !token.is_empty())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => {
            let path = text::line(&path.display().to_string(), 300);
            Err(format!(
                "the hub is asked without a token, because its file cannot be read: {error}: {path}"
            ))
        }
    }
}

/// Checks that a file of weights can be used; only code that knows tensors can say.
pub type Verify<'a> = &'a dyn Fn(&Path) -> Result<()>;

/// Downloads what is missing.
pub struct Fetcher<'a> {
    pub places: &'a SearchPaths,
    pub sources: &'a Sources,
    pub progress: &'a mut dyn Progress,
}

impl Fetcher<'_> {
    /// The folder of a dataset's published files, which are unpacked or fetched if need be; nothing for the embedded one.
    pub fn dataset(&mut self, name: DatasetName, path: Option<&Path>) -> Result<Option<PathBuf>> {
        let (Some((train, test)), Some(folder), Some(archive)) =
            (name.files(), name.folder(), name.archive())
        else {
            return Ok(None);
        };
        if let Ok(found) = self.places.find_dataset(name, path) {
            return Ok(Some(found));
        }
        let files = train
            .iter()
            .chain(test)
            .map(|&file| (file.to_owned(), name.file_bytes(file)))
            .collect();
        let published = Published {
            name: name.as_str().to_owned(),
            folder: folder.to_owned(),
            files,
            archive: archive.file.to_owned(),
            bytes: archive.bytes,
            md5: archive.md5.to_owned(),
        };
        if let Some(error) = path.and_then(|path| unsupported::unsupported_version(name, path)) {
            return Err(error);
        }
        if let Some(local) = self.places.find_archive(name, path) {
            return self.unpack(&published, &local).map(Some);
        }
        if path.is_some() || self.places.offline {
            // The reader of the files reports a missing one.
            return Ok(None);
        }
        self.published(&published).map(Some)
    }

    /// The file of a backbone's pretrained weights, which is fetched if need be.
    pub fn weights(&mut self, pretrained: &Pretrained, verify: Verify) -> Result<Option<PathBuf>> {
        if let Ok(found) = self.places.find_weights(pretrained) {
            return Ok(Some(found));
        }
        if self.places.offline {
            return Ok(None);
        }
        hub::fetch(self, pretrained, verify).map(Some)
    }

    /// Fetches a published dataset and unpacks it below `downloads`.
    pub fn published(&mut self, published: &Published) -> Result<PathBuf> {
        let help = format!(
            "`warmstart prefetch` continues where this stopped; set WARMSTART_MIRROR to another place that has {archive}, or put \
             {archive} into {}",
            self.places.downloads.display(),
            archive = published.archive,
        );
        self.fetch_and_unpack(published)
            .map_err(|error| error.for_user(&published.name, help))
    }

    fn fetch_and_unpack(&mut self, published: &Published) -> Result<PathBuf, FetchError> {
        let Published { archive, md5, .. } = published;
        let url = format!("{}/{archive}", self.sources.mirror);
        let url = parse(&url).ok_or_else(|| {
            FetchError::permanent(
                "WARMSTART_MIRROR is no address: expected http:// or https:// and a host"
                    .to_owned(),
            )
        })?;
        let root = &self.places.downloads;
        let part = root.join(format!("{archive}.{md5}.part"));
        let _lock = lock::take(
            &root.join(format!(".{}.lock", published.folder)),
            &published.name,
            self.progress,
        )?;
        if let Some(found) = published.find(root) {
            return Ok(found);
        }
        self.progress.note(&format!(
            "downloading {} from {}",
            published.name,
            shown(&url)
        ));
        let client = Client::new(self.sources.timeouts)?;
        let proof = Proof::Md5(md5.clone());
        Request {
            what: &published.name,
            url,
            bytes: published.bytes,
            proof,
            part: &part,
            token: None,
        }
        .fetch(&client, self.progress)?;
        let folder = archive::unpack(&part, published, root, self.progress);
        // After a full disk, the next download unpacks the same archive.
        let is_used_up = matches!(folder, Ok(_) | Err(FetchError::Permanent { .. }));
        if is_used_up && let Err(error) = fs::remove_file(&part) {
            self.progress.note(&format!(
                "cannot remove the downloaded archive: {error}: {}",
                part.display()
            ));
        }
        folder
    }

    /// Unpacks a local copy of a published archive below `downloads`, if its hash is the published one.
    pub fn unpack(&mut self, published: &Published, local: &Path) -> Result<PathBuf> {
        let help = format!("get {} again, or remove it", local.display());
        let mut unpack = || {
            let root = &self.places.downloads;
            let _lock = lock::take(
                &root.join(format!(".{}.lock", published.folder)),
                &published.name,
                self.progress,
            )?;
            if let Some(found) = published.find(root) {
                return Ok(found);
            }
            let proof = Proof::Md5(published.md5.clone());
            if let Err(found) = proof.check(local, self.progress)? {
                let expected = &published.md5;
                return Err(FetchError::permanent(format!(
                    "it is not the published archive: expected the md5 {expected}, found {found}: {}",
                    local.display()
                )));
            }
            archive::unpack(local, published, root, self.progress)
        };
        unpack().map_err(|error| match error {
            FetchError::Permanent { why } => UserError::input(
                format!("{} cannot be unpacked: {why}", published.name),
                help,
            ),
            other => other.for_user(&published.name, help),
        })
    }
}
