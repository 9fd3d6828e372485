//! The thread that reads the disk, so that a slow disk never delays a key.

mod catalogue;

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;
use warmstart_runs::run::RunId;
use warmstart_schema::event::now;

use self::catalogue::CatalogueWatch;
use super::folders::Folders;
use super::message::{Catalogue, Message};
use warmstart_runs::store::Watcher;

/// Interval between two reads while a run is live or queued: output of a worker appears within a
/// quarter of a second.
const LIVE: Duration = Duration::from_millis(150);
/// Interval between two reads otherwise.
const IDLE: Duration = Duration::from_secs(1);

/// What the watcher reads, and how often.
#[derive(Debug, Default)]
pub(crate) struct Demand {
    live: AtomicBool,
    opened: Mutex<Vec<RunId>>,
}

impl Demand {
    pub(crate) fn is_live(&self) -> bool {
        self.live.load(Ordering::Relaxed)
    }

    /// Sets whether to read often.
    pub(crate) fn set_live(&self, live: bool) {
        self.live.store(live, Ordering::Relaxed);
    }

    /// Sets the runs whose whole logs are needed; returns true if they changed.
    pub(crate) fn set_opened(&self, runs: Vec<RunId>) -> bool {
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = *opened != runs;
        *opened = runs;
        changed
    }

    fn opened(&self) -> Vec<RunId> {
        self.opened
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// The current experiment files, and what each lacks on this machine.
pub(crate) fn catalogue(folder: &Path) -> Option<Catalogue> {
    CatalogueWatch::new(folder.to_path_buf()).poll()
}

/// Follows runs and experiment files until the receiver is gone; `wake` triggers a read at once.
pub(crate) fn start(
    folders: &Folders,
    demand: Arc<Demand>,
    wake: Receiver<()>,
    messages: UnboundedSender<Message>,
) {
    let folders = folders.clone();
    std::thread::spawn(move || {
        let mut catalogue = CatalogueWatch::new(folders.experiments);
        let mut runs = Watcher::new(&folders.checkpoints);
        let mut first = true;
        loop {
            if let Some(catalogue) = catalogue.poll()
                && messages.send(Message::Experiments(catalogue)).is_err()
            {
                return;
            }
            runs.want(demand.opened());
            let start = std::time::Instant::now();
            let changes = runs.poll();
            if !changes.is_empty() {
                tracing::debug!(changes = changes.len(), elapsed = ?start.elapsed(), "runs read");
            }
            if (first || !changes.is_empty())
                && messages
                    .send(Message::Changes {
                        now: now(),
                        changes,
                    })
                    .is_err()
            {
                return;
            }
            first = false;
            let pause = if runs.unread() > 0 {
                Duration::ZERO
            } else if demand.is_live() {
                LIVE
            } else {
                IDLE
            };
            if !rest(&wake, pause) {
                return;
            }
        }
    });
}

/// Waits until a read is asked for, or for this long. One read answers all that asked. False if nobody can ask any more.
fn rest(wake: &Receiver<()>, pause: Duration) -> bool {
    match wake.recv_timeout(pause) {
        Err(RecvTimeoutError::Disconnected) => false,
        Err(RecvTimeoutError::Timeout) => true,
        Ok(()) => {
            while wake.try_recv().is_ok() {}
            true
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn one_read_answers_all_requests_before_it() {
        let (sender, wake) = channel();
        for _ in 0..3 {
            sender.send(()).unwrap();
        }
        assert!(rest(&wake, Duration::ZERO));
        assert!(wake.try_recv().is_err());
        assert!(rest(&wake, Duration::ZERO));
        drop(sender);
        assert!(!rest(&wake, Duration::ZERO));
    }
}
