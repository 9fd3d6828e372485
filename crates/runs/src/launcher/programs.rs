//! The programs that runs need, and where they are.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::cores::cores;
use super::torch;
use crate::run::RunDir;

/// The verb that makes the dashboard's program a monitor: `warmstart monitor WORKER RUN_FOLDER`.
pub const MONITOR: &str = "monitor";
/// Environment variable that gives a worker the pid of its monitor.
pub const MONITORED_BY: &str = "WARMSTART_MONITORED_BY";

/// The programs that runs need.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Programs {
    pub worker: PathBuf,
    /// The dashboard's program. As a monitor it waits for the worker's end, logs the cause, and starts the next run in the queue.
    /// Without it a worker starts the next run itself, if it lives to its end.
    pub monitor: Option<PathBuf>,
}

impl Programs {
    /// Finds both programs beside the running program or where `make install` puts them. `WARMSTART_WORKER` may name another
    /// worker. The error lists the paths searched for the worker.
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
        return named(&path);
    }
    let folder = program_folder();
    // Test programs lie one folder deeper than the programs under test.
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

/// The worker at a path that the user names. The result is absolute: a name without a slash would be searched for in `PATH`, and
/// other names from the folder that the worker runs in.
fn named(path: &Path) -> Result<PathBuf, Vec<PathBuf>> {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    if path.is_file() {
        Ok(path)
    } else {
        Err(vec![path])
    }
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

/// The folder of the running program, even if a newer build replaced the program since.
fn program_folder() -> PathBuf {
    let program = std::env::current_exe().unwrap_or_default();
    let program = program.canonicalize().unwrap_or(program);
    program.parent().unwrap_or(Path::new("")).to_path_buf()
}

/// The command that trains a run.
pub fn training(program: &Path, run: &RunDir) -> Command {
    let mut command = torch::command(program);
    command.arg("train").arg(run.path());
    let is_chosen = |name| std::env::var_os(name).is_some();
    if !is_chosen("OMP_WAIT_POLICY") && !is_chosen("GOMP_SPINCOUNT") {
        let (name, value) = waiting(load(), cores() as f64);
        command.env(name, value);
    }
    command
}

/// How libtorch's threads wait for each other: the variable and its value. Spinning for some microseconds makes small images
/// train 1.5 times as fast on an idle machine. On a busy one it takes time from the thread that is waited for.
fn waiting(load: Option<f64>, cores: f64) -> (&'static str, &'static str) {
    if load.is_some_and(|load| load >= cores) {
        ("OMP_WAIT_POLICY", "passive")
    } else {
        ("GOMP_SPINCOUNT", "10000")
    }
}

/// Processes that ran or waited for a core in the last minute; `None` where the system does not count them.
fn load() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/loadavg").ok()?;
    text.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_spin_for_a_while_unless_the_cores_are_busy() {
        let spin = ("GOMP_SPINCOUNT", "10000");
        assert_eq!(waiting(Some(0.3), 2.0), spin);
        assert_eq!(waiting(None, 2.0), spin);
        assert_eq!(waiting(Some(2.0), 2.0), ("OMP_WAIT_POLICY", "passive"));
    }

    #[test]
    fn a_worker_is_the_named_file_whatever_the_path_and_the_folder_are() {
        // Tests run in the folder of their package.
        let here = std::env::current_dir().unwrap();
        for name in ["Cargo.toml", "./Cargo.toml", "src/lib.rs"] {
            let found = named(Path::new(name)).unwrap();
            assert!(found.is_absolute(), "{}", found.display());
            assert_eq!(found, here.join(name).components().collect::<PathBuf>());
        }
        let missing = named(Path::new("no-such-worker")).unwrap_err();
        assert_eq!(missing, [here.join("no-such-worker")]);
    }

    #[test]
    fn the_load_of_this_machine_is_known_where_the_system_counts_it() {
        let is_counted = Path::new("/proc/loadavg").exists();
        assert_eq!(load().is_some(), is_counted);
    }
}
