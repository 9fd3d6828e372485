//! Why a run is not well, and what to do about it: the same words on every screen and in every answer.

use warmstart_schema::state::{Liveness, Outcome, Status};

use super::Run;

/// What is wrong, and the next step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    pub what: String,
    pub help: String,
}

impl Run {
    /// What is wrong with the run at `now`, in seconds since the Unix epoch; nothing when it is well, waits or was stopped.
    pub fn trouble(&self, now: f64) -> Option<Trouble> {
        let (what, help) = match self.status() {
            Status::Failed => {
                let Some(Outcome::Failed { error, help, .. }) = &self.state.outcome else { return None };
                (format!("failed: {error}"), help.clone())
            }
            Status::Lost => self.lost(),
            Status::Stalled => {
                let what = format!(
                    "stalled: {}, though its worker is alive ({})",
                    self.silence(now),
                    self.state.phase.as_str()
                );
                (what, format!("look at the disk and the device that it uses; {STOP}"))
            }
            Status::Hung => {
                let what = format!("hung: {}, and its worker gives no sign of life", self.silence(now));
                (what, format!("the machine may be out of memory, or a disk does not answer; {STOP}"))
            }
            Status::Suspended => {
                let pid = self.state.attempt.as_ref().map_or(0, |attempt| attempt.worker.pid);
                ("suspended by a signal (SIGSTOP)".to_owned(), format!("`kill -CONT {pid}` lets it go on"))
            }
            _ => return None,
        };
        Some(Trouble { what, help })
    }

    fn lost(&self) -> (String, String) {
        let from = match &self.state.checkpoint {
            Some((_, checkpoint)) => format!("resuming goes on after epoch {}", checkpoint.epoch),
            None => "it had no checkpoint yet, so resuming starts it from the beginning".to_owned(),
        };
        let host = self.state.attempt.as_ref().map_or("another machine", |attempt| attempt.host.as_str());
        match self.liveness {
            Liveness::Rebooted => ("lost: the machine went down while it ran".to_owned(), from),
            Liveness::Elsewhere => {
                let host = warmstart_schema::text::line(host, 80);
                let what = format!("lost: it ran on {host}, which is not this machine or is no more");
                (what, format!("if {host} shares this folder, look there first; otherwise {from}"))
            }
            _ => {
                let what = "lost: its worker ended without a word, and so did the process that waited for it";
                (what.to_owned(), from)
            }
        }
    }

    fn silence(&self, now: f64) -> String {
        let seconds = self.state.last_event.map_or(0.0, |last| (now - last).max(0.0));
        if seconds < 120.0 {
            format!("no progress for {seconds:.0} s")
        } else {
            format!("no progress for {:.0} min", seconds / 60.0)
        }
    }
}

const STOP: &str = "stop it, without saving if it does not answer, and resume it: it goes on from its last checkpoint";
