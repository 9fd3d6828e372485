//! How a worker's process ended, as its monitor saw it, and what that means in words.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use nix::sys::signal::Signal;
use serde::{Deserialize, Serialize};

use crate::failure::{FailureKind, Outcome};

/// The end of a process that could not log it itself.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Exit {
    /// Its exit code, if it exited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<i32>,
    /// The signal that ended it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<i32>,
    /// Whether the kernel's count of processes killed for lack of memory rose while it ran.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub out_of_memory: bool,
    /// Why it did not start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_started: Option<String>,
}

/// A shell adds this to a signal's number; the worker does so when it exits without saving.
const BY_SIGNAL: i32 = 128;

impl Exit {
    pub fn of(status: ExitStatus, out_of_memory: bool) -> Self {
        Self {
            code: status.code(),
            signal: status.signal(),
            out_of_memory,
            not_started: None,
        }
    }

    /// The end of a worker that did not start.
    pub fn not_started(reason: String) -> Self {
        Self {
            not_started: Some(reason),
            ..Self::default()
        }
    }

    /// What it means for the run. `began`: it had logged its attempt; `stopping`: it had got a request to save and exit.
    pub fn outcome(&self, began: bool, stopping: bool) -> Outcome {
        match (self.signal, self.code) {
            (Some(signal), _) => self.killed(signal, stopping),
            (None, Some(code))
                if began
                    && [Signal::SIGQUIT, Signal::SIGTERM, Signal::SIGINT]
                        .iter()
                        .any(|signal| code == BY_SIGNAL + *signal as i32) =>
            {
                Outcome::Stopped
            }
            (None, Some(code)) if began => failed(
                FailureKind::Crashed,
                format!("the worker exited with code {code} and without a message"),
                "read its last lines; a resume continues from the last checkpoint",
            ),
            (None, Some(code)) => failed(
                FailureKind::NotStarted,
                format!("the worker did not start (exit code {code})"),
                "run `warmstart doctor` for details; then resume the run",
            ),
            (None, None) => {
                let reason = self.not_started.as_deref().unwrap_or("unknown reason");
                failed(
                    FailureKind::NotStarted,
                    format!("the worker did not start: {reason}"),
                    "`make build` builds it in a source tree; elsewhere, install warmstart again. Then resume the run",
                )
            }
        }
    }

    fn killed(&self, number: i32, stopping: bool) -> Outcome {
        let Ok(signal) = Signal::try_from(number) else {
            return failed(
                FailureKind::Killed,
                format!("killed by signal {number}"),
                RESUME,
            );
        };
        let name = signal.as_str();
        let (kind, error, help) = match signal {
            Signal::SIGKILL if self.out_of_memory => (
                FailureKind::KernelOutOfMemory,
                "out of memory (kernel): the machine or its memory limit was exhausted, and the kernel killed the worker with SIGKILL".to_owned(),
                "lower train.batch_size or input.resize, end other programs or raise the limit; resuming continues from the last checkpoint",
            ),
            Signal::SIGKILL if stopping => (
                FailureKind::Killed,
                "killed by SIGKILL while it was saving; the stop did not wait for it".to_owned(),
                RESUME,
            ),
            Signal::SIGKILL => (
                FailureKind::Killed,
                "killed by SIGKILL: by someone, or by a batch system at its limit".to_owned(),
                RESUME,
            ),
            Signal::SIGSEGV | Signal::SIGBUS | Signal::SIGILL | Signal::SIGFPE | Signal::SIGSYS | Signal::SIGTRAP => (
                FailureKind::Crashed,
                format!("crashed with {name}: a fault in libtorch, a driver, the memory, or in warmstart"),
                "resuming continues from the last checkpoint; if it crashes at the same place again, please report it with worker.log",
            ),
            Signal::SIGABRT => (
                FailureKind::Crashed,
                "crashed with SIGABRT: libtorch or a driver gave up".to_owned(),
                "its last lines say why; resuming continues from the last checkpoint",
            ),
            Signal::SIGXCPU | Signal::SIGXFSZ => (
                FailureKind::Killed,
                format!("killed by {name}: a limit of the shell or the batch system (`ulimit -a`)"),
                "raise the limit, then resume the run",
            ),
            _ => (FailureKind::Killed, format!("killed by {name} from outside"), RESUME),
        };
        failed(kind, error, help)
    }
}

const RESUME: &str = "resuming continues from the last checkpoint";

fn failed(kind: FailureKind, error: String, help: &str) -> Outcome {
    Outcome::Failed {
        kind,
        error,
        help: help.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(exit: &Exit, began: bool) -> (Option<FailureKind>, String) {
        match exit.outcome(began, false) {
            Outcome::Failed { kind, error, help } => {
                assert!(!help.is_empty());
                (Some(kind), error)
            }
            other => (None, format!("{other:?}")),
        }
    }

    fn signal(signal: Signal, out_of_memory: bool) -> (Option<FailureKind>, String) {
        judge(
            &Exit {
                signal: Some(signal as i32),
                out_of_memory,
                ..Exit::default()
            },
            true,
        )
    }

    #[test]
    fn exits_are_named_by_their_cause() {
        for (signal_, oom, kind, text) in [
            (
                Signal::SIGKILL,
                true,
                FailureKind::KernelOutOfMemory,
                "out of memory (kernel)",
            ),
            (Signal::SIGKILL, false, FailureKind::Killed, "SIGKILL"),
            (Signal::SIGSEGV, true, FailureKind::Crashed, "SIGSEGV"),
            (Signal::SIGABRT, false, FailureKind::Crashed, "SIGABRT"),
            (Signal::SIGXCPU, false, FailureKind::Killed, "SIGXCPU"),
            (Signal::SIGUSR1, false, FailureKind::Killed, "SIGUSR1"),
        ] {
            let (found, said) = signal(signal_, oom);
            assert!(
                found == Some(kind) && said.contains(text),
                "{signal_}: {said}"
            );
        }
        let unknown = Exit {
            signal: Some(64),
            ..Exit::default()
        };
        assert_eq!(
            judge(&unknown, true),
            (Some(FailureKind::Killed), "killed by signal 64".to_owned())
        );
    }

    #[test]
    fn exits_without_saving_on_request_are_no_failure() {
        for code in [130, 131, 143] {
            let exit = Exit {
                code: Some(code),
                ..Exit::default()
            };
            assert_eq!(exit.outcome(true, true), Outcome::Stopped);
            assert_eq!(judge(&exit, false).0, Some(FailureKind::NotStarted));
        }
        let exit = Exit {
            code: Some(1),
            ..Exit::default()
        };
        assert_eq!(judge(&exit, true).0, Some(FailureKind::Crashed));
        assert!(
            judge(&Exit::not_started("no such file".to_owned()), false)
                .1
                .contains("no such file")
        );
    }
}
