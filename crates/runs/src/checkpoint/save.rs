//! Saving: a checkpoint is written under another name, synced, renamed and read back.

use std::borrow::Cow;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::thread;

use super::format::{Content, Error, File, MANIFEST, STATE, files, manifest};
use super::read::{steps, unreadable};
use super::recover::{clear_step, temporary};
use super::state::State;
use crate::run::{Names, RunDir};
use crate::storage::{Durable, Storage};

/// Disk space that must stay free after a save.
pub const HEADROOM: u64 = 64 << 20;

/// Writes a checkpoint, reads it back, makes it `last` (and `best`), and then removes older ones except the `keep` newest and the
/// best of each. Returns its bytes. On an error the older ones remain, and the one of this step, if there was one.
pub fn save(
    storage: &impl Storage,
    run: &RunDir,
    content: &Content,
    keep: usize,
) -> Result<u64, Error> {
    let step = content.state.step;
    let failed = |source| Error::Io {
        doing: "saving",
        path: run.checkpoint(step),
        source,
    };
    let folder = run.checkpoints();
    if !storage.exists(&folder).map_err(failed)? {
        storage.create_dir(&folder).map_err(failed)?;
    }
    // A process may have created the folder and died before its name was durable.
    storage.sync_dir(run.path()).map_err(failed)?;
    let mut files = files(content).map_err(failed)?;
    let room = files.iter().map(|(_, bytes)| bytes.len() as u64).sum();
    check_room(storage, &folder, room).map_err(failed)?;
    clear_step(storage, run, step)?;
    commit_folder(storage, run, step, &mut files)?;
    let bytes = files.iter().map(|(_, bytes)| bytes.len() as u64).sum();
    let names = Names {
        last: Some(step),
        best: content.state.best_step,
    };
    run.write_names(storage, names).map_err(failed)?;
    // Ignore errors: the next save tries again to remove it.
    let _ = remove_old(storage, run, names, keep);
    Ok(bytes)
}

/// Writes the folder of a checkpoint and reads it back. A resumed run repeats steps, so it may replace a checkpoint: one that is
/// damaged, or that was saved before the epoch's end. On an error that one is back in its place, or aside for [`super::recover()`].
fn commit_folder(
    storage: &impl Storage,
    run: &RunDir,
    step: u64,
    files: &mut Vec<File<'_>>,
) -> Result<(), Error> {
    let (new, target, old) = (
        temporary(run, step, "new"),
        run.checkpoint(step),
        temporary(run, step, "old"),
    );
    let failed = |source| Error::Io {
        doing: "saving",
        path: target.clone(),
        source,
    };
    let placed = write_folder(storage, &new, step, files)
        .and_then(|()| put_in_place(storage, &new, &target, &old));
    let replaced = placed.map_err(|error| {
        if matches!(storage.exists(&old), Ok(false)) {
            // Report the first error.
            let _ = storage.remove_dir(&new);
        }
        failed(error)
    })?;
    let verified = storage
        .sync_dir(&run.checkpoints())
        .map_err(failed)
        .and_then(|()| compare(storage, &target, files));
    // Ignore errors of a removal: `recover` repeats it.
    match (&verified, replaced) {
        (Ok(()), None) => {}
        (Ok(()), Some(replaced)) => {
            let _ = storage.remove_dir(&replaced);
        }
        (Err(_), None) => {
            let _ = storage.remove_dir(&target);
        }
        (Err(_), Some(replaced)) => {
            if put_back(storage, &replaced, &target, &new).is_ok() {
                let _ = storage.remove_dir(&new);
            }
        }
    }
    verified
}

/// Renames `new` to `target`. Returns the path of the folder that this replaced: `new`, or `old` on a file system that cannot
/// swap folders. On an error `target` is unchanged, or `old` exists.
fn put_in_place(
    storage: &impl Storage,
    new: &Path,
    target: &Path,
    old: &Path,
) -> io::Result<Option<PathBuf>> {
    if !storage.exists(target)? {
        return storage.rename(new, target).map(|()| None);
    }
    match storage.exchange(new, target) {
        Err(error) if error.kind() == io::ErrorKind::Unsupported => {}
        exchanged => return exchanged.map(|()| Some(new.to_path_buf())),
    }
    storage.rename(target, old)?;
    // `old` must be durable before the other takes its name.
    sync_parent(storage, old)
        .and_then(|()| storage.rename(new, target))
        .inspect_err(|_| {
            let _ = storage.rename(old, target);
        })?;
    Ok(Some(old.to_path_buf()))
}

/// Undoes [`put_in_place`], which returned `replaced`. Afterwards `new` is the folder that was in place.
fn put_back(storage: &impl Storage, replaced: &Path, target: &Path, new: &Path) -> io::Result<()> {
    if replaced == new {
        storage.exchange(new, target)?;
    } else {
        storage.rename(target, new)?;
        storage.rename(replaced, target)?;
    }
    sync_parent(storage, target)
}

fn sync_parent(storage: &impl Storage, path: &Path) -> io::Result<()> {
    storage.sync_dir(path.parent().unwrap_or(Path::new("/")))
}

