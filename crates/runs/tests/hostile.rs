//! Hostile experiment files, logs and names: none causes a panic, a write outside the folder, or a refusal without an
//! explanation.
//! With `--nocapture` each part prints its figure.

#[cfg(test)]
#[path = "hostile/fields.rs"]
mod fields;
#[cfg(test)]
#[path = "hostile/logs.rs"]
mod logs;
#[expect(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]
#[path = "../../engine/tests/support/memory.rs"]
mod memory;
#[cfg(test)]
#[path = "hostile/names.rs"]
mod names;
#[path = "../../engine/tests/support/strace.rs"]
mod strace;
