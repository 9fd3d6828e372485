//! Reads the machine's state on its own thread: a GPU driver may take a second to respond.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};
use warmstart_runs::launcher;

use nvml_wrapper::enum_wrappers::device::TemperatureSensor;
use nvml_wrapper::enums::device::UsedGpuMemory;
use nvml_wrapper::error::NvmlError;
use nvml_wrapper::{Device, Nvml};
use sysinfo::{
    CpuRefreshKind, MINIMUM_CPU_UPDATE_INTERVAL, Pid, ProcessRefreshKind, ProcessesToUpdate,
    RefreshKind,
};
use tokio::sync::mpsc::UnboundedSender;
use warmstart_runs::run::RunId;
use warmstart_schema::text;

use crate::machine::{Gpu, Machine, Process, Workers};
use crate::message::Message;

/// Minimum time between two readings.
const PAUSE: Duration = Duration::from_secs(1);

/// The thread that reads; the first request starts it.
#[derive(Debug)]
pub(super) struct Meter {
    questions: Option<Sender<Workers>>,
    folder: PathBuf,
    messages: UnboundedSender<Message>,
}

impl Meter {
    /// Reads the disk of `folder`; sends readings as messages.
    pub(super) fn new(folder: PathBuf, messages: UnboundedSender<Message>) -> Self {
        Self {
            questions: None,
            folder,
            messages,
        }
    }

    /// Requests a reading. It comes at least a second after the previous one.
    pub(super) fn ask(&mut self, workers: Workers) {
        let questions = self.questions.get_or_insert_with(|| {
            let (questions, received) = channel();
            let (folder, messages) = (self.folder.clone(), self.messages.clone());
            std::thread::spawn(move || answer(&received, folder, &messages));
            questions
        });
        // The thread ends only when the receiver is gone.
        let _ = questions.send(workers);
    }
}

fn answer(questions: &Receiver<Workers>, folder: PathBuf, messages: &UnboundedSender<Message>) {
    let mut reader = Reader::new(folder);
    let mut read: Option<Instant> = None;
    while let Ok(workers) = questions.recv() {
        if let Some(read) = read {
            std::thread::sleep(PAUSE.saturating_sub(read.elapsed()));
        }
        let machine = reader.read(&workers);
        read = Some(Instant::now());
        if messages.send(Message::Machine(Box::new(machine))).is_err() {
            return;
        }
    }
}

struct Reader {
    folder: PathBuf,
    system: Option<sysinfo::System>,
    nvml: Result<Nvml, String>,
}

impl Reader {
    fn new(folder: PathBuf) -> Self {
        let kind = RefreshKind::nothing().with_cpu(CpuRefreshKind::nothing().with_usage());
        let system = sysinfo::System::new_with_specifics(kind).ok();
        let nvml = Nvml::init().map_err(|error| match error {
            NvmlError::LibloadingError(_) => "none: there is no NVIDIA driver here".to_owned(),
            error => no_answer(&error),
        });
        // CPU use is a difference between two readings.
        std::thread::sleep(MINIMUM_CPU_UPDATE_INTERVAL);
        Self {
            folder,
            system,
            nvml,
        }
    }

    fn read(&mut self, workers: &Workers) -> Machine {
        let alive: Vec<(&RunId, Pid)> = workers
            .iter()
            .filter(|(_, worker)| launcher::is_alive(worker))
            .filter_map(|(run, worker)| Some((run, Pid::from_u32(worker.pid()?))))
            .collect();
        let mut machine = Machine {
            disk: disk(&self.folder),
            gpus: self
                .nvml
                .as_ref()
                .map_err(Clone::clone)
                .and_then(|nvml| gpus(nvml).map_err(|error| no_answer(&error))),
            processor: String::new(),
            cores: 0,
            cpu: None,
            memory: None,
            processes: HashMap::new(),
        };
        if let Some(system) = &mut self.system {
            let pids: Vec<Pid> = alive.iter().map(|(_, pid)| *pid).collect();
            let seen: HashSet<Pid> = pids
                .iter()
                .copied()
                .filter(|pid| system.process(*pid).is_some())
                .collect();
            let kind = ProcessRefreshKind::nothing().with_cpu().with_memory();
            system.refresh_cpu_usage();
            system.refresh_memory();
            system.refresh_processes_specifics(ProcessesToUpdate::Some(&pids), true, kind);
            machine.processor = system
                .cpus()
                .first()
                .map(|cpu| text::line(cpu.brand().trim(), 80))
                .unwrap_or_default();
            machine.cores = system.cpus().len();
            machine.cpu = Some(f64::from(system.global_cpu_usage()));
            machine.memory = Some((system.used_memory(), system.total_memory()));
            let on_gpu = self.nvml.as_ref().ok().and_then(gpu_memory);
            for (run, pid) in alive {
                let Some(process) = system.process(pid) else {
                    continue;
                };
                // A process that no GPU lists uses none.
                let gpu_memory = on_gpu
                    .as_ref()
                    .and_then(|all| all.get(&pid.as_u32()).copied().unwrap_or(Some(0)));
                let cpu = seen.contains(&pid).then(|| f64::from(process.cpu_usage()));
                let memory = process.memory();
                machine.processes.insert(
                    run.clone(),
                    Process {
                        cpu,
                        memory,
                        gpu_memory,
                    },
                );
            }
        }
        machine
    }
}

