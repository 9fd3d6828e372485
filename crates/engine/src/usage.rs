//! What the worker uses of its machine.

use std::path::PathBuf;
use std::time::Instant;

use nvml_wrapper::enum_wrappers::device::{Clock, TemperatureSensor};
use nvml_wrapper::{Device, Nvml};
use sysinfo::{MINIMUM_CPU_UPDATE_INTERVAL, Pid, ProcessRefreshKind, ProcessesToUpdate};
use warmstart_runs::launcher;
use warmstart_runs::storage::{Disk, Storage};
use warmstart_schema::event::System;

/// Reads use of CPU, memory and GPU; what cannot be read is left out.
#[derive(Debug)]
pub struct Usage {
    /// The readings of the system, if it has them.
    system: Option<sysinfo::System>,
    pid: Pid,
    cores: f64,
    /// When the times of the CPU were first read. Use of the CPU is a difference between two readings.
    began: Instant,
    /// NVML and its UUID of the GPU, where it answers.
    gpu: Option<(Nvml, String)>,
    folder: PathBuf,
}

impl Usage {
    /// Looks after this process, the disk that it writes this folder to and, if given, the GPU with this index.
    pub fn new(gpu: Option<u32>, folder: PathBuf) -> Self {
        let cores = launcher::cores();
        let gpu = gpu.and_then(|index| {
            let nvml = Nvml::init().ok()?;
            let uuid = uuid(&nvml, index)?;
            Some((nvml, uuid))
        });
        let pid = Pid::from_u32(std::process::id());
        let mut system = sysinfo::System::new().ok();
        if let Some(system) = &mut system {
            refresh(system, pid);
        }
        Self {
            system,
            pid,
            cores: cores as f64,
            began: Instant::now(),
            gpu,
            folder,
        }
    }

    /// The GPU's name, where NVML answers.
    pub fn gpu_name(&self) -> Option<String> {
        self.device()?.name().ok()
    }

    fn device(&self) -> Option<Device<'_>> {
        let (nvml, uuid) = self.gpu.as_ref()?;
        nvml.device_by_uuid(uuid.as_str()).ok()
    }

    /// Use since the last sample; the first is of the time since [`Self::new`].
    pub fn sample(&mut self) -> System {
        // In a shorter time, sysinfo cannot tell use of the CPU from none.
        let has_cpu = self.began.elapsed() >= MINIMUM_CPU_UPDATE_INTERVAL;
        if let Some(system) = &mut self.system {
            refresh(system, self.pid);
            system.refresh_memory();
        }
        let process = self
            .system
            .as_ref()
            .and_then(|system| system.process(self.pid));
        let device = self.device();
        let memory = device.as_ref().and_then(|device| device.memory_info().ok());
        System {
            cpu: process
                .filter(|_| has_cpu)
                .map(|process| f64::from(process.cpu_usage()) / self.cores),
            memory: process.map(sysinfo::Process::memory),
            memory_total: self.system.as_ref().map(sysinfo::System::total_memory),
            gpu: device
                .as_ref()
                .and_then(|device| device.utilization_rates().ok())
                .map(|rates| f64::from(rates.gpu)),
            gpu_temperature: device
                .as_ref()
                .and_then(|device| device.temperature(TemperatureSensor::Gpu).ok()),
            gpu_power: device
                .as_ref()
                .and_then(|device| device.power_usage().ok())
                .map(|milliwatts| f64::from(milliwatts) / 1000.0),
            gpu_clock: device
                .as_ref()
                .and_then(|device| device.clock_info(Clock::SM).ok()),
            gpu_memory: memory.as_ref().map(|memory| memory.used),
            gpu_memory_total: memory.map(|memory| memory.total),
            disk_free: Disk.free(&self.folder).ok(),
        }
    }
}

/// Reads the times of the CPU and the memory of one process.
fn refresh(system: &mut sysinfo::System, pid: Pid) {
    let kind = ProcessRefreshKind::nothing().with_cpu().with_memory();
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&[pid]), true, kind);
}

/// NVML's UUID of the GPU that CUDA counts as `index`; `None` where that cannot be known.
fn uuid(nvml: &Nvml, index: u32) -> Option<String> {
    // NVML also counts GPUs that a cluster denies to this job. CUDA does not.
    let devices: Vec<(String, String)> = (0..nvml.device_count().ok()?)
        .filter_map(|index| {
            let device = nvml.device_by_index(index).ok()?;
            Some((device.name().ok()?, device.uuid().ok()?))
        })
        .collect();
    let order = std::env::var("CUDA_DEVICE_ORDER").unwrap_or_default();
    let visible = std::env::var("CUDA_VISIBLE_DEVICES").ok();
    numbered(index, visible.as_deref(), order == "PCI_BUS_ID", &devices)
}

