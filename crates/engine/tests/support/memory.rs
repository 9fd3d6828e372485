//! Peak memory of a piece of work, measured in a separate process.

use std::fs;
use std::process::Command;

/// A setting of glibc: the allocator returns larger blocks to the system when they are freed, so that they do not count twice.
const THRESHOLD: &str = "MALLOC_MMAP_THRESHOLD_";

/// True in the process that runs only this test, and whose cache is a temporary folder. Otherwise starts such a process, prints
/// its output, and returns false.
#[expect(clippy::print_stdout, reason = "the figures of the other process")]
pub(crate) fn is_alone(test: &str) -> bool {
    if std::env::var_os(THRESHOLD).is_some() {
        return true;
    }
    let cache = tempfile::tempdir().unwrap();
    let mut alone = Command::new(std::env::current_exe().unwrap());
    alone
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(THRESHOLD, "65536")
        .env("XDG_CACHE_HOME", cache.path());
    let output = alone.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    println!("{said}");
    // With a wrong name of a test the process succeeds too, and runs none.
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    false
}

/// The result of `work`, and by how many bytes the process grew at most meanwhile.
pub(crate) fn grown<T>(work: impl FnOnce() -> T) -> (T, u64) {
    peak();
    let held = peak();
    let done = work();
    (done, peak().saturating_sub(held))
}

/// The peak memory of this process in bytes since the last call. Resets the peak.
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
