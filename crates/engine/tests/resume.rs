//! Taking runs up again: every optimizer under every schedule from every kind of place, signals, two at once, a kill at every
//! call, real full disks, and changed plans.

#![expect(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a test's helpers fail by panicking")]

#[path = "resume/changed.rs"]
mod changed;
#[path = "resume/disks.rs"]
mod disks;
#[path = "resume/matrix.rs"]
mod matrix;
#[path = "resume/races.rs"]
mod races;
#[path = "resume/signals.rs"]
mod signals;
#[expect(dead_code, reason = "the experiment of other tests is part of it")]
mod support;
#[path = "resume/tiny.rs"]
mod tiny;
