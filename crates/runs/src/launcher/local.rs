//! Workers as processes of this machine.
#![expect(
    unsafe_code,
    reason = "`pre_exec` is unsafe; what runs in it is one system call that is safe after a fork"
)]

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::failure::{Failure, Kind};
use crate::run::RunDir;
use warmstart_schema::identity::{Handle, Identity};

use super::{
    Host, Launcher, MONITOR, Origin, Programs, Request, Started, WorkerState, torch, training,
};

/// Starts workers as processes of this machine, and reaches them through their pid.
#[derive(Debug, Clone, Copy)]
pub struct Local;

impl Host {
    pub fn find() -> Self {
        Self {
            boot_id: boot_id(),
            name: host(),
        }
    }
}

/// This process.
pub fn current() -> Handle {
    process(std::process::id())
}

/// The process that has this pid now.
pub fn process(pid: u32) -> Handle {
    Handle::Local(Identity {
        boot_id: boot_id(),
        pid,
        start_ticks: start_ticks(pid).unwrap_or(0),
    })
}

impl Launcher for Local {
    /// Starts a monitor, which starts the worker; without a monitor, starts the worker. The process gets its own session without
    /// a terminal, so that it survives a hangup and the end of this process.
    fn start(&self, programs: &Programs, run: &RunDir) -> io::Result<Started> {
        let log = self.log(run);
        let log = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(&log)
            .map_err(|error| unopened(&log, &error))?;
        let run = RunDir::new(std::path::absolute(run.path())?);
        let program = std::path::absolute(&programs.worker)?;
        let mut command = match &programs.monitor {
            Some(monitor) => {
                let mut command = Command::new(std::path::absolute(monitor)?);
                command.arg(MONITOR).arg(&program).arg(run.path());
                torch::pass_on(&mut command);
                command
            }
            None => training(&program, &run),
        };
        // A worker looks for `datasets` and `.weights` in the folder from which its run was launched. Earlier versions also kept
        // relative paths in experiments.
        let launched_in = run.info().ok().and_then(|info| info.cwd);
        if let Some(folder) = launched_in.filter(|folder| folder.is_dir()) {
            command.current_dir(folder);
        }
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        // SAFETY: between fork and exec only `setsid` is called, which is async-signal-safe and allocates nothing.
        unsafe {
            command.pre_exec(|| rustix::process::setsid().map(drop).map_err(Into::into));
        }
        let child = command.spawn()?;
        Ok(Started {
            worker: process(child.id()),
            child: Some(child),
        })
    }

    fn ask(&self, worker: &Handle, request: Request) -> io::Result<bool> {
        let process = worker.local().and_then(|it| Some((it, raw_pid(it)?)));
        let Some((identity, pid)) = process else {
            return Ok(false);
        };
        let is_it = || state(identity) != WorkerState::Gone;
        // A thread of another process may have the pid now. Opening it fails, and not with SRCH.
        if !is_it() {
            return Ok(false);
        }
        let request = match request {
            Request::Stop => rustix::process::Signal::TERM,
            Request::StopNow => rustix::process::Signal::QUIT,
        };
        let signal = |signal| match send(pid, signal, is_it) {
            Err(error) if error == rustix::io::Errno::SRCH => Ok(false),
            other => other.map_err(io::Error::from),
        };
        let is_asked = signal(request)?;
        if is_asked && state(identity) == WorkerState::Suspended {
            signal(rustix::process::Signal::CONT)?;
        }
        Ok(is_asked)
    }

    fn state(&self, worker: &Handle) -> WorkerState {
        worker.local().map_or(WorkerState::Gone, state)
    }

    fn origin(&self, worker: &Handle, host: &str, here: &Host) -> Origin {
        let boot_id = worker.local().map(|identity| &identity.boot_id);
        if boot_id == Some(&here.boot_id) {
            Origin::Here
        } else if host == here.name {
            Origin::BeforeReboot
        } else {
            Origin::Elsewhere
        }
    }

