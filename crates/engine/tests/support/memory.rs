//! How much memory something takes, measured where nothing else does.

use std::fs;
use std::process::Command;

/// glibc's own variable: what is larger is given back to the system as soon as it is freed, so that it does not count twice.
const THRESHOLD: &str = "MALLOC_MMAP_THRESHOLD_";

/// True in a process that does this test alone; other processes start one, and pass on what it says.
#[expect(clippy::print_stdout, reason = "the figures of the other process")]
pub(crate) fn is_alone(test: &str) -> bool {
    if std::env::var_os(THRESHOLD).is_some() {
        return true;
    }
    let mut alone = Command::new(std::env::current_exe().unwrap());
    alone
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(THRESHOLD, "65536");
    let output = alone.output().unwrap();
    println!("{}", String::from_utf8_lossy(&output.stdout));
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    false
}

/// The bytes by which a process grew at most while it did something.
pub(crate) fn grown<T>(work: impl FnOnce() -> T) -> (T, u64) {
    peak();
    let held = peak();
    let done = work();
    (done, peak().saturating_sub(held))
}

/// The most memory that this process held since the last time, in bytes; counted anew from here on.
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM"))
        .unwrap();
    fs::write("/proc/self/clear_refs", "5").unwrap();
    line.split_whitespace()
        .nth(1)
        .unwrap()
        .parse::<u64>()
        .unwrap()
        << 10
}
