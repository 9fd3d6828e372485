//! What the worker uses of its machine.

use std::path::PathBuf;

use nvml_wrapper::Nvml;
use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate};
use warmstart_runs::storage::{Disk, Storage};
use warmstart_schema::event::System;

/// Reads use of CPU, memory and GPU; what cannot be read is left out.
#[derive(Debug)]
pub struct Usage {
    /// Where the system tells.
    system: Option<sysinfo::System>,
    pid: Pid,
    cores: f64,
    /// With the GPU's index, where NVML answers.
    gpu: Option<(Nvml, u32)>,
    folder: PathBuf,
}

impl Usage {
    /// Looks after this process, the disk that it writes this folder to and, if given, the GPU with this index.
    pub fn new(gpu: Option<u32>, folder: PathBuf) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        // NVML counts all GPUs, CUDA those that CUDA_VISIBLE_DEVICES leaves, so an index is only used where it is the same.
        let visible = std::env::var_os("CUDA_VISIBLE_DEVICES").is_none();
        let gpu = gpu
            .filter(|_| visible)
            .and_then(|index| Some((Nvml::init().ok()?, index)));
        let pid = Pid::from_u32(std::process::id());
        Self {
            system: sysinfo::System::new().ok(),
            pid,
            cores: cores as f64,
            gpu,
            folder,
        }
    }

    /// The GPU's name, where NVML answers.
    pub fn gpu_name(&self) -> Option<String> {
        let (nvml, index) = self.gpu.as_ref()?;
        nvml.device_by_index(*index)
            .and_then(|device| device.name())
            .ok()
    }

    /// Use since the last sample.
    pub fn sample(&mut self) -> System {
        if let Some(system) = &mut self.system {
            let kind = ProcessRefreshKind::nothing().with_cpu().with_memory();
            system.refresh_processes_specifics(ProcessesToUpdate::Some(&[self.pid]), true, kind);
            system.refresh_memory();
        }
        let process = self
            .system
            .as_ref()
            .and_then(|system| system.process(self.pid));
        let device = self
            .gpu
            .as_ref()
            .and_then(|(nvml, index)| nvml.device_by_index(*index).ok());
        let memory = device.as_ref().and_then(|device| device.memory_info().ok());
        System {
            cpu: process.map(|process| f64::from(process.cpu_usage()) / self.cores),
            memory: process.map(sysinfo::Process::memory),
            memory_total: self.system.as_ref().map(sysinfo::System::total_memory),
            gpu: device
                .and_then(|device| device.utilization_rates().ok())
                .map(|rates| f64::from(rates.gpu)),
            gpu_memory: memory.as_ref().map(|memory| memory.used),
            gpu_memory_total: memory.map(|memory| memory.total),
            disk_free: Disk.free(&self.folder).ok(),
        }
    }
}

/// The processor's name, as its maker calls it.
pub fn cpu_name() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = info
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    name.map_or_else(
        || std::env::consts::ARCH.to_owned(),
        |(_, name)| name.trim().to_owned(),
    )
}
