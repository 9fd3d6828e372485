//! Features of pictures, kept in the user's cache folder for other runs: one safetensors file for each key. It is bounded in size,
//! and several workers may use it at once. What the numbers mean, and what a key covers, is the engine's.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::Deserialize;
use warmstart_schema::text;

use crate::run::lock_file_within;
use crate::search_paths;
use crate::storage::{self, Disk};

/// The environment variable that bounds the cache: `20GB`, `500MB`, a number of bytes, or `off`.
pub const VARIABLE: &str = "WARMSTART_FEATURE_CACHE";
/// The bound without that variable, in bytes.
const DEFAULT_LIMIT: u64 = 10_000_000_000;
/// Another process may hold the lock while it writes; one that holds it for longer may be suspended.
const LOCK_PATIENCE: Duration = Duration::from_secs(20);
const ENDING: &str = ".safetensors";
const LOCK: &str = "lock";
/// A header describes two tensors and a dozen short texts.
const MAX_HEADER_BYTES: usize = 1 << 16;

/// The cache of features on this machine.
#[derive(Debug, Clone)]
pub struct FeatureCache {
    folder: PathBuf,
    limit: u64,
}

/// A file of the cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// SHA-256 over everything that the features depend on, in hexadecimal.
    pub key: String,
    pub bytes: u64,
    pub last_use: SystemTime,
    /// What the file says about itself, by names; empty if it is damaged.
    pub facts: BTreeMap<String, String>,
}

/// What became of features that were to be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// They are in the cache; so many older files went to make room.
    Kept { removed: usize },
    /// They alone take more than the whole cache may.
    TooLarge { bytes: u64, limit: u64 },
}

/// What [`FeatureCache::clear`] removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cleared {
    pub files: usize,
    pub bytes: u64,
}

impl FeatureCache {
    /// A cache in `folder` of at most `limit` bytes; it is off where that is 0.
    pub fn new(folder: PathBuf, limit: u64) -> Self {
        Self { folder, limit }
    }

    /// The user's cache, bounded by [`VARIABLE`]. The error says what that variable must hold.
    pub fn from_env() -> Result<Self, String> {
        let folder = search_paths::cache().join("warmstart/features");
        let set = std::env::var_os(VARIABLE).unwrap_or_default();
        let set = set.to_string_lossy();
        let limit = limit(&set).ok_or_else(|| {
            format!(
                "{VARIABLE}: expected a size such as 20GB, or off, found {}",
                text::line(&set, 40)
            )
        })?;
        Ok(Self::new(folder, limit))
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The most bytes that its files may take together.
    pub fn limit(&self) -> u64 {
        self.limit
    }

    pub fn is_off(&self) -> bool {
        self.limit == 0
    }

    fn path(&self, key: &str) -> PathBuf {
        self.folder.join(format!("{key}{ENDING}"))
    }

    /// The bytes of a key's file; none if there is no such file. It counts as used now.
    pub fn read(&self, key: &str) -> io::Result<Option<Vec<u8>>> {
        let opened = OpenOptions::new().read(true).open(self.path(key));
        let mut file = match opened {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened?,
        };
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        // A cache that may only be read still serves; its oldest files are then not known.
        let _ = file.set_modified(SystemTime::now());
        Ok(Some(bytes))
    }

    /// Removes a file that is of no use. Another process may have removed it first, because this needs no lock.
    pub fn remove(&self, key: &str) -> io::Result<()> {
        match fs::remove_file(self.path(key)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed,
        }
    }

    /// Keeps a file, whole or not at all. Those that were used longest ago go until all fit.
    pub fn write(&self, key: &str, bytes: &[u8]) -> io::Result<Written> {
        let size = bytes.len() as u64;
        if size > self.limit {
            return Ok(Written::TooLarge {
                bytes: size,
                limit: self.limit,
            });
        }
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.folder)?;
        let _lock = self.lock()?;
        self.remove_unfinished()?;
        let mut others = self.files()?;
        others.retain(|other| other.key != key);
        others.sort_by_key(|other| other.last_use);
        let mut total: u64 = others.iter().map(|other| other.bytes).sum();
        let mut removed = 0;
        for other in others {
            if total + size <= self.limit {
                break;
            }
            self.remove(&other.key)?;
            total -= other.bytes;
            removed += 1;
        }
        storage::replace(&Disk, &self.path(key), bytes)?;
        Ok(Written::Kept { removed })
    }

