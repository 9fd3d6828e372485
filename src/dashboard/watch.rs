//! The thread that looks at the disk, so that a slow one never holds up a key.

mod catalogue;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;
use warmstart_schema::event::now;

use self::catalogue::CatalogueWatch;
use super::effect::Folders;
use super::message::Message;
use crate::store::Watcher;

/// Between two looks while something runs or waits.
const LIVE: Duration = Duration::from_millis(250);
/// Between two looks otherwise.
const IDLE: Duration = Duration::from_secs(1);

/// Follows runs and experiment files until nobody listens any more. `live` says how often to look; `wake` asks for a look
/// at once.
pub fn start(folders: &Folders, live: Arc<AtomicBool>, wake: Receiver<()>, messages: UnboundedSender<Message>) {
    let mut runs = Watcher::new(&folders.checkpoints);
    let mut catalogue = CatalogueWatch::new(folders.experiments.clone());
    std::thread::spawn(move || {
        let mut first = true;
        loop {
            if let Some(catalogue) = catalogue.poll()
                && messages.send(Message::Experiments(catalogue)).is_err()
            {
                return;
            }
            let changes = runs.poll();
            if (first || !changes.is_empty()) && messages.send(Message::Changes { now: now(), changes }).is_err() {
                return;
            }
            first = false;
            let pause = if runs.unread() > 0 {
                Duration::ZERO
            } else if live.load(Ordering::Relaxed) {
                LIVE
            } else {
                IDLE
            };
            match wake.recv_timeout(pause) {
                Err(RecvTimeoutError::Disconnected) => return,
                Ok(()) | Err(RecvTimeoutError::Timeout) => {}
            }
        }
    });
}
