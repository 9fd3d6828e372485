//! What the run folder holds of a run's jobs: what they ask for, the job that has the run, and whether its user wants it to end.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use warmstart_schema::identity::{Handle, Job};
use warmstart_schema::slurm::Slurm as SlurmOptions;
use warmstart_schema::text;

use crate::failure::{Failure, Kind};
use crate::run::{RunDir, RunInfo};
use crate::storage::{Disk, replace};

/// The name by which the queue counts such runs, where it has the device of others.
pub const SLOT: &str = "slurm";

/// Marks a worker that Slurm has started, because a job may also hold a shell in which people work.
pub(super) const MARK: &str = "WARMSTART_LAUNCHER";

/// The id of the array's task that a worker is of; empty for other jobs.
pub(super) const TASK: &str = "WARMSTART_SLURM_TASK";

/// In the run folder: what a job of the run asks for; a run without it starts on this machine.
pub(super) const WANTED: &str = "slurm.json";
/// The script that `sbatch` got last.
pub(super) const SCRIPT: &str = "slurm.sh";
/// How many bytes the log had when the run was sent last: what follows is of that job.
const SENT: &str = "slurm.sent";
/// Its user wants the run to end. A worker without it that is asked to save waits to be killed, so that Slurm starts it again.
pub(super) const STOP: &str = "slurm.stop";

/// How long to wait for the run's lock, which others take for a moment only.
pub(super) const PATIENCE: Duration = Duration::from_secs(2);

/// Whether the next worker of a run is to be a job.
pub fn is_asked_for(run: &RunDir) -> bool {
    run.path().join(WANTED).is_file()
}

/// Makes the next worker of a run a job that asks for this.
pub fn ask_for(run: &RunDir, wanted: &SlurmOptions) -> io::Result<()> {
    let mut json = serde_json::to_vec_pretty(wanted)?;
    json.push(b'\n');
    replace(&Disk, &run.path().join(WANTED), &json)
}

/// Makes the next worker of a run a process of this machine.
pub fn give_back(run: &RunDir) -> io::Result<()> {
    absent(fs::remove_file(run.path().join(WANTED)))
}

/// What the jobs of a run ask for.
pub(super) fn wanted(run: &RunDir) -> io::Result<SlurmOptions> {
    let path = run.path().join(WANTED);
    let json = fs::read_to_string(&path)?;
    // Any program may have written it, and messages quote it.
    let wrong = |what: String| {
        let (what, path) = (text::line(&what, 500), path.display().to_string());
        let what = format!("{what}: {}", text::line(&path, 300));
        let help = "correct this file, or remove it to train on this machine";
        io::Error::other(Failure::new(Kind::Input, what).help(help))
    };
    let mut wanted: SlurmOptions = serde_json::from_str(&json)
        .map_err(|error| wrong(format!("slurm.json is damaged: {error}")))?;
    match wanted.take_mistakes().into_iter().next() {
        None => Ok(wanted),
        Some(mistake) => Err(wrong(format!(
            "slurm.json: {}: {}",
            mistake.field, mistake.message
        ))),
    }
}

