//! Temporary folders for the downloads of a test, and a recorder of their progress.

use std::cell::Cell;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use md5::{Digest, Md5};
use tempfile::TempDir;
use warmstart_engine::fetch::{Fetcher, Progress, Published, Sources, Timeouts};
use warmstart_runs::search_paths::SearchPaths;
use warmstart_schema::event::FetchAction;

pub(crate) struct Place {
    pub folder: TempDir,
    pub places: SearchPaths,
    pub progress: Recorder,
}

/// Records notes and progress; requests a stop when `stop_at` bytes are there.
#[derive(Default)]
pub(crate) struct Recorder {
    pub notes: Vec<String>,
    pub progress: Vec<(u64, u64)>,
    pub stop_at: Option<u64>,
    is_stopped: Cell<bool>,
}

impl Progress for Recorder {
    fn progress(&mut self, _: FetchAction, _: &str, done: u64, total: u64) {
        self.progress.push((done, total));
        if self.stop_at.is_some_and(|at| done >= at) {
            self.is_stopped.set(true);
        }
    }

    fn note(&mut self, text: &str) {
        self.notes.push(text.to_owned());
    }

    fn is_stopped(&self) -> bool {
        self.is_stopped.get()
    }
}

impl Place {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let downloads = folder.path().join("datasets");
        let places = SearchPaths {
            weights: vec![],
            datasets: vec![downloads.clone()],
            downloads,
            hub: folder.path().join("hub"),
            offline: false,
        };
        Self {
            folder,
            places,
            progress: Recorder::default(),
        }
    }

    pub(crate) fn fetcher<'a>(&'a mut self, sources: &'a Sources) -> Fetcher<'a> {
        self.progress = Recorder {
            stop_at: self.progress.stop_at,
            ..Recorder::default()
        };
        Fetcher {
            places: &self.places,
            sources,
            progress: &mut self.progress,
        }
    }

    /// All files below a folder except lock files, with their sizes.
    pub(crate) fn left(&self, below: &str) -> Vec<(String, u64)> {
        let root = self.folder.path().join(below);
        let mut left = Vec::new();
        let mut folders = vec![root.clone()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
                let path = entry.path();
                if entry.file_type().unwrap().is_dir() {
                    folders.push(path);
                } else if path.extension().is_none_or(|end| end != "lock") {
                    let name = path.strip_prefix(&root).unwrap().display().to_string();
                    left.push((name, entry.metadata().unwrap().len()));
                }
            }
        }
        left.sort();
        left
    }
}

/// One server for all downloads, with short timeouts.
pub(crate) fn sources(url: &str) -> Sources {
    let timeouts = Timeouts {
        connect: Duration::from_secs(5),
        stall: Duration::from_secs(5),
        first_retry_delay: Duration::from_millis(5),
        max_retry_delay: Duration::from_millis(300),
    };
    Sources {
        mirror: url.to_owned(),
        endpoint: url.to_owned(),
        token: None,
        unread_token: None,
        timeouts,
    }
}

/// The tiny test dataset: two files that do not compress, and their archive.
pub(crate) fn tiny() -> (Published, Vec<u8>) {
    let (train, test) = (noise(300_000, 1), noise(70_000, 2));
    let mut tar = tar::Builder::new(Vec::new());
    for (name, bytes) in [
        ("train.bin", &train),
        ("readme.txt", &b"hello".to_vec()),
        ("test.bin", &test),
    ] {
        entry(
            &mut tar,
            tar::EntryType::Regular,
            &format!("tiny/{name}"),
            bytes,
            None,
        );
    }
    let bytes = gzip(&tar.into_inner().unwrap());
    (published(&bytes), bytes)
}

/// The published sizes and hash for an archive with the files of [`tiny`].
pub(crate) fn published(archive: &[u8]) -> Published {
    Published {
        name: "tiny".to_owned(),
        folder: "tiny".to_owned(),
        files: vec![
            ("train.bin".to_owned(), 300_000),
            ("test.bin".to_owned(), 70_000),
        ],
        archive: "tiny.tar.gz".to_owned(),
        bytes: archive.len() as u64,
        md5: format!("{:x}", Md5::digest(archive)),
    }
}

/// Appends an entry. The name is written unchanged, even if it is invalid.
pub(crate) fn entry(
    tar: &mut tar::Builder<Vec<u8>>,
    kind: tar::EntryType,
    name: &str,
    bytes: &[u8],
    link: Option<&str>,
) {
    let mut header = tar::Header::new_gnu();
    header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
    header.set_entry_type(kind);
    header.set_mode(0o644);
    header.set_size(bytes.len() as u64);
    if let Some(link) = link {
        header.as_gnu_mut().unwrap().linkname[..link.len()].copy_from_slice(link.as_bytes());
    }
    header.set_cksum();
    tar.append(&header, bytes).unwrap();
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Pseudorandom bytes, the same for each call.
pub(crate) fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    std::iter::repeat_with(next).take(length).collect()
}

pub(crate) fn read(path: impl Into<PathBuf>) -> Vec<u8> {
    std::fs::read::<&Path>(&path.into()).unwrap()
}