/// The UUID of a CUDA device, or of its part (MIG), among `devices`: name and UUID of each that this process may use, in NVML's order.
/// CUDA counts what `CUDA_VISIBLE_DEVICES` lists, up to the first entry that it does not understand. A number there is a place in
/// NVML's order where CUDA counts by bus, or where all GPUs are alike. Otherwise CUDA puts the fastest first, which NVML cannot tell.
fn numbered(
    index: u32,
    visible: Option<&str>,
    by_bus: bool,
    devices: &[(String, String)],
) -> Option<String> {
    let are_alike = devices.windows(2).all(|pair| pair[0].0 == pair[1].0);
    let by_index = |index: u32| {
        let (_, uuid) = devices.get(index as usize)?;
        (by_bus || are_alike).then(|| uuid.clone())
    };
    let Some(visible) = visible else {
        return by_index(index);
    };
    let entry = visible.split(',').map(str::trim).nth(index as usize)?;
    if let Ok(number) = entry.parse::<u32>() {
        return by_index(number);
    }
    if entry.starts_with("MIG-") {
        return Some(entry.to_owned());
    }
    // A beginning of the UUID is enough.
    let mut found = devices
        .iter()
        .filter(|(_, uuid)| entry.starts_with("GPU-") && uuid.starts_with(entry));
    match (found.next(), found.next()) {
        (Some((_, uuid)), None) => Some(uuid.clone()),
        _ => None,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_sample_has_the_use_of_the_cpu_since_the_start() {
        let work = || {
            let (began, mut steps) = (Instant::now(), 0_u64);
            while steps < 20_000_000 || began.elapsed() < 2 * MINIMUM_CPU_UPDATE_INTERVAL {
                steps = std::hint::black_box(steps + 1);
            }
        };
        // A process that has used nothing yet has no reading to compare with.
        work();
        let mut usage = Usage::new(None, std::env::temp_dir());
        work();
        let cpu = usage.sample().cpu;
        assert!(cpu.is_some_and(|percent| percent > 0.0), "{cpu:?}");
    }

    fn devices(names: &[&str]) -> Vec<(String, String)> {
        names
            .iter()
            .enumerate()
            .map(|(index, name)| ((*name).to_owned(), format!("GPU-{index}aa-{name}")))
            .collect()
    }

    /// The UUID of the device at this place.
    fn at(place: usize, devices: &[(String, String)]) -> String {
        devices[place].1.clone()
    }

    #[test]
    fn cuda_counts_as_nvml_does_if_all_gpus_are_visible_and_alike() {
        let alike = devices(&["H200", "H200"]);
        assert_eq!(numbered(1, None, false, &alike), Some(at(1, &alike)));
        assert_eq!(numbered(2, None, false, &alike), None);
        let mixed = devices(&["T4", "H200"]);
        assert_eq!(numbered(1, None, false, &mixed), None);
        assert_eq!(numbered(1, None, true, &mixed), Some(at(1, &mixed)));
    }

    #[test]
    fn a_gpu_that_this_process_may_not_use_is_not_counted() {
        let usable = &devices(&["H200", "H200", "H200"])[1..];
        assert_eq!(numbered(0, Some("0,1"), false, usable), Some(at(0, usable)));
        assert_eq!(numbered(1, Some("0,1"), false, usable), Some(at(1, usable)));
    }

    #[test]
    fn visible_devices_renumber_by_number_uuid_and_instance() {
        let four = devices(&["H200", "H200", "H200", "H200"]);
        let found = |index, visible| numbered(index, Some(visible), false, &four);
        assert_eq!(found(0, "3,1"), Some(at(3, &four)));
        assert_eq!(found(1, " 3, 1 "), Some(at(1, &four)));
        assert_eq!(found(0, "GPU-2aa"), Some(at(2, &four)));
        assert_eq!(found(0, "MIG-7f"), Some("MIG-7f".to_owned()));
        // No such entry, an ambiguous prefix of several GPUs, and no GPU.
        for (index, visible) in [
            (1, "3"),
            (0, "GPU-"),
            (0, "9"),
            (0, "-1"),
            (0, ""),
            (0, "x"),
        ] {
            assert_eq!(found(index, visible), None, "{index} {visible}");
        }
    }
}
