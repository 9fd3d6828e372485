//! A worker that shows a dataset: started once, answers line by line, ends when its viewer closes.

use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::process::Stdio;

use warmstart_schema::look::{Answer, Ask};

use super::{Response, Stream, Worker};
use crate::failure::Failure;

/// A response of such a worker.
pub type DatasetResponse = Response<Answer>;

/// A worker that shows a dataset; dropping it ends the worker.
#[derive(Debug)]
pub struct DatasetViewer(Stream);

impl DatasetViewer {
    /// Starts a worker on an experiment file. Another thread calls `on_response` until that returns false.
    pub fn start(
        file: &Path,
        on_response: impl FnMut(DatasetResponse) -> bool + Send + 'static,
    ) -> Result<Self, Failure> {
        let worker = Worker::find()?;
        let mut command = worker.command([OsStr::new("look"), file.as_os_str()]);
        command.stdin(Stdio::piped()).stderr(Stdio::piped());
        worker.stream(&mut command, on_response).map(Self)
    }

    /// Sends a request. Responses arrive in the order of the requests.
    pub fn ask(&mut self, ask: &Ask) -> io::Result<()> {
        self.0.ask(ask)
    }
}
