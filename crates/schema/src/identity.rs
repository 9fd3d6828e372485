//! Who a process is, so that no later process with its number is taken for it.

use serde::{Deserialize, Serialize};

/// A process, named so that no later process can be taken for it: the same pid after a reboot, or given anew, differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Of the running kernel.
    pub boot_id: String,
    pub pid: u32,
    /// Clock ticks from boot to the process's start (field 22 of `/proc/<pid>/stat`); 0 where there is no `/proc`.
    pub start_ticks: u64,
}
