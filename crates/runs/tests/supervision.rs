//! Tests without a dashboard: a reused process id is not mistaken for the worker, and 500 starts and ends leave nothing behind.

#![expect(clippy::unwrap_used, reason = "a test's helpers fail by panicking")]

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use warmstart_runs::launcher::{self, Programs, Request, WorkerState, local};
use warmstart_runs::queue::{Entry, Push, Queue};
use warmstart_runs::run::RunDir;

/// Number of trials, for the process in the new namespace.
const INSIDE: &str = "WARMSTART_STRANGERS_INSIDE";
/// One test starts a process. The other counts the children and descriptors of this process, so they never run together.
static ALONE: Mutex<()> = Mutex::new(());
/// The kernel's resolution of process start times.
const TICK: Duration = Duration::from_millis(10);
/// Time in which a signal ends a process.
const SIGNAL: Duration = Duration::from_millis(5);

fn sleeper() -> Child {
    Command::new("sleep").arg("60").spawn().unwrap()
}

/// A process that has the process id of an ended one.
fn stranger(number: u32) -> Child {
    loop {
        fs::write("/proc/sys/kernel/ns_last_pid", (number - 1).to_string()).unwrap();
        let mut child = sleeper();
        if child.id() == number {
            return child;
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }
}

fn signal_reused_pids(trials: usize) {
    for _ in 0..trials {
        let mut worker = sleeper();
        let handle = local::process(worker.id());
        assert!(launcher::is_alive(&handle));
        worker.kill().unwrap();
        worker.wait().unwrap();
        std::thread::sleep(TICK);
        let mut stranger = stranger(worker.id());
        assert_eq!(
            launcher::of_worker(&handle).state(&handle),
            WorkerState::Gone
        );
        for request in [Request::Stop, Request::StopNow] {
            assert!(!launcher::ask(&handle, request).unwrap());
        }
        std::thread::sleep(SIGNAL);
        assert!(
            stranger.try_wait().unwrap().is_none(),
            "another process got the signal"
        );
        // The request works: it ends the process that it names.
        assert!(launcher::ask(&local::process(stranger.id()), Request::Stop).unwrap());
        assert!(!stranger.wait().unwrap().success());
    }
}

/// `WARMSTART_STRANGERS` sets how often a worker's process id is reused (default 50; the soak test does 1,000).
#[test]
fn signals_never_reach_a_process_with_a_reused_pid() {
    if let Ok(trials) = std::env::var(INSIDE) {
        return signal_reused_pids(trials.parse().unwrap());
    }
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let trials = std::env::var("WARMSTART_STRANGERS").unwrap_or_else(|_| "50".to_owned());
    let unshare = || {
        let mut unshare = Command::new("unshare");
        unshare.args(["--pid", "--fork", "--mount-proc"]);
        unshare
    };
    let test = "test -w /proc/sys/kernel/ns_last_pid && echo 100 > /proc/sys/kernel/ns_last_pid";
    if !unshare()
        .args(["sh", "-c", test])
        .status()
        .is_ok_and(|status| status.success())
    {
        eprintln!("SKIPPED: cannot reuse pids here (needs unshare --pid, as root)");
        return;
    }
    let program = std::env::current_exe().unwrap();
    let arguments = [
        "--exact",
        "signals_never_reach_a_process_with_a_reused_pid",
        "--nocapture",
    ];
    let output = unshare()
        .arg(program)
        .args(arguments)
        .env(INSIDE, &trials)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    println!(
        "FIGURE B3\ta worker's number given to another process: 0 signals to it, 0 times taken for the worker\t{trials}\t1000\t{}",
        if trials.parse::<usize>().unwrap() >= 1000 {
            "ok"
        } else {
            "UNDER"
        }
    );
}

#[test]
fn five_hundred_starts_and_ends_leak_nothing() {
    const CYCLES: usize = 500;
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let root = tempfile::tempdir().unwrap();
    let queue = Queue::new(root.path());
    let programs = Programs {
        worker: PathBuf::from("/bin/true"),
        monitor: None,
    };
    let run = "a".parse().unwrap();
    fs::create_dir(RunDir::of(root.path(), &run).path()).unwrap();
    let used = || {
        let status = fs::read_to_string("/proc/self/status").unwrap();
        let memory = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .unwrap();
        let memory: u64 = memory.trim().trim_end_matches(" kB").parse().unwrap();
        (memory, fs::read_dir("/proc/self/fd").unwrap().count())
    };
    let cycle = || {
        let entry = Entry {
            run: "a".parse().unwrap(),
            stem: "a".to_owned(),
            slot: "cpu".to_owned(),
            after: None,
            file: None,
            after_file: None,
        };
        assert_eq!(queue.push(entry).unwrap(), Push::Queued);
        let advance = queue.advance(&programs, None).unwrap();
        assert!(advance.failed.is_empty() && advance.started.len() == 1);
        for (_, started) in advance.started {
            assert!(started.child.unwrap().wait().unwrap().success());
        }
    };
    (0..20).for_each(|_| cycle());
    let (memory, descriptors) = used();
    (0..CYCLES).for_each(|_| cycle());
    let (memory_after, descriptors_after) = used();
    let tasks = fs::read_dir("/proc/self/task").unwrap().flatten();
    let children = tasks
        .filter_map(|task| fs::read_to_string(task.path().join("children")).ok())
        .collect::<String>();
    assert!(children.trim().is_empty(), "left: {children}");
    assert_eq!(descriptors, descriptors_after);
    let grown = (memory_after as f64 - memory as f64) / 1024.0;
    assert!(grown < 5.0, "{memory} kB became {memory_after} kB");
    println!(
        "FIGURE B4\tstarts and ends of the queue alone: 0 zombies, {descriptors_after} descriptors as before, memory\t{grown:+.1} MB\t< 5 MB after {CYCLES}\tok"
    );
}