fn disk(folder: &std::path::Path) -> Option<(u64, u64)> {
    let stat = nix::sys::statvfs::statvfs(folder).ok()?;
    let [all, free, size] =
        [stat.blocks(), stat.blocks_available(), stat.fragment_size()].map(u64::from);
    let all = all.saturating_mul(size);
    Some((all.saturating_sub(free.saturating_mul(size)), all))
}

fn no_answer(error: &NvmlError) -> String {
    text::line(&format!("the NVIDIA driver does not answer: {error}"), 200)
}

fn gpus(nvml: &Nvml) -> Result<Vec<Gpu>, NvmlError> {
    let count = nvml.device_count()?;
    let devices: Vec<(u32, Device)> = (0..count)
        .filter_map(|index| Some((index, nvml.device_by_index(index).ok()?)))
        .collect();
    let known: Vec<(String, String)> = devices
        .iter()
        .filter_map(|(_, device)| Some((device.name().ok()?, device.uuid().ok()?)))
        .collect();
    let visible = std::env::var("CUDA_VISIBLE_DEVICES").ok();
    let by_bus = std::env::var("CUDA_DEVICE_ORDER").is_ok_and(|order| order == "PCI_BUS_ID");
    // Where the driver does not name all, a list cannot be read.
    let visible = visible.filter(|_| u32::try_from(known.len()) == Ok(count));
    let hidden = hidden(visible.as_deref(), by_bus, &known);
    let gpus = devices
        .iter()
        .enumerate()
        .map(|(place, (index, device))| {
            let watts = |milliwatts: u32| f64::from(milliwatts) / 1000.0;
            let limit = device.enforced_power_limit().ok().map(watts);
            Gpu {
                index: *index,
                name: text::line(&device.name().unwrap_or_default(), 80),
                busy: device
                    .utilization_rates()
                    .ok()
                    .map(|rates| f64::from(rates.gpu)),
                memory: device
                    .memory_info()
                    .ok()
                    .map(|memory| (memory.used, memory.total)),
                temperature: device.temperature(TemperatureSensor::Gpu).ok(),
                power: device.power_usage().ok().map(|power| (watts(power), limit)),
                hidden: hidden.get(place).is_some_and(|hidden| *hidden),
            }
        })
        .collect();
    Ok(gpus)
}

/// Which GPUs a list in `CUDA_VISIBLE_DEVICES` hides, of `devices`: name and UUID of each, in NVML's order. CUDA reads the list up to
/// the first entry that it does not understand. None is called hidden where that cannot be known: with parts of GPUs (MIG) in the
/// list, and with numbers of unlike GPUs, of which CUDA counts the fastest first.
fn hidden(visible: Option<&str>, by_bus: bool, devices: &[(String, String)]) -> Vec<bool> {
    let none = vec![false; devices.len()];
    let Some(visible) = visible else {
        return none;
    };
    let are_alike = devices.windows(2).all(|pair| pair[0].0 == pair[1].0);
    let mut hidden = vec![true; devices.len()];
    for entry in visible.split(',').map(str::trim) {
        let found = if let Ok(number) = entry.parse::<usize>() {
            if !by_bus && !are_alike {
                return none;
            }
            (number < devices.len()).then_some(number)
        } else if entry.starts_with("MIG-") {
            return none;
        } else {
            // A beginning of the UUID is enough.
            let is_meant = |uuid: &str| entry.starts_with("GPU-") && uuid.starts_with(entry);
            let mut meant = (0..devices.len()).filter(|index| is_meant(&devices[*index].1));
            meant.next().filter(|_| meant.next().is_none())
        };
        let Some(index) = found else {
            break;
        };
        hidden[index] = false;
    }
    hidden
}

/// The processes of a GPU by id, with their bytes; `None` where the driver does not say how many.
type Listing = Vec<(u32, Option<u64>)>;

/// Bytes on all GPUs, by process id; `None` if a GPU does not list its processes. Older drivers lack the call.
fn gpu_memory(nvml: &Nvml) -> Option<HashMap<u32, Option<u64>>> {
    let devices =
        (0..nvml.device_count().ok()?).filter_map(|index| nvml.device_by_index(index).ok());
    summed(devices.map(|device| -> Option<Listing> {
        let processes = device.running_compute_processes().ok()?.into_iter();
        let listing = processes.map(|process| match process.used_gpu_memory {
            UsedGpuMemory::Used(bytes) => (process.pid, Some(bytes)),
            UsedGpuMemory::Unavailable => (process.pid, None),
        });
        Some(listing.collect())
    }))
}

