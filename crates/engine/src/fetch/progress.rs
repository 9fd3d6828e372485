//! What a fetch reports, and how it is stopped.

use std::time::{Duration, Instant};

use warmstart_schema::event::FetchAction;

use super::error::FetchError;

/// Receives the progress of a fetch, and may stop it.
pub trait Progress {
    /// `done` of `total` bytes are downloaded or unpacked. Called for each chunk, so the receiver must throttle its output.
    fn progress(&mut self, action: FetchAction, what: &str, done: u64, total: u64);
    /// What happens, or why it takes longer: a line for the user.
    fn note(&mut self, text: &str);
    /// Whether the fetch should stop now.
    fn is_stopped(&self) -> bool;
}

/// Waits; a stop ends the wait with an error.
pub(super) fn wait(pause: Duration, progress: &dyn Progress) -> Result<(), FetchError> {
    let until = Instant::now() + pause;
    loop {
        if progress.is_stopped() {
            return Err(FetchError::Stopped);
        }
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        std::thread::sleep(left.min(Duration::from_millis(50)));
    }
}
