//! Tests of resume: every optimizer, schedule and stop point; kills, signals, and two workers on one run.
//! Also: a kill or an error at every system call, real full disks, runs of earlier versions, and changed settings.
//! With `--nocapture` each part prints its figure.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test's helpers fail by panicking"
)]

#[path = "resume/calls.rs"]
mod calls;
#[path = "resume/changed.rs"]
mod changed;
#[path = "resume/disks.rs"]
mod disks;
#[path = "resume/golden.rs"]
mod golden;
#[path = "resume/gone.rs"]
mod gone;
#[path = "resume/kills.rs"]
mod kills;
#[path = "resume/matrix.rs"]
mod matrix;
#[path = "support/memory.rs"]
#[expect(dead_code, reason = "these tests measure no memory")]
mod memory;
#[path = "resume/races.rs"]
mod races;
#[path = "resume/saves.rs"]
mod saves;
#[path = "resume/signals.rs"]
mod signals;
#[path = "support/strace.rs"]
mod strace;
#[expect(dead_code, reason = "the experiment of other tests is part of it")]
mod support;
#[path = "resume/tiny.rs"]
mod tiny;