/// The sums over all GPUs. Where one part is unknown, so is the sum.
fn summed(gpus: impl IntoIterator<Item = Option<Listing>>) -> Option<HashMap<u32, Option<u64>>> {
    let mut all: HashMap<u32, Option<u64>> = HashMap::new();
    for listing in gpus {
        for (pid, bytes) in listing? {
            let sum = all.entry(pid).or_insert(Some(0));
            *sum = sum.zip(bytes).map(|(sum, bytes)| sum + bytes);
        }
    }
    Some(all)
}

#[cfg(test)]
mod tests {
    use warmstart_runs::launcher::Handle;

    use super::*;

    #[test]
    fn gpus_that_the_environment_surely_hides_are_known() {
        let devices = |names: &[&str]| -> Vec<(String, String)> {
            let numbered = names.iter().enumerate();
            numbered
                .map(|(number, name)| ((*name).to_owned(), format!("GPU-{number}a-{name}")))
                .collect()
        };
        let (alike, mixed) = (devices(&["H200"; 3]), devices(&["T4", "H200", "H200"]));
        let all = [true; 3];
        for (visible, by_bus, devices, expected) in [
            (None, false, &alike, [false; 3]),
            (Some("2, 0"), false, &alike, [false, true, false]),
            (Some("GPU-1a"), false, &alike, [true, false, true]),
            // Nothing after an entry that names no GPU, or several.
            (Some("1,-1,0"), false, &alike, [true, false, true]),
            (Some("1,3,0"), false, &alike, [true, false, true]),
            (Some("GPU-,0"), false, &alike, all),
            (Some(""), false, &alike, all),
            (Some("-1"), false, &mixed, all),
            // What cannot be known hides nothing.
            (Some("0"), false, &mixed, [false; 3]),
            (Some("MIG-7f"), false, &alike, [false; 3]),
            (Some("0"), true, &mixed, [false, true, true]),
            (Some("GPU-0a"), false, &mixed, [false, true, true]),
        ] {
            assert_eq!(hidden(visible, by_bus, devices), expected, "{visible:?}");
        }
    }

    #[test]
    fn memory_on_gpus_is_unknown_where_the_driver_does_not_say_it() {
        let first = || Some(vec![(70, Some(3)), (80, Some(1))]);
        let second = vec![(70, Some(4)), (80, None), (90, Some(2))];
        let expected = [(70, Some(7)), (80, None), (90, Some(2))];
        assert_eq!(
            summed([first(), Some(second)]),
            Some(HashMap::from(expected))
        );
        assert_eq!(summed([first(), None]), None);
    }

    #[test]
    fn meter_reads_own_process_and_machine() {
        let folder = tempfile::tempdir().unwrap();
        let (sender, mut messages) = tokio::sync::mpsc::unbounded_channel();
        let run: RunId = "20261122-100107-7f3a".parse().unwrap();
        let mut gone = launcher::current().local().unwrap().clone();
        gone.start_ticks += 1;
        let gone = Handle::Local(gone);
        let mut meter = Meter::new(folder.path().to_path_buf(), sender);
        let begin = Instant::now();
        for _ in 0..2 {
            meter.ask(vec![
                (run.clone(), launcher::current()),
                ("20261122-101500-0c21".parse().unwrap(), gone.clone()),
            ]);
        }
        let mut read = || match messages.blocking_recv() {
            Some(Message::Machine(machine)) => machine,
            other => panic!("{other:?}"),
        };
        let (first, second) = (read(), read());
        assert!(
            begin.elapsed() >= PAUSE,
            "no more than one reading a second"
        );
        for machine in [first, second] {
            let status = std::fs::read_to_string("/proc/self/status").unwrap();
            let resident = status
                .lines()
                .find_map(|line| line.strip_prefix("VmRSS:"))
                .unwrap();
            let kilobytes: f64 = resident.trim().trim_end_matches(" kB").parse().unwrap();
            let memory = machine.processes[&run].memory as f64 / 1024.0;
            assert!(
                memory > kilobytes / 2.0 && memory < kilobytes * 2.0,
                "{memory} {kilobytes}"
            );
            assert_eq!(
                machine.processes.len(),
                1,
                "a process with another start is another one"
            );
            let total = std::fs::read_to_string("/proc/meminfo").unwrap();
            let total: u64 = total.split_whitespace().nth(1).unwrap().parse().unwrap();
            assert_eq!(machine.memory.unwrap().1, total * 1024);
            let (used, all) = machine.disk.unwrap();
            assert!(used <= all && all > 0 && machine.cores > 0);
            assert!(
                machine.gpus.as_ref().is_ok_and(|gpus| gpus.len() < 100)
                    || machine.gpus.unwrap_err().contains("NVIDIA")
            );
        }
    }
}
