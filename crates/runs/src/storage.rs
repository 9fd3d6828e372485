//! The file system, as the writers of a run folder use it: a few calls, each of which a test can make fail or forget.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Cursor, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use rustix::fs::{CWD, RenameFlags, renameat_with, statvfs};
use rustix::io::Errno;
use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;

/// The calls that a checkpoint needs. Nothing is durable before it is synced: a file's content by its own `sync`, its name by
/// [`Storage::sync_dir`] of its folder.
pub trait Storage {
    type File: Durable;

    /// Opens a file for writing from its beginning; creates it if needed.
    fn create(&self, path: &Path) -> io::Result<Self::File>;
    /// Creates a folder in one that exists.
    fn create_dir(&self, path: &Path) -> io::Result<()>;
    /// Makes the names in a folder durable.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
    /// Makes a file's content durable. Any process may have written it.
    fn sync_file(&self, path: &Path) -> io::Result<()>;
    /// Renames `from` to `to`, which it replaces, in one step.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Swaps two folders in one step. Network file systems cannot: the error is [`io::ErrorKind::Unsupported`].
    fn exchange(&self, one: &Path, other: &Path) -> io::Result<()>;
    fn remove_file(&self, path: &Path) -> io::Result<()>;
    /// Removes a folder and its content.
    fn remove_dir(&self, path: &Path) -> io::Result<()>;
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;
    /// Opens a file to read it piece by piece.
    fn open(&self, path: &Path) -> io::Result<impl Read> {
        self.read(path).map(Cursor::new)
    }
    /// Names in a folder; none if the folder does not exist.
    fn names(&self, path: &Path) -> io::Result<Vec<String>>;
    /// Whether there is something at `path`. It is an error if that cannot be told.
    fn exists(&self, path: &Path) -> io::Result<bool>;
    /// Free bytes on the disk that `path` lies on.
    fn free(&self, path: &Path) -> io::Result<u64>;
}

/// A file whose content can be made durable.
pub trait Durable: Write {
    fn sync(&mut self) -> io::Result<()>;
}

/// The real file system.
#[derive(Debug, Clone, Copy)]
pub struct Disk;

impl Durable for File {
    fn sync(&mut self) -> io::Result<()> {
        self.sync_all()
    }
}

impl Storage for Disk {
    type File = File;

