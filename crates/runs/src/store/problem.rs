//! What is wrong with a run and what to do about it, in the same words on every screen and in every answer.

use crate::launcher;
use warmstart_schema::state::{Liveness, Outcome, Status};

use super::Run;

/// A problem and the next step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunProblem {
    pub what: String,
    pub help: String,
}

impl Run {
    /// The problem of the run at `now`, in seconds since the Unix epoch; none if it is well, waits or was stopped.
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
                    format!("check the disk and the device that it uses; {STOP}"),
                )
            }
            Status::Hung => {
                let what = format!(
                    "hung: {}, and its worker has no heartbeat",
                    self.silence(now)
                );
                (
                    what,
                    format!("the machine may be out of memory, or a disk does not answer; {STOP}"),
                )
            }
            Status::Unclear => self.unclear(),
            // Only if somebody must do something.
            Status::Waiting => {
                let standing = self.standing.as_ref().filter(|it| !it.help.is_empty())?;
                (standing.text.clone(), standing.help.clone())
            }
            Status::Suspended if self.standing.is_some() => self.unclear(),
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

    /// What others know of its worker, and what to do.
    fn unclear(&self) -> (String, String) {
        let standing = self.standing.as_ref();
        standing.map_or_else(
            || {
                (
                    "unknown: its worker shows no sign of life".to_owned(),
                    String::new(),
                )
            },
            |standing| (standing.text.clone(), standing.help.clone()),
        )
    }

    fn unreadable(&self) -> (String, String) {
        let (why, help) = match &self.info {
            Err(why) if why.contains("denied") => (
                why.as_str(),
                "it belongs to another user, or its permissions exclude you: ask its owner, or check with `ls -ld`",
            ),
            Err(why) => (
                why.as_str(),
                "check the disk that it lies on; the run is unchanged",
            ),
            // Only the attempt to read it knows whether the permissions or the disk are to blame.
            Ok(_) => (
                "its log does not open or cannot be read to its end",
                "check the permissions of events.jsonl with `ls -l`, and the disk that it lies on; the run is unchanged",
            ),
        };
        (format!("cannot be read: {why}"), help.to_owned())
    }

    /// The newest attempt brought nothing new, and the earlier results stay.
    fn setback(&self) -> Option<(String, String)> {
        let number = self
            .state
            .attempt
            .as_ref()
            .map_or(1, |attempt| attempt.number);
        match self.state.setback.as_ref()? {
            Outcome::Failed { error, help, .. } => Some((
                format!("is done, but attempt {number} failed before it had anything new: {error}"),
                help.clone(),
            )),
            _ => Some((
                format!("is done, but attempt {number} was stopped before it had anything new"),
                "resume it to apply the change".to_owned(),
            )),
        }
    }

    /// The other machine whose worker has the run, or last had it; none if that is this machine.
    pub fn elsewhere(&self) -> Option<String> {
        let attempt = self.state.attempt.as_ref()?;
        let is_theirs = !attempt.host.is_empty() && attempt.host != launcher::local::host();
        let is_open = self.status().is_live()
            || (self.status() == Status::Lost && self.liveness == Liveness::Elsewhere);
        // A machine may have been renamed; a container has a different name and pids on the same machine.
        (is_theirs && is_open && !launcher::is_alive(&attempt.worker)).then(|| attempt.host.clone())
    }

    fn lost(&self) -> (String, String) {
        let from = match self.state.checkpoint_place() {
            Some(place) => format!("a resume continues after {place}"),
            None => "it had no checkpoint yet, so a resume starts from the beginning".to_owned(),
        };
        let host = self
            .state
            .attempt
            .as_ref()
            .map_or("", |attempt| attempt.host.as_str());
        match self.liveness {
            Liveness::Rebooted => ("lost: the machine restarted while it ran".to_owned(), from),
            Liveness::Elsewhere if host.is_empty() => (
                "lost: it ran on another machine, which has no name".to_owned(),
                format!("if it still runs there, stop it first; otherwise {from}"),
            ),
            Liveness::Elsewhere => {
                let host = warmstart_schema::text::line(host, 80);
                let what =
                    format!("lost: it ran on {host}, which is another machine or a deleted one");
                (
                    what,
                    format!("if {host} shares this folder, look there first; otherwise {from}"),
                )
            }
            _ => {
                let what = "lost: its worker and its monitor died before they could log the cause";
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
