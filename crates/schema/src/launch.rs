//! Starting a worker so that it outlives whoever starts it.
#![expect(unsafe_code, reason = "`pre_exec` is unsafe; what runs in it is one system call that is safe after a fork")]

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::run::RunDir;

/// The worker's program: `WARMSTART_WORKER`, or beside the running program, or where `make install` puts it. The error
/// lists the places that were looked at.
pub fn find_worker() -> Result<PathBuf, Vec<PathBuf>> {
    const NAME: &str = "warmstart-worker";
    if let Some(path) = std::env::var_os("WARMSTART_WORKER").filter(|path| !path.is_empty()).map(PathBuf::from) {
        return if path.is_file() { Ok(path) } else { Err(vec![path]) };
    }
    let program = std::env::current_exe().and_then(|path| path.canonicalize()).unwrap_or_default();
    let folder = program.parent().unwrap_or(Path::new(""));
    // Test programs lie one folder deeper than the programs they test.
    let places = [folder.join(NAME), folder.join("../lib/warmstart").join(NAME), folder.join("..").join(NAME)];
    places.iter().find(|path| path.is_file()).cloned().ok_or_else(|| places.to_vec())
}

/// Starts a worker on a run: in a session of its own, without terminal, its output in `worker.log`, so that neither a
/// hangup nor the end of this process reaches it.
pub fn spawn(worker: &Path, run: &RunDir) -> io::Result<Child> {
    let log = OpenOptions::new().append(true).create(true).mode(0o600).open(run.worker_log())?;
    let mut command = Command::new(worker);
    command.arg("train").arg(run.path()).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    if std::env::var_os("OMP_WAIT_POLICY").is_none() {
        // libtorch's threads wait for each other by spinning, which on a busy machine takes the time of the one waited for.
        command.env("OMP_WAIT_POLICY", "passive");
    }
    // SAFETY: between fork and exec only `setsid` is called, which is async-signal-safe and allocates nothing.
    unsafe {
        command.pre_exec(|| nix::unistd::setsid().map(drop).map_err(Into::into));
    }
    command.spawn()
}