    fn create(&self, path: &Path) -> io::Result<File> {
        OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(path)
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        fs::create_dir(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    fn sync_file(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn exchange(&self, one: &Path, other: &Path) -> io::Result<()> {
        renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE).map_err(|error| match error {
            Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP => io::ErrorKind::Unsupported.into(),
            error => error.into(),
        })
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        fs::remove_dir_all(path)
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        fs::read(path)
    }

    fn open(&self, path: &Path) -> io::Result<impl Read> {
        File::open(path)
    }

    fn names(&self, path: &Path) -> io::Result<Vec<String>> {
        match fs::read_dir(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            other => other?
                .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
                .collect(),
        }
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        match path.try_exists() {
            // Nothing can lie below a file.
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => Ok(false),
            found => found,
        }
    }

    fn free(&self, path: &Path) -> io::Result<u64> {
        let stat = statvfs(path)?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }
}

/// The SHA-256 of a file's content, in hexadecimal digits.
pub fn fingerprint(bytes: &[u8]) -> String {
    format!("{:x}", Sha256::digest(bytes))
}

/// A file's content; none if it is no file, has more than `limit` bytes, or cannot be read.
pub fn read_at_most(path: &Path, limit: u64) -> Option<Vec<u8>> {
    let meta = fs::metadata(path).ok()?;
    let is_small = meta.is_file() && meta.len() <= limit;
    is_small.then(|| fs::read(path).ok()).flatten()
}

/// The folder of a file. A name alone is a file of the current folder.
fn folder_of(path: &Path) -> &Path {
    let folder = path.parent();
    folder
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}

/// Writes a new file, completely or not at all, with the permissions of the umask. If the name is taken, the error is
/// [`io::ErrorKind::AlreadyExists`].
pub fn create(path: &Path, content: &[u8]) -> io::Result<()> {
    if path.symlink_metadata().is_ok() {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    aside(folder_of(path), content, None)?
        .persist_noclobber(path)
        .map_err(|error| error.error)?;
    sync_name(path);
    Ok(())
}

/// Writes one of the user's files, completely or not at all. A file that is there keeps its permissions. A symbolic link to a file
/// stays, and that file is replaced. A device or a pipe is refused, because a file would take its place.
pub fn overwrite(path: &Path, content: &[u8]) -> io::Result<()> {
    let known = match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        other => Some(other?),
    };
    if known.as_ref().is_some_and(|known| !known.is_file()) {
        return Err(io::Error::other("it is no regular file"));
    }
    let path = if known.is_some() {
        fs::canonicalize(path)?
    } else {
        path.to_path_buf()
    };
    let permissions = known.map(|known| known.permissions());
    aside(folder_of(&path), content, permissions)?
        .persist(&path)
        .map_err(|error| error.error)?;
    sync_name(&path);
    Ok(())
}

/// A synced file of no lasting name in this folder, with the permissions of the umask if none are given.
fn aside(
    folder: &Path,
    content: &[u8],
    permissions: Option<Permissions>,
) -> io::Result<NamedTempFile> {
    let mut aside = tempfile::Builder::new()
        .prefix(".")
        .suffix(".new")
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(folder)?;
    aside.write_all(content)?;
    if let Some(permissions) = permissions {
        aside.as_file().set_permissions(permissions)?;
    }
    aside.as_file().sync_all()?;
    Ok(aside)
}

/// Makes a file's name durable. If its folder cannot be synced, the file is there all the same.
fn sync_name(path: &Path) {
    let _ = File::open(folder_of(path)).and_then(|folder| folder.sync_all());
}

/// Replaces the whole content of a file of warmstart's own, which only its user may read afterwards: written aside, synced,
/// renamed, its folder synced.
pub fn replace(storage: &impl Storage, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = folder_of(path);
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let aside = folder.join(format!(".{name}.{}.new", std::process::id()));
    let write = || {
        let mut file = storage.create(&aside)?;
        file.write_all(bytes)?;
        file.sync()?;
        storage.rename(&aside, path)?;
        storage.sync_dir(folder)
    };
    write().inspect_err(|_| {
        // Report the first error.
        let _ = storage.remove_file(&aside);
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_replaced_in_the_folder_that_holds_them() {
        for (path, folder) in [("a.json", "."), ("b/a.json", "b"), ("/a.json", "/")] {
            assert_eq!(folder_of(Path::new(path)), Path::new(folder));
        }
        // The folder can be synced, which an empty path cannot.
        let name = format!(".warmstart-replaced-{}", std::process::id());
        replace(&Disk, Path::new(&name), b"x").unwrap();
        fs::remove_file(name).unwrap();
    }

    #[test]
    fn an_overwritten_file_keeps_its_permissions_and_the_link_to_it() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("a"), folder.path().join("b"));
        overwrite(&file, b"one").unwrap();
        fs::set_permissions(&file, Permissions::from_mode(0o640)).unwrap();
        std::os::unix::fs::symlink("a", &link).unwrap();
        overwrite(&link, b"two").unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"two");
        assert!(link.is_symlink());
        let mode = fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o640);
    }

    #[test]
    fn what_is_no_file_is_not_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("socket");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        overwrite(&socket, b"one").unwrap_err();
        assert!(!fs::metadata(&socket).unwrap().is_file());
    }

    #[test]
    fn only_small_files_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a");
        fs::write(&file, "four").unwrap();
        assert_eq!(read_at_most(&file, 4), Some(b"four".to_vec()));
        assert_eq!(read_at_most(&file, 3), None);
        assert_eq!(read_at_most(folder.path(), 1 << 20), None);
    }
}