/// Keeps how long the log is before the run is sent.
pub(super) fn keep_log_length(run: &RunDir) -> io::Result<()> {
    let length = match fs::metadata(run.events()) {
        Ok(meta) => meta.len(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
        Err(error) => return Err(error),
    };
    let text = format!("{length}\n");
    replace(&Disk, &run.path().join(SENT), text.as_bytes())
}

/// How long the log was when the run was sent last; `None` if an earlier version sent it.
pub(super) fn log_length_when_sent(run: &RunDir) -> Option<u64> {
    let text = fs::read_to_string(run.path().join(SENT)).ok()?;
    text.trim().parse().ok()
}

/// Whether its user wants the run to end.
pub fn is_stopped(run: &RunDir) -> bool {
    run.path().join(STOP).exists()
}

/// Gives the run back: Slurm starts no worker of it again. The caller holds the run's lock.
pub fn release(run: &RunDir) -> io::Result<()> {
    let info = run.info()?;
    if info.worker.as_ref().and_then(Handle::job).is_none() {
        return Ok(());
    }
    run.write_info(&RunInfo {
        worker: None,
        ..info
    })
}

pub(super) fn absent(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// The name of the job that is sent now, or was sent last, by which Slurm finds one whose id is not known. The log has grown since
/// the run's earlier jobs were sent, so its length tells them apart.
pub(super) fn job_name(run: &RunDir) -> String {
    let id = run.path().file_name().unwrap_or_default().to_string_lossy();
    match log_length_when_sent(run) {
        None | Some(0) => format!("warmstart-{id}"),
        Some(length) => format!("warmstart-{id}-{length}"),
    }
}

/// Writes a job into `run.json`. What a worker of that job has written there since says more, and stays. False if another process
/// holds the run's lock: then `run.json` may not name the job.
pub(super) fn record(run: &RunDir, job: Job) -> io::Result<bool> {
    let Some(_lock) = run.lock_within(PATIENCE)? else {
        return Ok(false);
    };
    let info = run.info()?;
    let now = info.worker.as_ref().and_then(Handle::job);
    if now.is_some_and(|now| now.is_same_job(job)) {
        return Ok(true);
    }
    run.write_info(&RunInfo {
        worker: Some(Handle::Slurm(job)),
        ..info
    })?;
    Ok(true)
}

/// The error of a run that cannot be sent because another process holds its lock.
pub(super) fn locked(run: &RunDir) -> io::Error {
    let id = run.path().file_name().unwrap_or_default().to_string_lossy();
    let what = format!("run {id} is in use by another process, so no job of it was sent");
    io::Error::other(
        Failure::new(Kind::Worker, what).help("wait until it ends, then resume the run"),
    )
}

/// What helps where the path of a run, of the folder that it was launched in, or of the worker cannot be written.
pub(super) const OTHER_RUNS: &str = "use another folder with --checkpoints";
pub(super) const OTHER_LAUNCH: &str = "train it again from another folder";
pub(super) const OTHER_WORKER: &str = "install warmstart and PyTorch in another folder";

/// The path as one argument in quotes, for a line that `sbatch` reads. `sbatch` cannot read some characters; the error for a path
/// with one of them gives this help.
pub(super) fn quoted(path: &Path, help: &str) -> io::Result<String> {
    let plain = path.to_str().filter(|path| {
        !path
            .chars()
            .any(|c| c.is_control() || matches!(c, '"' | '\\' | '%'))
    });
    plain.map(|path| format!("\"{path}\"")).ok_or_else(|| {
        let what = format!(
            "Slurm takes only paths in UTF-8 without quotes, backslashes, percent signs and control characters: {}",
            text::line(&path.display().to_string(), 300)
        );
        io::Error::other(Failure::new(Kind::Input, what).help(help))
    })
}

/// The path as a word of the shell, with the same limits as [`quoted`].
pub(super) fn word(path: &Path, help: &str) -> io::Result<String> {
    quoted(path, help)?;
    Ok(shell_words::quote(&path.to_string_lossy()).into_owned())
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    use super::*;

    #[test]
    fn what_a_foreign_file_asks_for_is_quoted_without_its_control_characters() {
        let root = tempfile::tempdir().unwrap();
        let run = RunDir::new(root.path().to_path_buf());
        for json in [
            "{\"\\u001b[31mtime\": 1}",
            "{\"time\": \"\\u001b[31mlong\"}",
        ] {
            fs::write(run.path().join(WANTED), json).unwrap();
            let error = wanted(&run).unwrap_err();
            assert!(Failure::within(&error).is_some(), "it says what to do");
            let error = error.to_string();
            assert!(error.contains("slurm.json"), "{error:?}");
            assert!(!error.contains(char::is_control), "{error:?}");
        }
    }

    #[test]
    fn paths_that_sbatch_cannot_read_are_refused() {
        let help = "move it";
        let (quoted, word) = (
            |path: &str| quoted(Path::new(path), help),
            |path: &str| word(Path::new(path), help),
        );
        assert_eq!(quoted("/a b/ä$(x)").unwrap(), "\"/a b/ä$(x)\"");
        assert_eq!(word("/a b/$(x)").unwrap(), "'/a b/$(x)'");
        for path in ["/a\"b", "/a\\b", "/a%j", "/a\nb", "/a\u{1b}[31mb"] {
            let error = quoted(path).unwrap_err().to_string();
            assert!(error.ends_with(help), "{error}");
            assert!(!error.contains(char::is_control), "{error:?}");
        }
        let latin = Path::new(OsStr::from_bytes(b"/\xe4"));
        let error = super::quoted(latin, help).unwrap_err().to_string();
        assert!(error.contains("UTF-8"), "{error}");
    }
}
