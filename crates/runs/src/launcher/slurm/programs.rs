//! Calls Slurm's programs, each for a limited time.

use std::ffi::OsStr;
use std::fmt;
use std::io::{self, Read};
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use warmstart_schema::text;

/// Slurm's own limit is 10 s a message, and its programs try more than once.
const LIMIT: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(5);
/// The most bytes of an answer; a job takes about 150.
const MOST: u64 = 16 << 20;

/// Parts of what Slurm's programs say when the controller does not answer. What was asked may have been done. First letters that
/// may be capitals are left out.
const SILENT: [&str; 9] = [
    "timed out",
    "onnection refused",
    "nable to contact",
    "ommunication connection failure",
    "Zero Bytes were transmitted",
    "standby mode",
    "try again later",
    "Unexpected message received",
    "rotocol authentication error",
];

/// Why a program of Slurm gave no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Trouble {
    /// This machine does not have the program.
    Missing(String),
    /// The controller does not answer, or the program did not end. What was asked may have been done.
    Silent(String),
    /// Slurm does not know the job.
    NoSuchJob(String),
    /// Slurm says no.
    Refused(String),
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let (Self::Missing(said)
        | Self::Silent(said)
        | Self::NoSuchJob(said)
        | Self::Refused(said)) = self;
        f.write_str(said)
    }
}

impl Trouble {
    /// What to do about it.
    pub(super) fn help(&self) -> &'static str {
        match self {
            Self::Missing(_) => {
                "log in to a machine that has Slurm, or train here with --launcher local"
            }
            Self::Silent(_) => "`scontrol ping` says whether the controller is up",
            Self::NoSuchJob(_) | Self::Refused(_) => {
                "correct `slurm:` in the settings or --slurm; `sinfo` lists partitions and their limits"
            }
        }
    }
}

/// Whether a program is on the search path.
pub(super) fn finds(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

/// The standard output of a program that succeeds.
pub(super) fn call(program: &str, arguments: &[&OsStr]) -> Result<String, Trouble> {
    call_within(LIMIT, program, arguments)
}

fn call_within(limit: Duration, program: &str, arguments: &[&OsStr]) -> Result<String, Trouble> {
    let mut child = Command::new(program)
        .args(arguments)
        // Dates in one form, whatever the user prefers.
        .env("SLURM_TIME_FORMAT", "standard")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => Trouble::Missing(format!("this machine has no `{program}`")),
            _ => Trouble::Missing(format!("`{program}` does not start: {error}")),
        })?;
    let (out, err) = (reader(child.stdout.take()), reader(child.stderr.take()));
    let late = || {
        let limit = limit.as_secs();
        Trouble::Silent(format!("`{program}` did not answer within {limit} s"))
    };
    let deadline = Instant::now() + limit;
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if Instant::now() < deadline => thread::sleep(PAUSE),
            other => {
                // It may end in this moment; then there is nothing to kill.
                let _ = child.kill();
                let _ = child.wait();
                return Err(match other {
                    Err(error) => Trouble::Silent(format!("cannot wait for `{program}`: {error}")),
                    Ok(_) => late(),
                });
            }
        }
    };
    // A process that the program leaves behind may hold its pipes for hours.
    let rest = |pipe: &Receiver<Vec<u8>>| taken(pipe, deadline).ok_or_else(late);
    let out = rest(&out)?;
    if status.success() {
        return Ok(out);
    }
    let err = rest(&err)?;
    // `scontrol` says on its standard output that a task is not there.
    let said = if err.trim().is_empty() { out } else { err };
    Err(judged(program, &said))
}

/// What the message of a program that fails means.
fn judged(program: &str, err: &str) -> Trouble {
    let lines = || err.lines().map(str::trim).filter(|line| !line.is_empty());
    // Warnings and a site's greetings may come before the cause.
    let cause = lines().find(|line| line.contains("error:"));
    let said = cause.or_else(|| lines().next()).map_or_else(
        || format!("`{program}` failed without a message"),
        |line| text::line(line, 300),
    );
    let is_gone = err.contains("Invalid job id")
        || err.contains("already completing or completed")
        || lines().any(|line| line.starts_with("Job ") && line.ends_with(" not found"));
    if is_gone {
        Trouble::NoSuchJob(said)
    } else if SILENT.iter().any(|part| err.contains(part)) {
        Trouble::Silent(said)
    } else {
        Trouble::Refused(said)
    }
}

