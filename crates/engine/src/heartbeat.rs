//! The sign of life of a worker: a thread that touches a file, whatever training does.

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use warmstart_runs::heartbeat;
use warmstart_runs::launcher::slurm::Claim;
use warmstart_runs::run::RunDir;
use warmstart_schema::identity::Job;

use crate::worker_log;

/// The exit code of a worker that another one has replaced.
const LOST_CLAIM: i32 = 75;

/// Touches `run.lock` until it is dropped.
#[derive(Debug)]
pub(crate) struct Heartbeat {
    end: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Heartbeat {
    /// `job` is the start of the job that runs this worker, if a cluster started it. The thread then also ends this process once
    /// `run.json` names another start or job.
    pub(crate) fn start(run: &RunDir, job: Option<Job>) -> Self {
        let (end, ended) = channel();
        let run = run.clone();
        let mut claim = job.map(|job| Claim::new(&run, job));
        let thread = std::thread::spawn(move || {
            loop {
                keep(claim.as_mut(), true);
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

/// Ends this process if the run belongs to another start of its job, or to another job: two workers never write one run. With
/// `now` it reads `run.json` even if it did so a moment ago.
pub(crate) fn keep(claim: Option<&mut Claim>, now: bool) {
    if claim.is_some_and(|claim| !claim.holds(now)) {
        worker_log::line("another start of the job has this run; this one ends without saving");
        std::process::exit(LOST_CLAIM);
    }
}

impl Drop for Heartbeat {
    fn drop(&mut self) {
        drop(self.end.take());
        // It touches a file at most; one that panicked has ended as well.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}