    /// Its files, the last used first, each with what it says about itself.
    pub fn list(&self) -> io::Result<Vec<Stored>> {
        let mut files = self.files()?;
        for file in &mut files {
            file.facts = facts(&self.path(&file.key));
        }
        files.sort_by_key(|file| std::cmp::Reverse(file.last_use));
        Ok(files)
    }

    /// Removes all of its files. A worker that reads one meanwhile still gets it whole.
    pub fn clear(&self) -> io::Result<Cleared> {
        let mut cleared = Cleared::default();
        // A folder that cannot be looked at may have files.
        if !self.folder.try_exists()? {
            return Ok(cleared);
        }
        let _lock = self.lock()?;
        self.remove_unfinished()?;
        for file in self.files()? {
            self.remove(&file.key)?;
            cleared.files += 1;
            cleared.bytes += file.bytes;
        }
        Ok(cleared)
    }

    /// Held while files are added or removed. Readers need no lock: a file is replaced and removed by its name alone.
    fn lock(&self) -> io::Result<File> {
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(self.folder.join(LOCK))?;
        match lock_file_within(&file, LOCK_PATIENCE) {
            Ok(()) => Ok(file),
            Err(TryLockError::Error(error)) => Err(error),
            Err(TryLockError::WouldBlock) => Err(io::Error::new(
                io::ErrorKind::WouldBlock,
                "another process holds its lock",
            )),
        }
    }

    /// Removes what a process left that was killed while it wrote. The lock is held, so nobody writes now.
    fn remove_unfinished(&self) -> io::Result<()> {
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if name.starts_with('.') && name.ends_with(".new") {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }

    fn files(&self) -> io::Result<Vec<Stored>> {
        let entries = match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut files = Vec::new();
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name();
            let Some(key) = name.to_str().and_then(|name| name.strip_suffix(ENDING)) else {
                continue;
            };
            // One that another process removed since is not there any more.
            let Ok(meta) = entry.metadata() else { continue };
            if is_key(key) && meta.is_file() {
                files.push(Stored {
                    key: key.to_owned(),
                    bytes: meta.len(),
                    last_use: meta.modified()?,
                    facts: BTreeMap::new(),
                });
            }
        }
        Ok(files)
    }
}

