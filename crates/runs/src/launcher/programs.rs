//! The programs that carry out runs, and where they are.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::torch;
use crate::run::RunDir;

/// The verb by which the dashboard's program becomes a monitor: `warmstart monitor WORKER RUN_FOLDER`.
pub const MONITOR: &str = "monitor";
/// Tells a worker that somebody waits for its end: that process's number.
pub const MONITORED_BY: &str = "WARMSTART_MONITORED_BY";

/// The programs that carry out runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Programs {
    pub worker: PathBuf,
    /// The dashboard's program, which waits for the worker's end, leaves word, and starts the next in the queue. Without it
    /// a worker does the last itself, if it lives to.
    pub monitor: Option<PathBuf>,
}

impl Programs {
    /// The worker's program: `WARMSTART_WORKER`, or beside the running program, or where `make install` puts it; and the
    /// dashboard's likewise. The error lists the places that were looked at for the worker.
    pub fn find() -> Result<Self, Vec<PathBuf>> {
        let worker = find_worker()?;
        Ok(Self {
            worker,
            monitor: find_monitor(),
        })
    }
}

fn find_worker() -> Result<PathBuf, Vec<PathBuf>> {
    const NAME: &str = "warmstart-worker";
    if let Some(path) = std::env::var_os("WARMSTART_WORKER")
        .filter(|path| !path.is_empty())
        .map(PathBuf::from)
    {
        return if path.is_file() {
            Ok(path)
        } else {
            Err(vec![path])
        };
    }
    let folder = program_folder();
    // Test programs lie one folder deeper than the programs they test.
    let places = [
        folder.join(NAME),
        folder.join("../lib/warmstart").join(NAME),
        folder.join("..").join(NAME),
    ];
    places
        .iter()
        .find(|path| path.is_file())
        .cloned()
        .ok_or_else(|| places.to_vec())
}

fn find_monitor() -> Option<PathBuf> {
    const NAME: &str = "warmstart";
    let folder = program_folder();
    let places = [
        folder.join(NAME),
        folder.join("..").join(NAME),
        folder.join("../../bin").join(NAME),
    ];
    places.into_iter().find(|path| path.is_file())
}

/// Where the running program lies, also when it was replaced by a newer build since it started.
fn program_folder() -> PathBuf {
    let program = std::env::current_exe().unwrap_or_default();
    let program = program.canonicalize().unwrap_or(program);
    program.parent().unwrap_or(Path::new("")).to_path_buf()
}

/// The command that carries out a run.
pub fn training(program: &Path, run: &RunDir) -> Command {
    let mut command = torch::command(program);
    command.arg("train").arg(run.path());
    if std::env::var_os("OMP_WAIT_POLICY").is_none() {
        // libtorch's threads wait for each other by spinning, which on a busy machine takes the time of the one waited for.
        command.env("OMP_WAIT_POLICY", "passive");
    }
    command
}
