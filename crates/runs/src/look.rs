//! A worker that shows a dataset: started once, asked line by line, gone when nobody looks any more.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, Stdio};
use std::thread;

use warmstart_schema::look::{Answer, Ask};
use warmstart_schema::text;

use crate::actions;
use crate::failure::{Failure, Kind};

/// Bytes of a worker's complaints that are kept.
const COMPLAINT: u64 = 16 << 10;

/// What comes from the worker.
#[derive(Debug)]
pub enum Heard {
    Answer(Answer),
    /// It is gone, and this is why, as far as is known.
    Ended(Failure),
}

/// The worker while it is looked at.
#[derive(Debug)]
pub struct DatasetViewer {
    child: Child,
    questions: ChildStdin,
}

impl DatasetViewer {
    /// Starts a worker on an experiment file. What it says goes to `hear` on another thread, until that returns false.
    pub fn start(
        file: &Path,
        hear: impl FnMut(Heard) -> bool + Send + 'static,
    ) -> Result<Self, Failure> {
        let worker = actions::worker()?;
        let mut command = Command::new(&worker);
        command
            .arg("look")
            .arg(file)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let lacks = |found: &str| {
            let what = format!(
                "the training program {} does not start: {found}",
                worker.display()
            );
            Failure::new(Kind::Worker, what).help("`warmstart doctor` says more")
        };
        let mut child = command.spawn().map_err(|error| lacks(&error.to_string()))?;
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(questions), Some(answers), Some(complaints)) = pipes else {
            return Err(lacks("it has no pipes"));
        };
        thread::spawn(move || listen(answers, complaints, hear));
        Ok(Self { child, questions })
    }

    /// Asks; the answer is heard later. Answers come in the order of their questions.
    pub fn ask(&mut self, ask: &Ask) -> io::Result<()> {
        let line = serde_json::to_string(ask)? + "\n";
        self.questions
            .write_all(line.as_bytes())
            .and_then(|()| self.questions.flush())
    }
}

impl Drop for DatasetViewer {
    /// The worker only reads: it can be ended at any moment.
    fn drop(&mut self) {
        // One that is gone already is as good.
        let _ = self.child.kill();
        // Usually at once; but a process that hangs in a file system must not hold up a key.
        if !matches!(self.child.try_wait(), Ok(Some(_))) {
            let id = self.child.id();
            thread::spawn(move || reap(id));
        }
    }
}

fn reap(id: u32) {
    let Ok(id) = i32::try_from(id) else { return };
    // Who was waited for already needs it no more.
    let _ = nix::sys::wait::waitpid(nix::unistd::Pid::from_raw(id), None);
}

fn listen(answers: ChildStdout, complaints: ChildStderr, mut hear: impl FnMut(Heard) -> bool) {
    let complaints = thread::spawn(move || complaint(complaints));
    let mut trouble = None;
    for line in BufReader::new(answers).lines() {
        let answer = line
            .map_err(anyhow::Error::from)
            .and_then(|line| Ok(serde_json::from_str(&line)?));
        match answer {
            Ok(answer) => {
                if !hear(Heard::Answer(answer)) {
                    return;
                }
            }
            Err(error) => {
                trouble = Some(format!(
                    "its answer is not understood: {}",
                    text::line(&error.to_string(), 300)
                ));
                break;
            }
        }
    }
    let said = || complaints.join().unwrap_or_default();
    let why = trouble.unwrap_or_else(|| match said() {
        said if said.is_empty() => "it ended without a word".to_owned(),
        said => said,
    });
    let what = format!("the training program shows nothing: {why}");
    hear(Heard::Ended(
        Failure::new(Kind::Worker, what).help("`warmstart doctor` says more"),
    ));
}

/// What a worker complains of, to its end, as one line.
fn complaint(mut complaints: ChildStderr) -> String {
    let mut said = Vec::new();
    // What cannot be read is not told.
    let _ = complaints.by_ref().take(COMPLAINT).read_to_end(&mut said);
    let _ = io::copy(&mut complaints, &mut io::sink());
    text::line(&String::from_utf8_lossy(&said), 500)
}
