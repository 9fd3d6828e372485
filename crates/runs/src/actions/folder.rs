//! The error of a checkpoints folder that cannot be used, and the removal of runs that never started.

use std::path::{Path, PathBuf};
use std::{fs, io};

use crate::failure::{Failure, Kind};
use crate::launcher;
use crate::run::RunDir;

/// What an I/O error below `root` means for the user: the failure that it carries, or that the folder cannot be used.
pub(super) fn unwritable(root: &Path, error: &io::Error) -> Failure {
    if let Some(failure) = Failure::within(error) {
        return failure.clone();
    }
    Failure::new(
        Kind::Disk,
        format!(
            "the checkpoints folder cannot be used: {error}: {}",
            root.display()
        ),
    )
    .help("free disk space or correct its permissions, or name another folder with --checkpoints")
}

/// Deletes the folder of a run that no worker ever had: it contains only its experiment.
pub(super) fn discard_if_never_started(run: &RunDir) {
    // A file that cannot be looked at may hold the log of a worker.
    let is_empty = |path: PathBuf| match fs::metadata(path) {
        Ok(meta) => meta.len() == 0,
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    };
    if is_empty(run.events()) && is_empty(launcher::default().log(run)) {
        // If it cannot be removed, it stays as a run that never ran, and can be resumed.
        let _ = fs::remove_dir_all(run.path());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_runs_without_a_log_are_deleted() {
        let root = tempfile::tempdir().unwrap();
        let is_kept = |name: &str, log: fn(&RunDir)| {
            let run = RunDir::new(root.path().join(name));
            fs::create_dir(run.path()).unwrap();
            log(&run);
            discard_if_never_started(&run);
            run.path().exists()
        };
        assert!(!is_kept("none", |_| ()));
        assert!(!is_kept("empty", |run| fs::write(run.events(), "").unwrap()));
        assert!(is_kept("begun", |run| fs::write(run.events(), "{").unwrap()));
        // A link to itself cannot be looked at.
        assert!(is_kept("unknown", |run| {
            std::os::unix::fs::symlink(run.events(), run.events()).unwrap();
        }));
    }
}
