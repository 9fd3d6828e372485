//! What the machine is made of and what uses it, as one reading.

use std::collections::HashMap;

use warmstart_runs::launcher::Handle;
use warmstart_runs::run::RunId;

/// One reading.
#[derive(Debug, Clone, PartialEq)]
pub struct Machine {
    pub processor: String,
    pub cores: usize,
    /// Percent of all cores.
    pub cpu: Option<f64>,
    /// Bytes in use, and in all.
    pub memory: Option<(u64, u64)>,
    /// Bytes in use, and in all, of the disk that holds the checkpoints.
    pub disk: Option<(u64, u64)>,
    /// Each GPU, or why there is none to read.
    pub gpus: Result<Vec<Gpu>, String>,
    pub processes: HashMap<RunId, Process>,
}

/// A GPU, as far as its driver tells.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Gpu {
    pub name: String,
    /// Percent of time in which it was busy.
    pub busy: Option<f64>,
    /// Bytes in use, and in all.
    pub memory: Option<(u64, u64)>,
    /// Degrees Celsius.
    pub temperature: Option<u32>,
    /// Watts drawn, and the limit.
    pub power: Option<(f64, Option<f64>)>,
}

/// What a run's worker uses.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Process {
    /// Percent of one core; none at the first look, for use is a difference between two.
    pub cpu: Option<f64>,
    /// Resident bytes.
    pub memory: u64,
    /// Bytes on all GPUs; none where no driver tells.
    pub gpu_memory: Option<u64>,
}

/// The runs to look for, by their workers.
pub type Workers = Vec<(RunId, Handle)>;
