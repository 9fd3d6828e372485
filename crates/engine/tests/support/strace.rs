//! Tests that watch the system calls of a process, or make them fail, need strace.

use std::process::Command;

/// Whether strace is here. Where it is not, says that the test is skipped.
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
pub(crate) fn has_strace() -> bool {
    let has = Command::new("strace")
        .arg("-V")
        .output()
        .is_ok_and(|output| output.status.success());
    if !has {
        eprintln!("SKIPPED: strace is not here; get it with: sudo apt-get install strace");
    }
    has
}
