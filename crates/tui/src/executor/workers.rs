//! Workers that respond to the dashboard: one that shows a dataset while its screen is open, and
//! one per prediction.

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
    looker: Option<DatasetViewer>,
}

impl Workers {
    pub(super) fn new(checkpoints: PathBuf, messages: UnboundedSender<Message>) -> Self {
        Self {
            checkpoints,
            messages,
            looker: None,
        }
    }

    /// Opens another dataset. Sends the worker's responses, or its failure to start, as messages.
    pub(super) fn show_dataset(&mut self, ticket: u64, source: DatasetSource) -> Option<Message> {
        self.looker = None;
        let file = match source {
            DatasetSource::File(path) => path,
            DatasetSource::Run(id) => RunDir::of(&self.checkpoints, &id).experiment_yaml(),
        };
        let messages = self.messages.clone();
        let hear = move |response| {
            messages
                .send(Message::DatasetResponse { ticket, response })
                .is_ok()
        };
        match DatasetViewer::start(&file, hear) {
            Ok(looker) => {
                self.looker = Some(looker);
                None
            }
            Err(failure) => Some(Message::DatasetResponse {
                ticket,
                response: DatasetResponse::Ended(failure),
            }),
        }
    }

    pub(super) fn ask(&mut self, ask: &Ask) {
        if let Some(looker) = &mut self.looker {
            // A worker that takes no requests has ended, which is reported separately.
            let _ = looker.ask(ask);
        }
    }

    pub(super) fn end(&mut self) {
        self.looker = None;
    }

    /// Requests a prediction on its own thread: reading a checkpoint takes time.
    pub(super) fn predict(&self, ticket: u64, run: &RunId, subject: Subject) {
        let (run, messages) = (RunDir::of(&self.checkpoints, run), self.messages.clone());
        thread::spawn(move || {
            let result = predict(run.path(), &subject);
            // Nobody listens any more only while leaving.
            let _ = messages.send(Message::Predicted { ticket, result });
        });
    }
}
