//! Workers that answer the dashboard: one that shows a dataset while its screen is open, and one per
//! prediction.

use std::path::PathBuf;
use std::thread;

use tokio::sync::mpsc::UnboundedSender;
use warmstart_runs::run::{RunDir, RunId};
use warmstart_schema::look::Ask;

use crate::effect::DatasetSource;
use crate::message::Message;
use warmstart_runs::worker::{DatasetResponse, DatasetViewer, Subject, predict};

/// The workers. Dropping this ends the one that shows a dataset.
#[derive(Debug)]
pub(super) struct Workers {
    checkpoints: PathBuf,
    messages: UnboundedSender<Message>,
    viewer: Option<DatasetViewer>,
}

impl Workers {
    pub(super) fn new(checkpoints: PathBuf, messages: UnboundedSender<Message>) -> Self {
        Self {
            checkpoints,
            messages,
            viewer: None,
        }
    }

    /// Opens another dataset. Sends the worker's responses, or its failure to start, as messages.
    pub(super) fn show_dataset(&mut self, ticket: u64, source: DatasetSource) -> Option<Message> {
        self.viewer = None;
        let file = match source {
            DatasetSource::File(path) => path,
            DatasetSource::Run(id) => RunDir::of(&self.checkpoints, &id).experiment_yaml(),
        };
        let messages = self.messages.clone();
        let send = move |response| {
            messages
                .send(Message::DatasetResponse { ticket, response })
                .is_ok()
        };
        match DatasetViewer::start(&file, send) {
            Ok(viewer) => {
                self.viewer = Some(viewer);
                None
            }
            Err(failure) => Some(Message::DatasetResponse {
                ticket,
                response: DatasetResponse::Ended(failure),
            }),
        }
    }

    /// Sends a request to the worker that shows a dataset, if there is one.
    pub(super) fn ask(&mut self, ask: &Ask) {
        if let Some(viewer) = &mut self.viewer {
            // If the worker takes no requests it has ended, and its last response says so.
            let _ = viewer.ask(ask);
        }
    }

    /// Ends the worker that shows a dataset.
    pub(super) fn end(&mut self) {
        self.viewer = None;
    }

    /// Requests a prediction on its own thread: reading a checkpoint takes time.
    pub(super) fn predict(&self, ticket: u64, run: &RunId, subject: Subject) {
        let (run, messages) = (RunDir::of(&self.checkpoints, run), self.messages.clone());
        thread::spawn(move || {
            let result = predict(run.path(), &subject);
            // The receiver is gone only while leaving.
            let _ = messages.send(Message::Predicted { ticket, result });
        });
    }
}
