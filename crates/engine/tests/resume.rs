//! Taking runs up again: every optimizer under every schedule from every kind of place, kills, signals, two at once, a kill and an
//! error at every call, real full disks, runs of earlier versions, and changed plans. With `--nocapture` each part prints its figure.

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
#[path = "resume/races.rs"]
mod races;
#[path = "resume/saves.rs"]
mod saves;
#[path = "resume/signals.rs"]
mod signals;
#[expect(dead_code, reason = "the experiment of other tests is part of it")]
mod support;
#[path = "resume/tiny.rs"]
mod tiny;
