//! What a run needs and the machine lacks: published datasets and pretrained weights, fetched, proven and put where they are looked
//! for. No tensors here: whether a file of weights fits a model is asked of the caller.

mod archive;
mod download;
mod http;
mod hub;
mod lock;

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::Result;
use warmstart_runs::places::{Places, hugging_face_home};
use warmstart_schema::catalog::{DatasetName, Pretrained};
use warmstart_schema::event::Failure;

use self::download::{Proof, Wanted};
use self::http::{Client, parse, shown};
pub use self::http::{Patience, Token};
use crate::edition::{self, PUBLISHER};
use crate::failure::UserError;

const HUB: &str = "https://huggingface.co";

/// Who sees what happens, and may end it.
pub trait Watch {
    /// `done` of `total` bytes of something are here. Called often: to be told on now and then.
    fn progress(&mut self, what: &str, done: u64, total: u64);
    /// Why it takes longer.
    fn note(&mut self, text: &str);
    /// Whether to leave off.
    fn is_stopped(&self) -> bool;
}

/// Where things are fetched from, and how patiently.
#[derive(Debug, Clone)]
pub struct Sources {
    /// Folder of the datasets' archives.
    pub mirror: String,
    /// The hub that has the weights.
    pub endpoint: String,
    /// For private repositories of the hub.
    pub token: Option<String>,
    pub patience: Patience,
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
            fs::read_to_string(path)
                .ok()
                .map(|token| token.trim().to_owned())
                .filter(|token| !token.is_empty())
        };
        Self {
            mirror: base("WARMSTART_MIRROR", PUBLISHER),
            endpoint: base("HF_ENDPOINT", HUB),
            token: var("HF_TOKEN").or_else(file),
            patience: Patience::default(),
        }
    }
}

/// Why something could not be had.
#[derive(Debug)]
pub enum FetchError {
    /// Worth another try, which a server may ask to be put off.
    Passing {
        why: String,
        after: Option<std::time::Duration>,
    },
    /// Trying again would not help.
    Last { why: String },
    /// A file here cannot be read or written.
    Disk { path: PathBuf, error: io::Error },
    /// It was asked to leave off.
    Stopped,
}

impl FetchError {
    fn last(why: impl Into<String>) -> Self {
        Self::Last { why: why.into() }
    }

    fn passing(why: impl Into<String>) -> Self {
        Self::Passing {
            why: why.into(),
            after: None,
        }
    }

    fn disk(path: &Path, error: io::Error) -> Self {
        Self::Disk {
            path: path.to_path_buf(),
            error,
        }
    }

    /// The error for the user; nothing when it was asked to leave off.
    fn blame(self, what: &str, help: impl Into<String>) -> anyhow::Error {
        match self {
            Self::Stopped => Stopped.into(),
            Self::Passing { why, .. } | Self::Last { why } => {
                UserError::input(format!("{what} cannot be fetched: {why}"), help)
            }
            Self::Disk { path, error } => UserError {
                kind: Failure::Disk,
                error: format!("{what} cannot be stored at {}: {error}", path.display()),
                help: "make room or fix the permissions, then try again; what is here is not fetched twice".to_owned(),
            }
            .into(),
        }
    }
}

/// It was asked to leave off; what is here is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stopped;

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("fetching was stopped; it goes on from there the next time")
    }
}

impl std::error::Error for Stopped {}

/// Whether a file of weights can be used, which only those who know tensors can say.
pub type Judge<'a> = &'a dyn Fn(&Path) -> Result<()>;

/// Brings what is lacking.
pub struct Fetcher<'a> {
    pub places: &'a Places,
    pub sources: &'a Sources,
    pub watch: &'a mut dyn Watch,
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
        if let Some(error) = path.and_then(|path| edition::refused(name, path)) {
            return Err(error);
        }
        if let Some(local) = self.places.find_archive(name, path) {
            return self.unpack(&published, &local).map(Some);
        }
        if path.is_some() || self.places.offline {
            // Whoever reads the files says what is missing where.
            return Ok(None);
        }
        self.published(&published).map(Some)
    }

    /// The file of a backbone's pretrained weights, which is fetched if need be.
    pub fn weights(&mut self, pretrained: &Pretrained, judge: Judge) -> Result<Option<PathBuf>> {
        if let Ok(found) = self.places.find_weights(pretrained) {
            return Ok(Some(found));
        }
        if self.places.offline {
            return Ok(None);
        }
        hub::fetch(self, pretrained, judge).map(Some)
    }

    /// Fetches a published dataset and unpacks it below `downloads`.
    pub fn published(&mut self, published: &Published) -> Result<PathBuf> {
        let help = format!(
            "`warmstart prefetch` goes on where this broke off; set WARMSTART_MIRROR to another place that has {archive}, or put \
             {archive} into {}",
            self.places.downloads.display(),
            archive = published.archive,
        );
        self.fetch_and_unpack(published)
            .map_err(|trouble| trouble.blame(&published.name, help))
    }

    fn fetch_and_unpack(&mut self, published: &Published) -> Result<PathBuf, FetchError> {
        let Published { archive, md5, .. } = published;
        let url = format!("{}/{archive}", self.sources.mirror);
        let url = parse(&url).ok_or_else(|| {
            FetchError::last(
                "WARMSTART_MIRROR is no address: expected http:// or https:// and a host"
                    .to_owned(),
            )
        })?;
        let root = &self.places.downloads;
        let part = root.join(format!("{archive}.{md5}.part"));
        let _lock = lock::take(
            &root.join(format!(".{}.lock", published.folder)),
            &published.name,
            self.watch,
        )?;
        if let Some(found) = published.find(root) {
            return Ok(found);
        }
        self.watch
            .note(&format!("fetching {} from {}", published.name, shown(&url)));
        let client = Client::new(self.sources.patience)?;
        let proof = Proof::Md5(md5.clone());
        Wanted {
            what: &published.name,
            url,
            bytes: published.bytes,
            proof,
            part: &part,
            token: None,
        }
        .fetch(&client, self.watch)?;
        let folder = archive::unpack(&part, published, root, self.watch);
        // Either it is unpacked, or it is of no use.
        if !matches!(folder, Err(FetchError::Stopped)) {
            fs::remove_file(&part).map_err(|error| FetchError::disk(&part, error))?;
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
                self.watch,
            )?;
            if let Some(found) = published.find(root) {
                return Ok(found);
            }
            let proof = Proof::Md5(published.md5.clone());
            if let Err(found) = proof.check(local, self.watch)? {
                let expected = &published.md5;
                return Err(FetchError::last(format!(
                    "{} has the md5 {found}, expected {expected}: it is not the published archive",
                    local.display()
                )));
            }
            archive::unpack(local, published, root, self.watch)
        };
        unpack().map_err(|trouble| trouble.blame(&published.name, help))
    }
}

/// A dataset as its publisher offers it.
#[derive(Debug, Clone)]
pub struct Published {
    /// For messages.
    pub name: String,
    /// What the archive unpacks to.
    pub folder: String,
    /// The files in it that are wanted, and their bytes.
    pub files: Vec<(String, u64)>,
    pub archive: String,
    pub bytes: u64,
    pub md5: String,
}

impl Published {
    fn find(&self, root: &Path) -> Option<PathBuf> {
        let folder = root.join(&self.folder);
        self.files
            .iter()
            .all(|(file, _)| folder.join(file).is_file())
            .then_some(folder)
    }
}
