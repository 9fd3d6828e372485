//! The one client of `warmstart-worker`: it starts the worker, reads its answers, and explains every failure.

mod check;
mod dataset;
mod predict;

use std::ffi::OsStr;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{
    Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus, Output, Stdio,
};
use std::thread::{self, JoinHandle};

use rustix::process::{Pid, Signal, kill_process};
use serde::Serialize;
use serde::de::DeserializeOwned;
use warmstart_schema::text;

use crate::failure::{Failure, Kind};
use crate::launcher::{Programs, torch};

pub use self::check::check_experiments;
pub use self::dataset::{DatasetResponse, DatasetViewer};
pub use self::predict::{Subject, predict};

/// What to do about a missing or broken worker, in a source tree, a wheel and an archive.
const REPAIR: &str = "`make build` builds it in a source tree; elsewhere, install warmstart again";
const DOCTOR: &str = "run `warmstart doctor` for details";
/// Bytes kept of a worker's standard error.
const KEPT: u64 = 16 << 10;

/// The worker's program.
#[derive(Debug, Clone)]
pub struct Worker {
    path: PathBuf,
}

/// A response of a worker that answers line by line.
#[derive(Debug)]
pub enum Response<T> {
    Answer(T),
    /// The worker exited or sent an unknown response; this is the last response.
    Ended(Failure),
}

impl Worker {
    pub fn find() -> Result<Self, Failure> {
        programs().map(|programs| Self {
            path: programs.worker,
        })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn command(&self, arguments: impl IntoIterator<Item: AsRef<OsStr>>) -> Command {
        let mut command = torch::command(&self.path);
        command.args(arguments);
        command
    }

    /// Runs the worker to its end and parses its one answer, a JSON value.
    pub fn ask<T: DeserializeOwned>(
        &self,
        arguments: impl IntoIterator<Item: AsRef<OsStr>>,
    ) -> Result<T, Failure> {
        let output = self.output(arguments)?;
        serde_json::from_slice(&output.stdout)
            .map_err(|error| self.no_answer(&output, &error.to_string()))
    }

    /// Runs the worker to its end and returns its output.
    fn output(&self, arguments: impl IntoIterator<Item: AsRef<OsStr>>) -> Result<Output, Failure> {
        let output = self.command(arguments).output();
        output.map_err(|error| does_not_start(&self.path, &error))
    }

    /// Why the output of a worker contains no answer; `why` says what is wrong with the output.
    fn no_answer(&self, output: &Output, why: &str) -> Failure {
        // A worker of another version ends well, with an answer that is unknown here.
        if output.status.success() && !output.stdout.trim_ascii().is_empty() {
            return not_understood(&self.path, why);
        }
        let said = text::line(&String::from_utf8_lossy(&output.stderr), 500);
        exited(&self.path, Some(output.status), &said)
    }

    /// Starts a worker that answers in JSON lines. Another thread calls `on_response` with each of them until that returns false.
    /// If `command` pipes standard input, [`Stream::ask`] writes to it.
    pub fn stream<T: DeserializeOwned + 'static>(
        &self,
        command: &mut Command,
        on_response: impl FnMut(Response<T>) -> bool + Send + 'static,
    ) -> Result<Stream, Failure> {
        let child = command.stdout(Stdio::piped()).spawn();
        let mut child = child.map_err(|error| does_not_start(&self.path, &error))?;
        let (questions, errors) = (child.stdin.take(), child.stderr.take());
        if let Some(answers) = child.stdout.take() {
            let path = self.path.clone();
            thread::spawn(move || listen(&path, answers, errors, on_response));
        }
        Ok(Stream {
            child: Some(child),
            questions,
        })
    }
}

/// A worker that answers in JSON lines; dropping it ends the worker.
#[derive(Debug)]
pub struct Stream {
    child: Option<Child>,
    questions: Option<ChildStdin>,
}

impl Stream {
    /// Sends a request, a JSON line. Responses arrive in the order of the requests.
    pub fn ask(&mut self, question: &impl Serialize) -> io::Result<()> {
        let Some(questions) = &mut self.questions else {
            return Err(io::ErrorKind::BrokenPipe.into());
        };
        let line = serde_json::to_string(question)? + "\n";
        questions.write_all(line.as_bytes())?;
        questions.flush()
    }

    /// Asks the worker to exit (SIGTERM).
    pub fn interrupt(&self) {
        if let Some(child) = &self.child {
            // The worker may have exited. It is not waited for yet, so no other process has its pid.
            let _ = kill_process(Pid::from_child(child), Signal::TERM);
        }
    }

