//! Which worker has a run, so that no later process or job is mistaken for it.

use serde::{Deserialize, Serialize};

/// A worker as files and logs store it, by its launcher.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    untagged,
    expecting = "expected boot_id, pid and start_ticks of a worker, or slurm_job and restart"
)]
pub enum Handle {
    /// A process of one machine.
    Local(Identity),
    /// A job of Slurm.
    Slurm(Job),
}

impl Handle {
    /// The process of one machine; none if another launcher started the worker.
    pub fn local(&self) -> Option<&Identity> {
        match self {
            Self::Local(identity) => Some(identity),
            Self::Slurm(_) => None,
        }
    }

    /// The job of Slurm; none if another launcher started the worker.
    pub fn job(&self) -> Option<Job> {
        match self {
            Self::Local(_) => None,
            Self::Slurm(job) => Some(*job),
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

/// One start of a job: Slurm starts a job again after it was preempted, requeued, or lost its node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// The job's id; none while `sbatch` has not said it.
    pub slurm_job: Option<u64>,
    /// How often Slurm has started the job again.
    pub restart: u32,
}

impl Job {
    /// Whether both are starts of one job. Two jobs without ids are not known to be the same.
    pub fn is_start_of(self, other: Self) -> bool {
        self.slurm_job.is_some() && self.slurm_job == other.slurm_job
    }
}