    fn slot(&self, device: &str, devices: u32) -> String {
        let first = match device {
            "auto"
                if has_gpu(
                    Path::new("/dev"),
                    std::env::var("CUDA_VISIBLE_DEVICES").ok(),
                ) =>
            {
                "cuda:0"
            }
            "auto" => "cpu",
            "cuda" => "cuda:0",
            other => other,
        };
        let gpu = first
            .strip_prefix("cuda:")
            .and_then(|gpu| gpu.parse::<u32>().ok());
        match gpu {
            Some(gpu) if devices > 1 => format!("{first}-{}", gpu.saturating_add(devices - 1)),
            _ => first.to_owned(),
        }
    }
}

/// The error of a worker that was not started because its log cannot be opened. Without a failure of its own, the worker's program
/// would be blamed.
fn unopened(log: &Path, error: &io::Error) -> io::Error {
    let what = format!(
        "the worker's log cannot be opened: {error}: {}",
        log.display()
    );
    let help = "free disk space, or correct the permissions of the run's folder";
    io::Error::new(error.kind(), Failure::new(Kind::Disk, what).help(help))
}

/// Whether a worker that chooses its device can have a GPU, without a call of CUDA: there is one, on WSL by another name, and
/// `CUDA_VISIBLE_DEVICES` does not hide all.
fn has_gpu(devices: &Path, visible: Option<String>) -> bool {
    // CUDA reads the list up to the first entry that names no GPU, so the first entry decides: `-1,0` and `NoDevFiles` hide all.
    let names_gpu = |entry: &str| {
        entry.parse::<u32>().is_ok() || entry.starts_with("GPU-") || entry.starts_with("MIG-")
    };
    let hides_all = visible.is_some_and(|list| {
        let first = list.split(',').next().unwrap_or_default();
        !names_gpu(first.trim())
    });
    let is_gpu = |entry: std::fs::DirEntry| {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let number = name.strip_prefix("nvidia");
        name == "dxg" || number.is_some_and(|number| number.parse::<u32>().is_ok())
    };
    !hides_all
        && std::fs::read_dir(devices).is_ok_and(|mut found| found.any(|it| it.is_ok_and(is_gpu)))
}

/// The state of exactly this process: same boot, same start. A zombie is gone.
fn state(identity: &Identity) -> WorkerState {
    if cfg!(target_os = "linux") {
        let stat = (identity.boot_id == boot_id() && identity.start_ticks > 0)
            .then(|| stat(identity.pid))
            .flatten();
        match stat {
            Some((state, start)) if start == identity.start_ticks => match state {
                'Z' | 'X' => WorkerState::Gone,
                'T' => WorkerState::Suspended,
                _ => WorkerState::Running,
            },
            _ => WorkerState::Gone,
        }
    } else if raw_pid(identity).is_some_and(|pid| rustix::process::test_kill_process(pid).is_ok()) {
        WorkerState::Running
    } else {
        WorkerState::Gone
    }
}

fn raw_pid(identity: &Identity) -> Option<rustix::process::Pid> {
    i32::try_from(identity.pid)
        .ok()
        .filter(|pid| *pid > 1)
        .and_then(rustix::process::Pid::from_raw)
}

#[cfg(target_os = "linux")]
fn send(
    pid: rustix::process::Pid,
    signal: rustix::process::Signal,
    is_it: impl Fn() -> bool,
) -> rustix::io::Result<bool> {
    use rustix::process::{PidfdFlags, pidfd_open, pidfd_send_signal};
    let pinned = pidfd_open(pid, PidfdFlags::empty())?;
    if !is_it() {
        return Ok(false);
    }
    pidfd_send_signal(pinned, signal).map(|()| true)
}

#[cfg(not(target_os = "linux"))]
fn send(
    pid: rustix::process::Pid,
    signal: rustix::process::Signal,
    is_it: impl Fn() -> bool,
) -> rustix::io::Result<bool> {
    if !is_it() {
        return Ok(false);
    }
    rustix::process::kill_process(pid, signal).map(|()| true)
}

/// The machine's host name; empty if it has none.
pub fn host() -> String {
    let name = rustix::system::uname();
    name.nodename().to_string_lossy().into_owned()
}

/// The running kernel's id, which changes with every boot. Empty without `/proc`.
fn boot_id() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .map_or_else(|_| String::new(), |id| id.trim().to_owned())
}

