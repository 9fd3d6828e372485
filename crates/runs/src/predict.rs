//! Asking a run's best checkpoint about a picture that is shown beside the answer.

use std::path::{Path, PathBuf};
use std::process::Command;

use warmstart_schema::look::Part;
use warmstart_schema::prediction::{Answer, Predictions};
use warmstart_schema::text;

use crate::actions;
use crate::failure::{Failure, Kind};

/// What is asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// A picture file.
    Shown(PathBuf),
    /// A picture of the run's own dataset by its number.
    OfDataset { part: Part, number: u32 },
}

/// Has the training program look at it; the answer holds what the model saw. `run` is the run's folder.
pub fn ask(run: &Path, subject: &Subject) -> Result<Predictions, Failure> {
    let worker = actions::worker()?;
    let lacks = |found: String| {
        Failure::new(Kind::Worker, format!("{}: {found}", worker.display()))
            .help("`warmstart doctor` says more")
    };
    let mut command = Command::new(&worker);
    command.arg("predict");
    match subject {
        Subject::Shown(file) => command.arg("--pixels").arg(run).arg(file),
        Subject::OfDataset { part, number } => command
            .arg("--of-dataset")
            .arg(run)
            .arg(part.as_str())
            .arg(number.to_string()),
    };
    let output = command
        .output()
        .map_err(|error| lacks(format!("does not start: {error}")))?;
    let answer = serde_json::from_slice(&output.stdout).map_err(|_| {
        let said = text::line(&String::from_utf8_lossy(&output.stderr), 500);
        lacks(format!("gives no answer ({}): {said}", output.status))
    })?;
    match answer {
        Answer::Predictions(predictions) => Ok(predictions),
        Answer::Refused { error, help } => {
            Err(Failure::new(Kind::Input, text::line(&error, 2000)).help(text::line(&help, 500)))
        }
    }
}
