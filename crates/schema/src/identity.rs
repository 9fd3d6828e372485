//! Which worker has a run, so that no later process or job is mistaken for it.

use std::fmt;
use std::num::ParseIntError;
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

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

/// The identity of a process. A later process with the same pid has another one, after a reboot too.
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
    pub slurm_job: Option<JobId>,
    /// How often Slurm has started the job again.
    pub restart: u32,
}

impl Job {
    /// Whether both are starts of one job. Without ids, nobody knows that they are.
    pub fn is_same_job(self, other: Self) -> bool {
        self.slurm_job.is_some() && self.slurm_job == other.slurm_job
    }
}

/// The id of a job of Slurm. Slurm and files write it `12`, or `12_3` for the task of an array with the index 3.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct JobId {
    pub job: u64,
    pub task: Option<u32>,
}

impl From<u64> for JobId {
    fn from(job: u64) -> Self {
        Self { job, task: None }
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.task {
            None => write!(f, "{}", self.job),
            Some(task) => write!(f, "{}_{task}", self.job),
        }
    }
}

impl FromStr for JobId {
    type Err = ParseIntError;

    fn from_str(text: &str) -> Result<Self, ParseIntError> {
        match text.split_once('_') {
            None => text.parse::<u64>().map(Self::from),
            Some((job, task)) => {
                let task: u32 = task.parse()?;
                Ok(Self {
                    job: job.parse()?,
                    task: Some(task),
                })
            }
        }
    }
}

impl Serialize for JobId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.task {
            None => serializer.serialize_u64(self.job),
            Some(_) => serializer.collect_str(self),
        }
    }
}

impl<'de> Deserialize<'de> for JobId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "expected the id of a job: 12, or \"12_3\"")]
        enum Form {
            Number(u64),
            Text(String),
        }
        match Form::deserialize(deserializer)? {
            Form::Number(job) => Ok(job.into()),
            Form::Text(text) => text.parse().map_err(D::Error::custom),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn job_ids_are_read_and_written_as_slurm_does() {
        for (text, json, id) in [
            (
                "12",
                "12",
                JobId {
                    job: 12,
                    task: None,
                },
            ),
            (
                "12_0",
                "\"12_0\"",
                JobId {
                    job: 12,
                    task: Some(0),
                },
            ),
            (
                "12_3",
                "\"12_3\"",
                JobId {
                    job: 12,
                    task: Some(3),
                },
            ),
        ] {
            assert_eq!(text.parse::<JobId>().unwrap(), id);
            assert_eq!(id.to_string(), text);
            assert_eq!(serde_json::to_string(&id).unwrap(), json);
            assert_eq!(serde_json::from_str::<JobId>(json).unwrap(), id);
        }
        for wrong in ["", "x", "12_", "_3", "12_[0-3%2]", "12_3_4", "-1", "12+0"] {
            assert!(wrong.parse::<JobId>().is_err(), "{wrong}");
        }
    }
}