fn is_key(name: &str) -> bool {
    name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// A size as people write it: `20GB`, `512 MiB`, `1000000`, `off`; nothing means the default.
fn limit(written: &str) -> Option<u64> {
    let written = written.trim().to_ascii_lowercase();
    match &*written {
        "" => return Some(DEFAULT_LIMIT),
        "off" => return Some(0),
        _ => {}
    }
    let end = written
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(written.len());
    let (number, unit) = written.split_at(end);
    let unit: u64 = match unit.trim() {
        "" | "b" => 1,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "tb" => 1_000_000_000_000,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        "tib" => 1 << 40,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(unit)
}

/// What a safetensors file says about itself, without its tensors; of a damaged file, nothing.
fn facts(path: &Path) -> BTreeMap<String, String> {
    #[derive(Deserialize)]
    struct About {
        #[serde(rename = "__metadata__", default)]
        metadata: BTreeMap<String, String>,
    }
    let read = || -> Option<About> {
        let mut file = File::open(path).ok()?;
        let mut length = [0; 8];
        file.read_exact(&mut length).ok()?;
        let length = usize::try_from(u64::from_le_bytes(length))
            .ok()
            .filter(|&length| length <= MAX_HEADER_BYTES)?;
        let mut header = vec![0; length];
        file.read_exact(&mut header).ok()?;
        serde_json::from_slice(&header).ok()
    };
    let metadata = read().map(|about| about.metadata).unwrap_or_default();
    metadata
        .into_iter()
        .map(|(name, value)| (text::line(&name, 40), text::line(&value, 300)))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn key(digit: char) -> String {
        digit.to_string().repeat(64)
    }

    fn keys(cache: &FeatureCache) -> Vec<String> {
        let mut keys: Vec<String> = cache
            .list()
            .unwrap()
            .into_iter()
            .map(|file| file.key)
            .collect();
        keys.sort();
        keys
    }

    fn used(cache: &FeatureCache, key: &str, seconds_ago: u64) {
        let file = OpenOptions::new()
            .write(true)
            .open(cache.path(key))
            .unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(seconds_ago))
            .unwrap();
    }

    #[test]
    fn a_full_cache_drops_the_file_that_was_used_longest_ago() {
        let root = tempfile::tempdir().unwrap();
        let cache = FeatureCache::new(root.path().join("deep/features"), 250);
        for (digit, ago) in [('a', 300), ('b', 200)] {
            cache.write(&key(digit), &[0; 100]).unwrap();
            used(&cache, &key(digit), ago);
        }
        // Reading `a` makes `b` the oldest.
        assert_eq!(cache.read(&key('a')).unwrap(), Some(vec![0; 100]));
        assert_eq!(
            cache.write(&key('c'), &[0; 100]).unwrap(),
            Written::Kept { removed: 1 }
        );
        assert_eq!(keys(&cache), [key('a'), key('c')]);
        // Replacing a file needs no more room than it has.
        assert_eq!(
            cache.write(&key('c'), &[1; 150]).unwrap(),
            Written::Kept { removed: 0 }
        );
        assert_eq!(
            cache.write(&key('d'), &[0; 251]).unwrap(),
            Written::TooLarge {
                bytes: 251,
                limit: 250
            }
        );
        assert_eq!(keys(&cache), [key('a'), key('c')]);
    }

    #[test]
    fn clearing_removes_files_and_leftovers_and_nothing_else() {
        let root = tempfile::tempdir().unwrap();
        let cache = FeatureCache::new(root.path().to_owned(), 1000);
        cache.write(&key('a'), &[0; 10]).unwrap();
        fs::write(root.path().join(".x.safetensors.7.new"), [0; 10]).unwrap();
        fs::write(root.path().join("mine.safetensors"), [0; 10]).unwrap();
        let cleared = cache.clear().unwrap();
        assert_eq!(
            cleared,
            Cleared {
                files: 1,
                bytes: 10
            }
        );
        let mut left: Vec<_> = fs::read_dir(root.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        assert_eq!(left, ["lock", "mine.safetensors"]);
        assert_eq!(cache.read(&key('a')).unwrap(), None);
    }

    #[test]
    fn a_folder_that_cannot_be_looked_at_is_not_called_empty() {
        let root = tempfile::tempdir().unwrap();
        let clear = |folder: PathBuf| FeatureCache::new(folder, 1000).clear();
        assert_eq!(clear(root.path().join("none")).unwrap().files, 0);
        let file = root.path().join("file");
        fs::write(&file, "").unwrap();
        assert!(clear(file.join("features")).is_err());
    }

    #[test]
    fn a_file_that_another_process_removed_first_is_removed() {
        let root = tempfile::tempdir().unwrap();
        let cache = FeatureCache::new(root.path().to_owned(), 1000);
        cache.write(&key('a'), &[0; 10]).unwrap();
        cache.clear().unwrap();
        cache.remove(&key('a')).unwrap();
    }

    #[test]
    fn other_users_cannot_look_into_the_cache() {
        let root = tempfile::tempdir().unwrap();
        let cache = FeatureCache::new(root.path().join("features"), 1000);
        cache.write(&key('a'), &[0; 10]).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o077;
        assert_eq!((mode(cache.folder()), mode(&cache.path(&key('a')))), (0, 0));
    }

    #[test]
    fn sizes_are_read_as_people_write_them_and_others_refused() {
        for (written, bytes) in [
            ("", Some(DEFAULT_LIMIT)),
            ("off", Some(0)),
            ("OFF", Some(0)),
            ("0", Some(0)),
            ("12", Some(12)),
            ("3 GB", Some(3_000_000_000)),
            ("2GiB", Some(2_147_483_648)),
            ("5 apples", None),
            ("-1", None),
            ("GB", None),
            ("99999999999TB", None),
        ] {
            assert_eq!(limit(written), bytes, "{written}");
        }
    }
}