/// Start time of a process; none for a zombie.
fn start_ticks(pid: u32) -> Option<u64> {
    stat(pid)
        .filter(|(state, _)| !matches!(state, 'Z' | 'X'))
        .map(|(_, start)| start)
}

/// State and start time of a process.
fn stat(pid: u32) -> Option<(char, u64)> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field, the program's name in parentheses, may contain spaces and parentheses.
    let mut fields = stat[stat.rfind(')')? + 1..].split_ascii_whitespace();
    let state = fields.next()?.chars().next()?;
    Some((state, fields.nth(18)?.parse().ok()?))
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::mpsc;
    use std::time::{Duration, Instant};

    use super::super::{ask, is_alive};
    use super::*;

    #[test]
    fn a_gpu_is_seen_by_its_device_unless_the_environment_hides_all() {
        for (devices, visible, expected) in [
            (&["nvidia0", "null"][..], None, true),
            (&["nvidia3"], None, true),
            (&["dxg"], None, true),
            (&["nvidiactl", "nvidia-uvm", "null"], None, false),
            (&[], None, false),
            (&["nvidia0"], Some(""), false),
            (&["nvidia0"], Some("-1"), false),
            (&["nvidia0"], Some("-1,0"), false),
            (&["nvidia0"], Some("NoDevFiles"), false),
            (&["nvidia0"], Some("0,1"), true),
            (&["nvidia0"], Some("0,-1"), true),
            (&["nvidia0"], Some("GPU-8932f937"), true),
            (&["nvidia0"], Some("MIG-8932f937"), true),
        ] {
            let folder = tempfile::tempdir().unwrap();
            for device in devices {
                std::fs::write(folder.path().join(device), "").unwrap();
            }
            let found = has_gpu(folder.path(), visible.map(str::to_owned));
            assert_eq!(found, expected, "{devices:?} {visible:?}");
        }
        assert!(!has_gpu(Path::new("/nowhere"), None));
    }

    /// The worker's handle with another identity.
    pub(crate) fn changed(worker: &Handle, change: impl FnOnce(&mut Identity)) -> Handle {
        let mut identity = worker.local().unwrap().clone();
        change(&mut identity);
        Handle::Local(identity)
    }

    #[test]
    fn a_process_with_another_start_time_or_boot_is_not_alive() {
        let me = current();
        assert!(is_alive(&me));
        assert!(!is_alive(&changed(&me, |it| it.start_ticks += 1)));
        assert!(!is_alive(
            &changed(&me, |it| it.boot_id = "another boot".to_owned())
        ));
    }

    #[test]
    fn ask_never_signals_another_process_with_the_same_pid() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let worker = process(child.id());
        let stranger = changed(&worker, |it| it.start_ticks += 1);
        assert!(!ask(&stranger, Request::Stop).unwrap());
        assert!(child.try_wait().unwrap().is_none());
        assert!(ask(&worker, Request::Stop).unwrap());
        assert!(!child.wait().unwrap().success());
        assert!(!ask(&worker, Request::Stop).unwrap());
    }

    #[test]
    fn a_worker_whose_pid_a_thread_has_now_is_gone() {
        let (tell, told) = mpsc::channel();
        let (end, ended) = mpsc::channel::<()>();
        let thread = std::thread::spawn(move || {
            let own = std::fs::read_link("/proc/thread-self").unwrap();
            let id = own.file_name().unwrap().to_str().unwrap();
            tell.send(id.parse::<u32>().unwrap()).unwrap();
            ended.recv()
        });
        let worker = changed(&process(told.recv().unwrap()), |it| it.start_ticks += 1);
        assert!(!ask(&worker, Request::Stop).unwrap());
        drop(end);
        thread.join().unwrap().unwrap_err();
    }

    #[test]
    fn a_zombie_is_not_alive() {
        let mut child = Command::new("true").spawn().unwrap();
        let worker = process(child.id());
        let deadline = Instant::now() + Duration::from_secs(10);
        while is_alive(&worker) && Instant::now() < deadline {
            std::thread::yield_now();
        }
        assert!(!is_alive(&worker));
        child.wait().unwrap();
    }
}
