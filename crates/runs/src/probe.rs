//! Asking the training program what a launch of experiments would meet: it reads pictures and weights as a run does.

use std::path::Path;
use std::process::Command;

use warmstart_schema::finding::Checked;
use warmstart_schema::text;

use crate::actions;
use crate::failure::{Failure, Kind};

/// What it finds out about each of the files, in their order.
pub fn ask(files: &[&Path]) -> Result<Vec<Checked>, Failure> {
    if files.is_empty() {
        return Ok(Vec::new());
    }
    let worker = actions::worker()?;
    let lacks = |found: String| {
        let what = format!("only the files were checked: {}: {found}", worker.display());
        Failure::new(Kind::Worker, what).help("`warmstart doctor` says more")
    };
    let output = Command::new(&worker).arg("check").args(files).output();
    let output = output.map_err(|error| lacks(format!("does not start: {error}")))?;
    let lines = String::from_utf8_lossy(&output.stdout);
    let answers: Vec<Checked> = lines
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect();
    if answers.len() == files.len() {
        return Ok(answers);
    }
    let said = text::line(&String::from_utf8_lossy(&output.stderr), 500);
    Err(lacks(format!(
        "gives no answer ({}): {said}",
        output.status
    )))
}
