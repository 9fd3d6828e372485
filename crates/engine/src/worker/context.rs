//! What every step of an attempt needs: the run, its earlier attempts, the device, and when to stop.

use std::time::Duration;

use tch::Device;
use warmstart_runs::run::{RunDir, RunInfo};
use warmstart_schema::state::RunState;

use crate::interrupt::Interrupt;
use crate::reporter::PROGRESS_EVERY;

/// Options of a worker besides those in the run's folder.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Optimizer steps of the whole run after which it saves and stops, as on a request.
    pub stop_after: Option<u64>,
    /// The least time between two progress events; zero logs each step.
    pub progress_every: Duration,
}

impl Options {
    /// Trains to the run's end, with progress a few times a second.
    pub fn usual() -> Self {
        Self {
            stop_after: None,
            progress_every: PROGRESS_EVERY,
        }
    }
}

/// What every step of an attempt needs; nothing of it changes.
pub(super) struct Context<'a> {
    pub run: &'a RunDir,
    pub info: &'a RunInfo,
    /// The state after the earlier attempts.
    pub before: &'a RunState,
    pub chosen: ChosenDevice,
    /// As [`Options::stop_after`].
    pub stop_after: Option<u64>,
    pub interrupt: &'a Interrupt,
}

impl Context<'_> {
    /// The epoch at whose end the run waits for its group.
    pub(super) fn pause_after(&self) -> Option<u32> {
        let member = self.info.member.as_ref()?;
        member.halving.as_ref()?.next(&self.before.halvings)
    }
}

/// The device that an attempt trains on.
pub(super) struct ChosenDevice {
    pub device: Device,
    /// Why it was chosen, for the log.
    pub reason: String,
    /// The model of the GPU or CPU.
    pub name: String,
}

/// The context of an error: the action and the file of the run.
pub(super) fn doing<'a>(
    what: &'a str,
    run: &'a RunDir,
    file: &'a str,
) -> impl FnOnce() -> String + 'a {
    move || format!("{what} {}", run.path().join(file).display())
}
