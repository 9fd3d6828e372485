//! Why a run is not well, and what to do about it: the same words on every screen and in every answer.

use crate::launcher;
use warmstart_schema::state::{Liveness, Outcome, Status};

use super::Run;

/// What is wrong, and the next step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunProblem {
    pub what: String,
    pub help: String,
}

impl Run {
    /// What is wrong with the run at `now`, in seconds since the Unix epoch; nothing when it is well, waits or was stopped.
    pub fn trouble(&self, now: f64) -> Option<RunProblem> {
        let (what, help) = match self.status() {
            Status::Failed => {
                let Some(Outcome::Failed { error, help, .. }) = &self.state.outcome else {
                    return None;
                };
                (format!("failed: {error}"), help.clone())
            }
            Status::Lost => self.lost(),
            Status::Unreadable => self.unreadable(),
            Status::Finished => self.setback()?,
            Status::Stalled => {
                let what = format!(
                    "stalled: {}, though its worker is alive ({})",
                    self.silence(now),
                    self.state.phase.as_str()
                );
                (
                    what,
                    format!("look at the disk and the device that it uses; {STOP}"),
                )
            }
            Status::Hung => {
                let what = format!(
                    "hung: {}, and its worker gives no sign of life",
                    self.silence(now)
                );
                (
                    what,
                    format!("the machine may be out of memory, or a disk does not answer; {STOP}"),
                )
            }
            Status::Suspended => {
                let pid = self
                    .state
                    .attempt
                    .as_ref()
                    .and_then(|attempt| attempt.worker.pid())
                    .unwrap_or(0);
                (
                    "suspended by a signal (SIGSTOP)".to_owned(),
                    format!("`kill -CONT {pid}` continues it"),
                )
            }
            _ => return None,
        };
        Some(RunProblem { what, help })
    }

    fn unreadable(&self) -> (String, String) {
        let why = self
            .info
            .as_ref()
            .err()
            .map_or("its log may not be opened", String::as_str);
        let help = if why.contains("denied") {
            "it is another user's, or its permissions keep you out: ask its owner, or look with `ls -ld`"
        } else {
            "look at the disk that it lies on; nothing of it was changed"
        };
        (format!("cannot be read: {why}"), help.to_owned())
    }

    /// The newest attempt came to nothing, and what was earned before it stays.
    fn setback(&self) -> Option<(String, String)> {
        let number = self
            .state
            .attempt
            .as_ref()
            .map_or(1, |attempt| attempt.number);
        match self.state.setback.as_ref()? {
            Outcome::Failed { error, help, .. } => Some((
                format!("done, but attempt {number} failed before it had anything new: {error}"),
                help.clone(),
            )),
            _ => Some((
                format!("done, but attempt {number} was stopped before it had anything new"),
                "resuming carries out what it was to do".to_owned(),
            )),
        }
    }

    /// The machine on which another one's worker has the run, or had it when it was last heard of; none where that is this one.
    pub fn elsewhere(&self) -> Option<String> {
        let attempt = self.state.attempt.as_ref()?;
        let is_theirs = !attempt.host.is_empty() && attempt.host != launcher::local::host();
        let is_open = self.status().is_live()
            || (self.status() == Status::Lost && self.liveness == Liveness::Elsewhere);
        // A machine may have been renamed; a container has a name and numbers of its own on the same one.
        (is_theirs && is_open && !launcher::is_alive(&attempt.worker)).then(|| attempt.host.clone())
    }

    fn lost(&self) -> (String, String) {
        let from = match &self.state.checkpoint {
            Some((_, checkpoint)) => format!("a resume continues after epoch {}", checkpoint.epoch),
            None => "it had no checkpoint yet, so resuming starts it from the beginning".to_owned(),
        };
        let host = self
            .state
            .attempt
            .as_ref()
            .map_or("another machine", |attempt| attempt.host.as_str());
        match self.liveness {
            Liveness::Rebooted => ("lost: the machine went down while it ran".to_owned(), from),
            Liveness::Elsewhere => {
                let host = warmstart_schema::text::line(host, 80);
                let what =
                    format!("lost: it ran on {host}, which is not this machine or is no more");
                (
                    what,
                    format!("if {host} shares this folder, look there first; otherwise {from}"),
                )
            }
            _ => {
                let what = "lost: its worker ended without a word, and so did the process that waited for it";
                (what.to_owned(), from)
            }
        }
    }

    fn silence(&self, now: f64) -> String {
        let seconds = self
            .state
            .last_event
            .map_or(0.0, |last| (now - last).max(0.0));
        if seconds < 120.0 {
            format!("no progress for {seconds:.0} s")
        } else {
            format!("no progress for {:.0} min", seconds / 60.0)
        }
    }
}

const STOP: &str =
    "stop it, without saving if it does not answer, and resume it from its last checkpoint";
