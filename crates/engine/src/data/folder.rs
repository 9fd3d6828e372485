//! A folder of pictures of any size, listed once, decoded while the model works. Only a few batches are in memory.

pub mod decode;
mod stream;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use anyhow::{Context, Result};
use rayon::{ThreadPool, ThreadPoolBuilder};
use sha2::{Digest, Sha256};
use tch::Device;
use warmstart_runs::launcher;
use warmstart_runs::pictures::PictureFile;
use warmstart_schema::text;

use self::decode::Framing;
use self::stream::Stream;
use super::{Batches, Described, Source};

/// Most images to decode at once: more threads do not help, and each may need hundreds of megabytes.
const MAX_DECODERS: usize = 32;

/// The pictures of one part of a dataset: class by class, within a class by name.
#[derive(Debug)]
pub struct Listing {
    root: PathBuf,
    files: Vec<PictureFile>,
    stamps: Vec<Stamp>,
}

/// Metadata that changes when a file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    pub bytes: u64,
    /// Nanoseconds since the Unix epoch.
    pub changed: i64,
}

impl Stamp {
    fn of(path: &Path) -> Self {
        // What a link leads to; a link that leads nowhere is found out when it is read.
        fs::metadata(path).map_or(
            Self {
                bytes: 0,
                changed: 0,
            },
            |meta| Self {
                bytes: meta.len(),
                changed: meta
                    .mtime()
                    .saturating_mul(1_000_000_000)
                    .saturating_add(meta.mtime_nsec()),
            },
        )
    }
}

impl Listing {
    /// Of the files that were found in `root`; also hashes names and sizes into `fingerprint`.
    pub fn new(root: &Path, files: Vec<PictureFile>, fingerprint: &mut Sha256) -> Self {
        let stamps: Vec<Stamp> = files
            .iter()
            .map(|file| Stamp::of(&root.join(&file.path)))
            .collect();
        for (file, stamp) in files.iter().zip(&stamps) {
            // Without the folder of its class.
            let name: PathBuf = file.path.components().skip(1).collect();
            let name = name.as_os_str();
            fingerprint.update(file.class.to_le_bytes());
            fingerprint.update((name.len() as u64).to_le_bytes());
            fingerprint.update(name.as_bytes());
            fingerprint.update(stamp.bytes.to_le_bytes());
        }
        Self {
            root: root.to_path_buf(),
            files,
            stamps,
        }
    }

    pub fn len(&self) -> usize {
        self.files.len()
    }

    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// The class of every picture.
    pub fn labels(&self) -> Vec<u32> {
        self.files.iter().map(|file| file.class).collect()
    }

    pub fn path(&self, picture: u32) -> PathBuf {
        self.root.join(&self.files[picture as usize].path)
    }

    /// What a picture is known by wherever the folder lies.
    pub fn name(&self, picture: u32) -> &str {
        &self.files[picture as usize].name
    }

    pub fn stamp(&self, picture: u32) -> Stamp {
        self.stamps[picture as usize]
    }

    pub(super) fn class(&self, picture: u32) -> u32 {
        self.files[picture as usize].class
    }

    /// A picture and why it cannot be read.
    pub fn describe(&self, picture: u32, why: &str) -> String {
        format!(
            "{}: {}",
            text::line(&self.path(picture).display().to_string(), 300),
            text::line(why, 200)
        )
    }
}

/// How pictures are decoded, the same for all parts of a dataset.
#[derive(Debug, Clone)]
pub struct Decoding {
    pub(super) pool: Arc<ThreadPool>,
    pub(super) framing: Framing,
    /// Whether a picture that cannot be read is an error.
    strict: bool,
}

impl Decoding {
    /// With so many decoder threads; without a number, one for each core, up to `MAX_DECODERS`.
    pub fn new(framing: impl Into<Framing>, strict: bool, threads: Option<usize>) -> Result<Self> {
        let cores = launcher::cores();
        let threads = threads.unwrap_or(cores.min(MAX_DECODERS));
        let pool = ThreadPoolBuilder::new()
            .num_threads(threads)
            .thread_name(|index| format!("decoder {index}"));
        let pool = Arc::new(pool.build().context("starting the decoder threads")?);
        Ok(Self {
            pool,
            framing: framing.into(),
            strict,
        })
    }
}

/// A part of a dataset as a source of batches.
#[derive(Debug)]
pub struct Folder {
    listing: Arc<Listing>,
    decoding: Decoding,
    device: Device,
    unreadable: Rc<RefCell<Unreadable>>,
}

impl Folder {
    pub fn new(listing: Arc<Listing>, decoding: Decoding, device: Device) -> Self {
        Self {
            listing,
            decoding,
            device,
            unreadable: Rc::default(),
        }
    }
}

impl Source for Folder {
    fn batches(&self, order: &[u32], size: usize) -> Result<Batches> {
        let (listing, decoding) = (Arc::clone(&self.listing), self.decoding.clone());
        let unreadable = Rc::clone(&self.unreadable);
        Ok(Box::new(Stream::start(
            listing,
            decoding,
            order.to_vec(),
            size,
            self.device,
            unreadable,
        )?))
    }

    fn described(&self, picture: u32) -> Described {
        Described {
            fine: Some(self.listing.class(picture)),
            coarse: None,
            file: Some(self.listing.path(picture)),
        }
    }

    fn is_unchanged(&self, pictures: &[u32]) -> bool {
        let is_same =
            |&picture: &u32| Stamp::of(&self.listing.path(picture)) == self.listing.stamp(picture);
        pictures.iter().all(is_same)
    }

    fn unreadable(&self) -> Vec<String> {
        std::mem::take(&mut self.unreadable.borrow_mut().fresh)
    }
}

/// Images that could not be read, each reported once.
#[derive(Debug, Default)]
struct Unreadable {
    known: BTreeSet<u32>,
    fresh: Vec<String>,
}

impl Unreadable {
    fn add(&mut self, listing: &Listing, picture: u32, why: &str) {
        if self.known.insert(picture) {
            self.fresh.push(listing.describe(picture, why));
        }
    }
}
