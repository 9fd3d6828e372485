//! A folder of pictures of any size, listed once, decoded while the model works. Only a few batches are in memory.

pub mod decode;
mod stream;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use anyhow::{Context, Result};
use rayon::{ThreadPool, ThreadPoolBuilder};
use sha2::{Digest, Sha256};
use tch::Device;
use warmstart_schema::pictures::{Class, is_picture};
use warmstart_schema::text;

use self::decode::Framing;
use self::stream::Stream;
use super::{Batches, Described, Source};

/// Decoding more pictures than this at once helps no more, and each may take hundreds of megabytes.
const MAX_DECODERS: usize = 32;

/// The pictures of one part of a dataset: class by class, within a class by name, both in byte order.
#[derive(Debug)]
pub struct Listing {
    root: PathBuf,
    classes: Vec<OsString>,
    files: Vec<File>,
}

#[derive(Debug)]
struct File {
    class: u32,
    name: OsString,
}

impl Listing {
    /// Lists `root/<class>/*`; also hashes names and sizes into `fingerprint`. A class that is not there has no pictures.
    pub fn new(root: &Path, classes: &[Class], fingerprint: &mut Sha256) -> Result<Self> {
        let mut files = Vec::new();
        for (number, class) in (0_u32..).zip(classes) {
            let folder = root.join(&class.folder);
            if !folder.is_dir() {
                continue;
            }
            let context = || format!("listing {}", folder.display());
            let mut found = Vec::new();
            for entry in fs::read_dir(&folder).with_context(context)? {
                let entry = entry.with_context(context)?;
                if is_picture(&entry.file_name()) {
                    // What a link leads to; a link that leads nowhere is found out when it is read.
                    let bytes = fs::metadata(entry.path()).map_or(0, |meta| meta.len());
                    found.push((entry.file_name(), bytes));
                }
            }
            found.sort_unstable();
            for (name, bytes) in found {
                fingerprint.update(number.to_le_bytes());
                fingerprint.update((name.len() as u64).to_le_bytes());
                fingerprint.update(name.as_bytes());
                fingerprint.update(bytes.to_le_bytes());
                files.push(File { class: number, name });
            }
        }
        let classes = classes.iter().map(|class| class.folder.clone()).collect();
        Ok(Self { root: root.to_path_buf(), classes, files })
    }

    /// The class of every picture.
    pub fn labels(&self) -> Vec<u32> {
        self.files.iter().map(|file| file.class).collect()
    }

    pub fn path(&self, picture: u32) -> PathBuf {
        let File { class, name } = &self.files[picture as usize];
        self.root.join(&self.classes[*class as usize]).join(name)
    }

    fn class(&self, picture: u32) -> u32 {
        self.files[picture as usize].class
    }
}

/// How pictures are decoded, the same for all parts of a dataset.
#[derive(Debug, Clone)]
pub struct Decoding {
    pool: Arc<ThreadPool>,
    framing: Framing,
    /// Whether a picture that cannot be read is an error.
    strict: bool,
}

impl Decoding {
    /// With a thread a core, or as many as said.
    pub fn new(framing: impl Into<Framing>, strict: bool, threads: Option<usize>) -> Result<Self> {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let threads = threads.unwrap_or(cores.min(MAX_DECODERS));
        let pool = ThreadPoolBuilder::new().num_threads(threads).thread_name(|index| format!("decoder {index}"));
        let pool = Arc::new(pool.build().context("starting the decoder threads")?);
        Ok(Self { pool, framing: framing.into(), strict })
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
        Self { listing, decoding, device, unreadable: Rc::default() }
    }
}

impl Source for Folder {
    fn batches(&self, order: &[u32], size: usize) -> Result<Batches> {
        let (listing, decoding) = (Arc::clone(&self.listing), self.decoding.clone());
        let unreadable = Rc::clone(&self.unreadable);
        Ok(Box::new(Stream::start(listing, decoding, order.to_vec(), size, self.device, unreadable)?))
    }

    fn described(&self, picture: u32) -> Described {
        Described { fine: Some(self.listing.class(picture)), coarse: None, file: Some(self.listing.path(picture)) }
    }

    fn unreadable(&self) -> Vec<String> {
        std::mem::take(&mut self.unreadable.borrow_mut().fresh)
    }
}

/// Pictures that could not be read, each told once.
#[derive(Debug, Default)]
struct Unreadable {
    known: BTreeSet<u32>,
    fresh: Vec<String>,
}

impl Unreadable {
    fn add(&mut self, listing: &Listing, picture: u32, why: &str) {
        if self.known.insert(picture) {
            self.fresh.push(describe(listing, picture, why));
        }
    }
}

fn describe(listing: &Listing, picture: u32, why: &str) -> String {
    format!("{}: {}", text::line(&listing.path(picture).display().to_string(), 300), text::line(why, 200))
}
