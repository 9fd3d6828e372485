//! Asks the worker what a launch of experiments would find; it reads images and weights as a run does.

use std::ffi::OsStr;
use std::path::Path;

use warmstart_schema::finding::Checked;

use super::Worker;
use crate::failure::Failure;

/// The worker's findings for each file, in order.
pub fn check_experiments(files: &[&Path]) -> Result<Vec<Checked>, Failure> {
    if files.is_empty() {
        return Ok(Vec::new());
    }
    let worker = Worker::find()?;
    check(&worker, files).map_err(|failure| Failure {
        what: format!("only the files were checked: {}", failure.what),
        ..failure
    })
}

fn check(worker: &Worker, files: &[&Path]) -> Result<Vec<Checked>, Failure> {
    let arguments = files.iter().map(|file| file.as_os_str());
    let output = worker.output([OsStr::new("check")].into_iter().chain(arguments))?;
    let answers: Vec<Checked> = String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect();
    if answers.len() == files.len() {
        Ok(answers)
    } else {
        let why = format!("{} of {} files are answered", answers.len(), files.len());
        Err(worker.no_answer(&output, &why))
    }
}
