//! Questions that only the training program can answer, in JSON on its stdout.

use std::ffi::OsStr;
use std::process::Command;

use serde::de::DeserializeOwned;
use warmstart_schema::text;

use warmstart_runs::actions;
use warmstart_runs::failure::{Failure, Kind};

/// Starts the worker with these arguments and waits for its answer.
pub fn ask<T: DeserializeOwned>(
    arguments: impl IntoIterator<Item: AsRef<OsStr>>,
) -> anyhow::Result<T> {
    let worker = actions::worker()?;
    let lacks = |found: String| {
        Failure::new(Kind::Worker, format!("{}: {found}", worker.display()))
            .help("`warmstart doctor` says more")
    };
    let output = Command::new(&worker).args(arguments).output();
    let output = output.map_err(|error| lacks(format!("does not start: {error}")))?;
    Ok(serde_json::from_slice(&output.stdout).map_err(|_| {
        let said = text::line(&String::from_utf8_lossy(&output.stderr), 500);
        lacks(format!("gives no answer ({}): {said}", output.status))
    })?)
}

/// What the worker refused, as an error of the command line.
pub fn refused(kind: Kind, error: &str, help: &str) -> anyhow::Error {
    Failure::new(kind, text::line(error, 2000))
        .help(text::line(help, 500))
        .into()
}
