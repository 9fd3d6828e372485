//! Unpacking a published archive: of all that a tar file can say, only the expected regular files are believed.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Component, Path, PathBuf};

use flate2::read::GzDecoder;
use tar::{Archive, Entry, EntryType};
use warmstart_runs::storage::{Disk, Storage};
use warmstart_schema::event::FetchAction;

use super::error::FetchError;
use super::progress::Progress;
use super::published::Published;

/// Allowed bytes besides the wanted files: headers and a few pages of text.
const MAX_REST: u64 = 4 << 20;

/// Unpacks the wanted files into `root/folder`: each is written aside as a whole, then renamed.
pub(super) fn unpack(
    path: &Path,
    published: &Published,
    root: &Path,
    progress: &mut dyn Progress,
) -> Result<PathBuf, FetchError> {
    let aside = root.join(format!(".{}.new", published.folder));
    // The lock is ours: what lies there is of a process that was killed.
    remove(&aside)?;
    fs::create_dir_all(&aside).map_err(|error| FetchError::write(&aside, error))?;
    let result =
        extract(path, published, &aside, progress).and_then(|()| place(published, &aside, root));
    let removed = remove(&aside);
    result.and_then(|folder| removed.map(|()| folder))
}

fn remove(folder: &Path) -> Result<(), FetchError> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(FetchError::write(folder, error))
        }
        _ => Ok(()),
    }
}

fn place(published: &Published, aside: &Path, root: &Path) -> Result<PathBuf, FetchError> {
    let folder = root.join(&published.folder);
    let disk = |error| FetchError::write(&folder, error);
    fs::create_dir_all(&folder).map_err(disk)?;
    for (file, _) in &published.files {
        fs::rename(aside.join(file), folder.join(file)).map_err(disk)?;
    }
    Disk.sync_dir(&folder).map_err(disk)?;
    Ok(folder)
}

fn extract(
    path: &Path,
    published: &Published,
    aside: &Path,
    progress: &mut dyn Progress,
) -> Result<(), FetchError> {
    let total: u64 = published.files.iter().map(|(_, bytes)| bytes).sum();
    let file = File::open(path).map_err(|error| FetchError::read(path, error))?;
    // However small the archive is, and whatever it claims, no more than this comes out of it.
    let bounded = GzDecoder::new(file).take(total + MAX_REST);
    let mut archive = Archive::new(bounded);
    let unread = |error| unread(path, error);
    let (mut done, mut found) = (0, Vec::new());
    for entry in archive.entries().map_err(unread)? {
        let mut entry = entry.map_err(unread)?;
        let Some((name, bytes)) = wanted(&entry, published)? else {
            continue;
        };
        if found.contains(&name) {
            return Err(refused(&format!("{name} is in it twice")));
        }
        if entry.size() != *bytes {
            return Err(refused(&format!(
                "{name} has {} bytes in it, expected {bytes}",
                entry.size()
            )));
        }
        copy(&mut entry, path, &aside.join(name), |length| {
            done += length;
            progress.progress(FetchAction::Unpack, &published.name, done, total);
            progress.is_stopped()
        })?;
        found.push(name);
    }
    match published
        .files
        .iter()
        .find(|(name, _)| !found.contains(&name))
    {
        Some((name, _)) => Err(refused(&format!("{name} is not in it"))),
        None => Ok(()),
    }
}

/// The wanted file that an entry is; nothing for one that is harmless and passed over.
fn wanted<'a, R: Read>(
    entry: &Entry<R>,
    published: &'a Published,
) -> Result<Option<(&'a String, &'a u64)>, FetchError> {
    let path = entry.path().map_err(damaged)?;
    let shown = warmstart_schema::text::line(&path.display().to_string(), 100);
    let is_below = |part: Component| matches!(part, Component::Normal(_) | Component::CurDir);
    if !path.components().all(is_below) {
        return Err(refused(&format!("`{shown}` in it leads out of its folder")));
    }
    match entry.header().entry_type() {
        EntryType::Regular => {
            let name = path
                .strip_prefix(".")
                .unwrap_or(&path)
                .strip_prefix(&published.folder)
                .ok();
            let file = name.and_then(|name| {
                published
                    .files
                    .iter()
                    .find(|(file, _)| name == Path::new(file))
            });
            Ok(file.map(|(name, bytes)| (name, bytes)))
        }
        EntryType::Directory | EntryType::XGlobalHeader => Ok(None),
        other => Err(refused(&format!(
            "`{shown}` in it is neither a file nor a folder but {other:?}"
        ))),
    }
}

/// Copies an entry of an archive. Calls `progress` with the bytes of each piece; it returns whether to stop.
fn copy(
    from: &mut impl Read,
    archive: &Path,
    to: &Path,
    mut progress: impl FnMut(u64) -> bool,
) -> Result<(), FetchError> {
    let disk = |error| FetchError::write(to, error);
    let mut file = File::create_new(to).map_err(disk)?;
    let mut bytes = vec![0; 1 << 20];
    loop {
        let length = from
            .read(&mut bytes)
            .map_err(|error| unread(archive, error))?;
        if length == 0 {
            return file.sync_all().map_err(disk);
        }
        file.write_all(&bytes[..length]).map_err(disk)?;
        if progress(length as u64) {
            return Err(FetchError::Stopped);
        }
    }
}

/// Why reading an archive failed. An error of the disk says nothing about the archive.
fn unread(archive: &Path, error: io::Error) -> FetchError {
    if error.raw_os_error().is_some() {
        FetchError::read(archive, error)
    } else {
        damaged(error)
    }
}

#[expect(clippy::needless_pass_by_value, reason = "what `map_err` hands over")]
fn damaged(error: io::Error) -> FetchError {
    refused(&format!(
        "it is damaged: {}",
        warmstart_schema::text::line(&error.to_string(), 200)
    ))
}

fn refused(why: &str) -> FetchError {
    FetchError::permanent(format!("the archive is refused: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Silent;

    impl Progress for Silent {
        fn progress(&mut self, _: FetchAction, _: &str, _: u64, _: u64) {}

        fn note(&mut self, _: &str) {}

        fn is_stopped(&self) -> bool {
            false
        }
    }

    #[test]
    fn an_archive_that_the_disk_does_not_give_is_not_called_damaged() {
        let root = tempfile::tempdir().unwrap();
        let published = Published {
            name: "tiny".to_owned(),
            folder: "tiny".to_owned(),
            files: vec![("train.bin".to_owned(), 1)],
            archive: "tiny.tar.gz".to_owned(),
            bytes: 1,
            md5: String::new(),
        };
        let unpacked = |path: &Path| unpack(path, &published, root.path(), &mut Silent);
        // A folder can be opened, but not read.
        let folder = unpacked(root.path());
        assert!(matches!(folder, Err(FetchError::Read { .. })), "{folder:?}");
        let file = root.path().join("file");
        fs::write(&file, "no archive").unwrap();
        let file = unpacked(&file);
        assert!(
            matches!(file, Err(FetchError::Permanent { .. })),
            "{file:?}"
        );
    }
}
