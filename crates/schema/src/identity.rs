//! Which worker has a run, so that no later process or job is mistaken for it.

use serde::{Deserialize, Serialize};

/// A worker as files and logs store it, by its launcher.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    untagged,
    expecting = "expected boot_id, pid and start_ticks of a worker"
)]
pub enum Handle {
    /// A process of one machine.
    Local(Identity),
}

impl Handle {
    /// The process of one machine; none if another launcher started the worker.
    pub fn local(&self) -> Option<&Identity> {
        match self {
            Self::Local(identity) => Some(identity),
        }
    }

    /// The process on its machine; none if the launcher does not know it.
    pub fn pid(&self) -> Option<u32> {
        self.local().map(|identity| identity.pid)
    }
}

/// The identity of a process: the same pid after a reboot, or reused, differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Of the running kernel.
    pub boot_id: String,
    pub pid: u32,
    /// Clock ticks from boot to the process's start (field 22 of `/proc/<pid>/stat`); 0 where there is no `/proc`.
    pub start_ticks: u64,
}
