//! Runs on several devices: the training loop with several ranks against one, and real processes that repeat, stop, resume and die.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test's helpers fail by panicking"
)]

#[path = "parallel/processes.rs"]
mod processes;
#[path = "parallel/ranks.rs"]
mod ranks;
mod support;
