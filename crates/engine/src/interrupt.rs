//! Requests to stop, as signals. The handler only sets a flag; it is looked at after every batch.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::flag;

/// Whether this process was asked to stop.
#[derive(Debug, Clone, Default)]
pub struct Interrupt {
    requested: Arc<AtomicBool>,
}

impl Interrupt {
    /// Listens: SIGTERM and SIGINT ask to save and leave; a second one, or SIGQUIT, ends the process where it is. SIGHUP is
    /// ignored, because a run outlives the terminal that it was started from.
    pub fn listen() -> io::Result<Self> {
        let this = Self::default();
        for signal in [SIGTERM, SIGINT] {
            // Registered first, so that it sees the flag before this signal sets it.
            flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&this.requested))?;
            flag::register(signal, Arc::clone(&this.requested))?;
        }
        flag::register_conditional_shutdown(SIGQUIT, 128 + SIGQUIT, Arc::new(AtomicBool::new(true)))?;
        flag::register(SIGHUP, Arc::new(AtomicBool::new(false)))?;
        Ok(this)
    }

    pub fn is_requested(&self) -> bool {
        self.requested.load(Ordering::Relaxed)
    }

    /// Asks, as a signal would.
    pub fn request(&self) {
        self.requested.store(true, Ordering::Relaxed);
    }
}