/// Reads on another thread, so that a full pipe stops nobody.
fn reader(pipe: Option<impl Read + Send + 'static>) -> Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel();
    if let Some(pipe) = pipe {
        thread::spawn(move || {
            let mut bytes = Vec::new();
            // A part of an answer is judged like all of it.
            let _ = pipe.take(MOST).read_to_end(&mut bytes);
            // Nobody waits for it any more if it comes too late.
            let _ = sender.send(bytes);
        });
    }
    receiver
}

/// What a reader read to the end; none if the pipe is still open at the deadline.
fn taken(reader: &Receiver<Vec<u8>>, deadline: Instant) -> Option<String> {
    let left = deadline.saturating_duration_since(Instant::now());
    let bytes = match reader.recv_timeout(left) {
        Ok(bytes) => bytes,
        Err(RecvTimeoutError::Timeout) => return None,
        // There was no pipe.
        Err(RecvTimeoutError::Disconnected) => Vec::new(),
    };
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_of_slurm_are_told_apart() {
        type Kind = fn(String) -> Trouble;
        let kinds: [(&str, Kind); 12] = [
            (
                "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation\n",
                Trouble::Silent,
            ),
            (
                "squeue: error: Unable to contact slurm controller (connect failure)\n",
                Trouble::Silent,
            ),
            (
                "slurm_load_jobs error: Unable to contact slurm controller (connect failure)",
                Trouble::Silent,
            ),
            ("connect: Connection refused", Trouble::Silent),
            (
                "slurm_load_jobs error: Zero Bytes were transmitted or received",
                Trouble::Silent,
            ),
            (
                "scancel: error: Kill job error on job id 2: Job can not be altered now, try again later",
                Trouble::Silent,
            ),
            (
                "slurm_load_jobs error: Invalid job id specified",
                Trouble::NoSuchJob,
            ),
            (
                "scancel: error: Kill job error on job id 99: Invalid job id specified",
                Trouble::NoSuchJob,
            ),
            ("Job 15_3 not found", Trouble::NoSuchJob),
            (
                "scancel: error: Kill job error on job id 1: Job/step already completing or completed",
                Trouble::NoSuchJob,
            ),
            (
                "sbatch: error: Batch job submission failed: Invalid partition name specified",
                Trouble::Refused,
            ),
            ("", Trouble::Refused),
        ];
        for (said, kind) in kinds {
            let found = judged("x", said);
            assert_eq!(found, kind(found.to_string()), "{said}");
        }
    }

    #[test]
    fn warnings_before_the_cause_do_not_hide_it() {
        let cause = "sbatch: error: Batch job submission failed: Invalid partition name specified";
        let said = format!("sbatch: warning: the options differ\n\n{cause}\n");
        assert_eq!(judged("x", &said), Trouble::Refused(cause.to_owned()));
        let gone = judged("x", "this cluster is full on Mondays\nJob 15_3 not found\n");
        assert!(matches!(gone, Trouble::NoSuchJob(_)), "{gone:?}");
    }

    #[test]
    fn a_process_that_a_program_leaves_behind_delays_no_answer_for_long() {
        let sh = |script: &str, limit| {
            let arguments = ["-c", script].map(AsRef::as_ref);
            call_within(limit, "sh", &arguments)
        };
        let minute = Duration::from_mins(1);
        assert_eq!(sh("echo 41", minute), Ok("41\n".to_owned()));
        let started = Instant::now();
        let found = sh("sleep 50 & echo 41", Duration::from_secs(1));
        assert!(matches!(found, Err(Trouble::Silent(_))), "{found:?}");
        assert!(started.elapsed() < Duration::from_secs(40));
    }

    #[test]
    fn programs_that_are_missing_are_named() {
        assert!(!finds("no-such-program-of-slurm"));
        let trouble = call("no-such-program-of-slurm", &[]).unwrap_err();
        assert_eq!(
            trouble.to_string(),
            "this machine has no `no-such-program-of-slurm`"
        );
        assert!(trouble.help().contains("--launcher local"));
    }
}