    /// Ends the worker's standard input, and waits for its exit.
    pub fn wait(mut self) -> io::Result<ExitStatus> {
        // A worker that answers questions exits at their end.
        drop(self.questions.take());
        match self.child.take() {
            Some(mut child) => child.wait(),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }
}

impl Drop for Stream {
    /// Such a worker only reads, so it can be killed at any moment.
    fn drop(&mut self) {
        let Some(mut child) = self.child.take() else {
            return;
        };
        // A worker that has exited needs no signal.
        let _ = child.kill();
        // It exits at once, unless it hangs in a file system; the caller must not wait for that.
        if !matches!(child.try_wait(), Ok(Some(_))) {
            thread::spawn(move || drop(child.wait()));
        }
    }
}

fn listen<T: DeserializeOwned>(
    path: &Path,
    answers: ChildStdout,
    errors: Option<ChildStderr>,
    mut on_response: impl FnMut(Response<T>) -> bool,
) {
    let errors: Option<JoinHandle<String>> =
        errors.map(|errors| thread::spawn(move || last_words(errors)));
    for line in BufReader::new(answers).lines() {
        let answer = line
            .map_err(anyhow::Error::from)
            .and_then(|line| Ok(serde_json::from_str(&line)?));
        match answer {
            Ok(answer) => {
                if !on_response(Response::Answer(answer)) {
                    return;
                }
            }
            Err(error) => {
                on_response(Response::Ended(not_understood(path, &error.to_string())));
                return;
            }
        }
    }
    let said = errors.and_then(|errors| errors.join().ok());
    on_response(Response::Ended(exited(
        path,
        None,
        &said.unwrap_or_default(),
    )));
}

/// A worker's standard error up to its end, as one line.
fn last_words(mut errors: ChildStderr) -> String {
    let mut said = Vec::new();
    // If it cannot be read, the explanation is shorter.
    let _ = errors.by_ref().take(KEPT).read_to_end(&mut said);
    let _ = io::copy(&mut errors, &mut io::sink());
    text::line(&String::from_utf8_lossy(&said), 500)
}

/// The programs that runs need.
pub fn programs() -> Result<Programs, Failure> {
    Programs::find().map_err(|looked| {
        let looked: Vec<String> = looked
            .iter()
            .map(|path| path.display().to_string())
            .collect();
        let what = format!("the worker is missing; searched {}", looked.join(", "));
        Failure::new(Kind::Worker, what)
            .help(format!("{REPAIR}; or set WARMSTART_WORKER to its path"))
    })
}

/// The error if the system does not execute the worker.
pub fn does_not_start(worker: &Path, error: &io::Error) -> Failure {
    let what = format!("the worker {} does not start: {error}", worker.display());
    Failure::new(Kind::Worker, what).help(format!("{REPAIR}; {DOCTOR}"))
}

/// The error if the worker exited without an answer; `said` is its standard error.
fn exited(worker: &Path, status: Option<ExitStatus>, said: &str) -> Failure {
    let status = status.map_or_else(String::new, |status| format!(" ({status})"));
    let what = if said.is_empty() {
        format!(
            "the worker {} exited without output{status}",
            worker.display()
        )
    } else {
        format!("the worker {} exited{status}: {said}", worker.display())
    };
    Failure::new(Kind::Worker, what).help(DOCTOR)
}

/// The error if the answer is unknown to this version.
pub fn not_understood(worker: &Path, why: &str) -> Failure {
    let what = format!(
        "the answer of the worker {} is not understood: {}",
        worker.display(),
        text::line(why, 300)
    );
    Failure::new(Kind::Worker, what).help(REPAIR)
}

/// The worker's refusal, as it words it.
pub fn refused(kind: Kind, error: &str, help: &str) -> Failure {
    Failure::new(kind, text::line(error, 2000)).help(text::line(help, 500))
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    /// A worker that is this shell script.
    fn script(folder: &Path, text: &str) -> Worker {
        let path = folder.join("worker");
        fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
        Worker { path }
    }

    #[test]
    fn ask_returns_the_answer_or_the_cause() {
        let folder = tempfile::tempdir().unwrap();
        let worker = script(folder.path(), "echo \"[$1]\"; exit 3");
        assert_eq!(worker.ask::<Vec<u32>>(["7"]).unwrap(), [7]);
        for (text, why) in [
            ("exit 3", "exited without output (exit status: 3)"),
            ("exit 0", "exited without output (exit status: 0)"),
            (
                "echo no library >&2; exit 127",
                "(exit status: 127): no library",
            ),
        ] {
            let failure = script(folder.path(), text).ask::<u32>(["x"]).unwrap_err();
            assert!(failure.what.ends_with(why), "{failure}");
        }
        let another = script(folder.path(), "echo '{\"answer\":7}'; echo a warning >&2");
        let failure = another.ask::<u32>(["x"]).unwrap_err();
        assert!(failure.what.contains("is not understood"), "{failure}");
        let nowhere = Worker {
            path: folder.path().join("nowhere"),
        };
        let failure = nowhere.ask::<u32>(["x"]).unwrap_err();
        assert!(failure.what.contains("does not start"), "{failure}");
    }

    #[test]
    fn stream_answers_in_order_and_ends_with_standard_error() {
        let folder = tempfile::tempdir().unwrap();
        let worker = script(
            folder.path(),
            "read a; echo \"$a\"; echo 2; echo full >&2; exit 1",
        );
        let mut command = worker.command(["x"]);
        command.stdin(Stdio::piped()).stderr(Stdio::piped());
        let (sender, responses) = mpsc::channel();
        let mut stream = worker
            .stream::<u32>(&mut command, move |response| sender.send(response).is_ok())
            .unwrap();
        stream.ask(&1).unwrap();
        let all: Vec<Response<u32>> = responses.iter().collect();
        let [
            Response::Answer(1),
            Response::Answer(2),
            Response::Ended(failure),
        ] = &all[..]
        else {
            panic!("{all:?}");
        };
        assert!(failure.what.ends_with("exited: full"), "{failure}");
        assert_eq!(stream.wait().unwrap().code(), Some(1));
    }

    #[test]
    fn wait_ends_the_questions() {
        let folder = tempfile::tempdir().unwrap();
        let worker = script(folder.path(), "cat >/dev/null; exit 7");
        let mut command = worker.command(["x"]);
        command.stdin(Stdio::piped());
        let stream = worker.stream::<u32>(&mut command, |_| true).unwrap();
        let (sender, ended) = mpsc::channel();
        thread::spawn(move || sender.send(stream.wait().unwrap().code()));
        let ended = ended.recv_timeout(Duration::from_secs(20));
        assert_eq!(ended, Ok(Some(7)));
    }
}
