//! One process at a time fetches a file; another one waits, and finds it there.

use std::fs::{File, OpenOptions, TryLockError, create_dir_all};
use std::path::Path;
use std::time::Duration;

use super::error::FetchError;
use super::progress::{Progress, wait};

/// How often a waiting process looks whether it is its turn.
const LOOK: Duration = Duration::from_millis(200);

/// Held while a file is fetched. However the process ends, the system releases it.
pub(super) struct Lock(
    #[expect(
        dead_code,
        reason = "held, not read: closing the file gives the lock back"
    )]
    File,
);

/// Waits for the lock at `path` and takes it. Creates its folder.
pub(super) fn take(
    path: &Path,
    what: &str,
    progress: &mut dyn Progress,
) -> Result<Lock, FetchError> {
    let disk = |error| FetchError::write(path, error);
    create_dir_all(path.parent().unwrap_or(Path::new("."))).map_err(disk)?;
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .map_err(disk)?;
    let mut has_told = false;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(Lock(file)),
            Err(TryLockError::Error(error)) => return Err(disk(error)),
            Err(TryLockError::WouldBlock) => {}
        }
        if !has_told {
            progress.note(&format!(
                "another process is downloading {what}; waiting for it"
            ));
            has_told = true;
        }
        wait(LOOK, progress)?;
    }
}