/// Writes the files and their manifest, which it adds to `files`.
fn write_folder(
    storage: &impl Storage,
    folder: &Path,
    step: u64,
    files: &mut Vec<File<'_>>,
) -> io::Result<()> {
    storage.create_dir(folder)?;
    let write = |name: &str, bytes: &[u8]| {
        let mut file = storage.create(&folder.join(name))?;
        file.write_all(bytes)?;
        file.sync()
    };
    let manifest = thread::scope(|scope| {
        // SHA-256 takes about as long as the disk, and needs another core.
        let hashed = thread::Builder::new().spawn_scoped(scope, || manifest(step, files))?;
        files
            .iter()
            .try_for_each(|(name, bytes)| write(name, bytes))?;
        let panicked = |_| io::Error::other("computing the SHA-256 of the files failed");
        hashed.join().map_err(panicked)?
    })?;
    write(MANIFEST, &manifest)?;
    files.push((MANIFEST, Cow::Owned(manifest)));
    storage.sync_dir(folder)
}

/// Reads a folder back and compares it with what was to be written.
fn compare(storage: &impl Storage, folder: &Path, files: &[File<'_>]) -> Result<(), Error> {
    let damaged = |what| Error::Damaged {
        path: folder.to_path_buf(),
        what,
    };
    for (name, bytes) in files {
        let same = storage
            .open(&folder.join(name))
            .and_then(|file| holds(file, bytes))
            .map_err(|error| unreadable(storage, folder, name, error))?;
        if !same {
            return Err(damaged(format!(
                "{name} has another content than was saved"
            )));
        }
        if *name == STATE {
            // One that serializes and cannot be parsed could not be resumed.
            serde_json::from_slice::<State>(bytes)
                .map_err(|error| damaged(format!("{STATE}: {error}")))?;
        }
    }
    Ok(())
}

/// Whether a file holds these bytes and no others.
fn holds(mut file: impl Read, mut expected: &[u8]) -> io::Result<bool> {
    let mut buffer = vec![0; 1 << 20];
    loop {
        let length = match file.read(&mut buffer) {
            Ok(0) => return Ok(expected.is_empty()),
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        match expected.split_at_checked(length) {
            Some((same, rest)) if same == &buffer[..length] => expected = rest,
            _ => return Ok(false),
        }
    }
}

fn check_room(storage: &impl Storage, folder: &Path, bytes: u64) -> io::Result<()> {
    let full = |text| io::Error::new(io::ErrorKind::StorageFull, text);
    let lack = lack_of_room(storage.free(folder)?, bytes + HEADROOM, folder);
    lack.map_or(Ok(()), |text| Err(full(text)))
}

/// What to say where fewer bytes are free than needed.
fn lack_of_room(free: u64, needed: u64, folder: &Path) -> Option<String> {
    // Rounded apart, so that the figures never read as equal.
    (free < needed).then(|| {
        format!(
            "{} MiB free on the disk, {} MiB needed. Free space, or lower train.checkpoint.keep: {}",
            free >> 20,
            needed.div_ceil(1 << 20),
            folder.display()
        )
    })
}

/// Removes all checkpoints up to `last` except the newest ones and the best of each. If the newest turns out damaged, the one
/// before it still finds its own best. One that cannot be removed does not keep the others. Returns the first error.
fn remove_old(storage: &impl Storage, run: &RunDir, names: Names, keep: usize) -> io::Result<()> {
    let mut steps = steps(storage, run)?;
    // A run resumes from its newest intact checkpoint, so those after `last` are damaged. They must not take the place of intact
    // ones. They stay until the run has passed them.
    steps.retain(|step| names.last.is_none_or(|last| *step <= last));
    let (old, kept) = steps.split_at(steps.len().saturating_sub(keep));
    let best_of = |step: &u64| -> Option<u64> {
        let state = storage.read(&run.checkpoint(*step).join(STATE)).ok()?;
        serde_json::from_slice::<State>(&state).ok()?.best_step
    };
    let needed: Vec<u64> = kept.iter().filter_map(best_of).chain(names.best).collect();
    old.iter()
        .filter(|step| !needed.contains(step))
        .map(|step| storage.remove_dir(&run.checkpoint(*step)))
        .fold(Ok(()), Result::and)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_that_lacks_a_little_room_shows_two_figures() {
        let mebibyte = 1 << 20;
        let (free, needed) = (70 * mebibyte + 1, 70 * mebibyte + 2);
        let text = lack_of_room(free, needed, Path::new("/run/ckpt")).unwrap();
        assert!(text.starts_with("70 MiB free") && text.contains("71 MiB needed"));
        assert!(text.ends_with("/run/ckpt"), "{text}");
        assert_eq!(lack_of_room(needed, needed, Path::new("/")), None);
    }

    #[test]
    fn a_file_that_is_shorter_longer_or_different_is_not_what_was_written() {
        // Read in pieces of at most a mebibyte, of which the last is short.
        let written: Vec<u8> = (0_u32..700_001).flat_map(u32::to_le_bytes).collect();
        assert!(holds(written.as_slice(), &written).unwrap());
        assert!(holds([].as_slice(), &[]).unwrap());
        let longer = [written.as_slice(), &[0]].concat();
        assert!(!holds(longer.as_slice(), &written).unwrap());
        assert!(!holds([0].as_slice(), &[]).unwrap());
        for at in [0, 1 << 20, written.len() - 1] {
            assert!(!holds(&written[..at], &written).unwrap(), "{at} bytes");
            let mut flipped = written.clone();
            flipped[at] ^= 1;
            assert!(!holds(flipped.as_slice(), &written).unwrap(), "byte {at}");
        }
    }
}
