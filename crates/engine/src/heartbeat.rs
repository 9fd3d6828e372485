//! The sign of life of a worker: a thread that touches a file, whatever training does.

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use warmstart_runs::heartbeat;
use warmstart_runs::run::RunDir;

/// Touches `run.lock` until it is dropped.
#[derive(Debug)]
pub(crate) struct Heartbeat {
    end: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Heartbeat {
    pub(crate) fn start(run: &RunDir) -> Self {
        let (end, ended) = channel();
        let run = run.clone();
        let thread = std::thread::spawn(move || {
            loop {
                // A disk that does not take it now may take the next one.
                let _ = run.touch();
                match ended.recv_timeout(Duration::from_secs(u64::from(heartbeat::INTERVAL))) {
                    Err(RecvTimeoutError::Timeout) => {}
                    Ok(()) | Err(RecvTimeoutError::Disconnected) => return,
                }
            }
        });
        Self {
            end: Some(end),
            thread: Some(thread),
        }
    }
}

impl Drop for Heartbeat {
    fn drop(&mut self) {
        drop(self.end.take());
        // It touches a file at most; one that panicked has ended as well.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}
