//! Workers that answer the dashboard itself: one that shows a dataset for as long as somebody looks, and one for each
//! prediction.

use std::path::PathBuf;
use std::thread;

use tokio::sync::mpsc::UnboundedSender;
use warmstart_runs::run::{RunDir, RunId};
use warmstart_schema::look::Ask;

use crate::effect::DatasetSource;
use crate::message::Message;
use warmstart_runs::worker::{DatasetResponse, DatasetViewer, Subject, predict};

/// What it takes to ask them. Dropped, it ends the one that shows a dataset.
#[derive(Debug)]
pub struct Workers {
    checkpoints: PathBuf,
    messages: UnboundedSender<Message>,
    looker: Option<DatasetViewer>,
}

impl Workers {
    pub fn new(checkpoints: PathBuf, messages: UnboundedSender<Message>) -> Self {
        Self {
            checkpoints,
            messages,
            looker: None,
        }
    }

    /// Shows another dataset. What the worker says comes as messages; so does that it does not start.
    pub fn look(&mut self, ticket: u64, album: DatasetSource) -> Option<Message> {
        self.looker = None;
        let file = match album {
            DatasetSource::File(path) => path,
            DatasetSource::Run(id) => RunDir::of(&self.checkpoints, &id).experiment_yaml(),
        };
        let messages = self.messages.clone();
        let hear = move |heard| messages.send(Message::Look { ticket, heard }).is_ok();
        match DatasetViewer::start(&file, hear) {
            Ok(looker) => {
                self.looker = Some(looker);
                None
            }
            Err(failure) => Some(Message::Look {
                ticket,
                heard: DatasetResponse::Ended(failure),
            }),
        }
    }

    pub fn ask(&mut self, ask: &Ask) {
        if let Some(looker) = &mut self.looker {
            // A worker that takes no more questions has ended, and that is told.
            let _ = looker.ask(ask);
        }
    }

    pub fn end(&mut self) {
        self.looker = None;
    }

    /// Asks a run on a thread of its own: reading its checkpoint takes a while.
    pub fn predict(&self, ticket: u64, run: &RunId, subject: Subject) {
        let (run, messages) = (RunDir::of(&self.checkpoints, run), self.messages.clone());
        thread::spawn(move || {
            let result = predict(run.path(), &subject);
            // Nobody listens any more only while leaving.
            let _ = messages.send(Message::Predicted { ticket, result });
        });
    }
}
