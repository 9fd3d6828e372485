//! A reading of the machine's resources and their use.

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
    /// Bytes used, and total.
    pub memory: Option<(u64, u64)>,
    /// Bytes used, and total, on the disk of the checkpoints.
    pub disk: Option<(u64, u64)>,
    /// The GPUs, or why they cannot be read.
    pub gpus: Result<Vec<Gpu>, String>,
    pub processes: HashMap<RunId, Process>,
}

/// A GPU, as far as its driver reports.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Gpu {
    /// Its number in NVML's order.
    pub index: u32,
    pub name: String,
    /// Percent of time in which it was busy.
    pub busy: Option<f64>,
    /// Bytes used, and total.
    pub memory: Option<(u64, u64)>,
    /// Degrees Celsius.
    pub temperature: Option<u32>,
    /// Watts used, and the limit.
    pub power: Option<(f64, Option<f64>)>,
    /// Whether `CUDA_VISIBLE_DEVICES` surely hides it from the runs that start here.
    pub hidden: bool,
}

/// The resources that a run's worker uses.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Process {
    /// Percent of one core. `None` in the first reading, because use is a difference of two.
    pub cpu: Option<f64>,
    /// Resident bytes.
    pub memory: u64,
    /// Bytes on all GPUs; `None` where the driver does not say it.
    pub gpu_memory: Option<u64>,
}

/// The runs to look for, by their workers.
pub(crate) type Workers = Vec<(RunId, Handle)>;
